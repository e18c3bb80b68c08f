"""Which journal is meant: a run's folder, a file, or a run of a database; and its lines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.app.runs import find
from evenkeel.domain.errors import UsageError
from evenkeel.journal.log import RUN_FILE, read_lines
from evenkeel.journal.verify import OPERATIONS, runs_in
from evenkeel.journal.verify_sources import is_database
from evenkeel.ops.redact import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Picked:
    """A journal: in a run file at `path`, or as run `run_id` of the `database` at a URL."""

    run_id: str
    path: Path | None = None
    database: str | None = None

    def sibling(self, run_id: str) -> Picked | None:
        """Return another run of the same database, None when there is none of that name."""
        if self.database is None or run_id not in runs_in(self.database):
            return None
        return replace(self, run_id=run_id)


@dataclass(frozen=True, slots=True)
class InDatabase:
    """The journal of a run in a database at a URL, as it was when its writer closed it.

    Whoever reads it gets a connection that ends with the reading: nothing is left open between.
    """

    database: str = field(repr=False)
    run_id: str
    records: int
    head: str

    def __len__(self) -> int:
        return self.records

    def lines(self) -> Iterator[bytes]:
        """Yield its lines."""
        return lines_of(Picked(self.run_id, database=self.database))


def pick(target: str | None, run: str | None, runs: str) -> Picked:
    """Return the journal that somebody means; `UsageError` says what to name."""
    if target is None or not ("://" in target or Path(target).exists()):
        folder = find(target, runs)
        return Picked(folder.name, folder / RUN_FILE)
    if is_database(target):
        return _of_database(target if "://" in target else f"sqlite:///{target}", run)
    path = Path(target)
    return Picked(path.name, path / RUN_FILE) if path.is_dir() else Picked(path.parent.name, path)


def lines_of(picked: Picked) -> Iterator[bytes]:
    """Yield the lines of a journal as they are now."""
    if picked.path is not None:
        yield from read_lines(picked.path)
        return
    from evenkeel.journal import database  # brings SQLAlchemy in
    from evenkeel.storage.engine import open_engine

    assert picked.database is not None
    engine = open_engine(picked.database)
    try:
        yield from database.lines_of(engine, picked.run_id)
    finally:
        engine.dispose()


def _of_database(url: str, run: str | None) -> Picked:
    known = runs_in(url)
    if run is None and len(named := [each for each in known if each != OPERATIONS]) == 1:
        run = named[0]
    if run not in known:
        asked = "say which run is meant with --run" if run is None else f"there is no run {run!r}"
        raise UsageError(f"{asked}: {without_password(url)} holds {', '.join(known) or 'no run'}")
    return Picked(run, database=url)
