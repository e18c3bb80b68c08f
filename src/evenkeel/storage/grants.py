"""What a trading user may do in PostgreSQL: add to the journals and read them, and no more.

The triggers refuse to change a record whoever asks. The owner of a table can switch them off,
though; so the tables belong to one role, and bots come in as another one that has these rights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from evenkeel.domain.errors import ConfigError, UsageError
from evenkeel.storage.engine import is_sqlite, name_of, trouble_told
from evenkeel.storage.tables import (
    PROJECTIONS,
    Base,
    BrokerAccountRow,
    JournalRecord,
    LeaseRow,
    Projection,
    Run,
    UserRow,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_MADE_AGAIN: tuple[type[Base], ...] = (Projection, *PROJECTIONS)

RIGHTS: dict[str, str] = {
    "alembic_version": "SELECT",
    JournalRecord.__tablename__: "SELECT, INSERT",
    Run.__tablename__: "SELECT, INSERT, UPDATE (records, head_hash)",
    LeaseRow.__tablename__: "SELECT, INSERT, DELETE",
    BrokerAccountRow.__tablename__: "SELECT",
    **{each.__tablename__: "SELECT, INSERT, DELETE" for each in _MADE_AGAIN},
}
"""What a trading user is granted, by table; `users` is the dashboard's, and not among them."""

NOT_ON_JOURNALS = ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
"""What nobody who trades may do with a record."""


def statements(engine: Engine, role: str) -> list[str]:
    """Return the SQL that gives a role these rights and takes every other one.

    `UsageError` for SQLite, which has no roles; `ConfigError` for a role that such rights would not
    bind: one that does not exist, that owns the tables or may act as their owner, a superuser.
    """
    if is_sqlite(engine):
        raise UsageError(
            f"{name_of(engine)} is a SQLite database, which has no roles: the rights on its file "
            "are all there is"
        )
    with trouble_told(engine), engine.connect() as connection:
        _refuse_unbound(connection, role)
        schema = connection.scalar(text("SELECT quote_ident(current_schema())"))
        name = connection.scalar(text("SELECT quote_ident(:role)"), {"role": role})
    tables = ", ".join(f"{schema}.{table}" for table in (*RIGHTS, UserRow.__tablename__))
    return [
        f"REVOKE ALL ON {tables} FROM PUBLIC, {name}",
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        *(f"GRANT {rights} ON {schema}.{table} TO {name}" for table, rights in RIGHTS.items()),
    ]


def grant(engine: Engine, role: str) -> None:
    """Carry `statements` out, all of them or none.

    `ConfigError` when the role could change records even so, through another role that it is in.
    """
    wanted = statements(engine, role)
    with trouble_told(engine), engine.begin() as connection:
        for statement in wanted:
            connection.exec_driver_sql(statement)
        held = text("SELECT has_table_privilege(:role, :table, :right)")
        table = JournalRecord.__tablename__
        for right in NOT_ON_JOURNALS:
            asked = {"role": role, "table": table, "right": right}
            if connection.scalar(held, asked):
                raise ConfigError(
                    f"the role {role} may {right} {table} through another role that it is in: "
                    "take it out of that one; nothing was changed"
                )


_ABOUT = text(
    """SELECT r.rolsuper AS superuser, pg_has_role(r.oid, c.relowner, 'MEMBER') AS owns
       FROM pg_roles r, pg_class c WHERE r.rolname = :role AND c.oid = to_regclass('runs')"""
)


def _refuse_unbound(connection: Connection, role: str) -> None:
    found = connection.execute(_ABOUT, {"role": role}).one_or_none()
    if found is None:
        raise ConfigError(f"the server has no role {role!r}: CREATE ROLE it first, with LOGIN")
    if found.superuser:
        raise ConfigError(f"the role {role} is a superuser, whom no grant binds: take another one")
    if found.owns:
        raise ConfigError(
            f"the role {role} owns these tables, or may act for who does, and could switch their "
            "rules off: let bots come in as another one"
        )
