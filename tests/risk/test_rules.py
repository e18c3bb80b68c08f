"""Each rule at its limit, and at one step to either side of it."""

from decimal import Decimal, localcontext

import pytest
from tests.risk.account import DAY, NOON, SECOND, account, order

from evenkeel.domain.instrument import Instrument
from evenkeel.domain.money import EXACT
from evenkeel.domain.order import TimeInForce
from evenkeel.domain.verdict import Approved, Reason
from evenkeel.risk import gate
from evenkeel.risk.case import reserve_price
from evenkeel.risk.limits import UNITS, Limits
from evenkeel.risk.rules import RULES


def card(**limits):
    """The permissive card with some limits set; buying power to spare unless it is one of them."""
    generous = {"buying_power_multiple": 1_000_000}
    return Limits(**Limits.permissive_for_research().as_text() | generous | limits)


def send(portfolio, *orders, reserve=100):
    """Put orders in flight, approved when they were created."""
    for each in orders:
        portfolio.approve(Approved(each, each.created_at, Decimal(reserve)))
    return portfolio


def review(new, portfolio, limits):
    with localcontext(EXACT):
        return gate.Gate(limits).review(new, portfolio)


def refusal(new, portfolio, limits=None):
    """Why the order is refused, None when it is approved."""
    verdict = review(new, portfolio, limits or card())
    return None if isinstance(verdict, Approved) else verdict.reason


def check(reason, new, portfolio, limits):
    with localcontext(EXACT):
        checks = {each.reason: each for each in gate.explain(new, portfolio, limits)}
    return checks[reason]


def test_there_is_one_rule_a_reason_in_the_order_of_reasons():
    assert [reason for reason, _ in RULES] == list(Reason)


def test_every_limit_of_the_card_has_a_rule():
    """All but the age of a price carry the field's name, which lets the gate skip the unlimited."""
    named = {reason.value for reason in Reason}
    assert set(UNITS) - named == {"price_age_max_seconds"}


# ---- the account and the instrument ----


def test_nothing_passes_while_trading_is_halted_not_even_a_way_out():
    portfolio = account(held={"A.XNAS": 10}, halted="drawdown")
    verdict = review(order(side="SELL"), portfolio, card())
    assert verdict.reason is Reason.HALTED
    assert verdict.observed == "halted: drawdown"


def test_an_unknown_instrument_is_refused():
    verdict = review(order(instrument="Z.XNAS"), account(), card())
    assert (verdict.reason, verdict.observed) == (Reason.INSTRUMENT_UNKNOWN, "Z.XNAS")


def test_an_instrument_that_is_not_tradable_is_refused():
    portfolio = account()
    portfolio.instruments["A.XNAS"] = Instrument("A.XNAS", tradable=False)
    assert refusal(order(), portfolio) is Reason.INSTRUMENT_NOT_TRADABLE


def test_an_instrument_whose_data_is_in_doubt_is_refused_for_that():
    portfolio = account()
    portfolio.instruments["A.XNAS"] = Instrument("A.XNAS").quarantined("unit (3f0c9a51d2)")
    verdict = review(order(), portfolio, card())
    assert verdict.reason is Reason.INSTRUMENT_QUARANTINED
    assert (verdict.limit, verdict.observed) == ("data in order", "unit (3f0c9a51d2)")


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (0, None),
        (60 * SECOND - 1, None),
        (60 * SECOND, None),
        (60 * SECOND + 1, Reason.PRICE_STALE),
        (-1, Reason.PRICE_STALE),  # known before it happened: somebody looks ahead
    ],
)
def test_a_price_is_fresh_for_so_long(age, reason):
    portfolio = account(price_times={"A.XNAS": NOON - age})
    assert refusal(order(), portfolio, card(price_age_max_seconds=60)) is reason


def test_the_age_is_observed_in_seconds():
    portfolio = account(price_times={"A.XNAS": NOON - 90 * SECOND})
    verdict = review(order(), portfolio, card(price_age_max_seconds=60))
    assert (verdict.limit, verdict.observed) == (60, 90)


@pytest.mark.parametrize("price", [None, 0, -1, "NaN", "Infinity"])
def test_what_is_no_price_is_stale(price):
    assert refusal(order(), account(prices={"A.XNAS": price})) is Reason.PRICE_STALE


def test_a_price_that_nobody_dates_is_stale():
    portfolio = account()
    portfolio.price_at = lambda _: None
    assert refusal(order(), portfolio) is Reason.PRICE_STALE


# ---- the order by itself ----


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        (10, None),
        (30, None),
        (5, Reason.QUANTITY_INVALID),
        ("10.1", Reason.QUANTITY_INVALID),
        (0, Reason.QUANTITY_INVALID),
        (-10, Reason.QUANTITY_INVALID),
        ("NaN", Reason.QUANTITY_INVALID),
        ("sNaN", Reason.QUANTITY_INVALID),
        ("Infinity", Reason.QUANTITY_INVALID),
        ("1E+90", Reason.QUANTITY_INVALID),  # more digits than the context: not computable
        ("1E+999999", Reason.QUANTITY_INVALID),
    ],
)
def test_a_quantity_is_a_positive_multiple_of_the_lot(quantity, reason):
    new = order(instrument="C.XCME", quantity=quantity)
    assert refusal(new, account(), card()) is reason


def test_a_billion_shares_are_refused():
    assert refusal(order(quantity=10**9), account(), Limits.permissive_for_research()) is (
        Reason.BUYING_POWER
    )


def test_a_refused_quantity_is_shown_as_it_was():
    verdict = review(order(quantity="NaN"), account(), card())
    assert (verdict.limit, verdict.observed) == ("a positive multiple of 1", "NaN")


PRICES = {
    "MARKET": {},
    "LIMIT": {"limit_price": 99},
    "STOP": {"stop_price": 101},
    "STOP_LIMIT": {"limit_price": 102, "stop_price": 101},
    "TRAILING_STOP": {"stop_price": 101, "trail_amount": 1},
    "MARKET_ON_OPEN": {},
    "MARKET_ON_CLOSE": {},
    "LIMIT_ON_CLOSE": {"limit_price": 99},
}
TIFS = {"MARKET_ON_OPEN": "OPG", "MARKET_ON_CLOSE": "DAY", "LIMIT_ON_CLOSE": "DAY"}


@pytest.mark.parametrize("kind", PRICES)
def test_an_order_has_exactly_the_prices_of_its_type(kind):
    wanted, tif = PRICES[kind], TimeInForce(TIFS.get(kind, "GTC"))
    assert refusal(order(kind=kind, tif=tif, **wanted), account()) is None
    for name in ("limit_price", "stop_price", "trail_amount", "trail_percent"):
        others = {key: value for key, value in wanted.items() if key != name}
        wrong = others if name in wanted else wanted | {name: 100}
        verdict = review(order(kind=kind, tif=tif, **wrong), account(), card())
        assert verdict.reason is Reason.TERMS_INVALID


def test_an_order_ends_after_it_was_made():
    gtd = {"kind": "LIMIT", "limit_price": 99, "tif": TimeInForce.GTD}
    assert refusal(order(**gtd, expires_at=NOON + 1), account()) is None
    late = review(order(**gtd, expires_at=NOON), account(), card())
    assert (late.reason, late.limit) == (Reason.TERMS_INVALID, f"an end after {NOON}")
    assert late.observed == f"expires_at {NOON}"


def test_a_trail_is_an_amount_or_a_percentage_below_a_hundred():
    trail = {"kind": "TRAILING_STOP", "stop_price": 99}
    assert refusal(order(**trail, trail_percent="2.5"), account()) is None
    assert refusal(order(**trail, trail_percent=100), account()) is Reason.TERMS_INVALID
    assert refusal(order(**trail, trail_percent=0), account()) is Reason.TERMS_INVALID
    both = review(order(**trail, trail_percent=5, trail_amount=5), account(), card())
    assert both.limit == ("stop_price and trail_amount, or stop_price and trail_percent, positive")


# FIX 4.4: "At the opening" and "immediate" say when, a stop says whether: they exclude each other.
@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        ("MARKET", "DAY GTC GTD IOC FOK"),
        ("LIMIT", "DAY GTC GTD IOC FOK OPG"),
        ("STOP", "DAY GTC GTD"),
        ("STOP_LIMIT", "DAY GTC GTD"),
        ("TRAILING_STOP", "DAY GTC GTD"),
        ("MARKET_ON_OPEN", "OPG"),
        ("MARKET_ON_CLOSE", "DAY"),
        ("LIMIT_ON_CLOSE", "DAY"),
    ],
)
def test_a_type_has_only_the_times_in_force_that_mean_something(kind, fits):
    for tif in TimeInForce:
        verdict = review(order(kind=kind, tif=tif, **PRICES[kind]), account(), card())
        if tif.value in fits.split():
            assert isinstance(verdict, Approved)
        else:
            assert verdict.reason is Reason.TERMS_INVALID
            assert verdict.limit == f"tif {' or '.join(sorted(fits.split()))} for {kind}"
            assert verdict.observed == f"tif {tif.value}"


@pytest.mark.parametrize("kind", PRICES)
@pytest.mark.parametrize("price", [0, -1, "NaN", "sNaN", "Infinity", "-Infinity"])
def test_every_price_is_finite_and_positive(kind, price):
    for name in PRICES[kind]:
        tif = TimeInForce(TIFS.get(kind, "GTC"))
        wrong = order(kind=kind, tif=tif, **PRICES[kind] | {name: price})
        assert refusal(wrong, account()) is Reason.TERMS_INVALID


@pytest.mark.parametrize(
    ("instrument", "price", "reason"),
    [
        ("A.XNAS", "100.123456", None),  # no tick declared
        ("B.XNAS", "100.01", None),
        ("B.XNAS", "100.011", Reason.TERMS_INVALID),
        ("C.XCME", "100.05", None),
        ("C.XCME", "100.04", Reason.TERMS_INVALID),
        ("C.XCME", "100.06", Reason.TERMS_INVALID),
        ("B.XNAS", "1E+90", Reason.TERMS_INVALID),  # not computable
    ],
)
@pytest.mark.parametrize(("kind", "name"), [("LIMIT", "limit_price"), ("STOP", "stop_price")])
def test_a_price_is_on_the_tick(instrument, price, reason, kind, name):
    new = order(instrument=instrument, kind=kind, **{name: price})
    assert refusal(new, account()) is reason


def test_a_trail_is_a_distance_and_needs_no_tick():
    new = order(instrument="B.XNAS", kind="TRAILING_STOP", stop_price=101, trail_amount="0.0123")
    assert refusal(new, account()) is None


def test_a_refused_price_names_law_and_value():
    new = order(instrument="B.XNAS", kind="STOP_LIMIT", limit_price="100.001", stop_price=99)
    verdict = review(new, account(), card())
    assert verdict.limit == "limit_price and stop_price, positive, on the tick 0.01"
    assert verdict.observed == "limit_price 100.001, stop_price 99"
    verdict = review(order(kind="LIMIT"), account(), card())
    assert (verdict.limit, verdict.observed) == ("limit_price, positive", "no price")
    verdict = review(order(limit_price=1), account(), card())
    assert (verdict.limit, verdict.observed) == ("no price, positive", "limit_price 1")


OLD = order(1, "A.XNAS", "SELL", 10, parent=7, oca_group=1)


@pytest.mark.parametrize(
    ("terms", "observed"),
    [
        ({"replaces": 1}, None),
        ({"replaces": 2}, "order 2 does not work"),
        ({"replaces": 1, "instrument": "B.XNAS"}, "order 1"),
        ({"replaces": 1, "side": "BUY"}, "order 1"),
        ({"replaces": 1, "parent": None}, "order 1"),
        ({"replaces": 1, "parent": 8}, "order 1"),
        ({"replaces": 1, "oca_group": None}, "order 1"),
    ],
)
def test_a_replacement_takes_the_place_of_a_working_order_of_its_kind(terms, observed):
    portfolio = send(account(held={"A.XNAS": 10}), OLD)
    terms = {"instrument": "A.XNAS", "side": "SELL", "parent": 7, "oca_group": 1} | terms
    verdict = review(order(3, quantity=10, **terms), portfolio, card())
    if observed is None:
        assert isinstance(verdict, Approved)
    else:
        assert verdict.reason is Reason.REPLACED_ORDER_NOT_WORKING
        assert verdict.observed == observed


def test_an_order_that_is_done_cannot_be_replaced():
    portfolio = send(account(held={"A.XNAS": 10}), order(1, side="SELL"))
    portfolio.end(1)
    new = order(2, side="SELL", replaces=1)
    assert refusal(new, portfolio) is Reason.REPLACED_ORDER_NOT_WORKING


# ---- limit - step, limit, limit + step ----


def selling(quantity, **terms):
    return order(9, side="SELL", quantity=quantity, **terms)


EDGES = [
    # the limit, the order in terms of one number, and that number one step below, at, above it
    ("order_quantity_max", 50, lambda n: order(quantity=n), (49, 50, 51)),
    ("order_quantity_max", 50, selling, (49, 50, 51)),
    ("order_notional_max", 5_000, lambda n: order(quantity=n), (49, 50, 51)),
    ("order_notional_max", 50_000, lambda n: order(1, "C.XCME", quantity=n), (0, 10, 20)),
    (
        "order_notional_max",
        5_000,
        lambda n: order(quantity=40, kind="LIMIT", limit_price=n),
        (124, 125, 126),
    ),
    (
        "price_collar_max",
        "0.05",
        lambda n: order(kind="LIMIT", limit_price=n),
        (104, 105, "105.01"),
    ),
    ("price_collar_max", "0.05", lambda n: order(kind="LIMIT", limit_price=n), (96, 95, "94.99")),
    ("price_collar_max", "0.05", lambda n: order(kind="STOP", stop_price=n), (104, 105, "105.01")),
    (
        "price_collar_max",
        "0.05",
        lambda n: selling(9, kind="STOP_LIMIT", limit_price=99, stop_price=n),
        (96, 95, "94.99"),
    ),
    ("position_quantity_max", 100, lambda n: order(quantity=n), (99, 100, 101)),
    ("position_quantity_max", 100, selling, (99, 100, 101)),
    ("gross_exposure_max", 9_000, lambda n: order(quantity=n), (89, 90, 91)),
    ("gross_exposure_max", 9_000, selling, (89, 90, 91)),
    ("net_exposure_max", 9_000, lambda n: order(quantity=n), (89, 90, 91)),
    ("net_exposure_max", 9_000, selling, (89, 90, 91)),
    ("concentration_max", "0.09", lambda n: order(quantity=n), (89, 90, 91)),
    ("concentration_max", "0.09", selling, (89, 90, 91)),
    ("concentration_max", "0.5", lambda n: order(1, "C.XCME", quantity=n), (0, 10, 20)),
    ("buying_power_multiple", "0.09", lambda n: order(quantity=n), (89, 90, 91)),
    ("buying_power_multiple", "0.09", selling, (89, 90, 91)),
]


@pytest.mark.parametrize(("name", "limit", "make", "steps"), EDGES)
def test_a_limit_holds_to_the_step(name, limit, make, steps):
    """An account in cash, 100,000, last price 100."""
    below, at, above = (make(step) for step in steps)
    limits = card(**{name: limit})
    if steps[0]:  # a lot below the first lot is no order
        assert refusal(below, account(), limits) is None
    assert refusal(at, account(), limits) is None
    assert refusal(above, account(), limits) is Reason(name)


OBSERVED = [
    (Reason.ORDER_NOTIONAL, {"order_notional_max": 5_000}, order(quantity=51), 5_100),
    (
        Reason.PRICE_COLLAR,
        {"price_collar_max": "0.05"},
        order(kind="LIMIT", limit_price="106.5"),
        Decimal("0.065"),
    ),
    (Reason.POSITION, {"position_quantity_max": 10}, selling(11), 11),
    (Reason.GROSS_EXPOSURE, {"gross_exposure_max": 900}, selling(10), 1_000),
    (Reason.NET_EXPOSURE, {"net_exposure_max": 900}, selling(10), 1_000),
    (Reason.CONCENTRATION, {"concentration_max": "0.2"}, order(quantity=210), Decimal("0.21")),
    (Reason.BUYING_POWER, {"buying_power_multiple": 1}, order(quantity=1_100), Decimal("1.1")),
]


@pytest.mark.parametrize(("reason", "limits", "new", "observed"), OBSERVED)
def test_a_refusal_shows_the_limit_and_what_was_observed(reason, limits, new, observed):
    verdict = review(new, account(), card(**limits))
    (limit,) = limits.values()
    assert (verdict.reason, verdict.limit, verdict.observed) == (reason, Decimal(limit), observed)
    assert (verdict.order, verdict.at) == (new, NOON)


@pytest.mark.parametrize(("quantity", "reason"), [(0, None), (1, Reason.CONCENTRATION)])
def test_a_share_of_equity_is_compared_exactly_however_it_is_shown(quantity, reason):
    portfolio = account(prices={"A.XNAS": 1}, cash=10**10)
    new = order(quantity=1_000_000_001 + quantity)
    assert refusal(new, portfolio, card(concentration_max="0.1000000001")) is reason


def test_what_is_shown_is_rounded_up_never_down():
    """A third of the price away is shown as more than a third, so that it reads as beyond it."""
    portfolio = account(prices={"A.XNAS": 3})
    new = order(kind="LIMIT", limit_price=4)
    verdict = review(new, portfolio, card(price_collar_max="0.333333333"))
    assert verdict.observed == Decimal("0.333333334")


# ---- the worst case ----


def test_in_flight_orders_count_from_the_moment_of_intent():
    """80 bought and not filled, 80 more wanted, 100 allowed."""
    portfolio = send(account(), order(1, quantity=80))
    limits = card(position_quantity_max=100)
    assert refusal(order(2, quantity=20), portfolio, limits) is None
    assert refusal(order(2, quantity=21), portfolio, limits) is Reason.POSITION
    # Sells in flight do not make room: they may not fill.
    send(portfolio, order(3, side="SELL", quantity=80))
    assert refusal(order(4, quantity=21), portfolio, limits) is Reason.POSITION


def test_a_reservation_is_released_by_cancel_but_not_what_filled_before_it():
    portfolio = send(account(), order(1, quantity=80))
    limits = card(position_quantity_max=100)
    portfolio.end(1, reported=Decimal(30))
    assert refusal(order(2, quantity=70), portfolio, limits) is None
    assert refusal(order(2, quantity=71), portfolio, limits) is Reason.POSITION


def test_gross_counts_each_instrument_on_its_worse_side_and_net_lets_them_offset():
    portfolio = account(held={"A.XNAS": 50, "B.XNAS": -30})
    new = order(1, "B.XNAS", "BUY", 40)
    assert check(Reason.GROSS_EXPOSURE, new, portfolio, card(gross_exposure_max=1)).observed == (
        8_000  # A 50 long; B -30 before the order fills, 10 after: the worse is 30
    )
    assert check(Reason.NET_EXPOSURE, new, portfolio, card(net_exposure_max=1)).observed == (
        6_000  # 50 + 10
    )


def test_net_exposure_is_worst_on_either_side():
    portfolio = send(account(held={"A.XNAS": -40}), order(1, "B.XNAS", "SELL", 10))
    limits = card(net_exposure_max=1)
    observed = check(Reason.NET_EXPOSURE, order(2, "B.XNAS", quantity=5), portfolio, limits)
    assert observed.observed == 5_000


def test_what_is_in_flight_counts_at_its_reserve_or_the_last_price_whichever_is_more():
    limits = card(gross_exposure_max=1)
    new = order(2, "B.XNAS", quantity=1)
    dear = send(account(), order(1, quantity=10), reserve=120)
    assert check(Reason.GROSS_EXPOSURE, new, dear, limits).observed == 1_300
    risen = send(account(prices={"A.XNAS": 150}), order(1, side="SELL", quantity=10))
    assert check(Reason.GROSS_EXPOSURE, new, risen, limits).observed == 1_600


def test_a_sale_of_what_is_held_is_no_short_however_high_its_limit():
    """Held 10 at 100, a working sell at 250: worth 1,000 at the most, and not -1,500."""
    portfolio = send(account(held={"A.XNAS": 10}), order(1, side="SELL", quantity=10), reserve=250)
    other = order(2, "B.XNAS", quantity=1)
    limits = card(gross_exposure_max=1)
    assert check(Reason.GROSS_EXPOSURE, other, portfolio, limits).observed == 1_100
    short = send(account(held={"A.XNAS": -10}), order(1, quantity=10), reserve=250)
    assert check(Reason.GROSS_EXPOSURE, other, short, limits).observed == 1_100


def test_a_sale_beyond_what_is_held_is_a_short():
    portfolio = send(account(held={"A.XNAS": 10}), order(1, side="SELL", quantity=30))
    limits = card(gross_exposure_max=1)
    new = order(2, "B.XNAS", quantity=1)
    assert check(Reason.GROSS_EXPOSURE, new, portfolio, limits).observed == 2_100
    short = send(account(held={"A.XNAS": -10}), order(1, quantity=30))
    assert check(Reason.GROSS_EXPOSURE, new, short, limits).observed == 2_100


@pytest.mark.parametrize(
    ("kind", "side", "prices", "expected"),
    [
        ("MARKET", "BUY", {}, 100),
        ("LIMIT", "BUY", {"limit_price": 90}, 100),
        ("LIMIT", "BUY", {"limit_price": 110}, 110),
        ("LIMIT", "SELL", {"limit_price": 90}, 100),
        ("LIMIT", "SELL", {"limit_price": 110}, 110),
        ("STOP", "BUY", {"stop_price": 110}, 110),
        ("STOP", "SELL", {"stop_price": 90}, 100),
        ("STOP_LIMIT", "BUY", {"stop_price": 110, "limit_price": 112}, 112),
        ("STOP_LIMIT", "SELL", {"stop_price": 90, "limit_price": 88}, 100),
        ("TRAILING_STOP", "BUY", {"stop_price": 105, "trail_amount": 5}, 105),
        ("TRAILING_STOP", "SELL", {"stop_price": 95, "trail_amount": 5}, 100),
        ("TRAILING_STOP", "BUY", {"stop_price": 105, "trail_percent": 5}, 105),
        ("TRAILING_STOP", "BUY", {"trail_amount": 5, "parent": 1}, 105),
        ("TRAILING_STOP", "BUY", {"trail_percent": 4, "parent": 1}, 104),
        ("TRAILING_STOP", "SELL", {"trail_amount": 5, "parent": 1}, 100),
        ("MARKET_ON_OPEN", "BUY", {}, 100),
        ("MARKET_ON_CLOSE", "SELL", {}, 100),
        ("LIMIT_ON_CLOSE", "BUY", {"limit_price": 110}, 110),
    ],
)
def test_the_reserve_price_is_the_highest_that_may_be_owed(kind, side, prices, expected):
    new = order(kind=kind, side=side, tif=TimeInForce(TIFS.get(kind, "GTC")), **prices)
    assert reserve_price(new, Decimal(100)) == expected
    verdict = review(new, account(), card())
    assert verdict == Approved(new, NOON, Decimal(expected))


# ---- replacements and groups ----


def test_a_replacement_adds_only_what_goes_beyond_the_replaced():
    portfolio = send(account(), order(1, quantity=80))
    limits = card(position_quantity_max=100)
    assert refusal(order(2, quantity=100, replaces=1), portfolio, limits) is None
    assert refusal(order(2, quantity=101, replaces=1), portfolio, limits) is Reason.POSITION


def test_a_replacement_of_a_partly_filled_order_says_what_may_still_fill():
    portfolio = send(account(), order(1, quantity=80))
    portfolio.fill(1, Decimal(50), Decimal(100), "x1")
    limits = card(position_quantity_max=100)
    assert refusal(order(2, quantity=50, replaces=1), portfolio, limits) is None
    assert refusal(order(2, quantity=51, replaces=1), portfolio, limits) is Reason.POSITION


def test_a_replacement_at_a_higher_price_adds_the_difference():
    """10 at a reserved 100 become 10 at 110: 1,100 in all, and not 1,000, and not 2,100."""
    portfolio = send(account(), order(1, kind="LIMIT", limit_price=90))
    new = order(2, kind="LIMIT", limit_price=110, replaces=1)
    limits = card(gross_exposure_max=1)
    assert check(Reason.GROSS_EXPOSURE, new, portfolio, limits).observed == 1_100


def test_a_cheaper_replacement_gives_nothing_back_before_it_is_done():
    portfolio = send(account(), order(1, quantity=20, kind="LIMIT", limit_price=110), reserve=110)
    new = order(2, quantity=5, kind="LIMIT", limit_price=100, replaces=1)
    limits = card(gross_exposure_max=1)
    assert check(Reason.GROSS_EXPOSURE, new, portfolio, limits).observed == 2_200


def test_a_reserve_that_nobody_remembers_covers_no_money():
    portfolio = send(account(), order(1))
    portfolio.reserve_price = lambda _: None
    new = order(2, replaces=1)
    limits = card(gross_exposure_max=1)
    assert check(Reason.GROSS_EXPOSURE, new, portfolio, limits).observed == 2_000


def test_of_an_oca_group_one_leg_counts():
    first = order(1, quantity=60, oca_group=1)
    portfolio = send(account(), first)
    limits = card(position_quantity_max=100)
    assert refusal(order(2, quantity=100, oca_group=1), portfolio, limits) is None
    assert refusal(order(2, quantity=101, oca_group=1), portfolio, limits) is Reason.POSITION
    assert refusal(order(2, quantity=41), portfolio, limits) is Reason.POSITION


@pytest.mark.parametrize(
    "terms",
    [
        {"parent": 7},  # the first leg is nobody's child
        {"created_at": NOON + 1},  # on its way, the first leg may fill
        {"oca_group": 5},  # order 5 is not of this group, nor of any
        {"oca_group": 6},  # nobody knows order 6
    ],
)
def test_a_leg_counts_in_full_unless_the_first_speaks_for_it(terms):
    portfolio = send(account(now=NOON + 1), order(1, quantity=60, oca_group=1))
    send(portfolio, order(5, "B.XNAS", quantity=60))
    new = order(2, **{"quantity": 60, "oca_group": 1} | terms)
    assert refusal(new, portfolio, card(position_quantity_max=100)) is Reason.POSITION


def test_legs_on_two_sides_each_count_on_their_own():
    portfolio = send(account(), order(1, quantity=60, oca_group=1))
    limits = card(position_quantity_max=50)
    new = order(2, side="SELL", quantity=60, oca_group=1)
    assert refusal(new, portfolio, limits) is Reason.POSITION


# ---- a way out, always ----

EXPOSURE = {
    "position_quantity_max": 10,
    "gross_exposure_max": 100,
    "net_exposure_max": 100,
    "concentration_max": "0.001",
    "buying_power_multiple": "0.001",
}


@pytest.mark.parametrize("name", EXPOSURE)
@pytest.mark.parametrize(("held", "out", "more"), [(50, "SELL", "BUY"), (-50, "BUY", "SELL")])
def test_what_only_reduces_risk_passes_where_prices_have_broken_a_limit(name, held, out, more):
    portfolio = account(held={"A.XNAS": held, "B.XNAS": held})
    limits = card(**{name: EXPOSURE[name]})
    for quantity in (1, 49, 50):
        assert refusal(order(side=out, quantity=quantity), portfolio, limits) is None
    assert refusal(order(side=out, quantity=51 + 10), portfolio, limits) is Reason(name)
    assert refusal(order(side=more, quantity=1), portfolio, limits) is Reason(name)


def test_a_way_out_may_be_taken_once():
    """40 of 50 are already being sold: 10 more reduce, 11 could end short."""
    portfolio = send(account(held={"A.XNAS": 50}), order(1, side="SELL", quantity=40))
    limits = card(gross_exposure_max=100)
    assert refusal(selling(10), portfolio, limits) is None
    assert refusal(selling(11), portfolio, limits) is Reason.GROSS_EXPOSURE


def test_a_protective_stop_may_be_moved_wherever_prices_have_gone():
    stop = order(1, side="SELL", quantity=50, kind="STOP", stop_price=95)
    portfolio = send(account(held={"A.XNAS": 50}), stop)
    moved = selling(50, kind="STOP", stop_price=98, replaces=1)
    assert refusal(moved, portfolio, card(**EXPOSURE)) is None


@pytest.mark.parametrize("held", [50, -50])
@pytest.mark.parametrize("missing", ["a price", "an instrument", "equity"])
def test_a_way_out_needs_no_equity_and_no_other_price(held, missing):
    portfolio = account(held={"A.XNAS": held, "B.XNAS": 50})
    if missing == "a price":
        del portfolio.prices["B.XNAS"]
    if missing == "an instrument":
        portfolio.instrument = lambda name: None if name == "B.XNAS" else Instrument(name)
    if missing == "equity":
        portfolio.equity = lambda: None
    out, more = ("SELL", "BUY") if held > 0 else ("BUY", "SELL")
    assert refusal(order(side=out, quantity=50), portfolio, card(**EXPOSURE)) is None
    wide = dict.fromkeys(EXPOSURE, 10**9)
    reason = refusal(order(side=more, quantity=1), portfolio, card(**wide))
    assert reason is (Reason.CONCENTRATION if missing == "equity" else Reason.GROSS_EXPOSURE)


def test_explain_says_that_an_order_only_reduces_risk():
    portfolio = account(held={"A.XNAS": 50})
    limits = card(gross_exposure_max=100)
    found = check(Reason.GROSS_EXPOSURE, selling(10), portfolio, limits)
    assert (found.ok, found.observed) == (True, "5000, but only reduces risk")
    del portfolio.prices["A.XNAS"]
    found = check(Reason.GROSS_EXPOSURE, selling(10), portfolio, limits)
    assert (found.ok, found.observed) == (True, "no price of A.XNAS, but only reduces risk")


@pytest.mark.parametrize("cash", [-5_000, -6_000])
def test_without_equity_nothing_new_is_carried_but_one_gets_out(cash):
    """50 held at 100, borrowed: equity is nothing, or less."""
    portfolio = account(held={"A.XNAS": 50}, cash=cash)
    verdict = review(order(quantity=1), portfolio, card())
    assert verdict.reason is Reason.BUYING_POWER
    assert verdict.observed == f"equity {cash + 5_000}"
    assert refusal(selling(50), portfolio) is None


def test_a_way_out_escapes_no_other_rule():
    portfolio = account(held={"A.XNAS": 50})
    limits = card(order_quantity_max=10, price_collar_max="0.1")
    assert refusal(selling(11), portfolio, limits) is Reason.ORDER_QUANTITY
    far = selling(5, kind="STOP", stop_price=80)
    assert refusal(far, portfolio, limits) is Reason.PRICE_COLLAR


# ---- brackets ----

PARENT = order(1, quantity=50)
TIGHT = {"position_quantity_max": 50, "gross_exposure_max": 5_000, "net_exposure_max": 5_000}


def exit_of(id=2, quantity=50, **terms):
    return order(id, side="SELL", quantity=quantity, **{"parent": 1} | terms)


def test_a_protective_child_takes_back_what_its_parent_may_bring():
    """At every limit with the parent in flight, the child still passes: it cannot end short."""
    limits = card(**TIGHT, concentration_max="0.05", buying_power_multiple="0.05")
    assert refusal(exit_of(), send(account(), PARENT), limits) is None
    assert refusal(exit_of(), send(account(held={"A.XNAS": -50}), PARENT), limits) is None


@pytest.mark.parametrize(
    "terms",
    [
        {"quantity": 111},  # more than the parent
        {"quantity": 61, "parent": 8},  # nobody's child
        {"quantity": 61, "parent": None},
        {"quantity": 61, "instrument": "B.XNAS"},  # protects another instrument
    ],
)
def test_what_does_not_protect_its_parent_counts_in_full(terms):
    portfolio = send(account(), order(1, quantity=60))
    verdict = review(exit_of(**terms), portfolio, card(position_quantity_max=60))
    assert verdict.reason is Reason.POSITION


def test_a_child_on_the_side_of_its_parent_counts_in_full():
    portfolio = send(account(), PARENT)
    new = order(2, quantity=50, parent=1)
    assert refusal(new, portfolio, card(position_quantity_max=99)) is Reason.POSITION


def test_beside_the_largest_exit_another_counts_in_full():
    """A parent of 50 that ends with 20 filled leaves both exits 20: together more than it brought."""
    portfolio = send(account(), PARENT, exit_of(2, 30))
    assert refusal(exit_of(3, 20), portfolio, card(position_quantity_max=20)) is None
    assert refusal(exit_of(3, 20), portfolio, card(position_quantity_max=19)) is Reason.POSITION


def test_a_leg_that_is_smaller_than_its_group_adds_nothing():
    portfolio = send(account(), PARENT, exit_of(2, 50, oca_group=2))
    assert refusal(exit_of(3, 40, oca_group=2), portfolio, card(position_quantity_max=0)) is None


def test_the_exit_of_what_has_brought_something_already_is_an_order_like_any_other():
    """30 short, and 20 of 50 bought since: should the rest never come, 20 are sold again."""
    portfolio = send(account(held={"A.XNAS": -30}), PARENT)
    portfolio.fill(1, Decimal(20), Decimal(100), "x1")
    assert refusal(exit_of(2, 30), portfolio, card(position_quantity_max=30)) is Reason.POSITION
    assert refusal(exit_of(2, 20), portfolio, card(position_quantity_max=30)) is None


def test_so_is_the_exit_of_what_stands_in_the_place_of_such_an_order():
    """The other 30 are asked for anew, and should these never come, 20 are sold again as well."""
    portfolio = send(account(held={"A.XNAS": -30}), PARENT)
    portfolio.fill(1, Decimal(20), Decimal(100), "x1")
    send(portfolio, order(2, quantity=30, replaces=1)).end(1, Decimal(20))
    limits = card(position_quantity_max=30)
    assert refusal(exit_of(3, 30, parent=2), portfolio, limits) is Reason.POSITION
    assert refusal(exit_of(3, 20, parent=2), portfolio, limits) is None


def test_children_of_one_group_may_each_take_back_everything():
    portfolio = send(account(), PARENT, exit_of(2, 50, oca_group=2))
    limits = card(position_quantity_max=0)
    assert refusal(exit_of(3, 50, oca_group=2), portfolio, limits) is None
    assert refusal(exit_of(3, 50), portfolio, limits) is Reason.POSITION


def test_a_partly_filled_parent_still_covers_its_child():
    portfolio = send(account(), PARENT, exit_of(2))
    portfolio.fill(1, Decimal(20), Decimal(100), "x1")
    moved = exit_of(3, 50, kind="STOP", stop_price=95, replaces=2)
    assert refusal(moved, portfolio, card(position_quantity_max=0)) is None
    assert refusal(selling(20), portfolio, card(position_quantity_max=10)) is Reason.POSITION


# ---- the pace ----


def sent_at(*moments):
    """Orders approved at these moments, each of another quantity, and done."""
    portfolio = account()
    for number, moment in enumerate(moments, 1):
        send(portfolio, order(number, quantity=number, created_at=moment))
        portfolio.end(number)
    return portfolio


@pytest.mark.parametrize(
    ("moments", "reason"),
    [
        ((), None),
        ((NOON,), None),
        ((NOON, NOON), Reason.ORDERS_PER_SECOND),
        ((NOON - SECOND + 1, NOON), Reason.ORDERS_PER_SECOND),
        ((NOON - SECOND, NOON), None),  # a second ago is another second
    ],
)
def test_so_many_orders_go_out_in_any_second(moments, reason):
    limits = card(orders_per_second_max=2)
    verdict = review(order(9, quantity=99), sent_at(*moments), limits)
    assert (None if isinstance(verdict, Approved) else verdict.reason) is reason
    if reason:
        assert (verdict.limit, verdict.observed) == (2, len(moments) + 1)


@pytest.mark.parametrize(
    ("moments", "reason"),
    [
        ((NOON,), None),
        ((NOON - DAY // 2, NOON), Reason.ORDERS_PER_DAY),  # midnight is today
        ((NOON - DAY // 2 - 1, NOON), None),  # and the moment before is not
        ((NOON - 2, NOON - 1, NOON), Reason.ORDERS_PER_DAY),
    ],
)
def test_so_many_orders_go_out_in_a_day_of_utc(moments, reason):
    limits = card(orders_per_day_max=2)
    verdict = review(order(9, quantity=99), sent_at(*moments), limits)
    assert (None if isinstance(verdict, Approved) else verdict.reason) is reason
    if reason:
        assert (verdict.limit, verdict.observed) == (2, len(moments) + 1)


@pytest.mark.parametrize(
    ("age", "window", "reason"),
    [
        (5 * SECOND - 1, 5, Reason.DUPLICATE),
        (5 * SECOND, 5, Reason.DUPLICATE),
        (5 * SECOND + 1, 5, None),
        (0, "0.001", Reason.DUPLICATE),
        (0, 0, None),  # switched off
    ],
)
def test_the_same_terms_are_not_sent_twice_within_the_window(age, window, reason):
    portfolio = send(account(), order(1, created_at=NOON - age))
    limits = card(duplicate_window_seconds=window)
    verdict = review(order(2), portfolio, limits)
    assert (None if isinstance(verdict, Approved) else verdict.reason) is reason
    if reason:
        assert verdict.observed == "same terms as order 1"
    assert refusal(order(2, quantity=11), portfolio, limits) is None


def test_so_many_orders_are_open_and_a_replacement_is_not_one_more():
    portfolio = send(account(), order(1), order(2))
    assert refusal(order(3), portfolio, card(open_orders_max=3)) is None
    assert refusal(order(3), portfolio, card(open_orders_max=2)) is Reason.OPEN_ORDERS
    assert refusal(order(3, replaces=2), portfolio, card(open_orders_max=2)) is None
    assert refusal(order(3, replaces=2), portfolio, card(open_orders_max=1)) is Reason.OPEN_ORDERS


def test_a_refusal_is_a_value_and_not_an_error():
    """Nothing that an order can say raises; a gate that raises could be caught and passed by."""
    for quantity in ("1E+999999", "1E-999999", "NaN", "-Infinity"):
        for price in ("1E+999999", "1E-999999", "NaN", "Infinity"):
            new = order(quantity=quantity, kind="LIMIT", limit_price=price)
            assert isinstance(refusal(new, account()), Reason)
