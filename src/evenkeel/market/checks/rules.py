"""The rules by name: what each is about, how grave it is, which version of it spoke.

An error is a bar that must not be traded on: it goes into quarantine until somebody has looked. A
warning is kept and told. Numbers are those of the list of 34 defects in docs/market_data.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from evenkeel.domain.bar import Finding
from evenkeel.market.checks.adjustment import adjustment_checks
from evenkeel.market.checks.prices import price_checks
from evenkeel.market.checks.rows import name_checks, repeats, row_checks
from evenkeel.market.checks.sessions import session_checks
from evenkeel.market.quality import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evenkeel.domain.bar import Column
    from evenkeel.market.checks.sheet import Hits, Sheet

ERROR, WARNING = "error", "warning"


class Rule(Struct, frozen=True):
    """What a rule finds: its number in the list of defects, its weight, its version."""

    number: int
    code: str
    severity: str
    version: int = 1


_TABLE = (
    Rule(1, "high-below-low", ERROR),
    Rule(2, "outside-range", ERROR),
    Rule(3, "not-positive", ERROR),
    Rule(4, "not-finite", ERROR),
    Rule(5, "volume-negative", ERROR),
    Rule(5, "volume-fractional", WARNING),
    Rule(6, "zero-volume", WARNING),
    Rule(7, "repeated", WARNING),
    Rule(8, "conflicting", ERROR),
    Rule(9, "unsorted", WARNING),
    Rule(10, "gap", WARNING),
    Rule(10, "gap-recent", ERROR),
    Rule(11, "missing-bars", WARNING),
    Rule(12, "half-day", WARNING),
    Rule(13, "truncated", WARNING),
    Rule(14, "closed-day", ERROR),
    Rule(15, "outside-session", WARNING),
    Rule(16, "time-zone", ERROR),
    Rule(17, "daylight-saving", ERROR),
    Rule(18, "stamp-end", WARNING),
    Rule(19, "split-missing", WARNING),
    Rule(20, "split-partial", ERROR),
    Rule(21, "mixed-scale", ERROR),
    Rule(21, "wide-bar", WARNING),
    Rule(22, "adjusted-above", WARNING),
    Rule(22, "adjusted-step", WARNING),
    Rule(22, "dividend-mismatch", WARNING),
    Rule(22, "dividend-size", WARNING),
    Rule(22, "gain-twice", WARNING),
    Rule(23, "unit", ERROR),
    Rule(24, "spike", WARNING),
    Rule(25, "stale", WARNING),
    Rule(26, "future", ERROR),
    Rule(26, "unfinished", ERROR),
    Rule(27, "off-grid", WARNING),
    Rule(28, "ticker-reuse", WARNING),
    Rule(29, "bad-line", WARNING),
    Rule(29, "header", WARNING),
    Rule(30, "empty-batch", WARNING),
    Rule(30, "partial-batch", WARNING),
    Rule(31, "restated", WARNING),
    Rule(32, "symbol-lost", WARNING),
    Rule(33, "scaled", WARNING),
    Rule(34, "disagreement", WARNING),
)
RULES = {rule.code: rule for rule in _TABLE}


class Judged(Struct, frozen=True):
    """A finding and the starts of the bars that it is about; none where bars are missing."""

    finding: Finding
    stamps: tuple[int, ...]


def judge(sheet: Sheet) -> list[Judged]:
    """Return everything that the rules find in a sheet: one finding for each instrument and rule."""
    if not len(sheet):
        return []
    with np.errstate(all="ignore"):  # what cannot be computed breaks no rule but its own
        return [found for hits in _all(sheet) for found in judged(sheet, hits)]


def _all(sheet: Sheet) -> Iterator[Hits]:
    yield from row_checks(sheet)
    yield from repeats(sheet)
    yield from session_checks(sheet)
    yield from price_checks(sheet)
    yield from adjustment_checks(sheet)
    yield from name_checks(sheet)


def judged(sheet: Sheet, hits: Hits) -> Iterator[Judged]:
    """Yield a finding for each instrument that is hit."""
    if not len(hits.rows):
        return
    rule = RULES[hits.rule]
    order = np.argsort(hits.rows, kind="stable")
    rows, values = hits.rows[order], hits.values[order]
    counts = np.ones(len(rows), np.int64) if hits.counts is None else hits.counts[order]
    codes = sheet.codes[rows]
    edges = np.flatnonzero(np.diff(codes, prepend=-1))
    for low, high in zip(edges.tolist(), [*edges[1:].tolist(), len(rows)], strict=True):
        stamps = sheet.ts[rows[low:high]]
        count = int(counts[low:high].sum())
        finding = Finding(
            sheet.names[codes[low]],
            rule.code,
            count,
            int(stamps[0]),
            told(count, hits.words, int(stamps[0]), int(stamps[-1])),
            severity=rule.severity,
            value=_extreme(values[low:high]),
            last_at=int(stamps[-1]),
            version=rule.version,
        )
        about_bars = rule.severity == ERROR and hits.counts is None  # else bars are missing
        yield Judged(finding, tuple(stamps.tolist()) if about_bars else ())


def _extreme(values: Column) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite[np.abs(finite).argmax()]) if len(finite) else None


def told(count: int, words: str, first: int, last: int) -> str:
    """Return a sentence: how many bars, what about them, from when to when."""
    bars = f"{count:,} bar{'' if count == 1 else 's'} {words}"
    return f"{bars}, {moment(first)}" + ("" if first == last else f" to {moment(last)}")


def errors_of(found: Iterable[Judged]) -> dict[str, list[int]]:
    """Return the bars that must not be traded on: by instrument, the starts of its bars."""
    bars: dict[str, set[int]] = {}
    for each in found:
        if each.finding.severity == ERROR:
            bars.setdefault(each.finding.instrument, set()).update(each.stamps)
    return {name: sorted(stamps) for name, stamps in sorted(bars.items())}
