"""Plain orders that have traded: jotted down on a page, and written out when somebody reads of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, overload

from evenkeel.domain.events import OrderAccepted, Record
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.execution.filling import fill_id

if TYPE_CHECKING:
    from evenkeel.domain.verdict import Approved
    from evenkeel.engine.tally import Pad
    from evenkeel.execution.foresight import Wholes


class Page:
    """Plain orders, whose numbers follow one another from `first`; a column for each fact.

    The bar that each was decided on, its instrument's place, its signed quantity and its sizing. (Lists
    of numbers, and not an object for each order: the garbage collector has nothing to look through.)
    """

    __slots__ = ("bars", "first", "places", "signed", "sizings")

    def __init__(self) -> None:
        """Begin an empty page."""
        self.first = 0
        self.bars: list[int] = []
        self.places: list[int] = []
        self.signed: list[Decimal | int] = []
        self.sizings: list[str] = []


class Sheet(Sequence[Record]):
    """The records of plain orders that have traded, written out when somebody reads them."""

    def __init__(
        self, page: Page, approvals: Iterable[Approved], fills: Wholes, pads: Sequence[Pad]
    ) -> None:
        """Keep the first orders of a page: who writes their approvals, and how each traded."""
        self._page, self._approvals, self._wholes, self._pads = page, approvals, fills, pads
        self._fills: list[Fill] = []
        self._written: list[Record] = []

    def __len__(self) -> int:
        """Return how many records there are: three of each order."""
        return 3 * len(self._wholes.prices)

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        """Return a record."""
        if not self._written:
            self._write()
        return self._written[place]

    @property
    def moves(self) -> Sequence[Fill]:
        """The records that move money or positions, without a need to write the others."""
        if not self._fills:
            page, numbers = self._page, range(self._page.first, self._page.first + len(self))
            orders = zip(numbers, page.bars, page.places, page.signed, strict=False)
            wholes = zip(*self._wholes, strict=True)
            self._fills = [
                _fill(number, self._pads[place], bar + 1, signed, *whole)
                for (number, bar, place, signed), whole in zip(orders, wholes, strict=False)
            ]
        return self._fills

    def _write(self) -> None:
        """Write out bar after bar: what each strategy decided on it, and what traded at the next."""
        page, written = self._page, self._written
        orders = zip(page.bars, page.places, self._approvals, self.moves, strict=False)
        for _, decided in groupby(orders, key=lambda order: order[0]):
            traded: list[Record] = []
            for _, own in groupby(decided, key=lambda order: self._pads[order[1]].owner):
                asked = list(own)
                written += [approved for _, _, approved, _ in asked]
                written += [OrderAccepted(each.order.id, each.at) for _, _, each, _ in asked]
                traded += [fill for *_, fill in asked]
            written += traded


def _fill(
    number: int,
    pad: Pad,
    bar: int,
    signed: Decimal | int,
    price: Decimal,
    commission: Decimal,
    fees: Decimal,
    slippage: Decimal,
) -> Fill:
    return Fill(
        fill_id(number),
        number,
        pad.name,
        Side.BUY if signed > 0 else Side.SELL,
        Decimal(signed) if signed > 0 else Decimal(-signed),
        price,
        pad.line.bars.instrument.currency,
        pad.line.cursor.times[bar],
        commission,
        slippage,
        None,
        fees,
    )
