"""Exposure in all instruments, added up once a moment; one whose orders changed is counted anew."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.money import ZERO
from evenkeel.domain.portfolio import NO_PRICE, Exposure, extremes, furthest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from evenkeel.engine.account import Account
    from evenkeel.ledger.holding import Holding

_FEW = 16
"""So many positions are added up one by one faster than as columns."""

_AHEAD = 256

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
        self._columns = Columns(account)
        self._seen_at = (-1, -1)
        self._seen = (0.0, 0.0)

    def beside(self, name: str) -> Exposure | str:
        """Return the exposure in every instrument but one; text says what is missing for it."""
        account = self._account
        held, ordered = account.book.held, account.orders.instruments
        if len(held) <= 1 and held.keys() <= {name} and ordered.keys() <= {name}:
            return _NOTHING
        counted_at = account.tape.now, account.book.changes
        if counted_at != self._counted_at:
            self._counted_at, self._total = counted_at, _NOTHING
            self._each.clear()
            self._missing.clear()
            self._count(held)
            self._count(ordered.keys() - held.keys())
        else:
            self._count(account.orders.touched)
        account.orders.touched.clear()
        for other, missing in self._missing.items():
            if other != name:
                return missing
        return _less(self._total, self._each.get(name, _NOTHING))

    def at_a_glance(self) -> tuple[float, float]:
        """Return gross and net value of everything held at the last prices; NaN without one."""
        account = self._account
        seen_at = account.tape.now, account.book.changes
        if seen_at != self._seen_at:
            held = account.book.held
            many = len(held) > _FEW and len(account.tape.cursors) == 1
            self._seen_at = seen_at
            self._seen = self._columns.gross_and_net() if many else self._gross_and_net(held)
        return self._seen

    def _gross_and_net(self, held: Mapping[str, Holding]) -> tuple[float, float]:
        gross = net = 0.0
        for name, holding in held.items():
            line = self._account.tape.lines[name]
            index = line.cursor.index
            value = holding.units * line.closes[index] if index >= 0 else nan
            gross += abs(value)
            net += value
        return gross, net

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


class Columns:
    """What is held of many instruments with the same bar times, beside their closes, in numpy."""

    def __init__(self, account: Account) -> None:
        """Look at an account; nothing is read before somebody asks."""
        self._account = account
        self._places: dict[str, int] = {}
        self._units = np.zeros(0)
        self._closes = np.zeros((0, 0))  # of some bars from `_start` on, an instrument a column
        self._start = 0
        self._read_from: memoryview | None = None

    def gross_and_net(self) -> tuple[float, float]:
        """Return gross and net value of what is held; there must be a bar."""
        tape, book = self._account.tape, self._account.book
        index = tape.cursors[0].index
        first = next(iter(tape.lines.values())).closes
        inside = 0 <= index - self._start < len(self._closes)
        if not inside or self._read_from is not first:
            self._read(index)
            self._read_from = first
        for name in book.moved:
            holding = book.held.get(name)
            self._units[self._places[name]] = 0.0 if holding is None else holding.units
        book.moved.clear()
        values = self._units * self._closes[index - self._start]
        return float(np.abs(values).sum()), float(values.sum())

    def _read(self, index: int) -> None:
        """Lay out the closes of some bars to come, row by row: only rows shown are looked at."""
        tape, book = self._account.tape, self._account.book
        columns = [bars.close[index : index + _AHEAD] for bars in tape.bars.values()]
        self._start, self._closes = index, np.array(columns).T.copy()
        if len(self._places) != len(columns):
            self._places = {name: place for place, name in enumerate(tape.bars)}
            self._units = np.zeros(len(columns))
            book.moved.update(book.held)


def _plus(one: Exposure, other: Exposure) -> Exposure:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _less(one: Exposure, other: Exposure) -> Exposure:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]
