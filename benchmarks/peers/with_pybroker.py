"""lib-pybroker: indicators computed first, a function called on every bar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pybroker
from protocol import Histories, Job, Outcome, frame, serve

pybroker.disable_logging()
pybroker.disable_progress_bar()


def average(window: int) -> Any:
    """Return a function that computes a moving average of closes."""

    def compute(data: Any) -> Any:
        return pd.Series(np.asarray(data.close)).rolling(window).mean().to_numpy()

    return compute


def crossing(quantity: int) -> Any:
    """Own the quantity while the fast average is above the slow one."""

    def decide(ctx: Any) -> None:
        if ctx.bars < 2:
            return
        fast, slow = ctx.indicator("fast"), ctx.indicator("slow")
        if fast[-2] <= slow[-2] and fast[-1] > slow[-1]:
            ctx.buy_shares = quantity
            ctx.buy_fill_price = pybroker.PriceType.OPEN
        elif fast[-2] >= slow[-2] and fast[-1] < slow[-1] and ctx.long_pos():
            ctx.sell_all_shares()
            ctx.sell_fill_price = pybroker.PriceType.OPEN

    return decide


def alternating(quantity: int) -> Any:
    """Buy on one bar and sell on the next."""

    def decide(ctx: Any) -> None:
        if ctx.bars % 2:
            ctx.buy_shares = quantity
            ctx.buy_fill_price = pybroker.PriceType.OPEN
        else:
            ctx.sell_shares = quantity
            ctx.sell_fill_price = pybroker.PriceType.OPEN

    return decide


def prepare(histories: Histories, job: Job) -> Any:
    """Return one long frame of all instruments."""
    parts = []
    for name, columns in histories.items():
        part = frame(columns, "open high low close volume").rename_axis("date").reset_index()
        parts.append(part.assign(symbol=name))
    return pd.concat(parts)


def run(bars: Any, job: Job) -> Outcome:
    """Run the strategy over the frame."""
    config = pybroker.StrategyConfig(
        initial_cash=job.cash,
        fee_mode=pybroker.FeeMode.ORDER_PERCENT,
        fee_amount=job.commission * 100,
        buy_delay=1,
        sell_delay=1,
        round_fill_price=False,
        round_test_result=False,
    )
    dates = bars["date"]
    strategy = pybroker.Strategy(bars, dates.min(), dates.max(), config)
    symbols = list(bars["symbol"].unique())
    if job.work == "busy":
        strategy.add_execution(alternating(job.quantity), symbols)
    else:
        indicators = [
            pybroker.indicator(name, average(window))
            for name, window in (("fast", job.fast), ("slow", job.slow))
        ]
        strategy.add_execution(crossing(job.quantity), symbols, indicators=indicators)
    ran = strategy.backtest()
    return Outcome(len(ran.orders), len(ran.trades), float(ran.portfolio["equity"].iloc[-1]))


if __name__ == "__main__":
    serve("lib-pybroker", pybroker.__version__, prepare, run)
