"""The vault: named secrets under one key. Nothing is unlocked, read or changed without a record.

    unlock ── key source ──► key ──► wrapping key, signing key of the file      (HKDF-SHA256)
    read   ── record first ──► unseal ──► Secret
    change ── lock the file ──► read it again ──► record first ──► replace it whole

Records go to `audit`, which may refuse: then nothing was done. They name the secret, never its
value. Whoever changes the vault reads its file again under a lock, so that two processes at
once lose nothing.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct
from msgspec.structs import replace

from evenkeel.domain.errors import OutsideError, VaultError, did_you_mean
from evenkeel.ops.atomic_file import locked
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.secret import KeptInPlace, Secret
from evenkeel.ops.vault import store
from evenkeel.ops.vault.cipher import Cipher, Signer
from evenkeel.ops.vault.envelope import (
    FORMAT,
    KEY_BYTES,
    Unopenable,
    joined,
    rewrap,
    seal,
    unseal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from evenkeel.ops.clock import Clock
    from evenkeel.ops.vault.envelope import Envelope
    from evenkeel.ops.vault.keys import KeySource

Action = Literal["create", "unlock", "read", "write", "remove", "rotate", "upgrade"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a secret may be called. Keys that the vault makes for others begin with `@`."""


def refuse_bad_name(name: str) -> None:
    """Raise `VaultError` unless a secret may be called so."""
    if not NAME.fullmatch(name):
        raise VaultError(
            "a secret's name is up to 64 letters, digits, dots, - and _, "
            f"the first a letter or digit; was {name!r}"
        )


class VaultEvent(Struct, frozen=True):
    """What somebody did with the vault. `name` is empty where it concerns the whole of it.

    `at` is UTC nanoseconds, `key_id` the vault's key, `refused` whether it was in vain.
    """

    action: Action
    name: str
    actor: str
    at: int
    key_id: str
    refused: bool = False


@dataclass(frozen=True, slots=True)  # no struct: those tell all in their repr
class _Keys:
    """What the vault's key makes: one to wrap data keys with, one to sign the file with."""

    wrapping: bytes = field(repr=False)
    signing: bytes = field(repr=False)


_NO_KEYS = _Keys(b"", b"")


class Vault(KeptInPlace):
    """An open vault. Made by `create` or `open`; keeps its keys in memory until it is dropped."""

    def __init__(
        self,
        path: Path,
        keep: store.Keep,
        keys: _Keys,
        source: KeySource,
        *,
        audit: Callable[[VaultEvent], None],
        actor: str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Only for `create` and `open`."""
        self.path = path
        self._keep = keep
        self._keys = keys
        self._source = source
        self._audit = audit
        self._actor = actor
        self._clock = clock

    def __repr__(self) -> str:
        return f"Vault({str(self.path)!r}, {len(self.names())} secrets)"

    @classmethod
    def create(
        cls,
        path: Path,
        source: KeySource,
        *,
        audit: Callable[[VaultEvent], None],
        actor: str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Vault:
        """Make an empty vault; `VaultError` when there is a file already."""
        with locked(path):
            if path.exists():
                raise VaultError(f"there is a vault at {path} already; move it away to begin anew")
            keep, keys = _with_new_key(store.Keep("", "", {}), source)
            vault = cls(path, keep, keys, source, audit=audit, actor=actor, clock=clock)
            vault._note("create")
            store.write(path, keep, keys.signing)
        return vault

    @classmethod
    def open(
        cls,
        path: Path,
        source: KeySource,
        *,
        audit: Callable[[VaultEvent], None],
        actor: str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Vault:
        """Unlock a vault. `VaultError` of one sentence, whatever it was that did not fit.

        A key that would be made stronger today is replaced on the way, if the file can be written.
        """
        stored = store.read(path)
        vault = cls(path, stored.keep, _NO_KEYS, source, audit=audit, actor=actor, clock=clock)
        try:
            vault._keys = _keys_of(stored, source)
        except VaultError:
            vault._note("unlock", refused=True)
            raise
        vault._note("unlock")
        if source.is_weaker(stored.keep.facts) and os.access(path.parent, os.W_OK):
            vault._strengthen()
        return vault

    @property
    def kind(self) -> str:
        """What the key comes from: a passphrase, or a keyring."""
        return self._keep.kind

    # ---- reading ----

    def names(self) -> tuple[str, ...]:
        """Return the names of all secrets, sorted; the vault's own keys are not among them."""
        return tuple(sorted(name for name in self._keep.records if not name.startswith("@")))

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def get(self, name: str) -> Secret:
        """Return a secret; `VaultError` when there is none of that name."""
        if name not in self:
            self._note("read", name, refused=True)
            raise self._no_such(name)
        return Secret(self._opened(name).decode())

    def _opened(self, name: str) -> bytes:
        """Read a record, and write down first that it is read."""
        self._note("read", name)
        try:
            return unseal(
                self._keep.records[name],
                key=self._keys.wrapping,
                key_id=self._keep.key_id,
                name=name,
            )
        except Unopenable:
            raise VaultError(
                f"the record {name!r} of the vault {self.path} does not open; "
                "restore the vault from a backup"
            ) from None

    # ---- changing ----

    def set(self, name: str, secret: Secret) -> None:
        """Keep a secret under a name, in place of what was there."""
        self.update({name: secret})

    def update(self, secrets: Mapping[str, Secret]) -> None:
        """Keep several secrets, all of them or none."""
        for name in secrets:
            refuse_bad_name(name)
        with self._changing("write", *secrets) as records:
            for name, secret in secrets.items():
                records[name] = self._sealed(name, secret.reveal().encode())

    def remove(self, name: str) -> None:
        """Forget a secret; `VaultError` when there is none of that name."""
        if name not in self:
            raise self._no_such(name)
        with self._changing("remove", name) as records:
            records.pop(name, None)

    def rotate(self, source: KeySource, *, reencrypt: bool = False) -> None:
        """Put everything under a new key from `source`; the old key then opens nothing.

        `reencrypt` also makes new data keys and a new key for each cipher, whose old ones only
        decrypt from then on. A crash at any moment leaves the vault under the old key or the new.
        """
        self._change_key(source, "rotate", reencrypt=reencrypt)

    # ---- keys for others ----

    def cipher(self, purpose: str) -> Cipher:
        """Return the cipher of a purpose such as `accounts`; its key is made at first use."""
        prefix = f"@cipher/{purpose}/"
        if not self._numbered(prefix):
            self._make_key(f"{prefix}1")
        numbers = self._numbered(prefix)
        return Cipher(purpose, {number: self._opened(f"{prefix}{number}") for number in numbers})

    def signer(self, purpose: str) -> Signer:
        """Return the signer of a purpose such as `checkpoints`; its key is made at first use."""
        name = f"@signer/{purpose}"
        if name not in self._keep.records:
            self._make_key(name)
        return Signer(self._opened(name))

    def _numbered(self, prefix: str) -> list[int]:
        names = (name for name in self._keep.records if name.startswith(prefix))
        return sorted(int(name.removeprefix(prefix)) for name in names)

    def _make_key(self, name: str) -> None:
        with self._changing("write", name) as records:
            if name not in records:  # another process may have been first
                records[name] = self._sealed(name, os.urandom(KEY_BYTES))

    # ---- how a change is made ----

    def _strengthen(self) -> None:
        """Make the key anew at today's cost; what cannot be written stays under the old one."""
        try:
            self._change_key(self._source, "upgrade", reencrypt=False)
        except OutsideError:
            self._note("upgrade", refused=True)

    @contextmanager
    def _changing(self, action: Action, *names: str) -> Iterator[dict[str, Envelope]]:
        """Lend the records of the file as it is now; what becomes of them is written, noted first."""
        with locked(self.path):
            keep = self._fresh()
            records = dict(keep.records)
            self._keep = replace(keep, generation=keep.generation + 1)
            yield records
            for name in names:
                self._note(action, name)
            keep = replace(self._keep, records=records)
            store.write(self.path, keep, self._keys.signing)
            self._keep = keep

    def _change_key(self, source: KeySource, action: Action, *, reencrypt: bool) -> None:
        with locked(self.path):
            old = self._fresh()
            keep, keys = _with_new_key(old, source)
            move = self._anew if reencrypt else self._rewrapped
            records = move(old, keep.key_id, keys)
            self._note(action)
            keep = replace(keep, records=records)
            store.write(self.path, keep, keys.signing)
            former, self._source = self._source, source
            self._keep, self._keys = keep, keys
        former.forget(old.key_id)

    def _rewrapped(self, old: store.Keep, key_id: str, keys: _Keys) -> dict[str, Envelope]:
        return {
            name: rewrap(
                each,
                key=self._keys.wrapping,
                key_id=old.key_id,
                new_key=keys.wrapping,
                new_key_id=key_id,
                name=name,
            )
            for name, each in old.records.items()
        }

    def _anew(self, old: store.Keep, key_id: str, keys: _Keys) -> dict[str, Envelope]:
        version = old.generation + 1
        values = {
            name: unseal(each, key=self._keys.wrapping, key_id=old.key_id, name=name)
            for name, each in old.records.items()
        }
        values |= {name: os.urandom(KEY_BYTES) for name in _next_ciphers(old.records)}
        return {
            name: seal(value, key=keys.wrapping, key_id=key_id, name=name, version=version)
            for name, value in values.items()
        }

    def _sealed(self, name: str, value: bytes) -> Envelope:
        return seal(
            value,
            key=self._keys.wrapping,
            key_id=self._keep.key_id,
            name=name,
            version=self._keep.generation,
        )

    def _fresh(self) -> store.Keep:
        """Return the file as it is now; `VaultError` when somebody changed its key meanwhile."""
        stored = store.read(self.path)
        if stored.keep.key_id != self._keep.key_id or not stored.is_signed_by(self._keys.signing):
            raise VaultError(f"the key of the vault {self.path} was changed meanwhile; try again")
        return stored.keep

    def _note(self, action: Action, name: str = "", *, refused: bool = False) -> None:
        at, key_id = self._clock.now_ns(), self._keep.key_id
        self._audit(VaultEvent(action, name, self._actor, at, key_id, refused=refused))

    def _no_such(self, name: str) -> VaultError:
        hint = did_you_mean(name, self.names()) or "; `evenkeel secrets list` shows what there is"
        return VaultError(f"the vault {self.path} has no secret {name!r}{hint}")


def _with_new_key(keep: store.Keep, source: KeySource) -> tuple[store.Keep, _Keys]:
    key_id = os.urandom(8).hex()
    facts, key = source.make(key_id)
    new = replace(
        keep, key_id=key_id, kind=source.kind, facts=facts, generation=keep.generation + 1
    )
    return new, _split(key, key_id)


def _keys_of(stored: store.Stored, source: KeySource) -> _Keys:
    keep = stored.keep
    if source.kind != keep.kind:
        raise VaultError(
            f"the vault's key comes from a {keep.kind}, not from a {source.kind}; "
            "`vault.unlock` in evenkeel.toml says which is used"
        )
    try:
        keys = _split(source.find(keep.key_id, keep.facts), keep.key_id)
    except (LookupError, TypeError, ValueError):  # facts that nobody wrote who had the key
        keys = None
    if keys is None or not stored.is_signed_by(keys.signing):
        raise VaultError("the vault does not open: the key is wrong, or its file was changed")
    return keys


def _split(key: bytes, key_id: str) -> _Keys:
    info = joined(FORMAT, key_id.encode())
    made = HKDF(SHA256(), length=2 * KEY_BYTES, salt=None, info=info).derive(key)
    return _Keys(wrapping=made[:KEY_BYTES], signing=made[KEY_BYTES:])


def _next_ciphers(names: Mapping[str, object]) -> Iterator[str]:
    """Yield the name of the next key of each cipher."""
    purposes = {name.rpartition("/")[0] for name in names if name.startswith("@cipher/")}
    for purpose in sorted(purposes):
        newest = max(int(n.rpartition("/")[2]) for n in names if n.startswith(f"{purpose}/"))
        yield f"{purpose}/{newest + 1}"
