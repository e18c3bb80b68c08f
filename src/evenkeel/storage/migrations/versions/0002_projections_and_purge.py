"""Tables for projections and for what people know; a record may be purged once a record says so.

The one change of a record that is let pass: its payload becomes its tombstone, word for word
(its number, kind, time and `previous`, and the number of the operators' record that tells of the
purge), after that record was written, and for the run that it names.

In PostgreSQL, whether records follow one another is now asked once of each statement: asked of each
row, it took longer than everything else.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

AMOUNT = sa.Text().with_variant(sa.Numeric(), "postgresql")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _key(name: str, length: int = 64) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=True)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


def _amount(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, AMOUNT, nullable=nullable)


def upgrade() -> None:
    _make_projections()
    _make_what_people_know()
    op.create_table("leases", _key("name", 80), _text("host"), _whole("pid"), _whole("since"))
    _never_changed(_PURGE_ALONE)
    if _on_sqlite():
        for tried in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER limits_{tried} BEFORE {tried} ON limit_versions FOR EACH ROW "
                "BEGIN SELECT RAISE(ABORT, 'versions of limits are never changed'); END"
            )
        return
    _follow_one_another_by(statement=True)
    op.execute(
        "CREATE FUNCTION limits_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'versions of limits are never changed' "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER limits_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON limit_versions "
        "FOR EACH STATEMENT EXECUTE FUNCTION limits_kept()"
    )


def downgrade() -> None:
    _never_changed("1 = 1")
    for table in reversed(_TABLES):
        op.drop_table(table)
    if not _on_sqlite():
        op.execute("DROP FUNCTION limits_kept()")
        _follow_one_another_by(statement=False)


# ---- tables ----

_TABLES = (
    "projections",
    "orders",
    "fills",
    "postings",
    "positions",
    "lots",
    "corporate_actions",
    "instruments",
    "tickers",
    "accounts",
    "strategies",
    "limit_cards",
    "limit_versions",
    "alerts",
    "users",
    "leases",
)


def _make_projections() -> None:
    op.create_table(
        "projections",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
        _whole("sequence"),
        sa.Column("head_hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "orders",
        _key("run_id"),
        _number("id"),
        _whole("sequence"),
        _whole("bar_at"),
        _text("correlation"),
        *map(_text, ("strategy", "instrument", "side", "type", "tif")),
        *map(_amount, ("quantity", "filled")),
        _amount("limit_price", nullable=True),
        _amount("stop_price", nullable=True),
        _amount("trail_amount", nullable=True),
        _whole("expires_at", nullable=True),
        _whole("replaces", nullable=True),
        _whole("parent", nullable=True),
        _whole("oca_group", nullable=True),
        *map(_text, ("status", "why", "reason", "sizing")),
    )
    op.create_table(
        "fills",
        _key("run_id"),
        _number("sequence"),
        _whole("caused_by", nullable=True),
        _text("correlation"),
        _text("id"),
        _whole("order_id"),
        *map(_text, ("instrument", "side")),
        *map(_amount, ("quantity", "price")),
        _text("currency"),
        *map(_amount, ("commission", "fees", "slippage")),
        _amount("ambiguity", nullable=True),
        _whole("at"),
    )
    op.create_table(
        "postings",
        _key("run_id"),
        _number("sequence"),
        sa.Column("leg", sa.Integer, primary_key=True, autoincrement=False),
        *map(_text, ("correlation", "account", "currency")),
        _amount("amount"),
        _whole("at"),
    )
    op.create_table(
        "positions",
        _key("run_id"),
        sa.Column("instrument", sa.Text, primary_key=True),
        _text("currency"),
        *map(_amount, ("quantity", "cost", "realized")),
    )
    op.create_table(
        "lots",
        _key("run_id"),
        _number("number"),
        _text("instrument"),
        _whole("opened_by"),
        _whole("closed_by", nullable=True),
        *map(_amount, ("quantity", "cost")),
        _amount("proceeds", nullable=True),
        _amount("profit", nullable=True),
        _whole("opened_at"),
        _whole("closed_at", nullable=True),
    )
    op.create_table(
        "corporate_actions",
        _key("run_id"),
        _number("sequence"),
        *map(_text, ("kind", "instrument")),
        _whole("at"),
        sa.Column("facts", sa.JSON, nullable=False),
    )
    for table, column in (
        ("orders", "correlation"),
        ("orders", "instrument"),
        ("fills", "correlation"),
        ("fills", "order_id"),
        ("postings", "correlation"),
        ("lots", "instrument"),
    ):
        op.create_index(f"ix_{table}_{column}", table, [column])


def _make_what_people_know() -> None:
    op.create_table(
        "instruments",
        _key("id"),
        *map(_text, ("name", "currency")),
        _amount("tick", nullable=True),
        *map(_amount, ("lot", "multiplier")),
        sa.Column("tradable", sa.Boolean, nullable=False),
    )
    op.create_table(
        "tickers",
        _key("provider", 32),
        _key("ticker"),
        _number("valid_from"),
        _whole("valid_to", nullable=True),
        sa.Column("instrument_id", sa.String(64), sa.ForeignKey("instruments.id"), nullable=False),
    )
    op.create_index("ix_tickers_instrument_id", "tickers", ["instrument_id"])
    op.create_table(
        "accounts",
        _key("name"),
        _text("broker"),
        sa.Column("number", sa.LargeBinary),
        _text("currency"),
        _whole("opened_at"),
    )
    op.create_table(
        "strategies",
        _key("name"),
        _key("version"),
        *map(_text, ("source", "purpose", "owner")),
        sa.Column("params", sa.JSON, nullable=False),
        _whole("added_at"),
    )
    op.create_table("limit_cards", _key("name"), _whole("version"))
    op.create_table(
        "limit_versions",
        sa.Column("name", sa.String(64), sa.ForeignKey("limit_cards.name"), primary_key=True),
        _number("version"),
        sa.Column("card", sa.JSON, nullable=False),
        *map(_text, ("actor", "reason")),
        _whole("at"),
    )
    op.create_table(
        "alerts",
        _key("id"),
        _whole("at"),
        *map(_text, ("severity", "kind")),
        _text("run_id", nullable=True),
        _text("text"),
        _whole("seen_at", nullable=True),
        _text("seen_by", nullable=True),
    )
    op.create_index("ix_alerts_at", "alerts", ["at"])
    op.create_table(
        "users",
        _key("name"),
        *map(_text, ("role", "password_hash")),
        sa.Column("second_factor", sa.LargeBinary),
        sa.Column("token", sa.LargeBinary),
        _whole("added_at"),
        _whole("disabled_at", nullable=True),
    )


# ---- what may change in a record ----

_PURGE_ALONE = """(NEW.run_id = OLD.run_id AND NEW.sequence = OLD.sequence
    AND NEW.kind = OLD.kind AND NEW.at = OLD.at AND NEW.hash = OLD.hash
    AND {find}(OLD.payload, '"body":') > 0
    AND {find}(OLD.payload, '"command":"audit purge"') = 0
    AND NEW.payload = '{{"sequence":' || OLD.sequence || ',"kind":"' || OLD.kind
        || '","previous":"' || substr(OLD.payload, {find}(OLD.payload, '"previous":"') + 12, 64)
        || '","at":' || OLD.at || ',"purged":' || (
            SELECT sequence FROM journal_records told
            WHERE told.run_id = 'operations' AND told.kind = 'OperatorActed'
            AND {find}(told.payload, '"command":"audit purge"') > 0
            AND {find}(told.payload, '"run":"' || OLD.run_id || '"') > 0
            ORDER BY sequence DESC LIMIT 1) || '}}') IS NOT TRUE"""


def _never_changed(refused_when: str) -> None:
    """Replace the rule of 0001 about changed records."""
    words = "records are never changed"
    when = refused_when.format(find="instr" if _on_sqlite() else "strpos")
    if _on_sqlite():
        op.execute("DROP TRIGGER record_changed")
        op.execute(
            f"CREATE TRIGGER record_changed BEFORE UPDATE ON journal_records FOR EACH ROW "
            f"WHEN {when} BEGIN SELECT RAISE(ABORT, '{words}'); END"
        )
        return
    op.execute(
        f"CREATE OR REPLACE FUNCTION record_changed() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF {when} THEN RAISE EXCEPTION '{words}' "
        "USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
    )


_ADDED_BY_STATEMENT = """EXISTS (
    SELECT 1 FROM (
        SELECT run_id, min(sequence) AS low, max(sequence) AS high, count(*) AS records
        FROM added GROUP BY run_id
    ) AS group_added
    WHERE high - low + 1 <> records OR low <> 1 + coalesce((
        SELECT sequence FROM journal_records AS there
        WHERE there.run_id = group_added.run_id AND there.sequence < low
        ORDER BY sequence DESC LIMIT 1), 0))"""
_ADDED_BY_ROW = """NEW.sequence <> coalesce((
    SELECT sequence FROM journal_records WHERE run_id = NEW.run_id
    ORDER BY sequence DESC LIMIT 1), 0) + 1"""


def _follow_one_another_by(*, statement: bool) -> None:
    """Ask it of all rows of a statement at once, or of each by itself as 0001 does."""
    when = _ADDED_BY_STATEMENT if statement else _ADDED_BY_ROW
    each = "AFTER INSERT ON journal_records REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
    op.execute("DROP TRIGGER record_added ON journal_records")
    op.execute(
        "CREATE OR REPLACE FUNCTION record_added() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF {when} THEN RAISE EXCEPTION 'records follow one another' "
        "USING ERRCODE = 'integrity_constraint_violation'; END IF; "
        f"RETURN {'NULL' if statement else 'NEW'}; END $$"
    )
    op.execute(
        f"CREATE TRIGGER record_added "
        f"{each if statement else 'BEFORE INSERT ON journal_records FOR EACH ROW'} "
        "EXECUTE FUNCTION record_added()"
    )


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
