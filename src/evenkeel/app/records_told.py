"""What is on record is told to the log as well: one event per record, after it is durable.

An event carries the order's id, and as `correlation` the order that the decision began with: its
replacements and its children carry the same. What is alarming is a warning, the rest is for who
looks for it (`logging.levels = "info,app.records=debug"`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evenkeel.domain.events import is_alarming
from evenkeel.domain.fill import Fill
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.ops.logging import log_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.domain.events import Record
    from evenkeel.domain.order import Order

_LOG = log_of("app.records")


class RecordsTold:
    """Tells the records of one run, in their order."""

    def __init__(self) -> None:
        self._began_with: dict[int, int] = {}

    def tell(self, records: Sequence[Record]) -> None:
        """Say what these records are."""
        for record in records:
            say = _LOG.warning if is_alarming(record) else _LOG.debug
            say(type(record).__name__, **self._ids(record), **_facts(record))

    def _ids(self, record: Record) -> dict[str, str]:
        if isinstance(record, Approved | Refused):
            self._know(record.order)
        order_id = _order_of(record)
        if order_id is None:
            return {}
        root = self._began_with.get(order_id, order_id)
        return {"order": str(order_id), "correlation": f"order:{root}"}

    def _know(self, order: Order) -> None:
        before = order.replaces if order.replaces is not None else order.parent
        if before is not None:
            self._began_with[order.id] = self._began_with.get(before, before)


def _order_of(record: Record) -> int | None:
    if isinstance(record, Approved | Refused):
        return record.order.id
    order_id: int | None = getattr(record, "order_id", None)
    return order_id


def _facts(record: Record) -> dict[str, Any]:
    """Return what a reader wants to know first; the journal has it all."""
    match record:
        case Approved(order=order):
            return {"instrument": order.instrument, "side": order.side.value}
        case Refused(order=order, reason=reason):
            return {"instrument": order.instrument, "reason": reason.value}
        case Fill(instrument=name, side=side, quantity=quantity, price=price):
            shown = {"quantity": str(quantity), "price": str(price)}
            return {"instrument": name, "side": side.value, **shown}
        case _:
            words = getattr(record, "reason", None)
            return {"reason": words} if words else {}
