"""What every journal does, whatever is behind it: memory, a run file, a database."""

from contextlib import closing
from dataclasses import dataclass

import pytest
from tests.databases import KINDS, database
from tests.journal.sample import a_run

from evenkeel.app.paper import KeptJournal
from evenkeel.journal.chain import GENESIS, links
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.log import Journal, MemoryJournal, read_lines
from evenkeel.journal.replay import read
from evenkeel.storage.engine import open_engine


@dataclass
class WrittenJournal:
    """A memory journal that is read from its run file, as everybody but its writer does."""

    folder: object

    def __post_init__(self):
        self.memory = MemoryJournal()
        self.append = self.memory.append

    def __len__(self):
        return len(list(self.lines()))

    @property
    def head(self):
        return ([GENESIS] + [line[:64].decode() for line in self.lines()])[-1]

    def lines(self):
        path = self.folder / "journal.log"
        self.memory.write(path)
        return read_lines(path)


@pytest.fixture(params=["memory", "kept", "file", *KINDS])
def journal(request, tmp_path, database_templates):
    if request.param == "memory":
        yield MemoryJournal()
    elif request.param == "kept":
        yield KeptJournal(MemoryJournal())
    elif request.param == "file":
        yield WrittenJournal(tmp_path)
    else:
        with database(request.param, tmp_path, database_templates) as url:
            engine = open_engine(url)
            begun = DatabaseJournal.begin(
                engine, "run", mode="paper", strategy="sma", manifest={}, created_at=1
            )
            with closing(begun):
                yield begun
            engine.dispose()


def test_an_empty_journal_has_no_records(journal: Journal):
    assert (len(journal), journal.head, list(journal.lines())) == (0, GENESIS, [])


def test_what_was_appended_stays_in_order(journal: Journal):
    run = a_run()
    journal.append(run)
    assert len(journal) == len(run)
    assert list(journal.lines()) == [link.line for link in links(run)]
    assert [entry.sequence for entry in read(journal.lines())] == list(range(1, len(run) + 1))


def test_how_records_were_grouped_does_not_matter(journal: Journal):
    """Also when somebody asks for the head in between."""
    run = a_run()
    for start, stop in ((0, 1), (1, 1), (1, 8), (8, len(run))):
        journal.append(run[start:stop])
        assert len(journal) == stop
        assert journal.head == list(links(run[:stop]))[-1].hash
        assert len(list(journal.lines())) == stop
    assert list(journal.lines()) == [link.line for link in links(run)]


def test_lines_can_be_read_twice_and_vouch_for_the_head(journal: Journal):
    journal.append(a_run())
    lines = list(journal.lines())
    assert lines == list(journal.lines())
    assert lines[-1][:64].decode() == journal.head
