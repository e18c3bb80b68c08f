"""One rule, one function. A rule reads and answers; what it cannot compute, it refuses.

Limits are read against the worst case: every working, in-flight and UNKNOWN order fills against
us, and the order under review does too. Four readings of the order itself serve all rules:

    reserve price   the highest of the last price and the order's own limit and stop, buy or sell
    standing        the order that this one replaces, or the first of its OCA group if both were
                    decided at one moment: together they fill no more than the larger of the two,
                    so this one adds only what goes beyond the other
    added           the quantity, and the money at the reserve price, that it adds to the worst case
    reducing        it can only bring the position nearer to zero. Then no limit on exposure holds
                    it back, wherever prices have gone: one must always be able to get out

Money is in the account's base currency. Arithmetic runs in the caller's `EXACT` context; where it
raises, the gate refuses.
"""

# ruff: noqa: ARG001  every rule is asked alike, whether it needs all three or not
# ruff: noqa: FURB136  max() of two decimals costs three comparisons; this is the hot path

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from itertools import compress
from typing import TYPE_CHECKING, TypeAlias

from evenkeel.domain.money import INFINITY, ONE, ZERO, text
from evenkeel.domain.order import TIMES_IN_FORCE, Order, OrderType, Side, TimeInForce
from evenkeel.domain.portfolio import Portfolio
from evenkeel.domain.verdict import Reason
from evenkeel.risk.limits import UNLIMITED, Limits

if TYPE_CHECKING:
    from evenkeel.domain.instrument import Instrument

Measured: TypeAlias = tuple[Decimal | str, Decimal | str, bool]
"""What the rule allows, what it observed, and whether that is within it."""

Rule: TypeAlias = Callable[[Order, Portfolio, Limits], Measured]


@dataclass(frozen=True, slots=True)
class Check:
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
_NOT_HALTED: Measured = ("not halted", "not halted", True)
_VALID_TERMS: Measured = ("valid terms", "valid terms", True)
_UNKNOWN = "unknown instrument"
_NO_PRICE = "no price"

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_SECONDS = Decimal("1E-9")  # nanoseconds times this
_share = Context(prec=9, rounding=ROUND_CEILING).divide  # for the eye: never shows less than it is


# ---- the account and the instrument ----


def trading_is_not_halted(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """Nobody has halted trading."""
    halted = portfolio.halted
    return _NOT_HALTED if halted is None else ("not halted", f"halted: {halted}", False)


def instrument_is_known(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """The instrument is one of this run's."""
    known = portfolio.instrument(order.instrument) is not None
    return "a known instrument", order.instrument, known


def instrument_is_tradable(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """The instrument is not a mere index or a name taken off the market."""
    instrument = portfolio.instrument(order.instrument)
    tradable = instrument is not None and instrument.tradable
    return "a tradable instrument", order.instrument, tradable


def price_is_fresh(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """There is a last price, it is a price, and it is not older than `price_age_max_seconds`."""
    maximum = limits.price_age_max_seconds
    last = portfolio.price(order.instrument)
    known_at = portfolio.price_at(order.instrument)
    if last is None or known_at is None:
        return maximum, _NO_PRICE, False
    if not ZERO < last < INFINITY:
        return maximum, f"price {last}", False
    age = (portfolio.now - known_at) * _SECONDS
    return maximum, age, ZERO <= age <= maximum  # a price from the future is no price


# ---- the order by itself ----


def quantity_is_valid(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """The quantity is finite, positive and a multiple of the lot."""
    instrument = portfolio.instrument(order.instrument)
    if instrument is None:
        return "a positive multiple of the lot", _UNKNOWN, False
    quantity, lot = order.quantity, instrument.lot
    if quantity.is_finite() and quantity > ZERO and not quantity % lot:
        return lot, quantity, True
    return f"a positive multiple of {lot}", str(quantity), False


def terms_are_valid(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """The type can have this time in force and has its prices: finite, positive, on the tick."""
    limit, stop, trail = order.limit_price, order.stop_price, order.trail_amount
    percent = order.trail_percent
    given = (limit is not None, stop is not None, trail is not None, percent is not None)
    if order.type is _MARKET and order.tif is _GTC and given == _NONE_GIVEN:
        return _VALID_TERMS
    if order.tif not in TIMES_IN_FORCE[order.type]:
        known = " or ".join(sorted(tif.value for tif in TIMES_IN_FORCE[order.type]))
        return f"tif {known} for {order.type.value}", f"tif {order.tif.value}", False
    instrument = portfolio.instrument(order.instrument)
    if instrument is None:
        return "prices on the tick", _UNKNOWN, False
    tick = instrument.tick
    # A trail is a distance, not a price: the stop that follows from it is put on the tick.
    if (
        given in _PRICES[order.type]
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
    return law, ", ".join(observed) or _NO_PRICE, False


_HUNDRED = Decimal(100)
_NONE_GIVEN = (False, False, False, False)
_LIMIT_GIVEN = (True, False, False, False)
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


def replaced_order_is_working(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """The order to be replaced works, and differs in quantity and prices only.

    Another instrument or side would be another order; another parent or OCA group would let the
    old one's reservation speak for what it never reserved.
    """
    if order.replaces is None:
        return "a working order", "replaces none", True
    observed = f"order {order.replaces}"
    found = portfolio.working(order.replaces)
    if found is None:
        return "a working order", f"{observed} does not work", False
    same = _same_claim(found[0], order)
    return "the same instrument, side, parent and OCA group", observed, same


def order_quantity_within_max(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """One order is not larger than `order_quantity_max`."""
    maximum = limits.order_quantity_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    return maximum, order.quantity, order.quantity <= maximum


def order_notional_within_max(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """One order is not worth more than `order_notional_max` at its reserve price."""
    maximum = limits.order_notional_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    quoted = _quoted(order.instrument, portfolio)
    if isinstance(quoted, str):
        return maximum, quoted, False
    last, instrument = quoted
    notional = order.quantity * reserve_price(order, last) * instrument.multiplier
    return maximum, notional, notional <= maximum


def prices_within_collar(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """Limit and stop are no further from the last price than `price_collar_max` of it."""
    maximum = limits.price_collar_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    last = portfolio.price(order.instrument)
    if last is None:
        return maximum, _NO_PRICE, False
    limit, stop = order.limit_price, order.stop_price
    if limit is None and stop is None:
        return maximum, ZERO, True
    away = max(abs(price - last) for price in (limit, stop) if price is not None)
    return maximum, _share(away, last), away <= maximum * last


# ---- the book, at the worst ----


def position_within_max(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """The position that the order drives at is within `position_quantity_max`, at the worst."""
    maximum = limits.position_quantity_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    reading, added = portfolio.reading(order.instrument), added_quantity(order, portfolio)
    worst = reading.worst_long + added if order.side is _BUY else added - reading.worst_short
    return _within(maximum, worst, order, portfolio)


def gross_exposure_within_max(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """Longs plus shorts are within `gross_exposure_max`, at the worst."""
    maximum = limits.gross_exposure_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    exposure = exposure_after(order, portfolio)
    gross = exposure if isinstance(exposure, str) else exposure[0]
    return _within(maximum, gross, order, portfolio)


def net_exposure_within_max(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """Longs minus shorts, either way, are within `net_exposure_max`, at the worst."""
    maximum = limits.net_exposure_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    exposure = exposure_after(order, portfolio)
    net = exposure if isinstance(exposure, str) else _furthest(exposure[1], exposure[2])
    return _within(maximum, net, order, portfolio)


def concentration_within_max(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """The instrument's exposure is within `concentration_max` of equity, at the worst."""
    maximum = limits.concentration_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    extremes = extremes_after(order, portfolio)
    alone = extremes if isinstance(extremes, str) else _furthest(*extremes)
    return _within_equity(maximum, alone, order, portfolio)


def buying_power_suffices(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """Equity carries the gross exposure `buying_power_multiple` times over, at the worst."""
    exposure = exposure_after(order, portfolio)
    gross = exposure if isinstance(exposure, str) else exposure[0]
    return _within_equity(limits.buying_power_multiple, gross, order, portfolio)


# ---- the pace ----


def orders_per_second_within_max(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """No second, wherever it begins, sees more approvals than `orders_per_second_max`."""
    maximum = limits.orders_per_second_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    sent = portfolio.approved_since(portfolio.now - _SECOND + 1)
    return maximum, sent + ONE, sent < maximum


def orders_per_day_within_max(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """No UTC calendar day sees more approvals than `orders_per_day_max`."""
    maximum = limits.orders_per_day_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    now = portfolio.now
    sent = portfolio.approved_since(now - now % _DAY)
    return maximum, sent + ONE, sent < maximum


def order_is_no_duplicate(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """The same terms were not approved in the last `duplicate_window_seconds`."""
    window = limits.duplicate_window_seconds
    if not window:
        return _NOT_LIMITED
    twin = portfolio.same_order_since(order, portfolio.now - int(window * _SECOND))
    return window, "no duplicate" if twin is None else f"same terms as order {twin.id}", not twin


def open_orders_within_max(order: Order, portfolio: Portfolio, limits: Limits) -> Measured:
    """Not more orders are open than `open_orders_max`; a replacement takes a place, not one more."""
    maximum = limits.open_orders_max
    if maximum == INFINITY:
        return _NOT_LIMITED
    count = portfolio.open_orders + (ONE if order.replaces is None else ZERO)
    return maximum, count, count <= maximum


RULES: tuple[tuple[Reason, Rule], ...] = (
    (Reason.HALTED, trading_is_not_halted),
    (Reason.INSTRUMENT_UNKNOWN, instrument_is_known),
    (Reason.INSTRUMENT_NOT_TRADABLE, instrument_is_tradable),
    (Reason.PRICE_STALE, price_is_fresh),
    (Reason.QUANTITY_INVALID, quantity_is_valid),
    (Reason.TERMS_INVALID, terms_are_valid),
    (Reason.REPLACED_ORDER_NOT_WORKING, replaced_order_is_working),
    (Reason.ORDER_QUANTITY, order_quantity_within_max),
    (Reason.ORDER_NOTIONAL, order_notional_within_max),
    (Reason.PRICE_COLLAR, prices_within_collar),
    (Reason.POSITION, position_within_max),
    (Reason.GROSS_EXPOSURE, gross_exposure_within_max),
    (Reason.NET_EXPOSURE, net_exposure_within_max),
    (Reason.CONCENTRATION, concentration_within_max),
    (Reason.BUYING_POWER, buying_power_suffices),
    (Reason.ORDERS_PER_SECOND, orders_per_second_within_max),
    (Reason.ORDERS_PER_DAY, orders_per_day_within_max),
    (Reason.DUPLICATE, order_is_no_duplicate),
    (Reason.OPEN_ORDERS, open_orders_within_max),
)
"""Every rule, in the order of `Reason`: the first that fails names the refusal."""


# ---- readings of the order ----


def reserve_price(order: Order, last: Decimal) -> Decimal:
    """Return the highest of the last price and the order's own limit and stop.

        MARKET          last; so on open and on close
        LIMIT           last or limit: a buy pays up to its limit, a sell is short from its limit;
                        so on close
        STOP            last or stop: a buy triggers there or above; a sell at or below, so last
        STOP_LIMIT      last, stop or limit
        TRAILING_STOP   last or stop: where the trail starts; a buy's only falls from there

    Highest for a sell too: what a short owes grows with the price. Never below last, at which a
    position is marked as soon as it is filled.
    """
    worst, limit, stop = last, order.limit_price, order.stop_price
    if limit is not None and limit > worst:
        worst = limit
    if stop is not None and stop > worst:
        worst = stop
    return worst


def added_quantity(order: Order, portfolio: Portfolio) -> Decimal:
    """Return the quantity that the order adds to the worst case of its side."""
    standing = _standing(order, portfolio)
    if standing is None:
        return order.quantity
    return max(ZERO, order.quantity - standing[1])


def reduces_risk(order: Order, portfolio: Portfolio) -> bool:
    """Whether the order can only bring the position nearer to zero.

    A sell that leaves even the worst case long or flat (a buy: short or flat) does, and so does a
    protective child: it comes to life only when its parent has filled whole, and with the other
    children of that parent takes back no more than the parent can still bring.
    """
    reading, added = portfolio.reading(order.instrument), added_quantity(order, portfolio)
    if order.side is _BUY:
        reduces = reading.worst_long + added <= ZERO
    else:
        reduces = reading.worst_short - added >= ZERO
    return reduces or _protects_parent(order, portfolio, added)


def extremes_after(order: Order, portfolio: Portfolio) -> tuple[Decimal, Decimal] | str:
    """Return the lowest and highest value of the order's instrument, should it be approved.

    Text instead says what is missing to compute it; so in `exposure_after`.
    """
    quoted = _quoted(order.instrument, portfolio)
    if isinstance(quoted, str):
        return quoted
    last, instrument = quoted
    multiplier = instrument.multiplier
    unit = last * multiplier
    reserve = reserve_price(order, last)
    now = portfolio.reading(order.instrument)
    quantity, value = _added(
        order, portfolio, unit if reserve is last else reserve * multiplier, multiplier
    )
    if order.side is _BUY:
        buying, buying_value = now.buying + quantity, now.buying_value + value
        return _extremes(now.held, buying, buying_value, now.selling, now.selling_value, unit)
    selling, selling_value = now.selling + quantity, now.selling_value + value
    return _extremes(now.held, now.buying, now.buying_value, selling, selling_value, unit)


def exposure_after(order: Order, portfolio: Portfolio) -> tuple[Decimal, Decimal, Decimal] | str:
    """Return gross exposure and the lowest and highest net exposure, should it be approved."""
    extremes = extremes_after(order, portfolio)
    if isinstance(extremes, str):
        return extremes
    low, high = extremes
    gross = _furthest(low, high)
    price_of, instrument_of = portfolio.price, portfolio.instrument
    for name, reading in portfolio.readings():
        if name == order.instrument:
            continue
        last, instrument = price_of(name), instrument_of(name)
        if last is None or instrument is None:
            return f"{_NO_PRICE} of {name}"
        held, buying, selling = reading.held, reading.buying, reading.selling
        unit = last * instrument.multiplier
        if buying or selling:
            values = reading.buying_value, reading.selling_value
            lowest, highest = _extremes(held, buying, values[0], selling, values[1], unit)
            gross += _furthest(lowest, highest)
            low += lowest
            high += highest
        else:
            value = held * unit
            gross += abs(value)
            low += value
            high += value
    return gross, low, high


def _extremes(
    held: Decimal,
    buying: Decimal,
    buying_value: Decimal,
    selling: Decimal,
    selling_value: Decimal,
    unit: Decimal,
) -> tuple[Decimal, Decimal]:
    """Return the lowest and highest value that one instrument can come to have.

    The first five are a `Reading`; `unit` is the money of one unit of quantity at the last price.
    What may still fill counts at its reserve or at the last price, whichever is more: the price
    may have moved since approval. A position that cannot turn short is never worth less than
    nothing, whatever a high limit on its sale makes of the difference; mirrored for a cover.
    """
    low = high = held * unit
    if buying:
        at_last = buying * unit
        high += at_last if at_last > buying_value else buying_value
        if held < ZERO < high and held + buying <= ZERO:
            high = ZERO
    if selling:
        at_last = selling * unit
        low -= at_last if at_last > selling_value else selling_value
        if low < ZERO < held and held >= selling:
            low = ZERO
    return low, high


def _furthest(low: Decimal, high: Decimal) -> Decimal:
    """Return how far the further of two extremes is from zero."""
    return high if high > -low else -low


def _standing(order: Order, portfolio: Portfolio) -> tuple[Order, Decimal] | None:
    """Return the working order whose reservation covers this one too, and what it could fill."""
    other = order.oca_group if order.replaces is None else order.replaces
    if other is None:
        return None
    found = portfolio.working(other)
    if found is None or not _same_claim(found[0], order):
        return None
    # A leg that joins its group later may find, when it arrives, that the group has just filled.
    joins_later = order.replaces is None and found[0].created_at != order.created_at
    return None if joins_later else found


def _same_claim(one: Order, other: Order) -> bool:
    return (
        one.instrument == other.instrument
        and one.side is other.side
        and one.parent == other.parent
        and one.oca_group == other.oca_group
    )


def _added(
    order: Order, portfolio: Portfolio, unit: Decimal, multiplier: Decimal
) -> tuple[Decimal, Decimal]:
    """Return what the order adds to the worst case: quantity, and money at `unit` each.

    Beside a standing order each is what goes beyond it.
    """
    quantity = order.quantity
    standing = _standing(order, portfolio)
    if standing is None:
        return quantity, quantity * unit
    leaves = standing[1]
    reserved = portfolio.reserve_price(standing[0].id) or ZERO  # unknown: it covers no money
    return (
        max(ZERO, quantity - leaves),
        max(ZERO, quantity * unit - leaves * reserved * multiplier),
    )


def _protects_parent(order: Order, portfolio: Portfolio, added: Decimal) -> bool:
    found = None if order.parent is None else portfolio.working(order.parent)
    if found is None:
        return False
    parent, leaves = found
    return (
        parent.instrument == order.instrument
        and parent.side is not order.side
        and portfolio.children(parent.id) + added <= leaves
    )


def _quoted(instrument_id: str, portfolio: Portfolio) -> tuple[Decimal, Instrument] | str:
    """Return an instrument with its last price, or what is missing."""
    last, instrument = portfolio.price(instrument_id), portfolio.instrument(instrument_id)
    if instrument is None:
        return f"{_UNKNOWN} {instrument_id}"
    return f"{_NO_PRICE} of {instrument_id}" if last is None else (last, instrument)


def _within(
    maximum: Decimal, observed: Decimal | str, order: Order, portfolio: Portfolio
) -> Measured:
    """Compare an exposure with its limit; an order that only reduces risk passes all the same."""
    if not isinstance(observed, str) and observed <= maximum:
        return maximum, observed, True
    if reduces_risk(order, portfolio):
        shown = observed if isinstance(observed, str) else text(observed)
        return maximum, f"{shown}, but only reduces risk", True
    return maximum, observed, False


def _within_equity(
    maximum: Decimal, exposure: Decimal | str, order: Order, portfolio: Portfolio
) -> Measured:
    """Compare an exposure with a multiple of equity, as `_within` does."""
    equity = portfolio.equity()
    if isinstance(exposure, str):
        return _within(maximum, exposure, order, portfolio)
    if equity is None:
        return _within(maximum, "no equity", order, portfolio)
    if equity <= ZERO:
        return _within(maximum, f"equity {text(equity)}", order, portfolio)
    if exposure <= maximum * equity:
        return maximum, exposure / equity, True
    return _within(maximum, _share(exposure, equity), order, portfolio)
