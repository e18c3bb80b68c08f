"""A recording: every live input of a day, in order, so that the day can be lived again exactly.

Each update is on disk before anybody acts on it. Frames carry their length and a hash that covers
all before them, so that what was cut off by a crash is left out and what was touched is refused.
"""

from __future__ import annotations

import hashlib
import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evenkeel.domain.errors import DataError, OutsideError
from evenkeel.market.live import Update
from evenkeel.market.wire import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUFFIX = ".recording"
MAGIC = b"evenkeel recording 1\n"


def recorded(updates: Iterable[Update], path: str | Path) -> Iterator[Update]:
    """Pass updates on, each of them when it is on disk. `OutsideError` when the disk refuses."""
    coming = iter(updates)
    first = next(coming, None)  # a day that does not begin leaves nothing behind
    if first is None:
        return
    try:
        with Path(path).open("xb") as file:
            file.write(MAGIC)
            digest = hashlib.sha256(MAGIC)
            for update in chain([first], coming):
                body = _encode(update)
                digest.update(body)
                file.write(len(body).to_bytes(8, "little") + digest.digest() + body)
                file.flush()
                os.fsync(file.fileno())
                yield update
    except OSError as error:
        raise OutsideError(
            f"cannot record into {path}: {error.strerror}; nothing is traded unrecorded"
        ) from error


def replayed(path: str | Path) -> Iterator[Update]:
    """Yield the updates of a recording; what a crash cut off at the end is left out.

    Raises `DataError` when it is no recording or was changed, `OutsideError` when it is not there.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise OutsideError(f"cannot read {path}: {error.strerror}") from error
    if not data.startswith(MAGIC):
        raise DataError(f"{path} is not a recording of live prices")
    covered, at, number = hashlib.sha256(MAGIC), len(MAGIC), 0
    while at + 40 <= len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        digest, body = data[at + 8 : at + 40], data[at + 40 : at + 40 + length]
        if len(body) < length:
            return
        number += 1
        covered.update(body)
        if covered.digest() != digest:
            raise DataError(f"{path}: update {number} is not what was recorded")
        yield _decode(body)
        at += 40 + length


class _Frame(msgspec.Struct, array_like=True):
    """An update as it is written; what later versions added has what it was before."""

    at: int
    due: int
    answers: list[bytes]
    failures: tuple[str, ...]
    actions: list[bytes] = []
    quarantine: dict[str, str] = {}


def _encode(update: Update) -> bytes:
    frame = _Frame(
        update.at,
        update.due,
        [encode(answer) for answer in update.answers],
        update.failures,
        [encode(answer) for answer in update.actions],
        dict(update.quarantine),
    )
    return msgspec.msgpack.encode(frame)


def _decode(body: bytes) -> Update:
    frame = msgspec.msgpack.decode(body, type=_Frame)
    return Update(
        frame.at,
        frame.due,
        tuple(map(decode, frame.answers)),
        frame.failures,
        tuple(map(decode, frame.actions)),
        frame.quarantine,
    )
