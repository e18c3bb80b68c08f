"""The tally: the account in doubles, for orders that stand on the blotter and not yet in the book.

Money is never counted too high, exposure never too low. Whoever is far inside every limit by this
count is inside exactly; about everybody else it says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenkeel.engine.pace import Pace
from evenkeel.risk.glance import MARGIN, Figures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from evenkeel.domain.bar import Column
    from evenkeel.engine.account import Account
    from evenkeel.engine.pad import Pad
    from evenkeel.engine.panel import Panel
    from evenkeel.engine.sheet import Page
    from evenkeel.execution.foresight import Foresight
    from evenkeel.risk.gate import Gate


class Tally:
    """Cash and exposure with all that was jotted down; only plain orders that are alone are counted.

    `lent` says that somebody charges for what is owed: then nothing passes that would owe.
    """

    def __init__(
        self,
        account: Account,
        gate: Gate,
        foresight: Foresight,
        panel: Panel,
        pads: Mapping[str, Pad],
        *,
        lent: bool,
    ) -> None:
        """Count nothing yet. The pads are those of the panel's instruments, in their order."""
        self._account, self._gate, self._foresight, self._lent = account, gate, foresight, lent
        self._pace = Pace() if gate.paces else None
        self._panel, self._pads, self._alone = panel, pads, len(pads) == 1
        self._scales = np.array([pad.line.scale for pad in pads.values()])
        self._units = np.zeros(len(pads))  # held, with the newest orders, times the multiplier
        self._cash = self._cash_then = 0.0  # now, and when the newest orders have traded
        self._moved = 0.0  # all the money that `_cash` was made of
        self._gross = self._net = 0.0
        self.equity = self.money = 0.0
        """What the account had when it was asked last, and all the money that this was made of."""

    def begin(self) -> None:
        """Begin with what the book says, and with the orders that were approved before."""
        self.recount()
        if self._pace is not None:
            self._pace.begin(self._account.orders, self._account.tape.now)

    def recount(self) -> None:
        """Take over what the book says, which has every order that was jotted down."""
        book = self._account.book
        self._cash = self._cash_then = float(book.cash)
        self._moved = abs(self._cash)
        self._units[:] = 0.0
        for name, holding in book.held.items():
            self._units[self._pads[name].place] = holding.units

    def turn(self) -> None:
        """Go on to another bar: what was counted before it has traded."""
        self._cash = self._cash_then
        if self._pace is not None:
            self._pace.turn(self._account.tape.now)
        if not self._alone:
            values = self._units * self._panel.closes()
            self._net, self._gross = float(values.sum()), float(np.abs(values).sum())

    def count(self, page: Page, rows: slice, costs: Column) -> None:
        """Count in some orders of a page, which have traded by now.

        None of an instrument has cost more than `costs` of it.
        """
        places, signed = page.places[rows], np.array(page.signed[rows], dtype=float)
        bars = np.array(page.bars[rows]) + 1
        first, last = int(bars[0]), int(bars[-1]) + 1
        units = signed * self._scales[places]
        spent = units * self._foresight.prices(
            lambda name: self._panel.column(name, first, last)[places, bars - first], signed
        )
        cost = float(costs[places].sum())
        self._cash_then -= float(spent.sum()) + cost
        self._moved += float(np.abs(spent).sum()) + cost
        self._units += np.bincount(places, units, len(self._units))

    @property
    def held(self) -> Column:
        """The signed quantities held with all that was counted, in the order of the panel."""
        held: Column = self._units / self._scales
        return held

    def takes(
        self,
        pad: Pad,
        index: int,
        signed: float,
        before: Decimal | int,
        after: Decimal | int,
    ) -> bool:
        """Count an order in if it is sure to pass the gate and to fill whole; whether it is.

        It makes what is held `before` into `after`.
        """
        line, quantity = pad.line, abs(signed)
        spent = self._foresight.forecast(line, index + 1, quantity, buy=signed > 0)
        if spent is None:
            return False
        cash, moved = self._cash_then - spent, self._moved + abs(spent)
        if self._lent and (after < 0 or cash <= MARGIN * moved):
            return False
        now, then, unit = float(before), float(after), line.closes[index] * line.scale
        value, own = abs(now) * unit, abs(then) * unit
        most, own = (now, value) if own < value else (then, own)
        if self._alone:
            gross, equity = own, self._cash + now * unit
        else:
            gross, equity = self._gross + own - value, self._cash + self._net
        if self._pace is not None and not self._in_pace(self._pace, pad):
            return False
        self.equity, self.money = equity, gross + moved
        figures = Figures(quantity, unit, abs(most), own, gross, equity, self.money)
        if not self._gate.lets(figures):
            return False
        if self._pace is not None:
            self._pace.count()
        self._cash_then, self._moved, self._gross = cash, moved, gross
        self._units[pad.place] = then * line.scale
        return True

    def _in_pace(self, pace: Pace, pad: Pad) -> bool:
        """Whether the card allows one more order now."""
        tape, last_at = self._account.tape, self._account.orders.latest(pad.name)
        if pad.index >= 0:
            last_at = max(last_at, pad.line.cursor.times[pad.index])
        return self._gate.keeps_pace(
            pace.second + 1, pace.day + 1, pace.moment + 1, tape.now - last_at
        )
