"""Indicators: a series in, a series out; the value on a bar is computed from that bar and earlier.

What holds for every one of them:

- Warm-up is NaN (False where the answer is yes or no), never 0 and never a shorter window.
- Leading NaN are skipped, so that indicators can be stacked: `sma(rsi(bars.close), 5)`. A value
  inside that is not finite makes every later value NaN: a hole in the data is not papered over.
- A longer history never changes an earlier value, to the last bit.

TA-Lib computes. Its conventions: EMA starts from the plain mean of the first n values; RSI and ATR
are smoothed as Wilder did, from a plain mean; ATR's first true range needs a previous close.
"""

from __future__ import annotations

import atexit
import sys
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from evenkeel.domain.errors import StrategyError
from evenkeel.strategy.series import BarSeries, Series

if TYPE_CHECKING:
    from types import ModuleType

    from evenkeel.domain.bar import Column, Flags

_LONGEST = 100_000
"""The longest window that TA-Lib takes."""

_COMPARED = (Series, int, float, np.number)


def sma(series: Series, n: int) -> Series:
    """Return the mean of the last `n` values; NaN on the first n - 1 bars.

    TA-Lib keeps a running sum, so rounding errors add up: on a million bars the result stays within
    1e-12 times the highest price of the exact mean.
    """
    return _windowed("SMA", "sma", series, n)


def ema(series: Series, n: int) -> Series:
    """Return the exponential average with weight 2 / (n + 1), begun at the mean of the first n."""
    return _windowed("EMA", "ema", series, n)


def rsi(series: Series, n: int = 14) -> Series:
    """Return Wilder's relative strength index, 0 to 100; NaN on the first n bars.

    100 when there was no fall, 0 when there was no rise, and (TA-Lib's choice) no change at all.
    """
    return _windowed("RSI", "rsi", series, n, least=2)


def atr(bars: BarSeries, n: int = 14) -> Series:
    """Return Wilder's average true range in price units; NaN on the first n bars."""
    if not isinstance(bars, BarSeries):
        raise StrategyError(f"atr takes bars (it reads high, low and close), was {_kind(bars)}")
    n = _window("atr", n, least=1)
    columns = [each.values for each in (bars.high, bars.low, bars.close)]
    return bars.close.derive(_on_finite_part("ATR", columns, n))


def rolling_max(series: Series, n: int) -> Series:
    """Return the highest of the last `n` values, this bar's among them; NaN on the first n - 1."""
    return _windowed("MAX", "rolling_max", series, n)


def rolling_min(series: Series, n: int) -> Series:
    """Return the lowest of the last `n` values, this bar's among them; NaN on the first n - 1."""
    return _windowed("MIN", "rolling_min", series, n)


def rolling_std(series: Series, n: int) -> Series:
    """Return the deviation of the last `n` values from their mean; NaN on the first n - 1 bars.

    Divided by n, as Bollinger's bands and TA-Lib have it; pandas divides by n - 1.
    """
    return _windowed("STDDEV", "rolling_std", series, n, least=2)


def crossed_above(a: Series, b: Series | float) -> Series:
    """Return True on the bar where `a` moves from at or below `b` to above it; NaN gives False."""
    return _crossed("crossed_above", a, b, up=True)


def crossed_below(a: Series, b: Series | float) -> Series:
    """Return True on the bar where `a` moves from at or above `b` to below it; NaN gives False."""
    return _crossed("crossed_below", a, b, up=False)


def _crossed(name: str, a: Series, b: Series | float, *, up: bool) -> Series:
    _series(name, a)
    if not isinstance(b, _COMPARED):
        raise StrategyError(f"{name} compares with a series or a number, was {_kind(b)}")
    values, other = a.values, a.aligned(b)
    beyond, before = (np.greater, np.less_equal) if up else (np.less, np.greater_equal)
    crossed: Flags = beyond(values, other)
    crossed[:1] = False
    later = crossed[1:]
    later &= before(values, other)[:-1]
    return a.derive(crossed)


def _windowed(function: str, name: str, series: Series, n: int, *, least: int = 1) -> Series:
    _series(name, series)
    n = _window(name, n, least=least)
    values = np.asarray(series.values, dtype=np.float64)
    return series.derive(_on_finite_part(function, [values], n))


def _on_finite_part(function: str, columns: list[Column], n: int) -> Column:
    """Compute on the first stretch in which every column is finite; NaN before and after it."""
    finite = np.isfinite(columns[0])
    for column in columns[1:]:
        finite &= np.isfinite(column)
    if np.count_nonzero(finite) == len(finite):
        return _computed(function, columns, n)
    start = int(finite.argmax()) if finite.any() else len(finite)
    holes = np.flatnonzero(~finite[start:])
    stop = start + int(holes[0]) if len(holes) else len(finite)
    result = np.full(len(finite), np.nan)
    result[start:stop] = _computed(function, [column[start:stop] for column in columns], n)
    return result


def _computed(function: str, columns: list[Column], n: int) -> Column:
    if n == 1 and function in {"MAX", "MIN"}:  # TA-Lib begins at 2
        return columns[0].copy()
    computed: Column = getattr(_ta_lib(), function)(*columns, n)
    return computed


@cache
def _ta_lib() -> ModuleType:
    """Load TA-Lib's compiled functions without the Python package around them.

    The package and its extension import pandas and polars, if they are there, for arguments that
    we never pass; that would cost every backtest half a second. So only the extension is loaded,
    and while it loads, libraries that nobody has imported yet look as if they were not installed:
    the extension is made for that case.
    """
    loaded = sys.modules.get("talib._ta_lib")
    if loaded is not None:  # the strategy's author uses TA-Lib too, and has started it
        return loaded
    package = find_spec("talib")
    places = None if package is None else package.submodule_search_locations
    spec = PathFinder.find_spec("talib._ta_lib", places)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("TA-Lib is not installed; run: pip install TA-Lib", name="talib")
    hidden = [name for name in ("pandas", "polars") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: import fails
    try:
        extension = module_from_spec(spec)
        spec.loader.exec_module(extension)
    finally:
        for name in hidden:
            del sys.modules[name]
    extension._ta_initialize()  # noqa: SLF001 - what the package's __init__ does
    atexit.register(extension._ta_shutdown, True)  # noqa: FBT003, SLF001
    return extension


def _window(name: str, n: Any, *, least: int) -> int:  # noqa: ANN401 - checked here
    try:
        whole = index(n)
    except TypeError:
        whole = 0
    if isinstance(n, bool) or not least <= whole <= _LONGEST:
        raise StrategyError(
            f"{name}: n must be a whole number from {least} to {_LONGEST}, was {n!r}"
        )
    return whole


def _series(name: str, value: object) -> None:
    if not isinstance(value, Series):
        raise StrategyError(f"{name} takes a series, such as bars.close, was {_kind(value)}")


def _kind(value: object) -> str:
    return f"{value!r}" if isinstance(value, int | float | str) else type(value).__name__
