"""A venue made of bars. What a bar cannot tell is resolved against the trader, and said.

The broker never walks bars. Each working order (`order_book`) knows the next bar at which it could
do anything (`lookahead`), the `agenda` keeps those moments, and `events` carries out the ones that
time has reached. Called at every bar or only at the moments `next_event_at` names, it therefore
does the same things in the same order.

At one moment the bars that close then come first, by order id; an order that expires at that
moment expires after them. A bar without volume, or closed while its instrument is halted, trades
nothing: it fills and triggers nothing.

Some orders have one chance. IOC and FOK are tried at the open of the next bar, OPG at the open of
the next bar that opens a session; then what has not filled is over. Orders on close trade at the
last price of their session, once that is over: which bar was its last is not known before.

Orders with a parent sleep until the parent has filled completely. On the bar that fills it:
- filled at the open, the children live through the whole bar as any order does;
- filled inside the bar, a stop fills if the bar's range touches it, at its own price or the
  parent's if that is worse; a stop-limit that is touched is triggered and fills later; a limit
  waits for the next bar.

Legs of one group inside one bar: one beyond which the bar opened comes first. Otherwise the leg
fills that leaves its owner worst off at the bar's close, and `Fill.ambiguity` says how much the
best other reading of the bar would have been worth.
"""

from __future__ import annotations

from decimal import Decimal, getcontext, localcontext
from typing import TYPE_CHECKING, Literal

from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import (
    CancelRejected,
    CashDividend,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    Split,
    VenueEvent,
)
from evenkeel.domain.instrument_events import (
    CashInLieu,
    Delisted,
    InstrumentEvent,
    Merged,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.money import EXACT, ZERO, exact
from evenkeel.domain.order import OrderType, TimeInForce
from evenkeel.domain.tape import NEVER, Tape
from evenkeel.execution.agenda import Agenda
from evenkeel.execution.costs import CostModel
from evenkeel.execution.fill_model import Prices
from evenkeel.execution.filling import Filler
from evenkeel.execution.foresight import Foresight
from evenkeel.execution.lookahead import begun_since, led_past
from evenkeel.execution.offers import (
    best_among,
    left_alone,
    offer,
    offer_at_close,
)
from evenkeel.execution.order_book import OrderBook
from evenkeel.execution.restate import keep_stop, rename, restate_prices, restate_quantity
from evenkeel.execution.resting import Resting
from evenkeel.execution.slippage import AnySlippage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.domain.order import Order
    from evenkeel.domain.tape import Line
    from evenkeel.domain.verdict import Approved

_MARKET, _LIMIT, _TRAILING = OrderType.MARKET, OrderType.LIMIT, OrderType.TRAILING_STOP
_GTC, _FOK, _OPG = TimeInForce.GTC, TimeInForce.FOK, TimeInForce.OPG


class SimulatedBroker:
    """Works orders on the bars of a tape, by the rules of DESIGN section 4.

    `volume_share` is the part of a bar's volume that all orders of the instrument together can
    fill; `touch="through"` wants a bar to trade beyond a limit before the limit fills.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        costs: CostModel,
        slippage: AnySlippage,
        volume_share: Decimal | float | str = Decimal("0.1"),
        touch: Literal["at", "through"] = "at",
    ) -> None:
        """Open an empty book. Raises `UsageError` for a share or touch that has no meaning."""
        if touch not in {"at", "through"}:
            raise UsageError(f"touch {touch!r} is not known; there are 'at' and 'through'")
        self.tape, self.through = tape, touch == "through"
        self._filler = Filler(costs, slippage, volume_share)
        self.foresight = Foresight(self._filler)
        self._book = OrderBook()
        self._open = self._book.open
        self._agenda = Agenda(tape, self._book)
        self._plain: list[tuple[Order, Line, int]] = []  # each with the index of its next bar
        self._plain_at = NEVER
        self._halted: set[str] = set()
        self._gone: set[str] = set()  # delisted, merged or renamed
        self._said: list[VenueEvent] = []

    # ---- the port ----------------------------------------------------------------------------

    def submit(self, approved: Approved) -> None:
        self._settle(self.tape.now)
        self._take(approved, self.tape.now)

    def cancel(self, order_id: int) -> None:
        self._settle(self.tape.now)
        self._withdraw(order_id, self.tape.now)

    def receive(self, requests: Iterable[Approved | int], at: int) -> None:
        """Take orders, and numbers of orders to cancel, that arrive at a moment, of late perhaps.

        No bar after that is met, and none is looked at: it may be on a new scale.
        """
        at = min(at, self.tape.now)
        self._settle(at)
        for asked in requests:
            if isinstance(asked, int):
                self._withdraw(asked, at)
            else:
                self._take(asked, at)

    def corporate_action(self, action: InstrumentEvent) -> None:
        self._settle(min(action.at, self.tape.now))
        self._book_plain()
        with localcontext(EXACT):
            match action:
                case Split() | StockDividend():
                    for working in self._book.of(action.instrument):
                        self._split(working, action)
                case TradingHalted():
                    self._halted.add(action.instrument)
                case TradingResumed():
                    self._halted.discard(action.instrument)
                case Delisted():
                    self._close_down(action.instrument, "delisted")
                case Merged():
                    self._close_down(action.instrument, "merged")
                case SymbolChanged():
                    self._rename(action)
                case SpunOff():
                    self._clear(action.instrument, "a spin-off changed what its price means")
                case CashDividend() | CashInLieu():
                    pass  # it changes no order

    def events(self) -> list[VenueEvent]:
        self._settle(self.tape.now)
        said, self._said = self._said, []
        return said

    def trades(self, instrument: str) -> bool:
        """Whether an instrument trades here: it is neither halted nor gone."""
        return instrument not in self._gone and instrument not in self._halted

    def remember(self, numbers: Iterable[int]) -> None:
        """Know of orders that have traded as was foretold."""
        self._book.ended.update(dict.fromkeys(numbers))

    def next_event_at(self) -> int:
        """Return the earliest time at which `events` could say something, `NEVER` if none.

        The tape's now when something waits to be said already. May be early, never late.
        """
        if self._said:
            return self.tape.now
        return min(self._agenda.next_moment(), self._plain_at)

    # ---- plain orders --------------------------------------------------------------------------
    #
    # Most orders are at the market, alone, and filled whole by the next bar. They need no place on
    # the book: one list holds those that meet their bars at one moment. Whatever could make a
    # difference to one of them (a cancel, a split, an order of another kind due at that moment, a
    # bar without volume enough) puts them on the book first.

    def _set_aside(self, order: Order, line: Line) -> bool:
        """Hold a plain order for its next bar; False where there is none in sight for it."""
        times, following = line.cursor.times, line.cursor.index + 1
        if following >= len(times) or begun_since(line.bars, self.tape.now, following) != following:
            return False
        at = times[following]
        if not self._plain:
            self._plain_at = at
        elif at != self._plain_at or order.id < self._plain[-1][0].id:
            return False  # on the book: at one moment orders meet their bars by number
        self._plain.append((order, line, following))
        return True

    def _book_plain(self) -> None:
        """Put the plain orders on the book."""
        plain, self._plain, self._plain_at = self._plain, [], NEVER
        for order, line, index in plain:
            before = line.cursor.times[index - 1] if index else order.created_at
            working = Resting(order, line, max(order.created_at, before))
            self._book.add(working)
            self._agenda.watch(working, index)

    def _fill_plain(self) -> None:
        """Let plain orders meet their bars; the first that is not filled whole books the rest."""
        plain, filler = self._plain, self._filler
        for number, (order, line, index) in enumerate(plain):
            quiet = line.bars.volume_known and not line.volumes[index] > 0
            halted = self._halted and order.instrument in self._halted
            if quiet or halted or not filler.take_whole(line, index, order.quantity):
                self._plain = plain[number:]
                self._book_plain()
                return
            self._said.append(filler.fill_whole(order, line, index))
            self._book.ended[order.id] = None
        self._plain, self._plain_at = [], NEVER

    # ---- the book ----------------------------------------------------------------------------

    def _take(self, approved: Approved, now: int) -> None:
        """Take an order in, or refuse it. Time may have gone on since `now`, see `receive`."""
        order, tape = approved.order, self.tape
        line = tape.lines.get(order.instrument)
        if line is None or order.instrument in self._gone:
            self._said.append(OrderRejected(order.id, now, f"{order.instrument} is not traded"))
        elif order.is_plain and now == tape.now and self._set_aside(order, line):
            self._said.append(OrderAccepted(order.id, now))
        else:
            self._book_plain()
            working = Resting(order, line, max(now, order.created_at))
            working.take_terms()
            refused = self._introduce(working, now)
            if refused:
                self._said.append(OrderRejected(order.id, now, refused))
                return
            self._place(working)
            if not working.remaining:
                reason = working.cut or "all of it had filled before it arrived"
                self._cancel(working, now, reason)

    def _introduce(self, working: Resting, now: int) -> str:
        """Let an order take the place of another, or one of its own; or say why it cannot."""
        order = working.order
        if order.replaces is not None:
            old = self._open.get(order.replaces)
            if old is None:
                return f"order {order.replaces} no longer works"
            self._book.take_place(old, working)
            keep_stop(old, working, now)
            self._agenda.forget(old)
            self._said.append(OrderReplaced(order.id, old.id, now, old.done))
            return ""
        if order.parent is not None and not self._book.adopt(working, order.parent):
            return f"its parent {order.parent} is not known"
        self._said.append(OrderAccepted(order.id, now))
        return ""

    def _withdraw(self, order_id: int, now: int) -> None:
        self._book_plain()
        working = self._open.get(order_id)
        if working is None:
            known = order_id in self._book.ended
            reason = "the order is already done" if known else "the order is not known"
            self._said.append(CancelRejected(order_id, now, reason))
            return
        self._cancel(working, now, "")

    def _place(self, working: Resting) -> None:
        """Put an order on the book, and look for what could matter to it."""
        self._book.add(working)
        if working.order.expires_at is not None:
            self._agenda.await_end(working, working.order.expires_at)
        if working.parent is None:
            if working.trail is not None:
                working.come_to_life(self._last(working, working.booked_at))
            start = working.line.cursor.index + 1
            if working.order.replaces is not None:
                # The bars since then would have been those of the order whose place it took.
                start = self._agenda.bars_until(working, working.booked_at)
            self._agenda.watch(working, start)

    def _last(self, working: Resting, at: int) -> Decimal:
        """Return the last close of an order's instrument at a moment."""
        return exact(working.line.closes[self._agenda.bars_until(working, at) - 1])

    def _remove(self, working: Resting, filled: Decimal | None) -> None:
        """Take an order off the book; `filled` is None when that was all of it."""
        self._book.remove(working, filled)
        self._agenda.forget(working)

    def _cancel(self, working: Resting, at: int, reason: str) -> None:
        self._said.append(OrderCanceled(working.id, at, working.done, reason))
        self._end(working, at)

    def _end(self, working: Resting, at: int) -> None:
        """Take an unfilled order off the book; what it did fill brings its children to life."""
        bought = working.brought
        self._remove(working, bought)
        for child in self._book.release(working):
            child.cut_to(bought)
            if not child.remaining:
                self._cancel(child, at, child.cut)
            else:
                child.come_to_life(self._last(child, at))
                child.booked_at = at
                self._agenda.watch(child, self._agenda.bars_until(child, at))

    # ---- time --------------------------------------------------------------------------------

    def _settle(self, until: int) -> None:
        """Carry out everything up to and including `until`, in order of time."""
        agenda = self._agenda
        agenda.look_again()
        if agenda.next_at > until and self._plain_at > until:
            return
        if getcontext().prec == EXACT.prec:  # inside the engine arithmetic is exact already
            self._carry_out(until)
        else:
            with localcontext(EXACT):
                self._carry_out(until)

    def _carry_out(self, until: int) -> None:
        agenda = self._agenda
        while self._plain_at <= until or agenda.next_at <= until:
            due, end, plain_at = agenda.next_due(), agenda.next_end(), self._plain_at
            agenda.next_at = min(due, end)
            if plain_at < due and plain_at <= min(end, until):
                self._fill_plain()
            elif plain_at == due <= min(end, until):
                self._book_plain()  # other orders meet their bars at that moment: by number
            elif agenda.next_at > until:
                return
            elif due <= end:
                self._match(agenda.take_due())
            else:
                self._expire(agenda.take_end(), end)

    def _expire(self, working: Resting, at: int) -> None:
        """End an order whose time is over; one on close has its chance first."""
        if working.on_close and working.parent is None:
            self._trade_at_close(working, at)
        if working.id in self._open:
            self._said.append(OrderExpired(working.id, at, working.done))
            self._end(working, at)

    # ---- one order, one bar ------------------------------------------------------------------

    def _pass_over(self, working: Resting, index: int) -> None:
        """Be done with one bar, and look for the next; an order with one chance has had it."""
        if working.once and index != working.woken_in:
            self._miss(working, working.due_at)
            return
        if working.type is _TRAILING and index != working.woken_in:
            led_past(working, working.line.bars, index)
        self._agenda.watch(working, index + 1)

    def _miss(self, working: Resting, at: int) -> None:
        if working.once is not _OPG:
            self._cancel(working, at, "what did not fill at the open")
            return
        self._said.append(OrderExpired(working.id, at, working.done))
        self._end(working, at)

    def _match(self, working: Resting) -> None:
        """Let a working order meet the bar it has been waiting for."""
        line, index = working.line, working.due
        quiet = line.bars.volume_known and not line.volumes[index] > 0
        if quiet or (self._halted and working.instrument in self._halted):
            self._pass_over(working, index)
            return
        bar = Prices(line.opens[index], line.highs[index], line.lows[index], line.closes[index])
        legs = self._book.legs(working)
        if len(legs) > 1:
            self._match_group(working, legs, bar, index)
            return
        chance = offer(working, bar, index, through=self.through)
        if chance is not None:
            best = None if working.woken_in != index else left_alone(chance, index)
            self._fill(working, chance.price, index, at_open=chance.at_open, best=best)
        if working.remaining and working.id in self._open:
            self._pass_over(working, index)

    def _match_group(self, working: Resting, legs: list[Resting], bar: Prices, index: int) -> None:
        """Let the legs of a group that this bar touches compete for it: the worst one fills."""
        legs = [leg for leg in legs if leg.due == index and leg.instrument == working.instrument]
        offers = [
            made
            for leg in sorted(legs, key=lambda leg: leg.id)
            if (made := offer(leg, bar, index, through=self.through)) is not None
        ]
        opened = [each for each in offers if each.at_open]
        if offers:
            chosen = min(opened or offers, key=lambda each: each.worth(bar))
            best = None if chosen.at_open else best_among(chosen, legs, offers, bar, index)
            self._fill(chosen.leg, chosen.price, index, at_open=chosen.at_open, best=best)
        for leg in legs:
            if leg.id in self._open:
                self._pass_over(leg, index)

    def _trade_at_close(self, working: Resting, close_at: int) -> None:
        """Fill an order on close at the last price of its session, when the session is over."""
        line, index = working.line, self._agenda.bars_until(working, close_at) - 1
        if index < working.first or working.instrument in self._halted:
            return  # nothing has traded since it came
        if line.bars.volume_known and not line.volumes[index] > 0:
            return
        chance = offer_at_close(working, line.closes[index], through=self.through)
        if chance is not None:
            working.due_at = close_at
            self._fill(working, chance.price, index, at_open=False)

    # ---- filling -----------------------------------------------------------------------------

    def _fill(
        self,
        leg: Resting,
        base: Decimal,
        index: int,
        *,
        at_open: bool,
        best: Decimal | None = None,
    ) -> None:
        """Fill what the bar's volume allows at `base`, the price of the order's rule.

        `best` is the worth of the bar's kindest reading, where there are several.
        """
        line, limited = leg.line, leg.type is _LIMIT
        quantity = self._filler.volume(line, index, leg.remaining, or_none=leg.once is _FOK)
        if quantity <= ZERO:
            return
        fill = self._filler.fill(
            leg,
            index,
            base,
            quantity,
            slips=not limited,  # a stop that triggers has become a market order by now
            resting=limited and not at_open,
            best=best,
        )
        self._said.append(fill)
        leg.parts.append((leg.due_at, quantity, ""))
        if leg.group is not None:
            self._reduce_group(leg, quantity, leg.due_at)
        if leg.remaining:
            return
        if leg.cut:  # it wanted more: who sent it has to know that there is no more to come
            self._said.append(OrderCanceled(leg.id, leg.due_at, leg.done, leg.cut))
        self._remove(leg, leg.brought if leg.cut else None)
        self._wake(leg, base, index, at_open=at_open)

    def _reduce_group(self, leg: Resting, quantity: Decimal, at: int) -> None:
        """Take what one leg filled off the others; end them when it has filled completely."""
        for other in self._book.legs(leg):
            if other is leg or other.id not in self._open:  # ended together with one before it
                continue
            reason = f"order {leg.id} of its group filled"
            other.take_off(quantity, reason)
            other.parts.append((at, quantity, reason))
            if leg.remaining == 0 or other.remaining == 0:
                self._cancel(other, at, reason)

    def _wake(self, parent: Resting, price: Decimal, index: int, *, at_open: bool) -> None:
        """Bring the children of a filled order to life, on the rest of its last bar."""
        at = parent.due_at
        for child in self._book.release(parent):
            if parent.cut or parent.shrunk:
                child.cut_to(parent.brought)
                if not child.remaining:
                    self._cancel(child, at, child.cut)
                    continue
            elsewhere = child.instrument != parent.instrument
            child.come_to_life(self._last(child, at) if elsewhere else price)
            if elsewhere or parent.on_close:
                child.booked_at = at
                self._agenda.watch(child, self._agenda.bars_until(child, at))
            elif (
                child.on_close  # the close comes after whatever filled in it
                or (at_open and child.type is not _MARKET and not child.once)
                or begun_since(child.line.bars, child.booked_at, index) > index
            ):
                self._agenda.watch(child, index)
            else:
                child.woken_in, child.woken_at_price = index, price
                child.woken_for_sure = (
                    parent.type is _LIMIT
                    and child.stop is not None
                    and child.buy is not parent.buy
                    and (child.stop < price if parent.buy else child.stop > price)
                )
                self._agenda.await_bar(child, index, at)

    # ---- what happens to an instrument -------------------------------------------------------

    def _split(self, working: Resting, split: Split | StockDividend) -> None:
        """Restate an order in the new shares; one that is left without a lot ends."""
        restate_quantity(working, split)
        if working.remaining == 0:
            self._cancel(working, self.tape.now, "a split left less than a lot of it")
            return
        restate_prices(working, split)
        if working.parent is None:
            start = max(working.first, self._agenda.bars_until(working, split.at))
            self._agenda.forget(working)
            self._agenda.watch(working, start)

    def _clear(self, instrument: str, reason: str) -> None:
        for working in self._book.of(instrument):
            self._cancel(working, self.tape.now, reason)

    def _close_down(self, instrument: str, reason: str) -> None:
        self._clear(instrument, reason)
        self._gone.add(instrument)

    def _rename(self, change: SymbolChanged) -> None:
        line = self.tape.lines.get(change.to)
        if line is None:
            self._close_down(change.instrument, "renamed")
            return
        for working in self._book.of(change.instrument):
            self._agenda.forget(working)
            rename(working, line, change.at)
            if working.parent is None:
                self._agenda.watch(working, self._agenda.bars_until(working, change.at))
        self._gone.add(change.instrument)
