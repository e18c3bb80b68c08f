"""What one bar offers one order: a price before slippage, or nothing.

Offers are compared by what a fill is worth at the bar's close: the best reading of a bar against
the one that was taken is what its ambiguity could be worth.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from evenkeel.domain.money import ZERO, exact
from evenkeel.domain.order import OrderType
from evenkeel.execution import fill_model
from evenkeel.execution.fill_model import Prices
from evenkeel.execution.resting import Resting

_MARKET, _LIMIT, _STOP_LIMIT = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT
_ON_OPEN, _LIMIT_ON_CLOSE = OrderType.MARKET_ON_OPEN, OrderType.LIMIT_ON_CLOSE


class Offer(NamedTuple):
    """A price before slippage for an order, and whether it was the bar's open."""

    leg: Resting
    price: Decimal
    at_open: bool

    def worth(self, bar: Prices) -> Decimal:
        """Return what a fill is worth per unit at the bar's close, against not having filled."""
        return worth(self.leg, self.price, bar.close)


def worth(leg: Resting, price: Decimal, close: float) -> Decimal:
    """Return what filling at `price` is worth per unit at the bar's close."""
    gained = exact(close) - price
    return gained if leg.buy else -gained


def offer(leg: Resting, bar: Prices, index: int, *, through: bool) -> Offer | None:
    """Return what the bar offers; a stop that it reaches works on as market or limit."""
    if leg.woken_in == index:
        return _offer_when_woken(leg, bar)
    if leg.type is _MARKET:
        return Offer(leg, exact(bar.open), at_open=True)
    if leg.type is _LIMIT:
        at_open = _allows(leg, bar.open, through=through)
        if leg.once:
            return _own_price(leg, bar.open, at_open=True) if at_open else None
        price = fill_model.limit(bar, leg.limit_level, buy=leg.buy, through=through)
        return _own_price(leg, price, at_open=at_open)
    if leg.type is _STOP_LIMIT:
        beyond = bar.open >= leg.stop_level if leg.buy else bar.open <= leg.stop_level
        hit, price = fill_model.stop_limit(
            bar, leg.stop_level, leg.limit_level, buy=leg.buy, through=through
        )
        if hit:
            leg.type = _LIMIT
        return _own_price(leg, price, at_open=beyond and _allows(leg, bar.open, through=through))
    if leg.type is _ON_OPEN:
        return Offer(leg, exact(bar.open), at_open=True)
    stands = leg.stands
    level = float(stands)
    price = fill_model.stop(bar, level, buy=leg.buy)
    if price is None:
        return None
    leg.type = _MARKET
    return Offer(leg, stands if price == level else exact(price), price == bar.open)


def _offer_when_woken(leg: Resting, bar: Prices) -> Offer | None:
    """Return what is left of a bar for a child whose parent filled inside it."""
    if leg.stop is None:  # what was at the market waits, and a limit may have been touched before
        return None
    stands = leg.stands
    level = float(stands)
    if not (bar.high >= level if leg.buy else bar.low <= level):
        return None
    if leg.type is _STOP_LIMIT:
        leg.type = _LIMIT
        return None
    leg.type = _MARKET
    worse = max if leg.buy else min
    return Offer(leg, worse(stands, leg.woken_at_price), at_open=False)


def offer_at_close(leg: Resting, close: float, *, through: bool) -> Offer | None:
    """Return what a session's close offers an order that waited for it."""
    limited = leg.type is _LIMIT_ON_CLOSE
    if limited and not _allows(leg, close, through=through):
        return None
    leg.type = _LIMIT if limited else _MARKET
    return _own_price(leg, close, at_open=False)


def _allows(leg: Resting, price: float, *, through: bool) -> bool:
    return fill_model.limit_at(price, leg.limit_level, buy=leg.buy, through=through)


def _own_price(leg: Resting, price: float | None, *, at_open: bool) -> Offer | None:
    """Return a limit's offer; the order's own prices are given back as they were written."""
    if price is None:
        return None
    for own in (leg.limit, leg.stop):
        if own is not None and float(own) == price:
            return Offer(leg, own, at_open)
    return Offer(leg, exact(price), at_open)


def best_among(
    chosen: Offer, legs: list[Resting], offers: list[Offer], bar: Prices, index: int
) -> Decimal | None:
    """Return the worth of the kindest reading of a bar that touched several legs of a group."""
    others = [each.worth(bar) for each in offers if each is not chosen]
    others += [
        # What a limit was worth that the bar touched, but perhaps before it lived.
        worth(leg, leg.limit, bar.close)
        for leg in legs
        if leg is not chosen.leg
        and leg.type is _LIMIT
        and not leg.once
        and leg.woken_in == index
        and leg.limit is not None
        and bar.low <= leg.limit_level <= bar.high
    ]
    alone = left_alone(chosen, index)
    return max([*others, *([] if alone is None else [alone])], default=None)


def left_alone(chosen: Offer, index: int) -> Decimal | None:
    """Return what it is worth that the order did not fill (nothing), where that could be so.

    A child's stop that the bar touched may have been touched before the parent filled: unless
    the bar had to pass the parent on the way, or closed beyond the stop.
    """
    leg = chosen.leg
    if leg.woken_in != index or leg.woken_for_sure or chosen.at_open:
        return None
    return ZERO
