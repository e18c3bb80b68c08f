"""Exact numbers: the one place where a float becomes a Decimal.

Arithmetic on money runs in the `EXACT` context: 60 digits, so that quantity x price, sums and
pro-rata shares of real amounts are exact, and an invalid operation raises instead of giving NaN.
"""

from __future__ import annotations

import re
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from functools import lru_cache

from msgspec import ValidationError, json

EXACT = Context(
    prec=60,
    rounding=ROUND_HALF_EVEN,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
"""The decimal context of ledger, gate and broker (`with localcontext(EXACT)`)."""

_NUMBERS = json.Encoder(decimal_format="number")
_DECIMALS, _FLOATS = json.Decoder(list[Decimal]), json.Decoder(list[float])

ZERO = Decimal(0)
ONE = Decimal(1)
INFINITY = Decimal("Infinity")


def exact(value: Decimal | float | str) -> Decimal:
    """Return `value` as the shortest decimal that reads back as the same number.

    A float price 102.3 becomes Decimal("102.3"), not its binary expansion: this is what the data
    file said. Raises `decimal.InvalidOperation` for text that is not a number.
    """
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        return shortest(value)
    return EXACT.create_decimal(value)


@lru_cache(maxsize=4096)  # prices come again: most bars hold a few thousand different ones
def shortest(value: float) -> Decimal:
    """Return a float as `exact` does, without asking what it is."""
    return Decimal(repr(float(value)))  # float(): numpy scalars have another repr


def shortest_of(values: list[float]) -> list[Decimal]:
    """Return floats as `shortest` does, in less than half of the time."""
    try:
        return _DECIMALS.decode(_NUMBERS.encode(values))
    except ValidationError:  # JSON has no word for what is not a finite number
        return list(map(Decimal, map(repr, values)))


def floats_of(values: list[Decimal | int]) -> list[float]:
    """Return amounts that a float can hold as `float` does, to the nearest, in half of the time."""
    return _FLOATS.decode(_NUMBERS.encode(values))


def plus(one: Decimal | int, other: Decimal | int) -> Decimal | int:
    """Add quantities exactly, whatever decimal context the caller works in; whole ones stay whole."""
    return one + other if type(one) is type(other) is int else EXACT.add(one, other)


def minus(one: Decimal | int, other: Decimal | int) -> Decimal | int:
    """Subtract quantities likewise."""
    return one - other if type(one) is type(other) is int else EXACT.subtract(one, other)


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """Round to the multiple of `step` at or below `value` (toward minus infinity)."""
    return EXACT.multiply(EXACT.divide(value, step).to_integral_value(ROUND_FLOOR), step)


def round_up(value: Decimal, step: Decimal) -> Decimal:
    """Round to the multiple of `step` at or above `value`."""
    return EXACT.multiply(EXACT.divide(value, step).to_integral_value(ROUND_CEILING), step)


def text(value: Decimal) -> str:
    """Return the canonical text of an amount: no exponent, no trailing zeros, no minus zero."""
    if not value.is_finite():
        return str(value)
    if value == 0:
        return "0"
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def is_currency(written: object) -> bool:
    """Whether something is three capitals, as a currency of ISO 4217 is."""
    return isinstance(written, str) and re.fullmatch("[A-Z]{3}", written) is not None
