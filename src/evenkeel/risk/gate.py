"""The gate. Nothing but this makes an `Approved`, and a broker takes nothing else.

The caller holds the `EXACT` decimal context. A rule that cannot compute its answer refuses.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.risk.case import Case
from evenkeel.risk.glance import Card, Figures
from evenkeel.risk.limits import UNITS
from evenkeel.risk.rules import (
    ALONE,
    PACE,
    RULES,
    WORST,
    Check,
    Measured,
    Rule,
    instrument_is_not_quarantined,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from evenkeel.domain.order import Order
    from evenkeel.domain.portfolio import Portfolio
    from evenkeel.risk.limits import Limits

_Asked: TypeAlias = tuple[Reason, Rule]
_RULES_OF_A_FIELD = {reason for reason in Reason if reason.value in UNITS}
_NOT_COMPUTABLE: Measured = ("a computable number", "not computable", False)


class Permit:
    """Leave to write the approvals of certain orders, when somebody wants to read them."""

    def __init__(self, numbers: range) -> None:
        """Give leave for orders of these numbers; the gate alone does that."""
        self._numbers = numbers

    def approved(self, order: Order, at: int, last: Decimal) -> Approved:
        """Return the approval of an order that passed at `at`, when the price was `last`.

        ValueError for any other order.
        """
        if order.id not in self._numbers:
            raise ValueError(f"the gate has not let order {order.id} pass")
        return Approved(order, at, last)


class Gate:
    """One limit card at work."""

    def __init__(self, limits: Limits) -> None:
        """Stand guard with a card."""
        self._limits = limits
        self._card = Card(limits)
        self.keeps_pace = self._card.keeps_pace
        self._let = 0  # orders without a permit yet
        self._rules = _left_to_ask(limits.bounding)

    @property
    def paces(self) -> bool:
        """Whether the card limits how many orders there may be, how fast, or how alike."""
        return bool(self._rules[True, True])

    def lets(self, figures: Figures, orders: int = 1) -> bool:
        """Whether so many plain orders of no more than that pass at a glance (`Card.far_inside`).

        Their approvals are written later, by a `permit`. Of no orders it is a mere question.
        """
        passes = self._card.far_inside(figures)
        if passes:
            self._let += orders
        return passes

    def permit(self, numbers: range) -> Permit:
        """Give leave to write the approvals of orders that `lets` let pass.

        ValueError where these are more than have passed and have no permit yet.
        """
        if len(numbers) > self._let:
            raise ValueError(f"the gate has let {self._let} orders pass, not {len(numbers)}")
        self._let -= len(numbers)
        return Permit(numbers)

    def review(self, order: Order, portfolio: Portfolio) -> Approved | Refused:
        """Say whether an order may be sent; the first rule that fails names the refusal.

        `Approved.reserve_price` is what the caller must count for the order from this moment on.
        """
        seen = portfolio.glance(order.instrument)
        answers = (False, False) if seen is None else self._card.sees(order, seen)
        rules, reason = self._rules[answers], Reason.HALTED
        if not rules and seen is not None:
            return Approved(order, portfolio.now, seen.last)
        case = Case(order, portfolio)
        try:
            for reason, rule in rules:
                limit, observed, ok = rule(case, self._limits)
                if not ok:
                    return _refused(case, self._limits, reason, (limit, observed, ok))
        except ArithmeticError:  # NaN compared, more digits than the context holds, overflow
            limit, observed, _ = _NOT_COMPUTABLE
            return Refused(order, portfolio.now, reason, limit, observed)
        return Approved(order, portfolio.now, case.reserve_price)


def explain(order: Order, portfolio: Portfolio, limits: Limits) -> list[Check]:
    """Return what every rule says, in their order; the first that is not ok is the refusal."""
    checks, case = [], Case(order, portfolio)
    for reason, rule in RULES:
        try:
            measured = rule(case, limits)
        except ArithmeticError:
            measured = _NOT_COMPUTABLE
        checks.append(Check(reason, *measured))
    return checks


def _refused(case: Case, limits: Limits, reason: Reason, measured: Measured) -> Refused:
    """Refuse; what is not tradable because of its data is refused for its data."""
    if reason is Reason.INSTRUMENT_NOT_TRADABLE:
        said = instrument_is_not_quarantined(case, limits)
        if not said[2]:
            reason, measured = Reason.INSTRUMENT_QUARANTINED, said
    limit, observed, _ = measured
    return Refused(case.order, case.portfolio.now, reason, limit, observed)


@cache  # a sweep has a thousand gates and one card
def _left_to_ask(fields: frozenset[str]) -> Mapping[tuple[bool, bool], tuple[_Asked, ...]]:
    """Return the rules that are left to ask when a glance says yes to the one, to the other.

    Those that could refuse: all but those whose field of the card bounds nothing. What is
    quarantined is not tradable: who passes the one has passed the other, and is not asked.
    """
    alone, worst, pace = (
        tuple(
            (reason, rule)
            for reason, rule in rules
            if reason.value in fields
            or (reason not in _RULES_OF_A_FIELD and rule is not instrument_is_not_quarantined)
        )
        for rules in (ALONE, WORST, PACE)
    )
    return {
        (False, False): (*alone, *worst, *pace),
        (False, True): (*alone, *pace),
        (True, True): pace,
    }
