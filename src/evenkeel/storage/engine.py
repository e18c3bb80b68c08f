"""A database is opened so that what was committed survives a power cut, or it is not opened."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from evenkeel.domain.errors import ConfigError, OutsideError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

_ADVICE = {
    "unable to open": "; create its folder, or make the folder writable",
    "readonly": "; make the file and its folder writable",
    "locked": "; another process holds it: end that one, or wait",
    "not a database": "; name a SQLite file, or one that does not exist yet",
    "disk is full": "; make room on the disk",
}


def open_engine(url: str, *, busy_ms: int = 5_000) -> Engine:
    """Open a database by its SQLAlchemy URL (`sqlite:///runs.db`) and see that it can be written.

    SQLite runs in WAL mode with synchronous=FULL (what is committed is on the disk) and with
    foreign keys; a writer waits up to `busy_ms` milliseconds for another one. Raises
    `ConfigError` for a URL that names no database, `OutsideError` for one that cannot be used.
    """
    try:
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the database {url.partition(':')[0]} needs the Python package {error.name}; "
            "install it, or use a sqlite:/// URL"
        ) from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(
            f"{url!r} is not the URL of a database; write it like sqlite:///runs.db"
        ) from error
    if is_sqlite(engine):
        _set_pragmas_of(engine, busy_ms)
    with trouble_told(engine), engine.begin() as connection:
        take_write_lock(connection)
    return engine


def is_sqlite(bound: Engine | Connection) -> bool:
    """Return whether this is the embedded database."""
    return bound.dialect.name == "sqlite"


def take_write_lock(connection: Connection) -> None:
    """Begin SQLite's transaction as a writer at once, so that nothing read can go stale in it."""
    if is_sqlite(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def trouble_told(engine: Engine) -> Iterator[None]:
    """Turn what a database says when it cannot go on into an `OutsideError` of one sentence."""
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]
        advice = next((what for sign, what in _ADVICE.items() if sign in said), "")
        name = engine.url.render_as_string(hide_password=True)
        raise OutsideError(f"the database {name} cannot be used: {said}{advice}") from error


def _set_pragmas_of(engine: Engine, busy_ms: int) -> None:
    def set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401  # a DBAPI connection
        connection.execute(f"PRAGMA busy_timeout = {busy_ms:d}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    event.listen(engine, "connect", set_pragmas)
