"""Struck off, renamed, bought, broken up: the same on every path, and the report's sum is the ledger's."""

from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace
from tests.engine.market import HOUR, X, Y, bars, card, scripted

from evenkeel.app.backtest import execute
from evenkeel.app.paper import replay
from evenkeel.app.setup import request
from evenkeel.app.why import why
from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import BorrowFeeCharged, CashDividend, OrderCanceled
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import (
    CashInLieu,
    Delisted,
    Merged,
    Split,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.verdict import Refused
from evenkeel.journal.chain import links
from evenkeel.journal.log import MemoryJournal
from evenkeel.journal.replay import replay as booked
from evenkeel.ledger.book import Book

D = Decimal


def run(strategy, histories, *actions, **wished):
    """One run three ways: jumping, stepping, on paper. The result; all three journals are equal."""
    wanted = request(
        strategy(),
        list(histories),
        cash="1000",
        costs="zero",
        slippage="none",
        limits=card(),
        actions=actions,
        **wished,
    )
    result = execute(wanted)
    lines = [each.line for each in links(result.records)]
    assert [each.line for each in links(execute(wanted, jump=False).records)] == lines
    assert [each.line for each in links(replay(wanted, MemoryJournal(), segment=1))] == lines
    assert result.curve.equity[-1] == pytest.approx(float(result.ended.equity))
    for life in result.lives:
        why(result, life.order.id)  # the gate says again what it said
    instruments = {name: each.instrument for name, each in result.bars.items()}
    booked(
        result.journal.lines(),
        lambda started: Book(started.cash, started.currency, instruments),
    )
    return result


def of(kind, result):
    return [record for record in result.records if isinstance(record, kind)]


BUY_X = scripted({0: lambda s: s.buy(10) if s.instrument.id == X else None})
LONG = bars(10, 10, 10, 10, 10, 10, name=Y)


def test_what_is_delisted_is_paid_out_at_its_last_close_where_nobody_says_more():
    result = run(BUY_X, [bars(10, 10, 4), LONG], Delisted(X, 3 * HOUR + 1))
    assert of(Delisted, result) == [Delisted(X, 3 * HOUR + 1, D("4.0"))]
    assert result.ended.equity == 940
    (trip,) = result.round_trips
    assert (trip.open, trip.net_pnl, trip.exit_at) == (False, -60, 3 * HOUR + 1)
    assert result.positions == {}


def test_the_last_bars_of_a_run_may_be_those_of_what_is_delisted():
    result = run(BUY_X, [bars(10, 10, 4)], Delisted(X, 4 * HOUR, D(1)))
    assert result.ended.equity == 910


def test_a_delisting_long_after_the_data_is_not_this_runs_affair():
    result = run(BUY_X, [bars(10, 10, 4)], Delisted(X, 10 * 24 * HOUR))
    assert not of(Delisted, result)
    assert result.ended.equity == 940


def test_orders_in_what_is_delisted_end_and_new_ones_are_refused():
    plan = scripted(
        {
            0: lambda s: s.buy(10, limit=2) if s.instrument.id == X else None,
            2: lambda s: s.buy(1),
        }
    )
    late = bars(10, 10, 10, start=1, step=2)  # dirty data: it goes on trading
    result = run(plan, [late, LONG], Delisted(X, 2 * HOUR))
    assert [each.reason for each in of(OrderCanceled, result)] == ["delisted"]
    assert [each.reason.value for each in of(Refused, result)] == ["instrument_not_tradable"]
    assert why(result, 3)["verdict"] == "refused"


def test_a_new_name_takes_position_and_orders_along():
    plan = scripted(
        {
            0: lambda s: (s.buy(10), s.sell(10, limit=12)) if s.instrument.id == X else None,
            2: lambda s: s.buy(1, limit=1) if s.instrument.id == Y else None,
        }
    )
    after = bars(10, 11, 13, 13, name=Y, start=4)
    result = run(plan, [bars(10, 10, 10), after], SymbolChanged(X, 3 * HOUR, Y))
    assert result.ended.equity == 1020
    (trip,) = result.round_trips
    assert (trip.instrument, trip.net_pnl) == (Y, 20)


def test_a_name_that_leads_nowhere_keeps_the_position_at_its_last_price():
    result = run(BUY_X, [bars(10, 10, 9), LONG], SymbolChanged(X, 3 * HOUR, "NEW.XNAS"))
    assert result.ended.equity == 990
    assert list(result.positions) == [X]


def test_a_merger_gives_shares_and_money():
    action = Merged(X, 3 * HOUR, into=Y, shares=D("0.5"), cash=D(3), cost_share=D("0.3"))
    result = run(BUY_X, [bars(10, 10, 10), bars(20, 20, 20, 20, 22, name=Y)], action)
    assert result.ended.equity == 1000 - 100 + 30 + 5 * 22
    assert result.positions[Y].cost == 70


def test_a_merger_closes_the_short_that_was_sold_for_it():
    """10 at 10, against 5 of the buyer sold at 22 each; two for one: 110 for 100."""
    plan = scripted({0: lambda s: s.buy(10) if s.instrument.id == X else s.sell(5)})
    merger = Merged(X, 3 * HOUR, into=Y, shares=D("0.5"))
    result = run(plan, [bars(10, 10, 10), bars(22, 22, 22, 25, 25, name=Y)], merger)
    assert (result.ended.equity, result.positions) == (1010, {})
    (trip,) = result.round_trips
    assert (trip.instrument, trip.quantity, trip.net_pnl, trip.open) == (Y, 5, 10, False)


def test_a_merger_for_money_ends_the_position():
    result = run(BUY_X, [bars(10, 10, 10), LONG], Merged(X, 3 * HOUR, cash=D(15)))
    assert result.ended.equity == 1050
    assert [(trip.open, trip.net_pnl) for trip in result.round_trips] == [(False, 50)]


def test_a_spin_off_gives_a_child_with_its_part_of_the_cost():
    result = run(
        BUY_X,
        [bars(10, 10, 10, 8, 8), bars(4, 4, 5, name=Y, start=4)],
        SpunOff(X, 3 * HOUR, Y, shares=D("0.5"), cost_share=D("0.2")),
    )
    assert result.ended.equity == 1000 - 100 + 80 + 25
    assert (result.positions[X].cost, result.positions[Y].cost) == (80, 20)
    assert [trip.cost for trip in result.round_trips] == [80, 20]


def test_a_stock_dividend_and_the_money_for_its_fraction():
    result = run(
        BUY_X,
        [bars(10, 10, 10, 8, 8)],
        StockDividend(X, 3 * HOUR, D("0.25")),
        CashInLieu(X, 3 * HOUR + 1, D("0.5"), D(4)),
    )
    assert result.ended.equity == 900 + 12 * 8 + 4
    assert result.positions[X].quantity == 12


def test_a_halt_keeps_an_order_waiting():
    plan = scripted({0: lambda s: s.buy(10, limit=9)})
    result = run(
        plan, [bars(10, 10, 8, 8, 8)], TradingHalted(X, 2 * HOUR), TradingResumed(X, 4 * HOUR)
    )
    (fill,) = result.moves
    assert fill.at == 5 * HOUR


@pytest.mark.parametrize(
    "action", [SpunOff(X, 1, "KID.XNAS", D(1)), Merged(X, 1, into="BIG.XNAS", shares=D(1))]
)
def test_shares_without_prices_are_refused_before_anything_runs(action):
    with pytest.raises(UsageError, match=r"gives shares of .*, of which the run has no bars"):
        request(BUY_X(), [bars(10, 10)], actions=[action])


@pytest.mark.parametrize(
    "action", [SymbolChanged(X, 1, X), SpunOff(X, 1, X, D(1)), Merged(X, 1, into=X, shares=D(1))]
)
def test_nothing_becomes_itself(action):
    with pytest.raises(UsageError, match=rf"of {X} names {X} itself"):
        request(BUY_X(), [bars(10, 10)], actions=[action])


def test_a_split_and_a_symbol_change_of_one_moment_come_in_their_order():
    after = bars(5, 5, 6, name=Y, start=4)
    result = run(
        BUY_X, [bars(10, 10, 10), after], Split(X, 3 * HOUR, D(2)), SymbolChanged(X, 3 * HOUR, Y)
    )
    assert result.ended.equity == 1000 - 100 + 20 * 6


# ---- several things at one moment ----


@pytest.mark.parametrize(("first", "paid"), [("dividend", D("0.1")), ("split", D("0.2"))])
def test_what_happens_at_one_moment_happens_before_its_bar(first, paid):
    """A stop at 90 is one at 45 when the bar of the split comes, whatever else is told of that day."""
    plan = scripted({0: lambda s: s.buy(10), 1: lambda s: s.sell(10, stop=90)})
    split, dividend = Split(X, 3 * HOUR - 1, D(2)), CashDividend(X, 3 * HOUR - 1, D("0.01"))
    history = bars(100, 100, 50, 50)
    history = replace(history, open=history.close, high=history.close)
    actions = (dividend, split) if first == "dividend" else (split, dividend)
    result = run(plan, [history], *actions)
    assert [fill.order_id for fill in of(Fill, result)] == [1]
    assert result.ended.equity == 1_000 + paid


def test_an_order_does_not_fill_on_a_bar_of_its_halt_whatever_else_happens_then():
    plan = scripted({1: lambda s: s.buy(1) if s.instrument.id == X else None})
    result = run(
        plan,
        [bars(10, 10, 10, 10, 10), LONG],
        CashDividend(Y, 3 * HOUR - 1, D(1)),
        TradingHalted(X, 3 * HOUR - 1, "news"),
        TradingResumed(X, 4 * HOUR - 1),
    )
    assert [fill.at // HOUR for fill in of(Fill, result)] == [4]


def test_what_traded_at_a_close_was_held_overnight():
    """No bar ends at half past two, when the session does: the dividend comes after it all the same."""
    history = bars(10, 10, 10, 10)
    closes = np.array([int(2.5 * HOUR), 30 * HOUR])
    history = replace(history, session_closes=closes)
    plan = scripted({0: lambda s: s.buy(10, on="close")})
    result = run(plan, [history], CashDividend(X, 3 * HOUR - 1, D(1)))
    assert [type(each).__name__ for each in result.records[3:5]] == ["Fill", "CashDividend"]
    assert result.ended.equity == 1_010


def test_shares_owed_that_have_not_traded_yet_are_lent_for_nothing():
    """A short spins off a short in what has no price before its first bar."""
    plan = scripted({0: lambda s: s.sell(10) if s.instrument.id == X else None})
    late = bars(2, 2, 2, name=Y, start=80)
    result = run(
        plan,
        [bars(*[10] * 100), late],
        SpunOff(X, 30 * HOUR, Y, D(1), D("0.2")),
        borrow="36",
    )
    charged = {each.instrument: each.at // HOUR for each in reversed(of(BorrowFeeCharged, result))}
    assert charged == {X: 24, Y: 96}
