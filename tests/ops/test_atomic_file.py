"""A file is the old one or the new one, whenever the power goes."""

import os
import threading

import pytest
from tests.fakes.crashing_disk import CrashingDisk, PowerCutError

from evenkeel.ops.atomic_file import locked, replace_file


def calls_of_one_replacement(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        disk = CrashingDisk(patch)
        replace_file(tmp_path / "counted", [b"x" * 9])
    return disk.calls


def test_the_order_of_the_calls_is_the_law(tmp_path, monkeypatch):
    assert calls_of_one_replacement(tmp_path, monkeypatch) == [
        *("unlink", "open", "write", "fsync", "replace", "unlink", "fsync")
    ]


@pytest.mark.parametrize("undo_renames", [False, True])
@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_power_cut_at_any_call_leaves_the_old_or_the_new(
    tmp_path, monkeypatch, at, torn, undo_renames
):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        disk = CrashingDisk(patch, at, torn=torn)
        with pytest.raises(PowerCutError):
            replace_file(path, [b"brand ", b"new"])
    disk.settle(tmp_path, undo_renames=undo_renames)
    assert path.read_bytes() in {b"old", b"brand new"}
    replace_file(path, [b"after the crash"])
    assert path.read_bytes() == b"after the crash"


def test_a_draft_that_was_left_behind_lends_its_rights_to_nobody(tmp_path):
    draft = tmp_path / f".file.{os.getpid()}"
    draft.write_bytes(b"left behind")
    draft.chmod(0o666)
    replace_file(tmp_path / "file", [b"new"], mode=0o600)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_writer_that_gives_less_than_it_was_asked_is_asked_again(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda to, content: real(to, bytes(content)[:1000]))
    replace_file(tmp_path / "file", (b"0123456789" for _ in range(1_000)))
    assert (tmp_path / "file").read_bytes() == b"0123456789" * 1_000


def test_many_small_pieces_are_few_writes(tmp_path, monkeypatch):
    sizes, real = [], os.write

    def noted(to, content):
        sizes.append(len(content))
        return real(to, content)

    monkeypatch.setattr(os, "write", noted)
    replace_file(tmp_path / "file", (bytes(1_000) for _ in range(3_000)))
    assert sum(sizes) == 3_000_000
    assert len(sizes) == 3


def test_one_at_a_time_goes_in(tmp_path):
    seen, first_is_in = [], threading.Event()

    def second():
        first_is_in.wait()
        with locked(tmp_path / "file"):
            seen.append("second")

    waiting = threading.Thread(target=second)
    waiting.start()
    with locked(tmp_path / "file"):
        first_is_in.set()
        waiting.join(0.05)
        seen.append("first")
    waiting.join()
    assert seen == ["first", "second"]
