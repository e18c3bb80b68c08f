"""Evenkeel, asked as the others are."""

from __future__ import annotations

import evenkeel
from benchmarks.peers.protocol import Histories, Job, Outcome, serve
from benchmarks.workloads import Busy, Cross, bars_of, traded
from evenkeel.domain.bar import Bars


def prepare(histories: Histories, job: Job) -> list[Bars]:
    """Return the bars."""
    return [bars_of(name, columns) for name, columns in histories.items()]


def run(bars: list[Bars], job: Job) -> Outcome:
    """Trade through gate, books and journal."""
    strategy = Busy() if job.work == "busy" else Cross(fast=job.fast, slow=job.slow)
    result = traded(strategy, bars)
    fills = len(result.moves)
    return Outcome(len(result.lives), fills // 2, float(result.ended.equity))


if __name__ == "__main__":
    serve("evenkeel", evenkeel.__version__, prepare, run)
