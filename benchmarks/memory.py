"""Peak memory, each time in a fresh process: what a run needs beyond the interpreter and the code.

The bars wait in files. The process imports everything, notes what it holds by then, reads the
bars, runs, and says how high it came: so the bars themselves count once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.workloads import Busy, Cross, days, minutes, size_of, traded
from evenkeel.domain.bar import Bars
from evenkeel.domain.instrument import Instrument

COLUMNS = ("closed_at", "open", "high", "low", "close", "volume", "session_closes")
STRATEGIES = {"wake": Cross(), "every": Cross(wake=False), "busy": Busy()}


def peak_over_bars(bars: str, way: str) -> float:
    """Return a run's peak as a multiple of its bar arrays; `bars` is `minutes:N` or `days:N:M`."""
    with tempfile.TemporaryDirectory() as folder:
        for part in made(bars):
            for column in COLUMNS:
                np.save(Path(folder, f"{part.instrument.id}.{column}.npy"), getattr(part, column))
        command = [sys.executable, "-m", "benchmarks.memory", folder, way]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(answer.stdout)["ratio"])


def made(bars: str) -> list[Bars]:
    """Make bars from a text: `minutes:1000`, or `days:2520:500` for 500 instruments."""
    kind, count, many = (*bars.split(":"), "1")[:3]
    maker = {"minutes": minutes, "days": days}[kind]
    return [maker(int(count), seed=n, name=f"W{n}.XXXX") for n in range(1, int(many) + 1)]


def read(folder: Path) -> list[Bars]:
    """Read bars back from the files of a folder."""
    names = sorted(path.name.removesuffix(".close.npy") for path in folder.glob("*.close.npy"))
    return [
        Bars(Instrument(name), *(np.load(folder / f"{name}.{column}.npy") for column in COLUMNS))
        for name in names
    ]


def peak() -> int:
    """Return the most bytes that this process has ever held at once."""
    status = Path("/proc/self/status")
    if status.exists():  # of this process alone; what getrusage says is inherited from the parent
        (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(folder: str, way: str) -> None:
    """Run one strategy over the bars of a folder and print what it took."""
    strategy = STRATEGIES[way]
    few = minutes(200)
    traded(strategy, [few])  # whatever is imported late is imported now
    before = peak()
    bars = read(Path(folder))
    result = traded(strategy, bars)
    taken = peak() - before
    print(json.dumps({"ratio": taken / size_of(bars), "records": len(result.records)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
