"""The right to be the only writer. It ends with its process, however that ends; nobody breaks it.

What holds is a lock that the system takes back by itself: on a file beside a SQLite database, an
advisory lock of the session in PostgreSQL. The table `leases` only says who took it last, for the
message to the one who comes second: a row that outlived its writer is not in anybody's way.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import DBAPIError

from evenkeel.domain.errors import UsageError
from evenkeel.storage.engine import is_sqlite, take_write_lock, trouble_told
from evenkeel.storage.tables import LeaseRow

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class Lease:
    """The right to write `name`, and the connection that it is bound to.

    Where the connection breaks in PostgreSQL, the right has gone with it: write over this
    connection, and nothing is written without the right.
    """

    def __init__(self, engine: Engine, name: str, *, since: int) -> None:
        """Take it; `since` is UTC nanoseconds. `UsageError` says who holds it."""
        self._file: tuple[Path, int] | None = None
        self.name = name
        with trouble_told(engine):
            self.connection = engine.connect()
            with ExitStack() as undo:
                undo.callback(self.close)
                self._take(since)
                undo.pop_all()

    def close(self) -> None:
        """Give it back. What was begun and not committed is undone."""
        if self._file is not None:
            path, descriptor = self._file
            path.unlink(missing_ok=True)  # while it is ours: see `_lock`
            os.close(descriptor)
            self._file = None
        held = self.connection
        if not (held.closed or held.invalidated or is_sqlite(held)):
            with suppress(DBAPIError):  # a session that has died has given it back already
                held.rollback()
                held.exec_driver_sql("SELECT pg_advisory_unlock_all()")
                held.detach()  # it was ours alone, and ends with us
        held.close()

    def _take(self, since: int) -> None:
        connection = self.connection
        if not self._locked(connection):
            raise UsageError(f"{self.name} is being written by {_holder(connection, self.name)}")
        connection.rollback()
        with connection.begin():
            take_write_lock(connection)
            connection.execute(delete(LeaseRow).where(LeaseRow.name == self.name))
            connection.execute(
                insert(LeaseRow).values(
                    name=self.name, host=socket.gethostname(), pid=os.getpid(), since=since
                )
            )

    def _locked(self, connection: Connection) -> bool:
        if not is_sqlite(connection):
            asked = text("SELECT pg_try_advisory_lock(hashtextextended(:what, 0))")
            schema = connection.scalar(text("SELECT current_schema()"))
            return bool(connection.scalar(asked, {"what": f"{schema}/{self.name}"}))
        database = connection.exec_driver_sql("PRAGMA database_list").all()[0].file
        if not database:
            return True  # it lives in this process's memory alone
        mark = hashlib.sha256(self.name.encode()).hexdigest()[:16]
        self._file = _lock(Path(f"{database}-lease-{mark}"))
        return self._file is not None


def _holder(connection: Connection, name: str) -> str:
    query = select(LeaseRow.host, LeaseRow.pid, LeaseRow.since).where(LeaseRow.name == name)
    found = connection.execute(query).one_or_none()
    if found is None:
        return "another process, which began this very moment"
    since = datetime.fromtimestamp(found.since // 1_000_000_000, UTC)
    return (
        f"process {found.pid} on {found.host} since {since:%Y-%m-%d %H:%M:%S} UTC; "
        "end that one first, or wait for its end"
    )


def _lock(path: Path) -> tuple[Path, int] | None:
    """Lock a file that is made for it; None when somebody else has. The lock dies with us."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock_at_once(descriptor)
            if _is_at(path, descriptor):
                return path, descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.close(descriptor)  # its last holder took the file away after we had opened it


def _lock_at_once(descriptor: int) -> None:
    if sys.platform == "win32":  # pragma: no cover  # it locks bytes, and says it in its own way
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
