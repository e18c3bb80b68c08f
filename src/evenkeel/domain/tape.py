"""The tape: completed bars of every instrument and the cursors that say how far time has come.

Shared, read-only, by strategy, gate and simulated broker; only the engine moves it. Instruments
with the same bar times share one cursor, so that moving 500 of them costs as much as moving one.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from typing import TYPE_CHECKING

from evenkeel.domain.money import exact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.domain.bar import Bars

NEVER = 2**63 - 1
"""A time that does not come (UTC nanoseconds)."""


class Cursor:
    """Where one timeline stands. `index` is the newest visible bar, -1 before the first."""

    __slots__ = ("index", "times")

    def __init__(self, times: memoryview) -> None:
        """Start before the first of `times` (int64 closing times, increasing)."""
        self.times = times
        self.index = -1

    def advance(self, now: int) -> None:
        """Show every bar that closed at or before `now`."""
        times, following = self.times, self.index + 1
        if following < len(times) and times[following] <= now:
            following += 1
            if following < len(times) and times[following] <= now:
                following = bisect_right(times, now, following)
            self.index = following - 1

    @property
    def next_at(self) -> int:
        """When the next bar closes, `NEVER` after the last."""
        following = self.index + 1
        return self.times[following] if following < len(self.times) else NEVER


class Tape:
    """All bars of a run, of which only those closed at or before `now` may be read.

    `bars` may reach into the future (a backtest's do); `index(i)` says how far one may read.
    """

    def __init__(self, bars: Iterable[Bars]) -> None:
        """Lay the bars of some instruments side by side, before the first of them."""
        self.now = -1
        self.bars: dict[str, Bars] = {}
        self.cursors: list[Cursor] = []
        self._cursor_of: dict[str, Cursor] = {}
        self.extend(bars)

    def extend(self, bars: Iterable[Bars]) -> None:
        """Take longer histories of the same instruments (or new ones); cursors stay put."""
        for history in bars:
            self.bars[history.instrument.id] = history
        shared: dict[bytes, Cursor] = {}
        for name, history in self.bars.items():
            times = history.closed_at.data
            # Two timelines are one when length, ends and the whole content agree; hash() of the
            # bytes is cheap beside everything that is computed from the bars later.
            key = history.closed_at.tobytes() if len(self.bars) > 1 else b""
            if key not in shared:
                cursor = self._cursor_of.get(name)
                if cursor is None or cursor in shared.values():
                    cursor = Cursor(times)
                    cursor.advance(self.now)
                cursor.times = times
                shared[key] = cursor
            self._cursor_of[name] = shared[key]
        self.cursors = list(shared.values())

    def advance(self, now: int) -> None:
        """Move time to `now`: every bar that closed by then becomes visible."""
        self.now = now
        for cursor in self.cursors:
            cursor.advance(now)

    @property
    def next_at(self) -> int:
        """When the next bar of any instrument closes, `NEVER` when there is none left."""
        return min([cursor.next_at for cursor in self.cursors])

    @property
    def last_at(self) -> int:
        """When the last bar of any instrument closes, -1 when there is none."""
        return max([cursor.times[-1] if len(cursor.times) else -1 for cursor in self.cursors])

    def first_bar_after(self, instrument_id: str, moment: int) -> int:
        """Return the first bar time of an instrument later than `moment`, `NEVER` without one."""
        times = self._cursor_of[instrument_id].times
        position = bisect_right(times, moment)
        return times[position] if position < len(times) else NEVER

    def cursor(self, instrument_id: str) -> Cursor:
        """Return the cursor that an instrument moves with."""
        return self._cursor_of[instrument_id]

    def index(self, instrument_id: str) -> int:
        """Return the position of the newest visible bar, -1 when there is none."""
        return self._cursor_of[instrument_id].index

    def price(self, instrument_id: str) -> Decimal | None:
        """Return the close of the newest visible bar, exactly as the data has it."""
        cursor = self._cursor_of.get(instrument_id)
        if cursor is None or cursor.index < 0:
            return None
        return exact(float(self.bars[instrument_id].close[cursor.index]))

    def price_at(self, instrument_id: str) -> int | None:
        """Return when that price became known."""
        cursor = self._cursor_of.get(instrument_id)
        if cursor is None or cursor.index < 0:
            return None
        return cursor.times[cursor.index]

    def session_close_after(self, instrument_id: str, moment: int) -> int:
        """Return the first session close later than `moment`, `NEVER` when none is known."""
        closes = self.bars[instrument_id].session_closes.data
        position = bisect_right(closes, moment)
        return closes[position] if position < len(closes) else NEVER
