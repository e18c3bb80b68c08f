"""Calm: a stretch of bars on which orders need not be counted one by one.

Whoever goes on as he did so far, with orders no larger and positions no larger than he has had, can lose
so much at the most, whatever the bars to come make of it, and can have so much exposure. If he is far
inside every limit even so, then each of his orders is. That is found out once, for all bars of the
stretch and all instruments; an order that is larger is found out about when it comes.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from evenkeel.execution.foresight import Swing
from evenkeel.risk.glance import MARGIN, Figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.domain.bar import Column
    from evenkeel.engine.pad import Pad
    from evenkeel.engine.panel import Panel
    from evenkeel.execution.foresight import Foresight
    from evenkeel.risk.gate import Gate

_LOOKED_AT = 32_768
"""So many bars, of all instruments together, are looked at in one go (what that makes stays in a near cache)."""

_LEAST = 8
"""Whoever cannot be let alone for so many bars is watched."""

_PATIENCE = 256
"""So many bars pass then before it is tried again."""

_SLACK = 1.5
"""Who asks for more than ever is given some more than that, so that he need not ask each time."""

_UNSEEN = Swing(np.empty((0, 0)), np.empty((0, 0)), np.empty(0), np.empty(0), np.empty(0))


class Calm:
    """What is let pass uncounted: of each instrument what its pad says, on bars before `until`.

    `lent` says that somebody charges for what is owed: then nothing may come to owe anything.
    """

    def __init__(
        self, gate: Gate, foresight: Foresight, panel: Panel, pads: Sequence[Pad], *, lent: bool
    ) -> None:
        """Let nothing pass yet."""
        self._gate, self._foresight, self._panel = gate, foresight, panel
        self._pads, self._lent, lines = pads, lent, [pad.line for pad in pads]
        self._last = len(lines[0].cursor.times) - 1
        self._ahead = max(_LOOKED_AT // len(pads), _LEAST)
        self._scales = np.array([line.scale for line in lines])
        self._lots = np.array([line.lot for line in lines])
        self._known = np.array([line.bars.volume_known for line in lines])
        nothing = np.zeros(len(pads))
        self._quantity, self._most = nothing.copy(), nothing.copy()  # the largest so far
        self._value = nothing.copy()  # of which order `costs` are
        self.costs = nothing.copy()
        """What one such order costs at the most, by instrument."""
        self.until = self._again = 0
        self._swing, self._first = _UNSEEN, 0  # of the bars after the first
        self._bars, self._steps, self._reaches = 0, nothing, nothing  # of the stretch, added up
        self._equity = self._money = 0.0  # when it began

    def begin(self, index: int, edition: int, *, held: Column, equity: float, money: float) -> None:
        """Try to be calm from a bar on, with so much held and so much equity at its close.

        Of pads that were read for this `edition` of the page. `money` is all that equity is made of.
        """
        if index < self._again or self._last - index < _LEAST:
            return
        if self._first + self._swing.steps.shape[1] - index < _LEAST:
            self._swing, self._first = self._look_ahead(index), index
        np.maximum(self._most, np.abs(held), out=self._most)
        self._equity, self._money = equity, money
        figures, first = self._figures(), index - self._first
        bars, each_bar = self._swing.steps.shape[1] - first, len(self._pads)
        self._take_in(first, bars)
        if not self._holds(figures, self._loss(), bars * each_bar):
            losses = self._losses(first)
            bars = bisect_left(losses, 1, key=lambda loss: not self._holds(figures, loss))
            self._take_in(first, bars)
            if bars < _LEAST or not self._holds(figures, self._loss(), bars * each_bar):
                self._give_up(index)
                return
        self.until = index + bars
        for place in np.flatnonzero(self._quantity <= self._swing.whole).tolist():
            pad = self._pads[place]
            if pad.whole and pad.open and pad.edition == edition:
                pad.until = self.until

    def end(self) -> None:
        """Let nothing pass any more."""
        if self.until:
            self.until = 0
            for pad in self._pads:
                pad.until = 0

    def learn(self, pad: Pad, quantity: float, most: float) -> None:
        """Know of an order that was counted by itself, and how much was held before or with it."""
        before = self._of(pad)
        if quantity > before[0] or most > before[1]:
            self._let(pad, max(quantity, before[0]), max(most, before[1]))

    def widen(self, pad: Pad, quantity: float, held: float) -> bool:
        """Let an order pass that is more than its instrument has had, if that is no matter.

        `held` is the signed quantity that is held with it.
        """
        if self._lent and held < 0.0:
            return False
        before = self._of(pad)
        for slack in (_SLACK, 1.0):
            wanted = [
                was if now <= was else max(now, slack * was)
                for was, now in zip(before, (quantity, abs(held)), strict=True)
            ]
            self._let(pad, *wanted)
            fills = wanted[0] <= self._swing.whole[pad.place]
            if fills and self._holds(self._figures(), self._loss()):
                pad.until = self.until
                return True
        self._let(pad, *before)
        return False

    # ---- the largest that is let pass --------------------------------------------------------

    def _of(self, pad: Pad) -> tuple[float, float]:
        return float(self._quantity[pad.place]), float(self._most[pad.place])

    def _let(self, pad: Pad, quantity: float, most: float) -> None:
        self._quantity[pad.place], self._most[pad.place] = quantity, most
        self._value[pad.place] = 0.0
        pad.largest, pad.most = int(quantity), int(most)
        pad.least = 0 if self._lent else -pad.most

    def _give_up(self, index: int) -> None:
        """Leave it for a while, and with it what was learned."""
        self._again = index + _PATIENCE
        for pad in self._pads:
            self._let(pad, 0.0, 0.0)

    # ---- what may come of it -----------------------------------------------------------------

    def _look_ahead(self, index: int) -> Swing:
        last = min(index + self._ahead, self._last)
        return self._foresight.swing(
            lambda name: self._panel.column(name, index, last + 1), self._lots, self._known
        )

    def _figures(self) -> Figures:
        """Return the largest order and exposure of all, with what there was to begin with."""
        swing, prices = self._swing, self._scales * self._swing.top
        asked = self._quantity * prices
        for place in np.flatnonzero(asked > self._value).tolist():
            # Asked again when it is dearer by a quarter: prices do not go far in a short time.
            quantity, value = float(self._quantity[place]), 1.25 * float(asked[place])
            self._value[place] = value
            # Who is paid for trading need not trade.
            self.costs[place] = max(self._foresight.at_most(quantity, value), 0.0)
        # What costs nothing, or less, is beyond any bound.
        worth = np.where((swing.bottom > 0.0) | (self._most == 0.0), self._most * prices, np.inf)
        gross, most = float(worth.sum()), float(self._quantity.max())
        return Figures(
            most,
            float(asked.max()) / most,
            float(self._most.max()),
            own=float(worth.max()),
            gross=gross,
            equity=self._equity,
            money=gross + self._money,
        )

    def _take_in(self, first: int, bars: int) -> None:
        """Make the stretch one of so many bars."""
        span = slice(first, first + bars)
        self._bars = bars
        self._steps = self._swing.steps[:, span].sum(axis=1)
        self._reaches = self._swing.reaches[:, span].sum(axis=1)

    def _loss(self) -> float:
        """Return the most that the stretch takes from who holds the most and trades the most."""
        held, traded = self._most * self._scales, self._quantity * self._scales
        costs = self._bars * self.costs.sum()
        return float(held @ self._steps + traded @ self._reaches + costs)

    def _losses(self, first: int) -> Column:
        """Return the same of its first bar, of its first two, and so on."""
        held, traded, swing = self._most * self._scales, self._quantity * self._scales, self._swing
        moved = held @ swing.steps[:, first:] + traded @ swing.reaches[:, first:]
        losses: Column = np.cumsum(moved + self.costs.sum())
        return losses

    def _holds(self, figures: Figures, lost: float, orders: int = 0) -> bool:
        """Whether nothing comes near a limit when so much is lost; if so, orders are let pass."""
        equity, money = figures.equity - lost, figures.money + lost
        if self._lent and not figures.gross + MARGIN * money < equity:
            return False
        return self._gate.lets(replace(figures, equity=equity, money=money), orders)
