"""`evenkeel audit export`: a journal in a file for others, and what vouches for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import evenkeel
from evenkeel.app.cli.shown import Answer, pairs, shown
from evenkeel.app.journals import lines_of, pick
from evenkeel.app.runs import check_writable
from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.journal.export import covering, export, purges_of, summary
from evenkeel.journal.operations import OPERATIONS
from evenkeel.ops.atomic_file import replace_file
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.app.journals import Picked


FORMATS = {"": "jsonl", ".jsonl": "jsonl", ".parquet": "parquet"}
"""What a file's name says about it."""


def answer(target: str, run: str | None, out: str, kind: str | None) -> Answer:
    """Write the export and its summary."""
    settings = load_settings()
    path = Path(out)
    if path.is_dir():
        raise UsageError(f"--out {out} is a folder; name the file, such as {path / 'run.jsonl'}")
    kind = kind or FORMATS.get(path.suffix)
    if kind is None:
        raise UsageError(f"--out must end with .jsonl or .parquet, was {out}; or say --format")
    check_writable(path.parent)
    picked = pick(target, run, settings.paths.runs)
    included = export(lines_of(picked), path, kind, _replace)
    included.purges = _purges(picked)
    included.checkpoints = _checkpoints(settings.audit.checkpoints, picked.run_id, included.records)
    beside = path.with_name(f"{path.name}.summary.json")
    facts = {
        "export": path.name,
        "format": kind,
        "run_id": picked.run_id,
        "exported_at": SYSTEM_CLOCK.now_ns(),
        "code_version": evenkeel.__version__,
    }
    _replace(beside, [summary(included, **facts)])
    body = {
        **facts,
        "file": str(path),
        "summary": str(beside),
        "records": included.records,
        "first": included.first,
        "last": included.last,
        "head": included.head,
        "purged": included.purged,
        "checkpoints": len(included.checkpoints),
        "sha256": included.sha256,
    }
    lines = [f"{included.records} records of {picked.run_id} are in {shown(path)}.", ""]
    told = [("head hash", included.head), ("checkpoints", len(included.checkpoints) or "")]
    lines += [*pairs([*told, ("summary", shown(beside))]), ""]
    return Answer(body, [*lines, f"Next: evenkeel audit verify {shown(path)}"])


def _purges(picked: Picked) -> list[str]:
    if picked.database is None:
        return []
    operations = picked.sibling(OPERATIONS)
    return [] if operations is None else purges_of(picked.run_id, lines_of(operations))


def _checkpoints(file: str, run_id: str, records: int) -> list[str]:
    if not file or not Path(file).exists():
        return []
    return covering(run_id, records, Path(file).read_bytes().splitlines())


def _replace(path: Path, pieces: Iterable[bytes]) -> None:
    try:
        replace_file(path, pieces)
    except OSError as error:
        raise OutsideError(
            f"cannot write {path}: {error.strerror}; choose another --out"
        ) from error
