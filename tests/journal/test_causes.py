"""From bar to profit: each record knows what it came from, and the chain is the same on every path."""

from decimal import Decimal

import pytest
from hypothesis import given
from msgspec.structs import replace
from tests.journal.sample import ORDER, a_run, any_record

from evenkeel.domain.events import (
    CancelRejected,
    CancelRequested,
    OrderAccepted,
    OrderCanceled,
    OrderReplaced,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.journal.causes import Cause, Causes
from evenkeel.journal.chain import links
from evenkeel.journal.replay import decode, read

D = Decimal


def causes_of(records):
    """As somebody reads them who has the journal and nothing else."""
    causes = Causes()
    entries = read(linked.line for linked in links(records))
    return [causes.of(entry.sequence, decode(entry)) for entry in entries]


def order(number, **facts):
    return Approved(replace(ORDER, id=number, created_at=10 * number, **facts), 10 * number, D(1))


def fill(order_id):
    return Fill(f"f{order_id}", order_id, "AAPL.XNAS", Side.BUY, D(1), D(1), "USD", 99)


def test_an_order_comes_from_its_bar_and_a_fill_from_its_order():
    assert causes_of([order(7), OrderAccepted(7, 71), fill(7)]) == [
        Cause("order:7", bar_at=70),
        Cause("order:7", record=1),
        Cause("order:7", record=1),
    ]


def test_a_refusal_comes_from_its_bar_too():
    refused = Refused(replace(ORDER, id=3, created_at=30), 30, Reason.HALTED, D(0), D(1))
    assert causes_of([refused]) == [Cause("order:3", bar_at=30)]


def test_a_cancel_comes_from_the_request():
    asked = [order(7), CancelRequested(7, 80, "sma")]
    for answer in (OrderCanceled(7, 81), CancelRejected(7, 81, "late")):
        causes = causes_of([*asked, answer])
        assert causes[1:] == [Cause("order:7", bar_at=80), Cause("order:7", record=2)]
    assert causes_of([order(7), OrderCanceled(7, 81)])[1] == Cause("order:7", record=1)


def test_a_family_of_orders_is_one_decision():
    """A bracket: the entry, the target and the stop that live by it, and what takes their place."""
    family = [
        order(1),
        order(2, parent=1, oca_group=2),
        order(3, parent=1, oca_group=2),
        order(4, replaces=3),
        OrderReplaced(4, 3, 45),
        fill(4),
        order(5),
        order(6, oca_group=6),
        order(7, oca_group=6),
    ]
    causes = causes_of(family)
    assert [cause.correlation for cause in causes] == ["order:1"] * 6 + [
        "order:5",
        "order:6",
        "order:6",
    ]
    assert [cause.record for cause in causes[4:6]] == [4, 4]


def test_an_order_that_is_gone_leaves_its_number():
    assert causes_of([fill(7)]) == [Cause("order:7")]


def test_what_came_from_outside_is_a_decision_of_its_own():
    records = a_run()
    told = {type(r).__name__: c for r, c in zip(records, causes_of(records), strict=True)}
    assert told["RunStarted"] == told["RunEnded"] == Cause("run")
    assert told["Noted"] == Cause("record:2", bar_at=2)
    for kind in ("Split", "InterestCharged", "MarginCalled", "Halted", "OperatorActed"):
        number = [type(record).__name__ for record in records].index(kind) + 1
        assert told[kind] == Cause(f"record:{number}")


@given(any_record)
def test_every_kind_of_record_has_an_answer(record):
    (cause,) = causes_of([record])
    assert cause.correlation.partition(":")[0] in {"order", "record", "run"}


@pytest.mark.parametrize("stop", range(1, len(a_run())))
def test_a_cause_does_not_depend_on_what_comes_later(stop):
    assert causes_of(a_run()[:stop]) == causes_of(a_run())[:stop]
