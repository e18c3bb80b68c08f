"""Our bars in Backtrader's hands, one at a time as the tape shows them; never a later one.

A guest reads exchange time, as its author wrote it: an intraday bar is stamped with its close on
the exchange's clock, a daily one with its session's date at the end of the day. That is how
Backtrader stamps daily rows of a file itself, so that timers and resampling find what they expect.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import backtrader as bt

from evenkeel.calendar.sessions import exchange_timezone, session_closes
from evenkeel.domain.errors import StrategyError
from evenkeel.domain.instrument import NO_MARKET

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from evenkeel.domain.instrument import Instrument

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY = timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_NO_DAY = 1.0
"""0001-01-01, as Backtrader counts days."""


class Bar(NamedTuple):
    """One completed bar: `closed_at` in UTC nanoseconds, prices as traded."""

    closed_at: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def _forward(feed: bt.LineSeries, value: float = math.nan, size: int = 1) -> None:
    """Make room for bars."""
    bt.LineSeries.forward(feed, value, size)
    _without_days(feed.lines.datetime.array, size)


def _extend(feed: bt.LineSeries, value: float = math.nan, size: int = 0) -> None:
    """Make room for what nobody knows (`cerebro.UNKNOWN_BARS`)."""
    bt.LineSeries.extend(feed, value, size)
    _without_days(feed.lines.datetime.array, size)


def _without_days(days: array[float], size: int) -> None:
    """Let what nobody knows be of a day, too: many a guest asks whether a bar's is a new one."""
    days[len(days) - size :] = array("d", [_NO_DAY] * size)


class BarFeed(bt.feeds.DataBase):
    """One instrument. Made by `feed_of`; `give` hands it the bar that has just completed."""

    instrument: Instrument
    zone: ZoneInfo
    daily: bool
    waiting: deque[Bar]
    day: date | None = None
    over = False
    forward, extend = _forward, _extend

    def give(self, bar: Bar) -> None:
        """Take the next bar; Backtrader's loop fetches it when it is entered."""
        self.waiting.append(bar)

    def load(self) -> bool | None:
        """Load until there is a bar: Backtrader says that there is one when a filter took it away."""
        before = self._last_bar() if self._filters else None
        loaded: bool | None = super().load()
        while loaded and self._filters and self._last_bar() == before:
            loaded = super().load()
        return loaded

    def _last_bar(self) -> tuple[float, ...]:
        return (len(self), *(line[0] for line in self.lines)) if len(self) else ()

    def _load(self) -> bool | None:
        if not self.waiting:
            return False if self.over else None
        bar = self.waiting.popleft()
        lines = self.lines
        lines.datetime[0] = self._stamp(bar.closed_at)
        lines.open[0], lines.high[0], lines.low[0] = bar.open, bar.high, bar.low
        lines.close[0], lines.volume[0], lines.openinterest[0] = bar.close, bar.volume, 0.0
        return True

    def _stamp(self, closed_at: int) -> float:
        if self.daily:
            day = self.shown_at(closed_at).date()
            if day == self.day:
                raise StrategyError(
                    f"the bars of {self.instrument.id} are intraday and begin with the last one of "
                    "a session, which looks like a day; begin a session later or earlier"
                )
            self.day = day
        return float(self.date2num(self.shown_at(closed_at)))

    def shown_at(self, closed_at: int) -> datetime:
        """Return the time that the guest reads on a bar."""
        if not self.daily:
            return _local(closed_at, self.zone)
        day = _local(closed_at - 1, self.zone).date()  # midnight still belongs to the day before
        return datetime.combine(day, self.p.sessionend)

    def last_moment(self, valid: float) -> int:
        """Return the last moment (UTC nanoseconds) of bars that a guest reads as `valid` or before."""
        until = bt.num2date(valid)
        if self.daily:
            day = until.date()
            if until + _MILLISECOND < datetime.combine(day, self.p.sessionend):
                day -= _ONE_DAY
            until = datetime.combine(day, time.max)
        since: timedelta = until.replace(tzinfo=self.zone) - _EPOCH
        return round(since / _MILLISECOND) * 1_000_000  # Backtrader's times are floats

    def clone(self, **kwargs: Any) -> _Clone:
        """Return the feed again, for Backtrader to resample or replay."""
        return _Clone(dataname=self, **kwargs)

    def _check(self, forcedata: Any = None) -> None:
        """Complete a resampled bar when another feed shows that its time is over.

        Without one Backtrader would ask the computer's clock.
        """
        if forcedata is not None:
            super()._check(forcedata)


class _Clone(bt.feed.DataClone):
    """The same bars again; see `BarFeed._check`."""

    forward, extend = _forward, _extend

    def _check(self, forcedata: Any = None) -> None:
        if forcedata is not None:
            super()._check(forcedata)


def feed_of(instrument: Instrument, first: int) -> BarFeed:
    """Return an instrument's feed; its first bar, closed at `first`, says whether bars are days."""
    zone = exchange_timezone(instrument.mic)
    daily = _is_session_close(instrument.mic, first, zone)
    frame = bt.TimeFrame.Days if daily else bt.TimeFrame.Minutes
    feed = BarFeed(dataname=instrument.id, name=instrument.id, timeframe=frame)
    feed.instrument, feed.zone, feed.daily = instrument, zone, daily
    feed.waiting = deque()
    return feed


def feed_under(data: Any) -> BarFeed:
    """Return the feed whose bars those of a resampled or replayed copy are made of."""
    while isinstance(data, _Clone):
        data = data.data
    if not isinstance(data, BarFeed):
        raise StrategyError(
            f"a guest trades the bars that the run was given, and {type(data).__name__} is a feed "
            "of its own; give its file with the others (data=, --data)"
        )
    return data


def instrument_of(data: Any) -> Instrument:
    """Return what is traded under a feed or a copy of one."""
    return feed_under(data).instrument


def _is_session_close(mic: str, moment: int, zone: ZoneInfo) -> bool:
    if mic == NO_MARKET:  # there a day's bar closes at its last second (market/history.py)
        return (moment + _SECOND) % _DAY == 0
    day = _local(moment - 1, zone).date()
    closes = session_closes(mic, day - timedelta(days=1), day + timedelta(days=1))
    return moment in closes.tolist()


def _local(moment: int, zone: ZoneInfo) -> datetime:
    """Return a moment as the exchange's clock shows it."""
    utc = _EPOCH + timedelta(microseconds=moment // 1000)
    return utc.astimezone(zone).replace(tzinfo=None)
