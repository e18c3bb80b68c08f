"""What companies do while a run on live prices is under way: each action once, whoever tells it.

Sources tell the same again and again, and two of them tell it in two ways. What was told first
holds, for it may have been acted on; what differs from it later is said aloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.instrument_events import CashDividend, Split, StockDividend
from evenkeel.market.adjust import as_paid
from evenkeel.market.columns import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenkeel.domain.events import CorporateAction
    from evenkeel.market.provider import Answer

SAME_SPLIT = 7 * DAY
"""Nobody splits twice in a week: the same ratio on another day is the same split, dated otherwise."""

ROUNDING = 0.001
"""As a share of a dividend: what is left of it after a source has divided by a split and rounded."""


class ActionsTold:
    """The corporate actions of a run, in order of their coming. `trouble` hears what contradicts."""

    def __init__(self, trouble: Callable[[str], None]) -> None:
        """Begin without any."""
        self._trouble = trouble
        self._known: dict[tuple[str, str, int], tuple[CorporateAction, ...]] = {}
        self.all: list[CorporateAction] = []

    def take(self, answer: Answer[tuple[CorporateAction, ...]]) -> None:
        """Take in what a source has told; what was known already changes nothing."""
        told: dict[tuple[str, str, int], list[CorporateAction]] = {}
        for action in as_paid(answer.value, answer.origin.adjustment):
            told.setdefault((_kind(action), action.instrument, action.at), []).append(action)
        for key, actions in told.items():
            known = self._known.get(key) or self._same_split(actions)
            if known is None:
                self._known[key] = tuple(actions)
                self.all += actions
            elif not _agree(known, actions):
                self._trouble(
                    f"{answer.origin.source} tells of {_said(actions)}; what was told first holds: "
                    f"{_said(known)}"
                )

    def _same_split(self, actions: Sequence[CorporateAction]) -> tuple[CorporateAction, ...] | None:
        """Return the same split as it was told before with another date."""
        first = actions[0]
        if not isinstance(first, Split | StockDividend):
            return None
        for (kind, name, at), known in self._known.items():
            other = known[0]
            if (
                (kind, name) == (_kind(first), first.instrument)
                and abs(at - first.at) <= SAME_SPLIT
                and isinstance(other, Split | StockDividend)
                and _ratio(other) == _ratio(first)
            ):
                return known
        return None


def _kind(action: CorporateAction) -> str:
    return "Split" if isinstance(action, StockDividend) else type(action).__name__


def _ratio(split: Split | StockDividend) -> float:
    return float(split.new / split.old)


def _agree(known: Sequence[CorporateAction], told: Sequence[CorporateAction]) -> bool:
    if known[0].at != told[0].at:
        return False
    paid, also = (
        [float(each.amount) for each in some if isinstance(each, CashDividend)]
        for some in (known, told)
    )
    if paid and also:
        return abs(sum(paid) - sum(also)) <= ROUNDING * sum(paid)
    ratios, others = (
        [_ratio(each) for each in some if isinstance(each, Split | StockDividend)]
        for some in (known, told)
    )
    return ratios == others if ratios else list(known) == list(told)


def _said(actions: Sequence[CorporateAction]) -> str:
    return ", ".join(map(str, actions))
