"""Run folders: `<runs>/<run id>/journal.log` and the manifest that vouches for it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import evenkeel
from evenkeel.app.setup import Request
from evenkeel.app.strategies import where
from evenkeel.domain.errors import JournalError, OutsideError, UsageError, did_you_mean
from evenkeel.domain.instrument import instrument_of
from evenkeel.journal.log import RUN_FILE, MemoryJournal, read_lines, write_run_file
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.reports.result import Result
from evenkeel.reports.text import finite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evenkeel.domain.bar import Bars
    from evenkeel.domain.events import RunStarted

MANIFEST = "manifest.json"


def new_run_id(wanted: Request, started_at: int) -> str:
    """Return an id that sorts by time and says what ran: `20261123-101500-123456-smacross`."""
    at = datetime.fromtimestamp(started_at / 1e9, UTC)
    return f"{at:%Y%m%d-%H%M%S-%f}-{wanted.strategy.name.lower()}"


def manifest(wanted: Request, run_id: str, mode: str, started_at: int) -> dict[str, Any]:
    """Return what the journal does not say about a run; every time is ISO 8601, UTC."""
    ended_at = SYSTEM_CLOCK.now_ns()
    return {
        "run_id": run_id,
        "mode": mode,
        "strategy": where(wanted.strategy),
        "params": wanted.strategy.params,
        "code_version": evenkeel.__version__,
        "data": dict(wanted.data),
        "permissive": wanted.limits.permissive,
        "seed": None,  # nothing in this version draws random numbers
        "started": _iso(started_at),
        "ended": _iso(ended_at),
        "wall_seconds": (ended_at - started_at) / 1e9,
    }


def save(result: Result, runs: str | Path) -> Path:
    """Write a run's journal and manifest into its own folder below `runs`; return the folder.

    The manifest is written last: a folder without one is a run that was cut off. Raises
    `OutsideError` when the disk refuses.
    """
    folder = Path(runs) / str(result.manifest["run_id"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the run folder {folder}: {error.strerror}; choose another place for runs"
        ) from error
    write_run_file(folder / RUN_FILE, result.journal.lines())
    result.manifest["journal"] = str(folder / RUN_FILE)
    stored = {
        **result.manifest,
        "journal": {"records": len(result.journal), "head_hash": result.journal.head},
        "tape": result.started.tape,  # SHA-256 of each instrument's bars, wherever they came from
        "headline": _headline(result),
    }
    text = json.dumps(stored, indent=2, default=str) + "\n"
    write_run_file(folder / MANIFEST, text.encode().splitlines())
    return folder


def list_runs(runs: str | Path) -> list[dict[str, Any]]:
    """Return the manifests of all runs below a folder, oldest first."""
    return [
        {**_read(path), "folder": str(path.parent)}
        for path in sorted(Path(runs).glob(f"*/{MANIFEST}"))
    ]


def find(run: str | None, runs: str | Path) -> Path:
    """Return the folder of a run given by id, unique beginning, or path; None: the newest."""
    if run is not None and (Path(run) / MANIFEST).is_file():
        return Path(run)
    known = {path.parent.name: path.parent for path in sorted(Path(runs).glob(f"*/{MANIFEST}"))}
    if run is None:
        if not known:
            raise UsageError(f"there are no runs in {runs}; make one with `evenkeel backtest`")
        return list(known.values())[-1]
    matches = [folder for name, folder in known.items() if name.startswith(run)]
    if len(matches) != 1:
        if matches:
            raise UsageError(f"{len(matches)} runs in {runs} begin with {run!r}; write more of it")
        raise UsageError(f"there is no run {run!r} in {runs}{did_you_mean(run, known)}")
    return matches[0]


def load(run: str | None, runs: str | Path) -> Result:
    """Read a run back from its folder, and its bars from the files that it names.

    Raises `JournalError` when the bars are not those that the run saw.
    """
    from evenkeel.journal.replay import decode, read  # not needed to make a run

    folder = find(run, runs)
    stored = _read(folder / MANIFEST)
    journal = _FileJournal(folder / RUN_FILE)
    records: list[Any] = [decode(entry) for entry in read(journal.lines())]
    bars = bars_seen(folder, records[0])
    stored["journal"] = str(folder / RUN_FILE)
    by_id = {history.instrument.id: history for history in bars}
    return Result(journal=journal, records=records, bars=by_id, manifest=stored)


def bars_seen(folder: Path, started: RunStarted) -> list[Bars]:
    """Read the bars of a run again from the files that its manifest names.

    Raises `JournalError` when they are not those that the run saw.
    """
    data = _read(folder / MANIFEST)["data"]
    if data.get("recording"):
        from evenkeel.app.live_prices import from_there_on, lived_through
        from evenkeel.market.recorder import replayed

        begun, ended = lived_through(replayed(data["recording"]))
        bars = [from_there_on(each, started.at) for each in ended]
    else:
        begun = bars = _bars_again(data, started.instruments)
    for history in begun:
        name = history.instrument.id
        if history.digest() != started.tape.get(name):
            raise JournalError(
                f"the bars of {name} in {data.get('recording') or history.source} are not those of run {folder.name}; "
                "put the original file back to read this run"
            )
    return bars


class _FileJournal(MemoryJournal):
    """A journal read from its run file: its lines are those of the file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._lines = list(read_lines(path))

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def head(self) -> str:
        return self._lines[-1].partition(b" ")[0].decode()

    def lines(self) -> Iterator[bytes]:
        yield from self._lines


def _bars_again(
    data: Mapping[str, Any], instruments: Mapping[str, Mapping[str, str]]
) -> list[Bars]:
    from evenkeel.market.csv_files import read_bars  # a run that is being made has its bars

    sources = list(dict.fromkeys(data["sources"]))
    if not sources:
        raise UsageError(
            "this run's bars came from memory, not from a file; run it on a file to read it again"
        )
    wanted = [instrument_of(name, instruments[name]) for name in data["instruments"]]
    return read_bars(
        sources,
        instrument=wanted,
        start=data.get("start"),
        end=data.get("end"),
        stamp=data.get("stamp", "start"),
    )


def check_writable(folder: str | Path) -> None:
    """Raise `UsageError` unless files can be made in a folder (or in where it would be made)."""
    place = Path(folder).resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise UsageError(f"cannot write into {folder}: {place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write into {folder}: no permission; choose another with --out")


def _headline(result: Result) -> dict[str, Any]:
    return {
        "total_return": finite(result.metrics["total_return"]),
        "equity_end": finite(result.equity_end),
        "fills": result.fill_count,
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise OutsideError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not a run manifest ({error})") from error
    return stored


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1e9, UTC).isoformat()
