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
from evenkeel.storage import backup, migrate, projections
from evenkeel.storage.grants import grant, statements


def upgrade_answer(database: str | None, to: str | None, backups: str) -> Answer:
    """Bring the database to a version, with a backup first where there is something to lose."""
    url = _url(database)
    check_writable(backups)
    wanted = to or migrate.NEWEST
    with work.opened(url) as engine:
        if migrate.current(engine) == migrate.NEWEST and wanted in migrate.VERSIONS[:-1]:
            # On the way down it is written first: an older version takes no record of ours.
            _note_version(url, migrate.NEWEST, wanted)
        before, after, path = work.change_version(engine, wanted, Path(backups))
        records = 0
        if after == migrate.NEWEST:
            with Progress("runs") as told:
                records = sum(work.catch_up(engine, told=told).values())
    if after == migrate.NEWEST != before:
        _note_version(url, before or "", after)
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


def _note_version(url: str, before: str, after: str) -> None:
    act(url, "db upgrade", before={"version": before}, after={"version": after})


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
        # The operators' journal grows with every command, and its tables by the next rebuild.
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
    backup.check(Path(file))  # before a new database is made for it
    with work.opened(url) as engine:
        counts = backup.restore(engine, Path(file))
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
        with Progress("runs") as told:
            made = work.rebuild(engine, told=told)
    act(url, "db rebuild", before={"content": made.before}, after={"content": made.after})
    records = sum(made.records.values())
    body = {
        "database": without_password(url),
        "runs": len(made.records),
        "records": records,
        "before": made.before,
        "after": made.after,
        "as_the_journals_say": made.as_said,
    }
    journals = len(made.records)
    lines = [f"Made again of {records} records of {journals} journal{'s' * (journals != 1)}."]
    if not made.as_said:
        lines.append("Before, the tables held something that no journal says.")
    answer = [*lines, *pairs([("content", made.after)])]
    return Answer(body, answer, exit_code=0 if made.as_said else 1)


def grants_answer(database: str | None, role: str, *, yes: bool) -> Answer:
    """Say in SQL what a trading user may do, or see to it."""
    url = _url(database)
    if _is_absent(url):
        raise UsageError(f"there is no database {url} yet: the first paper run makes it")
    with work.opened(url) as engine:
        migrate.check(engine)
        sql = statements(engine, role)
        if yes:
            act(url, "db grants", after={"role": role})
            grant(engine, role)
    body = {"database": without_password(url), "role": role, "done": yes, "sql": sql}
    last = f"Done, in {without_password(url)}." if yes else "-- Nothing was changed: add --yes."
    return Answer(body, [*(f"{each};" for each in sql), "", last])


def _url(database: str | None) -> str:
    return database or load_settings().paths.database


def _is_absent(url: str) -> bool:
    """Return whether opening would make a new file: to look at nothing, or to keep it."""
    return url.startswith("sqlite") and not path_of(url).exists()
