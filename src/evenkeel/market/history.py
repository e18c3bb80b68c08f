"""From rows to bars: when each one closed, which sessions surround it, and what it may be used for.

A daily bar closes with its exchange's session; without a market, at the last second of its day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from evenkeel.calendar.sessions import exchange_timezone, sessions
from evenkeel.domain.bar import Bars
from evenkeel.domain.errors import DataError, UsageError
from evenkeel.domain.instrument import NO_MARKET, Instrument
from evenkeel.domain.tape import NEVER
from evenkeel.market.columns import DAY, Table
from evenkeel.market.quality import Rows, refuse_unusable, suspicious

if TYPE_CHECKING:
    from evenkeel.calendar.sessions import Sessions
    from evenkeel.domain.bar import AnyArray, Column, Flags, Times

Bound: TypeAlias = "str | date | datetime | None"

SECOND = 1_000_000_000
DAYS_AHEAD = 30
"""Days of sessions known beyond the last bar: an order may have to expire after it."""

DAYS_A_YEAR = 365.25
LONG_WEEKEND = 4
"""Days that can lie between two sessions; bars that are usually further apart are no daily ones."""

_ENOUGH = 1_000  # so many bars show how all of them begin


class Timeline(Struct, frozen=True, eq=False):
    """When bars began and closed, the sessions around them, and what is odd about their times.

    `began` is what their rows say, `opened_at` when trading in them began. `outside` marks bars within no session. `missing` is when absent sessions would have begun, as
    their bars would say.
    """

    began: Times
    opened_at: Times
    closed_at: Times
    session_closes: Times
    closed_days: Flags
    outside: Flags
    missing: Times


def history(
    table: Table,
    rows: Times | None,
    instrument: Instrument,
    *,
    start: Bound,
    end: Bound,
    stamp: str,
    length: int | None = None,
) -> Bars:
    """Return the bars of one instrument from the `rows` of a table (None: all of them).

    `length` is how long a bar lasts in nanoseconds (a day: one session), where the source says
    so; otherwise the times show it. Raises `DataError` when a row between `start` and `end` breaks a law, or fewer than 2 remain.
    """
    who = f"{table.label} ({instrument.symbol})" if table.names else table.label
    where = np.arange(len(table.wall)) if rows is None else rows
    daily = not (table.wall[where] % DAY).any() if length is None else length == DAY
    written = (table.wall if daily else table.stamps)[where]
    length = DAY if daily else length or bar_interval(written, who)
    began = written if daily or stamp == "start" else written - length
    closed = _daily_closes(began, instrument.mic)[0] if daily else began + length
    kept = _inside(began, closed, instrument.mic, daily=daily, start=start, end=end)
    _refuse_few(int(kept.sum()), len(where), who)

    used = where[kept]
    known = _volume_known(table.volume, where)
    columns = Rows(
        who,
        written[kept],
        {name: column[used] for name, column in table.prices.items()},
        table.volume[used] if known and table.volume is not None else None,
        lambda row: table.place(int(used[row])),
    )
    refuse_unusable(columns)
    line = timeline(began[kept], closed[kept], instrument.mic, daily=daily)
    return _bars(columns, line, instrument)


def closing_times(began: Times, length: int, mic: str) -> Times:
    """Return when bars of `length` that began at `began` became knowable: a day's at its close."""
    return _daily_closes(began, mic)[0] if length == DAY else began + length


def bar_interval(stamps: Times, who: str) -> int:
    """Return the most common time between rows, the smallest of several; nanoseconds."""
    steps = np.diff(stamps)
    steps = steps[steps > 0]
    if not steps.size and len(stamps) > 1 and stamps[0] > stamps[-1]:
        raise DataError(f"{who}: the newest row is first; sort the rows by time, oldest first")
    if not steps.size:
        raise DataError(f"{who}: fewer than 2 rows follow each other in time; 2 are needed")
    lengths, counts = np.unique(steps, return_counts=True)
    return int(lengths[counts.argmax()])  # unique sorts, and argmax takes the first


def timeline(began: Times, closed: Times, mic: str, *, daily: bool) -> Timeline:
    """Return the sessions around bars that are in order, and what is odd about the bars' times."""
    normal = np.zeros(len(began), np.bool_)
    nothing = np.empty(0, np.int64)
    if mic == NO_MARKET:
        ends = _days_with_data(closed, daily=daily)
        opened = _after_each_other(began, closed)
        return Timeline(began, opened, closed, ends, normal, normal, nothing)
    first, last = int(began[0] // DAY), int(closed[-1] // DAY)
    around = sessions(mic, _day(first - 1), _day(last + DAYS_AHEAD))
    if daily:
        _, odd = _daily_closes(began, mic)
        absent = ~np.isin(around.dates, began // DAY)
        absent &= (around.dates > first) & (around.dates * DAY < began[-1])
        closes = np.unique(np.concatenate((around.closes, closed[odd])))
        closes = closes[closes >= closed[0]]
        opened = _after_each_other(_session_opens(began, closed, around), closed)
        return Timeline(began, opened, closed, closes, odd, normal, around.dates[absent] * DAY)
    closes = _last_bars_close(began, int(closed[0] - began[0]), around)
    inside = (closes > closed[0]) & (closes < closed[-1])
    absent = inside & ~np.isin(np.arange(len(closes)), np.searchsorted(closes, closed))
    outside = ~_overlaps(began, closed, around, np.searchsorted(around.closes, closed))
    opened = _after_each_other(began, closed)
    return Timeline(began, opened, closed, closes, normal, outside, around.opens[absent])


def _last_bars_close(began: Times, length: int, around: Sessions) -> Times:
    """Return when the last bar of each session closes, though that be later than the session.

    New York closes at 16:00; of its hours, which begin with the session at 9:30, the last is over
    at 16:30 and is the one that the close belongs to. Bars are counted from the open (after the
    break, where there is one) or, where most do not begin with it, from where they do.
    """
    if not len(around.closes):
        return around.closes
    began = began[:_ENOUGH]
    begun = np.where(around.breaks[1] > 0, around.breaks[1], around.opens)
    session = np.searchsorted(around.closes, began, side="right").clip(max=len(begun) - 1)
    if np.count_nonzero((began - around.opens[session]) % length == 0) * 2 < len(began):
        begun = begun - (begun - began[0]) % length
    closes: Times = begun - (begun - around.closes) // length * length
    return closes


def _overlaps(began: Times, closed: Times, around: Sessions, following: Times) -> Flags:
    """Return whether some of each bar lies in a session; `following` closes with it or after it."""
    opens, closes = np.append(around.opens, NEVER), np.append(-NEVER, around.closes)
    found: Flags = (closed > opens[following]) | (began < closes[following])
    return found


def _daily_closes(days: Times, mic: str) -> tuple[Times, Flags]:
    """Return when each day's bar closed, and which days were no session of the exchange."""
    if mic == NO_MARKET:
        return days + (DAY - SECOND), np.zeros(len(days), np.bool_)
    if not len(days):
        return days, np.zeros(0, np.bool_)
    numbers = days // DAY
    known = sessions(mic, _day(int(numbers.min())), _day(int(numbers.max())))
    if not len(known.dates):
        return days + DAY, np.ones(len(days), np.bool_)
    place = np.searchsorted(known.dates, numbers).clip(max=len(known.dates) - 1)
    odd = known.dates[place] != numbers
    return np.where(odd, days + DAY, known.closes[place]), odd


def _session_opens(began: Times, closed: Times, around: Sessions) -> Times:
    """Return when the sessions of daily bars opened; of days without one, when they began."""
    if not len(around.dates):
        return began
    place = np.searchsorted(around.closes, closed).clip(max=len(around.dates) - 1)
    return np.where(around.closes[place] == closed, around.opens[place], began)


def _after_each_other(opened: Times, closed: Times) -> Times:
    """Return when bars opened, none before the one before it had closed."""
    return np.maximum(opened, np.concatenate((opened[:1], closed[:-1])))


def _days_with_data(closed: Times, *, daily: bool) -> Times:
    """Return the closes of the UTC days that have bars, and of days enough after them."""
    if daily:
        after = closed[-1] + DAY * np.arange(1, 6)
        return np.concatenate((closed, after))
    midnights = np.unique((closed - 1) // DAY + 1) * DAY
    return np.append(midnights, midnights[-1] + DAY)


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


# ---- start and end ----


def _inside(
    began: Times, closed: Times, mic: str, *, daily: bool, start: Bound, end: Bound
) -> Flags:
    kept = np.ones(len(began), np.bool_)
    zone = UTC if daily else exchange_timezone(mic)
    first, last = bound(start, "start"), bound(end, "end")
    if isinstance(first, datetime):
        kept &= began >= instant(first)
    elif first is not None:
        kept &= began >= instant(datetime.combine(first, time(), zone))
    if isinstance(last, datetime):
        kept &= closed <= instant(last)
    elif last is not None:
        following = instant(datetime.combine(last + timedelta(days=1), time(), zone))
        kept &= began < following if daily else closed <= following
    return kept


def bound(value: Bound, name: str) -> date | datetime | None:
    """Return a start or end as a date (the whole day) or a datetime (an instant).

    Text is ISO 8601. Raises `UsageError` when it is neither.
    """
    if isinstance(value, date | None):
        return value
    try:
        return date.fromisoformat(value) if len(value) <= 10 else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"{name} {value!r} is neither a date nor a time; write 2024-01-31 or 2024-01-31T15:30Z"
        ) from None


def instant(at: datetime) -> int:
    """Return a time in UTC nanoseconds; without a zone it is UTC."""
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000


def _refuse_few(kept: int, found: int, who: str) -> None:
    if kept >= 2:
        return
    if found >= 2:
        has = f"{kept} of its {found} rows" if kept else f"none of its {found} rows"
        raise DataError(f"{who} has {has} between start and end; widen them to at least 2 bars")
    raise DataError(f"{who} has {found} row{'s' if found != 1 else ''}; at least 2 are needed")


# ---- bars ----


def _volume_known(volume: Column | None, where: Times) -> bool:
    if volume is None:
        return False
    return bool(np.nan_to_num(volume[where]).any())


def _bars(columns: Rows, line: Timeline, instrument: Instrument) -> Bars:
    volume = columns.volume
    bars = Bars(
        instrument,
        _final(line.closed_at),
        _final(columns.prices["open"]),
        _final(columns.prices["high"]),
        _final(columns.prices["low"]),
        _final(columns.prices["close"]),
        volume=_final(np.zeros(len(line.closed_at)) if volume is None else volume),
        session_closes=_final(line.session_closes),
        volume_known=volume is not None,
        periods_per_year=_periods_per_year(line.closed_at, instrument.mic),
        opened_at=_final(line.opened_at),
    )
    return replace(bars, findings=suspicious(bars, line))


def _periods_per_year(closed: Times, mic: str) -> int:
    """Return how many sessions a year has: an exchange's 252, or what bars without a market show.

    Weekly bars have 52 and monthly ones 12. Daily ones have 365 where the market never sleeps, with
    Saturdays as often as other days; Sunday alone proves nothing: currencies open on its evening.
    """
    if mic != NO_MARKET:
        return 252
    days = (closed - 1) // DAY
    days = days[np.flatnonzero(np.diff(days, prepend=days[0] - 1))]  # np.unique loads numpy.ma
    apart = sorted(np.diff(days).tolist())
    usual = apart[len(apart) // 2] if len(apart) > 1 else 1
    if usual > LONG_WEEKEND:
        return max(1, round(DAYS_A_YEAR / usual))
    saturdays = np.count_nonzero((days + 3) % 7 == 5)  # 1970-01-01 was a Thursday
    return 365 if saturdays * 14 > len(days) else 252


def _final(column: AnyArray) -> AnyArray:
    column = np.ascontiguousarray(column)
    if column.flags.writeable:
        column = column.copy() if column.base is not None else column
        column.flags.writeable = False
    return column
