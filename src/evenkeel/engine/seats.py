"""Who is called when: strategies at their places, each with the bar times it wants to see."""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.tape import NEVER
from evenkeel.strategy.base import PortfolioStrategy, Strategy
from evenkeel.strategy.series import BarSeries, Frame
from evenkeel.strategy.trader import Trader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from evenkeel.domain.bar import AnyArray, Bars, Times
    from evenkeel.domain.instrument_events import Split, StockDividend
    from evenkeel.domain.tape import Tape
    from evenkeel.engine.desk import Outbox


_NO_MORE = (NEVER, -1)

_STRIDE = 64
"""Every so many wanted bars of a seat there is a milestone."""

_WINDOW = 1_024
"""How many milestones, of all seats, are lined up at once: 65,536 bars, and up to 64 of each seat."""


class Seat:
    """One strategy, the instruments it sees, and the bars it wants."""

    def __init__(self, strategy: Trader, instruments: list[str], tape: Tape) -> None:
        """Seat a strategy before the tape; `setup` follows."""
        self.strategy = strategy
        self.tape = tape
        self.instruments = instruments
        self.hears_orders = type(strategy).on_order is not Trader.on_order
        self.hears_fills = type(strategy).on_fill is not Trader.on_fill
        self.times: Times = np.zeros(0, dtype=np.int64)  # of the bars that it wants
        self.places: Times | range = range(0)  # theirs, on the timeline that they are of
        self._frames: dict[str, Frame] = {}

    def setup(self, splits: dict[str, list[Split | StockDividend]], *, since: int) -> None:
        """Let the strategy compute its series over the history known now, on today's scale.

        It wants no bars that closed before `since`.
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
        timelines = {id(cursor(name)): bars[name].closed_at for name in self.instruments}
        self.times, self.places = self.strategy.wanted_bars(list(timelines.values()))
        self.forget(before=since)

    def forget(self, *, before: int) -> None:
        """Want nothing any more that closed before a moment."""
        if len(self.times) and self.times[0] < before:
            gone = int(self.times.searchsorted(before))
            self.times, self.places = self.times[gone:], self.places[gone:]

    def _present(
        self, strategy: Trader, splits: dict[str, list[Split | StockDividend]], *, keep: bool
    ) -> dict[str, Frame]:
        tape = self.tape
        frames = {name: Frame(tape.cursor(name), keep=keep) for name in self.instruments}
        bars = {
            name: BarSeries(
                tape.bars[name].instrument,
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
        self._queue: Iterator[tuple[int, int]] = iter(())
        self._next = _NO_MORE
        # Where one strategy is alone there is no queue: when it wants a bar, and at which places,
        self._times, self._places = memoryview(b""), iter(range(0))
        self._shown = 0  # and how many of them have been shown

    def __getitem__(self, number: int) -> Seat:
        """Return the seat with that number."""
        return self.seats[number]

    def by_instrument(self) -> dict[str, int]:
        """Return, for each instrument, the number of the seat that trades it."""
        return {name: n for n, seat in enumerate(self.seats) for name in seat.instruments}

    def setup(self) -> None:
        """Run every strategy's setup and queue up the bars they want."""
        for seat in self.seats:
            seat.setup(self._splits, since=self._tape.now + 1)
        self._line_up()

    def split(self, split: Split | StockDividend) -> None:
        """Put an instrument's history on its new scale, for those who look at it."""
        self._splits.setdefault(split.instrument, []).append(split)
        # The bar at hand has not been shown to anybody yet: a split comes first.
        for seat in self.seats:
            if split.instrument in seat.instruments:
                seat.setup(self._splits, since=self._tape.now)
            else:
                # It goes on where the queue stands: everything before that has been shown, and
                # nothing of that moment, for splits come before a moment's bars.
                seat.forget(before=self._next[0])
        self._line_up()

    @property
    def _alone(self) -> bool:
        return len(self.seats) == len(self._tape.cursors) == 1

    def _line_up(self) -> None:
        """Queue up what is wanted: when, and by whom (where there is but one: on which bar)."""
        if self._alone:
            (seat,) = self.seats
            # Read through a memoryview an array gives Python numbers, one at a time.
            self._times, self._shown = seat.times.data, 0
            self._places = iter(seat.places if isinstance(seat.places, range) else seat.places.data)
        else:
            wanted = chain.from_iterable(_windows([seat.times for seat in self.seats]))
            self._queue = chain(wanted, (_NO_MORE,))
            self._next = next(self._queue)

    @property
    def somebody_hears(self) -> bool:
        """Whether some strategy wants to hear what becomes of its orders."""
        return any(seat.hears_orders or seat.hears_fills for seat in self.seats)

    def waking(self) -> Callable[[int, Outbox], None]:
        """Return `wake`, by the short way where there is one strategy and one timeline."""
        return self._wake_alone if self._alone else self.wake

    def _wake_alone(self, until: int, outbox: Outbox) -> None:
        """As `wake`, where one strategy and one timeline are all: a million bars go by here."""
        times, first = self._times, self._shown
        try:  # most steps show no bar or one, and the others many: how many is asked once
            if times[first] > until:
                return
            end = first + 1 if times[first + 1] > until else bisect_right(times, until, first)
        except IndexError:  # one is left, or none
            end = len(times)
        if first == end:
            return
        tape, on_bar = self._tape, self.seats[0].strategy.on_bar
        cursor = tape.walk()
        for cursor.index in islice(self._places, end - first):
            on_bar()
            # Not `queue`, as below: what others have asked for cannot wait where there are none.
            if outbox.records:
                end = bisect_right(times, tape.now, first, end)
                break
        self._shown = end

    def wake(self, until: int, outbox: Outbox) -> None:
        """Show bars to those who want them, up to `until` or the first of them to say something.

        By time, and then by seat.
        """
        at, number = self._next
        if at > until:
            return
        tape, seats = self._tape, self.seats
        now = tape.now
        for following in self._queue:  # pragma: no branch - the last one is never
            if at != now:
                tape.advance(at)
                now = at
            seats[number].strategy.on_bar()
            at, number = following
            # In `queue` may stand what others asked for, handed over because this one looked.
            if outbox.records or outbox.queue or at > until:
                break
        self._next = at, number


def _windows(wanted: list[Times]) -> Iterator[Iterable[tuple[int, int]]]:
    """Yield every time that some seat wants and the seat's number: by time, and then by seat.

    A window at a time, so that memory does not grow with bars. Windows end before milestones,
    which are close together where many bars are wanted: no window holds much more than another,
    whoever wants how many, and few wanted bars are all in one.
    """
    milestones = np.sort(np.concatenate([times[_STRIDE - 1 :: _STRIDE] for times in wanted]))
    for end in milestones[_WINDOW - 1 :: _WINDOW].tolist():
        counts = [int(times.searchsorted(end)) for times in wanted]
        yield _merged([times[:n] for times, n in zip(wanted, counts, strict=True)])
        wanted = [times[n:] for times, n in zip(wanted, counts, strict=True)]
    yield _merged(wanted)


def _merged(wanted: list[Times]) -> Iterable[tuple[int, int]]:
    """Return all times with the numbers of the seats that want them, by time and then by seat."""
    times = np.concatenate(wanted)
    numbers = np.repeat(np.arange(len(wanted)), [len(each) for each in wanted])
    order = np.argsort(times, kind="stable")
    return zip(times[order].data, numbers[order].data, strict=True)


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
