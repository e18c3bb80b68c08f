"""The blotter: plain orders are jotted down as they are made, and posted later, many at a time.

Most orders of most strategies are plain and alone: at the market, far inside every limit, filled
whole by the next bar, with nothing else at work in the account. Where the bars to come are known,
what becomes of such an order is known when it is made. So it gets a row here, the strategy goes on,
and two things wait until somebody asks:

    the book      takes what has traded by now before anybody reads cash, equity, or what a
                  position is worth (what is held is known here)
    the records   approval, acceptance and fill are written out of the row (`Sheet`) when somebody
                  reads the journal

Meanwhile money is counted in doubles, so that it is never too much; near a limit that is not good
enough, and the order goes the long way. Whatever else a strategy does comes after what stands here:
the rows are handed over first. So the same things are written in the same order as if every order
had gone to the venue and back.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal, localcontext
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

import numpy as np

from evenkeel.domain.errors import OutsideError
from evenkeel.domain.money import EXACT, minus, plus
from evenkeel.domain.order import Side
from evenkeel.domain.tape import LONG_AGO
from evenkeel.engine.blotter_desk import BlotterDesk
from evenkeel.engine.calm import Calm
from evenkeel.engine.pad import Pad
from evenkeel.engine.panel import Panel
from evenkeel.engine.sheet import Page, Sheet
from evenkeel.engine.tally import Tally
from evenkeel.execution.filling import fill_id
from evenkeel.execution.foresight import Wholes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeGuard

    from evenkeel.domain.events import Record
    from evenkeel.engine.core import Core
    from evenkeel.execution.broker import Broker
    from evenkeel.execution.foresight import Foresight
    from evenkeel.strategy.desk import Desk

_BUY = Side.BUY

_WAITING = 128
"""So many rows for each instrument wait for the book: it takes them together, and money is counted anew."""

_STEADY = 4
"""So many orders have to be jotted down one after the other before it is asked whether all is calm."""

_FORGIVEN, _LONGEST = 4, 6
"""After so many pages in vain rests grow, up to two to the power of this."""


class Foretells(Protocol):
    """A venue that knows what becomes of a plain order to which nothing else can happen."""

    foresight: Foresight

    def trades(self, instrument: str) -> bool:
        """Whether an instrument trades now: it is neither halted nor gone."""
        ...

    def remember(self, numbers: Iterable[int]) -> None:
        """Know of orders that have traded as was foretold."""
        ...


def foretells(venue: Broker) -> TypeGuard[Foretells]:
    """Whether a venue does: asked once a run, and by one name, for a protocol takes long to check."""
    return hasattr(venue, "foresight")


class _Rest:
    """When a page may be opened again: not on the bar on which one was handed over.

    Where page after page was handed over on the bar that it was opened on, not for some bars more,
    twice as many each time.
    """

    def __init__(self) -> None:
        self._opened_at = self._until = -1
        self._vain = 0  # so many pages in a row

    def over(self, index: int) -> bool:
        return index >= self._until

    def opened(self, index: int) -> None:
        self._opened_at = index

    def begin(self, index: int) -> None:
        self._vain = self._vain + 1 if self._opened_at == index else 0
        self._until = index + 2 ** min(max(self._vain - _FORGIVEN, 0), _LONGEST)


class Blotter:
    """The plain orders of an account that stand nowhere else yet.

    While there are any, nothing else is at work in the account, and it owes nothing that is `lent`.
    """

    def __init__(self, core: Core, venue: Foretells, *, lent: bool) -> None:
        """Begin with an empty page; see `fits`."""
        tape = core.account.tape
        self._account, self._outbox, self._lent = core.account, core.outbox, lent
        self._gate, self._venue, self._foresight = core.gate, venue, venue.foresight
        (self._cursor,) = tape.cursors
        self._last = len(self._cursor.times) - 1
        traders = core.seats.by_instrument()
        self._pads = [
            Pad(line, place, traders[name]) for place, (name, line) in enumerate(tape.lines.items())
        ]
        self._by_name = {pad.name: pad for pad in self._pads}
        self._lines = [pad.line for pad in self._pads]
        panel = Panel(tape)
        self._tally = Tally(
            core.account, core.gate, self._foresight, panel, self._by_name, lent=lent
        )
        self._calm = Calm(core.gate, self._foresight, panel, self._pads, lent=lent)
        self._page = Page()
        self._counted = 0  # of the first rows: those that are in the tally
        self._steady = 0  # how many orders were counted since the page was opened
        self._fills = Wholes.none()  # of the first rows: those that are in the book
        self._index = -2  # the bar that the tally is of
        self._open, self._rest = False, _Rest()
        self._edition = 0  # of the page; a pad that was read for another one is read again
        self._posted = False  # whether the book has taken rows that the tally does not know of
        self._posting = False

    def desks(self, desks: Sequence[Desk]) -> list[Desk]:
        """Return the desks of all strategies with the blotter on each."""
        return [BlotterDesk(desk, self, owner) for owner, desk in enumerate(desks)]

    @staticmethod
    def fits(core: Core, venue: Foretells) -> bool:
        """Whether it makes no difference: nobody hears of orders, one timeline, one currency."""
        account, own = core.account, core.account.book.currency
        return (
            venue.foresight.knows_costs
            and not core.seats.somebody_hears
            and account.rates is None
            and len(account.tape.cursors) == 1
            and all(instrument.currency == own for instrument in account.instruments.values())
        )

    # ---- orders ------------------------------------------------------------------------------

    def note(
        self, strategy: str, name: str, side: Side, quantity: Decimal | int, sizing: str
    ) -> int | None:
        """Jot an order down; its number, or None where it has to go the long way."""
        pad, index = self._by_name[name], self._cursor.index
        signed: Decimal | int
        if not (
            type(quantity) is int
            and pad.index < index < pad.until
            and 0 < quantity <= pad.largest
            and pad.least
            <= (held := pad.held + (signed := quantity if side is _BUY else -quantity))
            <= pad.most
        ):
            taken = self._takes(pad, index, side, quantity)
            if taken is None:
                return None
            signed, held = taken
            pad.strategy = strategy
        pad.held, pad.index = held, index
        page, outbox = self._page, self._outbox
        page.bars.append(index)
        page.places.append(pad.place)
        page.signed.append(signed)
        page.sizings.append(sizing)
        number = outbox.orders_made = outbox.orders_made + 1
        return number

    def _takes(
        self, pad: Pad, index: int, side: Side, quantity: Decimal | int
    ) -> tuple[Decimal | int, Decimal | int] | None:
        """Take an order in if it is sure to pass and to fill: signed, and what is held with it."""
        if index in (pad.index, self._last) or quantity < 0:
            return None  # one at a time, and there has to be a next bar
        if type(quantity) is not int or not pad.by_one:
            if EXACT.remainder(quantity, pad.lot):
                return None
            if pad.by_one:
                quantity = int(quantity)
        if index >= self._calm.until and index != self._index:
            self._turn(index)
        if pad.edition != self._edition:
            self._look_at(pad)
        signed = quantity if side is _BUY else minus(0, quantity)
        held = plus(pad.held, signed)
        if pad.open and self._passes(pad, index, float(signed), held):
            return signed, held
        return None

    def _passes(self, pad: Pad, index: int, signed: float, held: Decimal | int) -> bool:
        """Whether an order is sure to pass; if so, the calm allows for it, or it is counted in."""
        calm, tally = self._calm, self._tally
        if index < calm.until:
            if pad.whole and calm.widen(pad, abs(signed), float(held)):
                return True
            calm.end()
            if not self._catch_up(index):
                return False
        if not tally.takes(pad, index, signed, pad.held, held):
            return False
        if not self._page.bars:
            self._page.first = self._outbox.orders_made + 1
        self._counted, self._steady = len(self._page.bars) + 1, self._steady + 1
        calm.learn(pad, abs(signed), max(abs(float(pad.held)), abs(float(held))))
        if pad.whole and self._steady >= _STEADY and not self._gate.paces:
            calm.begin(
                index, self._edition, held=tally.held, equity=tally.equity, money=tally.money
            )
        return True

    def _catch_up(self, index: int) -> bool:
        """Count in what passed uncounted, up to now; False where that cannot be done."""
        if index != self._index:
            self._turn(index)
        now, self._counted = range(self._counted, len(self._page.bars)), len(self._page.bars)
        for row in now:
            pad, signed = self._pads[self._page.places[row]], self._page.signed[row]
            before = minus(pad.held, signed)
            if not self._tally.takes(pad, index, float(signed), before, pad.held):
                return False
        return True

    def _turn(self, index: int) -> None:
        """Go on to another bar: what was jotted down before it has traded."""
        self._index, page = index, self._page
        done = len(page.bars)
        while done > self._counted and page.bars[done - 1] == index:
            done -= 1
        if done - len(self._fills.prices) >= _WAITING * len(self._pads):
            self.post()
        if not self._open:
            if self._rest.over(index):
                self._reopen(index)
        elif self._posted and done == len(self._fills.prices):
            self._posted = False
            self._tally.recount()
        elif self._counted < done:
            self._tally.count(page, slice(self._counted, done), self._calm.costs)
        self._counted = done
        if self._open:
            self._tally.turn()

    def _reopen(self, index: int) -> None:
        """Begin again with what the book says, if nothing but plain orders can happen now."""
        account, book, outbox = self._account, self._account.book, self._outbox
        self._open = (
            account.halted is None
            and not account.orders.open_count
            and not (outbox.records or outbox.queue or outbox.closed)
            and not (self._lent and book.borrows)
            and not book.foreign_cash()
        )
        self._edition += 1
        self._posted = False
        self._rest.opened(index)
        if self._open:
            self._tally.begin()

    def _look_at(self, pad: Pad) -> None:
        pad.edition, pad.open = self._edition, self._open
        if self._open:
            held = self._account.book.quantity(pad.name)
            pad.held = int(held) if held == int(held) else held
            pad.whole = pad.by_one and type(pad.held) is int
            tradable = self._account.instruments[pad.name].tradable
            pad.open = tradable and self._venue.trades(pad.name)

    # ---- what comes of them ------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether orders stand here: then no others are at work in the account."""
        return bool(self._page.bars)

    def expected(self, name: str) -> Decimal | int | None:
        """Return what is held with everything that stands here; None where the book knows it."""
        pad = self._by_name[name]
        return pad.held if self._page.bars and pad.edition == self._edition else None

    def held(self, name: str) -> Decimal | int | None:
        """Return what is held with what has traded by now; None where the book knows it."""
        pad, page = self._by_name[name], self._page
        if not page.bars or pad.edition != self._edition:
            return None
        if pad.index < self._cursor.index:
            return pad.held
        row = len(page.places) - 1
        while page.places[row] != pad.place:
            row -= 1  # the newest order has not traded yet
        return minus(pad.held, page.signed[row])

    def works(self, name: str) -> bool:
        """Whether an order of an instrument stands here that has not traded yet."""
        return self._by_name[name].index == self._cursor.index

    def post(self, until: int = LONG_AGO) -> int:
        """Let the book take what has traded by now (or by `until`); how many rows that were, in all.

        Where the book once stopped part-way, nobody gets anything out of it any more, whatever has
        become of that error.
        """
        if self._posting:
            raise OutsideError("the book stopped part-way through some fills: this run is no more")
        if len(self._fills.prices) == len(self._page.bars):
            return len(self._page.bars)
        self._posting = True
        with localcontext(EXACT):  # a strategy may have changed what it runs in
            done = self._post(until)
        self._posting = False
        return done

    def _post(self, until: int) -> int:
        page, index, times = self._page, self._cursor.index, self._cursor.times
        begun, done = len(self._fills.prices), len(page.bars)
        while done and page.bars[done - 1] == index and times[index + 1] > until:
            done -= 1
        if done > begun:
            places, signed = page.places[begun:done], page.signed[begun:done]
            numbers = range(page.first + begun, page.first + done)
            exact = {quantity: Decimal(quantity) for quantity in set(signed)}
            quantities = list(map(exact.__getitem__, signed))
            fills = self._foresight.wholes(
                numbers, self._lines, places, page.bars[begun:done], quantities
            )
            self._book(places, numbers, quantities, fills)
            self._fills.extend(fills)
            self._posted = True
        return done

    def _book(
        self,
        places: Sequence[int],
        numbers: Sequence[int],
        quantities: Sequence[Decimal],
        fills: Wholes,
    ) -> None:
        """Let the book take fills, those of each instrument together."""
        trade = self._account.book.trade
        if len(self._pads) == 1:
            trade(self._pads[0].name, map(fill_id, numbers), quantities, *fills[:3])
            return
        rows = np.argsort(places, kind="stable").tolist()
        own = list(map(numbers.__getitem__, rows))
        columns = [list(map(column.__getitem__, rows)) for column in (quantities, *fills[:3])]
        start = 0
        for place, count in sorted(Counter(places).items()):
            part = slice(start, start + count)
            ids = map(fill_id, own[part])
            trade(self._pads[place].name, ids, *(column[part] for column in columns))
            start += count

    def hand_over(self, until: int = LONG_AGO, *, owner: int = -1) -> None:
        """Let the page go: records of what has traded by now (`until`), and approvals of the rest.

        What `owner` has asked for on this bar is part of what he is doing; what others have asked
        for was done before. Nothing is jotted down again before the next bar; where page after page
        was opened and handed over on one bar, not before some bars more.
        """
        index = self._cursor.index
        if self._open:
            self._rest.begin(index)
        self._open, self._index = False, index
        self._edition += 1
        self._calm.end()
        self._counted = self._steady = 0
        page, outbox, orders = self._page, self._outbox, self._account.orders
        if not page.bars:
            return
        done, fills = self.post(until), self._fills
        self._page, self._fills = Page(), Wholes.none()
        permit = self._gate.permit(range(page.first, page.first + len(page.bars)))
        if done:
            self._venue.remember(range(page.first, page.first + done))
            if self._gate.paces:  # who counts orders has to know of them now
                for row in range(done):
                    orders.remember(page.approval(row, self._pads, permit))
            outbox.queue.append(Sheet(page, permit, fills, self._pads))
        left = range(done, len(page.bars))
        for whose, rows in groupby(left, key=lambda row: self._pads[page.places[row]].owner):
            part: list[Record] = []
            for row in rows:
                approved = page.approval(row, self._pads, permit)
                orders.approve(approved, whose)
                part.append(approved)
            if whose == owner:
                outbox.records += part
            else:
                outbox.queue.append(part)
