"""A venue that walks every bar with every order, in plain decimals. Slow, and meant to be read.

It was written from DESIGN section 4 and shares nothing with `evenkeel.execution` but the nouns.
Where the two differ, one of them is wrong, or the rule is not written down yet.
"""

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import NamedTuple

from evenkeel.domain.events import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    Split,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import (
    Delisted,
    Merged,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.order import Side

ZERO = Decimal(0)
WIDE = Context(prec=60)


class Bar(NamedTuple):
    """One bar, in the words of the data."""

    at: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass
class Market:
    """The bars of one instrument and when its sessions close."""

    bars: list[Bar]
    closes: list[int]
    lot: Decimal = Decimal(1)
    tick: Decimal | None = None
    volume_known: bool = True

    def session_of(self, at: int) -> int | None:
        """The close of the session in which a moment lies; None when no close is known for it."""
        return next((close for close in self.closes if close >= at), None)

    def opens_session(self, index: int) -> bool:
        if index == 0:
            return True
        return self.session_of(self.bars[index].at) != self.session_of(self.bars[index - 1].at)

    def index_after(self, at: int) -> int:
        """The first bar that closes after a moment."""
        return sum(1 for bar in self.bars if bar.at <= at)


@dataclass
class Order:
    """An order on the book, as it stands now."""

    asked: object
    id: int
    instrument: str
    buy: bool
    type: str
    tif: str
    left: Decimal
    limit: Decimal | None
    stop: Decimal | None
    trail: Decimal | None
    percent: Decimal | None
    expires_at: int | None
    group: int | None
    parent: int | None = None
    first: int = 0
    done: Decimal = ZERO
    carried: Decimal = ZERO
    fills: int = 0
    cut: str = ""
    shrunk: bool = False
    extreme: Decimal | None = None
    born_in: int | None = None
    born_at: Decimal = ZERO
    born_sure: bool = False
    handled_at: int = -1

    def cut_to(self, brought: Decimal, lot: Decimal) -> None:
        """Fill no more than so much in whole lots, and say so in the end."""
        if brought < self.left:
            self.left = brought // lot * lot
            self.cut = "its parent brought no more" if brought else "its parent never filled"

    def once(self) -> bool:
        return self.tif in {"IOC", "FOK", "OPG"}

    def at_close(self) -> bool:
        return self.type in {"MARKET_ON_CLOSE", "LIMIT_ON_CLOSE"}

    def is_limit(self) -> bool:
        return self.type in {"LIMIT", "LIMIT_ON_CLOSE"}


class Offer(NamedTuple):
    """What a bar offers an order: a price before slippage, and whether that is the open."""

    order: Order
    price: Decimal
    at_open: bool


@dataclass
class Reference:
    """The venue. `said` collects what it says; every method name is a word of the rules."""

    markets: dict[str, Market]
    share: Decimal = Decimal("0.1")
    through: bool = False
    slip_bps: Decimal = ZERO
    now: int = -1
    settled: int = -1
    book: list[Order] = field(default_factory=list)
    ended: dict[int, Decimal | None] = field(default_factory=dict)
    successor: dict[int, int] = field(default_factory=dict)
    taken: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    halted: set[str] = field(default_factory=set)
    gone: dict[str, str] = field(default_factory=dict)
    said: list[object] = field(default_factory=list)

    # ---- what a client does ----

    def submit(self, asked):
        self.settle(self.now)
        name = asked.instrument
        if name not in self.markets or name in self.gone:
            self.said.append(OrderRejected(asked.id, self.now, f"{name} is not traded"))
            return
        order = Order(
            asked, asked.id, name, asked.side is Side.BUY, asked.type.value, asked.tif.value,
            asked.quantity, asked.limit_price, asked.stop_price, asked.trail_amount,
            asked.trail_percent, asked.expires_at, asked.oca_group,
        )  # fmt: skip
        order.first = self.markets[name].index_after(self.now)
        if asked.replaces is not None:
            self.replace(order, asked.replaces)
        elif asked.parent is not None:
            self.follow(order, asked.parent)
        else:
            self.said.append(OrderAccepted(order.id, self.now))
            self.book.append(order)

    def replace(self, order, old_id):
        old = self.find(old_id)
        if old is None:
            reason = f"order {old_id} no longer works"
            self.said.append(OrderRejected(order.id, self.now, reason))
            return
        order.carried = old.carried + old.done
        order.parent = old.parent
        order.group = old.group if old.group is not None else order.group
        if old.cut == "its parent brought no more":
            order.cut_to(old.left, self.markets[order.instrument].lot)
        order.shrunk = old.shrunk or order.left < old.left
        self.keep_stop(old, order)
        if order.parent is None:
            self.come_to_life(order, self.last_price(order, self.now))
        for child in self.book:
            if child.parent == old.id:
                child.parent = order.id
        self.book.remove(old)
        self.ended[old.id] = old.done
        self.successor[old.id] = order.id
        self.book.append(order)
        self.said.append(OrderReplaced(order.id, old.id, self.now, old.done))

    def keep_stop(self, old, new):
        """What a replacement does not say of its stop stays: where it is, and whether it has triggered."""
        stops = {"STOP", "STOP_LIMIT", "TRAILING_STOP"}
        if old.type == "TRAILING_STOP" and old.stop is not None:
            old.stop = self.stands(old, round_it=False)
        if new.type == "TRAILING_STOP" and new.stop is None:
            new.stop = old.stop
        if old.asked.type.value in stops and old.type not in stops and new.stop == old.stop:
            new.type = "MARKET" if new.limit is None else "LIMIT"
            new.trail = new.percent = None

    def come_to_life(self, order, price):
        """Wake an order at a price; a trail that was given no start begins behind it."""
        order.parent = None
        if order.type == "TRAILING_STOP" and order.stop is None:
            away = price * order.percent / 100 if order.trail is None else order.trail
            level = price + away if order.buy else price - away
            order.stop = on_grid(level, self.markets[order.instrument].tick, up=order.buy)

    def last_price(self, order, at):
        market = self.markets[order.instrument]
        return market.bars[market.index_after(at) - 1].close

    def follow(self, order, parent):
        while parent in self.successor:
            parent = self.successor[parent]
        if self.find(parent) is not None:
            order.parent = parent
        elif parent not in self.ended:
            reason = f"its parent {parent} is not known"
            self.said.append(OrderRejected(order.id, self.now, reason))
            return
        self.said.append(OrderAccepted(order.id, self.now))
        if order.parent is None and self.ended[parent] is not None:
            order.cut_to(self.ended[parent], self.markets[order.instrument].lot)
            if order.left == 0:
                self.ended[order.id] = ZERO
                self.said.append(OrderCanceled(order.id, self.now, ZERO, order.cut))
                return
        if order.parent is None:
            self.come_to_life(order, self.last_price(order, self.now))
        self.book.append(order)

    def cancel(self, order_id):
        self.settle(self.now)
        order = self.find(order_id)
        if order is None:
            known = order_id in self.ended
            reason = "the order is already done" if known else "the order is not known"
            self.said.append(CancelRejected(order_id, self.now, reason))
        else:
            self.end(order, OrderCanceled(order.id, self.now, order.done, ""))

    def listen(self):
        self.settle(self.now)
        said, self.said = self.said, []
        return said

    # ---- what happens to an instrument ----

    def action(self, action):
        self.settle(min(action.at, self.now))
        mine = [order for order in self.book if order.instrument == action.instrument]
        match action:
            case Split():
                self.rescale(mine, action.new / action.old, action.at)
            case StockDividend():
                self.rescale(mine, 1 + action.shares, action.at)
            case TradingHalted():
                self.halted.add(action.instrument)
            case TradingResumed():
                self.halted.discard(action.instrument)
            case Delisted():
                self.clear(mine, "delisted")
                self.gone[action.instrument] = "delisted"
            case Merged():
                self.clear(mine, "merged")
                self.gone[action.instrument] = "merged"
            case SpunOff():
                self.clear(mine, "a spin-off changed what its price means")
            case SymbolChanged():
                self.rename(mine, action)
                self.gone[action.instrument] = "renamed"

    def clear(self, orders, reason):
        for order in sorted(orders, key=lambda order: order.id):
            if order in self.book:
                self.end(order, OrderCanceled(order.id, self.now, order.done, reason))

    def rename(self, orders, change):
        if change.to not in self.markets:
            self.clear(orders, "renamed")
            return
        for order in orders:
            if order.trail is not None or order.percent is not None:
                order.stop, order.extreme = order.stop and self.stands(order), None
            order.instrument = change.to
            order.first = self.markets[change.to].index_after(change.at)

    def rescale(self, orders, ratio, at):
        """Prices of our choosing go onto the tick against us, quantities down to the lot."""
        for order in sorted(orders, key=lambda order: order.id):
            if order not in self.book:
                continue
            market = self.markets[order.instrument]
            order.done *= ratio
            order.carried *= ratio
            order.left = (order.left * ratio) // market.lot * market.lot
            if order.left == 0:
                reason = "a split left less than a lot of it"
                self.end(order, OrderCanceled(order.id, self.now, order.done, reason))
                continue
            if order.limit is not None:
                order.limit = on_grid(order.limit / ratio, market.tick, up=not order.buy)
            if order.trail is not None or order.percent is not None:
                order.stop = order.stop and self.stands(order, round_it=False)
                order.extreme = None
            if order.stop is not None:
                order.stop = on_grid(order.stop / ratio, market.tick, up=order.buy)
            if order.trail is not None:
                order.trail = on_grid(order.trail / ratio, market.tick, up=True)
            order.first = max(order.first, market.index_after(at))

    # ---- time ----

    def settle(self, until):
        """Go through every moment up to `until`; at one moment bars come before expiries."""
        while True:
            moments = [
                bar.at
                for market in self.markets.values()
                for bar in market.bars
                if self.settled < bar.at <= until
            ]
            moments += [
                o.expires_at for o in self.book if self.settled < (o.expires_at or -1) <= until
            ]
            if not moments:
                break
            moment = min(moments)
            self.expire(moment - 1)
            self.trade(moment)
            self.expire(moment)
            self.settled = moment
        self.settled = max(self.settled, until)
        self.expire(until)

    def expire(self, moment):
        while True:
            over = [o for o in self.book if o.expires_at is not None and o.expires_at <= moment]
            if not over:
                return
            order = min(over, key=lambda order: (order.expires_at, order.id))
            if order.at_close() and order.parent is None:
                self.trade_at_close(order)
            if order in self.book:
                self.end(order, OrderExpired(order.id, order.expires_at, order.done))

    def trade(self, moment):
        """Show the bars that close now to all they touch, by number; groups compete together."""
        while True:
            waiting = [
                o
                for o in self.book
                if self.meets(o, moment) and self.touched(o, moment) and o.handled_at != moment
            ]
            if not waiting:
                break
            order = min(waiting, key=lambda order: order.id)
            legs = [order]
            if order.group is not None and self.trades(order, moment):
                legs = [
                    o
                    for o in waiting
                    if o.group == order.group and o.instrument == order.instrument
                ]
            for leg in legs:
                leg.handled_at = moment
            self.compete(sorted(legs, key=lambda leg: leg.id))
        for order in self.book:
            if self.meets(order, moment) and (order.trail is not None or order.percent is not None):
                self.lead(order, moment)

    def trades(self, order, moment):
        """Whether anything can fill on the bar that closes now: it has volume, and no halt."""
        market = self.markets[order.instrument]
        bar = market.bars[self.index_at(order.instrument, moment)]
        quiet = market.volume_known and bar.volume <= 0
        return not quiet and order.instrument not in self.halted

    def touched(self, order, moment):
        """Whether the bar that closes now reaches any price at which the order could act."""
        market = self.markets[order.instrument]
        index = self.index_at(order.instrument, moment)
        bar = market.bars[index]
        if order.at_close():
            return False
        if order.tif == "OPG":
            return market.opens_session(index)
        if order.once() or order.born_in == index or order.type == "MARKET":
            return True
        if order.type == "LIMIT":
            return bar.low <= order.limit if order.buy else bar.high >= order.limit
        level = self.stands(order)
        return bar.high >= level if order.buy else bar.low <= level

    def meets(self, order, moment):
        """Whether an order is alive on a bar that closes now."""
        index = self.index_at(order.instrument, moment)
        return order.parent is None and index is not None and order.first <= index

    def index_at(self, name, moment):
        for index, bar in enumerate(self.markets[name].bars):
            if bar.at == moment:
                return index
        return None

    def lead(self, order, moment):
        """Move a trail by a completed bar; not by the bar in which its parent filled."""
        index = self.index_at(order.instrument, moment)
        if order.born_in == index:
            return
        bar = self.markets[order.instrument].bars[index]
        lead, best = (bar.low, min) if order.buy else (bar.high, max)
        order.extreme = lead if order.extreme is None else best(order.extreme, lead)

    # ---- one bar ----

    def compete(self, legs):
        market = self.markets[legs[0].instrument]
        index = self.index_at(legs[0].instrument, legs[0].handled_at)
        bar = market.bars[index]
        if self.trades(legs[0], bar.at):
            offers = [offer for leg in legs if (offer := self.offer(leg, market, index))]
            if offers:
                at_open = [offer for offer in offers if offer.at_open]
                chosen = min(at_open or offers, key=lambda offer: worth(offer, bar))
                kinder = [] if chosen.at_open else self.kinder(chosen, offers, legs, bar, index)
                self.fill(chosen, market, index, max(kinder, default=None))
        for leg in legs:
            if leg in self.book and leg.once() and leg.born_in != index:
                if leg.tif != "OPG":
                    reason = "what did not fill at the open"
                    self.end(leg, OrderCanceled(leg.id, bar.at, leg.done, reason))
                elif market.opens_session(index):
                    self.end(leg, OrderExpired(leg.id, bar.at, leg.done))

    def kinder(self, chosen, offers, legs, bar, index):
        """What other readings of the bar are worth: other legs, and that nothing happened."""
        kinder = [worth(offer, bar) for offer in offers if offer is not chosen]
        for leg in legs:
            perhaps = leg.type == "LIMIT" and leg.born_in == index and not leg.once()
            if leg is not chosen.order and perhaps and bar.low <= leg.limit <= bar.high:
                kinder.append(worth(Offer(leg, leg.limit, at_open=False), bar))
        if chosen.order.born_in == index and not chosen.order.born_sure:
            kinder.append(ZERO)
        return kinder

    def offer(self, order, market, index):
        bar = market.bars[index]
        if order.born_in == index:
            return self.offer_to_newborn(order, bar)
        if order.at_close():
            return None
        if order.tif == "OPG" and not market.opens_session(index):
            return None
        buy = order.buy
        if order.type in {"MARKET", "MARKET_ON_OPEN"}:
            return Offer(order, bar.open, at_open=True)
        if order.type == "LIMIT":
            offer = self.offer_to_limit(order, bar.open, bar.high, bar.low)
            return offer if offer is None or offer.at_open or not order.once() else None
        level = self.stands(order)
        opened_beyond = bar.open >= level if buy else bar.open <= level
        reached = bar.high >= level if buy else bar.low <= level
        if not (opened_beyond or reached):
            return None
        if order.type != "STOP_LIMIT":
            order.type = "MARKET"
            order.trail = order.percent = None
            return Offer(order, bar.open if opened_beyond else level, opened_beyond)
        order.type = "LIMIT"
        if opened_beyond:
            return self.offer_to_limit(order, bar.open, bar.high, bar.low)
        allowed = order.limit > level if buy else order.limit < level
        if allowed:
            return Offer(order, level, at_open=False)
        rest = self.offer_to_limit(order, level, max(level, bar.close), min(level, bar.close))
        return rest and Offer(order, rest.price, at_open=False)

    def offer_to_limit(self, order, opened, high, low):
        limit = order.limit
        if opened < limit if order.buy else opened > limit:
            return Offer(order, opened, at_open=True)
        beyond = low < limit if order.buy else high > limit
        touched = low <= limit if order.buy else high >= limit
        if self.through:
            return Offer(order, limit, at_open=False) if beyond else None
        return Offer(order, limit, at_open=opened == limit) if touched else None

    def offer_to_newborn(self, order, bar):
        """What is left of the bar inside which the parent filled: a stop may have been hit."""
        if order.type not in {"STOP", "STOP_LIMIT", "TRAILING_STOP"}:
            return None
        level = self.stands(order)
        if bar.high < level if order.buy else bar.low > level:
            return None
        if order.type == "STOP_LIMIT":
            order.type = "LIMIT"
            return None
        order.type = "MARKET"
        order.trail = order.percent = None
        worse = max if order.buy else min
        return Offer(order, worse(level, order.born_at), at_open=False)

    def stands(self, order, *, round_it=True):
        """Where a stop is now: where it began, or behind the best price of completed bars."""
        level, tick = order.stop, self.markets[order.instrument].tick
        if order.extreme is not None:
            away = order.trail
            if away is None:
                away = order.extreme * order.percent / 100
            trailed = order.extreme + away if order.buy else order.extreme - away
            level = min(level, trailed) if order.buy else max(level, trailed)
        trails = order.trail is not None or order.percent is not None
        return on_grid(level, tick, up=order.buy) if trails and round_it else level

    def trade_at_close(self, order):
        market = self.markets[order.instrument]
        index = market.index_after(order.expires_at) - 1
        if index < order.first or order.instrument in self.halted:
            return
        bar = market.bars[index]
        if market.volume_known and bar.volume <= 0:
            return
        if order.type == "LIMIT_ON_CLOSE":
            inside = bar.close < order.limit if order.buy else bar.close > order.limit
            if not (inside or (bar.close == order.limit and not self.through)):
                return
        self.fill(Offer(order, bar.close, at_open=False), market, index, None)

    # ---- filling ----

    def fill(self, offer, market, index, kindest):
        order, bar = offer.order, market.bars[index]
        quantity = self.available(order, market, index)
        if order.tif == "FOK" and quantity < order.left:
            return
        if quantity == 0:
            return
        price = offer.price if order.is_limit() else self.slipped(offer, market, bar)
        self.taken[order.instrument, index] = (
            self.taken.get((order.instrument, index), ZERO) + quantity
        )
        order.left -= quantity
        order.done += quantity
        order.fills += 1
        lost = ZERO if kindest is None else kindest - worth(Offer(order, price, at_open=False), bar)
        at = order.expires_at if order.at_close() else bar.at
        self.said.append(
            Fill(
                f"{order.id}.{order.fills}", order.id, order.instrument,
                Side.BUY if order.buy else Side.SELL, quantity, price, "USD", at,
                slippage=abs(price - offer.price) * quantity,
                ambiguity=lost * quantity if lost > 0 else None,
            )
        )  # fmt: skip
        self.reduce_group(order, quantity, at)
        if order.left == 0:
            self.book.remove(order)
            self.ended[order.id] = order.carried + order.done if order.cut else None
            if order.cut:
                self.said.append(OrderCanceled(order.id, at, order.done, order.cut))
            self.wake_all(order, offer, index, at)

    def available(self, order, market, index):
        if not market.volume_known:
            return order.left
        cap = self.share * market.bars[index].volume // market.lot * market.lot
        rest = cap - self.taken.get((order.instrument, index), ZERO)
        return max(ZERO, min(order.left, rest))

    def slipped(self, offer, market, bar):
        base, buy = offer.price, offer.order.buy
        if not self.slip_bps:
            return base
        rate = self.slip_bps / 10_000
        price = on_grid(base * (1 + rate) if buy else base * (1 - rate), market.tick, up=buy)
        return max(base, min(price, bar.high)) if buy else min(base, max(price, bar.low))

    def reduce_group(self, order, quantity, at):
        if order.group is None:
            return
        for other in [o for o in self.book if o.group == order.group and o is not order]:
            if other not in self.book:
                continue
            lot = self.markets[other.instrument].lot
            other.left = max(ZERO, other.left - quantity) // lot * lot
            reason = f"order {order.id} of its group filled"
            other.cut = other.cut or reason
            if order.left == 0 or other.left == 0:
                self.end(other, OrderCanceled(other.id, at, other.done, reason))

    # ---- the end of an order ----

    def end(self, order, event):
        """Take an unfilled order off; its children live by what it did fill, or end with it."""
        self.said.append(event)
        self.book.remove(order)
        filled = order.carried + order.done
        self.ended[order.id] = filled
        for child in [child for child in self.book if child.parent == order.id]:
            child.cut_to(filled, self.markets[child.instrument].lot)
            if child.left == 0:
                self.end(child, OrderCanceled(child.id, event.at, child.done, child.cut))
            else:
                self.come_to_life(child, self.last_price(child, event.at))
                child.first = self.markets[child.instrument].index_after(event.at)

    def wake_all(self, parent, offer, index, at):
        for child in [child for child in self.book if child.parent == parent.id]:
            if parent.cut or parent.shrunk:
                child.cut_to(parent.carried + parent.done, self.markets[child.instrument].lot)
                if child.left == 0:
                    self.end(child, OrderCanceled(child.id, at, child.done, child.cut))
                    continue
            elsewhere = child.instrument != parent.instrument
            self.come_to_life(child, self.last_price(child, at) if elsewhere else offer.price)
            waits = child.type == "MARKET" or child.once()
            if elsewhere or parent.at_close():
                child.first = self.markets[child.instrument].index_after(at)
            elif offer.at_open and not waits:
                child.first = index
            else:
                child.first = child.born_in = index
                child.born_at = offer.price
                stop = child.stop
                child.born_sure = (
                    parent.is_limit()
                    and stop is not None
                    and child.buy != parent.buy
                    and (stop < offer.price if parent.buy else stop > offer.price)
                )

    def find(self, order_id):
        return next((order for order in self.book if order.id == order_id), None)


def worth(offer, bar):
    """What a fill is worth at the bar's close, per unit, against not having filled."""
    return bar.close - offer.price if offer.order.buy else offer.price - bar.close


def on_grid(price, tick, *, up):
    """A price that we chose, on the tick; without a tick only 15 digits of an endless one."""
    if tick is not None:
        steps = price / tick
        return steps.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * tick
    if len(price.as_tuple().digits) <= 28:
        return price
    return Context(prec=15, rounding=ROUND_CEILING if up else ROUND_FLOOR).plus(price)
