"""Checkpoints: how long the journal was and how it ended, signed, in a place that it cannot reach.

    {"run":"…","size":1024,"head":"<sha256>","at":…,"key":"<id>","signature":"<hex>"}

A chain alone does not show that it was cut off, set back to yesterday's copy or written anew from
end to end. Whoever does one of these cannot sign, and if the file is append-only (another user's,
`chattr +a`, another machine) cannot take back what was signed. See `docs/guides/audit.md`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import msgspec

from evenkeel.domain.errors import OutsideError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from evenkeel.domain.events import Record
    from evenkeel.journal.log import Journal


class Signer(Protocol):
    """What the vault lends to sign with."""

    @property
    def key_id(self) -> str:
        """What names the key to who verifies."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature (Ed25519, 64 bytes) of a message."""
        ...


def sign_checkpoint(path: Path, signer: Signer, *, run: str, size: int, head: str, at: int) -> None:
    """Add a signed checkpoint to a file, durably; what stands there already is not touched.

    `OutsideError` when it cannot be written.
    """
    said = {"run": run, "size": size, "head": head, "at": at, "key": signer.key_id}
    signed = msgspec.json.encode(said)
    line = b'%s,"signature":"%s"}\n' % (signed[:-1], signer.sign(signed).hex().encode())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line)  # a line is short enough to be written at once
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OutsideError(
            f"cannot add to the checkpoints {path}: {error.strerror}; audit.checkpoints names them"
        ) from error


class Witnessed:
    """A journal of which checkpoints are signed: every so many records or nanoseconds, and at its end.

    Time is looked at when something is appended; in between nothing happens that a checkpoint
    could tell of.
    """

    def __init__(
        self,
        journal: Journal,
        sign: Callable[[int, str, int], None],
        *,
        now: Callable[[], int],
        every_records: int,
        every_ns: int,
    ) -> None:
        """Go on with `journal`; `sign` takes size, head and time (UTC nanoseconds)."""
        self._journal = journal
        self._sign = sign
        self._now = now
        self._every_records = every_records
        self._every_ns = every_ns
        self._size = len(journal)
        self._at = now()

    def append(self, records: Sequence[Record]) -> None:
        self._journal.append(records)
        at = self._now()
        grown = len(self._journal) - self._size
        if grown >= self._every_records or (grown and at - self._at >= self._every_ns):
            self._witness(at)

    def close(self) -> None:
        """Sign what was not signed yet."""
        if len(self._journal) > self._size:
            self._witness(self._now())

    def _witness(self, at: int) -> None:
        self._sign(len(self._journal), self._journal.head, at)
        self._size, self._at = len(self._journal), at

    def __len__(self) -> int:
        return len(self._journal)

    @property
    def head(self) -> str:
        return self._journal.head

    def lines(self) -> Iterator[bytes]:
        return self._journal.lines()
