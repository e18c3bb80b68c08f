"""Why was this order let out, or not? The journal is replayed up to it, and the gate asked again.

Nothing but the gate makes an `Approved`: each order before the one in question passes it once
more, with the same limits, prices and book, and must get the same answer as then.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from evenkeel.domain.errors import JournalError
from evenkeel.domain.events import (
    CancelRejected,
    CancelRequested,
    CashDividend,
    Halted,
    Noted,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    Resumed,
    RunEnded,
    RunStarted,
    Split,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import EXACT, ZERO
from evenkeel.domain.order import Order, OrderStatus
from evenkeel.domain.tape import Tape
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.engine.account import Account
from evenkeel.risk import gate
from evenkeel.risk.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evenkeel.domain.bar import Bars
    from evenkeel.domain.portfolio import Reading
    from evenkeel.journal.replay import Decoded
    from evenkeel.risk.rules import Check


@dataclass(frozen=True, slots=True)
class Explanation:
    """One order as the gate saw it: every rule's answer, and the account at that moment.

    `reading` is the order's instrument before the order, with everything that could still fill.
    Money is in the account's base currency, `last` in the instrument's.
    """

    order: Order
    at: int
    verdict: Approved | Refused
    checks: list[Check]
    last: Decimal | None
    reading: Reading
    cash: Decimal
    equity: Decimal | None


def explain(
    records: Iterable[Decoded | Approved], bars: Mapping[str, Bars], order_id: int
) -> Explanation | None:
    """Return what the gate saw of an order, or None when the journal has no such order.

    Raises `JournalError` when the gate's answer on the way there is not the recorded one: then
    journal, limits and data do not belong together.
    """
    with localcontext(EXACT):
        replay: _Replay | None = None
        for record in records:
            if isinstance(record, RunStarted):
                replay = _Replay(record, bars)
            elif replay is None:
                raise JournalError("the journal does not begin with RunStarted; is it a journal?")
            elif isinstance(record, Approved | Order | Refused):
                order = record if isinstance(record, Order) else record.order
                seen = replay.review(order, refused=isinstance(record, Refused))
                if order.id == order_id:
                    return seen()
                replay.reserve()
            else:
                replay.take(record)
    return None
