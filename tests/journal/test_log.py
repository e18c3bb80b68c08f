"""The run file is written whole, or not at all, and is on the disk when `write` returns."""

import os
from pathlib import Path

import pytest
from tests.journal.sample import a_run

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.domain.events import Noted
from evenkeel.domain.fill import Fill, Fills
from evenkeel.journal import log
from evenkeel.journal.log import MemoryJournal, Records, read_lines, write_run_file


def journal():
    memory = MemoryJournal()
    memory.append(a_run())
    return memory


def test_the_run_file_has_the_lines_and_nothing_else(tmp_path):
    path = tmp_path / "journal.log"
    journal().write(path)
    assert path.read_bytes() == b"".join(line + b"\n" for line in journal().lines())
    assert list(read_lines(path)) == list(journal().lines())
    assert list(tmp_path.iterdir()) == [path]


def test_a_journal_keeps_its_records_as_they_are():
    assert journal().records == a_run()


class Late(log.Late):
    """Records that somebody would have to write out first; it counts how many were asked for."""

    def __init__(self, records):
        self._records, self.asked = records, 0

    def __len__(self):
        return len(self._records)

    def __getitem__(self, place):
        self.asked += 1
        return self._records[place]

    @property
    def fills(self):
        """As many of each fact as there are fills; what they are does not matter here."""
        found = [record for record in self._records if isinstance(record, Fill)]
        return Fills(*[found] * 8, lambda: found)


NOTES = [Noted(at, "sma", "") for at in range(9)]


def in_parts(*lengths):
    """Nine notes in parts; those of negative length are written out late."""
    records, late, start = Records(), [], 0
    for length in lengths:
        part = NOTES[start : start + abs(length)]
        if length < 0:
            late.append(part := Late(part))
        records.append(part)
        start += abs(length)
    assert start == len(NOTES)
    return records, late


@pytest.mark.parametrize(
    "lengths", [(9,), (-9,), (4, 5), (4, -5), (-4, 5), (1, -3, 2, -3), (-4, 0, 5)]
)
def test_records_in_parts_are_the_records_in_their_order(lengths):
    assert list(in_parts(*lengths)[0]) == NOTES
    assert in_parts(*lengths)[0] == NOTES
    assert in_parts(*lengths)[0][2:7:2] == NOTES[2:7:2]
    assert in_parts(*lengths)[0][-3:] == NOTES[-3:]
    assert [in_parts(*lengths)[0][at] for at in range(-9, 9)] == [*NOTES, *NOTES]
    assert in_parts(*lengths)[0].index(NOTES[5]) == 5
    assert len(in_parts(*lengths)[0]) == 9


def test_the_ends_and_the_number_of_records_need_none_between_them():
    records, late = in_parts(1, -3, 2, -2, 1)
    assert (len(records), records[0], records[-1]) == (9, NOTES[0], NOTES[8])
    assert [part.asked for part in late] == [0, 0]
    records, late = in_parts(1, -3, 2, -3)
    assert (len(records), records[0], records[-1]) == (9, NOTES[0], NOTES[8])
    assert [part.asked for part in late] == [0, 1]


def test_what_was_written_out_late_is_written_out_once():
    records, (part,) = in_parts(4, -5)
    assert records[6] == NOTES[6]
    asked = part.asked
    assert asked >= 5
    assert [records[4], records[-1], *records][-9:] == NOTES
    assert (part.asked, len(records)) == (asked, 9)


def test_records_are_appended_behind_what_is_still_to_be_written_out():
    records, _ = in_parts(4, -5)
    records.append(NOTES[:2])
    assert records == [*NOTES, *NOTES[:2]]
    records.append(NOTES[2:3])
    assert records == [*NOTES, *NOTES[:3]]


def test_what_moves_money_is_known_before_anything_is_written_out():
    records, whole = Records(), a_run()
    (place, *_) = (n for n, record in enumerate(whole) if isinstance(record, Fill))
    records.append(whole[: place - 1])
    records.append(late := Late(whole[place - 1 : place + 1]))
    records.append(whole[place + 1 :])
    *before, fills = list(records.moving())[:place]
    assert before == whole[: place - 1]
    assert list(fills) == [whole[place]]
    assert list(records.moving())[place:] == whole[place + 1 :]
    assert not late.asked


def test_records_are_no_part_that_was_given():
    """Whoever gave a list may go on with it."""
    mine = NOTES[:2]
    records = Records()
    records.append(mine)
    mine.clear()
    assert records == NOTES[:2]


def test_records_differ_from_others_and_from_what_is_none():
    records, _ = in_parts(4, -5)
    assert records == in_parts(-9)[0]
    assert records == tuple(NOTES)
    assert [*NOTES] == records
    assert records != NOTES[:-1]
    assert records != set()


def test_records_that_may_grow_have_no_hash():
    with pytest.raises(TypeError, match="no hash"):
        hash(Records())


@pytest.mark.parametrize("place", [0, -1, 3])
def test_there_is_no_record_in_none(place):
    with pytest.raises(IndexError):
        Records()[place]
    assert (len(Records()), list(Records()), Records()[:]) == (0, [], [])


def test_a_journal_chains_what_was_written_out_late():
    memory, whole = MemoryJournal(), a_run()
    memory.append(whole[:2])
    memory.append(Late(whole[2:9]))
    memory.append(whole[9:])
    assert len(memory) == len(whole)
    assert memory.head == journal().head
    assert list(memory.lines()) == list(journal().lines())


def test_reading_part_of_the_lines_leaves_the_head_right():
    memory = journal()
    lines = memory.lines()
    next(lines)
    assert memory.head == journal().head
    assert [*lines][-1][:64].decode() == memory.head


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """File, then name, then folder: a power cut at any point leaves the old or the new."""
    path, steps = tmp_path / "journal.log", []
    sync, rename = os.fsync, Path.replace

    def noted_sync(descriptor):
        steps.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def noted_rename(self, target):
        steps.append("renamed")
        rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_rename)
    journal().write(path)
    assert steps == [path.stat().st_ino, "renamed", tmp_path.stat().st_ino]


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "journal.log"
    path.write_bytes(b"old\n")

    def lines():
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(OutsideError, match=r"cannot write .*journal\.log: No space left.*has room"):
        write_run_file(path, lines())
    assert path.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(OutsideError, match="check that the folder exists"):
        journal().write(tmp_path / "none" / "journal.log")


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the journal .*: No such file"):
        list(read_lines(tmp_path / "journal.log"))
