"""W3: ten years of daily bars of 500 instruments, one strategy on each, one account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.memory import made, peak_over_bars
from benchmarks.reference import python_loops
from benchmarks.timing import Row, race, short
from benchmarks.workloads import Cross, traded

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTRUMENTS = 500
DAYS = 2_520


def measure(size: float = 1.0) -> Iterator[Row]:
    """Hold the account against the bare loop over the same bars, one instrument after the other."""
    many = max(int(INSTRUMENTS * size), 2)
    described = f"days:{DAYS}:{many}"
    bars = made(described)
    orders = len(traded(Cross(), bars).lives)
    laps = race({"P": python_loops(bars), "ours": lambda: traded(Cross(), bars)})
    yield Row(
        f"W3 {many} instruments × {DAYS:,} daily bars, {orders:,} orders",
        f"{laps.told('ours')}, {laps.wall('ours'):.2f} s",
        "0.5 × P",
    )
    peak = peak_over_bars(described, "wake")
    yield Row("W3 peak memory", f"{short(peak)} × the bar arrays")
