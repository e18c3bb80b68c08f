"""Which moment matters next. Paper and live go from bar to bar; a backtest jumps.

A moment matters to the outside when a bar completes on which the venue could do something, an
order could expire, a loan is charged for, the margin may not be kept, or a corporate action takes
effect. What strategies want to see lies between those moments, and the core walks through it by
itself. Early is allowed, late never.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

from evenkeel.domain.instrument_events import Delisted, Merged, SymbolChanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.tape import Tape


ENDS = (Delisted, Merged, SymbolChanged)
"""After these an instrument has no bars."""

WEEK = 7 * 86_400 * 10**9


class LooksAhead(Protocol):
    """Somebody who knows, from bars to come, when he will next have something to say."""

    def next_event_at(self) -> int:
        """Return the closing time of that bar, `NEVER` when there is none."""
        ...


class Schedule:
    """The moments of a run, and the corporate actions that fall due at them.

    A split or dividend takes effect with the first bar of its instrument that closes after it:
    before that there is no price on the new scale, and nothing that could trade. What ends an
    instrument's trading takes effect with the first bar of any, for it will have none of its own.
    """

    def __init__(
        self, tape: Tape, actions: Iterable[CorporateAction], ahead: Sequence[LooksAhead] = ()
    ) -> None:
        """Go from bar to bar; from event to event when everybody who can cause one looks `ahead`."""
        self._tape = tape
        self._actions = sorted(actions, key=lambda action: action.at)
        self._ahead = ahead

    @property
    def jumps(self) -> bool:
        """Whether the bars to come are known, and time goes from event to event."""
        return bool(self._ahead)

    def add(self, actions: Iterable[CorporateAction]) -> None:
        """Take in corporate actions that have become known while the run is under way."""
        self._actions = sorted([*self._actions, *actions], key=lambda action: action.at)

    def next_at(self) -> int:
        """Return the next moment that matters, `NEVER` when the tape has run out."""
        if not self._ahead:
            return self._tape.next_at
        moments = [self._effective_at(each) for each in self._actions]
        return min([*(each.next_event_at() for each in self._ahead), *moments])

    def due_by(self, moment: int) -> list[int]:
        """Return when that was, of all actions that take effect with a bar up to `moment`."""
        past = takewhile(lambda each: each.at < moment, self._actions)
        return [each.at for each in past if self._effective_at(each) <= moment]

    def actions_due(self) -> list[CorporateAction]:
        """Return, once each, the corporate actions that come before the bars just shown."""
        if not self._actions:
            return []
        ended = {each.instrument: each.at for each in self._actions if self._ends(each)}
        due = [
            each
            for each in self._actions
            if self._in_effect(each) or each.at <= ended.get(each.instrument, -1)
        ]
        for action in due:
            self._actions.remove(action)
        return due

    def left(self) -> list[CorporateAction]:
        """Return what ends an instrument's trading within a week after the last bar of all."""
        last = self._tape.last_at + WEEK
        return [each for each in self._actions if isinstance(each, ENDS) and each.at <= last]

    def _effective_at(self, action: CorporateAction) -> int:
        if not isinstance(action, ENDS):
            return self._tape.first_bar_after(action.instrument, action.at)
        return min(self._tape.first_bar_after(name, action.at) for name in self._tape.bars)

    def _ends(self, action: CorporateAction) -> bool:
        """Whether an instrument's trading has ended: what came before counts with it."""
        return isinstance(action, ENDS) and self._shown_at() > action.at

    def _in_effect(self, action: CorporateAction) -> bool:
        shown_at = self._tape.price_at(action.instrument)
        return shown_at is not None and shown_at > action.at

    def _shown_at(self) -> int:
        """When the newest visible bar of any instrument closed."""
        cursors = self._tape.cursors
        return max((each.times[each.index] for each in cursors if each.index >= 0), default=-1)
