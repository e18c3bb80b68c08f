"""Is this installation fit to trade? Every check answers ok, warning or fault, and how to cure it.

Looking changes nothing: no file is made, no database is migrated.
"""

from __future__ import annotations

import re
import shutil
import socket
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from evenkeel.domain.errors import ConfigError, EvenkeelError, OutsideError, UsageError
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.redact import without_password
from evenkeel.ops.settings import FILES, Settings, load_settings
from evenkeel.ops.toml_file import TomlFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

State = Literal["ok", "warning", "fault"]

EXTRAS = {
    "demo": "bokeh_sampledata",
    "backtrader": "backtrader",
    "keyring": "keyring",
    "postgres": "psycopg",
    "providers": "httpx",
    "redis": "redis",
}
"""Each optional part of the installation and the package that it brings."""

NEWEST_RUNS = 5
"""How many journals a check-up reads; `evenkeel audit verify` reads them all."""

LITTLE_ROOM = 100 * 2**20
"""Free bytes below which a journal may soon not be written; ten times as many are a warning."""

FRESH_DAYS = 5
"""A weekend, a holiday and a day in between: data that is older has been forgotten."""

CLOCK_ERROR_SECONDS_MAX = 1.0
"""A clock that may be further off than this stamps orders with times that no venue believes."""


class Check(Struct, frozen=True):
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
    checks += [check for look in LOOKS for check in look(settings)]
    return [*checks, *_extras()]


def _python() -> Check:
    """Return which Python runs: an older one than ours could not have read this file."""
    return Check("python", "ok", ".".join(map(str, sys.version_info[:3])))


def _libraries() -> Iterator[Check]:
    """Yield one check of what is there, and one for each library that is missing or too old."""
    needed = [_needed(each) for each in requires("evenkeel") or () if "extra ==" not in each]
    found = {name: _version(name) for name, _ in needed}
    for name, least in needed:
        there = found[name]
        if there is None:
            yield Check(name, "fault", "not installed", f"pip install {name}")
        elif _number(there) < _number(least):
            yield Check(
                name, "fault", f"{there}, older than {least}", f"pip install '{name}>={least}'"
            )
    listed = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Check("libraries", "ok", f"evenkeel {version('evenkeel')}, {listed}")


def _needed(requirement: str) -> tuple[str, str]:
    """Return name and least version of a requirement such as `numpy>=1.26` or `typer<1,>=0.12`."""
    name = re.match(r"[\w.-]+", requirement)
    least = re.search(r">= *([\w.]+)", requirement)
    assert name is not None, requirement
    return name.group(), least.group(1) if least else ""


def _number(version_text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version_text)]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _settings(settings: Settings) -> Iterator[Check]:
    files = [name for name in FILES if Path(name).exists()]
    own = sum(source != "default" for source in settings.sources.values())
    yield Check("settings", "ok", f"{own} set, from {', '.join(files) or 'no file'}")
    if any("live" in TomlFile(Path(name)).table("profile") for name in files):
        try:
            load_settings(profile="live")
        except ConfigError as error:
            yield Check("profile live", "fault", str(error), "or take [profile.live] out")


def _runs_folder(settings: Settings) -> Iterator[Check]:
    from evenkeel.app.runs import check_writable

    runs = settings.paths.runs
    try:
        check_writable(runs)
    except UsageError as error:
        yield Check("runs folder", "fault", str(error), "set paths.runs to a folder of yours")
        return
    kind = "" if Path(runs).exists() else ", which the first run will make"
    yield Check("runs folder", "ok", f"{runs}{kind}")


def _room(settings: Settings) -> Iterator[Check]:
    place = Path(settings.paths.runs).resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:,.1f} GiB free"
    if free >= 10 * LITTLE_ROOM:
        yield Check("disk", "ok", found)
        return
    state: State = "fault" if free < LITTLE_ROOM else "warning"
    yield Check("disk", state, found, "make room: a journal that cannot be written stops the run")


def _database(settings: Settings) -> Iterator[Check]:
    url = settings.paths.database
    file = _sqlite_file(url)
    if file is not None and not file.exists():
        yield Check("database", "ok", f"{url}, which the first paper run will make")
        return
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
        yield Check("database", "fault", str(error), "set paths.database, or bring it up")
    except EvenkeelError as error:
        yield Check("database", "fault", str(error), "set paths.database to another one")
    else:
        yield Check("database", "ok", f"{without_password(url)} at version {version_found}")


def _sqlite_file(url: str) -> Path | None:
    scheme, _, rest = url.partition("://")
    return Path(rest.removeprefix("/")) if scheme.startswith("sqlite") else None


def _journals(settings: Settings) -> Iterator[Check]:
    """Yield a check for the newest journals together, and one for each that is bad."""
    from evenkeel.app.runs import list_runs

    newest = [
        (run["run_id"], _problem(run["folder"]))
        for run in list_runs(settings.paths.runs)[-NEWEST_RUNS:]
    ]
    newest += _in_database(settings.paths.database)
    for name, problem in newest:
        if problem is not None:
            cure = "do not trust this run; restore it from a copy"
            yield Check(f"journal of {name}", "fault", problem, cure)
    sound = sum(problem is None for _, problem in newest)
    yield Check("journals", "ok", f"{sound} of the {len(newest)} newest verify")


def _in_database(url: str) -> list[tuple[str, str | None]]:
    """Verify the newest runs of the database and the operators' journal; none of one unread."""
    file = _sqlite_file(url)
    if file is not None and not file.exists():
        return []
    from evenkeel.app.database import opened  # brings SQLAlchemy in
    from evenkeel.journal.verify import OPERATIONS, runs_in

    try:
        # The last to close a SQLite file takes its log away, and the verifier may only read: so
        # somebody who may write has it open meanwhile, and nothing is left lying about.
        with opened(url):
            known = runs_in(url)
            runs = [run for run in known if run != OPERATIONS][-NEWEST_RUNS:]
            if OPERATIONS in known:
                runs.append(OPERATIONS)
            return [(run, _problem(url, run)) for run in runs]
    except EvenkeelError:
        return []  # the check of the database says what is wrong with it


def _problem(where: str, run_id: str | None = None) -> str | None:
    """Return what is wrong with a journal, None when nothing is."""
    from evenkeel.journal.verify import verify

    try:
        return verify(where, run_id).problem
    except UsageError as error:
        return str(error)


def _extras() -> Iterator[Check]:
    for extra, package in EXTRAS.items():
        if find_spec(package) is not None:
            yield Check(f"extra {extra}", "ok", f"{package} {_version(package) or ''}".strip())
        else:
            cure = f"if you want it: pip install 'evenkeel[{extra}]'"
            yield Check(f"extra {extra}", "warning", "not installed", cure)


def _vault(settings: Settings) -> Iterator[Check]:
    """Look at the vault from outside: unlocking it would be an act to write down."""
    path = Path(settings.vault.file)
    if not path.exists():
        yield Check("vault", "ok", f"none at {path}; `evenkeel secrets init` makes one")
        return
    from evenkeel.ops.vault import store  # brings cryptography in
    from evenkeel.ops.vault.keys import KeyringKey, system_keyring

    try:
        keep = store.read(path).keep
        if keep.kind == KeyringKey.kind:
            system_keyring()
    except EvenkeelError as error:
        yield Check("vault", "fault", str(error), "without it no secret can be read")
        return
    if store.rights_beyond_owner(path):
        yield Check("vault", "fault", f"others can read {path}", f"chmod 600 {path}")
        return
    names = sum(not name.startswith("@") for name in keep.records)
    yield Check("vault", "ok", f"{path}: {names} secrets, key by {keep.kind}")


def _clock(_: Settings) -> Iterator[Check]:
    from evenkeel.ops.time_source import time_source  # brings ctypes in

    found = time_source()
    cure = "run a time service (chrony, systemd-timesyncd), and wait for it to say so"
    if found is None:
        yield Check("clock", "warning", "this system does not say whether it is right", cure)
    elif not found.synchronised:
        yield Check("clock", "warning", "follows no time source", cure)
    elif found.error_seconds_max > CLOCK_ERROR_SECONDS_MAX:
        yield Check("clock", "fault", f"may be {found.error_seconds_max:.1f} s off", cure)
    else:
        yield Check("clock", "ok", f"right within {found.error_seconds_max:.3f} s")


def _log_file(settings: Settings) -> Iterator[Check]:
    from evenkeel.app.runs import check_writable

    if not settings.logging.file:
        yield Check("log", "ok", f"to the terminal, {settings.logging.levels}")
        return
    file = Path(settings.logging.file)
    try:
        check_writable(file.parent)
    except UsageError as error:
        yield Check("log", "fault", str(error), "set logging.file to another one")
        return
    yield Check("log", "ok", f"to {file}, {settings.logging.levels}")


def _ports(settings: Settings) -> Iterator[Check]:
    port = settings.metrics.port
    if not port:
        return
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            cure = "if that is not a bot of yours, set metrics.port to another one"
            yield Check("metrics port", "warning", f"{port}: {error.strerror}", cure)
            return
    yield Check("metrics port", "ok", f"{port} is free")


def _data(settings: Settings) -> Iterator[Check]:
    """Look at how old the newest bar of each data set is."""
    folder = Path(settings.paths.catalog)
    if not folder.exists():
        yield Check("data", "ok", f"no catalog at {folder}; `evenkeel data import` begins one")
        return
    from evenkeel.market.catalog import Catalog

    for dataset, shelf in Catalog(folder).shelves():
        name = f"data {dataset}/{shelf.interval}"
        try:
            newest = max((part.last for part in shelf.manifest().parts), default=0)
        except EvenkeelError as error:
            yield Check(name, "fault", str(error), "restore the catalog from a backup")
            continue
        days = (SYSTEM_CLOCK.now_ns() - newest) / 86_400_000_000_000
        found = f"newest bar of {datetime.fromtimestamp(newest / 1e9, UTC):%Y-%m-%d %H:%M}"
        if days > FRESH_DAYS:
            cure = "if it is to be traded on: fetch or import what is newer"
            yield Check(name, "warning", f"{found}, {days:,.0f} days old", cure)
        else:
            yield Check(name, "ok", found)


LOOKS: tuple[Callable[[Settings], Iterable[Check]], ...] = (
    _settings,
    _clock,
    _runs_folder,
    _room,
    _vault,
    _database,
    _journals,
    _data,
    _log_file,
    _ports,
)
"""What is looked at with the settings at hand; a new check is a new function in this list."""
