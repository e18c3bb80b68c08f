"""A journal for others: every record as it was written, and a summary of what is in the file.

JSON Lines: each line an object, in which the record stands byte for byte as it was hashed, so that
the verifier runs on the export:

    {"hash":"<sha256>","record":{"sequence":7,…}}

Parquet: the columns sequence, kind, at, previous, hash, payload; `payload` is what was hashed.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from evenkeel.domain.errors import UsageError
from evenkeel.journal.chain import GENESIS, PURGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

FORMATS = ("jsonl", "parquet")

_ROWS_AT_ONCE = 10_000


class Inclusion(Struct):
    """What an export holds: counts, ends, and what vouches for it.

    `purges` are the lines of the operators' records that tell of records purged from this run;
    `checkpoints` the lines of the checkpoints that reach no further than the export.
    """

    records: int = 0
    first: int | None = None
    last: int | None = None
    head: str = GENESIS
    purged: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    purges: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    sha256: str = ""


def export(
    lines: Iterable[bytes],
    path: Path,
    kind: str,
    replace: Callable[[Path, Iterable[bytes]], object],
) -> Inclusion:
    """Write a journal's lines to a file of a kind of `FORMATS`; return what is in it.

    `replace` makes bytes the content of a path, whole or not at all.
    """
    if kind not in FORMATS:
        raise UsageError(f"a journal is exported as {' or '.join(FORMATS)}, not as {kind!r}")
    included, digest = Inclusion(), hashlib.sha256()
    pieces = (_json_lines if kind == "jsonl" else _parquet)(_counted(lines, included))
    replace(path, _hashed(pieces, digest))
    included.sha256 = digest.hexdigest()
    return included


def purges_of(run: str, operations: Iterable[bytes]) -> list[str]:
    """Return the lines of the operators' journal that tell of purges of a run."""
    found = []
    for line in operations:
        body = msgspec.json.decode(line[65:]).get("body", {})
        if body.get("command") == PURGE and body["before"]["run"] == run:
            found.append(line.decode())
    return found


def covering(run: str, records: int, checkpoints: Iterable[bytes]) -> list[str]:
    """Return the lines of checkpoints of a run that reach no further than its `records`."""
    found = []
    for line in checkpoints:
        said = msgspec.json.decode(line)
        if said["run"] == run and said["size"] <= records:
            found.append(line.decode())
    return found


def summary(included: Inclusion, **facts: object) -> bytes:
    """Return the summary as it stands beside the export: its facts, then what is included."""
    said = {**facts, **{name: getattr(included, name) for name in Inclusion.__struct_fields__}}
    return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


def _counted(lines: Iterable[bytes], included: Inclusion) -> Iterator[tuple[bytes, Any]]:
    for line in lines:
        record = msgspec.json.decode(line[65:])
        included.records += 1
        included.first = included.first or record["sequence"]
        included.last, included.head = record["sequence"], line[:64].decode()
        included.kinds[record["kind"]] += 1
        included.purged += "purged" in record
        yield line, record


def _hashed(pieces: Iterable[bytes], digest: Any) -> Iterator[bytes]:  # noqa: ANN401  # a hash
    for piece in pieces:
        digest.update(piece)
        yield piece


def _json_lines(read: Iterable[tuple[bytes, Any]]) -> Iterator[bytes]:
    for line, _ in read:
        yield b'{"hash":"%s","record":%s}\n' % (line[:64], line[65:])


def _parquet(read: Iterable[tuple[bytes, Any]]) -> Iterator[bytes]:
    import pyarrow as pa
    from pyarrow import parquet

    types = [(name, pa.string()) for name in ("kind", "previous", "hash", "payload")]
    schema = pa.schema([("sequence", pa.int64()), ("at", pa.int64()), *types])
    sink = io.BytesIO()
    rows: list[dict[str, Any]] = []
    with parquet.ParquetWriter(sink, schema) as writer:
        for line, record in read:
            rows.append(_row(line, record))
            if len(rows) == _ROWS_AT_ONCE:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows.clear()
        writer.write_table(pa.Table.from_pylist(rows, schema))
    yield sink.getvalue()


def _row(line: bytes, record: dict[str, Any]) -> dict[str, Any]:
    at = record["at"] if "purged" in record else record["body"]["at"]
    return {
        "sequence": record["sequence"],
        "kind": record["kind"],
        "at": at,
        "previous": record["previous"],
        "hash": line[:64].decode(),
        "payload": line[65:].decode(),
    }
