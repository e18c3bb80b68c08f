"""Trend following with two averages, on one instrument, woken only when they cross."""

import evenkeel as ek
from evenkeel.strategy.series import BarSeries


class SmaCross(ek.Strategy):
    """Own the instrument while its fast average is above its slow one."""

    fast: int = ek.param(20, ge=2, le=200)
    slow: int = ek.param(50, ge=5, le=400)

    def setup(self, bars: BarSeries) -> None:
        """Find every crossing, and sleep in between."""
        fast, slow = ek.sma(bars.close, self.fast), ek.sma(bars.close, self.slow)
        self.up, self.down = ek.crossed_above(fast, slow), ek.crossed_below(fast, slow)
        self.wake_on(self.up | self.down)

    def on_bar(self) -> None:
        """Buy on the way up, sell on the way down."""
        if self.up[0]:  # [0] is now, [-1] the bar before
            self.target_weight(0.95, reason="fast average crossed above slow")
        elif self.down[0]:
            self.close(reason="fast average crossed below slow")
