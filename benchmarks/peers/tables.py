"""What the engines answered, as the tables of docs/benchmarks.md."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.timing import short

if TYPE_CHECKING:
    from collections.abc import Sequence

Answer = dict[str, Any]
WORKS = {
    "cross": "W1, one instrument",
    "busy": "W5, an order on every bar",
    "universe": "W3, 2,520 daily bars of each instrument in one account",
    "grid": "W4, 10,000 bars with each pair of windows",
}


def tables(measured: Answer) -> str:
    """Return everything that was measured, under one line that says where."""
    answers = measured["answers"]
    parts = [measured["machine"]]
    for work, title in WORKS.items():
        largest = largest_of(answers, work)
        parts += [f"### {title}", table(HEAD[work], [row(work, each, answers) for each in largest])]
    parts += ["### W2, a whole process over 504 daily bars", cold(answers)]
    if measured["absent"]:
        parts += [f"- {name} is not here: {why}" for name, why in measured["absent"].items()]
    return "\n\n".join(parts)


HEAD = {
    "cross": "engine|bars|× P|million bars/s|peak memory|orders|trades|final equity|to ours",
    "busy": "engine|orders|× P|orders/s|10 × orders|peak memory|trades|final equity|to ours",
    "universe": "engine|instruments|× P|million bars/s|peak memory|orders|trades|final equity|to ours",
    "grid": "engine|pairs|× P|million bars/s|peak memory|orders|trades|final equity|to ours",
}


def largest_of(answers: Sequence[Answer], work: str) -> list[Answer]:
    """Return each engine's answer to the largest size it came to, the fastest first."""
    last: dict[str, Answer] = {}
    smaller: dict[str, Answer] = {}
    for each in answers:
        if each["work"] == work:
            if each["name"] in last:
                smaller[each["name"]] = last[each["name"]]
            last[each["name"]] = {**each, "smaller": smaller.get(each["name"])}
    return sorted(last.values(), key=slowness)


def slowness(answer: Answer) -> float:
    """Return how many times P an engine took; those that failed come last."""
    return median(answer["cpu"]) / answer["p"] if "cpu" in answer else float("inf")


def row(work: str, answer: Answer, answers: Sequence[Answer]) -> list[str]:
    """Return one engine's line."""
    name = f"{answer['name']} {answer.get('version', '')}".strip()
    if "error" in answer:
        return [name, f"{answer['size']:,}", answer["error"]]
    seconds = median(answer["cpu"])
    cells = [name, f"{answer['size']:,}", short(seconds / answer["p"])]
    if work == "busy":
        cells += [f"{answer['orders'] / seconds:,.0f}", growth(answer)]
    else:
        cells += [short(answer["bars"] / seconds / 1e6)]
    cells += [memory(work, answer)]
    cells += [] if work == "busy" else [f"{answer['orders']:,}"]
    mine = [each for each in answers if each["name"] == "evenkeel" and each["work"] == work]
    return [*cells, f"{answer['trades']:,}", f"{answer['equity']:,.2f}", difference(answer, mine)]


def memory(work: str, answer: Answer) -> str:
    """Return a peak in parts of the bars; where the same bars are used again and again, in bytes."""
    if work == "grid":
        return f"{max(answer['peak'] / 1e6, 1):,.0f} MB"
    return f"{short(answer['peak'] / answer['bytes'])} × bars"


def growth(answer: Answer) -> str:
    """Return by how much the time grew when the orders became ten times as many."""
    smaller = answer["smaller"]
    if not smaller or "cpu" not in smaller:
        return "–"
    return f"{short(median(answer['seconds']) / median(smaller['seconds']))} × time"


def difference(answer: Answer, ours: Sequence[Answer]) -> str:
    """Return how far an engine's final equity is from ours on the same bars."""
    same = [each for each in ours if each["size"] == answer["size"] and "equity" in each]
    if not same:
        return "–"
    return f"{answer['equity'] - same[0]['equity']:+,.2f}"


def cold(answers: Sequence[Answer]) -> str:
    """Return what whole processes took, the quickest first."""
    here = [each for each in answers if each["work"] == "cold"]
    rows = [
        [
            each["name"],
            f"{median(each['cpu']):.2f} s",
            f"{median(each['cpu']) / each['p']:.1f} ×",
            each.get("error") or f"{each['equity']:,.2f}",
        ]
        for each in sorted(here, key=lambda each: median(each["cpu"]))
    ]
    return table("engine|process|a bare numpy process|final equity", rows)


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    names = head.split("|")
    filled = [[*cells, *[""] * (len(names) - len(cells))] for cells in rows]
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *filled]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
