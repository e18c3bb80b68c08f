"""A strategy's desk with a blotter on it: plain orders stay here, everything else goes behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from evenkeel.domain.order import Order, Side
    from evenkeel.engine.blotter import Blotter
    from evenkeel.strategy.desk import Ask, Desk, Worth


class BlotterDesk:
    """As the desk behind it; what the blotter has is in the book before anybody reads it here."""

    def __init__(self, desk: Desk, blotter: Blotter, owner: int) -> None:
        """Stand before the desk of the strategy with number `owner`."""
        self._desk, self._blotter, self._owner = desk, blotter, owner

    @property
    def now(self) -> int:
        return self._desk.now

    @property
    def next_order(self) -> int:
        return self._desk.next_order

    def market(
        self, strategy: str, instrument: str, side: Side, quantity: Decimal | int, sizing: str
    ) -> int | None:
        if not quantity:
            return self._desk.market(strategy, instrument, side, quantity, sizing)
        number = self._blotter.note(strategy, instrument, side, quantity, sizing)
        if number is None:
            self._blotter.hand_over(owner=self._owner)
            number = self._desk.market(strategy, instrument, side, quantity, sizing)
        return number

    def place(self, strategy: str, ask: Ask) -> int | None:
        self._blotter.hand_over(owner=self._owner)
        return self._desk.place(strategy, ask)

    def cancel(self, strategy: str, order_id: int, reason: str) -> None:
        self._blotter.hand_over(owner=self._owner)
        self._desk.cancel(strategy, order_id, reason)

    def note(self, strategy: str, text: str) -> None:
        self._blotter.hand_over(owner=self._owner)
        self._desk.note(strategy, text)

    def working(self, strategy: str, instrument: str) -> list[Order]:
        if self._blotter.busy:
            if not self._blotter.works(instrument):
                return []
            self._blotter.hand_over(owner=self._owner)
        return self._desk.working(strategy, instrument)

    def leaves(self, order_id: int) -> Decimal:
        return self._desk.leaves(order_id)

    def waiting(self, strategy: str, instrument: str) -> Sequence[Order]:
        return () if self._blotter.busy else self._desk.waiting(strategy, instrument)

    def expected(self, strategy: str, instrument: str) -> Decimal | int:
        expected = self._blotter.expected(instrument)
        return self._desk.expected(strategy, instrument) if expected is None else expected

    def held(self, instrument: str) -> Decimal | int:
        held = self._blotter.held(instrument)
        return self._desk.held(instrument) if held is None else held

    def worth(self, instrument: str) -> Worth:
        self._blotter.post()
        return self._desk.worth(instrument)

    def price(self, instrument: str) -> Decimal | None:
        return self._desk.price(instrument)

    def multiplier(self, instrument: str) -> Decimal:
        return self._desk.multiplier(instrument)

    def cash(self) -> Decimal:
        self._blotter.post()
        return self._desk.cash()

    def equity(self) -> Decimal | None:
        self._blotter.post()
        return self._desk.equity()
