"""What an author writes beside a verb, read into the terms of an order. Nonsense ends here."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evenkeel.domain.errors import StrategyError, did_you_mean
from evenkeel.domain.money import EXACT, exact
from evenkeel.domain.order import TIMES_IN_FORCE, OrderType, Side, TimeInForce
from evenkeel.domain.tape import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Number = float | int | Decimal | str
Moment = datetime | date | str | int

_ON_CLOSE = (OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE)
_HUNDRED = Decimal(100)
_DIGITS = 30  # of a number; arithmetic on money has twice as many
VAST = 10**_DIGITS
"""Beyond any quantity and any price."""
_TRUTHS = (bool, np.bool_)
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400 * 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


OPTIONS = ("limit", "stop", "trail", "on", "tif", "expires", "after", "reason")
"""What may be written beside every verb that places an order; `Strategy` says what each means."""


class Terms(NamedTuple):
    """How an order fills and how long it works; fields as in `Order`."""

    type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    tif: TimeInForce = TimeInForce.GTC
    expires_at: int | None = None


PLAIN = Terms(OrderType.MARKET)
"""A market order until it is filled: what a verb means when nothing else is written."""


def terms(
    side: Side,
    last: Callable[[], Decimal | None],
    *,
    limit: Number | None = None,
    stop: Number | None = None,
    trail: Number | None = None,
    tif: str | TimeInForce | None = None,
    on: str | None = None,
    expires: Moment | None = None,
) -> Terms:
    """Return the terms that these words mean; `last` tells the last price, for a trail's start.

    Where that is not known yet, a trail has no start.

    Raises `StrategyError` for words that have no meaning, alone or together.
    """
    how_long = _tif(tif, on, expires)
    kind = _type(limit, stop, trail, "open" if how_long is TimeInForce.OPG else on)
    if how_long not in TIMES_IN_FORCE[kind]:
        known = " or ".join(each.value for each in TimeInForce if each in TIMES_IN_FORCE[kind])
        raise StrategyError(
            f"a {kind.value} order takes tif={known}, was {how_long.value}: "
            "what waits for a price or a close is not tried at once"
        )
    distance, percent = _trail(trail)
    return Terms(
        kind,
        None if limit is None else amount("limit", limit),
        _first_stop(side, last, stop, distance, percent),
        distance,
        percent,
        how_long,
        None if expires is None else moment(expires),
    )


def check_options(names: Iterable[str]) -> None:
    """Raise `StrategyError` for an option that no order has."""
    for name in names:
        if name not in OPTIONS:
            known = ", ".join(f"{each}=" for each in OPTIONS)
            raise StrategyError(
                f"an order has no option {name}=, only {known}{did_you_mean(name, OPTIONS)}"
            )


def on_of(kind: OrderType, tif: TimeInForce) -> str | None:
    """Return the word `on=` that asks for an order of this kind again, None when it needs none."""
    if kind in _ON_CLOSE:
        return "close"
    return "open" if tif is TimeInForce.OPG else None


def amount(what: str, value: Number) -> Decimal:
    """Return a number as it was written.

    Raises `StrategyError` when it is none, not finite, or more than arithmetic has digits for.
    """
    if type(value) is int and -VAST < value < VAST:
        return Decimal(value)
    if type(value) is not float and isinstance(value, _TRUTHS):
        raise StrategyError(f"{what} must be a number, was {value!r}")
    try:
        number = exact(value if isinstance(value, Decimal | str | int) else float(value))
    except (ArithmeticError, TypeError, ValueError) as error:
        raise StrategyError(f"{what} must be a number, was {value!r}") from error
    if not number.is_finite():
        raise StrategyError(
            f"{what} must be a number, was {value!r}; in an indicator's warm-up ask for nothing"
        )
    if number.adjusted() >= _DIGITS:
        raise StrategyError(f"{what} must be less than 1e{_DIGITS}, was {number:.3g}")
    return number


def number(what: str, value: int) -> int:
    """Return an order's number. Raises `StrategyError` for what is none, such as those of a bracket."""
    if type(value) is not int:
        raise StrategyError(f"{what} must be an order's number, was {value!r}")
    return value


def words(what: str, value: str) -> str:
    """Return an author's own words. Raises `StrategyError` for what no journal could read back."""
    if not isinstance(value, str):
        raise StrategyError(f'{what} must be a text, was {value!r}; write f"{{…}}"')
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise StrategyError(f"{what} has a half of a character in it: {value!r}") from error
    return value


def side_of(value: str | Side) -> Side:
    """Return a side from its name. Raises `StrategyError` for any other."""
    if isinstance(value, Side):
        return value
    try:
        return Side(value.upper())
    except (AttributeError, ValueError) as error:
        raise StrategyError(f"side must be 'buy' or 'sell', was {value!r}") from error


def moment(value: Moment) -> int:
    """Return a moment in UTC nanoseconds; a date means the end of that day in UTC.

    One beyond what 64 bits hold (in 2262) is never. Raises `StrategyError` for what is no date or
    time, and for a time without a zone.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return min(value, NEVER)
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, date):
        raise StrategyError(_NO_MOMENT.format(value))
    if not isinstance(value, datetime):
        return min((value.toordinal() + 1 - EPOCH.toordinal()) * _DAY, NEVER)
    if value.tzinfo is None:
        raise StrategyError(f"expires needs a time zone, such as +00:00, was {value.isoformat()!r}")
    return min((value - EPOCH) // _MICROSECOND * 1_000, NEVER)


def _parsed(text: str) -> date:
    try:
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError as error:
        raise StrategyError(_NO_MOMENT.format(text)) from error


_NO_MOMENT = "expires must be a date or a time like 2024-01-31T15:00+00:00, was {!r}"


def _tif(value: str | TimeInForce | None, on: str | None, expires: Moment | None) -> TimeInForce:
    if on is not None and not (isinstance(on, str) and on in {"open", "close"}):
        raise StrategyError(f"on must be 'open' or 'close', was {on!r}")
    if value is None:
        if expires is not None:
            return TimeInForce.GTD
        return {None: TimeInForce.GTC, "open": TimeInForce.OPG, "close": TimeInForce.DAY}[on]
    tif = _named(value)
    if (tif is TimeInForce.GTD) is not (expires is not None):
        raise StrategyError(f"expires= and tif='GTD' go together, was tif={tif.value!r}")
    if on == "open" and tif is not TimeInForce.OPG:
        raise StrategyError(f"on='open' is tif='OPG' in other words, was tif={tif.value!r}")
    if on == "close" and tif is TimeInForce.OPG:
        raise StrategyError("an order on close and on open at once: on='close', tif='OPG'")
    return tif


def _named(value: str | TimeInForce) -> TimeInForce:
    if isinstance(value, TimeInForce):
        return value
    try:
        return TimeInForce(value.upper())
    except (AttributeError, ValueError) as error:
        known = ", ".join(each.value for each in TimeInForce)
        raise StrategyError(f"tif must be one of {known}, was {value!r}") from error


def _type(
    limit: Number | None, stop: Number | None, trail: Number | None, on: str | None
) -> OrderType:
    if on is not None:
        if stop is not None or trail is not None:
            raise StrategyError(f"an order on {on} takes no stop= and no trail=, only limit=")
        if on == "open":
            return OrderType.MARKET_ON_OPEN if limit is None else OrderType.LIMIT
        return OrderType.MARKET_ON_CLOSE if limit is None else OrderType.LIMIT_ON_CLOSE
    if trail is not None:
        if limit is not None:
            raise StrategyError("a trailing stop takes no limit; give trail= alone or with stop=")
        return OrderType.TRAILING_STOP
    if limit is not None:
        return OrderType.LIMIT if stop is None else OrderType.STOP_LIMIT
    return OrderType.MARKET if stop is None else OrderType.STOP


def _trail(trail: Number | None) -> tuple[Decimal | None, Decimal | None]:
    """Return an amount or a percentage: `2.5` trails by that much money, `"2.5%"` by its share."""
    if trail is None:
        return None, None
    if isinstance(trail, str) and trail.rstrip().endswith("%"):
        return None, amount("trail", trail.rstrip()[:-1].strip())
    return amount("trail", trail), None


def _first_stop(
    side: Side,
    last: Callable[[], Decimal | None],
    stop: Number | None,
    trail: Decimal | None,
    percent: Decimal | None,
) -> Decimal | None:
    """Return where a stop stands at first; a trail starts at its distance from the last price."""
    if stop is not None:
        return amount("stop", stop)
    if trail is None and percent is None:
        return None
    price = last()
    if price is None:
        return None
    if trail is None:
        assert percent is not None
        trail = EXACT.divide(EXACT.multiply(price, percent), _HUNDRED)
    return EXACT.subtract(price, trail) if side is Side.SELL else EXACT.add(price, trail)
