"""Where the key of a vault is to be found, in the words of the setting `vault.unlock`.

auto       the keyring for a vault whose key is there; else the variable, if set; else a prompt
prompt     somebody types the passphrase
keyring    the operating system's keyring (the extra `keyring`)
fd:N       a file descriptor that the parent process opened
file:PATH  a file of our own that nobody else can read, or one that an orchestrator mounted
env        the variable EVENKEEL_VAULT_PASSPHRASE: the last choice; it is gone after reading
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.domain.errors import ConfigError, OutsideError
from evenkeel.ops.environment import VAULT_PASSPHRASE, is_there, take
from evenkeel.ops.secret import Secret
from evenkeel.ops.vault import store
from evenkeel.ops.vault.keys import COSTS, Argon2Costs, KeyringKey, PassphraseKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenkeel.ops.vault.keys import KeySource

PASSPHRASE_BYTES_MAX = 4_096


def key_source(
    words: str,
    *,
    kind: str = "",
    ask: Callable[[], str] | None = None,
    costs: Argon2Costs = COSTS,
) -> KeySource:
    """Return the source of a key. `kind` is what the vault's file says, empty for a new vault.

    `ask` prompts a person, None where there is nobody. Raises `ConfigError` when the words lead
    nowhere, `OutsideError` when what they name cannot be read.
    """
    if words == "keyring" or (words == "auto" and kind == KeyringKey.kind):
        return KeyringKey()
    return PassphraseKey(_passphrase(words, ask), costs=costs)


def kind_of(path: Path) -> str:
    """Return the kind of key of the vault in a file; `VaultError` when there is none."""
    return store.read(path).keep.kind


def _passphrase(words: str, ask: Callable[[], str] | None) -> Secret:
    how, _, where = words.partition(":")
    if how == "fd":
        return _from_descriptor(int(where))
    if how == "file":
        return _from_file(Path(where))
    if how == "env" or (how == "auto" and is_there(VAULT_PASSPHRASE)):
        return _from_variable()
    if ask is None:
        raise ConfigError(
            "the vault's passphrase is not known and there is nobody to ask; "
            f"set vault.unlock to file:PATH, fd:N or keyring, or the variable {VAULT_PASSPHRASE}"
        )
    return Secret(ask())


def _from_variable() -> Secret:
    value = take(VAULT_PASSPHRASE)
    if value is None:
        raise ConfigError(f"vault.unlock is env and the variable {VAULT_PASSPHRASE} is not set")
    return Secret(value)


def _from_descriptor(number: int) -> Secret:
    try:
        with os.fdopen(number, "rb") as file:
            content = file.read(PASSPHRASE_BYTES_MAX + 1)
    except OSError as error:
        raise OutsideError(
            f"the vault's passphrase cannot be read from descriptor {number}: {error.strerror}; "
            f"the process that starts this one has to open it"
        ) from error
    return _as_passphrase(content, f"descriptor {number}")


def _from_file(path: Path) -> Secret:
    try:
        ours = path.stat().st_uid == os.geteuid()
        rights = store.rights_beyond_owner(path)
        content = path.read_bytes()[: PASSPHRASE_BYTES_MAX + 1]
    except OSError as error:
        raise OutsideError(
            f"the vault's passphrase cannot be read from {path}: {error.strerror}"
        ) from error
    # What is ours can be mended. What was mounted for us has the rights that its owner gave it.
    if (ours and rights) or rights & 0o022:
        raise ConfigError(
            f"others can read or change {path}, which holds the vault's passphrase: chmod 600 {path}"
        )
    return _as_passphrase(content, str(path))


def _as_passphrase(content: bytes, where: str) -> Secret:
    """Take one line of text; who wrote it with an editor has an end of line after it."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or len(content) > PASSPHRASE_BYTES_MAX:
        raise ConfigError(
            f"{where} must hold the vault's passphrase: a line of text of up to "
            f"{PASSPHRASE_BYTES_MAX} bytes"
        )
    return Secret(text.rstrip("\r\n"))
