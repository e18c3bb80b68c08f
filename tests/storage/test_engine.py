"""A database that cannot be used is said in one sentence; one that can, keeps what it is given."""

import sqlite3
import sys
from contextlib import closing

import pytest
from sqlalchemy import text
from tests.databases import SERVER, need_postgres, schema
from tests.fakes.clock import FakeClock

from evenkeel.domain.errors import ConfigError, OutsideError
from evenkeel.storage import engine as opening
from evenkeel.storage.engine import freeze, is_sqlite, open_engine, take_write_lock, trouble_told


def test_sqlite_is_opened_durable_and_strict(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/runs.db", busy_ms=1234)
    with engine.connect() as connection:
        pragmas = {
            name: connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 1234,
    }


def test_postgresql_is_opened_durable_and_impatient():
    need_postgres()
    with schema() as url:
        engine = open_engine(url, busy_ms=1234)
        with engine.connect() as connection:
            said = [
                connection.scalar(text(f"SHOW {name}"))
                for name in ("synchronous_commit", "lock_timeout", "application_name")
            ]
            assert connection.dialect.driver == "psycopg"
        engine.dispose()
    assert said == ["on", "1234ms", "evenkeel"]


@pytest.mark.parametrize("url", ["", "runs.db", "nonsense://", "data/runs.db"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ConfigError, match=r"write it like sqlite:///runs\.db"):
        open_engine(url)


def test_a_password_is_shown_in_no_message():
    with pytest.raises(ConfigError, match=r"nonsense://me:\*\*\*@host") as told:
        open_engine("nonsense://me:secret@host/runs")
    assert "secret" not in str(told.value)
    need_postgres()
    with pytest.raises(OutsideError, match=r"me:\*\*\*@127") as told:
        open_engine("postgresql://me:secret@127.0.0.1:1/runs")
    assert "secret" not in str(told.value)


def test_a_missing_driver_is_named():
    with pytest.raises(ConfigError, match=r"mysql\+mysqldb needs the Python package MySQLdb"):
        open_engine("mysql+mysqldb://me:secret@host/runs")


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'evenkeel\[postgres\]'"):
        open_engine("postgresql://me@host/runs")


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(OutsideError, match="unable to open database file; create its folder"):
        open_engine(f"sqlite:///{tmp_path}/none/runs.db")


def test_a_file_that_is_something_else_is_said(tmp_path):
    (tmp_path / "runs.db").write_text("date,open,high,low,close,volume\n" * 100)
    with pytest.raises(OutsideError, match="not a database; name a SQLite file"):
        open_engine(f"sqlite:///{tmp_path}/runs.db")


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(OutsideError, match="readonly database; make the file"):
        open_engine(f"sqlite:///file:{tmp_path}/runs.db?mode=ro&uri=true")


def test_a_database_that_somebody_holds_is_said(tmp_path):
    open_engine(f"sqlite:///{tmp_path}/runs.db").dispose()
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutsideError, match="locked; another process holds it"):
            open_engine(f"sqlite:///{tmp_path}/runs.db", busy_ms=10)


@pytest.fixture
def held(tmp_path):
    """A file that somebody else is making, before it has a write-ahead log."""
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_file_that_is_being_turned_into_ours_is_waited_for(tmp_path, held):
    """Of several that turn the write-ahead log on at once, SQLite lets none wait: we do."""

    class Meanwhile(FakeClock):
        def sleep(self, seconds):
            super().sleep(seconds)
            held.execute("ROLLBACK")

    clock = Meanwhile()
    open_engine(f"sqlite:///{tmp_path}/runs.db", clock=clock).dispose()
    assert clock.slept == [0.01]


def test_and_no_longer_than_one_waits_for_anybody(tmp_path, held):
    clock = FakeClock()
    with pytest.raises(OutsideError, match="locked; another process holds it"):
        open_engine(f"sqlite:///{tmp_path}/runs.db", busy_ms=50, clock=clock)
    assert sum(clock.slept) == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://postgres@127.0.0.1:1/test", "refused; start the server"),
        (f"{SERVER.rpartition('/')[0]}/no_such_database_here", "does not exist; create it"),
    ],
)
def test_a_server_that_cannot_be_used_is_said(address, said):
    need_postgres()
    with pytest.raises(OutsideError, match=said):
        open_engine(address)


def test_a_row_that_somebody_holds_is_waited_for_and_no_longer(any_database):
    engine = open_engine(any_database, busy_ms=20)
    with engine.begin() as one:
        take_write_lock(one)
        one.execute(text("UPDATE alembic_version SET version_num = version_num"))
        with pytest.raises(OutsideError, match="another process holds it"):
            touch(engine)
    engine.dispose()


def touch(engine):
    with trouble_told(engine), engine.begin() as connection:
        take_write_lock(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = version_num"))


def test_who_comes_when_all_connections_are_in_use_waits_and_is_told(postgres_database):
    engine = open_engine(postgres_database, busy_ms=20)
    held = [engine.connect() for _ in range(opening.CONNECTIONS_MAX)]
    with (
        pytest.raises(OutsideError, match="cannot be used: QueuePool limit"),
        trouble_told(engine),
        engine.connect(),
    ):
        pass  # never reached
    for connection in held:
        connection.close()
    engine.dispose()


def test_a_connection_that_died_while_idle_is_replaced(postgres_database):
    engine = open_engine(postgres_database)
    with engine.connect() as one, engine.connect() as other:
        victim = one.scalar(text("SELECT pg_backend_pid()"))
    with engine.connect() as other:
        if other.scalar(text("SELECT pg_backend_pid()")) == victim:
            other.invalidate()
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": victim})
    for _ in range(3):
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()


def test_a_frozen_reader_sees_one_moment(any_database):
    engine = open_engine(any_database)
    count = text("SELECT count(*) FROM leases")
    with engine.connect() as reader:
        freeze(reader)
        assert reader.scalar(count) == 0
        with engine.begin() as writer:
            take_write_lock(writer)
            writer.execute(text("INSERT INTO leases VALUES ('run x', 'here', 1, 1)"))
        assert reader.scalar(count) == 0
    with engine.connect() as reader:
        assert reader.scalar(count) == 1
        assert is_sqlite(reader) is any_database.startswith("sqlite")
    engine.dispose()


def test_trouble_without_advice_is_said_as_it_is(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/runs.db")
    with (
        pytest.raises(OutsideError, match=r"runs\.db cannot be used: no such table: t$"),
        trouble_told(engine),
        engine.connect() as connection,
    ):
        connection.execute(text("SELECT * FROM t"))
    engine.dispose()
