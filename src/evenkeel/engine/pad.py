"""A pad: what the blotter knows of one instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.money import ONE, ZERO

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.domain.tape import Line


class Pad:
    """One instrument on the blotter: what is held of it, its newest order, and what needs no watching.

    Orders of up to `largest` that leave a position from `least` to `most` need none on bars before
    `until`: whole numbers, all of them, of an instrument that is traded and held `whole`.
    """

    __slots__ = (
        *("by_one", "edition", "held", "index", "largest", "least", "line", "lot", "most", "name"),
        *("open", "owner", "place", "strategy", "until", "whole"),
    )

    def __init__(self, line: Line, place: int, owner: int) -> None:
        """Know nothing yet of what is held. `owner` is the seat that trades it."""
        self.line, self.place, self.owner = line, place, owner
        self.strategy = ""  # what the seat's orders are called
        self.name, self.lot = line.bars.instrument.id, line.bars.instrument.lot
        self.by_one = self.lot == ONE
        self.held: Decimal | int = ZERO  # with the newest order
        self.index = -1  # of the bar that the newest order was decided on
        self.edition = -1  # which page of the blotter this was read for
        self.open = self.whole = False  # whether it may trade, and is held in whole numbers
        self.until = self.largest = self.least = self.most = 0
