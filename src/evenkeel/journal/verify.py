"""Trust nothing that wrote the journal: this reads bytes, SHA-256 and SQLite, and no code of ours.

What it finds: a record that was edited, taken out, put in, moved or replaced, and a journal that
was cut off or continued. What no chain can show alone is a journal rewritten from some record on
with all hashes made anew: that takes a head hash kept elsewhere, `expected_head`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evenkeel.domain.errors import UsageError

_NO_RECORD = "0" * 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a journal is worth: its first `records` records are sound and lead to `head`.

    `first_bad` is the number of the first record that is not as it was written (or is missing),
    `problem` one sentence about it; both None when the journal is whole. `ended` says whether
    the run has ended; a database holds runs that have not.
    """

    records: int
    head: str
    ended: bool
    first_bad: int | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None


class _BadError(Exception):
    """The first thing that is wrong, and the number of the record where it is."""

    def __init__(self, sequence: int, problem: str) -> None:
        super().__init__(problem)
        self.sequence = sequence


def verify(target: str | Path, run: str | None = None) -> Verdict:
    """Verify whatever journal `target` names: a run folder, a run file, a SQLite database or URL.

    A run file is held against the `journal.records` and `journal.head_hash` of the
    `manifest.json` beside it. Raises `UsageError` when there is no journal to read.
    """
    path = _path_of(target)
    if path.is_dir():
        path /= "journal.log"
    if _beginning(path) == b"SQLite format 3\x00":
        return verify_database(path, run)
    records, head = _manifest(path.with_name("manifest.json"))
    return verify_file(path, expected_head=head, expected_records=records)


def verify_file(
    path: Path, *, expected_head: str | None = None, expected_records: int | None = None
) -> Verdict:
    """Verify a run file; it must end with `RunEnded`, for it was written when the run had ended.

    `expected_head` and `expected_records` come from the run's manifest, or from a safer place.
    """
    _beginning(path)
    walk = _Walk()
    try:
        _walk_file(walk, path)
        walk.expect(expected_records, expected_head)
        walk.expect_end()
    except _BadError as bad:
        return walk.verdict(bad)
    return walk.verdict()


def verify_database(
    path: Path,
    run_id: str | None = None,
    *,
    expected_head: str | None = None,
    expected_records: int | None = None,
) -> Verdict:
    """Verify one run of a SQLite journal, down to its row in `runs`; the run may still go on.

    `run_id` may be left out when the database holds one run only. What is expected is held
    against the journal besides that row. Raises `UsageError` when there is no such run.
    """
    _beginning(path)
    walk = _Walk()
    with closing(_connect(path)) as database:
        records, head, run_id = _run(database, path, run_id)
        try:
            for row in database.execute(_RECORDS, (run_id,)):
                _check_columns(walk.step(row[3], row[4]), row)
            walk.expect(records, head)
            walk.expect(expected_records, expected_head)
        except sqlite3.DatabaseError as error:
            number = walk.records + 1
            return walk.verdict(_BadError(number, f"record {number} cannot be read: {error}"))
        except _BadError as bad:
            return walk.verdict(bad)
    return walk.verdict()


def runs_in(path: Path) -> list[str]:
    """Return the ids of the runs that a SQLite journal holds, oldest first."""
    _beginning(path)
    with closing(_connect(path)) as database:
        return _runs(database, path)


# ---- the chain -------------------------------------------------------------------------------


class _Walk:
    """Goes along the chain and raises `_BadError` where it breaks."""

    def __init__(self) -> None:
        self.records = 0
        self.head = _NO_RECORD
        self.ended = False
        self._previous = ""  # what the last record gives as the hash of the one before it

    def step(self, digest: bytes, payload: bytes) -> dict[str, Any]:
        """Check one record against its own hash and against the record before; return it."""
        number = self.records + 1
        if hashlib.sha256(payload).hexdigest().encode() != digest:
            raise _BadError(number, f"record {number} was edited: its hash is not that of its text")
        record = _parsed(number, payload)
        self._check_place(number, record)
        self.records, self.head = number, digest.decode()
        self.ended = record["kind"] == "RunEnded"
        self._previous = record["previous"]
        return record

    def _check_place(self, number: int, record: dict[str, Any]) -> None:
        sequence, previous = record["sequence"], record["previous"]
        if sequence == number - 1 and previous == self._previous:
            raise _BadError(sequence, f"there are two records {sequence}: one of them was put in")
        if sequence != number:
            where = f"record {sequence} stands in its place"
            raise _BadError(number, f"record {number} is missing: {where}")
        if self.ended:
            raise _BadError(number, f"record {number} was put in: the run ended before it")
        if previous != self.head:
            last = max(self.records, 1)
            raise _BadError(
                last, f"record {last} was replaced: record {number} follows another one"
            )
        if (record["kind"] == "RunStarted") != (number == 1):
            raise _BadError(number, f"record {number} was put in: RunStarted comes first, and once")

    def expect(self, records: int | None, head: str | None) -> None:
        """Hold the end of the chain against what is written elsewhere."""
        read = self.records
        if records is not None and read < records:
            raise _BadError(read + 1, f"record {read + 1} is missing: there were {records} records")
        if records is not None and read > records:
            raise _BadError(
                records + 1, f"record {records + 1} was put in: there were {records} records"
            )
        if head is not None and head != self.head:
            raise _BadError(read, f"record {read} was replaced: the last hash was {head}")

    def expect_end(self) -> None:
        """Hold that the run has ended."""
        if not self.ended:
            number = self.records + 1
            raise _BadError(number, f"record {number} is missing: RunEnded comes last")

    def verdict(self, bad: _BadError | None = None) -> Verdict:
        if bad is None:
            return Verdict(self.records, self.head, self.ended)
        return Verdict(self.records, self.head, self.ended, bad.sequence, str(bad))


def _parsed(number: int, payload: bytes) -> dict[str, Any]:
    try:
        record = json.loads(payload)
    except ValueError:
        record = None
    match record:
        case {"sequence": int(), "kind": str(), "previous": str(), "body": {"at": int()}}:
            found: dict[str, Any] = record
            return found
        case _:
            raise _BadError(number, f"record {number} is not a record of a journal")


# ---- files and databases ---------------------------------------------------------------------

# The casts keep a cell of another type from being anything but an edit.
_RECORDS = """
    SELECT sequence, kind, at, CAST(hash AS BLOB), CAST(coalesce(payload, '') AS BLOB)
    FROM journal_records WHERE run_id = ? ORDER BY sequence
"""
_RUN = """
    SELECT CAST(coalesce(records, 0) AS INTEGER), CAST(coalesce(head_hash, '') AS TEXT)
    FROM runs WHERE run_id = ?
"""


def _walk_file(walk: _Walk, path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                number = walk.records + 1
                raise _BadError(number, f"record {number} is cut off: its line does not end")
            digest, _, payload = line[:-1].partition(b" ")
            walk.step(digest, payload)


def _connect(path: Path) -> sqlite3.Connection:
    """Open for reading, as of one moment: a run that goes on meanwhile stays consistent."""
    database = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
    database.text_factory = bytes  # a text that is not UTF-8 is an edit, not an error of ours
    database.execute("BEGIN")
    return database


def _check_columns(record: dict[str, Any], row: tuple[int, bytes, int, bytes, bytes]) -> None:
    """What a column says beside the record must be what the record says."""
    number = record["sequence"]
    said = (number, record["kind"].encode(), record["body"]["at"])
    for name, column, inside in zip(("sequence", "kind", "at"), row[:3], said, strict=True):
        if column != inside:
            raise _BadError(number, f"record {number} was edited: its column {name} is {column!r}")


def _run(database: sqlite3.Connection, path: Path, run_id: str | None) -> tuple[int, str, str]:
    """Return how many records the run has, by its own row, the hash of the last, and its id."""
    known = _runs(database, path)
    if run_id is None and len(known) == 1:
        run_id = known[0]
    if run_id not in known:
        asked = "say which run is meant" if run_id is None else f"there is no run {run_id!r}"
        raise UsageError(f"{asked}: {path} holds {', '.join(known) or 'no run'}")
    records, head = database.execute(_RUN, (run_id,)).fetchone()
    return records, head.decode(), run_id


def _runs(database: sqlite3.Connection, path: Path) -> list[str]:
    try:
        rows = database.execute("SELECT run_id FROM runs ORDER BY created_at, run_id").fetchall()
    except sqlite3.DatabaseError as error:
        raise UsageError(f"{path} is not a journal database: {error}") from error
    return [run_id.decode() for (run_id,) in rows]


def _path_of(target: str | Path) -> Path:
    scheme, separator, rest = str(target).partition("://")
    if not separator:
        return Path(target)
    if not scheme.startswith("sqlite"):
        raise UsageError(
            f"the verifier reads run files and SQLite databases, not {scheme}: "
            "export the run to a file first"
        )
    return Path(rest.partition("?")[0].removeprefix("/"))


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise UsageError(f"cannot read the journal {path}: {error.strerror}") from error


def _manifest(path: Path) -> tuple[int | None, str | None]:
    if not path.exists():
        return None, None
    try:
        journal = json.loads(path.read_bytes())["journal"]
        return int(journal["records"]), str(journal["head_hash"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"the manifest {path} does not say how many records the journal has and how it ends "
            f"({error}); restore it, or name the journal's file with the expected head"
        ) from error
