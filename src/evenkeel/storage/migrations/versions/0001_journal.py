"""Runs and their journals; the database itself refuses to change what was written.

A record can only be added, and only behind the last one of its run (which also stops SQLite's
INSERT OR REPLACE: it deletes without asking a DELETE trigger). Of a run only the count of its
records and their last hash move, and the count only up. The way back down is open to a database
that holds no run: it would destroy journals.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from evenkeel.domain.errors import ConfigError

revision = "0001"
down_revision = None

_NOT_THE_NEXT = """NEW.sequence <> coalesce((
    SELECT sequence FROM journal_records WHERE run_id = NEW.run_id
    ORDER BY sequence DESC LIMIT 1), 0) + 1"""
_MORE_THAN_PROGRESS = """NEW.records < OLD.records OR NEW.run_id <> OLD.run_id
    OR NEW.mode <> OLD.mode OR NEW.strategy <> OLD.strategy OR NEW.created_at <> OLD.created_at
    OR CAST(NEW.manifest AS TEXT) <> CAST(OLD.manifest AS TEXT)"""
_BEGUN_ALREADY = "EXISTS (SELECT 1 FROM runs WHERE run_id = NEW.run_id)"
_ALWAYS = "1 = 1"

# name, what is tried, on which table, when it is refused, with which words
_REFUSALS = (
    ("record_added", "INSERT", "journal_records", _NOT_THE_NEXT, "records follow one another"),
    ("record_changed", "UPDATE", "journal_records", _ALWAYS, "records are never changed"),
    ("record_removed", "DELETE", "journal_records", _ALWAYS, "records are never removed"),
    ("run_added", "INSERT", "runs", _BEGUN_ALREADY, "a run begins once"),
    ("run_changed", "UPDATE", "runs", _MORE_THAN_PROGRESS, "a run only grows"),
    ("run_removed", "DELETE", "runs", _ALWAYS, "runs are never removed"),
)


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("manifest", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("head_hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "journal_records",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    refuse = _refuse_sqlite if op.get_bind().dialect.name == "sqlite" else _refuse_postgresql
    for refusal in _REFUSALS:
        refuse(*refusal)


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM runs")):
        raise ConfigError("the database holds journals: nothing takes it back to before them")
    op.drop_table("journal_records")  # and with a table go its triggers
    op.drop_table("runs")
    if op.get_bind().dialect.name != "sqlite":
        for name, *_ in _REFUSALS:
            op.execute(f"DROP FUNCTION {name}()")


def _refuse_sqlite(name: str, tried: str, table: str, when: str, words: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {tried} ON {table} FOR EACH ROW WHEN {when} "
        f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
    )


def _refuse_postgresql(name: str, tried: str, table: str, when: str, words: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {when} THEN RAISE EXCEPTION '{words}' "
        "USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {tried} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
    )
    if tried == "DELETE":  # TRUNCATE empties a table without deleting a row
        op.execute(
            f"CREATE TRIGGER {name}_all BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
