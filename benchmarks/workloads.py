"""What is measured: one strategy, made-up bars, and the bare loop that everything is held against."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

import evenkeel as ek
from evenkeel.domain.bar import Bars
from evenkeel.domain.instrument import Instrument

if TYPE_CHECKING:
    from evenkeel.strategy.series import BarSeries

MINUTE = 60_000_000_000
DAY = 1_440 * MINUTE


class Cross(ek.Strategy):
    """Own the instrument while its fast average is above its slow one."""

    fast: int = ek.param(20, ge=2)
    slow: int = ek.param(50, ge=3)
    wake: bool = ek.param(True)

    def setup(self, bars: BarSeries) -> None:
        """Compute the crossings; wake on them, or on every bar."""
        fast, slow = ek.sma(bars.close, self.fast), ek.sma(bars.close, self.slow)
        self.up, self.down = ek.crossed_above(fast, slow), ek.crossed_below(fast, slow)
        if self.wake:
            self.wake_on(self.up | self.down)

    def on_bar(self) -> None:
        """Hold half of equity above, nothing below."""
        if self.up[0]:
            self.target_weight(0.5)
        elif self.down[0]:
            self.close()


def minutes(count: int, *, seed: int = 1) -> Bars:
    """Return `count` one-minute bars of a seeded random walk, around the clock."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-4, count)))
    opened = np.concatenate((close[:1], close[:-1]))
    closed_at = 1_500_000_000_000_000_000 + MINUTE * np.arange(1, count + 1)
    days = np.arange(closed_at[0] // DAY + 1, closed_at[-1] // DAY + 3) * DAY
    return Bars(
        Instrument("WALK.XXXX"),
        closed_at,
        opened,
        np.maximum(opened, close) * 1.0001,
        np.minimum(opened, close) * 0.9999,
        close,
        np.full(count, 1e7),
        days,
    )


class Bare:
    """The reference P: a method per bar that reads two averages and buys or sells, unchecked."""

    def __init__(self, fast: list[float], slow: list[float]) -> None:
        """Hold the two averages as lists, which Python reads fastest."""
        self.fast, self.slow = fast, slow
        self.quantity = 0

    def on_bar(self, index: int) -> None:
        """Read both averages, and act on them."""
        if self.fast[index] > self.slow[index]:
            if not self.quantity:
                self.quantity = 1
        elif self.quantity:
            self.quantity = 0


def bare_loop(bars: Bars, *, fast: int = 20, slow: int = 50) -> float:
    """Return the seconds that the reference loop P takes over the same bars."""
    sums = np.concatenate(([0.0], np.cumsum(bars.close)))
    averages = [((sums[n:] - sums[:-n]) / n)[slow - n :].tolist() for n in (fast, slow)]
    strategy = Bare(*averages)
    begun = time.perf_counter()
    for index in range(len(averages[0])):
        strategy.on_bar(index)
    return time.perf_counter() - begun
