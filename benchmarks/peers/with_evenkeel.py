"""Evenkeel, asked as the others are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import evenkeel
from benchmarks.peers.protocol import Grid, Histories, Job, Outcome, serve, together
from benchmarks.workloads import Busy, Cross, bars_of, traded, wanted
from evenkeel.app.sweep import repeat
from evenkeel.domain.bar import Bars
from evenkeel.reports.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable


def prepare(histories: Histories, job: Job) -> list[Bars]:
    """Return the bars."""
    return [bars_of(name, columns) for name, columns in histories.items()]


def run(bars: list[Bars], job: Job) -> Callable[[], Outcome]:
    """Trade through gate, books and journal."""
    strategy = Busy() if job.work == "busy" else Cross(fast=job.fast, slow=job.slow)
    result = traded(strategy, bars)
    return lambda: Outcome(**told(result))


def run_grid(bars: list[Bars], job: Job, grid: Grid) -> Outcome:
    """Sweep over the grid on two processes."""
    swept = repeat(wanted(Cross(), bars), grid._asdict(), judge=told, processes=2)
    outcomes = [Outcome(**trial.figures) for trial in swept.trials]
    return together(outcomes, job)


def told(result: Result) -> dict[str, float]:
    """Return what the others are asked for too.

    Beside the first record and the last, each order has an approval and an acceptance.
    """
    fills = len(result.moves)
    orders = (len(result.records) - 2 - fills) // 2
    return Outcome(orders, fills // 2, float(result.ended.equity))._asdict()


if __name__ == "__main__":
    serve("evenkeel", evenkeel.__version__, prepare, run, run_grid)
