"""What loans cost, by sums done by hand."""

from datetime import date
from decimal import Decimal

import pytest

from evenkeel.domain.errors import UsageError
from evenkeel.execution.financing import (
    Margin,
    charge,
    day_of,
    parse_margin,
    parse_rates,
    parse_terms,
)

D = Decimal


def day(written):
    return (date.fromisoformat(written) - date(1970, 1, 1)).days


def test_six_percent_on_ten_thousand_for_three_days():
    assert charge(D(10_000), D(6), 3) == D("5")
    assert charge(D(10_000), D("5.83"), 1) == D("1.61944444")


def test_a_rate_holds_from_its_day_on():
    rates = parse_rates("1.58,2022-05-05:2.33", of="interest")
    assert [rates.on(day(d)) for d in ("2020-01-01", "2022-05-04", "2022-05-05")] == [
        D("1.58"),
        D("1.58"),
        D("2.33"),
    ]


def test_days_of_one_rate_are_told_together():
    rates = parse_rates("1,2022-05-05:2", of="interest")
    first = day("2022-05-03")
    assert list(rates.stretches(first, first + 3)) == [(D(1), 2), (D(2), 1)]
    assert list(rates.stretches(first, first + 1)) == [(D(1), 1)]


def test_a_share_that_is_hard_to_borrow_has_its_own_rate():
    rates = parse_rates("0.5,GME.XNYS=30", of="borrow")
    assert rates.on(0, "GME.XNYS") == 30
    assert rates.on(0, "IBM.XNYS") == D("0.5")


def test_the_first_day_known_stands_for_the_days_before():
    assert parse_rates("2022-05-05:2", of="interest").on(0) == 2


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("none", "none"),
        ("", "none"),
        ("6", "6"),
        (" 6.50 ", "6.5"),
        ("1.58, 2022-05-05:2.33", "1.58,2022-05-05:2.33"),
        ("0.5,GME.XNYS=30", "0.5,GME.XNYS=30"),
    ],
)
def test_rates_are_named_by_the_text_that_makes_them(text, name):
    rates = parse_rates(text, of="interest")
    assert rates.name == name
    assert parse_rates(rates.name, of="interest") == rates
    assert bool(rates) is (name != "none")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("six", "interest: 'six' is not a number; write it as in 6 or"),
        ("-1", "interest must be at least 0"),
        ("1,2", "one after the other"),
        ("1,2022-05-05:2,2022-05-04:3", "one after the other"),
        ("1,may:2", "'may' is not a day"),
        ("GME.XNYS=30", "needs a rate for all others first"),
        ("1,GME.XNYS=3,GME.XNYS=4", "GME.XNYS is given twice; give it once"),
        ("1e400", "interest: '1e400' is beyond any rate; write it as in"),
    ],
)
def test_a_wrong_rate_is_told_how_to_write_it(text, says):
    with pytest.raises(UsageError, match=says):
        parse_rates(text, of="interest")


def test_midnight_ends_a_day():
    noon = 43_200 * 10**9
    assert [day_of(noon), day_of(2 * noon), day_of(2 * noon + 1)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("text", "margin", "name"),
    [
        ("none", Margin(enforced=False), "none"),
        ("reg-t", Margin(), "reg-t"),
        ("reg-t:0.25", Margin(), "reg-t"),
        ("reg-t:long=0.4", Margin(long=D("0.4")), "reg-t:long=0.4"),
    ],
)
def test_a_margin_is_named_by_its_text(text, margin, name):
    assert parse_margin(text) == margin
    assert parse_margin(margin.name) == margin
    assert margin.name == name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("regt", "did you mean 'reg-t'"),
        ("reg-t:25", "margin long must be below 1"),
        ("reg-t:short=-1", "margin short must be at least 0"),
    ],
)
def test_a_wrong_margin_is_told_what_there_is(text, says):
    with pytest.raises(UsageError, match=says):
        parse_margin(text)


def test_money_is_of_no_instrument():
    with pytest.raises(UsageError, match=r"interest '6,GME.XNYS=30' is on money"):
        parse_terms(interest="6,GME.XNYS=30", borrow="0.5", margin="reg-t")


def test_terms_stand_in_the_journal_by_name():
    terms = parse_terms(interest="6", borrow="0.5", margin="reg-t")
    assert terms.as_settings() == {"interest": "6", "borrow": "0.5", "margin": "reg-t"}


def test_terms_that_charge_nothing_are_no_terms():
    assert not parse_terms(interest="none", borrow="none", margin="none")
    for said in ({"interest": "6"}, {"borrow": "1"}, {"margin": "reg-t"}):
        assert parse_terms(**{"interest": "none", "borrow": "none", "margin": "none", **said})
