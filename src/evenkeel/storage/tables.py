"""The tables. A journal record is inserted once and never touched again; triggers see to it.

    the truth        runs, journal_records
    its projections  orders, fills, positions, lots, postings, corporate_actions (`projections`
                     says how far each run's reach); made from the journal alone, and made again
                     by `evenkeel db rebuild`: nothing may be kept in them that is not there
    what people and providers know
                     instruments, tickers, accounts, strategies, limit_cards, limit_versions,
                     alerts, users
    who writes       leases

The triggers, and everything else that a class cannot say, stand in the migrations. Every time is
UTC nanoseconds, every amount exact. A projection refers to no other table: a record that was
purged when its time had come takes none of the others with it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from evenkeel.storage.columns import Amount, Encrypted


class Base(DeclarativeBase):
    """What all tables have in common."""

    type_annotation_map = {int: BigInteger, Decimal: Amount, str: Text, dict[str, Any]: JSON}  # noqa: RUF012  # SQLAlchemy reads it so


# ---- the truth ---------------------------------------------------------------------------------


class Run(Base):
    """One run, and where its journal stands: `records` and `head_hash` move with each append.

    `created_at` is wall time. The journal itself names neither run nor mode, so that two runs of
    the same decisions have the same records. What operators did while no run was going on has a
    journal too: its mode is `operations`.
    """

    __tablename__ = "runs"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    mode: Mapped[str] = mapped_column(String(16))
    strategy: Mapped[str]
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[int]
    records: Mapped[int]
    head_hash: Mapped[str] = mapped_column(String(64))


class JournalRecord(Base):
    """One record: `payload` is the JSON of its line, `hash` the SHA-256 of it (see `chain`).

    `kind` and `at` repeat what the payload says, for those who search.
    """

    __tablename__ = "journal_records"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[int]
    payload: Mapped[str]
    hash: Mapped[str] = mapped_column(String(64))


# ---- its projections ---------------------------------------------------------------------------


class Projection(Base):
    """How far the projections of a run reach: to record `sequence`, whose hash is `head_hash`."""

    __tablename__ = "projections"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    sequence: Mapped[int]
    head_hash: Mapped[str] = mapped_column(String(64))


class OrderRow(Base):
    """One order and what became of it. `status` is FIX 39's, or `REFUSED`; `why` its last words.

    `sequence` is the verdict's record, `bar_at` the bar that caused it, `correlation` the decision
    that all its descendants share (see `journal/causes.py`).
    """

    __tablename__ = "orders"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int]
    bar_at: Mapped[int]
    correlation: Mapped[str] = mapped_column(index=True)
    strategy: Mapped[str]
    instrument: Mapped[str] = mapped_column(index=True)
    side: Mapped[str]
    type: Mapped[str]
    tif: Mapped[str]
    quantity: Mapped[Decimal]
    filled: Mapped[Decimal]
    limit_price: Mapped[Decimal | None]
    stop_price: Mapped[Decimal | None]
    trail_amount: Mapped[Decimal | None]
    expires_at: Mapped[int | None]
    replaces: Mapped[int | None]
    parent: Mapped[int | None]
    oca_group: Mapped[int | None]
    status: Mapped[str]
    why: Mapped[str]
    reason: Mapped[str]
    sizing: Mapped[str]


class FillRow(Base):
    """One execution. `caused_by` is the record of the verdict that let its order out."""

    __tablename__ = "fills"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    caused_by: Mapped[int | None]
    correlation: Mapped[str] = mapped_column(index=True)
    id: Mapped[str]
    order_id: Mapped[int] = mapped_column(index=True)
    instrument: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal]
    price: Mapped[Decimal]
    currency: Mapped[str]
    commission: Mapped[Decimal]
    fees: Mapped[Decimal]
    slippage: Mapped[Decimal]
    ambiguity: Mapped[Decimal | None]
    at: Mapped[int]


class PostingRow(Base):
    """One leg: `amount` of `currency` was added to `account`. The legs of a record sum to zero."""

    __tablename__ = "postings"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    leg: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    correlation: Mapped[str] = mapped_column(index=True)
    account: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[Decimal]
    at: Mapped[int]


class PositionRow(Base):
    """What is held of an instrument, and what closing it has brought so far (see `ledger/book`)."""

    __tablename__ = "positions"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    instrument: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str]
    quantity: Mapped[Decimal]
    cost: Mapped[Decimal]
    realized: Mapped[Decimal]


class LotRow(Base):
    """What one fill opened, still open or closed by another: first in, first out.

    `opened_by` and `closed_by` are records; `profit` is before commission, None while it is open.
    """

    __tablename__ = "lots"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    instrument: Mapped[str] = mapped_column(index=True)
    opened_by: Mapped[int]
    closed_by: Mapped[int | None]
    quantity: Mapped[Decimal]
    cost: Mapped[Decimal]
    proceeds: Mapped[Decimal | None]
    profit: Mapped[Decimal | None]
    opened_at: Mapped[int]
    closed_at: Mapped[int | None]


class CorporateActionRow(Base):
    """What happened to an instrument, as the run booked it; `facts` as `domain` has them by kind."""

    __tablename__ = "corporate_actions"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    instrument: Mapped[str]
    at: Mapped[int]
    facts: Mapped[dict[str, Any]]


# ---- what people and providers know ------------------------------------------------------------


class InstrumentRow(Base):
    """An instrument as `domain/instrument.py` means it."""

    __tablename__ = "instruments"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str]
    currency: Mapped[str]
    tick: Mapped[Decimal | None]
    lot: Mapped[Decimal]
    multiplier: Mapped[Decimal]
    tradable: Mapped[bool]


class TickerRow(Base):
    """What a provider calls an instrument, from `valid_from` to before `valid_to` (None: still)."""

    __tablename__ = "tickers"

    provider: Mapped[str] = mapped_column(String(32), primary_key=True)
    ticker: Mapped[str] = mapped_column(String(64), primary_key=True)
    valid_from: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    valid_to: Mapped[int | None]
    instrument_id: Mapped[str] = mapped_column(ForeignKey("instruments.id"), index=True)


class AccountRow(Base):
    """An account at a broker. Its number is encrypted."""

    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    broker: Mapped[str]
    number: Mapped[str | None] = mapped_column(Encrypted("accounts.number"))
    currency: Mapped[str]
    opened_at: Mapped[int]


class StrategyRow(Base):
    """A strategy's card: what it is for, who answers for it, and what exactly runs."""

    __tablename__ = "strategies"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str]
    purpose: Mapped[str]
    owner: Mapped[str]
    params: Mapped[dict[str, Any]]
    added_at: Mapped[int]


class LimitCardRow(Base):
    """A limit card and the version of it that is in force."""

    __tablename__ = "limit_cards"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int]


class LimitVersionRow(Base):
    """One version of a limit card, who wrote it and why; never changed."""

    __tablename__ = "limit_versions"

    name: Mapped[str] = mapped_column(ForeignKey("limit_cards.name"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    card: Mapped[dict[str, Any]]
    actor: Mapped[str]
    reason: Mapped[str]
    at: Mapped[int]


class AlertRow(Base):
    """Something that a person was told, and who took note of it.

    `id` is given by who raises it, so that what is raised twice is one alert.
    """

    __tablename__ = "alerts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[int] = mapped_column(index=True)
    severity: Mapped[str]
    kind: Mapped[str]
    run_id: Mapped[str | None]
    text: Mapped[str]
    seen_at: Mapped[int | None]
    seen_by: Mapped[str | None]


class UserRow(Base):
    """A person who may ask something of a bot; second factor and token are encrypted."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    second_factor: Mapped[str | None] = mapped_column(Encrypted("users.second_factor"))
    token: Mapped[str | None] = mapped_column(Encrypted("users.token"))
    added_at: Mapped[int]
    disabled_at: Mapped[int | None]


# ---- who writes --------------------------------------------------------------------------------


class LeaseRow(Base):
    """Who last took the right to write something; whether it still holds, its lock says."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    since: Mapped[int]


PROJECTIONS: tuple[type[Base], ...] = (
    OrderRow,
    FillRow,
    PostingRow,
    PositionRow,
    LotRow,
    CorporateActionRow,
)
"""The tables that `db rebuild` empties and fills again."""
