"""What is done with the vault goes into the log, as who, what and when; never the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.ops.logging import log_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenkeel.ops.settings import Settings
    from evenkeel.ops.vault.vault import VaultEvent

_LOG = log_of("ops.vault")


def auditor(_settings: Settings) -> Callable[[VaultEvent], None]:
    """Return what a vault tells its events to, before it does what they say."""
    return _note


def _note(event: VaultEvent) -> None:
    _LOG.info(
        f"vault {event.action}",
        name=event.name,
        actor=event.actor,
        key_id=event.key_id,
        refused=event.refused,
    )
