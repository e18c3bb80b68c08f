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

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, TypeAlias, overload, runtime_checkable

import numpy as np

from evenkeel.domain.events import OrderAccepted, Record
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import ONE, ZERO, shortest
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.engine.closes import Closes
from evenkeel.engine.pace import Pace
from evenkeel.risk.glance import MARGIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.domain.tape import Line
    from evenkeel.domain.verdict import Approved
    from evenkeel.engine.core import Core
    from evenkeel.execution.filling import Filler, Whole
    from evenkeel.strategy.desk import Ask, Desk, Position

_BUY, _SELL, _MARKET = Side.BUY, Side.SELL, OrderType.MARKET

_PAGE = 4_096
"""So many rows at the most wait for the book: sums of so many doubles err by less than the margin."""


@runtime_checkable
class Foretells(Protocol):
    """A venue that knows what becomes of a plain order to which nothing else can happen."""

    @property
    def foretells(self) -> Filler:
        """What decides how such an order trades, and nothing else does."""
        ...

    def trades(self, instrument: str) -> bool:
        """Whether an instrument trades now: it is neither halted nor gone."""
        ...

    def remember(self, numbers: Iterable[int]) -> None:
        """Know of orders that have traded as was foretold."""
        ...


class Pad:
    """One instrument on the blotter: what is held of it, and its newest order."""

    __slots__ = (
        *("fresh", "held", "index", "line", "lot", "name", "open"),
        *("owner", "place", "strategy"),
    )

    def __init__(self, line: Line, place: int, owner: int, strategy: str) -> None:
        """Know nothing yet of what is held. `owner` is the seat whose `strategy` trades it."""
        self.line, self.place, self.owner, self.strategy = line, place, owner, strategy
        self.name, self.lot = line.bars.instrument.id, line.bars.instrument.lot
        self.held: Decimal | int = ZERO  # with the newest order
        self.index = -1  # of the bar that the newest order was decided on
        self.fresh = -1  # which opening of the blotter this was read at
        self.open = False


Row: TypeAlias = tuple[int, int, int, Decimal | int, str]
"""An order: the bar that it was decided on, its pad, its number, its signed quantity, its sizing."""


class Blotter:
    """The plain orders of an account that stand nowhere else yet.

    While there are any, nothing else is at work in the account, and it owes nothing that is `lent`.
    """

    def __init__(self, core: Core, venue: Foretells, *, lent: bool) -> None:
        """Lay it on the desk of every strategy, with a clean page; see `fits`."""
        tape = core.account.tape
        self._account, self._outbox, self._lent = core.account, core.outbox, lent
        self._gate, self._lets = core.gate, core.gate.lets
        self._venue, self._filler = venue, venue.foretells
        self._forecast = self._filler.forecast
        (self._cursor,) = tape.cursors
        self._last = len(self._cursor.times) - 1
        traders = core.seats.by_instrument()
        self._pads = [
            Pad(line, place, traders[name], core.seats[traders[name]].strategy.name)
            for place, (name, line) in enumerate(tape.lines.items())
        ]
        self._by_name = {pad.name: pad for pad in self._pads}
        self._units = np.zeros(len(self._pads)) if len(self._pads) > 1 else None
        self._closes = Closes(tape)
        self._rows: list[Row] = []
        self._fills: list[Whole] = []  # of the first rows: those that are in the book
        self._index = -2  # the bar that `_cash`, `_gross` and `_net` are of
        self._opened = 0
        self._open = self._posted = False
        self._cash = self._cash_then = 0.0  # now, and when the newest orders have traded
        self._moved = 0.0  # all the money that `_cash` was made of
        self._gross = self._net = 0.0
        self._pace = Pace() if core.gate.paces else None
        core.desks = [BlotterDesk(desk, self, owner) for owner, desk in enumerate(core.desks)]

    @staticmethod
    def fits(core: Core, venue: Foretells) -> bool:
        """Whether it makes no difference: nobody hears of orders, one timeline, one currency."""
        account, own = core.account, core.account.book.currency
        return (
            venue.foretells.forecasts
            and not core.seats.hear
            and account.rates is None
            and len(account.tape.cursors) == 1
            and all(instrument.currency == own for instrument in account.instruments.values())
        )

    # ---- orders ------------------------------------------------------------------------------

    def note(self, name: str, side: Side, quantity: Decimal | int, sizing: str) -> int | None:
        """Jot an order down; its number, or None where it has to go the long way."""
        pad, index = self._by_name[name], self._cursor.index
        if index != self._index:
            self._turn(index)
        if pad.fresh != self._opened:
            self._look_at(pad)
        if not pad.open or index in (pad.index, self._last):
            return None
        if (type(quantity) is not int or pad.lot is not ONE) and quantity % pad.lot:
            return None
        line, buys, asked = pad.line, side is _BUY, float(quantity)
        spent = self._forecast(line, index + 1, asked, buy=buys)
        if spent is None:
            return None
        held, signed = pad.held, quantity if buys else -quantity
        after = held + signed
        cash, moved = self._cash_then - spent, self._moved + abs(spent)
        if self._lent and (after < 0 or cash <= MARGIN * moved):
            return None
        now, then, unit = float(held), float(after), line.closes[index] * line.scale
        value, own = abs(now) * unit, abs(then) * unit
        if own < value:
            then, own = now, value
        if self._units is None:
            gross, equity = own, self._cash + now * unit
        else:
            gross, equity = self._gross + own - value, self._cash + self._net
        if self._pace is not None and not self._in_pace(pad):
            return None
        if not self._lets(asked, unit, abs(then), own, gross, equity, gross + moved):
            return None
        if self._pace is not None:
            self._pace.count()
        outbox = self._outbox
        number = outbox.orders_made = outbox.orders_made + 1
        self._rows.append((index, pad.place, number, signed, sizing))
        pad.held, pad.index = after, index
        self._cash_then, self._moved = cash, moved
        if self._units is not None:
            self._gross = gross
            self._units[pad.place] = float(after) * line.scale
        return number

    def _in_pace(self, pad: Pad) -> bool:
        """Whether the card allows one more order now."""
        pace, times = self._pace, self._cursor.times
        assert pace is not None
        last = self._account.orders.latest(pad.name)
        if pad.index >= 0:
            last = max(last, times[pad.index])
        since = times[self._index] - last
        return self._gate.keeps_pace(pace.second + 1, pace.day + 1, pace.moment + 1, since)

    def _turn(self, index: int) -> None:
        """Go on to another bar: what was jotted down before it has traded."""
        self._index = index
        if self._pace is not None and self._open:
            self._pace.turn(self._cursor.times[index])
        if len(self._rows) - len(self._fills) >= _PAGE:
            self.post()
        if not self._open:
            self._reopen()
        elif self._posted and len(self._rows) == len(self._fills):
            self._count_cash()
        else:
            self._cash = self._cash_then
        if self._open and self._units is not None:
            values = self._units * self._closes.now()
            self._net, self._gross = float(values.sum()), float(np.abs(values).sum())

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
        self._count_cash()
        if self._pace is not None:
            self._pace.begin(account.orders, account.tape.now)
        if self._units is not None:
            self._units[:] = 0.0
            for name, holding in book.held.items():
                self._units[self._by_name[name].place] = holding.units

    def _count_cash(self) -> None:
        """Take over what the book says: every row is in it."""
        self._posted = False
        self._cash = self._cash_then = float(self._account.book.cash)
        self._moved = abs(self._cash)

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
        return pad.held if self._rows and pad.fresh == self._opened else None

    def works(self, name: str) -> bool | None:
        """Whether an order of an instrument stands here that has not traded yet.

        None where no orders stand here: then others may be at work.
        """
        return self._by_name[name].index == self._cursor.index if self._rows else None

    def post(self, until: int = -1) -> int:
        """Let the book take what has traded by now (or by `until`); how many rows that were, in all."""
        rows, fills, index = self._rows, self._fills, self._cursor.index
        done, times = len(rows), self._cursor.times
        while done and rows[done - 1][0] == index and times[index + 1] > until:
            done -= 1
        if done > len(fills):
            bars, places, numbers, signed, _ = zip(*rows[len(fills) : done], strict=True)
            exact = {quantity: Decimal(quantity) for quantity in set(signed)}
            quantities = [exact[quantity] for quantity in signed]
            traded = self._filler.wholes(
                numbers,
                [self._pads[place].line for place in places],
                [bar + 1 for bar in bars],
                quantities,
            )
            fills += traded
            self._posted = True
            self._book(places, numbers, quantities, traded)
        return done

    def _book(
        self,
        places: Sequence[int],
        numbers: Sequence[int],
        quantities: Sequence[Decimal],
        fills: Sequence[Whole],
    ) -> None:
        """Let the book take fills, those of each instrument together."""
        if self._units is None:
            by_place = {0: list(range(len(places)))}
        else:
            by_place = {place: [] for place in places}
            for row, place in enumerate(places):
                by_place[place].append(row)
        for place, rows in by_place.items():
            self._account.book.trade(
                self._pads[place].name,
                [_fill_id(numbers[row]) for row in rows],
                [quantities[row] for row in rows],
                [fills[row].price for row in rows],
                [fills[row].commission for row in rows],
                [fills[row].fees for row in rows],
            )

    def hand_over(self, until: int = -1, *, owner: int = -1) -> None:
        """Let the page go: records of what has traded by now (`until`), and approvals of the rest.

        What `owner` has asked for on this bar is part of what he is doing; what others have asked
        for was done before. Nothing is jotted down again before the next bar.
        """
        self._open, self._index = False, self._cursor.index
        self._opened += 1
        if not self._rows:
            return
        done, rows, fills, outbox = self.post(until), self._rows, self._fills, self._outbox
        self._rows, self._fills = [], []
        if done:
            self._venue.remember(row[2] for row in rows[:done])
            approvals: Iterable[Approved] = map(self._approved, rows[:done])
            if self._pace is not None:  # who counts orders has to know of them now
                approvals = list(approvals)
                for approved in approvals:
                    self._account.orders.remember(approved)
            outbox.queue.append(Sheet(rows[:done], approvals, fills, self._pads))
        for whose, own in groupby(rows[done:], key=self._owner_of):
            part: list[Record] = []
            for approved in map(self._approved, own):
                self._account.orders.approve(approved, whose)
                part.append(approved)
            if whose == owner:
                outbox.records += part
            else:
                outbox.queue.append(part)

    def _approved(self, row: Row) -> Approved:
        """Have the approval of a row's order written."""
        bar, place, number, signed, sizing = row
        pad = self._pads[place]
        side, quantity = (_BUY, signed) if signed > 0 else (_SELL, -signed)
        at = pad.line.cursor.times[bar]
        order = Order(
            number, pad.strategy, pad.name, side, Decimal(quantity), _MARKET, at, sizing=sizing
        )
        return self._gate.passed(order, at, shortest(pad.line.closes[bar]))

    def _owner_of(self, row: Row) -> int:
        return self._pads[row[1]].owner


class Sheet(Sequence[Record]):
    """The records of plain orders that have traded, written out when somebody reads them."""

    def __init__(
        self,
        rows: list[Row],
        approvals: Iterable[Approved],
        fills: list[Whole],
        pads: list[Pad],
    ) -> None:
        """Keep rows, how their orders have traded, and who writes the approvals."""
        self._rows, self._approvals, self._fills, self._pads = rows, approvals, fills, pads
        self._length = 3 * len(rows)
        self._written: list[Record] = []

    def __len__(self) -> int:
        """Return how many records there are: three of each order."""
        return self._length

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        """Return a record."""
        if self._rows:
            self._write()
        return self._written[place]

    def _write(self) -> None:
        """Write out bar after bar: what each strategy decided on it, and what traded at the next."""
        written, pads = self._written, self._pads
        lines = zip(self._rows, self._approvals, self._fills, strict=True)
        for bar, decided in groupby(lines, key=lambda line: line[0][0]):
            traded = []
            for _, own in groupby(decided, key=lambda line: pads[line[0][1]].owner):
                asked = list(own)
                written += [approved for _, approved, _ in asked]
                written += [OrderAccepted(each.order.id, each.at) for _, each, _ in asked]
                traded += [
                    _fill(approved.order, whole, pads[row[1]].line, bar + 1)
                    for row, approved, whole in asked
                ]
            written += traded
        self._rows, self._approvals, self._fills = [], (), []


def _fill(order: Order, whole: Whole, line: Line, bar: int) -> Fill:
    return Fill(
        _fill_id(order.id),
        order.id,
        order.instrument,
        order.side,
        order.quantity,
        whole.price,
        line.bars.instrument.currency,
        line.cursor.times[bar],
        whole.commission,
        whole.slippage,
        None,
        whole.fees,
    )


def _fill_id(number: int) -> str:
    return f"{number}.1"


class BlotterDesk:
    """A strategy's desk with the blotter on it: plain orders stay here, the rest goes behind."""

    def __init__(self, desk: Desk, blotter: Blotter, owner: int) -> None:
        """Stand before the desk of the strategy with number `owner`."""
        self._desk, self._blotter, self._owner = desk, blotter, owner

    @property
    def now(self) -> int:
        return self._desk.now

    @property
    def next_order(self) -> int:
        return self._desk.next_order

    def market(
        self, strategy: str, instrument: str, side: Side, quantity: Decimal | int, sizing: str
    ) -> int | None:
        if not quantity:
            return self._desk.market(strategy, instrument, side, quantity, sizing)
        number = self._blotter.note(instrument, side, quantity, sizing)
        if number is None:
            self._blotter.hand_over(owner=self._owner)
            number = self._desk.market(strategy, instrument, side, quantity, sizing)
        return number

    def place(self, strategy: str, ask: Ask) -> int | None:
        self._blotter.hand_over(owner=self._owner)
        return self._desk.place(strategy, ask)

    def cancel(self, strategy: str, order_id: int, reason: str) -> None:
        self._blotter.hand_over(owner=self._owner)
        self._desk.cancel(strategy, order_id, reason)

    def note(self, strategy: str, text: str) -> None:
        self._blotter.hand_over(owner=self._owner)
        self._desk.note(strategy, text)

    def working(self, strategy: str, instrument: str) -> list[Order]:
        works = self._blotter.works(instrument)
        if works is False:
            return []
        if works:
            self._blotter.hand_over(owner=self._owner)
        return self._desk.working(strategy, instrument)

    def expected(self, strategy: str, instrument: str) -> Decimal | int:
        expected = self._blotter.expected(instrument)
        return self._desk.expected(strategy, instrument) if expected is None else expected

    def held(self, instrument: str) -> Decimal:
        self._blotter.post()
        return self._desk.held(instrument)

    def position(self, instrument: str) -> Position:
        self._blotter.post()
        return self._desk.position(instrument)

    def price(self, instrument: str) -> Decimal | None:
        return self._desk.price(instrument)

    def multiplier(self, instrument: str) -> Decimal:
        return self._desk.multiplier(instrument)

    def cash(self) -> Decimal:
        self._blotter.post()
        return self._desk.cash()

    def equity(self) -> Decimal | None:
        self._blotter.post()
        return self._desk.equity()
