"""`evenkeel data check|repair`: what is wrong with the bars, and what somebody decided about it."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from evenkeel.app.check import as_body, check, open_errors, write
from evenkeel.app.cli.progress import Progress
from evenkeel.app.cli.shown import Answer, shown, table
from evenkeel.app.cli.stocked import catalog
from evenkeel.app.data import decide_on
from evenkeel.domain.errors import UsageError
from evenkeel.domain.instrument import instrument_id
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.app.check import Checked

SHOWN = 15
"""Instruments and findings that are printed, the worst first; the files have them all."""


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be checked, as it was typed."""

    instruments: list[str]
    dataset: str
    interval: str
    against: str
    out: str


class Wish(Struct, frozen=True, kw_only=True):
    """What is to be decided, as it was typed."""

    finding: str
    accept: bool
    factor: str | None
    reason: str
    by: str


def check_answer(asked: Asked) -> Answer:
    """Judge, write the files, and say what is worst; exit code 1 while an error is open."""
    held = catalog()
    with Progress("check") as told:
        checked = check(
            held,
            dataset=asked.dataset,
            interval=asked.interval,
            names=[instrument_id(name) for name in asked.instruments],
            against=asked.against,
            now=SYSTEM_CLOCK.now_ns(),
            told=told,
        )
    folder = Path(asked.out) if asked.out else held.folder / "check"
    as_json, as_html = write(held, checked, folder)
    body = {**as_body(held, checked), "json": str(as_json), "html": str(as_html)}
    errors = open_errors(checked)
    files = f"  {shown(as_html)} has pictures, {shown(as_json)} everything."
    verdict = f"{errors:,} open error{'s' * (errors != 1)}." if errors else "No open errors."
    lines = [*_scores(checked), "", *_findings(checked), "", verdict, files]
    return Answer(body, lines, exit_code=1 if errors else 0)


def _scores(checked: Sequence[Checked]) -> list[str]:
    rows = sorted(
        (score, name, f"{each.dataset} {each.shelf.interval}", each.inspection.bars[name])
        for each in checked
        for name, score in each.inspection.scores().items()
    )
    told = [(name, where, f"{bars:,}", f"{score:.2f}") for score, name, where, bars in rows[:SHOWN]]
    more = len(rows) - SHOWN
    lines = table(("instrument", "where", "bars", "score"), told, right="bars score")
    return [*lines, f"  … and {more:,} more"] if more > 0 else lines


def _findings(checked: Sequence[Checked]) -> list[str]:
    found = [one for each in checked for one in each.inspection.found if one.open]
    found.sort(key=lambda one: (one.finding.severity, -one.finding.count))
    rows: list[tuple[Any, ...]] = [
        (
            one.id,
            one.finding.severity,
            one.finding.instrument,
            one.finding.code,
            one.finding.message,
        )
        for one in found[:SHOWN]
    ]
    if not rows:
        return ["  nothing to report"]
    lines = table(("finding", "", "instrument", "rule", "what"), rows)
    more = len(found) - SHOWN
    return [*lines, f"  … and {more:,} more"] if more > 0 else lines


def repair_answer(wish: Wish) -> Answer:
    """Write down a decision and carry it out."""
    if wish.accept == (wish.factor is not None):
        raise UsageError("say either --accept, or --factor with what prices are multiplied by")
    if not wish.reason.strip():
        raise UsageError("--reason is missing: say why, for whoever asks in a year")
    decision = decide_on(
        catalog(),
        wish.finding,
        by=wish.by or getpass.getuser(),
        reason=wish.reason.strip(),
        now=SYSTEM_CLOCK.now_ns(),
        factor=_factor(wish.factor),
        database=load_settings().paths.database,
    )
    body = {
        "id": decision.id,
        "instrument": decision.instrument,
        "code": decision.code,
        "choice": decision.choice,
        "by": decision.by,
        "reason": decision.reason,
    }
    done = "accepted" if decision.choice == "accept" else f"multiplied by {decision.factor:g}"
    return Answer(body, [f"{decision.instrument} {decision.code}: {done} by {decision.by}."])


def _factor(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise UsageError(f"--factor must be a number above 0, was {text!r}")
    return factor
