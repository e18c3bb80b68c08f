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
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal

    from evenkeel.domain.bar import AnyArray, Column, Flags
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
    """What some bars can do to whoever trades on them: a row for each instrument.

    `steps` is how far the close of each bar is from the one before, `reaches` how far a fill on the
    bar can be from its close. `top` and `bottom` are the highest and the lowest price of all, and
    `whole` is a quantity that each of the bars fills whole (infinite where volumes are not known).
    """

    steps: AnyArray
    reaches: AnyArray
    top: Column
    bottom: Column
    whole: Column


class Foresight:
    """Tells how plain orders will trade that are filled whole at the open of the next bar."""

    def __init__(self, filler: Filler) -> None:
        """Tell what a filler would do."""
        self._filler = filler
        self._at_most = bound_of(filler.costs)

    @property
    def knows_costs(self) -> bool:
        """Whether the tariff can say what an order costs at the most; nothing is told without."""
        return self._at_most is not None

    def forecast(self, line: Line, index: int, quantity: float, *, buy: bool) -> float | None:
        """Return how much cash a plain order takes that trades at the open of a bar: at the most.

        A sell brings at least as much as the number is below zero. In doubles, and too low by no
        more than their rounding. None where the bar's volume might not allow all of it.
        """
        safe = self._filler.safe
        if line.bars.volume_known and not quantity <= safe(line.volumes[index], line.lot):
            return None
        price = dear = line.opens[index]
        if self._filler.slips:  # never beyond the bar's range
            price = max(price, line.highs[index]) if buy else min(price, line.lows[index])
            dear = max(price, dear)  # a sale may fare better, and cost more for it
        units = quantity * line.scale
        cost = self.at_most(quantity, dear * units)
        return cost + price * units if buy else cost - price * units

    def at_most(self, quantity: float, value: float) -> float:
        """Return what an order costs at the most; one that is less in both costs no more."""
        assert self._at_most is not None, self
        return self._at_most(quantity, value)

    def prices(self, column: Callable[[str], Column], signed: Column) -> Column:
        """Return the worst prices at which plain orders of signed quantities may trade.

        `column` gives `open` to `volume` of the bar that each of them trades on.
        """
        high, low = self._ends(column)
        return np.where(signed > 0.0, high, low)

    def _ends(self, column: Callable[[str], AnyArray]) -> tuple[AnyArray, AnyArray]:
        """Return the highest and the lowest price at which plain orders may trade on some bars."""
        opens = column("open")
        if not self._filler.slips:
            return opens, opens
        return np.maximum(opens, column("high")), np.minimum(opens, column("low"))

    def swing(self, column: Callable[[str], AnyArray], lots: Column, known: Flags) -> Swing:
        """Return what bars can do to whoever trades on them, all but the first: its close is known.

        `column` gives `open` to `volume` of the bars, a row for each instrument; `known` says whose
        volume is.
        """
        closes = column("close")
        after = closes[:, 1:]
        high, low = self._ends(lambda name: column(name)[:, 1:])
        thin = np.where(known, column("volume")[:, 1:].min(axis=1), np.inf)
        return Swing(
            np.abs(np.diff(closes)),
            np.maximum(high - after, after - low),
            np.maximum(closes.max(axis=1), high.max(axis=1)),
            np.minimum(closes.min(axis=1), low.min(axis=1)),
            self._filler.safe(thin, lots),
        )

    def wholes(
        self,
        numbers: Sequence[int],
        lines: Sequence[Line],
        places: Sequence[int],
        bars: Sequence[int],
        quantities: Sequence[Decimal],
    ) -> Wholes:
        """Return how plain orders trade, exactly: decided on these bars, in order of time.

        Quantities are signed; `places` says which of the lines each order is of.
        """
        filler, own = self._filler, lines[0].opens
        opens: list[float]
        if len(lines) == 1:
            opens = [own[bar + 1] for bar in bars]
        else:
            opens = [lines[place].opens[bar + 1] for place, bar in zip(places, bars, strict=True)]
        prices = shortest_of(opens)
        if not filler.plain:
            orders = zip(numbers, places, bars, quantities, prices, strict=True)
            filled = Wholes.none()
            for number, place, bar, quantity, price in orders:
                whole = filler.whole(number, lines[place], bar + 1, quantity, price)
                for column, amount in zip(filled, whole, strict=True):
                    column.append(amount)
            return filled
        sizes = list(map(abs, quantities))
        values: Iterable[Decimal] = map(mul, prices, sizes)
        if any(line.scale != 1.0 for line in lines):
            multipliers = [line.bars.instrument.multiplier for line in lines]
            values = map(mul, values, map(multipliers.__getitem__, places))
        if type(filler.costs) is BasisPoints:  # most are: no call for each
            commissions = list(map(mul, values, repeat(filler.costs.rate)))
        else:
            commissions = list(map(filler.commission, sizes, values))
        nothing = [ZERO] * len(prices)
        return Wholes(prices, commissions, nothing, nothing)
