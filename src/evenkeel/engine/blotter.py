"""The blotter: plain orders are jotted down as they are made, and posted later, many at a time.

Most orders of most strategies are plain and alone: at the market, far inside every limit, filled
whole by the next bar, with nothing else at work in the account. Where the bars to come are known,
what becomes of such an order is known when it is made. So it gets a row here, the strategy goes on,
and two things wait until somebody asks:

    the book      takes what has traded by now before anybody reads equity or a position
    the records   approval, acceptance and fill are written out of the row (`Sheet`) when somebody
                  reads the journal

Meanwhile money is counted in doubles, so that it is never too much; near a limit that is not good
enough, and the order goes the long way. Whatever else a strategy does comes after what stands here:
the rows are handed over first. So the same things are written in the same order as if every order
had gone to the venue and back.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evenkeel.domain.money import ONE, shortest
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.engine.blotter_desk import BlotterDesk
from evenkeel.engine.sheet import Page, Sheet
from evenkeel.engine.tally import Calm, Pad, Tally
from evenkeel.execution.filling import fill_id
from evenkeel.execution.foresight import Wholes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evenkeel.domain.events import Record
    from evenkeel.domain.verdict import Approved
    from evenkeel.engine.core import Core
    from evenkeel.execution.foresight import Foresight

_BUY, _SELL, _MARKET = Side.BUY, Side.SELL, OrderType.MARKET

_PAGE = 4_096
"""So many rows at the most wait for the book: sums of so many doubles err by less than the margin."""

_PATIENCE = 256
"""So many bars pass before it is tried again whether an instrument needs no watching."""


@runtime_checkable
class Foretells(Protocol):
    """A venue that knows what becomes of a plain order to which nothing else can happen."""

    foresight: Foresight

    def trades(self, instrument: str) -> bool:
        """Whether an instrument trades now: it is neither halted nor gone."""
        ...

    def remember(self, numbers: Iterable[int]) -> None:
        """Know of orders that have traded as was foretold."""
        ...


class Blotter:
    """The plain orders of an account that stand nowhere else yet.

    While there are any, nothing else is at work in the account, and it owes nothing that is `lent`.
    """

    def __init__(self, core: Core, venue: Foretells, *, lent: bool) -> None:
        """Lay it on the desk of every strategy, with a clean page; see `fits`."""
        tape = core.account.tape
        self._account, self._outbox, self._lent = core.account, core.outbox, lent
        self._gate, self._venue, self._foresight = core.gate, venue, venue.foresight
        (self._cursor,) = tape.cursors
        self._last = len(self._cursor.times) - 1
        traders = core.seats.by_instrument()
        self._pads = [
            Pad(line, place, traders[name], core.seats[traders[name]].strategy.name)
            for place, (name, line) in enumerate(tape.lines.items())
        ]
        self._by_name = {pad.name: pad for pad in self._pads}
        self._tally = Tally(core.account, core.gate, self._foresight, self._by_name, lent=lent)
        self._page = Page()
        self._fills = Wholes.none()  # of the first rows: those that are in the book
        self._index = -2  # the bar that the tally is of
        self._opened = 0
        self._open = self._posted = False
        self._calm: Calm | None = None  # while orders need not be counted in one by one
        self._watched_until = 0  # not before this bar is it tried again
        core.desks = [BlotterDesk(desk, self, owner) for owner, desk in enumerate(core.desks)]

    @staticmethod
    def fits(core: Core, venue: Foretells) -> bool:
        """Whether it makes no difference: nobody hears of orders, one timeline, one currency."""
        account, own = core.account, core.account.book.currency
        return (
            venue.foresight.knows_costs
            and not core.seats.hear
            and account.rates is None
            and len(account.tape.cursors) == 1
            and all(instrument.currency == own for instrument in account.instruments.values())
        )

    # ---- orders ------------------------------------------------------------------------------

    def note(self, name: str, side: Side, quantity: Decimal | int, sizing: str) -> int | None:
        """Jot an order down; its number, or None where it has to go the long way."""
        pad, index = self._by_name[name], self._cursor.index
        if index in (pad.index, self._last):  # one at a time, and there has to be a next bar
            return None
        if (type(quantity) is not int or pad.lot is not ONE) and quantity % pad.lot:
            return None
        signed, calm = quantity if side is _BUY else -quantity, self._calm
        if (
            calm is not None
            and 0 < quantity <= calm.quantity
            and -calm.most <= pad.held + signed <= calm.most
            and calm.left
        ):
            calm.left -= 1
        elif quantity < 0 or not self._takes(pad, index, signed):
            return None
        pad.held, pad.index = pad.held + signed, index
        page, outbox = self._page, self._outbox
        page.bars.append(index)
        page.places.append(pad.place)
        page.signed.append(signed)
        page.sizings.append(sizing)
        number = outbox.orders_made = outbox.orders_made + 1
        return number

    def _takes(self, pad: Pad, index: int, signed: Decimal | int) -> bool:
        """Whether an order is sure to pass and to fill; if so it is counted in."""
        if index != self._index:
            self._turn(index)
        if pad.fresh != self._opened:
            self._look_at(pad)
        if not pad.open:
            return False
        if not self._tally.takes(pad, index, signed):
            return False
        if not self._page.bars:
            self._page.first = self._outbox.orders_made + 1
        if index >= self._watched_until:
            self._calm = self._tally.calm(pad, index, signed)
            self._watched_until = index if self._calm is not None else index + _PATIENCE
        return True

    def _turn(self, index: int) -> None:
        """Go on to another bar: what was jotted down before it has traded."""
        self._index = index
        if self._calm is not None or len(self._page.bars) - len(self._fills.prices) >= _PAGE:
            self.post()
        if not self._open:
            self._reopen()
        elif self._posted and len(self._page.bars) == len(self._fills.prices):
            self._posted = False
            self._tally.recount()
        if self._open:
            self._tally.turn()

    def _reopen(self) -> None:
        """Begin again with what the book says, if nothing but plain orders can happen now."""
        account, book, outbox = self._account, self._account.book, self._outbox
        self._open = (
            account.halted is None
            and not account.orders.open_count
            and not (outbox.records or outbox.queue or outbox.closed)
            and not (self._lent and book.borrows)
            and not book.foreign_cash()
        )
        self._opened += 1
        self._posted = False
        if self._open:
            self._tally.begin()

    def _look_at(self, pad: Pad) -> None:
        pad.fresh, pad.open = self._opened, self._open
        if self._open:
            held = self._account.book.quantity(pad.name)
            pad.held = int(held) if held == int(held) else held
            tradable = self._account.instruments[pad.name].tradable
            pad.open = tradable and self._venue.trades(pad.name)

    # ---- what comes of them ------------------------------------------------------------------

    def expected(self, name: str) -> Decimal | int | None:
        """Return what is held with everything that stands here; None where the book knows it."""
        pad = self._by_name[name]
        return pad.held if self._page.bars and pad.fresh == self._opened else None

    def works(self, name: str) -> bool | None:
        """Whether an order of an instrument stands here that has not traded yet.

        None where no orders stand here: then others may be at work.
        """
        return self._by_name[name].index == self._cursor.index if self._page.bars else None

    def post(self, until: int = -1) -> int:
        """Let the book take what has traded by now (or by `until`); how many rows that were, in all."""
        page, index, times = self._page, self._cursor.index, self._cursor.times
        begun, done = len(self._fills.prices), len(page.bars)
        while done and page.bars[done - 1] == index and times[index + 1] > until:
            done -= 1
        if done > begun:
            places, signed = page.places[begun:done], page.signed[begun:done]
            numbers = range(page.first + begun, page.first + done)
            exact = {quantity: Decimal(quantity) for quantity in set(signed)}
            quantities = [exact[quantity] for quantity in signed]
            fills = self._foresight.wholes(
                numbers,
                [self._pads[place].line for place in places],
                [bar + 1 for bar in page.bars[begun:done]],
                quantities,
            )
            self._fills.extend(fills)
            self._posted = True
            self._book(places, numbers, quantities, fills)
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
        by_place: dict[int, list[int]] = {place: [] for place in places}
        for row, place in enumerate(places):
            by_place[place].append(row)
        for place, rows in by_place.items():
            trade(
                self._pads[place].name,
                [fill_id(numbers[row]) for row in rows],
                [quantities[row] for row in rows],
                *([column[row] for row in rows] for column in fills[:3]),
            )

    def hand_over(self, until: int = -1, *, owner: int = -1) -> None:
        """Let the page go: records of what has traded by now (`until`), and approvals of the rest.

        What `owner` has asked for on this bar is part of what he is doing; what others have asked
        for was done before. Nothing is jotted down again before the next bar.
        """
        self._open, self._index, self._calm = False, self._cursor.index, None
        self._opened += 1
        page, outbox = self._page, self._outbox
        if not page.bars:
            return
        done, fills = self.post(until), self._fills
        self._page, self._fills = Page(), Wholes.none()
        if done:
            self._venue.remember(range(page.first, page.first + done))
            approvals: Iterable[Approved] = (self._approved(page, row) for row in range(done))
            if self._gate.paces:  # who counts orders has to know of them now
                approvals = list(approvals)
                for approved in approvals:
                    self._account.orders.remember(approved)
            outbox.queue.append(Sheet(page, approvals, fills, self._pads))
        left = range(done, len(page.bars))
        for whose, rows in groupby(left, key=lambda row: self._pads[page.places[row]].owner):
            part: list[Record] = []
            for row in rows:
                approved = self._approved(page, row)
                self._account.orders.approve(approved, whose)
                part.append(approved)
            if whose == owner:
                outbox.records += part
            else:
                outbox.queue.append(part)

    def _approved(self, page: Page, row: int) -> Approved:
        """Have the approval of a row's order written."""
        pad, bar, signed = self._pads[page.places[row]], page.bars[row], page.signed[row]
        side, quantity = (_BUY, signed) if signed > 0 else (_SELL, -signed)
        order = Order(
            page.first + row,
            pad.strategy,
            pad.name,
            side,
            Decimal(quantity),
            _MARKET,
            pad.line.cursor.times[bar],
            sizing=page.sizings[row],
        )
        return self._gate.passed(order, order.created_at, shortest(pad.line.closes[bar]))
