"""What loans cost and what a margin that is not kept leads to, by sums done by hand."""

from decimal import Decimal

import numpy as np
import pytest
from tests.engine.market import HOUR, X, Y, bars, card, held, kinds, play, scripted

from evenkeel.domain.bar import Bars
from evenkeel.domain.events import (
    BorrowFeeCharged,
    CancelRequested,
    InterestCharged,
    LiquidationForced,
    MarginCalled,
    Split,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.engine.explain import explain
from evenkeel.engine.lender import Lender
from evenkeel.execution.financing import parse_terms
from evenkeel.journal.chain import links

D = Decimal
DAY = 24 * HOUR


def days(*closes, name=X, at=range(1, 99), **facts):
    """Bars that close at noon of the given days, and open where the one before closed."""
    close = np.array(closes, dtype=float)
    opened = np.r_[close[:1], close[:-1]]
    closed_at = np.array([day * DAY + 12 * HOUR for day, _ in zip(at, close, strict=False)])
    return Bars(
        Instrument(name, **facts),
        closed_at,
        opened,
        np.maximum(opened, close),
        np.minimum(opened, close),
        close,
        np.full(len(close), 1e6),
        np.arange(1, 99) * DAY,
    )


def buys(quantity, on=0):
    return scripted({on: lambda s: s.buy(quantity)})


def sells(quantity, on=0):
    return scripted({on: lambda s: s.sell(quantity)})


def both(strategy, *histories, **wished):
    """The records of a run, the same with and without jumping; and its core."""
    stepped, _, _ = play(strategy, *histories, limits=card(), **wished)
    jumped, core, _ = play(strategy, *histories, limits=card(), jump=True, **wished)
    assert [each.line for each in links(jumped)] == [each.line for each in links(stepped)]
    return jumped, core


def of(kind, records):
    return [record for record in records if isinstance(record, kind)]


# ---- interest --------------------------------------------------------------------------------


def test_money_that_is_owed_over_a_weekend_costs_three_days():
    """150 at 10 with 1,000 of cash from Friday on: 500 at 6 % of 360 days, and of what grew."""
    records, core = both(buys(150), days(10, 10, 10, at=(1, 2, 5)), cash="1000", interest="6")
    (charged,) = of(InterestCharged, records)
    assert charged == InterestCharged(5 * DAY, "USD", D(500), D(6), 3, D("0.25"))
    assert core.account.book.cash == D("-500.25")


def test_interest_is_charged_each_day_on_what_is_owed_by_then():
    records, _ = both(buys(150), days(10, 10, 10, 10), cash="1000", interest="36")
    first, second = of(InterestCharged, records)
    assert (first.balance, first.amount) == (500, D("0.5"))
    assert (second.balance, second.amount) == (D("500.5"), D("0.5005"))


def test_a_rate_that_changes_over_a_weekend_is_told_in_two():
    records, _ = both(
        buys(150), days(10, 10, 10, at=(1, 2, 5)), cash="1000", interest="6,1970-01-04:12"
    )
    assert [(each.rate, each.days) for each in of(InterestCharged, records)] == [(6, 1), (12, 2)]


def test_nothing_is_charged_within_a_day_or_on_money_of_ones_own():
    within, _ = both(buys(150), bars(10, 10, 10, 10), cash="1000", interest="6", borrow="1")
    owned, _ = both(buys(50), days(10, 10, 10, 10), cash="1000", interest="6", borrow="1")
    free, _ = both(buys(150), days(10, 10, 10, 10), cash="1000", borrow="1")
    for records in (within, owned, free):
        assert not of(InterestCharged | BorrowFeeCharged, records)


# ---- borrowed shares -------------------------------------------------------------------------


def test_shares_that_are_short_cost_by_their_last_close():
    records, core = both(sells(100), days(10, 12, 11, 11), borrow="36")
    first, second = of(BorrowFeeCharged, records)
    assert first == BorrowFeeCharged(X, 3 * DAY, D(100), D(1200), D(36), 1, D("1.2"))
    assert second.amount == D("1.1")
    assert core.account.book.cash == 100_000 + 1000 - D("2.3")


def test_each_share_has_its_own_rate_and_free_ones_make_no_record():
    plan = scripted({0: lambda s: s.sell(10)})
    histories = days(10, 10, 10), days(10, 10, 10, name=Y)
    records, _ = both(plan, *histories, borrow=f"0,{Y}=36")
    assert [(each.instrument, each.amount) for each in of(BorrowFeeCharged, records)] == [
        (Y, D("0.1"))
    ]


def test_a_future_that_is_short_costs_its_multiplier():
    records, _ = both(sells(1), days(10, 10, 10, multiplier=D(50)), borrow="36")
    (charged,) = of(BorrowFeeCharged, records)
    assert (charged.value, charged.amount) == (500, D("0.5"))


def test_a_fee_comes_before_the_split_of_its_day():
    records, _ = both(
        sells(100), days(10, 10, 5), borrow="36", actions=(Split(X, 2 * DAY + 13 * HOUR, D(2)),)
    )
    assert kinds(records)[-2:] == ["BorrowFeeCharged", "Split"]
    (charged,) = of(BorrowFeeCharged, records)
    assert (charged.quantity, charged.value) == (100, 1000)


# ---- margin ----------------------------------------------------------------------------------


def test_a_long_that_loses_too_much_is_sold_as_far_as_needed():
    """1,000 of cash buys 200 at 10. At 6: equity 200, 25 % of 1,200 is 300: 100 short, 67 shares."""
    records, core = both(buys(200), days(10, 10, 8, 6, 6, 6), cash="1000", margin="reg-t")
    assert kinds(records) == [
        *("Approved", "OrderAccepted", "Fill"),
        *("MarginCalled", "LiquidationForced", "Approved", "OrderAccepted", "Fill"),
    ]
    (called,) = of(MarginCalled, records)
    assert called == MarginCalled(4 * DAY + 12 * HOUR, D(200), D(300))
    order = of(Approved, records)[1].order
    assert (order.strategy, order.quantity) == ("margin", 67)
    assert order.reason == "forced liquidation: equity 200 is below the margin 300"
    assert held(core) == 133


def test_a_short_that_rises_too_far_is_bought_back():
    """1,000 of cash sells 100 at 10. At 16: equity 400, 30 % of 1,600 is 480: 80 short, 17 shares."""
    records, core = both(sells(100), days(10, 10, 12, 16, 16), cash="1000", margin="reg-t")
    assert of(LiquidationForced, records) == [
        LiquidationForced(4 * DAY + 12 * HOUR, D(400), D(480))
    ]
    assert held(core) == -83


def test_without_any_equity_everything_goes():
    records, core = both(buys(200), days(10, 10, 4, 4), cash="1000", margin="reg-t")
    assert of(MarginCalled, records)[0].equity == -200
    assert held(core) == 0


def test_orders_are_cancelled_first_and_that_may_not_be_enough():
    plan = scripted({0: lambda s: s.buy(200), 1: lambda s: s.sell(200, limit=20)})
    records, core = both(plan, days(10, 10, 6, 6), cash="1000", margin="reg-t")
    called = kinds(records).index("MarginCalled")
    assert kinds(records)[called:] == [
        *("MarginCalled", "CancelRequested", "OrderCanceled"),
        *("LiquidationForced", "Approved", "OrderAccepted", "Fill"),
    ]
    (request,) = of(CancelRequested, records)
    assert (request.by, request.reason) == (
        "margin",
        "margin call: equity 200 is below the margin 300",
    )
    assert held(core) == 133


def test_the_position_that_requires_most_goes_first_and_only_as_much_as_needed():
    """X requires 300 and Y 75; 75 are missing: 50 shares of X at 6, each of which requires 1.5."""
    plan = scripted({0: lambda s: s.buy(200 if s.instrument.id == X else 50)})
    histories = days(10, 10, 6, 6), days(10, 10, 6, 6, name=Y)
    records, core = both(plan, *histories, cash="1300", margin="reg-t")
    (forced,) = of(LiquidationForced, records)
    assert (forced.equity, forced.required) == (300, 375)
    assert (held(core, X), held(core, Y)) == (150, 50)


def test_what_is_being_closed_is_not_closed_twice():
    """Ten shares a bar can trade: the order works on, and there is no second call."""
    history = days(10, 10, 4, 4, 4, 4)
    history.volume[3:] = 100
    records, core = both(buys(200), history, cash="1000", margin="reg-t")
    assert len(of(MarginCalled, records)) == 1
    assert held(core) == 170


def test_a_liquidation_that_the_gate_refuses_is_asked_for_again_at_the_next_bar():
    """A card that allows no order as large: the journal shows every refusal, and why."""
    plan = scripted({n: lambda s: s.buy(40) for n in range(5)})
    history = days(10, 10, 10, 10, 10, 10, 4, 4)
    limits = card(order_quantity_max=40)
    runs = [
        play(plan, history, limits=limits, cash="1000", margin="reg-t", jump=jump)[0]
        for jump in (True, False)
    ]
    assert [each.line for each in links(runs[0])] == [each.line for each in links(runs[1])]
    refused = of(Refused, runs[0])
    assert [each.reason.value for each in refused] == ["order_quantity_max"] * 2
    assert len(of(MarginCalled, runs[0])) == 2


def test_a_liquidation_is_not_asked_for_again_because_others_trade():
    """Only a new price of what is held, or a change of the book, makes the margin another one."""
    plan = scripted({n: lambda s: s.instrument.id == X and s.buy(40) for n in range(5)})
    history = days(10, 10, 10, 10, 10, 10, 4, 4)
    other = bars(*[1] * 9, name=Y, start=14, step=24)  # two hours after each bar of X
    limits = card(order_quantity_max=40)
    runs = [
        play(plan, history, other, limits=limits, cash="1000", margin="reg-t", jump=jump)[0]
        for jump in (True, False)
    ]
    assert [each.line for each in links(runs[0])] == [each.line for each in links(runs[1])]
    assert len(of(MarginCalled, runs[0])) == 2


def test_a_strategy_hears_of_its_liquidation_and_cannot_cancel_it():
    def stop_it(strategy):
        strategy.cancel(2)

    plan = scripted({0: lambda s: s.buy(200), 3: stop_it})
    records, core = both(plan, days(10, 10, 8, 6, 6, 6), cash="1000", margin="reg-t")
    assert held(core) == 133
    assert (2, "FILLED") in [(heard[0], heard[1]) for heard in plan.heard]
    assert not of(CancelRequested, records)


@pytest.mark.parametrize("margin", ["none", "reg-t:long=0.1"])
def test_a_margin_that_is_kept_or_not_asked_for_calls_nobody(margin):
    records, _ = both(buys(200), days(10, 10, 8, 6, 6, 6), cash="1000", margin=margin)
    assert not of(MarginCalled, records)


def test_the_next_breach_is_found_far_away_and_on_two_timelines():
    closes = np.r_[np.full(3000, 10.0), 6.0, 6.0]
    other = bars(*np.full(1000, 10.0), name=Y, step=3)
    plan = scripted({0: lambda s: s.buy(200) if s.instrument.id == X else s.buy(1)})
    records, core = both(plan, bars(*closes), other, cash="1010", margin="reg-t")
    assert of(MarginCalled, records)[0].at == 3001 * HOUR
    assert held(core, X) == 138  # equity 210 against 302.5: 92.5 are missing, 1.5 a share


@pytest.mark.parametrize("kept", [2, 65, 66, 67, 321, 322, 323, 1346, 3000])
def test_a_breach_is_found_at_its_own_bar_however_far_the_looks_before_it_went(kept):
    """The fill is at bar 2; looks from there end at bars 3, 67, 323, 1347 and 5443."""
    closes = np.r_[np.full(kept, 10.0), 6.0, 6.0]
    records, core = both(buys(200), bars(*closes), cash="1000", margin="reg-t")
    assert of(MarginCalled, records)[0].at == (kept + 1) * HOUR
    assert held(core) == 133


def test_a_breach_of_one_bar_is_found_between_the_bars_of_another():
    """A look that goes through 64 bars of Y must not go further than those of X that it has seen."""
    closes = np.full(200, 10.0)
    closes[101] = 6  # Y has bars one hour before and two hours after
    other = bars(*np.full(70, 10.0), name=Y, step=3)
    plan = scripted({0: lambda s: s.buy(200) if s.instrument.id == X else s.buy(1)})
    records, _ = both(plan, bars(*closes), other, cash="1010", margin="reg-t")
    assert of(MarginCalled, records)[0].at == 102 * HOUR


@pytest.fixture
def looks(monkeypatch):
    """How many moments each look of the lender went through."""
    seen, unique = [], np.unique

    def counting(moments):
        found = unique(moments)
        seen.append(len(found))
        return found

    monkeypatch.setattr(np, "unique", counting)
    return seen


@pytest.mark.parametrize("every", [1, 2, 5])
def test_who_trades_all_the_time_does_not_have_the_lender_look_far(looks, every):
    plan = scripted({n: lambda s: s.sell(1) for n in range(0, 2000, every)})
    _, core, _ = play(plan, bars(*[10] * 2000), limits=card(), jump=True, margin="reg-t")
    assert held(core) < -390
    assert sum(looks) < 2000 * 64


def test_a_margin_call_that_stands_does_not_have_the_lender_look_far(looks):
    """Each bar asks again for a liquidation that the gate refuses."""
    plan = scripted({n: lambda s: s.buy(40) for n in range(5)})
    limits, closes = card(order_quantity_max=40), [10] * 6 + [4] * 500
    records, _, _ = play(plan, bars(*closes), limits=limits, cash="1000", margin="reg-t", jump=True)
    assert len(of(MarginCalled, records)) == 500
    assert sum(looks) < 500 * 70


def test_a_position_that_is_held_is_looked_through_in_few_pieces(looks):
    play(sells(1), bars(*[10] * 20_000), limits=card(), jump=True, margin="reg-t")
    assert len(looks) < 8
    assert sum(looks) < 20_000


def lender_of(core):
    terms = parse_terms(interest="none", borrow="none", margin="reg-t")
    return Lender(core.account, terms)


def test_a_position_that_closes_on_the_way_to_its_liquidation_is_left_alone():
    """The venue's answer to a cancel may be a fill that nobody had heard of."""
    _, core, _ = play(buys(200), days(10, 10, 6), limits=card(), cash="1000", margin="none")
    events = lender_of(core).margin_events()
    assert isinstance(next(events), MarginCalled)
    core.account.book.take(Fill("late", 9, X, Side.SELL, D(200), D(6), "USD", 1))
    assert list(events) == []


def test_without_a_price_nothing_is_known_and_nobody_is_called():
    _, core, _ = play(buys(200), days(10, 10, 6), limits=card(), cash="1000", margin="none")
    core.account.equity = lambda: None
    assert list(lender_of(core).margin_events()) == []


def test_why_tells_a_liquidation_from_the_journal_alone():
    history = days(10, 10, 8, 6, 6, 6)
    records, _ = both(buys(200), history, cash="1000", interest="6", margin="reg-t")
    seen = explain(records, {X: history}, 2)
    assert seen is not None
    assert (seen.order.strategy, seen.reading.held) == ("margin", 200)
    assert seen.equity == of(LiquidationForced, records)[0].equity
