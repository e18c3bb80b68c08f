"""The operators' journal: what people did while no run was going on, chained like any run's.

It is the run `operations` of a database, of the mode `operations`: the same tables, the same chain,
the same verifier. It begins with the first thing that somebody did and never ends. Any process may
add to it: each record is a transaction of its own, so it needs no lease.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, text

from evenkeel.journal.chain import GENESIS, links
from evenkeel.journal.database import add
from evenkeel.storage.engine import is_sqlite, take_write_lock, trouble_told
from evenkeel.storage.migrate import prepare
from evenkeel.storage.tables import Run

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from evenkeel.domain.events import OperatorActed

OPERATIONS = "operations"
"""The run id of the operators' journal."""

_WAIT = text("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/operations', 0))")


_FACTS: dict[str, Any] = {
    "run_id": OPERATIONS,
    "mode": OPERATIONS,
    "strategy": "",
    "manifest": {},
    "records": 0,
    "head_hash": GENESIS,
}


def write_down(engine: Engine, action: OperatorActed) -> int:
    """Add what somebody does to the operators' journal, durably; return the record's number.

    An empty database gets its tables. `OutsideError` when the database fails: then do nothing.
    """
    prepare(engine)
    with trouble_told(engine), engine.begin() as connection:
        take_write_lock(connection)
        return write_within(connection, action)


def write_within(connection: Connection, action: OperatorActed) -> int:
    """Add an action inside a transaction that writes; return the record's number."""
    records, head = end_of_operations(connection, action.at)
    chained = list(links([action], after=records, previous=head))
    add(connection, OPERATIONS, chained, after=(records, head))
    return chained[-1].sequence


def end_of_operations(connection: Connection, at: int) -> tuple[int, str]:
    """Return where the operators' journal ends, and keep others from adding to it meanwhile."""
    query = select(Run.records, Run.head_hash).where(Run.run_id == OPERATIONS).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None and not is_sqlite(connection):  # several may find so at once, one begins it
        connection.execute(_WAIT)
        found = connection.execute(query).one_or_none()
    if found is None:
        connection.execute(insert(Run).values(**_FACTS, created_at=at))
        return 0, GENESIS
    records, head = found
    return records, head
