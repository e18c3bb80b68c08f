"""Slippage that is the same whatever the bar: none, by value, by tick, by a spread that is given."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct
from msgspec.structs import force_setattr

from evenkeel.domain.errors import UsageError
from evenkeel.domain.money import EXACT, ONE, exact, text
from evenkeel.execution.slippage.model import Meeting, worse
from evenkeel.execution.wording import basis_points, name_of, not_negative

if TYPE_CHECKING:
    from evenkeel.domain.bar import Bars


class NoSlippage(Struct, frozen=True):
    """Every order fills at the price of its rule."""

    name: ClassVar[str] = "none"

    def slipped(self, price: Decimal, *, buy: bool) -> Decimal:
        return price


class BasisPointsSlippage(Struct, frozen=True, dict=True):
    """A share of the price, in basis points: 5 are 0.05 %."""

    points: Decimal

    def __post_init__(self) -> None:
        basis_points(self.points, of="slippage")  # refused here rather than at the first order

    @cached_property
    def up(self) -> Decimal:
        """What the price of a buy is multiplied by."""
        return EXACT.add(ONE, basis_points(self.points, of="slippage"))

    @cached_property
    def down(self) -> Decimal:
        """What the price of a sell is multiplied by."""
        return EXACT.subtract(ONE, basis_points(self.points, of="slippage"))

    @property
    def name(self) -> str:
        """`bps:` and the number of points."""
        return f"bps:{text(exact(self.points))}"

    def slipped(self, price: Decimal, *, buy: bool) -> Decimal:
        return EXACT.multiply(price, self.up if buy else self.down)


class HalfSpread(Struct, frozen=True):
    """Half of the distance between bid and ask, in the price's own money: 0.02 is two cents."""

    amount: Decimal

    def __post_init__(self) -> None:
        force_setattr(self, "amount", not_negative(self.amount, of="half-spread"))

    @property
    def name(self) -> str:
        """`half-spread:` and the amount."""
        return name_of("half-spread", self.amount)

    def slipped(self, price: Decimal, *, buy: bool) -> Decimal:
        return worse(price, self.amount, buy=buy)


class TickSlippage(Struct, frozen=True):
    """So many of the instrument's ticks."""

    ticks: Decimal

    def __post_init__(self) -> None:
        force_setattr(self, "ticks", not_negative(self.ticks, of="ticks"))

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
