"""`make bench`: run every measurement and print the table of docs/benchmarks.md.

A measurement is a module of this folder with `measure(size: float = 1.0) -> Iterable[Row]`; it
becomes part of `make bench` by its name in MEASUREMENTS. `size` scales the work: the tests run
every measurement at a thousandth of it, only to see that it still runs.

    python -m benchmarks                 all of them
    python -m benchmarks orders sweep    these two
    python -m benchmarks --write         all of them, into docs/benchmarks.md
    python -m benchmarks journal --write
                                         this one's table there, and no other
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.machine import described
from benchmarks.written import put

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = {
    "ours": ("one_instrument", "cold_start", "universe", "sweep", "orders", "growth"),
    "journal": ("journal",),
    "ops": ("ops",),
    "market": ("market",),
}
"""The tables of docs/benchmarks.md, by the marks that they stand between, and what is in each."""

MEASUREMENTS = tuple(name for names in TABLES.values() for name in names)


def main() -> None:
    """Print one line per measurement, as soon as it is there."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Evenkeel.")
    asked.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], metavar="NAME")
    asked.add_argument("--size", type=float, default=1.0, help="a share of the full work")
    asked.add_argument("--write", action="store_true", help="put it into docs/benchmarks.md")
    given = asked.parse_args()
    wanted = given.names or MEASUREMENTS
    head = [described(), "", "| what | result | target |", "|---|---|---|"]
    print("\n".join(head))
    for table, names in TABLES.items():
        lines = [line for name in names if name in wanted for line in _rows(name, given.size)]
        if given.write and set(names) <= set(wanted):
            put(table, "\n".join(head + lines))


def _rows(name: str, size: float) -> Iterator[str]:
    """Yield the lines of one measurement, each printed as soon as it is there."""
    for row in import_module(f"benchmarks.{name}").measure(size):
        what, result, target = (*row, "")[:3]
        line = f"| {what} | {result} | {target} |"
        print(line, flush=True)
        yield line


if __name__ == "__main__":
    main()
