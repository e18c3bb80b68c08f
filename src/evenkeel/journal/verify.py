"""Trust nothing that wrote the journal: this reads bytes and SHA-256, and no code of ours.

What it finds: a record that was edited, taken out, put in, moved or replaced, a journal that was
cut off or continued, and a purge that no record of the operators tells of. What no chain can show
alone is a journal set back to yesterday's copy, or rewritten from some record on with all hashes
made anew: that takes signed checkpoints from a place that the writer cannot rewrite
(`verify_checkpoints`), or a head hash kept elsewhere, `expected_head`.

Where the records come from stands in `verify_sources`.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenkeel.domain.errors import UsageError
from evenkeel.journal.verify_sources import (
    Columns,
    UnreadableError,
    is_database,
    lines_of_export,
    lines_of_run_file,
    manifest_of,
    open_database,
    path_of,
    summary_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from evenkeel.journal.verify_checkpoints import Checkpoint

OPERATIONS = "operations"
"""The journal in a database that tells of operators; purges stand there."""

PURGE = "audit purge"
"""The command that an operators' record of a purge has."""

_NO_RECORD = "0" * 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a journal is worth: its first `records` records are sound and lead to `head`.

    `first_bad` is the number of the first record that is not as it was written (or is missing),
    `problem` one sentence about it; both None when the journal is whole. `ended` says whether
    the run has ended; a database holds runs that have not. `purged` of the records are only there
    as tombstones, as records of the operators say. `vouched` is how far signed checkpoints reach.
    """

    records: int
    head: str
    ended: bool
    first_bad: int | None = None
    problem: str | None = None
    purged: int = 0
    vouched: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None


class _BadError(Exception):
    """The first thing that is wrong, and the number of the record where it is."""

    def __init__(self, sequence: int, problem: str) -> None:
        super().__init__(problem)
        self.sequence = sequence


def verify(
    target: str | Path, run: str | None = None, *, checkpoints: Iterable[Checkpoint] = ()
) -> Verdict:
    """Verify what `target` names: a run folder, run file, export, database file or database URL.

    A run file is held against the `journal.records` and `journal.head_hash` of the
    `manifest.json` beside it, an export against its summary. `checkpoints` are those that
    `verify_checkpoints` has found to be signed. Raises `UsageError` when there is no journal.
    """
    if is_database(target):
        return verify_database(target, run, checkpoints=checkpoints)
    path = path_of(target)
    if path.is_dir():
        path /= "journal.log"
    if (lines := lines_of_export(path)) is not None:
        return _verify_export(path, lines, checkpoints)
    manifest = manifest_of(path.with_name("manifest.json"))
    return verify_file(
        path,
        expected_head=manifest.head,
        expected_records=manifest.records,
        checkpoints=_of_run(checkpoints, run or manifest.run_id),
    )


def verify_file(
    path: Path,
    *,
    expected_head: str | None = None,
    expected_records: int | None = None,
    checkpoints: Iterable[Checkpoint] = (),
) -> Verdict:
    """Verify a run file; it must end with `RunEnded`, for it was written when the run had ended.

    `expected_head` and `expected_records` come from the run's manifest, or from a safer place;
    `checkpoints` are the run's.
    """
    walk = _Walk(checkpoints)
    try:
        walk.along(lines_of_run_file(path))
        walk.expect(expected_records, expected_head)
        walk.expect_end()
    except _BadError as bad:
        return walk.verdict(bad)
    return walk.verdict()


def verify_database(
    target: str | Path,
    run_id: str | None = None,
    *,
    expected_head: str | None = None,
    expected_records: int | None = None,
    checkpoints: Iterable[Checkpoint] = (),
) -> Verdict:
    """Verify one run of a database, down to its row in `runs`; the run may still go on.

    `run_id` may be left out when the database holds one run only. What is expected is held
    against the journal besides that row. Raises `UsageError` when there is no such run.
    """
    with closing(open_database(target)) as database:
        known = database.runs()
        if run_id is None and len(named := [each for each in known if each != OPERATIONS]) == 1:
            run_id = named[0]
        if run_id not in known:
            asked = "say which run is meant" if run_id is None else f"there is no run {run_id!r}"
            raise UsageError(f"{asked}: {database.name} holds {', '.join(known) or 'no run'}")
        records, head = database.end(run_id)
        walk = _Walk(_of_run(checkpoints, run_id))
        try:
            walk.along(database.rows(run_id))
            walk.expect(records, head)
            walk.expect(expected_records, expected_head)
            if walk.tombs and run_id != OPERATIONS and OPERATIONS in known:
                walk.purges = _purges_in(database.rows(OPERATIONS))
            walk.expect_purges()
        except _BadError as bad:
            return walk.verdict(bad)
    return walk.verdict()


def runs_in(target: str | Path) -> list[str]:
    """Return the ids of the journals that a database holds, oldest first."""
    with closing(open_database(target)) as database:
        return database.runs()


def _verify_export(
    path: Path, lines: Iterator[Columns], checkpoints: Iterable[Checkpoint]
) -> Verdict:
    summary = summary_of(path)
    walk = _Walk(_of_run(checkpoints, summary.run_id))
    walk.purges = {number: before for number, before in map(_told_purge, summary.purges) if number}
    try:
        walk.along(lines)
        walk.expect(summary.records, summary.head)
        walk.expect_purges()
    except _BadError as bad:
        return walk.verdict(bad)
    return walk.verdict()


def _of_run(checkpoints: Iterable[Checkpoint], run_id: str | None) -> list[Checkpoint]:
    return [each for each in checkpoints if each.run == run_id]


# ---- the chain -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Tomb:
    """What is left of the records of one purge."""

    first: int
    records: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


class _Walk:
    """Goes along the chain and raises `_BadError` where it breaks."""

    def __init__(self, checkpoints: Iterable[Checkpoint] = ()) -> None:
        self.records = 0
        self.head = _NO_RECORD
        self.ended = False
        self.vouched = 0
        self.tombs: dict[int, _Tomb] = {}  # by the operators' record that tells of them
        self.purges: dict[int, dict[str, Any]] = {}
        self._previous = ""  # what the last record gives as the hash of the one before it
        self._checkpoints = sorted(checkpoints, key=lambda each: each.size)

    def along(self, rows: Iterable[Columns]) -> None:
        """Check every record of a source, in its order."""
        checkpoints = iter(self._checkpoints)
        coming = next(checkpoints, None)
        try:
            for row in rows:
                _check_columns(self.step(row.digest, row.payload), row)
                while coming is not None and coming.size == self.records:
                    self._pass(coming)
                    coming = next(checkpoints, None)
        except UnreadableError as error:
            number = self.records + 1
            raise _BadError(number, f"record {number} {error}") from error
        if coming is not None:
            number = self.records + 1
            raise _BadError(
                number,
                f"record {number} is missing: when the checkpoint of {_when(coming)} was signed, "
                f"there were {coming.size} records",
            )

    def _pass(self, checkpoint: Checkpoint) -> None:
        if checkpoint.head != self.head:
            first, last = self.vouched + 1, checkpoint.size
            where = f"record {last}" if first == last else f"one of the records {first} to {last}"
            raise _BadError(
                first,
                f"{where} was replaced: record {last} had the hash {checkpoint.head} when the "
                f"checkpoint of {_when(checkpoint)} was signed",
            )
        self.vouched = checkpoint.size

    def step(self, digest: bytes, payload: bytes) -> dict[str, Any]:
        """Check one record against its own hash and against the record before; return it."""
        number = self.records + 1
        whole = hashlib.sha256(payload).hexdigest().encode() == digest
        record = _record(payload) if whole else _tombstone(payload)
        if record is None and whole:
            raise _BadError(number, f"record {number} is not a record of a journal")
        if record is None:
            raise _BadError(number, f"record {number} was edited: its hash is not that of its text")
        self._check_place(number, record)
        if not whole:
            self._bury(record, digest, payload)
        elif record["kind"] == "OperatorActed" and (told := _purge(record)) is not None:
            self.purges[number] = told
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
        begins = record["kind"] == "RunStarted" or (number, record["kind"]) == (1, "OperatorActed")
        if begins != (number == 1):
            raise _BadError(number, f"record {number} was put in: RunStarted comes first, and once")

    def _bury(self, record: dict[str, Any], digest: bytes, payload: bytes) -> None:
        tomb = self.tombs.setdefault(record["purged"], _Tomb(record["sequence"]))
        tomb.records += 1
        tomb.digest.update(b"%s %s\n" % (digest, payload))

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

    def expect_purges(self) -> None:
        """Hold that operators told of everything that was purged."""
        for number, tomb in sorted(self.tombs.items(), key=lambda each: each[1].first):
            told = self.purges.get(number)
            if told is None:
                raise _BadError(
                    tomb.first,
                    f"record {tomb.first} was purged, and no record of the operators tells of it",
                )
            left = (str(tomb.records), tomb.digest.hexdigest())
            if (told.get("records"), told.get("digest")) != left:
                raise _BadError(
                    tomb.first,
                    f"record {tomb.first} is not what was left of it by the purge that record "
                    f"{number} of the operators tells of, or another of that purge is not",
                )

    def verdict(self, bad: _BadError | None = None) -> Verdict:
        return Verdict(
            records=self.records,
            head=self.head,
            ended=self.ended,
            first_bad=None if bad is None else bad.sequence,
            problem=None if bad is None else str(bad),
            purged=sum(tomb.records for tomb in self.tombs.values()),
            vouched=self.vouched,
        )


def _record(payload: bytes) -> dict[str, Any] | None:
    match _json(payload):
        case {"sequence": int(), "kind": str(), "previous": str(), "body": {"at": int()}} as said:
            record: dict[str, Any] = said
            return record
        case _:
            return None


def _tombstone(payload: bytes) -> dict[str, Any] | None:
    """Return what is left of a record that was purged, None when this is not such a thing."""
    match _json(payload):
        case {
            "sequence": int(),
            "kind": str(),
            "previous": str(),
            "at": int(),
            "purged": int(),
        } as said if len(said) == 5:
            record: dict[str, Any] = said
            return record
        case _:
            return None


def _json(payload: bytes) -> Any:  # noqa: ANN401  # whatever stands there
    try:
        return json.loads(payload)
    except ValueError:
        return None


def _check_columns(record: dict[str, Any], row: Columns) -> None:
    """What a column says beside the record must be what the record says."""
    number = record["sequence"]
    at = record["at"] if "purged" in record else record["body"]["at"]
    said = {"sequence": number, "kind": record["kind"], "at": at}
    for name, column in row.beside.items():
        if column != said[name]:
            raise _BadError(number, f"record {number} was edited: its column {name} is {column!r}")


# ---- purges ----------------------------------------------------------------------------------


def _purge(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what an operators' record tells of a purge, None when it tells of something else."""
    match record["body"]:
        case {"command": str() as command, "before": dict() as before} if command == PURGE:
            return before
        case _:
            return None


def _purges_in(operations: Iterable[Columns]) -> dict[int, dict[str, Any]]:
    """Return the purges that the operators' journal tells of, by record, as far as it is sound."""
    walk = _Walk()
    with suppress(_BadError):  # who verifies that journal is told of it
        walk.along(operations)
    return walk.purges


def _told_purge(line: str) -> tuple[int, dict[str, Any]]:
    """Return number and content of an operators' record that an export has beside it; 0: none."""
    digest, _, payload = line.encode().partition(b" ")
    record = _record(payload)
    if record is None or hashlib.sha256(payload).hexdigest().encode() != digest:
        return 0, {}
    return record["sequence"], _purge(record) or {}


def _when(checkpoint: Checkpoint) -> str:
    return f"{datetime.fromtimestamp(checkpoint.at // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
