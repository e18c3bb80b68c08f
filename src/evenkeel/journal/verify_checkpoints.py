"""Checkpoints as whoever signed them meant them: read line by line, believed when the key says so.

    {"run":"…","size":1024,"head":"<sha256>","at":…,"key":"<id>","signature":"<hex>"}

What is signed (Ed25519) is the line without its signature. A key's id are the first 16 digits of
the SHA-256 of its public half. No code of the writer's is used here.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evenkeel.domain.errors import JournalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_LINE = re.compile(rb'(\{.*),"signature":"([0-9a-f]{128})"\}')


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """At `at` (UTC nanoseconds) the journal `run` had `size` records, the last with hash `head`."""

    run: str
    size: int
    head: str
    at: int


def read_checkpoints(path: Path, keys: Iterable[str]) -> list[Checkpoint]:
    """Return the checkpoints of a file, each of them signed by one of `keys` (public, in hex).

    `UsageError` when the file or a key cannot be read, `JournalError` for a line that is signed
    by none of them.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"cannot read the checkpoints {path}: {error.strerror}") from error
    known = dict(map(_named, keys))
    return [
        _believed(line, known, f"line {number} of the checkpoints {path}")
        for number, line in enumerate(lines, 1)
    ]


def read_keys(path: Path) -> list[str]:
    """Return the public keys that stand in a file, one in a line, `#` before words."""
    try:
        return list(_keys(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the public keys {path}: {error}") from error


def _keys(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if key := line.partition("#")[0].strip():
            yield key


def _named(key: str) -> tuple[str, Ed25519PublicKey]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = bytes.fromhex(key)
        return hashlib.sha256(public).hexdigest()[:16], Ed25519PublicKey.from_public_bytes(public)
    except ValueError as error:
        raise UsageError(
            f"{key!r} is not a public key of Ed25519: 64 digits of hex, as `evenkeel audit key` "
            "prints them"
        ) from error


def _believed(line: bytes, known: Mapping[str, Ed25519PublicKey], where: str) -> Checkpoint:
    from cryptography.exceptions import InvalidSignature

    found = _LINE.fullmatch(line)
    if found is None:
        raise JournalError(f"{where} is not a checkpoint")
    signed = found.group(1) + b"}"
    try:
        said = json.loads(signed)
        key = str(said["key"])
        known[key].verify(bytes.fromhex(found.group(2).decode()), signed)
        return Checkpoint(str(said["run"]), int(said["size"]), str(said["head"]), int(said["at"]))
    except (ValueError, TypeError) as error:
        raise JournalError(f"{where} is not a checkpoint: {error}") from error
    except KeyError as error:
        raise JournalError(f"{where} lacks {error}, or names a key that was not given") from error
    except InvalidSignature as error:
        raise JournalError(f"{where} was forged: its signature is not that of its key") from error
