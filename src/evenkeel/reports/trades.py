"""Round trips: each closed quantity with the entry it came from, first in, first out.

One row is what one entry order and one exit order have in common, so that partial fills make no
trades of their own. Quantities and prices are in units of the exit: a split between entry and exit
changes the entry's quantity and price, not its cost. Dividends stand in the ledger, not here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.events import Split
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import EXACT, exact
from evenkeel.domain.order import Side
from evenkeel.ledger.lots import share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evenkeel.domain.bar import Bars
    from evenkeel.reports.curve import Move


@dataclass(slots=True)
class Trade:
    """One round trip; money in the instrument's currency, multiplier included.

    `side` is that of the entry. While `open`, the exit is the last close (no exit costs), and
    `exit_at` and `exit_order` are None. `cost` and `proceeds` are positive, without commission
    and fees.
    """

    instrument: str
    side: Side
    quantity: Decimal
    entry_at: int
    exit_at: int | None
    entry_order: int
    exit_order: int | None
    cost: Decimal
    proceeds: Decimal
    commission: Decimal
    fees: Decimal
    multiplier: Decimal
    bars_held: int = 0

    @property
    def open(self) -> bool:
        """Whether it has not been closed."""
        return self.exit_order is None

    @property
    def entry_price(self) -> Decimal:
        """Average price paid or received at entry, for one unit of today."""
        return EXACT.divide(self.cost, EXACT.multiply(self.quantity, self.multiplier))

    @property
    def exit_price(self) -> Decimal:
        """Average price at exit."""
        return EXACT.divide(self.proceeds, EXACT.multiply(self.quantity, self.multiplier))

    @property
    def gross_pnl(self) -> Decimal:
        """Profit before commission and fees."""
        gained = EXACT.subtract(self.proceeds, self.cost)
        return gained if self.side is Side.BUY else -gained

    @property
    def net_pnl(self) -> Decimal:
        """Profit after the commissions and fees of entry and exit."""
        return EXACT.subtract(self.gross_pnl, EXACT.add(self.commission, self.fees))

    @property
    def profit_ratio(self) -> float:
        """Net profit as a fraction of the entry's cost; NaN when it cost nothing."""
        return float(EXACT.divide(self.net_pnl, abs(self.cost))) if self.cost else float("nan")


@dataclass(slots=True)
class _Lot:
    """What is left of a fill: a positive quantity, its cost, its commission and its fees."""

    fill: Fill
    quantity: Decimal
    cost: Decimal
    commission: Decimal
    fees: Decimal

    def take(self, quantity: Decimal) -> _Lot:
        """Take `quantity` off with its part of the money."""
        if quantity == self.quantity:
            taken = _Lot(self.fill, quantity, self.cost, self.commission, self.fees)
        else:
            parts = (
                share(money, quantity, self.quantity)
                for money in (self.cost, self.commission, self.fees)
            )
            taken = _Lot(self.fill, quantity, *parts)
        self.quantity -= quantity
        self.cost -= taken.cost
        self.commission -= taken.commission
        self.fees -= taken.fees
        return taken


def round_trips(happened: Iterable[Move], bars: Mapping[str, Bars]) -> list[Trade]:
    """Return every round trip in the order of its exit, then what is still open."""
    open_lots: dict[str, deque[_Lot]] = {}
    trades: dict[tuple[int, int | None], Trade] = {}
    with localcontext(EXACT):
        for move in happened:
            if isinstance(move, Fill):
                lots = open_lots.setdefault(move.instrument, deque())
                _trade(trades, lots, move, bars[move.instrument])
            elif isinstance(move, Split):
                for lot in open_lots.get(move.instrument, ()):
                    lot.quantity = share(lot.quantity, move.new, move.old)
        for name, lots in open_lots.items():
            for lot in lots:
                _record(trades, lot, None, bars[name])
    for trade in trades.values():
        trade.bars_held = _bars_held(trade, bars[trade.instrument])
    return list(trades.values())


def _trade(
    trades: dict[tuple[int, int | None], Trade], lots: deque[_Lot], fill: Fill, history: Bars
) -> None:
    """Close what `fill` is against, oldest first; what is left of it opens a lot."""
    cost = fill.quantity * fill.price * history.instrument.multiplier
    coming = _Lot(fill, fill.quantity, cost, fill.commission, fill.fees)
    while coming.quantity and lots and lots[0].fill.side is not fill.side:
        quantity = min(lots[0].quantity, coming.quantity)
        _record(trades, lots[0].take(quantity), coming.take(quantity), history)
        if not lots[0].quantity:
            lots.popleft()
    if coming.quantity:
        lots.append(coming)


def _record(
    trades: dict[tuple[int, int | None], Trade], entry: _Lot, leaving: _Lot | None, history: Bars
) -> None:
    """Add a closed (or still open) part of a lot to the trade of its two orders."""
    instrument = history.instrument
    if leaving is None:
        last = exact(float(history.close[-1]))
        proceeds = entry.quantity * last * instrument.multiplier
        paid, fees = entry.commission, entry.fees
    else:
        proceeds = leaving.cost
        paid, fees = entry.commission + leaving.commission, entry.fees + leaving.fees
    key = (entry.fill.order_id, leaving.fill.order_id if leaving else None)
    trade = trades.get(key)
    if trade is None:
        trades[key] = Trade(
            instrument=instrument.id,
            side=entry.fill.side,
            quantity=entry.quantity,
            entry_at=entry.fill.at,
            exit_at=leaving.fill.at if leaving else None,
            entry_order=entry.fill.order_id,
            exit_order=key[1],
            cost=entry.cost,
            proceeds=proceeds,
            commission=paid,
            fees=fees,
            multiplier=instrument.multiplier,
        )
        return
    trade.quantity += entry.quantity
    trade.cost += entry.cost
    trade.proceeds += proceeds
    trade.commission += paid
    trade.fees += fees
    trade.exit_at = leaving.fill.at if leaving else None


def _bars_held(trade: Trade, history: Bars) -> int:
    """Return how many bars closed after the entry, up to the exit (or the last bar)."""
    end = history.closed_at[-1] if trade.exit_at is None else trade.exit_at
    first, last = np.searchsorted(history.closed_at, [trade.entry_at, end], side="right")
    return int(last - first)
