"""The tape: completed bars of every instrument and the cursors that say how far time has come.

Shared, read-only, by strategy, gate and simulated broker; only the engine moves it. Instruments
with the same bar times share one cursor, so that moving 500 of them costs as much as moving one.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from typing import TYPE_CHECKING

from evenkeel.domain.money import shortest, shortest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evenkeel.domain.bar import Bars

NEVER = 2**63 - 1
"""A time that does not come (UTC nanoseconds)."""

LONG_AGO = -(2**63)
"""A time before any other."""

_NEAR = 64


class Cursor:
    """Where one timeline stands. `index` is the newest visible bar, -1 before the first."""

    __slots__ = ("index", "times")

    def __init__(self, times: memoryview) -> None:
        """Start before the first of `times` (int64 closing times, increasing)."""
        self.index = -1
        self.times = times

    def follow(self, times: memoryview) -> None:
        """Take a longer timeline that begins like the one so far; stay where it stands."""
        self.times = times

    @property
    def next_at(self) -> int:
        """When the next bar closes, `NEVER` after the last."""
        times, following = self.times, self.index + 1
        return times[following] if following < len(times) else NEVER

    def advance(self, now: int) -> None:
        """Show every bar that closed at or before `now`."""
        times, index = self.times, self.index + 1
        try:
            if times[index] > now:
                return
            if times[index + 1] <= now:
                index = self._far(now)
        except IndexError:  # there is no bar after this one
            if index == len(times):
                return
        self.index = index

    def _far(self, now: int) -> int:
        times, following = self.times, self.index + 2
        near = min(following + _NEAR, len(times))
        if near < len(times) and times[near] <= now:  # most jumps are short ones
            near = len(times)
        return bisect_right(times, now, following, near) - 1


class Line:
    """One instrument on the tape: its bars, the cursor that they move with, and its last price.

    `opens highs lows closes volumes` are the columns of the bars, read as Python numbers; `lot` and
    `scale` are the instrument's lot and multiplier, near enough.
    """

    __slots__ = (
        "_at",
        "_price",
        "bars",
        "closes",
        "cursor",
        "highs",
        "lot",
        "lows",
        "opens",
        "scale",
        "volumes",
    )

    def __init__(self, bars: Bars, cursor: Cursor) -> None:
        """Lay bars beside a cursor."""
        self.lay(bars, cursor)

    def lay(self, bars: Bars, cursor: Cursor) -> None:
        """Take a longer history of the same instrument, and the cursor that it moves with now."""
        self.bars, self.cursor = bars, cursor
        self.opens, self.highs, self.lows = bars.open.data, bars.high.data, bars.low.data
        self.closes, self.volumes = bars.close.data, bars.volume.data
        self.lot, self.scale = float(bars.instrument.lot), float(bars.instrument.multiplier)
        self._at = -1
        self._price: Decimal | None = None

    @property
    def price(self) -> Decimal | None:
        """The close of the newest visible bar, exactly as the data has it; None before the first."""
        index = self.cursor.index
        if index != self._at:
            self._at, self._price = index, shortest(self.closes[index])
        return self._price

    @property
    def price_at(self) -> int | None:
        """When that price became known."""
        cursor = self.cursor
        return None if cursor.index < 0 else cursor.times[cursor.index]


class Tape:
    """All bars of a run, of which only those closed at or before `now` may be read.

    `bars` may reach into the future (a backtest's do); `index(i)` says how far one may read.
    """

    def __init__(self, bars: Iterable[Bars]) -> None:
        """Lay the bars of some instruments side by side, before the first of them."""
        self._now = -1
        self._walked: Cursor | None = None  # whose bars time goes by, one after the other
        self.bars: dict[str, Bars] = {}
        self.lines: dict[str, Line] = {}
        self.cursors: list[Cursor] = []
        self.extensions = 0
        """How often it has grown."""
        self.extend(bars)

    def extend(self, bars: Iterable[Bars]) -> None:
        """Take longer histories of the same instruments (or new ones); cursors stay put."""
        self.extensions += 1
        for history in bars:
            self.bars[history.instrument.id] = history
        shared: dict[bytes, Cursor] = {}
        before = b""
        for name, history in self.bars.items():
            key = history.closed_at.tobytes() if len(self.bars) > 1 else b""
            # Neighbours mostly have the same times: comparing costs less than another hash().
            before = key = before if key == before else key
            line = self.lines.get(name)
            if key not in shared:
                shared[key] = self._cursor(line, history.closed_at.data, shared)
            if line is None:
                self.lines[name] = Line(history, shared[key])
            else:
                line.lay(history, shared[key])
        self.cursors = list(shared.values())

    def _cursor(self, line: Line | None, times: memoryview, taken: dict[bytes, Cursor]) -> Cursor:
        """Return the line's cursor on a longer timeline; a new one where that has gone elsewhere."""
        if line is None or line.cursor in taken.values():
            cursor = Cursor(times)
            cursor.advance(self.now)
            return cursor
        line.cursor.follow(times)
        return line.cursor

    @property
    def now(self) -> int:
        """The moment that time has come to."""
        walked = self._walked
        return self._now if walked is None else walked.times[walked.index]

    def walk(self) -> Cursor:
        """Return the only cursor, with which time goes until `advance`: a bar is when it closes.

        Whoever moves it forward moves time; he begins at once.
        """
        (self._walked,) = self.cursors
        return self._walked

    def advance(self, now: int) -> None:
        """Move time to `now`: every bar that closed by then becomes visible."""
        self._now, self._walked = now, None
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
        times = self.lines[instrument_id].cursor.times
        position = bisect_right(times, moment)
        return times[position] if position < len(times) else NEVER

    def cursor(self, instrument_id: str) -> Cursor:
        """Return the cursor that an instrument moves with."""
        return self.lines[instrument_id].cursor

    def index(self, instrument_id: str) -> int:
        """Return the position of the newest visible bar, -1 when there is none."""
        return self.lines[instrument_id].cursor.index

    def price(self, instrument_id: str) -> Decimal | None:
        """Return the close of the newest visible bar, exactly as the data has it."""
        line = self.lines.get(instrument_id)
        return None if line is None else line.price

    def prices(self, instrument_ids: Iterable[str]) -> Sequence[Decimal | None]:
        """Return the same of several instruments."""
        lines = [self.lines.get(each) for each in instrument_ids]
        shown = [line for line in lines if line is not None and line.cursor.index >= 0]
        if len(shown) < len(lines) or len(lines) == 1:  # of one the price is remembered
            return [None if line is None else line.price for line in lines]
        return shortest_of([line.closes[line.cursor.index] for line in shown])

    def price_at(self, instrument_id: str) -> int | None:
        """Return when that price became known."""
        line = self.lines.get(instrument_id)
        return None if line is None else line.price_at

    def session_close_after(self, instrument_id: str, moment: int) -> int:
        """Return the first session close later than `moment`, `NEVER` when none is known."""
        closes = self.bars[instrument_id].session_closes.data
        position = bisect_right(closes, moment)
        return closes[position] if position < len(closes) else NEVER
