"""What one does with a whole database: bring it to a version, back it up, make its projections again."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.domain.errors import OutsideError
from evenkeel.journal.database import lines_of
from evenkeel.journal.operations import OPERATIONS
from evenkeel.ops.atomic_file import replace_file
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.reports.projection import project
from evenkeel.storage import backup, migrate, projections
from evenkeel.storage.engine import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Engine


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
) -> dict[str, int]:
    """Empty the projections and make them again of the journals; return the records of each run.

    `told` hears how many of how many runs are done.
    """
    projections.empty(engine)
    return catch_up(engine, told=told)


def catch_up(
    engine: Engine, *, told: Callable[[int, int], object] = lambda _done, _all: None
) -> dict[str, int]:
    """Make the projections of those runs again whose journals have grown since."""
    # What operators do makes no order and no posting.
    runs = [run_id for run_id in projections.behind(engine) if run_id != OPERATIONS]
    done: dict[str, int] = {}
    for run_id in runs:
        told(len(done), len(runs))
        done[run_id] = refresh(engine, run_id)
    return done


def refresh(engine: Engine, run_id: str) -> int:
    """Make the projections of one run again; return how many records they come from."""
    lines = list(lines_of(engine, run_id))
    head = lines[-1][:64].decode() if lines else "0" * 64
    projections.replace(engine, run_id, project(lines), sequence=len(lines), head=head)
    return len(lines)
