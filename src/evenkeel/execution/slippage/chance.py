"""Slippage by chance, and the same chance on every path: it is drawn from the order, not from time."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.domain.money import ZERO
from evenkeel.execution.slippage.model import Meeting, worse
from evenkeel.execution.wording import basis_points, name_of

if TYPE_CHECKING:
    from evenkeel.domain.bar import Bars


class RandomSlippage(Struct, frozen=True):
    """Anything from nothing to `points` basis points, evenly; another `seed` is another draw.

    What an order's nth fill draws depends on seed, order id and n alone.
    """

    points: Decimal
    seed: Decimal = ZERO

    def __post_init__(self) -> None:
        basis_points(self.points, of="slippage")

    @property
    def name(self) -> str:
        """`random:` with the most, and the seed where it is not 0."""
        return name_of("random", self.points, seed=(self.seed, ZERO))

    def slipped_in(self, price: Decimal, meeting: Meeting) -> Decimal:
        drawn = drawn_from(f"{self.seed}/{meeting.order_id}/{meeting.part}")
        return worse(price, drawn * float(self.points) / 10_000 * float(price), buy=meeting.buy)

    def check(self, bars: Bars) -> None:
        """Any bars do."""


def drawn_from(words: str) -> float:
    """Return a number in [0, 1) that looks drawn by chance and is always the same for a text."""
    digest = hashlib.blake2b(words.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
