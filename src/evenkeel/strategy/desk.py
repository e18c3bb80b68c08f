"""The desk as a strategy sees it: what it can ask for there, and what it is told.

Behind it stand the gate, the book and the venue (`engine/desk.py`); of those a strategy knows nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Never, Protocol

from msgspec import Struct

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.order import OrderType, Side, TimeInForce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.domain.order import Order, OrderStatus


class OrderUpdate(Struct, frozen=True, gc=False):
    """What `on_order` is told: the order, its new state, what it has filled, and why."""

    order: Order
    status: OrderStatus
    filled: float
    reason: str


class Worth(Struct, frozen=True, gc=False):
    """What a position is worth, in the account's currency; `average_price` is NaN when it is flat."""

    average_price: float
    market_value: float
    unrealized_pnl: float


class Position:
    """What is held of one instrument, whenever it is asked: true in an `if` when it is not flat.

    Money as floats; what it is worth is as `Worth` has it.
    """

    __slots__ = ("_desk", "_instrument")

    def __init__(self, desk: Desk, instrument: str) -> None:
        """Look at an instrument from a strategy's desk."""
        self._desk, self._instrument = desk, instrument

    def __bool__(self) -> bool:
        """Whether anything is held, long or short."""
        return bool(self._desk.held(self._instrument))

    def __repr__(self) -> str:
        """Say what is held of what."""
        if isinstance(self._desk, Nowhere):
            return "<Position of a strategy that is not running>"
        return f"<Position: {self.quantity:g} {self._instrument}>"

    @property
    def quantity(self) -> float:
        """How much: signed, short is negative."""
        return float(self._desk.held(self._instrument))

    @property
    def average_price(self) -> float:
        return self._desk.worth(self._instrument).average_price

    @property
    def market_value(self) -> float:
        return self._desk.worth(self._instrument).market_value

    @property
    def unrealized_pnl(self) -> float:
        return self._desk.worth(self._instrument).unrealized_pnl


class Ask(Struct, frozen=True, gc=False):
    """What a strategy asks the desk for, before it is put on the grid and given a number."""

    instrument: str
    side: Side
    quantity: Decimal
    type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    tif: TimeInForce = TimeInForce.GTC
    expires_at: int | None = None
    replaces: int | None = None
    parent: int | None = None
    oca_group: int | None = None
    reason: str = ""
    sizing: str = ""


class Desk(Protocol):
    """Where a strategy's wishes go and its facts come from; the engine sits behind it."""

    @property
    def now(self) -> int:
        """The moment, in UTC nanoseconds."""
        ...

    @property
    def next_order(self) -> int:
        """The number that the next order will get."""
        ...

    def place(self, strategy: str, ask: Ask) -> int | None:
        """Put an order through the gate; its number, or None when its quantity rounds to zero."""
        ...

    def market(
        self, strategy: str, instrument: str, side: Side, quantity: Decimal | int, sizing: str
    ) -> int | None:
        """As `place`, for a market order without conditions."""
        ...

    def cancel(self, strategy: str, order_id: int, reason: str) -> None:
        """Ask for an order to be taken off the market."""
        ...

    def working(self, strategy: str, instrument: str) -> list[Order]:
        """Return this strategy's orders in an instrument that are not done."""
        ...

    def leaves(self, order_id: int) -> Decimal:
        """Return what a working order could still fill."""
        ...

    def waiting(self, strategy: str, instrument: str) -> Sequence[Order]:
        """Return those of them that are not sure to trade next: they rest, sleep, or are replaced."""
        ...

    def held(self, instrument: str) -> Decimal | int:
        """Return the signed quantity held."""
        ...

    def expected(self, strategy: str, instrument: str) -> Decimal | int:
        """Return the signed quantity held, and what market orders on their way will still bring."""
        ...

    def worth(self, instrument: str) -> Worth:
        """Return what the position in an instrument is worth."""
        ...

    def price(self, instrument: str) -> Decimal | None:
        """Return the last close."""
        ...

    def multiplier(self, instrument: str) -> Decimal:
        """Return what one unit is worth per unit of price, in the base currency."""
        ...

    def cash(self) -> Decimal:
        """Return cash in the base currency."""
        ...

    def equity(self) -> Decimal | None:
        """Return equity, None when something held has no price."""
        ...

    def note(self, strategy: str, text: str) -> None:
        """Write a line into the journal."""
        ...


class Nowhere:
    """Where a strategy sits before it joins a desk: whatever it asks for is refused in a sentence."""

    def __init__(self, strategy: str) -> None:
        """Know who sits here."""
        self._strategy = strategy

    def __getattr__(self, verb: str) -> Never:
        """Raise `StrategyError`, and what Python expects where somebody copies the strategy."""
        if verb.startswith("_"):
            raise AttributeError(verb)
        raise StrategyError(
            f"{self._strategy} is not running: orders, cash and positions are there from on_start "
            "on, not in setup or __init__"
        )
