"""A pad: what the blotter knows of one instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.money import ZERO

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.domain.tape import Line


class Pad:
    """One instrument on the blotter: what is held of it, its newest order, and what needs no watching.

    Orders of up to `quantity` that leave a position from `least` to `most` need none on bars before
    `until`. (Whole numbers, all of them.)
    """

    __slots__ = (
        *("fresh", "held", "index", "least", "line", "lot", "most", "name", "open"),
        *("owner", "place", "quantity", "strategy", "until"),
    )

    def __init__(self, line: Line, place: int, owner: int) -> None:
        """Know nothing yet of what is held. `owner` is the seat that trades it."""
        self.line, self.place, self.owner = line, place, owner
        self.strategy = ""  # what the seat's orders are called
        self.name, self.lot = line.bars.instrument.id, line.bars.instrument.lot
        self.held: Decimal | int = ZERO  # with the newest order
        self.index = -1  # of the bar that the newest order was decided on
        self.fresh = -1  # which opening of the blotter this was read at
        self.open = False
        self.until = self.quantity = self.least = self.most = 0
