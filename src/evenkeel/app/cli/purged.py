"""`evenkeel audit purge`: what is past its time is told, and goes when somebody says so."""

from __future__ import annotations

from evenkeel.app.cli.shown import Answer, table
from evenkeel.app.database import opened, refresh
from evenkeel.app.operations import actor
from evenkeel.domain.errors import UsageError
from evenkeel.journal.purge import Retention, due, purge
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.redact import without_password
from evenkeel.ops.settings import load_settings
from evenkeel.storage.migrate import check


def answer(reason: str, *, yes: bool) -> Answer:
    """Say what is due, or purge it; purging takes a reason."""
    if yes and not reason:
        raise UsageError("a purge goes on record with its reason: say it with --reason")
    settings = load_settings()
    retention = Retention(settings.audit.orders_years, settings.audit.years)
    url, at = settings.paths.database, SYSTEM_CLOCK.now_ns()
    with opened(url) as engine:
        check(engine)
        if yes:
            found = purge(engine, retention, at=at, actor=actor(), reason=reason)
            for each in found:
                refresh(engine, each.run_id)
        else:
            found = due(engine, retention, at=at)
    body = {
        "database": without_password(url),
        "done": yes,
        "records": sum(each.records for each in found),
        "runs": [
            {"run_id": each.run_id, "records": each.records, "first": each.first, "last": each.last}
            for each in found
        ],
    }
    if not found:
        return Answer(body, ["Nothing is past its time."])
    rows = [(each.run_id, each.records, each.first, each.last) for each in found]
    lines = table(("run", "records", "first", "last"), rows, right="records first last")
    last = f"{body['records']} records were purged." if yes else "Nothing was purged: add --yes."
    return Answer(body, [*lines, "", last])
