"""A file is replaced whole and for good, or it stays what it was: at every moment, power cut or not.

The order is the law: write beside it, fsync, rename over it, fsync the folder that holds the name.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def replace_file(path: Path, pieces: Iterable[bytes], *, mode: int = 0o666) -> None:
    """Make `pieces`, one after the other, the content of `path`, durable when this returns.

    `mode` are the rights of a file made here, as `open` takes them (the umask applies). `OSError`
    when the disk refuses; the file is then the old one.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(draft, pieces, mode)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def forget_drafts(path: Path) -> None:
    """Remove what writers of `path` left beside it when they crashed; for who holds its lock.

    Without the lock it could be the draft of somebody who is still writing.
    """
    for each in path.parent.iterdir():
        before, _, process = each.name.rpartition(".")
        if before == f".{path.name}" and process.isdigit() and int(process) != os.getpid():
            each.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out that ask for the same file, by a lock file beside it.

    The lock goes with the process that holds it, however that ends.
    """
    import fcntl  # not on Windows, where one has to do without

    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(draft: Path, pieces: Iterable[bytes], mode: int) -> None:
    draft.unlink(missing_ok=True)  # what a crash left behind may have the rights of somebody else
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        for piece in _in_blocks(pieces):
            _write_all(descriptor, piece)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _in_blocks(pieces: Iterable[bytes], size: int = 1 << 20) -> Iterator[bytes]:
    """Join small pieces, so that a long journal is not written one line a system call."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= size:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_folder(folder: Path) -> None:
    """Make the new name durable too: it is written in the folder, not in the file."""
    if os.name == "nt":  # pragma: no cover  # Windows opens no folder, and needs no sync of one
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
