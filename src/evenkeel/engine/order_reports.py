"""What a venue reports on orders, fills aside: their states follow, and their authors hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from evenkeel.domain.events import (
    CancelRejected,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
)
from evenkeel.domain.money import ZERO
from evenkeel.domain.order import CANCEL, OrderStatus
from evenkeel.strategy.desk import OrderUpdate

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.engine.orders import Orders
    from evenkeel.engine.seats import Seats
    from evenkeel.engine.working import Working

OrderReport: TypeAlias = (
    OrderCanceled | OrderExpired | OrderRejected | OrderReplaced | CancelRejected | OrderUncertain
)


class OrderReports:
    """Between the venue's words and the orders of an account."""

    def __init__(self, orders: Orders, seats: Seats) -> None:
        """Report to the strategies on these seats."""
        self._orders = orders
        self._seats = seats

    def hear(self, report: OrderReport) -> None:
        """Let a report have its effect; one that is late or doubled has none."""
        number = report.order_id
        match report:
            case OrderCanceled():
                self._ended(number, OrderStatus.CANCELED, report.filled, report.reason)
            case OrderExpired():
                self._ended(number, OrderStatus.EXPIRED, report.filled)
            case OrderRejected():
                self._rejected(report)
            case OrderReplaced():
                self._ended(report.replaces, OrderStatus.REPLACED, report.filled)
                self.confirmed(number)
            case CancelRejected():
                self._refused(number, CANCEL, report.reason)
            case OrderUncertain():
                working = self._orders[number]
                if working is not None and working.move(OrderStatus.UNKNOWN):
                    self.tell(working, report.reason)

    def confirmed(self, order_id: int) -> None:
        """Hear that the venue works an order."""
        working = self._orders[order_id]
        if working is not None and working.confirm():
            self.tell(working, "")

    def tell(self, working: Working, reason: str) -> None:
        """Let an order's author know its state."""
        seat = self._seats.seats[working.owner]
        if seat.hears_orders:
            filled = float(working.filled)
            seat.strategy.on_order(OrderUpdate(working.order, working.status, filled, reason))

    def _ended(self, order_id: int, status: OrderStatus, filled: Decimal, reason: str = "") -> None:
        working = self._orders.end(order_id, status, filled)
        if working is not None:
            self.tell(working, reason)

    def _rejected(self, event: OrderRejected) -> None:
        """A refused order is over; a refused replacement leaves the old order as it was."""
        self._ended(event.order_id, OrderStatus.REJECTED, ZERO, event.reason)
        working = self._orders[event.order_id]
        if working is not None and working.order.replaces is not None:
            self._refused(working.order.replaces, event.order_id, event.reason)

    def _refused(self, order_id: int, request: int, reason: str) -> None:
        """The venue will not do what was asked; the order is where it was before."""
        working = self._orders[order_id]
        if working is not None and working.refused(request):
            self.tell(working, reason)
