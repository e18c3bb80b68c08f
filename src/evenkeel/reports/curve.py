"""Equity at every bar, found again from the journal: cash and positions as steps, times closes.

What happens once (a fill, a split, a dividend) is added up in Decimal; what happens at every bar
(a price) is one vectorised float64 pass. Both meet in the last point, which equals the ledger's.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal, localcontext
from functools import cached_property
from itertools import accumulate, repeat
from operator import add, mul, neg, sub
from typing import TYPE_CHECKING, TypeAlias, cast, get_args

import numpy as np
from msgspec import Struct

from evenkeel.domain.events import (
    AccountEvent,
    BorrowFeeCharged,
    CurrencyConverted,
    InterestCharged,
)
from evenkeel.domain.fill import Fill, Fills
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
from evenkeel.domain.money import EXACT, ONE, ZERO, floats_of
from evenkeel.domain.order import Side
from evenkeel.ledger.lots import share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evenkeel.domain.bar import Bars, Column, Times
    from evenkeel.domain.events import Record
    from evenkeel.domain.fx import FxRates

Action: TypeAlias = (
    Split | StockDividend | CashDividend | CashInLieu | Delisted | SymbolChanged | Merged | SpunOff
)
"""What happens to an instrument and moves quantities or money."""

Move: TypeAlias = Fill | Action | AccountEvent

Moving: TypeAlias = Move | Fills
"""A move, or several that nobody has written out yet."""

_BUY = Side.BUY  # looked up once: a member of an Enum costs a walk to reach


class Curve(Struct, frozen=True, eq=False, dict=True):
    """The account at every bar time of any instrument, in the base currency.

    `equity` is cash plus positions at their last closes, `gross` the same with every commission,
    all fees and all slippage given back, `invested` the value of longs plus that of shorts.
    """

    times: Times
    equity: Column
    invested: Column
    _happened: Sequence[Moving]
    _money: Money

    @cached_property
    def gross(self) -> Column:
        with localcontext(EXACT):
            costs = _costs(self._happened, self._money)
        return self.equity + costs.over(self.times)


class _Steps:
    """An amount that changes at known times and stands still between them."""

    __slots__ = ("at", "values")

    def __init__(self, value: Decimal | int = 0) -> None:
        self.at: list[int] = []
        self.values = [value]

    @property
    def value(self) -> Decimal:
        return Decimal(self.values[-1])

    def become(self, value: Decimal, at: int) -> None:
        self.at.append(at)
        self.values.append(value)

    def change(self, by: Decimal | int, at: int) -> None:
        self.at.append(at)
        self.values.append(self.values[-1] + by)

    def follow(self, changes: Iterable[Decimal | int], at: Iterable[int]) -> None:
        """Change by one amount after another."""
        self.at += at
        self.values += accumulate(changes, initial=self.values.pop())

    def over(self, times: Times) -> Column:
        """Return the amount at each of `times`; a change is in force at its own time."""
        if not self.at:
            return np.full(len(times), float(self.values[0]))
        first = times.searchsorted(self.at)
        # A venue may report late: what was written later happened later, whatever its time says.
        edges = np.maximum.accumulate(np.concatenate(([0], first, [len(times)])))
        return np.repeat(floats_of(self.values), np.diff(edges))


_MOVES = frozenset((Fills, *get_args(Action), *get_args(AccountEvent)))


def moving(records: Iterable[Record | Fills]) -> list[Moving]:
    """Return what moved cash or positions, in journal order, each fill once."""
    known: set[str] = set()
    found: list[Moving] = []
    for record in records:
        if type(record) is Fill:
            if record.id not in known:
                known.add(record.id)
                found.append(record)
        elif type(record) in _MOVES:
            found.append(cast("Moving", record))
    return found


def one_by_one(happened: Iterable[Moving]) -> list[Move]:
    """Return every move, and write out what was not."""
    found: list[Move] = []
    for move in happened:
        if isinstance(move, Fills):
            found += move
        else:
            found.append(move)
    return found


class Money(Struct, frozen=True):
    """The account's own currency, and what the others are worth in it."""

    currency: str
    rates: FxRates | None = None

    def at(self, currency: str, moment: int) -> Decimal:
        """Return what a unit is worth at a moment; 1 of its own, 0 before anything is known."""
        if self.rates is None or currency == self.currency:
            return ONE
        return self.rates.at(currency, moment) or ZERO

    def purse(self, currency: str) -> str:
        """Return in which currency such money is kept: all in the own one where no rates were given."""
        return self.currency if self.rates is None else currency

    def over(self, currency: str, times: Times) -> Column | float:
        """Return what a unit is worth at each of `times`."""
        if currency == self.currency:
            return 1.0
        if self.rates is None or currency not in self.rates:
            return 0.0
        moments, rates = self.rates.steps(currency)
        worth = np.array([0.0, *map(float, rates)])
        return worth[np.searchsorted(np.array(moments, dtype=np.int64), times, side="right")]


def curve(
    happened: Sequence[Moving],
    bars: Mapping[str, Bars],
    *,
    cash: Decimal,
    money: Money | None = None,
) -> Curve:
    """Return the account over all bar times, from `cash` and what is `moving`."""
    own = money or Money("")
    times = union([history.closed_at for history in bars.values()])
    with localcontext(EXACT):
        in_cash, held, ratios = _steps(happened, bars, cash, int(times[-1]), own)
    equity, invested = in_cash.pop(own.currency).over(times), np.zeros(len(times))
    for currency, amount in in_cash.items():
        equity += amount.over(times) * own.over(currency, times)
    for name, quantity in held.items():
        history = bars[name]
        unit = _closes(history, times)
        if history.instrument.multiplier != ONE:
            unit = unit * float(history.instrument.multiplier)
        unit = unit * own.over(own.purse(history.instrument.currency), times)
        if name in ratios:
            unit = unit * _lag(history, times, ratios[name])
        value = quantity.over(times)
        value *= unit
        equity += value
        invested += np.abs(value, out=value)
    return Curve(times, equity, invested, happened, own)


def union(timelines: Sequence[Times]) -> Times:
    """Return every time that is in one of them, once, in order."""
    first, *others = timelines
    if all(other is first or np.array_equal(first, other) for other in others):
        return first
    return np.unique(np.concatenate(timelines))


def _steps(
    happened: Sequence[Moving], bars: Mapping[str, Bars], cash: Decimal, last_at: int, own: Money
) -> tuple[dict[str, _Steps], dict[str, _Steps], dict[str, _Steps]]:
    """Return cash by currency, quantities held and, for what was split, units per first unit.

    A fill counts on the bar in which it happened; a bar that closed at the very moment of another
    event still traded the old way, and the next one is the first to know.
    """
    money: dict[str, _Steps] = defaultdict(_Steps, {own.currency: _Steps(cash)})
    held: dict[str, _Steps] = defaultdict(_Steps)
    ratios: dict[str, _Steps] = {}
    for move in happened:
        match move:
            case Fill():
                signed = move.quantity if move.side is _BUY else -move.quantity
                held[move.instrument].change(signed, move.at)
                paid = signed * move.price * bars[move.instrument].instrument.multiplier
                purse = money[own.purse(move.currency)]
                purse.change(-paid - move.commission - move.fees, move.at)
            case Fills():
                _trade(move, money[own.purse(move.currency)], held, bars)
            case InterestCharged() | BorrowFeeCharged():
                money[own.currency].change(-move.amount, move.at + 1)
            case CurrencyConverted():
                money[move.sold_currency].change(-move.sold, move.at)
                money[move.bought_currency].change(move.bought, move.at)
            case Split() | StockDividend():
                quantity = held[move.instrument]
                quantity.become(share(quantity.value, move.new, move.old), move.at + 1)
                ratio = ratios.setdefault(move.instrument, _Steps(ONE))
                ratio.become(share(ratio.value, move.new, move.old), move.at + 1)
            case _:
                _act(move, money, held, bars, last_at, own)
    return money, held, ratios


def _trade(fills: Fills, money: _Steps, held: dict[str, _Steps], bars: Mapping[str, Bars]) -> None:
    """Let money and quantities follow fills, as each of them would move them."""
    units = {name: bars[name].instrument.multiplier for name in set(fills.instruments)}
    paid = map(mul, fills.signed, fills.prices)
    if len(units) == 1:
        (name,) = units
        held[name].follow(fills.signed, fills.at)
    else:
        for name, signed, at in zip(fills.instruments, fills.signed, fills.at, strict=True):
            held[name].change(signed, at)
    if any(unit != ONE for unit in units.values()):
        paid = map(mul, paid, map(units.__getitem__, fills.instruments))
    money.follow(map(sub, map(sub, map(neg, paid), fills.commissions), fills.fees), fills.at)


def _costs(happened: Sequence[Moving], own: Money) -> _Steps:
    """Return what trading and loans have cost so far, in the account's own currency."""
    costs = _Steps()
    for move in happened:
        if isinstance(move, Fill):
            charged = move.commission + move.fees + move.slippage
            costs.change(charged * own.at(move.currency, move.at), move.at)
        elif isinstance(move, Fills):
            charges = map(add, map(add, move.commissions, move.fees), move.slippages)
            rates = map(own.at, repeat(move.currency), move.at)
            costs.follow(map(mul, charges, rates), move.at)
        elif isinstance(move, InterestCharged | BorrowFeeCharged):
            costs.change(move.amount, move.at + 1)
        elif isinstance(move, CurrencyConverted):
            costs.change(move.cost, move.at)
    return costs


def _act(
    move: CashDividend | CashInLieu | Delisted | SymbolChanged | Merged | SpunOff,
    purses: dict[str, _Steps],
    held: dict[str, _Steps],
    bars: Mapping[str, Bars],
    last_at: int,
    own: Money,
) -> None:
    """Let money and quantities follow what happened to an instrument.

    What ended its trading after the last bar of all counts with that bar.
    """
    at, quantity = move.at + 1, held[move.instrument].value
    instrument = bars[move.instrument].instrument
    multiplier = instrument.multiplier
    money = purses[own.purse(getattr(move, "currency", instrument.currency))]
    if isinstance(move, Delisted | SymbolChanged | Merged):
        at = min(at, last_at)
    match move:
        case CashDividend():
            money.change(quantity * move.amount, at)
        case CashInLieu():
            money.change(move.amount, at)
            held[move.instrument].change(-move.quantity, at)
        case Delisted():
            money.change(quantity * (move.price or ZERO) * multiplier, at)
            held[move.instrument].become(ZERO, at)
        case SymbolChanged():
            if move.to in bars:
                held[move.to].change(quantity, at)
                held[move.instrument].become(ZERO, at)
        case Merged():
            money.change(quantity * move.cash * multiplier, at)
            if move.into is not None:
                held[move.into].change(share(quantity, move.shares, ONE), at)
            held[move.instrument].become(ZERO, at)
        case SpunOff():
            held[move.child].change(share(quantity, move.shares, ONE), at)


def _closes(history: Bars, times: Times) -> Column:
    """Return the last close at each of `times`, 0 before there is one (nothing is held then)."""
    if history.closed_at is times or np.array_equal(history.closed_at, times):
        return history.close
    last = np.searchsorted(history.closed_at, times, side="right") - 1
    return np.where(last >= 0, history.close[last], 0.0)


def _lag(history: Bars, times: Times, ratio: _Steps) -> Column:
    """Return what puts a close from before a split on the footing of the quantity after it.

    1 wherever the instrument itself has a bar: it matters between the split and its next bar.
    """
    last = np.maximum(np.searchsorted(history.closed_at, times, side="right") - 1, 0)
    lag: Column = ratio.over(history.closed_at)[last] / ratio.over(times)
    return lag
