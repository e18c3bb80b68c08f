"""Keys to sign with that are not the vault's."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from evenkeel.journal.checkpoints import sign_checkpoint


class Key:
    """An Ed25519 key; `public` is its public half in hex."""

    def __init__(self, number=1):
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        raw = self._key.public_key().public_bytes_raw()
        self.public = raw.hex()
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]

    def sign(self, message):
        return self._key.sign(message)


KEY = Key()
OTHER = Key(2)
AT = 1_767_225_600_000_000_000


def witness(path, size, head, *, run="run", at=AT, key=KEY):
    sign_checkpoint(path, key, run=run, size=size, head=head, at=at)
