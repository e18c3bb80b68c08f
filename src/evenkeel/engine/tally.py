"""The tally: the account in doubles, for orders that stand on the blotter and not yet in the book.

Money is never counted too high, exposure never too low. Whoever is far inside every limit by this
count is inside exactly; about everybody else it says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.money import ZERO
from evenkeel.engine.closes import Closes
from evenkeel.engine.pace import Pace
from evenkeel.risk.glance import MARGIN, Figures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from evenkeel.domain.tape import Line
    from evenkeel.engine.account import Account
    from evenkeel.execution.foresight import Foresight
    from evenkeel.risk.gate import Gate


class Pad:
    """One instrument on the blotter: what is held of it, and its newest order."""

    __slots__ = (
        *("fresh", "held", "index", "line", "lot", "name", "open"),
        *("owner", "place", "strategy"),
    )

    def __init__(self, line: Line, place: int, owner: int) -> None:
        """Know nothing yet of what is held. `owner` is the seat that trades it."""
        self.line, self.place, self.owner = line, place, owner
        self.strategy = ""  # what the seat's orders are called
        self.name, self.lot = line.bars.instrument.id, line.bars.instrument.lot
        self.held: Decimal | int = ZERO  # with the newest order
        self.index = -1  # of the bar that the newest order was decided on
        self.fresh = -1  # which opening of the blotter this was read at
        self.open = False


@dataclass(slots=True)
class Calm:
    """So many orders of so much can come before anybody needs to count again, whatever the bars do.

    As long as none is of more than `quantity`, and the position stays within `most`, either way.
    """

    quantity: float
    most: float
    left: int


CALM = 4_096
"""How many orders are let pass at once."""


class Tally:
    """Cash and exposure with all that was jotted down; only plain orders that are alone are counted.

    `lent` says that somebody charges for what is owed: then nothing passes that would owe.
    """

    def __init__(
        self,
        account: Account,
        gate: Gate,
        foresight: Foresight,
        pads: Mapping[str, Pad],
        *,
        lent: bool,
    ) -> None:
        """Count nothing yet. The pads are those of the tape's instruments, which share one timeline."""
        self._account, self._gate, self._foresight, self._lent = account, gate, foresight, lent
        self._pace = Pace() if gate.paces else None
        self._pads, self._alone = pads, len(pads) == 1
        self._closes = Closes(account.tape)
        self._units = np.zeros(len(pads))
        self._cash = self._cash_then = 0.0  # now, and when the newest orders have traded
        self._moved = 0.0  # all the money that `_cash` was made of
        self._gross = self._net = 0.0

    def begin(self) -> None:
        """Begin with what the book says, and with the orders that were approved before."""
        self.recount()
        if self._pace is not None:
            self._pace.begin(self._account.orders, self._account.tape.now)
        self._units[:] = 0.0
        for name, holding in self._account.book.held.items():
            self._units[self._pads[name].place] = holding.units

    def recount(self) -> None:
        """Take over the cash of the book, which has every order that was counted."""
        self._cash = self._cash_then = float(self._account.book.cash)
        self._moved = abs(self._cash)

    def turn(self) -> None:
        """Go on to another bar: what was counted before it has traded."""
        self._cash = self._cash_then
        if self._pace is not None:
            self._pace.turn(self._account.tape.now)
        if not self._alone:
            values = self._units * self._closes.now()
            self._net, self._gross = float(values.sum()), float(np.abs(values).sum())

    def takes(self, pad: Pad, index: int, signed: float, after: Decimal | int) -> bool:
        """Count an order in if it is sure to pass the gate and to fill whole; whether it is.

        `after` is the quantity that is held with it.
        """
        line, held, quantity = pad.line, pad.held, abs(signed)
        spent = self._foresight.forecast(line, index + 1, quantity, buy=signed > 0)
        if spent is None:
            return False
        cash, moved = self._cash_then - spent, self._moved + abs(spent)
        if self._lent and (after < 0 or cash <= MARGIN * moved):
            return False
        now, then, unit = float(held), float(after), line.closes[index] * line.scale
        value, own = abs(now) * unit, abs(then) * unit
        most, own = (now, value) if own < value else (then, own)
        if self._alone:
            gross, equity = own, self._cash + now * unit
        else:
            gross, equity = self._gross + own - value, self._cash + self._net
        if self._pace is not None and not self._in_pace(self._pace, pad):
            return False
        figures = Figures(quantity, unit, abs(most), own, gross, equity, money=gross + moved)
        if not self._gate.lets(figures):
            return False
        if self._pace is not None:
            self._pace.count()
        self._cash_then, self._moved = cash, moved
        if not self._alone:
            self._gross = gross
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

    def calm(self, pad: Pad, index: int, signed: float) -> Calm | None:
        """Return how much may come after an order was counted in; None where it has to be watched.

        All bars of the tape may turn against whoever holds `most` and trades `quantity` on each of
        them, at their highest price and lowest volume: and still nothing comes near a limit.
        """
        if not self._alone or self._lent or self._pace is not None:
            return None
        line, now, quantity = pad.line, float(pad.held), 2.0 * abs(signed)
        most = 2.0 * max(abs(now), abs(now + signed))
        worst = self._foresight.worst(line, quantity, most, 1 + CALM)
        if worst is None:
            return None
        unit, loss = worst
        gross, equity = most * unit, self._cash + now * line.closes[index] * line.scale - loss
        money = gross + self._moved + loss
        figures = Figures(quantity, unit, most, own=gross, gross=gross, equity=equity, money=money)
        return Calm(quantity, most, CALM) if self._gate.lets(figures, CALM) else None
