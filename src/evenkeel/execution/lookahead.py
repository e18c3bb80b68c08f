"""Which bar could be the next to matter to an order. Early is allowed, late never."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.order import OrderType, TimeInForce
from evenkeel.execution import fill_model

if TYPE_CHECKING:
    from evenkeel.domain.bar import Bars
    from evenkeel.execution.resting import Resting

_LIMIT, _TRAILING = OrderType.LIMIT, OrderType.TRAILING_STOP


def begun_since(bars: Bars, moment: int, start: int) -> int:
    """Return the first bar from `start` on that had not begun before a moment.

    One that had, such as a day of which another instrument's minutes are known, has an open from
    before whatever was decided then.
    """
    opened = bars.opened_at
    if opened is not None:
        while start < len(opened) and opened.item(start) < moment:
            start += 1
    return start


def first_bar_for(resting: Resting, bars: Bars, start: int) -> int | None:
    """Return the first bar from `start` on that could reach an order that is not at the market.

    For a trailing stop the extreme before that bar is noted in `led`.
    """
    if resting.once:
        opening = resting.once is TimeInForce.OPG
        return (
            fill_model.first_opening(bars.closed_at, bars.session_closes, start)
            if opening
            else start
        )
    if resting.type is _LIMIT:
        if resting.buy:
            return fill_model.first_at_or_below(bars.low, resting.limit_level, start)
        return fill_model.first_at_or_above(bars.high, resting.limit_level, start)
    if resting.type is not _TRAILING:
        if resting.buy:
            return fill_model.first_at_or_above(bars.high, resting.stop_level, start)
        return fill_model.first_at_or_below(bars.low, resting.stop_level, start)
    assert resting.trail is not None
    due, resting.led = fill_model.first_trailed(
        bars.low if resting.buy else bars.high,
        bars.high if resting.buy else bars.low,
        resting.stop_level,
        resting.extreme,
        resting.trail,
        start,
        buy=resting.buy,
    )
    return due


def led_past(resting: Resting, bars: Bars, index: int) -> None:
    """Let a trailing stop follow a bar that did not reach it."""
    lead = (bars.low if resting.buy else bars.high).item(index)
    resting.extreme = best = resting.led
    if best is None or (lead < best if resting.buy else lead > best):
        resting.extreme = lead
