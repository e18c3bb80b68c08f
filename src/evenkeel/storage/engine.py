"""A database is opened so that what was committed survives a power cut, or it is not opened."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from evenkeel.domain.errors import ConfigError, OutsideError
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.redact import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine

    from evenkeel.ops.clock import Clock

_ADVICE = {
    "unable to open": "; create its folder, or make the folder writable",
    "readonly": "; make the file and its folder writable",
    "locked": "; another process holds it: end that one, or wait",
    "lock timeout": "; another process holds it: end that one, or wait",
    "not a database": "; name a SQLite file, or one that does not exist yet",
    "disk is full": "; make room on the disk",
    "refused": "; start the server, or correct host and port",
    "could not translate host": "; correct the host",
    "authentication failed": "; correct user and password",
    "permission denied": "; that is for the owner of the tables, or for `evenkeel db grants` to allow",
    "does not exist": "; create it, or correct the name",
    "too many clients": "; let the server take more connections, or end some",
}

CONNECTIONS_MAX = 10
"""How many connections one process may have open to a PostgreSQL server."""

_EXTRAS = {"postgresql": "evenkeel[postgres]"}


def open_engine(url: str, *, busy_ms: int = 30_000, clock: Clock = SYSTEM_CLOCK) -> Engine:
    """Open a database by its SQLAlchemy URL and see that it can be written.

    `sqlite:///runs.db` runs in WAL mode with synchronous=FULL (what is committed is on the disk)
    and with foreign keys; `postgresql://user@host/name` goes through psycopg 3, and a connection
    that has died while it lay idle is replaced unnoticed. Nobody waits longer than `busy_ms`
    milliseconds for another writer, or for a connection. Raises `ConfigError` for a URL that
    names no database, `OutsideError` for one that cannot be used.
    """
    try:
        parsed = _with_driver(url)
        engine = create_engine(
            parsed,
            hide_parameters=True,  # no value of a statement is told in an error
            **_ways_to_connect(parsed, busy_ms),
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(
            f"{without_password(url)!r} is not the URL of a database; "
            "write it like sqlite:///runs.db or postgresql://user@host/name"
        ) from error
    except ImportError as error:
        scheme = url.partition(":")[0]
        wanted = _EXTRAS.get(scheme.partition("+")[0], error.name)
        raise ConfigError(
            f"the database {scheme} needs the Python package {error.name or 'of its driver'}: "
            f"pip install '{wanted}', or use a sqlite:/// URL"
        ) from error
    _prepare_connections(engine, busy_ms, clock)
    try:
        with trouble_told(engine), engine.begin() as connection:
            take_write_lock(connection)
    except OutsideError:
        engine.dispose()
        raise
    return engine


def is_sqlite(bound: Engine | Connection) -> bool:
    """Return whether this is the embedded database."""
    return bound.dialect.name == "sqlite"


def take_write_lock(connection: Connection) -> None:
    """Begin SQLite's transaction as a writer at once, so that nothing read can go stale in it."""
    if is_sqlite(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def freeze(connection: Connection) -> None:
    """Begin a transaction that sees the database as of one moment, whoever writes meanwhile."""
    mode = "BEGIN" if is_sqlite(connection) else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    connection.exec_driver_sql(mode)


@contextmanager
def trouble_told(engine: Engine) -> Iterator[None]:
    """Turn what a database says when it cannot go on into an `OutsideError` of one sentence."""
    try:
        yield
    except (StatementError, PoolTimeoutError, engine.dialect.loaded_dbapi.Error) as error:
        cause = error.orig if isinstance(error, StatementError) else error
        said = str(cause).partition("\n")[0]
        advice = next((what for sign, what in _ADVICE.items() if sign in said), "")
        raise OutsideError(
            f"the database {name_of(engine)} cannot be used: {said}{advice}"
        ) from error


def name_of(engine: Engine) -> str:
    """Return the database's URL as it may be shown: without its password."""
    return engine.url.render_as_string(hide_password=True)


def _with_driver(url: str) -> URL:
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _ways_to_connect(url: URL, busy_ms: int) -> dict[str, Any]:
    if url.get_backend_name() != "postgresql":
        return {}
    return {
        "pool_pre_ping": True,
        "pool_size": CONNECTIONS_MAX // 2,
        "max_overflow": CONNECTIONS_MAX - CONNECTIONS_MAX // 2,
        "pool_timeout": busy_ms / 1_000,
        "connect_args": {"connect_timeout": 10, "application_name": "evenkeel"},
    }


def _prepare_connections(engine: Engine, busy_ms: int, clock: Clock) -> None:
    def settle_new(connection: Any, _record: object) -> None:  # noqa: ANN401  # a DBAPI connection
        if is_sqlite(engine):
            _settle_sqlite(connection, busy_ms)
            _use_wal(connection, busy_ms, clock)
        else:
            _settle_postgresql(connection, busy_ms)

    event.listen(engine, "connect", settle_new)


def _settle_sqlite(connection: Any, busy_ms: int) -> None:  # noqa: ANN401  # a DBAPI connection
    connection.execute(f"PRAGMA busy_timeout = {busy_ms:d}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _use_wal(connection: Any, busy_ms: int, clock: Clock) -> None:  # noqa: ANN401  # a DBAPI connection
    """Turn the write-ahead log on; of several that do so at once, SQLite lets none wait."""
    patience = clock.monotonic_ns() + busy_ms * 1_000_000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except connection.OperationalError as error:
            if "locked" not in str(error) or clock.monotonic_ns() > patience:
                raise
            clock.sleep(0.01)


def _settle_postgresql(connection: Any, busy_ms: int) -> None:  # noqa: ANN401  # a DBAPI connection
    connection.execute(f"SET lock_timeout = {busy_ms:d}")
    connection.execute("SET synchronous_commit = on")
    connection.commit()
