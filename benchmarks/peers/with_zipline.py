"""zipline-reloaded: bars are written into a bundle first, and read from it while it runs."""

from __future__ import annotations

import os
import tempfile
from typing import Any

ROOT = tempfile.mkdtemp(prefix="zipline-")
os.environ["ZIPLINE_ROOT"] = ROOT

import numpy as np  # noqa: E402 - its root must be known before it is imported
import pandas as pd  # noqa: E402
import zipline  # noqa: E402
from protocol import Histories, Job, Outcome, frame, serve  # noqa: E402
from zipline import run_algorithm  # noqa: E402
from zipline.api import (  # noqa: E402
    order,
    set_commission,
    set_slippage,
    symbol,
)
from zipline.data.bundles import ingest, register  # noqa: E402
from zipline.finance import commission, slippage  # noqa: E402
from zipline.utils.calendar_utils import get_calendar  # noqa: E402

MINUTE = 60_000_000_000


def prepare(histories: Histories, job: Job) -> Any:
    """Write the bars into a bundle of their own; return what a run needs to find it."""
    times = next(iter(histories.values()))["closed_at"]
    daily = len(times) > 1 and times[1] - times[0] > MINUTE
    if daily:  # a session is named by its day, and closed at the midnight that ends it
        times = times - 1_440 * MINUTE
    stamps = pd.DatetimeIndex(times.astype("datetime64[ns]"))
    first, last = stamps[0].normalize(), stamps[-1].normalize()
    name = f"made-{os.urandom(4).hex()}"

    def write(
        environ: Any, assets: Any, minutes: Any, days: Any, adjustments: Any, *_: Any
    ) -> None:
        frames = []
        for sid, columns in enumerate(histories.values()):
            bars = frame({**columns, "closed_at": times}, "open high low close volume")
            frames.append((sid, bars))
        (days if daily else minutes).write(iter(frames))
        symbols = [each.partition(".")[0] for each in histories]
        told = {"symbol": symbols, "start_date": first, "end_date": last, "exchange": "24/7"}
        exchanges = pd.DataFrame(
            {"exchange": ["24/7"], "canonical_name": ["24/7"], "country_code": ["US"]}
        )
        assets.write(equities=pd.DataFrame(told), exchanges=exchanges)
        adjustments.write()

    register(
        name,
        write,
        calendar_name="24/7",
        start_session=first,
        end_session=last,
        minutes_per_day=1_440,
    )
    ingest(name, show_progress=False)
    if daily:  # no history reaches back behind the first session
        first = stamps[min(job.slow, len(stamps) - 1)]
    return name, [each.partition(".")[0] for each in histories], first, last, daily


def run(prepared: Any, job: Job) -> Outcome:
    """Run the algorithm over the bundle."""
    name, symbols, first, last, daily = prepared
    sent = 0

    def initialize(context: Any) -> None:
        set_commission(us_equities=commission.PerDollar(cost=job.commission))
        set_slippage(us_equities=slippage.NoSlippage())
        context.assets = [symbol(each) for each in symbols]
        context.seen = 0
        context.above = dict.fromkeys(context.assets)

    def cross(context: Any, data: Any) -> None:
        nonlocal sent
        context.seen += 1
        if not daily and context.seen < job.slow:
            return
        closes = data.history(context.assets, "close", job.slow, "1d" if daily else "1m")
        for asset in context.assets:
            values = closes[asset].to_numpy()
            if np.isnan(values[0]):
                continue
            above = bool(values[-job.fast :].mean() > values.mean())
            before, context.above[asset] = context.above[asset], above
            held = context.portfolio.positions[asset].amount
            if before is False and above:
                order(asset, job.quantity)
                sent += 1
            elif before and not above and held:
                order(asset, -held)
                sent += 1

    def busy(context: Any, data: Any) -> None:
        nonlocal sent
        (asset,) = context.assets
        if data.can_trade(asset) and not np.isnan(data.current(asset, "close")):
            order(asset, -job.quantity if sent % 2 else job.quantity)
            sent += 1

    ran = run_algorithm(
        start=first,
        end=last,
        initialize=initialize,
        handle_data=busy if job.work == "busy" else cross,
        capital_base=job.cash,
        bundle=name,
        data_frequency="daily" if daily else "minute",
        trading_calendar=get_calendar("24/7"),
        benchmark_returns=pd.Series(0.0, index=pd.date_range(first, last, tz="UTC")),
    )
    fills = sum(len(day) for day in ran["transactions"])
    return Outcome(sent, fills // 2, float(ran["portfolio_value"].iloc[-1]))


if __name__ == "__main__":
    serve("zipline-reloaded", zipline.__version__, prepare, run)
