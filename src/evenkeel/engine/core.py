"""The deterministic core: one event in, everything it causes out. No I/O, no clock, no broker.

a bar completes -> strategy -> order -> gate -> Approved | Refused
fill            -> book, orders -> strategy
split, dividend -> book, orders, history on its new scale
interest, fee   -> book
margin          -> orders off the market, positions closed
halt            -> nothing is approved again
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.errors import StrategyError
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
    OperatorActed,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    Record,
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
from evenkeel.domain.money import text
from evenkeel.engine.account import Account
from evenkeel.engine.desk import Outbox, StrategyDesk
from evenkeel.engine.lender import VENUE, closings
from evenkeel.engine.order_reports import OrderReports
from evenkeel.engine.seats import Seats
from evenkeel.execution.financing import parse_margin
from evenkeel.risk.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evenkeel.domain.bar import Bars
    from evenkeel.domain.tape import Tape
    from evenkeel.risk.limits import Limits
    from evenkeel.strategy.desk import Desk
    from evenkeel.strategy.trader import Trader

REFUSALS_MAX = 1_000
"""How often one moment may answer a refusal with another refused order."""


class Core:
    """The whole state of a run, and the only way to change it."""

    def __init__(self, started: RunStarted, strategy: Trader, tape: Tape, limits: Limits) -> None:
        """Seat the strategy at an account that holds nothing but `started.cash`."""
        self.tape = tape
        self._started = started
        instruments = {name: bars.instrument for name, bars in tape.bars.items()}
        self.account = Account(started, instruments, tape)
        self._margin = parse_margin(started.settings.get("margin", "none"))
        self.outbox = Outbox()
        self.seats = Seats(strategy, tape)
        self._reports = OrderReports(self.account.orders, self.seats)
        self.gate = Gate(limits)
        self.desks: list[Desk] = [
            StrategyDesk(self.account, self.gate, self.outbox, number)
            for number in range(len(self.seats.seats))
        ]
        self._wake = self.seats.waking()

    # ---- time ----

    def start(self) -> list[Record]:
        """Set the strategies up and let them start."""
        self.seats.setup()
        self.outbox.records.append(self._started)
        for seat, desk in zip(self.seats.seats, self.desks, strict=True):
            seat.strategy.join(desk)
            seat.strategy.on_start()
        return self._decided()

    def extend(self, bars: Iterable[Bars]) -> None:
        """Take longer histories, as they come in on paper and live."""
        self.tape.extend(bars)
        self.seats.setup()
        self._wake = self.seats.waking()  # instruments that shared their bar times may have parted

    def advance(self, until: int) -> Sequence[Record]:
        """Show bars closed up to `until` to those who want them, up to the first decision.

        Returns what was decided; nothing when `until` was reached in silence. What is decided
        must be carried out before the next call.
        """
        if not self.outbox.queue:
            self._wake(until, self.outbox)
        return self.decided()

    def decided(self) -> Sequence[Record]:
        """Return the next part of what was decided; nothing when all of it has been returned."""
        outbox = self.outbox
        if not outbox.queue:
            return self._decided() if outbox.records else []
        if outbox.records:
            outbox.queue.append(self._decided())
        return outbox.queue.pop(0)

    def reveal(self, moment: int) -> None:
        """Let time come to `moment`: bars closed by then can be read."""
        self.tape.advance(moment)

    def end(self) -> list[Record]:
        """Let the strategies stop, and sum up."""
        self.outbox.closed = True
        for seat in self.seats.seats:
            seat.strategy.on_stop()
        equity, state = self.account.equity(), self.account.book.state_hash()
        self.outbox.records.append(RunEnded(self.tape.now, state, equity))
        return self.outbox.take()

    # ---- events ----

    def process(self, event: Event) -> list[Record]:
        """Take one event in; return it with everything it caused, in order."""
        self.outbox.records.append(event)
        self._take(event)
        if self.account.rates is not None:
            self._convert()
        return self._decided()

    def _take(self, event: Event) -> None:
        match event:
            case Fill():
                self._fill(event)
            case OrderAccepted():
                self._reports.confirmed(event.order_id)
            case (
                OrderCanceled()
                | OrderExpired()
                | OrderRejected()
                | OrderReplaced()
                | CancelRejected()
                | OrderUncertain()
            ):
                self._reports.hear(event)
            case Split() | StockDividend():
                self.account.act(event)
                self.seats.split(event)
            case Delisted():
                self.outbox.records[-1] = event = self.account.priced(event)
                self.account.act(event)
            case CashDividend() | CashInLieu() | SymbolChanged() | Merged() | SpunOff():
                self.account.act(event)
            case TradingHalted() | TradingResumed():
                self.account.act(event)
            case InterestCharged() | BorrowFeeCharged() | CurrencyConverted():
                self.account.book.take(event)
            case MarginCalled():
                self._cancel_everything(f"margin call: {_short_of(event)}")
            case LiquidationForced():
                self._close_out(event)
            case Halted():
                self.account.halted = event.reason
            case Resumed():
                self.account.halted = None
            case OperatorActed():
                pass  # it is on record; what it changes comes in as what it is

    def _convert(self) -> None:
        """Change what an event has left in other currencies, and write down at which rate."""
        for change in list(self.account.conversions()):
            self.outbox.records.append(change)
            self.account.book.take(change)

    def _cancel_everything(self, reason: str) -> None:
        for working in self.account.orders.all_open():
            for number in self.account.orders.ask_cancel(working.order.id):
                self.outbox.records.append(CancelRequested(number, self.tape.now, VENUE, reason))

    def _close_out(self, event: LiquidationForced) -> None:
        """Make the venue's own orders. They pass the gate; whoever trades the thing hears of them."""
        reason, traders = f"forced liquidation: {_short_of(event)}", self.seats.by_instrument()
        for ask in closings(self.account, self._margin, event, reason):
            self.desks[traders[ask.instrument]].place(VENUE, ask)

    def _fill(self, fill: Fill) -> None:
        if not self.account.book.take(fill):
            self.outbox.records.pop()  # a report of a fill that we know: nothing has happened
            return
        if self.account.rates is not None:
            self._convert()
        working = self.account.orders.fill(fill)
        if working is None:
            reason = f"fill {fill.id} is more than order {fill.order_id} could fill"
            self.account.halted = reason
            self.outbox.records.append(Halted(self.tape.now, "engine", reason))
            return
        seat = self.seats.seats[working.owner]
        if seat.hears_fills:
            seat.strategy.on_fill(fill)
        if seat.hears_orders:
            self._reports.tell(working, "")

    # ---- what comes of it ----

    def _decided(self) -> list[Record]:
        """Return what this moment decided, after its refusals were told and answered."""
        outbox, refusals = self.outbox, self.outbox.refusals
        if not refusals:
            return outbox.take()
        for told in range(REFUSALS_MAX):
            if told >= len(refusals):
                refusals.clear()
                return outbox.take()
            owner, update = refusals[told]
            seat = self.seats.seats[owner]
            if seat.hears_orders:
                seat.strategy.on_order(update)
        raise StrategyError(
            f"{self._started.strategy} answered {REFUSALS_MAX} refusals in one moment with another "
            "order; let on_order give up"
        )


def _short_of(event: MarginCalled | LiquidationForced) -> str:
    return f"equity {text(event.equity)} is below the margin {text(event.required)}"
