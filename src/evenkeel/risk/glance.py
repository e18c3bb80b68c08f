"""At a glance: whether a plain market order is far inside every limit of a card.

Most orders are. Floating point sees that at once, and where it says yes with a margin that covers
every rounding, the rules of `risk/rules.py` would all say yes exactly. It never says no: what is
not plain, not far inside, or not to be seen at a glance goes before the rules one by one. (A
floating-point filter, as in S. Fortune and C. J. Van Wyk, "Efficient exact arithmetic for
computational geometry", 1993.)

What is left out for a plain market order without others at work in its instrument: it has no
terms that could be wrong and no price that could leave the collar; net exposure is never more than
gross; and what is held plus the order is the worst that can become of the instrument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.order import Side
from evenkeel.risk.case import Case
from evenkeel.risk.rules import PACE

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.domain.order import Order
    from evenkeel.domain.portfolio import Portfolio
    from evenkeel.risk.limits import Limits

MARGIN = 1e-9
"""How far inside a limit, as a share of all the money involved; sums of doubles err by less."""

_WHOLE = 2.0**53
_SIZES = {
    "order_quantity_max",
    "order_notional_max",
    "position_quantity_max",
    "gross_exposure_max",
    "net_exposure_max",
    "concentration_max",
}
_BUY = Side.BUY


class Card:
    """A limit card in floats, and the rules of it that are asked as they are: those of the pace."""

    def __init__(self, limits: Limits) -> None:
        """Read a card once."""
        self._limits = limits
        self._age_ns = int(limits.price_age_max_seconds * 10**9)
        self._multiple = float(limits.buying_power_multiple)
        self._gross = float(min(limits.gross_exposure_max, limits.net_exposure_max))
        self._concentration = float(limits.concentration_max)
        self._notional = float(limits.order_notional_max)
        self._position = float(limits.position_quantity_max)
        self._quantity = float(limits.order_quantity_max)
        self._bounds_size = bool(limits.bounding & _SIZES)
        self._pace = tuple(rule for reason, rule in PACE if reason.value in limits.bounding)

    def allows(self, order: Order, portfolio: Portfolio) -> Decimal | None:
        """Return the reserve price of a plain order that is far inside every limit, else None."""
        seen = portfolio.glance(order.instrument)
        if seen is None:
            return None
        instrument, last, age, unit, held, beside, equity, cash = seen
        ordered = order.quantity
        try:
            quantity = float(ordered)
            if not 0.0 < quantity < _WHOLE or ordered % instrument.lot:
                return None
        except (ArithmeticError, ValueError):  # not a number, or more digits than arithmetic has
            return None
        after = held + quantity if order.side is _BUY else held - quantity
        most = max(abs(held), abs(after))
        own = most * unit
        margin = MARGIN * (beside + own + abs(cash))
        gross, sound_equity = beside + own + margin, equity - margin
        if not (
            gross <= self._multiple * sound_equity
            and 0 <= age <= self._age_ns
            and unit > 0.0
            and instrument.tradable
        ):
            return None
        if self._bounds_size and not (
            gross <= self._gross
            and own + margin <= self._concentration * sound_equity
            and quantity * unit + margin <= self._notional
            and most + MARGIN * most <= self._position
            and quantity + MARGIN * quantity <= self._quantity
        ):
            return None
        if self._pace:
            case = Case(order, portfolio)
            for rule in self._pace:
                if not rule(case, self._limits)[2]:
                    return None
        return last
