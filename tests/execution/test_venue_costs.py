"""The simulated venue charges by the day and by the order, and fills as late as it is told."""

from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace
from tests.execution.bench import (
    ID,
    MINUTE,
    advance,
    approved,
    bars_of,
    fills,
    kinds,
    order,
    play,
    venue,
)

from evenkeel.domain.events import (
    CashDividend,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    Split,
)
from evenkeel.domain.instrument_events import Delisted, Merged, SpunOff, SymbolChanged
from evenkeel.domain.order import TimeInForce
from evenkeel.domain.tape import NEVER
from evenkeel.execution.costs import IbkrFixed, IbkrTiered
from evenkeel.execution.slippage import parse_slippage

D = Decimal
FLAT = (100, 101, 99, 100)
DAY = 86_400 * 10**9


def on(day, rows, **facts):
    """Minute bars of a day, in US dollars on Nasdaq."""
    start = int(np.datetime64(f"{day}T15:00", "ns").astype(np.int64))
    history = bars_of(rows, **facts)
    shift = start - MINUTE
    return replace(
        history,
        closed_at=history.closed_at + shift,
        session_closes=history.session_closes + shift,
    )


def trade(broker, *orders):
    """Send orders at the first bar, then step over the rest; the fills."""
    first, *rest = next(iter(broker.tape.bars.values())).closed_at.tolist()
    broker.tape.advance(first)
    for each in orders:
        broker.submit(approved(each))
    said = broker.events()
    for moment in rest:
        broker.tape.advance(moment)
        said += broker.events()
    return fills(said)


def test_a_fill_has_the_fees_of_its_day_beside_its_commission():
    """10 shares at 624.83 on 2021-12-10, as on the statement: 1.03305633."""
    history = on("2021-12-10", [FLAT, (624.83, 625, 624, 624)])
    (fill,) = trade(venue(history, costs=IbkrFixed()), order(1, "SELL", 10))
    assert (fill.commission, fill.fees) == (1, D("0.03305633"))


def test_an_order_in_parts_pays_one_commission_and_its_fees_by_part():
    history = on("2025-10-31", [FLAT, (100, 101, 99, 100, 800), (100, 101, 99, 100, 10_000)])
    said = trade(venue(history, costs=IbkrFixed()), order(1, "SELL", 100))
    assert [fill.quantity for fill in said] == [80, 20]
    assert [fill.commission for fill in said] == [1, 0]
    assert [fill.fees for fill in said] == [D("0.01504"), D("0.00376")]


def test_a_limit_that_waited_and_was_met_adds_liquidity_and_one_beyond_the_open_takes_it():
    tariff = IbkrTiered(remove=D("0.003"), add=D("-0.002"))
    history = on("2023-06-01", [FLAT, FLAT, FLAT])
    waited = order(1, "BUY", 1000, "LIMIT", limit="99.5")
    beyond = order(2, "BUY", 1000, "LIMIT", limit="100.5")
    first, second = (trade(venue(history, costs=tariff), each)[0].fees for each in (waited, beyond))
    assert second - first == 1000 * D("0.005")


def test_the_month_counts_every_instrument_and_order_of_the_account():
    history = on("2023-06-01", [FLAT, (1, 1, 1, 1, 10**8)])
    broker = venue(history, costs=IbkrTiered(remove=D(0)))
    said = trade(broker, *(order(n, "BUY", 200_000) for n in (1, 2, 3)))
    assert [fill.commission for fill in said] == [700, D(350) + D(200), D(400)]


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("ticks:2", "100.5"),
        ("half-spread:0.2", "100.25"),  # on the tick, against us
        ("volume-share:10", "101"),  # 10 x (0.1)^2 of 100 is 10, but the bar ends at 101
        ("ticks:1+half-spread:0.25", "100.5"),
    ],
)
def test_a_model_that_knows_the_bar_moves_the_price(model, price):
    history = bars_of([FLAT, (100, 101, 99, 100, 1000)], tick=D("0.25"))
    broker = venue(history, slippage=parse_slippage(model))
    (fill,) = fills(play(broker, [order(1, "BUY", 100)]))
    assert fill.price == D(price)
    assert fill.slippage == (D(price) - 100) * 100


def test_the_parts_of_an_order_press_harder_one_after_the_other():
    rows = [(100, 110, 90, 100, 1000)] * 5
    broker = venue(bars_of(rows), slippage=parse_slippage("sqrt:1"))
    said = fills(play(broker, [order(1, "BUY", 300)]))
    assert [fill.quantity for fill in said] == [100, 100, 100]
    costs = [fill.slippage for fill in said]
    assert costs == sorted(costs)
    assert costs[0] < costs[2]


@pytest.mark.parametrize(("late", "bar"), [(0, 2), (1, 3), (2, 4)])
def test_an_order_that_is_late_meets_a_later_bar(late, bar):
    broker = venue(bars_of([FLAT] * 6), slippage=parse_slippage(f"latency:{late}"))
    (fill,) = fills(play(broker, [order(1, "BUY", 1)]))
    assert fill.at == bar * MINUTE


def test_a_late_limit_misses_the_bar_that_would_have_filled_it():
    history = bars_of([FLAT, (100, 101, 90, 100), FLAT, FLAT])
    broker = venue(history, slippage=parse_slippage("latency:1"))
    assert not fills(play(broker, [order(1, "BUY", 1, "LIMIT", limit="95")]))


def test_a_late_order_waits_for_a_tape_that_grows():
    history = bars_of([FLAT] * 6)
    broker = venue(history.first(2), slippage=parse_slippage("latency:2"))
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 1)))
    for count in range(2, 7):
        broker.tape.extend([history.first(count)])
        if said := fills(advance(broker, count)):
            break
    assert [fill.at for fill in said] == [4 * MINUTE]


def test_a_late_cancel_comes_after_the_bar_that_fills():
    history = bars_of([FLAT, FLAT, (100, 101, 90, 100), FLAT, FLAT])
    told = {2: [lambda b: b.cancel(1)]}
    near = play(venue(history), [order(1, "BUY", 1, "LIMIT", limit="95")], script=told)
    assert kinds(near) == [("OrderAccepted", 1), ("OrderCanceled", 1)]
    broker = venue(history, slippage=parse_slippage("latency:1"))
    far = play(broker, [order(1, "BUY", 1, "LIMIT", limit="95")], script=told)
    assert kinds(far) == [("OrderAccepted", 1), ("Fill", 1), ("CancelRejected", 1)]
    assert [event.at // MINUTE for event in far] == [2, 3, 3]


def test_a_replaced_order_works_until_its_replacement_arrives():
    history = bars_of([FLAT, FLAT, (100, 101, 90, 100), FLAT, FLAT])
    broker = venue(history, slippage=parse_slippage("latency:1"))
    dearer = order(2, "BUY", 1, "LIMIT", limit="80", replaces=1)
    said = play(
        broker,
        [order(1, "BUY", 1, "LIMIT", limit="95")],
        script={2: [lambda b: b.submit(approved(dearer))]},
    )
    assert kinds(said) == [("OrderAccepted", 1), ("Fill", 1), ("OrderRejected", 2)]


@pytest.mark.parametrize(("wanted", "left"), [(10, 6), (4, 0), (3, 0)])
def test_what_fills_while_a_replacement_is_under_way_comes_off_it(wanted, left):
    """Sent when nothing had filled; four have when it arrives. Limits have let `wanted` pass."""
    history = bars_of([FLAT, FLAT, (*FLAT, 40), FLAT, FLAT])
    broker = venue(history, slippage=parse_slippage("latency:1"))
    again = order(2, "BUY", wanted, "LIMIT", limit="101", replaces=1, created_at=2 * MINUTE)
    said = play(
        broker,
        [order(1, "BUY", 10, "LIMIT", limit="100")],
        script={2: [lambda b: b.submit(approved(again))]},
    )
    assert [fill.quantity for fill in fills(said)] == ([4, left] if left else [4])
    assert OrderReplaced(2, 1, 3 * MINUTE, D(4)) in said
    ended = OrderCanceled(2, 3 * MINUTE, D(0), "all of it had filled before it arrived")
    assert (ended in said) is (left == 0)


@pytest.mark.parametrize(("wanted", "left"), [(100, 60), (40, 0), (30, 0)])
def test_what_its_group_fills_while_a_replacement_is_under_way_comes_off_it(wanted, left):
    """Of a hundred held the target has sold 40 when the stop is moved: 60 are left to sell."""
    rows = [FLAT, FLAT, (100, 106, 99, 100, 400), (92, 93, 90, 91)]
    broker = venue(bars_of(rows), slippage=parse_slippage("latency:1"))
    again = order(3, "SELL", wanted, "STOP", stop="91", replaces=1, created_at=2 * MINUTE)
    said = play(
        broker,
        [
            order(1, "SELL", 100, "STOP", stop="90", oca_group=1),
            order(2, "SELL", 100, "LIMIT", limit="105", oca_group=1),
        ],
        script={2: [lambda b: b.submit(approved(again))]},
    )
    assert [(fill.order_id, fill.quantity) for fill in fills(said)] == [
        (2, 40),
        *([(3, left)] if left else []),
    ]
    why = "order 2 of its group filled"
    ended_at = (4 if left else 3) * MINUTE
    assert OrderCanceled(3, ended_at, D(left), why) in said  # it wanted more


def test_a_leg_elsewhere_that_is_replaced_meanwhile_keeps_to_its_lots():
    """Three of ten are bought here; of eight there five are left, which is one lot of four."""
    here = bars_of([FLAT, FLAT, (*FLAT, 30)] + [(102, 103, 101, 102)] * 2)
    there = bars_of([FLAT, FLAT, FLAT, FLAT, (90, 91, 89, 90)], name="PAIR.XXXX", lot=D(4))
    broker = venue(here, there, slippage=parse_slippage("latency:1"))
    terms = {"instrument": "PAIR.XXXX", "limit": "90"}
    again = order(3, "BUY", 8, "LIMIT", replaces=2, created_at=2 * MINUTE, **terms)
    said = play(
        broker,
        [
            order(1, "BUY", 10, "LIMIT", limit="100", oca_group=1),
            order(2, "BUY", 8, "LIMIT", oca_group=1, **terms),
        ],
        script={2: [lambda b: b.submit(approved(again))]},
    )
    assert [(fill.order_id, fill.quantity) for fill in fills(said)] == [(1, 3), (3, 4)]


def test_an_order_under_way_is_split_like_one_that_has_arrived():
    history = bars_of([FLAT, FLAT, (50, 51, 49, 50), (50, 51, 44, 50)])
    broker = venue(history, slippage=parse_slippage("latency:2"))
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 10, "LIMIT", limit="90")))
    said = advance(broker, 2)
    broker.tape.advance(3 * MINUTE)
    broker.corporate_action(Split(ID, 2 * MINUTE, D(2), D(1)))
    said += broker.events() + advance(broker, 4)
    assert [(fill.quantity, fill.price) for fill in fills(said)] == [(20, 45)]


@pytest.mark.parametrize(
    ("kind", "terms", "moved", "split_bar", "expected"),
    [
        # From 110 the low of 95 has brought it to 105, which is 52.5 in new shares.
        ("TRAILING_STOP", {"trail": "10"}, {}, (50, 53, 49, 50), (4, "52.5")),
        # Not reached, it follows the low of 45 to 50.
        ("TRAILING_STOP", {"trail": "10"}, {}, (50, 51, 45, 46), (5, "50")),
        ("STOP", {"stop": "120"}, {"stop": "104"}, (50, 53, 49, 50), (4, "52")),
        ("LIMIT", {"limit": "80"}, {"limit": "90"}, (50, 51, 44, 50), (4, "45")),
    ],
)
def test_a_replacement_under_way_takes_its_place_before_a_split(
    kind, terms, moved, split_bar, expected
):
    """A hundred dollars become fifty with minute 4, which belongs to whoever stands there."""
    history = bars_of([FLAT, FLAT, (100, 101, 95, 100), split_bar, (46, 52, 46, 50)])
    broker = venue(history, slippage=parse_slippage("latency:1"))
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 10, kind, **terms)))
    advance(broker, 2)
    advance(broker, 3)
    again = order(2, "BUY", 10, kind, replaces=1, created_at=3 * MINUTE, **{**terms, **moved})
    broker.submit(approved(again))
    broker.tape.advance(4 * MINUTE)
    broker.corporate_action(Split(ID, 3 * MINUTE + 1, D(2), D(1)))
    said = broker.events() + advance(broker, 5)
    assert said[0] == OrderReplaced(2, 1, 3 * MINUTE + 1, D(0))
    (fill,) = fills(said)
    assert (fill.at // MINUTE, fill.price, fill.quantity) == (expected[0], D(expected[1]), 20)


def test_a_trail_under_way_begins_behind_the_last_close_before_a_split():
    """Behind 100, that is at 45 in new shares; as late as ever it misses the bar of minute 3."""
    history = bars_of([FLAT, FLAT, (50, 51, 44, 50), (47, 47, 44, 46)])
    broker = venue(history, slippage=parse_slippage("latency:1"))
    advance(broker, 2)
    broker.submit(approved(order(1, "SELL", 10, "TRAILING_STOP", trail="10")))
    broker.submit(approved(order(2, "BUY", 10)))
    broker.tape.advance(3 * MINUTE)
    broker.corporate_action(Split(ID, 2 * MINUTE, D(2), D(1)))
    said = broker.events() + advance(broker, 4)
    assert [(fill.order_id, fill.at // MINUTE, fill.price) for fill in fills(said)] == [
        (1, 4, 45),
        (2, 4, 47),
    ]


def test_a_child_whose_parent_is_canceled_from_afar_wakes_before_a_split():
    """Four of ten are bought; the cancel is under way. Behind 100 it begins, at 45 of the new."""
    rows = [FLAT, FLAT, (*FLAT, 40), (50, 51, 44, 50), FLAT]
    broker = venue(bars_of(rows), slippage=parse_slippage("latency:1"))
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 10)))
    broker.submit(approved(order(2, "SELL", 10, "TRAILING_STOP", trail="10", parent=1)))
    advance(broker, 2)
    said = advance(broker, 3)
    broker.cancel(1)
    broker.tape.advance(4 * MINUTE)
    broker.corporate_action(Split(ID, 3 * MINUTE, D(2), D(1)))
    said += broker.events()
    assert [(fill.order_id, fill.quantity, fill.price) for fill in fills(said)] == [
        (1, 4, 100),
        (2, 8, 45),
    ]


def test_what_has_arrived_meets_no_bar_on_its_old_scale_because_something_is_under_way():
    """A hundred dollars become fifty with minute 4; the limit of 90 is one of 45 by then."""
    history = bars_of([FLAT, FLAT, FLAT, (50, 51, 49, 50), (50, 51, 44, 50)])
    broker = venue(history, slippage=parse_slippage("latency:1"))
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 10, "LIMIT", limit="90")))
    said = advance(broker, 2) + advance(broker, 3)
    broker.submit(approved(order(2, "BUY", 1, "LIMIT", limit="30")))
    broker.tape.advance(4 * MINUTE)
    broker.corporate_action(Split(ID, 3 * MINUTE + 1, D(2), D(1)))
    said += broker.events() + advance(broker, 5)
    assert [(fill.quantity, fill.price, fill.at) for fill in fills(said)] == [(20, 45, 5 * MINUTE)]


def test_orders_that_arrive_out_of_turn_meet_their_bar_by_number():
    broker = venue(bars_of([FLAT] * 3))
    advance(broker, 1)
    for number in (2, 1, 3):
        broker.submit(approved(order(number, "BUY", 1)))
    assert [fill.order_id for fill in fills(advance(broker, 2))] == [1, 2, 3]


def test_a_cancel_finds_an_order_under_its_new_name():
    broker = venue(
        bars_of([FLAT] * 2),
        bars_of([FLAT] * 6, name="NEW.XXXX"),
        slippage=parse_slippage("latency:1"),
    )
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 1, "LIMIT", limit="50")))
    advance(broker, 2)
    broker.corporate_action(SymbolChanged(ID, 2 * MINUTE, "NEW.XXXX"))
    broker.cancel(1)
    assert kinds(advance(broker, 3) + advance(broker, 4)) == [("OrderCanceled", 1)]


@pytest.mark.parametrize(
    "action",
    [
        Delisted(ID, MINUTE, D(10)),
        Merged(ID, MINUTE, "NEW.XXXX", D(1), D(0), D(0)),
        SpunOff(ID, MINUTE, "NEW.XXXX", D(1), D("0.5")),
    ],
    ids=lambda action: type(action).__name__,
)
def test_an_order_under_way_ends_with_what_ends_those_that_have_arrived(action):
    broker = venue(
        bars_of([FLAT] * 6),
        bars_of([FLAT] * 6, name="NEW.XXXX"),
        slippage=parse_slippage("latency:3"),
    )
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 1)))
    broker.corporate_action(action)
    assert kinds(broker.events()) == [("OrderAccepted", 1), ("OrderCanceled", 1)]


def test_an_order_whose_time_is_over_when_it_arrives_is_rejected():
    broker = venue(bars_of([FLAT] * 6), slippage=parse_slippage("latency:3"))
    advance(broker, 1)
    day = order(1, "BUY", 1, tif=TimeInForce.DAY, expires_at=2 * MINUTE)
    broker.submit(approved(day))
    said = [event for minute in (2, 3, 4, 5) for event in advance(broker, minute)]
    assert said == [OrderRejected(1, 4 * MINUTE, "its time was over when it arrived")]


def test_from_far_away_too_the_next_event_is_foreseen():
    broker = venue(bars_of([FLAT] * 6), slippage=parse_slippage("latency:2"))
    advance(broker, 1)
    assert broker.next_event_at() == NEVER
    broker.submit(approved(order(1, "BUY", 1)))
    broker.corporate_action(CashDividend(ID, MINUTE, D(1), "USD"))  # changes nothing under way
    assert (broker.next_event_at(), broker.events()) == (3 * MINUTE, [])
    assert kinds(advance(broker, 3)) == [("OrderAccepted", 1)]
    assert broker.next_event_at() == 4 * MINUTE


def test_what_nobody_sent_or_trades_is_refused_without_delay():
    broker = venue(bars_of([FLAT] * 3), slippage=parse_slippage("latency:1"))
    advance(broker, 1)
    broker.cancel(9)
    broker.submit(approved(order(1, "BUY", 1, instrument="NONE.XXXX")))
    assert kinds(broker.events()) == [("CancelRejected", 9), ("OrderRejected", 1)]


@pytest.mark.parametrize(("parent", "bar"), [(1, 3), (2, 3)])
def test_the_children_of_a_bracket_are_late_as_well(parent, bar):
    """Sent together: what waits at the venue for its parent loses no further time."""
    history = bars_of([FLAT, FLAT, (100, 101, 95, 100), (100, 101, 95, 100)])
    broker = venue(history, slippage=parse_slippage("latency:1"))
    entry = order(1, "BUY", 1, **({} if parent == 1 else {"kind": "LIMIT", "limit": "99"}))
    exit_ = order(2, "SELL", 1, "STOP", stop="97", parent=1)
    said = fills(play(broker, [entry, exit_]))
    assert [(fill.order_id, fill.at // MINUTE) for fill in said] == [(1, bar), (2, bar)]
