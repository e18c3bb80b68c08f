"""Random programs of orders: each order has the same story under Backtrader alone and as a guest.

Kinds, prices, durations, groups, brackets and cancels are drawn; only what docs/decisions/0003 and
0011 name is left out: trailing stops, two legs of one bracket in a bar, a cancel of an order that
has not reached the market yet.
"""

import random
from collections import defaultdict
from datetime import timedelta

import pytest
from tests.parity.real_data import SETS

pytest.importorskip("backtrader", reason="the extra [backtrader] is not installed")

import backtrader as bt
from tests.lab.beside_cerebro import alone, hosted

pytestmark = pytest.mark.uncounted

KINDS = ("market", "limit", "stop", "stop limit", "close", "target", "rivals", "bracket", "cancel")


class Program(bt.Strategy):
    """On each bar up to two requests, drawn by `seed` and by nothing that it hears."""

    params = (("seed", 0),)

    def __init__(self):
        self.draw = random.Random(self.p.seed)
        self.sent = []
        self.story = defaultdict(list)

    def notify_order(self, order):
        done = order.executed
        told = (self.datetime.date(0), order.getstatusname(), done.size, round(done.price, 6))
        self.story[order.ref].append(told)

    def next(self):
        earlier = list(self.sent)
        for _ in range(self.draw.choice((0, 1, 1, 2))):
            self.ask(self.draw.choice(KINDS), self.draw.choice(self.datas), earlier)

    def ask(self, kind, data, earlier):
        draw, close = self.draw, data.close[0]
        side, size = draw.choice((1, -1)), draw.randint(1, 9)
        verb = self.buy if side > 0 else self.sell
        valid = draw.choice((None, None, timedelta(days=draw.randint(1, 6))))

        def away(low, high):
            """A price on the far side of the close for a limit, on the near one for a stop."""
            return round(close * (1 - side * draw.uniform(low, high)), 2)

        terms = {"data": data, "size": size, "valid": valid}
        orders = []
        if kind == "market":
            orders = [verb(data=data, size=size)]
        elif kind == "limit":
            orders = [verb(exectype=bt.Order.Limit, price=away(-0.01, 0.04), **terms)]
        elif kind == "stop":
            orders = [verb(exectype=bt.Order.Stop, price=away(-0.04, 0.01), **terms)]
        elif kind == "stop limit":
            stop = away(-0.04, -0.001)
            limit = round(stop * (1 + side * draw.uniform(0, 0.01)), 2)
            orders = [verb(exectype=bt.Order.StopLimit, price=stop, plimit=limit, **terms)]
        elif kind == "close":
            orders = [verb(exectype=bt.Order.Close, data=data, size=size)]
        elif kind == "target":
            self.order_target_size(data, target=draw.randint(-20, 20))
        elif kind == "rivals":
            first = verb(exectype=bt.Order.Limit, price=away(0.005, 0.04), **terms)
            price = away(0.3, 0.4)
            second = verb(exectype=bt.Order.Limit, price=price, data=data, size=size, oco=first)
            orders = [first, second]
        elif kind == "bracket":
            legs = {"stopprice": away(0.4, 0.5), "limitprice": away(-0.5, -0.4)}
            both = self.buy_bracket if side > 0 else self.sell_bracket
            orders = both(data=data, size=size, exectype=bt.Order.Market, **legs)
        elif earlier:
            self.cancel(draw.choice(earlier))
        self.sent += orders


def stories(strategies):
    """What became of each order, in the order in which they were made."""
    ((strategy,),) = [strategies]
    return [strategy.story[ref] for ref in sorted(strategy.story)]


@pytest.mark.parametrize("name", ["msft-daily", "two-files"])
@pytest.mark.parametrize("seed", range(4))
def test_each_order_has_the_same_story_in_both_hostings(shared_data, name, seed):
    """When it was told what, of how much and at which price."""
    histories = SETS[name].read(shared_data, 70)  # until the split of June 2000
    programs = []

    def build(cerebro, feeds):
        cerebro.addstrategy(Keeping, seed=seed)

    class Keeping(Program):
        def stop(self):
            programs.append(self)

    alone(build, histories)
    hosted(build, histories)
    theirs, ours = (stories([program]) for program in programs)
    assert len(theirs) > 40
    assert ours == theirs
