"""`evenkeel audit verify`: journals held against their hashes by code that did not write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenkeel.app.cli.shown import Answer, pairs, table
from evenkeel.app.runs import find, list_runs
from evenkeel.domain.errors import UsageError
from evenkeel.journal.verify import Verdict, runs_in, verify
from evenkeel.journal.verify_sources import is_database
from evenkeel.ops.redact import without_password
from evenkeel.ops.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.journal.verify_checkpoints import Checkpoint


def answer(
    target: str | None, run: str | None, checkpoints: str | None = None, keys: str | None = None
) -> Answer:
    """Verify one journal, or all there are; exit code 1 when a record is not as it was written."""
    settings = load_settings()
    runs = settings.paths.runs
    signed: Sequence[Checkpoint] = ()
    if checkpoints or settings.audit.checkpoints:
        from evenkeel.app.checkpoints import signed_checkpoints  # brings cryptography in

        signed = signed_checkpoints(settings, checkpoints, keys)
    if target is None:
        found = [(each["run_id"], each["folder"]) for each in list_runs(runs)]
        return _all([(name, path, verify(path, checkpoints=signed)) for name, path in found], runs)
    path = _journal(target, runs)
    if run is None and is_database(path):
        names = runs_in(path)
        lost = sorted({each.run for each in signed} - set(names))
        if lost or len(names) != 1:
            verdicts = [(name, path, verify(path, name, checkpoints=signed)) for name in names]
            return _all([*verdicts, *((name, path, _lost(name, signed)) for name in lost)], path)
        run = names[0]
    verdict = verify(path, run, checkpoints=signed)
    shown = without_password(path)
    body = {"journal": shown, "run": run, **_body(verdict)}
    if not verdict.ok:
        lines = [f"NOT sound: {verdict.problem}.", *_facts(shown, verdict)]
        return Answer(body, lines, exit_code=1)
    return Answer(body, ["Sound: every record is as it was written.", *_facts(shown, verdict)])


def _lost(name: str, signed: Sequence[Checkpoint]) -> Verdict:
    """Return the verdict on a journal that is not there, though checkpoints of it were signed."""
    size = max(each.size for each in signed if each.run == name)
    problem = f"record 1 is missing, and with it the journal: a checkpoint tells of {size} records"
    return Verdict(0, "0" * 64, ended=False, first_bad=1, problem=problem)


def _all(verdicts: Sequence[tuple[str, str, Verdict]], where: str) -> Answer:
    if not verdicts:
        raise UsageError(
            f"there are no runs in {without_password(where)}; "
            "name a run, a journal file or a database"
        )
    bad = sum(not verdict.ok for _, _, verdict in verdicts)
    rows = [
        ("ok" if verdict.ok else "BAD", name, verdict.records, verdict.problem or "")
        for name, _, verdict in verdicts
    ]
    found = [
        {"journal": without_password(path), "run": name, **_body(verdict)}
        for name, path, verdict in verdicts
    ]
    count = f"{len(verdicts)} journal{'s' * (len(verdicts) > 1)}"
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


def _body(verdict: Verdict) -> dict[str, Any]:
    return {
        "ok": verdict.ok,
        "records": verdict.records,
        "head_hash": verdict.head,
        "ended": verdict.ended,
        "first_bad": verdict.first_bad,
        "problem": verdict.problem,
        "purged": verdict.purged,
        "vouched": verdict.vouched,
    }


def _facts(path: str, verdict: Verdict) -> list[str]:
    sound = "records" if verdict.ok else "sound records"
    ended = "" if verdict.ended else "no: the run goes on, or was cut off"
    return pairs(
        [
            ("journal", path),
            (sound, verdict.records),
            ("purged", verdict.purged or ""),
            ("vouched for", f"{verdict.vouched}, by checkpoints" if verdict.vouched else ""),
            ("head hash", verdict.head),
            ("ended", ended),
        ]
    )
