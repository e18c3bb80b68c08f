"""Tables that nobody wrote become projections: instruments, tickers, accounts, strategies, limits, alerts.

They held nothing that the journals do not say, and had no writer. Who acted is a projection too
(`operators`); `broker_accounts` keeps what no journal may say, encrypted. All projections count as
behind afterwards, so that they are made again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

AMOUNT = sa.Text().with_variant(sa.Numeric(), "postgresql")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _named(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _key(name: str, length: int = 64) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=True)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


def _amount(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, AMOUNT, nullable=nullable)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON, nullable=False)


_BEFORE = (
    "tickers",
    "instruments",
    "accounts",
    "strategies",
    "limit_versions",
    "limit_cards",
    "alerts",
)
_AFTER = (
    "instruments",
    "tickers",
    "accounts",
    "strategies",
    "limit_cards",
    "alerts",
    "operators",
    "broker_accounts",
)


def upgrade() -> None:
    for table in _BEFORE:
        op.drop_table(table)
    if not _on_sqlite():
        op.execute("DROP FUNCTION limits_kept()")
    op.create_table(
        "instruments",
        _key("run_id"),
        _named("id"),
        _text("currency"),
        _amount("tick", nullable=True),
        *map(_amount, ("lot", "multiplier")),
        _text("quarantine"),
    )
    op.create_table(
        "tickers",
        _key("run_id"),
        _number("number"),
        *map(_text, ("ticker", "instrument")),
        _whole("since", nullable=True),
        _whole("until", nullable=True),
    )
    op.create_table(
        "accounts",
        _key("run_id"),
        _text("currency"),
        _amount("cash"),
        *map(_text, ("costs", "slippage")),
        _json("settings"),
        _whole("opened_at"),
    )
    op.create_table(
        "strategies", _key("run_id"), _named("name"), _json("params"), _whole("started_at")
    )
    op.create_table(
        "limit_cards",
        _key("run_id"),
        sa.Column("version", sa.String(64), nullable=False),
        _json("card"),
        _whole("since"),
    )
    op.create_table(
        "alerts",
        _key("run_id"),
        _number("sequence"),
        *map(_text, ("kind", "about", "text")),
        _whole("at"),
        _whole("ended_by", nullable=True),
        _whole("ended_at", nullable=True),
    )
    op.create_table("operators", _key("run_id"), _named("name"), _whole("sequence"), _whole("at"))
    op.create_table(
        "broker_accounts",
        _key("name"),
        _text("broker"),
        sa.Column("number", sa.LargeBinary),
        _text("currency"),
        _whole("opened_at"),
    )
    for table, column in (("tickers", "ticker"), ("limit_cards", "version"), ("alerts", "at")):
        op.create_index(f"ix_{table}_{column}", table, [column])
    op.execute("DELETE FROM projections")


def downgrade() -> None:
    for table in _AFTER:
        op.drop_table(table)
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
        _json("params"),
        _whole("added_at"),
    )
    op.create_table("limit_cards", _key("name"), _whole("version"))
    op.create_table(
        "limit_versions",
        sa.Column("name", sa.String(64), sa.ForeignKey("limit_cards.name"), primary_key=True),
        _number("version"),
        _json("card"),
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
    _keep_versions_of_limits()


def _keep_versions_of_limits() -> None:
    """As 0002 does."""
    if _on_sqlite():
        for tried in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER limits_{tried} BEFORE {tried} ON limit_versions FOR EACH ROW "
                "BEGIN SELECT RAISE(ABORT, 'versions of limits are never changed'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION limits_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'versions of limits are never changed' "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER limits_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON limit_versions "
        "FOR EACH STATEMENT EXECUTE FUNCTION limits_kept()"
    )


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
