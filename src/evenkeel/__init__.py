"""Evenkeel: write a strategy once, backtest it, paper-trade it, trade it live, and know why.

What a strategy author needs, handed on lazily so that importing the package costs nothing:

    import evenkeel as ek

    class SmaCross(ek.Strategy): ...
    result = ek.backtest(SmaCross(fast=10), "prices.csv", cash=100_000)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenkeel.app.backtest import backtest
    from evenkeel.app.sweep import sweep
    from evenkeel.domain.errors import EvenkeelError
    from evenkeel.domain.events import CashDividend, Split
    from evenkeel.domain.instrument import Instrument
    from evenkeel.execution.costs import BasisPoints, IbkrFixed, Zero
    from evenkeel.execution.slippage import BasisPointsSlippage, NoSlippage
    from evenkeel.reports.result import Result
    from evenkeel.risk.limits import Limits
    from evenkeel.strategy.base import PortfolioStrategy, Strategy
    from evenkeel.strategy.indicators import (
        atr,
        crossed_above,
        crossed_below,
        ema,
        rolling_max,
        rolling_min,
        rolling_std,
        rsi,
        sma,
    )
    from evenkeel.strategy.params import param
    from evenkeel.strategy.slicing import optimal_slices

__version__ = "0.1.0"

_ROOMS = {
    "evenkeel.app.backtest": ("backtest",),
    "evenkeel.app.sweep": ("sweep",),
    "evenkeel.domain.errors": ("EvenkeelError",),
    "evenkeel.domain.events": ("CashDividend", "Split"),
    "evenkeel.domain.instrument": ("Instrument",),
    "evenkeel.execution.costs": ("BasisPoints", "IbkrFixed", "Zero"),
    "evenkeel.execution.slippage": ("BasisPointsSlippage", "NoSlippage"),
    "evenkeel.reports.result": ("Result",),
    "evenkeel.risk.limits": ("Limits",),
    "evenkeel.strategy.base": ("PortfolioStrategy", "Strategy"),
    "evenkeel.strategy.indicators": (
        "atr",
        "crossed_above",
        "crossed_below",
        "ema",
        "rolling_max",
        "rolling_min",
        "rolling_std",
        "rsi",
        "sma",
    ),
    "evenkeel.strategy.params": ("param",),
    "evenkeel.strategy.slicing": ("optimal_slices",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "BasisPoints",
    "BasisPointsSlippage",
    "CashDividend",
    "EvenkeelError",
    "IbkrFixed",
    "Instrument",
    "Limits",
    "NoSlippage",
    "PortfolioStrategy",
    "Result",
    "Split",
    "Strategy",
    "Zero",
    "atr",
    "backtest",
    "crossed_above",
    "crossed_below",
    "ema",
    "optimal_slices",
    "param",
    "rolling_max",
    "rolling_min",
    "rolling_std",
    "rsi",
    "sma",
    "sweep",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the room exports under that name
    """Fetch a public name from its room, once."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'evenkeel' has no attribute {name!r}")
    value = getattr(import_module(_ROOM_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
