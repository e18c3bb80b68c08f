"""Taking files in: everything that can be read is, and what cannot is set aside and told.

Nothing is judged here beyond "is this a row"; nothing is lost. One file is one look at the market:
what it shows was seen when its last bar had closed (a day's: at its last second, UTC), whenever
somebody copied it.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct, field

from evenkeel.domain.errors import DataError, UsageError
from evenkeel.domain.instrument import NO_MARKET, instrument_id
from evenkeel.market.columns import DAY, EmptyFileError, Table
from evenkeel.market.csv_table import KINDS, Rejected, has_header, read_csv
from evenkeel.market.history import bar_interval
from evenkeel.market.seen import Seen, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evenkeel.domain.bar import Column, Flags, Times

SUFFIXES = (*KINDS, ".parquet", ".zip")
SIZE_MAX = 8 * 2**30
"""Bytes that one member of a zip file may unpack to."""

SECOND = 1_000_000_000
UNITS = (("w", 7 * DAY), ("d", DAY), ("h", 3600 * SECOND), ("m", 60 * SECOND), ("s", SECOND))


class Terms(Struct, frozen=True, kw_only=True):
    """What a file does not say of itself. Empty `instrument`: the file's symbols, or its name."""

    instrument: str = ""
    market: str = NO_MARKET
    interval: str = ""
    stamp: str = "start"


class Intake(Struct, frozen=True):
    """What one file held. `rows` is None when there was nothing that could be read.

    `extras` are columns beside the prices, in the order of `rows`; `notes` are remarks on the file
    as a whole, by code. `adjustment` is what its columns say its prices have been divided by.
    """

    label: str
    sha256: str
    rows: Seen | None
    interval: str
    extras: Mapping[str, Column] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    adjustment: str = "as-traded"


def interval_name(length: int) -> str:
    """Return the short name of a bar's length: `1m`, `4h`, `1d`, `1w`."""
    for letter, unit in UNITS:
        if length % unit == 0:
            return f"{length // unit}{letter}"
    return f"{length}ns"


def interval_length(name: str) -> int:
    """Return a bar's length in nanoseconds; `UsageError` when the name is none."""
    found = re.fullmatch(r"(\d+)([wdhms]|ns)", name)
    if not found or not int(found[1]):
        raise UsageError(f"interval {name!r} is not of the form 1m, 5m, 1h, 1d or 1w")
    return int(found[1]) * dict(UNITS).get(found[2], 1)


# ---- files, folders, archives ----


def files_in(paths: Sequence[str | Path]) -> Iterator[Path]:
    """Yield every file of some paths and of the folders among them, in order of their names."""
    for path in map(Path, paths):
        path = path.expanduser()  # noqa: PLW2901 - the same path, written out
        if path.is_dir():
            found = sorted(each for each in path.rglob("*") if each.is_file() and _is_among(each))
            if not found:
                raise DataError(f"{path} has no file of a kind that is read: {', '.join(SUFFIXES)}")
            yield from found
        elif not path.exists():
            raise DataError(f"{path} does not exist")
        elif not _is_read(path):
            raise DataError(f"{path} is of no kind that is read; use {', '.join(SUFFIXES)}")
        else:
            yield path


def _is_read(path: Path) -> bool:
    """Tell whether a file is of a kind that is read; what Macs put beside files (`._A.csv`) is not."""
    return path.name.casefold().endswith(SUFFIXES) and not path.name.startswith(".")


def _is_among(path: Path) -> bool:
    """Tell whether a file of many is to be read: a text may be a remark on the others."""
    if not _is_read(path):
        return False
    return not re.search(r"\.txt(\.gz)?$", path.name, re.IGNORECASE) or has_header(path)


def taken_in(
    path: Path, terms: Terms, told: Callable[[int], None] = lambda _: None
) -> Iterator[Intake]:
    """Yield what a file holds; of a zip file each of its members that is of a kind that is read.

    While a CSV file is read, `told` hears how many bytes of it have been.
    """
    if path.name.casefold().endswith(".zip"):
        yield from _members(path, terms)
    else:
        yield _intake(path, terms, told)


def _members(path: Path, terms: Terms) -> Iterator[Intake]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in sorted(archive.infolist(), key=lambda each: each.filename):
                name = Path(member.filename).name
                if member.is_dir() or not _is_read(Path(name)) or name.endswith(".zip"):
                    continue
                if member.file_size > SIZE_MAX:
                    raise DataError(
                        f"{path.name}: {name} unpacks to more than {SIZE_MAX >> 30} GiB"
                    )
                with _unpacked(archive, member, name) as file:
                    if _is_among(file):
                        yield _intake(file, terms)
    except (zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path.name} is not a whole zip file: {error}") from error


@contextmanager
def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / name  # the name alone: a member's path may lead anywhere
        with archive.open(member) as source, file.open("wb") as target:
            while piece := source.read(1 << 20):
                target.write(piece)
        yield file


def _intake(path: Path, terms: Terms, told: Callable[[int], None] = lambda _: None) -> Intake:
    digest = _digest(path)
    rejected: list[Rejected] = []
    try:
        table = _table(path, rejected, told)
    except EmptyFileError as error:
        notes = {"empty-batch": str(error)}
        return Intake(path.name, digest, None, "", rejected=tuple(rejected), notes=notes)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    return _understood(table, path, digest, terms, rejected)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(path: Path, rejected: list[Rejected], told: Callable[[int], None]) -> Table:
    if path.name.casefold().endswith(".parquet"):
        from evenkeel.market.frames import read_parquet

        return read_parquet(path, extras=True)
    return read_csv(path, extras=True, rejected=rejected, told=told)


# ---- from a table to rows ----


def _understood(
    table: Table, path: Path, digest: str, terms: Terms, rejected: list[Rejected]
) -> Intake:
    names, codes, kept = _instruments(table, path, terms)
    if not kept.all():
        rejected.extend(
            Rejected(0, table.place(row), f"the symbol {_symbol(table, row)!r} is none")
            for row in np.flatnonzero(~kept).tolist()
        )
    wall, stamps = table.wall[kept], table.stamps[kept]
    length = interval_length(terms.interval) if terms.interval else _length(wall, codes, table)
    ts = wall // DAY * DAY if length >= DAY else stamps
    if length < DAY and terms.stamp == "end":
        ts = ts - length
    values = dict(table.prices)
    if table.volume is not None:
        values["volume"] = table.volume
    if "adj_close" in table.extras:
        values["adj_close"] = table.extras["adj_close"]
    at = int(ts.max()) + (length if length < DAY else DAY - SECOND)
    rows = seen(
        names,
        codes,
        ts,
        {name: column[kept] for name, column in values.items()},
        at=at,
        source=f"file:{path.name}",
    )
    order = np.lexsort((ts, _ranks(names)[codes]))
    extras = {name: column[kept][order] for name, column in table.extras.items()}
    adjustment = "as-traded"
    if "adjusted_split" in extras:
        adjustment, extras["split"] = "split", extras.pop("adjusted_split")
    return Intake(
        path.name,
        digest,
        rows,
        interval_name(length),
        extras,
        tuple(rejected),
        _notes(ts, codes),
        adjustment,
    )


def _notes(ts: Times, codes: Times) -> dict[str, str]:
    steps, same = np.diff(ts), np.diff(codes) == 0
    backwards = int((same & (steps < 0)).sum())
    return {"unsorted": f"{backwards} rows earlier than the row before them"} if backwards else {}


def _ranks(names: Sequence[str]) -> Times:
    place = {name: at for at, name in enumerate(sorted(set(names)))}
    return np.array([place[name] for name in names], np.int64)


def _symbol(table: Table, row: int) -> str:
    return table.names[int(table.codes[row])] if table.codes is not None else ""


def _instruments(table: Table, path: Path, terms: Terms) -> tuple[list[str], Times, Flags]:
    """Return instrument ids, each kept row's place among them, and which rows are kept."""
    everywhere = np.ones(len(table.wall), np.bool_)
    if table.codes is None:
        name = instrument_id(terms.instrument) if terms.instrument else _named(path, terms.market)
        return [name], np.zeros(len(table.wall), np.int64), everywhere
    if terms.instrument:
        wanted = instrument_id(terms.instrument)
        symbol = wanted.rpartition(".")[0]
        if symbol not in table.names:
            raise DataError(f"{table.label} has no symbol {symbol!r}")
        kept = table.codes == table.names.index(symbol)
        return [wanted], np.zeros(int(kept.sum()), np.int64), kept
    good = np.array([bool(name) and not re.search(r"\s", name) for name in table.names])
    kept = good[table.codes]
    if kept.all():
        return [f"{name}.{terms.market}" for name in table.names], table.codes, everywhere
    moved = np.cumsum(good) - 1
    named = [f"{name}.{terms.market}" for name in np.array(table.names)[good].tolist()]
    return named, moved[table.codes[kept]], kept


def _named(path: Path, market: str) -> str:
    stem = re.sub(r"\.((csv|txt|tsv)(\.gz)?|parquet)$", "", path.name, flags=re.IGNORECASE)
    return f"{re.sub(r'[^A-Z0-9_.-]', '_', stem.upper()) or 'DATA'}.{market}"


def _length(wall: Times, codes: Times, table: Table) -> int:
    """Return how long a bar lasts, from the most common time between two of one instrument."""
    order = np.lexsort((wall, codes))
    steps = np.diff(wall[order])[np.diff(codes[order]) == 0]
    steps = steps[steps > 0]
    if not (wall % DAY).any():
        if not len(steps):
            return DAY
        common = bar_interval(np.concatenate(([0], np.cumsum(steps))), table.label)
        return 7 * DAY if common == 7 * DAY else DAY
    if not len(steps):
        raise DataError(
            f"{table.label}: one bar an instrument shows no interval; name it with --interval"
        )
    return bar_interval(np.concatenate(([0], np.cumsum(steps))), table.label)
