"""`make bench`: run every measurement and print the table of docs/benchmarks.md.

A measurement is a module of this folder with `measure(size: float = 1.0) -> Iterable[Row]`; it
becomes part of `make bench` by its name in MEASUREMENTS. `size` scales the work: the tests run
every measurement at a thousandth of it, only to see that it still runs.

    python -m benchmarks                 all of them
    python -m benchmarks orders sweep    these two
"""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks.machine import described

MEASUREMENTS = ("one_instrument", "cold_start", "universe", "sweep", "orders")


def main() -> None:
    """Print one line per measurement, as soon as it is there."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Evenkeel.")
    asked.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], metavar="NAME")
    asked.add_argument("--size", type=float, default=1.0, help="a share of the full work")
    given = asked.parse_args()
    print(f"{described()}\n\n| what | result | target |\n|---|---|---|")
    for name in given.names or MEASUREMENTS:
        for row in import_module(f"benchmarks.{name}").measure(given.size):
            what, result, target = (*row, "")[:3]
            print(f"| {what} | {result} | {target} |", flush=True)


if __name__ == "__main__":
    main()
