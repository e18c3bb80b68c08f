"""A glance says yes only where every rule says yes; what it cannot see, the rules decide."""

from collections import Counter
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.risk.account import NOON, SECOND, Account, account, order

from evenkeel.domain.instrument import Instrument
from evenkeel.domain.money import EXACT
from evenkeel.domain.verdict import Approved
from evenkeel.risk import gate
from evenkeel.risk.glance import Card
from evenkeel.risk.limits import UNITS, Limits

RESEARCH = Limits.permissive_for_research()
PRICE = Decimal(100)
YES = Counter()

# Round numbers, so that orders end up exactly on limits; and their neighbours, so that they miss.
amounts = st.sampled_from([0, 1, 5, 10, 20, 50, 100]).map(Decimal)
hairs = st.sampled_from([0, 0, 0, "1e-9", "-1e-9", "1e-12", "-1e-12"]).map(Decimal)


@st.composite
def cards(draw):
    """A card of which each limit is open or near what an order of ten at 100 comes to."""
    near = {
        "order_quantity_max": 10,
        "order_notional_max": 1_000,
        "position_quantity_max": 20,
        "gross_exposure_max": 2_000,
        "net_exposure_max": 2_000,
        "concentration_max": Decimal("0.02"),
        "buying_power_multiple": Decimal("0.02"),
        "orders_per_second_max": 1,
        "orders_per_day_max": 2,
        "duplicate_window_seconds": 2,
        "open_orders_max": 1,
    }
    card = {name: getattr(RESEARCH, name) for name in UNITS}
    for name in draw(st.sets(st.sampled_from(sorted(near)), max_size=4)):
        whole = "orders" in name
        card[name] = near[name] if whole else Decimal(near[name]) + draw(hairs)
    return Limits(**card)


@given(
    card=cards(),
    side=st.sampled_from(["BUY", "SELL"]),
    quantity=amounts,
    held=amounts.flatmap(lambda each: st.sampled_from([each, -each])),
    beside=amounts,
    cash=st.sampled_from([100_000, 99_000, 1_000, 0, -500]).map(Decimal),
    age=st.sampled_from([0, 1, 31 * 86_400, 31 * 86_400 + 1, -1]),
    lot=st.sampled_from([1, 5, "0.1"]).map(Decimal),
    multiplier=st.sampled_from([1, 1, 10]).map(Decimal),
)
def test_a_yes_at_a_glance_is_a_yes_of_every_rule(
    card, side, quantity, held, beside, cash, age, lot, multiplier
):
    portfolio = account(cash=cash, held={"A.XNAS": held, "B.XNAS": beside})
    portfolio.instruments["A.XNAS"] = Instrument("A.XNAS", lot=lot, multiplier=multiplier)
    portfolio.price_times["A.XNAS"] = NOON - age * SECOND
    new = order(side=side, quantity=quantity)
    with localcontext(EXACT):
        seen = Card(card).allows(new, portfolio)
        checks = gate.explain(new, portfolio, card)
        verdict = gate.review(new, portfolio, card)
    YES[seen is not None] += 1
    if seen is not None:
        assert [check for check in checks if not check.ok] == []
        assert verdict == Approved(new, NOON, seen)
    assert isinstance(verdict, Approved) is all(check.ok for check in checks)


def test_the_glances_see_something():
    YES.clear()
    test_a_yes_at_a_glance_is_a_yes_of_every_rule()
    assert YES[True] > YES.total() / 20
    assert YES[False] > YES.total() / 20


@pytest.mark.parametrize(
    ("field", "needed"),
    [
        ("order_quantity_max", 10),
        ("order_notional_max", 1_000),
        ("position_quantity_max", 20),
        ("gross_exposure_max", 2_500),
        ("net_exposure_max", 2_500),
        ("concentration_max", 2_000 / 101_500),
        ("buying_power_multiple", 2_500 / 101_500),
        ("orders_per_second_max", 2),
        ("orders_per_day_max", 2),
        ("open_orders_max", 1),
    ],
)
def test_each_limit_alone_keeps_a_glance_from_saying_yes(field, needed):
    """Ten more at 100, beside ten of the same and five of another, with 100,000 in cash."""
    portfolio = account(held={"A.XNAS": 10, "B.XNAS": 5})
    earlier = order(1, quantity=3)
    portfolio.approve(Approved(earlier, NOON, PRICE))
    portfolio.end(1)
    card = {name: getattr(RESEARCH, name) for name in UNITS}
    steps = (-1, 0) if "orders" in field else (-needed / 1e6, needed / 1e6)
    seen = [
        Card(Limits(**card | {field: needed + step})).allows(order(2), portfolio) for step in steps
    ]
    assert seen == [None, PRICE]


def test_a_glance_does_not_overlook_a_duplicate():
    portfolio = account()
    portfolio.approve(Approved(order(1), NOON, PRICE))
    portfolio.end(1)
    card = {name: getattr(RESEARCH, name) for name in UNITS}
    strict = Card(Limits(**card | {"duplicate_window_seconds": 2}))
    assert strict.allows(order(2), portfolio) is None
    assert strict.allows(order(2, quantity=11), portfolio) == PRICE


@pytest.mark.parametrize(
    ("terms", "changes"),
    [
        ({}, {"halted": "by hand"}),
        ({"instrument": "Z.XNAS"}, {}),
        ({}, {"prices": {"A.XNAS": None}}),
        ({}, {"prices": {"A.XNAS": Decimal("Infinity")}}),
        ({}, {"cash": Decimal(1_000)}),  # exactly at the limit is for the rules to see
        ({"quantity": "NaN"}, {}),
        ({"quantity": "sNaN"}, {}),
        ({"quantity": "Infinity"}, {}),
        ({"quantity": "1E+80"}, {}),
        ({"quantity": "0.5"}, {}),
        ({"quantity": "-1"}, {}),
    ],
)
def test_what_a_glance_leaves_to_the_rules(terms, changes):
    portfolio = account(**changes)
    with localcontext(EXACT):
        assert Card(RESEARCH).allows(order(**terms), portfolio) is None


@pytest.mark.parametrize(
    "terms",
    [{"kind": "LIMIT", "limit_price": 100}, {"limit_price": 100}, {"replaces": 7}, {"parent": 7}],
)
def test_only_a_plain_order_is_looked_at(terms):
    class Watched(Account):
        def glance(self, instrument_id):
            raise AssertionError(instrument_id)

    plain = account()
    portfolio = Watched(plain.instruments, plain.prices)
    with localcontext(EXACT):
        gate.review(order(**terms), portfolio, RESEARCH)
        with pytest.raises(AssertionError):
            gate.review(order(), portfolio, RESEARCH)
