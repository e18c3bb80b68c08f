"""Asked again, the gate says of every order what it said in the run, whatever happened before."""

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.engine.market import HOUR, X, Y, bars, card, play, scripted
from tests.fakes.scripted_broker import late, on_time

from evenkeel.domain.errors import JournalError
from evenkeel.domain.events import (
    CancelRejected,
    CashDividend,
    Halted,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    Resumed,
    RunStarted,
    Split,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.engine.explain import explain
from evenkeel.journal.chain import links
from evenkeel.journal.replay import decode, read

RISING = (10, 11, 12, 13, 14, 15)


def fill_of(number, *, at, quantity="100", price="11", side=Side.BUY, part=1):
    return Fill(
        f"{number}.{part}", number, X, side, Decimal(quantity), Decimal(price), "USD", at * HOUR
    )


def agree(records, *histories):
    """Every order explained, live and read back; the explanation of the last one."""
    by_id = {history.instrument.id: history for history in histories}
    read_back = [decode(entry) for entry in read(link.line for link in links(records))]
    verdicts = [each for each in records if isinstance(each, Approved | Refused)]
    assert verdicts
    seen = None
    for verdict in verdicts:
        seen = explain(records, by_id, verdict.order.id)
        assert seen.verdict == verdict
        assert explain(read_back, by_id, verdict.order.id) == seen
        refusals = [check.reason for check in seen.checks if not check.ok]
        assert refusals[:1] == ([verdict.reason] if isinstance(verdict, Refused) else [])
    return seen


def test_an_order_is_seen_with_the_account_as_it_was():
    history = bars(*RISING)
    plan = {0: lambda s: s.buy(100), 2: lambda s: (s.sell(40), s.buy(7))}
    records, _, _ = play(scripted(plan), history)
    seen = agree(records, history)
    assert (seen.order.id, seen.at, seen.last) == (3, 3 * HOUR, Decimal(12))
    # 100 bought at the open of bar 1, which is 10; the sale before it is still on its way.
    assert (seen.cash, seen.equity) == (Decimal(99_000), Decimal(100_200))
    assert (seen.reading.held, seen.reading.selling, seen.reading.buying) == (100, 40, 0)


def test_what_was_refused_is_refused_again_by_the_same_rule():
    history = bars(*RISING)
    plan = {0: lambda s: s.buy(60), 1: lambda s: s.buy(50), 2: lambda s: s.buy(40)}
    records, _, _ = play(scripted(plan), history, limits=card(position_quantity_max=100))
    seen = agree(records, history)
    assert isinstance(seen.verdict, Approved)
    refused = explain(records, {X: history}, 2)
    assert refused.verdict.reason is Reason.POSITION
    assert refused.verdict.observed == 110


def test_the_price_is_that_of_the_moment_for_each_instrument():
    first, second = bars(*RISING), bars(50, 40, 30, name=Y, start=2, step=2)
    plan = {1: lambda s: s.buy(1), 2: lambda s: s.sell(1)}
    records, _, _ = play(scripted(plan), first, second)
    agree(records, first, second)


SAID = {
    "nothing": [],
    "accepted": [OrderAccepted(1, HOUR)],
    "filled": [OrderAccepted(1, HOUR), fill_of(1, at=2)],
    "in two": [fill_of(1, at=2, quantity="60"), fill_of(1, at=3, quantity="40", part=2)],
    "told twice": [fill_of(1, at=2), fill_of(1, at=2)],
    "too much": [fill_of(1, at=2, quantity="900")],
    "rejected": [OrderRejected(1, HOUR, "no")],
    "expired": [OrderExpired(1, 2 * HOUR)],
    "fill after cancel": [
        OrderCanceled(1, 2 * HOUR, Decimal(30)),
        fill_of(1, at=3, quantity="30"),
    ],
    "uncertain": [OrderUncertain(1, 2 * HOUR, "line down")],
    "certain again": [OrderUncertain(1, HOUR, "line down"), fill_of(1, at=3)],
    "no cancel": [CancelRejected(1, 2 * HOUR, "never heard of it")],
    "no such cancel": [CancelRejected(77, 2 * HOUR, "never heard of it")],
    "halted": [Halted(2 * HOUR, "ann", "lunch")],
    "resumed": [Halted(HOUR, "ann", "lunch"), Resumed(2 * HOUR, "ann", "back")],
    "not ours": [OrderRejected(77, HOUR, "whose?"), fill_of(88, at=2)],
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID.keys())
@pytest.mark.parametrize(
    "when", [on_time, lambda *events: late(HOUR, *events)], ids=["on time", "late"]
)
def test_whatever_the_venue_said_in_between(said, when):
    """Limits that bind show a wrong count at once: 250 is the position that may come about."""
    history = bars(*RISING)
    plan = {n: lambda s: s.buy(100) for n in range(5)}
    limits = card(position_quantity_max=250, open_orders_max=3)
    records, _, _ = play(scripted(plan), history, limits=limits, script={1: when(*said)})
    agree(records, history)


@pytest.mark.parametrize(
    "said",
    [
        [OrderReplaced(2, 1, 2 * HOUR)],
        [OrderReplaced(2, 1, 2 * HOUR, Decimal(30)), fill_of(1, at=3, quantity="30")],
        [OrderRejected(2, 2 * HOUR, "no")],
        [OrderRejected(2, 2 * HOUR, "no"), fill_of(1, at=3)],
    ],
    ids=["replaced", "partly filled", "refused", "refused, filled"],
)
def test_an_order_and_its_replacement_count_once(said):
    history = bars(*RISING)
    plan = {
        0: lambda s: s.buy(100, limit=9),
        1: lambda s: s.replace(s.asked[0], limit=9.5),
        3: lambda s: s.buy(60),
        4: lambda s: s.buy(60),
    }
    records, _, _ = play(
        scripted(plan),
        history,
        limits=card(position_quantity_max=200),
        script={1: on_time(OrderAccepted(1, HOUR)), 2: on_time(*said)},
    )
    agree(records, history)


def test_a_smaller_replacement_frees_what_it_does_not_ask_for():
    history = bars(*RISING)
    plan = {
        0: lambda s: s.buy(100, limit=9),
        1: lambda s: s.replace(s.asked[0], quantity=40),
        3: lambda s: s.buy(150),
    }
    records, _, _ = play(
        scripted(plan),
        history,
        limits=card(position_quantity_max=200),
        script={2: on_time(OrderReplaced(2, 1, 2 * HOUR))},
    )
    seen = agree(records, history)
    assert isinstance(seen.verdict, Approved)
    assert seen.reading.buying == 40


def test_a_partly_filled_order_works_on_when_its_cancel_comes_too_late():
    history = bars(*RISING)
    plan = {
        0: lambda s: s.buy(100, limit=9),
        2: lambda s: (s.cancel(s.asked[0]), s.log("changed my mind")),
        3: lambda s: s.cancel(s.asked[0]),
        4: lambda s: s.buy(60),
    }
    script = {
        1: on_time(OrderAccepted(1, HOUR), fill_of(1, at=2, quantity="40", price="9")),
        -1: on_time(CancelRejected(1, 3 * HOUR, "too late")),
    }
    records, _, _ = play(scripted(plan), history, script=script)
    seen = agree(records, history)
    assert (seen.reading.held, seen.reading.buying) == (40, 60)


def test_splits_and_dividends_happen_on_the_way():
    history = bars(10, 11, 6, 6, 6, 6)
    actions = (Split(X, 2 * HOUR + 1, Decimal(2)), CashDividend(X, 4 * HOUR + 1, Decimal(1)))
    plan = {
        0: lambda s: (s.buy(100), s.buy(10, limit=4)),
        3: lambda s: s.sell(50),
        4: lambda s: s.buy(1),
    }
    records, _, _ = play(scripted(plan), history, actions=actions)
    seen = agree(records, history)
    # 100 at 10, doubled; 200 were held at the close before the ex-date; then 50 go at 6.
    assert (seen.reading.held, seen.reading.buying) == (150, 20)
    assert seen.cash == 100_000 - 1_000 + 200 + 300


def test_an_order_nobody_made_is_none():
    history = bars(*RISING)
    records, _, _ = play(scripted({0: lambda s: s.buy(1)}), history)
    assert explain(records, {X: history}, 2) is None
    assert explain([], {X: history}, 1) is None


def test_a_journal_without_its_beginning_is_no_journal():
    history = bars(*RISING)
    records, _, _ = play(scripted({0: lambda s: s.buy(1)}), history)
    with pytest.raises(JournalError, match="does not begin with RunStarted"):
        explain(records[1:], {X: history}, 1)


def test_limits_that_were_not_those_of_the_run_are_noticed():
    history = bars(*RISING)
    limits = card(position_quantity_max=100)
    plan = {0: lambda s: s.buy(60), 1: lambda s: s.buy(50)}
    records, _, _ = play(scripted(plan), history, limits=limits)
    started = records[0]
    assert isinstance(started, RunStarted)
    for maximum, what in (("50", "order 1 was approved"), ("500", "order 2 was refused")):
        forged = replace(started, limits={**started.limits, "position_quantity_max": maximum})
        with pytest.raises(JournalError, match=what):
            explain([forged, *records[1:]], {X: history}, 99)
