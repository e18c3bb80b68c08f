"""Plain orders are jotted down and posted later; nobody can tell from what they read."""

import pickle
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from decimal import Decimal, getcontext, localcontext
from operator import mul
from typing import Any, ClassVar

import numpy as np
import pytest
from msgspec.structs import replace
from tests.engine.market import HOUR, X, Y, bars, card, kinds, play

import evenkeel as ek
from evenkeel.app.backtest import execute
from evenkeel.app.setup import request
from evenkeel.domain.errors import OutsideError
from evenkeel.domain.events import CashDividend, Noted, OrderAccepted, RunEnded, RunStarted, Split
from evenkeel.domain.fill import Fill, Fills
from evenkeel.domain.instrument_events import TradingHalted, TradingResumed
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.engine import blotter, sheet, tally
from evenkeel.engine.blotter import Blotter, Sheet
from evenkeel.engine.tally import Calm, Tally
from evenkeel.execution.costs import BasisPoints
from evenkeel.journal.chain import links

UNPACED = {
    "orders_per_second_max": "unlimited",
    "orders_per_day_max": "unlimited",
    "open_orders_max": "unlimited",
}


class Planned(ek.Strategy):
    """Does on bar number n (from 0) what `plan[n]` says, and hears of nothing."""

    plan: ClassVar[dict[int, Callable[[Any], Any]]] = {}

    def on_bar(self):
        act = type(self).plan.get(self.bars.count - 1)
        if act is not None:
            act(self)


def planned(plan):
    return type("Planned", (Planned,), {"plan": plan})


@pytest.fixture
def jotted(monkeypatch):
    """How many orders were jotted down, and how many had to go the long way."""
    counts, note = Counter(), Blotter.note

    def counted(self, *order):
        number = note(self, *order)
        counts["jotted" if number is not None else "went"] += 1
        return number

    monkeypatch.setattr(Blotter, "note", counted)
    return counts


def same(strategy, *histories, **terms):
    """Play a strategy jumping and stepping: the same records, the same book. Return the records."""
    terms = {"costs": "bps:10", **terms}
    jumped, core, _ = play(strategy, *histories, jump=True, **terms)
    stepped, again, _ = play(strategy, *histories, jump=False, **terms)
    assert [each.line for each in links(jumped)] == [each.line for each in links(stepped)]
    assert core.account.book.balances() == again.account.book.balances()
    assert core.account.book.changes == again.account.book.changes
    return jumped


def test_an_order_trades_at_the_next_open_and_is_on_record(jotted):
    records = same(planned({0: lambda s: s.buy(10), 2: lambda s: s.close()}), bars(10, 11, 12, 13))
    assert kinds(records) == ["Approved", "OrderAccepted", "Fill"] * 2
    bought, sold = [record for record in records if isinstance(record, Fill)]
    assert (bought.at, bought.price, bought.commission) == (2 * HOUR, 10, Decimal("0.1"))
    assert (sold.at, sold.price, sold.quantity) == (4 * HOUR, 12, 10)
    assert records[-1].equity == 100_000 + 10 * (12 - 10) - Decimal("0.22")
    assert jotted == {"jotted": 2}


def test_what_is_asked_before_the_next_bar_knows_of_no_fill(jotted):
    seen = []

    def look(s):
        s.buy(10)
        seen.append((s.position.quantity, s.cash))

    plan = {0: look, 1: lambda s: seen.append((s.position.quantity, s.cash))}
    same(planned(plan), bars(10, 10, 10), costs="zero")
    assert seen == [(0, 100_000), (10, 99_900)] * 2
    assert jotted["jotted"] == 1


def test_orders_of_one_bar_are_approved_together(jotted):
    """The second of an instrument goes the long way, and takes the first with it."""
    plan = {0: lambda s: (s.buy(10), s.buy(5)), 1: lambda s: s.sell(15)}
    records = same(planned(plan), bars(10, 11, 12))
    assert kinds(records)[:6] == [*["Approved"] * 2, *["OrderAccepted"] * 2, *["Fill"] * 2]
    assert jotted == {"jotted": 2, "went": 1}


def test_what_others_did_at_that_moment_comes_before(jotted):
    """X's strategy has ordered when Y's logs, places a limit, and asks for nothing at all."""
    for act in (
        lambda s: s.log("here"),
        lambda s: s.buy(1, limit=9),
        lambda s: s.cancel(99),
        lambda s: s.buy(0, limit=9),
        lambda s: s.buy(Decimal("0.5")),
    ):
        plan = {
            1: lambda s, act=act: s.buy(10) if s.instrument.id == X else act(s),
            3: lambda s: s.buy(1),
        }
        records = same(planned(plan), bars(*[10] * 6), bars(*[10] * 6, name=Y))
        assert kinds(records)[:2] == ["Approved", "OrderAccepted"]
        assert sum(isinstance(record, Fill) for record in records) >= 3
    assert jotted["jotted"] > 5


@pytest.mark.parametrize(
    "action",
    [
        Split(X, 2 * HOUR + 1, Decimal(2)),
        CashDividend(X, 2 * HOUR + 1, Decimal("0.5")),
        TradingHalted(X, 2 * HOUR),
    ],
)
def test_what_happens_before_the_next_bar_finds_the_order_at_the_venue(jotted, action):
    plan = {n: lambda s: s.buy(10) for n in (0, 1, 3, 4)}
    history = bars(10, 10, 10, 10, 10, 10)
    records = same(planned(plan), history, actions=(action, TradingResumed(X, 5 * HOUR)))
    assert kinds(records)[3:6] == ["Approved", "OrderAccepted", type(action).__name__]
    assert jotted["jotted"] >= 2


def test_an_instrument_that_is_halted_does_not_trade_by_jotting(jotted):
    plan = {3: lambda s: s.buy(10)}
    actions = (TradingHalted(X, HOUR), TradingResumed(X, 6 * HOUR))
    records = same(planned(plan), bars(*[10] * 8), actions=actions)
    (fill,) = (record for record in records if isinstance(record, Fill))
    assert fill.at == 7 * HOUR
    assert jotted == {"went": 1}


def test_an_order_on_the_last_bar_has_no_next_one(jotted):
    records = same(planned({2: lambda s: s.buy(10)}), bars(10, 10, 10))
    assert kinds(records) == ["Approved", "OrderAccepted"]
    assert jotted == {"went": 1}


def test_less_than_nothing_is_for_the_rules_to_refuse(jotted):
    records = same(planned({0: lambda s: s.buy(-4), 2: lambda s: s.sell(-4)}), bars(*[10] * 6))
    assert kinds(records) == ["Refused"] * 2
    assert jotted == {"went": 2}


def test_before_the_first_bar_there_is_no_price():
    class Eager(Planned):
        def on_start(self):
            self.buy(10)

    assert kinds(same(Eager, bars(10, 10))) == ["Refused"]


def test_a_volume_that_might_not_do_is_for_the_venue(jotted):
    records = same(planned({0: lambda s: s.buy(10)}), bars(10, 10, 10, 10, volume=50))
    fills = [record.quantity for record in records if isinstance(record, Fill)]
    assert fills == [5, 5]
    assert jotted == {"went": 1}


@pytest.mark.parametrize(
    ("limits", "quantity", "way"),
    [
        ({"position_quantity_max": 25}, 10, "jotted"),
        ({"position_quantity_max": 25}, 30, "went"),
        ({"gross_exposure_max": 301}, 30, "jotted"),
        ({"gross_exposure_max": 300}, 30, "went"),  # exactly at the limit: that is for the rules
        ({"order_quantity_max": 9}, 10, "went"),
        ({"order_notional_max": 99}, 10, "went"),
    ],
)
def test_near_a_limit_the_rules_decide(jotted, limits, quantity, way):
    plan = {0: lambda s: s.buy(quantity)}
    same(planned(plan), bars(10, 10, 10), limits=card(**UNPACED, **limits))
    assert jotted == {way: 1}


def test_others_count_with_what_they_hold_and_have_asked_for(jotted):
    """Three hundred of X and Y are held, another hundred asked for: 401 would hold it, 400 might."""
    plan = {
        0: lambda s: s.buy(20 if s.instrument.id == X else 10),
        2: lambda s: s.buy(5),
    }
    histories = (bars(*[10] * 5), bars(*[10] * 5, name=Y))
    for most, way in ((401, {"jotted": 4}), (400, {"jotted": 3, "went": 1})):
        jotted.clear()
        same(planned(plan), *histories, limits=card(**UNPACED, gross_exposure_max=most))
        assert jotted == way


def test_a_refusal_in_between_is_no_end_of_it(jotted):
    """After an order of the long way is done, orders are jotted down again."""
    plan = {0: lambda s: s.buy(10), 2: lambda s: s.buy(10**6), 4: lambda s: s.sell(10)}
    records = same(planned(plan), bars(*[10] * 8))
    assert sum(isinstance(record, Refused) for record in records) == 1
    assert jotted == {"jotted": 2, "went": 1}


def test_while_an_order_rests_nothing_is_jotted_down(jotted):
    plan = {0: lambda s: s.buy(1, limit=5), 1: lambda s: s.buy(10), 2: lambda s: s.cancel(1)}
    same(planned(plan | {4: lambda s: s.sell(10)}), bars(*[10] * 8))
    assert jotted == {"went": 1, "jotted": 1}


def test_who_lends_is_not_passed_by(jotted):
    """Where interest is charged, nothing is jotted down that borrows money or shares."""
    terms = {"interest": "6", "borrow": "1", "margin": "reg-t", "cash": "1000"}
    wide = card(**UNPACED)
    for quantity, way in ((10, "jotted"), (100, "went"), (-10, "went")):
        jotted.clear()
        plan = {0: lambda s, q=quantity: s.buy(q) if q > 0 else s.sell(-q)}
        same(planned(plan), bars(*[10] * 60), limits=wide, **terms)
        assert jotted == {way: 1}
    jotted.clear()
    plan = {0: lambda s: s.buy(120), 30: lambda s: s.sell(5), 40: lambda s: s.sell(115)}
    same(planned(plan), bars(*[10] * 60), limits=wide, **terms)
    assert jotted == {"went": 3}  # who owes goes the long way, even to get out of it


def test_pages_are_booked_before_they_grow_long(jotted, monkeypatch):
    monkeypatch.setattr(blotter, "_PAGE", 3)
    plan = {n: lambda s, n=n: s.sell(10) if n % 3 else s.buy(25) for n in range(30)}
    same(planned(plan), bars(*[10 + n % 4 for n in range(40)]))
    same(planned(plan), *(bars(*[10 + n % 4 for n in range(40)], name=name) for name in (X, Y)))
    assert jotted["jotted"] > 60


@pytest.fixture
def counted(monkeypatch):
    """The bars on which an order was counted in by itself; the others needed no watching."""
    found, takes = [], Tally.takes

    def noted(self, pad, index, *order):
        found.append(index)
        return takes(self, pad, index, *order)

    monkeypatch.setattr(Tally, "takes", noted)
    return found


def test_small_orders_far_inside_every_limit_need_no_watching(counted):
    """Up to twice what was asked for, and twice what came of it, either way."""
    sizes = {
        0: 10,
        2: 10,
        3: -20,
        4: -20,
        5: 20,
        6: 10,
        7: -21,
        9: -11,
        10: -1,
        12: 42,
        13: 24,
        14: 1,
    }
    plan = {n: lambda s, q=q: s.buy(q) if q > 0 else s.sell(-q) for n, q in sizes.items()}
    same(planned(plan), bars(*[10] * 18))
    # Calm up to 20 and 20: 21 is more. From 10 to -11, calm up to 42 and 22: -22, -23 is more.
    # Calm up to 2 and 46: 42 is more. From -23 to 19, calm up to 84 and 46: 43, 44.
    assert counted == [0, 7, 10, 12]


def test_what_was_calm_before_is_not_calm_because_of_that(counted, monkeypatch):
    """An order came in between that was more than that."""
    calms = iter([Calm(20, 20, 100)])
    monkeypatch.setattr(Tally, "calm", lambda self, *order: next(calms, None))
    plan = {0: lambda s: s.buy(10), 1: lambda s: s.buy(21), 2: lambda s: s.sell(15)}
    same(planned(plan | {3: lambda s: s.sell(5)}), bars(*[10] * 6), limits=card(**UNPACED))
    assert counted == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("names", "terms"),
    [
        ([X, Y], {}),
        ([X], {"interest": "6"}),
        ([X], {"limits": card()}),
    ],
)
def test_with_others_or_lenders_or_a_pace_every_order_is_counted(counted, names, terms):
    plan = {n: lambda s: s.buy(1) for n in range(5)}
    same(planned(plan), *(bars(*[10] * 8, name=name) for name in names), **terms)
    assert sorted(counted) == sorted([*range(5)] * len(names))


def test_after_so_many_orders_it_is_counted_again(counted, monkeypatch):
    monkeypatch.setattr(tally, "CALM", 3)
    plan = {n: lambda s, n=n: s.sell(5) if n % 2 else s.buy(5) for n in range(10)}
    same(planned(plan), bars(*[10] * 16))
    assert counted == [0, 4, 8]


@pytest.mark.parametrize(("cash", "counts"), [("1400", range(10)), ("1420", [0])])
def test_where_money_is_short_every_order_is_counted(counted, cash, counts):
    """A hundred at ten are worth 1,000; and 4,097 orders at 0.1 cost 409.70."""
    plan = {n: lambda s, n=n: s.sell(50) if n % 2 else s.buy(50) for n in range(10)}
    same(planned(plan), bars(*[10] * 16), cash=cash, costs="per-order:0.1")
    assert counted == list(counts)


def test_one_thin_bar_is_enough_to_watch_every_order(counted):
    """A tenth of its volume would not do for twice as much as is asked for."""
    history = bars(*[10] * 12)
    thin = replace(history, volume=np.where(np.arange(12) == 10, 150.0, 1e6))
    plan = {n: lambda s, n=n: s.sell(10) if n % 2 else s.buy(10) for n in range(5)}
    same(planned(plan), thin)
    assert counted == [0, 1, 2, 3, 4]


def test_what_is_not_calm_is_tried_again_after_a_while(monkeypatch):
    tried = []
    monkeypatch.setattr(Tally, "calm", lambda self, pad, index, signed: tried.append(index))
    plan = {n: lambda s, n=n: s.sell(5) if n % 2 else s.buy(5) for n in range(600)}
    same(planned(plan), bars(*[10] * 700))
    assert tried == [0, 256, 512]


@pytest.mark.parametrize("hook", ["on_order", "on_fill"])
def test_who_wants_to_hear_of_orders_has_no_blotter(jotted, hook):
    strategy = planned({0: lambda s: s.buy(10)})
    setattr(strategy, hook, lambda self, said: None)
    same(strategy, bars(10, 10, 10))
    assert not jotted


@pytest.mark.parametrize(
    ("limits", "jots"),
    [
        ({}, {"jotted": 6}),
        ({"orders_per_day_max": 6}, {"jotted": 6}),
        ({"orders_per_day_max": 4}, {"jotted": 4, "went": 2}),
        ({"orders_per_second_max": 1}, {"jotted": 3, "went": 3}),
        ({"open_orders_max": 1}, {"jotted": 3, "went": 3}),
        ({"duplicate_window_seconds": 3_599}, {"jotted": 6}),
        ({"duplicate_window_seconds": 3_600}, {"jotted": 4, "went": 2}),  # the second are twins
    ],
)
def test_the_pace_of_orders_is_kept(jotted, limits, jots):
    """X and Y buy ten on three bars, an hour apart."""
    plan = {n: lambda s: s.buy(10) for n in range(3)}
    histories = (bars(*[10] * 8), bars(*[10] * 8, name=Y))
    same(planned(plan), *histories, limits=card(**limits))
    assert jotted == jots


def test_within_one_second_orders_on_several_bars_count_together(jotted):
    """Bars that close a quarter of a second apart, and three orders a second."""
    plan = {n: lambda s: s.buy(10) for n in (0, 1, 2, 3, 9, 10)}
    history = bars(*[10] * 16)
    fast = replace(history, closed_at=history.closed_at // (4 * 3_600))
    records = same(planned(plan), fast, limits=card(orders_per_second_max=3))
    assert sum(isinstance(record, Refused) for record in records) == 1
    assert jotted["jotted"] == 5


def test_a_group_goes_the_long_way_and_knows_its_number(jotted):
    def group(s):
        with s.one_cancels_other():
            s.buy(5, limit=9)
            s.buy(5)

    same(planned({0: lambda s: s.buy(10), 1: group}), bars(*[10] * 5))
    assert jotted == {"jotted": 1}


def test_what_is_held_is_what_has_traded(jotted):
    """(A guest asks for it; the verbs ask what is expected.)"""
    seen = []

    def look(s):
        s.buy(10)
        seen.append(s._desk.held(X))

    same(planned({0: look, 1: look}), bars(*[10] * 4))
    assert seen == [0, 10] * 2
    assert jotted["jotted"] == 2


def test_who_reads_between_orders_reads_what_the_book_says(jotted):
    """Weights and closings through two days, under a card with a pace."""
    seen = []

    def act(s):
        seen.append((s.cash, s.equity, s.position.quantity))
        if s.bars.count % 2:
            s.target_weight(0.5)
        else:
            s.close()
            s.close()

    plan = dict.fromkeys(range(36), act)
    prices = [10 + n % 5 for n in range(40)]
    same(planned(plan), bars(*prices), limits=card())
    assert seen[:36] == seen[36:]
    assert len({equity for _, equity, _ in seen}) > 20
    assert jotted["jotted"] >= 36


def test_what_was_jotted_down_counts_for_the_pace_of_what_comes(jotted):
    """Three market orders, and then a limit order: one too many for the day; tomorrow is another."""
    plan = {n: lambda s: s.buy(10) for n in (0, 1, 2, 30, 31)}
    plan |= {4: lambda s: s.buy(10, limit=5), 33: lambda s: s.buy(10, limit=5)}
    records = same(planned(plan), bars(*[10] * 40), limits=card(orders_per_day_max=3))
    refused = [record.reason.value for record in records if isinstance(record, Refused)]
    assert refused == ["orders_per_day_max"]
    assert jotted == {"jotted": 5}


def test_money_of_unknown_worth_is_for_the_rules(jotted):
    """A dividend in euros, and nobody has said what they are worth: then equity is not known."""
    plan = {n: lambda s: s.buy(10) for n in (0, 4)}
    dividend = CashDividend(X, 3 * HOUR + 1, Decimal(1), currency="EUR")
    records = same(planned(plan), bars(*[10] * 8), actions=(dividend,))
    assert kinds(records) == ["Approved", "OrderAccepted", "Fill", "CashDividend", "Refused"]
    assert jotted == {"jotted": 1, "went": 1}


def test_with_rates_of_exchange_there_is_no_blotter(jotted):
    same(planned({0: lambda s: s.buy(10)}), bars(10, 10, 10), fx={"EUR": "1.1"})
    assert not jotted


def test_with_a_tariff_of_ones_own_there_is_no_blotter_unless_it_has_a_bound(jotted):
    plan = planned({0: lambda s: s.buy(10)})

    class Dollar:
        name = "dollar"

        def commission(self, *, quantity, notional):
            return Decimal(1)

    class Bound(Dollar):
        def at_most(self, quantity, value):
            return 1.0

    class Dearer(Bound):  # what was said of one dollar says nothing of two
        def commission(self, *, quantity, notional):
            return Decimal(2)

    class AtLeast(BasisPoints):
        def commission(self, *, quantity, notional):
            return max(super().commission(quantity=quantity, notional=notional), Decimal(3))

        def at_most(self, quantity, value):
            return max(value / 1_000, 3.0)

    tariffs = [
        (Dollar(), 1, {}),
        (Bound(), 1, {"jotted": 1}),
        (Dearer(), 2, {}),
        (AtLeast(Decimal(10)), 3, {"jotted": 1}),
    ]
    for tariff, commission, jots in tariffs:
        jotted.clear()
        (fill,) = (r for r in same(plan, bars(10, 10, 10), costs=tariff) if isinstance(r, Fill))
        assert fill.commission == commission
        assert jotted == jots


def test_on_several_timelines_there_is_no_blotter(jotted):
    same(planned({0: lambda s: s.buy(10)}), bars(10, 10, 10), bars(10, 10, name=Y, step=2))
    assert not jotted


def test_records_are_written_out_when_somebody_reads_them(monkeypatch):
    written, write = [], Sheet._records
    monkeypatch.setattr(Sheet, "_records", lambda self: written.append(len(self)) or write(self))
    filled, fill = [], sheet.whole_fill
    monkeypatch.setattr(sheet, "whole_fill", lambda *facts: filled.append(facts[0]) or fill(*facts))
    strategy = planned({n: lambda s: s.buy(1) for n in range(5)})
    history = bars(*[10] * 8)
    result = execute(request(strategy(), [history], costs="zero", slippage="none"))
    assert isinstance(result.started, RunStarted)
    assert isinstance(result.ended, RunEnded)
    assert len(result.records) == 2 + 15
    assert result.performance["total_return"] == 0
    assert result.fill_count == 5
    assert not filled
    assert [move.order_id for move in result.moves] == [1, 2, 3, 4, 5]
    assert filled == [1, 2, 3, 4, 5]
    assert not written
    assert [type(record) for record in result.records[1:4]] == [Approved, OrderAccepted, Fill]
    assert len(result.fills) == 5
    assert written == [15]
    assert [r for r in result.records if isinstance(r, Fill)] == result.moves


def test_what_a_sheet_says_of_its_fills_is_what_they_say():
    """Column by column, and to the last bit in the figures: of two instruments, at a cost."""

    class Both(ek.PortfolioStrategy):
        def on_bar(self):
            for held, name in enumerate(self.bars):
                if self.bars[name].count % (held + 2):
                    self.buy(name, 7 + held)
                else:
                    self.sell(name, "4.5")
            if self.bars[X].count == 12:  # what was asked for just now has not traded yet
                self.buy(X, 1, limit=1)

    histories = [
        bars(*[10.3, 11.7, 9.1] * 5, lot=Decimal("0.5")),
        bars(*[21.9, 20.2, 19.7] * 5, name=Y, lot=Decimal("0.5"), multiplier=Decimal(3)),
    ]
    wanted = request(Both(), histories, costs="ibkr-tiered")
    result, again = execute(wanted), execute(wanted)
    told = [each for each in result.records.moving() if isinstance(each, Fills)]
    assert sum(map(len, told)) == 22
    for unwritten in told:
        fills = list(unwritten)
        for column, fact in (
            ("instruments", "instrument"),
            ("prices", "price"),
            ("at", "at"),
            ("commissions", "commission"),
            ("fees", "fees"),
            ("slippages", "slippage"),
        ):
            assert list(getattr(unwritten, column)) == [getattr(each, fact) for each in fills]
        assert {unwritten.currency} == {each.currency for each in fills}
        signs = [1 if each.side is Side.BUY else -1 for each in fills]
        quantities = [each.quantity for each in fills]
        assert list(unwritten.signed) == list(map(mul, quantities, signs))
    assert isinstance(again.records[1], Approved)  # now all of them are written out
    assert result.curve.gross.tobytes() == again.curve.gross.tobytes()
    assert result.metrics == again.metrics


@pytest.mark.parametrize("read", ["started", "performance", "moves"])
def test_a_result_can_be_sent_to_another_process_whatever_was_read_of_it(read):
    strategy = planned({0: lambda s: s.buy(2), 3: lambda s: s.close()})
    wanted = request(strategy(), [bars(*range(10, 20))], costs="bps:10")
    result, plain = execute(wanted), execute(wanted)
    getattr(result, read)
    sent = pickle.loads(pickle.dumps(result))  # noqa: S301  our own bytes
    assert sent.moves == plain.moves
    assert sent.curve.gross.tobytes() == plain.curve.gross.tobytes()
    assert list(sent.records) == list(result.records) == list(plain.records)


def test_who_is_interrupted_while_he_reads_can_read_again(monkeypatch):
    """Wherever that happens, nothing is read twice and nothing is lost."""
    strategy, history = planned({n: lambda s: s.buy(1) for n in range(5)}), bars(*[10] * 8)
    plain = list(execute(request(strategy(), [history], costs="zero")).records)
    for name in ("approval", "moves", "first"):
        for after in (1, 3, 5):
            records = execute(request(strategy(), [history], costs="zero")).records
            with monkeypatch.context() as patch:
                interrupt(patch, name, after)
                with pytest.raises(KeyboardInterrupt):
                    list(records)
            assert list(records) == plain
            assert len(records) == len(plain)


def interrupt(patch, name, after):
    """Let the nth writing of a fill, an approval or an acceptance be interrupted."""
    where, what = {
        "moves": (sheet, "whole_fill"),
        "approval": (sheet.Page, "approval"),
        "first": (sheet, "OrderAccepted"),
    }[name]
    real, countdown = getattr(where, what), iter(range(after - 1))

    def interrupted(*facts):
        if next(countdown, None) is None:
            raise KeyboardInterrupt
        return real(*facts)

    patch.setattr(where, what, interrupted)


def test_the_readers_decimal_context_changes_nothing():
    strategy = planned({0: lambda s: s.sell(1_111_110), 2: lambda s: s.buy("1111110.123456789")})
    history = bars(*[10] * 6, lot=Decimal("1e-9"))
    wanted = request(strategy(), [history], cash="1e9", costs="bps:10", slippage="bps:1")
    plain = [each.line for each in links(list(execute(wanted).records))]
    records = execute(wanted).records
    with localcontext(prec=5):
        assert len(records[1:]) == len(plain) - 1
    assert [each.line for each in links(list(records))] == plain


def test_the_strategys_decimal_context_changes_nothing(jotted):
    class Rough(Planned):
        def on_start(self):
            getcontext().prec = 6

    def play_it(kind):
        plan = {n: lambda s: s.buy("1234567.123456789") for n in (0, 2)}
        plan |= {1: lambda s: s.sell("1234567.123456781"), 3: lambda s: s.equity}
        strategy = type("Planned", (kind,), {"plan": plan})
        history = bars(*[10.123456] * 6, lot=Decimal("1e-9"), volume=1e9)
        terms = {"cash": "1e9", "costs": "bps:10", "slippage": "bps:1"}
        return [each.line for each in links(play(strategy, history, jump=True, **terms)[0])]

    assert play_it(Rough) == play_it(Planned)
    assert jotted["jotted"] == 6


def test_orders_have_the_name_that_the_strategy_had_when_it_started(jotted):
    class Named(Planned):
        @property
        def name(self):
            return f"bar {self.bars.count}" if hasattr(self, "bars") else "nobody yet"

    plan = {n: lambda s: s.buy(1) for n in range(5)}
    plan |= {2: lambda s: s.buy(1, limit=20), 3: lambda s: s.log("here")}
    records = same(type("Named", (Named,), {"plan": plan}), bars(*[10] * 8))
    orders = [record.order for record in records if isinstance(record, Approved)]
    notes = [record for record in records if isinstance(record, Noted)]
    assert {each.strategy for each in (*orders, *notes)} == {"bar 0"}
    assert jotted["jotted"] == 3


def test_what_could_not_be_booked_is_said_to_whoever_asks():
    """A strategy that shrugs it off does not get a result out of it."""

    class Deaf(Planned):
        def on_bar(self):
            if self.bars.count == 1:
                self.buy(10)
            with suppress(OutsideError):
                self.equity  # noqa: B018 - the reading is the point

    class Endless:
        name = "endless"

        def commission(self, *, quantity, notional):
            return Decimal("1e-60")

        def at_most(self, quantity, value):
            return 1.0

    with pytest.raises(OutsideError, match="stopped part-way"):
        play(Deaf, bars(*[10] * 5), costs=Endless(), jump=True)


def test_a_page_that_was_opened_for_nothing_stays_closed_for_a_while(monkeypatch):
    opened, begin = [], Tally.begin

    def noted(self):
        opened.append(self._account.tape.now // HOUR)
        begin(self)

    monkeypatch.setattr(Tally, "begin", noted)
    plan = dict.fromkeys(range(40), lambda s: (s.buy(1), s.log("bought")))
    same(planned(plan), bars(*[10] * 50))
    assert opened == [1, 2, 3, 4, 5, 7, 11, 19, 35]


def test_a_result_can_be_copied_before_anybody_has_read_it():
    strategy = planned({n: lambda s: s.buy(1) for n in range(5)})
    history = bars(*[10] * 8)
    one, other = (execute(request(strategy(), [history], costs="zero")) for _ in range(2))
    assert deepcopy(one.records) == other.records
    assert one.records == other.records


def test_notes_stand_where_they_were_made(jotted):
    def act(s):
        s.buy(1)
        s.log("bought")

    records = same(planned({0: lambda s: s.buy(2), 2: act}), bars(*[10] * 6))
    assert kinds(records)[3:5] == ["Approved", "Noted"]
    assert isinstance(records[5], Noted)
    assert jotted == {"jotted": 2}
