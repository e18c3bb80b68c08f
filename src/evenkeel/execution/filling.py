"""From the price that a rule gives to a fill: how much of it, how much worse, and what it costs."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, TypeVar

from evenkeel.domain.errors import UsageError
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import ONE, ZERO, exact, round_down, shortest
from evenkeel.domain.order import Side
from evenkeel.execution.costs import CostModel, Meter, Traded
from evenkeel.execution.fill_model import on_tick
from evenkeel.execution.slippage import AnySlippage, Meeting, NoSlippage

if TYPE_CHECKING:
    from evenkeel.domain.bar import Column
    from evenkeel.domain.order import Order
    from evenkeel.domain.tape import Line
    from evenkeel.execution.resting import Resting

_BUY, _SELL = Side.BUY, Side.SELL

Amounts = TypeVar("Amounts", float, "Column")
"""One number, or one for each instrument."""


def fill_id(number: int, part: int = 1) -> str:
    """Return the execution id (FIX 17) that the simulation gives the nth fill of an order."""
    return f"{number}.{part}"


def whole_fill(
    number: int,
    line: Line,
    index: int,
    signed: Decimal,
    price: Decimal,
    commission: Decimal,
    fees: Decimal,
    slippage: Decimal,
) -> Fill:
    """Return the only fill of a plain order of a signed quantity, on a bar."""
    instrument, buy = line.bars.instrument, signed > ZERO
    return Fill(
        fill_id(number),
        number,
        instrument.id,
        _BUY if buy else _SELL,
        signed if buy else signed.copy_negate(),
        price,
        instrument.currency,
        line.cursor.times[index],
        commission,
        slippage,
        None,
        fees,
    )


class Filler:
    """Fills orders on bars, by one tariff and one model of slippage.

    `volume_share` is the part of a bar's volume that all orders of the instrument together can
    fill. Arithmetic runs in the caller's `EXACT` context.
    """

    def __init__(
        self, costs: CostModel, slippage: AnySlippage, volume_share: Decimal | float | str
    ) -> None:
        """Take up the models. Raises `UsageError` for a share that has no meaning."""
        self.volume_share = parse_share(volume_share)
        self._share = float(self.volume_share)
        self.costs = costs
        # Asked once, so that models that need no more than the price or the order stay cheap.
        self._meter: Meter | None = costs.meter() if hasattr(costs, "meter") else None
        self.slips = not isinstance(slippage, NoSlippage)
        self._slipped_by = getattr(slippage, "slipped", None)
        self._slipped_in = getattr(slippage, "slipped_in", None)
        self._used: dict[str, tuple[int, Decimal]] = {}  # volume taken from the bar at hand

    def take_whole(self, line: Line, index: int, wanted: Decimal) -> bool:
        """Take all of it if that is far below what this bar's volume allows; whether it was."""
        bars = line.bars
        if not bars.volume_known:
            return True
        used = self._used.get(bars.instrument.id)
        taken = wanted if used is None or used[0] != index else used[1] + wanted
        if not float(taken) <= self.safe(line.volumes[index], line.lot):
            return False
        self._used[bars.instrument.id] = index, taken
        return True

    def safe(self, volume: Amounts, lot: Amounts) -> Amounts:
        """Return a quantity that a bar of such volume fills whole, far below what it allows.

        Far below the cap, floats can say so; near it, decimals must.
        """
        return self._share * volume / 1.000001 - lot

    def volume(self, line: Line, index: int, wanted: Decimal, *, or_none: bool = False) -> Decimal:
        """Return how much may fill: what is left of the share of this bar's volume. It is taken.

        `or_none` wants all of it or nothing.
        """
        if self.take_whole(line, index, wanted):
            return wanted
        instrument = line.bars.instrument
        at, used = self._used.get(instrument.id, (-1, ZERO))
        taken = used + wanted if at == index else wanted
        cap = round_down(self.volume_share * exact(line.volumes[index]), instrument.lot)
        quantity = wanted - max(ZERO, taken - cap)
        if or_none and quantity < wanted:
            return ZERO
        if quantity > ZERO:
            self._used[instrument.id] = index, taken
        return quantity

    @property
    def plain(self) -> bool:
        """Whether plain orders trade at the open itself, and pay by their size and money alone."""
        return not self.slips and self._meter is None

    def commission(self, quantity: Decimal, notional: Decimal) -> Decimal:
        """Return what an order pays that fills at once; see `CostModel.commission`."""
        return self.costs.commission(quantity=quantity, notional=notional)

    def whole(
        self, number: int, line: Line, index: int, signed: Decimal, base: Decimal
    ) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Return price, commission, fees and slippage of an order filled whole at `base`."""
        buy, quantity, price = signed > ZERO, abs(signed), base
        if self.slips:
            price = self._slipped(base, number, 1, quantity, ZERO, line, index, buy=buy)
        size = quantity * line.bars.instrument.multiplier
        value, slippage = price * size, abs(price - base) * size
        if self._meter is None:
            return price, self.commission(quantity, value), ZERO, slippage
        at, instrument = line.cursor.times[index], line.bars.instrument
        commission, fees = self._meter.charge(
            Traded(number, instrument, at, buy, quantity, value, quantity, value, ZERO)
        )
        return price, commission, fees, slippage

    def fill_whole(self, order: Order, line: Line, index: int) -> Fill:
        """Return the only fill of a plain order, at the open of a bar."""
        signed = order.quantity if order.side is _BUY else order.quantity.copy_negate()
        base = shortest(line.opens[index])
        return whole_fill(
            order.id, line, index, signed, *self.whole(order.id, line, index, signed, base)
        )

    def fill(
        self,
        leg: Resting,
        index: int,
        base: Decimal,
        quantity: Decimal,
        *,
        slips: bool = True,
        resting: bool = False,
        best: Decimal | None = None,
    ) -> Fill:
        """Return the fill of `quantity` at `base`, made worse by slippage if the order `slips`.

        `leg` is the order with what it has filled before, and takes this fill up. `resting` says
        that it was met at its own limit. `best` is the worth per unit, at the bar's close, of the
        bar's kindest reading, if it has several.
        """
        order, line, part, before = leg.order, leg.line, leg.fills + 1, leg.filled
        instrument, buy = line.bars.instrument, order.side is _BUY
        price = base
        if slips and self.slips:
            price = self._slipped(base, order.id, part, quantity, before, line, index, buy=buy)
        size = quantity if instrument.multiplier is ONE else quantity * instrument.multiplier
        value, charged = price * size, leg.charged
        filled, notional = before + quantity, leg.notional + value
        if self._meter is None:
            commission, fees = self.costs.commission(quantity=filled, notional=notional), ZERO
            if charged:
                commission -= charged
        else:
            commission, fees = self._meter.charge(
                Traded(
                    order.id,
                    instrument,
                    leg.due_at,
                    buy,
                    quantity,
                    value,
                    filled,
                    notional,
                    charged,
                    resting,
                )
            )
        leg.fills, leg.filled, leg.notional = part, filled, notional
        leg.charged, leg.remaining = charged + commission, leg.remaining - quantity
        ambiguity = None
        if best is not None:
            close = exact(line.closes[index])
            lost = best - (close - price if buy else price - close)
            ambiguity = lost * size if lost > ZERO else None
        return Fill(
            fill_id(order.id, part),
            order.id,
            order.instrument,
            order.side,
            quantity,
            price,
            instrument.currency,
            leg.due_at,
            commission,
            ZERO if price is base else abs(price - base) * size,
            ambiguity,
            fees,
        )

    def _slipped(
        self,
        base: Decimal,
        order_id: int,
        part: int,
        quantity: Decimal,
        filled: Decimal,
        line: Line,
        index: int,
        *,
        buy: bool,
    ) -> Decimal:
        """Return the price after slippage: on the tick, in the bar, never better than `base`."""
        price: Decimal
        if self._slipped_in is None:
            assert self._slipped_by is not None, self
            price = self._slipped_by(base, buy=buy)
        else:
            meeting = Meeting(order_id, part, buy, quantity, filled, line.bars, index)
            price = self._slipped_in(base, meeting)
        if price is base:
            return base
        tick = line.bars.instrument.tick
        if tick is not None:
            price = on_tick(price, tick, up=buy)
        if buy:
            high = line.highs[index]
            return max(base, exact(high) if float(price) > high else price)
        low = line.lows[index]
        return min(base, exact(low) if float(price) < low else price)


def parse_share(volume_share: Decimal | float | str) -> Decimal:
    """Return the part of a bar's volume that may fill. Raises `UsageError` for what is none."""
    try:
        share = exact(volume_share)
    except (DecimalException, TypeError, ValueError):
        share = ZERO
    if not share.is_finite() or share <= 0:
        raise UsageError(f"volume share {volume_share!r} must be a number above 0, such as 0.1")
    return share
