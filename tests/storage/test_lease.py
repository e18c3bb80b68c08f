"""One writes. Who comes second is told who does; who has died is in nobody's way."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from sqlalchemy import delete, text

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.storage import lease as leases
from evenkeel.storage.engine import is_sqlite, open_engine, take_write_lock, trouble_told
from evenkeel.storage.lease import Lease
from evenkeel.storage.tables import LeaseRow

AT = 1_767_225_600_000_000_000
"""2026-01-01, midnight."""

HOLDER = """
import sys
from evenkeel.storage.engine import open_engine
from evenkeel.storage.lease import Lease
held = Lease(open_engine(sys.argv[1]), "run x", since=int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def engine(any_database):
    engine = open_engine(any_database)
    yield engine
    engine.dispose()


def test_who_comes_second_is_told_who_holds_it(engine, any_database):
    other = open_engine(any_database)
    with closing(Lease(engine, "run x", since=AT)):
        with pytest.raises(UsageError) as told:
            Lease(other, "run x", since=AT + 1)
        closing(Lease(other, "run y", since=AT))
    assert str(told.value) == (
        f"run x is being written by process {os.getpid()} on {socket.gethostname()} "
        "since 2026-01-01 00:00:00 UTC; end that one first, or wait for its end"
    )
    Lease(other, "run x", since=AT).close()
    other.dispose()


def test_it_ends_with_its_process(engine, any_database):
    """kill -9 leaves the row, and on disk the file: neither keeps anybody out."""
    command = [sys.executable, "-c", HOLDER, any_database, str(AT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=rf"by process {holder.pid} on "):
            Lease(engine, "run x", since=AT)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    if not is_sqlite(engine):  # the server needs a moment to see that the session is dead
        with engine.begin() as connection:
            wait = text("SELECT pg_advisory_xact_lock(hashtextextended(:w, 0))")
            connection.execute(wait, _key(engine))
    Lease(engine, "run x", since=AT + 1).close()


def _key(engine):
    with engine.connect() as connection:
        return {"w": f"{connection.scalar(text('SELECT current_schema()'))}/run x"}


def test_giving_it_back_twice_does_no_harm(engine):
    lease = Lease(engine, "run x", since=AT)
    lease.close()
    lease.close()


def test_nothing_is_left_lying_about(engine, tmp_path):
    Lease(engine, "run x", since=AT).close()
    assert not [file for file in tmp_path.iterdir() if "lease" in file.name]


def test_a_holder_that_has_not_said_who_it_is_yet(engine):
    with closing(Lease(engine, "run x", since=AT)):
        with engine.begin() as connection:
            take_write_lock(connection)
            connection.execute(delete(LeaseRow))
        with pytest.raises(UsageError, match="another process, which began this very moment"):
            Lease(engine, "run x", since=AT)


def test_a_file_taken_away_between_opening_and_locking_is_opened_anew(tmp_path, monkeypatch):
    """Else two could hold "the" lock: one on the file that is there, one on one that was."""
    engine = open_engine(f"sqlite:///{tmp_path}/runs.db")
    engine.dispose()
    lock = leases._lock_at_once
    path, seen = tmp_path / "a-lease", []

    def lock_late(descriptor):
        if len(seen) == 0:
            path.unlink()
        elif len(seen) == 1:
            path.unlink()
            path.touch()
        seen.append(descriptor)
        lock(descriptor)

    monkeypatch.setattr(leases, "_lock_at_once", lock_late)
    where, descriptor = leases._lock(path)
    assert len(seen) == 3
    assert os.path.samestat(where.stat(), os.fstat(descriptor))
    os.close(descriptor)


def test_a_database_in_memory_has_one_process(tmp_path):
    engine = open_engine("sqlite://")
    with engine.begin() as connection:
        LeaseRow.__table__.create(connection)
    Lease(engine, "run x", since=AT).close()
    engine.dispose()


def test_a_lease_whose_connection_breaks_is_gone(postgres_database):
    engine = open_engine(postgres_database)
    lease = Lease(engine, "run x", since=AT)
    pid = lease.connection.scalar(text("SELECT pg_backend_pid()"))
    lease.connection.rollback()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with pytest.raises(OutsideError), trouble_told(engine):
        lease.connection.execute(text("SELECT 1"))
    Lease(engine, "run x", since=AT).close()
    lease.close()
    engine.dispose()
