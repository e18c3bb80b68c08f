"""The same strategy written both ways trades the same orders, one by one.

Under Backtrader's loop as a guest and in our own engine: side, quantity, type, prices, time, fate and
every fill are equal. Orders that Backtrader itself fills by other rules (docs/decisions/0003) are
compared here, too: the venue is ours for both.
"""

import pytest
from tests.parity.real_data import SETS

pytest.importorskip("backtrader", reason="the extra [backtrader] is not installed")

import backtrader as bt

import evenkeel as ek
from evenkeel.app.backtest import execute
from evenkeel.app.setup import request
from evenkeel.domain.order import Side
from evenkeel.lab.backtrader import host
from evenkeel.reports.differences import Data, differences

pytestmark = pytest.mark.uncounted

NAMES = ("aapl-daily", "msft-daily", "nvda-daily", "orcl-daily")


@pytest.fixture(scope="module")
def real_bars(shared_data):
    """Each real data set, read once."""
    read = {}

    def get(name):
        if name not in read:
            read[name] = SETS[name].read(shared_data, 300)
        return read[name]

    return get


# ---- two averages ----


class OurCross(ek.Strategy):
    """Buys on a crossing up, sells all on one down."""

    def setup(self, bars):
        fast, slow = ek.sma(bars.close, 5), ek.sma(bars.close, 12)
        self.up, self.down = ek.crossed_above(fast, slow), ek.crossed_below(fast, slow)

    def on_bar(self):
        if self.up[0]:
            self.buy(10)
        elif self.down[0] and self.position:
            self.sell(self.position.quantity)


class TheirCross(bt.Strategy):
    def __init__(self):
        self.fast, self.slow = bt.ind.SMA(period=5), bt.ind.SMA(period=12)

    def nextstart(self):
        pass  # a crossing needs the bar before

    def next(self):
        above = self.fast[0] > self.slow[0], self.fast[-1] > self.slow[-1]
        below = self.fast[0] < self.slow[0], self.fast[-1] < self.slow[-1]
        if above == (True, False):
            self.buy(size=10)
        elif below == (True, False) and self.position:
            self.sell(size=self.position.size)


# ---- relative strength, resting limits and stops ----


class OurRsi(ek.Strategy):
    """A limit below the market when it is weak; a stop under what it bought."""

    def setup(self, bars):
        self.rsi = ek.rsi(bars.close, 5)

    def on_start(self):
        self.resting = None

    def on_bar(self):
        close = self.bars.close[0]
        if self.position and self.rsi[0] > 60:
            self.cancel(self.resting)
            self.resting = self.sell(10)
        elif not self.position and self.rsi[0] < 45:
            self.cancel(self.resting)
            self.resting = self.buy(10, limit=round(close * 0.995, 4))

    def on_fill(self, fill):
        if fill.side is Side.BUY:
            self.resting = self.sell(fill.quantity, stop=round(float(fill.price) * 0.97, 4))


class TheirRsi(bt.Strategy):
    def __init__(self):
        self.rsi = bt.ind.RSI_Safe(period=5)
        self.resting = None

    def drop(self):
        if self.resting is not None:
            self.cancel(self.resting)

    def next(self):
        close = self.data.close[0]
        if self.position and self.rsi[0] > 60:
            self.drop()
            self.resting = self.sell(size=10)
        elif not self.position and self.rsi[0] < 45:
            self.drop()
            price = round(close * 0.995, 4)
            self.resting = self.buy(size=10, exectype=bt.Order.Limit, price=price)

    def notify_order(self, order):
        if order.status == order.Completed and order.isbuy():
            price = round(order.executed.price * 0.97, 4)
            self.resting = self.sell(size=10, exectype=bt.Order.Stop, price=price)


# ---- brackets ----


class OurBracket(ek.Strategy):
    """In on every fifth bar when flat, with a stop and a target."""

    def on_start(self):
        self.turn = 0

    def on_bar(self):
        self.turn += 1
        close = self.bars.close[0]
        if self.turn % 5 == 0 and not self.position:
            self.bracket(
                10,
                limit=round(close * 1.001, 4),
                stop_loss=round(close * 0.97, 4),
                take_profit=round(close * 1.03, 4),
            )


class TheirBracket(bt.Strategy):
    def next(self):
        close = self.data.close[0]
        if len(self) % 5 == 0 and not self.position:
            self.buy_bracket(
                size=10,
                price=round(close * 1.001, 4),
                stopprice=round(close * 0.97, 4),
                limitprice=round(close * 1.03, 4),
            )


# ---- trailing stops, short side ----


class OurTrail(ek.Strategy):
    """Short on every seventh bar when flat, with a trailing stop as the way out."""

    def on_start(self):
        self.turn = 0

    def on_bar(self):
        self.turn += 1
        if self.turn % 7 == 0 and not self.position:
            self.sell(10)

    def on_fill(self, fill):
        if fill.side is Side.SELL:
            self.buy(10, trail=round(float(fill.price) * 0.02, 4))


class TheirTrail(bt.Strategy):
    def next(self):
        if len(self) % 7 == 0 and not self.position:
            self.sell(size=10)

    def notify_order(self, order):
        if order.status == order.Completed and order.issell():
            trail = round(order.executed.price * 0.02, 4)
            self.buy(size=10, exectype=bt.Order.StopTrail, trailamount=trail)


# ---- closing auctions, groups, trails by a share ----


class OurClose(ek.Strategy):
    """In and out in the closing auction."""

    def on_start(self):
        self.turn = 0

    def on_bar(self):
        self.turn += 1
        if self.turn % 6 == 0 and not self.position:
            self.buy(10, on="close")
        elif self.turn % 6 == 3 and self.position:
            self.sell(10, on="close")


class TheirClose(bt.Strategy):
    def next(self):
        if len(self) % 6 == 0 and not self.position:
            self.buy(size=10, exectype=bt.Order.Close)
        elif len(self) % 6 == 3 and self.position:
            self.sell(size=10, exectype=bt.Order.Close)


class OurRivals(ek.Strategy):
    """Two ways out of which one cancels the other, both good for a while."""

    def on_start(self):
        self.turn = 0

    def on_bar(self):
        self.turn += 1
        close = self.bars.close[0]
        if self.turn % 8 == 0 and not self.position:
            self.buy(10)
        elif self.turn % 8 == 2 and self.position:
            with self.one_cancels_other():
                self.sell(10, stop=round(close * 0.98, 4))
                self.sell(10, limit=round(close * 1.02, 4))
        elif self.turn % 8 == 7 and self.position:
            self.buy(2, limit=round(close * 0.99, 4), tif="DAY")


class TheirRivals(bt.Strategy):
    def next(self):
        close = self.data.close[0]
        if len(self) % 8 == 0 and not self.position:
            self.buy(size=10)
        elif len(self) % 8 == 2 and self.position:
            stop = self.sell(size=10, exectype=bt.Order.Stop, price=round(close * 0.98, 4))
            price = round(close * 1.02, 4)
            self.sell(size=10, exectype=bt.Order.Limit, price=price, oco=stop)
        elif len(self) % 8 == 7 and self.position:
            price = round(close * 0.99, 4)
            self.buy(size=2, exectype=bt.Order.Limit, price=price, valid=bt.Order.DAY)


class OurShare(ek.Strategy):
    """A trail of three percent under what was bought."""

    def on_start(self):
        self.turn = 0

    def on_bar(self):
        self.turn += 1
        if self.turn % 9 == 0 and not self.position:
            self.buy(10)
        elif self.turn % 9 == 1 and self.position.quantity > 0:
            self.sell(self.position.quantity, trail="3%")


class TheirShare(bt.Strategy):
    def next(self):
        if len(self) % 9 == 0 and not self.position:
            self.buy(size=10)
        elif len(self) % 9 == 1 and self.position.size > 0:
            size = self.position.size
            self.sell(size=size, exectype=bt.Order.StopTrail, trailpercent=0.03)


# ---- two instruments ----


class OurPair(ek.PortfolioStrategy):
    """Holds whichever has risen more in five bars, in a quantity by equity."""

    def on_bar(self):
        risen = {name: bars.close[0] / bars.close[-5] for name, bars in self.bars.items()}
        if any(value != value for value in risen.values()):  # noqa: PLR0124 - warm-up is NaN
            return
        best = max(risen, key=risen.get)
        for name, bars in self.bars.items():
            wanted = int(self.equity * 0.4 // bars.close[0]) if name == best else 0
            held = self.position(name).quantity
            if wanted and not held:
                self.buy(name, wanted)
            elif held and not wanted:
                self.sell(name, held)


class TheirPair(bt.Strategy):
    def next(self):
        if len(self) < 6:
            return
        risen = {data: data.close[0] / data.close[-5] for data in self.datas}
        best = max(risen, key=risen.get)
        for data in self.datas:
            wanted = int(self.broker.getvalue() * 0.4 // data.close[0]) if data is best else 0
            held = self.getposition(data).size
            if wanted and not held:
                self.buy(data=data, size=wanted)
            elif held and not wanted:
                self.sell(data=data, size=held)


TWINS = {
    "close": (OurClose, TheirClose),
    "rivals": (OurRivals, TheirRivals),
    "share": (OurShare, TheirShare),
    "cross": (OurCross, TheirCross),
    "rsi": (OurRsi, TheirRsi),
    "bracket": (OurBracket, TheirBracket),
    "trail": (OurTrail, TheirTrail),
}


def told(result):
    """Each order with its terms and fate, each fill, and the account at the end."""
    orders = [
        (
            order.id, order.side, order.quantity, order.type, order.created_at, order.limit_price,
            order.stop_price, order.trail_amount, order.trail_percent, order.tif, order.parent, order.oca_group, life.status,
        )
        for life in result.lives
        for order in [life.order]
    ]  # fmt: skip
    fills = [
        (f.order_id, f.at, f.quantity, f.price, f.commission, f.slippage) for f in result.moves
    ]
    return orders, fills, result.ended.equity, result.ended.state


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("twins", TWINS)
def test_a_strategy_written_both_ways_trades_the_same_orders(real_bars, name, twins):
    """Order by order and fill by fill, costs and slippage on."""
    check(*TWINS[twins], real_bars(name))


def check(ours, theirs, histories):
    wishes = {"costs": "bps:5", "slippage": "bps:2"}
    mine = execute(request(ours(), histories, **wishes))
    guests = execute(request(host(theirs), histories, **wishes))
    assert told(guests)[0] == told(mine)[0]
    assert told(guests) == told(mine)
    assert len(mine.moves) > 4
    data = Data((mine.started.tape, guests.started.tape), (mine.bars, guests.bars))
    assert differences(mine.records, guests.records, data) == []


@pytest.mark.parametrize("name", ["two-files", "djia-five"])
def test_a_portfolio_written_both_ways_trades_the_same_orders(real_bars, name):
    """Several instruments, one account: sizes depend on all of them."""
    check(OurPair, TheirPair, real_bars(name))
