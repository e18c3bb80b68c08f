"""Exposure in all instruments, added up once a moment; one whose orders changed is counted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.money import ZERO
from evenkeel.domain.portfolio import NO_PRICE, Exposure, extremes, furthest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from evenkeel.engine.account import Account

_NOTHING: Exposure = (ZERO, ZERO, ZERO)


class Exposures:
    """What `Portfolio.exposure_beside` is made of. Sums of decimals are exact in any order."""

    def __init__(self, account: Account) -> None:
        """Count nothing yet."""
        self._account = account
        self._counted_at = (-1, -1)
        self._each: dict[str, Exposure] = {}
        self._missing: dict[str, str] = {}
        self._total = _NOTHING
        self._touched: set[str] | None = None

    def beside(self, name: str) -> Exposure | str:
        """Return the exposure in every instrument but one; text says what is missing for it."""
        account = self._account
        held, ordered = account.book.held, account.orders.instruments
        if len(held) <= 1 and held.keys() <= {name} and ordered.keys() <= {name}:
            return _NOTHING
        if self._touched is None:
            self._touched = account.orders.watch()
        counted_at = account.tape.now, account.book.changes
        if counted_at != self._counted_at:
            self._counted_at, self._total = counted_at, _NOTHING
            self._each.clear()
            self._missing.clear()
            self._count(held)
            self._count(ordered.keys() - held.keys())
        else:
            self._count(self._touched)
        self._touched.clear()
        for other, missing in self._missing.items():
            if other != name:
                return missing
        return _less(self._total, self._each.get(name, _NOTHING))

    def _count(self, names: Iterable[str]) -> None:
        total, prices = self._total, self._account.price
        for name in names:
            last = prices(name)
            if last is None:
                self._missing[name] = f"{NO_PRICE} of {name}"
                continue
            known, counted = self._each.get(name), self._exposure(name, last)
            self._each[name] = counted
            total = _plus(total if known is None else _less(total, known), counted)
        self._total = total

    def _exposure(self, name: str, last: Decimal) -> Exposure:
        account = self._account
        unit = last * account.instruments[name].multiplier
        if name not in account.orders.instruments:
            value = account.book.quantity(name) * unit
            return abs(value), value, value
        now = account.reading(name)
        low, high = extremes(
            now.held, now.buying, now.buying_value, now.selling, now.selling_value, unit
        )
        return furthest(low, high), low, high


def _plus(one: Exposure, other: Exposure) -> Exposure:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _less(one: Exposure, other: Exposure) -> Exposure:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]
