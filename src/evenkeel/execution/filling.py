"""From the price that a rule gives to a fill: how much of it, how much worse, and what it costs."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from operator import mul
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.domain.errors import UsageError
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import ONE, ZERO, exact, round_down, shortest_of
from evenkeel.domain.order import Side
from evenkeel.execution.costs import BasisPoints, CostModel, Meter, Traded
from evenkeel.execution.fill_model import on_tick
from evenkeel.execution.slippage import AnySlippage, Meeting, NoSlippage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evenkeel.domain.order import Order
    from evenkeel.domain.tape import Line
    from evenkeel.execution.resting import Resting

_BUY = Side.BUY


class Whole(Struct, frozen=True, gc=False):
    """How a plain order trades that fills at once, whole. Amounts as in `Fill`."""

    price: Decimal
    commission: Decimal
    fees: Decimal = ZERO
    slippage: Decimal = ZERO


class Filler:
    """Fills orders on bars, by one tariff and one model of slippage.

    `volume_share` is the part of a bar's volume that all orders of the instrument together can
    fill. Arithmetic runs in the caller's `EXACT` context.
    """

    def __init__(
        self, costs: CostModel, slippage: AnySlippage, volume_share: Decimal | float | str
    ) -> None:
        """Take up the models. Raises `UsageError` for a share that has no meaning."""
        self.volume_share = _share(volume_share)
        self._share = float(self.volume_share)
        self._costs = costs
        self._at_most: Callable[[float, float], float] | None = getattr(costs, "at_most", None)
        # Asked once, so that models that need no more than the price or the order stay cheap.
        self._meter: Meter | None = costs.meter() if hasattr(costs, "meter") else None
        self._slips = not isinstance(slippage, NoSlippage)
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
        if not self._far_below_cap(line, index, float(taken)):
            return False
        self._used[bars.instrument.id] = index, taken
        return True

    def _far_below_cap(self, line: Line, index: int, taken: float) -> bool:
        """Far below the cap, floats can say so; near it, decimals must."""
        return (taken + line.lot) * 1.000001 <= self._share * line.volumes[index]

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
    def forecasts(self) -> bool:
        """Whether `forecast` can be asked: the tariff can tell what an order costs at the most."""
        return self._at_most is not None

    def forecast(self, line: Line, index: int, quantity: float, *, buy: bool) -> float | None:
        """Return how much cash a plain order takes that trades at the open of a bar: at the most.

        A sell brings at least as much as the number is below zero. In doubles, and too low by no
        more than their rounding. None where the bar's volume might not allow all of it.
        """
        if line.bars.volume_known and not self._far_below_cap(line, index, quantity):
            return None
        price = line.opens[index]
        if self._slips:  # never beyond the bar's range
            price = max(price, line.highs[index]) if buy else min(price, line.lows[index])
        value = price * quantity * line.scale
        assert self._at_most is not None, self
        cost = self._at_most(quantity, value)
        return cost + value if buy else cost - value

    def wholes(
        self,
        numbers: Sequence[int],
        lines: Sequence[Line],
        bars: Sequence[int],
        quantities: Sequence[Decimal],
    ) -> list[Whole]:
        """Return how plain orders trade, each filled whole at the open of a bar, in order of time.

        Quantities are signed.
        """
        prices = shortest_of(line.opens[bar] for line, bar in zip(lines, bars, strict=True))
        if self._slips or self._meter is not None:
            orders = zip(numbers, lines, bars, quantities, prices, strict=True)
            return [self._whole(*order) for order in orders]
        sizes = [abs(quantity) for quantity in quantities]
        values: Iterable[Decimal] = map(mul, prices, sizes)
        if any(line.scale != 1.0 for line in lines):
            values = map(mul, values, [line.bars.instrument.multiplier for line in lines])
        if isinstance(self._costs, BasisPoints):  # most are; and so it is a fifth of the time
            rate = self._costs.rate
            return list(map(Whole, prices, [value * rate for value in values]))
        charges = map(self._commission, sizes, values)
        return list(map(Whole, prices, charges))

    def _commission(self, quantity: Decimal, notional: Decimal) -> Decimal:
        return self._costs.commission(quantity=quantity, notional=notional)

    def _whole(self, number: int, line: Line, index: int, signed: Decimal, base: Decimal) -> Whole:
        buy, quantity, price = signed > ZERO, abs(signed), base
        if self._slips:
            price = self._slipped(base, number, 1, quantity, ZERO, line, index, buy=buy)
        size = quantity * line.bars.instrument.multiplier
        value, slippage = price * size, abs(price - base) * size
        if self._meter is None:
            commission, fees = self._costs.commission(quantity=quantity, notional=value), ZERO
        else:
            at, instrument = line.cursor.times[index], line.bars.instrument
            commission, fees = self._meter.charge(
                Traded(number, instrument, at, buy, quantity, value, quantity, value, ZERO)
            )
        return Whole(price, commission, fees, slippage)

    def fill_whole(self, order: Order, line: Line, index: int) -> Fill:
        """Return the only fill of a plain order, at the open of a bar."""
        signed = order.quantity if order.side is _BUY else order.quantity.copy_negate()
        (whole,) = self.wholes([order.id], [line], [index], [signed])
        return Fill(
            f"{order.id}.1",
            order.id,
            order.instrument,
            order.side,
            order.quantity,
            whole.price,
            line.bars.instrument.currency,
            line.cursor.times[index],
            whole.commission,
            whole.slippage,
            None,
            whole.fees,
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
        if slips and self._slips:
            price = self._slipped(base, order.id, part, quantity, before, line, index, buy=buy)
        size = quantity if instrument.multiplier is ONE else quantity * instrument.multiplier
        value, charged = price * size, leg.charged
        filled, notional = before + quantity, leg.notional + value
        if self._meter is None:
            commission, fees = self._costs.commission(quantity=filled, notional=notional), ZERO
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
            f"{order.id}.{part}",
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


def _share(volume_share: Decimal | float | str) -> Decimal:
    try:
        share = exact(volume_share)
    except DecimalException:
        share = ZERO
    if not share.is_finite() or share <= 0:
        raise UsageError(f"volume share {volume_share!r} must be a number above 0, such as 0.1")
    return share
