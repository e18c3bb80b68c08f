"""One market's time. A session is a `date`, an instant UTC nanoseconds (`int`), a minute a `Minute`.

Every question says in its name or its argument which of the three it takes, and mypy keeps them
apart. A day or an instant that the calendar does not answer for is an error, never a guess.
A session holds the instants from its open up to its close, which is the first one after it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NewType
from zoneinfo import ZoneInfo

import numpy as np

from evenkeel.calendar.sessions import all_sessions, day_number
from evenkeel.domain.errors import UsageError

if TYPE_CHECKING:
    from evenkeel.domain.bar import Times

Minute = NewType("Minute", int)
"""Whole minutes since 1970, UTC: the time from its first instant up to the next minute's."""

_MINUTE = 60_000_000_000
_EPOCH = date(1970, 1, 1)


def minute_of(instant: int) -> Minute:
    """Return the minute in which an instant lies."""
    return Minute(instant // _MINUTE)


def first_instant(minute: Minute) -> int:
    """Return the first instant of a minute."""
    return minute * _MINUTE


class MarketCalendar:
    """When a market trades. `mic` as in ISO 10383; `XXXX` and `24/7` never close.

    Raises `UsageError` when no calendar is known for the market.
    """

    def __init__(self, mic: str) -> None:
        self.mic = mic
        self._table = all_sessions(mic)
        self.zone = ZoneInfo(self._table.timezone)

    def __repr__(self) -> str:
        return f"MarketCalendar({self.mic!r}: {self.first_day} to {self.last_day})"

    @property
    def first_day(self) -> date:
        """The first day that it answers for; it need not be a session."""
        return _date(self._table.since)

    @property
    def last_day(self) -> date:
        """The last day that it answers for; it need not be a session."""
        return _date(self._table.until)

    # ---- sessions ----

    def is_session(self, day: date) -> bool:
        """Return whether the market trades on a day."""
        return self._place(day) is not None

    def is_half_day(self, session: date) -> bool:
        """Return whether a session ends before its usual close."""
        return bool(self._table.half[self._row(session)])

    def session_open(self, session: date) -> int:
        """Return the instant at which a session opens."""
        return int(self._table.opens[self._row(session)])

    def session_close(self, session: date) -> int:
        """Return the instant at which a session closes."""
        return int(self._table.closes[self._row(session)])

    def session_break(self, session: date) -> tuple[int, int] | None:
        """Return the instants at which a session's lunch break begins and ends, None without one."""
        row = self._row(session)
        begins, ends = (int(column[row]) for column in self._table.breaks)
        return (begins, ends) if begins else None

    def session_minutes(self, session: date) -> Times:
        """Return the minutes (see `Minute`) in which a session trades, its break left out."""
        row = self._row(session)
        first, last = self._table.opens[row] // _MINUTE, -(-self._table.closes[row] // _MINUTE)
        minutes: Times = np.arange(first, last, dtype=np.int64)
        begins, ends = (column[row] // _MINUTE for column in self._table.breaks)
        return minutes[(minutes < begins) | (minutes >= ends)] if begins else minutes

    def sessions_between(self, first: date, last: date) -> list[date]:
        """Return the sessions from one day through another."""
        self._answers_for(first)
        self._answers_for(last)
        found = self._table.between(day_number(first), day_number(last)).dates
        return [_date(int(day)) for day in found]

    def next_session(self, day: date) -> date:
        """Return the first session after a day."""
        self._answers_for(day)
        place = int(np.searchsorted(self._table.dates, day_number(day), side="right"))
        return self._session_in_row(place, f"after {day}")

    def previous_session(self, day: date) -> date:
        """Return the last session before a day."""
        self._answers_for(day)
        place = int(np.searchsorted(self._table.dates, day_number(day), side="left")) - 1
        return self._session_in_row(place, f"before {day}")

    # ---- instants ----

    def session_at(self, instant: int) -> date | None:
        """Return the session that an instant lies in, its break included; None between sessions."""
        row = self._row_at(instant)
        return None if row is None else _date(int(self._table.dates[row]))

    def is_open_at(self, instant: int) -> bool:
        """Return whether the market trades at an instant: in a session, and not in its break."""
        row = self._row_at(instant)
        if row is None:
            return False
        begins, ends = (column[row] for column in self._table.breaks)
        return not begins <= instant < ends

    def next_open(self, instant: int) -> int:
        """Return the first open of a session after an instant."""
        return self._after(self._table.opens, instant, "open")

    def next_close(self, instant: int) -> int:
        """Return the first close of a session after an instant."""
        return self._after(self._table.closes, instant, "close")

    def local(self, instant: int) -> datetime:
        """Return an instant as the market's own clock shows it, to the microsecond."""
        return (
            datetime.fromtimestamp(0, UTC) + timedelta(microseconds=instant // 1_000)
        ).astimezone(self.zone)

    # ---- minutes ----

    def is_trading_minute(self, minute: Minute) -> bool:
        """Return whether the market trades at the beginning of a minute."""
        return self.is_open_at(first_instant(minute))

    # ---- rows of the table ----

    def _place(self, day: date) -> int | None:
        self._answers_for(day)
        number = day_number(day)
        row = int(np.searchsorted(self._table.dates, number))
        found = row < len(self._table.dates) and self._table.dates[row] == number
        return row if found else None

    def _row(self, session: date) -> int:
        row = self._place(session)
        if row is None:
            raise UsageError(f"{session} is no session of {self.mic}: ask `is_session` first")
        return row

    def _row_at(self, instant: int) -> int | None:
        self._answers_at(instant)
        row = int(np.searchsorted(self._table.opens, instant, side="right")) - 1
        return row if row >= 0 and instant < self._table.closes[row] else None

    def _after(self, column: Times, instant: int, what: str) -> int:
        self._answers_at(instant)
        row = int(np.searchsorted(column, instant, side="right"))
        if row == len(column):
            raise UsageError(f"{self._range()}, and so not for the {what} after its last one")
        return int(column[row])

    def _session_in_row(self, row: int, where: str) -> date:
        if not 0 <= row < len(self._table.dates):
            raise UsageError(f"{self._range()}, and has no session {where}")
        return _date(int(self._table.dates[row]))

    def _answers_for(self, day: date) -> None:
        if isinstance(day, datetime):
            raise UsageError(f"a session is a date, {day!r} is a time; say which day is meant")
        if not self._table.since <= day_number(day) <= self._table.until:
            raise UsageError(f"{self._range()}, not for {day}")

    def _answers_at(self, instant: int) -> None:
        # Behind the last close another session may open that the table does not know.
        if not self._table.opens[0] <= instant < self._table.closes[-1]:
            first, last = (f"{self.local(int(at)):%Y-%m-%d %H:%M %Z}" for at in self._ends())
            raise UsageError(
                f"the calendar of {self.mic} answers for instants from {first} up to {last}, "
                f"not for {instant} (UTC nanoseconds)"
            )

    def _ends(self) -> tuple[int, int]:
        return self._table.opens[0], self._table.closes[-1]

    def _range(self) -> str:
        return f"the calendar of {self.mic} answers for {self.first_day} to {self.last_day}"


def _date(number: int) -> date:
    return _EPOCH + timedelta(days=number)
