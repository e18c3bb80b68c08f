"""How Backtrader's sizers, trades and analyzers count our instruments: in lots, with multipliers."""

from __future__ import annotations

from decimal import Decimal
from math import floor
from typing import TYPE_CHECKING

import backtrader as bt

if TYPE_CHECKING:
    from evenkeel.domain.instrument import Instrument


class Counting(bt.CommInfoBase):
    """One instrument. What a trade costs is not known before it has filled: it is zero here."""

    def __init__(self, instrument: Instrument) -> None:
        """Count in the instrument's lots."""
        super().__init__()
        self.p.mult = float(instrument.multiplier)
        self._lot = instrument.lot

    def getsize(self, price: float, cash: float) -> float:
        """Return the quantity that `cash` buys at `price`, in whole lots."""
        lots = floor(cash / (price * self.p.mult) / float(self._lot))
        return number(lots * self._lot)

    def getvaluesize(self, size: float, price: float) -> float:
        """Return what a quantity is worth at a price, negative when short."""
        return float(size * price * self.p.mult)

    def getoperationcost(self, size: float, price: float) -> float:
        """Return the money that trading a quantity at a price moves."""
        return abs(self.getvaluesize(size, price))


def number(quantity: Decimal) -> float:
    """Return a quantity as Backtrader's authors expect it: whole ones as `int`."""
    whole = int(quantity)
    return whole if whole == quantity else float(quantity)
