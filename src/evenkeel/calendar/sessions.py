"""The sessions of each exchange as a table, asked of `exchange_calendars` once per version.

Who asks about one session or one instant asks `market_calendar`, which reads this table. The
answer is kept in `$XDG_CACHE_HOME/evenkeel` (or `~/.cache/evenkeel`), so that a warm start
imports neither pandas nor `exchange_calendars`. A cache that cannot be written costs time only.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from evenkeel.domain.errors import UsageError, did_you_mean
from evenkeel.domain.instrument import NO_MARKET

if TYPE_CHECKING:
    from evenkeel.domain.bar import Flags, Times

FIRST = "1970-01-01"
"""Where every calendar starts, or later where the exchange's own history allows no more."""

SAME_HOURS = {
    "EDGX": "XNYS",  # Cboe EDGX
    "IEXG": "XNYS",  # IEX
    "XNCM": "XNYS",  # Nasdaq Capital Market
    "XNGS": "XNYS",  # Nasdaq Global Select
    "XNMS": "XNYS",  # Nasdaq Global Market
}
"""Markets that the library does not name, and whose sessions are those of one it does."""

NICKNAMES = {"HKEX": "XHKG", "NYSE": "XNYS", "TASE": "XTAE"}
"""What the library takes for a market and ISO 10383 does not; nor do fees, which it would escape."""

ALWAYS_OPEN = frozenset((NO_MARKET, "24/7"))
"""What never closes, such as crypto currencies: a session is a day of UTC."""

_DAY = 86_400_000_000_000

_known: dict[str, Sessions] = {}
_asked: set[str] = set()  # no market is asked of the library twice by one process


LAST_YEAR_AROUND_THE_CLOCK = 2100
"""Where the table of what never closes ends: somewhere it must."""


class Sessions(Struct, frozen=True, eq=False):
    """All sessions of one exchange. `dates` are days since 1970; the rest is UTC nanoseconds.

    `breaks` are the begin and end of each session's lunch break, 0 and 0 where it has none. `half`
    says which sessions end early. The table answers for the days `since` through `until` (days
    since 1970), which need not be sessions.
    """

    timezone: str
    dates: Times
    opens: Times
    closes: Times
    breaks: tuple[Times, Times]
    half: Flags
    since: int
    until: int

    def between(self, first: int, last: int) -> Sessions:
        """Return the sessions from day `first` through day `last`, as views."""
        low, high = np.searchsorted(self.dates, [first, last + 1])
        return replace(
            self,
            dates=self.dates[low:high],
            opens=self.opens[low:high],
            closes=self.closes[low:high],
            breaks=(self.breaks[0][low:high], self.breaks[1][low:high]),
            half=self.half[low:high],
        )


def sessions(mic: str, first_date: date, last_date: date) -> Sessions:
    """Return the sessions of `mic` from `first_date` through `last_date`, as far as they are known.

    `since` and `until` of the answer say how far that is; `NO_MARKET` has one on each day. Raises
    `UsageError` when no calendar is known for the market.
    """
    first, last = day_number(first_date), day_number(last_date)
    return _load(mic, last).between(first, last)


def all_sessions(mic: str) -> Sessions:
    """Return the whole table of `mic`; `UsageError` when no calendar is known for the market."""
    return _load(mic, 0)


def session_closes(mic: str, first_date: date, last_date: date) -> Times:
    """Return the session closes of `mic`, UTC nanoseconds, from one date through the other.

    Raises `UsageError` when no calendar is known for the market.
    """
    return sessions(mic, first_date, last_date).closes


def exchange_timezone(mic: str) -> ZoneInfo:
    """Return the exchange's time zone, UTC for no market; `UsageError` when it is unknown."""
    if mic == NO_MARKET:
        return ZoneInfo("UTC")
    return ZoneInfo(_load(mic, 0).timezone)


def day_number(day: date) -> int:
    """Return the days since 1970-01-01."""
    return day.toordinal() - 719_163


def _load(mic: str, last: int) -> Sessions:
    if mic in NICKNAMES:
        raise UsageError(f"{mic} is no market code of ISO 10383; write {NICKNAMES[mic]}")
    mic = SAME_HOURS.get(mic, mic)
    found = _known.get(mic) or (_around_the_clock() if mic in ALWAYS_OPEN else _read(mic))
    if found is None or (found.until < last and mic not in _asked | ALWAYS_OPEN):
        found = _ask_library(mic)
        _asked.add(mic)
        _write(mic, found)
    _known[mic] = found
    return found


def _around_the_clock() -> Sessions:
    until = day_number(date(LAST_YEAR_AROUND_THE_CLOCK, 12, 31))
    dates = np.arange(until + 1, dtype=np.int64)
    none = np.zeros_like(dates)
    half = none.astype(np.bool_)
    return Sessions("UTC", dates, dates * _DAY, (dates + 1) * _DAY, (none, none), half, 0, until)


# ---- the library ----


def _ask_library(mic: str) -> Sessions:
    import exchange_calendars  # brings pandas: a second, spent once per exchange and version

    names = exchange_calendars.get_calendar_names(include_aliases=True)
    if mic not in names:
        codes = {name for name in names if len(name) == 4 and name.isupper()}
        markets = codes - set(NICKNAMES) | set(SAME_HOURS)
        raise UsageError(
            f"no trading calendar is known for market {mic!r}{did_you_mean(mic, markets)}; "
            f"for an instrument without a market use {NO_MARKET}"
        )
    # Without a start and an end it would answer for the last twenty years and the next one.
    try:
        calendar = exchange_calendars.get_calendar(mic)
        earliest, latest = calendar.bound_min(), calendar.bound_max()
        start = FIRST if earliest is None else max(FIRST, f"{earliest:%Y-%m-%d}")
        end = f"{calendar.default_end().year}-12-31"
        end = end if latest is None else min(end, f"{latest:%Y-%m-%d}")
        made = exchange_calendars.get_calendar(mic, start=start, end=end)
    except (ValueError, NotImplementedError) as error:
        raise UsageError(
            f"the library of calendars cannot make that of market {mic!r}; use {NO_MARKET}, or a "
            "market with the same hours"
        ) from error
    return _as_sessions(made, date.fromisoformat(start), date.fromisoformat(end))


def _as_sessions(calendar: Any, start: date, end: date) -> Sessions:  # noqa: ANN401 - no types
    dates = _days(calendar.sessions)
    return Sessions(
        str(calendar.tz),
        dates,
        _instants(calendar.opens),
        _instants(calendar.closes),
        (_instants(calendar.break_starts), _instants(calendar.break_ends)),
        np.isin(dates, _days(calendar.early_closes)),
        day_number(start),
        day_number(end),
    )


def _days(index: Any) -> Times:  # noqa: ANN401 - a pandas index
    days: Times = index.to_numpy().astype("datetime64[D]").astype(np.int64)
    return days


def _instants(series: Any) -> Times:  # noqa: ANN401 - a pandas series of times
    """Return UTC nanoseconds, 0 where there is no time."""
    times = series.dt.tz_convert(None).to_numpy().astype("datetime64[ns]")
    instants: Times = np.where(np.isnat(times), 0, times.astype(np.int64))
    return instants


# ---- the file ----


def _cache_file(mic: str) -> Path | None:
    from importlib.metadata import version  # a run without a market never asks for it

    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return None
    return folder / "evenkeel" / f"sessions-{mic}-{version('exchange_calendars')}.npz"


def _read(mic: str) -> Sessions | None:
    path = _cache_file(mic)
    if path is None or not mic.isalnum():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found = Sessions(
                str(kept["timezone"]),
                kept["dates"],
                kept["opens"],
                kept["closes"],
                (kept["break_starts"], kept["break_ends"]),
                kept["half"],
                int(kept["since"]),
                int(kept["until"]),
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None  # absent, damaged, or of an older Evenkeel: the library knows it all again
    columns = (found.opens, found.closes, *found.breaks, found.half)
    return found if {len(column) for column in columns} == {len(found.dates)} else None


def _write(mic: str, found: Sessions) -> None:
    import tempfile  # only a cold start writes

    path = _cache_file(mic)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".draft")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(
                    file,
                    timezone=found.timezone,
                    dates=found.dates,
                    opens=found.opens,
                    closes=found.closes,
                    break_starts=found.breaks[0],
                    break_ends=found.breaks[1],
                    half=found.half,
                    since=found.since,
                    until=found.until,
                )
            Path(draft).replace(path)  # a reader sees the old file or the new one, never half
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError:
        return  # the next start asks the library again
