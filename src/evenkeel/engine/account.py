"""What the gate reads: book, open orders and last prices, as one portfolio. It holds no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.portfolio import Reading
from evenkeel.engine.exposures import Exposures
from evenkeel.engine.orders import Orders
from evenkeel.ledger.book import Book

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.domain.instrument import Instrument
    from evenkeel.domain.order import Order
    from evenkeel.domain.portfolio import Exposure
    from evenkeel.domain.tape import Tape


class Account:
    """One account: the `Portfolio` of domain/portfolio.py, made of book, orders and tape."""

    def __init__(
        self, cash: Decimal, currency: str, instruments: dict[str, Instrument], tape: Tape
    ) -> None:
        """Open with cash and nothing else."""
        self.tape = tape
        self.instruments = instruments
        self.book = Book(cash, currency, instruments)
        self.orders = Orders(instruments)
        self.halted: str | None = None
        self._exposures = Exposures(self)
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

    def price_at(self, instrument_id: str) -> int | None:
        line = self.tape.lines.get(instrument_id)
        return None if line is None else line.price_at

    def reading(self, instrument_id: str) -> Reading:
        if instrument_id not in self.instruments:
            return Reading()
        return self.orders.reading(instrument_id, self.book.quantity(instrument_id))

    def exposure_beside(self, instrument_id: str) -> Exposure | str:
        return self._exposures.beside(instrument_id)

    def equity(self) -> Decimal | None:
        valued_at = self.tape.now, self.book.changes
        if valued_at != self._valued_at:
            self._valued_at, self._equity = valued_at, self.book.equity(self.price)
        return self._equity

    def working(self, order_id: int) -> tuple[Order, Decimal] | None:
        working = self.orders[order_id]
        return None if working is None or working.done else (working.order, working.leaves)

    def reserve_price(self, order_id: int) -> Decimal | None:
        working = self.orders[order_id]
        return None if working is None or working.done else working.reserve_price

    def children(self, order_id: int) -> Decimal:
        return self.orders.children(order_id)

    def approved_since(self, at: int) -> int:
        return self.orders.approved_since(at)

    def same_order_since(self, order: Order, at: int) -> Order | None:
        return self.orders.same_order_since(order, at)
