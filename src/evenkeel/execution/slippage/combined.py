"""Several kinds of slippage at once, and the one that is about time and not about price."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import force_setattr

from evenkeel.domain.errors import UsageError
from evenkeel.domain.money import text
from evenkeel.execution.slippage.model import AnySlippage, Meeting
from evenkeel.execution.wording import name_of

if TYPE_CHECKING:
    from evenkeel.domain.bar import Bars


class Latency(Struct, frozen=True):
    """An order reaches the venue `bars_late` bars after it was sent; its price is not touched."""

    bars_late: int

    def __post_init__(self) -> None:
        if self.bars_late != int(self.bars_late) or self.bars_late < 0:
            late = text(Decimal(self.bars_late))
            raise UsageError(f"latency must be a whole number of bars, at least 0, was {late}")
        force_setattr(self, "bars_late", int(self.bars_late))

    @property
    def name(self) -> str:
        """`latency:` and how many bars."""
        return name_of("latency", Decimal(self.bars_late))

    def slipped(self, price: Decimal, *, buy: bool) -> Decimal:
        return price


class Combined(Struct, frozen=True):
    """Each part is reckoned from the rule's own price; what they take adds up."""

    parts: tuple[AnySlippage, ...]

    @property
    def name(self) -> str:
        """The parts' names with a plus between."""
        return "+".join(part.name for part in self.parts)

    @property
    def bars_late(self) -> int:
        """How late its orders reach the venue, in bars."""
        return sum(late(part) for part in self.parts)

    def slipped_in(self, price: Decimal, meeting: Meeting) -> Decimal:
        return price + sum((slip(part, price, meeting) - price for part in self.parts), Decimal(0))

    def check(self, bars: Bars) -> None:
        for part in self.parts:
            check_bars(part, bars)


def slip(model: AnySlippage, price: Decimal, meeting: Meeting) -> Decimal:
    """Return the price that a model of either kind makes of `price`."""
    if hasattr(model, "slipped_in"):
        return model.slipped_in(price, meeting)
    return model.slipped(price, buy=meeting.buy)


def late(model: AnySlippage) -> int:
    """Return how many bars late a model lets orders reach the venue."""
    bars_late: int = getattr(model, "bars_late", 0)
    return bars_late


def check_bars(model: AnySlippage, bars: Bars) -> None:
    """Raise `UsageError` when a model cannot work on these bars."""
    if hasattr(model, "check"):
        model.check(bars)
