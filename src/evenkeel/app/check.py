"""Checking the catalog: every shelf inspected, scored and written down, with a page for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from evenkeel.app.check_page import page
from evenkeel.domain.errors import DataError, did_you_mean
from evenkeel.market.checks.rules import ERROR, RULES
from evenkeel.market.checks.sources import compared
from evenkeel.market.columns import DAY
from evenkeel.market.inspection import Found, actions_of, finding_id, inspect
from evenkeel.ops.atomic_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from evenkeel.market.catalog import Catalog
    from evenkeel.market.inspection import Inspection
    from evenkeel.market.shelf import Shelf


class Checked(Struct, frozen=True):
    """One shelf and what its inspection found."""

    dataset: str
    shelf: Shelf
    inspection: Inspection


def check(
    catalog: Catalog,
    *,
    dataset: str = "",
    interval: str = "",
    names: Sequence[str] = (),
    against: str = "",
    now: int,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Checked]:
    """Inspect the shelves asked for (empty: all), or some instruments on them.

    `against` names a data set that tells the same bars: where it differs is a finding too.
    """
    wanted = [
        (named, shelf)
        for named, shelf in catalog.shelves()
        if dataset in {"", named} and interval in {"", shelf.interval} and named != against
    ]
    if not wanted:
        known = [named for named, _ in catalog.shelves()]
        raise DataError(
            f"{catalog.folder} has no bars of {dataset or 'any data set'} {interval}".rstrip()
            + did_you_mean(dataset, known)
        )
    checked = []
    for done, (named, shelf) in enumerate(wanted):
        told(done, len(wanted))
        inspection = inspect(
            shelf, actions_of(catalog.actions_file, names or None), names=names or None, now=now
        )
        if against:
            other = catalog.shelf(shelf.interval, against)
            inspection = _compared(inspection, shelf, other, names or None)
        checked.append(Checked(named, shelf, inspection))
    return checked


def _compared(
    inspection: Inspection, shelf: Shelf, other: Shelf, names: Sequence[str] | None
) -> Inspection:
    more = compared(shelf.everything(names), other.everything(names))
    found = tuple(Found(finding_id(each.finding), each.finding) for each in more)
    return replace(inspection, found=(*inspection.found, *found))


def as_body(catalog: Catalog, checked: Sequence[Checked]) -> dict[str, Any]:
    """Return everything that was found as one object."""
    return {
        "ok": not any(each.inspection.errors for each in checked),
        "shelves": [
            {
                "dataset": each.dataset,
                "interval": each.shelf.interval,
                "version": each.shelf.version(),
                "bars": sum(each.inspection.bars.values()),
                "quarantined": sum(map(len, each.shelf.manifest().held_back.values())),
                "scores": each.inspection.scores(),
                "findings": [_finding(found) for found in each.inspection.found],
            }
            for each in checked
        ],
        "files": _remarks(catalog),
    }


def _finding(found: Found) -> dict[str, Any]:
    each = found.finding
    return {
        "id": found.id,
        "instrument": each.instrument,
        "code": each.code,
        "defect": RULES[each.code].number,
        "severity": each.severity,
        "open": found.open,
        "count": each.count,
        "first": _moment(each.first_at),
        "last": _moment(each.first_at if each.last_at is None else each.last_at),
        "value": each.value,
        "version": each.version,
        "message": each.message,
    }


def _moment(at: int) -> str:
    import numpy as np

    moment = np.datetime64(at, "ns")
    return str(moment.astype("M8[D]" if at % DAY == 0 else "M8[s]"))


def _remarks(catalog: Catalog) -> list[dict[str, Any]]:
    """Return what was wrong with files as files, from the receipts that their import left."""
    folder = catalog.folder / "receipts"
    return [
        {"file": told["file"], "findings": told["findings"]}
        for path in sorted(folder.glob("*.json"))
        for told in [json.loads(path.read_text())]
    ]


def write(catalog: Catalog, checked: Sequence[Checked], folder: Path) -> tuple[Path, Path]:
    """Write `check.json` and `check.html` into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    body = as_body(catalog, checked)
    as_json, as_html = folder / "check.json", folder / "check.html"
    replace_file(as_json, [json.dumps(body, indent=1).encode()])
    replace_file(as_html, [page(checked, body["files"]).encode()])
    return as_json, as_html


def open_errors(checked: Sequence[Checked]) -> int:
    """Return how many errors nobody has decided about."""
    return sum(
        found.open and found.finding.severity == ERROR
        for each in checked
        for found in each.inspection.found
    )
