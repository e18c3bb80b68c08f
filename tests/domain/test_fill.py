"""Fills that nobody has written out yet are as many as their rows, and come when they are asked for."""

from decimal import Decimal

from evenkeel.domain.fill import Fill, Fills
from evenkeel.domain.order import Side

FILLS = [
    Fill(f"{number}.1", number, "A.XXXX", side, Decimal(3), Decimal(10), "USD", 60 * number)
    for number, side in enumerate(Side, start=1)
]


def test_fills_are_written_out_when_somebody_asks_for_one():
    asked = []
    zero = [Decimal(0)] * 2
    fills = Fills(
        ["A.XXXX"] * 2,
        [3, -3],
        [Decimal(10)] * 2,
        "USD",
        [60, 120],
        zero,
        zero,
        zero,
        lambda: asked.append("once") or FILLS,
    )
    assert (len(fills), asked) == (2, [])
    assert list(fills) == FILLS
    assert asked == ["once"]
