"""Exposure in all instruments, added up once a moment; one whose orders changed is counted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.money import ZERO
from evenkeel.domain.portfolio import NO_PRICE, Exposure, extremes, furthest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.engine.account import Account

_NOTHING: Exposure = (ZERO, ZERO, ZERO)


class Exposures:
    """What `Portfolio.exposure_beside` is made of. Sums of decimals are exact in any order."""

    def __init__(self, account: Account) -> None:
        """Count nothing yet."""
        self._account = account
        self._counted_at = (-1, -1)
        self._each: dict[str, Exposure | str] = {}
        self._total = _NOTHING

    def beside(self, name: str) -> Exposure | str:
        """Return the exposure in every instrument but one; text says what is missing for it."""
        account = self._account
        exposed = account.exposed()
        if not exposed or (len(exposed) == 1 and name in exposed):
            return _NOTHING
        counted_at = account.tape.now, account.book.changes
        if counted_at != self._counted_at:
            self._counted_at, self._each, self._total = counted_at, {}, _NOTHING
            self._count(exposed)
        else:
            self._count(account.orders.touched)
        account.orders.touched.clear()
        return self._but(name)

    def _count(self, names: Iterable[str]) -> None:
        for name in names:
            known, counted = self._each.get(name, _NOTHING), self._exposure(name)
            self._each[name] = counted
            if not isinstance(known, str):
                self._total = _less(self._total, known)
            if not isinstance(counted, str):
                self._total = _plus(self._total, counted)

    def _exposure(self, name: str) -> Exposure | str:
        account = self._account
        last, instrument = account.price(name), account.instruments[name]
        if last is None:
            return f"{NO_PRICE} of {name}"
        now, unit = account.reading(name), last * instrument.multiplier
        low, high = extremes(
            now.held, now.buying, now.buying_value, now.selling, now.selling_value, unit
        )
        return furthest(low, high), low, high

    def _but(self, name: str) -> Exposure | str:
        for other, counted in self._each.items() if self._total_is_partial else ():
            if isinstance(counted, str) and other != name:
                return counted
        own = self._each.get(name, _NOTHING)
        return self._total if isinstance(own, str) else _less(self._total, own)

    @property
    def _total_is_partial(self) -> bool:
        return any(isinstance(counted, str) for counted in self._each.values())


def _plus(one: Exposure, other: Exposure) -> Exposure:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _less(one: Exposure, other: Exposure) -> Exposure:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]
