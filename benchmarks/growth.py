"""How cost grows: with bars, from ten thousand to ten million, and with instruments, to 500."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.memory import made, peak_over_bars
from benchmarks.reference import python_loops
from benchmarks.timing import REPEATS, Row, race, short
from benchmarks.workloads import Cross, traded

if TYPE_CHECKING:
    from collections.abc import Iterator

BARS = (10_000, 100_000, 1_000_000, 10_000_000)
INSTRUMENTS = (1, 10, 100, 500)
DAYS = 2_520
LARGE = 1_000_000
"""From here on one round says enough, and more would take minutes."""


def measure(size: float = 1.0) -> Iterator[Row]:
    """Hold both ways of being called against P at every size; memory at the largest."""
    sizes = [max(int(count * size), 100) for count in BARS]
    for count in sizes:
        yield at(f"minutes:{count}", f"{count:,} bars", rounds=1 if count > LARGE else REPEATS)
    peak = peak_over_bars(f"minutes:{sizes[-1]}", "every")
    yield Row(
        f"peak memory, {sizes[-1]:,} bars, `on_bar` on every bar",
        f"{short(peak)} × the bar arrays",
        "4 ×",
    )
    for count in INSTRUMENTS:
        many = max(int(count * size), 1)
        yield at(f"days:{DAYS}:{many}", f"{many:,} instruments × {DAYS:,} bars", rounds=REPEATS)


def at(described: str, words: str, rounds: int) -> Row:
    """Return what one size costs, with `wake_on` and with `on_bar` on every bar."""
    bars = made(described)
    laps = race(
        {
            "P": python_loops(bars),
            "wake": lambda: traded(Cross(), bars),
            "every": lambda: traded(Cross(wake=False), bars),
        },
        repeats=min(rounds, REPEATS),
    )
    wake, every = (f"{short(laps.cpu_ratio(name))} × P" for name in ("wake", "every"))
    return Row(words, f"`wake_on` {wake}, every bar {every}")
