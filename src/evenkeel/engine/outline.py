"""The account in outline: what each instrument could come to be worth, in floats, and their sum.

What `engine/exposures.py` says exactly, this says nearly, and fast: once a moment in one pass over
all instruments, and for one whose orders or quantity have changed since, anew. That is enough for
whoever is not close to a limit (`risk/glance.py`).
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.money import ZERO
from evenkeel.engine.panel import Panel

if TYPE_CHECKING:
    from evenkeel.engine.account import Account

_FEW = 16
"""So many instruments are added up one by one faster than all of them in columns."""


class Outline:
    """Quantities and orders of many instruments as columns, a place for each instrument.

    All but `_bought` and `_sold` have the multiplier in them. `_bought` says that the buys of an
    instrument do no more than cover what is short, exactly; `_sold` the same of sells and a long.
    """

    def __init__(self, account: Account) -> None:
        """Look at an account of which the tape has all instruments; read when somebody asks."""
        self._account = account
        self._touched = account.orders.watch()
        self._moved = account.book.moved
        self._now = -1
        self._gross = self._net = 0.0
        self._lay_out()

    def beside(self, name: str) -> tuple[float, float]:
        """Return the gross exposure in all others, and the net value of all that is held.

        NaN where something has no price.
        """
        account = self._account
        if self._extensions != account.tape.extensions:
            self._lay_out()
        if self._touched or self._moved:
            for each in self._touched | self._moved:
                self._count(each)
            self._touched.clear()
            self._moved.clear()
        if account.tape.now != self._now:
            self._now = account.tape.now
            self._add_up()
        return self._gross - self._exposure[self._places[name]], self._net

    def _lay_out(self) -> None:
        account, tape = self._account, self._account.tape
        self._lines = list(tape.lines.values())
        self._places = {name: place for place, name in enumerate(tape.lines)}
        nothing, false = [0.0] * len(self._lines), [False] * len(self._lines)
        self._units, self._exposure = nothing.copy(), nothing.copy()
        self._buying, self._buying_value = nothing.copy(), nothing.copy()
        self._selling, self._selling_value = nothing.copy(), nothing.copy()
        self._bought, self._sold = false.copy(), false.copy()
        self._active: set[int] = set()  # held, or with orders
        self._busy: set[int] = set()  # with orders
        self._panel, self._extensions = Panel(tape), tape.extensions
        self._now = -1
        self._touched.update(account.book.held, account.orders.instruments)

    # ---- one instrument ----------------------------------------------------------------------

    def _count(self, name: str) -> None:
        """Take in what has become of an instrument's quantity and orders."""
        account, place = self._account, self._places[name]
        holding, before = account.book.held.get(name), self._units[place]
        self._units[place] = units = 0.0 if holding is None else holding.units
        if name in account.orders.instruments:
            reading = account.reading(name)
            held, scale = reading.held, float(account.instruments[name].multiplier)
            self._buying[place] = float(reading.buying) * scale
            self._selling[place] = float(reading.selling) * scale
            self._buying_value[place] = float(reading.buying_value)
            self._selling_value[place] = float(reading.selling_value)
            self._bought[place] = held < ZERO and held + reading.buying <= ZERO
            self._sold[place] = held > ZERO and held >= reading.selling
            self._busy.add(place)
            self._active.add(place)
        else:
            if place in self._busy:
                self._busy.discard(place)
                self._buying[place] = self._buying_value[place] = 0.0
                self._selling[place] = self._selling_value[place] = 0.0
                self._bought[place] = self._sold[place] = False
            if units:
                self._active.add(place)
            else:
                self._active.discard(place)
        if account.tape.now == self._now:
            close = self._close(place)
            exposure = self._furthest(place, close) if place in self._active else 0.0
            self._gross += exposure - self._exposure[place]
            self._exposure[place] = exposure
            if units != before:
                self._net += (units - before) * close

    def _furthest(self, place: int, close: float) -> float:
        """As `domain.portfolio`'s `extremes` and `furthest`."""
        value = self._units[place] * close
        if place not in self._busy:
            return abs(value)
        high = value + max(self._buying_value[place], self._buying[place] * close)
        low = value - max(self._selling_value[place], self._selling[place] * close)
        if self._bought[place]:
            high = min(high, 0.0)
        if self._sold[place]:
            low = max(low, 0.0)
        return max(-low, high)

    def _close(self, place: int) -> float:
        line = self._lines[place]
        index = line.cursor.index
        close: float = line.closes[index] if index >= 0 else nan
        return close

    # ---- all of them -------------------------------------------------------------------------

    def _add_up(self) -> None:
        if len(self._active) > _FEW and len(self._account.tape.cursors) == 1:
            self._add_up_columns()
            return
        self._exposure = [0.0] * len(self._lines)
        self._gross = self._net = 0.0
        for place in self._active:
            close = self._close(place)
            self._exposure[place] = exposure = self._furthest(place, close)
            self._gross += exposure
            self._net += self._units[place] * close

    def _add_up_columns(self) -> None:
        closes = self._panel.closes()
        value = np.array(self._units) * closes
        if len(self._busy) > _FEW:
            buying, selling = np.array(self._buying) * closes, np.array(self._selling) * closes
            high = value + np.maximum(self._buying_value, buying)
            low = value - np.maximum(self._selling_value, selling)
            high = np.where(self._bought, np.minimum(high, 0.0), high)
            low = np.where(self._sold, np.maximum(low, 0.0), low)
            self._exposure = np.maximum(-low, high).tolist()
        else:
            self._exposure = np.abs(value).tolist()
            for place in self._busy:
                self._exposure[place] = self._furthest(place, self._close(place))
        self._gross, self._net = sum(self._exposure), value.sum().item()
