"""One strategy with many parameter sets: parameters travel between processes, bars never do.

Worker processes are forked when the bars are in memory already, so that all of them read the same
pages. A trial is a whole run with gate and books; which process made it cannot be seen in what
comes out. Trials are numbered in the order of the grid, and every one of them is there at the end,
those that could not run too: whoever looks for the best of n has tried n.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import product
from math import inf
from typing import TypeAlias

from msgspec import Struct

from evenkeel.domain.errors import OutsideError, StrategyError, UsageError
from evenkeel.ops.clock import SYSTEM_CLOCK, Clock

Value: TypeAlias = bool | int | float | str
Params: TypeAlias = Mapping[str, Value]
Figures: TypeAlias = Mapping[str, Value]
Work: TypeAlias = Callable[[Params], Figures]
Progress: TypeAlias = Callable[[int, int], None]

ALONE_SECONDS = 2.0
"""Less work than this is done in one process: starting others would take longer."""

CHUNKS = 16
"""Into how many parts a process's share is cut: quick trials and slow ones come out even."""


class Trial(Struct, frozen=True):
    """One parameter set and what came of it: figures, or why it could not run."""

    number: int
    params: Params
    figures: Figures
    error: str = ""


def grid(values: Mapping[str, Iterable[Value]]) -> list[dict[str, Value]]:
    """Return every combination of some parameters' values, the last parameter changing fastest."""
    lists = {name: list(each) for name, each in values.items()}
    for name, each in lists.items():
        if not each:
            raise UsageError(f"the grid has no value for {name}; give it one or leave it out")
    return [dict(zip(lists, each, strict=True)) for each in product(*lists.values())]


def run_all(
    work: Work,
    combinations: Sequence[Params],
    *,
    processes: int | None = None,
    progress: Progress | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> list[Trial]:
    """Run `work` once for each parameter set; return the trials in that order.

    `processes` is how many share the work; None takes one while little is left to do, and then as
    many as there are processors. `progress` is told how many of how many are done. A
    `StrategyError` of a trial is its result; any other error ends the sweep.
    """
    if processes is not None and processes < 1:
        raise UsageError(f"processes must be 1 or more, was {processes}")
    share = processes or _processors()
    if "fork" not in multiprocessing.get_all_start_methods():
        share = 1
    done: list[Trial] = []
    report = progress or _silence
    if processes is None or share == 1:
        for trial in _alone(work, combinations, clock, inf if share == 1 else ALONE_SECONDS):
            done.append(trial)
            report(len(done), len(combinations))
    if len(done) < len(combinations):
        done += _shared(work, combinations, len(done), share, report)
    return done


def _alone(
    work: Work, combinations: Sequence[Params], clock: Clock, seconds: float
) -> Iterator[Trial]:
    """Yield trials made in this process, as long as all of the rest will take no more seconds."""
    begun = clock.monotonic_ns()
    for number, params in enumerate(combinations):
        yield _trial(work, number, params)
        each = (clock.monotonic_ns() - begun) / 1e9 / (number + 1)
        if each * (len(combinations) - number - 1) > seconds:
            return


def _trial(work: Work, number: int, params: Params) -> Trial:
    try:
        return Trial(number, params, work(params))
    except StrategyError as error:
        return Trial(number, params, {}, str(error))


def _silence(done: int, total: int) -> None:
    """Tell nobody how far the sweep is."""


# ---- several processes ----


def _shared(
    work: Work, combinations: Sequence[Params], first: int, processes: int, report: Progress
) -> list[Trial]:
    """Return the trials from number `first` on, made by forked processes, in order."""
    total = len(combinations)
    step = max((total - first) // (processes * CHUNKS), 1)
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("fork"),  # inherits work and bars; sends neither
        initializer=_begin,
        initargs=(work, combinations),
    )
    parts = [range(at, min(at + step, total)) for at in range(first, total, step)]
    made: list[Trial] = []
    try:
        with warnings.catch_warnings():
            # Newer Pythons warn of a fork beside threads; those here are numpy's, which expect it.
            warnings.simplefilter("ignore", DeprecationWarning)
            coming = pool.map(_part, parts)
        for trials in coming:
            made += trials
            report(first + len(made), total)
    except BrokenProcessPool as error:
        raise OutsideError(
            "a process of the sweep has died, perhaps for want of memory; "
            "run it with fewer processes"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return made


_mine: tuple[Work, Sequence[Params]]
"""What a worker process was forked with."""


def _begin(work: Work, combinations: Sequence[Params]) -> None:
    global _mine  # noqa: PLW0603 - a forked process has no other place for what it was born with
    _mine = (work, combinations)
    gc.freeze()  # the collector looks at nothing that was inherited, so its pages stay shared


def _part(numbers: range) -> list[Trial]:
    """Make some trials, in a worker process."""
    work, combinations = _mine
    return [_trial(work, number, combinations[number]) for number in numbers]


def _processors() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
