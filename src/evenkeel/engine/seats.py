"""Who is called when: strategies at their places, each with the bar times it wants to see."""

from __future__ import annotations

from bisect import bisect_left
from heapq import heapify, heapreplace
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.tape import NEVER
from evenkeel.strategy.base import PortfolioStrategy, Strategy, Trader, wake_times
from evenkeel.strategy.series import BarSeries, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.domain.bar import AnyArray, Bars
    from evenkeel.domain.events import Split
    from evenkeel.domain.tape import Tape


class Seat:
    """One strategy, the instruments it sees, and how far it has come in the times it wants."""

    def __init__(self, strategy: Trader, instruments: list[str]) -> None:
        """Seat a strategy; `setup` follows."""
        self.strategy = strategy
        self.instruments = instruments
        self.hears_orders = type(strategy).on_order is not Trader.on_order
        self.hears_fills = type(strategy).on_fill is not Trader.on_fill
        self._frames: dict[str, Frame] = {}
        self._times: memoryview = memoryview(b"")
        self._next = 0

    def setup(self, tape: Tape, splits: dict[str, list[Split]], *, since: int) -> None:
        """Let the strategy compute its series over the history known now, on today's scale.

        It is called next at the first time it wants that is not before `since`.
        """
        if not self._frames:
            self._frames = self._present(self.strategy, tape, splits, keep=False)
        else:
            twin = self.strategy.clone()
            frames = self._present(twin, tape, splits, keep=True)
            for name, frame in self._frames.items():
                frame.take_over(frames[name])
            self.strategy.renew(twin)
        timelines = {id(tape.cursor(name)): name for name in self.instruments}
        times = wake_times(
            self.strategy, [tape.bars[name].closed_at for name in timelines.values()]
        )
        self._times = np.ascontiguousarray(times).data
        self._next = bisect_left(self._times, since)

    def _present(
        self, strategy: Trader, tape: Tape, splits: dict[str, list[Split]], *, keep: bool
    ) -> dict[str, Frame]:
        frames = {name: Frame(tape.cursor(name), keep=keep) for name in self.instruments}
        bars = {
            name: BarSeries(
                tape.bars[name].instrument,
                tape.bars[name].closed_at,
                _on_scale(tape.bars[name], splits.get(name, [])),
                frames[name],
            )
            for name in self.instruments
        }
        if isinstance(strategy, PortfolioStrategy):
            strategy.bars = bars
            strategy.setup(bars)
        else:
            assert isinstance(strategy, Strategy), strategy  # `Seats` lets nobody else in
            (strategy.bars,) = bars.values()
            strategy.instrument = strategy.bars.instrument
            strategy.setup(strategy.bars)
        for frame in frames.values():
            frame.seal()
        return frames

    def calls(self, until: int) -> Iterator[tuple[int, Trader]]:
        """Yield this strategy at each time it wants, up to `until`; for when it sits alone."""
        times, strategy = self._times, self.strategy
        while self._next < len(times) and (at := times[self._next]) <= until:
            self._next += 1
            yield at, strategy

    @property
    def next_at(self) -> int:
        """When this strategy wants to be called next."""
        return self._times[self._next] if self._next < len(self._times) else NEVER

    def move_on(self) -> int:
        """Step behind the next wanted time; return the one after it."""
        self._next += 1
        return self.next_at


class Seats:
    """All strategies of a run, in the order in which they are called at one moment."""

    def __init__(self, template: Trader, tape: Tape) -> None:
        """Seat one clone of a `Strategy` per instrument, or one `PortfolioStrategy` for all."""
        names = list(tape.bars)
        if isinstance(template, PortfolioStrategy):
            self.seats = [Seat(template.clone(), names)]
        elif isinstance(template, Strategy):
            self.seats = [Seat(template.clone(), [name]) for name in names]
        else:
            raise StrategyError(
                f"{type(template).__name__} is neither a Strategy nor a PortfolioStrategy"
            )
        self._tape = tape
        self._splits: dict[str, list[Split]] = {}
        self._queue: list[tuple[int, int]] = []

    def __getitem__(self, number: int) -> Seat:
        """Return the seat with that number."""
        return self.seats[number]

    def setup(self) -> None:
        """Run every strategy's setup and queue up the times they want."""
        for seat in self.seats:
            seat.setup(self._tape, self._splits, since=self._tape.now + 1)
        self._line_up()

    def split(self, split: Split) -> None:
        """Put an instrument's history on its new scale, for those who look at it."""
        self._splits.setdefault(split.instrument, []).append(split)
        for seat in self.seats:
            if split.instrument in seat.instruments:
                # The bar at hand has not been shown to anybody yet: a split comes first.
                seat.setup(self._tape, self._splits, since=self._tape.now)
        self._line_up()

    def _line_up(self) -> None:
        self._queue = [(seat.next_at, number) for number, seat in enumerate(self.seats)]
        heapify(self._queue)

    def calls(self, until: int) -> Iterator[tuple[int, Trader]]:
        """Yield whose turn it is and when, up to `until`: by time, and then by seat.

        Whoever was yielded has had that turn: the iteration may be dropped at any point.
        """
        return self.seats[0].calls(until) if len(self.seats) == 1 else self._take_turns(until)

    def _take_turns(self, until: int) -> Iterator[tuple[int, Trader]]:
        queue = self._queue
        while queue and queue[0][0] <= until:
            at, number = queue[0]
            seat = self.seats[number]
            heapreplace(queue, (seat.move_on(), number))
            yield at, seat.strategy


def _on_scale(bars: Bars, splits: list[Split]) -> dict[str, AnyArray]:
    """Return the columns with everything before each split divided by it."""
    columns: dict[str, AnyArray] = {
        name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")
    }
    for split in splits:
        before = int(np.searchsorted(bars.closed_at, split.at, side="right"))
        ratio = float(split.new) / float(split.old)
        for name, column in columns.items():
            scaled = column.copy()
            scaled[:before] = column[:before] * (ratio if name == "volume" else 1 / ratio)
            columns[name] = scaled
    return columns
