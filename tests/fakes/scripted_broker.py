"""A venue that says what a test tells it to say, as badly timed as venues can be."""

from dataclasses import dataclass, field
from decimal import Decimal

from msgspec.structs import replace

from evenkeel.domain.events import CorporateAction, OrderAccepted, OrderCanceled, VenueEvent
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Order
from evenkeel.domain.tape import NEVER, Tape
from evenkeel.domain.verdict import Approved

Scripted = tuple[int, VenueEvent]  # when it is delivered, and what


@dataclass
class ScriptedBroker:
    """Implements `Broker`. `script[order id]` is said once that order has been submitted.

    An order without a script is accepted and then left alone; a cancel that is not scripted (under
    minus the order id) is confirmed. What was asked of it stands in `submitted`, `cancelled` and
    `actions`.
    """

    tape: Tape
    script: dict[int, list[Scripted]] = field(default_factory=dict)
    submitted: list[Approved] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    actions: list[CorporateAction] = field(default_factory=list)
    _waiting: list[Scripted] = field(default_factory=list)

    def submit(self, approved: Approved) -> None:
        self.submitted.append(approved)
        number, now = approved.order.id, self.tape.now
        self._waiting += self.script.get(number, [(now, OrderAccepted(number, now))])

    def cancel(self, order_id: int) -> None:
        self.cancelled.append(order_id)
        now = self.tape.now
        self._waiting += self.script.get(-order_id, [(now, OrderCanceled(order_id, now))])

    def corporate_action(self, action: CorporateAction) -> None:
        self.actions.append(action)

    def events(self) -> list[VenueEvent]:
        due = [each for each in self._waiting if each[0] <= self.tape.now]
        self._waiting = [each for each in self._waiting if each[0] > self.tape.now]
        return [event for _, event in sorted(due, key=lambda each: each[0])]

    def next_event_at(self) -> int:
        return max(self.tape.now, min((at for at, _ in self._waiting), default=NEVER))


def a_fill(
    order: Order, *, at: int, price: str, quantity: str | None = None, part: int = 1
) -> Fill:
    """A fill of an order, of all of it unless told."""
    return Fill(
        f"{order.id}.{part}",
        order.id,
        order.instrument,
        order.side,
        order.quantity if quantity is None else Decimal(quantity),
        Decimal(price),
        "USD",
        at,
    )


def in_parts(fill: Fill, *quantities: str) -> list[Fill]:
    """The same fill as the venue would report it in parts."""
    return [
        replace(fill, id=f"{fill.order_id}.{part}", quantity=Decimal(quantity))
        for part, quantity in enumerate(quantities, start=1)
    ]


def on_time(*events: VenueEvent) -> list[Scripted]:
    return [(event.at, event) for event in events]


def late(by: int, *events: VenueEvent) -> list[Scripted]:
    """Delivered `by` nanoseconds after they happened, perhaps after the order's end was said."""
    return [(event.at + by, event) for event in events]


def twice(*events: VenueEvent) -> list[Scripted]:
    """Every one reported again, as after a reconnect."""
    return [(event.at, event) for event in events for _ in range(2)]


def backwards(*events: VenueEvent) -> list[Scripted]:
    """All delivered when the last one happened, the last one first."""
    moment = max(event.at for event in events)
    return [(moment, event) for event in reversed(events)]
