"""What a journal says, as tables. They are replaced as a whole: the journal alone is kept in step."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, insert, select

from evenkeel.storage.engine import freeze, take_write_lock, trouble_told
from evenkeel.storage.tables import PROJECTIONS, Base, Projection, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Engine, Table

_ALL: tuple[type[Base], ...] = (Projection, *PROJECTIONS)

_encode = msgspec.json.Encoder(decimal_format="string", order="sorted").encode


def behind(engine: Engine) -> list[str]:
    """Return the runs whose projections do not reach the end of their journals, oldest first."""
    query = (
        select(Run.run_id)
        .outerjoin(Projection, Projection.run_id == Run.run_id)
        .where(Projection.head_hash.is_distinct_from(Run.head_hash))
        .order_by(Run.created_at, Run.run_id)
    )
    with trouble_told(engine), engine.connect() as connection:
        return list(connection.scalars(query))


def reach(engine: Engine) -> dict[str, int]:
    """Return to which record the projections of each run reach, the oldest run first."""
    query = (
        select(Projection.run_id, Projection.sequence)
        .join(Run, Run.run_id == Projection.run_id)
        .order_by(Run.created_at, Run.run_id)
    )
    with trouble_told(engine), engine.connect() as connection:
        return {run.run_id: run.sequence for run in connection.execute(query)}


def replace(
    engine: Engine,
    run_id: str,
    rows: Mapping[type[Base], Sequence[Mapping[str, Any]]],
    *,
    sequence: int,
    head: str,
) -> None:
    """Put these rows in the place of all that the projections hold of a run.

    They come from its journal up to record `sequence`, whose hash is `head`. In one transaction:
    who reads meanwhile sees the old rows or the new ones.
    """
    assert set(rows) == set(PROJECTIONS), rows.keys()
    with trouble_told(engine), engine.begin() as connection:
        take_write_lock(connection)
        for table in map(_table, _ALL):
            connection.execute(delete(table).where(table.c.run_id == run_id))
        for model in PROJECTIONS:
            if rows[model]:
                full = [{"run_id": run_id, **row} for row in rows[model]]
                connection.execute(insert(model), full)
        done = {"run_id": run_id, "sequence": sequence, "head_hash": head}
        connection.execute(insert(Projection).values(done))


def empty(engine: Engine) -> None:
    """Remove everything that the projections hold."""
    with trouble_told(engine), engine.begin() as connection:
        take_write_lock(connection)
        for table in map(_table, _ALL):
            connection.execute(delete(table))


def content_hash(engine: Engine) -> str:
    """Return the SHA-256 of everything in the projections: equal contents, equal hashes.

    It is the same for the same journals in SQLite and in PostgreSQL.
    """
    digest = hashlib.sha256()
    with trouble_told(engine), engine.connect() as connection:
        freeze(connection)
        for model in PROJECTIONS:
            table = _table(model)
            digest.update(f"{table.name}\n".encode())
            query = select(table).order_by(*table.primary_key)
            for row in connection.execute(query):
                digest.update(_encode(tuple(row)) + b"\n")
    return digest.hexdigest()


def _table(model: type[Base]) -> Table:
    return model.metadata.tables[model.__tablename__]
