"""The histories that a day under way makes of its updates (`market/live.py`).

Partial bars stand beside the histories and never in them. Histories grow as traded: bars that a source
has divided by a split of these days are multiplied back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from evenkeel.domain.errors import DataError
from evenkeel.domain.instrument import NO_MARKET
from evenkeel.domain.instrument_events import Split, StockDividend
from evenkeel.market.actions import ex_day
from evenkeel.market.adjust import as_traded, split_steps
from evenkeel.market.fetched import judged
from evenkeel.market.history import SECOND
from evenkeel.market.joining import JoinRefusedError, joined, picked
from evenkeel.market.live import Update, next_close
from evenkeel.market.live_actions import ActionsTold
from evenkeel.market.provider import (
    Adjustment,
    Answer,
    Fetched,
    interval_ns,
)
from evenkeel.ops.logging import log_of
from evenkeel.ops.metrics import count, gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenkeel.domain.bar import Bars
    from evenkeel.domain.events import CorporateAction
    from evenkeel.market.provider import PartialBar

STALE_ROUNDS = 3
"""After how many intervals without the bar that was due an instrument is stale."""

STEP = 1.4
"""What a share opens at, times or divided by its last close, that may well be a split …"""

LISTED_WITHIN = 1_200 * SECOND
"""… for as long after the open as it may take a source to list it; less than `ASKED_BACK` minutes."""

_LOG = log_of("market.live")


class Histories:
    """The bars of a day that is under way: histories grow, partial bars stand beside them.

    `trouble` hears, in a sentence, of every instrument that fails to grow.
    """

    def __init__(self, trouble: Callable[[str], None] = lambda _: None) -> None:
        """Begin without any; the first update brings the histories."""
        self._trouble = trouble
        self._known: dict[str, Fetched] = {}
        self._bars: dict[str, Bars] = {}
        self._missed: dict[str, int] = {}
        self._begun: dict[str, tuple[int, Adjustment]] = {}  # the last close then, and its scale
        self._actions = ActionsTold(trouble)
        self._handed_out = 0
        self.partial: dict[str, PartialBar | None] = {}

    @property
    def stale(self) -> list[str]:
        """The instruments that have missed three bars or more."""
        return [name for name, missed in self._missed.items() if missed >= STALE_ROUNDS]

    def bars(self) -> list[Bars]:
        """Return every instrument's history, in the order in which they came first."""
        return list(self._bars.values())

    def known(self, instrument_id: str) -> Fetched:
        """Return an instrument's history with the source of each bar."""
        return self._known[instrument_id]

    def take(self, update: Update) -> bool:
        """Take a round in; return whether any history has grown."""
        for failure in update.failures:
            self._trouble(failure)
        for told in update.actions:
            self._actions.take(told)
        grown = [self._take(answer, update.at) for answer in update.answers]
        if update.due:
            self._watch(update)
        return any(grown)

    def news(self) -> list[CorporateAction]:
        """Return what companies did since these histories began that was not returned before.

        What the first histories have behind them is no news, but for splits that they were not
        divided by.
        """
        new = self._actions.all[self._handed_out :]
        self._handed_out += len(new)
        return [each for each in new if self._concerns(each)]

    def _concerns(self, action: CorporateAction) -> bool:
        until, scale = self._begun.get(action.instrument, (0, Adjustment.AS_TRADED))
        split = isinstance(action, Split | StockDividend)
        return action.at >= until or (split and scale is Adjustment.AS_TRADED)

    def too_old(self, update: Update) -> int:
        """Return up to which close bars were stale already when an update brought them."""
        lengths = [interval_ns(each.interval) for each in self._known.values()]
        return update.at - STALE_ROUNDS * max(lengths)

    def _take(self, answer: Answer[Fetched], at: int) -> bool:
        found = answer.value
        name = found.instrument.id
        if answer.origin.stale:
            self._trouble(f"{name}: {answer.origin.lacks}")
            return False
        self.partial[name] = found.partial
        known = self._known.get(name)
        try:
            whole = found if known is None else self._joined(known, found)
            if known is not None:
                if len(whole) == len(known):
                    return False
                self._refuse_unexplained(known, whole, at)
            self._bars[name] = judged(whole)
        except DataError as error:
            self._trouble(str(error))
            return False
        self._known[name] = whole
        if name not in self._begun:
            last = int(self._bars[name].closed_at[-1])
            self._begun[name] = last, found.sources[-1].adjustment
        self._missed[name] = 0
        return True

    def _joined(self, known: Fetched, found: Fetched) -> Fetched:
        """Return a history with what follows it, on the scales of the days on which it was traded.

        A source that has divided by a split of these days is the one that agrees when multiplied
        back; one that has not yet is the one that agrees as it is.
        """
        mine = [
            each
            for each in self._actions.all
            if each.instrument == found.instrument.id and self._concerns(each)
        ]
        steps = split_steps(mine, found.instrument.mic, daily=found.interval == "1d")
        if steps and found.sources[-1].adjustment is Adjustment.SPLIT:
            try:
                return joined(known, _at_the_end(known, _multiplied_back(found, steps)))
            except JoinRefusedError:
                pass
        return joined(known, _at_the_end(known, found))

    def _refuse_unexplained(self, known: Fetched, whole: Fetched, at: int) -> None:
        """Raise `DataError` while a step over night may be a split that nobody has listed yet.

        Afterwards it is what it looks like: a true fall is traded on, some minutes late.
        """
        name, mic, table = whole.instrument.id, whole.instrument.mic, whole.table
        before, began = (int(table.wall[len(known) - back]) for back in (1, 0))
        if mic == NO_MARKET or at - began > LISTED_WITHIN:
            return
        if ex_day(before, mic) == ex_day(began, mic):
            return
        step = float(table.prices["open"][len(known)] / table.prices["close"][len(known) - 1])
        for split in self._actions.all:
            if isinstance(split, Split | StockDividend) and split.instrument == name:
                step *= float(split.new / split.old) if before < split.at <= began else 1
        if not 1 / STEP < step < STEP:
            raise DataError(
                f"{name} opens at {step:.3g} of its last close and nobody has listed a split; it "
                f"waits for one until {LISTED_WITHIN // (60 * SECOND)} minutes after the open"
            )

    def _watch(self, update: Update) -> None:
        """Count who did not have the bar that was due, and say when that becomes too often."""
        for name, bars in self._bars.items():
            last = int(bars.closed_at[-1])
            gauge("last_bar_age_seconds", (update.at - last) / SECOND, instrument=name)
            if (
                next_close(bars.instrument, self._known[name].interval, update.due - 1)
                != update.due
            ):
                continue  # its market was closed
            missed = 0 if last >= update.due else self._missed.get(name, 0) + 1
            if missed == STALE_ROUNDS:
                count("stale_instruments")
                _LOG.warning("stale", instrument=name, intervals=missed)
                self._trouble(f"{name} is stale: its last {missed} bars did not come")
            self._missed[name] = missed


def _multiplied_back(found: Fetched, steps: Sequence[tuple[int, float]]) -> Fetched:
    """Return bars that were divided by splits as they were traded."""
    table = found.table
    prices = as_traded(dict(table.prices), table.wall, steps)
    volume = None
    if table.volume is not None:
        volume = as_traded({"volume": table.volume}, table.wall, steps)["volume"]
    return replace(found, table=replace(table, prices=prices, volume=volume))


def _at_the_end(known: Fetched, found: Fetched) -> Fetched:
    """Return what can be put behind a history: what was lived through does not get bars afterwards."""
    stamps, last = found.table.stamps, known.table.stamps[-1]
    fits = np.isin(stamps, known.table.stamps) | (stamps > last)
    return found if fits.all() else picked(found, np.flatnonzero(fits))
