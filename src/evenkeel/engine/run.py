"""The shell: write down what the core decided, then do it. In that order, always."""

from __future__ import annotations

from decimal import localcontext, setcontext
from typing import TYPE_CHECKING, cast

from evenkeel.domain.events import CancelRequested, Record
from evenkeel.domain.instrument_events import INSTRUMENT_EVENTS
from evenkeel.domain.money import EXACT
from evenkeel.domain.tape import NEVER
from evenkeel.domain.verdict import Approved
from evenkeel.engine.blotter import Blotter, foretells
from evenkeel.engine.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evenkeel.domain.bar import Bars
    from evenkeel.domain.instrument_events import InstrumentEvent
    from evenkeel.engine.core import Core
    from evenkeel.engine.lender import Lender
    from evenkeel.engine.schedule import Schedule
    from evenkeel.execution.broker import Broker
    from evenkeel.journal.log import Journal


def run(
    core: Core,
    schedule: Schedule,
    broker: Broker,
    journal: Journal,
    feed: Iterable[Sequence[Bars]] = (),
    lender: Lender | None = None,
) -> None:
    """Run a strategy over the tape, then over every longer history that `feed` brings."""
    shell = Shell(core, schedule, broker, journal, lender)
    with localcontext(EXACT):
        shell.carry(core.start())
        shell.play()
        for bars in feed:
            core.extend(bars)
            shell.play()
        core.reveal(max(core.tape.now, core.tape.last_at))
        for action in schedule.left():
            shell.carry(core.process(action))
        shell.carry(core.end())


_TOLD = frozenset(INSTRUMENT_EVENTS)
"""What a venue is told of, beside requests."""


class Shell:
    """The only place that acts."""

    def __init__(
        self,
        core: Core,
        schedule: Schedule,
        broker: Broker,
        journal: Journal,
        lender: Lender | None = None,
    ) -> None:
        """Stand between the core, which decides, and the world, which answers.

        Without a `lender` loans cost nothing here: a live venue charges for them itself.
        """
        self._core = core
        self._schedule = schedule
        self._broker = broker
        self._journal = journal
        self._lender = lender
        self._blotter: Blotter | None = None
        if schedule.jumps and foretells(broker) and Blotter.fits(core, broker):
            self._blotter = Blotter(core, broker, lent=lender is not None)
            core.desks = self._blotter.desks(core.desks)

    def play(self) -> None:
        """Go from moment to moment until the tape has run out."""
        core, schedule = self._core, self._schedule
        while True:
            moment = schedule.next_at()
            if records := core.advance(moment - 1) or self._handed_over(moment - 1):
                self.carry(records)
                continue  # an order is on its way: another moment may come first now
            if moment == NEVER:
                return
            self._reach(moment)
            while records := core.advance(moment):
                self.carry(records)

    def _handed_over(self, until: int) -> Sequence[Record]:
        """Return what stands on the blotter, part by part: something may happen after `until`."""
        if self._blotter is not None:
            self._blotter.hand_over(until)
        return self._core.decided()

    def _reach(self, moment: int) -> None:
        """Let time come to `moment`, and take in what has happened by then."""
        _work_exactly()
        core, lender, schedule = self._core, self._lender, self._schedule
        owes = lender is not None and lender.owes()
        due = schedule.due_by(moment)
        before = min([moment - 1, *due])
        if (due or owes) and before > core.tape.now:
            # What the venue did before (at a session's close) comes before what happens to
            # instruments now, and before the charges for the time since. Not so where somebody
            # tells of an action late: bars since then are to be met on the new scale.
            core.reveal(before)
            self._listen()
        if owes and lender is not None:
            core.reveal(moment - 1)
            for charge in lender.charges(moment):
                self._write_and_do(core.process(charge))
        core.reveal(moment)
        for action in schedule.actions_due():
            # The venue is told of all of them before it is heard: its bars are on the new scales.
            self._write_and_do(core.process(action))
        self._listen()
        if lender is not None:
            for event in lender.margin_events():
                self.carry(core.process(event))

    def carry(self, records: Sequence[Record]) -> None:
        """Write records down, carry them out, and take in what the venue says to it."""
        _work_exactly()
        self._journal.append(records)
        if not isinstance(records, Sheet):  # what a sheet says has been done
            self._do(records)
            self._listen()

    def _listen(self) -> None:
        """Take in what the venue says, and what it says to what comes of that."""
        process, broker, asked = self._core.process, self._broker, True
        while asked:
            asked = False
            for event in broker.events():
                if self._write_and_do(process(event)):
                    asked = True

    def _write_and_do(self, records: list[Record]) -> bool:
        """Write records down, then carry them out; whether the venue was asked for something."""
        _work_exactly()
        if not records:
            return False
        self._journal.append(records)
        return self._do(records)

    def _do(self, records: Sequence[Record]) -> bool:
        asked = False
        for record in records:
            if type(record) is Approved:
                self._broker.submit(record)
            elif type(record) is CancelRequested:
                self._broker.cancel(record.order_id)
            elif type(record) in _TOLD:
                self._broker.corporate_action(cast("InstrumentEvent", record))
            else:  # a fact: it is written down, and that is all
                continue
            asked = True
        return asked


def _work_exactly() -> None:
    """Go on in the context of `run`: a strategy that was just called may have changed it."""
    setcontext(EXACT.copy())
