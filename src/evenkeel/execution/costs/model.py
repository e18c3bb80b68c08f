"""The port to a tariff. It prices the whole order so far; a fill pays what is not yet paid.

So an order that fills in ten parts costs what it would have cost in one. Amounts are exact:
nothing is rounded to cents, because a venue adds up before it rounds.

    CostModel       needs the order's quantity and money, no more: the quick way
    MeteredCosts    also needs the day, the market or the month's volume: it hands out a meter,
                    which sees every fill of the account and keeps the count
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenkeel.domain.instrument import Instrument


class CostModel(Protocol):
    """What a venue charges. `name` is how the command line and the journal call it."""

    @property
    def name(self) -> str:
        """The text from which `parse_costs` makes this model again."""
        ...

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        """Return what the whole order has cost once it filled `quantity` worth `notional`.

        Both are positive; `notional` is money (price x quantity x multiplier, summed over fills).
        """
        ...


class Bounded(CostModel, Protocol):
    """A tariff that can say beforehand what an order costs at the most.

    Those of this package can. With one that cannot, a backtest takes longer: see `bound_of`.
    """

    def at_most(self, quantity: float, value: float) -> float:
        """Return about what an order costs that fills at once, fees included, and never less.

        Doubles are good enough: a value too low by their rounding, too. Of an order that is less in
        both nothing more is said.
        """
        ...


def bound_of(costs: CostModel) -> Callable[[float, float], float] | None:
    """Return `at_most` of a tariff whose own class has written it, and None of any other.

    What was inherited was said of other charges, maybe.
    """
    return costs.at_most if "at_most" in vars(type(costs)) else None  # type: ignore[attr-defined]


class Traded(NamedTuple):
    """One fill as a meter sees it; money is in the instrument's currency and positive.

    `order_quantity` and `order_value` are the whole order's so far, this fill included, and
    `charged` is the commission that its earlier fills have paid. `resting` says that the order
    waited at its own limit and was met there (it added liquidity).
    """

    order_id: int
    instrument: Instrument
    at: int
    buy: bool
    quantity: Decimal
    value: Decimal
    order_quantity: Decimal
    order_value: Decimal
    charged: Decimal
    resting: bool = False


class Charge(NamedTuple):
    """What one fill pays: the broker's commission, and what others take through the broker."""

    commission: Decimal
    fees: Decimal


class Meter(Protocol):
    """A tariff at work on one account. It must be shown every fill, once, in order of time."""

    def charge(self, traded: Traded) -> Charge:
        """Return what this fill pays. Raises `UsageError` for a day whose rates are not known."""
        ...


class MeteredCosts(CostModel, Protocol):
    """A tariff that depends on more than the order's size and money."""

    def meter(self) -> Meter:
        """Return a new meter, for an account that has not traded."""
        ...

    def check(self, instrument: Instrument, first_at: int, last_at: int) -> None:
        """Raise `UsageError` unless the rates of every day in between are known."""
        ...
