"""Inspecting a shelf: every rule over every bar, what people decided about it, and the quarantine.

    findings.json    what the last inspection found (a reading: made anew by the next one)
    decisions.json   what people decided, by whom, when and why (kept for ever)

An accepted finding frees its bars. A repair writes new values beside the old ones, which stay.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from evenkeel.domain.bar import Finding
from evenkeel.domain.errors import UsageError, did_you_mean
from evenkeel.market.checks.rules import ERROR, WARNING, Judged, judge
from evenkeel.market.checks.sheet import NEVER, Action, sheet
from evenkeel.market.checks.sources import version_checks
from evenkeel.market.columns import DAY
from evenkeel.market.listed import read_listed
from evenkeel.market.seen import together
from evenkeel.ops.atomic_file import locked, replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from evenkeel.market.listed import Listed
    from evenkeel.market.seen import Seen
    from evenkeel.market.shelf import Shelf

T = TypeVar("T")

FINDINGS, DECISIONS = "findings.json", "decisions.json"
IN_PRICES = ("split", "stock-dividend", "dividend", "gains")
"""Kinds of actions that prices show in a way that can be reckoned."""

RECENT = 30
"""Bars at the end of a history: an open error among them keeps an instrument from being traded."""


class Decision(msgspec.Struct, frozen=True):
    """What somebody decided about a finding: to accept it as true, or to repair its bars.

    `factor` is what prices were multiplied by, 1 for an acceptance.
    """

    id: str
    instrument: str
    code: str
    first_at: int
    last_at: int
    choice: str
    by: str
    at: int
    reason: str
    factor: float = 1.0


class Found(msgspec.Struct, frozen=True):
    """A finding with the name that decisions call it by; `open` until somebody has decided."""

    id: str
    finding: Finding
    stamps: tuple[int, ...] = ()
    open: bool = True


class Inspection(Struct, frozen=True):
    """What a shelf's bars look like: findings, and how many bars each instrument has."""

    found: tuple[Found, ...]
    bars: Mapping[str, int]

    @property
    def errors(self) -> list[Found]:
        """Open errors: what keeps bars in quarantine, or an instrument from being traded."""
        return [each for each in self.found if each.open and each.finding.severity == ERROR]

    def scores(self) -> dict[str, float]:
        """Return a score for each instrument: 100 without a finding, 0 when nothing is right.

        An open error weighs as much as ten warnings; a warning about every bar costs 20.
        """
        errors = dict.fromkeys(self.bars, 0)
        warnings = dict.fromkeys(self.bars, 0)
        for each in self.found:
            name = each.finding.instrument
            if name in self.bars and each.open:
                (errors if each.finding.severity == ERROR else warnings)[name] += each.finding.count
        return {
            name: round(
                max(0.0, 100 * (1 - 2 * errors[name] / bars - min(0.2 * warnings[name] / bars, 0.2))),
                2,
            )
            for name, bars in self.bars.items()
        }  # fmt: skip


def inspect(
    shelf: Shelf,
    actions: Iterable[Listed],
    *,
    names: Sequence[str] | None = None,
    now: int = NEVER,
    kinds: Mapping[str, str] | None = None,
) -> Inspection:
    """Judge a shelf (or some of its instruments), keep the findings, and set the quarantine."""
    held, lost = shelf.everything(names), shelf.superseded(names)
    told = [_action(each) for each in actions if each.kind in IN_PRICES]
    judged = judge(sheet(held, shelf.length, actions=told, now=now, kinds=kinds))
    judged += version_checks(held, lost)
    decisions = read_decisions(shelf)
    found = tuple(_decided(each, decisions) for each in judged)
    codes, counts = np.unique(held.codes, return_counts=True)
    bars = {held.names[code]: int(count) for code, count in zip(codes, counts, strict=True)}
    kept = [] if names is None else [
        each for each in read_findings(shelf) if each.finding.instrument not in bars
    ]  # fmt: skip
    _keep(shelf, [*kept, *found])
    return Inspection(found, bars)


def _action(listed: Listed) -> Action:
    ts = int(np.datetime64(listed.date, "ns").astype(np.int64))
    if listed.kind == "stock-dividend":
        return Action(listed.instrument, ts, "split", 1 + float(listed.value))
    return Action(listed.instrument, ts, listed.kind, _number(listed.value))


def _number(value: str) -> float:
    new, colon, old = value.partition(":")
    return float(new) / float(old) if colon else float(value)


def _decided(judged: Judged, decisions: Sequence[Decision]) -> Found:
    """Return a finding without the bars that somebody has accepted."""
    finding = judged.finding
    name = finding_id(finding)
    mine = [
        each
        for each in decisions
        if (each.instrument, each.code) == (finding.instrument, finding.code)
        and each.choice == "accept"
    ]
    last = _last(finding)
    left = tuple(at for at in judged.stamps if not any(d.first_at <= at <= d.last_at for d in mine))
    covered = any(d.first_at <= finding.first_at and last <= d.last_at for d in mine)
    still = bool(left) if judged.stamps else not covered
    return Found(name, finding, left, still)


def _last(finding: Finding) -> int:
    return finding.first_at if finding.last_at is None else finding.last_at


def finding_id(finding: Finding) -> str:
    """Return the short name of a finding: the same as long as it starts at the same bar."""
    text = f"{finding.instrument} {finding.code} {finding.first_at}"
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _keep(shelf: Shelf, found: Sequence[Found]) -> None:
    shelf.folder.mkdir(parents=True, exist_ok=True)
    replace_file(shelf.folder / FINDINGS, [msgspec.json.encode(found)])
    bars: dict[str, set[int]] = {}
    for each in found:
        if each.finding.severity == ERROR and each.open:
            bars.setdefault(each.finding.instrument, set()).update(each.stamps)
    shelf.quarantine({name: sorted(stamps) for name, stamps in bars.items()})


def read_findings(shelf: Shelf) -> list[Found]:
    """Return what the last inspection found."""
    return _read(shelf.folder / FINDINGS, Found)


def read_decisions(shelf: Shelf) -> list[Decision]:
    """Return everything that people have decided."""
    return _read(shelf.folder / DECISIONS, Decision)


def _read(path: Path, kind: type[T]) -> list[T]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[kind])  # type: ignore[valid-type]
    except FileNotFoundError:
        return []


# ---- decisions ----


def decide(
    shelf: Shelf,
    wanted: str,
    *,
    by: str,
    reason: str,
    now: int,
    factor: float | None = None,
    record: Callable[[Decision], None],
) -> Decision:
    """Accept a finding, or repair its bars by a factor on their prices, and write down who and why.

    `record` is told first, and nothing is done unless it returns. Raises `UsageError` when the
    last inspection found nothing of that name, or the finding has no bars that could be repaired.
    """
    known = read_findings(shelf)
    found = next((each for each in known if each.id == wanted), None)
    if found is None:
        hint = did_you_mean(wanted, [each.id for each in known])
        raise UsageError(f"no finding is called {wanted!r}{hint}; `evenkeel data check` lists them")
    finding = found.finding
    decision = Decision(
        wanted,
        finding.instrument,
        finding.code,
        finding.first_at,
        _last(finding),
        "accept" if factor is None else "repair",
        by,
        now,
        reason,
        1.0 if factor is None else factor,
    )
    if factor is not None and not found.stamps:
        raise UsageError(f"{wanted} ({finding.code}) is about no single bars; it can be accepted")
    record(decision)
    if factor is not None:
        shelf.add(_repaired(shelf, found, factor, by, now))
    with locked(shelf.folder / DECISIONS):
        decisions = [*read_decisions(shelf), decision]
        replace_file(shelf.folder / DECISIONS, [msgspec.json.encode(decisions)])
    return decision


def _repaired(shelf: Shelf, found: Found, factor: float, by: str, now: int) -> Seen:
    """Return a finding's bars with their prices multiplied, as seen now by who repaired them."""
    rows = shelf.everything([found.finding.instrument])
    rows = rows.take(np.isin(rows.ts, found.stamps))
    prices = {
        name: column if name == "volume" else column * factor
        for name, column in rows.values.items()
    }
    moment = np.full(len(rows), now)
    return replace(
        together([rows]),
        values=prices,
        first_seen=moment,
        last_seen=moment,
        sources=(f"repair:{by}",),
        source_of=np.zeros(len(rows), np.int64),
    )


# ---- what the gate is told ----


def untradable(shelf: Shelf) -> dict[str, str]:
    """Return the instruments that must not be traded now, with the reason: open errors of late."""
    ends = shelf.instruments()
    found: dict[str, str] = {}
    for each in read_findings(shelf):
        name = each.finding.instrument
        if not each.open or each.finding.severity == WARNING or name not in ends:
            continue
        since = ends[name].last - RECENT * max(shelf.length, DAY)
        if max(each.stamps or (_last(each.finding),)) >= since:
            found[name] = f"{each.finding.code} ({each.id})"
    return found


def actions_of(path: Path, names: Iterable[str] | None = None) -> list[Listed]:
    """Return the listed actions of some instruments, or of all."""
    wanted = None if names is None else set(names)
    return [each for each in read_listed(path) if wanted is None or each.instrument in wanted]
