"""Tariffs that look at nothing but the order: free, by value, by share, by order."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import force_setattr

from evenkeel.domain.money import EXACT, ZERO, exact, text
from evenkeel.execution.wording import basis_points, name_of, not_negative


class Zero(Struct, frozen=True):
    """Trading is free."""

    name: ClassVar[str] = "zero"

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return ZERO

    def at_most(self, quantity: float, value: float) -> float:
        return 0.0


class BasisPoints(Struct, frozen=True, dict=True):
    """A share of the money traded, in basis points: 10 are 0.1 %."""

    points: Decimal

    def __post_init__(self) -> None:
        basis_points(self.points, of="costs")  # refused here rather than at the first order

    @cached_property
    def rate(self) -> Decimal:
        """The points as a share of one."""
        return basis_points(self.points, of="costs")

    @cached_property
    def _about(self) -> float:
        return float(self.rate)

    @property
    def name(self) -> str:
        """`bps:` and the number of points."""
        return f"bps:{text(exact(self.points))}"

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return EXACT.multiply(notional, self.rate)

    def at_most(self, quantity: float, value: float) -> float:
        return value * self._about


class PerShare(Struct, frozen=True):
    """So much for each share (or contract), and at least `minimum` an order."""

    amount: Decimal
    minimum: Decimal = ZERO

    def __post_init__(self) -> None:
        for term in ("amount", "minimum"):
            value = not_negative(getattr(self, term), of=f"per-share {term}")
            force_setattr(self, term, value)

    @property
    def name(self) -> str:
        """`per-share:` and the amount; `,minimum=` if there is one."""
        return name_of("per-share", self.amount, minimum=(self.minimum, ZERO))

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return max(EXACT.multiply(quantity, self.amount), self.minimum)

    def at_most(self, quantity: float, value: float) -> float:
        return max(quantity * float(self.amount), float(self.minimum))


class PerOrder(Struct, frozen=True):
    """So much for an order that fills at all, however often."""

    amount: Decimal

    def __post_init__(self) -> None:
        force_setattr(self, "amount", not_negative(self.amount, of="per-order amount"))

    @property
    def name(self) -> str:
        """`per-order:` and the amount."""
        return name_of("per-order", self.amount)

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        return self.amount

    def at_most(self, quantity: float, value: float) -> float:
        return float(self.amount)
