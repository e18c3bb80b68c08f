"""W1: a million one-minute bars of one instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.memory import peak_over_bars
from benchmarks.reference import compiled_loop, python_loop
from benchmarks.timing import Row, race, short
from benchmarks.workloads import Cross, Plain, minutes, traded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BARS = 1_000_000


def measure(size: float = 1.0) -> Iterator[Row]:
    """Hold both ways of being called against the bare loop over the same bars."""
    count = max(int(BARS * size), 100)
    bars = minutes(count)
    contestants: dict[str, Callable[[], object]] = {
        "P": python_loop(bars),
        "wake": lambda: traded(Cross(), [bars]),
        "every": lambda: traded(Cross(wake=False), [bars]),
        "plain": lambda: traded(Plain(), [bars]),
    }
    if (compiled := compiled_loop(bars)) is not None:
        contestants["K"] = compiled
    orders = len(traded(Cross(), [bars]).lives)
    laps = race(contestants)
    p, wake, every = (laps.wall(name) for name in ("P", "wake", "every"))
    yield Row(f"P over {count:,} bars", f"{p:.3f} s, {count / p / 1e6:.1f} million bars/s")
    if compiled is not None:
        k = laps.wall("K")
        yield Row("K over the same bars", f"{laps.told('K')}, {count / k / 1e6:.0f} million bars/s")
    yield Row(
        f"W1 with `wake_on`, {orders:,} orders", f"{laps.told('wake')}, {wake:.2f} s", "0.45 × P"
    )
    yield Row(
        "W1 with `on_bar` on every bar",
        f"{laps.told('every')}, {count / every / 1e6:.1f} million bars/s",
        "1.6 × P",
    )
    yield Row("the same, reading two averages and its position", laps.told("plain"))
    for way in ("wake", "every"):
        peak = peak_over_bars(f"minutes:{count}", way)
        yield Row(f"W1 peak memory, {way}", f"{short(peak)} × the bar arrays", "3 ×")
