"""From a provider's rows to its answer: in order, inside what was asked, complete or partial.

A bar that closes after now is not history. It becomes the partial bar, or nothing.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.calendar.sessions import sessions
from evenkeel.domain.instrument import NO_MARKET
from evenkeel.market.columns import DAY, PRICES, Table
from evenkeel.market.history import closing_times, history
from evenkeel.market.provider import Failure, Fetched, PartialBar, ProviderError, interval_ns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evenkeel.domain.bar import Bars, Column, Times
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.provider import Origin


def fetched(
    instrument: Instrument,
    interval: str,
    began: Times,
    columns: Mapping[str, Column],
    *,
    start: int,
    end: int,
    origin: Origin,
) -> Fetched:
    """Return rows (in any order) as an answer to `start <= beginning < end`.

    `columns` has open, high, low, close and, where there is one, volume. What had not closed by
    `origin.fetched_at` is left out; the earliest such row is the partial bar. Rows that repeat a
    beginning with the same values count once. Raises `ProviderError` when they differ.
    """
    order = np.argsort(began, kind="stable")
    order = order[_first_of_each(began[order], [columns[name][order] for name in PRICES], origin)]
    order = order[(began[order] >= start) & (began[order] < end)]
    stamps = began[order]
    closed = closing_times(stamps, interval_ns(interval), instrument.mic) <= origin.fetched_at
    done, open_rows = order[closed], order[~closed]
    partial = _partial(began, columns, int(open_rows[0]), origin) if len(open_rows) else None
    volume = columns.get("volume")
    table = Table(
        f"{origin.source} {instrument.symbol}",
        began[done],
        began[done],
        {name: columns[name][done] for name in PRICES},
        None if volume is None else volume[done],
        (),
        None,
        place,
    )
    return Fetched(instrument, interval, table, (origin,), np.zeros(len(done), np.int64), partial)


def place(row: int) -> str:
    """Name a row of an answer as a person counts."""
    return f"bar {row + 1}"


def _first_of_each(began: Times, prices: list[Column], origin: Origin) -> Times:
    """Return the rows of a sorted column that are no repetition of the row before."""
    repeated = np.diff(began, prepend=-1) == 0
    for row in np.flatnonzero(repeated):
        if any(column[row] != column[row - 1] for column in prices):
            at = np.datetime64(int(began[row]), "ns")
            raise ProviderError(
                origin.source, Failure.UNREADABLE, f"two different bars begin at {at}"
            )
    return np.flatnonzero(~repeated)


def _partial(
    began: Times, columns: Mapping[str, Column], row: int, origin: Origin
) -> PartialBar | None:
    o, h, low, c = (float(columns[name][row]) for name in PRICES)
    if int(began[row]) > origin.fetched_at or not np.isfinite((o, h, low, c)).all():
        return None  # a bar from the future is no bar
    volume = columns.get("volume")
    traded = 0.0 if volume is None else float(volume[row])
    return PartialBar(int(began[row]), origin.fetched_at, o, h, low, c, traded)


def missing_sessions(
    answer: Fetched, *, start: int, end: int, now: int, listed_at: int | None = None
) -> str:
    """Say which completed sessions of a daily answer are absent, nothing when none is.

    Without a market nobody knows what should be there, and so nothing is missed.
    """
    mic = answer.instrument.mic
    first = max(start, listed_at or start) // DAY
    last = min((end - 1) // DAY, now // DAY)
    if mic == NO_MARKET or answer.interval != "1d" or last < first:
        return ""
    due = sessions(mic, _day(first), _day(last))
    absent = due.dates[(due.closes <= now) & ~np.isin(due.dates, answer.table.wall // DAY)]
    if not len(absent):
        return ""
    plural = "s" if len(absent) > 1 else ""
    return f"{len(absent)} session{plural}, the first {_day(int(absent[0]))}"


def judged(answer: Fetched) -> Bars:
    """Return an answer as bars that can be traded on.

    Raises `DataError` at the first row that breaks a law, or when there are fewer than two bars.
    """
    return history(
        answer.table,
        None,
        answer.instrument,
        start=None,
        end=None,
        stamp="start",
        length=interval_ns(answer.interval),
    )


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)
