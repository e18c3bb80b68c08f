"""A strategy's desk: here a wish gets its number and its place on the grid, and meets the gate."""

from __future__ import annotations

from decimal import Decimal, localcontext
from math import nan
from typing import TYPE_CHECKING

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.events import CancelRequested, Noted, Record
from evenkeel.domain.money import EXACT, ZERO, round_down, round_up
from evenkeel.domain.order import CANCEL, TERMINAL, Order, OrderStatus, OrderType, Side, TimeInForce
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.engine.lender import VENUE
from evenkeel.strategy.desk import OrderUpdate, Worth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.engine.account import Account
    from evenkeel.risk.gate import Gate
    from evenkeel.strategy.desk import Ask

_MARKET = OrderType.MARKET
_AT_MARKET = (OrderType.MARKET, OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE)


class Outbox:
    """What one moment has decided so far, in order, and the number of the next order."""

    def __init__(self) -> None:
        """Start a run: orders count from 1."""
        self.records: list[Record] = []
        self.queue: list[Sequence[Record]] = []
        """What was decided before that, and is to be carried out before, part by part."""
        self.refusals: list[tuple[int, OrderUpdate]] = []
        self.orders_made = 0
        self.closed = False

    def take(self) -> list[Record]:
        """Return what was decided, and start afresh."""
        records, self.records = self.records, []
        return records


class StrategyDesk:
    """The `Desk` of one strategy: every order it places passes the gate here."""

    def __init__(self, account: Account, gate: Gate, outbox: Outbox, owner: int) -> None:
        """Serve the strategy with number `owner`."""
        self._account = account
        self._gate = gate
        self._outbox = outbox
        self._owner = owner

    @property
    def now(self) -> int:
        return self._account.tape.now

    @property
    def next_order(self) -> int:
        return self._outbox.orders_made + 1

    def market(
        self, strategy: str, instrument: str, side: Side, quantity: Decimal | int, sizing: str
    ) -> int | None:
        quantity = self._in_lots(strategy, instrument, Decimal(quantity))
        if not quantity:
            return None
        number = self._outbox.orders_made = self._outbox.orders_made + 1
        now = self._account.tape.now
        return self._review(
            Order(number, strategy, instrument, side, quantity, _MARKET, now, sizing=sizing)
        )

    def place(self, strategy: str, ask: Ask) -> int | None:
        """Make an order of a wish and review it; its number if it was approved."""
        quantity = self._in_lots(strategy, ask.instrument, ask.quantity)
        if not quantity:
            return None
        number = self._outbox.orders_made = self._outbox.orders_made + 1
        tick = self._account.instruments[ask.instrument].tick
        return self._review(self._order(number, strategy, ask, quantity, tick))

    def _in_lots(self, strategy: str, instrument: str, quantity: Decimal) -> Decimal:
        if self._outbox.closed:
            raise StrategyError(f"{strategy} cannot place orders after the last bar (in on_stop)")
        lot = self._account.instruments[instrument].lot
        if quantity > ZERO and EXACT.remainder(quantity, lot):
            return round_down(quantity, lot)
        return quantity

    def _review(self, order: Order) -> int | None:
        account, outbox = self._account, self._outbox
        with localcontext(EXACT):  # whatever context the strategy works in
            verdict = self._gate.review(order, account)
        outbox.records.append(verdict)
        if type(verdict) is Approved:
            account.orders.approve(verdict, self._owner)
            return order.id
        assert isinstance(verdict, Refused), verdict
        told = OrderUpdate(order, OrderStatus.REJECTED, 0.0, verdict.reason.value)
        outbox.refusals.append((self._owner, told))
        return None

    def _order(
        self, number: int, strategy: str, ask: Ask, quantity: Decimal, tick: Decimal | None
    ) -> Order:
        now, expires_at, side = self._account.tape.now, ask.expires_at, ask.side
        limit, stop = ask.limit_price, ask.stop_price
        if ask.tif is TimeInForce.DAY:
            expires_at = self._account.tape.session_close_after(ask.instrument, now)
        return Order(
            number,
            strategy,
            ask.instrument,
            side,
            quantity,
            ask.type,
            now,
            limit_price=None if limit is None else _passive(limit, side, tick),
            stop_price=None if stop is None else _passive(stop, side.opposite, tick),
            trail_amount=ask.trail_amount,
            trail_percent=ask.trail_percent,
            tif=ask.tif,
            expires_at=expires_at,
            replaces=ask.replaces,
            parent=ask.parent,
            oca_group=ask.oca_group,
            reason=ask.reason,
            sizing=ask.sizing,
        )

    def cancel(self, strategy: str, order_id: int, reason: str) -> None:
        if self._outbox.closed:
            raise StrategyError(f"{strategy} cannot cancel orders after the last bar (in on_stop)")
        working = self._account.orders[order_id]
        if working is None or working.order.strategy == VENUE:
            return
        for number in self._account.orders.ask_cancel(order_id):
            self._outbox.records.append(CancelRequested(number, self.now, strategy, reason))

    def working(self, strategy: str, instrument: str) -> list[Order]:
        """Return this strategy's open orders; those that are being cancelled are not among them."""
        return [
            each.order
            for each in self._account.orders.of(instrument)
            if each.owner == self._owner
            and each.status not in TERMINAL
            and CANCEL not in each.requests
        ]

    def leaves(self, order_id: int) -> Decimal:
        working = self._account.orders[order_id]
        return ZERO if working is None else working.leaves

    def waiting(self, strategy: str, instrument: str) -> list[Order]:
        working = self.working(strategy, instrument)
        replaced = {order.replaces for order in working}
        return [order for order in working if not order.is_plain or order.id in replaced]

    def held(self, instrument: str) -> Decimal:
        return self._account.book.quantity(instrument)

    def expected(self, strategy: str, instrument: str) -> Decimal | int:
        expected = self.held(instrument)
        for each in self._account.orders.of(instrument):
            order = each.order
            market = order.type in _AT_MARKET and order.parent is None
            if market and each.owner == self._owner and CANCEL not in each.requests:
                change = EXACT.add if order.side is Side.BUY else EXACT.subtract
                expected = change(expected, each.leaves)
        return expected

    def worth(self, instrument: str) -> Worth:
        position = self._account.book.position(instrument)
        price = self._account.price(instrument)
        if not position.quantity or price is None:
            return Worth(nan, 0.0, 0.0)
        times, average = EXACT.multiply, position.average_price  # in whatever context it is asked
        value = times(times(position.quantity, price), self.multiplier(instrument))
        cost = times(position.cost, self._account.worth(position.instrument.currency))
        gain = EXACT.subtract(value, cost)
        return Worth(nan if average is None else float(average), float(value), float(gain))

    def price(self, instrument: str) -> Decimal | None:
        return self._account.price(instrument)

    def multiplier(self, instrument: str) -> Decimal:
        return self._account.instruments[instrument].multiplier

    def cash(self) -> Decimal:
        return self._account.book.cash

    def equity(self) -> Decimal | None:
        return self._account.equity()

    def note(self, strategy: str, text: str) -> None:
        self._outbox.records.append(Noted(self.now, strategy, text))


def _passive(price: Decimal, side: Side, tick: Decimal | None) -> Decimal:
    """Put a price on the tick, never better for us than what was asked (DESIGN section 3)."""
    if tick is None or not price.is_finite():
        return price
    return round_down(price, tick) if side is Side.BUY else round_up(price, tick)
