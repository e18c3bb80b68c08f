"""What the strategy tests work with: series from plain lists, bars, and a desk made of paper."""

from decimal import Decimal

import numpy as np

from evenkeel.domain.instrument import Instrument
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.domain.tape import Cursor
from evenkeel.strategy.desk import Ask, Worth
from evenkeel.strategy.series import BarSeries, Frame, Series

DAY = 86_400_000_000_000
ACME = Instrument("ACME.XNYS")


def frame_of(length, *, at=None, keep=False):
    """A timeline of `length` days, standing at bar `at` (the last one unless told)."""
    cursor = Cursor(np.arange(length, dtype=np.int64).data)
    cursor.index = length - 1 if at is None else at
    return Frame(cursor, keep=keep)


def series_of(values, *, at=None):
    """A series of floats (or bools) on a timeline of its own."""
    array = np.array(values)
    if array.dtype != np.bool_:
        array = array.astype(np.float64)
    return Series(array, frame_of(len(array), at=at))


def bars_of(closes, *, spread=1.0, instrument=ACME, frame=None):
    """Daily bars around `closes`, standing at the last one unless `frame` says otherwise."""
    close = np.array(closes, dtype=np.float64)
    columns = {
        "open": close,
        "high": close + spread,
        "low": close - spread,
        "close": close,
        "volume": np.full(len(close), 1000.0),
    }
    return BarSeries(instrument, columns, frame or frame_of(len(close)))


class PaperDesk:
    """A `Desk` that approves everything and fills market orders when told to."""

    def __init__(self, price="100", cash="10000"):
        self.now = 5 * DAY
        self.asks = []
        self.orders = {}
        self.cancelled = []
        self.notes = []
        self.holdings = {}
        self.filled = {}
        self.prices = {ACME.id: None if price is None else Decimal(price)}
        self.money = Decimal(cash)
        self.lot = Decimal(1)
        self.multipliers = {"FESX.XEUR": Decimal(10)}

    @property
    def next_order(self):
        return len(self.asks) + 1

    def market(self, strategy, instrument, side, quantity, sizing):
        return self.place(
            strategy, Ask(instrument, side, quantity, OrderType.MARKET, sizing=sizing)
        )

    def place(self, strategy, ask):
        if ask.quantity < self.lot:  # rounds down to nothing
            return None
        self.asks.append(ask)
        number = len(self.asks)
        self.orders[number] = Order(
            number,
            strategy,
            ask.instrument,
            ask.side,
            ask.quantity,
            ask.type,
            self.now,
            limit_price=ask.limit_price,
            stop_price=ask.stop_price,
            trail_amount=ask.trail_amount,
            trail_percent=ask.trail_percent,
            tif=ask.tif,
            expires_at=ask.expires_at,
            replaces=ask.replaces,
            parent=ask.parent,
            oca_group=ask.oca_group,
        )
        return number

    def fill(self, number):
        """Fill an order in full at the last price; return its signed quantity."""
        order = self.orders.pop(number)
        signed = order.quantity if order.side is Side.BUY else -order.quantity
        self.holdings[order.instrument] = self.held(order.instrument) + signed
        price = self.prices[order.instrument] or Decimal(0)
        self.money -= signed * price
        return signed

    def cancel(self, strategy, order_id, reason):
        self.cancelled.append((order_id, reason))
        self.orders.pop(order_id, None)

    def working(self, strategy, instrument):
        return [each for each in self.orders.values() if each.instrument == instrument]

    def leaves(self, order_id):
        return self.orders[order_id].quantity - self.filled.get(order_id, 0)

    def waiting(self, strategy, instrument):
        working = self.working(strategy, instrument)
        replaced = [each.replaces for each in working]
        return [each for each in working if not each.is_plain or each.id in replaced]

    def held(self, instrument):
        return self.holdings.get(instrument, Decimal(0))

    def multiplier(self, instrument):
        return self.multipliers.get(instrument, Decimal(1))

    def expected(self, strategy, instrument):
        return self.held(instrument) + sum(
            (
                each.quantity if each.side is Side.BUY else -each.quantity
                for each in self.working(strategy, instrument)
                if each.type is OrderType.MARKET and each.parent is None
            ),
            Decimal(0),
        )

    def worth(self, instrument):
        price = self.prices.get(instrument)
        value = float(self.held(instrument)) * float("nan" if price is None else price)
        return Worth(float("nan"), value, 0.0)

    def price(self, instrument):
        return self.prices.get(instrument)

    def cash(self):
        return self.money

    def equity(self):
        total = self.money
        for name, quantity in self.holdings.items():
            price = self.prices.get(name)
            if quantity and price is None:
                return None
            total += quantity * (price or Decimal(0))
        return total

    def note(self, strategy, text):
        self.notes.append((strategy, text))
