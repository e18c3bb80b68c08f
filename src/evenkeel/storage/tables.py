"""The tables. A journal record is inserted once and never touched again; triggers see to it.

The triggers, and everything else that a class cannot say, stand in the migrations.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """What all tables have in common."""


class Run(Base):
    """One run, and where its journal stands: `records` and `head_hash` move with each append.

    `created_at` is UTC nanoseconds. The journal itself names neither run nor mode, so that two
    runs of the same decisions have the same records.
    """

    __tablename__ = "runs"

    run_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    mode: Mapped[str] = mapped_column(String(16))
    strategy: Mapped[str] = mapped_column(Text)
    manifest: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[int] = mapped_column(BigInteger)
    records: Mapped[int] = mapped_column(BigInteger)
    head_hash: Mapped[str] = mapped_column(String(64))


class JournalRecord(Base):
    """One record: `payload` is the JSON of its line, `hash` the SHA-256 of it (see `chain`).

    `kind` and `at` (UTC nanoseconds) repeat what the payload says, for those who search.
    """

    __tablename__ = "journal_records"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[int] = mapped_column(BigInteger)
    payload: Mapped[str] = mapped_column(Text)
    hash: Mapped[str] = mapped_column(String(64))
