"""What is measured: one strategy, made-up bars, and one way of trading them, the same for everyone.

The strategy owns ten shares while its average over 20 bars is above the one over 50, by market
orders that fill at the next bar's open and pay 0.1 % commission. A fixed quantity keeps the work
the same from the first bar to the last: a share of equity would shrink to nothing under the costs
of a million bars, and every engine would round it in its own way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import evenkeel as ek
from benchmarks.peers.protocol import COLUMNS
from evenkeel.app.backtest import execute
from evenkeel.app.setup import Request, request
from evenkeel.domain.bar import Bars
from evenkeel.domain.instrument import Instrument

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evenkeel.reports.result import Result
    from evenkeel.strategy.series import BarSeries
    from evenkeel.strategy.trader import Trader

MINUTE = 60_000_000_000
DAY = 1_440 * MINUTE
CASH = 1_000_000
QUANTITY = 10
COMMISSION = 0.001


class Cross(ek.Strategy):
    """Own ten shares while the fast average is above the slow one."""

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
        """Buy where the fast average rises through the slow one, sell where it falls."""
        if self.up[0]:
            self.buy(QUANTITY)
        elif self.down[0]:
            self.close()


class Plain(ek.Strategy):
    """As the reference loop is written: both averages and what is held are read on every bar."""

    def setup(self, bars: BarSeries) -> None:
        """Compute the averages."""
        self.fast, self.slow = ek.sma(bars.close, 20), ek.sma(bars.close, 50)

    def on_bar(self) -> None:
        """Own ten shares while the fast average is above the slow one."""
        if self.fast[0] > self.slow[0]:
            if not self.position:
                self.buy(QUANTITY)
        elif self.position:
            self.close()


class Busy(ek.Strategy):
    """Buy on one bar and sell on the next, all the way: an order on every bar."""

    def on_start(self) -> None:
        """Begin by buying."""
        self.long = False

    def on_bar(self) -> None:
        """Place one market order."""
        if self.long:
            self.sell(QUANTITY)
        else:
            self.buy(QUANTITY)
        self.long = not self.long


def minutes(count: int, *, seed: int = 1, name: str = "WALK.XXXX") -> Bars:
    """Return `count` one-minute bars of a seeded random walk, around the clock."""
    closed_at = 1_500_000_000_000_000_000 + MINUTE * np.arange(1, count + 1)
    return walk(closed_at, step=1e-4, seed=seed, name=name)


def days(count: int, *, seed: int = 1, name: str = "WALK.XXXX") -> Bars:
    """Return `count` daily bars of a seeded random walk, a bar on every day."""
    closed_at = 1_262_304_000_000_000_000 + DAY * np.arange(1, count + 1)
    return walk(closed_at, step=1e-2, seed=seed, name=name)


def walk(closed_at: np.ndarray, *, step: float, seed: int, name: str) -> Bars:
    """Return bars at these times; `step` is the standard deviation of a bar's return."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, step, len(closed_at))))
    opened = np.concatenate((close[:1], close[:-1])) * np.exp(
        random.normal(0, step / 4, len(close))
    )
    columns = {
        "closed_at": closed_at,
        "open": opened,
        "high": np.maximum(opened, close) * (1 + step / 2),
        "low": np.minimum(opened, close) * (1 - step / 2),
        "close": close,
        "volume": np.full(len(closed_at), 1e7),
    }
    return bars_of(name, columns)


def bars_of(name: str, columns: dict[str, np.ndarray]) -> Bars:
    """Return bars of an instrument whose sessions end at midnight, with nothing copied."""
    for column in columns.values():
        column.flags.writeable = False
    times = columns["closed_at"]
    closes = np.arange(times[0] // DAY + 1, times[-1] // DAY + 3) * DAY
    return Bars(Instrument(name), **columns, session_closes=closes)


def write(bars: Sequence[Bars], folder: Path) -> None:
    """Write bars as one `.npy` file per column, for other processes to read."""
    for each in bars:
        for column in COLUMNS:
            np.save(folder / f"{each.instrument.id}.{column}.npy", getattr(each, column))


def size_of(bars: Sequence[Bars]) -> int:
    """Return the bytes of the arrays that hold some bars."""
    return sum(getattr(each, column).nbytes for each in bars for column in COLUMNS)


def wanted(strategy: Trader, bars: Sequence[Bars]) -> Request:
    """Return the request that every workload makes: 0.1 % commission, no slippage."""
    return request(strategy, bars, cash=CASH, costs="bps:10", slippage="none")


def traded(strategy: Trader, bars: Sequence[Bars]) -> Result:
    """Run a strategy over bars with the whole gate, exact books and every record kept."""
    return execute(wanted(strategy, bars))
