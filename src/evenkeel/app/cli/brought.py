"""`evenkeel data sync`: what the world outside knows and the catalog does not yet."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from evenkeel.app.cli.progress import Progress
from evenkeel.app.cli.shown import Answer, pairs
from evenkeel.app.cli.stocked import catalog
from evenkeel.app.data import sync_from
from evenkeel.app.providers import providers
from evenkeel.domain.errors import UsageError, did_you_mean
from evenkeel.domain.instrument import Instrument, instrument_id
from evenkeel.ops.bot_file import PROVIDERS
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.settings import load_settings

if TYPE_CHECKING:
    from evenkeel.market.sync import Synced

SHOWN = 10
"""Failures that are printed; `--json` has them all."""

WORKERS_MAX = 16

NAMES = tuple(name for name in PROVIDERS if name != "files")
"""Providers that know instruments by themselves; files come in by `data import`."""


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be brought, as it was typed."""

    instruments: list[str]
    universe: str
    providers: str
    interval: str
    dataset: str
    since: str
    workers: int


def sync_answer(asked: Asked) -> Answer:
    """Bring instruments up to date; exit code 3 when some could not be had."""
    held = catalog()
    since = _since(asked.since)
    if not 1 <= asked.workers <= WORKERS_MAX:
        raise UsageError(f"--workers must be in 1..{WORKERS_MAX}, was {asked.workers}")
    names = _providers(asked.providers)
    wanted = [Instrument(name) for name in _wanted(asked)]
    with providers(names, load_settings()) as source, Progress("sync") as told:
        found = sync_from(
            held,
            source,
            wanted,
            asked.interval,
            dataset=asked.dataset,
            since=since,
            clock=SYSTEM_CLOCK,
            workers=asked.workers,
            told=told,
        )
    failed = bool(found.failures or found.left)
    return Answer(_body(found), _lines(found), exit_code=3 if failed else 0)


def _since(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since {text!r} is no date; write 2015-01-01") from None


def _providers(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in NAMES:
            raise UsageError(
                f"--provider must be of {', '.join(NAMES)}, was {name!r}{did_you_mean(name, NAMES)}"
            )
    if not names:
        raise UsageError("--provider names nobody")
    return names


def _wanted(asked: Asked) -> list[str]:
    """Return the instruments: those named, those of a file, or all that are there already."""
    names = list(asked.instruments)
    if asked.universe:
        path = Path(asked.universe)
        if not path.is_file():
            raise UsageError(f"{path} does not exist; a universe has one instrument a line")
        lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
        names += [line for line in lines if line]
    if not names:
        names = list(catalog().shelf(asked.interval, asked.dataset).instruments())
    if not names:
        raise UsageError("nothing to bring: name instruments, or a --universe FILE of them")
    return list(dict.fromkeys(instrument_id(name) for name in names))


def _body(found: Synced) -> dict[str, Any]:
    return {
        "asked": found.asked,
        "current": found.current,
        "added": found.added,
        "restated": found.restated,
        "actions": found.actions,
        "left": found.left,
        "failures": found.failures,
        "lacks": found.lacks,
    }


def _lines(found: Synced) -> list[str]:
    lines = pairs(
        [
            ("up to date", f"{found.current:,}" if found.current else ""),
            ("brought", f"{found.asked:,} instruments"),
            ("new bars", f"{found.added:,}"),
            ("restated", f"{found.restated:,}" if found.restated else ""),
            ("actions", f"{found.actions:,}" if found.actions else ""),
            ("left", f"{found.left:,}; the day's requests are spent" if found.left else ""),
        ]
    )
    said = [f"  failed      {text}" for text in found.failures.values()]
    said += [f"  {name} lacks {text}" for name, text in found.lacks.items()]
    more = len(said) - SHOWN
    lines += said[:SHOWN] + ([f"  … and {more:,} more"] if more > 0 else [])
    return [*lines, "", "Next: evenkeel data check"]
