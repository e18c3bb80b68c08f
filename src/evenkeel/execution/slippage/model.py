"""The port to slippage: a price made worse. The broker keeps it on the tick and inside the bar.

    Slippage        looks at the price alone: the quick way
    SlippageInBar   looks at the order, the bar that it meets and the bars before it

A model of the second kind is the venue's view, not the strategy's: it may look at the whole bar in
which the fill happens, and at no later one.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from evenkeel.domain.money import EXACT

if TYPE_CHECKING:
    from evenkeel.domain.bar import Bars

WINDOW = 20
"""How many bars, the one at hand included, an estimate looks back on."""

_TWELVE = Context(prec=12)


class Slippage(Protocol):
    """How much worse than the rule's price a market or stop order fills."""

    @property
    def name(self) -> str:
        """The text from which `parse_slippage` makes this model again."""
        ...

    def slipped(self, price: Decimal, *, buy: bool) -> Decimal:
        """Return `price` made worse; the broker rounds it and keeps it inside the bar."""
        ...


class Meeting(NamedTuple):
    """An order meets a bar and fills `quantity` of it; `filled` is what it filled before.

    `row` is the place of the bar, and `part` counts the order's fills from 1.
    """

    order_id: int
    part: int
    buy: bool
    quantity: Decimal
    filled: Decimal
    bars: Bars
    row: int


class SlippageInBar(Protocol):
    """Slippage that depends on the order's size, on the bars, or on which fill it is."""

    @property
    def name(self) -> str:
        """The text from which `parse_slippage` makes this model again."""
        ...

    def slipped_in(self, price: Decimal, meeting: Meeting) -> Decimal:
        """Return `price` made worse; the broker rounds it and keeps it inside the bar."""
        ...

    def check(self, bars: Bars) -> None:
        """Raise `UsageError` when these bars lack what the model needs."""
        ...


AnySlippage: TypeAlias = Slippage | SlippageInBar


def worse(price: Decimal, by: float | Decimal, *, buy: bool) -> Decimal:
    """Return a price that is `by` money worse. What was estimated ends after twelve digits."""
    if isinstance(by, float):
        by = _TWELVE.create_decimal_from_float(by)
    return EXACT.add(price, by) if buy else EXACT.subtract(price, by)
