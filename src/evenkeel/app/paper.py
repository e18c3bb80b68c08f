"""Paper trading: bars come in one after the other, every record is durable before its effect.

The runtime knows no bar before it is fed. After each one (or each segment of some) every series
is computed again on the history so far, so that a strategy that reads the future in `setup` gives
another journal here than in its backtest: `parity` finds it.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.app.journals import InDatabase
from evenkeel.app.records_told import RecordsTold
from evenkeel.app.runs import manifest, new_run_id
from evenkeel.domain.errors import ConfigError
from evenkeel.domain.tape import Tape
from evenkeel.engine.run import run
from evenkeel.engine.schedule import Schedule
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.logging import bound, log_of
from evenkeel.ops.metrics import timed
from evenkeel.ops.redact import without_password
from evenkeel.reports.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evenkeel.app.checkpoints import Checkpoints
    from evenkeel.app.setup import Request
    from evenkeel.domain.bar import Bars
    from evenkeel.domain.events import Record
    from evenkeel.journal.log import Journal

_LOG = log_of("app.paper")

SLOW_APPEND_SECONDS = 0.5
"""A disk that takes longer to make a record durable is too slow to trade on."""

SEGMENTS_MAX = 4_000
"""How often series are computed anew in a replay: bar by bar for up to so many bars."""


def paper(
    wanted: Request,
    database: str,
    *,
    segment: int | None = None,
    checkpoints: Checkpoints | None = None,
) -> Result:
    """Trade a request on paper, into the database journal at an SQLAlchemy URL.

    With `checkpoints` they are signed as the journal grows. Raises `ConfigError` under limits that
    are for research only.
    """
    return journaled(
        wanted,
        database,
        lambda journal: replay(wanted, journal, segment=segment),
        checkpoints=checkpoints,
    )


def journaled(
    wanted: Request,
    database: str,
    trade: Callable[[Journal], list[Record]],
    *,
    checkpoints: Checkpoints | None = None,
) -> Result:
    """Let `trade` write its records into a database journal that is begun for it; the result.

    With `checkpoints` they are signed as the journal grows. Raises `ConfigError` under limits that
    are for research only.
    """
    from evenkeel.app.database import opened, refresh  # brings SQLAlchemy in
    from evenkeel.journal.database import DatabaseJournal

    if wanted.limits.permissive:
        raise ConfigError(
            "paper trading needs a complete limit card; Limits.permissive_for_research() is for "
            "backtests only"
        )
    started_at = SYSTEM_CLOCK.now_ns()
    run_id = new_run_id(wanted, started_at)
    with opened(database) as engine, bound(run=run_id, strategy=wanted.strategy.name):
        journal = DatabaseJournal.begin(
            engine,
            run_id,
            mode="paper",
            strategy=wanted.strategy.name,
            manifest=manifest(wanted, run_id, "paper", started_at),
            created_at=started_at,
        )
        with closing(journal):
            _LOG.info("run begins", database=without_password(database))
            with (
                closing(checkpoints.watch(journal, run_id))
                if checkpoints
                else nullcontext(journal) as kept
            ):
                records = trade(kept)
            refresh(engine, run_id)
            _LOG.info("run has ended", records=len(records), head=journal.head)
    written = InDatabase(database, run_id, len(journal), journal.head)
    bars = {history.instrument.id: history for history in wanted.bars}
    facts = {
        **manifest(wanted, run_id, "paper", started_at),
        "database": without_password(database),
    }
    return Result(journal=written, records=records, bars=bars, manifest=facts)


def replay(wanted: Request, journal: Journal, *, segment: int | None = None) -> list[Record]:
    """Feed a request's bars through the paper runtime, `segment` bar times at once; its records.

    Without `segment` it is one bar time, or more where there are so many bars that computing
    every series anew on each would take hours.
    """
    moments = np.unique(np.concatenate([history.closed_at for history in wanted.bars]))
    size = segment or max(1, -(-len(moments) // SEGMENTS_MAX))
    ends = moments[size - 1 :: size].tolist()
    if not ends or ends[-1] != moments[-1]:
        ends.append(int(moments[-1]))
    tape = Tape(_until(wanted.bars, ends[0]))
    kept = KeptJournal(journal)
    feed = (_until(wanted.bars, end) for end in ends[1:])
    core = wanted.core(tape)
    run(
        core,
        Schedule(tape, wanted.actions),
        wanted.venue(tape),
        kept,
        feed,
        wanted.lender(core),
    )
    return kept.records


def _until(bars: Sequence[Bars], moment: int) -> list[Bars]:
    """Return what was known at a moment."""
    return [
        history.first(int(np.searchsorted(history.closed_at, moment, side="right")))
        for history in bars
    ]


class KeptJournal:
    """A journal that also keeps its records, for the result of a run, and tells them to the log."""

    def __init__(self, journal: Journal) -> None:
        """Write through to `journal`."""
        self._journal = journal
        self._told = RecordsTold()
        self.records: list[Record] = []

    def append(self, records: Sequence[Record]) -> None:
        """Write records down, keep them, and tell them to the log."""
        with timed("journal append", slow_seconds=SLOW_APPEND_SECONDS):
            self._journal.append(records)
        self.records += records
        self._told.tell(records)

    def __len__(self) -> int:
        return len(self._journal)

    @property
    def head(self) -> str:
        """The hash of the newest record."""
        return self._journal.head

    def lines(self) -> Iterator[bytes]:
        """Yield the journal's lines."""
        yield from self._journal.lines()
