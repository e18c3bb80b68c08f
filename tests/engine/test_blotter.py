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
from evenkeel.domain.errors import OutsideError, StrategyError
from evenkeel.domain.events import CashDividend, Noted, OrderAccepted, RunEnded, RunStarted, Split
from evenkeel.domain.fill import Fill, Fills
from evenkeel.domain.instrument_events import TradingHalted, TradingResumed
from evenkeel.domain.order import Side
from evenkeel.domain.tape import Tape
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.engine import blotter, calm, sheet
from evenkeel.engine.blotter import Blotter, Sheet
from evenkeel.engine.calm import Calm
from evenkeel.engine.run import run
from evenkeel.engine.schedule import Schedule
from evenkeel.engine.tally import Tally
from evenkeel.execution.costs import BasisPoints
from evenkeel.journal.chain import links
from evenkeel.journal.log import MemoryJournal

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


def test_who_asks_for_nothing_is_no_reason_to_hand_anything_over(jotted):
    plan = {0: lambda s: s.buy(10), 1: lambda s: s.buy(0), 2: lambda s: s.close()}
    records = same(planned(plan), bars(*[10] * 5))
    assert kinds(records).count("Fill") == 2
    assert jotted == {"jotted": 2}


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


@pytest.mark.parametrize(
    "facts", [{"tradable": False}, {"tradable": False, "quarantine": "a spike"}]
)
def test_what_must_not_be_traded_is_refused_whoever_trades_beside_it(jotted, facts):
    histories = bars(*[10] * 8, **facts), bars(*[10] * 8, name=Y)
    records = same(planned({n: lambda s: s.buy(10) for n in range(4)}), *histories)
    assert {each.order.instrument for each in records if isinstance(each, Refused)} == {X}
    assert kinds(records).count("Refused") == 4
    assert jotted["went"] >= 4


def test_while_trading_is_halted_nothing_passes_by_jotting(jotted):
    wanted = request(planned({n: lambda s: s.buy(10) for n in range(4)})(), [bars(*[10] * 8)])
    tape, journal = Tape(wanted.bars), MemoryJournal()
    core, venue = wanted.core(tape), wanted.venue(tape)
    core.account.halted = "by hand"
    run(core, Schedule(tape, (), (venue,)), venue, journal)
    assert kinds(journal.records) == ["Refused"] * 4
    assert jotted == {"went": 4}


def test_an_order_may_follow_one_that_was_jotted_down(jotted):
    records = same(
        planned({0: lambda s: s.buy(10), 3: lambda s: s.sell(10, after=1)}), bars(*[10] * 8)
    )
    assert kinds(records).count("Fill") == 2
    assert jotted == {"jotted": 1}


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


@pytest.mark.parametrize(
    "limit",
    [
        {"order_quantity_max": 10},
        {"order_notional_max": 100},
        {"position_quantity_max": 10},
        {"gross_exposure_max": 100},
        {"net_exposure_max": 100},
        {"concentration_max": "0.001"},
        {"buying_power_multiple": "0.001"},
    ],
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_what_no_double_can_tell_from_a_limit_is_for_the_rules(jotted, limit, side):
    """Ten and the twentieth part after the point: more than ten, and than a hundred dollars."""
    beyond = "10.00000000000000000001"
    plan = {0: lambda s: getattr(s, side)(beyond), 1: lambda s: getattr(s, side)(10)}
    limits = card(**UNPACED, **limit)
    records = same(
        planned(plan), bars(*[10] * 5, lot=Decimal("1e-20")), limits=limits, costs="zero"
    )
    (refused,) = (each for each in records if isinstance(each, Refused))
    assert (refused.order.id, refused.reason.value) == (1, *limit)
    assert jotted == {"went": 2}


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
    monkeypatch.setattr(blotter, "_WAITING", 3)
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
    monkeypatch.setattr(blotter, "_STEADY", 1)
    return found


@pytest.fixture
def widened(monkeypatch):
    """The bars on which an order was larger than any before, and whether it passed all the same."""
    found, widen = {}, Calm.widen

    def noted(self, pad, *order):
        found[pad.line.cursor.index] = passes = widen(self, pad, *order)
        return passes

    monkeypatch.setattr(Calm, "widen", noted)
    return found


def trades(sizes):
    return planned({n: lambda s, q=q: s.buy(q) if q > 0 else s.sell(-q) for n, q in sizes.items()})


def back_and_forth(size, bars_traded):
    return trades({n: -size if n % 2 else size for n in range(bars_traded)})


def test_orders_no_larger_than_before_need_no_watching(counted, widened):
    """Nor do positions, either way; who goes further is given half as much again."""
    sizes = {0: 10, 1: -10, 3: -10, 4: 10, 5: 5, 6: -15, 8: -5, 9: 12, 10: -12, 11: 16, 12: -23}
    same(trades(sizes), bars(*[10] * 30))
    # Up to 10 and 10. -15 is more than 10: up to 15. To -15 is more than 10: up to 15. To 16, from
    # -15 + 12 - 12 + 16 = 1 it is not; 16 is more than 15: up to 22.5. 23 is more than 22 (whole
    # shares): up to 33, and to -22 is more than 15: up to 22.5.
    assert counted == [0]
    assert widened == dict.fromkeys([6, 8, 11, 12], True)


def test_what_is_too_large_is_counted_and_so_is_what_comes_after_it(counted, widened):
    """Forty may be held: 45 is refused, and by the rules."""
    sizes = {0: 10, 2: 10, 3: 25, 4: 20, 5: -5}
    limits = card(**UNPACED, position_quantity_max=41)
    records = same(trades(sizes), bars(*[10] * 30), limits=limits)
    assert kinds(records).count("Refused") == 1
    assert widened == {2: True, 3: False}
    assert counted == [0, 3, 4]  # and from there on it is calm again


class Both(Planned):
    """Trades on bar number n what `sizes[n]` says of its instrument."""

    sizes: ClassVar[dict[str, dict[int, int]]] = {}

    def on_bar(self):
        if size := self.sizes[self.instrument.id].get(self.bars.count - 1, 0):
            (self.buy if size > 0 else self.sell)(abs(size))


@pytest.mark.parametrize(("most", "refused"), [(651, 0), (649, 1)])
def test_when_one_is_too_large_what_passed_on_that_bar_is_counted_in(
    counted, widened, most, refused
):
    """X has had thirty, which with fifty of Y would be 800; but there are no more than fifteen now."""
    sizes = {X: {0: 30, 1: -20, 2: 5}, Y: {0: 10, 2: 40}}
    histories = (bars(*[10] * 30), bars(*[10] * 30, name=Y))
    limits = card(**UNPACED, gross_exposure_max=most)
    records = same(type("Both", (Both,), {"sizes": sizes}), *histories, limits=limits)
    assert kinds(records).count("Refused") == refused
    assert widened == {0: True, 2: False}
    assert counted == [0, 2, 2]


def test_what_was_counted_on_that_bar_is_not_counted_twice(counted, widened):
    """X begins, and is calm; then comes Y, with more than may be held."""
    sizes = {X: {0: 10, 2: -10}, Y: {0: 50, 2: 10}}
    histories = (bars(*[10] * 30), bars(*[10] * 30, name=Y))
    limits = card(**UNPACED, position_quantity_max=41)
    records = same(type("Both", (Both,), {"sizes": sizes}), *histories, limits=limits)
    assert kinds(records).count("Refused") == 1
    assert widened == {0: False, 2: True}
    assert counted == [0, 0, 2]


def test_an_order_that_is_changed_on_its_own_bar_goes_the_long_way(jotted):
    def change_it(s):
        s.replace(s.buy(10), quantity=4)

    records = same(planned({0: change_it, 2: lambda s: s.buy(1)}), bars(*[10] * 6))
    assert sum(each.quantity for each in records if isinstance(each, Fill)) == 5
    assert jotted == {"jotted": 2}


def test_what_is_left_of_an_order_is_asked_of_the_desk_behind(jotted):
    """A hundred to be bought, of which the second bar fills forty; then the rest, at a limit."""
    history = bars(*[10] * 6)
    history = replace(history, volume=np.where(np.arange(6) == 1, 400, 1e6))
    plan = {0: lambda s: s.buy(100), 1: lambda s: s.replace(1, limit=10)}
    records = same(planned(plan), history)
    assert [each.quantity for each in records if isinstance(each, Fill)] == [40, 60]
    assert jotted == {"went": 1}


def test_an_order_that_has_traded_cannot_be_changed(jotted):
    numbers = []
    plan = {
        0: lambda s: numbers.append(s.buy(10)),
        1: lambda s: numbers.append(s.replace(numbers[-1], quantity=4)),
        2: lambda s: (s.buy(1), s.replace(numbers[0], quantity=4)),
    }
    records = same(planned(plan), bars(*[10] * 6))
    assert numbers == [1, None] * 2
    assert sum(each.quantity for each in records if isinstance(each, Fill)) == 11
    assert jotted == {"jotted": 2}


def test_what_cannot_be_counted_in_again_is_handed_over(jotted, monkeypatch):
    """The tally may see what has passed nearer to a limit than the calm did: then the rules decide."""
    monkeypatch.setattr(blotter, "_STEADY", 1)
    takes, asked = Tally.takes, []

    def doubtful(self, pad, index, *order):
        asked.append((pad.name, index))
        return index != 3 and takes(self, pad, index, *order)

    monkeypatch.setattr(Tally, "takes", doubtful)
    sizes = {X: {0: 10, 3: 10}, Y: {0: 10, 3: 500}}
    limits = card(**UNPACED, position_quantity_max=100)
    histories = (bars(*[10] * 30), bars(*[10] * 30, name=Y))
    records = same(type("Both", (Both,), {"sizes": sizes}), *histories, limits=limits)
    assert kinds(records).count("Refused") == 1
    assert asked == [(X, 0), (X, 3)]
    assert jotted == {"jotted": 3, "went": 1}


@pytest.mark.parametrize(
    ("names", "terms", "watched"),
    [
        ([X], {}, [0]),
        ([X, Y, "Z.XXXX"], {}, [0]),
        ([X], {"interest": "6"}, [0]),
        ([X, Y], {"interest": "6", "borrow": "1", "margin": "reg-t"}, [0]),
        ([X, Y], {"limits": card()}, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
    ],
)
def test_with_others_and_with_lenders_it_is_calm_and_with_a_pace_it_is_not(
    counted, names, terms, watched
):
    same(back_and_forth(5, 5), *(bars(*[10] * 30, name=name) for name in names), **terms)
    assert counted == watched


def test_where_something_is_charged_for_nobody_comes_to_owe_uncounted(counted, widened, jotted):
    """Shares that are not there, and the last of the money."""
    terms = {"interest": "6", "borrow": "1", "cash": "1000"}
    records = same(trades({0: 10, 1: -10, 3: -10}), bars(*[10] * 30), **terms)
    assert kinds(records).count("BorrowFeeCharged") == 1
    assert widened == {3: False}
    assert jotted == {"jotted": 2, "went": 1}
    widened.clear()
    same(trades({0: 50, 2: 49}), bars(*[10] * 30), **terms)
    assert widened == {2: False}


def test_on_bars_beyond_those_looked_at_it_is_asked_again(counted, monkeypatch):
    monkeypatch.setattr(calm, "_LOOKED_AT", 10)
    same(back_and_forth(5, 25), bars(*[10] * 40))
    assert counted == [0, 10, 20]


class Rumoured:
    """Costs nothing, and could cost a tenth of a dollar."""

    name = "rumoured"

    def commission(self, *, quantity, notional):
        return Decimal(0)

    def at_most(self, quantity, value):
        return 0.1


@pytest.mark.parametrize(
    ("cash", "counts"),
    [
        ("501.91", [0]),
        ("501.9", [0, 18]),
        ("500.81", [0, 8, 16, 17, 18]),
        ("500.8", [*range(19)]),
    ],
)
def test_where_money_is_short_it_is_calm_for_a_shorter_time(counted, monkeypatch, cash, counts):
    """Fifty at ten are worth 500, each of nineteen bars may cost 0.1; fewer than eight are too few."""
    monkeypatch.setattr(blotter, "_WAITING", 1)  # the book says what it really cost
    same(back_and_forth(50, 20), bars(*[10] * 20), cash=cash, costs=Rumoured())
    assert counted == counts


def test_what_orders_would_bring_in_is_not_counted_on(counted):
    """A tariff that pays five dollars for each order, and a short that gets dearer: 51 × 10.16 > 514."""

    class Rebate:
        name = "rebate"

        def commission(self, *, quantity, notional):
            return Decimal(-5)

        def at_most(self, quantity, value):
            return -5.0

    history = bars(10, 10, 10, *[round(10 + n / 100, 2) for n in range(1, 30)])
    records = same(trades({0: -51, 1: 1, 18: -1}), history, cash="512", costs=Rebate())
    assert kinds(records).count("Refused") == 1
    assert counted == [0, 1, 18]


def test_calm_begins_with_what_others_have_asked_for_on_that_bar(jotted):
    """X, in lots of five, is sold at ten and trades at 0.5: Y's 400 are too much then."""

    class Both(ek.PortfolioStrategy):
        def on_bar(self):
            bar = self.bars[X].count - 1
            if bar == 0:
                self.buy(X, 90)
            elif bar in {17, 18}:
                (self.buy if bar % 2 else self.sell)(X, 5)
            elif bar == 20:
                self.sell(X, 90)
                self.buy(Y, 1)  # the fifth order: it is asked whether all is calm
            elif bar == 21:
                self.buy(Y, 400)

    x, y = bars(*[10] * 60, lot=Decimal(5)), bars(*[1] * 60, name=Y)
    fallen = np.where(np.arange(60) == 21, 0.5, 10.0)
    records = same(Both, replace(x, open=fallen, low=fallen), y, cash="1000", costs="zero")
    assert kinds(records).count("Refused") == 1
    assert jotted == {"jotted": 5, "went": 1}


def test_what_trading_takes_between_open_and_close_is_counted_on():
    """Bought at 12 and sold at 8 while every bar closes at 10: twenty dollars a bar, out of 400."""
    opened = np.where(np.arange(60) % 2, 12.0, 8.0)
    history = replace(
        bars(*[10] * 60), open=opened, high=np.maximum(opened, 10), low=np.minimum(opened, 10)
    )
    records = same(back_and_forth(10, 50), history, cash="400", costs="zero")
    assert kinds(records).count("Refused") > 10


def test_what_somebody_holds_who_does_not_trade_may_lose_value_all_the_same():
    """Y goes back and forth, 100 dollars' worth; X was bought at a limit for 1,500, and falls to 600."""

    class Both(ek.PortfolioStrategy):
        def on_bar(self):
            bar = self.bars[X].count - 1
            if bar == 0:
                self.buy(X, 150, limit=11)
            elif bar > 2:
                (self.buy if bar % 2 else self.sell)(Y, 10)

    histories = bars(*[10] * 20, *[4] * 10), bars(*[10] * 30, name=Y)
    limits = card(**UNPACED, buying_power_multiple=2)
    records = same(Both, *histories, limits=limits, cash="1000", costs="zero")
    assert kinds(records).count("Refused") == 9  # from then on all of them: none is held to be sold


def test_two_that_were_each_within_the_money_may_not_be_so_together():
    """Sixty of X and sixty of Y one after the other, and then at one time: 200 are owed for a day."""
    sizes = {X: {0: 60, 1: -60, 4: 60}, Y: {2: 60, 3: -60, 5: 60}}
    histories = (bars(*[10] * 40), bars(*[10] * 40, name=Y))
    limits = card(**UNPACED, buying_power_multiple=2)
    terms = {"limits": limits, "cash": "1000", "costs": "zero", "interest": "6"}
    records = same(type("Both", (Both,), {"sizes": sizes}), *histories, **terms)
    assert kinds(records).count("InterestCharged") == 1


def test_what_is_held_is_read_again_before_it_is_left_alone(counted):
    """Thirty of X come by a limit: ten more are refused, though ten were held before that."""

    class Both(ek.PortfolioStrategy):
        def on_bar(self):
            match self.bars[X].count - 1:
                case 0 | 6:
                    self.buy(X, 10)
                case 1:
                    self.sell(X, 10)
                case 2:
                    self.buy(X, 30, limit=11)
                case 5:
                    self.buy(Y, 5)

    limits = card(**UNPACED, position_quantity_max=35)
    records = same(Both, bars(*[10] * 30), bars(*[10] * 30, name=Y), limits=limits)
    assert kinds(records).count("Refused") == 1
    assert counted == [0, 5, 6]


def test_what_a_sale_of_this_bar_brings_is_no_money_yet(jotted):
    """Fifty of X are sold short for 500, beside which sixty of Y for 600 are more than the 1,000."""
    sizes = {X: {0: -50}, Y: {0: 60}}
    histories = (bars(*[10] * 8), bars(*[10] * 8, name=Y))
    terms = {"cash": "1000", "costs": "zero"}
    records = same(type("Both", (Both,), {"sizes": sizes}), *histories, **terms)
    assert kinds(records).count("Refused") == 1
    assert jotted == {"jotted": 1, "went": 1}


def test_of_several_the_largest_is_held_against_a_limit_on_each(counted):
    """Forty of X for 400 of 1,000 dollars, which then are 800 of 1,400; Y is a trifle."""
    sizes = {X: {0: 40, 15: 1}, Y: {1: 1}}
    histories = (bars(*[10] * 10, *[20] * 20), bars(*[10] * 30, name=Y))
    limits = card(**UNPACED, concentration_max="0.5")
    terms = {"limits": limits, "cash": "1000", "costs": "zero"}
    records = same(type("Both", (Both,), {"sizes": sizes}), *histories, **terms)
    assert kinds(records).count("Refused") == 1


def test_what_uncounted_orders_have_cost_is_missing_afterwards(counted):
    """Ten orders at two dollars: of 1,000 there are 980 left, and 99 at ten are too many."""
    sizes = {n: -10 if n % 2 else 10 for n in range(10)} | {12: 99}
    records = same(trades(sizes), bars(*[10] * 40), cash="1000", costs="per-order:2")
    assert kinds(records).count("Refused") == 1
    assert counted == [0, 12]


def test_what_slips_may_cost_as_much_as_the_bar_allows(jotted):
    """Fifty at 10 cost 10.30 each: of 1,000 dollars 985 are left, and 99 at ten are too many."""
    history = bars(*[10] * 12)
    wide = replace(history, high=np.full(12, 10.5))
    terms = {"cash": "1000", "costs": "zero", "slippage": "bps:300"}
    records = same(trades({0: 50, 2: 49}), wide, **terms)
    assert kinds(records).count("Refused") == 1
    assert jotted == {"jotted": 1, "went": 1}


def test_each_of_several_has_a_multiplier_of_its_own(jotted):
    """A thousandth of 100 dollars, and of 1,000."""
    histories = bars(*[10] * 5), bars(*[10] * 5, name=Y, multiplier=Decimal(10))
    records = same(planned({0: lambda s: s.buy(10)}), *histories)
    charged = [each.commission for each in records if isinstance(each, Fill)]
    assert charged == [Decimal("0.1"), 1]
    assert jotted == {"jotted": 2}


def test_what_is_read_in_between_is_not_all_that_has_traded(counted):
    """Thirty are held when 75 more are asked for; cash was read when there were ten."""
    plan = {n: lambda s: s.buy(10) for n in (0, 2)}
    plan |= {1: lambda s: (s.cash, s.buy(10)), 5: lambda s: s.buy(75)}
    records = same(planned(plan), bars(*[10] * 40), cash="1000", costs="zero")
    assert kinds(records).count("Refused") == 1
    assert counted == [0, 5]


def test_what_is_held_until_an_order_trades_may_lose_value_until_then(counted):
    """A hundred are short at 10; fifty come back at 16. Of 1,200 dollars 600 are left, not 900."""
    history = bars(*[10] * 6, *[16] * 24)
    jumps = replace(history, open=history.close, low=history.close)
    plan = {0: lambda s: s.sell(100, limit=9), 5: lambda s: s.buy(50)}
    plan |= {8: lambda s: s.buy(10), 10: lambda s: s.sell(10)}
    records = same(planned(plan), jumps, cash="1200", costs="zero")
    assert kinds(records).count("Refused") == 1


def test_what_is_held_before_counts_where_an_order_goes_through_nothing(jotted):
    """Forty that are worth 800 by now, and five short after it: more than 500 until it has filled."""
    history = bars(*[10] * 5, *[20] * 20)
    limits = card(**UNPACED, gross_exposure_max=500)
    records = same(trades({0: 40, 10: -45}), history, limits=limits)
    assert kinds(records).count("Refused") == 1
    assert jotted == {"jotted": 1, "went": 1}


@pytest.mark.parametrize("quantity", [10.0, "10", Decimal("10.0"), np.int64(10)])
def test_whole_quantities_need_no_watching_whatever_they_are_written_as(counted, widened, quantity):
    """And floats not even a second look: they are what a position's quantity is."""
    plan = {n: lambda s, n=n: s.sell(quantity) if n % 2 else s.buy(quantity) for n in range(8)}
    records = same(planned(plan), bars(*[10] * 30, lot=Decimal("1.0")))
    assert kinds(records).count("Fill") == 8
    assert counted == [0]
    assert bool(widened) is (type(quantity) is not float)


def test_a_sale_may_cost_what_it_costs_where_it_does_not_slip(jotted):
    """Fifty dollars from 999 on: sales at 99.5 or at 100, ten times, twenty times over."""

    class Stairs:
        name = "stairs"

        def commission(self, *, quantity, notional):
            return Decimal(50) if notional >= 999 else Decimal(0)

        def at_most(self, quantity, value):
            return 50.0 if value >= 999 else 0.0

    sizes = {n: -10 if n % 2 else 10 for n in range(40)} | {41: 95}
    history, place = bars(*[100] * 80), np.arange(80) % 2
    uneven = replace(
        history,
        open=np.where(place, 99.0, 100.0),
        high=np.where(place, 99.05, 100.0),
        low=np.where(place, 99.0, 99.5),
    )
    terms = {"cash": "10000", "costs": Stairs(), "slippage": "bps:0.1"}
    paced = {**UNPACED, "orders_per_day_max": 10_000}  # every order is counted
    limits = card(**paced, buying_power_multiple=1)
    records = same(trades(sizes), uneven, limits=limits, **terms)
    assert kinds(records).count("Refused") == 1
    assert jotted == {"jotted": 40, "went": 1}


def test_one_thin_bar_is_enough_to_watch_an_instrument(counted):
    """A tenth of its volume would not do for ten and a lot; Y trades as ever."""
    history = bars(*[10] * 30)
    thin = replace(history, volume=np.where(np.arange(30) == 10, 109.0, 1e6))
    same(back_and_forth(10, 5), thin)
    assert counted == [0, 1, 2, 3, 4]
    counted.clear()
    enough = replace(history, volume=np.where(np.arange(30) == 10, 111.0, 1e6))
    same(back_and_forth(10, 5), enough)
    assert counted == [0]


def test_prices_that_are_nothing_are_beyond_any_bound(counted):
    """A bar that reaches below nothing, where fills may slip."""
    history = bars(*[10] * 30)
    deep = replace(history, low=np.where(np.arange(30) == 10, -1.0, 10.0))
    same(back_and_forth(10, 5), deep, slippage="bps:5")
    assert counted == [0, 1, 2, 3, 4]


def test_what_is_not_calm_is_tried_again_after_a_while(counted, monkeypatch):
    tried, swing = [], calm.Calm._look_ahead

    def looked(self, index):
        tried.append(index)
        return swing(self, index)

    monkeypatch.setattr(calm.Calm, "_look_ahead", looked)
    monkeypatch.setattr(calm, "_LOOKED_AT", 8)
    steps = [10 + 9 * (n // 2 % 2) for n in range(700)]  # 5 × 9, four times in eight bars, and 95
    same(back_and_forth(5, 600), bars(*steps), cash="274", costs="zero")
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


def test_a_second_is_a_whole_one(jotted):
    """Bars that close six tenths of a second apart, and one order a second."""
    history = bars(*[10] * 16)
    fast = replace(history, closed_at=history.closed_at // 6_000)
    records = same(trades({0: 10, 1: 10, 2: 10}), fast, limits=card(orders_per_second_max=1))
    assert [each.order.id for each in records if isinstance(each, Refused)] == [2]


@pytest.mark.parametrize("limits", [{"orders_per_second_max": 1}, {"orders_per_day_max": 1}])
def test_orders_of_the_page_before_count_for_the_pace(jotted, limits):
    """What is logged in between hands them over; it is within a second."""
    plan = {0: lambda s: s.buy(10), 1: lambda s: s.log("here"), 2: lambda s: s.buy(10)}
    history = bars(*[10] * 16)
    fast = replace(history, closed_at=history.closed_at // (4 * 3_600))
    records = same(planned(plan), fast, limits=card(**limits))
    assert kinds(records).count("Refused") == 1


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


def test_what_is_held_is_known_without_the_book(jotted, monkeypatch):
    """Of several, some asked for on this bar; a position is what is held whenever it is asked."""
    posted, post, seen = [], Blotter.post, []

    def noted(self, *until):
        posted.append(self._cursor.index)
        return post(self, *until)

    monkeypatch.setattr(Blotter, "post", noted)

    class Both(ek.PortfolioStrategy):
        def on_start(self):
            self.x, self.y = self.position(X), self.position(Y)

        def look(self):
            seen.append((self.x.quantity, self.y.quantity, bool(self.x), bool(self.y)))

        def on_bar(self):
            bar = self.bars[X].count
            if bar == 1:
                self.buy(X, 10)
                self.buy(Y, Decimal("0.5"))
                self.look()
            elif bar == 3:
                self.sell(X, 10)
                self.look()
            elif bar in {2, 4}:
                self.look()

    histories = (bars(*[10] * 6, lot=Decimal("0.5")), bars(*[10] * 6, name=Y, lot=Decimal("0.5")))
    same(Both, *histories)
    flat, full, half = (0, 0, False, False), (10, 0.5, True, True), (0, 0.5, False, True)
    assert seen == [flat, full, full, half] * 2
    assert posted == [5]  # when the run ends
    assert jotted == {"jotted": 3}


def test_of_what_nobody_has_traded_since_the_book_knows_what_is_held(jotted):
    """Ten of X were jotted down and thirty have come by a limit when Y stands on the page."""
    seen = []

    class Both(ek.PortfolioStrategy):
        def on_bar(self):
            match self.bars[X].count - 1:
                case 0:
                    self.buy(X, 10)
                case 1:
                    self.buy(X, 30, limit=11)
                case 4:
                    self.buy(Y, 5)
                    seen.append(self.position(X).quantity)
                    self.target_quantity(X, 50)

    records = same(Both, bars(*[10] * 8), bars(*[10] * 8, name=Y))
    assert seen == [40, 40]
    assert [each.quantity for each in records if isinstance(each, Fill)] == [10, 30, 5, 10]
    assert jotted == {"jotted": 3}


def test_what_a_position_is_worth_is_known_after_every_order(jotted):
    """Nothing else is read: ten at 10 are worth 110 on the next bar, and twenty then 240."""
    seen = []
    plan = {n: lambda s: (s.buy(10), seen.append(s.position.market_value)) for n in range(3)}
    same(planned(plan), bars(10, 11, 12, 13))
    assert seen == [0.0, 110.0, 240.0] * 2
    assert jotted == {"jotted": 3}


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


@pytest.mark.parametrize("act", ["close", "target_quantity"])
def test_a_strategy_that_rounds_rounds_its_own_numbers_alone(jotted, monkeypatch, act):
    """Neither the gate's, nor the venue's, nor what it holds; 12,344 take a bar for each thousand."""
    monkeypatch.setattr(blotter, "_STEADY", 1)

    class Rough(Planned):
        def on_bar(self):
            getcontext().prec = 3
            super().on_bar()

    last = {"close": lambda s: s.close(), "target_quantity": lambda s: s.target_quantity(0)}[act]
    plan = {
        0: lambda s: s.buy(12_344),
        15: lambda s: s.buy(Decimal(333)),
        16: lambda s: s.buy(1),
        17: lambda s: s.buy(2),
        20: last,
    }
    history = bars(*[1] * 50, volume=10_001)
    terms = {"cash": "1e6", "slippage": "bps:1"}
    records = same(type("Rough", (Rough,), {"plan": plan}), history, **terms)
    traded = [each.quantity for each in records if isinstance(each, Fill)]
    assert sum(traded[:13]) == 12_344
    assert sum(traded) == 2 * (12_344 + 333 + 3)
    assert jotted["jotted"] == 3


def test_parts_of_a_share_are_watched_for_they_are_not_added_up_in_passing(counted):
    """1,234.5 less two are 1,232.5, which in three digits would be 1,230; Y is calm meanwhile."""

    class Rough(ek.PortfolioStrategy):
        def on_bar(self):
            getcontext().prec = 3
            match self.bars[X].count - 1:
                case 0:
                    self.buy(X, "1234.5")
                case 1:
                    self.buy(Y, 10)
                case 2 | 3:
                    self.sell(X, 1)
                case 4:
                    self.close(X)

    histories = bars(*[10] * 30, lot=Decimal("0.1")), bars(*[10] * 30, name=Y)
    records = same(Rough, *histories)
    traded = [each.quantity for each in records if isinstance(each, Fill)]
    assert traded == [Decimal("1234.5"), 10, 1, 1, Decimal("1232.5")]
    assert counted == [0, 1, 2, 3, 4]


def test_after_the_last_bar_what_is_met_already_is_no_order_and_the_rest_is_an_error():
    class Tidy(Planned):
        def on_stop(self):
            told.append((self.target_quantity(10), self.target_weight(self.weight)))
            with pytest.raises(StrategyError, match="cannot place orders after the last bar"):
                self.close()

    class Flat(Planned):
        def on_stop(self):
            told.append((self.close(), self.target_quantity(0)))

    told: list[object] = []
    Tidy.weight = 10 * 10 / 100_000
    same(type("Tidy", (Tidy,), {"plan": {0: lambda s: s.buy(10)}}), bars(*[10] * 4), costs="zero")
    same(Flat, bars(*[10] * 4))
    assert told == [(None, None)] * 4


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
