"""What somebody should have looked at: raised once, and ended by what settles it."""

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.journal.sample import ORDER, a_run, fill

from evenkeel.domain.events import (
    CancelRejected,
    Halted,
    LiquidationForced,
    MarginCalled,
    Noted,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    Resumed,
    is_alarming,
)
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Reason, Refused
from evenkeel.reports.alerts import alerts

D = Decimal
HALT, UNSURE = Halted(3, "anna", "lunch"), OrderUncertain(1, 3, "no answer")


def told(*records):
    """Kind, what it is about, and the records that raised and ended each alert."""
    return [
        (row["kind"], row["about"], row["sequence"], row["ended_by"], row["ended_at"])
        for row in alerts(enumerate(records, 1))
    ]


def refused(reason, instrument="AAPL.XNAS"):
    return Refused(replace(ORDER, instrument=instrument), 4, reason, D(60), D(90))


def test_a_halt_lasts_until_somebody_resumes():
    assert told(HALT, Noted(4, "s", "x"), Resumed(5, "ben", "")) == [("Halted", "account", 1, 3, 5)]
    assert told(HALT) == [("Halted", "account", 1, None, None)]


def test_a_halt_during_a_halt_is_the_same_alert_and_one_after_it_another():
    assert told(HALT, HALT, Resumed(5, "ben", ""), HALT) == [
        ("Halted", "account", 1, 3, 5),
        ("Halted", "account", 4, None, None),
    ]


@pytest.mark.parametrize(
    "word",
    [
        OrderAccepted(1, 9),
        OrderRejected(1, 9, ""),
        OrderCanceled(1, 9),
        OrderExpired(1, 9),
        OrderReplaced(2, 1, 9),
        OrderReplaced(1, 0, 9),
        fill("a", Side.BUY, 1, "1", 9),
    ],
    ids=str,
)
def test_what_the_venue_says_of_an_order_ends_the_doubt(word):
    assert told(UNSURE, word) == [("OrderUncertain", "order:1", 1, 2, 9)]


@pytest.mark.parametrize(
    "word", [CancelRejected(1, 9, ""), OrderAccepted(2, 9), Resumed(9, "b", "")]
)
def test_what_says_nothing_of_the_order_does_not(word):
    """That a cancel was refused tells nothing of what became of the order; see `engine/working`."""
    assert told(UNSURE, word) == [("OrderUncertain", "order:1", 1, None, None)]


def test_nothing_on_record_ends_a_margin_call_and_each_is_one():
    call, forced = MarginCalled(3, D(900), D("1000.50")), LiquidationForced(4, D(800), D(1000))
    assert told(call, forced, call, Resumed(9, "ben", "")) == [
        ("MarginCalled", "account", 1, None, None),
        ("LiquidationForced", "account", 2, None, None),
        ("MarginCalled", "account", 3, None, None),
    ]
    assert [row[0] for row in told(HALT, call)] == ["Halted", "MarginCalled"]
    (row,) = alerts([(1, call)])
    assert (row["text"], row["at"]) == ("equity 900 is below the margin 1000.5", 3)


@pytest.mark.parametrize("reason", [Reason.PRICE_STALE, Reason.INSTRUMENT_QUARANTINED])
def test_data_in_doubt_is_one_alert_until_an_order_gets_through(reason):
    no = refused(reason)
    assert told(no, no, replace(ORDER, instrument="B.XNAS"), no, ORDER, no) == [
        ("Refused", "AAPL.XNAS", 1, 5, ORDER.created_at),
        ("Refused", "AAPL.XNAS", 6, None, None),
    ]
    assert alerts([(1, no)])[0]["text"] == f"refused: {reason.value}"


def test_instruments_are_in_doubt_each_by_itself():
    no = Reason.PRICE_STALE
    assert [row[1] for row in told(refused(no), refused(no, "B.XNAS"))] == ["AAPL.XNAS", "B.XNAS"]


@pytest.mark.parametrize("reason", [each for each in Reason if "stale" not in each.value])
def test_a_limit_that_did_its_work_is_no_alert(reason):
    if reason is not Reason.INSTRUMENT_QUARANTINED:
        assert told(refused(reason)) == []


def test_what_is_told_to_the_log_as_a_warning_is_what_raises_an_alert():
    records = a_run()
    rows = told(*records)
    assert [row[0] for row in rows] == [
        type(each).__name__ for each in records if is_alarming(each)
    ]
    assert [row[0] for row in rows] == [
        "MarginCalled",
        "LiquidationForced",
        "Halted",
        "OrderUncertain",
    ]


def test_words_say_who_and_why():
    assert [row["text"] for row in alerts([(1, HALT), (2, UNSURE)])] == [
        "halted by anna: lunch",
        "no answer",
    ]
