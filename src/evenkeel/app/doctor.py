"""Is this installation fit to trade? Every check answers ok, warning or fault, and how to cure it.

Looking changes nothing: no file is made, no database is migrated.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evenkeel.domain.errors import EvenkeelError, OutsideError, UsageError
from evenkeel.ops.settings import FILES, Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

State = Literal["ok", "warning", "fault"]

EXTRAS = {"demo": "bokeh_sampledata", "backtrader": "backtrader"}
"""Each optional part of the installation and the package that it brings."""

NEWEST_RUNS = 5
"""How many journals a check-up reads; `evenkeel audit verify` reads them all."""

LITTLE_ROOM = 100 * 2**20
"""Free bytes below which a journal may soon not be written; ten times as many are a warning."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `cure` says what to do about a warning or a fault."""

    name: str
    state: State
    found: str
    cure: str = ""


def examine() -> list[Check]:
    """Look at everything; the order is from what all needs to what little needs."""
    checks = [_python(), *_libraries()]
    try:
        settings = load_settings()
    except EvenkeelError as error:
        cure = "correct it; `evenkeel show-config` shows every setting"
        return [*checks, Check("settings", "fault", str(error), cure), *_extras()]
    return [
        *checks,
        _settings(settings),
        _runs_folder(settings),
        _room(settings),
        _database(settings),
        *_journals(settings),
        *_extras(),
    ]


def _python() -> Check:
    """Return which Python runs: an older one than ours could not have read this file."""
    return Check("python", "ok", ".".join(map(str, sys.version_info[:3])))


def _libraries() -> Iterator[Check]:
    """Yield one check of what is there, and one for each library that is not."""
    needed = [_name(each) for each in requires("evenkeel") or () if "extra ==" not in each]
    found = {name: _version(name) for name in needed}
    missing = [name for name, number in found.items() if number is None]
    for name in missing:
        yield Check(name, "fault", "not installed", f"pip install {name}")
    there = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Check("libraries", "ok", f"evenkeel {version('evenkeel')}, {there}")


def _name(requirement: str) -> str:
    return (
        requirement.partition(";")[0].strip().translate({ord(c): " " for c in "<>=!~[("}).split()[0]
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _settings(settings: Settings) -> Check:
    files = [name for name in FILES if Path(name).exists()]
    own = sum(source != "default" for source in settings.sources.values())
    return Check("settings", "ok", f"{own} set, from {', '.join(files) or 'no file'}")


def _runs_folder(settings: Settings) -> Check:
    from evenkeel.app.runs import check_writable

    runs = settings.paths.runs
    try:
        check_writable(runs)
    except UsageError as error:
        return Check("runs folder", "fault", str(error), "set paths.runs to a folder of yours")
    kind = "" if Path(runs).exists() else ", which the first run will make"
    return Check("runs folder", "ok", f"{runs}{kind}")


def _room(settings: Settings) -> Check:
    place = Path(settings.paths.runs).resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:,.1f} GiB free"
    if free >= 10 * LITTLE_ROOM:
        return Check("disk", "ok", found)
    state: State = "fault" if free < LITTLE_ROOM else "warning"
    return Check("disk", state, found, "make room: a journal that cannot be written stops the run")


def _database(settings: Settings) -> Check:
    url = settings.paths.database
    file = _sqlite_file(url)
    if file is not None and not file.exists():
        return Check("database", "ok", f"{url}, which the first paper run will make")
    from evenkeel.storage.engine import open_engine  # brings SQLAlchemy in
    from evenkeel.storage.migrate import check, current

    try:
        engine = open_engine(url)
        try:
            version_found = current(engine)
            check(engine)
        finally:
            engine.dispose()
    except OutsideError as error:
        return Check("database", "fault", str(error), "set paths.database, or bring it up")
    except EvenkeelError as error:
        return Check("database", "fault", str(error), "set paths.database to another one")
    return Check("database", "ok", f"{_without_password(url)} at version {version_found}")


def _sqlite_file(url: str) -> Path | None:
    scheme, _, rest = url.partition("://")
    return Path(rest.removeprefix("/")) if scheme.startswith("sqlite") else None


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _journals(settings: Settings) -> Iterator[Check]:
    """Yield a check for the newest journals together, and one for each that is bad."""
    from evenkeel.app.runs import list_runs
    from evenkeel.journal.verify import verify

    newest = list_runs(settings.paths.runs)[-NEWEST_RUNS:]
    sound = 0
    for run in newest:
        try:
            problem = verify(run["folder"]).problem
        except UsageError as error:
            problem = str(error)
        if problem is None:
            sound += 1
            continue
        cure = "do not trust this run; restore its folder from a copy"
        yield Check(f"journal of {run['run_id']}", "fault", problem, cure)
    yield Check("journals", "ok", f"{sound} of the {len(newest)} newest verify")


def _extras() -> Iterator[Check]:
    for extra, package in EXTRAS.items():
        if find_spec(package) is not None:
            yield Check(f"extra {extra}", "ok", f"{package} {_version(package) or ''}".strip())
        else:
            cure = f"if you want it: pip install 'evenkeel[{extra}]'"
            yield Check(f"extra {extra}", "warning", "not installed", cure)
