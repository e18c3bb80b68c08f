"""`make bench`: run every measurement and print the table of docs/benchmarks.md."""

from __future__ import annotations

import csv
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import evenkeel
from benchmarks.workloads import Cross, bare_loop, minutes
from evenkeel.app.backtest import execute
from evenkeel.app.setup import request

REPEATS = 5
BARS = 1_000_000
DAYS = 504


def main() -> None:
    """Print one line per measurement, medians of five."""
    print(f"Evenkeel {evenkeel.__version__}, Python {platform.python_version()}, ", end="")
    print(f"numpy {np.__version__}, {platform.machine()}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| what | result |\n|---|---|")
    for name, result in (*one_million_bars(), *cold_process()):
        print(f"| {name} | {result} |")


def one_million_bars() -> list[tuple[str, str]]:
    """Measure W1: both ways of being called, against the bare loop over the same bars."""
    bars = minutes(BARS)
    before = _peak()
    seconds: dict[str, list[float]] = {"P": [], "wake": [], "every": []}
    orders = 0
    for _ in range(REPEATS):
        seconds["P"].append(bare_loop(bars))
        for name in ("wake", "every"):
            wanted = request(Cross(wake=name == "wake"), [bars], costs="bps:10", slippage="none")
            begun = time.perf_counter()
            result = execute(wanted)
            seconds[name].append(time.perf_counter() - begun)
            orders = len(result.lives)
    columns = (bars.closed_at, bars.open, bars.high, bars.low, bars.close, bars.volume)
    size = sum(column.nbytes for column in columns)
    p, wake, every = (statistics.median(seconds[name]) for name in seconds)
    return [
        (f"bare loop P over {BARS:,} bars", f"{p:.3f} s, {BARS / p:,.0f} bars/s"),
        (f"wake_on, {orders:,} orders", f"{wake:.2f} s, {wake / p:.1f} x P"),
        ("on_bar on every bar", f"{every:.2f} s, {every / p:.1f} x P, {BARS / every:,.0f} bars/s"),
        ("peak memory over the bars", f"{(_peak() - before) / size:.1f} x the bar arrays"),
    ]


def cold_process() -> list[tuple[str, str]]:
    """Measure W2: two years of daily bars, from the process's start to its printed result."""
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "daily.csv").open("w", newline="") as file:
            _daily(csv.writer(file))
        command = [str(Path(sys.executable).with_name("evenkeel")), "backtest"]
        command += ["evenkeel.strategy.examples.sma_cross:SmaCross", "--data", "daily.csv"]
        ours = _median([*command, "--json"], folder)
        bare = _median([sys.executable, "-c", "import numpy"], folder)
    return [
        (f"cold backtest of {DAYS} daily bars", f"{ours:.2f} s, {ours / bare:.1f} x bare numpy")
    ]


def _daily(writer: object) -> None:
    bars = minutes(DAYS)
    write = writer.writerow  # type: ignore[attr-defined]  # csv names no type for its writers
    write(("date", "open", "high", "low", "close", "volume"))
    days = np.arange(DAYS) + np.datetime64("2020-01-01")
    for row in zip(days, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True):
        write(row)


def _median(command: list[str], folder: str) -> float:
    times = []
    for _ in range(REPEATS + 1):  # the first one warms the disk cache and is not counted
        begun = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
