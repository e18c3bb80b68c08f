"""Parity: the same decisions on the same bars give the same journal, record for record.

Where two journals are not equal, every order that differs is explained (`reports.differences`). A
run can be held against its own bars traded again on paper, or against any other run that is kept: in
a run folder, a journal file or a database.
"""

from __future__ import annotations

from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from evenkeel.app.paper import replay
from evenkeel.app.runs import bars_seen, find
from evenkeel.domain.errors import EvenkeelError, JournalError, UsageError
from evenkeel.domain.events import RunStarted
from evenkeel.journal.log import RUN_FILE, MemoryJournal, read_lines
from evenkeel.journal.replay import decode, read
from evenkeel.journal.verify import OPERATIONS
from evenkeel.journal.verify_sources import is_database, open_database
from evenkeel.reports.differences import Data, Difference, differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evenkeel.app.setup import Request
    from evenkeel.domain.bar import Bars
    from evenkeel.journal.log import Written
    from evenkeel.journal.replay import Decoded


class Parity(Struct, frozen=True):
    """Whether two journals are equal; else the first record in which they differ, both ways.

    `differences` are the orders that do.
    """

    equal: bool
    records: int
    head_hash: str
    sequence: int | None = None
    first: str | None = None
    second: str | None = None
    differences: Sequence[Difference] = ()


class Kept(Struct, frozen=True):
    """A run that is kept: its journal's lines, and its bars as far as they can still be read."""

    name: str
    lines: Sequence[bytes]
    bars: Mapping[str, Bars] = field(default_factory=dict)

    def records(self) -> list[Decoded]:
        """Return the records of the journal; `JournalError` when a line is none."""
        return [decode(entry) for entry in read(self.lines)]


def compare(first: Iterable[bytes], second: Iterable[bytes]) -> Parity:
    """Compare two journals' lines."""
    count, head = 0, ""
    for sequence, (mine, theirs) in enumerate(zip_longest(first, second), 1):
        if mine != theirs:
            return Parity(False, count, head, sequence, _body(mine), _body(theirs))  # noqa: FBT003
        count, head = sequence, mine.partition(b" ")[0].decode()
    return Parity(True, count, head)  # noqa: FBT003


def parity(wanted: Request, journal: Written, *, segment: int | None = None) -> Parity:
    """Run a request through the paper runtime and compare with a journal that it made."""
    again = MemoryJournal()
    replay(wanted, again, segment=segment)
    bars = {history.instrument.id: history for history in wanted.bars}
    return between(
        Kept("run", list(journal.lines()), bars),
        Kept("paper", list(again.lines()), bars),
        in_one_go=True,
    )


def between(first: Kept, second: Kept, *, in_one_go: bool = False) -> Parity:
    """Compare two kept runs, and explain every order that differs.

    `in_one_go`: neither can have been restarted.
    """
    found = compare(first.lines, second.lines)
    if found.equal:
        return found
    mine, theirs = first.records(), second.records()
    data = Data((_started(mine).tape, _started(theirs).tape), (first.bars, second.bars))
    return Parity(
        equal=False,
        records=found.records,
        head_hash=found.head_hash,
        sequence=found.sequence,
        first=found.first,
        second=found.second,
        differences=differences(mine, theirs, data, in_one_go=in_one_go),
    )


def kept(target: str, runs: str, database: str) -> Kept:
    """Find a run by its id or the beginning of it, by folder, journal file or database address.

    An id is looked for in the folder `runs`, and then in `database`. A database that holds several
    runs takes the id behind a `#`. Raises `UsageError` when there is no such run.
    """
    place, _, run_id = target.partition("#")
    if is_database(place):
        return _in_database(place, run_id, runs)
    path = Path(target)
    if path.is_file():
        return _in_folder(path, path.parent)
    try:
        folder = find(target, runs)
    except UsageError:
        if not _is_in(database, target):
            raise
        return _in_database(database, target, runs)
    return _in_folder(folder / RUN_FILE, folder)


def _in_folder(journal: Path, folder: Path) -> Kept:
    lines = list(read_lines(journal))
    name = folder.resolve().name if journal.name == RUN_FILE else journal.name
    return Kept(name, lines, _bars(folder, lines))


def _in_database(place: str, run_id: str, runs: str) -> Kept:
    with closing(open_database(place)) as database:
        known = [each for each in database.runs() if each != OPERATIONS]
        chosen = [each for each in known if each.startswith(run_id)]
        if len(chosen) != 1:
            held = ", ".join(known) or "no run"
            raise UsageError(f"say which run is meant, as {place}#RUN; it holds {held}")
        lines = [b"%s %s" % (row.digest, row.payload) for row in database.rows(chosen[0])]
    return Kept(chosen[0], lines, _bars(Path(runs) / chosen[0], lines))


def _is_in(database: str, run_id: str) -> bool:
    """Whether a database is there and holds a run that begins so."""
    if not is_database(database):
        return False
    try:
        with closing(open_database(database)) as opened:
            return any(each.startswith(run_id) for each in opened.runs())
    except UsageError:  # no database was ever made there
        return False


def _bars(folder: Path, lines: Sequence[bytes]) -> Mapping[str, Bars]:
    """Return the bars that a run saw, none when they cannot be read any more: hashes must do."""
    try:
        bars = bars_seen(folder, _started(Kept(folder.name, lines[:1]).records()))
    except EvenkeelError:
        return {}
    return {history.instrument.id: history for history in bars}


def _started(records: Sequence[Decoded]) -> RunStarted:
    started = records[0] if records else None
    if not isinstance(started, RunStarted):
        raise JournalError("a journal does not begin with RunStarted; is it a journal?")
    return started


def _body(line: bytes | None) -> str | None:
    return None if line is None else line.partition(b" ")[2].decode()
