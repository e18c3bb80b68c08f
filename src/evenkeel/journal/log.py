"""The journal port. What was appended stays, in order; what promises durability has it on return."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, overload

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.journal.chain import GENESIS, links
from evenkeel.ops.atomic_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from evenkeel.domain.events import Record
    from evenkeel.domain.fill import Fills


RUN_FILE = "journal.log"
"""What a run file is called in its run folder, beside the `manifest.json` that counts it."""


class Written(Protocol):
    """The records of one run, for who reads them."""

    def __len__(self) -> int:
        """Return the number of records."""
        ...

    @property
    def head(self) -> str:
        """The hash of the last record: it vouches for all of them."""
        ...

    def lines(self) -> Iterator[bytes]:
        """Yield every record's line (see `chain`), without line feeds."""
        ...


class Journal(Written, Protocol):
    """The records of one run, for who writes them."""

    def append(self, records: Sequence[Record]) -> None:
        """Write records down, all or none of them. Raises `OutsideError` when it cannot."""
        ...


class Late(Sequence["Record"]):
    """A part of the records that writes them out when somebody reads them."""

    @property
    @abstractmethod
    def fills(self) -> Fills:
        """The fills among them, without a need to write any; nothing else moves money or positions."""


class Records(Sequence["Record"]):
    """Records in the parts in which they came; what a part writes out late is asked of it late.

    The first and the last are often all that somebody wants: they do not need the ones between.
    """

    def __init__(self) -> None:
        """Hold none."""
        self._read: list[Record] = []
        self._parts: list[Sequence[Record]] = []  # that come after

    def append(self, part: Sequence[Record]) -> None:
        """Add a part. A list is read at once; what is none may write its records out later."""
        if not isinstance(part, list):
            self._parts.append(part)
        elif self._parts:
            self._parts.append(part.copy())
        else:
            self._read += part

    def __len__(self) -> int:
        """Return how many there are, whether written out or not."""
        return len(self._read) + sum(map(len, self._parts))

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        """Return a record or some."""
        if place == 0 and self._read:
            return self._read[0]
        if place == -1 and self._parts and self._parts[-1]:
            return self._parts[-1][-1]
        return self._all()[place]

    def __iter__(self) -> Iterator[Record]:
        """Yield all of them."""
        return iter(self._all())

    def moving(self) -> Iterator[Record | Fills]:
        """Yield all that are written out, and of the others what moves money or positions."""
        yield from self._read
        for part in self._parts:
            if isinstance(part, Late):
                yield part.fills
            else:
                yield from part

    def __getstate__(self) -> dict[str, object]:
        """Write everything out for who takes a copy, to another process perhaps."""
        return {"_read": self._all(), "_parts": []}

    def __eq__(self, other: object) -> bool:
        """Whether another sequence holds the same records."""
        return isinstance(other, Sequence) and self._all() == list(other)

    def __hash__(self) -> int:
        """Raise TypeError: it grows."""
        raise TypeError("records have no hash: more may be appended")

    def _all(self) -> list[Record]:
        if self._parts:
            read = self._read.copy()  # who is interrupted while parts are written out loses nothing
            for part in self._parts:
                read += part
            self._read, self._parts = read, []
        return self._read


class MemoryJournal:
    """Keeps the records of a backtest as they are, and encodes them when somebody asks.

    Durable is only what `write` has written.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.records = Records()
        self._chained = 0
        self._head = GENESIS

    def append(self, records: Sequence[Record]) -> None:
        self.records.append(records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def head(self) -> str:
        new = self.records[self._chained :]
        for linked in links(new, after=self._chained, previous=self._head):
            self._chained, self._head = linked.sequence, linked.hash
        return self._head

    def lines(self) -> Iterator[bytes]:
        for linked in links(self.records):
            self._chained, self._head = linked.sequence, linked.hash
            yield linked.line

    def write(self, path: Path) -> None:
        """Write the run file: the whole of it or none, on the disk before this returns."""
        write_run_file(path, self.lines())


def write_run_file(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines to `path`, whole and durable, or leave what was there; `OutsideError` if not."""
    try:
        replace_file(path, (line + b"\n" for line in lines))
    except OSError as error:
        raise OutsideError(
            f"cannot write the journal {path}: {error.strerror}; "
            "check that the folder exists, is writable and has room"
        ) from error


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a run file as they stand there; checking them is `verify`'s part."""
    try:
        with path.open("rb") as file:
            for line in file:
                yield line.rstrip(b"\n")
    except OSError as error:
        raise UsageError(f"cannot read the journal {path}: {error.strerror}") from error
