"""The life of every order, read from the journal: how far it came and why it ended."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.domain.events import (
    CancelRejected,
    CancelRequested,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    RunStarted,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import Split, StockDividend
from evenkeel.domain.money import EXACT, ONE, ZERO, round_down
from evenkeel.domain.order import CANCEL, TERMINAL, Order, OrderStatus, standing
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.ledger.lots import share

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.domain.events import Record

REFUSED = "REFUSED"
"""The status of an order that the gate did not let out: it never was on a market."""

COUNTED_AS = {
    "FILLED": "filled",
    "PARTIALLY_FILLED": "partially_filled",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
    "REPLACED": "replaced",
    REFUSED: "refused",
}
"""How a status is called where orders are counted; any other one is `working`."""


class OrderLife(Struct):
    """An order and what became of it. `status` is FIX 39's, or `REFUSED`.

    `quantity` is what it asked for, in units after any split that it lived through; `filled` how
    much of it was done. `why` is the reason of a refusal, rejection or cancel.
    `refusal` is the gate's no, if that is what it said. `asked` is what the venue has not answered;
    `elsewhere` is what orders that it replaces, or that replace it, have filled since it was asked
    for: its quantity is for all of them.
    """

    order: Order
    status: str
    quantity: Decimal
    filled: Decimal = ZERO
    why: str = ""
    refusal: Refused | None = None
    asked: list[int] = []
    elsewhere: Decimal = ZERO

    @property
    def standing(self) -> str:
        """Its status while it lives, by what is asked of the venue and how much is filled."""
        return standing(self.asked, filled=bool(self.filled)).value

    def ask(self, request: int) -> None:
        """Note a request on its way."""
        self.asked.append(request)
        self._restate()

    def refuse(self, request: int) -> None:
        """Forget a request that the venue will not carry out."""
        if request in self.asked:
            self.asked.remove(request)
            self._restate()

    def _restate(self) -> None:
        """Take up what is asked now. Where nobody knows, only word of the order itself helps."""
        if OrderStatus(self.status) not in {*TERMINAL, OrderStatus.UNKNOWN}:
            self.status = self.standing


def lives(records: Iterable[Record | Order]) -> list[OrderLife]:
    """Return every order of the journal, in the order in which the gate saw them."""
    found: list[OrderLife] = []
    by_id: dict[int, OrderLife] = {}
    chains: dict[int, list[OrderLife]] = {}
    fills: set[str] = set()
    lots: dict[str, Decimal] = {}
    for record in records:
        if isinstance(record, RunStarted):
            lots = {
                name: Decimal(said["lot"])
                for name, said in record.instruments.items()
                if "lot" in said
            }
        elif isinstance(record, Approved | Order):  # an approval read back is the order alone
            order = record if isinstance(record, Order) else record.order
            life = OrderLife(order, OrderStatus.PENDING_NEW.value, order.quantity)
            found.append(life)
            by_id[order.id] = life
            if order.replaces in by_id:
                replaced = by_id[order.replaces]
                replaced.ask(order.id)
                chains[order.id] = chains.setdefault(replaced.order.id, [replaced])
                chains[order.id].append(life)
        elif isinstance(record, Refused):
            found.append(_refused(record))
        elif isinstance(record, Split | StockDividend):
            _split(by_id.values(), record, lots.get(record.instrument, ONE))
        elif isinstance(record, Fill):
            if record.id not in fills and record.order_id in by_id:
                fills.add(record.id)
                _fill(by_id[record.order_id], record.quantity, chains.get(record.order_id, ()))
        else:
            _event(by_id, record)
    return found


def _refused(record: Refused) -> OrderLife:
    why = record.reason.value
    return OrderLife(record.order, REFUSED, record.order.quantity, why=why, refusal=record)


def _fill(life: OrderLife, quantity: Decimal, chain: Iterable[OrderLife]) -> None:
    life.filled = EXACT.add(life.filled, quantity)
    for other in chain:
        if other is not life:
            other.elsewhere = EXACT.add(other.elsewhere, quantity)
    if EXACT.add(life.filled, life.elsewhere) >= life.quantity:
        life.status = OrderStatus.FILLED.value
    elif OrderStatus(life.status) not in TERMINAL:
        life.status = life.standing


def _split(working: Iterable[OrderLife], split: Split | StockDividend, lot: Decimal) -> None:
    """Follow a split as venues do: what is left is rounded down to whole lots."""
    for life in working:
        if life.order.instrument == split.instrument and OrderStatus(life.status) not in TERMINAL:
            done = EXACT.add(life.filled, life.elsewhere)
            left = share(life.quantity - done, split.new, split.old)
            life.filled = share(life.filled, split.new, split.old)
            life.elsewhere = share(life.elsewhere, split.new, split.old)
            done = EXACT.add(life.filled, life.elsewhere)
            life.quantity = EXACT.add(done, round_down(left, lot))


def _event(by_id: dict[int, OrderLife], record: Record) -> None:
    """Take the step that a venue's word (or a request) makes; other records make none."""
    life = by_id.get(getattr(record, "order_id", -1))
    if life is None:
        return
    if isinstance(record, OrderReplaced) and record.replaces in by_id:
        by_id[record.replaces].status = OrderStatus.REPLACED.value
    if isinstance(record, OrderRejected) and life.order.replaces in by_id:
        by_id[life.order.replaces].refuse(life.order.id)
    if OrderStatus(life.status) in TERMINAL:  # a word that came too late
        return
    if isinstance(record, CancelRequested):
        life.ask(CANCEL)
    elif isinstance(record, CancelRejected):
        life.refuse(CANCEL)
    elif isinstance(record, OrderAccepted | OrderReplaced):
        life.status = life.standing
    else:
        life.status = MEANS[type(record)].value
        life.why = getattr(record, "reason", "") or life.why


MEANS: dict[type[Record], OrderStatus] = {
    OrderRejected: OrderStatus.REJECTED,
    OrderCanceled: OrderStatus.CANCELED,
    OrderExpired: OrderStatus.EXPIRED,
    OrderUncertain: OrderStatus.UNKNOWN,
}
"""The status that any other word of a venue gives, whatever was asked of it."""


def count(found: Iterable[OrderLife]) -> dict[str, int]:
    """Return how many were sent, and how many are in each state; `sent` leaves out refusals."""
    keys = ("sent", "filled", "partially_filled", "working", "refused", "canceled", "expired")
    counted = dict.fromkeys((*keys, "rejected", "replaced"), 0)
    for life in found:
        counted["sent"] += life.status != REFUSED
        counted[COUNTED_AS.get(life.status, "working")] += 1
    return counted
