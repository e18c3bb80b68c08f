"""What an order's own size does to its price: the more of the volume it takes, the worse.

    volume-share     a quadratic cost of the share of the bar's volume, as in zipline
    sqrt             Y σ √(Q/V), the square-root law; its constant Y is near 1 in every market
    almgren-chriss   Almgren, Thum, Hauptmann, Li: Direct estimation of equity market impact (2005),
                     a permanent and a temporary part of the kind that Almgren and Chriss (2000)
                     trade off against each other

An order that fills in parts pays, over all parts, what its whole size costs. σ comes from the bars'
ranges (Parkinson 1980), which no split or gap distorts, and V from their volume, both over the last
20 bars up to the one at hand. The market's later prices are what they were: we were not there.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import force_setattr

from evenkeel.domain.errors import UsageError
from evenkeel.domain.money import ONE
from evenkeel.execution.slippage.model import WINDOW, Meeting, worse
from evenkeel.execution.wording import name_of, not_negative

if TYPE_CHECKING:
    from evenkeel.domain.bar import Bars, Column

GAMMA, ETA, TURNOVER = Decimal("0.314"), Decimal("0.142"), Decimal(200)
"""Almgren and others (2005): γ and η as they fitted them; and how many days' volume the shares of
a large US company amount to (Θ/V), of which only the fourth root matters."""


class VolumeShare(Struct, frozen=True):
    """`impact` × (share of the bar's volume)² of the price: 0.1 and a tenth make 0.1 %."""

    impact: Decimal = Decimal("0.1")

    def __post_init__(self) -> None:
        force_setattr(self, "impact", not_negative(self.impact, of="volume-share impact"))

    @property
    def name(self) -> str:
        """`volume-share:` and the impact."""
        return name_of("volume-share", self.impact)

    def slipped_in(self, price: Decimal, meeting: Meeting) -> Decimal:
        share = float(meeting.quantity) / meeting.bars.volume.item(meeting.row)
        return worse(price, float(self.impact) * share**2 * float(price), buy=meeting.buy)

    def check(self, bars: Bars) -> None:
        needs_volume(bars, self.name)


class SquareRoot(Struct, frozen=True):
    """The square-root law, with its constant."""

    constant: Decimal = ONE

    def __post_init__(self) -> None:
        force_setattr(self, "constant", not_negative(self.constant, of="sqrt constant"))

    @property
    def name(self) -> str:
        """`sqrt:` and the constant."""
        return name_of("sqrt", self.constant)

    def slipped_in(self, price: Decimal, meeting: Meeting) -> Decimal:
        sigma, volume = lately(meeting)
        before, after = float(meeting.filled), float(meeting.filled + meeting.quantity)
        # The whole costs Q √Q: this part costs what it adds to that.
        mean = (after**1.5 - before**1.5) / (after - before)
        cost = float(self.constant) * sigma * mean / math.sqrt(volume)
        return worse(price, cost * float(price), buy=meeting.buy)

    def check(self, bars: Bars) -> None:
        needs_volume(bars, self.name)


class AlmgrenChriss(Struct, frozen=True):
    """Permanent impact, of which a trade pays half, and temporary impact by the rate of trading."""

    turnover: Decimal = TURNOVER
    gamma: Decimal = GAMMA
    eta: Decimal = ETA

    def __post_init__(self) -> None:
        for term in ("turnover", "gamma", "eta"):
            value = not_negative(getattr(self, term), of=f"almgren-chriss {term}")
            force_setattr(self, term, value)

    @property
    def name(self) -> str:
        """`almgren-chriss`, and the terms that differ from the paper's."""
        return name_of(
            "almgren-chriss",
            turnover=(self.turnover, TURNOVER),
            gamma=(self.gamma, GAMMA),
            eta=(self.eta, ETA),
        )

    def slipped_in(self, price: Decimal, meeting: Meeting) -> Decimal:
        sigma, volume = lately(meeting)
        bars_a_day = bars_in_a_day(meeting.bars, meeting.row)
        daily_sigma, daily_volume = sigma * math.sqrt(bars_a_day), volume * bars_a_day
        quantity, before = float(meeting.quantity), float(meeting.filled)
        # Shares filled earlier have moved the price for good; of its own move a fill pays half.
        moved = self.permanent((before + quantity / 2) / daily_volume, daily_sigma)
        pressed = self.temporary(quantity / volume, daily_sigma)
        return worse(price, (moved + pressed) * float(price), buy=meeting.buy)

    def permanent(self, share: float, sigma: float) -> float:
        """Return I, as a share of the price: what trading `share` of a day's volume moves it."""
        return float(self.gamma) * sigma * share * math.sqrt(math.sqrt(float(self.turnover)))

    def temporary(self, rate: float, sigma: float) -> float:
        """Return K, as a share of the price, when our part of the volume is `rate` meanwhile."""
        return float(self.eta) * sigma * math.pow(rate, 0.6)

    def cost(self, share: float, days: float, sigma: float) -> float:
        """Return J = I/2 + K: what it costs to trade `share` of a day's volume over `days`."""
        return self.permanent(share, sigma) / 2 + self.temporary(share / days, sigma)

    def check(self, bars: Bars) -> None:
        needs_volume(bars, self.name)


def needs_volume(bars: Bars, name: str) -> None:
    """Raise `UsageError` for bars that have no volume."""
    if not bars.volume_known:
        raise UsageError(
            f"slippage {name} needs volume, which the data of {bars.instrument.id} does not have; "
            "choose bps:1 or half-spread:0.01"
        )


def lately(meeting: Meeting) -> tuple[float, float]:
    """Return volatility and mean volume of one bar, over the last bars up to the one at hand."""
    bars, stop = meeting.bars, meeting.row + 1
    rows = slice(max(0, stop - WINDOW), stop)
    return parkinson(bars.high[rows], bars.low[rows]), float(np.mean(bars.volume[rows]))


def parkinson(high: Column, low: Column) -> float:
    """Return the volatility of one bar from ranges: √(mean of ln(high/low)² / 4 ln 2)."""
    return math.sqrt(float(np.mean(np.log(high / low) ** 2)) / (4.0 * math.log(2.0)))


def bars_in_a_day(bars: Bars, index: int) -> int:
    """Return how many bars the last whole session before this bar had; at first, how many so far."""
    at = bars.closed_at.item(index)
    session = int(np.searchsorted(bars.session_closes, at, side="left"))
    if session >= 2:
        ends = np.searchsorted(
            bars.closed_at, bars.session_closes[session - 2 : session], side="right"
        )
        if ends[1] > ends[0]:
            return int(ends[1] - ends[0])
    return index + 1 if session < 2 else 1
