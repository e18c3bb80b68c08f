"""Performance in numbers: pure functions of float64 columns; what is not defined is NaN, never 0.

Conventions (those of empyrical and of the usual textbooks): returns are simple and per session,
a year has `periods` sessions, deviations divide by n - 1, downside deviation by n with target 0,
the risk-free rate is 0. A ratio is a plain number (0.1 is ten percent).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.domain.bar import Column, Times

DAY = 86_400 * 10**9
"""Nanoseconds in a day."""


def session_points(times: Times, closes: Times) -> Times:
    """Return the positions in `times` that stand for the first bar and each session day's end.

    `closes` are session closes, sorted, maybe of several exchanges: the last one of a UTC day ends
    that day. A session without a bar repeats the position before it: its return is 0, and a year
    keeps its number of sessions. Bars behind the last close end a session of their own.
    """
    closes = within(closes, times)
    days = (closes - 1) // DAY  # midnight ends a day
    ends = np.concatenate((closes[:-1][days[1:] != days[:-1]], closes[-1:]))
    points: Times = times.searchsorted(ends, side="right") - 1
    if not len(points) or points[0] != 0:
        points = np.concatenate(([0], points))
    if points[-1] != len(times) - 1:
        points = np.concatenate((points, [len(times) - 1]))
    return points


def within(closes: Times, times: Times) -> Times:
    """Return the session closes, which are sorted, from the first to the last of some bar times."""
    first, behind = closes.searchsorted(times[0]), closes.searchsorted(times[-1], side="right")
    return closes[first:behind]


def simple_returns(equity: Column) -> Column:
    """Return r_t = E_t / E_(t-1) - 1; NaN after an equity that is not positive."""
    before = equity[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        returns: Column = np.where(before > 0, equity[1:] / before - 1.0, np.nan)
    return returns


def cagr(*, start: float, end: float, count: int, periods: int) -> float:
    """Return (end / start)^(periods / count) - 1 over `count` sessions; -1 when all is lost."""
    if count < 1 or start <= 0:
        return math.nan
    if end <= 0:
        return -1.0
    exponent = periods / count * math.log(end / start)
    return math.expm1(exponent) if exponent < 700 else math.nan  # a few bars say nothing of a year


def volatility(returns: Column, periods: int) -> float:
    """Return s x sqrt(periods), s being the sample standard deviation (n - 1)."""
    return _deviation(returns) * math.sqrt(periods) if len(returns) > 1 else math.nan


def sharpe(returns: Column, periods: int) -> float:
    """Return mean / s x sqrt(periods) (Sharpe 1994, risk-free rate 0)."""
    if len(returns) < 2:
        return math.nan
    return ratio(_mean(returns), _deviation(returns)) * math.sqrt(periods)


def sortino(returns: Column, periods: int) -> float:
    """Return mean / sqrt(mean(min(r, 0)^2)) x sqrt(periods) (Sortino & Price 1994, target 0)."""
    if not len(returns):
        return math.nan
    downside = math.sqrt(_mean(np.minimum(returns, 0.0) ** 2))
    return ratio(_mean(returns), downside) * math.sqrt(periods)


def drawdown(equity: Column) -> Column:
    """Return E_t / max(E_s, s <= t) - 1: 0 at a peak, negative under water."""
    peak = np.maximum.accumulate(equity)
    with np.errstate(divide="ignore", invalid="ignore"):
        under: Column = np.where(peak > 0, equity / peak - 1.0, np.nan)
    return under


def max_drawdown(equity: Column) -> float:
    """Return the lowest of `drawdown`; NaN unless there was something to begin with."""
    if not equity[0] > 0:
        return math.nan
    peak = np.maximum.accumulate(equity)
    return float(np.min(np.divide(equity, peak, out=peak))) - 1.0


def longest_drawdown_days(times: Times, equity: Column) -> float:
    """Return the longest time from a peak until it is reached again (or the end), in days."""
    at_peak = equity >= np.maximum.accumulate(equity)
    marks = np.append(times[at_peak], times[-1])
    # A new peak one bar after the last one is no drawdown: only spans with something under water.
    under = np.diff(np.append(np.flatnonzero(at_peak), len(equity))) > 1
    spans = np.diff(marks)[under]
    return float(spans.max()) / DAY if len(spans) else 0.0


def ratio(above: float, below: float) -> float:
    """Return above / below, NaN when below is 0 (or as good as: a constant's rounding)."""
    return above / below if abs(below) > 1e-15 else math.nan


def win_rate(profits: Sequence[float]) -> float:
    """Return the share of round trips that made money after costs."""
    return sum(profit > 0 for profit in profits) / len(profits) if profits else math.nan


def profit_factor(profits: Sequence[float]) -> float:
    """Return what winners made / what losers lost; NaN when nobody lost."""
    won = math.fsum(profit for profit in profits if profit > 0)
    return ratio(won, -math.fsum(profit for profit in profits if profit < 0))


def turnover(traded: float, *, equity: Column, count: int, periods: int) -> float:
    """Return half of the value traded, in units of average equity, a year."""
    if count < 1:
        return math.nan
    return ratio(traded / 2.0, float(np.mean(equity))) * periods / count


def performance(equity: Column, *, start: float, periods: int) -> dict[str, float]:
    """Return the figures of one equity curve at session points that began with `start`."""
    returns, count = simple_returns(equity), len(equity) - 1
    return {
        "total_return": ratio(float(equity[-1]) - start, start),
        "cagr": cagr(start=start, end=float(equity[-1]), count=count, periods=periods),
        "volatility": volatility(returns, periods),
        "sharpe": sharpe(returns, periods),
        "sortino": sortino(returns, periods),
    }


def _mean(column: Column) -> float:
    """As `np.mean`, to the last bit, without what that takes to begin: most returns are few."""
    return float(np.add.reduce(column)) / len(column)


def _deviation(column: Column) -> float:
    """As `np.std` with ddof=1, to the last bit."""
    away = column - _mean(column)
    return math.sqrt(float(np.add.reduce(away * away)) / (len(column) - 1))
