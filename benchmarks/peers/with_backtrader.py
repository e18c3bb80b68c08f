"""Backtrader: its own feed of a pandas frame, indicators computed at once, no observers."""

from __future__ import annotations

from typing import Any

import backtrader as bt
from protocol import Histories, Job, Outcome, frame, serve


class Counting(bt.Strategy):
    """Counts what was sent and what was closed."""

    params = (("fast", 20), ("slow", 50), ("quantity", 10))

    def __init__(self) -> None:
        self.sent = self.closed = 0

    def notify_trade(self, trade: Any) -> None:
        self.closed += trade.isclosed


class Cross(Counting):
    """Own the quantity while the fast average is above the slow one."""

    def __init__(self) -> None:
        super().__init__()
        self.crossings = []
        for data in self.datas:
            fast = bt.ind.SMA(data.close, period=self.p.fast)
            slow = bt.ind.SMA(data.close, period=self.p.slow)
            self.crossings.append((data, bt.ind.CrossOver(fast, slow)))

    def next(self) -> None:
        for data, crossing in self.crossings:
            if crossing[0] > 0:
                self.buy(data, size=self.p.quantity)
                self.sent += 1
            elif crossing[0] < 0 and self.getposition(data).size:
                self.close(data)
                self.sent += 1


class Busy(Counting):
    """Buy on one bar and sell on the next."""

    def next(self) -> None:
        order = self.sell if self.sent % 2 else self.buy
        order(size=self.p.quantity)
        self.sent += 1


def prepare(histories: Histories, job: Job) -> list[Any]:
    """Return a feed per instrument."""
    return [bt.feeds.PandasData(dataname=frame(columns)) for columns in histories.values()]


def run(feeds: list[Any], job: Job) -> Outcome:
    """Run Cerebro."""
    cerebro = bt.Cerebro(stdstats=False)
    for feed in feeds:
        cerebro.adddata(feed)
    strategy = Busy if job.work == "busy" else Cross
    cerebro.addstrategy(strategy, fast=job.fast, slow=job.slow, quantity=job.quantity)
    cerebro.broker.setcash(job.cash)
    cerebro.broker.setcommission(commission=job.commission)
    (ran,) = cerebro.run()
    return Outcome(ran.sent, ran.closed, cerebro.broker.getvalue())


if __name__ == "__main__":
    serve("backtrader", bt.__version__, prepare, run)
