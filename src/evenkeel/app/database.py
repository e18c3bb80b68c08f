"""What one does with a whole database: bring it to a version, back it up, make its projections again."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.domain.errors import OutsideError
from evenkeel.journal.database import lines_of
from evenkeel.ops.atomic_file import replace_file
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.reports.projection import project
from evenkeel.storage import backup, migrate, projections
from evenkeel.storage.engine import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Engine


class Rebuilt(Struct, frozen=True):
    """What a rebuild made: the records of each run, and hashes of all content before and after.

    `as_said` tells whether the tables had held what the journals say, and nothing else.
    """

    records: dict[str, int]
    before: str
    after: str
    as_said: bool


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """Open a database for one command."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def back_up(engine: Engine, path: Path) -> dict[str, int]:
    """Write a backup to a file, whole or not at all; return the rows of each table."""

    def replace(pieces: Iterable[bytes]) -> None:
        replace_file(path, pieces, mode=0o600)  # it holds what the database holds

    try:
        return backup.back_up(engine, SYSTEM_CLOCK.now_ns(), replace)
    except OSError as error:
        raise OutsideError(
            f"cannot write the backup {path}: {error.strerror}; nothing was changed"
        ) from error


def backup_name(folder: Path) -> Path:
    """Return a name for a backup that sorts by time."""
    now = datetime.fromtimestamp(SYSTEM_CLOCK.now_ns() / 1e9, UTC)
    return folder / f"evenkeel-{now:%Y%m%d-%H%M%S-%f}.backup.gz"


def change_version(engine: Engine, to: str, folder: Path) -> tuple[str | None, str, Path | None]:
    """Bring a database to a version, a backup first; return the versions and the backup."""
    path = backup_name(folder)
    taken: list[Path] = []

    def first() -> None:
        back_up(engine, path)
        taken.append(path)

    before, after = migrate.change(engine, to, first=first)
    return before, after, taken[0] if taken else None


def rebuild(
    engine: Engine, *, told: Callable[[int, int], object] = lambda _done, _all: None
) -> Rebuilt:
    """Empty the projections and make them again of the journals.

    They are made again as far as they reached before that, and compared, and then to the end.
    `told` hears how many of how many runs are done.
    """
    before, reached = projections.content_hash(engine), projections.reach(engine)
    projections.empty(engine)
    done: dict[str, int] = {}
    for run_id, sequence in reached.items():
        told(len(done), len(reached))
        done[run_id] = refresh(engine, run_id, to=sequence)
    as_said = projections.content_hash(engine) == before
    done |= catch_up(engine, told=told)
    return Rebuilt(done, before, projections.content_hash(engine), as_said)


def catch_up(
    engine: Engine, *, told: Callable[[int, int], object] = lambda _done, _all: None
) -> dict[str, int]:
    """Make the projections of those runs again whose journals have grown since."""
    runs = projections.behind(engine)
    done: dict[str, int] = {}
    for run_id in runs:
        told(len(done), len(runs))
        done[run_id] = refresh(engine, run_id)
    return done


def refresh(engine: Engine, run_id: str, *, to: int | None = None) -> int:
    """Make the projections of one run again, to its end or to a record; return how many that are."""
    lines = list(islice(lines_of(engine, run_id), to))
    head = lines[-1][:64].decode() if lines else "0" * 64
    projections.replace(engine, run_id, project(lines), sequence=len(lines), head=head)
    return len(lines)
