"""vectorbt: arrays of signals into a compiled simulation; no callback, no gate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt
from protocol import Grid, Histories, Job, Outcome, serve


def prepare(histories: Histories, job: Job) -> tuple[Any, Any]:
    """Return opens and closes, a column per instrument."""
    some = next(iter(histories.values()))
    index = pd.DatetimeIndex(some["closed_at"].astype("datetime64[ns]"))
    return tuple(
        pd.DataFrame({name: each[column] for name, each in histories.items()}, index=index)
        for column in ("open", "close")
    )


def run(prices: tuple[Any, Any], job: Job) -> Outcome:
    """Compute the signals, move them on by a bar, and trade them at that bar's open."""
    opens, closes = prices
    if job.work == "busy":
        turn = np.arange(len(closes)) % 2
        entries = pd.DataFrame(np.tile((turn == 1)[:, None], closes.shape[1]), closes.index)
        exits = pd.DataFrame(
            np.tile(((turn == 0) & (np.arange(len(closes)) > 0))[:, None], closes.shape[1]),
            closes.index,
        )
        entries.columns = exits.columns = closes.columns
    else:
        fast = vbt.MA.run(closes, job.fast)
        slow = vbt.MA.run(closes, job.slow)
        entries = fast.ma_crossed_above(slow).vbt.signals.fshift(1)
        exits = fast.ma_crossed_below(slow).vbt.signals.fshift(1)
        entries.columns = exits.columns = closes.columns
    ran = vbt.Portfolio.from_signals(
        closes,
        entries,
        exits,
        price=opens,
        size=job.quantity,
        fees=job.commission,
        init_cash=job.cash,
        cash_sharing=True,
        group_by=True,
        freq="1min",
    )
    equity = float(np.asarray(ran.final_value()).sum())
    return Outcome(int(ran.orders.count()), int(ran.trades.closed.count()), equity)


def run_grid(prices: tuple[Any, Any], job: Job, grid: Grid) -> Outcome:
    """Trade every pair of windows at once, a column each."""
    opens, closes = (each.iloc[:, 0] for each in prices)
    fasts = [fast for fast in grid.fast for _ in grid.slow]
    slows = [slow for _ in grid.fast for slow in grid.slow]
    fast = vbt.MA.run(closes, fasts, short_name="fast")
    slow = vbt.MA.run(closes, slows, short_name="slow")
    ran = vbt.Portfolio.from_signals(
        closes,
        fast.ma_crossed_above(slow).vbt.signals.fshift(1),
        fast.ma_crossed_below(slow).vbt.signals.fshift(1),
        price=opens,
        size=job.quantity,
        fees=job.commission,
        init_cash=job.cash,
        freq="1min",
    )
    equity = job.cash + float((ran.final_value() - job.cash).sum())
    return Outcome(int(ran.orders.count().sum()), int(ran.trades.closed.count().sum()), equity)


if __name__ == "__main__":
    serve("vectorbt", vbt.__version__, prepare, run, run_grid)
