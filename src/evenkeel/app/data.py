"""Filling the catalog from files: read, add in large bites, list the actions, leave a receipt.

A bite is added whole or not at all, and adding it again changes nothing: an import that was stopped
is started again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from evenkeel.app.operations import write_down
from evenkeel.domain.errors import DataError, UsageError
from evenkeel.domain.events import OperatorActed
from evenkeel.domain.money import exact, text
from evenkeel.market.adjust import as_traded
from evenkeel.market.catalog import DATASET, Catalog
from evenkeel.market.checks.sources import file_checks
from evenkeel.market.inspection import Decision, Found, actions_of, decide, inspect, read_findings
from evenkeel.market.intake import files_in, taken_in
from evenkeel.market.listed import list_actions, listed_in
from evenkeel.market.seen import together
from evenkeel.market.sync import Synced, sync
from evenkeel.ops.atomic_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path

    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.intake import Intake, Terms
    from evenkeel.market.provider import Provider
    from evenkeel.market.seen import Seen
    from evenkeel.ops.clock import Clock

BITE = 1_000_000
"""Rows that are added at once: enough to be fast, few enough for the memory of a small computer."""


class Imported(Struct):
    """What an import has done so far: bars by what became of them, and remarks on each file."""

    files: int = 0
    rows: int = 0
    added: int = 0
    restated: int = 0
    known: int = 0
    actions: int = 0
    intervals: set[str] = field(default_factory=set)
    instruments: set[str] = field(default_factory=set)
    remarks: list[dict[str, Any]] = field(default_factory=list)
    found: tuple[Found, ...] = ()


def import_files(
    catalog: Catalog,
    paths: Sequence[str | Path],
    terms: Terms,
    *,
    dataset: str = DATASET,
    adjustment: str = "auto",
    now: int,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Imported:
    """Add every file of `paths` to the catalog and judge what came; `told` hears how many
    bytes have been read of how many.

    `adjustment` says what the files' prices have been divided by; "auto" takes a file with a column
    of stock splits for split-adjusted, for that is how Yahoo writes. Raises `DataError` naming the
    file that cannot be read at all; what was added until then stays.
    """
    files = list(files_in(paths))
    total = sum(path.stat().st_size for path in files)
    imported, waiting, done = Imported(), list[tuple[str, "Seen"]](), 0
    tickers = catalog.tickers()
    for path in files:
        for intake in taken_in(path, terms, _further(told, done, total)):
            imported.files += 1
            _remark(catalog, imported, intake)
            if intake.rows is None:
                continue
            how = intake.adjustment if adjustment == "auto" else adjustment
            rows = _raw(intake, how)
            imported.actions += list_actions(catalog.actions_file, _actions(intake, rows, how))
            waiting.append((intake.interval, tickers.assigned(rows)))
        done += path.stat().st_size
        told(done, total)
        if sum(len(rows) for _, rows in waiting) >= BITE:
            _bite(catalog, dataset, waiting, imported)
    _bite(catalog, dataset, waiting, imported)
    for interval in sorted(imported.intervals):
        shelf = catalog.shelf(interval, dataset)
        names = sorted(imported.instruments)
        inspection = inspect(shelf, actions_of(catalog.actions_file, names), names=names, now=now)
        imported.found += inspection.found
    return imported


def _further(told: Callable[[int, int], None], done: int, total: int) -> Callable[[int], None]:
    return lambda read: told(done + read, total)


def _bite(
    catalog: Catalog, dataset: str, waiting: list[tuple[str, Seen]], imported: Imported
) -> None:
    for interval in sorted({interval for interval, _ in waiting}):
        rows = together([rows for each, rows in waiting if each == interval])
        receipt = catalog.shelf(interval, dataset).add(rows)
        imported.rows += len(rows)
        imported.added += receipt.added
        imported.restated += receipt.restated
        imported.known += receipt.known
        imported.intervals.add(interval)
        imported.instruments.update(rows.names)
    waiting.clear()


def _raw(intake: Intake, adjustment: str) -> Seen:
    """Return a file's rows as traded."""
    rows = intake.rows
    assert rows is not None, intake.label
    if adjustment == "as-traded":
        return rows
    if adjustment != "split":
        raise DataError(
            f"{intake.label}: prices adjusted for dividends cannot be taken back to what was "
            "traded; import a file of traded or split-adjusted prices"
        )
    splits = [each for each in listed_in(rows, intake.extras) if each.kind == "split"]
    values = {name: column.copy() for name, column in rows.values.items()}
    for name in {each.instrument for each in splits}:
        mine = np.flatnonzero(rows.codes == rows.names.index(name))
        steps = [
            (int(np.datetime64(each.date, "ns").astype(np.int64)), float(each.value))
            for each in splits
            if each.instrument == name
        ]
        prices = {each: values[each][mine] for each in values if each != "adj_close"}
        for each, column in as_traded(prices, rows.ts[mine], steps).items():
            values[each][mine] = column
    return replace(rows, values=values)


def _actions(intake: Intake, rows: Seen, adjustment: str) -> list[Any]:
    """Return the actions that a file lists; its dividends are per share as the prices are."""
    found = list(listed_in(rows, intake.extras))
    if adjustment == "as-traded":
        return found
    splits = [each for each in found if each.kind == "split"]
    told = []
    for each in found:
        later = 1.0
        for split in splits:
            if split.instrument == each.instrument and split.date > each.date:
                later *= float(split.value)
        value = text(exact(float(each.value) * later)) if each.kind == "dividend" else each.value
        told.append(replace(each, value=value))
    return told


def _remark(catalog: Catalog, imported: Imported, intake: Intake) -> None:
    """Leave a receipt of what a file held, with every line that could not be read."""
    found = file_checks(intake)
    if not found:
        return
    remark = {
        "file": intake.label,
        "sha256": intake.sha256,
        "rows": 0 if intake.rows is None else len(intake.rows),
        "findings": [{"code": each.code, "message": each.message} for each in found],
        "rejected": [asdict(each) for each in intake.rejected],
    }
    imported.remarks.append(remark)
    path = catalog.folder / "receipts" / f"{intake.sha256[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, [json.dumps(remark, indent=1).encode()])


def _action(made: Decision) -> OperatorActed:
    about = {
        "finding": made.id,
        "code": made.code,
        "instrument": made.instrument,
        "first_at": str(made.first_at),
        "last_at": str(made.last_at),
    }
    done = {"choice": made.choice, "factor": f"{made.factor:g}"}
    return OperatorActed(made.at, made.by, "data repair", made.reason, about, done)


def decide_on(
    catalog: Catalog,
    wanted: str,
    *,
    by: str,
    reason: str,
    now: int,
    factor: float | None = None,
    database: str,
) -> Decision:
    """Accept or repair a finding of any shelf, and judge anew.

    The decision is in the operators' journal of the database at a URL before it is carried out.
    """

    def record(made: Decision) -> None:
        write_down(database, _action(made))

    for _, shelf in catalog.shelves():
        if any(each.id == wanted for each in read_findings(shelf)):
            decision = decide(
                shelf,
                wanted,
                by=by,
                reason=reason,
                now=now,
                factor=factor,
                record=record,
            )
            names = [decision.instrument]
            inspect(shelf, actions_of(catalog.actions_file, names), names=names, now=now)
            return decision
    raise UsageError(f"no finding is called {wanted!r}; `evenkeel data check` lists them")


def sync_from(
    catalog: Catalog,
    provider: Provider,
    instruments: Sequence[Instrument],
    interval: str,
    *,
    dataset: str = DATASET,
    since: date,
    clock: Clock,
    workers: int = 4,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Synced:
    """Bring instruments up to date (see `market.sync`) and judge those that have changed."""
    found = sync(
        catalog,
        provider,
        instruments,
        interval,
        dataset=dataset,
        since=since,
        clock=clock,
        workers=workers,
        told=told,
    )
    if found.added or found.restated:
        names = [each.id for each in instruments]
        actions = actions_of(catalog.actions_file, names)
        inspect(catalog.shelf(interval, dataset), actions, names=names, now=clock.now_ns())
    return found
