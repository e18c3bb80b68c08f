"""What the gate reads: every instrument three times, as held, as expected and at the worst."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from evenkeel.domain.money import ZERO

if TYPE_CHECKING:
    from evenkeel.domain.instrument import Instrument
    from evenkeel.domain.order import Order


NO_PRICE = "no price"

Extremes: TypeAlias = tuple[Decimal, Decimal]
"""The lowest and the highest value that something can come to have."""

Exposure: TypeAlias = tuple[Decimal, Decimal, Decimal]
"""Gross exposure, and the lowest and highest net exposure."""


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


class Glance(Struct, frozen=True, gc=False):
    """What one look at an instrument and its account shows; floats are good for what is not close.

    `age` is that of the last price, in nanoseconds; `unit` the money of one unit of quantity at it;
    `held` the signed quantity; `beside` the gross exposure in all other instruments at the worst;
    `cash` is signed; `at_work` the reading of the instrument, if orders work in it.
    """

    instrument: Instrument
    last: Decimal
    age: int
    unit: float
    held: float
    beside: float
    equity: float
    cash: float
    at_work: Reading | None


def extremes(
    held: Decimal,
    buying: Decimal,
    buying_value: Decimal,
    selling: Decimal,
    selling_value: Decimal,
    unit: Decimal,
) -> Extremes:
    """Return the lowest and highest value that one instrument can come to have.

    The first five are a `Reading`; `unit` is the money of one unit of quantity at the last price.
    What may still fill counts at its reserve or at the last price, whichever is more: the price
    may have moved since approval. A position that cannot turn short is never worth less than
    nothing, whatever a high limit on its sale makes of the difference; mirrored for a cover.
    """
    low = high = held * unit
    if buying:
        at_last = buying * unit
        high += max(buying_value, at_last)
        if held < ZERO < high and held + buying <= ZERO:
            high = ZERO
    if selling:
        at_last = selling * unit
        low -= max(selling_value, at_last)
        if low < ZERO < held and held >= selling:
            low = ZERO
    return low, high


def furthest(low: Decimal, high: Decimal) -> Decimal:
    """Return how far the further of two extremes is from zero."""
    return max(-low, high)


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

    def exposure_beside(self, instrument_id: str) -> Exposure | str:
        """Return the exposure in every instrument but one; text says what is missing for it."""
        ...

    def equity(self) -> Decimal | None:
        """Return cash plus positions at last prices; None when a held instrument has no price."""
        ...

    def glance(self, instrument_id: str) -> Glance | None:
        """Return what one look shows, if that is all there is to see.

        None while trading is halted, and where something is not known.
        """
        ...

    def working(self, order_id: int) -> tuple[Order, Decimal] | None:
        """Return a working order and the quantity that could still fill, or None."""
        ...

    def reserve_price(self, order_id: int) -> Decimal | None:
        """Return `Approved.reserve_price` of a working order, or None."""
        ...

    def exits(self, order_id: int) -> Decimal:
        """Return what the exits of an order could fill (`Order.exits`), an OCA group counted once."""
        ...

    def approved_since(self, at: int) -> int:
        """Return how many orders were approved at or after `at`."""
        ...

    def same_order_since(self, order: Order, at: int) -> Order | None:
        """Return the latest approved order with the same terms, approved at or after `at`."""
        ...
