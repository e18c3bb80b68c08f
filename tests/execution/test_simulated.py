"""What the simulated venue does with orders, bar by bar, told by the few bars that show it."""

from datetime import date
from decimal import localcontext
from fractions import Fraction
from itertools import count as count_from
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.execution.bench import (
    ID,
    MINUTE,
    D,
    advance,
    approved,
    bars_of,
    fills,
    kinds,
    longer,
    order,
    play,
    venue,
)

from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import (
    CancelRejected,
    CashDividend,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    Split,
)
from evenkeel.domain.instrument_events import (
    Delisted,
    Merged,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.money import EXACT
from evenkeel.domain.order import Side, TimeInForce
from evenkeel.domain.tape import NEVER
from evenkeel.execution.costs import IbkrFixed, PerOrder, parse_costs
from evenkeel.execution.slippage import BasisPointsSlippage, parse_slippage

FLAT = (100, 101, 99, 100)


def prices(said):
    return [(fill.order_id, fill.at // MINUTE, str(fill.price)) for fill in fills(said)]


# ---- each type of order ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "terms", "expected"),
    [
        ("BUY", "MARKET", {}, (2, "102.0")),
        ("SELL", "MARKET", {}, (2, "102.0")),
        ("BUY", "LIMIT", {"limit": "103"}, (2, "102.0")),
        ("BUY", "LIMIT", {"limit": "98"}, (3, "98")),
        ("BUY", "LIMIT", {"limit": "90"}, None),
        ("SELL", "LIMIT", {"limit": "106"}, (4, "106")),
        ("BUY", "STOP", {"stop": "104.5"}, (4, "105.0")),  # gapped over it
        ("SELL", "STOP", {"stop": "98.5"}, (3, "98.5")),
        ("SELL", "STOP", {"stop": "101"}, (2, "101")),
        ("BUY", "STOP_LIMIT", {"stop": "104", "limit": "103"}, (2, "103")),
        ("SELL", "STOP_LIMIT", {"stop": "98", "limit": "97.5"}, (3, "98")),
        # starts at 97; bar 2's high of 104 lifts it to 100 for bar 3, which opens at 101
        ("SELL", "TRAILING_STOP", {"stop": "97", "trail": "4"}, (3, "100.0")),
        # starts at 106, bar 3's low of 97 takes it to 103 for bar 4, which opens above
        ("BUY", "TRAILING_STOP", {"stop": "106", "trail": "6"}, (4, "105.0")),
    ],
)
def test_an_order_fills_on_the_first_bar_that_its_rule_names(side, kind, terms, expected):
    history = bars_of(
        [
            (100, 200, 50, 100),  # the bar decided on: whatever it did is past
            (102, 104, 100, 103),
            (101, 102, 97, 98),
            (105, 107, 104, 106),
            (106, 107, 101, 102),
        ]
    )
    said = play(venue(history), [order(1, side, 10, kind, **terms)])
    assert kinds(said)[0] == ("OrderAccepted", 1)
    assert prices(said) == ([] if expected is None else [(1, *expected)])


def test_the_venue_answers_a_submit_at_the_same_moment():
    broker = venue(bars_of([FLAT] * 3))
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 10)))
    assert broker.events() == [OrderAccepted(1, MINUTE)]
    assert broker.events() == []


def test_an_exit_that_was_cut_to_what_its_entry_brought_ends_with_it():
    rows = [FLAT, (*FLAT, 300), FLAT, FLAT, FLAT]
    exit_ = order(2, "SELL", 100, "LIMIT", limit=90, parent=1)
    broker = venue(bars_of(rows))
    said = play(broker, [order(1, "BUY", 100), exit_], script={2: [lambda b: b.cancel(1)]})
    assert kinds(said)[-4:] == [
        ("Fill", 1),
        ("OrderCanceled", 1),
        ("Fill", 2),
        ("OrderCanceled", 2),
    ]
    assert (said[-1].filled, said[-1].reason) == (30, "its parent brought no more")


def test_a_fill_says_everything_about_itself():
    history = bars_of([FLAT, (100, 101, 99, 100)], multiplier=D(2), currency="EUR")
    broker = venue(history, costs=IbkrFixed(), slippage=BasisPointsSlippage(D(10)))
    (fill,) = fills(play(broker, [order(1, "BUY", 300)]))
    assert (fill.id, fill.order_id, fill.instrument, fill.currency) == ("1.1", 1, ID, "EUR")
    assert fill.at == 2 * MINUTE
    assert fill.price == D("100.1")
    assert fill.slippage == D("60")  # 0.10 x 300 x 2
    assert fill.commission == D("1.5")
    assert fill.ambiguity is None


@pytest.mark.parametrize(("low", "expected"), [(95.1, []), (95, [(1, 3, "95.0")])])
def test_a_trail_stands_on_the_tick_against_the_trader(low, expected):
    """100 less 4.8 is 95.2; the nearest tick below is 95."""
    history = bars_of([FLAT, (99, 100, 98, 99), (99, 99, low, 99)], tick=D("0.5"))
    trail = order(1, "SELL", 10, "TRAILING_STOP", stop="90", trail="4.8")
    assert prices(play(venue(history), [trail])) == expected


# ---- slippage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "terms", "tick", "price"),
    [
        ("BUY", "MARKET", {}, None, "100.5"),
        ("SELL", "MARKET", {}, None, "99.5"),
        ("BUY", "MARKET", {}, "0.4", "100.8"),  # rounded against us
        ("SELL", "MARKET", {}, "0.4", "99.2"),
        ("BUY", "STOP", {"stop": "100.8"}, None, "101"),  # not outside the bar
        ("SELL", "STOP", {"stop": "99.1"}, None, "99"),
        ("BUY", "LIMIT", {"limit": "100.2"}, None, "100"),  # a limit does not slip
        ("SELL", "STOP_LIMIT", {"stop": "99.5", "limit": "99"}, None, "99.5"),
    ],
)
def test_slippage_stays_on_the_grid_and_inside_the_bar(side, kind, terms, tick, price):
    history = bars_of([FLAT, FLAT], tick=D(tick) if tick else None)
    broker = venue(history, slippage=BasisPointsSlippage(D(50)))
    (fill,) = fills(play(broker, [order(1, side, 1, kind, **terms)]))
    assert fill.price == D(price)


def test_slippage_never_makes_a_price_better():
    """The open is the bar's high and off the tick: rounding it into the bar must not help."""
    broker = venue(
        bars_of([FLAT, (100, 100, 90, 95)], tick=D("0.3")), slippage=BasisPointsSlippage(D(1))
    )
    (fill,) = fills(play(broker, [order(1, "BUY", 1)]))
    assert (fill.price, fill.slippage) == (D(100), D(0))


# ---- volume ----------------------------------------------------------------------------------


def test_a_market_order_takes_a_share_of_each_bar_and_works_on():
    history = bars_of([(*FLAT, 9), (10, 11, 9, 10, 105), (20, 21, 19, 20, 0), (30, 31, 29, 30, 99)])
    said = play(venue(history), [order(1, "BUY", 15)])
    assert [(fill.id, int(fill.quantity), int(fill.price)) for fill in fills(said)] == [
        ("1.1", 10, 10),
        ("1.2", 5, 30),
    ]


def test_orders_share_a_bars_volume_by_age():
    history = bars_of([FLAT, (*FLAT, 100), (*FLAT, 100)])
    said = play(venue(history), [order(1, "BUY", 7), order(2, "BUY", 7)])
    assert [(fill.order_id, fill.at // MINUTE, int(fill.quantity)) for fill in fills(said)] == [
        (1, 2, 7),
        (2, 2, 3),
        (2, 3, 4),
    ]


def test_the_cap_is_exact_and_in_lots():
    """0.1 x 30 is 3 in decimals, and a little more in floats; 0.29 x 100 a little less than 29."""
    said = play(venue(bars_of([FLAT, (*FLAT, 30)])), [order(1, "BUY", 50)])
    assert [fill.quantity for fill in fills(said)] == [3]
    broker = venue(bars_of([FLAT, (*FLAT, 100)]), volume_share=D("0.29"))
    assert [fill.quantity for fill in fills(play(broker, [order(1, "BUY", 50)]))] == [29]
    broker = venue(bars_of([FLAT, (*FLAT, 30)], lot=D("0.25")), volume_share="0.05")
    assert [fill.quantity for fill in fills(play(broker, [order(1, "BUY", 50)]))] == [D("1.5")]


def test_unknown_volume_caps_nothing():
    history = bars_of([FLAT, (*FLAT, 0)], volume_known=False)
    assert [fill.quantity for fill in fills(play(venue(history), [order(1, "BUY", 50)]))] == [50]


def test_a_bar_without_volume_triggers_nothing():
    history = bars_of([FLAT, (90, 91, 89, 90, 0), FLAT, (96, 97, 94, 95)])
    said = play(venue(history), [order(1, "SELL", 5, "STOP", stop="95")])
    assert prices(said) == [(1, 4, "95")]


def test_a_triggered_stop_works_on_as_market_and_a_stop_limit_as_limit():
    rows = [FLAT, (100, 101, 94, 96, 50), (98, 99, 97, 98, 50), (94, 95, 93, 94, 50)]
    said = play(venue(bars_of(rows)), [order(1, "SELL", 8, "STOP", stop="95")])
    assert prices(said) == [(1, 2, "95"), (1, 3, "98.0")]
    terms = {"stop": "95", "limit": "95"}
    said = play(venue(bars_of(rows)), [order(1, "SELL", 13, "STOP_LIMIT", **terms)])
    assert prices(said) == [(1, 2, "95"), (1, 3, "98.0"), (1, 4, "95")]


def test_commission_is_for_the_whole_order_not_per_part():
    history = bars_of([FLAT, (*FLAT, 1000), (*FLAT, 1000), (*FLAT, 1000)])
    said = play(venue(history, costs=IbkrFixed()), [order(1, "BUY", 250)])
    # 100 shares cost the minimum of 1.00; 200 still do; 250 cost 1.25
    assert [fill.commission for fill in fills(said)] == [D("1.00"), D(0), D("0.25")]


def test_a_flat_commission_is_for_the_whole_order_too():
    history = bars_of([FLAT, (*FLAT, 1000), (*FLAT, 1000), (*FLAT, 1000)])
    said = play(venue(history, costs=PerOrder(D("9.99"))), [order(1, "BUY", 250)])
    assert [fill.commission for fill in fills(said)] == [D("9.99"), 0, 0]


# ---- what is foretold ------------------------------------------------------------------------


TARIFFS = [
    *("zero", "bps:2.5", "per-share:0.007,minimum=1", "per-order:9.99"),
    *("ibkr-fixed", "ibkr-tiered", "ibkr-tiered:remove=-0.002"),
]
SLIPPAGES = ["none", "bps:7", "random:20", "half-spread:0.013", "sqrt:1", "bps:1+random:5"]
DAY = 24 * 60
OTHER = "OTHER.XNYS"

cents = st.integers(1, 10**7).map(lambda cents: cents / 100)
quantities = st.one_of(st.integers(1, 400_000).map(D), st.decimals("0.001", 999, places=3))
bar_rows = st.tuples(cents, cents, cents, cents).map(
    lambda at: (at[0], max(at), min(at), at[3], 1e12)
)
days = st.one_of(
    st.dates(date(2003, 1, 2), date(2026, 11, 20)),
    # on whose morrow a fee of the authorities changed much
    st.sampled_from(["2003-03-31", "2018-05-21", "2021-02-24", "2024-12-31", "2025-05-13"]).map(
        date.fromisoformat
    ),
)


def minute_of(day):
    """When New York closes in winter, in minutes since 1970."""
    return (day - date(1970, 1, 1)).days * DAY + 21 * 60


@st.composite
def plans(draw):
    """Daily bars of two instruments, and the plain orders that are sent at each of them."""
    count = draw(st.integers(2, 6))
    first = minute_of(draw(days))
    histories = [
        bars_of(
            draw(st.lists(bar_rows, min_size=count, max_size=count)),
            name=name,
            first=first,
            step=DAY,
            lot=D("0.001"),
            multiplier=D(draw(st.sampled_from([1, 10]))),
            tick=draw(st.sampled_from([None, D("0.05")])),
        )
        for name in (ID, OTHER)
    ]
    new = st.tuples(st.sampled_from([ID, OTHER]), st.sampled_from(["BUY", "SELL"]), quantities)
    sent = st.lists(st.lists(new, max_size=3), min_size=count - 1, max_size=count - 1)
    number = count_from(1)
    return histories, [
        [order(next(number), side, size, instrument=name) for name, side, size in wanted]
        for wanted in draw(sent)
    ]


def lines_and_rows(broker, plan):
    """Each order of a plan with its line and the row of the bar that it meets."""
    return [
        (each, broker.tape.lines[each.instrument], row + 1)
        for row, wanted in enumerate(plan)
        for each in wanted
    ]


class Whole(NamedTuple):
    price: object
    commission: object
    fees: object
    slippage: object


def foretold(histories, plan, **terms):
    broker = venue(*histories, **terms)
    told, lines = lines_and_rows(broker, plan), list(broker.tape.lines.values())
    with localcontext(EXACT):
        columns = broker.foresight.wholes(
            [each.id for each, _, _ in told],
            lines,
            [lines.index(line) for _, line, _ in told],
            [row - 1 for _, _, row in told],
            [each.quantity if each.side is Side.BUY else -each.quantity for each, _, _ in told],
        )
    return [Whole(*each) for each in zip(*columns, strict=True)]


def told(histories, plan, *, on_the_book=False, **terms):
    """The fills of a venue that hears of each order in its time.

    Any cancel puts plain orders `on_the_book`, where they meet their bars as any other order does.
    """
    broker, said = venue(*histories, **terms), []
    for at, wanted in zip(histories[0].closed_at.tolist(), [*plan, []], strict=True):
        broker.tape.advance(at)
        said += broker.events()
        for each in wanted:
            broker.submit(approved(each))
        if on_the_book:
            broker.cancel(0)
    return fills(said)


def models(costs, slippage):
    return {"costs": parse_costs(costs), "slippage": parse_slippage(slippage)}


@pytest.mark.parametrize("costs", TARIFFS)
@given(plans(), st.just("none") | st.sampled_from(SLIPPAGES), st.booleans())
@settings(max_examples=40)
def test_what_is_foretold_of_plain_orders_is_what_comes_of_them(costs, plan, slippage, on_the_book):
    terms = models(costs, slippage)
    came = told(*plan, on_the_book=on_the_book, **terms)
    assert [fill.order_id for fill in came] == [each.id for day in plan[1] for each in day]
    assert foretold(*plan, **terms) == [
        Whole(fill.price, fill.commission, fill.fees, fill.slippage) for fill in came
    ]


def test_what_is_foretold_comes_out_to_the_last_digit_that_a_broker_printed():
    """Three sales of 2025-10-31, the same as in test_costs: what stands under "Comm/Fee"."""
    sales = [(100, 17.195, "1.0188"), (30, 68.13, "1.00564"), (5, 627.69, "1.00094")]
    histories = [
        bars_of([FLAT, (price, price, price, price)], name=f"{place}.XNYS", step=DAY,
                first=minute_of(date(2025, 10, 30)))
        for place, (_, price, _) in enumerate(sales, start=1)
    ]  # fmt: skip
    plan = [
        order(place, "SELL", quantity, instrument=f"{place}.XNYS")
        for place, (quantity, _, _) in enumerate(sales, start=1)
    ]
    wholes = foretold(histories, [plan], **models("ibkr-fixed", "none"))
    assert [whole.commission + whole.fees for whole in wholes] == [D(each[2]) for each in sales]
    assert [whole.price for whole in wholes] == [D("17.195"), D("68.13"), D("627.69")]


def test_nothing_is_foretold_of_no_orders():
    assert foretold([bars_of([FLAT])], [], **models("bps:1", "none")) == []


@pytest.mark.parametrize(
    ("volume", "quantity", "takes"),
    [
        (0, 1, None),
        (0, "0.001", None),
        (100, 9, None),  # so near the cap that decimals have to decide
        (100, 10, None),
        (100, 11, None),
        (1_000, 10, 1_000.0),
        (1_000, "0.001", 0.1),
    ],
)
def test_nothing_is_forecast_where_the_volume_might_not_do(volume, quantity, takes):
    line = venue(bars_of([FLAT, (*FLAT, volume)])).tape.lines[ID]
    filler = venue(bars_of([FLAT])).foresight
    assert filler.forecast(line, 1, float(quantity), buy=True) == takes
    assert filler.forecast(line, 1, float(quantity), buy=False) == (takes and -takes)


def test_volume_that_is_not_known_is_in_the_way_of_no_forecast():
    broker = venue(bars_of([FLAT, (*FLAT, 0)], volume_known=False))
    assert broker.foresight.forecast(broker.tape.lines[ID], 1, 1e9, buy=True) == 1e11


@given(
    st.integers(0, 400),
    st.decimals("0.01", 60, places=2),
    st.sampled_from(["0.01", "0.25", "1"]),
    st.sampled_from(["0.05", "0.1", "0.29", "1"]),
)
def test_an_order_with_a_forecast_fills_whole(volume, quantity, lot, share):
    histories = [bars_of([FLAT, (*FLAT, volume)], lot=D(lot))]
    broker = venue(*histories, volume_share=share)
    forecast = broker.foresight.forecast(broker.tape.lines[ID], 1, float(quantity), buy=True)
    filled = told(histories, [[order(1, "BUY", quantity)]], volume_share=share)
    whole = [fill.quantity for fill in filled] == [quantity]
    assert whole or forecast is None
    assert forecast is not None or quantity + D(lot) >= D(share) * volume * D("0.99999")


def cash_taken(fill, multiplier):
    """What a fill took out of the account, and the money it was about, in exact fractions."""
    value = Fraction(fill.price) * Fraction(fill.quantity) * Fraction(multiplier)
    charged = Fraction(fill.commission) + Fraction(fill.fees)
    return charged + (value if fill.side is Side.BUY else -value), value + abs(charged)


def forecasts(plan, came, **terms):
    """Of each order: what was forecast, what it took, and the money it was about."""
    broker = venue(*plan[0], **terms)
    for (each, line, row), fill in zip(lines_and_rows(broker, plan[1]), came, strict=True):
        buy = each.side is Side.BUY
        said = broker.foresight.forecast(line, row, float(each.quantity), buy=buy)
        yield Fraction(said), *cash_taken(fill, line.bars.instrument.multiplier), each.quantity


@given(plans(), st.sampled_from(TARIFFS), st.sampled_from(SLIPPAGES))
def test_an_order_takes_no_more_cash_than_was_forecast(plan, costs, slippage):
    terms = models(costs, slippage)
    for forecast, took, money, _ in forecasts(plan, told(*plan, **terms), **terms):
        assert took <= forecast + money / 10**12


@given(plans(), st.sampled_from(TARIFFS[:4]))
def test_without_slippage_a_flat_tariff_is_forecast_to_the_last_digits(plan, costs):
    terms = models(costs, "none")
    for forecast, took, money, _ in forecasts(plan, told(*plan, **terms), **terms):
        assert abs(forecast - took) <= money / 10**12


@given(plans(), st.sampled_from(TARIFFS[4:]))
def test_without_slippage_other_tariffs_are_forecast_to_half_a_basis_point_and_a_cent_a_share(
    plan, costs
):
    terms = models(costs, "none")
    for forecast, took, money, quantity in forecasts(plan, told(*plan, **terms), **terms):
        assert forecast - took <= money / 20_000 + Fraction(quantity) / 100


def test_with_slippage_the_worst_that_the_bar_allows_is_forecast():
    broker = venue(bars_of([FLAT] * 2), slippage=BasisPointsSlippage(D(1)))
    line = broker.tape.lines[ID]
    assert broker.foresight.forecast(line, 1, 10.0, buy=True) == 1_010
    assert broker.foresight.forecast(line, 1, 10.0, buy=False) == -990


@pytest.mark.parametrize(
    ("happens", "trading"),
    [
        ([], True),
        ([Split(ID, MINUTE, D(2)), CashDividend(ID, MINUTE, D(1))], True),
        ([TradingHalted(ID, MINUTE)], False),
        ([TradingHalted(ID, MINUTE), TradingResumed(ID, MINUTE)], True),
        ([Delisted(ID, MINUTE)], False),
        ([Delisted(ID, MINUTE), TradingResumed(ID, MINUTE)], False),
        ([Merged(ID, MINUTE, into=OTHER, shares=D(1))], False),
        ([SymbolChanged(ID, MINUTE, to=OTHER)], False),
        ([SymbolChanged(ID, MINUTE, to="NONE.XXXX")], False),
    ],
)
def test_what_is_halted_or_gone_does_not_trade_and_the_rest_does(happens, trading):
    broker = venue(bars_of([FLAT] * 3), bars_of([FLAT] * 3, name=OTHER))
    advance(broker, 1)
    for event in happens:
        broker.corporate_action(event)
    assert broker.trades(ID) is trading
    assert broker.trades(OTHER)


def test_an_order_that_is_remembered_is_done_and_has_children():
    broker = venue(bars_of([FLAT] * 3))
    advance(broker, 1)
    broker.remember([1, 2])
    advance(broker, 2)
    broker.cancel(2)
    broker.cancel(3)
    broker.submit(approved(order(4, "SELL", 10, "LIMIT", limit=90, parent=1)))
    broker.submit(approved(order(5, "SELL", 10, "LIMIT", limit=90, parent=3)))
    now = 2 * MINUTE
    assert broker.events() == [
        CancelRejected(2, now, "the order is already done"),
        CancelRejected(3, now, "the order is not known"),
        OrderAccepted(4, now),
        OrderRejected(5, now, "its parent 3 is not known"),
    ]
    assert [(fill.order_id, fill.quantity) for fill in fills(advance(broker, 3))] == [(4, 10)]


# ---- the end of an order ---------------------------------------------------------------------


def day(number, *, until, **terms):
    terms = {"limit": "95", **terms}
    return order(
        number, "BUY", 10, "LIMIT", tif=TimeInForce.DAY, expires_at=int(until * MINUTE), **terms
    )


def test_a_day_order_may_fill_on_the_bar_of_its_last_moment_and_expires_before_later_bars():
    low = (100, 101, 94, 100)
    assert prices(play(venue(bars_of([FLAT, FLAT, low])), [day(1, until=3)])) == [(1, 3, "95")]
    said = play(venue(bars_of([FLAT, FLAT, FLAT, low])), [day(1, until=3)])
    assert said[1:] == [OrderExpired(1, 3 * MINUTE, D(0))]
    said = play(venue(bars_of([FLAT, FLAT, low])), [day(1, until=2.5)])
    assert said[1:] == [OrderExpired(1, int(2.5 * MINUTE), D(0))]


def test_an_order_expires_at_the_first_moment_of_any_instrument():
    daily = bars_of([FLAT, FLAT], step=10)
    minutes = bars_of([FLAT] * 12, name="FAST.XXXX")
    broker = venue(daily, minutes)
    advance(broker, 1)
    broker.submit(approved(day(1, until=4.5)))
    broker.events()
    assert broker.next_event_at() == 5 * MINUTE
    assert kinds(advance(broker, 5)) == [("OrderExpired", 1)]


def test_a_cancel_says_what_had_filled():
    history = bars_of([FLAT, (*FLAT, 40), FLAT])
    said = play(venue(history), [order(1, "BUY", 10)], script={2: [lambda b: b.cancel(1)]})
    assert said[-1] == OrderCanceled(1, 2 * MINUTE, D(4))
    assert len(fills(said)) == 1


def test_a_cancel_of_what_does_not_work_is_rejected():
    broker = venue(bars_of([FLAT, FLAT]))
    play(broker, [order(1, "BUY", 10)])
    broker.cancel(1)
    broker.cancel(7)
    assert broker.events() == [
        CancelRejected(1, 2 * MINUTE, "the order is already done"),
        CancelRejected(7, 2 * MINUTE, "the order is not known"),
    ]


def test_an_instrument_without_bars_is_rejected():
    said = play(venue(bars_of([FLAT])), [order(1, "BUY", 10, instrument="NONE.XXXX")])
    assert said == [OrderRejected(1, MINUTE, "NONE.XXXX is not traded")]


def test_a_replacement_takes_the_place_and_fills_from_the_next_bar_on():
    history = bars_of([FLAT, (100, 101, 99, 100, 40), (100, 101, 94, 100), FLAT])
    new = order(2, "BUY", 6, "LIMIT", limit="99.5", replaces=1, created_at=2 * MINUTE)
    said = play(
        venue(history),
        [order(1, "BUY", 10, "LIMIT", limit="99")],
        script={2: [lambda b: b.submit(approved(new))]},
    )
    assert OrderReplaced(2, 1, 2 * MINUTE, D(4)) in said
    assert prices(said) == [(1, 2, "99"), (2, 3, "99.5")]
    assert fills(said)[-1].quantity == 6


def test_a_replacement_of_a_done_order_is_rejected():
    new = order(2, "BUY", 6, "LIMIT", limit="90", replaces=1)
    said = play(
        venue(bars_of([FLAT] * 4)),
        [order(1, "BUY", 10)],
        script={3: [lambda b: b.submit(approved(new))]},
    )
    assert said[-1] == OrderRejected(2, 3 * MINUTE, "order 1 no longer works")


# ---- brackets --------------------------------------------------------------------------------


def bracket(entry, *, stop="95", limit="105", quantity=10):
    """An entry and its two exits, of which one ends the other."""
    return [
        entry,
        order(2, "SELL", quantity, "STOP", stop=stop, parent=1, oca_group=2),
        order(3, "SELL", quantity, "LIMIT", limit=limit, parent=1, oca_group=2),
    ]


def test_children_are_accepted_and_sleep_until_the_parent_has_filled():
    history = bars_of([FLAT, (100, 110, 98, 100), (98, 99, 96, 97), (100, 106, 99, 105)])
    said = play(venue(history), bracket(order(1, "BUY", 10, "LIMIT", limit="97")))
    assert kinds(said) == [
        ("OrderAccepted", 1),
        ("OrderAccepted", 2),
        ("OrderAccepted", 3),
        ("Fill", 1),
        ("Fill", 3),
        ("OrderCanceled", 2),
    ]
    assert prices(said) == [(1, 3, "97"), (3, 4, "105")]


def test_two_legs_in_one_bar_fill_the_worse_and_say_what_it_may_have_cost():
    history = bars_of([FLAT, FLAT, (100, 106, 94, 100)])
    said = play(venue(history), bracket(order(1, "BUY", 10)))
    assert prices(said) == [(1, 2, "100.0"), (2, 3, "95")]
    assert fills(said)[-1].ambiguity == 100  # (105 - 95) x 10
    assert kinds(said)[-1] == ("OrderCanceled", 3)


@pytest.mark.parametrize(
    ("bar", "expected"),
    [((107, 108, 94, 100), (3, "107.0")), ((94, 108, 93, 100), (2, "94.0"))],
)
def test_a_bar_that_opens_beyond_one_leg_is_not_ambiguous(bar, expected):
    said = play(venue(bars_of([FLAT, FLAT, bar])), bracket(order(1, "BUY", 10)))
    leg, price = expected
    assert prices(said)[-1] == (leg, 3, price)
    assert fills(said)[-1].ambiguity is None


def test_a_straddle_fills_the_leg_that_the_close_punishes():
    legs = [
        order(1, "BUY", 10, "STOP", stop="105", oca_group=1),
        order(2, "SELL", 10, "STOP", stop="95", oca_group=1),
    ]
    said = play(venue(bars_of([FLAT, (100, 106, 94, 104)])), legs)
    # sold at 95 with a close of 104 loses 9 a share; bought at 105 would have lost 1
    assert prices(said) == [(2, 2, "95")]
    assert fills(said)[0].ambiguity == 80


@pytest.mark.parametrize(
    ("entry", "bar", "expected", "ambiguity"),
    [
        # filled at the open: the children live through the whole bar
        ({"kind": "MARKET"}, (100, 106, 96, 104), [(1, 2, "100.0"), (3, 2, "105")], [None]),
        ({"kind": "MARKET"}, (100, 104, 94, 104), [(1, 2, "100.0"), (2, 2, "95")], [None]),
        ({"kind": "MARKET"}, (100, 106, 94, 104), [(1, 2, "100.0"), (2, 2, "95")], [100]),
        # filled inside: the limit must wait, for its price may have come first
        ({"kind": "LIMIT", "limit": "98"}, (100, 106, 96, 104), [(1, 2, "98")], []),
        # on its way down to 94 the bar passed 98 before 95: no doubt
        (
            {"kind": "LIMIT", "limit": "98"},
            (100, 104, 94, 104),
            [(1, 2, "98"), (2, 2, "95")],
            [None],
        ),
        # the 105 may have come between
        (
            {"kind": "LIMIT", "limit": "98"},
            (100, 106, 94, 104),
            [(1, 2, "98"), (2, 2, "95")],
            [100],
        ),
        # 94 may have come before 102: then the position still stands, at 104
        ({"kind": "STOP", "stop": "102"}, (100, 104, 94, 104), [(1, 2, "102"), (2, 2, "95")], [90]),
        # the close is beyond the stop: it must have been passed after the entry
        (
            {"kind": "STOP", "stop": "102"},
            (100, 104, 93, 94),
            [(1, 2, "102"), (2, 2, "95")],
            [None],
        ),
    ],
)
def test_children_on_the_bar_that_fills_their_parent(entry, bar, expected, ambiguity):
    kind = entry.pop("kind")
    said = play(venue(bars_of([FLAT, bar])), bracket(order(1, "BUY", 10, kind, **entry)))
    assert prices(said) == expected
    assert [fill.ambiguity for fill in fills(said)[1:]] == ambiguity


def test_a_child_that_was_beyond_its_stop_when_it_woke_fills_where_the_parent_did():
    """A buy stop at 102 with a sell stop at 103: the path is at 102 when the child wakes."""
    entry = order(1, "BUY", 10, "STOP", stop="102")
    said = play(venue(bars_of([FLAT, (100, 104, 99, 104)])), bracket(entry, stop="103"))
    assert prices(said) == [(1, 2, "102"), (2, 2, "102")]


def test_a_stop_limit_child_is_triggered_inside_that_bar_and_fills_later():
    child = order(2, "SELL", 10, "STOP_LIMIT", stop="97", limit="96", parent=1)
    parent = order(1, "BUY", 10, "LIMIT", limit="98")
    history = bars_of([FLAT, (100, 101, 96, 97), (98, 99, 97.5, 98)])
    assert prices(play(venue(history), [parent, child])) == [(1, 2, "98"), (2, 3, "98.0")]


def test_a_stop_that_its_parents_bar_does_not_reach_works_on():
    said = play(
        venue(bars_of([FLAT, (100, 101, 96, 100), (100, 101, 93, 94)])),
        bracket(order(1, "BUY", 10, "LIMIT", limit="98")),
    )
    assert prices(said) == [(1, 2, "98"), (2, 3, "95")]
    assert fills(said)[-1].ambiguity is None


def test_a_stop_limit_that_its_parents_bar_does_not_reach_works_on():
    child = order(2, "SELL", 10, "STOP_LIMIT", stop="95", limit="94", parent=1)
    parent = order(1, "BUY", 10, "LIMIT", limit="98")
    rows = [FLAT, (100, 101, 96, 100), (100, 101, 93, 94)]
    assert prices(play(venue(bars_of(rows)), [parent, child])) == [(1, 2, "98"), (2, 3, "95")]


def coarse(rows, *, every=4, **changes):
    """Bars of `every` minutes that know when they began."""
    bars = bars_of(rows, first=every, step=every, **changes)
    return replace(bars, opened_at=bars.closed_at - every * MINUTE)


def test_a_bar_that_had_begun_when_an_order_was_made_is_not_its():
    """Decided at minute 6, on the minutes of another: the bar of minutes 4 to 8 opened before."""
    rows = [FLAT, (100, 106, 94, 104), (105, 106, 99, 104), FLAT]
    for kind, terms, expected in (
        ("MARKET", {}, (12, "105.0")),
        ("LIMIT", {"limit": "95"}, None),
        ("LIMIT", {"limit": "99"}, (12, "99")),
        ("STOP", {"stop": "105"}, (12, "105")),
        ("MARKET", {"tif": TimeInForce.IOC}, (12, "105.0")),
    ):
        broker = venue(coarse(rows), bars_of([FLAT] * 16, name="PAIR.XXXX"))
        said = advance(broker, 6)
        broker.submit(approved(order(1, "BUY", 1, kind, created_at=6 * MINUTE, **terms)))
        said = [each for minute in range(7, 17) for each in advance(broker, minute)]
        found = [(fill.at // MINUTE, str(fill.price)) for fill in fills(said)]
        assert found == ([] if expected is None else [expected]), kind


def test_what_waits_for_the_close_of_a_bar_that_had_begun_trades_at_it():
    broker = venue(coarse([FLAT, (100, 106, 94, 104), FLAT]), bars_of([FLAT] * 8, name="PAIR.XXXX"))
    advance(broker, 6)
    on_close = order(
        1,
        "BUY",
        1,
        "MARKET_ON_CLOSE",
        created_at=6 * MINUTE,
        tif=TimeInForce.DAY,
        expires_at=8 * MINUTE,
    )
    broker.submit(approved(on_close))
    assert prices(advance(broker, 8)) == [(1, 8, "104.0")]


def test_a_child_elsewhere_meets_no_bar_that_had_begun_when_its_parent_filled():
    """Bought at minute 6, in the middle of a bar of the other."""
    here, there = (
        bars_of([FLAT] * 16),
        coarse([FLAT, FLAT, (105, 106, 99, 104), FLAT], name="PAIR.XXXX"),
    )
    child = order(2, "SELL", 1, parent=1, instrument="PAIR.XXXX", created_at=MINUTE)
    broker = venue(here, there)
    advance(broker, 5)
    broker.submit(approved(order(1, "BUY", 1, created_at=5 * MINUTE)))
    broker.submit(approved(child))
    said = [each for minute in range(6, 17) for each in advance(broker, minute)]
    assert prices(said) == [(1, 6, "100.0"), (2, 12, "105.0")]


def test_a_child_elsewhere_of_a_parent_that_ended_meets_no_bar_that_had_begun_by_then():
    here = bars_of([FLAT] * 5 + [(*FLAT, 40)] + [FLAT] * 10)
    there = coarse([FLAT, FLAT, (105, 106, 99, 104), FLAT], name="PAIR.XXXX")
    broker = venue(here, there)
    advance(broker, 5)
    broker.submit(approved(order(1, "BUY", 10, created_at=5 * MINUTE)))
    broker.submit(
        approved(order(2, "SELL", 4, parent=1, instrument="PAIR.XXXX", created_at=5 * MINUTE))
    )
    said = advance(broker, 6)
    broker.cancel(1)
    said += [each for minute in range(6, 17) for each in advance(broker, minute)]
    assert prices(said) == [(1, 6, "100.0"), (2, 12, "105.0")]


def test_a_child_that_was_made_inside_a_bar_does_not_meet_it_with_its_parent():
    """The bar to minute 8 fills the parent; what it did before minute 6 is not for the child."""
    rows = [FLAT, (100, 120, 90, 118), (118, 119, 117, 118), FLAT]
    broker = venue(coarse(rows), bars_of([FLAT] * 16, name="PAIR.XXXX"))
    said = advance(broker, 4)
    broker.submit(approved(order(1, "BUY", 1, "LIMIT", limit="95", created_at=4 * MINUTE)))
    said += advance(broker, 6)
    child = order(2, "BUY", 1, "STOP", stop="110", parent=1, created_at=6 * MINUTE)
    broker.submit(approved(child))
    said += [each for minute in range(7, 17) for each in advance(broker, minute)]
    assert prices(said) == [(1, 8, "95"), (2, 12, "118.0")]


@pytest.mark.parametrize("ended_by", ["a cancel", "its time"])
def test_a_child_of_a_parent_that_ended_inside_a_bar_does_not_meet_that_bar(ended_by):
    """Four of ten are bought on the bar to minute 8; at minute 10 the next has begun, at 150."""
    rows = [FLAT, (90, 101, 85, 100, 40), (150, 151, 99, 100), (105, 106, 99, 104)]
    broker = venue(coarse(rows), bars_of([FLAT] * 16, name="PAIR.XXXX"))
    terms = {} if ended_by == "a cancel" else {"tif": TimeInForce.GTD, "expires_at": 10 * MINUTE}
    advance(broker, 4)
    entry = order(1, "BUY", 10, "LIMIT", limit="95", created_at=4 * MINUTE, **terms)
    for each in (entry, order(2, "SELL", 10, parent=1, created_at=4 * MINUTE)):
        broker.submit(approved(each))
    said = [each for minute in range(5, 11) for each in advance(broker, minute)]
    if ended_by == "a cancel":
        broker.cancel(1)
    said += [each for minute in range(10, 17) for each in advance(broker, minute)]
    assert prices(said) == [(1, 8, "90.0"), (2, 16, "105.0")]


def test_a_market_child_waits_for_the_next_bar():
    history = bars_of([FLAT, FLAT, (102, 103, 101, 102)])
    said = play(venue(history), [order(1, "BUY", 10), order(2, "SELL", 10, parent=1)])
    assert prices(said) == [(1, 2, "100.0"), (2, 3, "102.0")]


def test_a_trailing_child_counts_its_parents_bar_only_from_the_open_on():
    child = order(2, "SELL", 10, "TRAILING_STOP", stop="95", trail="5", parent=1)
    rows = [FLAT, (100, 106, 97, 104), (104, 105, 100, 103)]
    at_open = play(venue(bars_of(rows)), [order(1, "BUY", 10), child])
    assert prices(at_open) == [(1, 2, "100.0"), (2, 3, "101.0")]
    inside = play(venue(bars_of(rows)), [order(1, "BUY", 10, "LIMIT", limit="98"), child])
    assert prices(inside) == [(1, 2, "98")]


@pytest.mark.parametrize(
    ("entry", "rows", "amount", "share"),
    [
        # 90 less 5, wherever the market stood when the orders were sent
        ({"kind": "LIMIT", "limit": "90"}, [(98, 98, 89, 92), (92, 93, 84, 88)], "85", "85.5"),
        # filled at the open: after its bar the trail is behind the high of 88.5
        ({"kind": "LIMIT", "limit": "90"}, [(88, 88.5, 87, 88), (88, 88, 82, 84)], "83.5", "84"),
        # 110 less 5: not as far away as from 100
        (
            {"kind": "STOP", "stop": "110"},
            [(106, 111, 106, 111), (108, 109, 104, 106)],
            "105",
            "104.5",
        ),
        ({"kind": "MARKET"}, [(103, 104, 99, 99), (99, 99, 97, 97)], "99", "98.5"),
    ],
)
def test_a_trail_without_a_start_begins_behind_the_price_at_which_its_parent_filled(
    entry, rows, amount, share
):
    """By 5, or by 5 % and down to the tick of a half."""
    for distance, expected in (({"trail": "5"}, amount), ({"trail_percent": "5"}, share)):
        parent = order(1, "BUY", 10, **entry)
        child = order(2, "SELL", 10, "TRAILING_STOP", parent=1, **distance)
        said = play(venue(bars_of([FLAT, *rows], tick=D("0.5"))), [parent, child])
        assert [(fill.at // MINUTE, fill.price) for fill in fills(said)[1:]] == [(3, D(expected))]


def test_a_trail_without_a_start_that_begins_at_an_open_counts_for_that_bar():
    child = order(2, "SELL", 10, "TRAILING_STOP", trail="5", parent=1)
    said = play(venue(bars_of([FLAT, (103, 104, 97, 98)])), [order(1, "BUY", 10), child])
    assert prices(said) == [(1, 2, "103.0"), (2, 2, "98.0")]


def test_a_trail_without_a_start_that_need_not_sleep_begins_behind_the_last_close():
    """Its parent has filled when it arrives (at minute 3, which closes at 104)."""
    child = order(2, "SELL", 10, "TRAILING_STOP", trail="5", parent=1)
    rows = [FLAT, FLAT, (101, 105, 101, 104), (104, 104, 100, 101), (101, 101, 98, 98)]
    said = play(
        venue(bars_of(rows)),
        [order(1, "BUY", 10)],
        script={3: [lambda broker: broker.submit(approved(child))]},
    )
    assert prices(said) == [(1, 2, "100.0"), (2, 5, "99.0")]


def test_a_trail_without_a_start_is_split_in_its_sleep():
    """Five of then are two and a half of now, behind an entry at 45."""
    parent = order(1, "BUY", 10, "LIMIT", limit="90")
    child = order(2, "SELL", 10, "TRAILING_STOP", trail="5", parent=1)
    rows = [FLAT, FLAT, (46, 47, 44, 46), (46, 46, 42, 43)]
    said = split_at(3, 2)(venue(bars_of(rows)), [parent, child])
    assert prices(said) == [(1, 3, "45"), (2, 4, "42.5")]


def test_a_replacement_of_a_trail_stands_where_that_has_come_to():
    """From 95 the high of 120 has brought it to 115, which the bar after the replacement reaches."""
    again = order(2, "SELL", 4, "TRAILING_STOP", trail="5", replaces=1, created_at=3 * MINUTE)
    rows = [FLAT, (100, 120, 100, 119), (119, 119, 117, 118), (118, 118, 114, 117), FLAT]
    broker = venue(bars_of(rows))
    said = play(
        broker,
        [order(1, "SELL", 10, "TRAILING_STOP", stop="95", trail="5")],
        script={3: [lambda b: b.submit(approved(again))]},
    )
    assert prices(said) == [(2, 4, "115.0")]
    assert fills(said)[0].quantity == 4


@pytest.mark.parametrize(
    ("kind", "terms", "expected"),
    [
        ("STOP", {"stop": "95"}, [(1, 2, "95"), (2, 3, "97.0")]),
        ("STOP", {"stop": "94.5"}, [(1, 2, "95")]),  # it was moved, and waits again
        ("STOP_LIMIT", {"stop": "95", "limit": "97"}, [(1, 2, "95"), (2, 3, "97")]),
    ],
)
def test_a_replacement_of_a_stop_that_has_triggered_has_triggered(kind, terms, expected):
    """Two of ten fill at 95; then the price is above it again."""
    again = order(2, "SELL", 5, kind, replaces=1, created_at=2 * MINUTE, **terms)
    rows = [FLAT, (100, 100, 94.9, 95, 20), (97, 98, 96, 97), FLAT]
    said = play(
        venue(bars_of(rows)),
        [order(1, "SELL", 10, "STOP", stop="95")],
        script={2: [lambda broker: broker.submit(approved(again))]},
    )
    assert prices(said) == expected


def test_a_parent_that_ends_in_part_wakes_its_children_with_that_part():
    history = bars_of([FLAT, (*FLAT, 40), FLAT, (100, 106, 99, 105)])
    said = play(venue(history), bracket(order(1, "BUY", 10)), script={2: [lambda b: b.cancel(1)]})
    assert [(fill.order_id, int(fill.quantity)) for fill in fills(said)] == [(1, 4), (3, 4)]


def test_a_parent_that_expires_in_part_wakes_its_children_for_the_next_bar():
    history = bars_of([FLAT, (100, 101, 94, 100, 40), FLAT, (100, 106, 99, 105)])
    orders = bracket(day(1, until=3.5), stop="90")
    said = play(venue(history), orders)
    assert kinds(said)[3:] == [
        ("Fill", 1),
        ("OrderExpired", 1),
        ("Fill", 3),
        ("OrderCanceled", 2),
        ("OrderCanceled", 3),  # it wanted more than its parent brought
    ]
    assert prices(said) == [(1, 2, "95"), (3, 4, "105")]


def test_a_parent_that_never_fills_takes_its_children_with_it():
    said = play(
        venue(bars_of([FLAT] * 3)),
        bracket(order(1, "BUY", 10, "LIMIT", limit="90")),
        script={2: [lambda b: b.cancel(1)]},
    )
    assert said[3:] == [
        OrderCanceled(1, 2 * MINUTE),
        OrderCanceled(2, 2 * MINUTE, D(0), "its parent never filled"),
        OrderCanceled(3, 2 * MINUTE, D(0), "its parent never filled"),
    ]


def test_children_follow_a_replaced_parent():
    history = bars_of([FLAT, (*FLAT, 30), FLAT, (100, 106, 99, 105)])
    orders = bracket(order(1, "BUY", 10, "LIMIT", limit="99"))
    new = order(4, "BUY", 7, "LIMIT", limit="99.5", replaces=1, created_at=2 * MINUTE)
    late = order(5, "SELL", 10, "LIMIT", limit="200", parent=1)
    said = play(
        venue(history),
        orders,
        script={2: [lambda b: b.submit(approved(new))], 3: [lambda b: b.submit(approved(late))]},
    )
    assert [(fill.order_id, int(fill.quantity)) for fill in fills(said)] == [
        (1, 3),
        (4, 7),
        (3, 10),
    ]
    assert OrderAccepted(5, 3 * MINUTE) in said


def test_a_replaced_child_still_sleeps_and_still_has_its_sibling():
    history = bars_of([FLAT, FLAT, (98, 99, 96, 97), (96, 97, 92, 93)])
    new = order(4, "SELL", 10, "STOP", stop="93", replaces=2)
    said = play(
        venue(history),
        bracket(order(1, "BUY", 10, "LIMIT", limit="97")),
        script={2: [lambda b: b.submit(approved(new))]},
    )
    assert prices(said) == [(1, 3, "97"), (4, 4, "93")]
    assert kinds(said)[-1] == ("OrderCanceled", 3)


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("filled", ["OrderAccepted"]),
        ("canceled", ["OrderAccepted", "OrderCanceled"]),
        ("unknown", ["OrderRejected"]),
    ],
)
def test_a_child_that_comes_late(ending, expected):
    broker = venue(bars_of([FLAT] * 4))
    advance(broker, 1)
    if ending != "unknown":
        broker.submit(approved(order(1, "BUY", 10)))
    if ending == "canceled":
        broker.cancel(1)
    advance(broker, 2)
    broker.submit(approved(order(2, "SELL", 10, "LIMIT", limit="200", parent=1)))
    assert [name for name, _ in kinds(broker.events())] == expected


def test_a_child_of_another_instrument_wakes_for_that_instruments_next_bar():
    other = bars_of([(50, 51, 49, 50)] * 4, name="PAIR.XXXX")
    orders = [order(1, "BUY", 10), order(2, "SELL", 20, parent=1, instrument="PAIR.XXXX")]
    assert prices(play(venue(bars_of([FLAT] * 4), other), orders)) == [
        (1, 2, "100.0"),
        (2, 3, "50.0"),
    ]


# ---- one cancels the other -------------------------------------------------------------------


def test_a_part_of_one_leg_is_taken_off_the_others():
    history = bars_of([FLAT, FLAT, (100, 106, 99, 105, 40), (96, 97, 94, 95)])
    said = play(venue(history), bracket(order(1, "BUY", 10)))
    assert [(fill.order_id, int(fill.quantity)) for fill in fills(said)] == [
        (1, 10),
        (3, 4),
        (2, 6),
    ]
    assert kinds(said)[-2:] == [("OrderCanceled", 3), ("OrderCanceled", 2)]


def test_a_leg_that_fills_the_rest_of_its_group_is_over_and_wakes_its_exit_for_that_rest():
    """Two entries that exclude each other: four by the first, then six by the second, ten in all."""
    orders = [
        order(1, "BUY", 10, "LIMIT", limit="95", oca_group=1),
        order(2, "BUY", 10, "STOP", stop="105", oca_group=1),
        order(3, "SELL", 10, "STOP", stop="90", parent=1),
        order(4, "SELL", 10, "STOP", stop="89", parent=2),
    ]
    rows = [FLAT, (100, 100, 94, 96, 40), (97, 106, 97, 106), (106, 106, 88, 88)]
    broker = venue(bars_of(rows))
    said = play(broker, orders)
    assert [(fill.order_id, int(fill.quantity)) for fill in fills(said)] == [
        (1, 4),
        (2, 6),
        (3, 4),
        (4, 6),
    ]
    assert said[6:8] == [
        OrderCanceled(1, 3 * MINUTE, D(4), "order 2 of its group filled"),
        OrderCanceled(2, 3 * MINUTE, D(6), "order 1 of its group filled"),
    ]
    broker.cancel(2)
    assert broker.events() == [CancelRejected(2, 4 * MINUTE, "the order is already done")]


def test_a_leg_that_was_cut_twice_is_no_larger_when_it_is_moved():
    """Its entry brought four, of which the target has sold two; then the stop is moved."""
    again = order(4, "SELL", 10, "STOP", stop="97", replaces=2, created_at=4 * MINUTE)
    rows = [FLAT, (*FLAT, 40), (100, 106, 99, 105, 20), FLAT, (98, 99, 96, 97)]
    said = play(
        venue(bars_of(rows)),
        bracket(order(1, "BUY", 10)),
        script={
            2: [lambda broker: broker.cancel(1)],
            4: [lambda broker: broker.submit(approved(again))],
        },
    )
    assert [(fill.order_id, int(fill.quantity)) for fill in fills(said)] == [(1, 4), (3, 2), (4, 2)]


def test_what_is_left_of_an_exit_is_a_multiple_of_the_lot():
    """Three of ten were bought, and four and a half they are after the split: four can be sold."""
    rows = [FLAT, (*FLAT, 30), (66, 67, 65, 66, 0), (66, 66, 60, 60), FLAT]
    broker = venue(bars_of(rows))
    said = advance(broker, 1)
    for each in (order(1, "BUY", 10), order(2, "SELL", 10, "STOP", stop="93", parent=1)):
        broker.submit(approved(each))
    said += advance(broker, 2)
    broker.tape.advance(3 * MINUTE)
    broker.corporate_action(Split(ID, 2 * MINUTE + 1, D(3), D(2)))
    broker.cancel(1)
    said += broker.events() + advance(broker, 4)
    assert [(fill.order_id, fill.quantity) for fill in fills(said)] == [(1, 3), (2, 4)]


@pytest.mark.parametrize(("filled", "left"), [(3, 4), (7, 0)])
def test_what_a_group_leaves_of_an_order_elsewhere_is_a_multiple_of_its_lot(filled, left):
    legs = [
        order(1, "BUY", 10, "LIMIT", limit="100", oca_group=1),
        order(2, "BUY", 8, "LIMIT", limit="90", oca_group=1, instrument="PAIR.XXXX"),
    ]
    here = bars_of([FLAT, (*FLAT, 10 * filled), (102, 103, 101, 102)])
    pair = bars_of([FLAT, FLAT, (90, 91, 89, 90)], name="PAIR.XXXX", lot=D(4))
    said = play(venue(here, pair), legs)
    assert [fill.quantity for fill in fills(said)] == ([filled, left] if left else [filled])
    assert kinds(said)[3:4] == ([("Fill", 2)] if left else [("OrderCanceled", 2)])


@pytest.mark.parametrize(("bought", "sold"), [(6, 4), (3, 0)])
def test_a_child_elsewhere_is_cut_to_its_own_lots(bought, sold):
    child = order(2, "SELL", 8, parent=1, instrument="PAIR.XXXX")
    here = bars_of([FLAT, (*FLAT, 10 * bought), FLAT, FLAT])
    pair = bars_of([FLAT] * 4, name="PAIR.XXXX", lot=D(4))
    for late in (False, True):  # sent with its parent, or when that has ended
        script = {2: [lambda b: b.cancel(1)]}
        if late:
            script[3] = [lambda b: b.submit(approved(child))]
        said = play(
            venue(here, pair), [order(1, "BUY", 10), *([] if late else [child])], script=script
        )
        assert [fill.quantity for fill in fills(said)] == ([bought, sold] if sold else [bought])
        assert kinds(said)[-1] == ("OrderCanceled", 2)


def test_a_smaller_replacement_of_an_entry_leaves_its_exits_no_more_to_sell_than_it_brings():
    again = order(4, "BUY", 5, "LIMIT", limit="96", replaces=1)
    rows = [FLAT, (100, 100, 97, 98), (98, 98, 95, 97), (97, 97, 93, 94)]
    said = play(
        venue(bars_of(rows)),
        bracket(order(1, "BUY", 10, "LIMIT", limit="95")),
        script={2: [lambda broker: broker.submit(approved(again))]},
    )
    assert [(fill.order_id, int(fill.quantity)) for fill in fills(said)] == [(4, 5), (2, 5)]
    assert kinds(said)[-2:] == [("OrderCanceled", 3), ("OrderCanceled", 2)]


def test_a_leg_of_which_nothing_is_left_is_cancelled():
    legs = [
        order(1, "SELL", 10, "LIMIT", limit="105", oca_group=1),
        order(2, "SELL", 4, "STOP", stop="95", oca_group=1),
        order(3, "SELL", 10, "STOP", stop="90", oca_group=1),
    ]
    said = play(venue(bars_of([FLAT, (100, 106, 99, 105, 40)])), legs)
    assert kinds(said)[3:] == [("Fill", 1), ("OrderCanceled", 2)]


def test_a_stop_touched_beside_a_leg_that_opened_better_is_triggered():
    history = bars_of([FLAT, FLAT, (107, 108, 94, 100, 40), (99, 100, 98, 99)])
    said = play(venue(history), bracket(order(1, "BUY", 10)))
    assert prices(said)[1:] == [(3, 3, "107.0"), (2, 4, "99.0")]


# ---- corporate actions -----------------------------------------------------------------------


def split_at(minute, new, old=1):
    action = Split(ID, minute * MINUTE - MINUTE // 2, D(new), D(old))

    def run(broker, orders):
        said = advance(broker, 1)
        for each in orders:
            broker.submit(approved(each))
        last = len(broker.tape.bars[ID])
        for at in range(2, last + 1):
            broker.tape.advance(at * MINUTE)
            if at == minute:
                broker.corporate_action(action)
            said += broker.events()
        return said

    return run


def test_a_split_restates_prices_and_quantities():
    history = bars_of([FLAT, FLAT, (50, 51, 49, 50), (50, 51, 47, 48)])
    said = split_at(3, 2)(venue(history), [order(1, "BUY", 5, "LIMIT", limit="96")])
    (fill,) = fills(said)
    assert (fill.at // MINUTE, fill.price, fill.quantity) == (4, 48, 10)


def test_a_reverse_split_rounds_down_to_lots_and_ends_what_is_less_than_one():
    history = bars_of([FLAT, FLAT, (300, 303, 297, 300), (300, 303, 280, 290)])
    orders = [order(n, "BUY", q, "LIMIT", limit="95") for n, q in ((1, 8), (2, 2))]
    said = split_at(3, 1, 3)(venue(history), orders)
    assert [(fill.order_id, fill.price, fill.quantity) for fill in fills(said)] == [(1, 285, 2)]
    assert OrderCanceled(2, 3 * MINUTE, D(0), "a split left less than a lot of it") in said


def test_a_split_moves_a_trail_from_where_the_old_shares_left_it():
    """Old shares lift the stop from 90 to 101; that is 50.5 in new ones."""
    history = bars_of([FLAT, (100, 106, 99, 104), (52, 53, 51, 52), (52, 52, 49, 50)])
    trail = order(1, "SELL", 5, "TRAILING_STOP", stop="90", trail="5")
    assert prices(split_at(3, 2)(venue(history), [trail])) == [(1, 4, "50.5")]


def test_a_split_rounds_prices_against_the_trader():
    history = bars_of([FLAT, FLAT, (33, 34, 32, 33), (33, 36, 30, 33)], tick=D("0.01"))
    orders = [
        order(1, "BUY", 5, "LIMIT", limit="95"),
        order(2, "SELL", 5, "STOP", stop="95"),
        order(3, "SELL", 5, "LIMIT", limit="103"),
    ]
    said = split_at(3, 3)(venue(history), orders)
    assert {fill.order_id: fill.price for fill in fills(said)} == {
        1: D("31.66"),
        2: D("31.66"),
        3: D("34.34"),
    }


def test_a_split_of_what_a_parent_filled_reaches_its_children():
    history = bars_of([FLAT, (*FLAT, 40), (50, 51, 49, 50, 0), (50, 54, 49, 53)])
    orders = bracket(order(1, "BUY", 10), quantity=10)
    broker = venue(history)
    run = split_at(3, 2)
    original = broker.corporate_action

    def and_cancel(action):
        original(action)
        broker.cancel(1)

    broker.corporate_action = and_cancel
    said = run(broker, orders)
    assert [(fill.order_id, int(fill.quantity)) for fill in fills(said)] == [(1, 4), (3, 8)]
    assert next(e for e in said if isinstance(e, OrderCanceled)).filled == 8  # in shares of today


def test_a_dividend_and_a_split_of_another_change_no_order():
    broker = venue(bars_of([FLAT] * 3), bars_of([FLAT] * 3, name="PAIR.XXXX"))
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 5, "LIMIT", limit="99")))
    broker.corporate_action(CashDividend(ID, MINUTE, D(1)))
    broker.corporate_action(Split("PAIR.XXXX", MINUTE, D(2)))
    (fill,) = fills(advance(broker, 2))
    assert (fill.price, fill.quantity) == (99, 5)


# ---- time ------------------------------------------------------------------------------------


def test_the_next_event_is_now_while_something_waits_and_never_when_nothing_does():
    broker = venue(bars_of([FLAT] * 3 + [(90, 91, 89, 90)]))
    advance(broker, 1)
    assert broker.next_event_at() == NEVER
    broker.submit(approved(order(1, "BUY", 5, "LIMIT", limit="95")))
    assert broker.next_event_at() == MINUTE
    broker.events()
    assert broker.next_event_at() == 4 * MINUTE
    assert kinds(advance(broker, 4)) == [("Fill", 1)]
    assert broker.next_event_at() == NEVER


def test_a_tape_that_grows_is_followed():
    """Paper: the broker sees no further than the last bar that came, and looks again."""
    whole = bars_of([FLAT, FLAT, (100, 103, 99, 102), (101, 102, 97, 98)])
    broker = venue(longer(whole, 1))
    advance(broker, 1)
    broker.submit(approved(order(1, "SELL", 5, "TRAILING_STOP", stop="90", trail="5")))
    broker.submit(approved(order(2, "BUY", 5, "LIMIT", limit="90")))
    said = broker.events()
    broker.cancel(2)
    for count in (2, 3, 4):
        broker.tape.extend([longer(whole, count)])
        said += advance(broker, count)
    assert prices(said) == [(1, 4, "98.0")]


@pytest.mark.parametrize("option", [{"touch": "near"}, {"volume_share": 0}, {"volume_share": "x"}])
def test_an_option_without_meaning_is_a_usage_error(option):
    with pytest.raises(UsageError):
        venue(bars_of([FLAT]), **option)
