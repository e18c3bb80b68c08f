"""The database log: what `append` returned from is on the disk, and nobody else writes this run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from evenkeel.domain.errors import JournalError, OutsideError, UsageError, did_you_mean
from evenkeel.journal.chain import GENESIS, links
from evenkeel.storage.engine import trouble_told
from evenkeel.storage.migrate import prepare
from evenkeel.storage.tables import JournalRecord, Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Engine

    from evenkeel.domain.events import Record
    from evenkeel.journal.chain import Link


class DatabaseJournal:
    """The journal of one run in a database that many runs share.

    Each append is one transaction: the records, their count and their last hash, or nothing. Of
    two who write the same run, the one who is first to append goes on; the other is refused.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        """Continue a run behind its last record; `UsageError` when there is no such run."""
        prepare(engine)
        self._engine = engine
        self._run_id = run_id
        with trouble_told(engine), engine.connect() as connection:
            query = select(Run.records, Run.head_hash).where(Run.run_id == run_id)
            found = connection.execute(query).one_or_none()
            known = [] if found else connection.scalars(select(Run.run_id)).all()
        if found is None:
            raise UsageError(f"the database has no run {run_id!r}{did_you_mean(run_id, known)}")
        self._records, self._head = found

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
                connection.execute(begun)
        except OutsideError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise UsageError(
                    f"the database has a run {run_id!r} already: choose another id"
                ) from error
            raise
        return cls(engine, run_id)

    def append(self, records: Sequence[Record]) -> None:
        """Write records down, durably, all or none of them.

        Raises `JournalError` when somebody else has written to this run meanwhile, `OutsideError`
        when the database fails; whether the records are there, the database alone knows then.
        """
        chained = list(links(records, after=self._records, previous=self._head))
        if not chained:
            return
        count, head = chained[-1].sequence, chained[-1].hash
        progress = (
            update(Run)
            .where(Run.run_id == self._run_id)
            .where(Run.records == self._records, Run.head_hash == self._head)
            .values(records=count, head_hash=head)
        )
        with trouble_told(self._engine), self._engine.begin() as connection:
            # First, because it is also what makes this transaction the only one that writes.
            if connection.execute(progress).rowcount != 1:
                raise JournalError(
                    f"somebody else writes to run {self._run_id!r}: its journal no longer ends "
                    f"with record {self._records}, the last one written here"
                )
            connection.execute(insert(JournalRecord), [self._row(link) for link in chained])
        self._records, self._head = count, head

    def _row(self, link: Link) -> dict[str, object]:
        return {
            "run_id": self._run_id,
            "sequence": link.sequence,
            "kind": link.kind,
            "at": link.at,
            "payload": link.json.decode(),
            "hash": link.hash,
        }

    def __len__(self) -> int:
        return self._records

    @property
    def head(self) -> str:
        return self._head

    def lines(self) -> Iterator[bytes]:
        query = (
            select(JournalRecord.hash, JournalRecord.payload)
            .where(JournalRecord.run_id == self._run_id)
            .order_by(JournalRecord.sequence)
            .execution_options(yield_per=1_000)
        )
        with trouble_told(self._engine), self._engine.connect() as connection:
            for digest, payload in connection.execute(query):
                yield f"{digest} {payload}".encode()
