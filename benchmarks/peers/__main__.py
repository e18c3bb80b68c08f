"""`make bench-peers`: other engines on the same bars in the same run, and two pictures of it.

Everything is asked through `protocol`, and held against P in processor seconds: those stay what
they are when the computer has other things to do. An engine climbs the sizes of a workload as long as the next
one can be expected to take no more than a hundred seconds. The bare loop P runs right before each
engine and right after it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.cold_start import write_daily
from benchmarks.machine import described
from benchmarks.peers.environments import OURS, PEERS, ROOT, install
from benchmarks.peers.pictures import draw
from benchmarks.peers.tables import tables
from benchmarks.reference import python_loops
from benchmarks.sweep import FAST, SLOW
from benchmarks.timing import lap
from benchmarks.workloads import CASH, COMMISSION, QUANTITY, days, minutes, size_of, write
from benchmarks.written import put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.peers.environments import Peer
    from evenkeel.domain.bar import Bars

PATIENCE = 100.0
REPEATS = 5
SIZES = {
    "cross": (10_000, 100_000, 1_000_000),
    "busy": (1_000, 10_000, 100_000),
    "universe": (50, 500),
    "grid": (10, 100, 1_000),
}
"""Bars, orders, instruments, and pairs of windows."""

PAIRS_BARS = 10_000

DAYS = 2_520
COLD_DAYS = 504
STORED = ROOT / "docs" / "benchmarks-peers.json"


def main() -> None:
    """Measure, keep the figures, and bring page and pictures up to date."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    asked.add_argument("--size", type=float, default=1.0, help="a share of the full work")
    asked.add_argument("--only", nargs="*", help="engines, by name")
    asked.add_argument("--patience", type=float, default=PATIENCE, help="seconds for one run")
    asked.add_argument("--draw", action="store_true", help="measure nothing; draw again")
    given = asked.parse_args()
    if given.draw:
        measured = json.loads(STORED.read_text())
    else:
        peers = [each for each in PEERS if not given.only or each.name in given.only]
        measured = measure(peers, given.size, given.patience)
        STORED.write_text(json.dumps(measured, indent=1) + "\n")
    put("peers", tables(measured))
    draw(measured, ROOT / "docs")


def measure(peers: list[Peer], size: float, patience: float) -> dict[str, Any]:
    """Return everything that the engines answered, and what P took beside them."""
    machine = described()
    absent: dict[str, str] = {}
    for peer in peers:
        say(f"{peer.name}: environment")
        if why := install(peer):
            absent[peer.name] = why
    present = [peer for peer in peers if peer.name not in absent]
    answers = [answer for work in SIZES for answer in climbed(work, present, size, patience)]
    answers += cold(present)
    return {"machine": machine, "absent": absent, "answers": answers}


def climbed(work: str, peers: list[Peer], size: float, patience: float) -> Iterator[dict[str, Any]]:
    """Yield each engine's answers to one workload, over its sizes."""
    expected = dict.fromkeys(peers, 0.0)
    least = {"universe": 2, "grid": 10}.get(work, 100)
    sizes = [max(int(each * size), least) for each in SIZES[work]]
    for at, count in enumerate(sizes):
        with tempfile.TemporaryDirectory() as folder:
            bars = made(work, count)
            write(bars, Path(folder))
            reference = python_loops(bars)
            job = {"work": work, "bars": folder, "grid": pairs(count) if work == "grid" else None}
            for peer in peers:
                if expected[peer] > patience:
                    continue
                say(f"{work} {count:,}: {peer.name}")
                answer = timed(peer, job, reference)
                factor = sizes[at + 1] / count if at + 1 < len(sizes) else 1.0
                taken = median(answer.get("cpu") or [patience])
                expected[peer] = taken * factor
                answer |= {"work": work, "size": count, "name": peer.name}
                steps = count if work == "grid" else 1
                answer |= {"bars": steps * sum(map(len, bars)), "bytes": size_of(bars)}
                answer["p"] *= steps
                yield answer


def made(work: str, count: int) -> list[Bars]:
    """Return the bars of a workload."""
    if work == "universe":
        return [days(DAYS, seed=n, name=f"W{n}.XXXX") for n in range(1, count + 1)]
    return [minutes(PAIRS_BARS if work == "grid" else count)]


def pairs(count: int) -> list[list[int]]:
    """Return windows, spread over those of W4, that make so many pairs."""
    fasts = 20 if count >= 1_000 else 10 if count >= 100 else 2
    slows = max(count // fasts, 1)
    return [list(FAST[:: len(FAST) // fasts][:fasts]), list(SLOW[:: len(SLOW) // slows][:slows])]


def timed(peer: Peer, job: dict[str, Any], reference: Callable[[], object]) -> dict[str, Any]:
    """Ask an engine between two rounds of the bare loop."""
    loops = [lap(reference).cpu for _ in range(3)]
    answer = ask(peer, job)
    loops += [lap(reference).cpu for _ in range(3)]
    return {**answer, "p": median(loops)}


def ask(peer: Peer, job: dict[str, Any]) -> dict[str, Any]:
    """Return an engine's answer, or what it said last before it failed."""
    whole = {
        "fast": 20,
        "slow": 50,
        "cash": CASH,
        "quantity": QUANTITY,
        "commission": COMMISSION,
        "repeats": REPEATS,
        "seconds_max": PATIENCE / 10,
        **job,
        "work": "busy" if job["work"] == "busy" else "cross",
    }
    try:
        ran = subprocess.run(
            peer.command(),
            input=json.dumps(whole),
            capture_output=True,
            check=False,
            cwd=ROOT,
            text=True,
            timeout=4 * PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {4 * PATIENCE:.0f} s"}
    if ran.returncode:
        return {"error": (ran.stderr.splitlines() or ["it failed"])[-1]}
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def cold(peers: list[Peer]) -> Iterator[dict[str, Any]]:
    """Yield what a whole process takes that reads a file of daily bars and prints its result."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "daily.csv")
        write_daily(path, COLD_DAYS)
        job = {"work": "cross", "bars": str(path), "repeats": 1}
        numpy = [lap(bare_numpy).cpu for _ in range(REPEATS)]
        for peer in peers:
            say(f"cold: {peer.name}")
            answer = ask(peer, job)  # fills the disk cache and is not counted
            laps = [lap(lambda peer=peer: ask(peer, job)) for _ in range(3)]
            answer |= {"work": "cold", "size": COLD_DAYS, "name": peer.name, "p": median(numpy)}
            yield answer | {
                "seconds": [each.wall for each in laps],
                "cpu": [each.cpu for each in laps],
            }


def bare_numpy() -> None:
    """Start a process that does nothing but import numpy."""
    subprocess.run([OURS.python(), "-c", "import numpy"], check=True)


def say(what: str) -> None:
    """Say on standard error what is going on; it takes a while."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
