"""What `append` returned from is there, whoever looks and whatever happens to the writer."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.journal.sample import STARTED, a_run

from evenkeel.domain.errors import JournalError, OutsideError, UsageError
from evenkeel.domain.events import Noted, RunEnded
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.verify import verify_database
from evenkeel.storage.engine import open_engine
from evenkeel.storage.migrate import prepare

RUN = a_run()
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """A database with its tables and nothing in them: making them is what takes time."""
    path = tmp_path_factory.mktemp("empty") / "runs.db"
    engine = open_engine(f"sqlite:///{path}")
    prepare(engine)
    engine.dispose()
    return path


@pytest.fixture
def path(made_once, tmp_path):
    return shutil.copy(made_once, tmp_path / "runs.db")


@pytest.fixture
def engine(path):
    engine = open_engine(f"sqlite:///{path}", busy_ms=50)
    yield engine
    engine.dispose()


def begin(engine, run_id="run", **facts):
    facts = {"mode": "paper", "strategy": "sma", "manifest": {"seed": "1"}, "created_at": 7} | facts
    return DatabaseJournal.begin(engine, run_id, **facts)


def seen_from_outside(path, query="SELECT count(*) FROM journal_records"):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchone()


def test_what_was_appended_is_there_for_everybody(engine, path):
    journal = begin(engine)
    for count in range(1, 4):
        journal.append([RUN[count - 1]])
        assert seen_from_outside(path) == (count,)
        row = seen_from_outside(path, "SELECT records, head_hash FROM runs")
        assert row == (count, journal.head)


def test_a_commit_waits_for_the_disk(engine):
    """SQLite, PRAGMA synchronous: 2 is FULL, a commit in WAL mode is synced before it returns."""
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 2
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"


def test_the_run_says_what_it_is(engine, path):
    begin(engine, mode="paper", strategy="sma", manifest={"seed": "1"}, created_at=7)
    row = seen_from_outside(path, "SELECT mode, strategy, manifest, created_at, records FROM runs")
    assert row == ("paper", "sma", '{"seed": "1"}', 7, 0)


def test_runs_share_a_database_and_not_their_records(engine, path):
    one, other = begin(engine, "one"), begin(engine, "other")
    one.append(RUN)
    other.append(RUN)
    assert one.head == other.head
    assert list(one.lines()) == list(other.lines())
    assert verify_database(path, "one") == verify_database(path, "other")


def test_a_run_is_begun_once(engine):
    begin(engine)
    with pytest.raises(UsageError, match="has a run 'run' already"):
        begin(engine)


def test_a_run_is_continued_behind_its_last_record(engine, path):
    begin(engine).append(RUN[:5])
    again = DatabaseJournal(engine, "run")
    assert len(again) == 5
    again.append(RUN[5:])
    assert verify_database(path).ended


def test_a_run_that_is_not_there_is_said(engine):
    begin(engine)
    with pytest.raises(UsageError, match=r"no run 'rum'; did you mean 'run'\?"):
        DatabaseJournal(engine, "rum")


def test_a_second_writer_is_refused(engine, path):
    first = begin(engine)
    first.append(RUN[:3])
    second = DatabaseJournal(engine, "run")
    second.append(RUN[3:5])
    with pytest.raises(JournalError, match=r"somebody else writes to run 'run'.* record 3,"):
        first.append(RUN[3:5])
    second.append(RUN[5:])
    assert verify_database(path).ok
    assert len(first) == 3


def test_nothing_is_written_when_something_cannot_be(engine, path):
    """A transaction holds the records, their count and the head: all of them or none."""
    journal = begin(engine)
    journal.append(RUN[:2])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON journal_records WHEN NEW.sequence = 5 "
            "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        with pytest.raises(OutsideError, match="no room"):
            journal.append(RUN[2:6])
        assert seen_from_outside(path, "SELECT max(sequence) FROM journal_records") == (2,)
        other.execute("DROP TRIGGER full")
    journal.append(RUN[2:])
    assert verify_database(path).ended


def test_a_locked_database_is_said(engine, path):
    journal = begin(engine)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutsideError, match="is locked; another process holds it"):
            journal.append(RUN[:1])
        with pytest.raises(OutsideError, match="is locked"):
            begin(engine, "another")


@pytest.mark.parametrize(
    ("statement", "law"),
    [
        ("UPDATE journal_records SET payload = '{}'", "never changed"),
        ("UPDATE journal_records SET at = 0 WHERE sequence = 1", "never changed"),
        ("UPDATE OR REPLACE journal_records SET sequence = 1", "never changed"),
        ("DELETE FROM journal_records", "never removed"),
        ("DELETE FROM journal_records WHERE sequence = 3", "never removed"),
        ("INSERT OR REPLACE INTO journal_records VALUES ('run', 2, '', 0, '', '')", "follow one"),
        ("INSERT INTO journal_records VALUES ('run', 9, '', 0, '', '')", "follow one another"),
        ("INSERT INTO journal_records VALUES ('none', 1, '', 0, '', '')", "FOREIGN KEY"),
        ("DELETE FROM runs", "never removed"),
        ("INSERT OR REPLACE INTO runs SELECT * FROM runs", "begins once"),
        ("UPDATE runs SET records = 2", "only grows"),
        ("UPDATE runs SET mode = 'live'", "only grows"),
        ("UPDATE runs SET manifest = '{}'", "only grows"),
        ("UPDATE runs SET run_id = 'x'", "only grows"),
    ],
)
def test_the_database_refuses_to_change_what_was_written(engine, path, statement, law):
    begin(engine).append(RUN[:3])
    with pytest.raises(IntegrityError, match=law), engine.begin() as connection:
        connection.execute(text(statement))
    assert verify_database(path).records == 3


WRITER = """
import sys
from tests.journal.sample import STARTED
from evenkeel.domain.events import Noted
from evenkeel.journal.database import DatabaseJournal
from evenkeel.storage.engine import open_engine

engine = open_engine(sys.argv[1])
journal = DatabaseJournal.begin(
    engine, "run", mode="paper", strategy="sma", manifest={}, created_at=1
)
journal.append([STARTED])
while True:
    journal.append([Noted(len(journal), "sma", "working")] * 3)
    print(len(journal), flush=True)
"""


def test_a_writer_that_is_killed_leaves_a_sound_journal(engine, path):
    """kill -9 in the middle of appends: all that was acknowledged is there, and it can go on."""
    command = [sys.executable, "-c", WRITER, str(engine.url)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        acknowledged = [int(writer.stdout.readline()) for _ in range(30)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().splitlines()]
    assert writer.returncode == -signal.SIGKILL
    verdict = verify_database(path)
    assert verdict.ok
    assert verdict.records >= acknowledged[-1]
    assert verdict.records % 3 == 1  # an append is there as a whole or not at all
    journal = DatabaseJournal(engine, "run")
    journal.append([RunEnded(99, STARTED.cash, "0" * 64)])
    assert verify_database(path).ended


def test_nothing_appended_is_nothing_written(engine):
    journal = begin(engine)
    journal.append([])
    assert len(journal) == 0


def test_a_large_group_is_one_append(engine, path):
    journal = begin(engine)
    journal.append([STARTED, *[Noted(at, "sma", "") for at in range(5_000)]])
    assert verify_database(path).records == 5_001
