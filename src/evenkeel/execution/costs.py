"""What an order costs. A model prices the whole order so far; a fill pays what is not yet paid.

So an order that fills in ten parts costs what it would have cost in one. Amounts are exact:
nothing is rounded to cents, because a venue adds up before it rounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from typing import Protocol

from evenkeel.domain.errors import UsageError, did_you_mean
from evenkeel.domain.money import EXACT, ZERO, exact, text

_KNOWN = ("zero", "bps:10", "ibkr-fixed")
_TEN_THOUSAND = Decimal(10_000)


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


@dataclass(frozen=True, slots=True)
class Zero:
    """Trading is free."""

    name: str = field(default="zero", init=False)

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return ZERO


@dataclass(frozen=True, slots=True)
class BasisPoints:
    """A share of the money traded, in basis points: 10 are 0.1 %."""

    points: Decimal
    rate: Decimal = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", basis_points(self.points, of="costs"))

    @property
    def name(self) -> str:
        """`bps:` and the number of points."""
        return f"bps:{text(exact(self.points))}"

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return EXACT.multiply(notional, self.rate)


@dataclass(frozen=True, slots=True)
class IbkrFixed:
    """Interactive Brokers' fixed pricing for US shares, per order.

    `per_share` for each share, at least `minimum`, at most `share_of_value` of the trade's value;
    where that most is less than the minimum, the most wins (10 shares at 0.20 cost 0.02).
    """

    per_share: Decimal = Decimal("0.005")
    minimum: Decimal = Decimal("1.00")
    share_of_value: Decimal = Decimal("0.01")
    name: str = field(default="ibkr-fixed", init=False)

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        by_shares = EXACT.multiply(quantity, self.per_share)
        most = EXACT.multiply(notional, self.share_of_value)
        return min(max(by_shares, self.minimum), most)


def parse_costs(costs: str | CostModel) -> CostModel:
    """Return the model that a text names (`zero`, `bps:10`, `ibkr-fixed`); a model is itself.

    Raises `UsageError` for any other text.
    """
    if not isinstance(costs, str):
        if hasattr(costs, "commission"):
            return costs
        raise UsageError(f"costs {costs!r} are neither a text nor a cost model")
    kind, colon, points = costs.strip().partition(":")
    if kind == "bps" and colon:
        return BasisPoints(number(points, of=f"costs {costs!r}"))
    if costs.strip() in {"zero", "none"}:
        return Zero()
    if costs.strip() == "ibkr-fixed":
        return IbkrFixed()
    raise UsageError(
        f"costs {costs!r} are not known; there are {', '.join(_KNOWN)}{did_you_mean(kind, _KNOWN)}"
    )


def number(written: str, *, of: str) -> Decimal:
    """Read the number of `bps:10`. Raises `UsageError`, naming `of` what it is."""
    try:
        return exact(written.strip())
    except DecimalException:
        raise UsageError(f"{of}: {written!r} is not a number; write it as in bps:10") from None


def basis_points(points: Decimal, *, of: str) -> Decimal:
    """Return basis points as a share of one. Raises `UsageError` unless 0 <= points < 10,000."""
    points = exact(points)
    if not points.is_finite() or not 0 <= points < _TEN_THOUSAND:
        raise UsageError(f"{of} of {text(points)} bps: must be at least 0 and below 10000")
    return EXACT.divide(points, _TEN_THOUSAND)
