"""Why was this order let out, or not? The journal is replayed up to it, and the gate asked again.

Nothing but the gate makes an `Approved`: each order before the one in question passes it once
more, with the same limits, prices and book, and must get the same answer as then.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.domain.errors import JournalError
from evenkeel.domain.events import (
    BorrowFeeCharged,
    CancelRejected,
    CancelRequested,
    CurrencyConverted,
    Event,
    Halted,
    InterestCharged,
    LiquidationForced,
    MarginCalled,
    Noted,
    OperatorActed,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    Resumed,
    RunEnded,
    RunStarted,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import (
    CashDividend,
    CashInLieu,
    Delisted,
    Merged,
    Split,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
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


class Explanation(Struct, frozen=True):
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
    replay: _Replay | None = None
    with localcontext(EXACT):
        for record in records:
            if isinstance(record, RunStarted):
                replay = _Replay(record, bars)
                continue
            if replay is None:
                raise JournalError("the journal does not begin with RunStarted; is it a journal?")
            if isinstance(record, Approved | Order | Refused):
                order = record if isinstance(record, Order) else record.order
                verdict = replay.review(order, refused=isinstance(record, Refused))
                if order.id == order_id:
                    return replay.explain(verdict)
                replay.reserve(verdict)
            else:
                replay.take(record)
    return None


class _Replay:
    """The account as it was, record by record; the tape follows the records' times."""

    def __init__(self, started: RunStarted, bars: Mapping[str, Bars]) -> None:
        self._tape = Tape(bars.values())
        self._limits = Limits.from_text(started.limits)
        self._gate = gate.Gate(self._limits)
        instruments = {name: history.instrument for name, history in bars.items()}
        self.account = Account(started, instruments, self._tape)

    def review(self, order: Order, *, refused: bool) -> Approved | Refused:
        """Ask the gate again; `JournalError` when it answers otherwise than it did."""
        self._advance(order.created_at)
        verdict = self._gate.review(order, self.account)
        if isinstance(verdict, Refused) is not refused:
            raise JournalError(
                f"order {order.id} was {'refused' if refused else 'approved'}, and with the same "
                "limits and bars the gate now says the opposite; journal and data do not belong "
                "together, or another version wrote them"
            )
        return verdict

    def explain(self, verdict: Approved | Refused) -> Explanation:
        """Say everything that the gate sees of an order that it has just reviewed."""
        order, account = verdict.order, self.account
        return Explanation(
            order=order,
            at=verdict.at,
            verdict=verdict,
            checks=gate.explain(order, account, self._limits),
            last=account.price(order.instrument),
            reading=account.reading(order.instrument),
            cash=account.book.cash,
            equity=account.equity(),
        )

    def reserve(self, verdict: Approved | Refused) -> None:
        """Count an approved order from the moment of its approval, as the engine did."""
        if isinstance(verdict, Approved):
            self.account.orders.approve(verdict, owner=0)

    def take(self, record: Event | CancelRequested | Noted | RunEnded) -> None:
        """Let a record happen to the account, as far as the gate can see it.

        Between its approval and its end an order's status changes nothing that a rule reads.
        """
        self._advance(record.at)
        book, orders = self.account.book, self.account.orders
        match record:
            case Fill():
                book.take(record)  # a journal has every fill once
                orders.fill(record)
            case Split() | StockDividend() | CashDividend() | CashInLieu() | Delisted():
                self.account.act(record)
            case SymbolChanged() | Merged() | SpunOff() | TradingHalted() | TradingResumed():
                self.account.act(record)
            case InterestCharged() | BorrowFeeCharged() | CurrencyConverted():
                book.take(record)
            case OrderCanceled():
                orders.end(record.order_id, OrderStatus.CANCELED, record.filled)
            case OrderExpired():
                orders.end(record.order_id, OrderStatus.EXPIRED, record.filled)
            case OrderRejected():
                orders.end(record.order_id, OrderStatus.REJECTED, ZERO)
            case OrderReplaced():
                orders.end(record.replaces, OrderStatus.REPLACED, record.filled)
            case Halted():
                self.account.halted = record.reason
            case Resumed():
                self.account.halted = None
            case OrderAccepted() | OrderUncertain() | CancelRequested() | CancelRejected():
                pass  # a status
            case MarginCalled() | LiquidationForced():
                pass  # the requests and orders that came of it have records of their own
            case Noted() | OperatorActed() | RunEnded():
                pass  # words

    def _advance(self, moment: int) -> None:
        """Let time come to `moment`; a split is dated before the bar at which it is booked."""
        if moment > self._tape.now:
            self._tape.advance(moment)
