"""Small histories for the tests of bars and tape."""

import numpy as np

from evenkeel.domain.bar import Bars
from evenkeel.domain.instrument import Instrument


def history(name, times, *, closes=None, session_closes=None):
    """Bars of `name` closing at `times`; the close of each is its time unless given."""
    at = np.array(times, dtype=np.int64)
    price = np.array(times if closes is None else closes, dtype=np.float64)
    return Bars(
        Instrument(name),
        at,
        price,
        price + 1,
        price - 1,
        price.copy(),
        np.full(len(at), 10.0),
        at if session_closes is None else np.array(session_closes, dtype=np.int64),
    )
