"""backtesting.py: one instrument at a time."""

from __future__ import annotations

from typing import Any

import backtesting
import pandas as pd
from protocol import Histories, Job, Outcome, frame, serve


def average(values: Any, window: int) -> Any:
    """Return the moving average as its documentation does."""
    return pd.Series(values).rolling(window).mean()


class Cross(backtesting.Strategy):
    """Own the quantity while the fast average is above the slow one."""

    fast, slow, quantity = 20, 50, 10

    def init(self) -> None:
        self.above = self.I(average, self.data.Close, self.fast)
        self.below = self.I(average, self.data.Close, self.slow)

    def next(self) -> None:
        if self.above[-2] <= self.below[-2] and self.above[-1] > self.below[-1]:
            self.buy(size=self.quantity)
        elif self.above[-2] >= self.below[-2] and self.above[-1] < self.below[-1]:
            self.position.close()


class Busy(backtesting.Strategy):
    """Buy on one bar and sell on the next."""

    fast, slow, quantity = 20, 50, 10

    def init(self) -> None:
        self.sent = 0

    def next(self) -> None:
        order = self.sell if self.sent % 2 else self.buy
        order(size=self.quantity)
        self.sent += 1


def prepare(histories: Histories, job: Job) -> list[Any]:
    """Return a frame per instrument."""
    return [frame(columns) for columns in histories.values()]


def run(frames: list[Any], job: Job) -> Outcome:
    """Run each frame in an account of its own, for it knows no other way; earnings are added."""
    strategy = Busy if job.work == "busy" else Cross
    orders = trades = 0
    equity = job.cash
    for each in frames:
        test = backtesting.Backtest(each, strategy, cash=job.cash, commission=job.commission)
        ran = test.run(fast=job.fast, slow=job.slow, quantity=job.quantity)
        closed, still = ran["# Trades"], len(ran["_strategy"].trades)
        trades += closed
        orders += 2 * closed + still
        equity += ran["Equity Final [$]"] - job.cash
    return Outcome(orders, trades, equity)


if __name__ == "__main__":
    backtesting.backtesting._tqdm = lambda steps, **_: steps  # no progress bar  # noqa: SLF001
    serve("backtesting.py", backtesting.__version__, prepare, run)
