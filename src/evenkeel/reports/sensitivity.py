"""What if trading cost nothing, twice as much, five times? The same fills, priced again.

The run is not made again: with other costs a strategy that sizes by its cash would have traded
other quantities, and one that was refused might not have been. It says how much of a result hangs
on costs being right, and how wrong they may be before nothing is left of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evenkeel.reports import metrics as measure
from evenkeel.reports.text import finite

if TYPE_CHECKING:
    from evenkeel.domain.bar import Column, Times
    from evenkeel.reports.curve import Curve

MULTIPLES = (0, 1, 2, 5)

NOTE = "the same fills with their costs multiplied; the run was not made again"


def sensitivity(curve: Curve, points: Times, *, start: float, periods: int) -> dict[str, Any]:
    """Return the figures for each multiple of the costs, and the multiple that leaves no gain.

    `break_even` is None where there were no costs, or where the run lost before them.
    """
    costs = curve.gross - curve.equity
    gained = float(curve.gross[-1]) - start
    return {
        "note": NOTE,
        "cases": [
            _case(multiple, curve.gross - multiple * costs, points, start, periods)
            for multiple in MULTIPLES
        ],
        "break_even": finite(gained / float(costs[-1])) if costs[-1] > 0 and gained > 0 else None,
    }


def _case(
    multiple: int, equity: Column, points: Times, start: float, periods: int
) -> dict[str, Any]:
    figures = measure.performance(equity[points], start=start, periods=periods)
    return {
        "multiple": multiple,
        "equity_end": float(equity[-1]),
        **{name: finite(figures[name]) for name in ("total_return", "cagr", "sharpe")},
        "max_drawdown": finite(measure.max_drawdown(equity)),
    }
