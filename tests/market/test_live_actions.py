"""What companies do during a run: each action once, whoever tells it, and contradictions aloud."""

from datetime import date
from decimal import Decimal

import pytest

from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.instrument_events import Delisted, StockDividend
from evenkeel.market.actions import due
from evenkeel.market.live_actions import ActionsTold
from evenkeel.market.provider import Adjustment, Answer, Origin

A = "A.XNAS"


def day(number):
    return due(date(2024, 1, number), "XNAS")


def told(*answers):
    """What is known after some answers, each (source, adjustment, actions), and what was said."""
    said = []
    known = ActionsTold(said.append)
    for source, adjustment, *actions in answers:
        origin = Origin(source=source, fetched_at=0, currency="USD", adjustment=adjustment)
        known.take(Answer(tuple(actions), origin))
    return known.all, said


RAW, DIVIDED = Adjustment.AS_TRADED, Adjustment.SPLIT


def test_what_is_told_again_is_one_action():
    split, paid = Split(A, day(30), Decimal(4)), CashDividend(A, day(9), Decimal("0.24"))
    assert told(("a", RAW, paid, split), ("b", RAW, split), ("a", RAW, paid)) == ([paid, split], [])


def test_two_dividends_of_one_day_are_two_and_two_days_are_two():
    usual, special = (CashDividend(A, day(9), Decimal(each)) for each in ("0.24", "3"))
    later = CashDividend(A, day(10), Decimal("0.24"))
    known, said = told(("a", RAW, usual, special), ("a", RAW, usual, special, later))
    assert (known, said) == ([usual, special, later], [])


def test_a_split_that_two_sources_date_differently_happens_once():
    """Netflix's 7:1 stands on July 14 in one feed and on July 15, its ex-date, in others."""
    known, said = told(
        ("a", RAW, Split(A, day(15), Decimal(7))),
        ("b", RAW, Split(A, day(14), Decimal(14), Decimal(2))),
    )
    assert known == [Split(A, day(15), Decimal(7))]
    assert len(said) == 1
    assert said[0].startswith("b tells of Split")


@pytest.mark.parametrize(
    "other",
    [
        Split(A, day(30), Decimal(7)),
        Split("B.XNAS", day(15), Decimal(7)),
        Split(A, day(15), Decimal(2)),
    ],
    ids=["two weeks later", "of another company", "at another ratio"],
)
def test_other_splits_are_others(other):
    first = Split(A, day(15), Decimal(7))
    known, said = told(("a", RAW, first), ("b", RAW, other))
    contradicts = (other.instrument, other.at) == (first.instrument, first.at)
    assert known == ([first] if contradicts else [first, other])
    assert len(said) == contradicts


def test_a_stock_dividend_is_the_split_that_another_source_makes_of_it():
    known, said = told(
        ("a", RAW, StockDividend(A, day(15), Decimal("0.05"))),
        ("b", RAW, Split(A, day(15), Decimal(21), Decimal(20))),
    )
    assert (known, said) == ([StockDividend(A, day(15), Decimal("0.05"))], [])


def test_dividends_divided_by_a_later_split_are_what_was_paid():
    """Apple paid 3.29 in May 2014; after the 7:1 of June sources say 0.47."""
    may, june = due(date(2014, 5, 8), "XNAS"), due(date(2014, 6, 9), "XNAS")
    split = Split(A, june, Decimal(7))
    paid, restated = (CashDividend(A, may, Decimal(each)) for each in ("3.29", "0.47"))
    assert told(("a", DIVIDED, restated, split)) == ([paid, split], [])
    assert told(("a", DIVIDED, paid), ("a", DIVIDED, restated, split)) == ([paid, split], [])
    rounded = CashDividend(A, may, Decimal("0.4699"))
    assert told(("a", DIVIDED, paid), ("a", DIVIDED, rounded, split)) == ([paid, split], [])


def test_another_amount_is_said_and_changes_nothing():
    first, other = (CashDividend(A, day(9), Decimal(each)) for each in ("0.24", "0.25"))
    known, said = told(("a", RAW, first), ("b", RAW, other))
    assert known == [first]
    assert "0.25" in said[0]
    assert "0.24" in said[0]


def test_a_file_may_tell_anything():
    gone = Delisted(A, day(9))
    assert told(("actions.csv", RAW, gone), ("actions.csv", RAW, gone)) == ([gone], [])
