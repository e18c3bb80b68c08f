"""`evenkeel audit verify`: journals held against their hashes by code that did not write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenkeel.app.cli.shown import Answer, pairs, table
from evenkeel.app.runs import find, list_runs
from evenkeel.domain.errors import UsageError
from evenkeel.journal.verify import runs_in, verify
from evenkeel.ops.settings import load_settings

if TYPE_CHECKING:
    from evenkeel.journal.verify import Verdict


def answer(target: str | None, run: str | None) -> Answer:
    """Verify one journal, or all there are; exit code 1 when a record is not as it was written."""
    runs = load_settings().paths.runs
    if target is None:
        return _all([(each["run_id"], each["folder"]) for each in list_runs(runs)], runs)
    path = _journal(target, runs)
    if run is None and _is_database(path) and len(names := runs_in(_file(path))) != 1:
        return _all([(name, path) for name in names], path, database=True)
    verdict = verify(path, run)
    body = {"journal": path, "run": run, **_body(verdict)}
    if not verdict.ok:
        lines = [f"NOT sound: {verdict.problem}.", *_facts(path, verdict)]
        return Answer(body, lines, exit_code=1)
    return Answer(body, ["Sound: every record is as it was written.", *_facts(path, verdict)])


def _all(journals: list[tuple[str, str]], where: str, *, database: bool = False) -> Answer:
    if not journals:
        raise UsageError(f"there are no runs in {where}; name a run, a journal file or a database")
    verdicts = [(name, path, verify(path, name if database else None)) for name, path in journals]
    bad = sum(not verdict.ok for _, _, verdict in verdicts)
    rows = [
        ("ok" if verdict.ok else "BAD", name, verdict.records, verdict.problem or "")
        for name, _, verdict in verdicts
    ]
    found = [{"journal": path, "run": name, **_body(verdict)} for name, path, verdict in verdicts]
    count = f"{len(journals)} journal{'s' * (len(journals) > 1)}"
    total = f"{count}, {bad or 'none'} of them bad."
    return Answer(
        {"ok": not bad, "journals": found},
        [*table(("", "run", "records", "problem"), rows, right="records"), "", total],
        exit_code=1 if bad else 0,
    )


def _journal(target: str, runs: str) -> str:
    if "://" in target or Path(target).exists():
        return target
    return str(find(target, runs))


def _is_database(path: str) -> bool:
    if "://" in path:
        return path.startswith("sqlite")  # of any other one `verify` says that it reads none
    file = Path(path)
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(16) == b"SQLite format 3\x00"


def _file(path: str) -> Path:
    _, separator, rest = path.partition("://")
    return Path(rest.partition("?")[0].removeprefix("/")) if separator else Path(path)


def _body(verdict: Verdict) -> dict[str, Any]:
    return {
        "ok": verdict.ok,
        "records": verdict.records,
        "head_hash": verdict.head,
        "ended": verdict.ended,
        "first_bad": verdict.first_bad,
        "problem": verdict.problem,
    }


def _facts(path: str, verdict: Verdict) -> list[str]:
    sound = "records" if verdict.ok else "sound records"
    ended = "" if verdict.ended else "no: the run goes on, or was cut off"
    return pairs(
        [("journal", path), (sound, verdict.records), ("head hash", verdict.head), ("ended", ended)]
    )
