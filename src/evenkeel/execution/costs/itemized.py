"""Who takes a fill's fees. A fill holds their sum: the tables of its day say what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.money import EXACT, ZERO
from evenkeel.domain.order import Side
from evenkeel.execution.costs import us_fees
from evenkeel.execution.costs.ibkr import (
    CLEARING,
    CLEARING_MOST,
    FINRA,
    NYSE,
    IbkrFixed,
    IbkrTiered,
)

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.domain.fill import Fill
    from evenkeel.domain.instrument import Instrument
    from evenkeel.execution.costs.model import CostModel

_multiply = EXACT.multiply


def itemized(tariff: CostModel, fill: Fill, instrument: Instrument) -> dict[str, Decimal]:
    """Return a fill's fees by who takes them: exchange, clearing, NYSE, FINRA, SEC, TAF, CAT, other.

    They add up to `fill.fees`, exactly. What an exchange takes is the rest, for it depends on
    whether the order rested there; where a tariff has the exchange in its price, the rest is
    `other`. Who takes nothing is left out. Raises `UsageError` for a day whose rates are not known.
    """
    parts: dict[str, Decimal] = {}
    if us_fees.in_the_us(instrument) and isinstance(tariff, IbkrFixed | IbkrTiered):
        now, quantity = us_fees.rates(fill.at), fill.quantity
        value = _multiply(_multiply(quantity, fill.price), instrument.multiplier)
        if isinstance(tariff, IbkrTiered):
            parts["clearing"] = min(_multiply(quantity, CLEARING), _multiply(value, CLEARING_MOST))
            parts["NYSE"] = _multiply(fill.commission, NYSE)
            parts["FINRA"] = _multiply(fill.commission, FINRA)
        if fill.side is Side.SELL:
            parts["SEC"] = _multiply(value, now.sec)
            parts["TAF"] = min(_multiply(quantity, now.taf), now.taf_most)
        parts["CAT"] = _multiply(quantity, now.cat)
    rest = fill.fees
    for part in parts.values():
        rest = EXACT.subtract(rest, part)
    parts["exchange" if isinstance(tariff, IbkrTiered) else "other"] = rest
    return {taker: fee for taker, fee in parts.items() if fee != ZERO}
