"""What a Backtrader order means in our words. What we cannot do is refused in one sentence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import backtrader as bt

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.money import exact


def terms_of(order: Any) -> dict[str, Any]:
    """Return the options of our order verbs that say what a Backtrader order says."""
    kind = bt.Order
    prices = order.created
    terms: dict[str, Any]
    match order.exectype:
        case kind.Market:
            return {}  # it fills with the next bar, whatever it is valid for
        case kind.Limit:
            terms = {"limit": prices.price}
        case kind.Stop:
            terms = {"stop": prices.price}
        case kind.StopLimit:
            terms = {"stop": prices.price, "limit": prices.pricelimit}
        case kind.StopTrail:
            terms = _trail(order)
        case _:
            name = order.getordername()
            raise StrategyError(
                f"orders of the type {name} cannot be simulated; use Market, Limit, Stop, StopLimit or StopTrail"
            )
    return terms | _valid(order)


def _trail(order: Any) -> dict[str, Any]:
    """Return where a trail starts, when the author said so, and how far it stays behind."""
    if not order.trailamount:
        raise StrategyError("a StopTrail needs its trailamount")
    trail = exact(float(order.trailamount))
    if order.p.price is None:
        return {"trail": trail}
    start = exact(float(order.p.price))
    return {"stop": start + trail if order.isbuy() else start - trail, "trail": trail}


def _valid(order: Any) -> dict[str, Any]:
    valid = order.p.valid
    if valid is None:
        return {}
    if valid == 0 or valid == timedelta():
        return {"tif": "DAY"}
    raise StrategyError(f"valid={valid!r} cannot be simulated; leave it out, or give bt.Order.DAY")
