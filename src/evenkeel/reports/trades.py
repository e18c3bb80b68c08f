"""Round trips: each closed quantity with the entry it came from, first in, first out.

One row is what one entry order and one exit order have in common, so that partial fills make no
trades of their own. Quantities and prices are in units of the exit: a split between entry and exit
changes the entry's quantity and price, not its cost. Dividends stand in the ledger, not here.
What a company pays out when its shares end (delisting, merger for cash) is an exit without an order.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, TypeAlias, get_args

import numpy as np
from msgspec.structs import replace

from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import (
    CashDividend,
    CashInLieu,
    Delisted,
    Merged,
    Split,
    SpunOff,
    StockDividend,
    SymbolChanged,
)
from evenkeel.domain.money import EXACT, ONE, ZERO, exact
from evenkeel.domain.order import Side
from evenkeel.ledger.lots import share
from evenkeel.reports.curve import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evenkeel.domain.bar import Bars
    from evenkeel.reports.curve import Move


NO_ORDER = 0
"""The exit order of a position that was paid out; orders count from 1."""


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


_Trades: TypeAlias = dict[tuple[str, int, int | None], Trade]
"""By instrument, entry order and exit order."""


def round_trips(happened: Iterable[Move], bars: Mapping[str, Bars]) -> list[Trade]:
    """Return every round trip in the order of its exit, then what is still open."""
    open_lots: dict[str, deque[_Lot]] = {}
    trades: _Trades = {}
    with localcontext(EXACT):
        for move in happened:
            if isinstance(move, Fill):
                lots = open_lots.setdefault(move.instrument, deque())
                _trade(trades, lots, move, bars[move.instrument])
            elif isinstance(move, get_args(Action)):
                _act(trades, open_lots, move, bars)
        for name, lots in open_lots.items():
            for lot in lots:
                _record(trades, lot, None, bars[name])
    for trade in trades.values():
        trade.bars_held = _bars_held(trade, bars[trade.instrument])
    return list(trades.values())


def _act(
    trades: _Trades,
    open_lots: dict[str, deque[_Lot]],
    move: Action,
    bars: Mapping[str, Bars],
) -> None:
    """Let open entries follow what happened to their instrument.

    A position that is paid out leaves without an order; one that moves to another instrument goes
    on there, with its entry and what it cost. What a company hands out in money alone closes
    nothing and stands in the ledger.
    """
    lots = open_lots.get(move.instrument)
    if not lots:
        return
    match move:
        case Split() | StockDividend():
            for lot in lots:
                lot.quantity = share(lot.quantity, move.new, move.old)
        case Delisted():
            _leave(trades, lots, move, move.price or ZERO, bars)
        case SymbolChanged():
            if move.to in bars:
                _hand_over(trades, open_lots, move, bars[move.to], ONE, ONE, keep_fees=True)
                lots.clear()
        case Merged() if move.into is None:
            _leave(trades, lots, move, move.cash, bars)
        case Merged():
            _hand_over(trades, open_lots, move, bars[str(move.into)], move.shares, ONE)
            lots.clear()
        case SpunOff():
            _hand_over(trades, open_lots, move, bars[move.child], move.shares, move.cost_share)
        case CashDividend() | CashInLieu():
            pass


def _leave(
    trades: _Trades,
    lots: deque[_Lot],
    move: Delisted | Merged,
    price: Decimal,
    bars: Mapping[str, Bars],
) -> None:
    """Close every entry at a price that nobody's order asked for."""
    history = bars[move.instrument]
    while lots:
        lot = lots.popleft()
        proceeds = lot.quantity * price * history.instrument.multiplier
        out = replace(
            lot.fill, id="", order_id=NO_ORDER, side=lot.fill.side.opposite, at=move.at, price=price
        )
        _record(trades, lot, _Lot(out, lot.quantity, proceeds, ZERO, ZERO), history)


def _hand_over(
    trades: _Trades,
    open_lots: dict[str, deque[_Lot]],
    move: SymbolChanged | Merged | SpunOff,
    history: Bars,
    shares: Decimal,
    cost_share: Decimal,
    *,
    keep_fees: bool = False,
) -> None:
    """Give the entries of another instrument `shares` for each share, and a part of the cost.

    What is open there the other way round is closed by them, without an order.
    """
    to = open_lots.setdefault(history.instrument.id, deque())
    for lot in open_lots[move.instrument]:
        goes = share(lot.cost, cost_share, ONE)
        paid = (lot.commission, lot.fees) if keep_fees else (ZERO, ZERO)
        coming = _Lot(lot.fill, share(lot.quantity, shares, ONE), goes, *paid)
        closes = replace(lot.fill, id="", order_id=NO_ORDER, at=move.at)
        _arrive(trades, to, coming, closes, history)
        lot.cost -= goes
    if not to:
        del open_lots[history.instrument.id]


def _trade(trades: _Trades, lots: deque[_Lot], fill: Fill, history: Bars) -> None:
    """Close what `fill` is against, oldest first; what is left of it opens a lot."""
    cost = fill.quantity * fill.price * history.instrument.multiplier
    coming = _Lot(fill, fill.quantity, cost, fill.commission, fill.fees)
    _arrive(trades, lots, coming, fill, history)


def _arrive(trades: _Trades, lots: deque[_Lot], coming: _Lot, closes: Fill, history: Bars) -> None:
    """Close what a lot is against, oldest first, with `closes` as the exit; the rest is open."""
    while coming.quantity and lots and lots[0].fill.side is not coming.fill.side:
        quantity = min(lots[0].quantity, coming.quantity)
        leaving = coming.take(quantity)
        leaving.fill = closes
        _record(trades, lots[0].take(quantity), leaving, history)
        if not lots[0].quantity:
            lots.popleft()
    if coming.quantity:
        lots.append(coming)


def _record(trades: _Trades, entry: _Lot, leaving: _Lot | None, history: Bars) -> None:
    """Add a closed (or still open) part of a lot to the trade of its two orders."""
    instrument = history.instrument
    if leaving is None:
        last = exact(float(history.close[-1]))
        proceeds = entry.quantity * last * instrument.multiplier
        paid, fees = entry.commission, entry.fees
    else:
        proceeds = leaving.cost
        paid, fees = entry.commission + leaving.commission, entry.fees + leaving.fees
    key = (instrument.id, entry.fill.order_id, leaving.fill.order_id if leaving else None)
    trade = trades.get(key)
    if trade is None:
        trades[key] = Trade(
            instrument=instrument.id,
            side=entry.fill.side,
            quantity=entry.quantity,
            entry_at=entry.fill.at,
            exit_at=leaving.fill.at if leaving else None,
            entry_order=entry.fill.order_id,
            exit_order=key[2],
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
