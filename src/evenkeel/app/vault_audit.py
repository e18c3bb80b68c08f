"""What is done with the vault goes into the operators' journal and the log; never the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.app.operations import write_down
from evenkeel.domain.events import OperatorActed
from evenkeel.ops.logging import log_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenkeel.ops.settings import Settings
    from evenkeel.ops.vault.vault import VaultEvent

_LOG = log_of("ops.vault")


def auditor(settings: Settings) -> Callable[[VaultEvent], None]:
    """Return what a vault tells its events to, before it does what they say."""

    def note(event: VaultEvent) -> None:
        write_down(settings.paths.database, _action(event))
        _LOG.info(
            f"vault {event.action}",
            name=event.name,
            actor=event.actor,
            key_id=event.key_id,
            refused=event.refused,
        )

    return note


def _action(event: VaultEvent) -> OperatorActed:
    what = {"name": event.name, "key_id": event.key_id}
    if event.refused:
        what["refused"] = "yes"
    return OperatorActed(event.at, event.actor, f"vault {event.action}", after=what)
