"""Plain orders that have traded: jotted down on a page, and written out when somebody reads of them."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import groupby
from typing import TYPE_CHECKING, overload

from evenkeel.domain.events import OrderAccepted, Record
from evenkeel.domain.fill import Fill, Fills
from evenkeel.domain.money import EXACT, shortest
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.execution.filling import whole_fill
from evenkeel.journal.log import Late

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.domain.verdict import Approved
    from evenkeel.engine.pad import Pad
    from evenkeel.execution.foresight import Wholes
    from evenkeel.risk.gate import Permit

_BUY, _SELL, _MARKET = Side.BUY, Side.SELL, OrderType.MARKET


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

    def approval(self, row: int, pads: Sequence[Pad], permit: Permit) -> Approved:
        """Write the approval of a row's order."""
        pad, bar, signed = pads[self.places[row]], self.bars[row], Decimal(self.signed[row])
        order = Order(
            self.first + row,
            pad.strategy,
            pad.name,
            _BUY if signed > 0 else _SELL,
            signed.copy_abs(),
            _MARKET,
            pad.line.cursor.times[bar],
            sizing=self.sizings[row],
        )
        return permit.approved(order, order.created_at, shortest(pad.line.closes[bar]))


class Sheet(Late):
    """The records of plain orders that have traded, written out when somebody reads them.

    Whoever is interrupted while he reads finds everything as it was when he reads again.
    """

    def __init__(self, page: Page, permit: Permit, fills: Wholes, pads: Sequence[Pad]) -> None:
        """Keep the first orders of a page, leave to write their approvals, and how each traded."""
        self._page, self._permit, self._wholes, self._pads = page, permit, fills, pads
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
            with localcontext(EXACT):
                self._written = self._records()
        return self._written[place]

    @property
    def fills(self) -> Fills:
        page, pads, wholes = self._page, self._pads, self._wholes
        rows = slice(len(wholes.prices))
        instruments = [pad.line.bars.instrument for pad in pads]
        times = pads[0].line.cursor.times  # those of all, as the currency is
        return Fills(
            list(map([each.id for each in instruments].__getitem__, page.places[rows])),
            page.signed[rows],
            wholes.prices,
            instruments[0].currency,
            [times[bar + 1] for bar in page.bars[rows]],
            wholes.commissions,
            wholes.fees,
            wholes.slippages,
            self._trades,
        )

    def _trades(self) -> Sequence[Fill]:
        """Write out how the orders traded, without a need to write their approvals."""
        if not self._fills:
            page = self._page
            rows = zip(
                page.bars, page.places, page.signed, zip(*self._wholes, strict=True), strict=False
            )
            self._fills = [
                whole_fill(number, self._pads[place].line, bar + 1, Decimal(signed), *whole)
                for number, (bar, place, signed, whole) in enumerate(rows, start=page.first)
            ]
        return self._fills

    def _records(self) -> list[Record]:
        """Write out bar after bar: what each strategy decided on it, and what traded at the next."""
        page, pads, trades, written = self._page, self._pads, self._trades(), list[Record]()
        for _, decided in groupby(range(len(trades)), key=page.bars.__getitem__):
            rows = list(decided)
            for _, own in groupby(rows, key=lambda row: pads[page.places[row]].owner):
                approvals = [page.approval(row, pads, self._permit) for row in own]
                written += approvals
                written += [OrderAccepted(each.order.id, each.at) for each in approvals]
            written += [trades[row] for row in rows]
        return written
