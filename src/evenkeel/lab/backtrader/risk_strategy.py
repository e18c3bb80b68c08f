"""A `bt.Strategy` to write new guests on: parameters with laws, hooks, limits of its own, targets.

    class Cross(RiskStrategy):
        fast: int = ek.param(20, ge=2, le=200)

        def setup(self):            indicators, as in `__init__` of a `bt.Strategy`
        def on_bar(self):           each bar, once every indicator has a value

Its limits are the strategy's own promise and come before the account's: the gate's limit card holds
all the same. It runs wherever a `bt.Strategy` runs, under Evenkeel or under Backtrader alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import backtrader as bt

from evenkeel.domain.errors import StrategyError
from evenkeel.lab.backtrader.counting import number
from evenkeel.strategy.params import DECLARES, Param, param, params_of
from evenkeel.strategy.sizing import quantity_for_risk
from evenkeel.strategy.words import amount

if TYPE_CHECKING:
    from datetime import date


_Meta: Any = type(bt.Strategy)

INSTEAD_OF = {
    "start": "on_start",
    "prenext": "on_warmup",
    "nextstart": "on_bar",
    "next": "on_bar",
    "notify_order": "on_order",
    "notify_trade": "on_trade",
    "stop": "on_stop",
}
"""What Backtrader calls and the limits are kept in, and what to write instead."""


class _WithLaws(_Meta):
    """Makes a Backtrader parameter of every `ek.param`, and checks its value before `__init__`."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        inherited = {key for base in bases for key in params_of(base)}
        laws = {
            key: each.default if isinstance(each, Param) else each
            for key, each in namespace.items()
            if isinstance(each, Param) or (key in inherited and isinstance(each, DECLARES))
        }
        namespace["params"] = tuple({**dict(namespace.get("params", ())), **laws}.items())
        made = super().__new__(cls, name, bases, namespace)
        for theirs, hook in INSTEAD_OF.items() if inherited else ():
            if getattr(made, theirs) is not getattr(RiskStrategy, theirs):
                raise StrategyError(
                    f"{name}.{theirs}: a RiskStrategy keeps its limits there; write {hook} instead"
                )
        return made

    def dopreinit(cls, made: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - of a class
        made, args, kwargs = super().dopreinit(made, *args, **kwargs)
        made._working = {}  # noqa: SLF001 - its own `__init__` need not call ours
        for name, law in params_of(cls).items():
            value = law.check(getattr(made.params, name))
            setattr(made.params, name, value)
            setattr(made, name, value)
        return made, args, kwargs


class RiskStrategy(bt.Strategy, metaclass=_WithLaws):
    """Extend it. Limits that are not set limit nothing; the account's card always does.

    `weight_max` is what one position may be worth as a share of equity, with every order that could
    still add to it. `drawdown_max` and `loss_day_max` are what equity may lose from its peak and
    since the day before: then orders are cancelled, positions closed, and `on_bar` is not called
    again (for good, and for the day). `orders_day_max` counts orders that are no exits.
    """

    weight_max: float = param(10.0, gt=0, le=10)
    drawdown_max: float = param(1.0, gt=0, le=1)
    loss_day_max: float = param(1.0, gt=0, le=1)
    orders_day_max: int = param(1_000_000, ge=1)

    halted: str | None = None
    """Why nothing is entered any more, None while all is well."""
    _halted_on: date | None = None
    _day: date | None = None
    _peak = _day_start = _last = 0.0
    _entries = 0
    _working: dict[int, Any]

    def __init__(self) -> None:
        """Let `setup` make the indicators."""
        self.setup()

    # ---- hooks: all optional but on_bar ----

    def setup(self) -> None:
        """Make indicators."""

    def on_start(self) -> None:
        """Called once before the first bar."""

    def on_warmup(self) -> None:
        """Called on each bar on which an indicator has no value yet."""

    def on_bar(self) -> None:
        """Called on each bar after the warm-up."""
        raise StrategyError(f"{type(self).__name__} has no on_bar method: say there what to do")

    def on_order(self, order: Any) -> None:
        """Called when an order changed its state."""

    def on_trade(self, trade: Any) -> None:
        """Called when a round trip began or ended."""

    def on_limit(self, reason: str) -> None:
        """Called when one of the limits above kept an order back or ended the trading."""

    def on_stop(self) -> None:
        """Called once after the last bar."""

    # ---- asking ----

    def target_quantity(self, quantity: float, data: Any = None, **terms: Any) -> Any:
        """Buy or sell what is missing to hold `quantity`; market orders on their way count."""
        data = self.data if data is None else data
        change = (
            number(amount("quantity", quantity)) - self.getposition(data).size - self._coming(data)
        )
        if not change:
            return None
        verb = self.buy if change > 0 else self.sell
        return verb(data=data, size=abs(change), **terms)

    def target_weight(self, weight: float, data: Any = None, **terms: Any) -> Any:
        """Hold `weight` of equity (0.95 is 95 %, negative: short), rounded down to lots."""
        data = self.data if data is None else data
        weight = float(amount("weight", weight))
        money = abs(weight) * self.broker.getvalue()
        size = self._info(data).getsize(data.close[0], money)
        return self.target_quantity(size if weight > 0 else -size, data, **terms)

    def quantity_for_risk(self, fraction: float, distance: float, data: Any = None) -> float:
        """Return the quantity that loses `fraction` of equity if the price moves by `distance`."""
        info = self._info(self.data if data is None else data)
        equity = self.broker.getvalue()
        return quantity_for_risk(
            fraction, equity=equity, distance=distance, multiplier=float(info.p.mult)
        )

    def flatten(self) -> None:
        """Cancel this strategy's orders and close its positions in every feed."""
        for order in list(self._working.values()):
            self.cancel(order)
        for data in self.datas:
            self.close(data=data)

    def buy(self, data: Any = None, size: float | None = None, **terms: Any) -> Any:
        """Buy unless a limit of this strategy forbids it; None then."""
        return self._ask(super().buy, data, size, terms, up=True)

    def sell(self, data: Any = None, size: float | None = None, **terms: Any) -> Any:
        """Sell unless a limit of this strategy forbids it; None then."""
        return self._ask(super().sell, data, size, terms, up=False)

    def buy_bracket(self, **terms: Any) -> Any:
        """Enter with a stop and a target; three orders, or None three times when a limit forbids."""
        return self._ask_bracket(super().buy_bracket, terms, up=True)

    def sell_bracket(self, **terms: Any) -> Any:
        """Enter short with a stop and a target; see `buy_bracket`."""
        return self._ask_bracket(super().sell_bracket, terms, up=False)

    # ---- Backtrader calls these ----

    def start(self) -> None:
        """Take the measure that the limits begin with."""
        self._peak = self._day_start = self._last = self.broker.getvalue()
        self.on_start()

    def prenext(self) -> None:
        """Watch the limits from the first bar on."""
        if self._within_limits():
            self.on_warmup()

    def next(self) -> None:
        """Watch the limits, and let the strategy think if they hold."""
        if self._within_limits():
            self.on_bar()

    def notify_order(self, order: Any) -> None:
        """Forget orders that are done."""
        if not order.alive():
            self._working.pop(order.ref, None)
        self.on_order(order)

    def notify_trade(self, trade: Any) -> None:
        """Pass it on."""
        self.on_trade(trade)

    def stop(self) -> None:
        """Pass it on."""
        self.on_stop()

    # ---- limits ----

    def _ask(
        self, verb: Any, data: Any, size: float | None, terms: dict[str, Any], *, up: bool
    ) -> Any:
        leg = terms.get("parent") is not None  # an exit that waits for its entry
        entry = not leg and not self._is_way_out(data, size, up=up)
        if entry and (reason := self._forbidden(data, size, up=up)) is not None:
            self.on_limit(reason)
            return None
        order = verb(data=data, size=size, **terms)
        if order is not None:  # Backtrader makes none of nothing
            self._entries += entry
            self._working[order.ref] = order
        return order

    def _ask_bracket(self, verb: Any, terms: dict[str, Any], *, up: bool) -> Any:
        """Forbid the whole or nothing of it."""
        reason = self._forbidden(terms.get("data"), terms.get("size"), up=up)
        if reason is None:
            return verb(**terms)
        self.on_limit(reason)
        return [None, None, None]

    def _is_way_out(self, data: Any, size: float | None, *, up: bool) -> bool:
        held, change = self.getposition(data).size, self._change(data, size, up=up)
        return bool(abs(held + change) < abs(held))

    def _change(self, data: Any, size: float | None, *, up: bool) -> float:
        size = abs(self.getsizing(data, isbuy=up) if size is None else size)
        return size if up else -size

    def _forbidden(self, data: Any, size: float | None, *, up: bool) -> str | None:
        """Return which limit forbids an entry, None when none does."""
        if self.halted is not None:
            return self.halted
        if self._entries >= self.orders_day_max:
            return f"orders_day_max {self.orders_day_max} reached"
        data = self.data if data is None else data
        working = self._working_sum(data, up=up)
        worst = self.getposition(data).size + working + self._change(data, size, up=up)
        money = abs(worst) * data.close[0] * float(self._info(data).p.mult)
        equity = self.broker.getvalue()
        share = money / equity if equity > 0 else math.inf
        if share > self.weight_max:
            return f"weight_max {self.weight_max:g} exceeded: {share:.4f}"
        return None

    def _within_limits(self) -> bool:
        value, today = self.broker.getvalue(), self.data.datetime.date(0)
        if today != self._day:
            self._day, self._day_start, self._entries = today, self._last, 0
            if self._halted_on is not None:
                self.halted = self._halted_on = None
        self._last, self._peak = value, max(self._peak, value)
        if self.halted is None:
            self._watch(value)
        return self.halted is None

    def _watch(self, value: float) -> None:
        lost, lost_today = 1 - value / self._peak, 1 - value / self._day_start
        if lost > self.drawdown_max:
            self.halted = f"drawdown_max {self.drawdown_max:g} exceeded: {lost:.4f}"
        elif lost_today > self.loss_day_max:
            self.halted = f"loss_day_max {self.loss_day_max:g} exceeded: {lost_today:.4f}"
            self._halted_on = self._day
        if self.halted is not None:
            self.flatten()
            self.on_limit(self.halted)

    # ---- reading ----

    def _info(self, data: Any) -> Any:
        return self.broker.getcommissioninfo(data)

    def _coming(self, data: Any) -> float:
        """Return what market orders on their way will bring."""
        return sum(
            float(order.executed.remsize)
            for order in self._working.values()
            if order.data is data and order.exectype == order.Market and order.parent is None
        )

    def _working_sum(self, data: Any, *, up: bool) -> float:
        """Return what every entry on one side could still add."""
        return sum(
            float(order.executed.remsize)
            for order in self._working.values()
            if order.data is data and order.parent is None and order.isbuy() == up
        )
