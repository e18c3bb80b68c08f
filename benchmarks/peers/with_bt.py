"""bt: trades at the one price it is given, so it is given opens and the decisions of the bar before."""

from __future__ import annotations

from typing import Any

import bt
import numpy as np
import pandas as pd
from protocol import Histories, Job, Outcome, serve


class Follow(bt.Algo):
    """Bring each position to where the signals want it."""

    def __init__(self, wanted: Any) -> None:
        super().__init__()
        self.wanted = dict(zip(wanted.index, wanted.to_numpy(), strict=True))
        self.names = list(wanted.columns)
        self.before = [0] * len(self.names)
        self.sent = 0

    def __call__(self, target: Any) -> bool:
        row = self.wanted.get(target.now)
        if row is None:
            return True
        for at, name in enumerate(self.names):
            if row[at] != self.before[at]:
                target.transact(row[at] - self.before[at], child=name)
                self.before[at] = row[at]
                self.sent += 1
        return True


def prepare(histories: Histories, job: Job) -> tuple[Any, Any]:
    """Return opens and closes, a column per instrument."""
    some = next(iter(histories.values()))
    index = pd.DatetimeIndex(some["closed_at"].astype("datetime64[ns]"))
    return tuple(
        pd.DataFrame({name: each[column] for name, each in histories.items()}, index=index)
        for column in ("open", "close")
    )


def run(prices: tuple[Any, Any], job: Job) -> Outcome:
    """Compute what to hold, and let bt trade it at the next bar's open."""
    opens, closes = prices
    if job.work == "busy":
        held = pd.DataFrame(
            np.tile((np.arange(len(closes)) % 2 == 0)[:, None], closes.shape[1]), closes.index
        )
        held.columns = closes.columns
    else:
        fast, slow = (closes.rolling(window).mean() for window in (job.fast, job.slow))
        above = fast > slow
        was_below = (~above & slow.notna()).cummax()  # above from the start is no crossing
        held = above & was_below
    wanted = (held.astype(int) * job.quantity).shift(1).fillna(0).astype(int)
    follow = Follow(wanted)
    strategy = bt.Strategy("benchmark", [follow])
    test = bt.Backtest(
        strategy,
        opens,
        initial_capital=job.cash,
        commissions=lambda quantity, price: abs(quantity) * price * job.commission,
        integer_positions=True,
        progress_bar=False,
    )
    test.run()
    strategy = test.strategy
    sent = strategy.stack.algos[0].sent
    cash, last = strategy.capital, closes.iloc[-1]
    worth = sum(child.position * last[name] for name, child in strategy.children.items())
    return Outcome(sent, sent // 2, float(cash + worth))


if __name__ == "__main__":
    serve("bt", bt.__version__, prepare, run)
