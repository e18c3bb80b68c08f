"""How a script in another engine's environment is asked and answers: JSON in, one line of JSON out.

It is read by every engine's own Python, so it needs numpy and the standard library alone. A job
comes on standard input; its bars wait as `.npy` files in a folder, or in one CSV file:

    {"work": "cross", "bars": "…", "fast": 20, "slow": 50, "cash": 1000000, "quantity": 10,
     "commission": 0.001, "repeats": 5, "seconds_max": 20.0}

`work` is `cross` (own the quantity while the fast average is above the slow one) or `busy` (buy on
one bar, sell on the next). With `"grid": [[5, 7], [50, 54]]` every pair of windows is run, in an
account each. The answer:

    {"engine": "…", "version": "…", "seconds": [1.2, …], "cpu": [1.2, …], "orders": 22410, "trades": 11205,
     "equity": 999000.25, "peak": 123456789}

`seconds` are those of each run of the engine by the clock, `cpu` those of the processor, without imports, reading the bars and bringing them
into its form. `peak` is by how many bytes the process grew over what it held with everything
imported. Two hundred bars are run first, so that what compiles itself has done so.
"""

from __future__ import annotations

import contextlib
import csv
import json
import resource
import sys
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = ("closed_at", "open", "high", "low", "close", "volume")
WARM_UP = 500

Histories = dict[str, dict[str, Any]]
"""Columns by their names, by instrument. Times are UTC nanoseconds at which bars closed."""


class Job(NamedTuple):
    """What to do with the bars."""

    work: str
    fast: int
    slow: int
    cash: float
    quantity: int
    commission: float


class Grid(NamedTuple):
    """The windows of which every pair is run."""

    fast: list[int]
    slow: list[int]


class Outcome(NamedTuple):
    """What an engine made of it: orders sent, round trips closed, and what the account is worth."""

    orders: int
    trades: int
    equity: float


def serve(
    engine: str,
    version: str,
    prepare: Callable[[Histories, Job], Any],
    run: Callable[[Any, Job], Outcome | Callable[[], Outcome]],
    run_grid: Callable[[Any, Job, Grid], Outcome] | None = None,
) -> None:
    """Answer one job; `prepare` brings bars into the engine's form, `run` is timed.

    What `run` returns may be a function: counting what an engine has done is not part of doing it.

    A grid is one call of `run_grid` where the engine has its own way with many parameters, and
    one `run` after the other where it has not.
    """
    asked = json.load(sys.stdin)
    job = Job(*(asked[name] for name in Job._fields))
    pairs = Grid(*asked["grid"]) if asked.get("grid") else Grid([job.fast], [job.slow])

    def once(histories: Histories, watch: Watch) -> Outcome:
        if run_grid is not None and asked.get("grid"):
            prepared = prepare(histories, job)
            with watch:
                return run_grid(prepared, job, pairs)
        outcomes = []
        for fast, slow in product(*pairs):
            each = job._replace(fast=fast, slow=slow)
            prepared = prepare(histories, each)
            with watch:
                ran = run(prepared, each)
            outcomes.append(ran if isinstance(ran, Outcome) else ran())
        return together(outcomes, job)

    source = Path(asked["bars"])
    if source.is_dir():
        once(first(from_folder(source), WARM_UP), Watch())
    before = begin_again()
    histories = from_folder(source) if source.is_dir() else from_csv(source)
    watches: list[Watch] = []
    while (
        len(watches) < asked["repeats"]
        and sum(each.wall for each in watches) <= asked["seconds_max"]
    ):
        watches.append(Watch())
        outcome = once(histories, watches[-1])
        if len(watches) == 1:
            grown = peak() - before
    answer = {"engine": engine, "version": version, "peak": grown, **outcome._asdict()}
    seconds = {"seconds": [each.wall for each in watches], "cpu": [each.cpu for each in watches]}
    print(json.dumps({**answer, **seconds}), flush=True)


def together(outcomes: list[Outcome], job: Job) -> Outcome:
    """Return what several accounts come to that all began with the same cash."""
    earned = sum(each.equity - job.cash for each in outcomes)
    orders, trades = (sum(each[at] for each in outcomes) for at in (0, 1))
    return Outcome(orders, trades, job.cash + earned)


class Watch:
    """Adds up seconds by the clock and of the processors, of other processes too that it started."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter(), processor_seconds()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._begun[0]
        self.cpu += processor_seconds() - self._begun[1]


def processor_seconds() -> float:
    """Return what this process and those that it has waited for took of the processors so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def from_folder(folder: Path) -> Histories:
    """Read the bars of a folder: `NAME.close.npy` and its like, one file per column."""
    names = sorted(path.name.removesuffix(".close.npy") for path in folder.glob("*.close.npy"))
    return {
        name: {column: np.load(folder / f"{name}.{column}.npy") for column in COLUMNS}
        for name in names
    }


def from_csv(path: Path) -> Histories:
    """Read daily bars from a CSV file with the columns date, open, high, low, close, volume."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in COLUMNS[1:]}
    dates = np.array([row["date"] for row in rows], dtype="datetime64[ns]")
    day = np.timedelta64(1, "D")
    return {"WALK": {"closed_at": (dates + day).astype(np.int64), **columns}}


def first(histories: Histories, count: int) -> Histories:
    """Return the first bars of every instrument."""
    return {
        name: {column: values[:count] for column, values in columns.items()}
        for name, columns in histories.items()
    }


def frame(columns: dict[str, Any], names: str = "Open High Low Close Volume") -> Any:  # noqa: ANN401
    """Return a pandas frame of one instrument's columns, indexed by time, for those who take one."""
    import pandas as pd

    index = pd.DatetimeIndex(columns["closed_at"].astype("datetime64[ns]"))
    return pd.DataFrame({name: columns[name.lower()] for name in names.split()}, index=index)


def begin_again() -> int:
    """Forget what the process held at its peak, where the system can; return what it holds now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Return the most bytes that this process has held at once."""
    status = Path("/proc/self/status")
    if status.exists():  # of this process alone; what getrusage says is inherited from the parent
        (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
