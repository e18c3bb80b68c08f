"""Peak memory, each time in a fresh process: what a run needs beyond the interpreter and the code.

The bars wait in files. The process imports everything, notes what it holds by then, reads the
bars, runs, and says how high it came: so the bars themselves count once.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.protocol import begin_again, from_folder, peak
from benchmarks.workloads import Busy, Cross, bars_of, days, minutes, size_of, traded, write
from evenkeel.domain.bar import Bars

STRATEGIES = {"wake": Cross(), "every": Cross(wake=False), "busy": Busy()}


def peak_over_bars(bars: str, way: str) -> float:
    """Return a run's peak as a multiple of its bar arrays; `bars` is `minutes:N` or `days:N:M`."""
    with tempfile.TemporaryDirectory() as folder:
        write(made(bars), Path(folder))
        command = [sys.executable, "-m", "benchmarks.memory", folder, way]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(answer.stdout)


def made(bars: str) -> list[Bars]:
    """Make bars from a text: `minutes:1000`, or `days:2520:500` for 500 instruments."""
    kind, count, many = (*bars.split(":"), "1")[:3]
    maker = {"minutes": minutes, "days": days}[kind]
    return [maker(int(count), seed=n, name=f"W{n}.XXXX") for n in range(1, int(many) + 1)]


def main(folder: str, way: str) -> None:
    """Run one strategy over the bars of a folder and print its peak in parts of theirs."""
    strategy = STRATEGIES[way]
    traded(strategy, [minutes(200)])  # whatever is imported late is imported now
    before = begin_again()
    bars = [bars_of(name, columns) for name, columns in from_folder(Path(folder)).items()]
    result = traded(strategy, bars)
    print((peak() - before) / size_of(bars))
    del result


if __name__ == "__main__":
    main(*sys.argv[1:])
