"""One order under review, and what the rules ask about it: looked up once, the same for all.

Limits are read against the worst case: every working, in-flight and UNKNOWN order fills against
us, and the order under review does too. Four readings of the order itself serve all rules:

    reserve price   the highest of the last price and the order's own limit and stop, buy or sell
    standing        the order that this one replaces, or the first of its OCA group if both were
                    decided at one moment: together they fill no more than the larger of the two,
                    so this one adds only what goes beyond the other
    added           the quantity, and the money at the reserve price, that it adds to the worst case
    reducing        it can only bring the position nearer to zero. Then no limit on exposure holds
                    it back, wherever prices have gone: one must always be able to get out

Money is in the account's base currency. Arithmetic runs in the caller's `EXACT` context; where it
raises, the gate refuses.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from evenkeel.domain.money import ONE, ZERO
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.domain.portfolio import (
    NO_PRICE,
    Exposure,
    Extremes,
    Portfolio,
    Reading,
    extremes,
    furthest,
)

if TYPE_CHECKING:
    from evenkeel.domain.instrument import Instrument

UNKNOWN = "unknown instrument"

_BUY = Side.BUY


class Case:
    """One order before the gate, with its instrument, the last price and what is held of it.

    What a rule may need and most do not (exposures) is computed when the first one asks.
    """

    __slots__ = ("_exposure", "_extremes", "_reading", "instrument", "last", "order", "portfolio")

    def __init__(self, order: Order, portfolio: Portfolio) -> None:
        """Look up what nearly every rule asks."""
        name = order.instrument
        self.order = order
        self.portfolio = portfolio
        self.instrument: Instrument | None = portfolio.instrument(name)
        self.last: Decimal | None = portfolio.price(name)
        self._reading: Reading | None = None
        self._extremes: Extremes | str | None = None
        self._exposure: Exposure | str | None = None

    @property
    def reading(self) -> Reading:
        """What is held of the order's instrument, and what could still become of that."""
        if self._reading is None:
            self._reading = self.portfolio.reading(self.order.instrument)
        return self._reading

    @property
    def extremes(self) -> Extremes | str:
        """The lowest and highest value of the order's instrument, should it be approved.

        Text instead says what is missing to compute it; so in `exposure`.
        """
        if self._extremes is None:
            self._extremes = self._find_extremes()
        return self._extremes

    @property
    def exposure(self) -> Exposure | str:
        """Gross exposure and the lowest and highest net exposure, should it be approved."""
        if self._exposure is None:
            self._exposure = self._find_exposure()
        return self._exposure

    @property
    def reserve_price(self) -> Decimal:
        """`reserve_price` of the order at the last price, which must be known."""
        assert self.last is not None, self.order  # a rule has refused an order without a price
        return reserve_price(self.order, self.last)

    @property
    def added_quantity(self) -> Decimal:
        """The quantity that the order adds to the worst case of its side."""
        standing = self._standing()
        if standing is None:
            return self.order.quantity
        return max(ZERO, self.order.quantity - standing[1])

    @property
    def reduces_risk(self) -> bool:
        """Whether the order can only bring the position nearer to zero.

        A sell that leaves even the worst case long or flat (a buy: short or flat) does, and so
        does the only exit of an order that has brought nothing yet: it comes to life with what that
        brings, and takes back no more.
        """
        reading, added = self.reading, self.added_quantity
        if self.order.side is _BUY:
            reduces = reading.worst_long + added <= ZERO
        else:
            reduces = reading.worst_short - added >= ZERO
        return reduces or self._protects_parent(added)

    def _find_extremes(self) -> Extremes | str:
        order, last, instrument, now = self.order, self.last, self.instrument, self.reading
        if instrument is None:
            return f"{UNKNOWN} {order.instrument}"
        if last is None:
            return f"{NO_PRICE} of {order.instrument}"
        multiplier = instrument.multiplier
        unit = last if multiplier is ONE else last * multiplier
        reserve = reserve_price(order, last)
        per_unit = unit if reserve is last else reserve * multiplier
        if order.replaces is None and order.oca_group is None:  # it stands beside no other
            quantity, value = order.quantity, order.quantity * per_unit
        else:
            quantity, value = self._added(per_unit, multiplier)
        if order.side is _BUY:
            buying, buying_value = now.buying + quantity, now.buying_value + value
            return extremes(now.held, buying, buying_value, now.selling, now.selling_value, unit)
        selling, selling_value = now.selling + quantity, now.selling_value + value
        return extremes(now.held, now.buying, now.buying_value, selling, selling_value, unit)

    def _find_exposure(self) -> Exposure | str:
        own = self.extremes
        if isinstance(own, str):
            return own
        beside = self.portfolio.exposure_beside(self.order.instrument)
        if isinstance(beside, str):
            return beside
        low, high = own
        gross, lowest, highest = beside
        return gross + furthest(low, high), lowest + low, highest + high

    def _standing(self) -> tuple[Order, Decimal] | None:
        """Return the working order whose reservation covers this one too, and what it could fill."""
        order = self.order
        other = order.oca_group if order.replaces is None else order.replaces
        if other is None:
            return None
        found = self.portfolio.working(other)
        if found is None or not same_claim(found[0], order):
            return None
        # A leg that joins its group later may find, when it arrives, that the group just filled.
        joins_later = order.replaces is None and found[0].created_at != order.created_at
        return None if joins_later else found

    def _added(self, unit: Decimal, multiplier: Decimal) -> tuple[Decimal, Decimal]:
        """Return what the order adds to the worst case: quantity, and money at `unit` each.

        Beside a standing order each is what goes beyond it.
        """
        quantity = self.order.quantity
        standing = self._standing()
        if standing is None:
            return quantity, quantity * unit
        leaves = standing[1]
        # Unknown: it covers no money.
        reserved = self.portfolio.reserve_price(standing[0].id) or ZERO
        return (
            max(ZERO, quantity - leaves),
            max(ZERO, quantity * unit - leaves * reserved * multiplier),
        )

    def _protects_parent(self, added: Decimal) -> bool:
        order, portfolio = self.order, self.portfolio
        found = None if order.parent is None else portfolio.working(order.parent)
        if found is None:
            return False
        parent, leaves = found
        if not order.exits(parent) or leaves != parent.quantity or parent.replaces is not None:
            return False
        exits = portfolio.exits(parent.id)
        return exits + added <= min(max(order.quantity, exits), leaves)


def reserve_price(order: Order, last: Decimal) -> Decimal:
    """Return the highest of the last price and the order's own limit and stop.

        MARKET          last; so on open and on close
        LIMIT           last or limit: a buy pays up to its limit, a sell is short from its limit;
                        so on close
        STOP            last or stop: a buy triggers there or above; a sell at or below, so last
        STOP_LIMIT      last, stop or limit
        TRAILING_STOP   last or stop: where the trail starts; a buy's only falls from there. One
                        that has no start yet: as if it started at the last price

    Highest for a sell too: what a short owes grows with the price. Never below last, at which a
    position is marked as soon as it is filled.
    """
    worst, limit, stop = last, order.limit_price, order.stop_price
    if limit is not None and limit > worst:
        worst = limit
    if stop is not None and stop > worst:
        worst = stop
    if order.type is OrderType.TRAILING_STOP and stop is None and order.side is Side.BUY:
        worst = last + (order.trail_amount or last * (order.trail_percent or ZERO) / 100)
    return worst


def same_claim(one: Order, other: Order) -> bool:
    """Whether two orders can share one reservation: they differ in quantity and prices only."""
    return (
        one.instrument == other.instrument
        and one.side is other.side
        and one.parent == other.parent
        and one.oca_group == other.oca_group
    )
