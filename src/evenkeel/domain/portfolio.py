"""What the gate reads: every instrument three times, as held, as expected and at the worst."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from evenkeel.domain.money import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.domain.instrument import Instrument
    from evenkeel.domain.order import Order


class Reading(Struct, frozen=True, gc=False):
    """One instrument of the portfolio, with everything that may still happen to it.

    `held` is the signed quantity of booked fills. `buying` and `selling` are the quantities that
    working, in-flight and UNKNOWN orders could still fill; `buying_value` and `selling_value` the
    same in money at the prices reserved when they were approved (multiplier included).
    """

    held: Decimal = ZERO
    buying: Decimal = ZERO
    selling: Decimal = ZERO
    buying_value: Decimal = ZERO
    selling_value: Decimal = ZERO

    @property
    def expected(self) -> Decimal:
        """Held, plus everything approved and not yet done."""
        return self.held + self.buying - self.selling

    @property
    def worst_long(self) -> Decimal:
        """The largest position that can come about: every buy fills and no sell does."""
        return self.held + self.buying

    @property
    def worst_short(self) -> Decimal:
        """The smallest (most short) position that can come about."""
        return self.held - self.selling


class Portfolio(Protocol):
    """Everything the gate may look at, at one moment. Money is in the account's base currency."""

    @property
    def now(self) -> int:
        """The moment, in UTC nanoseconds."""
        ...

    @property
    def halted(self) -> str | None:
        """Why trading is halted, or None."""
        ...

    @property
    def open_orders(self) -> int:
        """How many orders work, are in flight or UNKNOWN."""
        ...

    def instrument(self, instrument_id: str) -> Instrument | None:
        """Return the instrument, or None when it is not known."""
        ...

    def price(self, instrument_id: str) -> Decimal | None:
        """Return the close of the last completed bar, or None when there is none."""
        ...

    def price_at(self, instrument_id: str) -> int | None:
        """Return when that price became known, in UTC nanoseconds."""
        ...

    def reading(self, instrument_id: str) -> Reading:
        """Return the three readings of one instrument."""
        ...

    def exposed(self) -> Iterable[str]:
        """Yield every instrument that is held or has an order that could still fill, once each."""
        ...

    def equity(self) -> Decimal | None:
        """Return cash plus positions at last prices; None when a held instrument has no price."""
        ...

    def working(self, order_id: int) -> tuple[Order, Decimal] | None:
        """Return a working order and the quantity that could still fill, or None."""
        ...

    def reserve_price(self, order_id: int) -> Decimal | None:
        """Return `Approved.reserve_price` of a working order, or None."""
        ...

    def children(self, order_id: int) -> Decimal:
        """Return what working orders with this `parent` could fill, an OCA group counted once."""
        ...

    def approved_since(self, at: int) -> int:
        """Return how many orders were approved at or after `at`."""
        ...

    def same_order_since(self, order: Order, at: int) -> Order | None:
        """Return the latest approved order with the same terms, approved at or after `at`."""
        ...
