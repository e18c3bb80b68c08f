"""A sheet: the records of plain orders that have traded, written out when somebody reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, overload

from evenkeel.domain.events import OrderAccepted, Record
from evenkeel.domain.fill import Fill
from evenkeel.execution.filling import fill_id
from evenkeel.execution.foresight import Wholes

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.domain.order import Order
    from evenkeel.domain.tape import Line
    from evenkeel.domain.verdict import Approved
    from evenkeel.engine.tally import Pad


class Sheet(Sequence[Record]):
    """The records of plain orders that have traded, written out when somebody reads them."""

    def __init__(
        self,
        bars: list[int],
        places: list[int],
        approvals: Iterable[Approved],
        fills: Wholes,
        pads: list[Pad],
    ) -> None:
        """Keep on which bars orders were made, who writes their approvals, and how each traded."""
        self._bars, self._places, self._approvals = bars, places, approvals
        self._fills, self._pads = fills, pads
        self._length = 3 * len(bars)
        self._written: list[Record] = []

    def __len__(self) -> int:
        """Return how many records there are: three of each order."""
        return self._length

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        """Return a record."""
        if self._bars:
            self._write()
        return self._written[place]

    def _write(self) -> None:
        """Write out bar after bar: what each strategy decided on it, and what traded at the next."""
        written, pads = self._written, [self._pads[place] for place in self._places]
        orders = zip(self._bars, pads, self._approvals, zip(*self._fills, strict=True), strict=True)
        for _, decided in groupby(orders, key=lambda order: order[0]):
            traded = []
            for _, own in groupby(decided, key=lambda order: order[1].owner):
                asked = list(own)
                written += [approved for _, _, approved, _ in asked]
                written += [OrderAccepted(each.order.id, each.at) for _, _, each, _ in asked]
                traded += [
                    _fill(approved.order, pad.line, bar + 1, *whole)
                    for bar, pad, approved, whole in asked
                ]
            written += traded
        self._bars, self._places, self._approvals, self._fills = [], [], (), Wholes.none()


def _fill(
    order: Order,
    line: Line,
    bar: int,
    price: Decimal,
    commission: Decimal,
    fees: Decimal,
    slippage: Decimal,
) -> Fill:
    return Fill(
        fill_id(order.id),
        order.id,
        order.instrument,
        order.side,
        order.quantity,
        price,
        line.bars.instrument.currency,
        line.cursor.times[bar],
        commission,
        slippage,
        None,
        fees,
    )
