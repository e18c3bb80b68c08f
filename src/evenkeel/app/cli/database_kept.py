"""`evenkeel db`: the database of journals is brought up to date, looked at, kept and made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evenkeel.app import database as work
from evenkeel.app.cli.progress import Progress
from evenkeel.app.cli.shown import Answer, pairs, shown, table
from evenkeel.app.operations import act
from evenkeel.app.runs import check_writable
from evenkeel.domain.errors import ConfigError, UsageError
from evenkeel.journal.operations import OPERATIONS
from evenkeel.journal.verify import runs_in, verify_database
from evenkeel.journal.verify_sources import path_of
from evenkeel.ops.redact import without_password
from evenkeel.ops.settings import load_settings
from evenkeel.storage import migrate, projections
from evenkeel.storage.backup import restore


def upgrade_answer(database: str | None, to: str | None, backups: str) -> Answer:
    """Bring the database to a version, with a backup first where there is something to lose."""
    url = _url(database)
    check_writable(backups)
    with work.opened(url) as engine:
        before, after, path = work.change_version(engine, to or migrate.NEWEST, Path(backups))
        records = 0
        if after == migrate.NEWEST:
            with Progress("runs") as told:
                records = sum(work.catch_up(engine, told=told).values())
    if after == migrate.NEWEST != before:
        act(url, "db upgrade", before={"version": before or ""}, after={"version": after})
    body = {
        "database": without_password(url),
        "before": before,
        "after": after,
        "backup": None if path is None else str(path),
        "records_projected": records,
    }
    was = "empty" if before is None else f"at version {before}"
    done = "was there already" if before == after else f"was {was}, is now at version {after}"
    lines = [f"The database {without_password(url)} {done}."]
    return Answer(body, [*lines, *pairs([("backup", shown(path) if path else "")])])


def check_answer(database: str | None) -> Answer:
    """Say which version there is, and whose projections are behind; exit code 1 if any are."""
    url = _url(database)
    if _is_absent(url):
        raise UsageError(f"there is no database {url} yet: the first paper run makes it")
    with work.opened(url) as engine:
        version = migrate.current(engine)
        body: dict[str, Any] = {"database": without_password(url), "version": version}
        body["needed"] = migrate.NEWEST
        if version != migrate.NEWEST:
            try:
                migrate.check(engine)
            except ConfigError as error:
                return Answer(
                    {**body, "ok": False, "problem": str(error)}, [str(error)], exit_code=1
                )
        behind = [run for run in projections.behind(engine) if run != OPERATIONS]
    body |= {"ok": not behind, "behind": behind}
    facts = pairs([("database", without_password(url)), ("version", version)])
    if behind:
        names = ", ".join(behind[:3]) + (" …" if len(behind) > 3 else "")
        lines = [f"Tables are behind the journals of {len(behind)} runs ({names}).", *facts]
        return Answer(body, [*lines, "", "Next: evenkeel db rebuild"], exit_code=1)
    return Answer(body, ["Fit for use: tables agree with journals.", *facts])


def backup_answer(database: str | None, file: str | None) -> Answer:
    """Write a backup."""
    url = _url(database)
    if _is_absent(url):
        raise UsageError(f"there is no database {url} to back up")
    path = Path(file) if file is not None else work.backup_name(Path())
    if path.is_dir():
        raise UsageError(
            f"{file} is a folder; name the file, such as {path / 'evenkeel.backup.gz'}"
        )
    check_writable(path.parent)
    with work.opened(url) as engine:
        counts = work.back_up(engine, path)
    body = {"database": without_password(url), "backup": str(path), "rows": counts}
    lines = [f"{sum(counts.values())} rows are in {shown(path)}.", ""]
    return Answer(body, [*lines, f"Next: evenkeel db restore {shown(path)} --database URL"])


def restore_answer(database: str | None, file: str) -> Answer:
    """Make an empty database of a backup, bring it up to date and verify what is in it."""
    url = _url(database)
    with work.opened(url) as engine:
        counts = restore(engine, Path(file))
        migrate.change(engine)
        with Progress("runs") as told:
            work.catch_up(engine, told=told)
    act(url, "db restore", after={"backup": str(Path(file).resolve())})
    verdicts = {run: verify_database(url, run) for run in runs_in(url)}
    bad = {run: verdict.problem for run, verdict in verdicts.items() if not verdict.ok}
    body = {
        "database": without_password(url),
        "backup": file,
        "rows": counts,
        "journals": len(verdicts),
        "bad": bad,
    }
    lines = [f"{sum(counts.values())} rows are in {without_password(url)} again."]
    lines.append(f"{len(verdicts)} journals were verified, {len(bad) or 'none'} of them bad.")
    lines += table(("run", "problem"), bad.items()) if bad else []
    return Answer(body, lines, exit_code=1 if bad else 0)


def rebuild_answer(database: str | None) -> Answer:
    """Make the projections again, and say whether they held what they should have."""
    url = _url(database)
    if _is_absent(url):
        raise UsageError(f"there is no database {url} yet: the first paper run makes it")
    with work.opened(url) as engine:
        migrate.check(engine)
        stale = projections.behind(engine)
        before = projections.content_hash(engine)
        with Progress("runs") as told:
            done = work.rebuild(engine, told=told)
        after = projections.content_hash(engine)
    act(url, "db rebuild", before={"content": before}, after={"content": after})
    foreign = before != after and not [run for run in stale if run != OPERATIONS]
    body = {
        "database": without_password(url),
        "runs": len(done),
        "records": sum(done.values()),
        "before": before,
        "after": after,
        "as_the_journals_say": not foreign,
    }
    lines = [f"Made again of {sum(done.values())} records of {len(done)} runs."]
    if foreign:
        lines.append("Before, the tables held something that no journal says.")
    return Answer(body, [*lines, *pairs([("content", after)])], exit_code=1 if foreign else 0)


def _url(database: str | None) -> str:
    return database or load_settings().paths.database


def _is_absent(url: str) -> bool:
    """Return whether opening would make a new file: to look at nothing, or to keep it."""
    return url.startswith("sqlite") and not path_of(url).exists()
