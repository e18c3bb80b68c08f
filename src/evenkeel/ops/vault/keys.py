"""Where the vault's own key comes from: a passphrase through Argon2id, or the system's keyring.

A passphrase may be typed, or stand in a file, behind a file descriptor or in a variable: it goes
through Argon2id all the same. The facts that a source needs to make its key again (salt, costs)
stand in the vault's file, in clear; changing them gives another key, which opens nothing.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import asdict

from evenkeel.domain.errors import ConfigError, VaultError
from evenkeel.ops.secret import KeptInPlace, Secret
from evenkeel.ops.vault.envelope import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyring.backend import KeyringBackend

SALT_BYTES = 16
PASSPHRASE_LENGTH_MIN = 12
SERVICE = "evenkeel vault"
"""What our entries in the system's keyring are called; each key has its id as user name."""


class KeySource(Protocol):
    """Makes the key of a vault once, and finds it again by the facts in the vault's file."""

    kind: str
    """Stands in the vault's file: only a source of the same kind can open it."""

    def make(self, key_id: str) -> tuple[dict[str, Any], bytes]:
        """Return the facts to keep and a new key of 32 bytes."""
        ...

    def find(self, key_id: str, facts: Mapping[str, Any]) -> bytes:
        """Return some key of 32 bytes; whether it is the right one is for the vault to see."""
        ...

    def is_weaker(self, facts: Mapping[str, Any]) -> bool:
        """Return whether a key made today would be stronger than one of these facts."""
        ...

    def forget(self, key_id: str) -> None:
        """Let go of a key that no vault needs any more."""
        ...


class Argon2Costs(Struct, frozen=True):
    """What deriving a key costs; the defaults are the second choice of RFC 9106."""

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 4


COSTS = Argon2Costs()

_BOUNDS = {"memory_kib": (8, 1 << 21), "passes": (1, 16), "lanes": (1, 16)}
"""Costs outside of these are not ours: a changed file could keep a machine busy for hours."""


class PassphraseKey(KeptInPlace):
    """A key that a passphrase makes. `costs` are those of new keys and the least of old ones."""

    kind = "passphrase"

    def __init__(self, passphrase: Secret, *, costs: Argon2Costs = COSTS) -> None:
        self._passphrase = passphrase
        self._costs = costs

    def make(self, key_id: str) -> tuple[dict[str, Any], bytes]:
        if len(self._passphrase.reveal()) < PASSPHRASE_LENGTH_MIN:
            raise VaultError(
                f"a passphrase has at least {PASSPHRASE_LENGTH_MIN} characters; "
                "four or five words that nobody would put together are easy to keep"
            )
        salt = os.urandom(SALT_BYTES)
        facts = {"salt": salt.hex(), **asdict(self._costs)}
        return facts, self.find(key_id, facts)

    def find(self, key_id: str, facts: Mapping[str, Any]) -> bytes:
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        costs = _costs_of(facts)
        argon2 = Argon2id(
            salt=bytes.fromhex(facts["salt"]),
            length=KEY_BYTES,
            iterations=costs.passes,
            lanes=costs.lanes,
            memory_cost=costs.memory_kib,
        )
        return argon2.derive(self._passphrase.reveal().encode())

    def is_weaker(self, facts: Mapping[str, Any]) -> bool:
        kept = _costs_of(facts)
        return kept.memory_kib < self._costs.memory_kib or kept.passes < self._costs.passes

    def forget(self, key_id: str) -> None:
        """A passphrase is kept by a person; there is nothing to let go of."""


def _costs_of(facts: Mapping[str, Any]) -> Argon2Costs:
    costs = Argon2Costs(*(facts[name] for name in _BOUNDS))
    for name, (low, high) in _BOUNDS.items():
        value = getattr(costs, name)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(name)
    if costs.memory_kib < 8 * costs.lanes or len(facts["salt"]) != 2 * SALT_BYTES:
        raise ValueError("memory_kib")
    return costs


class KeyringKey(KeptInPlace):
    """A random key in the operating system's keyring, one entry per vault key."""

    kind = "keyring"

    def __init__(self, backend: KeyringBackend | None = None) -> None:
        """Take the system's keyring, or another one; `ConfigError` when it keeps nothing safe."""
        self._backend = system_keyring() if backend is None else backend

    def make(self, key_id: str) -> tuple[dict[str, Any], bytes]:
        key = os.urandom(KEY_BYTES)
        self._ask("set_password", key_id, base64.b64encode(key).decode())
        return {}, key

    def find(self, key_id: str, facts: Mapping[str, Any]) -> bytes:
        kept = self._ask("get_password", key_id)
        if kept is None:
            raise VaultError(
                f"the system's keyring has no key {key_id}; open the vault as the user who made "
                "it, or restore the keyring"
            )
        return _as_key(str(kept))

    def is_weaker(self, facts: Mapping[str, Any]) -> bool:
        return False

    def forget(self, key_id: str) -> None:
        from keyring.errors import PasswordDeleteError

        try:
            self._ask("delete_password", key_id)
        except PasswordDeleteError:
            return  # gone already

    def _ask(self, what: str, key_id: str, *value: str) -> object:
        from keyring.errors import KeyringLocked, NoKeyringError

        try:
            return getattr(self._backend, what)(SERVICE, key_id, *value)
        except (KeyringLocked, NoKeyringError) as error:
            raise ConfigError(
                f"the system's keyring does not answer ({error or type(error).__name__}); "
                "unlock it, or keep the vault's key by a passphrase"
            ) from error


def _as_key(kept: str) -> bytes:
    """Return the key that an entry holds; of a changed entry, one that opens nothing."""
    try:
        key = base64.b64decode(kept, validate=True)
    except ValueError:
        key = b""
    return key if len(key) == KEY_BYTES else os.urandom(KEY_BYTES)


SAFE_KEYRINGS = ("SecretService", "Windows", "kwallet", "libsecret", "macOS")
"""Modules of `keyring.backends` that encrypt what they keep. The null and the failing one, and
all that other packages bring (plain-text files among them), are refused."""


def system_keyring() -> KeyringBackend:
    """Return the operating system's keyring; `ConfigError` when there is none that is safe."""
    try:
        import keyring
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the system's keyring needs the extra keyring: pip install 'evenkeel[keyring]'"
        ) from error
    found = keyring.get_keyring()
    used = list(getattr(found, "backends", ())) or [found]  # a chainer asks one after the other
    if not all(_is_safe(each) for each in used):
        names = ", ".join(type(each).__module__ for each in used)
        raise ConfigError(
            f"this system's keyring ({names}) does not keep a secret; "
            "keep the vault's key by a passphrase instead"
        )
    return found


def _is_safe(backend: KeyringBackend) -> bool:
    package, _, name = type(backend).__module__.rpartition(".")
    return package == "keyring.backends" and name in SAFE_KEYRINGS
