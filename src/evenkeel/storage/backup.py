"""A backup is one file that either database can be made of again; a damaged one makes none.

It is gzip of JSON lines, the same from SQLite and PostgreSQL, so that what was kept in the one can
be restored into the other:

    {"evenkeel":"backup","version":"0002","taken_at":…}
    {"table":"runs","columns":["run_id",…]}
    ["20260102-…","paper",…]                              every row of that table, and so on
    {"lines":…,"sha256":"…"}                              of all the lines above

Amounts are text, bytes base64; what is encrypted in the database is so here. Leases are left out:
they say who was writing, not what.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections import deque
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import LargeBinary, MetaData, Numeric, Table, insert, select

from evenkeel.domain.errors import ConfigError, OutsideError, UsageError
from evenkeel.storage.engine import freeze, name_of, take_write_lock, trouble_told
from evenkeel.storage.migrate import VERSIONS, change_within, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

_LEFT_OUT = {"alembic_version", "leases"}
_ROWS_AT_ONCE = 1_000

_encode = msgspec.json.Encoder(decimal_format="string").encode


def back_up(
    engine: Engine, taken_at: int, replace: Callable[[Iterable[bytes]], object]
) -> dict[str, int]:
    """Hand the bytes of a backup, as of one moment, to `replace`; return the rows of each table.

    `replace` writes a file, whole or not at all. `ConfigError` when there is nothing to back up.
    """
    counts: dict[str, int] = {}
    with trouble_told(engine), engine.connect() as connection:
        freeze(connection)
        version = version_of(connection)
        if version is None:
            raise ConfigError(f"the database {name_of(engine)} is empty: there is nothing to keep")
        head = {"evenkeel": "backup", "version": version, "taken_at": taken_at}
        replace(_compressed(_sealed(head, _rows(connection, counts))))
    return counts


def restore(engine: Engine, path: Path) -> dict[str, int]:
    """Make a database of a backup; return the rows of each table.

    The database is then at the version that the backup was taken at. `ConfigError` unless it is
    empty before, `UsageError` when the file is no whole backup: nothing is changed then.
    """
    check(path)
    with trouble_told(engine), engine.begin() as connection:
        take_write_lock(connection)
        if version_of(connection) is not None:
            raise ConfigError(
                f"the database {name_of(engine)} is not empty: restore into a new one, and set "
                "paths.database to it when you have looked at it"
            )
        return _filled(connection, _checked(path))


def check(path: Path) -> None:
    """Read all of a backup before anything in it is believed; `UsageError` when it is not whole."""
    deque(_checked(path), maxlen=0)


# ---- out ---------------------------------------------------------------------------------------


def _rows(connection: Connection, counts: dict[str, int]) -> Iterator[object]:
    for table in _tables(connection):
        counts[table.name] = 0
        yield {"table": str(table.name), "columns": [str(each.name) for each in table.columns]}
        query = select(table).order_by(*table.primary_key).execution_options(yield_per=1_000)
        for row in connection.execute(query):
            counts[table.name] += 1
            yield tuple(row)


def _tables(connection: Connection) -> list[Table]:
    """Return the tables as they are in the database, each behind those that it refers to."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in _LEFT_OUT]


def _sealed(head: object, rows: Iterable[object]) -> Iterator[bytes]:
    digest, lines = hashlib.sha256(), 0
    for row in chain([head], rows):
        line = _encode(row) + b"\n"
        digest.update(line)
        lines += 1
        yield line
    yield _encode({"lines": lines, "sha256": digest.hexdigest()}) + b"\n"


def _compressed(lines: Iterable[bytes]) -> Iterator[bytes]:
    squeeze = zlib.compressobj(level=6, wbits=31)  # 31: with the head and tail of gzip
    for line in lines:
        yield squeeze.compress(line)
    yield squeeze.flush()


# ---- in ----------------------------------------------------------------------------------------


def _checked(path: Path) -> Iterator[Any]:
    """Yield what a backup's lines say, its head first; raise at its end when it is not whole."""
    digest, lines = hashlib.sha256(), 0
    with _damage_told(path), gzip.open(path) as file:
        for line in file:
            said = msgspec.json.decode(line)
            if not lines and (type(said) is not dict or said.get("evenkeel") != "backup"):
                raise UsageError(f"{path} is not a backup of Evenkeel")
            if type(said) is dict and "sha256" in said:
                if said != {"lines": lines, "sha256": digest.hexdigest()} or file.read(1):
                    break
                return
            digest.update(line)
            lines += 1
            yield said
    raise UsageError(f"the backup {path} is damaged: its rows are not those it was made of")


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UsageError(f"there is no backup {path}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error, msgspec.DecodeError, UnicodeError) as error:
        raise UsageError(f"{path} is not a whole backup of Evenkeel: {error}") from error
    except OSError as error:
        raise OutsideError(f"cannot read the backup {path}: {error.strerror}") from error


def _filled(connection: Connection, said: Iterator[Any]) -> dict[str, int]:
    version = next(said)["version"]
    if version not in VERSIONS:
        raise ConfigError(
            f"the backup was taken by a newer Evenkeel (version {version}, this one knows "
            f"{VERSIONS[-1]}): install that one"
        )
    change_within(connection, version)
    tables = {table.name: table for table in _tables(connection)}
    counts: dict[str, int] = {}
    table, columns = Table("none", MetaData()), [""]
    waiting: list[dict[str, Any]] = []
    for each in said:
        if type(each) is dict or len(waiting) == _ROWS_AT_ONCE:
            _insert(connection, table, waiting)
        if type(each) is dict:
            table, columns = tables[each["table"]], each["columns"]
            counts[table.name] = 0
        else:
            waiting.append(dict(zip(columns, each, strict=True)))
            counts[table.name] += 1
    _insert(connection, table, waiting)
    return counts


def _insert(connection: Connection, table: Table, waiting: list[dict[str, Any]]) -> None:
    if not waiting:
        return
    for column in table.columns:
        if isinstance(column.type, LargeBinary | Numeric):
            read = base64.b64decode if isinstance(column.type, LargeBinary) else Decimal
            for row in waiting:
                if row[column.name] is not None:
                    row[column.name] = read(row[column.name])
    connection.execute(insert(table), waiting)
    waiting.clear()
