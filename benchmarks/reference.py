"""The loops that everything is held against: P, what bare Python takes, and K, what compiled code takes.

P is the least that anything can do that calls a Python method on every bar of numpy arrays: the
method reads two precomputed averages, compares them, and where they have crossed buys or sells ten
shares at the next bar's open with 0.1 % commission. It checks nothing, records nothing and keeps no
books but a quantity and an amount of cash. K is the same trading in one pass of numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.workloads import CASH, COMMISSION, QUANTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenkeel.domain.bar import Bars, Column


class Bare:
    """The strategy of P and its whole account."""

    def __init__(self, opened: Column, fast: Column, slow: Column) -> None:
        """Take numpy arrays of one length; `opened` is the price at which a bar's order trades."""
        self.opened, self.fast, self.slow = opened, fast, slow
        self.quantity = 0
        self.cash = float(CASH)

    def on_bar(self, index: int) -> None:
        """Read both averages; buy or sell where they have crossed."""
        if self.fast[index] > self.slow[index]:
            if not self.quantity:
                self.quantity = QUANTITY
                self.cash -= QUANTITY * self.opened[index] * (1 + COMMISSION)
        elif self.quantity:
            self.cash += QUANTITY * self.opened[index] * (1 - COMMISSION)
            self.quantity = 0


def python_loop(bars: Bars, *, fast: int = 20, slow: int = 50) -> Callable[[], Bare]:
    """Return P over some bars; the averages are computed here, not in the loop."""
    columns = prepared(bars, fast, slow)

    def loop() -> Bare:
        strategy = Bare(*columns)
        on_bar = strategy.on_bar
        for index in range(len(strategy.fast)):
            on_bar(index)
        return strategy

    return loop


def python_loops(histories: Sequence[Bars]) -> Callable[[], float]:
    """Return P over the bars of many instruments, one after the other; it returns what all made."""
    loops = [python_loop(bars) for bars in histories]
    return lambda: sum(loop().cash - CASH for loop in loops)


def compiled_loop(bars: Bars, *, fast: int = 20, slow: int = 50) -> Callable[[], float] | None:
    """Return K over some bars, already compiled; None where numba is not installed."""
    try:
        from numba import njit
    except ImportError:
        return None

    @njit
    def loop(opened: Column, above: Column, below: Column) -> float:
        cash, quantity = float(CASH), 0
        for index in range(len(opened)):
            if above[index] > below[index]:
                if quantity == 0:
                    quantity = QUANTITY
                    cash -= QUANTITY * opened[index] * (1 + COMMISSION)
            elif quantity != 0:
                cash += QUANTITY * opened[index] * (1 - COMMISSION)
                quantity = 0
        return cash

    columns = prepared(bars, fast, slow)
    loop(*columns)
    return lambda: loop(*columns)


def prepared(bars: Bars, fast: int, slow: int) -> tuple[Column, Column, Column]:
    """Return the next open and both averages of every bar that has a whole slow average."""
    sums = np.concatenate(([0.0], np.cumsum(bars.close)))
    averages = [((sums[n:] - sums[:-n]) / n)[slow - n : -1] for n in (fast, slow)]
    return bars.open[slow:], averages[0], averages[1]
