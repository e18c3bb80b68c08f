"""Two stretches of bars become one only where they have been seen to agree.

Sources adjust, round and name things differently; a seam where nobody looked is a price that never
was. So at least 20 bars must be in both, and their closes must be the same to a tenth of a percent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from evenkeel.domain.errors import DataError
from evenkeel.market.columns import PRICES
from evenkeel.market.provider import Fetched

if TYPE_CHECKING:
    from evenkeel.domain.bar import AnyArray, Times
    from evenkeel.market.provider import Origin

OVERLAP_MIN = 20
CLOSE_DIFFERENCE_MAX = 0.001
"""As a share of the price: what two honest sources have been seen to differ by at most."""


class JoinRefusedError(DataError):
    """Two stretches do not belong together. `overlap` bars were compared; `worst` is the share."""

    def __init__(self, said: str, *, overlap: int, worst: float = 0.0) -> None:
        """Keep what was compared."""
        super().__init__(said)
        self.overlap, self.worst = overlap, worst


def joined(first: Fetched, second: Fetched) -> Fetched:
    """Return both as one: all of `first`, and those bars of `second` that it does not have.

    A source may go on from where it was without bars in common. Raises `JoinRefusedError`, with the difference, when they do not agree where both have bars.
    """
    _refuse_strangers(first, second)
    _, mine, theirs = np.intersect1d(
        first.table.stamps, second.table.stamps, assume_unique=True, return_indices=True
    )
    _refuse_difference(first, second, mine, theirs)
    added = np.setdiff1d(np.arange(len(second)), theirs)
    _refuse_other_scale(first, second, added)
    stamps = np.concatenate((first.table.stamps, second.table.stamps[added]))
    order = np.argsort(stamps, kind="stable")

    def both(one: AnyArray, other: AnyArray) -> AnyArray:
        return np.concatenate((one, other[added]))[order]

    sources = list(dict.fromkeys((*first.sources, *second.sources)))
    table, other = first.table, second.table
    return replace(
        first,
        table=replace(
            table,
            wall=both(table.wall, other.wall),
            stamps=stamps[order],
            prices={name: both(table.prices[name], other.prices[name]) for name in PRICES},
            volume=None
            if table.volume is None or other.volume is None
            else both(table.volume, other.volume),
        ),
        sources=tuple(sources),
        source_of=both(_places(first, sources), _places(second, sources)),
        partial=second.partial,
    )


def picked(part: Fetched, rows: Times) -> Fetched:
    """Return only some bars of a stretch, by their places."""
    table = part.table
    chosen = replace(
        table,
        wall=table.wall[rows],
        stamps=table.stamps[rows],
        prices={name: column[rows] for name, column in table.prices.items()},
        volume=None if table.volume is None else table.volume[rows],
    )
    return replace(part, table=chosen, source_of=part.source_of[rows])


def _places(part: Fetched, sources: list[Origin]) -> Times:
    """Return each bar's place among the sources of both."""
    places = np.array([sources.index(each) for each in part.sources], np.int64)
    return places[part.source_of]


def _refuse_strangers(first: Fetched, second: Fetched) -> None:
    for name, one, other in (
        ("instrument", first.instrument.id, second.instrument.id),
        ("interval", first.interval, second.interval),
        ("currency", first.sources[-1].currency, second.sources[0].currency),
    ):
        if one != other:
            raise JoinRefusedError(
                f"{_names(first, second)}: not of one {name} ({one} and {other})", overlap=0
            )


def _refuse_difference(first: Fetched, second: Fetched, mine: Times, theirs: Times) -> None:
    who = f"{first.instrument.id} of {_names(first, second)}"
    goes_on = (first.sources[-1].source, first.sources[-1].adjustment) == (
        second.sources[0].source,
        second.sources[0].adjustment,
    )
    if len(mine) < OVERLAP_MIN and not goes_on:
        raise JoinRefusedError(
            f"{who} cannot be joined: they have {len(mine)} bars in common, {OVERLAP_MIN} are needed",
            overlap=len(mine),
        )
    if not len(mine):
        return
    ours, others = first.table.prices["close"][mine], second.table.prices["close"][theirs]
    difference = np.abs(others / ours - 1)
    differs = ~(difference <= CLOSE_DIFFERENCE_MAX)  # what is not a number does not agree
    if not differs.any():
        return
    row = int(np.argmax(np.where(np.isfinite(difference), difference, np.inf)))
    at = np.datetime64(int(first.table.stamps[mine[row]]), "ns").astype("datetime64[m]")
    raise JoinRefusedError(
        f"{who} cannot be joined: {int(differs.sum())} of {len(mine)} closes differ, most at {at}, "
        f"{ours[row]:g} against {others[row]:g} ({difference[row]:.2%})",
        overlap=len(mine),
        worst=float(difference[row]),
    )


def _refuse_other_scale(first: Fetched, second: Fetched, added: Times) -> None:
    """Bars on another scale may follow: there is no later split yet that parts the scales."""
    scales = {each.adjustment for each in (*first.sources, *second.sources)}
    if len(scales) == 1 or not len(added):
        return
    if not len(first) or second.table.stamps[added[0]] < first.table.stamps[-1]:
        raise JoinRefusedError(
            f"{first.instrument.id} of {_names(first, second)} cannot be joined: prices are "
            f"{' and '.join(sorted(scales))}, which only agree from the last split on",
            overlap=len(second) - len(added),
        )


def _names(first: Fetched, second: Fetched) -> str:
    return f"{first.sources[-1].source} and {second.sources[0].source}"
