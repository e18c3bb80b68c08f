"""`make bench`: run every measurement and print the table of docs/benchmarks.md.

A measurement is a module of this folder with `measure(size: float = 1.0) -> Iterable[Row]`; it
becomes part of `make bench` by its name in MEASUREMENTS. `size` scales the work: the tests run
every measurement at a thousandth of it, only to see that it still runs.

    python -m benchmarks                 all of them
    python -m benchmarks orders sweep    these two
    python -m benchmarks --write         all of them, into docs/benchmarks.md
"""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks.machine import described
from benchmarks.written import put

MEASUREMENTS = (
    "one_instrument",
    "cold_start",
    "universe",
    "sweep",
    "orders",
    "growth",
    "ops",
    "market",
    "journal",
)


def main() -> None:
    """Print one line per measurement, as soon as it is there."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Evenkeel.")
    asked.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], metavar="NAME")
    asked.add_argument("--size", type=float, default=1.0, help="a share of the full work")
    asked.add_argument("--write", action="store_true", help="put it all into docs/benchmarks.md")
    given = asked.parse_args()
    lines = [described(), "", "| what | result | target |", "|---|---|---|"]
    print("\n".join(lines))
    for name in given.names or MEASUREMENTS:
        for row in import_module(f"benchmarks.{name}").measure(given.size):
            what, result, target = (*row, "")[:3]
            lines.append(f"| {what} | {result} | {target} |")
            print(lines[-1], flush=True)
    if given.write and not given.names:
        put("ours", "\n".join(lines))


if __name__ == "__main__":
    main()
