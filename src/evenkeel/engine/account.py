"""What the gate reads: book, open orders and last prices, as one portfolio. It holds no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from evenkeel.domain.events import CurrencyConverted
from evenkeel.domain.fx import FX_COSTS, FxRates
from evenkeel.domain.instrument_events import (
    CashDividend,
    CashInLieu,
    Delisted,
    InstrumentEvent,
    Merged,
    Split,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.money import EXACT, ONE, ZERO
from evenkeel.domain.portfolio import Glance, Reading
from evenkeel.engine.exposures import Exposures
from evenkeel.engine.in_base import InBase
from evenkeel.engine.orders import Orders
from evenkeel.engine.outline import Outline
from evenkeel.execution.costs import parse_costs
from evenkeel.ledger.book import Book

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from evenkeel.domain.events import RunStarted
    from evenkeel.domain.instrument import Instrument
    from evenkeel.domain.order import Order
    from evenkeel.domain.portfolio import Exposure
    from evenkeel.domain.tape import Tape


class Account:
    """One account: the `Portfolio` of domain/portfolio.py, made of book, orders and tape."""

    def __init__(self, started: RunStarted, instruments: dict[str, Instrument], tape: Tape) -> None:
        """Open with the cash that a run starts with, and nothing else."""
        self.tape = tape
        self.book = Book(started.cash, started.currency, dict(instruments))
        self.rates = FxRates.from_settings(started.settings)
        if self.rates is not None:
            instruments = InBase(instruments, started.currency, self.rates, tape)
        self._changing = parse_costs(started.settings.get(FX_COSTS, "zero"))
        self.instruments = instruments
        self.orders = Orders(instruments)
        self.halted: str | None = None
        self._exposures = Exposures(self)
        self._outline: Outline | None = None
        self._several = len(instruments) > 1
        self._valued_at = (-1, -1)
        self._equity: Decimal | None = None

    @property
    def now(self) -> int:
        return self.tape.now

    @property
    def open_orders(self) -> int:
        return self.orders.open_count

    def instrument(self, instrument_id: str) -> Instrument | None:
        return self.instruments.get(instrument_id)

    def price(self, instrument_id: str) -> Decimal | None:
        line = self.tape.lines.get(instrument_id)
        return None if line is None else line.price

    def rate(self, currency: str) -> Decimal | None:
        """Return what a unit of another currency is worth now; None when that is not known."""
        return None if self.rates is None else self.rates.at(currency, self.tape.now)

    def worth(self, currency: str) -> Decimal:
        """Return what a unit of any currency is worth now; 0 where that is not known."""
        return ONE if currency == self.book.currency else self.rate(currency) or ZERO

    def conversions(self) -> Iterator[CurrencyConverted]:
        """Yield what brings cash in other currencies back to nothing, at the rates of now.

        What a purchase abroad has left owing is bought, what a sale has brought in is sold.
        """
        base, now = self.book.currency, self.tape.now
        for currency, amount in self.book.foreign_cash():
            rate = self.rate(currency)
            if rate is None:
                continue
            worth = EXACT.multiply(abs(amount), rate)
            cost = self._changing.commission(quantity=abs(amount), notional=worth)
            if amount > ZERO:
                cost = min(cost, worth)  # nobody pays to be rid of a few cents
                if cost < worth:
                    left = EXACT.subtract(worth, cost)
                    yield CurrencyConverted(now, amount, currency, left, base, rate, cost)
            else:
                paid = EXACT.add(worth, cost)
                yield CurrencyConverted(now, paid, base, -amount, currency, rate, cost)

    def price_at(self, instrument_id: str) -> int | None:
        line = self.tape.lines.get(instrument_id)
        return None if line is None else line.price_at

    def act(self, event: InstrumentEvent) -> None:
        """Let something happen to an instrument: to what is held, what works, and what may trade."""
        match event:
            case Split() | StockDividend():
                self.book.take(event)
                self.orders.split(event)
            case CashDividend() | CashInLieu() | SpunOff():
                self.book.take(event)
            case SymbolChanged():
                self.book.take(event)
                if event.to in self.instruments:
                    self.orders.rename(event.instrument, event.to)
                self._trade_no_more(event.instrument)
            case Delisted() | Merged():
                self.book.take(event)
                self._trade_no_more(event.instrument)
            case TradingHalted() | TradingResumed():
                pass  # the venue's affair: orders rest there

    def priced(self, event: Delisted) -> Delisted:
        """Name the last close where nobody has said what was paid."""
        if event.price is not None:
            return event
        return replace(event, price=self.price(event.instrument) or ZERO)

    def _trade_no_more(self, name: str) -> None:
        own = dict.__getitem__(self.instruments, name)  # without a rate in its multiplier
        self.instruments[name] = replace(own, tradable=False)

    def reading(self, instrument_id: str) -> Reading:
        if instrument_id not in self.instruments:
            return Reading()
        return self.orders.reading(instrument_id, self.book.quantity(instrument_id))

    def exposure_beside(self, instrument_id: str) -> Exposure | str:
        return self._exposures.beside(instrument_id)

    def glance(self, instrument_id: str) -> Glance | None:
        tape, book = self.tape, self.book
        line, instrument = tape.lines.get(instrument_id), self.instruments.get(instrument_id)
        if line is None or instrument is None or self.halted is not None:
            return None
        if self.rates is not None or book.foreign_cash():
            return None
        last, index = line.price, line.cursor.index
        if last is None:
            return None
        close: float = line.closes[index]
        unit = close if instrument.multiplier is ONE else close * float(instrument.multiplier)
        age = tape.now - line.cursor.times[index]
        holding = book.held.get(instrument_id)
        held = 0.0 if holding is None else float(holding.lots.quantity)
        cash, beside, value = float(book.cash), 0.0, held * unit
        if self._several:
            if self._outline is None:
                self._outline = Outline(self)
            beside, value = self._outline.beside(instrument_id)
        at_work = None
        if instrument_id in self.orders.instruments:
            at_work = self.reading(instrument_id)
        return Glance(instrument, last, age, unit, held, beside, cash + value, cash, at_work)

    def equity(self) -> Decimal | None:
        valued_at = self.tape.now, self.book.changes
        if valued_at != self._valued_at:
            rate_of = None if self.rates is None else self.rate
            self._valued_at, self._equity = valued_at, self.book.equity(self.tape.prices, rate_of)
        return self._equity

    def working(self, order_id: int) -> tuple[Order, Decimal] | None:
        working = self.orders[order_id]
        return None if working is None or working.done else (working.order, working.leaves)

    def reserve_price(self, order_id: int) -> Decimal | None:
        working = self.orders[order_id]
        return None if working is None or working.done else working.reserve_price

    def exits(self, order_id: int) -> Decimal:
        return self.orders.exits(order_id)

    def approved_since(self, at: int) -> int:
        return self.orders.approved_since(at)

    def same_order_since(self, order: Order, at: int) -> Order | None:
        return self.orders.same_order_since(order, at)
