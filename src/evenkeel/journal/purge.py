"""What is past its time may go, and the chain still holds: a tombstone keeps its place and hash.

An operators' record is written first: it names the run, how many records go, and the SHA-256 of
their tombstones (see `chain`; lines with line feeds). The database lets no other change of a
record pass.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import func, select, text

from evenkeel.domain.events import OperatorActed
from evenkeel.journal.chain import PURGE, tombstone
from evenkeel.journal.operations import OPERATIONS, end_of_operations, write_within
from evenkeel.storage.engine import is_sqlite, take_write_lock, trouble_told
from evenkeel.storage.tables import JournalRecord, Run

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine

ORDER_KINDS = frozenset(
    {
        "Approved",
        "Refused",
        "OrderAccepted",
        "OrderRejected",
        "OrderCanceled",
        "OrderExpired",
        "OrderReplaced",
        "OrderUncertain",
        "CancelRequested",
        "CancelRejected",
    }
)
"""The memoranda of orders: SEC 17a-4(b)(1) keeps them three years, and ledgers six (17a-4(a))."""


class Retention(Struct, frozen=True):
    """How many years the memoranda of orders are kept, and how many everything else."""

    orders_years: int = 3
    years: int = 6


class Due(Struct, frozen=True):
    """Records of a run that are past their time: how many, the first of them and the last."""

    run_id: str
    records: int
    first: int
    last: int


def due(engine: Engine, retention: Retention, *, at: int) -> list[Due]:
    """Return what is past its time at `at` (UTC nanoseconds), in the order of the runs' ids.

    A record's age counts from when it was written: its own time or its run's beginning, whichever
    is later, for a replay of old bars is new. Ledgers go with their whole run only: a run with
    half of its fills would be a false account.
    """
    with trouble_told(engine), engine.connect() as connection:
        found = []
        for run_id, condition in _conditions(connection, retention, at):
            numbers = (
                func.count(),
                func.min(JournalRecord.sequence),
                func.max(JournalRecord.sequence),
            )
            count, first, last = connection.execute(select(*numbers).where(condition)).one()
            if count:
                found.append(Due(run_id, count, first, last))
        return found


def purge(engine: Engine, retention: Retention, *, at: int, actor: str, reason: str) -> list[Due]:
    """Leave tombstones of all that is `due`, each run in one transaction, told of first."""
    purged = []
    for each in due(engine, retention, at=at):
        with trouble_told(engine), engine.begin() as connection:
            if is_sqlite(connection):  # what was purged is overwritten, not only unlinked
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
            take_write_lock(connection)
            known = dict(_conditions(connection, retention, at))
            purged.append(_bury(connection, each.run_id, known[each.run_id], at, actor, reason))
    with trouble_told(engine), engine.connect() as connection:
        if purged and is_sqlite(connection):  # and is not left over in the write-ahead log
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return purged


def _bury(
    connection: Connection,
    run_id: str,
    condition: ColumnElement[bool],
    at: int,
    actor: str,
    reason: str,
) -> Due:
    told_by = end_of_operations(connection, at)[0] + 1
    digest, changes = hashlib.sha256(), []
    for row in _rows(connection, condition):
        text_left = tombstone(row.sequence, row.kind, _previous(row.payload), row.at, told_by)
        digest.update(f"{row.hash} {text_left}\n".encode())
        changes.append({"number": row.sequence, "left": text_left})
    done = Due(run_id, len(changes), changes[0]["number"], changes[-1]["number"])
    before = {
        "run": run_id,
        "records": str(done.records),
        "first": str(done.first),
        "last": str(done.last),
        "digest": digest.hexdigest(),
    }
    told = write_within(connection, OperatorActed(at, actor, PURGE, reason, before))
    assert told == told_by, (told, told_by)
    connection.execute(_LEAVE, [{"run": run_id, **change} for change in changes])
    return done


_LEAVE = text(
    "UPDATE journal_records SET payload = :left WHERE run_id = :run AND sequence = :number"
)


def _rows(connection: Connection, condition: ColumnElement[bool]) -> list[Any]:
    query = select(
        JournalRecord.sequence,
        JournalRecord.kind,
        JournalRecord.at,
        JournalRecord.hash,
        JournalRecord.payload,
    )
    return list(connection.execute(query.where(condition).order_by(JournalRecord.sequence)))


def _previous(payload: str) -> str:
    begins = payload.index('"previous":"') + len('"previous":"')
    return payload[begins : begins + 64]


def _conditions(
    connection: Connection, retention: Retention, at: int
) -> list[tuple[str, ColumnElement[bool]]]:
    """Return of each run with something past its time what picks that out of `journal_records`."""
    orders_until, until = (
        _before(at, years) for years in (retention.orders_years, retention.years)
    )
    newest = (
        select(Run.run_id, Run.created_at, func.max(JournalRecord.at))
        .join(JournalRecord, JournalRecord.run_id == Run.run_id)
        .group_by(Run.run_id, Run.created_at)
        .order_by(Run.run_id)
    )
    found: list[tuple[str, ColumnElement[bool]]] = []
    for run_id, created_at, last_at in connection.execute(newest):
        whole = JournalRecord.payload.contains('"body":{', autoescape=True)
        mine = (JournalRecord.run_id == run_id) & whole
        if run_id == OPERATIONS:
            told = JournalRecord.payload.contains(f'"command":"{PURGE}"', autoescape=True)
            found.append((run_id, mine & (JournalRecord.at < until) & ~told))
        elif max(created_at, last_at) < until:
            found.append((run_id, mine))
        elif created_at < orders_until:
            old = JournalRecord.kind.in_(ORDER_KINDS) & (JournalRecord.at < orders_until)
            found.append((run_id, mine & old))
    return found


def _before(at: int, years: int) -> int:
    """Return the moment so many years before `at`; of a leap day, the day before it."""
    seconds, rest = divmod(at, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    if (moment.month, moment.day) == (2, 29):
        moment = moment.replace(day=28)
    return int(moment.replace(year=moment.year - years).timestamp()) * 1_000_000_000 + rest
