"""Round trips: each closed quantity with the entry it came from, first in, first out.

One row is what one entry order and one exit order have in common, so that partial fills make no
trades of their own. Quantities and prices are in units of the exit: a split between entry and exit
changes the entry's quantity and price, not its cost. Dividends stand in the ledger, not here.
What a company pays out when its shares end (delisting, merger for cash) is an exit without an order.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, get_args

import numpy as np
from msgspec import Struct
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
    from collections.abc import Iterable, Iterator, Mapping

    from evenkeel.domain.bar import Bars
    from evenkeel.reports.curve import Move


NO_ORDER = 0
"""The exit order of a position that was paid out; orders count from 1."""


class Trade(Struct):
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
    currency: str
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


class Part(Struct):
    """What is left of a fill: a positive quantity, its cost, its commission and its fees."""

    fill: Fill
    quantity: Decimal
    cost: Decimal
    commission: Decimal
    fees: Decimal

    def take(self, quantity: Decimal) -> Part:
        """Take `quantity` off with its part of the money."""
        if quantity == self.quantity:
            taken = Part(self.fill, quantity, self.cost, self.commission, self.fees)
        else:
            parts = (
                share(money, quantity, self.quantity)
                for money in (self.cost, self.commission, self.fees)
            )
            taken = Part(self.fill, quantity, *parts)
        self.quantity -= quantity
        self.cost -= taken.cost
        self.commission -= taken.commission
        self.fees -= taken.fees
        return taken


_Trades: TypeAlias = dict[tuple[str, int, int | None], Trade]
"""By instrument, entry order and exit order."""


def round_trips(happened: Iterable[Move], bars: Mapping[str, Bars]) -> list[Trade]:
    """Return every round trip in the order of its exit, then what is still open."""
    trades: _Trades = {}
    multipliers = {name: history.instrument.multiplier for name, history in bars.items()}
    with localcontext(EXACT):
        for each in matched(happened, multipliers):
            _record(trades, each.entry, each.leaving, bars[each.instrument])
    for trade in trades.values():
        trade.bars_held = _bars_held(trade, bars[trade.instrument])
    return list(trades.values())


class Matched(NamedTuple):
    """A part of an entry, and what it left with: None, and `by` None, while it is open.

    `by` is the fill that closed it, or what happened to its company; `instrument` where it ended.
    """

    instrument: str
    entry: Part
    leaving: Part | None
    by: Move | None


def matched(happened: Iterable[Move], multipliers: Mapping[str, Decimal]) -> Iterator[Matched]:
    """Yield each closed part of an entry as it is closed, then what is still open.

    First in, first out; to be used in the context `EXACT`.
    """
    open_parts: dict[str, deque[Part]] = {}
    for move in happened:
        if isinstance(move, Fill):
            parts = open_parts.setdefault(move.instrument, deque())
            yield from _close(parts, move, multipliers[move.instrument])
        elif isinstance(move, get_args(Action)):
            yield from _act(open_parts, move, multipliers)
    for name, parts in open_parts.items():
        yield from (Matched(name, part, None, None) for part in parts)


def _act(
    open_parts: dict[str, deque[Part]], move: Action, multipliers: Mapping[str, Decimal]
) -> Iterator[Matched]:
    """Let open entries follow what happened to their instrument.

    A position that is paid out leaves without an order; one that moves to another instrument goes
    on there, with its entry and what it cost. What a company hands out in money alone closes
    nothing and stands in the ledger.
    """
    parts = open_parts.get(move.instrument)
    if not parts:
        return
    match move:
        case Split() | StockDividend():
            for part in parts:
                part.quantity = share(part.quantity, move.new, move.old)
        case Delisted():
            yield from _leave(parts, move, move.price or ZERO, multipliers)
        case SymbolChanged():
            if move.to in multipliers:
                yield from _hand_over(open_parts, move, move.to, ONE, ONE, keep_fees=True)
                parts.clear()
        case Merged() if move.into is None:
            yield from _leave(parts, move, move.cash, multipliers)
        case Merged():
            yield from _hand_over(open_parts, move, str(move.into), move.shares, ONE)
            parts.clear()
        case SpunOff():
            yield from _hand_over(open_parts, move, move.child, move.shares, move.cost_share)
        case CashDividend() | CashInLieu():
            pass


def _leave(
    parts: deque[Part], move: Delisted | Merged, price: Decimal, multipliers: Mapping[str, Decimal]
) -> Iterator[Matched]:
    """Close every entry at a price that nobody's order asked for."""
    while parts:
        part = parts.popleft()
        proceeds = part.quantity * price * multipliers[move.instrument]
        side = part.fill.side.opposite
        out = replace(part.fill, id="", order_id=NO_ORDER, side=side, at=move.at, price=price)
        leaving = Part(out, part.quantity, proceeds, ZERO, ZERO)
        yield Matched(move.instrument, part, leaving, move)


def _hand_over(
    open_parts: dict[str, deque[Part]],
    move: SymbolChanged | Merged | SpunOff,
    name: str,
    shares: Decimal,
    cost_share: Decimal,
    *,
    keep_fees: bool = False,
) -> Iterator[Matched]:
    """Give the entries of another instrument `shares` for each share, and a part of the cost.

    What is open there the other way round is closed by them, without an order.
    """
    to = open_parts.setdefault(name, deque())
    for part in open_parts[move.instrument]:
        goes = share(part.cost, cost_share, ONE)
        paid = (part.commission, part.fees) if keep_fees else (ZERO, ZERO)
        coming = Part(part.fill, share(part.quantity, shares, ONE), goes, *paid)
        closes = replace(part.fill, id="", order_id=NO_ORDER, at=move.at)
        yield from _arrive(name, to, coming, closes, move)
        part.cost -= goes
    if not to:
        del open_parts[name]


def _close(parts: deque[Part], fill: Fill, multiplier: Decimal) -> Iterator[Matched]:
    """Close what `fill` is against, oldest first; what is left of it is a new part."""
    cost = fill.quantity * fill.price * multiplier
    coming = Part(fill, fill.quantity, cost, fill.commission, fill.fees)
    yield from _arrive(fill.instrument, parts, coming, fill, fill)


def _arrive(
    name: str, parts: deque[Part], coming: Part, closes: Fill, move: Move
) -> Iterator[Matched]:
    """Close what a part is against, oldest first, with `closes` as the exit; the rest is open."""
    while coming.quantity and parts and parts[0].fill.side is not coming.fill.side:
        quantity = min(parts[0].quantity, coming.quantity)
        leaving = coming.take(quantity)
        leaving.fill = closes
        yield Matched(name, parts[0].take(quantity), leaving, move)
        if not parts[0].quantity:
            parts.popleft()
    if coming.quantity:
        parts.append(coming)


def _record(trades: _Trades, entry: Part, leaving: Part | None, history: Bars) -> None:
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
            currency=instrument.currency,
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
