"""The database log: what `append` returned from is on the disk, and nobody else writes this run."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from evenkeel.domain.errors import JournalError, OutsideError, UsageError, did_you_mean
from evenkeel.journal.chain import GENESIS, links
from evenkeel.storage.engine import freeze, is_sqlite, take_write_lock, trouble_told
from evenkeel.storage.lease import Lease
from evenkeel.storage.migrate import prepare
from evenkeel.storage.tables import JournalRecord, Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from evenkeel.domain.events import Record
    from evenkeel.journal.chain import Link


class DatabaseJournal:
    """The journal of one run in a database that many runs share, for its one writer.

    Each append is one transaction: the records, their count and their last hash, or nothing. Who
    has it holds the run's lease until `close`; even without a lease, of two who write the same
    run the one who is first to append goes on, and the other is refused.
    """

    def __init__(self, engine: Engine, run_id: str, *, since: int) -> None:
        """Continue a run behind its last record; `since` (UTC nanoseconds) is when.

        Raises `UsageError` when there is no such run, or when somebody writes it: it says who.
        """
        prepare(engine)
        self._engine = engine
        self._run_id = run_id
        self._lease = Lease(engine, f"run {run_id}", since=since)
        try:
            self._records, self._head = _end_of(engine, run_id)
        except UsageError:
            self._lease.close()
            raise

    @classmethod
    def begin(
        cls,
        engine: Engine,
        run_id: str,
        *,
        mode: str,
        strategy: str,
        manifest: Mapping[str, Any],
        created_at: int,
    ) -> DatabaseJournal:
        """Begin a run; `created_at` is UTC nanoseconds. An empty database gets its tables.

        Raises `UsageError` when the database has a run of this id already.
        """
        prepare(engine)
        begun = insert(Run).values(
            run_id=run_id,
            mode=mode,
            strategy=strategy,
            manifest=dict(manifest),
            created_at=created_at,
            records=0,
            head_hash=GENESIS,
        )
        try:
            with trouble_told(engine), engine.begin() as connection:
                take_write_lock(connection)
                connection.execute(begun)
        except OutsideError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise UsageError(
                    f"the database has a run {run_id!r} already: choose another id"
                ) from error
            raise
        return cls(engine, run_id, since=created_at)

    def append(self, records: Sequence[Record]) -> None:
        """Write records down, durably, all or none of them.

        Raises `JournalError` when somebody else has written to this run meanwhile, `OutsideError`
        when the database fails; whether the records are there, the database alone knows then.
        """
        chained = list(links(records, after=self._records, previous=self._head))
        if not chained:
            return
        connection = self._lease.connection
        if connection.invalidated:
            raise OutsideError(
                f"the connection that held run {self._run_id!r} is lost, and with it the right to "
                "write: end this run, see that nobody else has taken it up, and continue it"
            )
        with trouble_told(self._engine), connection.begin():
            take_write_lock(connection)
            add(connection, self._run_id, chained, after=(self._records, self._head))
        self._records, self._head = chained[-1].sequence, chained[-1].hash

    def close(self) -> None:
        """Give the run's lease back; what is there can still be read."""
        self._lease.close()

    def __len__(self) -> int:
        return self._records

    @property
    def head(self) -> str:
        return self._head

    def lines(self) -> Iterator[bytes]:
        return lines_of(self._engine, self._run_id)


_INSERT = (
    "INSERT INTO journal_records (run_id, sequence, kind, at, payload, hash) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
_COPY = "COPY journal_records (run_id, sequence, kind, at, payload, hash) FROM STDIN"


def add(
    connection: Connection, run_id: str, chained: Sequence[Link], *, after: tuple[int, str]
) -> None:
    """Add linked records to a run that ends with `after` (its count and head), inside a transaction.

    `JournalError` when it ends with something else.
    """
    records, head = after
    progress = (
        update(Run)
        .where(Run.run_id == run_id)
        .where(Run.records == records, Run.head_hash == head)
        .values(records=chained[-1].sequence, head_hash=chained[-1].hash)
    )
    # First, because it is also what makes this transaction the only one that writes.
    if connection.execute(progress).rowcount != 1:
        raise JournalError(
            f"somebody else writes to run {run_id!r}: its journal no longer ends "
            f"with record {records}, the last one written here"
        )
    rows = [
        (run_id, link.sequence, link.kind, link.at, link.json.decode(), link.hash)
        for link in chained
    ]
    if is_sqlite(connection):
        connection.exec_driver_sql(_INSERT, rows)
        return
    # One statement for all rows: five times as fast as one for each.
    cursor: Any = connection.connection.cursor()
    with closing(cursor), cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)


def lines_of(engine: Engine, run_id: str) -> Iterator[bytes]:
    """Yield the lines of a run as they are at this moment, whoever writes it meanwhile."""
    query = (
        select(JournalRecord.hash, JournalRecord.payload)
        .where(JournalRecord.run_id == run_id)
        .order_by(JournalRecord.sequence)
        .execution_options(yield_per=1_000)
    )
    with trouble_told(engine), engine.connect() as connection:
        freeze(connection)
        with connection.execute(query) as rows:  # closed even when nobody reads to the end
            for digest, payload in rows:
                yield f"{digest} {payload}".encode()


def _end_of(engine: Engine, run_id: str) -> tuple[int, str]:
    """Return how many records a run has, and the hash of the last."""
    with trouble_told(engine), engine.connect() as connection:
        query = select(Run.records, Run.head_hash).where(Run.run_id == run_id)
        found = connection.execute(query).one_or_none()
        known = [] if found else connection.scalars(select(Run.run_id)).all()
    if found is None:
        raise UsageError(f"the database has no run {run_id!r}{did_you_mean(run_id, known)}")
    records, head = found
    return records, head
