"""A shelf: the bars of one data set and interval. Its manifest is the only truth about it.

    new parts are written and made durable  →  the manifest takes the place of the old one
    →  what nobody names any more is removed

Whoever stops it at any point leaves the old state or the new one. Bars that last a day or longer
share one part a year; shorter ones have a part for each instrument and year.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from evenkeel.domain.errors import DataError, OutsideError
from evenkeel.market.columns import DAY
from evenkeel.market.parts import (
    LEVEL,
    PRICES_AND_VOLUME,
    PartFile,
    damaged,
    encode,
    sha256,
)
from evenkeel.market.seen import VALUES, Seen, held_at, news, settled, together
from evenkeel.ops.atomic_file import locked, replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evenkeel.domain.bar import AnyArray, Column, Times

MANIFEST = "manifest.json"
DELTAS_MAX = 8
"""Parts of one year of one group; one more, and they become one."""

EVER = (-(2**63), 2**63 - 1)

Kind = Literal["bars", "superseded"]
T = TypeVar("T")


class Part(msgspec.Struct, frozen=True):
    """One file of a shelf. `group` is its instrument, empty where all instruments share it.

    `first` and `last` are the earliest and latest start of its bars, UTC nanoseconds.
    """

    file: str
    kind: Kind
    group: str
    year: int
    rows: int
    first: int
    last: int
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a shelf holds: later parts of one group and year win over earlier ones.

    `held_back` are bars in quarantine: by instrument, the starts of its bars.
    """

    format: int = 1
    sequence: int = 0
    parts: tuple[Part, ...] = ()
    held_back: dict[str, list[int]] = {}


class Receipt(Struct, frozen=True):
    """What adding rows has changed: bars that are new, values that differ from those known before,
    and bars that were known as they are.
    """

    added: int
    restated: int
    known: int


class Held(Struct, frozen=True):
    """How many bars of an instrument there are, and the starts of the first and the last."""

    rows: int
    first: int
    last: int


class Change(Struct, frozen=True):
    """How a manifest shall change: parts that come, and those that go."""

    new: tuple[tuple[Part, bytes], ...] = ()
    gone: frozenset[str] = frozenset()


class Shelf:
    """The bars of one data set and interval, in a folder of their own.

    Readers need no lock: a manifest names only whole files. Writers take turns, across processes.
    """

    def __init__(self, folder: Path, interval: str, length: int) -> None:
        """Open the shelf in `folder`, which the first row makes; a bar lasts `length` ns."""
        self.folder, self.interval, self.length = folder, interval, length
        self._read: tuple[tuple[int, int, int], Manifest] | None = None

    # ---- the manifest ----

    def manifest(self) -> Manifest:
        """Return what the shelf holds now; `OutsideError` when the manifest is damaged."""
        path = self.folder / MANIFEST
        try:
            stat = path.stat()
        except FileNotFoundError:
            return Manifest()
        version = stat.st_ino, stat.st_mtime_ns, stat.st_size
        if self._read is None or self._read[0] != version:
            self._read = version, _open_manifest(path)
        return self._read[1]

    def _commit(self, old: Manifest, change: Change, held_back: dict[str, list[int]]) -> Manifest:
        for part, content in change.new:
            path = self.folder / part.file
            path.parent.mkdir(exist_ok=True)
            replace_file(path, [content])
        kept = tuple(part for part in old.parts if part.file not in change.gone)
        new = Manifest(1, old.sequence + 1, (*kept, *(part for part, _ in change.new)), held_back)
        body = msgspec.json.encode(new)
        replace_file(self.folder / MANIFEST, [sha256(body).encode(), b"\n", body])
        self._sweep(new)
        return new

    def _sweep(self, manifest: Manifest) -> None:
        """Remove files that no manifest names: replaced parts, and drafts of who was stopped."""
        named = {self.folder / part.file for part in manifest.parts}
        for folder in [path for path in self.folder.iterdir() if path.is_dir()]:
            for path in folder.iterdir():
                if path not in named:
                    path.unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()

    @contextmanager
    def _alone(self) -> Iterator[Manifest]:
        """Hold the shelf's lock, which the system lets go of when a process dies."""
        with locked_folder(self.folder):
            yield self.manifest()

    # ---- writing ----

    def add(self, rows: Seen) -> Receipt:
        """Add what somebody saw. Adding it again, or in another order, leads to the same shelf."""
        with self._alone() as manifest:
            new: list[tuple[Part, bytes]] = []
            gone: set[str] = set()
            counts = np.zeros(3, np.int64)
            for group, year, share in self._shares(rows):
                change, counted = self._placed(manifest, group, year, share)
                new.extend(change.new)
                gone |= change.gone
                counts += counted
            if new or gone:
                change = Change(tuple(new), frozenset(gone))
                self._commit(manifest, change, manifest.held_back)
            added, restated, known = counts.tolist()
            return Receipt(added, restated, known)

    def _shares(self, rows: Seen) -> Iterator[tuple[str, int, Seen]]:
        """Yield the rows of each group and year."""
        years = rows.ts.astype("M8[ns]").astype("M8[Y]").astype(np.int64) + 1970
        groups = np.zeros(len(rows), np.int64) if self.length >= DAY else rows.codes
        keys = groups * 10_000 + years
        if not len(keys):
            return
        if (keys == keys[0]).all():
            yield self._group(rows, 0), int(years[0]), rows
            return
        order = np.argsort(keys, kind="stable")
        edges = np.flatnonzero(np.diff(keys[order], prepend=-1))
        for start, stop in zip(edges, [*edges[1:], len(order)], strict=True):
            share = rows.take(order[start:stop])
            yield self._group(share, 0), int(keys[order[start]] % 10_000), share

    def _group(self, rows: Seen, row: int) -> str:
        return "" if self.length >= DAY else rows.names[rows.codes[row]]

    def _placed(
        self, manifest: Manifest, group: str, year: int, rows: Seen
    ) -> tuple[Change, AnyArray]:
        """Return the parts that take the rows of one group and year, and what they changed."""
        there = [part for part in manifest.parts if (part.group, part.year) == (group, year)]
        rows, lost = settled(rows)
        names = [rows.names[code] for code in np.unique(rows.codes)]
        known = self._holding(there, names)
        new, restates, confirms = news(rows, known)
        met = restates | confirms | _has(rows, lost)
        values = 0
        if met.any():
            past = self._parts([part for part in there if part.kind == "superseded"], names)
            held, lost, values = _settled_again(rows.take(met), lost, known, together(past))
            rows = together([rows.take(new & ~met), held])
        else:
            rows = rows.take(new)
        counts = np.array([new.sum(), values, (~new & ~restates).sum()])
        fresh: dict[Kind, Seen] = {"bars": rows, "superseded": lost}
        return self._change(manifest, there, fresh, group, year), counts

    def _change(
        self,
        manifest: Manifest,
        there: Sequence[Part],
        fresh: dict[Kind, Seen],
        group: str,
        year: int,
    ) -> Change:
        """Return a delta; or one part in place of all, when deltas are many or large."""
        new: list[tuple[Part, bytes]] = []
        gone: set[str] = set()
        for kind, rows in fresh.items():
            old = [part for part in there if part.kind == kind]
            held = sum(part.rows for part in old)
            if len(rows) and old and (len(old) >= DELTAS_MAX or 2 * len(rows) >= held):
                whole = self._merged(kind, [*self._parts(old), rows])
                new.append(self._part(kind, whole, group, year, manifest.sequence + 1))
                gone |= {part.file for part in old}
            elif len(rows):
                new.append(self._part(kind, rows, group, year, manifest.sequence + 1))
        return Change(tuple(new), frozenset(gone))

    def _merged(self, kind: Kind, pieces: Sequence[Seen]) -> Seen:
        """Return pieces as one: of bars the latest of each, of the superseded every value."""
        whole = together(pieces)
        if kind == "bars":
            return whole.take(_latest(whole))
        held, lost = settled(whole)
        return together([held, lost])

    def _part(
        self, kind: Kind, rows: Seen, group: str, year: int, sequence: int, level: int = LEVEL
    ) -> tuple[Part, bytes]:
        content = encode(rows, level=level)
        digest = sha256(content)
        file = f"{safe_name(group) or '_all'}/{year}-{kind}-{sequence}-{digest[:12]}.parquet"
        part = Part(
            file,
            kind,
            group,
            year,
            len(rows),
            int(rows.ts.min()),
            int(rows.ts.max()),
            len(content),
            digest,
        )
        return part, content

    def quarantine(self, bars: dict[str, list[int]]) -> None:
        """Put exactly these bars into quarantine: by instrument, the starts of its bars."""
        with self._alone() as manifest:
            wanted = {name: sorted(set(found)) for name, found in sorted(bars.items()) if found}
            if wanted != manifest.held_back:
                self._commit(manifest, Change(), wanted)

    def compact(self) -> None:
        """Make one part of each group and year; what the shelf holds stays what it is."""
        with self._alone() as manifest:
            several = [old for old in _by_place(manifest.parts).values() if len(old) > 1]
            new = [self._one_of(old, manifest.sequence + 1) for old in several]
            gone = frozenset(part.file for old in several for part in old)
            if new:
                self._commit(manifest, Change(tuple(new), gone), manifest.held_back)

    def compacted(self, level: int) -> Iterator[tuple[Part, bytes]]:
        """Yield what compacting would leave, at another level of compression; change nothing."""
        for old in _by_place(self.manifest().parts).values():
            yield self._one_of(old, 0, level)

    def _one_of(
        self, parts: Sequence[Part], sequence: int, level: int = LEVEL
    ) -> tuple[Part, bytes]:
        kind, group, year = parts[0].kind, parts[0].group, parts[0].year
        rows = self._merged(kind, self._parts(parts))
        return self._part(kind, rows, group, year, sequence, level)

    def forget_damage(self) -> list[Path]:
        """Drop parts that are missing or damaged, so that their bars can be added again."""
        with locked_folder(self.folder):
            try:
                bad = self.damage()
            except OutsideError:
                path = self.folder / MANIFEST
                path.replace(path.with_name(f"{MANIFEST}.damaged"))
                return [path]
            if bad:
                manifest = self.manifest()
                gone = {part.file for part in manifest.parts if self.folder / part.file in bad}
                self._commit(manifest, Change(gone=frozenset(gone)), manifest.held_back)
            return bad

    # ---- reading ----

    def _again(self, read: Callable[[Manifest], T]) -> T:
        """Read; once more with the newest manifest when a writer has replaced a part meanwhile."""
        for _ in range(5):
            manifest = self.manifest()
            try:
                return read(manifest)
            except FileNotFoundError:
                if self.manifest() == manifest:
                    raise damaged(self._missing(manifest)) from None
        raise DataError(f"{self.folder} is being rewritten all the time; try again later")

    def _missing(self, manifest: Manifest) -> Path:
        files = [self.folder / part.file for part in manifest.parts]
        return next((path for path in files if not path.exists()), self.folder)

    def _parts(self, parts: Sequence[Part], names: Sequence[str] | None = None) -> list[Seen]:
        return [PartFile(self.folder / part.file).seen(names) for part in parts]

    def _holding(self, parts: Sequence[Part], names: Sequence[str] | None = None) -> Seen:
        """Return the bars that hold, of some instruments or all."""
        found = self._parts([part for part in parts if part.kind == "bars"], names)
        whole = together(found)
        return whole if len(found) < 2 else whole.take(_latest(whole))

    def everything(self, names: Sequence[str] | None = None) -> Seen:
        """Return every bar that holds, quarantined ones too, in order of instrument and time."""
        return self._again(lambda manifest: self._holding(manifest.parts, names))

    def superseded(self, names: Sequence[str] | None = None) -> Seen:
        """Return every value that a bar has had and has no more."""

        def read(manifest: Manifest) -> Seen:
            past = [part for part in manifest.parts if part.kind == "superseded"]
            lost = together(self._parts(past, names))
            if not len(lost):
                return lost
            mine = [lost.names[code] for code in np.unique(lost.codes)]
            return settled(together([self._holding(manifest.parts, mine), lost]))[1]

        return self._again(read)

    def columns(
        self,
        name: str,
        *,
        start: int = EVER[0],
        stop: int = EVER[1],
        columns: Sequence[str] = PRICES_AND_VOLUME,
        quarantined: bool = False,
        known_at: int | None = None,
    ) -> dict[str, AnyArray]:
        """Return `ts` and columns of one instrument's bars with `start <= ts < stop`, in order.

        Bars in quarantine are left out unless they are asked for. With `known_at` (UTC
        nanoseconds) they are those that had been seen by then, with the values that they had.
        """

        def read(manifest: Manifest) -> dict[str, AnyArray]:
            if known_at is None:
                found = self._of(manifest, name, start, stop, ("ts", *columns))
            else:
                found = self._known_at(manifest, name, known_at, columns)
                found = _between(found, start, stop)
            held = manifest.held_back.get(name)
            if held and not quarantined:
                kept = ~np.isin(found["ts"], np.array(held))
                found = {each: column[kept] for each, column in found.items()}
            return found

        return self._again(read)

    def _of(
        self, manifest: Manifest, name: str, start: int, stop: int, columns: Sequence[str]
    ) -> dict[str, AnyArray]:
        pieces: dict[str, list[AnyArray]] = {each: [] for each in columns}
        for part in manifest.parts:
            if part.kind == "bars" and part.group in {"", name} and part.first < stop:
                if part.last < start:
                    continue
                file = PartFile(self.folder / part.file)
                low, high = file.span(name)
                if high:
                    found = file.columns(columns, low, high, start, stop - 1)
                    for each, more in found.items():
                        pieces[each].extend(more)
        whole = {each: _column(found) for each, found in pieces.items()}
        return _between(_in_order(whole), start, stop)

    def _known_at(
        self, manifest: Manifest, name: str, moment: int, columns: Sequence[str]
    ) -> dict[str, AnyArray]:
        mine = [part for part in manifest.parts if part.group in {"", name}]
        past = self._parts([part for part in mine if part.kind == "superseded"], [name])
        rows = held_at(together([self._holding(mine, [name]), *past]), moment)
        return {"ts": rows.ts, **{each: rows.values[each] for each in columns}}

    def held_back(self, name: str) -> Times:
        """Return the starts of an instrument's bars in quarantine."""
        return np.array(self.manifest().held_back.get(name, []), np.int64)

    def has(self, name: str) -> bool:
        """Tell whether there is any bar of an instrument."""

        def read(manifest: Manifest) -> bool:
            parts = [part for part in manifest.parts if part.kind == "bars"]
            return any(part.group == name for part in parts) or any(
                not part.group and PartFile(self.folder / part.file).span(name)[1] > 0
                for part in parts
            )

        return self._again(read)

    def instruments(self) -> dict[str, Held]:
        """Return which instruments there are, how many bars of each, from when to when."""

        def read(manifest: Manifest) -> dict[str, Held]:
            found: dict[str, Held] = {}
            groups: dict[tuple[str, int], list[Part]] = {}
            for part in manifest.parts:
                if part.kind == "bars":
                    groups.setdefault((part.group, part.year), []).append(part)
            for (group, _), parts in groups.items():
                if group and len(parts) == 1:
                    (part,) = parts
                    _count(found, group, part.rows, part.first, part.last)
                    continue
                for name, rows, first, last in self._counted(parts):
                    _count(found, name, rows, first, last)
            return dict(sorted(found.items()))

        return self._again(read)

    def _counted(self, parts: Sequence[Part]) -> Iterator[tuple[str, int, int, int]]:
        rows = self._holding(parts)
        edges = np.flatnonzero(np.diff(rows.codes, prepend=-1))
        for start, stop in zip(edges, [*edges[1:], len(rows)], strict=True):
            name = rows.names[rows.codes[start]]
            yield name, int(stop - start), int(rows.ts[start]), int(rows.ts[stop - 1])

    # ---- identity and damage ----

    def version(self, name: str | None = None) -> str:
        """Return a hash that changes whenever what is held (of one instrument) may have changed."""
        manifest = self.manifest()
        parts = [p for p in manifest.parts if p.kind == "bars" and p.group in {"", name or p.group}]
        held = manifest.held_back if name is None else manifest.held_back.get(name)
        return sha256(msgspec.json.encode([[part.sha256 for part in parts], held]))

    def digest(self) -> str:
        """Return the SHA-256 of every bar and every superseded value, however they are stored."""
        total = hashlib.sha256(self.interval.encode())
        for rows in map(_by_value, (self.everything(), self.superseded())):
            names = "\n".join(rows.names[code] for code in np.unique(rows.codes))
            total.update(f"{len(rows)}\n{names}\n".encode())
            _, codes = np.unique(rows.codes, return_inverse=True)
            for column in (codes, rows.ts, *(rows.values[name] + 0.0 for name in VALUES)):
                total.update(np.ascontiguousarray(column).data.cast("B"))
        return total.hexdigest()

    def damage(self) -> list[Path]:
        """Return the files that are missing or not what they were when they were written."""
        found = []
        for part in self.manifest().parts:
            path = self.folder / part.file
            if not path.is_file() or sha256(path.read_bytes()) != part.sha256:
                found.append(path)
        return found


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make a shelf's folder and keep other writers out of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / MANIFEST):
        yield


def _by_place(parts: Sequence[Part]) -> dict[tuple[str, str, int], list[Part]]:
    """Return the parts of each kind, group and year, in order of their coming."""
    found: dict[tuple[str, str, int], list[Part]] = {}
    for part in parts:
        found.setdefault((part.kind, part.group, part.year), []).append(part)
    return dict(sorted(found.items()))


def _open_manifest(path: Path) -> Manifest:
    written, _, body = path.read_bytes().partition(b"\n")
    if sha256(body).encode() != written:
        raise damaged(path)
    return msgspec.json.decode(body, type=Manifest)


def _count(found: dict[str, Held], name: str, rows: int, first: int, last: int) -> None:
    known = found.get(name)
    if known is not None:
        rows, first, last = known.rows + rows, min(known.first, first), max(known.last, last)
    found[name] = Held(rows, first, last)


def _column(pieces: list[AnyArray]) -> AnyArray:
    if not pieces:
        return np.empty(0)
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _in_order(columns: dict[str, AnyArray]) -> dict[str, AnyArray]:
    """Return columns in order of time, of bars that are there twice the later part's."""
    ts = columns["ts"]
    if len(ts) < 2 or (ts[1:] > ts[:-1]).all():
        return columns if len(ts) else {**columns, "ts": ts.astype(np.int64)}
    order = np.argsort(ts, kind="stable")
    ts = ts[order]
    last = np.append(ts[1:] != ts[:-1], True)
    return {name: column[order][last] for name, column in columns.items()}


def _between(columns: dict[str, AnyArray], start: int, stop: int) -> dict[str, AnyArray]:
    low, high = np.searchsorted(columns["ts"], [start, stop])
    if low == 0 and high == len(columns["ts"]):
        return columns
    return {name: column[low:high] for name, column in columns.items()}


def _latest(rows: Seen) -> AnyArray:
    """Tell which rows are the last of their bar; rows of one bar stand in order of arrival."""
    last = np.ones(len(rows), np.bool_)
    last[:-1] = (rows.codes[1:] != rows.codes[:-1]) | (rows.ts[1:] != rows.ts[:-1])
    return last


def _has(rows: Seen, others: Seen) -> AnyArray:
    """Tell which of `rows` are bars that `others` have too."""
    if not len(others) or not len(rows):
        return np.zeros(len(rows), np.bool_)
    return ~news(rows, others.take(_latest(others)))[0]


def _settled_again(rows: Seen, lost: Seen, known: Seen, past: Seen) -> tuple[Seen, Seen, int]:
    """Return what to write of bars met before, and how many values of them nobody had seen yet.

    To write are bars that are new, have another value or other sights, and what is superseded.
    """
    known = _of(known, rows)
    before, gone_before = settled(together([known, _of(past, rows)]))
    held, gone = settled(together([rows, lost, before, gone_before]))
    new, restates, confirms = news(held, known)
    told = len(gone) == len(gone_before) and all(
        np.array_equal(getattr(gone, name), getattr(gone_before, name))
        for name in ("first_seen", "last_seen")
    )
    values = len(held) + len(gone) - len(before) - len(gone_before) - int(new.sum())
    nothing = gone.take(slice(0, 0))
    return held.take(new | restates | confirms), nothing if told else gone, values


def _of(rows: Seen, bars: Seen) -> Seen:
    """Return the rows that are about some bars."""
    return rows.take(_has(rows, bars)) if len(rows) else rows


def _by_value(rows: Seen) -> Seen:
    """Return rows in an order that depends on nothing but their values."""
    columns: list[Column | Times] = [np.nan_to_num(rows.values[name]) for name in VALUES]
    return rows.take(np.lexsort((*columns, rows.ts, rows.codes)))


_PLAIN = re.compile(r"[A-Z0-9_-][A-Z0-9._-]*")
_TAKEN = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?")


def safe_name(name: str) -> str:
    """Return a file name for any instrument: the id where that is safe, else percent-encoded.

    Small letters are encoded too: some file systems take `a` and `A` for the same.
    """
    if _PLAIN.fullmatch(name) and not _TAKEN.fullmatch(name) and len(name) < 100:
        return name
    plain = "".join(
        letter
        if re.fullmatch("[A-Z0-9_-]", letter)
        else "".join(f"%{b:02X}" for b in letter.encode())
        for letter in name
    )
    if _TAKEN.fullmatch(plain):
        plain = f"%{ord(plain[0]):02X}{plain[1:]}"
    return plain if len(plain) < 150 else f"{plain[:100]}-{sha256(name.encode())[:16]}"
