"""What one run writes down and does: every order's way through core, gate, venue and book."""

from decimal import Decimal, getcontext

import numpy as np
import pytest
from msgspec.structs import replace
from tests.engine.market import HOUR, X, Y, bars, card, held, kinds, play, scripted
from tests.fakes.scripted_broker import a_fill, on_time

import evenkeel as ek
from evenkeel.domain.errors import OutsideError, StrategyError
from evenkeel.domain.events import (
    CancelRejected,
    CashDividend,
    Halted,
    OperatorActed,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    Resumed,
    RunEnded,
    RunStarted,
    Split,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import OrderStatus, Side
from evenkeel.domain.verdict import Approved, Reason, Refused


def fill_of(number, *, at, quantity="100", price="10", side=Side.BUY, part=1):
    return Fill(
        f"{number}.{part}", number, X, side, Decimal(quantity), Decimal(price), "USD", at * HOUR
    )


# ---- the simulated venue ----


def test_a_market_order_is_approved_accepted_and_filled_at_the_next_open():
    """Decision on one bar, fill on the next, in this order in the journal."""
    records, core, _ = play(scripted({1: lambda s: s.buy(100)}), bars(10, 11, 12, 13))
    assert isinstance(records[0], RunStarted)
    assert kinds(records) == ["Approved", "OrderAccepted", "Fill"]
    assert (records[3].price, records[3].at) == (Decimal(11), 3 * HOUR)
    assert isinstance(records[-1], RunEnded)
    # 100,000 - 100 x 11 + 100 x 13
    assert records[-1].equity == 100_200
    assert held(core) == 100


@pytest.mark.parametrize("jump", [False, True])
def test_both_ways_of_time_hear_the_same_of_an_order(jump):
    """A strategy hears NEW and FILLED, whether bars are visited or jumped."""
    strategy = scripted({0: lambda s: s.buy(100)})
    play(strategy, bars(10, 11, 12), jump=jump)
    assert strategy.heard == [(1, "NEW", 0.0, ""), (1, "FILLED", 100.0, "")]


def test_a_bracket_fills_its_target_and_ends_its_stop():
    """Entry at 10, target 12 reached on the last bar; the stop at 8 is cancelled."""
    strategy = scripted({0: lambda s: s.bracket(100, stop_loss=8, take_profit=12)})
    records, core, _ = play(strategy, bars(10, 10, 10.5, 12.5))
    fills = [r for r in records if type(r).__name__ == "Fill"]
    assert [(f.order_id, f.price) for f in fills] == [(1, Decimal(10)), (3, Decimal(12))]
    assert [r.order_id for r in records if isinstance(r, OrderCanceled)] == [2]
    assert held(core) == 0


def test_a_bracket_with_a_refused_leg_takes_its_entry_back():
    """A target outside the collar is refused; an entry without its exits must not stay."""
    strategy = scripted({0: lambda s: s.bracket(100, stop_loss=9, take_profit=30)})
    records, core, _ = play(strategy, bars(10, 10, 10), limits=card(price_collar_max="0.5"))
    assert [r.reason for r in records if isinstance(r, Refused)] == [Reason.PRICE_COLLAR]
    assert held(core) == 0
    assert not [r for r in records if type(r).__name__ == "Fill"]


def test_a_replacement_takes_the_place_of_its_order():
    """A limit far away is moved to the market; the first never fills."""

    def again(s):
        return s.replace(s.asked[0], limit=11)

    strategy = scripted({0: lambda s: s.buy(100, limit=5), 1: again})
    records, core, _ = play(strategy, bars(10, 10, 10, 10))
    assert [(r.replaces, r.order_id) for r in records if isinstance(r, OrderReplaced)] == [(1, 2)]
    assert held(core) == 100
    assert strategy.heard[-1] == (2, "FILLED", 100.0, "")


def thin(volume, *closes):
    """Bars of which the second has so little volume that a tenth of it is all that fills."""
    history = bars(*closes)
    return replace(history, volume=np.where(np.arange(len(closes)) == 1, volume, 1e6))


@pytest.mark.parametrize("jump", [False, True])
def test_a_chased_order_buys_no_more_than_was_asked_for(jump):
    """A hundred at 10, of which 40 fill; the rest is asked for at 12."""
    plan = {0: lambda s: s.buy(100, limit=10), 1: lambda s: s.replace(1, limit=12)}
    records, core, _ = play(scripted(plan), thin(400, 10, 10, 11, 11, 11), jump=jump)
    fills = [(r.order_id, r.quantity) for r in records if isinstance(r, Fill)]
    assert fills == [(1, 40), (2, 60)]
    assert held(core) == 100


def test_a_moved_exit_sells_no_more_than_its_entry_has_brought():
    """The entry ends with 40 of 100; its stop was cut to these, and is moved up to 10."""
    plan = {
        0: lambda s: s.bracket(100, limit=10, stop_loss=8, take_profit=20),
        1: lambda s: s.cancel(1),
        2: lambda s: s.replace(2, stop=10),
    }
    records, core, _ = play(scripted(plan), thin(400, 10, 10, 11, 11, 9, 9))
    assert [(r.order_id, r.quantity) for r in records if isinstance(r, Fill)] == [(1, 40), (4, 40)]
    assert held(core) == 0
    assert not core.account.orders.all_open()


@pytest.mark.parametrize("jump", [False, True])
def test_a_trail_follows_from_where_its_entry_has_filled(jump):
    """Sent at 20, bought at 10; 2 below the best that came then, and half of it sold by a replacement."""
    plan = {
        0: lambda s: (s.buy(100, limit=10), s.sell(100, trail=2, after=1)),
        4: lambda s: s.replace(2, quantity=50),
    }
    records, core, _ = play(
        scripted(plan), bars(20, 20, 10, 14, 13, 13, 11, 11), limits=card(), jump=jump
    )
    fills = [(r.order_id, r.quantity, r.price) for r in records if isinstance(r, Fill)]
    assert fills == [(1, 100, 10), (3, 50, 12)]
    assert held(core) == 50


def test_what_is_done_cannot_be_replaced_or_cancelled():
    """Both find nothing to do and write nothing."""
    plan = {0: lambda s: s.buy(10), 2: lambda s: (s.replace(1, limit=3), s.cancel(1), s.cancel(9))}
    records, _, _ = play(scripted(plan), bars(10, 10, 10, 10))
    assert kinds(records) == ["Approved", "OrderAccepted", "Fill"]


def test_close_takes_resting_orders_off_and_goes_flat():
    """A stop that outlives its position would open a new one."""
    plan = {
        0: lambda s: s.buy(100),
        1: lambda s: s.sell(100, stop=5),
        2: lambda s: s.close(),
    }
    records, core, _ = play(scripted(plan), bars(10, 10, 10, 10, 4))
    assert [r.order_id for r in records if isinstance(r, OrderCanceled)] == [2]
    assert held(core) == 0


def test_targets_count_market_orders_on_their_way():
    """Asked twice on one bar, a target is bought once; less is wanted: the rest is sold."""
    plan = {0: lambda s: (s.target_quantity(100), s.target_quantity(100), s.target_quantity(40))}
    records, core, _ = play(scripted(plan), bars(10, 10, 10), limits=card())
    orders = [(r.order.side.value, r.order.quantity) for r in records if isinstance(r, Approved)]
    assert orders == [("BUY", 100), ("SELL", 60)]
    assert held(core) == 40


def test_a_day_order_ends_with_its_session():
    """The session closes at hour 24; a limit that is never reached expires there."""
    strategy = scripted({0: lambda s: s.buy(100, limit=5, tif="day")})
    records, core, _ = play(strategy, bars(*[10.0] * 30))
    assert [r.at for r in records if isinstance(r, OrderExpired)] == [24 * HOUR]
    assert core.account.open_orders == 0


def test_prices_are_put_on_the_tick_against_the_asker():
    """A buy limit goes down, a sell limit up, a buy stop up, a sell stop down."""
    plan = {
        0: lambda s: (
            s.buy(10, limit=9.87),
            s.sell(10, limit=10.12),
            s.buy(10, stop=10.12),
            s.sell(10, stop=9.87),
            s.buy(10.7, limit="9.8"),
            s.buy(0.4),
        )
    }
    records, _, _ = play(scripted(plan), bars(10, 10, tick=Decimal("0.05")), limits=card())
    orders = [r.order for r in records if isinstance(r, Approved)]
    prices = [str(order.limit_price or order.stop_price) for order in orders]
    assert prices == ["9.85", "10.15", "10.15", "9.85", "9.80"]
    assert orders[4].quantity == 10
    assert len(orders) == 5  # four tenths of a share are no order


def test_a_refused_order_is_told_and_written_down():
    """The rule, its limit and what it observed; nothing reaches the venue."""
    strategy = scripted({0: lambda s: s.buy(101)})
    records, _, venue = play(strategy, bars(10, 10), limits=card(order_quantity_max=100), script={})
    (refused,) = [r for r in records if isinstance(r, Refused)]
    assert (refused.reason, refused.limit, refused.observed) == (Reason.ORDER_QUANTITY, 100, 101)
    assert strategy.heard == [(1, "REJECTED", 0.0, "order_quantity_max")]
    assert venue.submitted == []


def test_a_quantity_that_is_no_number_is_refused_or_an_error():
    """A negative quantity meets the gate; a word never becomes an order."""
    records, _, _ = play(scripted({0: lambda s: s.buy(-5)}), bars(10, 10))
    assert [r.reason for r in records if isinstance(r, Refused)] == [Reason.QUANTITY_INVALID]
    with pytest.raises(StrategyError, match="quantity must be a number"):
        play(scripted({0: lambda s: s.buy("many")}), bars(10, 10))


def test_an_order_after_the_last_bar_is_an_error():
    """It could not fill: on_stop may look, not trade."""
    strategy = scripted({}, on_stop=lambda self: self.buy(1))
    with pytest.raises(StrategyError, match="after the last bar"):
        play(strategy, bars(10, 10))


def test_a_cancel_after_the_last_bar_is_an_error():
    """The venue's answer would stand behind the end of the journal."""
    plan = {0: lambda s: s.buy(1, limit=5)}
    strategy = scripted(plan, on_stop=lambda self: self.cancel(1))
    with pytest.raises(StrategyError, match="cannot cancel orders after the last bar"):
        play(strategy, bars(10, 10))


def test_whoever_answers_every_refusal_with_an_order_is_stopped():
    """A loop that no bar ends is an error, not a hang."""
    strategy = scripted({0: lambda s: s.buy(101)}, on_order=lambda self, update: self.buy(101))
    with pytest.raises(StrategyError, match="refusals in one moment"):
        play(strategy, bars(10, 10), limits=card(order_quantity_max=100))


def test_what_a_strategy_reads_is_what_the_book_says():
    """Position, cash and equity as floats, from the ledger and the last close."""
    seen = []

    def look(s):
        p = s.position
        seen.append(
            (p.quantity, p.average_price, p.market_value, p.unrealized_pnl, s.cash, s.equity)
        )
        s.log("looked")

    plan = {0: lambda s: (s.position.quantity, s.buy(100)), 2: look}
    records, _, _ = play(scripted(plan), bars(10, 11, 12))
    assert seen == [(100.0, 10.0, 1200.0, 200.0, 99_000.0, 100_200.0)]
    assert kinds(records)[-1] == "Noted"


def test_what_a_strategy_reads_is_exact_however_it_rounds_itself():
    """12,345 at 10 are worth 10.01 each now; in three digits that is 124,000, and a gain of 1,000."""
    seen = []

    def look(s):
        getcontext().prec = 3
        seen.append((s.position.market_value, s.position.unrealized_pnl))

    play(scripted({0: lambda s: s.buy(12_345), 1: look}), bars(10, 10.01, 11), cash="1e6")
    assert seen == [(123_573.45, 123.45)]


# ---- a venue that misbehaves ----


def test_late_fills_count_from_the_moment_of_intent():
    """80 wanted twice with a maximum of 100: the second is refused while the first is in flight."""
    strategy = scripted({0: lambda s: s.buy(80), 1: lambda s: s.buy(80), 3: lambda s: s.buy(20)})
    script = {1: [(4 * HOUR, fill_of(1, at=4, quantity="80"))]}
    records, core, venue = play(
        strategy, bars(*[10] * 6), limits=card(position_quantity_max=100), script=script
    )
    assert [a.order.quantity for a in venue.submitted] == [80, 20]
    assert [r.reason for r in records if isinstance(r, Refused)] == [Reason.POSITION]
    assert held(core) == 80


def test_a_doubled_fill_is_booked_once_and_not_written_twice():
    """The venue's execution id says that it is the same fill."""
    fill = fill_of(1, at=2)
    script = {1: on_time(fill, fill)}
    records, core, _ = play(scripted({0: lambda s: s.buy(100)}), bars(*[10] * 4), script=script)
    assert kinds(records) == ["Approved", "Fill"]
    assert held(core) == 100


def test_a_cancel_that_crosses_its_fill_keeps_what_is_still_coming_reserved():
    """Canceled with 60 done and 20 booked: 40 count until they arrive."""
    plan = {
        0: lambda s: s.buy(100),
        1: lambda s: s.cancel(1),
        2: lambda s: s.buy(41),
        3: lambda s: s.buy(40),
    }
    script = {
        1: [(2 * HOUR, fill_of(1, at=2, quantity="20"))],
        -1: [
            (2 * HOUR, OrderCanceled(1, 2 * HOUR, Decimal(60))),
            (5 * HOUR, fill_of(1, at=5, quantity="40", part=2)),
        ],
    }
    strategy = scripted(plan)
    records, core, venue = play(
        strategy, bars(*[10] * 6), limits=card(position_quantity_max=100), script=script
    )
    assert [r.reason for r in records if isinstance(r, Refused)] == [Reason.POSITION]
    assert [a.order.quantity for a in venue.submitted] == [100, 40]
    assert held(core) == 60
    assert core.account.open_orders == 1  # the order over 40
    assert (1, "FILLED", 60.0, "") not in strategy.heard


def test_more_than_an_order_could_fill_is_booked_and_halts_trading():
    """The book follows the venue; nothing more is approved until a person has looked."""
    plan = {0: lambda s: s.buy(100), 2: lambda s: s.buy(1)}
    script = {1: on_time(fill_of(1, at=2, quantity="150"))}
    records, core, _ = play(scripted(plan), bars(*[10] * 4), script=script)
    assert [type(r) for r in records[2:4]] == [type(fill_of(1, at=2)), Halted]
    assert [r.reason for r in records if isinstance(r, Refused)] == [Reason.HALTED]
    assert held(core) == 150
    assert core.account.open_orders == 0


def test_a_fill_of_an_order_that_nobody_sent_is_booked_and_halts():
    """Somebody else trades on this account."""
    script = {1: on_time(fill_of(7, at=2))}
    records, core, _ = play(scripted({0: lambda s: s.buy(100)}), bars(*[10] * 3), script=script)
    assert kinds(records) == ["Approved", "Fill", "Halted"]
    assert held(core) == 100


def test_an_uncertain_order_counts_in_full_until_the_venue_speaks():
    """UNKNOWN blocks; a rejection found later frees what it held."""
    plan = {0: lambda s: s.buy(100), 1: lambda s: s.buy(1), 3: lambda s: s.buy(1)}
    script = {
        1: [
            (HOUR, OrderUncertain(1, HOUR, "no answer")),
            (3 * HOUR, OrderRejected(1, 3 * HOUR, "never arrived")),
            (3 * HOUR, OrderRejected(1, 3 * HOUR, "said again")),
        ]
    }
    strategy = scripted(plan)
    records, _, venue = play(
        strategy, bars(*[10] * 5), limits=card(position_quantity_max=100), script=script
    )
    assert [r.reason for r in records if isinstance(r, Refused)] == [Reason.POSITION]
    assert [a.order.quantity for a in venue.submitted] == [100, 1]
    assert strategy.heard[:2] == [
        (1, "UNKNOWN", 0.0, "no answer"),
        (2, "REJECTED", 0.0, "position_quantity_max"),
    ]
    assert strategy.heard[2] == (1, "REJECTED", 0.0, "never arrived")


def test_a_rejected_cancel_and_a_rejected_replacement_leave_the_order_at_work():
    """The state before the request comes back: NEW, or PARTIALLY_FILLED once something filled."""

    def replace_it(s):
        return s.replace(1, limit=6)

    plan = {0: lambda s: s.buy(100, limit=5), 1: lambda s: s.cancel(1), 2: replace_it}
    script = {
        1: [(HOUR, OrderAccepted(1, HOUR)), (3 * HOUR, fill_of(1, at=3, quantity="30", price="5"))],
        -1: [(2 * HOUR, CancelRejected(1, 2 * HOUR, "too late"))],
        2: [(3 * HOUR, OrderRejected(2, 3 * HOUR, "price"))],
    }
    strategy = scripted(plan)
    _, core, _ = play(strategy, bars(*[10] * 4), script=script)
    states = [(number, status) for number, status, _, _ in strategy.heard]
    assert states == [
        (1, "NEW"),
        (1, "NEW"),
        (1, "PARTIALLY_FILLED"),
        (2, "REJECTED"),
        (1, "PARTIALLY_FILLED"),
    ]
    assert core.account.working(1)[1] == 70


def test_words_about_unknown_orders_change_nothing():
    """They are written down, and nobody is told."""
    now = 2 * HOUR
    words = (
        OrderAccepted(9, now),
        OrderCanceled(9, now),
        OrderExpired(9, now),
        OrderRejected(9, now, ""),
        CancelRejected(9, now, ""),
        OrderUncertain(9, now, ""),
    )
    strategy = scripted({0: lambda s: s.buy(100)})
    records, core, _ = play(strategy, bars(*[10] * 3), script={1: on_time(*words)})
    assert len(kinds(records)) == 1 + len(words)
    assert strategy.heard == []
    assert core.account.open_orders == 1


# ---- halts, splits, dividends ----


def test_a_halt_refuses_and_a_resume_allows_again():
    """Both are events in the same queue."""
    core = play(scripted({}), bars(10, 10))[1]
    assert core.process(Halted(3 * HOUR, "anna", "news")) == [Halted(3 * HOUR, "anna", "news")]
    assert core.account.halted == "news"
    core.process(Resumed(3 * HOUR, "anna", "read"))
    assert core.account.halted is None


def test_what_a_person_did_is_on_record_and_changes_nothing_by_itself():
    core = play(scripted({}), bars(10, 10))[1]
    before = core.account.book.state_hash()
    acted = OperatorActed(3 * HOUR, "anna", "limits set", "earnings week")
    assert core.process(acted) == [acted]
    assert core.account.book.state_hash() == before


@pytest.mark.parametrize("jump", [False, True])
def test_a_split_changes_quantities_orders_and_history_and_no_money(jump):
    """100 at 10 become 200 at 5; the stop at 8 guards at 4; the average stays comparable."""
    averages = []

    def look(s):
        averages.append((s.mean[0], s.bars.close[-1], s.position.average_price))

    plan = {0: lambda s: s.buy(100), 1: lambda s: s.sell(100, stop=8), 4: look}
    members = {"setup": lambda self, bars: setattr(self, "mean", (bars.close + 0.0))}
    history = bars(10, 10, 10, 5, 5, 5)
    history = replace(history, open=history.close, high=history.close, low=history.close)
    split = Split(X, 3 * HOUR + 1, Decimal(2))
    records, core, _ = play(scripted(plan, **members), history, actions=(split,), jump=jump)
    assert split in records
    assert held(core) == 200
    assert records[-1].equity == 100_000
    order, leaves = core.account.working(2)
    assert (order.stop_price, order.quantity, leaves) == (4, 200, 200)
    assert core.account.reserve_price(2) == 5
    assert averages == [(5.0, 5.0, 5.0)]


@pytest.mark.parametrize("jump", [False, True])
def test_of_what_a_reverse_split_makes_of_an_order_nothing_is_left_when_it_has_filled(jump):
    """Fifteen at 9 are seven at 18, for half a share is none."""
    history = bars(10, 10, 20, 20, 18)
    history = replace(history, open=history.close, high=history.close, low=history.close)
    split = Split(X, 2 * HOUR, Decimal(1), Decimal(2))
    plan = {0: lambda s: s.buy(15, limit=9)}
    _, core, _ = play(scripted(plan), history, actions=(split,), jump=jump)
    assert held(core) == 7
    assert core.account.open_orders == 0


def test_who_cancels_what_has_been_replaced_cancels_nothing():
    """What took its place has a number of its own, and works on."""
    plan = {
        0: lambda s: s.buy(10, limit=9),
        1: lambda s: s.replace(1, quantity=5),
        3: lambda s: s.cancel(1),
    }
    records, core, _ = play(scripted(plan), bars(*[10] * 6))
    assert "CancelRequested" not in kinds(records)
    assert core.account.open_orders == 1


def test_history_before_a_split_is_on_the_scale_of_today():
    """Before the split 10 reads as 10; after it the same bar reads as 5, its volume doubled."""
    seen = {}

    def look(s):
        seen[s.bars.count] = (s.bars.close[-1], s.bars.volume[-1])

    history = bars(10, 10, 5, 5)
    split = Split(X, 2 * HOUR, Decimal(2))
    play(scripted({1: look, 2: look, 3: look}), history, actions=(split,))
    assert seen == {2: (10.0, 1e6), 3: (5.0, 2e6), 4: (5.0, 1e6)}


def test_a_dividend_is_cash_for_who_held_before_its_day():
    """100 shares at 0.25."""
    dividend = CashDividend(X, 2 * HOUR + 1, Decimal("0.25"))
    plan = {0: lambda s: s.buy(100)}
    records, core, _ = play(scripted(plan), bars(10, 10, 10), actions=(dividend,))
    assert core.account.book.dividends == 25
    assert records[-1].equity == 100_025


# ---- several instruments ----


def test_instruments_with_other_bar_times_take_turns():
    """X completes every hour, Y every three; each strategy sees its own bars in time's order."""
    turns = []
    members = {"on_bar": lambda self: turns.append((self.instrument.symbol, self.now.hour))}
    play(scripted({}, **members), bars(*[10] * 5), bars(20, 20, name=Y, start=1, step=3))
    assert turns == [("X", 1), ("Y", 1), ("X", 2), ("X", 3), ("X", 4), ("Y", 4), ("X", 5)]


def test_what_cannot_be_valued_has_no_equity_in_the_account():
    """An unknown instrument has no price, no reading and no order."""
    account = play(scripted({}), bars(10, 10))[1].account
    assert account.price("Q.XXXX") is None
    assert account.reading("Q.XXXX").held == 0
    assert account.working(5) is None
    assert account.reserve_price(5) is None
    assert account.exits(5) == 0
    assert account.instrument("Q.XXXX") is None


# ---- write it down, then do it ----


def test_nothing_is_sent_before_it_is_written():
    """The journal has every approval before the venue sees it; if it cannot write, nothing goes."""
    told = []

    class Log:
        def append(self, records):
            told.extend(type(record).__name__ for record in records)
            if "Approved" in told:
                raise OutsideError("disk full")

    from tests.fakes.scripted_broker import ScriptedBroker

    from evenkeel.app.setup import request
    from evenkeel.domain.tape import Tape
    from evenkeel.engine.run import run
    from evenkeel.engine.schedule import Schedule

    strategy = scripted({0: lambda s: s.buy(1)})
    tape = Tape([bars(10, 10)])
    venue = ScriptedBroker(tape)
    core = request(strategy(), [bars(10, 10)]).core(tape)
    with pytest.raises(OutsideError):
        run(core, Schedule(tape, ()), venue, Log())
    assert told == ["RunStarted", "Approved"]
    assert venue.submitted == []


def test_a_fill_keeps_the_words_of_its_maker():
    """The fake and the engine mean the same by a fill."""
    records, _, _ = play(scripted({0: lambda s: s.buy(100)}), bars(10, 10))
    approved = records[1]
    assert a_fill(approved.order, at=2 * HOUR, price="10").quantity == 100
    assert approved.order.side is Side.BUY
    assert OrderStatus.NEW.value == "NEW"


# ---- paper: history grows ----


class Feed:
    """Longer and longer histories, as they come in."""

    def __init__(self, *histories):
        self.histories = histories

    def up_to(self, moment):
        return [each.first(int((each.closed_at <= moment).sum())) for each in self.histories]


def on_paper(strategy, *histories, actions=()):
    from evenkeel.app.setup import request
    from evenkeel.domain.tape import Tape
    from evenkeel.engine.run import run
    from evenkeel.engine.schedule import Schedule
    from evenkeel.journal.log import MemoryJournal

    feed = Feed(*histories)
    moments = sorted({int(at) for each in histories for at in each.closed_at})
    wanted = request(strategy(), list(histories), costs="zero", slippage="none")
    tape = Tape(feed.up_to(moments[0]))
    journal = MemoryJournal()
    run(
        wanted.core(tape),
        Schedule(tape, actions),
        wanted.venue(tape),
        journal,
        (feed.up_to(moment) for moment in moments[1:]),
    )
    return journal.records


def test_bars_that_come_in_one_by_one_give_the_same_records():
    """Two instruments, one split, series and wake masks: as if all had been known."""
    members = {"setup": lambda self, bars: self.wake_on(bars.close > 9.5)}
    plan = {n: (lambda s: s.target_weight(0.3 if s.bars.count % 2 else 0.1)) for n in range(9)}
    histories = (bars(10, 11, 12, 9, 13, 14, 15), bars(20, 22, 21, name=Y, step=3))
    actions = (Split(X, 4 * HOUR + 5, Decimal(2)),)
    strategy = scripted(plan, **members)
    whole = play(strategy, *histories, actions=actions)[0]
    assert len(whole) > 12
    assert play(strategy, *histories, actions=actions, jump=True)[0] == whole
    assert on_paper(strategy, *histories, actions=actions) == whole


@pytest.mark.parametrize("way", ["jumping", "stepping", "on paper"])
def test_nothing_that_a_strategy_asks_its_bars_goes_beyond_the_newest(way):
    """On a bar a backtest shows what paper shows there; in setup it may compute over everything."""
    seen = []

    def look(strategy):
        bars, twice = strategy.bars, strategy.twice
        seen.append((len(bars), len(twice), bars.close.values.max(), np.asarray(twice)[-1]))
        seen.append((bars.closed_at[-1].astype(int), bars.close.times[-1], ek.sma(bars.high, 2)[0]))

    members = {"setup": lambda self, bars: setattr(self, "twice", bars.close * 2)}
    strategy = scripted(dict.fromkeys(range(4), look), **members)
    history = bars(10, 13, 11, 12)
    if way == "on paper":
        on_paper(strategy, history)
    else:
        play(strategy, history, jump=way == "jumping")
    assert seen[::2] == [(1, 1, 10, 20), (2, 2, 13, 26), (3, 3, 13, 22), (4, 4, 13, 24)]
    assert [(closed, at) for closed, at, _ in seen[1::2]] == [
        (HOUR * n, HOUR * n) for n in (1, 2, 3, 4)
    ]
    two = (history.high[1:] + history.high[:-1]) / 2
    assert [mean for *_, mean in seen[3::2]] == two.tolist()


def test_a_mask_may_be_an_array():
    """One value per bar; on a longer history the longer mask takes its place."""
    turns = []
    members = {
        "setup": lambda self, bars: self.wake_on(bars.close.values > 10),
        "on_bar": lambda self: turns.append(self.bars.count),
    }
    on_paper(scripted({}, **members), bars(10, 11, 9, 12))
    assert turns == [2, 4]


def test_a_strategy_of_a_whole_universe_is_called_once_per_bar_time():
    """At hours 1 and 4 both instruments completed a bar; it is called once."""

    turns = []

    class Both(ek.PortfolioStrategy):
        def on_bar(self):
            turns.append(self.now.hour)
            if self.now.hour == 2:
                self.buy(Y, 10)
                self.target_weight(X, 0.1)

    histories = (bars(10, 11, 12, 9, 13), bars(20, 22, name=Y, step=3))
    records = play(Both, *histories)[0]
    assert turns == [1, 2, 3, 4, 5]
    assert kinds(records).count("Fill") == 2
    assert on_paper(Both, *histories) == records


@pytest.mark.parametrize("way", ["jump", "every bar", "paper"])
def test_nobody_reads_a_bar_that_has_not_completed(way):
    """Not at the start, not before an instrument's first bar, not after a split or a longer history.

    Everything is read twice, for the first time might leave something behind for the second.
    """
    seen = []

    class Curious(ek.PortfolioStrategy):
        def setup(self, bars):
            self.high = {name: each.close > 10 for name, each in bars.items()}

        def look(self):
            for _ in range(2):
                seen.append([(each.close[0], each.close[-1]) for each in self.bars.values()])
                seen[-1] += [each[0] for each in self.high.values()]

        def on_start(self):
            self.look()

        def on_bar(self):
            self.look()

    histories = (bars(10, 11, 12, 6, 7), bars(20, 22, 24, name=Y, start=3))
    split = Split(X, 3 * HOUR + 5, Decimal(2))
    if way == "paper":
        on_paper(Curious, *histories, actions=(split,))
    else:
        play(Curious, *histories, actions=(split,), jump=way == "jump")
    no = float("nan")
    expected = [  # X now and before, Y now and before, X above 10, Y above 10
        [(no, no), (no, no), False, False],
        [(10.0, no), (no, no), False, False],
        [(11.0, 10.0), (no, no), True, False],
        [(12.0, 11.0), (20.0, no), True, True],
        [(6.0, 6.0), (22.0, 20.0), False, True],
        [(7.0, 6.0), (24.0, 22.0), False, True],
    ]
    assert str(seen) == str([each for each in expected for _ in range(2)])


def test_setup_must_make_the_same_series_whatever_the_bars_are():
    """Otherwise nobody could say which series takes over from which."""

    def setup(self, bars):
        self.more = [bars.close + 1 for _ in range(len(bars))]

    with pytest.raises(StrategyError, match="must make the same ones"):
        on_paper(scripted({}, setup=setup), bars(10, 11, 12))


def test_a_class_that_is_no_strategy_cannot_be_seated():
    """Only the two kinds of the API know what a bar is."""
    from evenkeel.app.setup import request
    from evenkeel.domain.tape import Tape
    from evenkeel.strategy.trader import Trader

    history = bars(10, 11)
    with pytest.raises(StrategyError, match="neither a Strategy nor a PortfolioStrategy"):
        request(Trader(), [history]).core(Tape([history]))


# ---- the orders' own arithmetic ----


def test_a_dearer_order_of_the_same_terms_is_found_by_the_duplicate_rule():
    """Sent again within the window: refused; after it, or with other terms: not."""
    plan = {
        0: lambda s: s.buy(10),
        1: lambda s: (s.buy(10), s.buy(11)),
        3: lambda s: s.buy(10),
    }
    records, core, _ = play(
        scripted(plan), bars(*[10] * 6), limits=card(duplicate_window_seconds=3600 + 1)
    )
    assert [r.reason for r in records if isinstance(r, Refused)] == [Reason.DUPLICATE]
    assert held(core) == 31


def test_children_beyond_their_parent_count_as_exposure():
    """A parent of 100 whose children could sell 150 could end 50 short: refused at a limit of 20."""

    def plan(s):
        entry = s.buy(100, limit=5)
        s._order(X, Side.SELL, 100, stop=4, after=entry, oca_group=entry)
        s._order(X, Side.SELL, 100, limit=8, after=entry, oca_group=entry)
        s._order(X, Side.SELL, 50, stop=3, after=entry)

    strategy = scripted({0: plan})
    records, core, _ = play(strategy, bars(*[10] * 3), limits=card(position_quantity_max=100))
    assert len([r for r in records if isinstance(r, Approved)]) == 4
    reading = core.account.reading(X)
    assert (reading.buying, reading.selling) == (100, 50)
    assert reading.selling_value == 500  # 50 of 150, reserved at the last price of 10
    assert core.account.exits(1) == 150


@pytest.mark.parametrize(
    ("instrument", "side", "counts"),
    [(X, Side.SELL, (100, 0)), (X, Side.BUY, (160, 0)), (Y, Side.SELL, (0, 60))],
)
def test_only_an_exit_is_covered_by_its_parent(instrument, side, counts):
    """On its parent's own side, or on another instrument, a sleeping child counts in full."""

    def plan(s):
        if s.instrument.id == X:
            s._order(instrument, side, 60, after=s.buy(100, limit=5))

    core = play(scripted({0: plan}), bars(*[10] * 3), bars(*[10] * 3, name=Y))[1]
    reading = core.account.reading(instrument)
    assert (reading.buying, reading.selling) == counts


def test_an_entry_that_ends_early_brings_every_exit_to_life():
    """50 of 100 bought, then canceled: two exits of 50 beside each other sell all of 100."""

    def enter(s):
        entry = s.buy(100)
        s.sell(50, after=entry)
        s.sell(50, after=entry)

    def end(s):
        seen.append(s._desk._account.reading(X))
        s.cancel(1)

    seen = []
    thin = bars(*[10] * 6, volume=50)
    core = play(scripted({0: enter, 1: end}), thin, volume_share="1")[1]
    assert held(core) == -50
    assert [each.worst_short for each in seen] == [-50]


def test_what_a_replaced_entry_has_brought_counts_for_its_replacement():
    """30 bought, then 60 more asked for: should no more come, an exit of 80 sells those 30."""

    def change(s):
        s.sell(80, after=s.replace(1, quantity=60))

    thin = bars(10, 10, volume=30)
    core = play(scripted({0: lambda s: s.buy(100), 1: change}), thin, volume_share="1")[1]
    reading = core.account.reading(X)
    assert (reading.held, reading.buying, reading.selling) == (30, 60, 30)


def test_what_a_child_takes_back_does_not_cover_a_child_of_its_own():
    """Buy 100, sell 100 after that, buy 100 after that: 200 bought at the worst, none sold."""

    def plan(s):
        entry = s.buy(100, limit=5)
        s.buy(100, after=s.sell(100, after=entry))

    core = play(scripted({0: plan}), bars(*[10] * 3))[1]
    reading = core.account.reading(X)
    assert (reading.buying, reading.selling) == (200, 0)


def test_a_child_of_a_filled_parent_counts_by_itself():
    """Once the entry has filled, its stop is an order like any other."""

    def plan(s):
        entry = s.buy(100)
        s._order(X, Side.SELL, 100, stop=4, after=entry)

    core = play(scripted({0: plan}), bars(*[10] * 4))[1]
    reading = core.account.reading(X)
    assert (reading.held, reading.selling) == (100, 100)


@pytest.mark.parametrize("later", [0, 1])
def test_close_leaves_nothing_behind(later):
    """A child that sleeps, or has just come to life, must not trade once its position is closed."""

    def enter(s):
        s.sell(10, after=s.buy(10))
        if not later:
            s.close()

    plan = {0: enter, 1: lambda s: s.close() if later else None}
    records, core, _ = play(scripted(plan), bars(*[10] * 6))
    assert held(core) == 0
    assert [r.order_id for r in records if isinstance(r, Fill)] == [1, 3]


def test_an_order_and_its_replacement_are_one_claim():
    """100 replaced by 120 is 120 at the worst; a late fill of the first comes off both."""
    plan = {0: lambda s: s.buy(100, limit=5), 1: lambda s: s.replace(1, quantity=120, limit=6)}
    script = {
        1: [(HOUR, OrderAccepted(1, HOUR)), (3 * HOUR, fill_of(1, at=3, quantity="30", price="5"))],
        2: [],
    }
    core = play(scripted(plan), bars(*[10] * 3), script=script)[1]
    reading = core.account.reading(X)
    assert (reading.held, reading.buying) == (30, 90)


def test_the_legs_of_one_group_are_one_claim():
    """Two exits of which one fills: the larger counts; a fill of one comes off the other."""

    def plan(s):
        s._order(X, Side.SELL, 100, stop=8, oca_group=1)
        s._order(X, Side.SELL, 60, limit=12, oca_group=1)

    fill = replace(fill_of(1, at=2, quantity="50", price="8"), side=Side.SELL)
    script = {1: [(2 * HOUR, fill)], 2: []}
    core = play(scripted({0: plan}), bars(*[10] * 3), limits=card(), script=script)[1]
    reading = core.account.reading(X)
    assert (reading.held, reading.selling) == (-50, 50)
    assert core.account.working(2)[1] == 10


def test_fills_are_told_to_who_wants_to_hear_them():
    """A strategy that protects what it bought does so in the moment of the fill."""
    members = {
        "on_fill": lambda self, fill: (
            fill.side is Side.BUY and self.sell(fill.quantity, stop=float(fill.price) - 1)
        )
    }
    records, core, _ = play(scripted({0: lambda s: s.buy(100)}, **members), bars(10, 10, 10, 8, 8))
    assert [r.price for r in records if type(r).__name__ == "Fill"] == [10, 9]
    assert held(core) == 0


def test_a_refusal_that_nobody_listens_to_is_only_written_down():
    """A strategy without on_order goes on."""

    class Deaf(ek.Strategy):
        def on_bar(self):
            self.buy(101)

    records = play(Deaf, bars(10, 10), limits=card(order_quantity_max=100))[0]
    assert kinds(records) == ["Refused", "Refused"]


def test_a_series_made_on_a_bar_is_no_part_of_setup():
    """Arithmetic on series inside on_bar neither breaks a later split nor lives on."""
    seen = []
    members = {"on_bar": lambda self: seen.append((self.bars.close * 2)[0])}
    split = Split(X, 2 * HOUR + 1, Decimal(2))
    play(scripted({}, **members), bars(10, 10, 5, 5), actions=(split,))
    assert seen == [20, 20, 10, 10]


@pytest.mark.parametrize("jump", [True, False])
def test_an_order_that_nothing_can_touch_goes_straight_to_its_fill(jump):
    """Nobody hears of its state; what its fill brings about takes the usual way."""

    class Chaser(ek.Strategy):
        def on_bar(self):
            if self.bars.count == 1:
                self.buy(10)
            if self.bars.count in {4, 6}:
                self.buy(10, limit=5)

        def on_fill(self, fill):
            if fill.order_id == 1:
                self.sell(3)

    records = play(Chaser, bars(10, 11, 12, 13, 14, 15), limits=card(), jump=jump)[0]
    assert kinds(records) == [
        *("Approved", "OrderAccepted", "Fill"),
        *("Approved", "OrderAccepted", "Fill"),
        *("Approved", "OrderAccepted"),
        *("Approved", "OrderAccepted"),
    ]
    fills = [record for record in records if isinstance(record, Fill)]
    assert [(fill.at, fill.quantity, fill.price) for fill in fills] == [
        (2 * HOUR, 10, 10),  # each opens where the last one closed
        (3 * HOUR, 3, 11),
    ]
    assert [record.at // HOUR for record in records[1:4]] == [1, 1, 2]


def test_a_split_of_three_for_one_and_back_leaves_whole_shares():
    """Two old shares for six, one for three: thirds do not get lost on the way."""
    plan = {0: lambda s: s.buy(6, limit=5)}
    reverse = Split(X, 2 * HOUR + 1, Decimal(1), Decimal(3))
    history = bars(10, 10, 30)
    history = replace(history, open=history.close, low=history.close)
    core = play(scripted(plan), history, actions=(reverse,))[1]
    order, leaves = core.account.working(1)
    assert (order.quantity, leaves, order.limit_price) == (2, 2, 15)


def test_a_split_waits_for_its_own_instrument():
    """Y's bars do not bring X's split about: until X trades again there is no price on its scale."""
    plan = {0: lambda s: s.instrument.id == X and s.buy(100)}
    histories = (bars(10, 10, 5, step=4), bars(*[20] * 12, name=Y))
    split = Split(X, 6 * HOUR, Decimal(2))
    seen = []
    members = {"on_order": lambda self, update: None}
    strategy = scripted({**plan, 7: lambda s: seen.append(s.equity)}, **members)
    whole = play(strategy, *histories, actions=(split,))[0]
    assert play(strategy, *histories, actions=(split,), jump=True)[0] == whole
    assert seen[0] == 100_000
    assert whole[-1].equity == 100_000
