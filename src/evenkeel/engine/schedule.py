"""Which moment matters next. Paper and live go from bar to bar; a backtest jumps.

A moment matters to the outside when a bar completes on which the venue could do something, an
order could expire, or a corporate action takes effect. What strategies want to see lies between
those moments, and the core walks through it by itself. Early is allowed, late never.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from evenkeel.domain.tape import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.tape import Tape


class LooksAhead(Protocol):
    """A venue that knows, from bars to come, when it will next have something to say."""

    def next_event_at(self) -> int:
        """Return the closing time of that bar, `NEVER` when there is none."""
        ...


class Schedule:
    """The moments of a run, and the corporate actions that fall due at them."""

    def __init__(
        self, tape: Tape, actions: Iterable[CorporateAction], venue: LooksAhead | None
    ) -> None:
        """Go from bar to bar, or with a `venue` that looks ahead from event to event."""
        self._tape = tape
        self._actions = deque(sorted(actions, key=lambda action: action.at))
        self._venue = venue

    def next_at(self) -> int:
        """Return the next moment that matters, `NEVER` when the tape has run out."""
        if self._venue is None:
            return self._tape.next_at
        action_at = NEVER
        if self._actions:
            action_at = self._tape.first_bar_after(max(self._actions[0].at, self._tape.now))
        return min(self._venue.next_event_at(), action_at)

    def actions_due(self) -> Iterable[CorporateAction]:
        """Yield, once each, the corporate actions that took effect before the bar just shown."""
        while self._actions and self._actions[0].at < self._tape.now:
            yield self._actions.popleft()
