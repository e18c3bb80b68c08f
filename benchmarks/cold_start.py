"""W2: two years of daily bars in a file, from the start of the process to its printed result."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.timing import Row, race
from benchmarks.workloads import days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAYS = 504
REPEATS = 9  # of processes that take a tenth of a second, many are needed
STRATEGY = "evenkeel.strategy.examples.sma_cross:SmaCross"


_NOT_OURS = ("COVERAGE", "PYTHONDONTWRITEBYTECODE")
"""What a shell may say that slows processes down: counting lines, and compiling each module anew."""


def measure(size: float = 1.0) -> Iterator[Row]:
    """Hold the command against a process that does nothing but import numpy."""
    with tempfile.TemporaryDirectory() as folder:
        write_daily(Path(folder, "daily.csv"), DAYS)
        command = str(Path(sys.executable).with_name("evenkeel"))
        contestants = {
            "bare numpy": process([sys.executable, "-c", "import numpy"], folder),
            "ours": process(
                [command, "backtest", STRATEGY, "--data", "daily.csv", "--json"], folder
            ),
        }
        race(contestants, 1)  # fills the disk cache and is not counted
        laps = race(contestants, max(int(REPEATS * size), 1))
    ours, bare = laps.wall("ours"), laps.wall("bare numpy")
    yield Row("a bare numpy process", f"{bare:.3f} s")
    yield Row(
        f"W2 cold `evenkeel backtest` of {DAYS} daily bars",
        f"{laps.told('ours', 'bare numpy')}, {ours:.3f} s",
        "2.5 ×",
    )


def process(command: list[str], folder: str) -> Callable[[], object]:
    """Return the run of one command in a folder, to be timed."""
    plain = {k: value for k, value in os.environ.items() if not k.startswith(_NOT_OURS)}
    return lambda: subprocess.run(command, cwd=folder, env=plain, check=True, capture_output=True)


def write_daily(path: Path, count: int) -> None:
    """Write made-up daily bars as a CSV file."""
    bars = days(count)
    dates = np.arange(count) + np.datetime64("2020-01-01")
    columns = (dates, bars.open, bars.high, bars.low, bars.close, bars.volume)
    with path.open("w", newline="") as file:
        write: Any = csv.writer(file).writerow
        write(("date", "open", "high", "low", "close", "volume"))
        for row in zip(*columns, strict=True):
            write(row)
