"""Slippage that is the same whatever the bar: none, by value, by tick, by a spread that is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from evenkeel.domain.errors import UsageError
from evenkeel.domain.money import EXACT, ONE, exact, text
from evenkeel.execution.slippage.model import Meeting, worse
from evenkeel.execution.wording import basis_points, name_of, not_negative

if TYPE_CHECKING:
    from evenkeel.domain.bar import Bars


@dataclass(frozen=True, slots=True)
class NoSlippage:
    """Every order fills at the price of its rule."""

    name: str = field(default="none", init=False)

    def slipped(self, price: Decimal, *, buy: bool) -> Decimal:
        return price


@dataclass(frozen=True, slots=True)
class BasisPointsSlippage:
    """A share of the price, in basis points: 5 are 0.05 %."""

    points: Decimal
    up: Decimal = field(init=False, repr=False)
    down: Decimal = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rate = basis_points(self.points, of="slippage")
        object.__setattr__(self, "up", EXACT.add(ONE, rate))
        object.__setattr__(self, "down", EXACT.subtract(ONE, rate))

    @property
    def name(self) -> str:
        """`bps:` and the number of points."""
        return f"bps:{text(exact(self.points))}"

    def slipped(self, price: Decimal, *, buy: bool) -> Decimal:
        return EXACT.multiply(price, self.up if buy else self.down)


@dataclass(frozen=True, slots=True)
class HalfSpread:
    """Half of the distance between bid and ask, in the price's own money: 0.02 is two cents."""

    amount: Decimal

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", not_negative(self.amount, of="half-spread"))

    @property
    def name(self) -> str:
        """`half-spread:` and the amount."""
        return name_of("half-spread", self.amount)

    def slipped(self, price: Decimal, *, buy: bool) -> Decimal:
        return worse(price, self.amount, buy=buy)


@dataclass(frozen=True, slots=True)
class TickSlippage:
    """So many of the instrument's ticks."""

    ticks: Decimal

    def __post_init__(self) -> None:
        object.__setattr__(self, "ticks", not_negative(self.ticks, of="ticks"))

    @property
    def name(self) -> str:
        """`ticks:` and how many."""
        return name_of("ticks", self.ticks)

    def slipped_in(self, price: Decimal, meeting: Meeting) -> Decimal:
        tick = meeting.bars.instrument.tick
        assert tick is not None, meeting.bars.instrument  # `check` has seen to it
        return worse(price, EXACT.multiply(self.ticks, tick), buy=meeting.buy)

    def check(self, bars: Bars) -> None:
        if bars.instrument.tick is None:
            raise UsageError(
                f"slippage {self.name} needs to know the tick of {bars.instrument.id}, which is "
                "not declared; choose half-spread:0.01 or bps:1"
            )
