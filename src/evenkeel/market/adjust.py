"""Adjusted views: prices as traded, seen from a date. What had not happened by then is not known.

    split            price × old/new and volume × new/old before each split
    split-dividend   also price × (1 - dividend / last close before) before each ex-date

A dividend is money per share as the shares were on its ex-date.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from evenkeel.domain.errors import DataError, UsageError, did_you_mean
from evenkeel.domain.instrument_events import CashDividend, Split, StockDividend
from evenkeel.market.actions import ex_day
from evenkeel.market.columns import DAY
from evenkeel.market.provider import Adjustment
from evenkeel.market.quality import jumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evenkeel.domain.bar import Bars, Column, Times
    from evenkeel.domain.events import CorporateAction

VIEWS = ("as-traded", "split", "split-dividend")


def adjusted(
    bars: Bars, began: Times, actions: Sequence[CorporateAction], view: str, *, as_of: int
) -> Bars:
    """Return bars as somebody saw them at `as_of` (UTC nanoseconds), on the scale of that day.

    `began` is when each of them did, which is what findings about them name. Actions of other instruments and after `as_of` change nothing. Raises `UsageError` for a view
    that has no name, `DataError` for a dividend that is not less than the price before it.
    """
    if view not in VIEWS:
        raise UsageError(
            f"view must be one of {', '.join(VIEWS)}, was {view!r}{did_you_mean(view, VIEWS)}"
        )
    if view == "as-traded":
        return bars
    known = [each for each in actions if each.instrument == bars.instrument.id and each.at <= as_of]
    prices, volumes = _factors(bars, known, dividends=view == "split-dividend")
    seen = replace(
        bars,
        open=_final(bars.open * prices),
        high=_final(bars.high * prices),
        low=_final(bars.low * prices),
        close=_final(bars.close * prices),
        volume=_final(bars.volume * volumes),
    )
    others = [each for each in bars.findings if each.code != "spike"]
    return replace(seen, findings=(*others, *jumps(seen, began)))


def _factors(
    bars: Bars, actions: Sequence[CorporateAction], *, dividends: bool
) -> tuple[Column, Column]:
    """Return what each bar's prices and volume are multiplied by."""
    by_price, by_volume = np.ones(len(bars) + 1), np.ones(len(bars) + 1)
    for action in actions:
        before = int(np.searchsorted(bars.closed_at, action.at, side="right"))
        if isinstance(action, Split | StockDividend):
            ratio = float(action.new / action.old)
            by_price[before] /= ratio
            by_volume[before] *= ratio
        elif isinstance(action, CashDividend) and dividends and before:
            close = float(bars.close[before - 1])
            if float(action.amount) >= close:
                raise DataError(
                    f"{bars.instrument.id}: a dividend of {action.amount} is not less than the "
                    f"close of {close:g} before it; `evenkeel data check` shows what is wrong"
                )
            by_price[before] *= 1 - float(action.amount) / close
    return _of_later(by_price), _of_later(by_volume)


def _of_later(steps: Column) -> Column:
    """Return for each bar the product of all steps that come after it."""
    return np.cumprod(steps[:0:-1], dtype=np.float64)[::-1]


def _final(column: Column) -> Column:
    column.flags.writeable = False
    return column


def as_traded(
    columns: dict[str, Column], ts: Times, splits: Sequence[tuple[int, float]]
) -> dict[str, Column]:
    """Return split-adjusted columns as they were traded: the way back of the view `split`.

    `splits` are (start of the first bar after it, new shares for one old; see `split_steps`). A
    source that restates its whole history with each split then tells the same story before and
    after.
    """
    factor = np.ones(len(ts))
    for at, ratio in splits:
        factor[ts < at] *= ratio
    return {
        name: column / factor if name == "volume" else column * factor
        for name, column in columns.items()
    }


def split_steps(
    actions: Iterable[CorporateAction], mic: str, *, daily: bool
) -> list[tuple[int, float]]:
    """Return from which start of a bar each split holds, and its ratio.

    A daily bar starts at midnight UTC of its session's date, whatever the exchange's clock says.
    """
    return [
        (ex_day(each.at, mic) * DAY if daily else each.at, float(each.new / each.old))
        for each in actions
        if isinstance(each, Split | StockDividend)
    ]


def as_paid(
    actions: Sequence[CorporateAction], adjustment: Adjustment
) -> tuple[CorporateAction, ...]:
    """Return actions with dividends as they were paid: money per share as shares were that day.

    A source that divides prices by later splits divides dividends by them too.
    """
    if adjustment is Adjustment.AS_TRADED:
        return tuple(actions)
    splits = [each for each in actions if isinstance(each, Split)]

    def paid(action: CorporateAction) -> CorporateAction:
        if not isinstance(action, CashDividend):
            return action
        later = Decimal(1)
        for split in splits:
            if split.instrument == action.instrument and split.at > action.at:
                later *= split.new / split.old
        return replace(action, amount=action.amount * later)

    return tuple(map(paid, actions))
