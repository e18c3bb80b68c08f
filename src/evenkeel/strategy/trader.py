"""What `Strategy` and `PortfolioStrategy` have in common: parameters, hooks, and how an order is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from math import isinf, isnan
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.money import EXACT, ONE, minus
from evenkeel.domain.order import OrderType, Side, TimeInForce
from evenkeel.strategy.desk import Ask, Desk, Nowhere, OrderUpdate
from evenkeel.strategy.params import DECLARES, values_for
from evenkeel.strategy.series import Series
from evenkeel.strategy.sizing import quantity_for_weight
from evenkeel.strategy.words import (
    EPOCH,
    PLAIN,
    VAST,
    Moment,
    Number,
    amount,
    check_options,
    number,
    on_of,
    terms,
    words,
)

if TYPE_CHECKING:
    from evenkeel.domain.bar import AnyArray, Times
    from evenkeel.domain.fill import Fill
    from evenkeel.domain.instrument import Instrument
    from evenkeel.domain.order import Order


class Trader:
    """Whoever sits at a desk: what it is told there, what it can read, what it can ask."""

    engine: ClassVar[str] = "evenkeel"
    """Whose engine runs the strategy's own code; a guest's is another, and stands in the journal."""

    def __init__(self, **params: object) -> None:
        """Take parameter values by name; each is checked against its law."""
        self._params = values_for(type(self), params)
        for name, value in self._params.items():
            if isinstance(getattr(type(self), name), DECLARES):  # and no property of a subclass
                setattr(self, name, value)  # not by __dict__: that makes attributes slow to read
        self._desk = cast("Desk", Nowhere(type(self).__name__))
        self._name = ""
        self._wake: Series | AnyArray | None = None
        self._group: int | None = None

    def __repr__(self) -> str:
        """Say which strategy this is and its parameters, as one would write it."""
        return (
            f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.params.items())})"
        )

    # ---- hooks: all optional but on_bar ----

    def on_start(self) -> None:
        """Called once before the first bar: the place for a strategy's own state."""

    def on_bar(self) -> None:
        """Called on every bar, or on those named with `wake_on`."""
        raise StrategyError(f"{type(self).__name__} has no on_bar method: say there what to do")

    def on_order(self, update: OrderUpdate) -> None:
        """Called when an order of this strategy changed its state."""

    def on_fill(self, fill: Fill) -> None:
        """Called when an order of this strategy traded."""

    def on_stop(self) -> None:
        """Called once after the last bar."""

    # ---- reading ----

    @property
    def params(self) -> dict[str, bool | int | float | str]:
        """The value of every parameter."""
        return dict(self._params)

    @property
    def name(self) -> str:
        """The class's name: what orders and records call this strategy (as it is when it starts)."""
        return type(self).__name__

    @property
    def now(self) -> datetime:
        """The closing time of the bar that just completed, in UTC."""
        return EPOCH + timedelta(microseconds=self._desk.now // 1000)

    @property
    def cash(self) -> float:
        """Cash in the account's currency; negative when money is owed."""
        return float(self._desk.cash())

    @property
    def equity(self) -> float:
        """Cash plus positions at their last prices; NaN when something held has no price."""
        equity = self._desk.equity()
        return float("nan") if equity is None else float(equity)

    # ---- asking ----

    def wake_on(self, mask: Series | AnyArray) -> None:
        """Call `on_bar` only on bars where `mask` is true; other bars then cost nothing."""
        if not isinstance(self._desk, Nowhere):
            raise StrategyError(f"{self.name}.wake_on belongs in setup, which is over")
        self._wake = mask

    def cancel(self, order_id: int | None, *, reason: str = "") -> None:
        """Take an order off the market. It may still fill until the venue confirms."""
        if order_id is not None:
            self._desk.cancel(
                self._name, number("what is canceled", order_id), words("reason", reason)
            )

    @contextmanager
    def one_cancels_other(self) -> Iterator[None]:
        """Group the orders placed in this `with` block: what one fills, the others can no more."""
        before, self._group = self._group, self._desk.next_order
        try:
            yield
        finally:
            self._group = before

    def log(self, text: str) -> None:
        """Write a line into the journal, beside the orders it explains."""
        self._desk.note(self._name, words("what is logged", text))

    def clone(self) -> Self:
        """Return a new strategy with the same parameters and no state."""
        return type(self)(**self._params)

    # ---- for the engine ----

    def renew(self, twin: Self) -> None:
        """Take over what `setup` of a twin learned from a longer history, beside its series."""
        if not isinstance(self._wake, Series):
            self._wake = twin._wake

    def wanted_bars(self, timelines: list[Times]) -> tuple[Times, Times | range]:
        """Return when the bars close at which this wants to be called, and their places.

        Places count from the first bar of the timeline that the bars are of.
        """
        wake = self._wake
        if isinstance(wake, Series):
            return wake.where()
        if wake is None:  # every bar: no copies, and no numbers of their own
            every = timelines[0] if len(timelines) == 1 else np.unique(np.concatenate(timelines))
            return every, range(len(every))
        mask = np.asarray(wake, dtype=bool)
        if len(timelines) != 1 or mask.shape != timelines[0].shape:
            raise StrategyError(
                f"{self.name}.wake_on needs one value per bar ({len(timelines[0])}), "
                f"was {mask.shape}; for several instruments give a series"
            )
        (places,) = mask.nonzero()
        return timelines[0][places], places

    def join(self, desk: Desk) -> None:
        """Sit down at a desk; from now on orders can be placed."""
        self._desk, self._name = desk, self.name

    def _order(
        self,
        instrument: str,
        side: Side,
        quantity: Number,
        *,
        limit: Number | None = None,
        stop: Number | None = None,
        trail: Number | None = None,
        tif: str | TimeInForce | None = None,
        on: str | None = None,
        expires: Moment | None = None,
        after: int | None = 0,
        reason: str = "",
        sizing: str = "",
        replaces: int | None = None,
        oca_group: int | None = 0,
    ) -> int | None:
        """Place an order. 0 stands for no order before it, and for the group of the `with` block."""
        if after is None:  # the order that it should follow was not placed
            return None
        after = number("after", after)
        desk, asked = self._desk, PLAIN
        if (limit, stop, trail, tif, on, expires) != _NO_WORDS:
            asked = terms(
                side,
                _not_yet if after or replaces else partial(desk.price, instrument),
                limit=limit,
                stop=stop,
                trail=trail,
                tif=tif,
                on=on,
                expires=expires,
            )
        return desk.place(
            self._name,
            Ask(
                instrument,
                side,
                amount("quantity", quantity),
                *asked,
                replaces=replaces,
                parent=after or None,
                oca_group=self._group if oca_group == 0 else oca_group,
                reason=words("reason", reason),
                sizing=sizing,
            ),
        )

    def _trade(
        self,
        instrument: str,
        side: Side,
        quantity: Number,
        sizing: str,
        options: dict[str, Any],
    ) -> int | None:
        """Place an order; one without conditions goes the short way."""
        if type(quantity) is float and quantity.is_integer():
            quantity = int(quantity)
        if type(quantity) is not int or not -VAST < quantity < VAST:
            quantity = amount("quantity", quantity)
        if options or self._group is not None:
            check_options(options)
            return self._order(instrument, side, quantity, sizing=sizing, **options)
        return self._desk.market(self._name, instrument, side, quantity, sizing)

    def _replace(
        self,
        order_id: int,
        quantity: Number | None,
        limit: Number | None,
        stop: Number | None,
        reason: str,
        instrument: str,
    ) -> int | None:
        if order_id is not None:
            number("what is replaced", order_id)
        for order in self._desk.working(self._name, instrument):
            if order.id == order_id:
                trails = order.type is OrderType.TRAILING_STOP  # it stays where it has come to
                return self._order(
                    instrument,
                    order.side,
                    self._desk.leaves(order_id) if quantity is None else quantity,
                    limit=order.limit_price if limit is None else limit,
                    stop=order.stop_price if stop is None and not trails else stop,
                    trail=_trail_of(order),
                    tif=order.tif,
                    on=on_of(order.type, order.tif),
                    expires=order.expires_at if order.tif is TimeInForce.GTD else None,
                    after=order.parent or 0,
                    reason=reason,
                    sizing=f"replaces order {order_id}",
                    replaces=order_id,
                    oca_group=order.oca_group,
                )
        return None

    def _target_quantity(
        self, instrument: str, quantity: Number, options: dict[str, Any]
    ) -> int | None:
        wanted = (
            quantity
            if type(quantity) is int and -VAST < quantity < VAST
            else amount("quantity", quantity)
        )
        change = minus(wanted, self._desk.expected(self._name, instrument))
        return self._change(instrument, change, options, "target_quantity {}", wanted)

    def _change(
        self,
        instrument: str,
        change: Decimal | int,
        options: dict[str, Any],
        sizing: str,
        *facts: object,
    ) -> int | None:
        """Trade a signed quantity; asked on every bar, that is mostly nothing."""
        if not change and not options:
            return None
        quantity = abs(change) if isinstance(change, int) else change.copy_abs()
        side = _BUY if change > 0 else _SELL
        return self._trade(instrument, side, quantity, sizing.format(*facts), options)

    def _target_weight(
        self, instrument: Instrument, weight: float, options: dict[str, Any]
    ) -> int | None:
        price = self._desk.price(instrument.id)
        if price is None:
            raise StrategyError(
                f"{instrument.id} has no price yet: a weight cannot be sized before its first bar; "
                f"wait until self.bars[{instrument.id!r}].count is above 0"
            )
        if not isinstance(weight, float | np.floating):  # of those NaN asks for nothing
            weight = float(amount("weight", weight))
        equity = self.equity
        wanted = quantity_for_weight(
            weight,
            equity=equity,
            price=float(price),
            multiplier=float(self._desk.multiplier(instrument.id)),
        )
        if isnan(wanted):  # equity is not known: ask for nothing rather than guess
            return None
        if isinf(wanted):
            raise StrategyError(f"weight must be a number that can be traded, was {weight!r}")
        # Whole lots as Decimal: six times 0.1 as floats is 0.6000000000000001, off the grid.
        whole = int(wanted / float(instrument.lot))
        lots = whole if instrument.lot is ONE else EXACT.multiply(whole, instrument.lot)
        change = minus(lots, self._desk.expected(self._name, instrument.id))
        how = "target_weight {:g} of equity {:.2f} at {}"
        return self._change(instrument.id, change, options, how, weight, equity, price)

    def _close(self, instrument: str, options: dict[str, Any]) -> int | None:
        desk, name = self._desk, self._name
        for order in desk.waiting(name, instrument):
            desk.cancel(name, order.id, "close")
        change = minus(0, desk.expected(name, instrument))
        return self._change(instrument, change, options, "close")

    def _bracket(
        self,
        instrument: str,
        side: Side,
        quantity: Number,
        stop_loss: Number,
        take_profit: Number,
        options: dict[str, Any],
    ) -> tuple[int | None, int | None, int | None]:
        check_options(options)
        low, high = (stop_loss, take_profit) if side is Side.BUY else (take_profit, stop_loss)
        if not amount("stop_loss", low) < amount("take_profit", high):
            raise StrategyError(
                f"a {side.value} bracket needs its stop_loss "
                f"{'below' if side is Side.BUY else 'above'} its take_profit, "
                f"was stop_loss={stop_loss}, take_profit={take_profit}"
            )
        entry = self._order(instrument, side, quantity, **options)
        if entry is None:
            return None, None, None
        exits: dict[str, Any] = {
            "after": entry,
            "oca_group": entry if self._group is None else self._desk.next_order,
            "reason": options.get("reason", ""),
            "sizing": f"bracket of order {entry}",
        }
        stop = self._order(instrument, side.opposite, quantity, stop=stop_loss, **exits)
        target = self._order(instrument, side.opposite, quantity, limit=take_profit, **exits)
        if stop is None or target is None:
            self.cancel(entry, reason="its bracket was refused")  # no entry without its exits
        return entry, stop, target


_NO_WORDS = (None,) * 6
_BUY, _SELL = Side.BUY, Side.SELL  # looked up once: a member of an Enum costs a walk to reach


def _not_yet() -> None:
    """Tell no price for a trail to start at: the venue knows it, once the order lives."""


def _trail_of(order: Order) -> Number | None:
    return order.trail_amount if order.trail_percent is None else f"{order.trail_percent}%"
