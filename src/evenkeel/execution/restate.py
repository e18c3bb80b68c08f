"""What a working order says after something has happened to its instrument.

Prices that follow from a new scale go onto the tick against us, quantities down to the lot.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from evenkeel.domain.money import round_down
from evenkeel.domain.order import OrderType
from evenkeel.execution.fill_model import Trail, on_tick, trailed

if TYPE_CHECKING:
    from evenkeel.domain.events import Split
    from evenkeel.domain.instrument_events import StockDividend
    from evenkeel.domain.tape import Line
    from evenkeel.execution.resting import Resting

_TRAILING = OrderType.TRAILING_STOP


def restate_quantity(resting: Resting, split: Split | StockDividend) -> None:
    """Count an order in the new shares; less than a lot is nothing."""
    lot = resting.line.bars.instrument.lot
    resting.restated = resting.done * split.new / split.old - resting.filled
    resting.carried = resting.carried * split.new / split.old
    resting.remaining = round_down(resting.remaining * split.new / split.old, lot)


def restate_prices(resting: Resting, split: Split | StockDividend) -> None:
    """Write an order's prices on the new scale."""
    tick = resting.line.bars.instrument.tick
    if resting.limit is not None:
        limit = _scaled(resting.limit, split, tick, up=not resting.buy)
        resting.limit, resting.limit_level = limit, float(limit)
    if resting.type is _TRAILING:
        settle_trail(resting, split.at)
    if resting.stop is not None:
        resting.stand_at(_scaled(resting.stop, split, tick, up=resting.buy))
    if resting.trail is not None:
        resting.trail = Trail(
            _scaled(resting.trail.amount, split, tick, up=True), resting.trail.share
        )


def settle_trail(resting: Resting, until: int) -> None:
    """Let a trail start anew from where the bars that closed by `until` have brought it."""
    if resting.stop is None:  # it sleeps, and has no start yet
        return
    bars = resting.line.bars
    lead = bars.low if resting.buy else bars.high
    old = lead[resting.first : int(bars.closed_at.searchsorted(until, "right"))]
    assert resting.trail is not None
    reached = resting.extreme
    if len(old) and resting.parent is None:
        best = float(old.min() if resting.buy else old.max())
        reached = best if reached is None else (min if resting.buy else max)(best, reached)
    resting.stop = trailed(resting.stop, reached, resting.trail, buy=resting.buy)
    resting.extreme = resting.led = None


def keep_stop(old: Resting, new: Resting, at: int) -> None:
    """Let a replacement whose stop was not moved stand as the order did whose place it takes.

    A trail stays where it has come to by `at`; what was triggered is.
    """
    if old.type is _TRAILING:
        settle_trail(old, at)
    if new.stop is None and new.trail is not None and old.stop is not None:
        new.stand_at(old.stop)
    if old.triggered and new.stop == old.stop:
        new.type = OrderType.MARKET if new.limit is None else OrderType.LIMIT


def rename(resting: Resting, line: Line, at: int) -> None:
    """Let an order go on under the instrument's new name, as it stood at `at`."""
    if resting.type is _TRAILING:
        settle_trail(resting, at)
        if resting.stop is not None:
            tick = resting.line.bars.instrument.tick
            resting.stand_at(on_tick(resting.stop, tick, up=resting.buy))
    resting.order = replace(resting.order, instrument=line.bars.instrument.id)
    resting.line = line


def _scaled(
    price: Decimal, split: Split | StockDividend, tick: Decimal | None, *, up: bool
) -> Decimal:
    return on_tick(price * split.old / split.new, tick, up=up)
