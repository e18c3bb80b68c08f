"""A database is used at the version of this code or not at all; an empty one is brought there.

Versions are the numbers of the files in `migrations/versions`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from evenkeel.domain.errors import ConfigError
from evenkeel.storage.engine import take_write_lock, trouble_told

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_MIGRATIONS = Path(__file__).parent / "migrations"

NEWEST = max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("*.py"))
"""The version that this code reads and writes, such as `0001`."""


def current(engine: Engine) -> str | None:
    """Return the version of a database, None when it is empty.

    Raises `ConfigError` for a database that holds something else.
    """
    with trouble_told(engine), engine.connect() as connection:
        return _version(connection)


def check(engine: Engine) -> None:
    """Raise `ConfigError` unless the database is at the version of this code."""
    version = current(engine)
    _refuse_newer(engine, version)
    if version != NEWEST:
        raise ConfigError(
            f"the database {engine.url.render_as_string()} is "
            f"{'empty' if version is None else f'at version {version}'} and this Evenkeel needs "
            f"{NEWEST}: run `evenkeel db upgrade`"
        )


def prepare(engine: Engine) -> None:
    """Make an empty database ready; raise `ConfigError` for one at another version than ours."""
    if current(engine) is None:
        upgrade(engine)
    check(engine)


def upgrade(engine: Engine) -> None:
    """Bring a database to the version of this code, in one transaction: all of it or nothing."""
    # Only here: a database that is up to date (nearly every start) does not pay for Alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with trouble_told(engine), engine.begin() as connection:
        take_write_lock(connection)
        _refuse_newer(engine, _version(connection))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if tables:
        name = connection.engine.url.render_as_string()
        raise ConfigError(
            f"the database {name} holds something else (table {tables[0]}): "
            "give Evenkeel a database of its own"
        )
    return None


def _refuse_newer(engine: Engine, version: str | None) -> None:
    if version is not None and version > NEWEST:
        raise ConfigError(
            f"the database {engine.url.render_as_string()} was written by a newer Evenkeel "
            f"(version {version}, this one knows {NEWEST}): install that one"
        )
