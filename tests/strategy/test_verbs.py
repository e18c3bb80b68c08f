"""What a strategy asks for reaches the desk as exact amounts, once, with its reason."""

import copy
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pickle import dumps, loads

import numpy as np
import pytest
from msgspec.structs import replace
from tests.strategy.bench import ACME, DAY, PaperDesk, bars_of, frame_of

import evenkeel as ek
from evenkeel.domain.errors import StrategyError
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.order import OrderType, Side, TimeInForce
from evenkeel.domain.tape import NEVER
from evenkeel.strategy.series import Series

EURO = Instrument("FESX.XEUR", multiplier=Decimal(10))
D = Decimal


class One(ek.Strategy):
    """Does nothing by itself."""


class Many(ek.PortfolioStrategy):
    """Does nothing by itself."""


@pytest.fixture
def desk():
    return PaperDesk()


@pytest.fixture
def one(desk):
    strategy = One()
    strategy.instrument = ACME
    strategy.bars = bars_of([100.0] * 3)
    strategy.join(desk)
    return strategy


@pytest.fixture
def many(desk):
    strategy = Many()
    strategy.bars = {ACME.id: bars_of([100.0]), EURO.id: bars_of([4000.0], instrument=EURO)}
    desk.prices[EURO.id] = D(4000)
    strategy.join(desk)
    return strategy


# ---- reading ----


def test_facts_come_from_the_desk_as_floats(one, desk):
    desk.holdings[ACME.id] = D(10)
    assert (one.cash, one.equity, one.position.quantity) == (10_000.0, 11_000.0, 10.0)
    assert one.now == datetime(1970, 1, 6, tzinfo=UTC)
    assert one.name == "One"


def test_equity_is_nan_when_something_held_has_no_price(one, desk):
    desk.holdings[ACME.id], desk.prices[ACME.id] = D(1), None
    assert np.isnan(one.equity)
    desk.prices[ACME.id] = D(5)
    assert one.target_weight(0.5) is not None


def test_a_position_is_true_when_it_is_not_flat(one, desk):
    """It is what is held whenever it is asked, kept by the strategy or not."""
    position = one.position
    assert not position
    assert (position.quantity, position.market_value) == (0, 0)
    desk.holdings[ACME.id] = D(-1)
    assert position
    assert one.position.quantity == position.quantity == -1
    assert (position.market_value, position.unrealized_pnl) == (-100, 0)
    assert np.isnan(position.average_price)


def test_what_an_author_prints_can_be_read(one, desk):
    """A position, a series, bars and the strategy itself; none of them is shown by its address."""
    desk.holdings[ACME.id] = D(-3)
    assert repr(one.position) == "<Position: -3 ACME.XNYS>"
    assert repr(One().position) == "<Position of a strategy that is not running>"
    assert repr(one.bars) == "<BarSeries of ACME.XNYS: 3 bars>"
    assert repr(one.bars.close) == "<Series of 3: 100, 100, 100>"
    assert repr(bars_of([1, 2.5, 3, 4]).close > 3) == "<Series of 4: … 0, 0, 1>"
    assert repr(one) == "One()"


def test_a_position_of_several_is_asked_for_by_name(many, desk):
    desk.holdings[EURO.id] = D(3)
    assert many.position(EURO.id).quantity == 3
    with pytest.raises(StrategyError, match=r"no instrument 'FESX\.XEU'; its universe is ACME"):
        many.position("FESX.XEU")


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda one: loads(dumps(one))],  # noqa: S301 - our own
)
def test_a_strategy_that_does_not_run_can_be_copied(copied):
    with pytest.raises(StrategyError, match="One is not running: orders, cash and positions"):
        copied(One()).log("here")


def test_before_a_strategy_runs_it_has_no_position():
    with pytest.raises(StrategyError, match="One is not running: orders, cash and positions"):
        bool(One().position)


def test_nothing_can_be_asked_before_the_strategy_runs():
    with pytest.raises(StrategyError, match="One is not running: orders, cash and positions"):
        One().cash  # noqa: B018 - reading is the point


def test_a_strategy_must_say_what_to_do(one):
    with pytest.raises(StrategyError, match="One has no on_bar method"):
        one.on_bar()


def test_the_other_hooks_are_optional(one, many):
    for strategy in (one, many):
        strategy.setup(strategy.bars)
        strategy.on_start()
        strategy.on_order(None)
        strategy.on_fill(None)
        strategy.on_stop()


def test_a_logged_line_names_the_strategy(one, desk):
    one.log("quiet day")
    assert desk.notes == [("One", "quiet day")]


# ---- orders ----


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, OrderType.MARKET),
        ({"limit": 99}, OrderType.LIMIT),
        ({"stop": 101}, OrderType.STOP),
        ({"stop": 101, "limit": 102}, OrderType.STOP_LIMIT),
        ({"trail": 3}, OrderType.TRAILING_STOP),
        ({"trail": 3, "stop": 104}, OrderType.TRAILING_STOP),
        ({"trail": "3%"}, OrderType.TRAILING_STOP),
        ({"on": "open"}, OrderType.MARKET_ON_OPEN),
        ({"tif": "opg"}, OrderType.MARKET_ON_OPEN),
        ({"on": "open", "limit": 99}, OrderType.LIMIT),
        ({"on": "close"}, OrderType.MARKET_ON_CLOSE),
        ({"on": "close", "limit": 99}, OrderType.LIMIT_ON_CLOSE),
        ({"on": "close", "tif": "DAY"}, OrderType.MARKET_ON_CLOSE),
    ],
)
def test_the_prices_given_make_the_type(one, desk, options, kind):
    assert one.buy(1, **options) == 1
    assert desk.asks[0].type is kind


def test_amounts_become_exactly_what_was_written(one, desk):
    one.buy(1.1, limit=0.3, reason="cheap")
    one.sell("2.50", stop=D("1.10"), tif="day")
    first, second = desk.asks
    assert (first.side, first.quantity, first.limit_price) == (Side.BUY, D("1.1"), D("0.3"))
    assert (first.tif, first.reason) == (TimeInForce.GTC, "cheap")
    assert (second.side, second.quantity, second.stop_price) == (Side.SELL, D("2.50"), D("1.10"))
    assert second.tif is TimeInForce.DAY


def test_a_numpy_number_is_a_number(one, desk):
    one.buy(np.float64(1.1), limit=np.float64(0.3))
    assert (desk.asks[0].quantity, desk.asks[0].limit_price) == (D("1.1"), D("0.3"))


def test_a_trail_starts_at_its_distance_on_the_losing_side(one, desk):
    one.sell(1, trail=2.5)
    one.buy(1, trail=2.5)
    one.sell(1, trail=2.5, stop=90)
    assert [each.stop_price for each in desk.asks] == [D("97.5"), D("102.5"), D(90)]
    assert {each.trail_amount for each in desk.asks} == {D("2.5")}
    desk.prices[ACME.id] = None
    one.sell(1, trail=2.5)
    assert desk.asks[-1].stop_price is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tif": "FOR"}, "tif must be one of DAY, GTC, GTD, IOC, FOK, OPG, was 'FOR'"),
        ({"tif": "GTD"}, "expires= and tif='GTD' go together, was tif='GTD'"),
        ({"tif": "DAY", "expires": "2024-01-31"}, "go together, was tif='DAY'"),
        ({"expires": "soon"}, "expires must be a date or a time like .*, was 'soon'"),
        ({"expires": "2024-01-31T15:00"}, "expires needs a time zone, such as"),
        ({"on": "noon"}, "on must be 'open' or 'close', was 'noon'"),
        ({"on": "open", "tif": "DAY"}, "on='open' is tif='OPG' in other words, was tif='DAY'"),
        ({"on": "open", "stop": 5}, "an order on open takes no stop= and no trail="),
        ({"on": "close", "trail": 5}, "an order on close takes no stop= and no trail="),
        ({"tif": "OPG", "stop": 5}, "an order on open takes no stop= and no trail="),
        ({"on": "close", "tif": "GTC"}, "MARKET_ON_CLOSE order takes tif=DAY, was GTC"),
        ({"on": "close", "tif": "OPG"}, "an order on close and on open at once"),
        ({"stop": 5, "tif": "IOC"}, "a STOP order takes tif=DAY or GTC or GTD, was IOC"),
        ({"trail": "x%"}, "trail must be a number, was 'x'"),
        ({"limit": "cheap"}, "limit must be a number, was 'cheap'"),
        ({"stop": float("nan")}, "stop must be a number, was nan; in an indicator's warm-up"),
        ({"trail": [1]}, r"trail must be a number, was \[1\]"),
        ({"trail": 1, "limit": 5}, "a trailing stop takes no limit"),
        ({"tif": 5}, "tif must be one of DAY, GTC, GTD, IOC, FOK, OPG, was 5"),
        ({"on": ["open"]}, r"on must be 'open' or 'close', was \['open'\]"),
        ({"expires": 1.5}, "expires must be a date or a time like .*, was 1.5"),
        ({"expires": True}, "expires must be a date or a time like .*, was True"),
        ({"reason": 5}, "reason must be a text, was 5"),
        ({"reason": "a\ud800"}, "reason has a half of a character in it"),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused_before_the_desk(one, desk, options, message):
    with pytest.raises(StrategyError, match=message):
        one.buy(1, **options)
    assert desk.asks == []


@pytest.mark.parametrize("quantity", [None, "many", float("nan"), float("inf"), True, np.True_])
def test_a_quantity_must_be_a_number(one, quantity):
    with pytest.raises(StrategyError, match="quantity must be a number, was"):
        one.buy(quantity)
    with pytest.raises(StrategyError, match="quantity must be a number, was"):
        one.target_quantity(quantity)


@pytest.mark.parametrize(
    "quantity",
    [1e300, "1e400", D("1e30"), 10**40, -(10**30), pytest.param(10**5000, id="10**5000")],
)
def test_a_number_has_no_more_digits_than_arithmetic(one, quantity):
    for verb in (one.buy, one.target_quantity):
        with pytest.raises(
            StrategyError, match=r"quantity must be less than 1e30, was -?1(.00)?e\+\d+$"
        ):
            verb(quantity)
    with pytest.raises(StrategyError, match="limit must be less than 1e30"):
        one.buy(1, limit=quantity)


@pytest.mark.parametrize("weight", [None, "half", True, [1]])
def test_a_weight_must_be_a_number(one, weight):
    with pytest.raises(StrategyError, match="weight must be a number, was"):
        one.target_weight(weight)


def test_a_side_must_be_a_word(one):
    with pytest.raises(StrategyError, match="side must be 'buy' or 'sell', was 1"):
        one.bracket(1, stop_loss=95, take_profit=110, side=1)


def test_what_an_author_says_must_be_a_text(one, desk):
    """A journal with anything else in its place could be written, and never read."""
    with pytest.raises(StrategyError, match=r"what is logged must be a text, was 99\.5"):
        one.log(99.5)
    with pytest.raises(StrategyError, match="reason must be a text, was None"):
        one.cancel(1, reason=None)
    assert (desk.notes, desk.cancelled) == ([], [])


def test_only_an_order_is_canceled_or_replaced(one, desk):
    """The three numbers of a bracket are none: to do nothing would leave its orders at work."""
    orders = one.bracket(1, stop_loss=95, take_profit=110)
    with pytest.raises(
        StrategyError, match=r"what is canceled must be an order's number, was \(1, 2, 3\)"
    ):
        one.cancel(orders)
    with pytest.raises(StrategyError, match="what is replaced must be an order's number, was '1'"):
        one.replace("1", limit=5)
    one.cancel(None)
    assert one.replace(None, limit=5) is None
    assert (desk.cancelled, len(desk.asks)) == ([], 3)


def test_an_end_that_no_clock_will_see_is_never(one, desk):
    one.buy(1, limit=90, expires="9999-12-31")
    one.buy(1, limit=90, expires="2262-04-10")
    assert [each.expires_at for each in desk.asks] == [NEVER, 9_223_286_400 * 10**9]


@pytest.mark.parametrize("weight", [float("inf"), 1e308])
def test_a_weight_must_be_one_that_can_be_traded(one, weight):
    with pytest.raises(StrategyError, match="weight must be a number that can be traded, was"):
        one.target_weight(weight)


def test_a_truth_is_no_price_and_no_order(one, desk):
    with pytest.raises(StrategyError, match="stop must be a number, was True"):
        one.buy(1, stop=True)
    with pytest.raises(StrategyError, match="after must be an order's number, was True"):
        one.buy(1, after=True)
    with pytest.raises(StrategyError, match="after must be an order's number, was '1'"):
        one.buy(1, after="1")
    assert desk.asks == []


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("limt", "; did you mean 'limit'?"),
        ("foo", ""),
        ("oca_group", ""),
        ("replaces", ""),
        ("sizing", ""),
    ],
)
def test_an_option_that_no_order_has_is_named(one, desk, option, meant):
    says = (
        f"^an order has no option {option}=, only limit=, stop=, trail=, on=, tif=, expires=, "
        f"after=, reason={re.escape(meant)}$"
    )
    for verb in (one.buy, one.sell, one.target_quantity, one.target_weight):
        with pytest.raises(StrategyError, match=says):
            verb(0.5, **{option: 1})
    with pytest.raises(StrategyError, match=says):
        one.close(**{option: 1})
    with pytest.raises(StrategyError, match=says):
        one.bracket(1, stop_loss=90, take_profit=110, **{option: 1})
    assert desk.asks == []


def test_a_time_in_force_may_be_the_name_or_the_thing(one, desk):
    one.buy(1, tif=TimeInForce.DAY)
    one.buy(1, tif="gtc")
    assert [each.tif for each in desk.asks] == [TimeInForce.DAY, TimeInForce.GTC]


def test_an_auction_has_its_own_time_in_force(one, desk):
    one.buy(1, on="open")
    one.buy(1, on="open", limit=5)
    one.buy(1, on="close")
    one.buy(1, limit=5, tif="ioc")
    one.buy(1, tif="FOK")
    assert [each.tif.value for each in desk.asks] == ["OPG", "OPG", "DAY", "IOC", "FOK"]


def test_a_trail_may_be_a_share_of_the_price(one, desk):
    one.sell(1, trail="2.5%")
    one.buy(1, trail="4 %")
    sell, buy = desk.asks
    assert (sell.trail_percent, sell.trail_amount, sell.stop_price) == (D("2.5"), None, D("97.5"))
    assert (buy.trail_percent, buy.stop_price) == (D(4), D(104))


@pytest.mark.parametrize(
    ("expires", "at"),
    [
        (date(1970, 1, 10), 10 * DAY),  # the end of that day in UTC
        ("1970-01-10", 10 * DAY),
        ("1970-01-10T06:00+06:00", 9 * DAY),
        (datetime(1970, 1, 10, 12, tzinfo=UTC), 9 * DAY + DAY // 2),
        (np.int64(9 * DAY).item(), 9 * DAY),
    ],
)
def test_an_order_may_end_at_a_date_or_a_moment(one, desk, expires, at):
    one.buy(1, limit=90, expires=expires)
    one.buy(1, limit=91, expires=expires, tif="GTD")
    assert {(each.tif, each.expires_at) for each in desk.asks} == {(TimeInForce.GTD, at)}


# ---- orders that hang together ----


def test_orders_in_one_block_cancel_each_other(one, desk):
    with one.one_cancels_other():
        one.sell(1, stop=90)
        one.sell(1, limit=110)
    one.sell(1, limit=120)
    with one.one_cancels_other():
        one.buy(1, stop=130)
    assert [each.oca_group for each in desk.asks] == [1, 1, None, 4]


def test_a_block_ends_when_it_breaks(one, desk):
    with pytest.raises(ZeroDivisionError), one.one_cancels_other():
        one.buy(1 / 0)
    one.buy(1)
    assert desk.asks[0].oca_group is None


def test_one_order_may_wait_for_another(one, desk):
    entry = one.buy(1, limit=95)
    one.sell(1, limit=105, after=entry)
    assert [each.parent for each in desk.asks] == [None, 1]


def test_what_should_follow_an_order_that_was_not_placed_is_not_placed(one, desk):
    nothing = one.buy("0.5")
    assert nothing is None
    assert one.sell(1, stop=90, after=nothing) is None
    assert desk.asks == []


def test_a_bracket_in_a_block_keeps_a_group_of_its_own(one, desk):
    """Its entry is in the block's group; were its exits too, the entry's fill would end them."""
    with one.one_cancels_other():
        one.bracket(1, stop_loss=90, take_profit=110, limit=99)
        one.sell(1, limit=120)
    assert [each.oca_group for each in desk.asks] == [1, 2, 2, 1]


@pytest.mark.parametrize(
    "words",
    [
        {"on": "open"},
        {"on": "open", "limit": 99},
        {"on": "close", "limit": 99},
        {"limit": 99, "expires": "1970-02-01"},
        {"stop": 101, "tif": "DAY"},
    ],
)
def test_a_replacement_is_of_the_same_kind(one, desk, words):
    with one.one_cancels_other():
        one.replace(one.buy(2, **words), quantity=3)
    old, new = desk.asks
    assert new == replace(old, quantity=D(3), replaces=1, sizing="replaces order 1")


@pytest.mark.parametrize("trail", ["5%", 5])
def test_a_trail_that_is_replaced_stays_where_it_has_come_to(one, desk, trail):
    """Only the venue knows where that is; a stop that is given moves it."""
    order = one.sell(2, trail=trail)
    one.replace(order, quantity=1)
    one.replace(order, stop=98)
    assert [each.stop_price for each in desk.asks] == [95, None, 98]
    assert len({(each.trail_amount, each.trail_percent) for each in desk.asks}) == 1


def test_a_trail_that_follows_an_order_starts_when_that_has_filled(one, desk):
    entry = one.buy(1, limit=90)
    one.sell(1, trail=5, after=entry)
    one.sell(1, trail=5, stop=80, after=entry)
    assert [each.stop_price for each in desk.asks] == [None, None, 80]


# ---- targets ----


def test_a_target_orders_what_is_missing(one, desk):
    desk.holdings[ACME.id] = D(30)
    one.target_quantity(50)
    assert (desk.asks[0].side, desk.asks[0].quantity) == (Side.BUY, 20)
    assert desk.asks[0].sizing.startswith("target_quantity 50")


def test_a_target_counts_market_orders_on_their_way_but_no_resting_ones(one, desk):
    one.buy(20)
    one.buy(7, limit=90)
    one.target_quantity(50)
    assert desk.asks[-1].quantity == 30
    assert one.target_quantity(50) is None


def test_a_target_below_what_is_held_sells_and_may_go_short(one, desk):
    desk.holdings[ACME.id] = D(30)
    one.target_quantity(-5, limit=101)
    assert (desk.asks[0].side, desk.asks[0].quantity) == (Side.SELL, 35)
    assert desk.asks[0].limit_price == 101


def test_a_weight_rounds_down_to_lots_long_and_short(one, desk):
    desk.prices[ACME.id] = D(99)
    one.target_weight(0.5, reason="half")
    assert (desk.asks[0].quantity, desk.asks[0].reason) == (50, "half")
    assert desk.asks[0].sizing == "target_weight 0.5 of equity 10000.00 at 99"
    desk.orders.clear()
    one.target_weight(-0.5)
    assert (desk.asks[1].side, desk.asks[1].quantity) == (Side.SELL, 50)


def test_a_weight_on_a_fine_grid_stays_on_the_grid(one, desk):
    """Six lots of 0.1 as floats are 0.6000000000000001: what is left to sell would round to 0."""
    one.instrument = Instrument("BTC.XXXX", lot=D("0.1"))
    desk.prices["BTC.XXXX"], desk.holdings["BTC.XXXX"] = D(100), D("0.7")
    desk.money, desk.lot = D(30), D("0.1")
    one.target_weight(0.65)
    assert (desk.asks[0].side, desk.asks[0].quantity) == (Side.SELL, D("0.1"))


def test_a_weight_counts_the_multiplier(many, desk):
    desk.money = D(100_000)
    many.target_weight(EURO.id, 0.9)
    assert desk.asks[0].quantity == 2


def test_a_weight_needs_a_price_and_a_known_equity(one, many, desk):
    desk.prices[ACME.id] = None
    with pytest.raises(StrategyError, match=r"ACME.XNYS has no price yet: .*; wait until self"):
        one.target_weight(0.5)
    desk.holdings[ACME.id] = D(1)
    assert many.target_weight(EURO.id, 0.5) is None
    assert desk.asks == []


def test_close_takes_resting_orders_off_and_goes_flat_once(one, desk):
    desk.holdings[ACME.id] = D(30)
    stop = one.sell(30, stop=90)
    one.close(reason="enough")
    assert desk.cancelled == [(stop, "close")]
    assert (desk.asks[-1].side, desk.asks[-1].quantity) == (Side.SELL, 30)
    assert (desk.asks[-1].reason, desk.asks[-1].sizing) == ("enough", "close")
    assert one.close() is None


def test_close_takes_off_what_sleeps_and_lets_come_what_is_on_its_way(one, desk):
    entry = one.buy(10)
    child = one.sell(10, after=entry)
    at_once = one.buy(3, tif="IOC")
    one.close()
    assert [number for number, _ in desk.cancelled] == [child, at_once]
    assert (desk.asks[-1].side, desk.asks[-1].quantity) == (Side.SELL, 10)


def test_close_takes_off_an_order_and_what_will_replace_it(one, desk):
    order = one.buy(10)
    new = one.replace(order, quantity=4)
    assert one.close() is None
    assert [number for number, _ in desk.cancelled] == [order, new]


def test_close_when_flat_asks_for_nothing(one, desk):
    assert one.close() is None
    assert desk.asks == []


def test_cancelling_no_order_is_nothing(one, desk):
    one.cancel(None)
    one.cancel(3, reason="old")
    assert desk.cancelled == [(3, "old")]


def test_a_risk_becomes_a_quantity(one):
    assert one.quantity_for_risk(0.01, 4) == pytest.approx(25)


# ---- brackets and replacements ----


def test_a_bracket_is_an_entry_with_two_exits_of_which_one_cancels_the_other(one, desk):
    assert one.bracket(10, stop_loss=95, take_profit=110, limit=99, reason="dip") == (1, 2, 3)
    entry, stop, target = desk.asks
    assert (entry.side, entry.limit_price, entry.parent) == (Side.BUY, 99, None)
    assert (stop.side, stop.type, stop.stop_price) == (Side.SELL, OrderType.STOP, 95)
    assert (target.type, target.limit_price) == (OrderType.LIMIT, 110)
    for leg in (stop, target):
        assert (leg.parent, leg.oca_group, leg.quantity, leg.reason) == (1, 1, 10, "dip")
        assert (leg.tif, leg.sizing) == (TimeInForce.GTC, "bracket of order 1")


def test_a_short_bracket_is_mirrored(one, desk):
    one.bracket(10, stop_loss=110, take_profit=95, side="sell")
    assert [each.side for each in desk.asks] == [Side.SELL, Side.BUY, Side.BUY]
    assert (desk.asks[1].stop_price, desk.asks[2].limit_price) == (110, 95)


@pytest.mark.parametrize(
    ("side", "stop", "target", "message"),
    [
        ("buy", 110, 95, "a BUY bracket needs its stop_loss below its take_profit, was stop_loss"),
        ("buy", 95, 95, "a BUY bracket needs its stop_loss below"),
        (Side.SELL, 95, 110, "a SELL bracket needs its stop_loss above its take_profit"),
        ("long", 95, 110, "side must be 'buy' or 'sell', was 'long'"),
    ],
)
def test_a_bracket_the_wrong_way_round_is_refused(one, desk, side, stop, target, message):
    with pytest.raises(StrategyError, match=message):
        one.bracket(1, stop_loss=stop, take_profit=target, side=side)
    assert desk.asks == []


def test_a_bracket_that_rounds_to_nothing_places_no_exits(one, desk):
    assert one.bracket(0.2, stop_loss=95, take_profit=110) == (None, None, None)
    assert desk.asks == []


def test_a_replacement_keeps_what_is_not_given(one, desk):
    order = one.buy(10, limit=90, tif="DAY")
    assert one.replace(order, limit=91, reason="closer") == 2
    new = desk.asks[1]
    assert (new.quantity, new.limit_price, new.tif) == (10, 91, TimeInForce.DAY)
    assert (new.replaces, new.reason, new.sizing) == (order, "closer", "replaces order 1")
    stop = one.sell(5, stop=80)
    one.replace(stop, quantity=4, stop=81)
    assert (desk.asks[-1].quantity, desk.asks[-1].stop_price) == (4, 81)
    one.replace(stop)
    assert (desk.asks[-1].quantity, desk.asks[-1].stop_price) == (5, 80)


def test_a_replacement_asks_for_what_is_left_of_the_order(one, desk):
    """Four of ten have filled: six are what the author still wants."""
    order = one.buy(10, limit=90)
    desk.filled[order] = 4
    one.replace(order, limit=91)
    assert desk.asks[-1].quantity == 6
    one.replace(order, quantity=10)  # and ten more where that is said
    assert desk.asks[-1].quantity == 10


def test_an_order_that_is_done_is_not_replaced(one, desk):
    desk.fill(one.buy(10))
    assert one.replace(1, limit=5) is None
    assert len(desk.asks) == 1


# ---- many instruments ----


def test_verbs_of_a_portfolio_name_the_instrument_first(many, desk):
    assert many.universe == [ACME.id, EURO.id]
    many.buy(ACME.id, 1)
    many.sell(EURO.id, 2, limit=4001)
    many.target_quantity(ACME.id, 5)
    many.bracket(EURO.id, 1, stop_loss=3900, take_profit=4100)
    many.replace(EURO.id, 2, limit=4002)
    many.close(ACME.id)
    assert [(each.instrument, each.side.value, each.quantity) for each in desk.asks] == [
        (ACME.id, "BUY", 1),
        (EURO.id, "SELL", 2),
        (ACME.id, "BUY", 4),
        (EURO.id, "BUY", 1),
        (EURO.id, "SELL", 1),
        (EURO.id, "SELL", 1),
        (EURO.id, "SELL", 2),
        (ACME.id, "SELL", 5),
    ]
    assert many.position(ACME.id).quantity == 0


def test_an_instrument_outside_the_universe_is_named(many):
    with pytest.raises(
        StrategyError, match=r"Many has no instrument 'ACNE.XNYS'; its universe is ACME.XNYS, FESX"
    ):
        many.buy("ACNE.XNYS", 1)


# ---- waking up ----

TIMES = np.array([1, 2, 3, 4], dtype=np.int64)


def wake_times(strategy, timelines):
    return strategy.wanted_bars(timelines)[0]


def test_without_a_mask_every_bar_wakes_once(one):
    times, places = one.wanted_bars([TIMES])
    assert times is TIMES
    assert list(places) == [0, 1, 2, 3]
    assert wake_times(one, [TIMES, TIMES + 2]).tolist() == [1, 2, 3, 4, 5, 6]


def test_a_series_wakes_on_its_own_timeline():
    frame, one = frame_of(3), One()
    one.wake_on(Series(np.array([True, False, True]), frame))
    assert wake_times(one, [TIMES, TIMES]).tolist() == [0, 2]


def test_an_array_wakes_by_position():
    one = One()
    one.wake_on(np.array([0, 0, 1, 1]))
    times, places = one.wanted_bars([TIMES])
    assert times.tolist() == [3, 4]
    assert list(places) == [2, 3]


@pytest.mark.parametrize("timelines", [[TIMES[:3]], [TIMES, TIMES]])
def test_an_array_that_fits_no_timeline_is_refused(timelines):
    one = One()
    one.wake_on(np.array([True] * 4))
    with pytest.raises(StrategyError, match=r"One.wake_on needs one value per bar"):
        wake_times(one, timelines)


def test_when_to_wake_cannot_be_said_after_setup(one):
    """It would change nothing: the bars to come are lined up."""
    with pytest.raises(StrategyError, match=r"One\.wake_on belongs in setup, which is over"):
        one.wake_on(np.array([True] * 3))
