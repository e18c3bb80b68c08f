"""Who is called when: strategies at their places, each with the bar times it wants to see."""

from __future__ import annotations

from heapq import heapify, heapreplace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.tape import NEVER
from evenkeel.strategy.base import PortfolioStrategy, Strategy, Trader, wake_times
from evenkeel.strategy.series import BarSeries, Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evenkeel.domain.bar import AnyArray, Bars, Times
    from evenkeel.domain.instrument_events import Split, StockDividend
    from evenkeel.domain.tape import Tape
    from evenkeel.engine.desk import Outbox


_NO_MORE = (NEVER, -1)


class Seat:
    """One strategy, the instruments it sees, and how far it has come in the times it wants."""

    def __init__(self, strategy: Trader, instruments: list[str], tape: Tape) -> None:
        """Seat a strategy before the tape; `setup` follows."""
        self.strategy = strategy
        self.tape = tape
        self.instruments = instruments
        self.hears_orders = type(strategy).on_order is not Trader.on_order
        self.hears_fills = type(strategy).on_fill is not Trader.on_fill
        self.next_at = NEVER
        self._index = -1  # of the bar that closes at `next_at`, on the first timeline
        self._wanted: Iterator[tuple[int, int]] = iter(())
        self._frames: dict[str, Frame] = {}

    def setup(self, splits: dict[str, list[Split | StockDividend]], *, since: int) -> None:
        """Let the strategy compute its series over the history known now, on today's scale.

        It is called next at the first time it wants that is not before `since`.
        """
        if not self._frames:
            self._frames = self._present(self.strategy, splits, keep=False)
        else:
            twin = self.strategy.clone()
            frames = self._present(twin, splits, keep=True)
            for name, frame in self._frames.items():
                frame.take_over(frames[name])
            self.strategy.renew(twin)
        bars, cursor = self.tape.bars, self.tape.cursor
        timelines = {id(cursor(name)): name for name in self.instruments}
        times = wake_times(self.strategy, [bars[name].closed_at for name in timelines.values()])
        if len(times) and times[0] < since:
            times = times[np.searchsorted(times, since) :]
        self._wanted = _one_by_one(times, cursor(self.instruments[0]).times)
        self.move_on()

    def _present(
        self, strategy: Trader, splits: dict[str, list[Split | StockDividend]], *, keep: bool
    ) -> dict[str, Frame]:
        tape = self.tape
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

    def move_on(self) -> int:
        """Step behind the next wanted time; return the one after it."""
        self.next_at, self._index = next(self._wanted, _NO_MORE)
        return self.next_at

    def wake(self, until: int, outbox: Outbox) -> None:
        """As `Seats.wake`, where one strategy and one timeline are all: a million bars go by here."""
        at, index = self.next_at, self._index
        if at > until:
            return
        tape, on_bar = self.tape, self.strategy.on_bar
        (cursor,) = tape.cursors
        for following in self._wanted:  # pragma: no branch - the last one is never
            tape.now, cursor.index = at, index
            at, index = following
            on_bar()
            if outbox.records or at > until:
                break
        self.next_at, self._index = at, index


class Seats:
    """All strategies of a run, in the order in which they are called at one moment."""

    def __init__(self, template: Trader, tape: Tape) -> None:
        """Seat one clone of a `Strategy` per instrument, or one `PortfolioStrategy` for all."""
        names = list(tape.bars)
        if isinstance(template, PortfolioStrategy):
            self.seats = [Seat(template.clone(), names, tape)]
        elif isinstance(template, Strategy):
            self.seats = [Seat(template.clone(), [name], tape) for name in names]
        else:
            raise StrategyError(
                f"{type(template).__name__} is neither a Strategy nor a PortfolioStrategy"
            )
        self._tape = tape
        self._splits: dict[str, list[Split | StockDividend]] = {}
        self._queue: list[tuple[int, int]] = []

    def __getitem__(self, number: int) -> Seat:
        """Return the seat with that number."""
        return self.seats[number]

    def of(self, instrument: str) -> int:
        """Return the number of the seat that trades an instrument."""
        return next(n for n, seat in enumerate(self.seats) if instrument in seat.instruments)

    def setup(self) -> None:
        """Run every strategy's setup and queue up the times they want."""
        for seat in self.seats:
            seat.setup(self._splits, since=self._tape.now + 1)
        self._line_up()

    def split(self, split: Split | StockDividend) -> None:
        """Put an instrument's history on its new scale, for those who look at it."""
        self._splits.setdefault(split.instrument, []).append(split)
        for seat in self.seats:
            if split.instrument in seat.instruments:
                # The bar at hand has not been shown to anybody yet: a split comes first.
                seat.setup(self._splits, since=self._tape.now)
        self._line_up()

    def _line_up(self) -> None:
        self._queue = [(seat.next_at, number) for number, seat in enumerate(self.seats)]
        heapify(self._queue)

    @property
    def next_at(self) -> int:
        """When somebody wants to see a bar next, `NEVER` when nobody does any more."""
        return self.seats[0].next_at if len(self.seats) == 1 else self._queue[0][0]

    @property
    def hear_orders(self) -> bool:
        """Whether some strategy wants to know what state its orders are in."""
        return any(seat.hears_orders for seat in self.seats)

    def waking(self) -> Callable[[int, Outbox], None]:
        """Return `wake`, by the short way where there is one strategy and one timeline."""
        alone = len(self.seats) == len(self._tape.cursors) == 1
        return self.seats[0].wake if alone else self.wake

    def wake(self, until: int, outbox: Outbox) -> None:
        """Show bars to those who want them, up to `until` or the first of them to say something.

        By time, and then by seat.
        """
        queue, tape = self._queue, self._tape
        while queue[0][0] <= until:
            at, number = queue[0]
            seat = self.seats[number]
            heapreplace(queue, (seat.move_on(), number))
            if at != tape.now:
                tape.advance(at)
            seat.strategy.on_bar()
            if outbox.records:
                return


def _one_by_one(times: Times, timeline: memoryview) -> Iterator[tuple[int, int]]:
    """Yield times and their places on a timeline, and at the end that there are no more.

    As Python numbers, made some thousand at once: each alone would cost more.
    """
    tail = len(timeline) - len(times)
    if 0 <= tail < len(timeline) and timeline[tail] == times[0]:  # every bar from there on
        places = np.arange(tail, len(timeline))
    else:
        places = np.asarray(timeline).searchsorted(times)
    size = 4_096
    starts = range(0, len(times), size)
    pieces = (
        zip(times[at : at + size].tolist(), places[at : at + size].tolist(), strict=True)
        for at in starts
    )
    return chain(chain.from_iterable(pieces), (_NO_MORE,))


def _on_scale(bars: Bars, splits: list[Split | StockDividend]) -> dict[str, AnyArray]:
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
