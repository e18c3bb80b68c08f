"""Half of the spread between bid and ask, estimated from bars that do not show it.

    Corwin, Schultz: A simple way to estimate bid-ask spreads from daily high and low prices.
    Journal of Finance 67 (2012): highs are bought at the ask, lows sold at the bid; two days'
    range has the variance of two days and the spread of one.

    Roll: A simple implicit measure of the effective bid-ask spread. Journal of Finance 39 (1984):
    bouncing between bid and ask makes neighbouring changes of price oppose each other.

Both are noisy, and made for daily bars. An estimate below zero counts as zero.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from evenkeel.domain.errors import UsageError
from evenkeel.domain.money import text
from evenkeel.execution.slippage.model import WINDOW, Meeting, worse
from evenkeel.execution.wording import name_of

if TYPE_CHECKING:
    from evenkeel.domain.bar import Bars, Column

_WINDOW = Decimal(WINDOW)


class CorwinSchultz(Struct, frozen=True):
    """Half of the Corwin-Schultz spread, the mean of the last `window` bars."""

    window: Decimal = _WINDOW

    def __post_init__(self) -> None:
        _look_back(self.window, least=2, of="corwin-schultz")

    @property
    def name(self) -> str:
        """`corwin-schultz`, and the window where it is not 20."""
        return _named("corwin-schultz", self.window)

    def slipped_in(self, price: Decimal, meeting: Meeting) -> Decimal:
        rows = _rows(meeting, self.window)
        bars = meeting.bars
        spread = corwin_schultz(bars.high[rows], bars.low[rows], bars.close[rows])
        return worse(price, spread / 2 * float(price), buy=meeting.buy)

    def check(self, bars: Bars) -> None:
        """Any bars do."""


class Roll(Struct, frozen=True):
    """Half of Roll's spread, from the closes of the last `window` bars."""

    window: Decimal = _WINDOW

    def __post_init__(self) -> None:
        _look_back(self.window, least=4, of="roll")

    @property
    def name(self) -> str:
        """`roll`, and the window where it is not 20."""
        return _named("roll", self.window)

    def slipped_in(self, price: Decimal, meeting: Meeting) -> Decimal:
        spread = roll(meeting.bars.close[_rows(meeting, self.window)])
        return worse(price, spread / 2, buy=meeting.buy)

    def check(self, bars: Bars) -> None:
        """Any bars do."""


def corwin_schultz(high: Column, low: Column, close: Column) -> float:
    """Return the mean spread as a share of the price; 0 for fewer than two bars.

    Where a bar lies wholly above or below the close before it, it is moved next to that close
    (the overnight return is no spread), as the authors do.
    """
    if len(high) < 2:
        return 0.0
    gap = np.maximum(low[1:] - close[:-1], 0.0) + np.minimum(high[1:] - close[:-1], 0.0)
    high2, low2 = high[1:] - gap, low[1:] - gap
    beta = np.log(high[:-1] / low[:-1]) ** 2 + np.log(high2 / low2) ** 2
    gamma = np.log(np.maximum(high[:-1], high2) / np.minimum(low[:-1], low2)) ** 2
    root = 3.0 - 2.0 * math.sqrt(2.0)
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / root - np.sqrt(gamma / root)
    spread = 2.0 * (np.exp(alpha) - 1.0) / (1.0 + np.exp(alpha))
    return float(np.mean(np.maximum(spread, 0.0)))


def roll(close: Column) -> float:
    """Return Roll's spread in money, 2 √(−cov); 0 where neighbours do not oppose each other."""
    change = np.diff(close)
    if len(change) < 3:
        return 0.0
    covariance = float(np.cov(change[1:], change[:-1], ddof=0)[0, 1])
    return 2.0 * math.sqrt(-covariance) if covariance < 0 else 0.0


def _rows(meeting: Meeting, window: Decimal) -> slice:
    return slice(max(0, meeting.row + 1 - int(window)), meeting.row + 1)


def _look_back(window: Decimal, *, least: int, of: str) -> None:
    if window != int(window) or window < least:
        raise UsageError(
            f"{of}: the window must be a whole number from {least}, was {text(window)}"
        )


def _named(kind: str, window: Decimal) -> str:
    return kind if window == WINDOW else name_of(kind, window)
