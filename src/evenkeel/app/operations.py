"""What people do goes into the operators' journal before it is done: who, which command, why, what."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from evenkeel.domain.events import OperatorActed
from evenkeel.ops.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping


def act(
    database: str,
    command: str,
    reason: str = "",
    *,
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
) -> int:
    """Write down, in the database at a URL, what the one at this terminal is about to do.

    Returns the record's number. Raises `OutsideError` when the database does not take it: then it
    must not be done.
    """
    return write_down(
        database,
        OperatorActed(
            SYSTEM_CLOCK.now_ns(), actor(), command, reason, dict(before or {}), dict(after or {})
        ),
    )


def write_down(database: str, action: OperatorActed) -> int:
    """Add an action to the operators' journal of the database at a URL."""
    from evenkeel.journal import operations  # brings SQLAlchemy in
    from evenkeel.storage.engine import open_engine

    engine = open_engine(database)
    try:
        return operations.write_down(engine, action)
    finally:
        engine.dispose()


def actor() -> str:
    """Return who does this, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return "unknown"
