"""What Backtrader's documentation shows, written anew: each a function that fills a Cerebro."""

from datetime import time, timedelta

import backtrader as bt


class Cross(bt.Strategy):
    """Two averages and a market order."""

    params = (("fast", 5), ("slow", 12), ("stake", 10))

    def __init__(self):
        fast, slow = (bt.ind.SMA(period=period) for period in (self.p.fast, self.p.slow))
        self.cross = bt.ind.CrossOver(fast, slow)

    def next(self):
        if self.cross > 0:
            self.buy(size=self.p.stake)
        elif self.cross < 0 and self.position:
            self.close()


class Above(bt.Strategy):
    """In while the close is above its average, sized by whatever sizer there is."""

    params = (("period", 5),)

    def __init__(self):
        self.average = bt.ind.SMA(self.datas[-1], period=self.p.period)

    def next(self):
        if self.data.close[0] > self.average[0]:
            if not self.position:
                self.buy()
        elif self.position:
            self.close()


class Rsi(bt.Strategy):
    """Limit orders below the market, stops under what is held; one order at a time."""

    def __init__(self):
        self.rsi = bt.ind.RSI_Safe(period=5)
        self.order = None

    def notify_order(self, order):
        if not order.alive():
            self.order = None

    def next(self):
        if self.order:
            if len(self) - self.sent < 3:
                return
            self.cancel(self.order)
        close = self.data.close[0]
        self.sent = len(self)
        if not self.position and self.rsi < 45:
            self.order = self.buy(size=20, exectype=bt.Order.Limit, price=round(close * 0.99, 2))
        elif self.position and self.rsi > 60:
            self.order = self.sell(
                size=20,
                exectype=bt.Order.StopLimit,
                price=round(close * 0.99, 2),
                plimit=round(close * 0.97, 2),
            )
        elif self.position:
            self.order = self.sell(size=20, exectype=bt.Order.Stop, price=round(close * 0.96, 2))


class LongShort(bt.Strategy):
    """Every feed for itself, through zero."""

    def __init__(self):
        self.averages = {data: bt.ind.EMA(data, period=4) for data in self.datas}

    def next(self):
        for number, data in enumerate(self.datas):
            side = 1 if data.close[0] > self.averages[data][0] else -1
            self.order_target_size(data, target=side * (number + 1) * 5)


class HalfIn(bt.Sizer):
    """Half of the cash for a buy, all that is held for a sell."""

    def _getsizing(self, comminfo, cash, data, isbuy):
        if isbuy:
            return comminfo.getsize(data.close[0], cash / 2)
        return self.broker.getposition(data).size


class Alarm(bt.Strategy):
    """In and out by the clock, and rebalanced once a month."""

    def __init__(self):
        self.daily = self.add_timer(when=time(15, 30))
        self.add_timer(bt.timer.SESSION_END, monthdays=[1], monthcarry=True)

    def notify_timer(self, timer, when, *args, **kwargs):
        if timer is not self.daily:
            self.order_target_percent(target=0.3)
        elif self.position:
            self.close()
        else:
            self.buy(size=5)


class OnClose(bt.Strategy):
    """In and out in the closing auction, every few days."""

    def next(self):
        if len(self) % 4 == 0:
            self.buy(size=3, exectype=bt.Order.Close)
        elif len(self) % 4 == 2 and self.position:
            self.close(exectype=bt.Order.Close)


class ForAWhile(bt.Strategy):
    """Orders that end by themselves: after days, and at a date."""

    def next(self):
        close, today = self.data.close[0], self.data.datetime.datetime(0)
        if len(self) % 9 == 0:
            limit = {"exectype": bt.Order.Limit, "price": round(close * 0.96, 2), "size": 2}
            self.buy(valid=timedelta(days=3), **limit)
            self.buy(valid=today.date() + timedelta(days=6), **limit)
        elif len(self) % 9 == 8 and self.position:
            self.close()


class Rivals(bt.Strategy):
    """A stop and a target for what is held: what one does, the other can no more."""

    def next(self):
        close = self.data.close[0]
        if not self.position and not self.broker.get_orders_open():
            self.buy(size=5)
        elif self.position and not self.broker.get_orders_open():
            stop = {"exectype": bt.Order.Stop, "price": round(close * 0.88, 2)}
            target = {"exectype": bt.Order.Limit, "price": round(close * 1.1, 2)}
            first = self.sell(size=5, **stop)
            second = self.sell(size=5, oco=first, **target)
            if len(self) % 3 == 0:
                self.sell(size=5, oco=second, exectype=bt.Order.Limit, price=round(close * 1.12, 2))
        elif len(self) % 20 == 0:
            self.cancel(self.broker.get_orders_open()[0])


class Missed(bt.Strategy):
    """Entries that end before they are reached, or not: what hangs on one ends after it."""

    def next(self):
        close = self.data.close[0]
        low = {"exectype": bt.Order.Limit, "price": round(close * 0.96, 2)}
        if len(self) % 14 == 1:
            entry = self.buy(size=3, valid=timedelta(days=4), transmit=False, **low)
            stop = {"exectype": bt.Order.Stop, "price": round(close * 0.7, 2)}
            self.sell(size=3, parent=entry, **stop)
        elif len(self) % 14 == 8:
            self.first = self.buy(size=2, valid=timedelta(days=6), **low)
        elif len(self) % 14 == 9:
            self.buy(size=2, exectype=bt.Order.Limit, price=round(close * 0.8, 2), oco=self.first)
        elif len(self) % 14 == 0 and self.position:
            self.close()


class Bracketed(bt.Strategy):
    """In at the market, with a stop and a target far enough apart not to meet in one bar."""

    def next(self):
        if len(self) % 10 == 0 and not self.position:
            close = self.data.close[0]
            stop, target = round(close * 0.83, 2), round(close * 1.12, 2)
            self.buy_bracket(size=4, exectype=bt.Order.Market, stopprice=stop, limitprice=target)


class Trailing(bt.Strategy):
    """In on a rise; a trailing stop, by an amount or a share, is the way out."""

    params = (("share", 0.0),)

    def next(self):
        if len(self) > 3 and not self.position and self.data.close[0] > self.data.close[-3]:
            self.buy(size=4)
        elif self.position and not self.broker.get_orders_open():
            trail = {"trailpercent": self.p.share} if self.p.share else {"trailamount": 4.0}
            self.sell(size=4, exectype=bt.Order.StopTrail, **trail)


def bracket(cerebro, feeds):
    cerebro.addstrategy(Bracketed)


def trailing_stop(cerebro, feeds):
    cerebro.addstrategy(Trailing)


def trailing_share(cerebro, feeds):
    cerebro.addstrategy(Trailing, share=0.05)


def on_close(cerebro, feeds):
    cerebro.addstrategy(OnClose)


def for_a_while(cerebro, feeds):
    cerebro.addstrategy(ForAWhile)


def rivals(cerebro, feeds):
    cerebro.addstrategy(Rivals)


def missed(cerebro, feeds):
    cerebro.addstrategy(Missed)


def sma_cross(cerebro, feeds):
    cerebro.addstrategy(Cross)


def fixed_size(cerebro, feeds):
    cerebro.addstrategy(Above)
    cerebro.addsizer(bt.sizers.FixedSize, stake=7)


def percent_size(cerebro, feeds):
    cerebro.addstrategy(Above)
    cerebro.addsizer(bt.sizers.PercentSizerInt, percents=60)


def sizer_of_ones_own(cerebro, feeds):
    cerebro.addstrategy(Above)
    cerebro.addsizer(HalfIn)


def limits_and_stops(cerebro, feeds):
    cerebro.addstrategy(Rsi)


def long_short(cerebro, feeds):
    cerebro.addstrategy(LongShort)


def two_strategies(cerebro, feeds):
    cerebro.addstrategy(Cross, stake=3)
    cerebro.addstrategy(Above, period=9)


def signals(cerebro, feeds):
    cerebro.add_signal(bt.SIGNAL_LONGSHORT, Trend)


class Trend(bt.Indicator):
    """The distance from an average: a signal."""

    lines = ("signal",)

    def __init__(self):
        self.lines.signal = self.data - bt.ind.SMA(self.data, period=8)


def weekly_beside_daily(cerebro, feeds):
    cerebro.adddata(feeds[0])
    cerebro.resampledata(feeds[0], timeframe=bt.TimeFrame.Weeks)
    cerebro.addstrategy(Above)


def monthly_beside_daily(cerebro, feeds):
    cerebro.adddata(feeds[0])
    cerebro.resampledata(feeds[0], timeframe=bt.TimeFrame.Months)
    cerebro.addstrategy(Above, period=2)


def weeks_replayed(cerebro, feeds):
    cerebro.replaydata(feeds[0], timeframe=bt.TimeFrame.Weeks)
    cerebro.addstrategy(Above, period=3)


def timers(cerebro, feeds):
    cerebro.addstrategy(Alarm)


def five_minutes_beside_one(cerebro, feeds):
    cerebro.adddata(feeds[0])
    cerebro.resampledata(feeds[0], timeframe=bt.TimeFrame.Minutes, compression=5)
    cerebro.addstrategy(Above)


DAILY = (
    sma_cross,
    fixed_size,
    percent_size,
    sizer_of_ones_own,
    limits_and_stops,
    on_close,
    for_a_while,
    rivals,
    missed,
    bracket,
    long_short,
    two_strategies,
    signals,
    weekly_beside_daily,
    monthly_beside_daily,
    weeks_replayed,
    timers,
)
BY_OTHER_RULES = (trailing_stop, trailing_share)
"""Their fills are those of docs/decisions/0003, not Backtrader's."""

INTRADAY = (sma_cross, timers, five_minutes_beside_one)
SEVERAL = (long_short,)
