"""Backtrader's broker as a guest sees it. Every order goes to the desk; every fact comes from there.

Orders leave when the guest's turn is over, in the order in which they were transmitted. What the
engine says of them is kept until Backtrader's loop asks for it, with the next bar: the guest hears
of its orders exactly when Backtrader's own broker would have told it. Positions are kept per feed,
in Backtrader's way of counting; cash and value are the ledger's.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

import backtrader as bt

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import exact, round_down
from evenkeel.domain.order import OrderStatus, Side
from evenkeel.domain.verdict import Reason
from evenkeel.lab.backtrader.counting import Counting, number
from evenkeel.lab.backtrader.feed import feed_under, instrument_of
from evenkeel.lab.backtrader.terms import terms_of
from evenkeel.strategy.words import amount

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.domain.order import Order
    from evenkeel.strategy.desk import OrderUpdate

NOT_HERE = {
    "setcash": "cash= or --cash",
    "set_cash": "cash= or --cash",
    "add_cash": "cash= or --cash",
    "setcommission": "costs= or --costs",
    "addcommissioninfo": "costs= or --costs",
    "set_slippage_perc": "slippage= or --slippage",
    "set_slippage_fixed": "slippage= or --slippage",
    "set_filler": "volume_share",
    "set_coc": "",
    "set_coo": "",
    "set_eosbar": "",
    "seteosbar": "",
    "set_checksubmit": "",
    "set_shortcash": "",
    "set_int2pnl": "",
    "add_order_history": "",
    "set_fund_history": "",
}
"""What Backtrader's broker can be told and ours is told by the run; none: there is no such thing."""


class Desk(Protocol):
    """The guest, as its broker needs it."""

    @property
    def name(self) -> str:
        """What its orders are called by."""
        ...

    @property
    def cash(self) -> float:
        """Cash in the ledger."""
        ...

    @property
    def equity(self) -> float:
        """Cash and positions at their last prices."""
        ...

    @property
    def moment(self) -> int:
        """Now, in UTC nanoseconds."""
        ...

    @property
    def next_number(self) -> int:
        """The number that the next order will get."""
        ...

    def send(
        self, instrument: str, side: Side, quantity: Decimal, terms: dict[str, Any]
    ) -> int | None:
        """Send an order; its number, None when it was refused."""
        ...

    def cancel(self, order_id: int | None, *, reason: str = "") -> None:
        """Ask for an order to be taken off the market."""
        ...

    def held(self, instrument: str) -> float:
        """Return the signed quantity that the ledger holds."""
        ...

    def paid(self, instrument: str) -> float:
        """Return the average price of what it holds."""
        ...

    def leaves(self, order_id: int) -> Decimal:
        """Return how much of an order may still fill."""
        ...


class _Rejection(NamedTuple):
    """An order that never reached the market; `margin`: for want of buying power."""

    order: Any
    margin: bool


class _News(NamedTuple):
    """What became of an order that did, and when (UTC nanoseconds)."""

    order: Any
    status: OrderStatus
    at: int


class DeskBroker(bt.BrokerBase):
    """Turns Backtrader's orders into wishes at the desk, and what becomes of them into its terms."""

    def __init__(self, desk: Desk) -> None:
        """Open with what the account holds in cash."""
        super().__init__()
        self._desk = desk
        self.closed = False
        self.startingcash = self.cash = self._value = desk.cash
        self._fundmode = False
        self.set_fundstartval(100.0)
        self.orders: list[Any] = []
        self._open: list[Any] = []  # those of them that were alive when somebody asked
        self.positions: Any = defaultdict(bt.Position)
        self._counting: dict[str, Counting] = {}
        self._families: dict[int, list[Any]] = {}  # by the parent's ref: until transmitted
        self._brackets: dict[int, list[Any]] = {}  # by ref: the whole bracket, itself among it
        self._rivals: dict[int, list[Any]] = {}  # by ref: those of which one cancels the other
        self._group_of: dict[int, int] = {}  # by ref: our number of the first of its rivals
        self._terms: dict[int, dict[str, Any]] = {}
        self._leaving: deque[Any] = deque()
        self._numbers: dict[int, int] = {}  # ours, by Backtrader's `ref`
        self._by_number: dict[int, Any] = {}
        self._dead: set[int] = set()  # refs of orders that never reached the market
        self._refused: deque[Any] = deque()
        self._told: deque[Fill | _News | _Rejection] = deque()
        self._trails: list[Any] = []  # trailing stops that still work
        self._turn: list[
            tuple[Any, Any]
        ] = []  # what was submitted (a clone) or to be cancelled (None)
        self._notices: deque[Any] = deque()

    def __getattr__(self, name: str) -> Any:
        """Say where a setting of Backtrader's own broker is given here."""
        if name in NOT_HERE:
            _refuse(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def setcommission(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: the run has its costs."""
        _refuse("setcommission")

    def addcommissioninfo(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: the run has its costs."""
        _refuse("addcommissioninfo")

    # ---- reading ----

    def getcash(self) -> float:
        """Return the cash as of the bar at hand."""
        return self.cash

    def getvalue(
        self,
        datas: Any = None,
        mkt: bool = False,  # noqa: FBT001, FBT002 - theirs
        lever: bool = False,  # noqa: FBT001, FBT002 - theirs
    ) -> float:
        """Return equity, or what the positions in some feeds are worth at their last close.

        `mkt` leaves cash out. Nothing is worth more here for being leveraged.
        """
        if datas is None:
            return self._value - self.cash if mkt else self._value
        return sum(
            float(
                self.getcommissioninfo(each).getvaluesize(self.positions[each].size, each.close[0])
            )
            for each in datas
        )

    get_cash, get_value = getcash, getvalue

    def get_value_lever(self, datas: Any = None, mkt: bool = False) -> float:  # noqa: FBT001, FBT002
        """Return the same: see `getvalue`."""
        return self.getvalue(datas, mkt)

    def get_leverage(self) -> float:
        """Return what Backtrader's broker says of an account that borrows nothing."""
        return 1.0

    def getposition(self, data: Any) -> Any:
        """Return the position in a feed."""
        return self.positions[data]

    def get_orders_open(self, safe: bool = False) -> list[Any]:  # noqa: FBT001, FBT002 - theirs
        """Return the orders that could still fill."""
        self._open = [order for order in self._open if order.alive()]
        return [order.clone() if safe else order for order in self._open]

    def orderstatus(self, order: Any) -> int:
        """Return an order's status, one of `bt.Order`'s numbers."""
        return int(order.status)

    def getcommissioninfo(self, data: Any) -> Counting:
        """Return how quantities of a feed's instrument are counted."""
        instrument = instrument_of(data)
        if instrument.id not in self._counting:
            self._counting[instrument.id] = Counting(instrument)
        return self._counting[instrument.id]

    def get_fundmode(self) -> bool:
        """Return whether analyzers and observers look at a share of the fund instead of equity."""
        return self._fundmode

    def set_fundmode(self, fundmode: bool, fundstartval: float | None = None) -> None:  # noqa: FBT001 - theirs
        """Let them look at that, and say what a share is worth at first."""
        self._fundmode = fundmode
        if fundstartval is not None:
            self.set_fundstartval(fundstartval)

    def set_fundstartval(self, fundstartval: float) -> None:
        """Say what a share is worth at first."""
        self._shares = self.startingcash / fundstartval

    def get_fundshares(self) -> float:
        """Return the number of shares, were the account a fund."""
        return self._shares

    def get_fundvalue(self) -> float:
        """Return what one of those shares is worth."""
        return self._value / self._shares

    fundmode = property(get_fundmode, set_fundmode)
    fundshares, fundvalue = property(get_fundshares), property(get_fundvalue)

    def get_notification(self) -> Any:
        """Return the next thing that the guest has not been told, None when it knows all."""
        return self._notices.popleft() if self._notices else None

    # ---- asking ----

    def buy(self, owner: Any, data: Any, size: float, **asked: Any) -> Any:
        """Take a wish to buy; the order that it becomes."""
        return self._take(bt.BuyOrder, owner, data, size, **asked)

    def sell(self, owner: Any, data: Any, size: float, **asked: Any) -> Any:
        """Take a wish to sell; the order that it becomes."""
        return self._take(bt.SellOrder, owner, data, size, **asked)

    def cancel(self, order: Any) -> bool:
        """Ask for an order to be taken off the market; whether there was one to ask for."""
        self.flush()
        if self.closed or order is None or order.ref not in self._numbers or not order.alive():
            return False
        asked = self._cancel_all([order, *self._kin(order)], "cancelled by the strategy")
        self._turn += [(each, None) for each in asked]
        return True

    def flush(self) -> None:
        """Send what was transmitted."""
        while self._leaving:
            self._send(self._leaving.popleft())

    def withdraw(self, reason: str) -> None:
        """Ask for every order that is on the market to be taken off it."""
        self._cancel_all(self.get_orders_open(), reason)

    def _take(
        self,
        kind: Any,
        owner: Any,
        data: Any,
        size: float,
        *,
        plimit: float | None = None,
        **asked: Any,
    ) -> Any:
        known = {name: asked.pop(name) for name in _ORDER_TERMS if name in asked}
        lots = round_down(amount("size", size), instrument_of(data).lot)
        order = kind(owner=owner, data=data, size=number(lots), pricelimit=plimit, **known)
        order.addinfo(**asked)
        order.addcomminfo(self.getcommissioninfo(data))
        words = {"reason": str(asked["reason"])} if asked.get("reason") else {}
        self._terms[order.ref] = terms_of(order, self._desk.moment) | words
        self._relate(order)
        family = self._families.setdefault((order.parent or order).ref, [])
        family.append(order)
        if order.transmit:
            self._transmit(family)
        return order

    def _relate(self, order: Any) -> None:
        """Join an order to its bracket, or to those of which one cancels the other."""
        for other, known in ((order.parent, self._brackets), (order.p.oco, self._rivals)):
            if other is not None:
                known[order.ref] = known.setdefault(other.ref, [other])
                known[order.ref].append(order)

    def _kin(self, order: Any) -> list[Any]:
        """Return the orders that Backtrader cancels with an order that is cancelled or expires."""
        return [*self._rivals.get(order.ref, ()), *self._brackets.get(order.ref, ())]

    def _cancel_all(self, orders: list[Any], reason: str) -> list[Any]:
        """Cancel orders that are on the market, each once, in this order; return them."""
        refs = dict.fromkeys(order.ref for order in orders)
        known = (self._by_number.get(self._numbers.get(ref, 0)) for ref in refs)
        working = [order for order in known if order is not None and order.alive()]
        for order in working:
            self._desk.cancel(self._numbers[order.ref], reason=reason)
        return working

    def _transmit(self, family: list[Any]) -> None:
        for order in family:
            order.submit(self)
            self.orders.append(order)
            self._open.append(order)
            self._turn.append((order, order.clone()))
            self._leaving.append(order)
        family.clear()

    def _send(self, order: Any) -> None:
        """Put an order on the desk. One that cannot be sent is rejected, and takes its family along."""
        parent, terms = order.parent, self._terms.pop(order.ref)
        if self.closed or not order.size or (parent is not None and parent.ref in self._dead):
            self._never_sent(order)
            self._told.append(_Rejection(order, margin=False))
            return
        if parent is not None:
            terms |= {"after": self._numbers[parent.ref], "oca_group": self._numbers[parent.ref]}
        elif order.ref in self._rivals:
            leader = self._desk.next_number if order.p.oco is None else None
            terms |= {"oca_group": self._group_of.get(self._rivals[order.ref][0].ref, leader)}
        side = Side.BUY if order.isbuy() else Side.SELL
        quantity = exact(float(abs(order.size)))
        sent = self._desk.send(instrument_of(order.data).id, side, quantity, terms)
        if sent is None:
            self._never_sent(order)
            self._refused.append(order)
            return
        if order.parent is None and terms.get("oca_group") is not None:
            self._group_of[order.ref] = terms["oca_group"]
        self._numbers[order.ref] = sent
        self._by_number[sent] = order
        if order.exectype == order.StopTrail:
            self._trails.append(order)

    def _never_sent(self, order: Any) -> None:
        self._dead.add(order.ref)
        if order.parent is not None and order.parent.ref in self._numbers:
            self._desk.cancel(self._numbers[order.parent.ref], reason="its bracket was refused")

    # ---- hearing ----

    def told(self, update: OrderUpdate) -> None:
        """Keep what the engine says of an order until Backtrader asks."""
        known = update.order.id in self._by_number
        if not known and update.status is OrderStatus.REJECTED:
            self._hear_refusal(update)
            return
        order = self._by_number[update.order.id] if known else self._adopt(update.order)
        self._told.append(_News(order, update.status, self._desk.moment))
        if update.status is OrderStatus.EXPIRED:
            self._cancel_all(self._kin(order), "one of its group has expired")
        elif update.status in _TRADED:
            self._cancel_all(self._late_rivals(order), "one of its group has filled")

    def _hear_refusal(self, update: OrderUpdate) -> None:
        """Match the gate's no with an order: they are told in the order in which they were sent."""
        if self._refused and update.order.strategy == self._desk.name:
            margin = update.reason == Reason.BUYING_POWER.value
            self._told.append(_Rejection(self._refused.popleft(), margin))

    def _adopt(self, ours: Order) -> Any:
        """Make a guest's order of one that it did not send: the venue closes a position by force."""
        feeds = [data for data in self.cerebro.datas if instrument_of(data).id == ours.instrument]
        data = max(feeds, key=lambda feed: abs(self.positions[feed].size))
        order = self._foreign(data, ours.side, ours.quantity, ours.reason)
        self._numbers[order.ref] = ours.id
        self._by_number[ours.id] = order
        return order

    def _foreign(self, data: Any, side: Side, quantity: Decimal, reason: str) -> Any:
        """Make an order that no guest has sent; it is the first strategy's."""
        kind = bt.BuyOrder if side is Side.BUY else bt.SellOrder
        owner = self.cerebro.runningstrats[0]
        order = kind(owner=owner, data=data, size=number(quantity))
        order.addinfo(reason=reason)
        order.addcomminfo(self.getcommissioninfo(data))
        order.submit(self)
        self.orders.append(order)
        self._open.append(order)
        return order

    def _late_rivals(self, order: Any) -> list[Any]:
        """Return rivals that the venue does not know as such: they were named on a later bar."""
        group = self._group_of.get(order.ref)
        rivals = self._rivals.get(order.ref, ())
        others = (each for each in rivals if each.ref != order.ref)
        return [each for each in others if group is None or self._group_of.get(each.ref) != group]

    def filled(self, fill: Fill) -> None:
        """Keep a fill until Backtrader asks."""
        self._told.append(fill)

    def next(self) -> None:
        """Work off what was heard since the last bar; Backtrader calls this after moving its feeds."""
        self._follow_the_ledger()
        self._recall_turn()
        while self._told:
            match self._told.popleft():
                case Fill() as fill:
                    self._fill(self._by_number[fill.order_id], fill)
                case _Rejection(order, margin):
                    order.margin() if margin else order.reject(self)
                    self._notify(order)
                case _News() as news:
                    self._move(*news)
        self._follow_trails()
        self.cash, self._value = self._desk.cash, self._desk.equity

    def _follow_trails(self) -> None:
        """Let a trailing stop's price be read where the venue has it: behind the bars since it lives."""
        self._trails = [order for order in self._trails if order.alive()]
        for order in self._trails:
            feed = feed_under(order.data)
            if _leads(feed, order):
                order.trailadjust(feed.low[0] if order.isbuy() else feed.high[0])

    def _recall_turn(self) -> None:
        """Tell what came of the guest's last turn in the order of its calls, as Backtrader does."""
        for order, submitted in self._turn:
            if submitted is not None:
                self._notices.append(submitted)
                continue
            for news in [each for each in self._told if isinstance(each, _News)]:
                if news.order is order and news.status is OrderStatus.CANCELED:
                    self._told.remove(news)
                    self._move(*news)
        self._turn.clear()

    def _fill(self, order: Any, fill: Fill) -> None:
        size = number(fill.quantity if order.isbuy() else -fill.quantity)
        commission = float(fill.commission + fill.fees)
        self._execute(order, fill.at, size, float(fill.price), commission)
        for trail in self._trails if order.status == order.Completed else ():
            if trail.parent is order and trail.p.price is None:
                trail.created.price = math.inf if trail.isbuy() else -math.inf
                trail.trailadjust(float(fill.price))

    def _execute(self, order: Any, at: int, size: float, price: float, commission: float) -> None:
        data, counting = order.data, order.comminfo
        filled_at = feed_under(data).shown_at(at)
        position = self.positions[data]
        before = position.price
        held, average, opened, closed = position.update(size, price, filled_at)
        for_closing = commission * abs(closed / size)
        order.execute(
            data.date2num(filled_at),
            size,
            price,
            closed,
            counting.getvaluesize(-closed, before),
            for_closing,
            opened,
            counting.getvaluesize(opened, price),
            commission - for_closing,
            counting.margin,
            counting.profitandloss(-closed, before, price),
            held,
            average,
        )
        self._notify(order)

    def _move(self, order: Any, status: OrderStatus, at: int) -> None:
        before = order.status
        match status:
            case OrderStatus.NEW if before == order.Submitted:
                order.accept(self)
            case OrderStatus.FILLED:
                order.completed()
            case OrderStatus.CANCELED:
                order.cancel()
            case OrderStatus.EXPIRED:
                order.status = order.Expired
            case OrderStatus.REJECTED:
                order.reject(self)
            case _:  # on its way to one of these, or known already
                pass
        if order.status == before:
            return
        if not order.alive() and order.status != order.Completed:
            order.executed.dt = order.data.date2num(feed_under(order.data).shown_at(at))
        self._notify(order)

    def _notify(self, order: Any) -> None:
        self._notices.append(order.clone())

    # ---- corporate actions ----

    def split(self, instrument: str, ratio: float) -> None:
        """Put orders on the scale on which the venue works them now, before it is told of their fills."""
        for order in self.get_orders_open():
            number_of_it = self._numbers.get(order.ref)
            if number_of_it is None or instrument_of(order.data).id != instrument:
                continue
            fills = (fill for fill in self._fills_of(instrument) if fill.order_id == number_of_it)
            left = number(self._desk.leaves(number_of_it) + sum(fill.quantity for fill in fills))
            done, asked = order.executed, order.created
            done.size = number(exact(round(done.size * ratio, 9)))
            done.remsize = left if order.isbuy() else -left
            done.price /= ratio
            order.size = asked.size = done.size + done.remsize
            if order.trailamount:
                order.trailamount /= ratio
            for name in ("price", "pricelimit", "trailamount"):
                if (value := getattr(asked, name)) is not None:
                    setattr(asked, name, value / ratio)

    def _follow_the_ledger(self) -> None:
        """Hold what the ledger holds: on the scale after a split, and what came without an order."""
        by_name = defaultdict(list)
        for data in self.cerebro.datas:
            by_name[instrument_of(data).id].append(data)
        for name, feeds in by_name.items():
            positions = [self.positions[data] for data in feeds]
            counted = sum(position.size for position in positions)
            held = self._desk.held(name) - sum(map(_signed, self._fills_of(name)))
            if counted and abs(held / counted - 1) > _ROUNDING:
                for position in positions:
                    _scale(position, held / counted)
                self._scale_trades(name, held / counted)
            elif not counted and abs(held) > _ROUNDING:
                self._receive(feeds[0], held)

    def _receive(self, data: Any, held: float) -> None:
        """Take in what a merger, a spin-off or a new name has brought, as an order that has filled."""
        side, price = Side.BUY if held > 0 else Side.SELL, self._desk.paid(instrument_of(data).id)
        order = self._foreign(data, side, exact(abs(held)), "a corporate action")
        self._execute(order, self._desk.moment, number(exact(held)), price, 0.0)

    def _fills_of(self, instrument: str) -> list[Fill]:
        return [f for f in self._told if isinstance(f, Fill) and f.instrument == instrument]

    def _scale_trades(self, instrument: str, ratio: float) -> None:
        for strategy in self.cerebro.runningstrats:
            for data, by_id in strategy._trades.items():  # noqa: SLF001 - no other way in
                if instrument_of(data).id == instrument:
                    for trades in by_id.values():
                        for trade in (each for each in trades if each.isopen):
                            _scale(trade, ratio)


_ROUNDING = 1e-9  # how far sums of floats may be from what the ledger holds
_TRADED = {OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED}

_ORDER_TERMS = (
    "price",
    "exectype",
    "valid",
    "tradeid",
    "oco",
    "trailamount",
    "trailpercent",
    "parent",
    "transmit",
)


def _refuse(name: str) -> NoReturn:
    where = NOT_HERE[name]
    instead = f"give {where} to the run instead" if where else "there is no such thing here"
    raise StrategyError(f"cerebro.broker.{name} is Backtrader's own broker's; {instead}")


def _leads(feed: Any, trail: Any) -> bool:
    """Whether the bar at hand moves a trailing stop: the one of its entry does if that was its open."""
    entry, now = trail.parent, feed.datetime[0]
    if entry is None:
        return bool(now > trail.created.dt)
    at_open = entry.exectype == entry.Market or entry.executed.price == feed.open[0]
    return entry.status == entry.Completed and bool(now > entry.executed.dt or at_open)


def _signed(fill: Fill) -> float:
    return float(fill.quantity if fill.side is Side.BUY else -fill.quantity)


def _scale(held: Any, ratio: float) -> None:
    """Put a position or an open trade on another scale; on none, it is gone (a delisting)."""
    held.size = number(exact(round(held.size * ratio, 9)))
    held.price = held.price / ratio if ratio else 0.0
