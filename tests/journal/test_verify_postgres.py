"""The same verifier on a server: tampering by somebody who owns it, and servers that are not there."""

import json
import sys
from contextlib import closing

import psycopg
import pytest
from tests.databases import SERVER, need_postgres, schema
from tests.journal.test_verify import HEAD, LAST, LINES, RUN, detected, sealed

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.verify import Verdict, runs_in, verify, verify_database
from evenkeel.storage.engine import open_engine


def write(url, records, run_id="run"):
    engine = open_engine(url)
    journal = DatabaseJournal.begin(
        engine, run_id, mode="paper", strategy="sma", manifest={}, created_at=1
    )
    journal.append(records)
    journal.close()
    engine.dispose()


@pytest.fixture
def url(postgres_database):
    write(postgres_database, RUN)
    return postgres_database


@pytest.fixture
def owner(url):
    """Who owns the tables takes their rules off."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("ALTER TABLE journal_records DISABLE TRIGGER USER")
        connection.execute("ALTER TABLE runs DISABLE TRIGGER USER")
        yield connection


def test_a_whole_database_is_sound(url):
    assert verify_database(url) == verify(url, "run") == Verdict(LAST, HEAD, ended=True)
    assert verify(url.replace("postgresql://", "postgresql+psycopg://")).ok
    assert runs_in(url) == ["run"]


@pytest.mark.parametrize("number", [1, 9, LAST])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_records SET payload = '{}' WHERE sequence = %s",
        "UPDATE journal_records SET payload = '' WHERE sequence = %s",
        "UPDATE journal_records SET hash = '5' WHERE sequence = %s",
        "UPDATE journal_records SET kind = 'None' WHERE sequence = %s",
        "UPDATE journal_records SET at = at + 1 WHERE sequence = %s",
        "DELETE FROM journal_records WHERE sequence = %s",
        "DELETE FROM journal_records WHERE sequence >= %s",
        "UPDATE journal_records SET sequence = sequence + 1000 WHERE sequence >= %s",
    ],
)
def test_tampering_with_rows_is_located(url, owner, statement, number):
    owner.execute(statement, (number,))
    detected(verify_database(url), number)


def test_an_edit_with_a_right_hash_is_located(url, owner):
    line = sealed(LINES[8][65:].replace(b'"at":', b'"at":1')).decode()
    owner.execute(
        "UPDATE journal_records SET hash = %s, payload = %s, at = %s WHERE sequence = 9",
        (line[:64], line[65:], json.loads(line[65:])["body"]["at"]),
    )
    detected(verify_database(url), 9)


def test_two_rows_that_changed_places_are_located(url, owner):
    for before, after in ((4, 1004), (5, 4), (1004, 5)):
        owner.execute(
            "UPDATE journal_records SET sequence = %s WHERE sequence = %s", (after, before)
        )
    detected(verify_database(url), 4)


def test_a_row_of_the_run_that_says_something_else_is_located(url, owner):
    owner.execute("UPDATE runs SET records = records + 1")
    detected(verify_database(url), LAST + 1)
    owner.execute("UPDATE runs SET records = 3")
    detected(verify_database(url), 4)


def test_a_row_that_cannot_be_read_is_located(url, owner):
    """Here a column is gone; on a real server it would be a damaged block."""
    owner.execute("ALTER TABLE journal_records RENAME COLUMN payload TO gone")
    detected(verify_database(url), 1)


@pytest.mark.parametrize("column", ["kind", "at", "payload", "hash"])
def test_a_table_made_anew_without_its_rules_is_read_all_the_same(url, owner, column):
    owner.execute("CREATE TABLE loose AS SELECT * FROM journal_records")
    owner.execute("DROP TABLE journal_records")
    owner.execute("ALTER TABLE loose RENAME TO journal_records")
    assert verify_database(url).ok
    owner.execute(f"UPDATE journal_records SET {column} = NULL")  # noqa: S608  # ours
    detected(verify_database(url), 1)


def test_a_run_that_goes_on_is_read_as_of_one_moment(url, monkeypatch):
    """Whoever writes meanwhile: count and rows belong together."""
    write(url, RUN[:3], "other")
    from evenkeel.journal import verify_sources

    ended = verify_sources._PostgresServer.end

    def slowly(self, run_id):
        found = ended(self, run_id)
        engine = open_engine(url)
        journal = DatabaseJournal(engine, "other", since=8)
        journal.append(RUN[3:6])
        journal.close()
        engine.dispose()
        return found

    monkeypatch.setattr(verify_sources._PostgresServer, "end", slowly)
    assert verify_database(url, "other").records == 3
    monkeypatch.undo()
    assert verify_database(url, "other").records == 6


def test_what_is_no_journal_is_said():
    need_postgres()
    with (
        schema() as empty,
        pytest.raises(UsageError, match='is not a journal database: relation "runs"'),
    ):
        verify(empty)


def test_a_server_that_is_not_there_is_said():
    need_postgres()
    with pytest.raises(OutsideError, match=r"ann@127\.0\.0\.1:1/x cannot be used") as told:
        verify("postgresql://ann:secret@127.0.0.1:1/x")
    assert "secret" not in str(told.value)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"pip install 'evenkeel\[postgres\]'"):
        verify(SERVER)
