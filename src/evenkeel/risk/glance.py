"""At a glance: whether an order is far inside the limits of a card.

Most orders are. Floating point sees that at once, and where it says yes with a margin that covers
every rounding, the rules of `risk/rules.py` would all say yes exactly. It never says no: what is not
far inside, or not to be seen at a glance, goes before the rules one by one. (A floating-point filter,
as in S. Fortune and C. J. Van Wyk, "Efficient exact arithmetic for computational geometry", 1993.)

Of any order it sees whether the book carries it: the order counts in full, whatever it replaces or only
takes back. Of a plain market order also whether it passes by itself: that has no terms that could be
wrong, no price that could leave the collar, and replaces nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.domain.money import EXACT, ZERO
from evenkeel.domain.order import Side
from evenkeel.risk.case import reserve_price

if TYPE_CHECKING:
    from evenkeel.domain.order import Order
    from evenkeel.domain.portfolio import Glance
    from evenkeel.risk.limits import Limits

MARGIN = 1e-9
"""How far inside a limit, as a share of all the money involved; sums of doubles err by less."""

_SECOND = Decimal(10**9)  # in nanoseconds
_WHOLE = 2.0**53
_WORST = {"position_quantity_max", "gross_exposure_max", "net_exposure_max", "concentration_max"}
_BUY = Side.BUY


class Figures(Struct, frozen=True, gc=False):
    """The size of an order, in doubles.

    `unit` is the money of one unit of `quantity`; `most` the furthest position that the order could
    make and `own` what that is worth; `gross` the exposure in all instruments with it; `money` all
    that these were made of.
    """

    quantity: float
    unit: float
    most: float
    own: float
    gross: float
    equity: float
    money: float


class Card:
    """A limit card in floats."""

    def __init__(self, limits: Limits) -> None:
        """Read a card once."""
        self._age_ns = _nanoseconds(limits.price_age_max_seconds)
        self._multiple = float(limits.buying_power_multiple)
        self._gross = float(min(limits.gross_exposure_max, limits.net_exposure_max))
        self._concentration = float(limits.concentration_max)
        self._position = float(limits.position_quantity_max)
        self._more_than_multiple = bool(limits.bounding & _WORST)
        self._notional = float(limits.order_notional_max)
        self._quantity = float(limits.order_quantity_max)
        self._per_second = float(limits.orders_per_second_max)
        self._per_day = float(limits.orders_per_day_max)
        self._window_ns = _nanoseconds(limits.duplicate_window_seconds)
        self._open = float(limits.open_orders_max)

    def sees(self, order: Order, seen: Glance) -> tuple[bool, bool]:
        """Whether a plain order passes by itself, and whether the book carries it, or any other.

        Net exposure is never more than gross.
        """
        held, unit, plain, buys = seen.held, seen.unit, order.is_plain, order.side is _BUY
        try:
            quantity = float(order.quantity)
            if plain and seen.at_work is None:
                most = max(abs(held), abs(held + quantity if buys else held - quantity))
                own = money = most * unit
            else:
                reserve = unit * (float(reserve_price(order, seen.last)) / float(seen.last))
                most, own, money = _beside_others(seen, quantity, reserve, buys=buys)
            margin = MARGIN * (seen.beside + money + abs(seen.cash))
            carried = self._carries(most, own, seen.beside + own, seen.equity, margin)
            passes = (
                plain
                and carried
                and 0 <= seen.age <= self._age_ns
                and self._small(quantity, unit)
                and not order.quantity % seen.instrument.lot
                and seen.instrument.tradable
            )
        except (ArithmeticError, ValueError):  # not a number, or more digits than arithmetic has
            return False, False
        return passes, carried

    def far_inside(self, figures: Figures) -> bool:
        """Whether a plain order passes that nothing else could be said against than its size.

        It is of whole lots of something tradable, at a price of this moment, and the only order of
        its instrument. An order that is less in every figure (and has more equity) is inside too.
        """
        margin = MARGIN * figures.money
        return self._small(figures.quantity, figures.unit) and self._carries(
            figures.most, figures.own, figures.gross, figures.equity, margin
        )

    def keeps_pace(self, second: int, day: int, working: int, since: int) -> bool:
        """Whether an order comes neither too soon nor as one too many.

        With it so many are approved within a second and on its day, and work at once; `since` is how
        long ago the last one of its instrument was approved, in nanoseconds.
        """
        return (
            second <= self._per_second
            and day <= self._per_day
            and working <= self._open
            and (since > self._window_ns or not self._window_ns)
        )

    def _small(self, quantity: float, unit: float) -> bool:
        """Whether an order by itself is far below what one order may be."""
        padded = quantity + MARGIN * quantity
        return (
            unit > 0.0
            and 0.0 < quantity < _WHOLE
            and padded <= self._quantity
            and padded * unit + MARGIN * padded * unit <= self._notional
        )

    def _carries(self, most: float, own: float, gross: float, equity: float, margin: float) -> bool:
        """Whether the book carries an order, by more than `margin`."""
        gross, equity = gross + margin, equity - margin
        return gross <= self._multiple * equity and (
            not self._more_than_multiple
            or (
                gross <= self._gross
                and own + margin <= self._concentration * equity
                and most + MARGIN * abs(most) <= self._position
            )
        )


def _nanoseconds(seconds: Decimal) -> int:
    return int(EXACT.multiply(seconds, _SECOND))  # whatever context a card is read in


def _beside_others(
    seen: Glance, quantity: float, reserve: float, *, buys: bool
) -> tuple[float, float, float]:
    """Return the furthest position, its furthest value, and all the money that this was made of.

    As `extremes` in domain/portfolio.py has it. `reserve` is the money of one unit at the price at
    which the order is reserved.
    """
    now, held, unit = seen.at_work, seen.held, seen.unit
    buying = buying_value = selling = selling_value = 0.0
    covers = exits = False
    if now is not None:
        buying, buying_value = float(now.buying), float(now.buying_value)
        selling, selling_value = float(now.selling), float(now.selling_value)
        exits = now.held > ZERO and now.held >= now.selling
        covers = now.held < ZERO and now.held + now.buying <= ZERO
    if buys:
        buying, buying_value = buying + quantity, buying_value + quantity * reserve
    else:
        selling, selling_value = selling + quantity, selling_value + quantity * reserve
    value = held * unit
    high = value + max(buying_value, buying * unit)
    low = value - max(selling_value, selling * unit)
    # The side of the order counts in full, whether it only takes back what is held or not.
    if buys and exits:
        low = max(low, 0.0)
    if covers and not buys:
        high = min(high, 0.0)
    money = abs(value) + abs(high) + abs(low) + buying_value + selling_value
    # Padded by all that it was summed from: what is nearly covered errs by what covers it.
    most = (held + buying if buys else selling - held) + MARGIN * (abs(held) + buying + selling)
    return most, max(-low, high), money
