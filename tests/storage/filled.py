"""A database with something in each of its tables, of values that are easily lost on the way."""

from decimal import Decimal

from sqlalchemy import insert, text
from tests.journal.sample import a_run

from evenkeel.journal.database import DatabaseJournal
from evenkeel.storage.columns import Encrypted, unlocked
from evenkeel.storage.engine import take_write_lock
from evenkeel.storage.tables import Base

NUMBER = "DU-1234567"
"""An account's number: it must not be found in anything that is written."""

VALUES = {
    "BIGINT": 1_893_456_789_123_456_789,
    "INTEGER": 3,
    "BOOLEAN": True,
    "JSON": {"fast": "10", "naïve": ["“”", None, 1.5]},
    "Amount": Decimal("-12345678901234567890.12345678901234567890"),
}


class Mask:
    """A cipher that only shows that it was asked, and for which place."""

    def encrypt(self, plaintext, *, bound_to):
        return bound_to + b"\x00\xff" + plaintext[::-1]

    def decrypt(self, ciphertext, *, bound_to):
        place, _, masked = ciphertext.partition(b"\x00\xff")
        assert place == bound_to
        return masked[::-1]


def fill(engine):
    """Two runs with the same records, and a row with every column set in every other table."""
    for run_id in ("one", "other"):
        journal = DatabaseJournal.begin(
            engine,
            run_id,
            mode="paper",
            strategy="naïve “cross”",
            manifest={"seed": None, "words": "naïve"},
            created_at=7,
        )
        journal.append(a_run())
        journal.close()
    with unlocked(Mask()), engine.begin() as connection:
        take_write_lock(connection)
        for table in Base.metadata.sorted_tables:
            if table.name not in {"runs", "journal_records", "leases"}:
                row = {column.name: _value(column) for column in table.columns}
                row |= {
                    each.name: each.type.seal(NUMBER, row=row["name"])
                    for each in table.columns
                    if isinstance(each.type, Encrypted)
                }
                connection.execute(insert(table).values(row))
                if table.name in {"users", "lots"}:  # once more, with nothing in it
                    empty = {each.name: None for each in table.columns if each.nullable}
                    empty["name" if table.name == "users" else "number"] = _another(table)
                    connection.execute(insert(table).values(row | empty))


def _value(column):
    if column.name == "run_id":
        return "one"
    kind = type(column.type).__name__
    return VALUES.get(kind) or VALUES.get(str(column.type), "naïve\n“text”")


def _another(table):
    return "another" if table.name == "users" else 2


def rows_of(engine, table):
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).all()  # noqa: S608  # ours
