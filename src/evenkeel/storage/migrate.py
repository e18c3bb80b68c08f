"""A database is used at the version of this code or not at all; an empty one is brought there.

Versions are the numbers of the files in `migrations/versions`. What holds data changes its
version only after a backup of it was written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from evenkeel.domain.errors import ConfigError, UsageError
from evenkeel.storage.engine import is_sqlite, name_of, take_write_lock, trouble_told

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

_MIGRATIONS = Path(__file__).parent / "migrations"

VERSIONS = sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("*.py"))
"""Every version that this code knows, the oldest first."""

NEWEST = VERSIONS[-1]
"""The version that this code reads and writes, such as `0001`."""

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), 0))")

EMPTY = "base"
"""What the version of an empty database is called where one is asked for."""


def current(engine: Engine) -> str | None:
    """Return the version of a database, None when it is empty.

    Raises `ConfigError` for a database that holds something else.
    """
    with trouble_told(engine), engine.connect() as connection:
        return version_of(connection)


def check(engine: Engine) -> None:
    """Raise `ConfigError` unless the database is at the version of this code."""
    version = current(engine)
    _refuse_newer(engine, version)
    if version != NEWEST:
        raise ConfigError(
            f"the database {name_of(engine)} is "
            f"{'empty' if version is None else f'at version {version}'} and this Evenkeel needs "
            f"{NEWEST}: run `evenkeel db upgrade`"
        )


def prepare(engine: Engine) -> None:
    """Make an empty database ready; raise `ConfigError` for one at another version than ours."""
    if current(engine) is None:
        change(engine)
    check(engine)


def change(
    engine: Engine, to: str = NEWEST, *, first: Callable[[], object] | None = None
) -> tuple[str | None, str]:
    """Bring a database to version `to`, up or down, in one transaction: all of it or nothing.

    `first` is called before anything is changed in a database that is not empty: it is what
    takes the backup. Returns the versions before and after.
    """
    if to not in {EMPTY, *VERSIONS}:
        raise UsageError(f"there is no version {to!r}; known are {EMPTY}, {', '.join(VERSIONS)}")
    before = current(engine)
    _refuse_newer(engine, before)
    if before == to or (before is None and to == EMPTY):
        return before, to
    if before is not None and first is not None:
        first()
    with trouble_told(engine), engine.begin() as connection:
        take_write_lock(connection)
        if not is_sqlite(connection):  # it lets two make the same tables, and one of them fail
            connection.execute(_ONE_AT_A_TIME)
        change_within(connection, to)
    return before, to


def change_within(connection: Connection, to: str) -> None:
    """Bring a database to version `to` inside the transaction of `connection`."""
    # Only here: a database that is up to date (nearly every start) does not pay for Alembic.
    from alembic import command
    from alembic.config import Config

    before = version_of(connection)
    _refuse_newer(connection.engine, before)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if to != EMPTY and to >= (before or ""):
        command.upgrade(config, to)
    else:
        command.downgrade(config, to)


def version_of(connection: Connection) -> str | None:
    """Return the version of a database, None when it is empty; see `current`."""
    tables = inspect(connection).get_table_names()
    version = None
    if "alembic_version" in tables:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        tables.remove("alembic_version")
    if tables and version is None:
        raise ConfigError(
            f"the database {name_of(connection.engine)} holds something else "
            f"(table {tables[0]}): give Evenkeel a database of its own"
        )
    return version


def _refuse_newer(engine: Engine, version: str | None) -> None:
    if version is not None and version > NEWEST:
        raise ConfigError(
            f"the database {name_of(engine)} was written by a newer Evenkeel "
            f"(version {version}, this one knows {NEWEST}): install that one"
        )
