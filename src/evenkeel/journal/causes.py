"""From bar to profit: which record caused this one, and to which decision it belongs.

Nothing of this is written down: it follows from what is. An order names the bar it was decided on
(`created_at`), its parent and what it replaces; whatever a venue says names its order. So a chain
is the same in a backtest and on paper, and costs neither of them anything.

    bar ─► verdict ─► accepted, filled, canceled … ─► postings, lots, profit
           CancelRequested ─► OrderCanceled, CancelRejected
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from evenkeel.domain.events import (
    CancelRejected,
    CancelRequested,
    Noted,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    RunEnded,
    RunStarted,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Order
from evenkeel.domain.verdict import Refused

if TYPE_CHECKING:
    from evenkeel.journal.replay import Decoded

_OfOrder: TypeAlias = (
    OrderAccepted
    | OrderRejected
    | OrderCanceled
    | OrderExpired
    | OrderReplaced
    | CancelRejected
    | OrderUncertain
    | Fill
)


class Cause(Struct, frozen=True):
    """Why a record is there.

    `correlation` is what all records of one decision share: `order:7` for order 7, its replacements
    and its children, and all that came of them; `record:12` for what came from outside. `record`
    is the number of the record that caused this one, `bar_at` the closing time of the bar that
    it was decided on; both None for what came from outside, or out of a record that is gone.
    """

    correlation: str
    record: int | None = None
    bar_at: int | None = None


class Causes:
    """Reads a journal from its beginning and knows of each record where it came from."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._roots: dict[int, int] = {}
        self._verdicts: dict[int, int] = {}
        self._requests: dict[int, int] = {}

    def of(self, sequence: int, record: Decoded) -> Cause:
        """Return the cause of the record with that number; ask for each of them, in order."""
        match record:
            case Order():
                return self._decided(sequence, record)
            case Refused():
                return self._decided(sequence, record.order)
            case CancelRequested():
                self._requests[record.order_id] = sequence
                return Cause(self._chain(record.order_id), bar_at=record.at)
            case OrderCanceled() | CancelRejected():
                asked = self._requests.pop(record.order_id, None)
                return self._answered(record, asked)
            case (
                OrderAccepted()
                | OrderRejected()
                | OrderExpired()
                | OrderReplaced()
                | OrderUncertain()
                | Fill()
            ):
                return self._answered(record, None)
            case Noted():
                return Cause(f"record:{sequence}", bar_at=record.at)
            case RunStarted() | RunEnded():
                return Cause("run")
            case _:  # companies, lenders, margin, people: it came from outside
                return Cause(f"record:{sequence}")

    def _decided(self, sequence: int, order: Order) -> Cause:
        before = order.parent or order.replaces or order.oca_group or order.id
        self._roots[order.id] = self._roots.get(before, before)
        self._verdicts[order.id] = sequence
        return Cause(self._chain(order.id), bar_at=order.created_at)

    def _answered(self, record: _OfOrder, asked: int | None) -> Cause:
        order_id = record.order_id
        return Cause(self._chain(order_id), record=asked or self._verdicts.get(order_id))

    def _chain(self, order_id: int) -> str:
        return f"order:{self._roots.get(order_id, order_id)}"
