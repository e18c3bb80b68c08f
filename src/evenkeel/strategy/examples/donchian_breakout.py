"""Breakout with risk-based size: the wilder the market, the smaller the position."""

import evenkeel as ek
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.strategy.series import BarSeries


class DonchianBreakout(ek.Strategy):
    """Buy a new high, leave on a new low or when price falls back from its peak by some ATRs."""

    entry: int = ek.param(55, ge=2, le=400)
    exit: int = ek.param(20, ge=2, le=400)
    atr_n: int = ek.param(20, ge=1, le=400)
    risk: float = ek.param(0.01, gt=0, le=0.1)
    trail_atrs: float = ek.param(3.0, gt=0, le=20)
    max_weight: float = ek.param(0.9, gt=0, le=1)

    def setup(self, bars: BarSeries) -> None:
        """Compute the channel and the size of a usual day."""
        self.top = ek.rolling_max(bars.high, self.entry)
        self.bottom = ek.rolling_min(bars.low, self.exit)
        self.atr = ek.atr(bars, self.atr_n)

    def on_bar(self) -> None:
        """Compare with the channel as it stood one bar ago, before this bar became part of it."""
        price = self.bars.close[0]
        if self.position and price < self.bottom[-1]:
            self.close(reason=f"close below the {self.exit}-bar low")
        elif not self.position and price > self.top[-1]:
            wanted = self.quantity_for_risk(self.risk, self.trail_atrs * self.atr[0])
            quantity = min(wanted, self.max_weight * self.equity / price)
            self.target_quantity(quantity, reason=f"close above the {self.entry}-bar high")

    def on_fill(self, fill: Fill) -> None:
        """Let a stop follow what was just bought."""
        if fill.side is Side.BUY:
            trail = self.trail_atrs * self.atr[0]
            self.sell(fill.quantity, trail=trail, reason=f"trails by {self.trail_atrs:g} ATR")
