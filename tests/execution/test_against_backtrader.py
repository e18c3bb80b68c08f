"""The same orders on the same bars fill on the same day at the same price in Backtrader.

What differs, and why, stands in docs/decisions/0003; the last tests here show each difference.
"""

import csv
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.execution.bench import MINUTE, advance, approved, bars_of, fills, order, venue

pytestmark = pytest.mark.uncounted

START = datetime(2000, 1, 1)


@pytest.fixture(scope="module")
def bt():
    return pytest.importorskip("backtrader", reason="the extra [backtrader] is not installed")


@pytest.fixture(scope="module")
def apple(shared_data):
    """AAPL as it traded, 2000 to 2013, with its splits left in."""
    folder = shared_data / "corporate_actions" / "old_yahoo_raw_plus_adj"
    with (folder / "AAPL_2000_2013.csv").open() as file:
        columns = ("Open", "High", "Low", "Close", "Volume")
        return [tuple(float(row[name]) for name in columns) for row in csv.DictReader(file)]


def in_backtrader(bt, rows, wanted):
    """Return {order id: (bar, price)} of what Backtrader fills; `wanted` is {bar: [orders]}."""
    filled = {}

    class Scripted(bt.Strategy):
        def __init__(self):
            self.numbers, self.sent = {}, {}

        def links(self, each, together):
            """A child names its parent; the last order of a family sends it. A leg names one leg."""
            if each.parent is not None:
                last = together[-1] is each
                return {"parent": self.sent[each.parent], "transmit": last}
            if any(other.parent == each.id for other in together):
                return {"transmit": False}
            return {"oco": self.sent.get(each.oca_group)} if each.oca_group else {}

        def next(self):
            for each in wanted.get(len(self) - 1, ()):
                send = self.buy if each.side.value == "BUY" else self.sell
                sent = send(**terms(bt, each), **self.links(each, wanted[len(self) - 1]))
                self.sent[each.id] = sent
                self.numbers[sent.ref] = each.id

        def notify_order(self, order):
            if order.status == order.Completed:
                # it averages prices in floats: 63.62 comes back as 63.61999999999999
                price = round(order.executed.price, 9)
                filled[self.numbers[order.ref]] = len(self) - 1, price

    class Rows(bt.feeds.DataBase):
        def start(self):
            super().start()
            self.at = 0

        def _load(self):
            if self.at == len(rows):
                return False
            lines = self.lines
            lines.datetime[0] = bt.date2num(START + timedelta(days=self.at))
            names = ("open", "high", "low", "close", "volume")
            for name, value in zip(names, rows[self.at], strict=True):
                getattr(lines, name)[0] = value
            lines.openinterest[0] = 0
            self.at += 1
            return True

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(Rows())
    cerebro.addstrategy(Scripted)
    cerebro.broker.set_checksubmit(False)
    cerebro.broker.setcash(1e12)
    cerebro.run()
    return filled


def terms(bt, each):
    """An order in Backtrader's words: there the stop is `price` and a limit beside it `plimit`."""
    kind, size = each.type.value, float(each.quantity)
    limit, stop = (None if p is None else float(p) for p in (each.limit_price, each.stop_price))
    match kind:
        case "MARKET":
            return {"size": size, "exectype": bt.Order.Market}
        case "LIMIT":
            return {"size": size, "exectype": bt.Order.Limit, "price": limit}
        case "STOP":
            return {"size": size, "exectype": bt.Order.Stop, "price": stop}
        case "STOP_LIMIT":
            return {"size": size, "exectype": bt.Order.StopLimit, "price": stop, "plimit": limit}
        case "MARKET_ON_CLOSE":
            return {"size": size, "exectype": bt.Order.Close}
    trail = float(each.trail_amount)
    return {"size": size, "exectype": bt.Order.StopTrail, "price": stop, "trailamount": trail}


def in_evenkeel(rows, wanted):
    broker = venue(bars_of(rows), volume_share=10**9)
    filled = {}
    for bar in range(len(rows)):
        for fill in fills(advance(broker, bar + 1)):
            filled[fill.order_id] = fill.at // MINUTE - 1, float(fill.price)
        for each in wanted.get(bar, ()):
            broker.submit(approved(each))
    return filled


def away(price, percent):
    """A price some percent away, in cents."""
    return str(Decimal(repr(round(price * (1 + percent / 100), 2))))


def scripted(rows):
    """Orders on given days: every 7th bar, each type on each side, near and far in turn."""
    wanted, number = {}, 0
    for bar in range(5, len(rows) - 5, 7):
        close, far = rows[bar][3], (0.2, 1, 3)[bar % 3]
        for side, up in (("BUY", 1), ("SELL", -1)):
            for kind, prices in (
                ("MARKET", {}),
                ("LIMIT", {"limit": away(close, -up * far)}),
                ("LIMIT", {"limit": away(close, up * far)}),  # better at the open, as a rule
                ("STOP", {"stop": away(close, up * far)}),
                ("STOP", {"stop": away(close, -up * far)}),
                ("STOP_LIMIT", {"stop": away(close, up * far), "limit": away(close, up * 4)}),
                ("MARKET_ON_CLOSE", {"expires_at": (bar + 2) * MINUTE}),  # of the next day
            ):
                number += 1
                wanted.setdefault(bar, []).append(order(number, side, 10, kind, **prices))
    return wanted, number


def test_market_limit_stop_and_closing_orders_fill_on_the_same_day_at_the_same_price(bt, apple):
    wanted, count = scripted(apple)
    theirs, ours = in_backtrader(bt, apple, wanted), in_evenkeel(apple, wanted)
    assert ours == theirs
    assert count > 6_000
    assert len(ours) > count * 0.95  # most fill: the comparison is not an empty one


def both(bt, rows, wanted):
    rows = [(*row, 1e9) for row in rows]
    return in_evenkeel(rows, wanted), in_backtrader(bt, rows, wanted)


def test_a_limit_on_the_near_side_of_its_stop(bt):
    """95 -> 104 -> 97 must cross 98. Backtrader asks for a close below the open as well."""
    rows = [(95, 96, 94, 95), (95, 105, 94, 97), (97, 99, 96, 98)]
    near = order(1, "BUY", 10, "STOP_LIMIT", stop="104", limit="98")
    ours, theirs = both(bt, rows, {0: [near]})
    assert ours == {1: (1, 98.0)}
    assert theirs == {1: (2, 97.0)}


def test_a_trail_follows_highs_not_closes(bt):
    """The high of 110 lifts the stop to 105; Backtrader's follows the close of 106, to 101."""
    rows = [(100, 101, 99, 100), (100, 110, 99, 106), (106, 107, 104, 105), (105, 106, 100, 101)]
    trail = order(1, "SELL", 10, "TRAILING_STOP", stop="95", trail="5")
    ours, theirs = both(bt, rows, {0: [trail]})
    assert ours == {1: (2, 105.0)}
    assert theirs == {1: (3, 101.0)}


# ---- orders that hang together ----


def linked(bt, rows, wanted):
    """Both engines' fills of orders with `parent` (Backtrader: children) or `oca_group` (oco)."""
    rows = [(*row, 1e9) for row in rows]
    return in_evenkeel(rows, wanted), in_backtrader(bt, rows, wanted)


PAIRS = [
    # An entry at the open of bar 1; on the bars after that at most one leg is touched.
    ([(100, 101, 99, 100)] * 3 + [(100, 111, 99, 109)], {3: 110}),
    ([(100, 101, 99, 100)] * 3 + [(100, 101, 89, 92)], {2: 90}),
    ([(100, 101, 99, 100)] * 3 + [(85, 86, 84, 85)], {2: 85}),
    ([(100, 101, 99, 100)] * 4, {}),
]


@pytest.mark.parametrize(("rows", "exits"), PAIRS)
def test_one_cancels_the_other(bt, rows, exits):
    """The leg that is touched fills, and the other never does, though the price comes back."""
    rows = [*rows, (100, 120, 80, 100)] if exits else rows
    legs = [
        order(2, "SELL", 10, "STOP", stop="90", oca_group=2),
        order(3, "SELL", 10, "LIMIT", limit="110", oca_group=2),
    ]
    ours, theirs = linked(bt, rows, {1: legs})
    assert ours == theirs == {number: (3, float(price)) for number, price in exits.items()}


@pytest.mark.parametrize(("rows", "exits"), PAIRS)
def test_a_bracket_enters_and_leaves_once(bt, rows, exits):
    rows = [*rows, (100, 120, 80, 100)] if exits else rows
    bracket = [
        order(1, "BUY", 10),
        order(2, "SELL", 10, "STOP", stop="90", parent=1, oca_group=1),
        order(3, "SELL", 10, "LIMIT", limit="110", parent=1, oca_group=1),
    ]
    ours, theirs = linked(bt, rows, {0: bracket})
    entry = {1: (1, 100.0)}
    assert ours == theirs
    assert ours == entry | {number: (3, float(price)) for number, price in exits.items()}
