"""The run file is written whole, or not at all, and is on the disk when `write` returns."""

import os
from pathlib import Path

import pytest
from tests.journal.sample import a_run

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.journal.log import MemoryJournal, read_lines, write_run_file


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
