"""What the vault lends to others: ciphers for columns and signers for checkpoints, by purpose.

The keys stay in the vault. A cipher keeps the keys of former rotations, to decrypt with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.errors import VaultError
from evenkeel.ops.secret import KeptInPlace
from evenkeel.ops.vault.envelope import KEY_BYTES, Unopenable, decrypt, encrypt, joined

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMAT = b"\x01"
_HEAD_BYTES = 3  # the format, and which key
_NO_KEY = bytes(KEY_BYTES)  # no key of ours, so nothing opens with it


class Cipher(KeptInPlace):
    """Encrypts values for one purpose. `keys` by number from 1; the highest one encrypts.

    A ciphertext is one byte of format, two of the key's number, the nonce, and what AES-256-GCM
    makes of it. A key is good for 2³² values.
    """

    def __init__(self, purpose: str, keys: Mapping[int, bytes]) -> None:
        """Take the purpose's keys, each of 32 bytes."""
        assert keys, purpose
        assert all(len(key) == KEY_BYTES for key in keys.values()), purpose
        self._purpose = purpose
        self._keys = dict(keys)
        self._newest = max(keys)

    def __repr__(self) -> str:
        return f"Cipher({self._purpose!r})"

    def encrypt(self, plaintext: bytes, *, bound_to: bytes) -> bytes:
        """Return a ciphertext that opens only where `bound_to` is said again.

        Bind a value to its place (table, column, row), so that two values cannot change places.
        """
        head = _FORMAT + self._newest.to_bytes(2, "big")
        key = self._keys[self._newest]
        return head + encrypt(plaintext, key=key, bound_to=self._aad(head, bound_to))

    def decrypt(self, ciphertext: bytes, *, bound_to: bytes) -> bytes:
        """Undo `encrypt`; `VaultError` when value or place is another, or the key is gone."""
        head, body = ciphertext[:_HEAD_BYTES], ciphertext[_HEAD_BYTES:]
        key = self._keys.get(int.from_bytes(head[1:], "big"), _NO_KEY)
        try:
            return decrypt(body, key=key, bound_to=self._aad(head, bound_to))
        except Unopenable:
            raise VaultError(
                f"an encrypted value of {self._purpose} does not open here: it was changed or "
                "moved, or belongs to another vault; restore database and vault from one backup"
            ) from None

    def is_newest(self, ciphertext: bytes) -> bool:
        """Return whether the newest key made it; else encrypt it anew when there is time."""
        return int.from_bytes(ciphertext[1:_HEAD_BYTES], "big") == self._newest

    def _aad(self, head: bytes, bound_to: bytes) -> bytes:
        return joined(head, self._purpose.encode(), bound_to)


class Signer(KeptInPlace):
    """Signs with Ed25519. `public_key` (32 bytes) is for who verifies; `key_id` names it."""

    def __init__(self, private_key: bytes) -> None:
        """Take a private key of 32 bytes."""
        from hashlib import sha256

        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key = Ed25519PrivateKey.from_private_bytes(private_key)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.key_id = sha256(self.public_key).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Signer({self.key_id})"

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self._key.sign(message)
