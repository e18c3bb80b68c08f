"""What a Backtrader order means in our words. What we cannot do is refused in one sentence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import backtrader as bt

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.money import exact, text
from evenkeel.lab.backtrader.feed import feed_under


def terms_of(order: Any, now: int) -> dict[str, Any]:
    """Return the options of our order verbs that say what a Backtrader order says at `now`."""
    kind, prices = bt.Order, order.created
    terms: dict[str, Any]
    match order.exectype:
        case kind.Market:
            return {}  # it fills with the next bar, whatever it is valid for
        case kind.Close:
            return {"on": "close"}
        case kind.Limit:
            terms = {"limit": prices.price}
        case kind.Stop:
            terms = {"stop": prices.price}
        case kind.StopLimit:
            terms = {"stop": prices.price, "limit": prices.pricelimit}
        case kind.StopTrail:
            terms = _trail(order)
        case _:
            raise StrategyError(
                f"orders of the type {order.getordername()} cannot be simulated; there are Market, "
                "Close, Limit, Stop, StopLimit and StopTrail"
            )
    return terms | _valid(order, now)


def _trail(order: Any) -> dict[str, Any]:
    """Return where a trail starts, when the author said so, and how far it stays behind."""
    amount, share = order.trailamount, order.trailpercent
    if not amount and not share:
        raise StrategyError("a StopTrail needs its trailamount or its trailpercent")
    trail = exact(float(amount)) if amount else f"{text(exact(float(share)) * 100)}%"
    if order.p.price is None:
        return {"trail": trail}
    start = exact(float(order.p.price))
    distance = exact(float(amount)) if amount else start * exact(float(share))
    return {"stop": start + distance if order.isbuy() else start - distance, "trail": trail}


def _valid(order: Any, now: int) -> dict[str, Any]:
    """Return how long it works: for ever, through the next session close, or until a moment."""
    valid = order.p.valid
    if valid is None:
        return {}
    if valid in {0, timedelta()}:
        return {"tif": "DAY"}
    # What is over already is accepted and expires with the next bar, as in Backtrader.
    return {"expires": max(feed_under(order.data).last_moment(order.valid), now + 1)}
