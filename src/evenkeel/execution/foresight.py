"""What becomes of plain orders that nothing befalls: told beforehand, from the bars to come.

Nearly and at the most, in doubles, for who has to know now whether an order can be let pass; exactly,
and many at a time, for the books.
"""

from __future__ import annotations

from itertools import repeat
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evenkeel.domain.money import ZERO, shortest_of
from evenkeel.execution.costs import BasisPoints, bound_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from evenkeel.domain.bar import Bars
    from evenkeel.domain.tape import Line
    from evenkeel.execution.filling import Filler


class Wholes(NamedTuple):
    """How plain orders trade, each of them at once and whole: amounts as in `Fill`, as columns."""

    prices: list[Decimal]
    commissions: list[Decimal]
    fees: list[Decimal]
    slippages: list[Decimal]

    @classmethod
    def none(cls) -> Wholes:
        """Return the fills of no orders yet."""
        return cls([], [], [], [])

    def extend(self, others: Wholes) -> None:
        """Add the fills of more orders."""
        for own, more in zip(self, others, strict=True):
            own.extend(more)


class Swing(NamedTuple):
    """All bars of an instrument in four numbers: the most that they can do to who trades on them.

    The highest and the lowest close are at most `walk` apart, however often prices turn on the way; a
    fill and the close of its bar are, over all bars, at most `reach` apart.
    """

    bars: Bars
    top: float
    bottom: float
    thin: float
    walk: float
    reach: float

    @classmethod
    def of(cls, bars: Bars) -> Swing:
        """Look through some bars once."""
        opens, closes = bars.open, bars.close
        high = np.maximum(np.maximum(bars.high, opens), closes)
        low = np.minimum(np.minimum(bars.low, opens), closes)
        return cls(
            bars,
            float(high.max()),
            float(low.min()),
            float(bars.volume.min()),
            float(np.abs(np.diff(closes)).sum()),
            float((high - low).sum()),
        )


class Foresight:
    """Tells how plain orders will trade that are filled whole at the open of the next bar."""

    def __init__(self, filler: Filler) -> None:
        """Tell what a filler would do."""
        self._filler = filler
        self._at_most = bound_of(filler.costs)
        self._swings: dict[str, Swing] = {}

    @property
    def knows_costs(self) -> bool:
        """Whether the tariff can say what an order costs at the most; nothing is told without."""
        return self._at_most is not None

    def forecast(self, line: Line, index: int, quantity: float, *, buy: bool) -> float | None:
        """Return how much cash a plain order takes that trades at the open of a bar: at the most.

        A sell brings at least as much as the number is below zero. In doubles, and too low by no
        more than their rounding. None where the bar's volume might not allow all of it.
        """
        assert self._at_most is not None, self
        if line.bars.volume_known and not self._filler.allows(quantity, line, line.volumes[index]):
            return None
        price = line.opens[index]
        if self._filler.slips:  # never beyond the bar's range
            price = max(price, line.highs[index]) if buy else min(price, line.lows[index])
        value = price * quantity * line.scale
        cost = self._at_most(quantity, value)
        return cost + value if buy else cost - value

    def worst(
        self, line: Line, quantity: float, most: float, orders: int
    ) -> tuple[float, float] | None:
        """Return the dearest unit of all bars, and the most money that trading on them can lose.

        Of whoever never holds more than `most`, long or short, and makes so many plain orders of no
        more than `quantity`, one a bar at the most. In doubles. None where some bar's volume might
        not allow it, and where a price is not above zero.
        """
        assert self._at_most is not None, self
        bars = line.bars
        swing = self._swings.get(bars.instrument.id)
        if swing is None or swing.bars is not bars:
            swing = self._swings[bars.instrument.id] = Swing.of(bars)
        if not swing.bottom > 0.0:
            return None
        if bars.volume_known and not self._filler.allows(quantity, line, swing.thin):
            return None
        unit = swing.top * line.scale
        lost = (most * swing.walk + quantity * swing.reach) * line.scale
        return unit, lost + orders * self._at_most(quantity, quantity * unit)

    def wholes(
        self,
        numbers: Sequence[int],
        lines: Sequence[Line],
        bars: Sequence[int],
        quantities: Sequence[Decimal],
    ) -> Wholes:
        """Return how plain orders trade, exactly, in order of time. Quantities are signed."""
        filler = self._filler
        prices = shortest_of([line.opens[bar] for line, bar in zip(lines, bars, strict=True)])
        if not filler.plain:
            orders = zip(numbers, lines, bars, quantities, prices, strict=True)
            filled = Wholes.none()
            for order in orders:
                for column, amount in zip(filled, filler.whole(*order), strict=True):
                    column.append(amount)
            return filled
        sizes = list(map(abs, quantities))
        values: Iterable[Decimal] = map(mul, prices, sizes)
        if any(line.scale != 1.0 for line in set(lines)):
            values = map(mul, values, [line.bars.instrument.multiplier for line in lines])
        if type(filler.costs) is BasisPoints:  # most are: no call for each
            commissions = list(map(mul, values, repeat(filler.costs.rate)))
        else:
            commissions = list(map(filler.commission, sizes, values))
        nothing = [ZERO] * len(prices)
        return Wholes(prices, commissions, nothing, nothing)
