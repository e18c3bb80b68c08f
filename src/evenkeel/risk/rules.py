"""One rule, one function. A rule reads a case and answers; what it cannot compute, it refuses.

What the readings of an order mean, and why limits are held against the worst case, stands in
`risk/case.py`. Arithmetic runs in the caller's `EXACT` context; where it raises, the gate refuses.
"""

# ruff: noqa: ARG001  every rule is asked alike, whether it needs both or not

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Context, Decimal
from itertools import compress
from typing import TypeAlias

from msgspec import Struct

from evenkeel.domain.money import INFINITY, ONE, ZERO, text
from evenkeel.domain.order import TIMES_IN_FORCE, OrderType, Side, TimeInForce
from evenkeel.domain.portfolio import NO_PRICE, furthest
from evenkeel.domain.verdict import Reason
from evenkeel.risk.case import UNKNOWN, Case, same_claim
from evenkeel.risk.limits import UNLIMITED, Limits

Measured: TypeAlias = tuple[Decimal | str, Decimal | str, bool]
"""What the rule allows, what it observed, and whether that is within it."""

Rule: TypeAlias = Callable[[Case, Limits], Measured]


class Check(Struct, frozen=True):
    """One rule as it looked to one order: for people who ask why."""

    reason: Reason
    limit: Decimal | str
    observed: Decimal | str
    ok: bool


# Looked up once: a member of an Enum costs more to reach than most rules cost to read.
_BUY = Side.BUY
_MARKET = OrderType.MARKET
_GTC = TimeInForce.GTC

_NOT_LIMITED: Measured = (UNLIMITED, "not measured", True)
_REPLACES_NONE: Measured = ("a working order", "replaces none", True)
_NOT_HALTED: Measured = ("not halted", "not halted", True)
_VALID_TERMS: Measured = ("valid terms", "valid terms", True)

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_SECONDS = Decimal("1E-9")  # nanoseconds times this
_share = Context(prec=9, rounding=ROUND_CEILING).divide  # for the eye: never shows less than it is


# ---- the account and the instrument ----


def trading_is_not_halted(case: Case, limits: Limits) -> Measured:
    """Nobody has halted trading."""
    halted = case.portfolio.halted
    return _NOT_HALTED if halted is None else ("not halted", f"halted: {halted}", False)


def instrument_is_known(case: Case, limits: Limits) -> Measured:
    """The instrument is one of this run's."""
    return "a known instrument", case.order.instrument, case.instrument is not None


def instrument_is_not_quarantined(case: Case, limits: Limits) -> Measured:
    """Nobody has to look at the instrument's data before it is traded on."""
    found = "" if case.instrument is None else case.instrument.quarantine
    return "data in order", found or "data in order", not found


def instrument_is_tradable(case: Case, limits: Limits) -> Measured:
    """The instrument is not a mere index or a name taken off the market."""
    tradable = case.instrument is not None and case.instrument.tradable
    return "a tradable instrument", case.order.instrument, tradable


def price_is_fresh(case: Case, limits: Limits) -> Measured:
    """There is a last price, it is a price, and it is not older than `price_age_max_seconds`."""
    maximum = limits.price_age_max_seconds
    last, portfolio = case.last, case.portfolio
    known_at = portfolio.price_at(case.order.instrument)
    if last is None or known_at is None:
        return maximum, NO_PRICE, False
    if not ZERO < last < INFINITY:
        return maximum, f"price {last}", False
    age = portfolio.now - known_at
    if not age:
        return maximum, ZERO, True
    seconds = age * _SECONDS
    return maximum, seconds, ZERO < seconds <= maximum  # a price from the future is no price


# ---- the order by itself ----


def quantity_is_valid(case: Case, limits: Limits) -> Measured:
    """The quantity is finite, positive and a multiple of the lot."""
    if case.instrument is None:
        return "a positive multiple of the lot", UNKNOWN, False
    quantity, lot = case.order.quantity, case.instrument.lot
    if quantity.is_finite() and quantity > ZERO and not quantity % lot:
        return lot, quantity, True
    return f"a positive multiple of {lot}", str(quantity), False


def terms_are_valid(case: Case, limits: Limits) -> Measured:
    """The type can have this time in force, which is not over, and has its prices.

    These are finite, positive, and on the tick.
    """
    order = case.order
    limit, stop, trail = order.limit_price, order.stop_price, order.trail_amount
    percent = order.trail_percent
    given = (limit is not None, stop is not None, trail is not None, percent is not None)
    if order.type is _MARKET and order.tif is _GTC and given == _NONE_GIVEN:
        return _VALID_TERMS
    if order.tif not in TIMES_IN_FORCE[order.type]:
        known = " or ".join(sorted(tif.value for tif in TIMES_IN_FORCE[order.type]))
        return f"tif {known} for {order.type.value}", f"tif {order.tif.value}", False
    if order.expires_at is not None and order.expires_at <= order.created_at:
        return f"an end after {order.created_at}", f"expires_at {order.expires_at}", False
    if case.instrument is None:
        return "prices on the tick", UNKNOWN, False
    tick = case.instrument.tick
    # A trail is a distance, not a price: the stop that follows from it is put on the tick.
    follows = order.parent is not None or order.replaces is not None
    if (
        (given in _PRICES[order.type] or (follows and given in _STARTS_LATER))
        and _is_price(limit, tick)
        and _is_price(stop, tick)
        and _is_price(trail, None)
        and _is_price(percent, None)
        and (percent is None or percent < _HUNDRED)
    ):
        return _VALID_TERMS
    names = ("limit_price", "stop_price", "trail_amount", "trail_percent")
    choices = [" and ".join(compress(names, choice)) for choice in _PRICES[order.type]]
    wanted = ", or ".join(choices) or "no price"
    law = f"{wanted}, positive" + (f", on the tick {tick}" if tick is not None else "")
    observed = (f"{name} {getattr(order, name)}" for name in compress(names, given))
    return law, ", ".join(observed) or NO_PRICE, False


_HUNDRED = Decimal(100)
_NONE_GIVEN = (False, False, False, False)
_LIMIT_GIVEN = (True, False, False, False)
_STARTS_LATER = ((False, False, True, False), (False, False, False, True))
"""Of a trail that starts where its parent fills, or where the order stood that it replaces."""
_PRICES: dict[OrderType, tuple[tuple[bool, bool, bool, bool], ...]] = {
    # limit, stop, trail amount, trail percent
    OrderType.MARKET: (_NONE_GIVEN,),
    OrderType.LIMIT: (_LIMIT_GIVEN,),
    OrderType.STOP: ((False, True, False, False),),
    OrderType.STOP_LIMIT: ((True, True, False, False),),
    OrderType.TRAILING_STOP: ((False, True, True, False), (False, True, False, True)),
    OrderType.MARKET_ON_OPEN: (_NONE_GIVEN,),
    OrderType.MARKET_ON_CLOSE: (_NONE_GIVEN,),
    OrderType.LIMIT_ON_CLOSE: (_LIMIT_GIVEN,),
}


def _is_price(value: Decimal | None, tick: Decimal | None) -> bool:
    return value is None or (
        value.is_finite() and value > ZERO and (tick is None or not value % tick)
    )


def replaced_order_is_working(case: Case, limits: Limits) -> Measured:
    """The order to be replaced works, and differs in quantity and prices only.

    Another instrument or side would be another order; another parent or OCA group would let the
    old one's reservation speak for what it never reserved.
    """
    order = case.order
    if order.replaces is None:
        return _REPLACES_NONE
    observed = f"order {order.replaces}"
    found = case.portfolio.working(order.replaces)
    if found is None:
        return "a working order", f"{observed} does not work", False
    same = same_claim(found[0], order)
    return "the same instrument, side, parent and OCA group", observed, same


def order_quantity_within_max(case: Case, limits: Limits) -> Measured:
    """One order is not larger than `order_quantity_max`."""
    maximum = limits.order_quantity_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    return maximum, case.order.quantity, case.order.quantity <= maximum


def order_notional_within_max(case: Case, limits: Limits) -> Measured:
    """One order is not worth more than `order_notional_max` at its reserve price."""
    maximum = limits.order_notional_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    if case.instrument is None or case.last is None:
        return maximum, str(case.extremes), False
    notional = case.order.quantity * case.reserve_price * case.instrument.multiplier
    return maximum, notional, notional <= maximum


def prices_within_collar(case: Case, limits: Limits) -> Measured:
    """Limit and stop are no further from the last price than `price_collar_max` of it."""
    maximum = limits.price_collar_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    last, order = case.last, case.order
    if last is None:
        return maximum, NO_PRICE, False
    limit, stop = order.limit_price, order.stop_price
    if limit is None and stop is None:
        return maximum, ZERO, True
    away = max(abs(price - last) for price in (limit, stop) if price is not None)
    return maximum, _share(away, last), away <= maximum * last


# ---- the book, at the worst ----


def position_within_max(case: Case, limits: Limits) -> Measured:
    """The position that the order drives at is within `position_quantity_max`, at the worst."""
    maximum = limits.position_quantity_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    reading, added = case.reading, case.added_quantity
    worst = reading.worst_long + added if case.order.side is _BUY else added - reading.worst_short
    return _within(maximum, worst, case)


def gross_exposure_within_max(case: Case, limits: Limits) -> Measured:
    """Longs plus shorts are within `gross_exposure_max`, at the worst."""
    maximum = limits.gross_exposure_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    exposure = case.exposure
    gross = exposure if isinstance(exposure, str) else exposure[0]
    return _within(maximum, gross, case)


def net_exposure_within_max(case: Case, limits: Limits) -> Measured:
    """Longs minus shorts, either way, are within `net_exposure_max`, at the worst."""
    maximum = limits.net_exposure_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    exposure = case.exposure
    net = exposure if isinstance(exposure, str) else furthest(exposure[1], exposure[2])
    return _within(maximum, net, case)


def concentration_within_max(case: Case, limits: Limits) -> Measured:
    """The instrument's exposure is within `concentration_max` of equity, at the worst."""
    maximum = limits.concentration_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    extremes = case.extremes
    alone = extremes if isinstance(extremes, str) else furthest(*extremes)
    return _within_equity(maximum, alone, case)


def buying_power_suffices(case: Case, limits: Limits) -> Measured:
    """Equity carries the gross exposure `buying_power_multiple` times over, at the worst."""
    exposure = case.exposure
    gross = exposure if isinstance(exposure, str) else exposure[0]
    return _within_equity(limits.buying_power_multiple, gross, case)


# ---- the pace ----


def orders_per_second_within_max(case: Case, limits: Limits) -> Measured:
    """No second, wherever it begins, sees more approvals than `orders_per_second_max`."""
    maximum = limits.orders_per_second_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    sent = case.portfolio.approved_since(case.portfolio.now - _SECOND + 1)
    return maximum, sent + ONE, sent < maximum


def orders_per_day_within_max(case: Case, limits: Limits) -> Measured:
    """No UTC calendar day sees more approvals than `orders_per_day_max`."""
    maximum = limits.orders_per_day_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    now = case.portfolio.now
    sent = case.portfolio.approved_since(now - now % _DAY)
    return maximum, sent + ONE, sent < maximum


def order_is_no_duplicate(case: Case, limits: Limits) -> Measured:
    """The same terms were not approved in the last `duplicate_window_seconds`."""
    window = limits.duplicate_window_seconds
    if not window:
        return _NOT_LIMITED
    since = case.portfolio.now - int(window * _SECOND)
    twin = case.portfolio.same_order_since(case.order, since)
    return window, "no duplicate" if twin is None else f"same terms as order {twin.id}", not twin


def open_orders_within_max(case: Case, limits: Limits) -> Measured:
    """Not more orders are open than `open_orders_max`; a replacement takes a place, not one more."""
    maximum = limits.open_orders_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    count = case.portfolio.open_orders + (ONE if case.order.replaces is None else ZERO)
    return maximum, count, count <= maximum


ALONE: tuple[tuple[Reason, Rule], ...] = (
    (Reason.HALTED, trading_is_not_halted),
    (Reason.INSTRUMENT_UNKNOWN, instrument_is_known),
    (Reason.INSTRUMENT_QUARANTINED, instrument_is_not_quarantined),
    (Reason.INSTRUMENT_NOT_TRADABLE, instrument_is_tradable),
    (Reason.PRICE_STALE, price_is_fresh),
    (Reason.QUANTITY_INVALID, quantity_is_valid),
    (Reason.TERMS_INVALID, terms_are_valid),
    (Reason.REPLACED_ORDER_NOT_WORKING, replaced_order_is_working),
    (Reason.ORDER_QUANTITY, order_quantity_within_max),
    (Reason.ORDER_NOTIONAL, order_notional_within_max),
    (Reason.PRICE_COLLAR, prices_within_collar),
)
"""The rules that look at an order by itself, and at its instrument."""

WORST: tuple[tuple[Reason, Rule], ...] = (
    (Reason.POSITION, position_within_max),
    (Reason.GROSS_EXPOSURE, gross_exposure_within_max),
    (Reason.NET_EXPOSURE, net_exposure_within_max),
    (Reason.CONCENTRATION, concentration_within_max),
    (Reason.BUYING_POWER, buying_power_suffices),
)
"""The rules that look at the book, at the worst."""

PACE: tuple[tuple[Reason, Rule], ...] = (
    (Reason.ORDERS_PER_SECOND, orders_per_second_within_max),
    (Reason.ORDERS_PER_DAY, orders_per_day_within_max),
    (Reason.DUPLICATE, order_is_no_duplicate),
    (Reason.OPEN_ORDERS, open_orders_within_max),
)
"""The rules that count orders: how many, how fast, how alike."""

RULES: tuple[tuple[Reason, Rule], ...] = (*ALONE, *WORST, *PACE)
"""Every rule, in the order of `Reason`: the first that fails names the refusal."""


# ---- comparing ----


def _within(maximum: Decimal, observed: Decimal | str, case: Case) -> Measured:
    """Compare an exposure with its limit; an order that only reduces risk passes all the same."""
    if not isinstance(observed, str) and observed <= maximum:
        return maximum, observed, True
    if case.reduces_risk:
        shown = observed if isinstance(observed, str) else text(observed)
        return maximum, f"{shown}, but only reduces risk", True
    return maximum, observed, False


def _within_equity(maximum: Decimal, exposure: Decimal | str, case: Case) -> Measured:
    """Compare an exposure with a multiple of equity, as `_within` does."""
    equity = case.portfolio.equity()
    if isinstance(exposure, str):
        return _within(maximum, exposure, case)
    if equity is None:
        return _within(maximum, "no equity", case)
    if equity <= ZERO:
        return _within(maximum, f"equity {text(equity)}", case)
    if exposure <= maximum * equity:
        return maximum, _share(exposure, equity), True
    return _within(maximum, _share(exposure, equity), case)
