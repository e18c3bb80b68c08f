"""An order on the simulated venue's book: its terms as they stand now, and what it waits for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from evenkeel.domain.money import EXACT, ZERO, round_down
from evenkeel.domain.order import Order, OrderType, Side, TimeInForce
from evenkeel.domain.tape import NEVER
from evenkeel.execution.fill_model import Trail, on_tick, trailed

if TYPE_CHECKING:
    from evenkeel.domain.tape import Line

_BUY = Side.BUY
_ONCE = frozenset((TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG))
_ON_CLOSE = frozenset((OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE))
_STOPS = frozenset((OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP))


NO_MORE = "its parent brought no more"


class Resting:
    """One order of the book. Defaults stand on the class, so that a plain market order sets little.

    `filled` is the sum of its fills, in shares of their day; `restated` what splits since have
    made more (or less) of that; `carried` what the orders that it replaced have filled, which
    counts for its children. `limit_level` and `stop_level` are the prices as floats, to compare
    with bars.
    """

    filled = ZERO
    restated = ZERO
    carried = ZERO
    notional = ZERO
    charged = ZERO
    fills = 0
    cut = ""  # why it fills less than it was sent for: `NO_MORE`, or that its group filled some
    shrunk = False  # it stands in the place of an order that would have brought more
    limit: Decimal | None = None
    stop: Decimal | None = None
    trail: Trail | None = None
    once: TimeInForce | None = None  # tried at one open, and then over: IOC, FOK or OPG
    on_close: bool = False  # waits for `expires_at`, its session's close
    limit_level = 0.0
    stop_level = 0.0
    extreme: float | None = None  # of a trailing stop, over its bars before `first`
    led: float | None = None  # the same, over its bars before `due`
    group: int | None = None
    parent: int | None = None  # set while it sleeps
    expires_at: int | None = None
    due: int = -1  # the index of the next bar that could matter, -1 for none in sight
    due_at: int = NEVER
    first: int = 0  # bars before this index are done with, or never concerned it
    seen: int = 0  # how many bars there were when none was in sight
    woken_in: int = -1  # the bar inside which the parent filled
    woken_at_price: Decimal = ZERO
    woken_for_sure: bool = False  # that bar reached the parent before it could reach this stop

    def __init__(self, order: Order, line: Line, now: int) -> None:
        """Put an order on the book of the instrument that `line` shows."""
        self.booked_at = now
        self.order = order
        self.id = order.id
        self.buy = order.side is _BUY
        self.type = order.type
        self.remaining = order.quantity
        self.line = line
        self.parts: list[tuple[int, Decimal, str]] = []
        """When it, whose place it took, or its group filled what; why, where that was its group."""

    def take_terms(self) -> None:
        """Take the terms that a plain market order does not have."""
        order = self.order
        if order.limit_price is not None:
            self.limit, self.limit_level = order.limit_price, float(order.limit_price)
        if order.stop_price is not None:
            self.stand_at(order.stop_price)
        if order.trail_amount is not None:
            self.trail = Trail(order.trail_amount, ZERO)
        elif order.trail_percent is not None:
            self.trail = Trail(ZERO, order.trail_percent.scaleb(-2))
        if order.tif in _ONCE:
            self.once = order.tif
        self.on_close = order.type in _ON_CLOSE

    def stand_at(self, stop: Decimal) -> None:
        """Put the stop there."""
        self.stop, self.stop_level = stop, float(stop)

    def come_to_life(self, price: Decimal) -> None:
        """Sleep no longer, at a price; a trail that has no start yet begins behind it."""
        self.parent = None
        if self.trail is not None and self.stop is None:
            level = self.trail.behind(price, buy=self.buy)
            self.stand_at(on_tick(level, self.line.bars.instrument.tick, up=self.buy))

    @property
    def triggered(self) -> bool:
        """Whether it was a stop, and is at the market or a limit by now."""
        return self.order.type in _STOPS and self.type not in _STOPS

    def cut_to(self, brought: Decimal) -> None:
        """Fill no more than a parent that has ended brought, in whole lots."""
        if brought < self.remaining:
            self.remaining = self._in_lots(brought)
            self.cut = NO_MORE if brought else "its parent never filled"

    def take_off(self, quantity: Decimal, why: str) -> None:
        """Fill so much less: its group has filled that, or (for no `why`) whose place it took."""
        left = EXACT.subtract(self.remaining, quantity)
        self.remaining = self._in_lots(left) if left > ZERO else ZERO
        self.cut = self.cut or why

    def _in_lots(self, quantity: Decimal) -> Decimal:
        lot = self.line.bars.instrument.lot
        return round_down(quantity, lot) if EXACT.remainder(quantity, lot) else quantity

    @property
    def instrument(self) -> str:
        """The instrument's id."""
        return self.order.instrument

    @property
    def done(self) -> Decimal:
        """What it has filled, in shares of today (FIX 14, CumQty)."""
        return EXACT.add(self.filled, self.restated)

    @property
    def brought(self) -> Decimal:
        """What it and those whose place it took have filled, for its children."""
        return EXACT.add(self.carried, self.done)

    @property
    def stands(self) -> Decimal:
        """Where its stop is now."""
        assert self.stop is not None
        if self.trail is None:
            return self.stop
        level = trailed(self.stop, self.led, self.trail, buy=self.buy)
        return on_tick(level, self.line.bars.instrument.tick, up=self.buy)
