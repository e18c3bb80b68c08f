"""A sheet: the bars of many instruments side by side, as every rule sees them.

Prices stand on the scale of today: those before a listed split are divided by it. What still jumps
is then either true, or a split that is not listed, not in the prices, or there twice.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec import Struct, field

from evenkeel.market.columns import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evenkeel.domain.bar import AnyArray, Column, Flags, Times
    from evenkeel.market.seen import Seen

NEVER = 2**62


class Hits(NamedTuple):
    """Rows that break a rule: their places in the sheet, what was observed, and words for people.

    `counts` is how many bars each stands for (missing ones have no row); None: one each.
    """

    rule: str
    rows: Times
    values: Column
    words: str
    counts: Times | None = None


class Action(Struct, frozen=True):
    """A listed split (new shares for one old) or dividend (money a share), at a start of bars."""

    instrument: str
    ts: int
    kind: str
    value: float


class Sheet(Struct, frozen=True, eq=False, dict=True):
    """Columns in order of instrument and time, each bar once. `length` is how long a bar lasts.

    `kinds` says what an instrument is where that is known (equity, index, crypto, fx, spread).
    `now` is the present, UTC nanoseconds. `dividend` and `gains` are money a share on their
    ex-dates, `split` the listed ratio on its day; zeros where nothing is listed.
    """

    names: tuple[str, ...]
    codes: Times
    ts: Times
    length: int
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    adj_close: Column
    dividend: Column
    gains: Column
    split: Column
    now: int = NEVER
    kinds: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.ts)

    @cached_property
    def begins(self) -> Flags:
        """Which bars are the first of their instrument."""
        found = np.ones(len(self), np.bool_)
        found[1:] = self.codes[1:] != self.codes[:-1]
        return found

    @cached_property
    def starts(self) -> Times:
        """Where each instrument that has bars begins."""
        return np.flatnonzero(self.begins)

    @cached_property
    def counts(self) -> Times:
        """How many bars each of these instruments has."""
        return np.diff(np.append(self.starts, len(self)))

    def spread(self, each: AnyArray) -> AnyArray:
        """Return a value for each bar from a value for each instrument that has bars."""
        return np.repeat(each, self.counts)

    def before(self, column: AnyArray) -> Column:
        """Return for each bar the value of the bar before it, NaN for the first."""
        found = np.full(len(self), np.nan)
        found[1:] = column[:-1]
        found[self.begins] = np.nan
        return found

    def after(self, column: AnyArray) -> Column:
        """Return for each bar the value of the bar after it, NaN for the last."""
        found = np.full(len(self), np.nan)
        found[:-1] = column[1:]
        found[:-1][self.begins[1:]] = np.nan
        return found

    @cached_property
    def steps(self) -> Times:
        """How long after the bar before each began, 0 for the first."""
        found = np.zeros(len(self), np.int64)
        found[1:] = np.diff(self.ts)
        found[self.begins] = 0
        return found

    @cached_property
    def returns(self) -> Column:
        """Logarithms of close over the close before; NaN where there is none of either."""
        return self.logs(self.close)

    def logs(self, column: Column) -> Column:
        """Return the logarithm of each value over the one before it, NaN where it has none."""
        found = np.log(column / self.before(column))
        found[~np.isfinite(found)] = np.nan
        return found

    @cached_property
    def usual(self) -> Column:
        """How large each instrument's returns usually are: the median of their sizes, per bar."""
        return self.spread(self.median(np.abs(self.returns)))

    def median(self, column: Column) -> Column:
        """Return the median of each instrument's values (those that are finite), 0 without any."""
        good = np.isfinite(column)
        order = np.lexsort((column[good], self.codes[good]))
        codes, values = self.codes[good][order], column[good][order]
        mine = self.codes[self.starts]
        low = np.searchsorted(codes, mine, side="left")
        high = np.searchsorted(codes, mine, side="right")
        middle = (low + high) // 2
        found = np.zeros(len(mine))
        there = high > low
        found[there] = values[middle[there]]
        return found

    def market(self, code: int) -> str:
        """Return the MIC of an instrument."""
        return self.names[code].rpartition(".")[2]

    @cached_property
    def markets(self) -> list[tuple[str, Times]]:
        """Each market with the places of its bars in the sheet."""
        mics = np.array([name.rpartition(".")[2] for name in self.names] or ["XXXX"])
        found = sorted(set(mics[np.unique(self.codes)].tolist())) if len(self) else []
        if len(found) == 1:
            return [(found[0], np.arange(len(self)))]
        of = mics[self.codes]
        return [(mic, np.flatnonzero(of == mic)) for mic in found]

    @cached_property
    def traded(self) -> Flags:
        """Whether the instrument has volume at all: an index has none, and none is missing."""
        some = np.maximum.reduceat(self.volume > 0, self.starts) if len(self) else self.begins
        return np.asarray(self.spread(some), np.bool_)


def sheet(
    rows: Seen,
    length: int,
    *,
    actions: Sequence[Action] = (),
    adjusted: bool = False,
    now: int = NEVER,
    kinds: Mapping[str, str] | None = None,
) -> Sheet:
    """Return rows (in order, each bar once) as a sheet.

    `adjusted` says that prices, volumes and dividends are already on the scale of today.
    """
    columns = {name: np.array(column) for name, column in rows.values.items()}
    listed = {name: np.zeros(len(rows)) for name in ("dividend", "gains", "split")}
    for name in dict.fromkeys(action.instrument for action in actions):
        if name not in rows.names:
            continue
        code = rows.names.index(name)
        low, high = np.searchsorted(rows.codes, [code, code + 1])
        mine = slice(int(low), int(high))
        _list(rows.ts[mine], [a for a in actions if a.instrument == name], mine, listed)
        if not adjusted:
            _to_todays_scale(mine, columns, listed)
    return Sheet(
        rows.names,
        rows.codes,
        rows.ts,
        length,
        **columns,
        **listed,
        now=now,
        kinds=kinds or {},
    )


def _list(ts: Times, actions: Sequence[Action], mine: slice, listed: Mapping[str, Column]) -> None:
    """Put each action beside the first bar that knows it."""
    for action in actions:
        place = int(np.searchsorted(ts // DAY, action.ts // DAY))
        if place < len(ts):
            column = listed[action.kind][mine]
            if action.kind == "split":
                column[place] = (column[place] or 1.0) * action.value
            else:
                column[place] += action.value


def _to_todays_scale(
    mine: slice, columns: Mapping[str, Column], listed: Mapping[str, Column]
) -> None:
    split = listed["split"][mine]
    if not split.any():
        return
    ratios = np.where(split > 0, split, 1.0)
    later = np.append(np.cumprod(ratios[::-1])[::-1][1:], 1.0)
    for name in ("open", "high", "low", "close"):
        columns[name][mine] /= later
    columns["volume"][mine] *= later
    for name in ("dividend", "gains"):
        listed[name][mine] /= later
