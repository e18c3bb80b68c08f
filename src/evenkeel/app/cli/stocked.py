"""`evenkeel data import|list|show`: what came into the catalog, and what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from evenkeel.app.cli.progress import Progress
from evenkeel.app.cli.shown import Answer, pairs, table
from evenkeel.app.data import import_files
from evenkeel.domain.errors import UsageError, did_you_mean
from evenkeel.domain.instrument import NO_MARKET, Instrument, instrument_id
from evenkeel.domain.instrument_events import (
    CashDividend,
    CashInLieu,
    Delisted,
    Merged,
    Split,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.money import text
from evenkeel.market.catalog import Catalog, by_the_end_of
from evenkeel.market.intake import Terms
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.settings import load_settings

if TYPE_CHECKING:
    from evenkeel.app.data import Imported
    from evenkeel.domain.bar import Bars
    from evenkeel.domain.events import CorporateAction

LAST = 10
"""Bars that are shown: the last of those asked for."""

VALUES = ("open", "high", "low", "close", "volume")

REMARKS = 10
"""Remarks on files that are shown; the receipts have them all."""


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be imported, as it was typed."""

    paths: list[str]
    market: str
    instrument: str
    interval: str
    dataset: str
    adjustment: str
    stamp: str


class Shown(Struct, frozen=True, kw_only=True):
    """What is to be shown, as it was typed."""

    instrument: str
    interval: str
    dataset: str
    start: str | None
    end: str | None
    view: str
    as_of: str | None
    known_at: str | None


def catalog() -> Catalog:
    """Return the catalog of this folder's settings."""
    return Catalog(load_settings().paths.catalog)


def import_answer(asked: Asked) -> Answer:
    """Take files in; exit code 0 even where lines were set aside: they are kept and told."""
    for name, value, known in (
        ("--stamp", asked.stamp, ("start", "end")),
        ("--adjustment", asked.adjustment, ("auto", "as-traded", "split")),
    ):
        if value not in known:
            raise UsageError(
                f"{name} must be {', '.join(known[:-1])} or {known[-1]}, was {value!r}{did_you_mean(value, known)}"
            )
    terms = Terms(
        instrument=asked.instrument,
        market=instrument_id(f"X.{asked.market or NO_MARKET}").rpartition(".")[2],
        interval=asked.interval,
        stamp=asked.stamp,
    )
    with Progress("import") as told:
        found = import_files(
            catalog(),
            asked.paths,
            terms,
            dataset=asked.dataset,
            adjustment=asked.adjustment,
            now=SYSTEM_CLOCK.now_ns(),
            told=told,
        )
    return Answer(_imported(found), _import_lines(found))


def _imported(found: Imported) -> dict[str, Any]:
    return {
        "files": found.files,
        "rows": found.rows,
        "added": found.added,
        "restated": found.restated,
        "known": found.known,
        "actions": found.actions,
        "intervals": sorted(found.intervals),
        "instruments": len(found.instruments),
        "remarks": found.remarks,
        "findings": {
            severity: sum(each.finding.severity == severity for each in found.found)
            for severity in ("error", "warning")
        },
    }


def _import_lines(found: Imported) -> list[str]:
    rejected = sum(len(each["rejected"]) for each in found.remarks)
    rows = [
        ("files", f"{found.files:,}"),
        ("rows", f"{found.rows:,} of {len(found.instruments):,} instruments"),
        ("new bars", f"{found.added:,}"),
        ("restated", f"{found.restated:,}" if found.restated else ""),
        ("known", f"{found.known:,}" if found.known else ""),
        ("actions", f"{found.actions:,}" if found.actions else ""),
        ("set aside", f"{rejected:,} line{'s' * (rejected > 1)}" if rejected else ""),
        ("errors", _bars_of(found, "error")),
        ("warnings", _bars_of(found, "warning")),
    ]
    lines = pairs(rows)
    for each in found.remarks[:REMARKS]:
        said = [told["message"].removeprefix(f"{each['file']} ") for told in each["findings"]]
        lines += [f"  {each['file']}: {message}" for message in said]
    if len(found.remarks) > REMARKS:
        lines.append(f"  … and remarks on {len(found.remarks) - REMARKS} more files")
    return [*lines, "", "Next: evenkeel data check; evenkeel data list"]


def _bars_of(found: Imported, severity: str) -> str:
    findings = [each.finding for each in found.found if each.finding.severity == severity]
    bars = sum(each.count for each in findings)
    return f"{bars:,} bars of {len({each.instrument for each in findings}):,}" if bars else ""


# ---- list ----


def list_answer() -> Answer:
    """Say what there is: one line for each data set and interval."""
    held = catalog()
    rows, body = [], []
    for dataset, shelf in held.shelves():
        instruments = shelf.instruments()
        parts = shelf.manifest().parts
        first = min((each.first for each in instruments.values()), default=0)
        last = max((each.last for each in instruments.values()), default=0)
        facts: dict[str, Any] = {
            "dataset": dataset,
            "interval": shelf.interval,
            "instruments": len(instruments),
            "bars": sum(each.rows for each in instruments.values()),
            "first": _moment(first),
            "last": _moment(last),
            "bytes": sum(part.size for part in parts),
            "quarantined": sum(map(len, shelf.manifest().held_back.values())),
            "version": shelf.version(),
        }
        body.append({**facts, "held": {name: each.rows for name, each in instruments.items()}})
        rows.append(
            (
                dataset,
                shelf.interval,
                f"{facts['instruments']:,}",
                f"{facts['bars']:,}",
                facts["first"],
                facts["last"],
                f"{facts['bytes'] / 1e6:,.1f} MB",
            )
        )
    if not rows:
        lines = [f"{held.folder} holds nothing yet; `evenkeel data import FILE` fills it."]
        return Answer({"catalog": str(held.folder), "shelves": []}, lines)
    head = ("dataset", "interval", "instruments", "bars", "first", "last", "size")
    return Answer(
        {"catalog": str(held.folder), "shelves": body},
        table(head, rows, right="instruments bars size"),
    )


def _moment(at: int) -> str:
    found = str(np.datetime64(at, "ns").astype("M8[m]"))
    return found.removesuffix("T00:00")


# ---- show ----


def bars_of(asked: Shown) -> Bars:
    """Return the bars that were asked for, in the view that was asked for."""
    (bars,) = catalog().bars(
        [instrument_id(asked.instrument)],
        interval=asked.interval,
        dataset=asked.dataset,
        start=asked.start,
        end=asked.end,
        view=asked.view,
        as_of=_end_of(asked.as_of, "--as-of"),
        known_at=_end_of(asked.known_at, "--known-at"),
    )
    return bars


def show_answer(asked: Shown) -> Answer:
    """Show the last bars of an instrument and what is known about it."""
    bars = bars_of(asked)
    actions = catalog().actions([Instrument(bars.instrument.id)])
    body: dict[str, Any] = {
        "instrument": bars.instrument.id,
        "source": bars.source,
        "bars": len(bars),
        "first": _moment(int(bars.closed_at[0])),
        "last": _moment(int(bars.closed_at[-1])),
        "sha256": bars.digest(),
        "view": asked.view,
        "actions": [_action(each) for each in actions],
        "findings": [each.message for each in bars.findings],
        "latest": [_bar(bars, row) for row in range(max(len(bars) - LAST, 0), len(bars))],
    }
    facts = pairs(
        [
            ("bars", f"{len(bars):,}, closed {body['first']} to {body['last']}"),
            ("source", bars.source),
            ("sha256", bars.digest()),
            ("actions", f"{len(actions)}" if actions else ""),
        ]
    )
    head = ("closed", "open", "high", "low", "close", "volume")
    rows = [
        [f"{cell:g}" if isinstance(cell, float) else cell for cell in row.values()]
        for row in body["latest"]
    ]
    told = [f"  {each['date']}  {each['what']}" for each in body["actions"][-LAST:]]
    return Answer(
        body,
        [
            bars.instrument.id,
            *facts,
            *(f"  note      {each.message}" for each in bars.findings),
            "",
            *table(head, rows, right="open high low close volume"),
            *(["", *told] if told else []),
        ],
    )


def _bar(bars: Bars, row: int) -> dict[str, Any]:
    values = {name: float(getattr(bars, name)[row]) for name in VALUES}
    return {"closed": _moment(int(bars.closed_at[row])), **values}


def _action(action: CorporateAction) -> dict[str, str]:
    told = {"date": _moment(action.at), "what": type(action).__name__}
    match action:
        case Split():
            told["what"] = f"split {text(action.new)}:{text(action.old)}"
        case CashDividend():
            told["what"] = f"dividend {text(action.amount)} {action.currency}"
        case StockDividend():
            told["what"] = f"stock dividend {text(action.shares)}"
        case SymbolChanged():
            told["what"] = f"now {action.to}"
        case Merged():
            into = f"{text(action.shares)} {action.into}" if action.into else ""
            cash = f"{text(action.cash)} {action.currency}" if action.cash else ""
            told["what"] = f"merged for {' and '.join(filter(None, (into, cash)))}"
        case Delisted():
            paid = "" if action.price is None else f" at {text(action.price)}"
            told["what"] = f"delisted{paid}"
        case SpunOff():
            told["what"] = f"spun off {text(action.shares)} {action.child}"
        case TradingHalted():
            told["what"] = f"halted: {action.reason}" if action.reason else "halted"
        case TradingResumed():
            told["what"] = "trades again"
        case CashInLieu():
            pass  # it comes from a venue, never from a file
    return told


def _end_of(text: str | None, option: str) -> int | None:
    return None if text is None else by_the_end_of(text, option)
