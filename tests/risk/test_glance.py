"""A glance says yes only where every rule says yes; what it cannot see, the rules decide."""

from collections import Counter
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.risk.account import NOON, SECOND, account, order

from evenkeel.domain.instrument import Instrument
from evenkeel.domain.money import EXACT
from evenkeel.domain.verdict import Approved, Reason
from evenkeel.risk import gate
from evenkeel.risk.glance import Card, Figures
from evenkeel.risk.limits import UNITS, Limits
from evenkeel.risk.rules import ALONE, WORST

RESEARCH = Limits.permissive_for_research()
PRICE = Decimal(100)
YES, LET = Counter(), Counter()
SIZES = {reason for reason, _ in (*ALONE, *WORST)}

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


def sees(card, new, portfolio):
    seen = portfolio.glance(new.instrument)
    return (False, False) if seen is None else Card(card).sees(new, seen)


def hold(card, new, portfolio):
    """Hold a glance, and the gate that takes its word, against every rule."""
    with localcontext(EXACT):
        passes, carried = sees(card, new, portfolio)
        checks = gate.explain(new, portfolio, card)
        verdict = gate.Gate(card).review(new, portfolio)
    YES[passes, carried] += 1
    said = {check.reason: check.ok for check in checks}
    if passes:
        assert all(said[reason] for reason, _ in ALONE)
    if carried:
        assert all(said[reason] for reason, _ in WORST)
    failed = [check.reason for check in checks if not check.ok]
    reason = None if isinstance(verdict, Approved) else verdict.reason
    assert reason == (failed[0] if failed else None)


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
    hold(card, order(side=side, quantity=quantity), portfolio)


@given(
    card=cards(),
    side=st.sampled_from(["BUY", "SELL"]),
    quantity=amounts,
    held=amounts.flatmap(lambda each: st.sampled_from([each, -each])),
    beside=amounts,
    cash=st.sampled_from([100_000, 99_000, 1_000, 0, -500]).map(Decimal),
    multiplier=st.sampled_from([1, 1, 10]).map(Decimal),
)
def test_what_is_let_pass_passes_every_rule(card, side, quantity, held, beside, cash, multiplier):
    """The figures of an order that is alone in its account, in doubles; whole lots, fresh price."""
    portfolio = account(cash=cash, held={"A.XNAS": held, "B.XNAS": beside})
    portfolio.instruments["A.XNAS"] = Instrument("A.XNAS", multiplier=multiplier)
    new, guard = order(side=side, quantity=quantity), gate.Gate(card)
    unit = float(portfolio.price("A.XNAS") * multiplier)
    others = float(beside * portfolio.price("B.XNAS"))
    after = held + quantity if side == "BUY" else held - quantity
    most = float(max(abs(held), abs(after)))
    gross, equity = others + most * unit, float(cash) + others + float(held) * unit
    money = gross + abs(float(cash))
    passes = guard.lets(Figures(float(quantity), unit, most, most * unit, gross, equity, money))
    LET[passes] += 1
    if passes:
        with localcontext(EXACT):
            checks = gate.explain(new, portfolio, card)
        assert all(each.ok for each in checks if each.reason in SIZES)


def test_a_permit_is_for_orders_that_passed_and_for_no_others():
    guard, rich = gate.Gate(RESEARCH), Figures(1, 1, 1, 1, 1, equity=100, money=1)
    with pytest.raises(ValueError, match="has let 0 orders pass, not 1"):
        guard.permit(range(1, 2))
    assert guard.lets(rich, orders=3)
    assert not guard.lets(replace(rich, equity=0.5), orders=3)
    permit = guard.permit(range(1, 3))
    first = order(1)
    assert permit.approved(first, NOON, PRICE) == Approved(first, NOON, PRICE)
    assert permit.approved(first, NOON, PRICE) == Approved(first, NOON, PRICE)
    with pytest.raises(ValueError, match="has not let order 3 pass"):
        permit.approved(order(3), NOON, PRICE)
    with pytest.raises(ValueError, match="has let 1 orders pass, not 2"):
        guard.permit(range(3, 5))


@st.composite
def others(draw):
    """Orders that work already, in two instruments, some of them exits of others."""
    made = []
    for number in range(1, draw(st.integers(1, 4))):
        terms = {"side": draw(st.sampled_from(["BUY", "SELL"])), "quantity": draw(amounts) + 1}
        if made and draw(st.booleans()):
            terms["parent"] = draw(st.sampled_from(made)).id
        made.append(order(number, draw(st.sampled_from(["A.XNAS", "B.XNAS"])), **terms))
    return made


@given(
    card=cards(),
    side=st.sampled_from(["BUY", "SELL"]),
    quantity=amounts,
    held=amounts.flatmap(lambda each: st.sampled_from([each, -each])),
    terms=st.sampled_from(
        [
            {},
            {"kind": "LIMIT", "limit_price": 101},
            {"kind": "LIMIT", "limit_price": 50},
            {"kind": "STOP", "stop_price": 150},
            {"kind": "STOP", "stop_price": "NaN"},
            {"replaces": 1},
            {"parent": 1},
            {"oca_group": 1},
        ]
    ),
    working=others(),
    reserve=st.sampled_from([100, 150]).map(Decimal),
)
def test_what_the_book_carries_at_a_glance_it_carries_exactly(
    card, side, quantity, held, terms, working, reserve
):
    portfolio = account(held={"A.XNAS": held, "B.XNAS": 5})
    for each in working:
        portfolio.approve(Approved(each, NOON, reserve))
    hold(card, order(9, side=side, quantity=quantity, **terms), portfolio)


def test_the_glances_see_something():
    YES.clear()
    test_a_yes_at_a_glance_is_a_yes_of_every_rule()
    test_what_the_book_carries_at_a_glance_it_carries_exactly()
    for answers in ((True, True), (False, True), (False, False)):
        assert YES[answers] > YES.total() / 20
    LET.clear()
    test_what_is_let_pass_passes_every_rule()
    assert min(LET[True], LET[False]) > LET.total() / 20


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
    ],
)
def test_each_limit_alone_keeps_a_glance_from_saying_yes(field, needed):
    """Ten more at 100, beside ten of the same and five of another, with 100,000 in cash."""
    portfolio = account(held={"A.XNAS": 10, "B.XNAS": 5})
    card = {name: getattr(RESEARCH, name) for name in UNITS}
    steps = (-needed / 1e6, needed / 1e6)
    with localcontext(EXACT):
        seen = [
            sees(Limits(**card | {field: needed + step}), order(2), portfolio) for step in steps
        ]
    assert seen[1] == (True, True)
    assert seen[0] != (True, True)


@pytest.mark.parametrize(
    ("held", "working", "reserve", "new", "gross"),
    [
        (0, ("BUY", 10), 150, ("BUY", 1), 1_600),  # what was reserved dear stays dear
        (10, ("SELL", 10), 100, ("SELL", 50), 5_000),  # the exit is taken: this goes short
        (-10, ("BUY", 10), 100, ("BUY", 50), 5_000),
        (10, ("SELL", 10), 150, ("BUY", 1), 1_100),  # an exit above the market makes no short
        (-10, ("BUY", 10), 150, ("SELL", 1), 1_100),
        (0, ("SELL", 10), 150, ("SELL", 1), 1_600),
        (0, ("BUY", 10), 50, ("BUY", 1), 1_100),  # what was reserved cheap has become dearer
        (0, ("SELL", 10), 50, ("SELL", 1), 1_100),
    ],
)
def test_orders_at_work_count_as_the_rules_count_them(held, working, reserve, new, gross):
    portfolio = account(held={"A.XNAS": held})
    first = order(1, side=working[0], quantity=working[1])
    portfolio.approve(Approved(first, NOON, Decimal(reserve)))
    card = {name: getattr(RESEARCH, name) for name in UNITS}
    steps = (-gross / 1e6, gross / 1e6)
    cards = [Limits(**card | {"gross_exposure_max": gross + step}) for step in steps]
    second = order(2, side=new[0], quantity=new[1])
    with localcontext(EXACT):
        assert [sees(each, second, portfolio)[1] for each in cards] == [False, True]
        verdicts = [gate.Gate(each).review(second, portfolio) for each in cards]
    assert [isinstance(each, Approved) for each in verdicts] == [False, True]


def test_a_position_that_nearly_covers_another_is_not_seen_from_afar():
    """One unit more than doubles can tell: the short of 2^53 and the buy of 2^53 + 1 beside it."""
    portfolio = account(cash="1e20", held={"A.XNAS": -(2**53)})
    portfolio.approve(Approved(order(1, quantity=2**53 + 1), NOON, PRICE))
    card = {name: getattr(RESEARCH, name) for name in UNITS} | {"position_quantity_max": "10.5"}
    with localcontext(EXACT):
        assert sees(Limits(**card), order(2), portfolio) == (False, False)
        verdict = gate.Gate(Limits(**card)).review(order(2), portfolio)
    assert (verdict.reason, verdict.observed) == (Reason.POSITION, 11)


def test_a_card_is_read_exactly_however_its_reader_rounds():
    """99 seconds and 101, which in one digit are both a hundred."""
    card = {name: getattr(RESEARCH, name) for name in UNITS} | {"price_age_max_seconds": 99}
    with localcontext(prec=1):
        guard = gate.Gate(Limits(**card))
        paced = gate.Gate(Limits(**card | {"duplicate_window_seconds": 101}))
    portfolio = account(price_times={"A.XNAS": NOON - 100 * SECOND})
    with localcontext(EXACT):
        assert guard.review(order(), portfolio).reason is Reason.PRICE_STALE
    passes = [paced.keeps_pace(1, 1, 1, since * SECOND) for since in (101, 102)]
    assert passes == [False, True]


def test_next_to_a_fortune_a_cent_is_not_seen_from_afar():
    """Ten at 100 beside 10^15 dollars of another are a cent beyond; a double there has steps of 0.125."""
    portfolio = account(cash="1e17", held={"B.XNAS": 10**13})
    card = {name: getattr(RESEARCH, name) for name in UNITS}
    card["gross_exposure_max"] = "1000000000000999.99"
    with localcontext(EXACT):
        assert sees(Limits(**card), order(2), portfolio) == (False, False)
        verdict = gate.Gate(Limits(**card)).review(order(2), portfolio)
    assert (verdict.reason, verdict.observed) == (Reason.GROSS_EXPOSURE, 10**15 + 1_000)


@pytest.mark.parametrize(
    ("field", "limit", "reason"),
    [
        ("orders_per_second_max", 1, Reason.ORDERS_PER_SECOND),
        ("orders_per_day_max", 1, Reason.ORDERS_PER_DAY),
        ("duplicate_window_seconds", 2, Reason.DUPLICATE),
        ("open_orders_max", 0, Reason.OPEN_ORDERS),
    ],
)
def test_the_pace_is_always_asked_for(field, limit, reason):
    portfolio = account()
    portfolio.approve(Approved(order(1), NOON, PRICE))
    portfolio.end(1)
    card = Limits(**{name: getattr(RESEARCH, name) for name in UNITS} | {field: limit})
    with localcontext(EXACT):
        assert sees(card, order(2), portfolio) == (True, True)
        assert gate.Gate(card).review(order(2), portfolio).reason is reason


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
        assert sees(RESEARCH, order(**terms), portfolio) != (True, True)
