"""A fill: a quantity traded at a price. The only thing that moves a position."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import astuple

from evenkeel.domain.money import ZERO
from evenkeel.domain.order import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class Fill(Struct, frozen=True, gc=False):
    """One execution, as the venue reports it.

    `id` is the venue's execution id (FIX 17): a second report with the same id is the same fill.
    `quantity` is positive, `price` in the instrument's currency; `commission` (the broker's) and
    `fees` (what authorities, exchanges and clearing houses take beside it) are money in `currency`,
    negative for a rebate. `at` is the closing time of the bar in which it happened: when we could know.
    `slippage` is the money lost against the price that the rules of DESIGN section 4 give before
    slippage. `ambiguity` is None, or the money between this fill and the better one that the same
    bar would have allowed (two legs of a bracket inside one bar: the worse one fills).
    """

    id: str
    order_id: int
    instrument: str
    side: Side
    quantity: Decimal
    price: Decimal
    currency: str
    at: int
    commission: Decimal = ZERO
    slippage: Decimal = ZERO
    ambiguity: Decimal | None = None
    fees: Decimal = ZERO


class Fills(Struct, frozen=True, eq=False):
    """Fills in one currency that follow one another and are not written out yet, as columns.

    Amounts are as in `Fill`, but a quantity is `signed`: negative where it was sold. `write` returns
    the fills themselves. No other report of one of them is on record.
    """

    instruments: Sequence[str]
    signed: Sequence[Decimal | int]
    prices: Sequence[Decimal]
    currency: str
    at: Sequence[int]
    commissions: Sequence[Decimal]
    fees: Sequence[Decimal]
    slippages: Sequence[Decimal]
    write: Callable[[], Sequence[Fill]]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.at)

    def __iter__(self) -> Iterator[Fill]:
        """Yield every fill."""
        return iter(self.write())

    def __reduce__(self) -> tuple[type[Fills], tuple[object, ...]]:
        """Write the fills out for who takes a copy, to another process perhaps."""
        *columns, _ = astuple(self)
        return Fills, (*columns, partial(list, self.write()))
