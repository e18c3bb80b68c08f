"""Bars as somebody saw them: which values a bar has had, who saw them first and last, which hold.

What was seen is never forgotten and never depends on the order in which it was told: of each value
of a bar the first and the last sight are kept, and the value seen last holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evenkeel.domain.bar import AnyArray, Column, Flags, Times

VALUES = ("open", "high", "low", "close", "volume", "adj_close")
"""The values of a bar; `adj_close` is the source's own adjusted close, NaN where it gave none."""

PREFERENCE = ("volume", "close", "high", "low", "open", "adj_close")
"""Of two values seen last at one time the one with more volume holds: a later look counts more."""


class Seen(Struct, frozen=True, eq=False):
    """Rows of some instruments. `names` are sorted, `codes` is each row's place among them.

    `ts` is each bar's start (a daily bar: midnight UTC of its session), `first_seen` and
    `last_seen` when its values were looked at; all in UTC nanoseconds. `source_of` is each row's
    place in `sources`, who saw it last.
    """

    names: tuple[str, ...]
    codes: Times
    ts: Times
    values: Mapping[str, Column]
    first_seen: Times
    last_seen: Times
    sources: tuple[str, ...]
    source_of: Times

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ts)

    def take(self, rows: AnyArray | slice) -> Seen:
        """Return some of the rows."""
        return replace(
            self,
            codes=self.codes[rows],
            ts=self.ts[rows],
            values={name: column[rows] for name, column in self.values.items()},
            first_seen=self.first_seen[rows],
            last_seen=self.last_seen[rows],
            source_of=self.source_of[rows],
        )

    def of(self, name: str) -> Seen:
        """Return the rows of one instrument."""
        return self.take(self.codes == self.names.index(name))


def seen(
    names: Sequence[str],
    codes: Times,
    ts: Times,
    values: Mapping[str, Column],
    *,
    at: int,
    source: str,
) -> Seen:
    """Return rows that one source showed at one time, in order of name and time.

    Rows of one bar stay beside each other: `settled` says which of them holds.
    """
    known = sorted(set(names))
    place = np.array([known.index(name) for name in names] if len(names) < 9 else _places(names))
    ranks = place.astype(np.int64)[codes] if len(names) else codes
    blank = np.full(len(ts), np.nan)
    order = np.lexsort((ts, ranks))
    return Seen(
        tuple(known),
        ranks[order],
        ts[order],
        {name: np.asarray(values.get(name, blank), np.float64)[order] for name in VALUES},
        np.full(len(ts), at),
        np.full(len(ts), at),
        (source,),
        np.zeros(len(ts), np.int64),
    )


def _places(names: Sequence[str]) -> list[int]:
    place = {name: at for at, name in enumerate(sorted(set(names)))}
    return [place[name] for name in names]


def nothing_seen() -> Seen:
    """Return no rows at all."""
    return seen((), np.empty(0, np.int64), np.empty(0, np.int64), {}, at=0, source="")


def together(parts: Sequence[Seen]) -> Seen:
    """Return the rows of several as one, in order of name and time; equals keep their order."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return nothing_seen()
    names, codes = _joined([part.names for part in parts], [part.codes for part in parts])
    sources, source_of = _joined(
        [part.sources for part in parts], [part.source_of for part in parts]
    )
    whole = Seen(
        names,
        codes,
        np.concatenate([part.ts for part in parts]),
        {name: np.concatenate([part.values[name] for part in parts]) for name in VALUES},
        np.concatenate([part.first_seen for part in parts]),
        np.concatenate([part.last_seen for part in parts]),
        sources,
        source_of,
    )
    if len(parts) == 1 or _rising(codes, whole.ts, strictly=False).all():
        return whole
    return whole.take(np.lexsort((whole.ts, codes)))


def _joined(
    names: Sequence[tuple[str, ...]], codes: Sequence[Times]
) -> tuple[tuple[str, ...], Times]:
    """Return the union of several lists of names, sorted, and codes that point into it."""
    if all(each == names[0] for each in names) and list(names[0]) == sorted(names[0]):
        return names[0], np.concatenate(codes)
    union = sorted(set().union(*names))
    place = {name: at for at, name in enumerate(union)}
    moved = [
        np.array([place[name] for name in each], np.int64)[old] if len(each) else old
        for each, old in zip(names, codes, strict=True)
    ]
    return tuple(union), np.concatenate(moved)


def _rising(codes: Times, ts: Times, *, strictly: bool) -> Flags:
    """Tell for each row but the first whether it comes after the one before it."""
    later = ts[1:] > ts[:-1] if strictly else ts[1:] >= ts[:-1]
    same = codes[1:] == codes[:-1]
    found: Flags = (codes[1:] > codes[:-1]) | (same & later)
    return found


def settled(rows: Seen) -> tuple[Seen, Seen]:
    """Return the rows that hold, one for each bar, and those that they have superseded.

    `rows` are in order of name and time. Each value of a bar is there once, with its first and
    its last sight.
    """
    again = ~_rising(rows.codes, rows.ts, strictly=True)
    if not again.any():
        return rows, rows.take(slice(0, 0))
    shared = np.zeros(len(rows), np.bool_)
    shared[1:] |= again
    shared[:-1] |= again
    values = _each_value_once(rows.take(shared))
    holds = _last_of_each_bar(values)
    return together([rows.take(~shared), values.take(holds)]), values.take(~holds)


def held_at(rows: Seen, moment: int) -> Seen:
    """Return what held at a moment, out of every value that bars have had by today.

    A value that had been seen by then and is seen again later counts from its first sight: what
    was seen between the first and the last is not kept. `rows` may be in any order.
    """
    then = rows.take(rows.first_seen <= moment)
    sight = np.where(then.last_seen <= moment, then.last_seen, then.first_seen)
    then = replace(then, last_seen=sight)
    return settled(then.take(np.lexsort((then.ts, then.codes))))[0]


def _each_value_once(rows: Seen) -> Seen:
    bits = [_bits(rows.values[name]) for name in VALUES]
    ranks = np.argsort(np.argsort(np.array(rows.sources, dtype=object)))[rows.source_of]
    order = np.lexsort((ranks, rows.last_seen, *bits, rows.ts, rows.codes))
    rows, bits = rows.take(order), [column[order] for column in bits]
    fresh = np.ones(len(rows), np.bool_)
    fresh[1:] = (rows.codes[1:] != rows.codes[:-1]) | (rows.ts[1:] != rows.ts[:-1])
    for column in bits:
        fresh[1:] |= column[1:] != column[:-1]
    starts = np.flatnonzero(fresh)
    ends = np.append(starts[1:], len(rows)) - 1
    first = np.minimum.reduceat(rows.first_seen, starts)
    return replace(rows.take(ends), first_seen=first)


def _last_of_each_bar(rows: Seen) -> Flags:
    wanted = [np.nan_to_num(rows.values[name], nan=-np.inf) for name in reversed(PREFERENCE)]
    order = np.lexsort((*wanted, rows.last_seen, rows.ts, rows.codes))
    codes, ts = rows.codes[order], rows.ts[order]
    last = np.ones(len(rows), np.bool_)
    last[:-1] = (codes[1:] != codes[:-1]) | (ts[1:] != ts[:-1])
    holds = np.zeros(len(rows), np.bool_)
    holds[order[last]] = True
    return holds


def _bits(column: Column) -> Times:
    """Return numbers as whole ones that are equal when the numbers are: one NaN, one zero."""
    whole = np.ascontiguousarray(column + 0.0)
    whole[np.isnan(whole)] = np.nan
    return whole.view(np.int64)


def news(rows: Seen, known: Seen) -> tuple[Flags, Flags, Flags]:
    """Tell which of `rows` are new bars, restate a known one, or only confirm it.

    Both are in order and hold each bar once. What is none of the three was known already.
    """
    _, codes = _joined([rows.names, known.names], [rows.codes, known.codes])
    ours, theirs = codes[: len(rows)], codes[len(rows) :]
    place = _find(ours, rows.ts, theirs, known.ts)
    there = place >= 0
    same = there.copy()
    for name in VALUES:
        same[there] &= _bits(rows.values[name][there]) == _bits(known.values[name][place[there]])
    confirms = same.copy()
    confirms[same] = (rows.last_seen[same] > known.last_seen[place[same]]) | (
        rows.first_seen[same] < known.first_seen[place[same]]
    )
    return ~there, there & ~same, confirms


def _find(codes: Times, ts: Times, in_codes: Times, in_ts: Times) -> Times:
    """Return where each (code, ts) stands in an ordered list of them, -1 where it does not."""
    if not len(in_ts):
        return np.full(len(ts), -1)
    moments = np.unique(in_ts)
    at = np.searchsorted(moments, ts).clip(max=len(moments) - 1)
    key = codes * len(moments) + at
    in_key = in_codes * len(moments) + np.searchsorted(moments, in_ts)
    place = np.searchsorted(in_key, key).clip(max=len(in_key) - 1)
    return np.where((in_key[place] == key) & (moments[at] == ts), place, -1)
