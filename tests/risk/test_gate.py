"""The gate asks every rule, names the first that fails, and passes nothing it cannot compute."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.risk.account import NOON, account, order

from evenkeel.domain.money import EXACT, INFINITY
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.risk import gate
from evenkeel.risk.limits import UNITS, Limits

RESEARCH = Limits.permissive_for_research()
STRICT = Limits(**dict.fromkeys(UNITS, 0))


def both(new, portfolio, limits):
    with localcontext(EXACT):
        return gate.Gate(limits).review(new, portfolio), gate.explain(new, portfolio, limits)


def test_an_approval_carries_order_moment_and_reserve_price():
    new = order(kind="LIMIT", limit_price=101)
    verdict, checks = both(new, account(), RESEARCH)
    assert verdict == Approved(new, NOON, Decimal(101))
    assert all(check.ok for check in checks)


def test_the_first_rule_that_fails_wins():
    new = order(instrument="Z.XNAS", quantity="NaN")
    verdict, checks = both(new, account(halted="by hand"), STRICT)
    assert verdict == Refused(new, NOON, Reason.HALTED, "not halted", "halted: by hand")
    assert [check.reason for check in checks] == list(Reason)
    verdict, _ = both(new, account(), STRICT)
    assert verdict.reason is Reason.INSTRUMENT_UNKNOWN


def test_every_rule_answers_for_an_instrument_that_nobody_knows():
    new = order(instrument="Z.XNAS", kind="LIMIT", limit_price=10)
    _, checks = both(new, account(), STRICT)
    failed = {check.reason: check.observed for check in checks if not check.ok}
    assert failed[Reason.QUANTITY_INVALID] == "unknown instrument"
    assert failed[Reason.TERMS_INVALID] == "unknown instrument"
    assert failed[Reason.ORDER_NOTIONAL] == "unknown instrument Z.XNAS"
    assert failed[Reason.PRICE_COLLAR] == "no price"
    assert failed[Reason.CONCENTRATION] == "unknown instrument Z.XNAS"


def test_what_cannot_be_computed_is_refused_by_the_rule_that_could_not():
    new = order(quantity="1E+80")
    verdict, checks = both(new, account(), RESEARCH)
    expected = (Reason.QUANTITY_INVALID, "a computable number", "not computable")
    assert (verdict.reason, verdict.limit, verdict.observed) == expected
    assert not next(check.ok for check in checks if check.reason is Reason.QUANTITY_INVALID)


def test_an_unlimited_field_is_not_measured():
    _, checks = both(order(), account(), RESEARCH)
    unmeasured = {check.reason for check in checks if check.observed == "not measured"}
    assert {reason.value for reason in unmeasured} == set(UNITS) - RESEARCH.bounding


SIDES = st.sampled_from(["BUY", "SELL"])
QUANTITIES = st.sampled_from([1, 5, 10, 50, 1_000, 10**9, 0, -1, "0.5", "NaN", "Infinity", "1E+99"])
PRICES = st.sampled_from([None, 0, -1, "NaN", "Infinity", "1E+99", "1E-99", 95, 100, 105])
LIMIT = st.sampled_from([0, 1, 10, 100, 1_000, 10_000, INFINITY])


@st.composite
def cards(draw):
    finite = {"price_age_max_seconds", "buying_power_multiple", "duplicate_window_seconds"}
    return Limits(
        **{name: draw(st.sampled_from([0, 1, 5]) if name in finite else LIMIT) for name in UNITS}
    )


@given(
    SIDES, QUANTITIES, st.sampled_from(["MARKET", "LIMIT", "STOP"]), PRICES, cards(), st.booleans()
)
def test_review_and_explain_agree(side, quantity, kind, price, limits, holding):
    """Skipping what is unlimited changes no verdict, and no order makes the gate raise."""
    name = {"MARKET": None, "LIMIT": "limit_price", "STOP": "stop_price"}[kind]
    prices = {name: price} if name and price is not None else {}
    new = order(2, side=side, quantity=quantity, kind=kind, **prices)
    portfolio = account(held={"A.XNAS": 20, "B.XNAS": -20} if holding else None)
    portfolio.approve(Approved(order(1, "B.XNAS"), NOON, Decimal(100)))
    verdict, checks = both(new, portfolio, limits)
    failed = next((check for check in checks if not check.ok), None)
    if failed is None:
        assert isinstance(verdict, Approved)
    else:
        expected = (failed.reason, failed.limit, failed.observed)
        assert (verdict.reason, verdict.limit, verdict.observed) == expected


@pytest.mark.parametrize("price", [None, "NaN", 0])
def test_a_missing_price_is_never_a_pass(price):
    portfolio = account(prices={"A.XNAS": price})
    verdict, _ = both(order(), portfolio, RESEARCH)
    assert verdict.reason is Reason.PRICE_STALE
