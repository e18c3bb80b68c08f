"""Session dates, opens and closes per exchange, asked of `exchange_calendars` once per version.

The answer is kept in `$XDG_CACHE_HOME/evenkeel` (or `~/.cache/evenkeel`), so that a warm start
imports neither pandas nor `exchange_calendars`. A cache that cannot be written costs time only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile
from zoneinfo import ZoneInfo

import numpy as np

from evenkeel.domain.errors import UsageError, did_you_mean
from evenkeel.domain.instrument import NO_MARKET

if TYPE_CHECKING:
    from evenkeel.domain.bar import Times

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

_known: dict[str, Sessions] = {}
_asked: set[str] = set()  # no market is asked of the library twice by one process


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """All sessions of one exchange: `dates` (days since 1970), `opens` and `closes` (UTC ns).

    `until` is the last day (days since 1970) that the calendar answers for.
    """

    timezone: str
    dates: Times
    opens: Times
    closes: Times
    until: int

    def between(self, first: int, last: int) -> Sessions:
        """Return the sessions from day `first` through day `last`, as views."""
        low, high = np.searchsorted(self.dates, [first, last + 1])
        dates, opens, closes = (each[low:high] for each in (self.dates, self.opens, self.closes))
        return Sessions(self.timezone, dates, opens, closes, self.until)


def sessions(mic: str, first_date: date, last_date: date) -> Sessions:
    """Return the sessions of `mic` from `first_date` through `last_date`.

    Raises `UsageError` when no calendar is known for the market.
    """
    first, last = day_number(first_date), day_number(last_date)
    known = _load(SAME_HOURS.get(mic, mic), last)
    return known.between(first, last)


def session_closes(mic: str, first_date: date, last_date: date) -> Times:
    """Return the session closes of `mic`, UTC nanoseconds, from one date through the other.

    Raises `UsageError` when no calendar is known for the market.
    """
    return sessions(mic, first_date, last_date).closes


def exchange_timezone(mic: str) -> ZoneInfo:
    """Return the exchange's time zone, UTC for no market; `UsageError` when it is unknown."""
    if mic == NO_MARKET:
        return ZoneInfo("UTC")
    return ZoneInfo(_load(SAME_HOURS.get(mic, mic), 0).timezone)


def day_number(day: date) -> int:
    """Return the days since 1970-01-01."""
    return day.toordinal() - 719_163


def _load(mic: str, last: int) -> Sessions:
    found = _known.get(mic) or _read(mic)
    if found is None or (found.until < last and mic not in _asked):
        found = _ask_library(mic)
        _asked.add(mic)
        _write(mic, found)
    _known[mic] = found
    return found


# ---- the library ----


def _ask_library(mic: str) -> Sessions:
    import exchange_calendars  # brings pandas: a second, spent once per exchange and version

    names = exchange_calendars.get_calendar_names(include_aliases=True)
    if mic not in names:
        markets = {name for name in names if len(name) == 4 and name.isupper()} | set(SAME_HOURS)
        raise UsageError(
            f"no trading calendar is known for market {mic!r}{did_you_mean(mic, markets)}; "
            f"for an instrument without a market use {NO_MARKET}"
        )
    calendar = exchange_calendars.get_calendar(mic)
    earliest = calendar.bound_min()
    start = FIRST if earliest is None else max(FIRST, f"{earliest:%Y-%m-%d}")
    return _as_sessions(exchange_calendars.get_calendar(mic, start=start))


def _as_sessions(calendar: Any) -> Sessions:  # noqa: ANN401 - the library carries no types
    opens, closes = (
        moments.dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
        for moments in (calendar.opens, calendar.closes)
    )
    dates = calendar.closes.index.to_numpy().astype("datetime64[D]").astype(np.int64)
    # The library was asked through its default end, and the last session is at or before it.
    return Sessions(str(calendar.tz), dates, opens, closes, int(dates[-1]))


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
            dates, opens, closes = (kept[name] for name in ("dates", "opens", "closes"))
            found = Sessions(str(kept["timezone"]), dates, opens, closes, int(dates[-1]))
    except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile):
        return None  # absent or damaged: the library knows it all again
    return found if len(dates) == len(opens) == len(closes) else None


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
                )
            Path(draft).replace(path)  # a reader sees the old file or the new one, never half
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError:
        return  # the next start asks the library again
