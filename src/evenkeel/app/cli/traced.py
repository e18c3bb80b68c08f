"""`evenkeel audit trace`: from bar to profit, every record of one decision and what caused it."""

from __future__ import annotations

from evenkeel.app.cli.shown import Answer, table
from evenkeel.app.journals import lines_of, pick
from evenkeel.domain.errors import UsageError
from evenkeel.domain.order import Order
from evenkeel.domain.verdict import Refused
from evenkeel.journal.causes import Causes
from evenkeel.journal.replay import decode, read
from evenkeel.ops.settings import load_settings
from evenkeel.reports.text import iso


def answer(order_id: int, target: str | None, run: str | None) -> Answer:
    """Show the chain that an order belongs to; `UsageError` when there is no such order."""
    picked = pick(target, run, load_settings().paths.runs)
    causes, found = Causes(), []
    wanted = None
    for entry in read(lines_of(picked)):
        if entry.purged is not None:
            continue
        record = decode(entry)
        cause = causes.of(entry.sequence, record)
        order = record.order if isinstance(record, Refused) else record
        if isinstance(order, Order) and order.id == order_id:
            wanted = cause.correlation
        found.append((entry, cause))
    if wanted is None:
        raise UsageError(f"run {picked.run_id} has no order {order_id}")
    chain = [
        {
            "sequence": entry.sequence,
            "kind": entry.kind,
            "at": iso(entry.body["at"]),
            "caused_by": cause.record,
            "bar_at": None if cause.bar_at is None else iso(cause.bar_at),
        }
        for entry, cause in found
        if cause.correlation == wanted
    ]
    rows = [
        (each["sequence"], each["kind"], each["at"], each["caused_by"] or f"bar {each['bar_at']}")
        for each in chain
    ]
    lines = table(("record", "kind", "at", "caused by"), rows, right="record")
    body = {"run_id": picked.run_id, "correlation": wanted, "records": chain}
    return Answer(body, [f"{wanted} of {picked.run_id}", "", *lines])
