"""A database that cannot be used is said in one sentence; one that can, keeps what it is given."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text

from evenkeel.domain.errors import ConfigError, OutsideError
from evenkeel.storage.engine import open_engine, trouble_told


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


@pytest.mark.parametrize("url", ["", "runs.db", "nonsense://", "data/runs.db"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ConfigError, match=r"write it like sqlite:///runs\.db"):
        open_engine(url)


def test_a_missing_driver_is_named():
    with pytest.raises(ConfigError, match=r"mysql\+mysqldb needs the Python package MySQLdb"):
        open_engine("mysql+mysqldb://me:secret@host/runs")


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


def test_trouble_without_advice_is_said_as_it_is(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/runs.db")
    with (
        pytest.raises(OutsideError, match=r"runs\.db cannot be used: no such table: t$"),
        trouble_told(engine),
        engine.connect() as connection,
    ):
        connection.execute(text("SELECT * FROM t"))
    engine.dispose()
