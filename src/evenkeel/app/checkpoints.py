"""Checkpoints of this installation: signed with a key of the vault, into the file that settings name."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.app.vault import open_vault
from evenkeel.domain.errors import ConfigError
from evenkeel.journal.checkpoints import Signer, Witnessed, sign_checkpoint
from evenkeel.journal.verify_checkpoints import read_checkpoints, read_keys
from evenkeel.ops.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from evenkeel.journal.log import Journal
    from evenkeel.journal.verify_checkpoints import Checkpoint
    from evenkeel.ops.settings import Settings
    from evenkeel.ops.vault.cipher import Signer as VaultSigner

PURPOSE = "checkpoints"


class Checkpoints(Struct, frozen=True):
    """Where checkpoints go, what signs them, and how often."""

    path: Path
    signer: Signer
    every_records: int
    every_seconds: int

    def watch(self, journal: Journal, run_id: str) -> Witnessed:
        """Return a journal that signs checkpoints as it grows; close it to sign its end."""
        return Witnessed(
            journal,
            lambda size, head, at: sign_checkpoint(
                self.path, self.signer, run=run_id, size=size, head=head, at=at
            ),
            now=SYSTEM_CLOCK.now_ns,
            every_records=self.every_records,
            every_ns=self.every_seconds * 1_000_000_000,
        )


def checkpoints_of(settings: Settings) -> Checkpoints | None:
    """Unlock the vault and return what signs checkpoints; None where settings name no file."""
    audit = settings.audit
    if not audit.checkpoints:
        return None
    signer = signer_of(settings)
    return Checkpoints(Path(audit.checkpoints), signer, audit.every_records, audit.every_seconds)


def signer_of(settings: Settings) -> VaultSigner:
    """Unlock the vault and return the signer of checkpoints; its key is made at first use."""
    return open_vault(settings).signer(PURPOSE)


def sign_all(settings: Settings, engine: Engine) -> dict[str, int]:
    """Sign a checkpoint of every journal that a database holds; return how long each is."""
    from sqlalchemy import select

    from evenkeel.storage.engine import trouble_told
    from evenkeel.storage.tables import Run

    signing = checkpoints_of(settings)
    if signing is None:
        raise ConfigError("audit.checkpoints names no file: checkpoints have nowhere to go")
    with trouble_told(engine), closing(engine.connect()) as connection:
        query = select(Run.run_id, Run.records, Run.head_hash).where(Run.records > 0)
        found = connection.execute(query.order_by(Run.created_at, Run.run_id)).all()
    at = SYSTEM_CLOCK.now_ns()
    for run_id, records, head in found:
        sign_checkpoint(signing.path, signing.signer, run=run_id, size=records, head=head, at=at)
    return {run_id: records for run_id, records, _ in found}


def signed_checkpoints(
    settings: Settings, path: str | None = None, keys: str | None = None
) -> list[Checkpoint]:
    """Return the checkpoints of a file, else those that settings name; none where they name none.

    `keys` is a file of public keys or one key in hex. Raises `JournalError` for one that is not
    signed by any of them.
    """
    file = path or settings.audit.checkpoints
    if not file or (path is None and not Path(file).exists()):
        return []
    given = keys or settings.audit.public_keys
    known = [given] if _is_key(given) else read_keys(Path(given))
    return read_checkpoints(Path(file), known)


def _is_key(given: str) -> bool:
    return len(given) == 64 and all(digit in "0123456789abcdef" for digit in given)
