"""Rules that need two tellings of the same bars: two looks, two providers, or a file and its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.bar import Finding
from evenkeel.market.checks.rules import RULES, Judged, told
from evenkeel.market.seen import settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.domain.bar import Column, Flags, Times
    from evenkeel.market.intake import Intake
    from evenkeel.market.seen import Seen

CLOSES_APART, RANGES_APART = 0.001, 0.02
"""How far two honest providers may be apart. Their opens differ most of the time: no alarm."""


def version_checks(held: Seen, lost: Seen) -> Iterator[Judged]:
    """Yield bars that had another value once: told anew later, or told twice at one look."""
    if not len(lost):
        return
    place = _match(lost, held)
    at_once = (place >= 0) & (lost.last_seen == held.last_seen[place.clip(min=0)])
    for rule, rows, words in (
        ("conflicting", at_once, "told in two ways by one look; the one with more volume holds"),
        ("restated", ~at_once, "told in another way later; the latest word holds"),
    ):
        yield from _found(rule, lost.take(rows), lost.values["close"][rows], words)


def compared(ours: Seen, theirs: Seen) -> Iterator[Judged]:
    """Yield bars about which two providers differ by more than both can be right."""
    place = _match(ours, theirs)
    both = place >= 0
    apart = np.zeros(len(ours))
    for name, allowed in (
        ("close", CLOSES_APART),
        ("high", RANGES_APART),
        ("low", RANGES_APART),
    ):
        other = theirs.values[name][place.clip(min=0)] if len(theirs) else ours.values[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.abs(ours.values[name] / other - 1)
        distance[~both | ~(distance > allowed)] = 0.0
        apart = np.fmax(apart, distance)
    rows = apart > 0
    words = "that another provider tells otherwise"
    yield from _found("disagreement", ours.take(rows), apart[rows], words)


def file_checks(intake: Intake) -> list[Finding]:
    """Return what is wrong with a file as a file; the bars in it are judged with all others."""
    found = [
        _of_file(intake, "header" if not each.text and each.line == 1 else "bad-line", each.law)
        for each in intake.rejected
    ]
    lines = [each for each in found if each.code == "bad-line"]
    if len(lines) > 1:
        first = f"{len(lines):,} lines are no rows; the first: {lines[0].message}"
        found = [each for each in found if each.code != "bad-line"]
        found.append(_of_file(intake, "bad-line", first, len(lines)))
    found += [_of_file(intake, code, words) for code, words in intake.notes.items()]
    if intake.rows is not None:
        held, lost = settled(intake.rows)
        again = len(intake.rows) - len(held) - len(lost)
        if again:
            found.append(_of_file(intake, "repeated", f"{again:,} rows are there twice", again))
        if len(lost):
            words = f"{len(lost):,} rows differ from another row of the same bar"
            found.append(_of_file(intake, "conflicting", words, len(lost)))
    return found


def _of_file(intake: Intake, code: str, words: str, count: int = 1) -> Finding:
    rule = RULES[code]
    at = 0 if intake.rows is None else int(intake.rows.last_seen.max())
    return Finding(
        intake.label, code, count, at, words, severity=rule.severity, version=rule.version
    )


def _match(rows: Seen, others: Seen) -> Times:
    """Return where each bar of `rows` stands in `others` (each once, in order); -1: nowhere."""
    place = {name: at for at, name in enumerate(others.names)}
    moved = np.array([place.get(name, -1) for name in rows.names] or [-1], np.int64)[rows.codes]
    found = np.full(len(rows), -1)
    if not len(others) or not len(rows):
        return found
    moments = np.unique(others.ts)
    at = np.searchsorted(moments, rows.ts).clip(max=len(moments) - 1)
    key = moved * len(moments) + at
    known = others.codes * len(moments) + np.searchsorted(moments, others.ts)
    where = np.searchsorted(known, key).clip(max=len(known) - 1)
    good: Flags = (known[where] == key) & (moments[at] == rows.ts) & (moved >= 0)
    found[good] = where[good]
    return found


def _found(code: str, rows: Seen, values: Column, words: str) -> Iterator[Judged]:
    if not len(rows):
        return
    rule = RULES[code]
    edges = np.flatnonzero(np.diff(rows.codes, prepend=-1)).tolist()
    for low, high in zip(edges, [*edges[1:], len(rows)], strict=True):
        stamps = np.unique(rows.ts[low:high])
        first, last = int(stamps[0]), int(stamps[-1])
        finding = Finding(
            rows.names[rows.codes[low]],
            code,
            len(stamps),
            first,
            told(len(stamps), words, first, last),
            severity=rule.severity,
            value=float(values[low:high][np.abs(values[low:high]).argmax()]),
            last_at=last,
            version=rule.version,
        )
        yield Judged(finding, ())
