"""Where the verifier's records come from: bytes as they lie there, and no code of the writer.

Run files, exports (JSON Lines, Parquet), SQLite and PostgreSQL.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from evenkeel.domain.errors import OutsideError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SQLITE = b"SQLite format 3\x00"
_PARQUET = b"PAR1"
_LINE_OF_EXPORT = b'{"hash":"'
_BETWEEN = b'","record":'


@dataclass(frozen=True, slots=True)
class Columns:
    """One record as it lies there: the hash it is said to have, its bytes, and what stands beside.

    `beside` are the columns of a table (sequence, kind, at), which only repeat what the bytes say.
    """

    digest: bytes
    payload: bytes
    beside: dict[str, object] = field(default_factory=dict)


class UnreadableError(Exception):
    """The next record cannot be read; the message goes on from "record 7 …"."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What a manifest or summary says of the journal beside it; None where it says nothing."""

    run_id: str | None = None
    records: int | None = None
    head: str | None = None
    purges: tuple[str, ...] = ()


class Database(Protocol):
    """A database as of one moment, for reading."""

    name: str

    def runs(self) -> list[str]:
        """Return the ids of all journals, oldest first."""
        ...

    def end(self, run_id: str) -> tuple[int, str]:
        """Return how many records a run has, and the hash of the last, as its own row says."""
        ...

    def rows(self, run_id: str) -> Iterator[Columns]:
        """Yield the records of a run in order; `UnreadableError` where one cannot be read."""
        ...

    def close(self) -> None:
        """End reading."""
        ...


# ---- files -----------------------------------------------------------------------------------


def path_of(target: str | Path) -> Path:
    """Return the path that a path or an SQLite URL names."""
    _, separator, rest = str(target).partition("://")
    return Path(rest.partition("?")[0].removeprefix("/")) if separator else Path(target)


def lines_of_run_file(path: Path) -> Iterator[Columns]:
    """Return the records of a run file; `UsageError` when there is none."""
    _beginning(path)
    return _run_file(path)


def _run_file(path: Path) -> Iterator[Columns]:
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                raise UnreadableError("is cut off: its line does not end")
            digest, _, payload = line[:-1].partition(b" ")
            yield Columns(digest, payload)


def lines_of_export(path: Path) -> Iterator[Columns] | None:
    """Return the records of an export, None when the file is none."""
    beginning = _beginning(path)
    if beginning.startswith(_LINE_OF_EXPORT):
        return _json_lines(path)
    if beginning.startswith(_PARQUET):
        return _parquet(path)
    return None


def _json_lines(path: Path) -> Iterator[Columns]:
    start = len(_LINE_OF_EXPORT)
    with path.open("rb") as file:
        for line in file:
            digest, between, payload = line[start:].partition(_BETWEEN)
            if not (line.startswith(_LINE_OF_EXPORT) and between and payload.endswith(b"}\n")):
                raise UnreadableError("is not a line of an export, or is cut off")
            yield Columns(digest, payload[:-2])


def _parquet(path: Path) -> Iterator[Columns]:
    import pyarrow as pa
    from pyarrow import parquet

    names = ["sequence", "kind", "at", "hash", "payload"]
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=names):
                for row in batch.to_pylist():
                    beside = {name: row[name] for name in names[:3]}
                    yield Columns(_bytes(row["hash"]), _bytes(row["payload"]), beside)
    except (pa.ArrowException, OSError) as error:
        said = str(error).partition("\n")[0]
        raise UnreadableError(f"cannot be read: {said}") from error


def _bytes(text: str | None) -> bytes:
    return (text or "").encode()


def manifest_of(path: Path) -> Beside:
    """Return what the manifest of a run folder says; nothing when there is none."""
    if not path.exists():
        return Beside()
    try:
        said = json.loads(path.read_bytes())
        journal = said["journal"]
        return Beside(said.get("run_id"), int(journal["records"]), str(journal["head_hash"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the manifest {path} does not say how many records the journal has and how it ends "
            f"({error}); restore it, or name the journal's file with the expected head"
        ) from error


def summary_of(path: Path) -> Beside:
    """Return what the summary beside an export says; nothing when there is none."""
    summary = path.with_name(f"{path.name}.summary.json")
    if not summary.exists():
        return Beside()
    try:
        said = json.loads(summary.read_bytes())
        ends = int(said["records"]), str(said["head"])
        return Beside(str(said["run_id"]), *ends, tuple(map(str, said["purges"])))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"the summary {summary} does not say what was exported ({error}); export once more"
        ) from error


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise UsageError(f"cannot read the journal {path}: {error.strerror}") from error


# ---- databases -------------------------------------------------------------------------------


def is_database(target: str | Path) -> bool:
    """Return whether a path or URL names a database."""
    if "://" in str(target):
        return True
    path = Path(target)
    return path.is_file() and _beginning(path) == _SQLITE


def open_database(target: str | Path) -> Database:
    """Open for reading, as of one moment: a run that goes on meanwhile stays consistent."""
    scheme, separator, rest = str(target).partition("://")
    if not separator or scheme.startswith("sqlite"):
        return _SqliteFile(path_of(target))
    if scheme.startswith("postgres"):
        return _PostgresServer(f"postgresql://{rest}")
    raise UsageError(
        f"the verifier reads run files, exports, SQLite and PostgreSQL, not {scheme}: "
        "export the run to a file first"
    )


class _SqliteFile:
    # The casts keep a cell of another type from being anything but an edit.
    _RECORDS = """
        SELECT sequence, kind, at, CAST(coalesce(hash, '') AS BLOB),
        CAST(coalesce(payload, '') AS BLOB)
        FROM journal_records WHERE run_id = ? ORDER BY sequence
    """
    _RUN = """
        SELECT CAST(coalesce(records, 0) AS INTEGER), CAST(coalesce(head_hash, '') AS TEXT)
        FROM runs WHERE run_id = ?
    """

    def __init__(self, path: Path) -> None:
        _beginning(path)
        self.name = str(path)
        file = f"file:{quote(str(path))}?mode=ro"
        self._database = sqlite3.connect(file, uri=True, isolation_level=None)
        self._database.text_factory = bytes  # a text that is not UTF-8 is an edit, no error
        self._database.execute("BEGIN")

    def runs(self) -> list[str]:
        query = "SELECT run_id FROM runs ORDER BY created_at, run_id"
        try:
            return [run_id.decode() for (run_id,) in self._database.execute(query)]
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{self.name} is not a journal database: {error}") from error

    def end(self, run_id: str) -> tuple[int, str]:
        records, head = self._database.execute(self._RUN, (run_id,)).fetchone()
        return records, head.decode()

    def rows(self, run_id: str) -> Iterator[Columns]:
        try:
            found = self._database.execute(self._RECORDS, (run_id,))
            for sequence, kind, at, digest, payload in found:
                named = kind.decode("utf-8", "replace") if isinstance(kind, bytes) else kind
                beside = {"sequence": sequence, "kind": named, "at": at}
                yield Columns(digest, payload, beside)
        except sqlite3.DatabaseError as error:
            raise UnreadableError(f"cannot be read: {error}") from error

    def close(self) -> None:
        self._database.close()


class _PostgresServer:
    _RECORDS = """
        SELECT sequence, kind, at, coalesce(hash, ''), coalesce(payload, '')
        FROM journal_records WHERE run_id = %s ORDER BY sequence
    """
    _RUN = "SELECT coalesce(records, 0), coalesce(head_hash, '') FROM runs WHERE run_id = %s"

    def __init__(self, address: str) -> None:
        self.name = _without_password(address)
        psycopg = _driver()
        try:
            self._server = psycopg.connect(address, connect_timeout=10)
            self._server.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._server.read_only = True
        except psycopg.Error as error:
            said = str(error).partition("\n")[0]
            raise OutsideError(f"the database {self.name} cannot be used: {said}") from error
        self._error = psycopg.Error

    def runs(self) -> list[str]:
        query = "SELECT run_id FROM runs ORDER BY created_at, run_id"
        try:
            return [run_id for (run_id,) in self._server.execute(query)]
        except self._error as error:
            said = str(error).partition("\n")[0]
            raise UsageError(f"{self.name} is not a journal database: {said}") from error

    def end(self, run_id: str) -> tuple[int, str]:
        records, head = self._server.execute(self._RUN, (run_id,)).fetchone()
        return records, head

    def rows(self, run_id: str) -> Iterator[Columns]:
        try:
            with self._server.cursor(name="records") as cursor:
                cursor.itersize = 1_000
                cursor.execute(self._RECORDS, (run_id,))
                for sequence, kind, at, digest, payload in cursor:
                    beside = {"sequence": sequence, "kind": kind, "at": at}
                    yield Columns(_bytes(digest), _bytes(payload), beside)
        except self._error as error:
            said = str(error).partition("\n")[0]
            raise UnreadableError(f"cannot be read: {said}") from error

    def close(self) -> None:
        self._server.close()


def _driver() -> Any:  # noqa: ANN401  # a module
    try:
        import psycopg
    except ImportError as error:
        raise UsageError(
            "a PostgreSQL database needs the Python package psycopg: "
            "pip install 'evenkeel[postgres]'"
        ) from error
    return psycopg


def _without_password(address: str) -> str:
    before, _, host = address.rpartition("@")
    user = before.removeprefix("postgresql://").partition(":")[0]
    return f"postgresql://{user}@{host}" if user else address
