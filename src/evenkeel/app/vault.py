"""The vault of this installation: where the settings say, and every use of it written down."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.app.operations import actor
from evenkeel.app.vault_audit import auditor
from evenkeel.ops.vault.unlock import key_source, kind_of
from evenkeel.ops.vault.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenkeel.ops.settings import Settings
    from evenkeel.ops.vault.keys import KeySource


def open_vault(settings: Settings) -> Vault:
    """Unlock the vault as `vault.unlock` says, asking whoever sits at the terminal if need be.

    Raises `VaultError` when there is none or it does not open, `ConfigError` when nobody can say
    its passphrase.
    """
    _leave_no_core()
    path = Path(settings.vault.file)
    source = key_source(settings.vault.unlock, kind=kind_of(path), ask=_asked("Passphrase: "))
    return Vault.open(path, source, audit=auditor(settings), actor=actor())


def create_vault(settings: Settings, source: KeySource) -> Vault:
    """Make an empty vault; `VaultError` when there is one already."""
    path = Path(settings.vault.file)
    return Vault.create(path, source, audit=auditor(settings), actor=actor())


def new_key(words: str) -> KeySource:
    """Return a source for a new key; a passphrase that is typed is asked for twice."""
    return key_source(words, ask=_asked("New passphrase: ", "The same again: "))


def _leave_no_core() -> None:
    """Let a crash write no image of this process: it holds secrets from now on."""
    import resource  # not on Windows, which writes none by itself

    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def _asked(*prompts: str) -> Callable[[], str] | None:
    """Return what asks the person at the terminal without showing the answer; None for nobody.

    Asks the terminal itself: what comes in by stdin may be the secret to keep.
    """
    try:
        with Path("/dev/tty").open("rb"):
            pass
    except OSError:
        return None
    return lambda: _same(*(getpass.getpass(prompt) for prompt in prompts))


def _same(first: str, *others: str) -> str:
    from evenkeel.domain.errors import UsageError

    if any(other != first for other in others):
        raise UsageError("the two passphrases are not the same; nothing was changed")
    return first
