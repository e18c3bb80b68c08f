"""Cross-sectional momentum: once a month, move into what has risen most."""

from math import isnan

import evenkeel as ek


class MomentumRotation(ek.PortfolioStrategy):
    """Hold the best few of the universe in equal weights. Sells come first: they pay for buys."""

    lookback: int = ek.param(126, ge=1, le=1000)
    hold: int = ek.param(2, ge=1, le=100)
    weight: float = ek.param(0.95, gt=0, le=1)

    def on_start(self) -> None:
        """Begin without a month, a choice or anything to buy."""
        self.month = 0
        self.best: list[str] = []
        self.buying = False

    def on_bar(self) -> None:
        """Choose and sell on the first bar of a month; buy as soon as the sells have filled."""
        share = self.weight / self.hold
        if self.now.month != self.month:
            self.month = self.now.month
            self.best = self.ranking()[: self.hold]
            self.buying = True
            for name in self.universe:
                if name not in self.best:
                    self.close(name, reason="no longer among the best")
                elif self.position(name).market_value > share * self.equity:
                    self.target_weight(name, share, reason="back to its share")
        elif self.buying and not any(
            self.position(name) for name in self.universe if name not in self.best
        ):
            self.buying = False
            for name in self.best:
                if self.position(name).market_value < share * self.equity:
                    self.target_weight(name, share, reason="among the best")

    def ranking(self) -> list[str]:
        """Return the instruments with enough history, best return over `lookback` bars first."""
        closes = {name: bars.close for name, bars in self.bars.items()}
        risen = {name: close[0] / close[-self.lookback] for name, close in closes.items()}
        return sorted((name for name in risen if not isnan(risen[name])), key=lambda n: -risen[n])
