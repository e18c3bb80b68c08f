"""Parity: the same decisions on the same bars give the same journal, record for record."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from evenkeel.app.paper import replay
from evenkeel.journal.log import MemoryJournal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.app.setup import Request
    from evenkeel.journal.log import Journal


@dataclass(frozen=True, slots=True)
class Parity:
    """Whether two journals are equal; else the first record in which they differ, both ways."""

    equal: bool
    records: int
    head_hash: str
    sequence: int | None = None
    first: str | None = None
    second: str | None = None


def compare(first: Iterable[bytes], second: Iterable[bytes]) -> Parity:
    """Compare two journals' lines."""
    count, head = 0, ""
    for sequence, (mine, theirs) in enumerate(zip_longest(first, second), 1):
        if mine != theirs:
            return Parity(False, count, head, sequence, _body(mine), _body(theirs))  # noqa: FBT003
        count, head = sequence, mine.partition(b" ")[0].decode()
    return Parity(True, count, head)  # noqa: FBT003


def parity(wanted: Request, journal: Journal, *, segment: int | None = None) -> Parity:
    """Run a request through the paper runtime and compare with a journal that it made."""
    again = MemoryJournal()
    replay(wanted, again, segment=segment)
    return compare(journal.lines(), again.lines())


def _body(line: bytes | None) -> str | None:
    return None if line is None else line.partition(b" ")[2].decode()
