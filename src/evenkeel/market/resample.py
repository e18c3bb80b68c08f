"""Longer bars out of shorter ones, session by session: no bar reaches from one day into the next.

Within a session bars are counted from its open, so that an hourly bar of New York begins at 9:30.
Without a market days are those of UTC.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.calendar.sessions import sessions
from evenkeel.domain.errors import UsageError
from evenkeel.domain.instrument import NO_MARKET
from evenkeel.market.columns import DAY

if TYPE_CHECKING:
    from evenkeel.domain.bar import AnyArray, Times

MONDAY = 4 * DAY
"""1970-01-05, from which weeks are counted."""


def resampled(
    columns: dict[str, AnyArray], mic: str, length: int, wanted: int
) -> dict[str, AnyArray]:
    """Return bars of `wanted` nanoseconds out of bars of `length`; a day is one session.

    `columns` are ts (starts, in order), open, high, low, close and volume. Bars outside sessions are
    left out. Raises `UsageError` when the one is no multiple of the other.
    """
    if wanted % length or wanted <= length:
        raise UsageError(f"bars of {wanted / 1e9:g} s cannot be made of bars of {length / 1e9:g} s")
    ts = columns["ts"]
    if not len(ts):
        return columns
    begins, inside = _begins(ts, mic, length, wanted)
    kept = {name: column[inside] for name, column in columns.items()}
    edges = np.flatnonzero(np.diff(begins[inside], prepend=-(2**62)))
    if not len(edges):
        return kept
    ends = np.append(edges[1:], len(kept["ts"])) - 1
    return {
        "ts": begins[inside][edges],
        "open": kept["open"][edges],
        "high": np.maximum.reduceat(kept["high"], edges),
        "low": np.minimum.reduceat(kept["low"], edges),
        "close": kept["close"][ends],
        "volume": np.add.reduceat(kept["volume"], edges),
    }


def _begins(ts: Times, mic: str, length: int, wanted: int) -> tuple[Times, AnyArray]:
    """Return the start of the longer bar that each belongs to, and which belong to one."""
    everywhere = np.ones(len(ts), np.bool_)
    if wanted > DAY:
        days = ts if length >= DAY else _begins(ts, mic, length, DAY)[0]
        return (days - MONDAY) // wanted * wanted + MONDAY, everywhere
    if mic == NO_MARKET:
        return ts // wanted * wanted, everywhere
    first, last = (date(1970, 1, 1) + timedelta(days=int(at // DAY)) for at in (ts[0], ts[-1]))
    around = sessions(mic, first - timedelta(days=2), last + timedelta(days=2))
    # A bar that begins before the open and ends after it (9:00 to 10:00) belongs to the session.
    place = (np.searchsorted(around.opens, ts + length - 1, side="right") - 1).clip(min=0)
    inside = (ts + length > around.opens[place]) & (ts < around.closes[place])
    if wanted == DAY:
        return around.dates[place] * DAY, inside
    since = np.maximum(ts - around.opens[place], 0)
    return around.opens[place] + since // wanted * wanted, inside
