"""W5: a market order on every bar, with the whole gate, exact books and every record kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.reference import python_loop
from benchmarks.timing import Row, race
from benchmarks.workloads import Busy, minutes, traded

if TYPE_CHECKING:
    from collections.abc import Iterator

BARS = 100_000


def measure(size: float = 1.0) -> Iterator[Row]:
    """Hold an order a bar against the bare loop, and twice as many against them."""
    count = max(int(BARS * size), 100)
    bars, twice = minutes(count), minutes(2 * count)
    result = traded(Busy(), [bars])
    orders = len(result.lives)
    laps = race(
        {
            "P": python_loop(bars),
            "ours": lambda: traded(Busy(), [bars]),
            "twice": lambda: traded(Busy(), [twice]),
            "written": lambda: list(traded(Busy(), [bars]).records),
            "chained": lambda: traded(Busy(), [bars]).journal.head,
        }
    )
    seconds = laps.wall("ours")
    yield Row(
        f"W5 {orders:,} orders on {count:,} bars",
        f"{laps.told('ours')}, {seconds:.2f} s, {seconds / orders * 1e6:.1f} µs an order",
        "20 × P",
    )
    yield Row(
        "W5 twice the orders", f"{laps.ratio('twice', 'ours'):.2f} × the time of half", "2.3 ×"
    )
    records = f"{len(result.records):,} records"
    yield Row(f"W5 with all {records} written out", laps.told("written"))
    yield Row(f"W5 with all {records} encoded and chained", laps.told("chained"))
