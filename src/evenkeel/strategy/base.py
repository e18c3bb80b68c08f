"""The strategy author's side: say what to compute, say when to be woken, say what to do.

A strategy thinks in floats: prices, equity and quantities are for deciding. What it asks for
becomes a `Decimal` on the instrument's grid when the order is made, behind the `Desk`.

    setup(bars)     once, before the first bar: compute series over the whole history
    on_start()      once: the place for a strategy's own state
    on_bar()        on every bar, or on the bars named with wake_on
    on_order(u)     an order changed its state     on_fill(f)   an order traded
    on_stop()       once, after the last bar; nothing can be ordered any more
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.order import Side
from evenkeel.strategy.desk import Desk, Position
from evenkeel.strategy.series import BarSeries
from evenkeel.strategy.sizing import quantity_for_risk
from evenkeel.strategy.trader import Trader
from evenkeel.strategy.words import (
    Number,
    side_of,
)

if TYPE_CHECKING:
    from evenkeel.domain.instrument import Instrument


class Strategy(Trader):
    """Trades one instrument; given several, one instance each.

    Order verbs return the order's number (None when there is nothing to do) and take

        limit=    stop=      prices, alone or together
        trail=               an amount, or a share of the price: 2.5 or "2.5%"
        on=                  "open" or "close": in that auction only, if need be with a limit
        tif=                 "GTC" (the default), "DAY", "GTD", "IOC", "FOK" or "OPG"
        expires=             when a GTD order ends: a date, or a time with its zone
        after=               another order's number: this one lives when that has filled
        reason=              your own words, for the journal
    """

    instrument: Instrument
    bars: BarSeries

    def setup(self, bars: BarSeries) -> None:
        """Compute series over the whole history; called again when it grows or is split."""

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self._position = Position(self._desk, "")

    def join(self, desk: Desk) -> None:
        super().join(desk)
        self._position = Position(desk, self.instrument.id)

    @property
    def position(self) -> Position:
        """What is held of the instrument."""
        return self._position

    def buy(self, quantity: Number, **options: Any) -> int | None:  # noqa: ANN401 - see class
        """Buy a quantity."""
        return self._trade(self.instrument.id, _BUY, quantity, "", options)

    def sell(self, quantity: Number, **options: Any) -> int | None:  # noqa: ANN401 - see class
        """Sell a quantity; what is not held is sold short."""
        return self._trade(self.instrument.id, _SELL, quantity, "", options)

    def target_quantity(self, quantity: Number, **options: Any) -> int | None:  # noqa: ANN401
        """Buy or sell what is missing to hold `quantity` (negative: short).

        Market orders on their way count as held; resting limit and stop orders do not.
        """
        return self._target_quantity(self.instrument.id, quantity, options)

    def target_weight(self, weight: float, **options: Any) -> int | None:  # noqa: ANN401
        """Hold `weight` of equity in the instrument (0.95 is 95 %), rounded down to lots."""
        return self._target_weight(self.instrument, weight, options)

    def close(self, **options: Any) -> int | None:  # noqa: ANN401 - see class
        """Cancel this strategy's orders that rest or sleep, and go flat."""
        return self._close(self.instrument.id, options)

    def bracket(
        self,
        quantity: Number,
        *,
        stop_loss: Number,
        take_profit: Number,
        side: str | Side = Side.BUY,
        **options: Any,  # noqa: ANN401 - those of every verb
    ) -> tuple[int | None, int | None, int | None]:
        """Enter, with a stop and a target of which one cancels the other; three order numbers."""
        return self._bracket(
            self.instrument.id, side_of(side), quantity, stop_loss, take_profit, options
        )

    def replace(
        self,
        order_id: int,
        *,
        quantity: Number | None = None,
        limit: Number | None = None,
        stop: Number | None = None,
        reason: str = "",
    ) -> int | None:
        """Change a working order; its new number, or None if it is done.

        What is not given stays. `quantity` is what may still fill from now on.
        """
        return self._replace(order_id, quantity, limit, stop, reason, self.instrument.id)

    def quantity_for_risk(self, fraction: float, distance: float) -> float:
        """Return the quantity that loses `fraction` of equity if the price moves by `distance`."""
        return quantity_for_risk(
            fraction,
            equity=self.equity,
            distance=distance,
            multiplier=float(self._desk.multiplier(self.instrument.id)),
        )


class PortfolioStrategy(Trader):
    """Sees a universe; called once per bar time. Verbs name the instrument first."""

    bars: Mapping[str, BarSeries]

    def setup(self, bars: Mapping[str, BarSeries]) -> None:
        """Compute series over the whole history of every instrument, by its id."""

    @property
    def universe(self) -> list[str]:
        """The ids of all instruments, in the order given."""
        return list(self.bars)

    def position(self, instrument: str) -> Position:
        """What is held of an instrument."""
        return Position(self._desk, self._known(instrument).id)

    def buy(self, instrument: str, quantity: Number, **options: Any) -> int | None:  # noqa: ANN401
        """Buy a quantity."""
        return self._trade(self._known(instrument).id, _BUY, quantity, "", options)

    def sell(self, instrument: str, quantity: Number, **options: Any) -> int | None:  # noqa: ANN401
        """Sell a quantity; what is not held is sold short."""
        return self._trade(self._known(instrument).id, _SELL, quantity, "", options)

    def target_quantity(
        self,
        instrument: str,
        quantity: Number,
        **options: Any,  # noqa: ANN401
    ) -> int | None:
        """Buy or sell what is missing to hold `quantity`; see `Strategy.target_quantity`."""
        return self._target_quantity(self._known(instrument).id, quantity, options)

    def target_weight(self, instrument: str, weight: float, **options: Any) -> int | None:  # noqa: ANN401
        """Hold `weight` of equity in an instrument, rounded down to lots."""
        return self._target_weight(self._known(instrument), weight, options)

    def close(self, instrument: str, **options: Any) -> int | None:  # noqa: ANN401
        """Cancel this strategy's orders that rest or sleep in an instrument and go flat in it."""
        return self._close(self._known(instrument).id, options)

    def bracket(
        self,
        instrument: str,
        quantity: Number,
        *,
        stop_loss: Number,
        take_profit: Number,
        side: str | Side = Side.BUY,
        **options: Any,  # noqa: ANN401 - those of every verb
    ) -> tuple[int | None, int | None, int | None]:
        """Enter, with a stop and a target of which one cancels the other; three order numbers."""
        known = self._known(instrument).id
        return self._bracket(known, side_of(side), quantity, stop_loss, take_profit, options)

    def replace(
        self,
        instrument: str,
        order_id: int,
        *,
        quantity: Number | None = None,
        limit: Number | None = None,
        stop: Number | None = None,
        reason: str = "",
    ) -> int | None:
        """Change a working order; its new number. What is not given stays; None if it is done."""
        known = self._known(instrument).id
        return self._replace(order_id, quantity, limit, stop, reason, known)

    def _known(self, instrument: str) -> Instrument:
        if instrument not in self.bars:
            raise StrategyError(
                f"{self.name} has no instrument {instrument!r}; its universe is "
                + ", ".join(self.bars)
            )
        return self.bars[instrument].instrument


_BUY, _SELL = Side.BUY, Side.SELL  # looked up once: a member of an Enum costs a walk to reach
