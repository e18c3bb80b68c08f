"""What becomes of a guest's orders: each kind and duration in our words, families, splits."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from tests.engine.market import HOUR, X, Y, bars, card

pytest.importorskip("backtrader", reason="the extra [backtrader] is not installed")

import backtrader as bt
from tests.lab.beside_cerebro import FREE, Rows

from evenkeel.app.backtest import execute
from evenkeel.app.setup import request
from evenkeel.domain.errors import StrategyError
from evenkeel.domain.events import Split
from evenkeel.domain.instrument_events import Merged, SpunOff, SymbolChanged
from evenkeel.domain.order import OrderStatus, OrderType, TimeInForce
from evenkeel.lab.backtrader import Guest, host
from evenkeel.lab.backtrader.broker import DeskBroker
from evenkeel.strategy.desk import OrderUpdate

D = Decimal


def play(plan, *closes, actions=(), name=X, beside=(), **wishes):
    """Run a guest that does on bar n (from 1) what `plan[n]` says; it and the result."""

    class Planned(bt.Strategy):
        def __init__(self):
            self.told = []

        def next(self):
            if len(self) in plan:
                plan[len(self)](self)

        def notify_order(self, order):
            self.told.append((len(self), order.ref, order.getstatusname()))

        def notify_trade(self, trade):
            if trade.isclosed:
                self.closed = trade

    guest = host(Planned)
    options = {**FREE, "cash": 100_000, **wishes}
    histories = [bars(*closes, name=name), *beside]
    result = execute(request(guest, histories, actions=actions, **options))
    return guest.strategies[0], result


def orders(result):
    return [life.order for life in result.lives]


def statuses(result):
    return [life.status for life in result.lives]


def fates(strategy, order):
    """What the guest was told of one order, and on which bar."""
    return [(bar, status) for bar, ref, status in strategy.told if ref == order.ref]


def limit(price, **more):
    return {"exectype": bt.Order.Limit, "price": price, "size": 1, **more}


# ---- kinds and durations ----


@pytest.mark.parametrize("day", [bt.Order.DAY, 0])
def test_a_day_order_ends_with_the_session(day):
    """24 hourly bars make the session of these bars."""
    made = {}
    plan = {2: lambda s: made.update(order=s.buy(valid=day, **limit(1)))}
    strategy, result = play(plan, *[10.0] * 30)
    (order,) = orders(result)
    assert (order.tif, order.expires_at) == (TimeInForce.DAY, 24 * HOUR)
    assert fates(strategy, made["order"]) == [
        (3, "Submitted"), (3, "Accepted"), (24, "Expired"),
    ]  # fmt: skip


@pytest.mark.parametrize("price", [None, 20.0])
def test_a_trail_by_a_share_of_the_price(price):
    """5 % below the last close, or below the price that was given."""
    plan = {
        3: lambda s: s.sell(exectype=bt.Order.StopTrail, trailpercent=0.05, price=price, size=1)
    }
    _, result = play(plan, *[10.0] * 5)
    (order,) = orders(result)
    assert (order.type, order.trail_percent) == (OrderType.TRAILING_STOP, D(5))
    assert order.stop_price == (D("9.5") if price is None else D(19))
    plan = {3: lambda s: s.buy(exectype=bt.Order.StopTrail, trailamount=0.5, price=price, size=1)}
    _, result = play(plan, *[10.0] * 5)
    (order,) = orders(result)
    assert (order.trail_amount, order.stop_price) == (
        D("0.5"), D("10.5") if price is None else D("20.5"),
    )  # fmt: skip


def test_a_trail_without_a_distance_is_refused():
    plan = {3: lambda s: s.sell(exectype=bt.Order.StopTrail, size=1)}
    with pytest.raises(StrategyError, match="needs its trailamount or its trailpercent"):
        play(plan, *[10.0] * 5)


TRAIL = {"exectype": bt.Order.StopTrail, "trailamount": 1.0, "size": 1}


def bare(strategy):
    """In at the market; the stop is a sale of its own."""
    strategy.buy(size=1)
    return strategy.sell(**TRAIL)


def behind_the_open(strategy):
    """The entry is the next open, 12: the stop begins at 11, and the rest of the bar moves it."""
    return strategy.sell(parent=strategy.buy(size=1, transmit=False), **TRAIL)


def behind_a_limit(strategy):
    """The entry is at 11.5 in the middle of a bar; what was before is nothing to the stop."""
    return strategy.sell(parent=strategy.buy(transmit=False, **limit(11.5)), **TRAIL)


def short(strategy):
    """Mirrored: it comes down with the lows."""
    strategy.sell(size=1)
    return strategy.buy(**TRAIL)


@pytest.mark.parametrize(
    ("ask", "closes", "stops"),
    [
        (bare, (13, 12.5, 14, 12), [12, 12, 13]),
        (behind_the_open, (13, 12.5, 14, 12), [12, 12, 13]),
        (behind_a_limit, (11, 12, 13, 11), [10.5, 11, 12]),
        (short, (11, 11.5, 10, 12), [12, 12, 11]),
    ],
)
def test_where_a_trailing_stop_stands_can_be_read(ask, closes, stops):
    """In `created.price`, as in Backtrader, by our rule: it sells there, or at the open below it."""
    made = {"seen": []}

    def look(strategy):
        made["seen"].append(made["order"].created.price)

    plan = {3: lambda s: made.update(order=ask(s))} | dict.fromkeys((4, 5, 6), look)
    play(plan, 12, 12, 12, *closes)
    assert made["seen"] == stops
    assert made["order"].executed.price == stops[-1]


def test_an_order_until_a_moment_ends_then():
    """An intraday guest reads the close of each bar; so does its order."""
    made = {}

    def ask(strategy):
        now = strategy.data.datetime.datetime(0)
        made["order"] = strategy.buy(
            valid=now + 2 * (now - strategy.data.datetime.datetime(-1)), **limit(1)
        )

    strategy, result = play({3: ask}, *[10.0] * 9)
    (order,) = orders(result)
    assert order.tif is TimeInForce.GTD
    assert order.expires_at == 5 * HOUR
    assert fates(strategy, made["order"])[-1] == (5, "Expired")


def test_less_than_a_lot_is_rejected_and_never_sent():
    """Backtrader's sizers may give fractions; the instrument says how small a quantity can be."""
    made = {}
    plan = {2: lambda s: made.update(order=s.buy(size=0.4)), 4: lambda s: s.buy(size=2.7)}
    strategy, result = play(plan, *[10.0] * 9)
    assert fates(strategy, made["order"]) == [(3, "Submitted"), (3, "Rejected")]
    assert [order.quantity for order in orders(result)] == [2]
    assert strategy.position.size == 2


def test_what_is_written_beside_an_order_stays_with_it():
    """In its `info`, as in Backtrader; and a reason is in our journal, too."""
    heard = []

    class Wordy(bt.Strategy):
        def next(self):
            if len(self) == 2:
                self.buy(size=1, reason="it rose", colour="red").addinfo(later=3)

        def notify_order(self, order):
            heard.append(dict(order.info))

    result = execute(request(host(Wordy), [bars(*[10.0] * 5)]))
    assert heard == [{"reason": "it rose", "colour": "red", "later": 3}] * 3
    assert [order.reason for order in orders(result)] == ["it rose"]


def test_orders_can_be_looked_up():
    """Open ones, as they are or as copies, and the state of each."""
    made = {}

    def look(strategy):
        broker = strategy.broker
        made["open"] = broker.get_orders_open()
        made["copies"] = broker.get_orders_open(safe=True)
        made["state"] = broker.orderstatus(made["first"])
        made["again"] = strategy.cancel(made["never"]), strategy.cancel(None)

    def ask(strategy):
        made["first"] = strategy.buy(**limit(1))
        made["never"] = strategy.buy(transmit=False, **limit(2))

    play({2: ask, 4: look}, *[10.0] * 9)
    assert made["open"] == [made["first"]]
    assert made["copies"][0] is not made["first"]
    assert made["state"] == bt.Order.Accepted
    assert not any(made["again"])


def test_the_account_can_be_read_as_from_backtraders_own_broker():
    """Cash, value with and without it, of one feed, as a fund, leveraged or not."""
    read = {}

    def look(strategy):
        broker = strategy.broker
        read["all"] = (
            broker.getcash(), broker.get_value(), broker.get_value(mkt=True),
            broker.getvalue([strategy.data]), broker.get_value_lever(), broker.get_leverage(),
            broker.startingcash, broker.fundshares * broker.fundvalue, broker.get_fundmode(),
        )  # fmt: skip

    play({2: lambda s: s.buy(size=10), 5: look}, 10, 10, 10, 12, 12, 12, cash=1_000)
    assert read["all"] == (900, 1020, 120, 120, 1020, 1, 1000, 1020, False)


def test_the_account_can_be_looked_at_as_a_fund():
    """A thousand in shares of 50 each are 20 of them; what earns 2 % adds one to each."""
    read = {}

    class Invested(bt.Strategy):
        def notify_fund(self, cash, value, fundvalue, shares):
            read["told"] = (fundvalue, shares)

        def next(self):
            read["mode"] = self.broker.fundmode, self.broker.get_fundmode()
            if len(self) == 2:
                self.buy(size=10)

    def fund(cerebro, feeds):
        cerebro.addstrategy(Invested)
        cerebro.broker.set_fundmode(True, fundstartval=20)
        cerebro.broker.set_fundmode(True)
        cerebro.broker.set_fundstartval(50)
        cerebro.addobserver(bt.observers.FundValue)

    guest = host(fund)
    execute(request(guest, [bars(10, 10, 10, 12, 12)], **FREE | {"cash": 1_000}))
    (strategy,) = guest.strategies
    assert read == {"mode": (True, True), "told": (51, 20)}
    assert strategy.stats.fundvalue[0] == 51


def test_what_a_trade_moves_is_reckoned_as_by_backtrader():
    """Its own `CommInfoBase.getoperationcost`, of shares: size times price, never negative."""
    read = {}

    def look(strategy):
        info = strategy.broker.getcommissioninfo(strategy.data)
        theirs = bt.CommInfoBase()
        read["cost"] = [
            (info.getoperationcost(size, 7.0), theirs.getoperationcost(size, 7.0))
            for size in (10, -10)
        ]

    play({2: look}, 10, 10, 10)
    assert read["cost"] == [(70, 70), (70, 70)]


def test_a_broker_has_what_it_has():
    """A name that is nobody's is an `AttributeError`, as everywhere in Python."""
    broker = DeskBroker(SimpleNamespace(cash=1.0, equity=1.0, moment=0))
    assert not hasattr(broker, "no_such_thing")
    with pytest.raises(StrategyError, match="addcommissioninfo is Backtrader's own broker's"):
        broker.addcommissioninfo(None)


def test_a_refusal_of_somebody_elses_order_is_nobodys_here():
    """An order that the venue sent by force, say: no guest asked for it."""
    desk = SimpleNamespace(cash=1.0, equity=1.0, moment=0, name="guest")
    broker, before = DeskBroker(desk), []
    order = SimpleNamespace(id=7, strategy="somebody")
    broker.told(OrderUpdate(order, OrderStatus.REJECTED, 0.0, "no"))
    assert list(broker._told) == before


def test_what_is_no_news_to_backtrader_is_not_told():
    """It has no word for an order of which nobody knows what became."""
    broker = DeskBroker(SimpleNamespace(cash=1.0, equity=1.0, moment=0))
    broker._move(SimpleNamespace(status=bt.Order.Accepted), OrderStatus.UNKNOWN, 0)
    assert not broker._notices


def test_an_order_may_be_cancelled_on_the_bar_that_asked_for_it():
    """Backtrader's own broker would let it fill: it looks for it where it is not yet."""
    made = {}

    def ask(strategy):
        made["order"] = strategy.buy(size=1)
        strategy.cancel(made["order"])

    strategy, result = play({2: ask}, *[10.0] * 5)
    assert statuses(result) == ["CANCELED"]
    assert [status for _, status in fates(strategy, made["order"])] == ["Submitted", "Canceled"]


def test_an_order_that_is_never_transmitted_is_never_sent():
    plan = {2: lambda s: s.buy(size=1, transmit=False)}
    assert orders(play(plan, *[10.0] * 9)[1]) == []


def test_a_fill_in_parts_is_told_in_parts():
    """Ten shares of a bar's hundred: the price of the order is the average of what filled."""
    made = {}
    told = []

    class Asking(bt.Strategy):
        def next(self):
            if len(self) == 2:
                made["order"] = self.buy(size=25)

        def notify_order(self, order):
            done = order.executed
            told.append((order.getstatusname(), done.size, done.remsize, round(done.price, 4)))

    thin = bars(10, 10, 10, 11, 12, 13, volume=100)
    execute(request(host(Asking), [thin], costs="zero", slippage="none", volume_share="0.1"))
    assert told == [
        ("Submitted", 0, 25, 0.0),
        ("Accepted", 0, 25, 0.0),
        ("Partial", 10, 15, 10.0),
        ("Partial", 20, 5, 10.0),
        ("Completed", 25, 0, 10.2),
    ]


def test_a_size_that_is_no_number_is_refused():
    with pytest.raises(StrategyError, match="size must be a number, was nan"):
        play({2: lambda s: s.buy(size=float("nan"))}, *[10.0] * 5)


def test_a_position_that_the_venue_closes_by_force_is_the_guests_too():
    """It is told of an order that it never sent, and holds nothing afterwards."""
    plan = {1: lambda s: s.sell(size=1000)}
    closes = (10, 10, 14, 18, 18, 18, 18)
    strategy, result = play(plan, *closes, cash=12_000, margin="reg-t")
    forced = [order for order in orders(result) if order.strategy == "margin"]
    assert forced
    assert strategy.position.size == sum(
        move.quantity if move.side.value == "BUY" else -move.quantity for move in result.moves
    )
    said = [status for _, _, status in strategy.told]
    assert said[:3] == ["Submitted", "Accepted", "Completed"]
    assert said[-2:] == ["Accepted", "Completed"]


def test_nothing_can_be_cancelled_any_more_when_it_stops():
    """Backtrader's `stop` comes after the last bar."""
    made = {}

    class Tidy(bt.Strategy):
        def next(self):
            if len(self) == 2:
                made["order"] = self.buy(**limit(1))

        def stop(self):
            made["cancelled"] = self.cancel(made["order"])

    result = execute(request(host(Tidy), [bars(*[10.0] * 5)]))
    assert statuses(result) == ["NEW"]


# ---- orders that belong together ----


def bracket(strategy, **more):
    return strategy.buy_bracket(size=5, price=10, stopprice=8, limitprice=14, **more)


def test_a_bracket_is_one_at_the_venue():
    """Children wait for the entry, and one cancels the other there."""
    _, result = play({2: bracket}, 10, 10, 10, 10, 12, 15, 15)
    entry, stop, target = orders(result)
    assert (stop.parent, target.parent) == (entry.id, entry.id)
    assert stop.oca_group == target.oca_group == entry.id
    assert statuses(result) == ["FILLED", "CANCELED", "FILLED"]


@pytest.mark.parametrize("leg", [0, 1, 2])
def test_a_bracket_goes_when_one_of_it_is_cancelled(leg):
    """Backtrader takes the whole of what is left off the market, whichever it was."""
    made = {}

    def send(strategy):
        made["legs"] = strategy.buy_bracket(size=5, price=7, stopprice=5, limitprice=14)

    strategy, result = play({2: send, 4: lambda s: s.cancel(made["legs"][leg])}, *[10.0] * 9)
    assert statuses(result) == ["CANCELED"] * 3
    for order in made["legs"]:
        assert fates(strategy, order)[-1] == (5, "Canceled")


def test_a_bracket_of_which_the_gate_refuses_a_leg_is_not_entered():
    """No entry without its exits: a stop that far from the market breaks the collar."""
    made = {}

    def send(strategy):
        made["legs"] = strategy.buy_bracket(size=5, price=10, stopprice=1, limitprice=11)

    strategy, result = play({2: send}, *[10.0] * 9, limits=card(price_collar_max="0.5"))
    assert statuses(result)[:2] == ["CANCELED", "REFUSED"]
    assert not result.moves
    assert [fates(strategy, order)[-1] for order in made["legs"]] == [
        (3, "Canceled"), (3, "Rejected"), (3, "Canceled"),
    ]  # fmt: skip


def test_children_of_a_refused_entry_are_rejected():
    made = {}

    def send(strategy):
        made["legs"] = strategy.buy_bracket(size=50, price=10, stopprice=9, limitprice=11)

    strategy, result = play({2: send}, *[10.0] * 9, limits=card(order_quantity_max="20"))
    assert statuses(result) == ["REFUSED"]
    assert [fates(strategy, order)[-1] for order in made["legs"]] == [(3, "Rejected")] * 3


def test_rivals_are_one_group_at_the_venue():
    """Sent together: what one fills the others can no more, in the same bar even."""

    def send(strategy):
        first = strategy.buy(**limit(9))
        second = strategy.buy(oco=first, **limit(8))
        strategy.buy(oco=second, **limit(7))

    _, result = play({2: send}, 10, 10, 10, 9, 7, 7)
    assert {order.oca_group for order in orders(result)} == {1}
    assert statuses(result) == ["FILLED", "CANCELED", "CANCELED"]


def test_a_rival_named_later_is_cancelled_when_the_other_fills():
    """The venue was never told: we ask for it as soon as we hear."""
    made = {}

    def first(strategy):
        made["first"] = strategy.buy(**limit(9))

    plan = {2: first, 3: lambda s: s.buy(oco=made["first"], **limit(5))}
    _, result = play(plan, 10, 10, 10, 10, 9, 9, 5, 5)
    assert [order.oca_group for order in orders(result)] == [None, None]
    assert statuses(result) == ["FILLED", "CANCELED"]


def test_rivals_end_when_one_of_them_expires_or_is_cancelled():
    """As in Backtrader, where a group lives and dies together."""
    made = {}

    def send(strategy):
        made["first"] = strategy.buy(valid=bt.Order.DAY, **limit(2))
        strategy.buy(oco=made["first"], **limit(1))

    _, result = play({2: send}, *[10.0] * 30)
    assert statuses(result) == ["EXPIRED", "CANCELED"]
    _, result = play({2: send, 4: lambda s: s.cancel(made["first"])}, *[10.0] * 9)
    assert statuses(result) == ["CANCELED", "CANCELED"]


def test_a_rival_that_was_never_sent_needs_no_cancel():
    """The gate refused it; the other one ends by itself."""
    made = {}

    def send(strategy):
        made["first"] = strategy.buy(valid=bt.Order.DAY, **limit(2))
        strategy.buy(oco=made["first"], exectype=bt.Order.Limit, price=1, size=50)

    _, result = play({2: send}, *[10.0] * 30, limits=card(order_quantity_max="20"))
    assert statuses(result) == ["EXPIRED", "REFUSED"]


# ---- splits ----


def test_a_split_puts_positions_and_open_trades_on_the_new_scale():
    """Bought 10 at 12, split 3 for 1, sold 30 at 5: the profit is that of the ledger."""
    made = {}

    def see(strategy):
        made["held"] = strategy.position.size, strategy.position.price
        strategy.close()

    plan = {2: lambda s: s.buy(size=10), 5: see}
    split = Split(X, int(3.5 * HOUR), D(3))
    strategy, result = play(plan, 12, 12, 12, 4, 5, 5, 5, actions=[split])
    assert made["held"] == (30, 4.0)
    assert strategy.closed.pnl == pytest.approx(30)
    assert strategy.position.size == 0
    assert float(result.round_trips[0].net_pnl) == 30
    assert strategy.broker.getvalue() == 100_030


def test_a_split_puts_orders_on_the_new_scale():
    """A stop for ten at 9 is one for thirty at 3, and is told as done when they are sold."""
    made = {}

    def send(strategy):
        strategy.buy(size=10)
        made["limit"] = strategy.buy(size=2, exectype=bt.Order.Limit, price=6.0)
        made["never"] = strategy.buy(size=2, transmit=False)
        made["other"] = strategy.buy(data=strategy.data1, **limit(1))
        stop = {"exectype": bt.Order.Stop, "price": 9.0}
        made["stop"] = strategy.sell(size=10, **stop)

    def see(strategy):
        made["seen"] = [
            (each.created.size, each.created.price, each.executed.remsize)
            for each in (made["stop"], made["limit"], made["other"])
        ]

    split = Split(X, int(3.5 * HOUR), D(3))
    beside = [bars(*[12.0] * 7, name=Y)]
    plan = {2: send, 5: see}
    strategy, _ = play(plan, 12, 12, 12, 4, 4, 3, 3, beside=beside, actions=[split])
    assert made["seen"] == [(-30, 3, -30), (6, 2, 6), (1, 1, 1)]
    done = made["stop"].executed
    assert (done.size, done.remsize, done.price) == (-30, 0, 3)
    told = [status for _, status in fates(strategy, made["stop"])]
    assert told == ["Submitted", "Accepted", "Completed"]


def test_a_bar_that_came_late_is_no_split():
    """Two bars are new (10 and 11 after 12); the one that was shown last is still at 12."""
    split = []

    class Closes(dict):
        times = (0, 1)

    bars_of = SimpleNamespace(count=3, close=Closes({0: 11.0, -1: 10.0, -2: 12.0}))
    for column in ("open", "high", "low", "volume"):
        setattr(bars_of, column, {0: 11.0})
    guest = SimpleNamespace(
        bars={X: bars_of},
        _seen={X: 1},
        _closes={X: 12.0},
        _broker=SimpleNamespace(split=lambda *told: split.append(told)),
    )
    Guest._give(guest, X, SimpleNamespace(give=lambda bar: None))
    assert split == []
    assert (guest._seen, guest._closes) == ({X: 3}, {X: 11.0})


def test_a_split_puts_a_trail_on_the_new_scale():
    """Three behind 12 is one behind 4: at 5 the stop has come to 4."""
    made = {}
    trail = {"exectype": bt.Order.StopTrail, "trailamount": 3.0, "size": 1}
    plan = {
        2: lambda s: made.update(order=s.sell(**trail)),
        4: lambda s: made.update(then=made["order"].created.price),
        5: lambda s: made.update(later=made["order"].created.price),
    }

    class Patient(bt.Strategy):
        def next(self):
            if len(self) in plan:
                plan[len(self)](self)

    old = bars(12, 12, 12, 4, 5, 5)
    opened, high = old.open.copy(), old.high.copy()
    opened[3] = high[3] = 4  # its first bar is on the new scale from its open on
    for column in (opened, high):
        column.flags.writeable = False
    split = Split(X, int(3.5 * HOUR), D(3))
    histories = [replace(old, open=opened, high=high)]
    execute(request(host(Patient), histories, actions=[split], **FREE))
    assert (made["then"], made["later"]) == (3, 4)


def test_a_split_finds_an_order_half_done():
    """Ten of 25 bought at 12: thirty at 4, and 45 to come, of which each bar brings ten."""
    told = []

    class Slow(bt.Strategy):
        def next(self):
            if len(self) == 2:
                self.buy(size=25, exectype=bt.Order.Limit, price=12.0)

        def notify_order(self, order):
            done = order.executed
            told.append((order.getstatusname(), done.size, done.remsize, round(done.price, 6)))

    split = Split(X, int(3.5 * HOUR), D(3))
    thin = bars(12, 12, 12, 4, 4, 4, 4, 4, volume=100)
    options = FREE | {"cash": 1_000, "volume_share": "0.1"}
    execute(request(host(Slow), [thin], actions=[split], **options))
    assert [line[:3] for line in told[2:]] == [
        ("Partial", 10, 15), ("Partial", 40, 35), ("Partial", 50, 25), ("Partial", 60, 15),
        ("Partial", 70, 5), ("Completed", 75, 0),
    ]  # fmt: skip
    assert told[2][3] == 12
    assert told[3][3] == told[-1][3] == 4


def test_a_split_leaves_trades_in_other_feeds_alone():
    """Ten of each; one is split 3 for 1."""
    made = {}

    def see(strategy):
        first, second = strategy.datas
        made["held"] = [strategy.getposition(each).size for each in (first, second)]
        strategy.close(data=first)
        strategy.close(data=second)

    plan = {2: lambda s: [s.buy(data=each, size=10) for each in s.datas], 5: see}
    split = Split(X, int(3.5 * HOUR), D(3))
    other = bars(12, 12, 12, 13, 14, 14, 14, name=Y)
    _, result = play(plan, 12, 12, 12, 4, 5, 5, 5, beside=[other], actions=[split])
    assert made["held"] == [30, 10]
    assert {trip.instrument: float(trip.net_pnl) for trip in result.round_trips} == {X: 30, Y: 20}


def test_feeds_may_have_bars_at_other_times():
    """A guest steps at each of them, and a feed without news stays on its last bar."""
    seen = []

    def look(strategy):
        seen.append([each.close[0] for each in strategy.datas])

    sparse = bars(1, 2, 3, name=Y, start=2, step=2)
    play(dict.fromkeys(range(1, 9), look), 10, 11, 12, 13, 14, 15, beside=[sparse])
    assert seen == [[11, 1], [12, 1], [13, 2], [14, 2], [15, 3]]


def test_a_position_that_the_ledger_no_longer_holds_is_gone():
    """A delisting takes it without an order."""
    desk = SimpleNamespace(cash=1000.0, equity=1000.0, moment=0, held=lambda name: 0.0)
    broker = DeskBroker(desk)
    feed = next(iter(play({}, 1, 1)[0].datas))
    broker.cerebro = SimpleNamespace(runningstrats=[], datas=[feed])
    broker.positions[feed].update(10, 5.0)
    broker.next()
    assert (broker.positions[feed].size, broker.positions[feed].price) == (0, 0.0)


def test_what_floats_make_of_a_sum_is_no_corporate_action():
    """0.1 and 0.2 in one turn are 0.30000000000000004, and the ledger has 0.3."""
    told = []

    class Coins(bt.Strategy):
        def next(self):
            if len(self) == 2:
                self.buy(size=0.1)
                self.buy(size=0.2)

        def notify_order(self, order):
            if order.status == order.Completed:
                told.append(order.executed.size)

    execute(request(host(Coins), [bars(*[12.0] * 6, lot=D("0.1"))], **FREE | {"cash": 1_000}))
    assert told == [0.1, 0.2]


@pytest.mark.parametrize(
    ("action", "bought", "brought", "price"),
    [
        (Merged(X, int(4.5 * HOUR), into=Y, shares=D("0.5")), 10, 5, 24),
        (SymbolChanged(X, int(4.5 * HOUR), to=Y), 10, 10, 12),
        (SpunOff(X, int(4.5 * HOUR), child=Y, shares=D("0.5"), cost_share=D("0.25")), 10, 5, 6),
        (Merged(X, int(4.5 * HOUR), into=Y, shares=D("0.5")), -10, -5, 24),
    ],
    ids=["merged", "renamed", "spun off", "merged short"],
)
def test_a_guest_holds_what_a_corporate_action_brings(action, bought, brought, price):
    """Ten at 12: told as an order that it did not send, held at the ledger's price, and sold."""
    made = {"told": []}

    class Owner(bt.Strategy):
        def next(self):
            first, second = self.datas
            if len(self) == 2:
                self.order_target_size(first, target=bought)
            if len(self) == 6:
                held = self.getposition(second)
                made["held"] = held.size, held.price
                made["equity"] = self.broker.getvalue()
                self.close(data=first)
                self.close(data=second)

        def notify_order(self, order):
            if order.status == order.Completed:
                made["told"].append(
                    (order.data._name, order.executed.size, order.info.get("reason"))
                )

        def notify_trade(self, trade):
            if trade.isclosed:
                made.setdefault("closed", []).append((trade.data._name, trade.pnl))

    guest = host(Owner)
    beside = [bars(*[12.0] * 9), bars(*[24.0] * 9, name=Y)]
    result = execute(request(guest, beside, actions=[action], **FREE | {"cash": 1_000}))
    assert made["held"] == (brought, price)
    assert (Y, brought, "a corporate action") in made["told"]
    assert made["equity"] == float(result.ended.equity)
    assert not result.positions
    assert made["closed"][-1] == (Y, (24 - price) * brought)


# ---- time ----


def test_intraday_bars_that_begin_like_a_day_are_refused():
    """The first bar closes with its session: nobody could tell it from a day's."""

    class Idle(bt.Strategy):
        pass

    evening = bars(1, 2, 3, start=24)
    late = evening.closed_at - 10**9
    late.flags.writeable = False
    with pytest.raises(StrategyError, match="intraday and begin with the last one of a session"):
        execute(request(host(Idle), [replace(evening, closed_at=late, session_closes=late)]))


def test_before_its_first_bar_and_after_its_last_a_guest_reads_nothing():
    """Under Backtrader alone `close[-1]` on the first bar is the last close of all: the future."""
    read = {}

    def look(strategy):
        close, value = strategy.data.close, strategy.stats.broker.value
        before = [close[-1], close[-2], close[-900], value[0], value[-1]]
        read.update(now=close[0], before=before, after=close[1])
        read["days"] = [strategy.data.datetime.date(ago) for ago in (-1, -2, -900)]

    play({1: look}, 10, 11, 12, 13)
    assert read["now"] == 10
    assert all(value != value for value in (*read["before"], read["after"]))  # noqa: PLR0124 - NaN
    assert read["days"] == [date(1, 1, 1)] * 3
    alone = bt.Cerebro()
    alone.adddata(Rows(bars=bars(10, 11, 12, 13), daily=False))

    class Looking(bt.Strategy):
        def next(self):
            if len(self) == 1:
                look(self)

    alone.addstrategy(Looking)
    with pytest.raises(IndexError):
        alone.run()


def test_a_guest_sees_days_begin():
    """The first bar, too, is of another day than the one before; so it is in a resampled feed."""
    begun = []

    class Daily(bt.Strategy):
        def prenext(self):
            self.next()

        def next(self):
            days = (each.datetime for each in self.datas if len(each))
            begun.append([day.date(0) != day.date(-1) for day in days])

    def build(cerebro, feeds):
        cerebro.adddata(feeds[0])
        cerebro.resampledata(feeds[0], timeframe=bt.TimeFrame.Minutes, compression=120)
        cerebro.addstrategy(Daily)

    execute(request(host(build), [bars(*[10.0] * 30)]))
    first = [turn[0] for turn in begun]
    assert [hour for hour, new in enumerate(first, 1) if new] == [1, 24]
    assert [turn[1] for turn in begun if len(turn) == 2][:3] == [True, True, False]


def test_the_first_strategy_of_backtraders_guide_runs():
    """It looks two bars back from the first bar on, and buys after two falls in a row."""

    class TwoFalls(bt.Strategy):
        def __init__(self):
            self.close_line = self.datas[0].close
            self.order = None

        def notify_order(self, order):
            if order.status in {order.Completed, order.Canceled, order.Margin, order.Rejected}:
                self.bar_executed = len(self)
                self.order = None

        def next(self):
            if self.order:
                return
            if not self.position:
                if self.close_line[0] < self.close_line[-1] < self.close_line[-2]:
                    self.order = self.buy()
            elif len(self) >= self.bar_executed + 2:
                self.order = self.sell()

    closes = (10, 9, 8, 9, 10, 11, 12, 11, 10, 11, 12, 13, 14)
    result = execute(request(host(TwoFalls), [bars(*closes)], **FREE))
    decided = [(o.side.value, o.created_at // HOUR) for o in orders(result)]
    assert decided == [("BUY", 3), ("SELL", 6), ("BUY", 9), ("SELL", 12)]
