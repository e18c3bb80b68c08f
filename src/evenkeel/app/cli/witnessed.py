"""`evenkeel audit key` and `audit checkpoint`: what vouches for journals from outside of them."""

from __future__ import annotations

from pathlib import Path

from evenkeel.app.checkpoints import sign_all, signer_of
from evenkeel.app.cli.shown import Answer, pairs
from evenkeel.app.database import opened
from evenkeel.domain.errors import OutsideError
from evenkeel.journal.verify_checkpoints import read_keys
from evenkeel.ops.settings import load_settings


def key_answer() -> Answer:
    """Show the public key, and add it to the file of keys unless it stands there."""
    settings = load_settings()
    signer = signer_of(settings)
    public, path = signer.public_key.hex(), Path(settings.audit.public_keys)
    try:
        if not path.exists() or public not in read_keys(path):
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{public}  # {signer.key_id}\n")
    except OSError as error:
        raise OutsideError(f"cannot write {path}: {error.strerror}") from error
    body = {"key_id": signer.key_id, "public_key": public, "file": str(path)}
    lines = [public, "", *pairs([("key", signer.key_id), ("file", path)]), ""]
    return Answer(body, [*lines, "Keep a copy where this computer cannot change it."])


def checkpoint_answer() -> Answer:
    """Sign a checkpoint of every journal of the database."""
    settings = load_settings()
    with opened(settings.paths.database) as engine:
        signed = sign_all(settings, engine)
    body = {"file": settings.audit.checkpoints, "journals": signed}
    return Answer(body, [f"{len(signed)} checkpoints are in {settings.audit.checkpoints}."])
