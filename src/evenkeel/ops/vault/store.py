"""The vault's file. A byte of it that is not as it was written is seen before anything is believed.

    evenkeel vault 1
    {"generation": 7, "key": {"id": …, "kind": …, facts}, "records": {name: {…}}}
    SHA-256 of the lines above, and HMAC-SHA256 of them under a key that the vault's key makes

The first sum tells damage from a wrong key without the key; the second one keeps out whoever can
compute the first. Names of secrets stand in clear, values never.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from evenkeel.domain.errors import OutsideError, VaultError
from evenkeel.ops.atomic_file import forget_drafts, replace_file
from evenkeel.ops.vault.envelope import FORMAT, Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SIZE_MAX = 16 << 20
"""Bytes of a file that is still taken for a vault."""


class Keep(Struct, frozen=True):
    """What the file says. `generation` counts the writes; `facts` are the key source's."""

    key_id: str
    kind: str
    facts: Mapping[str, Any]
    generation: int = 0
    records: Mapping[str, Envelope] = field(default_factory=dict)


class Stored(Struct, frozen=True):
    """A file as it was read: nothing in `keep` may be believed before `is_signed_by` says so."""

    keep: Keep
    body: bytes
    code: bytes

    def is_signed_by(self, key: bytes) -> bool:
        """Return whether this key wrote the file; takes as long for a wrong one."""
        return hmac.compare_digest(_code(self.body, key), self.code)


def read(path: Path) -> Stored:
    """Read a vault's file. `VaultError` when it is not there, no vault, or not as written."""
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_MAX + 1)
    except FileNotFoundError:
        raise VaultError(
            f"there is no vault at {path}; make one with `evenkeel secrets init`"
        ) from None
    except OSError as error:
        raise OutsideError(f"the vault {path} cannot be read: {error.strerror}") from error
    try:
        return _parsed(content)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise VaultError(
            f"the vault {path} is damaged or no vault; restore it from a backup"
        ) from None


def write(path: Path, keep: Keep, key: bytes) -> None:
    """Replace the file, whole and durable, or leave what was there; `OutsideError` if not.

    For who holds its lock. What crashed writers left beside it goes first: it would still open
    with the key of its time.
    """
    body = FORMAT + b"\n" + _line(keep) + b"\n"
    sums = hashlib.sha256(body).hexdigest().encode() + b" " + _code(body, key) + b"\n"
    try:
        forget_drafts(path)
        replace_file(path, [body, sums], mode=0o600)
    except OSError as error:
        raise OutsideError(
            f"the vault {path} cannot be written: {error.strerror}; it is what it was before"
        ) from error


def rights_beyond_owner(path: Path) -> int:
    """Return the rights that others than its owner have on a file, as `chmod` counts them."""
    return os.stat(path).st_mode & 0o077  # noqa: PTH116 - the number, not the object


def _code(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, "sha256").hex().encode()


def _line(keep: Keep) -> bytes:
    fields = {
        "generation": keep.generation,
        "key": {"id": keep.key_id, "kind": keep.kind, **keep.facts},
        "records": {
            name: {
                "version": each.version,
                "key": base64.b64encode(each.wrapped).decode(),
                "value": base64.b64encode(each.sealed).decode(),
            }
            for name, each in keep.records.items()
        },
    }
    return json.dumps(fields, sort_keys=True).encode()


def _parsed(content: bytes) -> Stored:
    first, line, sums, rest = content.split(b"\n")
    body = first + b"\n" + line + b"\n"
    digest, _, code = sums.partition(b" ")
    if first != FORMAT or rest or digest != hashlib.sha256(body).hexdigest().encode():
        raise ValueError(first)
    fields = json.loads(line)
    facts = dict(fields["key"])
    keep = Keep(
        key_id=str(facts.pop("id")),
        kind=str(facts.pop("kind")),
        facts=facts,
        generation=int(fields["generation"]),
        records={name: _record(each) for name, each in fields["records"].items()},
    )
    return Stored(keep, body, code)


def _record(fields: Mapping[str, Any]) -> Envelope:
    return Envelope(
        int(fields["version"]),
        base64.b64decode(fields["key"], validate=True),
        base64.b64decode(fields["value"], validate=True),
    )
