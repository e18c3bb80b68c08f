"""Orders with one chance: at the open, in a session's opening or closing auction, all or nothing.

Sessions here are two bars long and close at minutes 2, 4, 6 …, unless a test says otherwise.
"""

import numpy as np
import pytest
from msgspec.structs import replace
from tests.execution.bench import MINUTE, approved, bars_of, fills, kinds, order, play, venue

from evenkeel.domain.order import TimeInForce

ROWS = [
    (100, 101, 99, 100),
    (101, 102, 100, 102),  # minute 2: closes the first session
    (103, 105, 98, 104),  # minute 3: opens the second
    (104, 106, 102, 105),  # minute 4: closes it
    (107, 108, 106, 107),
    (108, 109, 107, 109),
]
CLOSES = np.array([2, 4, 6, 8]) * MINUTE


def sessions(rows=ROWS, closes=CLOSES, **changes):
    return replace(bars_of(rows, **changes), session_closes=closes)


def once(number, side, quantity, kind="MARKET", tif="IOC", **terms):
    return order(number, side, quantity, kind, tif=TimeInForce(tif), **terms)


def on_close(number, side, quantity, at, **terms):
    kind = "LIMIT_ON_CLOSE" if "limit" in terms else "MARKET_ON_CLOSE"
    return once(number, side, quantity, kind, "DAY", expires_at=at * MINUTE, **terms)


def short(said):
    """Fills as (order, minute, quantity, price), everything else by its name."""
    return [
        (event.order_id, event.at // MINUTE, str(event.quantity), str(event.price))
        if event in fills(said)
        else (event.order_id, event.at // MINUTE, type(event).__name__)
        for event in said
        if type(event).__name__ != "OrderAccepted"
    ]


# ---- immediately -----------------------------------------------------------------------------


def test_what_is_immediate_is_tried_at_the_next_open_and_then_over():
    said = play(
        venue(sessions()),
        [
            once(1, "BUY", 5),
            once(2, "BUY", 5, "LIMIT", limit="101"),  # the open is at its limit
            once(3, "BUY", 5, "LIMIT", limit="100.5"),  # the bar trades there, but later
            once(4, "SELL", 5, "LIMIT", tif="FOK", limit="101.5"),
        ],
    )
    assert short(said) == [
        (1, 2, "5", "101.0"),
        (2, 2, "5", "101"),
        (3, 2, "OrderCanceled"),
        (4, 2, "OrderCanceled"),
    ]
    assert {event.reason for event in said if hasattr(event, "reason")} == {
        "what did not fill at the open"
    }


def test_immediate_takes_what_there_is_and_fill_or_kill_takes_all_or_nothing():
    """A tenth of the bar's volume of 80 is 8."""
    bars = sessions(volume=80)
    assert short(play(venue(bars), [once(1, "BUY", 12)])) == [
        (1, 2, "8", "101.0"),
        (1, 2, "OrderCanceled"),
    ]
    assert short(
        play(venue(bars), [once(1, "BUY", 12, tif="FOK"), once(2, "BUY", 8, tif="FOK")])
    ) == [
        (1, 2, "OrderCanceled"),
        (2, 2, "8", "101.0"),  # what was killed has taken nothing
    ]


def test_with_through_an_open_at_the_limit_is_not_enough_for_what_is_tried_once():
    said = play(venue(sessions(), touch="through"), [once(1, "BUY", 5, "LIMIT", limit="101")])
    assert short(said) == [(1, 2, "OrderCanceled")]


def test_a_bar_without_volume_is_a_chance_that_is_missed():
    rows = [ROWS[0], (*ROWS[1], 0), *ROWS[2:]]
    said = play(venue(sessions(rows)), [once(1, "BUY", 5), once(2, "BUY", 5, "LIMIT", limit=200)])
    assert short(said) == [(1, 2, "OrderCanceled"), (2, 2, "OrderCanceled")]


def test_an_immediate_child_is_tried_at_the_open_after_its_parent():
    """Its parent fills at an open: that open is over when the child arrives."""
    said = play(venue(sessions()), [order(1, "BUY", 5), once(2, "SELL", 5, parent=1)])
    assert short(said) == [(1, 2, "5", "101.0"), (2, 3, "5", "103.0")]
    inside = [
        order(1, "BUY", 5, "LIMIT", limit="98"),
        once(2, "SELL", 5, "LIMIT", limit="90", parent=1),
    ]
    assert short(play(venue(sessions()), inside)) == [(1, 3, "5", "98"), (2, 4, "5", "104.0")]


# ---- the opening -----------------------------------------------------------------------------


def test_an_order_on_open_waits_for_the_first_bar_of_a_session():
    said = play(
        venue(sessions()),
        [
            once(1, "BUY", 5, "MARKET_ON_OPEN", "OPG"),
            once(2, "SELL", 5, "LIMIT", "OPG", limit="102"),
            once(3, "BUY", 5, "LIMIT", "OPG", limit="102"),  # its bar trades there after the open
        ],
    )
    assert short(said) == [
        (1, 3, "5", "103.0"),
        (2, 3, "5", "103.0"),
        (3, 3, "OrderExpired"),
    ]


def test_an_opening_that_did_not_take_it_all_ends_the_order():
    said = play(venue(sessions(volume=80)), [once(1, "BUY", 12, "MARKET_ON_OPEN", "OPG")])
    assert short(said) == [(1, 3, "8", "103.0"), (1, 3, "OrderExpired")]


def test_a_session_whose_first_bar_is_missing_opens_with_the_next():
    bars = sessions()
    rows = np.array([0, 1, 3, 4])  # minute 3 is not in the data
    gapped = replace(
        bars,
        **{
            name: np.ascontiguousarray(getattr(bars, name)[rows])
            for name in ("closed_at", "open", "high", "low", "close", "volume")
        },
    )
    said = play(venue(gapped), [once(1, "BUY", 5, "MARKET_ON_OPEN", "OPG")])
    assert short(said) == [(1, 4, "5", "104.0")]


def test_on_daily_bars_every_bar_opens_a_session():
    daily = bars_of(ROWS)  # one session each
    said = play(venue(daily), [once(1, "BUY", 5, "MARKET_ON_OPEN", "OPG")])
    assert short(said) == [(1, 2, "5", "101.0")]


def test_after_the_last_session_that_is_known_nothing_opens():
    bars = sessions(closes=CLOSES[:1])
    broker = venue(bars)
    said = play(broker, [once(1, "BUY", 5, "MARKET_ON_OPEN", "OPG")])
    assert short(said) == [(1, 3, "5", "103.0")]  # it opened, whenever it may close
    broker = venue(bars)
    broker.tape.advance(3 * MINUTE)
    broker.submit(approved(once(1, "BUY", 5, "MARKET_ON_OPEN", "OPG")))
    broker.tape.advance(6 * MINUTE)
    assert kinds(broker.events()) == [("OrderAccepted", 1)]


# ---- the close -------------------------------------------------------------------------------


def test_an_order_on_close_trades_at_the_last_price_of_its_session():
    said = play(
        venue(sessions()),
        [
            on_close(1, "BUY", 5, 2),
            on_close(2, "BUY", 5, 2, limit="102"),
            on_close(3, "BUY", 5, 2, limit="101"),  # the bar traded there before
            on_close(4, "SELL", 5, 2, limit="101"),
        ],
    )
    assert short(said) == [
        (1, 2, "5", "102.0"),
        (2, 2, "5", "102"),
        (3, 2, "OrderExpired"),
        (4, 2, "5", "102.0"),
    ]


def test_a_close_that_did_not_take_it_all_ends_the_order():
    said = play(venue(sessions(volume=80)), [order(1, "SELL", 3), on_close(2, "BUY", 12, 2)])
    assert short(said) == [
        (1, 2, "3", "101.0"),
        (2, 2, "5", "102.0"),  # the order before it has had its part of the bar
        (2, 2, "OrderExpired"),
    ]


def test_a_session_whose_last_bar_is_missing_closes_with_the_one_before():
    """Which bar was the last is known when the session is over; the fill is of that moment."""
    half = sessions(closes=np.array([2, 5, 7]) * MINUTE)
    half = replace(half, closed_at=np.array([1, 2, 3, 4, 6, 7]) * MINUTE)
    broker = venue(half)
    said = play(broker, [], script={2: [lambda b: b.submit(approved(on_close(1, "BUY", 5, 5)))]})
    assert short(said) == [(1, 5, "5", "105.0")]


@pytest.mark.parametrize("minute", [1, 4])
def test_an_order_on_close_that_saw_no_bar_of_its_session_expires(minute):
    """It came with the last bar that there was: it cannot trade at a price it was decided on."""
    bars = sessions(closes=np.array([minute + 0.5, 9]) * MINUTE)
    late = [lambda b: b.submit(approved(on_close(1, "BUY", 5, minute + 0.5)))]
    said = play(venue(bars), [], script={minute: late}) if minute > 1 else None
    if said is None:
        said = play(venue(bars), [on_close(1, "BUY", 5, 1.5)])
    assert [(event[0], event[2]) for event in short(said)] == [(1, "OrderExpired")]


def test_a_close_without_volume_fills_nothing():
    rows = [ROWS[0], (*ROWS[1], 0), *ROWS[2:]]
    assert short(play(venue(sessions(rows)), [on_close(1, "BUY", 5, 2)])) == [
        (1, 2, "OrderExpired")
    ]


def test_a_child_on_close_trades_on_the_bar_that_filled_its_parent():
    """Whatever filled inside a bar or at its open has filled before the bar's close."""
    inside = [order(1, "BUY", 5, "LIMIT", limit="100"), on_close(2, "SELL", 5, 2, parent=1)]
    assert short(play(venue(sessions()), inside)) == [(1, 2, "5", "100"), (2, 2, "5", "102.0")]
    sleeps = [order(1, "BUY", 5, "LIMIT", limit="90"), on_close(2, "SELL", 5, 2, parent=1)]
    assert short(play(venue(sessions()), sleeps)) == [(2, 2, "OrderExpired")]


def test_children_of_an_order_on_close_live_from_the_next_bar_on():
    exits = [
        on_close(1, "BUY", 5, 2),
        order(2, "SELL", 5, "STOP", stop="100.5", parent=1),  # touched, before the close
        order(3, "SELL", 5, "MARKET", parent=1),
    ]
    assert short(play(venue(sessions()), exits)) == [
        (1, 2, "5", "102.0"),
        (2, 3, "5", "100.5"),
        (3, 3, "5", "103.0"),
    ]


def test_of_a_group_the_leg_on_close_is_what_is_left_to_do():
    legs = {"oca_group": 1}
    stop = order(1, "SELL", 5, "STOP", stop="98.5", **legs)
    said = play(venue(sessions()), [stop, on_close(2, "SELL", 5, 2, **legs)])
    assert short(said) == [(2, 2, "5", "102.0"), (1, 2, "OrderCanceled")]
    touched = order(1, "SELL", 5, "STOP", stop="100", **legs)
    said = play(venue(sessions()), [touched, on_close(2, "SELL", 5, 2, **legs)])
    assert short(said) == [(1, 2, "5", "100"), (2, 2, "OrderCanceled")]


# ---- a moment, a share of the price ----------------------------------------------------------


def test_good_till_a_moment_ends_then_and_not_before():
    gtd = once(1, "BUY", 5, "LIMIT", "GTD", limit="98", expires_at=3 * MINUTE)
    assert short(play(venue(sessions()), [gtd])) == [
        (1, 3, "5", "98")
    ]  # the bar of that moment counts
    gtd = once(1, "BUY", 5, "LIMIT", "GTD", limit="98", expires_at=3 * MINUTE - 1)
    (ended,) = [event for event in play(venue(sessions()), [gtd]) if event.at >= 2 * MINUTE]
    assert (type(ended).__name__, ended.at) == ("OrderExpired", 3 * MINUTE - 1)


def test_a_trail_by_percent_follows_the_highs_of_completed_bars():
    """2 % below the high of 102 is 99.96; the next bar's low of 98 reaches it."""
    trail = order(1, "SELL", 5, "TRAILING_STOP", stop="97", trail_percent="2")
    assert short(play(venue(sessions()), [trail])) == [(1, 3, "5", "99.960")]
