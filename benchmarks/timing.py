"""Times are compared within one run only: contestants take turns, and the medians are held together.

A computer that others use too is slow in phases. So every round runs each contestant once, ratios
are taken within a round, and the median of the rounds counts. Processor time is kept beside the
clock's: where the two differ, somebody else was running.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.peers.protocol import processor_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPEATS = 5


class Row(NamedTuple):
    """One line of the table."""

    what: str
    result: str
    target: str = ""


class Lap(NamedTuple):
    """What one contestant took in one round, in seconds: by the clock, and of the processor."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Laps:
    """The laps of every contestant, in rounds."""

    laps: dict[str, list[Lap]] = field(default_factory=dict)

    def wall(self, name: str) -> float:
        """Return the median of a contestant's seconds by the clock."""
        return median(lap.wall for lap in self.laps[name])

    def ratio(self, name: str, to: str = "P") -> float:
        """Return how many times as long as another one it took, by the clock."""
        pairs = zip(self.laps[name], self.laps[to], strict=True)
        return median(lap.wall / other.wall for lap, other in pairs)

    def cpu_ratio(self, name: str, to: str = "P") -> float:
        """Return the same of processor time."""
        pairs = zip(self.laps[name], self.laps[to], strict=True)
        return median(lap.cpu / other.cpu for lap, other in pairs)

    def told(self, name: str, to: str = "P", share: float = 1.0) -> str:
        """Return `0.42 x P (CPU 0.41)`; `share` is the work of `to` in parts of this one's."""
        wall, cpu = self.ratio(name, to) * share, self.cpu_ratio(name, to) * share
        return f"{short(wall)} × {to} (CPU {short(cpu)})"


def race(contestants: Mapping[str, Callable[[], object]], repeats: int | None = None) -> Laps:
    """Let every contestant run once per round."""
    result = Laps({name: [] for name in contestants})
    for _ in range(REPEATS if repeats is None else repeats):
        for name, contestant in contestants.items():
            result.laps[name].append(lap(contestant))
    return result


def lap(contestant: Callable[[], object]) -> Lap:
    """Time one call, with the garbage of the one before it swept up."""
    gc.collect()
    wall, cpu = time.perf_counter(), processor_seconds()
    kept = contestant()
    taken = Lap(time.perf_counter() - wall, processor_seconds() - cpu)
    del kept  # whatever it was is taken apart outside the lap
    return taken


def short(value: float) -> str:
    """Write a figure with the digits that mean something: 0.42, 3.1, 275."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"
