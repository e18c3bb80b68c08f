"""Tariffs that look at nothing but the order: free, by value, by share, by order."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from evenkeel.domain.money import EXACT, ZERO, exact, text
from evenkeel.execution.wording import basis_points, name_of, not_negative


@dataclass(frozen=True, slots=True)
class Zero:
    """Trading is free."""

    name: str = field(default="zero", init=False)

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return ZERO

    def at_most(self, quantity: float, value: float) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class BasisPoints:
    """A share of the money traded, in basis points: 10 are 0.1 %."""

    points: Decimal
    rate: Decimal = field(init=False, repr=False)
    _about: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", basis_points(self.points, of="costs"))
        object.__setattr__(self, "_about", float(self.rate))

    @property
    def name(self) -> str:
        """`bps:` and the number of points."""
        return f"bps:{text(exact(self.points))}"

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return EXACT.multiply(notional, self.rate)

    def at_most(self, quantity: float, value: float) -> float:
        return value * self._about


@dataclass(frozen=True, slots=True)
class PerShare:
    """So much for each share (or contract), and at least `minimum` an order."""

    amount: Decimal
    minimum: Decimal = ZERO

    def __post_init__(self) -> None:
        for term in ("amount", "minimum"):
            value = not_negative(getattr(self, term), of=f"per-share {term}")
            object.__setattr__(self, term, value)

    @property
    def name(self) -> str:
        """`per-share:` and the amount; `,minimum=` if there is one."""
        return name_of("per-share", self.amount, minimum=(self.minimum, ZERO))

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return max(EXACT.multiply(quantity, self.amount), self.minimum)

    def at_most(self, quantity: float, value: float) -> float:
        return max(quantity * float(self.amount), float(self.minimum))


@dataclass(frozen=True, slots=True)
class PerOrder:
    """So much for an order that fills at all, however often."""

    amount: Decimal

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", not_negative(self.amount, of="per-order amount"))

    @property
    def name(self) -> str:
        """`per-order:` and the amount."""
        return name_of("per-order", self.amount)

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return self.amount

    def at_most(self, quantity: float, value: float) -> float:
        return float(self.amount)
