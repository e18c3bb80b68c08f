"""The tables. A journal record is inserted once and never touched again; triggers see to it.

    the truth        runs, journal_records
    its projections  (`projections` says how far each run's reach); made from the journal alone, and
                     made again by `evenkeel db rebuild`: nothing may be kept in them that is not
                     there
        what a run began with      instruments, tickers, accounts, strategies, limit_cards
        what became of it          orders, fills, positions, lots, postings, corporate_actions
        what people look at first  alerts, operators
    who may ask      broker_accounts, users: for `evenkeel live` and the dashboard, which write them;
                     in a version without these they are empty
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

from evenkeel.storage.columns import Amount, Encrypted, Sealed


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


# ---- its projections: what a run began with ------------------------------------------------------


class InstrumentRow(Base):
    """An instrument as a run took it to be (see `domain/instrument.py`).

    `tick` is None where none was declared; `quarantine` says why it must not be traded, else "".
    """

    __tablename__ = "instruments"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str]
    tick: Mapped[Decimal | None]
    lot: Mapped[Decimal]
    multiplier: Mapped[Decimal]
    quarantine: Mapped[str]


class TickerRow(Base):
    """Which instrument a ticker stood for in a run: the one that it was called at the end.

    It did so for bars that closed later than `since` (None: from the first one on) and not later
    than `until` (None: to the last one).
    """

    __tablename__ = "tickers"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ticker: Mapped[str] = mapped_column(index=True)
    instrument: Mapped[str]
    since: Mapped[int | None]
    until: Mapped[int | None]


class AccountRow(Base):
    """The account that a run traded with: what was in it, and what it pays.

    `settings` are the run's own words for loans, margin, shares of volume and exchange rates.
    """

    __tablename__ = "accounts"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    currency: Mapped[str]
    cash: Mapped[Decimal]
    costs: Mapped[str]
    slippage: Mapped[str]
    settings: Mapped[dict[str, Any]]
    opened_at: Mapped[int]


class StrategyRow(Base):
    """A strategy and the parameters that it ran with. The version of the code is in `runs`."""

    __tablename__ = "strategies"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    params: Mapped[dict[str, Any]]
    started_at: Mapped[int]


class LimitCardRow(Base):
    """The limit card that a run was held to, in its own words (see `risk/limits.py`).

    `version` is the SHA-256 of the card as JSON with sorted keys: cards that say the same are one
    version, whenever and by whomever they were written.
    """

    __tablename__ = "limit_cards"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(64), index=True)
    card: Mapped[dict[str, Any]]
    since: Mapped[int]


# ---- its projections: what became of it -----------------------------------------------------------


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


# ---- its projections: what people look at first ----------------------------------------------------


class AlertRow(Base):
    """Something that somebody should have looked at at once (see `reports/alerts.py`).

    `sequence` is the record that raised it, `kind` that record's. `ended_by` is the record that
    ended it and `ended_at` its time; None where nothing has ended it, or nothing can.
    """

    __tablename__ = "alerts"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    about: Mapped[str]
    text: Mapped[str]
    at: Mapped[int] = mapped_column(index=True)
    ended_by: Mapped[int | None]
    ended_at: Mapped[int | None]


class OperatorRow(Base):
    """Somebody who did something that is on record, and the first record that says so.

    The operators' journal is a run too (`operations`); what they did is in it, word for word. It
    grows with every command: this table knows it as of the last `db rebuild`, `upgrade`, `restore`.
    """

    __tablename__ = "operators"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    at: Mapped[int]


# ---- who may ask ------------------------------------------------------------------------------

ACCOUNT_NUMBER = Encrypted("broker_accounts.number")
SECOND_FACTOR = Encrypted("users.second_factor")
TOKEN = Encrypted("users.token")


class BrokerAccountRow(Base):
    """An account at a broker, by a name of ours; its number is encrypted.

    Written by `evenkeel live` when it first connects: simulated accounts have no number.
    """

    __tablename__ = "broker_accounts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    broker: Mapped[str]
    number: Mapped[Sealed | None] = mapped_column(ACCOUNT_NUMBER)
    currency: Mapped[str]
    opened_at: Mapped[int]


class UserRow(Base):
    """A person who may ask something of a bot; second factor and token are encrypted.

    Written by the dashboard, which asks who one is. At a terminal, the system knows (`operators`).
    """

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    second_factor: Mapped[Sealed | None] = mapped_column(SECOND_FACTOR)
    token: Mapped[Sealed | None] = mapped_column(TOKEN)
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
    InstrumentRow,
    TickerRow,
    AccountRow,
    StrategyRow,
    LimitCardRow,
    OrderRow,
    FillRow,
    PostingRow,
    PositionRow,
    LotRow,
    CorporateActionRow,
    AlertRow,
    OperatorRow,
)
"""The tables that `db rebuild` empties and fills again."""
