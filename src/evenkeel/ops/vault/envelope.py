"""AES-256-GCM envelopes. Nothing opens but under the key, name and version that it was sealed for.

    value     ── AES-256-GCM, under a data key of its own    bound to format, name, version
    data key  ── AES-256-GCM, under the vault's wrapping key bound to these and the key's id

Nonces are 96 random bits, and no key seals enough for two to meet: a data key seals once, the
wrapping key once per record and rotation.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

KEY_BYTES = 32
NONCE_BYTES = 12
FORMAT = b"evenkeel vault 1"


class Envelope(Struct, frozen=True):
    """One sealed value: `wrapped` is its data key, `sealed` the value itself; nonces lead both."""

    version: int
    wrapped: bytes
    sealed: bytes


class Unopenable(Exception):  # noqa: N818 - it becomes an error of one sentence further up
    """The key, the name or the version is another one, or a byte was changed."""


def seal(plaintext: bytes, *, key: bytes, key_id: str, name: str, version: int) -> Envelope:
    """Encrypt under a fresh data key, which `key` wraps."""
    data_key = os.urandom(KEY_BYTES)
    return Envelope(
        version,
        encrypt(data_key, key=key, bound_to=_for_key(key_id, name, version)),
        encrypt(plaintext, key=data_key, bound_to=_for_value(name, version)),
    )


def unseal(envelope: Envelope, *, key: bytes, key_id: str, name: str) -> bytes:
    """Return the value; `Unopenable` when anything about it is not as it was sealed."""
    data_key = decrypt(envelope.wrapped, key=key, bound_to=_for_key(key_id, name, envelope.version))
    return decrypt(envelope.sealed, key=data_key, bound_to=_for_value(name, envelope.version))


def rewrap(
    envelope: Envelope, *, key: bytes, key_id: str, new_key: bytes, new_key_id: str, name: str
) -> Envelope:
    """Return the same value under a new wrapping key; the value itself stays sealed."""
    data_key = decrypt(envelope.wrapped, key=key, bound_to=_for_key(key_id, name, envelope.version))
    bound_to = _for_key(new_key_id, name, envelope.version)
    return Envelope(
        envelope.version, encrypt(data_key, key=new_key, bound_to=bound_to), envelope.sealed
    )


def encrypt(plaintext: bytes, *, key: bytes, bound_to: bytes) -> bytes:
    """Return nonce and ciphertext; only who has the key and says `bound_to` again can open it."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, bound_to)


def decrypt(ciphertext: bytes, *, key: bytes, bound_to: bytes) -> bytes:
    """Undo `encrypt`; `Unopenable` when anything about it is not as it was."""
    try:
        return AESGCM(key).decrypt(ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
        raise Unopenable from error


def joined(*parts: bytes) -> bytes:
    """Join parts so that no two lists of parts give the same bytes: each is led by its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _for_value(name: str, version: int) -> bytes:
    return joined(FORMAT, b"value", name.encode(), str(version).encode())


def _for_key(key_id: str, name: str, version: int) -> bytes:
    return joined(FORMAT, b"key", key_id.encode(), name.encode(), str(version).encode())
