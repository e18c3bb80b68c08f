"""The same Backtrader code twice: under Cerebro alone, and as a guest; what it is told, both ways."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import backtrader as bt

from evenkeel.app.backtest import execute
from evenkeel.app.paper import replay
from evenkeel.app.setup import request
from evenkeel.journal.log import MemoryJournal
from evenkeel.lab.backtrader import host

CASH = 100_000.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FREE = {"costs": "zero", "slippage": "none", "volume_share": 10**9}
"""What Backtrader does unless told otherwise."""


class Told(bt.Analyzer):
    """Everything that a strategy is told, beside what it could read at that time."""

    def start(self):
        self.lines = []

    def at(self):
        return self.strategy.datetime.datetime(0).replace(microsecond=0)

    def notify_order(self, order):
        executed = order.executed
        self.lines.append(
            (
                self.at(),
                order.getstatusname(),
                order.data._name,
                float(order.size),
                float(executed.size),
                round(executed.price, 6),
                round(executed.value, 4),
                round(executed.pnl, 4),
                float(executed.remsize),
                executed.dt and bt.num2date(executed.dt).replace(microsecond=0),
            )
        )

    def notify_trade(self, trade):
        told = (trade.status, trade.size, trade.barlen, trade.long)
        self.lines.append((self.at(), "trade", *told, round(trade.pnl, 4), round(trade.price, 6)))

    def next(self):
        broker = self.strategy.broker
        sizes = [float(broker.getposition(data).size) for data in self.strategy.datas if len(data)]
        cash, value = round(broker.getcash(), 4), round(broker.getvalue(), 4)
        self.lines.append((self.at(), "bar", cash, value, sizes))

    def get_analysis(self):
        return {}


class Rows(bt.feeds.DataBase):
    """Bars for Cerebro alone, stamped as `lab/backtrader/feed.py` says that it stamps them."""

    params = (("bars", None), ("zone", "UTC"), ("daily", True))

    def start(self):
        super().start()
        self.row = 0

    def _load(self):
        bars, row = self.p.bars, self.row
        if row == len(bars):
            return False
        at = EPOCH + timedelta(microseconds=int(bars.closed_at[row]) // 1000)
        at = at.astimezone(ZoneInfo(self.p.zone)).replace(tzinfo=None)
        if self.p.daily:
            at = datetime.combine(at.date(), self.p.sessionend)
        self.lines.datetime[0] = bt.date2num(at)
        for name in ("open", "high", "low", "close", "volume"):
            getattr(self.lines, name)[0] = getattr(bars, name)[row]
        self.lines.openinterest[0] = 0
        self.row += 1
        return True


def alone(build, histories, *, zone="America/New_York", daily=True, **params):
    """Run a function that fills a Cerebro under Backtrader alone; what its strategies were told."""
    cerebro = bt.Cerebro()
    cerebro.broker.setcash(CASH)
    frame = bt.TimeFrame.Days if daily else bt.TimeFrame.Minutes
    feeds = [
        Rows(bars=bars, zone=zone, daily=daily, timeframe=frame, name=bars.instrument.id)
        for bars in histories
    ]
    build(cerebro, feeds, **params)
    for feed in () if cerebro.datas else feeds:
        cerebro.adddata(feed)
    cerebro.addanalyzer(Told)
    return [strategy.analyzers.told.lines for strategy in cerebro.run()]


def hosted(build, histories, **params):
    """Run it as a guest; what its strategies were told, and the result."""

    def with_ears(cerebro, feeds):
        build(cerebro, feeds, **params)
        cerebro.addanalyzer(Told)

    guest = host(with_ears)
    result = execute(request(guest, histories, cash=CASH, **FREE))
    return [strategy.analyzers.told.lines for strategy in guest.strategies], result


def journals(guest, histories, **wishes):
    """The journals of three ways through the same bars."""
    wanted = request(guest, histories, **wishes)
    on_paper = MemoryJournal()
    replay(wanted, on_paper, segment=1)
    return (
        list(execute(wanted).journal.lines()),
        list(execute(wanted, jump=False).journal.lines()),
        list(on_paper.lines()),
    )
