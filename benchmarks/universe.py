"""W3: ten years of daily bars of 500 instruments, one strategy on each, one account."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from benchmarks.memory import made, peak_over_bars
from benchmarks.reference import python_loops
from benchmarks.timing import Row, race, short
from benchmarks.workloads import Cross, traded
from evenkeel.domain.order import Side
from evenkeel.domain.tape import Tape
from evenkeel.engine.desk import Outbox
from evenkeel.engine.seats import Seats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from evenkeel.domain.bar import Bars
    from evenkeel.strategy.desk import Desk
    from evenkeel.strategy.trader import Trader

INSTRUMENTS = 500
DAYS = 2_520


class IdleDesk:
    """Where a strategy is told that it holds what it asked for, and nothing else happens."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._held: Decimal | int = 0

    def waiting(self, *_: str) -> tuple[()]:
        return ()

    def expected(self, *_: str) -> Decimal | int:
        return self._held

    def market(self, _: str, __: str, side: Side, quantity: Decimal | int, ___: str) -> int:
        self._held += quantity if side is Side.BUY else -quantity
        return 1


def called(strategy: Trader, bars: Sequence[Bars]) -> None:
    """Set a strategy up for each instrument, and call all of them on every bar that they want."""
    tape, outbox = Tape(bars), Outbox()
    seats = Seats(strategy, tape)
    seats.setup()
    for seat in seats.seats:
        seat.strategy.join(cast("Desk", IdleDesk()))
    seats.wake(int(bars[0].closed_at[-1]), outbox)


def measure(size: float = 1.0) -> Iterator[Row]:
    """Hold the account against the bare loop over the same bars, one instrument after the other."""
    many = max(int(INSTRUMENTS * size), 2)
    described = f"days:{DAYS}:{many}"
    bars = made(described)
    orders = len(traded(Cross(), bars).lives)
    laps = race(
        {
            "P": python_loops(bars),
            "ours": lambda: traded(Cross(), bars),
            "strategies": lambda: called(Cross(), bars),
        }
    )
    yield Row(
        f"W3 {many} instruments × {DAYS:,} daily bars, {orders:,} orders",
        f"{laps.told('ours')}, {laps.wall('ours'):.2f} s",
        "0.5 × P",
    )
    yield Row(
        "of it, its strategies set up and called, at a desk that does nothing",
        laps.told("strategies"),
    )
    peak = peak_over_bars(described, "wake")
    yield Row("W3 peak memory", f"{short(peak)} × the bar arrays")
