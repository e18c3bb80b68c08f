"""Archives: everything of a catalog in one file, each part of it with its hash.

What is restored is added to what is there, so that an archive mends a damaged catalog and fills an
empty one alike; what is in both is there once.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.market.listed import list_actions, read_listed
from evenkeel.market.parts import LEVEL_ARCHIVED, PartFile
from evenkeel.market.seen import together
from evenkeel.ops.atomic_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenkeel.market.catalog import Catalog
    from evenkeel.market.shelf import Shelf

INDEX = "archive.json"
BESIDE = ("findings.json", "decisions.json", "sync.json")
"""What stands beside the bars of a shelf and is put back as it was, where there is none."""


class Member(msgspec.Struct, frozen=True):
    """A file of an archive: where it goes in a catalog, its size and its SHA-256."""

    name: str
    size: int
    sha256: str


class Index(msgspec.Struct, frozen=True):
    """What an archive holds, and the hash of all its bars however they are stored."""

    digest: str
    members: tuple[Member, ...]
    format: int = 1


class Restored(Struct, frozen=True):
    """What a restore did: bars that came, parts that were damaged and are mended, the hash now."""

    added: int
    mended: tuple[Path, ...]
    digest: str


# ---- into an archive ----


def archive(
    catalog: Catalog, target: Path, *, told: Callable[[int, int], None] = lambda _done, _total: None
) -> Index:
    """Write a catalog into one file, which is there whole or not at all.

    Raises `OutsideError` naming the file when a part is damaged: an archive of it would be, too.
    """
    if target.exists():
        raise UsageError(f"{target} is there already; name a new file")
    shelves = catalog.shelves()
    if not shelves:
        raise UsageError(f"{catalog.folder} holds nothing yet")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        index = _written(catalog, shelves, draft, told)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return index


def _written(
    catalog: Catalog,
    shelves: Sequence[tuple[str, Shelf]],
    draft: Path,
    told: Callable[[int, int], None],
) -> Index:
    members: list[Member] = []
    with draft.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as into:

            def put(name: str, content: bytes) -> None:
                into.writestr(name, content)
                members.append(Member(name, len(content), hashlib.sha256(content).hexdigest()))

            for done, (dataset, shelf) in enumerate(shelves):
                told(done, len(shelves))
                _put_shelf(put, f"bars/{dataset}/{shelf.interval}", shelf)
            for name in ("actions.csv", "tickers.csv"):
                if (catalog.folder / name).exists():
                    put(name, (catalog.folder / name).read_bytes())
            index = Index(catalog.digest(), tuple(members))
            into.writestr(INDEX, msgspec.json.encode(index))
        file.flush()
        os.fsync(file.fileno())
    return index


def _put_shelf(put: Callable[[str, bytes], None], where: str, shelf: Shelf) -> None:
    damaged = shelf.damage()
    if damaged:
        raise OutsideError(f"{damaged[0]} is damaged; restore it before you archive it")
    for part, content in shelf.compacted(LEVEL_ARCHIVED):
        put(f"{where}/{part.file}", content)
    for name in BESIDE:
        if (shelf.folder / name).exists():
            put(f"{where}/{name}", (shelf.folder / name).read_bytes())


# ---- out of an archive ----


def read_index(source: Path) -> Index:
    """Return what an archive says of itself; `OutsideError` when it is none or is damaged."""
    try:
        with zipfile.ZipFile(source) as held:
            return msgspec.json.decode(held.read(INDEX), type=Index)
    except FileNotFoundError:
        raise UsageError(f"{source} does not exist") from None
    except (zipfile.BadZipFile, KeyError, OSError, msgspec.DecodeError) as error:
        raise OutsideError(f"{source} is not a whole archive: {error}") from error


def restore(
    catalog: Catalog, source: Path, *, told: Callable[[int, int], None] = lambda _done, _total: None
) -> Restored:
    """Put everything of an archive back; nothing is touched before all of it has been verified.

    Raises `OutsideError` naming the member that is not what was archived.
    """
    index = read_index(source)
    with zipfile.ZipFile(source) as held, TemporaryDirectory() as folder:
        for member in index.members:
            _unpack(held, member, source, Path(folder))
        mended, added = [], 0
        parts = [member for member in index.members if member.name.endswith(".parquet")]
        for done, member in enumerate(parts):
            told(done, len(parts))
            dataset, interval = member.name.split("/")[1:3]
            shelf = catalog.shelf(interval, dataset)
            mended += shelf.forget_damage()
            added += shelf.add(together([PartFile(Path(folder) / member.name).seen()])).added
        _put_back(catalog, index, Path(folder))
    return Restored(added, tuple(mended), catalog.digest())


def _unpack(held: zipfile.ZipFile, member: Member, source: Path, folder: Path) -> None:
    place = (folder / member.name).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise OutsideError(f"{source}: {member.name} leads out of the catalog")
    try:
        content = held.read(member.name)
    except (KeyError, zipfile.BadZipFile, OSError) as error:
        raise OutsideError(f"{source}: {member.name} is damaged ({error})") from error
    if hashlib.sha256(content).hexdigest() != member.sha256:
        raise OutsideError(f"{source}: {member.name} is not what was archived")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def _put_back(catalog: Catalog, index: Index, folder: Path) -> None:
    for member in index.members:
        target = catalog.folder / member.name
        if member.name == "actions.csv":
            list_actions(target, read_listed(folder / member.name))
        elif not member.name.endswith(".parquet") and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(target, [(folder / member.name).read_bytes()])
