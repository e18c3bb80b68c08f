"""A venue made of bars. What a bar cannot tell is resolved against the trader, and said.

The broker never walks bars. Each working order knows the next bar at which it could do anything
(`fill_model` looks ahead), a heap keeps those moments, and `events` carries out the ones that
time has reached. Called at every bar or only at the moments `next_event_at` names, it therefore
does the same things in the same order.

At one moment the bars that close then come first, by order id; an order that expires at that
moment expires after them. A bar without volume trades nothing: it fills and triggers nothing.

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

from bisect import bisect_left
from contextlib import nullcontext
from decimal import Decimal, DecimalException, getcontext, localcontext
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Literal, NamedTuple

from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import (
    CancelRejected,
    CorporateAction,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    Split,
    VenueEvent,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import EXACT, ZERO, exact, round_down
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.domain.tape import NEVER, Cursor, Tape
from evenkeel.execution import fill_model
from evenkeel.execution.costs import CostModel
from evenkeel.execution.fill_model import Prices, Slippage, on_tick

if TYPE_CHECKING:
    from evenkeel.domain.bar import Bars
    from evenkeel.domain.verdict import Approved

_MARKET, _LIMIT, _STOP = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP
_ALREADY = nullcontext()
_STOP_LIMIT, _TRAILING = OrderType.STOP_LIMIT, OrderType.TRAILING_STOP


class _Working:
    """An order on the venue's book: its terms as they stand now, and what it waits for.

    Defaults stand on the class, so that a plain market order sets little.
    """

    filled = ZERO  # the sum of its fills, in shares of their day
    restated = ZERO  # what splits since have made more (or less) of that
    carried = ZERO  # what the orders that it replaced have filled: counts for its children
    notional = ZERO
    charged = ZERO
    fills = 0
    limit: Decimal | None = None
    stop: Decimal | None = None
    trail: Decimal | None = None
    limit_level = 0.0
    stop_level = 0.0
    extreme: float | None = None  # of a trailing stop, over its bars before `first`
    led: float | None = None  # the same, over its bars before `due`
    group: int | None = None
    parent: int | None = None  # set while it sleeps
    expires_at: int | None = None
    due: int = -1  # the index of the next bar that could matter, -1 for none in sight
    due_at: int = NEVER
    first: int = 0  # bars before this index are done with, or never concerned it
    seen: int = 0  # how many bars there were when none was in sight
    woken_in: int = -1  # the bar inside which the parent filled
    woken_at_price: Decimal = ZERO
    woken_for_sure: bool = False  # that bar reached the parent before it could reach this stop

    def __init__(self, order: Order, cursor: Cursor) -> None:
        self.id = order.id
        self.instrument = order.instrument
        self.side = order.side
        self.buy = order.side is Side.BUY
        self.type = order.type
        self.remaining = order.quantity
        self.cursor = cursor

    @property
    def done(self) -> Decimal:
        """What it has filled, in shares of today (FIX 14, CumQty)."""
        return EXACT.add(self.filled, self.restated)


class _Chance(NamedTuple):
    """What one bar offers one order: a price before slippage, and whether it was the open."""

    leg: _Working
    price: Decimal
    at_open: bool


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
        slippage: Slippage,
        volume_share: Decimal | float | str = Decimal("0.1"),
        touch: Literal["at", "through"] = "at",
    ) -> None:
        """Open an empty book. Raises `UsageError` for a share or touch that has no meaning."""
        if touch not in {"at", "through"}:
            raise UsageError(f"touch {touch!r} is not known; there are 'at' and 'through'")
        self.tape, self.costs, self.slippage = tape, costs, slippage
        self.volume_share, self.through = _share(volume_share), touch == "through"
        self._share = float(self.volume_share)
        self._open: dict[int, _Working] = {}
        self._ended: dict[int, Decimal | None] = {}  # what it filled, None for all of it
        self._replaced_by: dict[int, int] = {}
        self._children: dict[int, list[int]] = {}
        self._groups: dict[int, list[int]] = {}
        self._due: list[tuple[int, int]] = []  # heap of (time, order id), stale ones passed over
        self._expiring: list[tuple[int, int]] = []
        self._blind: dict[str, tuple[int, set[int]]] = {}  # no bar in sight, of so many
        self._used: dict[str, tuple[int, Decimal]] = {}  # volume taken from the bar at hand
        self._said: list[VenueEvent] = []

    # ---- the port ----------------------------------------------------------------------------

    def submit(self, approved: Approved) -> None:
        order, now = approved.order, self.tape.now
        self._settle(now)
        if order.instrument not in self.tape.bars:
            self._said.append(OrderRejected(order.id, now, f"{order.instrument} is not traded"))
            return
        working = _Working(order, self.tape.cursor(order.instrument))
        if order.type is not _MARKET:
            _take_prices(working, order)
        if order.replaces is not None:
            old = self._open.get(order.replaces)
            if old is None:
                self._said.append(
                    OrderRejected(order.id, now, f"order {order.replaces} no longer works")
                )
                return
            self._take_place(old, working)
        elif order.parent is not None:
            if not self._place_child(working, order.parent):
                return
        else:
            self._said.append(OrderAccepted(order.id, now))
        self._book(working, order)

    def cancel(self, order_id: int) -> None:
        now = self.tape.now
        self._settle(now)
        working = self._open.get(order_id)
        if working is None:
            known = order_id in self._ended
            reason = "the order is already done" if known else "the order is not known"
            self._said.append(CancelRejected(order_id, now, reason))
            return
        self._cancel(working, now, "")

    def corporate_action(self, action: CorporateAction) -> None:
        if not isinstance(action, Split):
            return  # a dividend changes no order
        self._settle(min(action.at, self.tape.now))
        with localcontext(EXACT):
            for working in list(self._open.values()):
                if working.instrument == action.instrument and working.id in self._open:
                    self._split(working, action)

    def events(self) -> list[VenueEvent]:
        self._settle(self.tape.now)
        said, self._said = self._said, []
        return said

    def next_event_at(self) -> int:
        """Return the earliest time at which `events` could say something, `NEVER` if none.

        The tape's now when something waits to be said already. May be early, never late.
        """
        if self._said:
            return self.tape.now
        self._look_again()
        due, _ = self._next_due()
        expires_at, _ = self._next_expiry()
        if expires_at >= due:
            return due
        return min(due, self._first_bar_at(expires_at))

    # ---- the book ----------------------------------------------------------------------------

    def _book(self, working: _Working, order: Order) -> None:
        self._open[order.id] = working
        if working.group is None and order.oca_group is not None:
            working.group = order.oca_group
        if working.group is not None:
            self._groups.setdefault(working.group, []).append(order.id)
        if order.expires_at is not None:
            working.expires_at = order.expires_at
            heappush(self._expiring, (order.expires_at, order.id))
        if working.parent is None:
            self._watch(working, working.cursor.index + 1)

    def _take_place(self, old: _Working, new: _Working) -> None:
        """Put a replacement where the replaced order stood: its parent, children and group."""
        new.carried = EXACT.add(old.carried, old.done)
        new.group, new.parent = old.group, old.parent
        if new.parent is not None:
            self._children[new.parent].append(new.id)
        if old.id in self._children:
            children = self._children[new.id] = self._children.pop(old.id)
            for child in children:
                if child in self._open:
                    self._open[child].parent = new.id
        self._replaced_by[old.id] = new.id
        self._remove(old, old.done)
        self._said.append(OrderReplaced(new.id, old.id, self.tape.now, old.done))

    def _place_child(self, child: _Working, parent: int) -> bool:
        """Accept an order that has a parent; False when that order has no life of its own."""
        now = self.tape.now
        while parent in self._replaced_by:
            parent = self._replaced_by[parent]
        if parent in self._open:
            child.parent = parent
            self._children.setdefault(parent, []).append(child.id)
        elif parent not in self._ended:
            self._said.append(OrderRejected(child.id, now, f"its parent {parent} is not known"))
            return False
        self._said.append(OrderAccepted(child.id, now))
        filled = self._ended.get(parent)
        if filled is not None:
            child.remaining = min(child.remaining, filled)
        if child.remaining == 0:
            self._ended[child.id] = ZERO
            self._said.append(OrderCanceled(child.id, now, ZERO, "its parent never filled"))
            return False
        return True

    def _remove(self, working: _Working, filled: Decimal | None) -> None:
        """Take an order off the book; `filled` is None when that was all of it."""
        del self._open[working.id]
        self._ended[working.id] = filled
        if working.group is not None:
            legs = self._groups[working.group]
            legs.remove(working.id)
            if not legs:
                del self._groups[working.group]
        if working.due < 0 and working.instrument in self._blind:
            self._unblind(working)

    def _unblind(self, working: _Working) -> None:
        blind = self._blind[working.instrument][1]
        blind.discard(working.id)
        if not blind:
            del self._blind[working.instrument]

    def _cancel(self, working: _Working, at: int, reason: str) -> None:
        self._said.append(OrderCanceled(working.id, at, working.done, reason))
        self._end(working, at)

    def _end(self, working: _Working, at: int) -> None:
        """Take an unfilled order off the book; what it did fill brings its children to life."""
        bought = EXACT.add(working.carried, working.done)
        self._remove(working, bought)
        for child in self._waiting(working):
            if bought == 0:
                self._cancel(child, at, "its parent never filled")
            else:
                child.parent = None
                child.remaining = min(child.remaining, bought)
                self._watch(child, self._bars_until(child, at))

    def _waiting(self, parent: _Working) -> list[_Working]:
        ids = self._children.pop(parent.id, ())
        return [self._open[child] for child in ids if child in self._open]

    # ---- time --------------------------------------------------------------------------------

    def _settle(self, until: int) -> None:
        """Carry out everything up to and including `until`, in order of time."""
        self._look_again()
        if not self._due and not self._expiring:
            return
        due, order_id = self._next_due()
        expires_at, expiring_id = self._next_expiry()
        if due > until and expires_at > until:
            return
        # Inside the engine arithmetic is exact already, and entering it again is not for nothing.
        with _ALREADY if getcontext().prec == EXACT.prec else localcontext(EXACT):
            while due <= until or expires_at <= until:
                if expires_at < due:
                    heappop(self._expiring)
                    working = self._open[expiring_id]
                    self._said.append(OrderExpired(expiring_id, expires_at, working.done))
                    self._end(working, expires_at)
                else:
                    heappop(self._due)
                    self._match(self._open[order_id])
                due, order_id = self._next_due()
                expires_at, expiring_id = self._next_expiry()

    def _next_due(self) -> tuple[int, int]:
        due, book = self._due, self._open
        while due:
            working = book.get(due[0][1])
            if working is not None and working.due_at == due[0][0]:
                return due[0]
            heappop(due)
        return NEVER, 0

    def _next_expiry(self) -> tuple[int, int]:
        expiring, book = self._expiring, self._open
        while expiring:
            if expiring[0][1] in book:
                return expiring[0]
            heappop(expiring)
        return NEVER, 0

    def _first_bar_at(self, moment: int) -> int:
        """Return when the first bar of any instrument closes at or after `moment`."""
        first = NEVER
        for cursor in self.tape.cursors:
            following = bisect_left(cursor.times, moment, max(cursor.index, 0))
            if following < len(cursor.times):
                first = min(first, cursor.times[following])
        return first

    def _bars_until(self, working: _Working, moment: int) -> int:
        """Return how many bars of an order's instrument closed by `moment`."""
        return int(self.tape.bars[working.instrument].closed_at.searchsorted(moment, "right"))

    # ---- looking ahead -----------------------------------------------------------------------

    def _watch(self, working: _Working, start: int) -> None:
        """Find the first bar from `start` on that could matter to an order, and note its time."""
        bars = self.tape.bars[working.instrument]
        working.first = start
        due = self._look_ahead(working, bars, start)
        if due is not None:
            working.due, working.due_at = due, int(bars.closed_at[due])
            heappush(self._due, (working.due_at, working.id))
            return
        working.due, working.due_at = -1, NEVER
        working.seen = max(start, len(bars.closed_at))
        _, blind = self._blind.get(working.instrument, (0, set()))
        blind.add(working.id)
        self._blind[working.instrument] = len(bars.closed_at), blind

    def _look_ahead(self, working: _Working, bars: Bars, start: int) -> int | None:
        if working.type is _MARKET:
            return start if start < len(bars.closed_at) else None
        if working.type is _LIMIT:
            if working.buy:
                return fill_model.first_at_or_below(bars.low, working.limit_level, start)
            return fill_model.first_at_or_above(bars.high, working.limit_level, start)
        if working.type is not _TRAILING:
            if working.buy:
                return fill_model.first_at_or_above(bars.high, working.stop_level, start)
            return fill_model.first_at_or_below(bars.low, working.stop_level, start)
        assert working.trail is not None
        due, working.led = fill_model.first_trailed(
            bars.low if working.buy else bars.high,
            bars.high if working.buy else bars.low,
            working.stop_level,
            working.extreme,
            float(working.trail),
            start,
            buy=working.buy,
        )
        return due

    def _look_again(self) -> None:
        """Look at bars that have come since an order last saw none: a paper tape grows."""
        if not self._blind:
            return
        for name, (length, blind) in list(self._blind.items()):
            if len(self.tape.bars[name].closed_at) == length:
                continue
            del self._blind[name]
            for order_id in sorted(blind):
                working = self._open[order_id]
                working.extreme = working.led
                self._watch(working, working.seen)

    def _pass_over(self, working: _Working, index: int) -> None:
        """Be done with one bar, and look for the next."""
        if working.type is _TRAILING and index != working.woken_in:
            bars = self.tape.bars[working.instrument]
            lead = (bars.low if working.buy else bars.high).item(index)
            working.extreme = best = working.led
            if best is None or (lead < best if working.buy else lead > best):
                working.extreme = lead
        self._watch(working, index + 1)

    # ---- one order, one bar ------------------------------------------------------------------

    def _match(self, working: _Working) -> None:
        """Let a working order meet the bar it has been waiting for."""
        bars, index = self.tape.bars[working.instrument], working.due
        if bars.volume_known and not bars.volume.item(index) > 0:
            self._pass_over(working, index)
            return
        bar = Prices(
            bars.open.item(index),
            bars.high.item(index),
            bars.low.item(index),
            bars.close.item(index),
        )
        if working.group is not None and len(self._groups[working.group]) > 1:
            self._match_group(working, bars, bar, index)
            return
        chance = self._chance(working, bars, bar, index)
        if chance is not None:
            best = None if working.woken_in != index else _left_alone(working, chance, index)
            self._fill(chance, bars, bar, index, best)
        if working.id in self._open:
            self._pass_over(working, index)

    def _match_group(self, working: _Working, bars: Bars, bar: Prices, index: int) -> None:
        """Let the legs of a group that this bar touches compete for it: the worst one fills."""
        assert working.group is not None
        legs = [self._open[leg] for leg in self._groups[working.group]]
        legs = [leg for leg in legs if leg.due == index and leg.instrument == working.instrument]
        chances = [
            chance
            for leg in sorted(legs, key=lambda leg: leg.id)
            if (chance := self._chance(leg, bars, bar, index)) is not None
        ]
        opened = [chance for chance in chances if chance.at_open]
        if chances:
            chosen = min(opened or chances, key=lambda chance: _worth(chance, bar))
            best = None
            if not chosen.at_open:
                best = _left_alone(chosen.leg, chosen, index)
                others = [_worth(chance, bar) for chance in chances if chance is not chosen]
                others += self._out_of_reach(legs, chosen.leg, bar, index)
                best = max([*others, *([] if best is None else [best])], default=None)
            self._fill(chosen, bars, bar, index, best)
        for leg in legs:
            if leg.id in self._open:
                self._pass_over(leg, index)

    def _out_of_reach(
        self, legs: list[_Working], chosen: _Working, bar: Prices, index: int
    ) -> list[Decimal]:
        """Return what limits were worth that the bar touched, but perhaps before they lived."""
        return [
            _worth(_Chance(leg, leg.limit, at_open=False), bar)
            for leg in legs
            if leg is not chosen
            and leg.type is _LIMIT
            and leg.woken_in == index
            and leg.limit is not None
            and bar.low <= leg.limit_level <= bar.high
        ]

    def _chance(self, leg: _Working, bars: Bars, bar: Prices, index: int) -> _Chance | None:
        """Return what the bar offers; a stop that it reaches works on as market or limit."""
        tick = bars.instrument.tick
        if leg.woken_in == index:
            return self._chance_when_woken(leg, bar, tick)
        if leg.type is _MARKET:
            return _Chance(leg, exact(bar.open), at_open=True)
        if leg.type is _LIMIT:
            price = fill_model.limit(bar, leg.limit_level, buy=leg.buy, through=self.through)
            better = price != leg.limit_level or not self.through
            return _offer(leg, price, at_open=price == bar.open and better)
        if leg.type is _STOP_LIMIT:
            beyond = bar.open >= leg.stop_level if leg.buy else bar.open <= leg.stop_level
            hit, price = fill_model.stop_limit(
                bar, leg.stop_level, leg.limit_level, buy=leg.buy, through=self.through
            )
            if hit:
                leg.type = _LIMIT
            return _offer(leg, price, at_open=beyond and price == bar.open)
        stands = _stands(leg, tick)
        level = float(stands)
        price = fill_model.stop(bar, level, buy=leg.buy)
        if price is None:
            return None
        leg.type = _MARKET
        return _Chance(leg, stands if price == level else exact(price), price == bar.open)

    def _chance_when_woken(
        self, leg: _Working, bar: Prices, tick: Decimal | None
    ) -> _Chance | None:
        """Return what is left of a bar for a child whose parent filled inside it."""
        if leg.type in {_MARKET, _LIMIT}:
            return None
        stands = _stands(leg, tick)
        level = float(stands)
        if not (bar.high >= level if leg.buy else bar.low <= level):
            return None
        if leg.type is _STOP_LIMIT:
            leg.type = _LIMIT
            return None
        leg.type = _MARKET
        worse = max if leg.buy else min
        return _Chance(leg, worse(stands, leg.woken_at_price), at_open=False)

    # ---- filling -----------------------------------------------------------------------------

    def _fill(
        self, chance: _Chance, bars: Bars, bar: Prices, index: int, best: Decimal | None
    ) -> None:
        """Fill what the bar's volume allows. `best` is the worth of the bar's kindest reading."""
        leg, base, instrument = chance.leg, chance.price, bars.instrument
        quantity = self._take_volume(leg, bars, index)
        if quantity <= 0:
            return
        # A stop that triggers has become a market order by now; what is a limit never slips.
        price = base if leg.type is _LIMIT else self._slipped(base, leg, bar, instrument.tick)
        size = quantity * instrument.multiplier
        leg.filled += quantity
        leg.remaining -= quantity
        leg.notional += price * size
        owed = self.costs.commission(quantity=leg.filled, notional=leg.notional)
        leg.fills += 1
        ambiguity = None
        if best is not None:
            lost = best - _worth(_Chance(leg, price, chance.at_open), bar)
            ambiguity = lost * size if lost > 0 else None
        at = leg.due_at
        self._said.append(
            Fill(
                f"{leg.id}.{leg.fills}",
                leg.id,
                leg.instrument,
                leg.side,
                quantity,
                price,
                instrument.currency,
                at,
                owed - leg.charged,
                abs(price - base) * size if price is not base else ZERO,
                ambiguity,
            )
        )
        leg.charged = owed
        if leg.group is not None:
            self._reduce_group(leg, quantity, at)
        if leg.remaining == 0:
            self._remove(leg, None)
            if self._children:
                self._wake(leg, chance, index)

    def _take_volume(self, leg: _Working, bars: Bars, index: int) -> Decimal:
        """Return how much may fill: what is left of the share of this bar's volume."""
        if not bars.volume_known:
            return leg.remaining
        volume = bars.volume.item(index)
        at, used = self._used.get(leg.instrument, (-1, ZERO))
        quantity = leg.remaining
        wanted = used + quantity if at == index else quantity
        # Far below the cap, floats can say so; near it, decimals must.
        if float(wanted + bars.instrument.lot) * 1.000001 > self._share * volume:
            cap = round_down(self.volume_share * exact(volume), bars.instrument.lot)
            quantity -= max(ZERO, wanted - cap)
        if quantity > 0:
            self._used[leg.instrument] = index, wanted
        return quantity

    def _slipped(self, base: Decimal, leg: _Working, bar: Prices, tick: Decimal | None) -> Decimal:
        """Return the price after slippage: on the tick, in the bar, never better than `base`."""
        price = self.slippage.slipped(base, buy=leg.buy)
        if price is base:
            return base
        if tick is not None:
            price = on_tick(price, tick, up=leg.buy)
        if leg.buy:
            price = exact(bar.high) if float(price) > bar.high else price
            return max(base, price)
        price = exact(bar.low) if float(price) < bar.low else price
        return min(base, price)

    def _reduce_group(self, leg: _Working, quantity: Decimal, at: int) -> None:
        """Take what one leg filled off the others; end them when it has filled completely."""
        assert leg.group is not None
        for other_id in [other for other in self._groups[leg.group] if other != leg.id]:
            other = self._open.get(other_id)
            if other is None:  # ended together with one before it
                continue
            other.remaining = max(ZERO, other.remaining - quantity)
            if leg.remaining == 0 or other.remaining == 0:
                self._cancel(other, at, f"order {leg.id} of its group filled")

    def _wake(self, parent: _Working, chance: _Chance, index: int) -> None:
        """Bring the children of a filled order to life, on the rest of its last bar."""
        at = parent.due_at
        for child in self._waiting(parent):
            child.parent = None
            if child.instrument != parent.instrument:
                self._watch(child, self._bars_until(child, at))
            elif chance.at_open and child.type is not _MARKET:
                self._watch(child, index)
            else:
                child.woken_in, child.woken_at_price = index, chance.price
                child.woken_for_sure = (
                    parent.type is _LIMIT
                    and child.stop is not None
                    and child.side is not parent.side
                    and (child.stop < chance.price if parent.buy else child.stop > chance.price)
                )
                child.due, child.due_at = index, at
                heappush(self._due, (at, child.id))

    # ---- corporate actions -------------------------------------------------------------------

    def _split(self, working: _Working, split: Split) -> None:
        """Restate an order in the new shares; one that is left without a lot ends."""
        instrument = self.tape.bars[working.instrument].instrument
        working.restated = working.done * split.new / split.old - working.filled
        working.carried = working.carried * split.new / split.old
        working.remaining = round_down(working.remaining * split.new / split.old, instrument.lot)
        if working.remaining == 0:
            self._cancel(working, self.tape.now, "a split left less than a lot of it")
            return
        buy, tick = working.buy, instrument.tick
        if working.limit is not None:
            limit = on_tick(working.limit * split.old / split.new, tick, up=not buy)
            working.limit, working.limit_level = limit, float(limit)
        if working.type is _TRAILING:
            self._settle_trail(working, split)
        if working.stop is not None:
            stop = on_tick(working.stop * split.old / split.new, tick, up=buy)
            working.stop, working.stop_level = stop, float(stop)
        if working.trail is not None:
            working.trail = on_tick(working.trail * split.old / split.new, tick, up=True)
        if working.parent is None:
            self._restart(working, split)

    def _settle_trail(self, working: _Working, split: Split) -> None:
        """Let a trail start anew from where the bars in old shares have brought it."""
        bars = self.tape.bars[working.instrument]
        lead = bars.low if working.buy else bars.high
        old = lead[working.first : self._bars_until(working, split.at)]
        assert working.stop is not None
        assert working.trail is not None
        reached = working.extreme
        if len(old) and working.parent is None:
            best = float(old.min() if working.buy else old.max())
            reached = best if reached is None else (min if working.buy else max)(best, reached)
        working.stop = fill_model.trailed(working.stop, reached, working.trail, buy=working.buy)
        working.extreme = working.led = None

    def _restart(self, working: _Working, split: Split) -> None:
        """Look ahead anew, from the first bar in the new shares on."""
        if working.due < 0 and working.instrument in self._blind:
            self._unblind(working)
        self._watch(working, max(working.first, self._bars_until(working, split.at)))


def _take_prices(working: _Working, order: Order) -> None:
    if order.limit_price is not None:
        working.limit, working.limit_level = order.limit_price, float(order.limit_price)
    if order.stop_price is not None:
        working.stop, working.stop_level = order.stop_price, float(order.stop_price)
    working.trail = order.trail_amount


def _share(volume_share: Decimal | float | str) -> Decimal:
    try:
        share = exact(volume_share)
    except DecimalException:
        share = ZERO
    if not share.is_finite() or share <= 0:
        raise UsageError(f"volume share {volume_share!r} must be a number above 0, such as 0.1")
    return share


def _stands(leg: _Working, tick: Decimal | None) -> Decimal:
    """Return where an order's stop is now."""
    assert leg.stop is not None
    if leg.trail is None:
        return leg.stop
    level = fill_model.trailed(leg.stop, leg.led, leg.trail, buy=leg.buy)
    return on_tick(level, tick, up=leg.buy)


def _offer(leg: _Working, price: float | None, *, at_open: bool) -> _Chance | None:
    """Return a limit's chance; the order's own prices are given back as they were written."""
    if price is None:
        return None
    for own in (leg.limit, leg.stop):
        if own is not None and float(own) == price:
            return _Chance(leg, own, at_open)
    return _Chance(leg, exact(price), at_open)


def _worth(chance: _Chance, bar: Prices) -> Decimal:
    """Return what a fill is worth per unit at the bar's close, against not having filled."""
    close = exact(bar.close)
    return close - chance.price if chance.leg.buy else chance.price - close


def _left_alone(leg: _Working, chance: _Chance, index: int) -> Decimal | None:
    """Return what it is worth that the order did not fill (nothing), where that could be so.

    A child's stop that the bar touched may have been touched before the parent filled: unless
    the bar had to pass the parent on the way, or closed beyond the stop.
    """
    if leg.woken_in != index or leg.woken_for_sure or chance.at_open:
        return None
    return ZERO
