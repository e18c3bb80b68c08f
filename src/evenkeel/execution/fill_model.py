"""When an order fills, and at what price, as far as one bar can tell. What it cannot tell is
resolved against the trader.

Each rule is a pure function of one bar and gives the price before slippage, or None. Beside it
stands its look-ahead: the first bar, from a given one on, at which the rule could give a price.
A look-ahead may name a bar too early and never one too late. Levels are floats here: the nearest
float of a limit compares with a bar exactly as the limit compares with the data's decimal text.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evenkeel.domain.money import EXACT, exact, round_down, round_up

if TYPE_CHECKING:
    from evenkeel.domain.bar import Column, Times

_FIRST_CHUNK = 64
_LAST_CHUNK = 65_536
_UP = Context(prec=15, rounding=ROUND_CEILING)
_DOWN = Context(prec=15, rounding=ROUND_FLOOR)


class Prices(NamedTuple):
    """One bar's prices."""

    open: float
    high: float
    low: float
    close: float


# ---- one bar -> a price ----------------------------------------------------------------------


def limit(bar: Prices, level: float, *, buy: bool, through: bool = False) -> float | None:
    """Return the open if it is at the limit or better, else the limit if the bar reaches it.

    `through` wants the bar to trade beyond the limit before the limit itself fills. An open at
    the limit exactly counts as reaching it, not as being better.
    """
    if buy:
        if bar.open < level:
            return bar.open
        reached = bar.low < level if through else bar.low <= level
    else:
        if bar.open > level:
            return bar.open
        reached = bar.high > level if through else bar.high >= level
    return level if reached else None


def limit_at(price: float, level: float, *, buy: bool, through: bool = False) -> bool:
    """Whether a limit fills in an auction at `price`: at the limit or better (`through`: better)."""
    return (price < level if buy else price > level) or (price == level and not through)


def stop(bar: Prices, level: float, *, buy: bool) -> float | None:
    """Return the open if it is at the stop or beyond, else the stop if the bar reaches it."""
    if buy:
        return bar.open if bar.open >= level else level if bar.high >= level else None
    return bar.open if bar.open <= level else level if bar.low <= level else None


def stop_limit(
    bar: Prices, trigger: float, level: float, *, buy: bool, through: bool = False
) -> tuple[bool, float | None]:
    """Return whether the stop is triggered, and at what price the limit then fills in this bar.

    Opened at the stop or beyond: the limit has the whole bar, and fills as any limit does.
    Triggered inside the bar: what is left of the path runs from the stop to the close.
    - A limit that allows the stop's own price fills there, where the order woke.
    - A limit on the near side of the stop (a buy limit below a buy stop) needs the path to come
      back. It must have come back if the close is at the limit or better; then it fills at the
      limit. Otherwise the bar may have seen that price only before the trigger, and the order
      works on as a limit.
    """
    hit = stop(bar, trigger, buy=buy)
    if hit is None:
        return False, None
    if bar.open >= trigger if buy else bar.open <= trigger:
        return True, limit(bar, level, buy=buy, through=through)
    if trigger < level if buy else trigger > level:
        return True, trigger
    rest = Prices(trigger, max(trigger, bar.close), min(trigger, bar.close), bar.close)
    return True, limit(rest, level, buy=buy, through=through)


class Trail(NamedTuple):
    """How far a trailing stop stays behind: an amount, or a share of the price that leads it."""

    amount: Decimal
    share: Decimal

    def behind(self, lead: Decimal, *, buy: bool) -> Decimal:
        """Return the price at that distance from `lead`, on the losing side."""
        distance = EXACT.multiply(lead, self.share) if self.share else self.amount
        return EXACT.add(lead, distance) if buy else EXACT.subtract(lead, distance)


def trailed(start: Decimal, extreme: float | None, trail: Trail, *, buy: bool) -> Decimal:
    """Return where a trailing stop stands: `start`, or `trail` behind the extreme if nearer.

    `extreme` is the highest high (for a sell; the lowest low for a buy) of the bars completed
    since the order began to work, None before the first. The bar at hand does not count: nobody
    knows whether its high came before its low.
    """
    if extreme is None:
        return start
    return (min if buy else max)(start, trail.behind(exact(extreme), buy=buy))


# ---- looking ahead: the first bar at which a rule could give a price -------------------------


def first_at_or_below(prices: Column, level: float, start: int) -> int | None:
    """Return the first index from `start` on whose price is at most `level`, or None.

    Finds the bars of a buy limit and of a sell stop (on lows).
    """
    size, length = _FIRST_CHUNK, len(prices)
    while start < length:
        found = prices[start : start + size] <= level
        first = int(found.argmax())
        if found[first]:
            return start + first
        start += size
        size = min(size * 4, _LAST_CHUNK)
    return None


def first_at_or_above(prices: Column, level: float, start: int) -> int | None:
    """Return the first index from `start` on whose price is at least `level`, or None.

    Finds the bars of a sell limit and of a buy stop (on highs).
    """
    size, length = _FIRST_CHUNK, len(prices)
    while start < length:
        found = prices[start : start + size] >= level
        first = int(found.argmax())
        if found[first]:
            return start + first
        start += size
        size = min(size * 4, _LAST_CHUNK)
    return None


def first_trailed(
    leading: Column,
    touching: Column,
    begin: float,
    extreme: float | None,
    trail: Trail,
    start: int,
    *,
    buy: bool,
) -> tuple[int | None, float | None]:
    """Return the first bar that could reach a trailing stop, and the extreme before that bar.

    `leading` moves the stop (highs for a sell, lows for a buy), `touching` hits it (the other
    column), `begin` is where it starts. Without such a bar the extreme is that of all bars.
    """
    sign = -1.0 if buy else 1.0
    size, length = _FIRST_CHUNK, len(leading)
    best = -np.inf if extreme is None else sign * extreme
    amount, kept = float(trail.amount), 1.0 - sign * float(trail.share)
    while start < length:
        lead = sign * leading[start : start + size]
        before = np.maximum.accumulate(np.concatenate(((best,), lead)))
        level = np.maximum(sign * begin, before[:-1] * kept - amount)
        # A hair early: the exact level is computed in decimals when the bar is matched.
        found = sign * touching[start : start + size] <= level + 1e-9 * np.abs(level)
        first = int(found.argmax())
        if found[first]:
            return start + first, _extreme(before[first], sign)
        best = before[-1]
        start += size
        size = min(size * 4, _LAST_CHUNK)
    return None, _extreme(best, sign)


def first_opening(closed_at: Times, session_closes: Times, start: int) -> int | None:
    """Return the first index from `start` on whose bar opens a session, or None.

    A bar opens a session when the bar before it belongs to an earlier one. One that is missing
    from the data opens nothing: the first that is there does.
    """
    if start == 0:
        return 0 if len(closed_at) else None
    close = int(session_closes.searchsorted(closed_at[start - 1]))
    if close == len(session_closes):
        return None
    first = int(closed_at.searchsorted(session_closes[close], "right"))
    return first if first < len(closed_at) else None


def _extreme(best: float, sign: float) -> float | None:
    return None if best == -np.inf else float(sign * best)


# ---- the grid --------------------------------------------------------------------------------


def on_tick(price: Decimal, tick: Decimal | None, *, up: bool) -> Decimal:
    """Return a price that we chose, on the instrument's grid, rounded `up` or down.

    Without a tick it is kept; only what no venue could write (a third) ends after 15 digits.
    """
    if tick is not None:
        return round_up(price, tick) if up else round_down(price, tick)
    if len(price.as_tuple().digits) <= 28:
        return price
    return (_UP if up else _DOWN).plus(price)
