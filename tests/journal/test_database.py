"""What `append` returned from is there, whoever looks and whatever happens to the writer."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.journal.sample import STARTED, a_run

from evenkeel.domain.errors import JournalError, OutsideError, UsageError
from evenkeel.domain.events import Noted
from evenkeel.journal.chain import links
from evenkeel.journal.database import DatabaseJournal, add
from evenkeel.journal.verify import verify_database
from evenkeel.storage.engine import open_engine
from evenkeel.storage.migrate import prepare

RUN = a_run()
ROOT = Path(__file__).parents[2]


@pytest.fixture
def engine(any_database):
    engine = open_engine(any_database, busy_ms=50)
    yield engine
    engine.dispose()


@pytest.fixture
def url(any_database):
    """What somebody else opens: nothing of the writer's is used."""
    return any_database


BEGUN = []


@pytest.fixture(autouse=True)
def _closed_at_the_end():
    yield
    while BEGUN:
        BEGUN.pop().close()


def begin(engine, run_id="run", **facts):
    facts = {"mode": "paper", "strategy": "sma", "manifest": {"seed": "1"}, "created_at": 7} | facts
    BEGUN.append(DatabaseJournal.begin(engine, run_id, **facts))
    return BEGUN[-1]


def connect(url):
    """As somebody who knows the database, and not this package."""
    if url.startswith("sqlite"):
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    return psycopg.connect(url, autocommit=True)


def seen_from_outside(url, query="SELECT count(*) FROM journal_records"):
    with closing(connect(url)) as connection:
        return connection.execute(query).fetchone()


def test_what_was_appended_is_there_for_everybody(engine, url):
    journal = begin(engine)
    for count in range(1, 4):
        journal.append([RUN[count - 1]])
        assert seen_from_outside(url) == (count,)
        row = seen_from_outside(url, "SELECT records, head_hash FROM runs")
        assert row == (count, journal.head)


def test_the_run_says_what_it_is(engine, url):
    begin(engine, mode="paper", strategy="sma", manifest={"seed": "1"}, created_at=7)
    row = seen_from_outside(url, "SELECT mode, strategy, manifest, created_at, records FROM runs")
    assert row[:2] + row[3:] == ("paper", "sma", 7, 0)
    assert row[2] in ({"seed": "1"}, '{"seed": "1"}')


def test_runs_share_a_database_and_not_their_records(engine, url):
    one, other = begin(engine, "one"), begin(engine, "other")
    one.append(RUN)
    other.append(RUN)
    assert one.head == other.head
    assert list(one.lines()) == list(other.lines())
    assert verify_database(url, "one") == verify_database(url, "other")


def test_a_run_is_begun_once(engine):
    begin(engine)
    with pytest.raises(UsageError, match="has a run 'run' already"):
        begin(engine)


def test_a_run_is_continued_behind_its_last_record(engine, url):
    journal = begin(engine)
    journal.append(RUN[:5])
    journal.close()
    again = DatabaseJournal(engine, "run", since=8)
    assert len(again) == 5
    again.append(RUN[5:])
    again.close()
    assert verify_database(url).ended


def test_a_run_that_is_not_there_is_said(engine):
    begin(engine)
    with pytest.raises(UsageError, match=r"no run 'rum'; did you mean 'run'\?"):
        DatabaseJournal(engine, "rum", since=8)


def test_a_second_writer_is_refused_and_told_who_writes(engine):
    first = begin(engine)
    first.append(RUN[:3])
    with pytest.raises(UsageError, match=rf"run run is being written by process {os.getpid()} on"):
        DatabaseJournal(engine, "run", since=8)
    first.close()
    DatabaseJournal(engine, "run", since=8).close()


def test_even_without_a_lease_a_second_writer_is_refused(engine, url):
    """Files on a network drive, a colleague with psql: the chain itself lets one go on."""
    first = begin(engine)
    first.append(RUN[:3])
    position = (3, first.head)
    with engine.begin() as connection:
        add(connection, "run", [*links(RUN[3:5], after=3, previous=first.head)], after=position)
    with pytest.raises(JournalError, match=r"somebody else writes to run 'run'.* record 3,"):
        first.append(RUN[3:5])
    assert verify_database(url).records == 5
    assert len(first) == 3
    first.close()


def test_who_lost_the_connection_has_lost_the_right(postgres_database):
    engine = open_engine(postgres_database)
    journal = begin(engine)
    journal.append(RUN[:3])
    pid = journal._lease.connection.scalar(text("SELECT pg_backend_pid()"))
    journal._lease.connection.rollback()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with pytest.raises(OutsideError):
        journal.append(RUN[3:5])
    with pytest.raises(OutsideError, match="lost, and with it the right to write"):
        journal.append(RUN[3:5])
    again = DatabaseJournal(engine, "run", since=8)
    assert len(again) == 3
    again.close()
    journal.close()
    engine.dispose()


NO_ROOM = {
    "sqlite": """
        CREATE TRIGGER no_room BEFORE INSERT ON journal_records WHEN NEW.sequence = 5
        BEGIN SELECT RAISE(ABORT, 'no room'); END
    """,
    "postgresql": """
        CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
        CREATE TRIGGER no_room BEFORE INSERT ON journal_records FOR EACH ROW
        WHEN (NEW.sequence = 5) EXECUTE FUNCTION no_room()
    """,
}


def test_nothing_is_written_when_something_cannot_be(engine, url):
    """A transaction holds the records, their count and the head: all of them or none."""
    journal = begin(engine)
    journal.append(RUN[:2])
    with closing(connect(url)) as other:
        other.execute(NO_ROOM[engine.dialect.name])
        with pytest.raises(OutsideError, match="no room"):
            journal.append(RUN[2:6])
        assert seen_from_outside(url, "SELECT max(sequence) FROM journal_records") == (2,)
        on = "" if engine.dialect.name == "sqlite" else " ON journal_records"
        other.execute(f"DROP TRIGGER no_room{on}")
    journal.append(RUN[2:])
    assert verify_database(url).ended


def test_a_run_that_somebody_holds_is_waited_for_and_no_longer(engine, url):
    journal = begin(engine)
    with closing(connect(url)) as other:
        other.execute("BEGIN IMMEDIATE" if "sqlite" in url else "BEGIN")
        other.execute("UPDATE runs SET records = 0")
        with pytest.raises(OutsideError, match="another process holds it"):
            journal.append(RUN[:1])
        other.execute("ROLLBACK")
    journal.append(RUN)
    journal.close()
    assert verify_database(url).ended


def test_a_locked_database_takes_no_new_run(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/runs.db", busy_ms=50)
    prepare(engine)
    with closing(connect(f"sqlite:///{tmp_path}/runs.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutsideError, match="is locked"):
            begin(engine)
    engine.dispose()


CHANGES = [
    ("UPDATE journal_records SET payload = '{}'", "never changed"),
    ("UPDATE journal_records SET at = 0 WHERE sequence = 1", "never changed"),
    ("UPDATE OR REPLACE journal_records SET sequence = 1", "never changed"),
    ("DELETE FROM journal_records", "never removed"),
    ("DELETE FROM journal_records WHERE sequence = 3", "never removed"),
    ("INSERT OR REPLACE INTO journal_records VALUES ('run', 2, '', 0, '', '')", "follow one"),
    ("INSERT INTO journal_records VALUES ('run', 9, '', 0, '', '')", "follow one another"),
    ("INSERT INTO journal_records VALUES ('none', 1, '', 0, '', '')", "(?i)foreign key"),
    ("DELETE FROM runs", "never removed"),
    ("INSERT OR REPLACE INTO runs SELECT * FROM runs", "begins once"),
    ("UPDATE runs SET records = 2", "only grows"),
    ("UPDATE runs SET mode = 'live'", "only grows"),
    ("UPDATE runs SET manifest = '{}'", "only grows"),
    ("UPDATE runs SET run_id = 'x'", "only grows"),
    ("TRUNCATE journal_records", "never removed"),
    ("TRUNCATE runs CASCADE", "never removed"),
]


@pytest.mark.parametrize(("statement", "law"), CHANGES, ids=[each for each, _ in CHANGES])
def test_the_database_refuses_to_change_what_was_written(engine, url, statement, law):
    if (" OR REPLACE" in statement) > (engine.dialect.name == "sqlite"):
        pytest.skip("only SQLite can say that")
    if statement.startswith("TRUNCATE") and engine.dialect.name == "sqlite":
        pytest.skip("only PostgreSQL can say that")
    journal = begin(engine)
    journal.append(RUN[:3])
    journal.close()
    with pytest.raises(IntegrityError, match=law), engine.begin() as connection:
        connection.execute(text(statement))
    assert verify_database(url).records == 3


def test_nothing_appended_is_nothing_written(engine):
    journal = begin(engine)
    journal.append([])
    assert len(journal) == 0


def test_a_large_group_is_one_append(engine, url):
    journal = begin(engine)
    journal.append([STARTED, *[Noted(at, "sma", "") for at in range(5_000)]])
    journal.close()
    assert verify_database(url).records == 5_001
