"""Mean reversion with a protective stop: buy what fell too far, once it turns."""

import evenkeel as ek
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.strategy.series import BarSeries


class RsiReversion(ek.Strategy):
    """Buy when RSI comes back up through a low level; leave at its middle, or at the stop."""

    n: int = ek.param(14, ge=2, le=100)
    low: float = ek.param(30.0, gt=0, lt=50)
    middle: float = ek.param(55.0, ge=50, lt=100)
    weight: float = ek.param(0.9, gt=0, le=1)
    stop_distance: float = ek.param(0.05, gt=0, lt=1)

    def setup(self, bars: BarSeries) -> None:
        """Wake where RSI crosses one of the two levels."""
        rsi = ek.rsi(bars.close, self.n)
        self.turned = ek.crossed_above(rsi, self.low)
        self.recovered = ek.crossed_above(rsi, self.middle)
        self.wake_on(self.turned | self.recovered)

    def on_bar(self) -> None:
        """Enter on a turn, leave on recovery; `close` takes the stop off the market too."""
        if self.recovered[0]:
            self.close(reason=f"RSI rose above {self.middle:g}")
        elif self.turned[0] and not self.position:
            self.target_weight(self.weight, reason=f"RSI rose back above {self.low:g}")

    def on_fill(self, fill: Fill) -> None:
        """Protect what was just bought; the order stays until it fills or is cancelled."""
        if fill.side is Side.BUY:
            stop = float(fill.price) * (1 - self.stop_distance)
            self.sell(fill.quantity, stop=stop, reason=f"stop {self.stop_distance:.1%} below entry")
