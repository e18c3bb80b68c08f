"""Instruments whose data somebody must look at before they are traded: what the gate is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evenkeel.domain.bar import Bars
    from evenkeel.ops.settings import Settings


def quarantine(settings: Settings) -> dict[str, str]:
    """Return the instruments that the catalog's checks keep from being traded, and why.

    These are those with an open error among their last bars (see `market.inspection`).
    """
    if not (Path(settings.paths.catalog) / "bars").is_dir():
        return {}
    from evenkeel.market.catalog import Catalog  # only where there is one
    from evenkeel.market.inspection import untradable

    why: dict[str, str] = {}
    for _, shelf in Catalog(settings.paths.catalog).shelves():
        why |= untradable(shelf)
    return why


def apart(bars: Sequence[Bars], why: Mapping[str, str]) -> list[Bars]:
    """Return histories with the instruments in quarantine marked, so that the gate refuses them."""
    return [
        replace(each, instrument=each.instrument.quarantined(why[each.instrument.id]))
        if each.instrument.id in why
        else each
        for each in bars
    ]
