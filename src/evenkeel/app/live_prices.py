"""Paper trading on prices as they come in, from providers or from the recording of such a day.

Both go the same way: an update is written down, then it is traded on. So a day that was recorded
gives the same journal when it is lived again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from evenkeel.app.paper import KeptJournal, journaled
from evenkeel.app.quarantine import apart
from evenkeel.domain.errors import DataError, UsageError
from evenkeel.domain.tape import Tape
from evenkeel.engine.run import run
from evenkeel.engine.schedule import Schedule
from evenkeel.market.live_histories import Histories
from evenkeel.ops.logging import log_of
from evenkeel.reports.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evenkeel.app.checkpoints import Checkpoints
    from evenkeel.app.setup import Request
    from evenkeel.domain.bar import Bars
    from evenkeel.domain.events import CorporateAction, Record
    from evenkeel.journal.log import Journal
    from evenkeel.market.live import Update

_LOG = log_of("app.live_prices")


def trade_live(
    updates: Iterator[Update],
    want: Callable[[list[Bars], list[CorporateAction]], Request],
    database: str,
    *,
    checkpoints: Checkpoints | None = None,
) -> Result:
    """Trade on updates until they end or somebody presses Ctrl-C; the result of what was traded.

    The first update brings the histories, what companies did, and who is in quarantine, of which
    `want` makes the request; what is in them is not traded on. With `checkpoints` they are signed as the journal grows. Raises `DataError` when
    an instrument has no history, `UsageError` when it trades in another currency than the account,
    and `ConfigError` under limits for research only.
    """
    histories = Histories(trouble=lambda said: _LOG.warning("trouble", said=said))
    first = next(updates)
    histories.take(first)
    begun = histories.bars()
    _refuse_without_history(first, begun)
    since = max(int(each.closed_at[-1]) for each in begun)
    wanted = replace(want(apart(begun, first.quarantine), histories.news()), since=since)
    result = journaled(
        wanted,
        database,
        lambda journal: play(wanted, histories, updates, journal),
        checkpoints=checkpoints,
    )
    bars = {each.instrument.id: from_there_on(each, since) for each in histories.bars()}
    return Result(
        journal=result.journal, records=result.records, bars=bars, manifest=result.manifest
    )


def play(
    wanted: Request, histories: Histories, updates: Iterator[Update], journal: Journal
) -> list[Record]:
    """Run a request on the histories that there are and on what updates add to them."""
    tape = Tape(wanted.bars)
    tape.advance(tape.last_at)
    kept = KeptJournal(journal)
    core = wanted.core(tape)
    schedule = Schedule(tape, wanted.actions)
    run(
        core,
        schedule,
        wanted.venue(tape),
        kept,
        _longer(histories, updates, tape, schedule),
        wanted.lender(core),
    )
    return kept.records


def _longer(
    histories: Histories, updates: Iterator[Update], tape: Tape, schedule: Schedule
) -> Iterator[list[Bars]]:
    try:
        for update in updates:
            grown = histories.take(update)
            schedule.add(histories.news())
            if grown:
                bars = histories.bars()
                tape.extend(bars)
                # What closed before now, or too long ago, is history: nothing is decided on it.
                tape.advance(max(tape.now, histories.too_old(update)))
                yield bars
    except KeyboardInterrupt:
        _LOG.info("stopped by hand")


def from_there_on(bars: Bars, since: int) -> Bars:
    """Return the bars from the last one that had closed by `since`."""
    return bars.between(max(0, int((bars.closed_at <= since).sum()) - 1), len(bars))


def lived_through(updates: Iterator[Update]) -> tuple[list[Bars], list[Bars]]:
    """Return the histories that a recorded day began with, and those that it ended with."""
    histories = Histories()
    histories.take(next(updates))
    begun = histories.bars()
    for update in updates:
        histories.take(update)
    return begun, histories.bars()


def _refuse_without_history(first: Update, begun: Sequence[Bars]) -> None:
    known = {each.instrument.id for each in begun}
    for answer in first.answers:
        name, currency = answer.value.instrument.id, answer.value.instrument.currency
        if answer.origin.currency != currency:
            raise UsageError(
                f"{answer.origin.source} has {name} in {answer.origin.currency} and the account is "
                f"in {currency}; conversion is not there yet, open the account in that currency"
            )
        if name not in known:
            raise DataError(
                f"{answer.origin.source} has {len(answer.value)} usable bars of {name}: a run on "
                "live prices begins with at least 2; give data.warm_up more or another provider"
            )
