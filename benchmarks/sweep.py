"""W4: a thousand parameter pairs on two processes, each a whole run with gate and books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.reference import python_loop
from benchmarks.timing import Row, race
from benchmarks.workloads import Cross, minutes, wanted
from evenkeel.app.sweep import repeat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.app.sweep import Sweep

BARS = 10_000
FAST = range(5, 45, 2)
SLOW = range(50, 250, 4)
SAMPLE = 10
"""P runs over every tenth pair, and counts ten times."""


def measure(size: float = 1.0) -> Iterator[Row]:
    """Hold the sweep against the bare loop over as many bars, which has one process."""
    bars = minutes(BARS)
    slow = SLOW[: max(int(len(SLOW) * size), 1)]
    pairs = [(fast, each) for fast in FAST for each in slow]
    loops = [python_loop(bars, fast=fast, slow=each) for fast, each in pairs[::SAMPLE]]

    def ours(processes: int) -> Sweep:
        return repeat(wanted(Cross(), [bars]), {"fast": FAST, "slow": slow}, processes=processes)

    laps = race(
        {"P": lambda: [loop() for loop in loops], "two": lambda: ours(2), "one": lambda: ours(1)},
        repeats=3 if size >= 1 else 1,
    )
    fills = sum(int(trial.figures["fills"]) for trial in ours(2).trials)
    share = len(loops) / len(pairs)
    yield Row(
        f"W4 {len(pairs):,} pairs × {BARS:,} bars, 2 processes, {fills:,} fills",
        f"{laps.told('two', share=share)}, {laps.wall('two'):.2f} s",
        "0.2 × P",
    )
    yield Row("W4 in one process", f"{laps.told('one', share=share)}, {laps.wall('one'):.2f} s")
