"""Who lends the account money and shares: charges for each day, and keeps its margin.

It reads the account and makes events; the core books them. A day's loan is what stood at the last
bar of that day, and is charged before the first bar of a later one: for three days on a Monday.

At each bar the margin is checked on closing prices, after the fills of that bar. Where it is not
kept, the venue does what a margin account's agreement lets it do: `MarginCalled` cancels every
order, and if that is not enough `LiquidationForced` sells (or buys back) at the next chance.

A backtest asks `next_event_at` and jumps: to the next day on which something is lent, and to the
first bar at which the margin might not be kept. That is looked for in a few of the closes to come;
where all of those keep it, it goes on from the last of them and looks further. What was seen is worth
nothing once the book has changed, so whoever trades on every bar must not pay for a look at all.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evenkeel.domain.events import (
    AccountEvent,
    BorrowFeeCharged,
    InterestCharged,
    LiquidationForced,
    MarginCalled,
    MarginEvent,
)
from evenkeel.domain.money import EXACT, ZERO, round_up
from evenkeel.domain.order import OrderType, Side
from evenkeel.domain.tape import NEVER
from evenkeel.execution.financing import DAY, charge, day_of
from evenkeel.strategy.desk import Ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.domain.bar import Column, Times
    from evenkeel.domain.tape import Tape
    from evenkeel.engine.account import Account
    from evenkeel.execution.financing import Margin, Terms

VENUE = "margin"
"""Who an order is from that the venue makes to close a position."""

_FIRST_LOOK = 64
_LONGEST_LOOK = 65_536


class _Look(NamedTuple):
    """What is known of the closes to come while the book has seen no more than these `changes`.

    Before `until` the margin is kept; `bars` is how many bars to look through from there.
    """

    changes: int
    until: int
    bars: int


class Lender:
    """One account's loans."""

    def __init__(self, account: Account, terms: Terms) -> None:
        """Lend to an account on these terms."""
        self._account = account
        self._tape: Tape = account.tape
        self._terms = terms
        self._look = _Look(-1, NEVER, _FIRST_LOOK)
        self._asked = (-1, -1)

    def next_event_at(self) -> int:
        """Return the next bar at which it could have something to say, `NEVER` without loans."""
        if not self._account.book.borrows:
            return NEVER
        return min(self._next_day(), self._next_breach())

    # ---- by the day --------------------------------------------------------------------------

    def _charges_something(self) -> bool:
        book, terms = self._account.book, self._terms
        return bool((terms.borrow and book.short) or (terms.interest and book.cash < ZERO))

    def _next_day(self) -> int:
        """Return the first bar of a later day."""
        if not self._charges_something():
            return NEVER
        midnight = (day_of(self._tape.now) + 1) * DAY
        following = [
            cursor.times[place]
            for cursor in self._tape.cursors
            if (place := bisect_right(cursor.times, midnight, max(cursor.index, 0)))
            < len(cursor.times)
        ]
        return min(following, default=NEVER)

    def owes(self) -> bool:
        """Whether there is something to charge for."""
        return self._account.book.borrows and self._charges_something()

    def charges(self, moment: int) -> list[AccountEvent]:
        """Return what is due before the bars of `moment`; every bar before them must be shown."""
        shown = [cursor.times[cursor.index] for cursor in self._tape.cursors if cursor.index >= 0]
        first, last = day_of(max(shown)), day_of(moment)
        if first == last:
            return []
        at, account = last * DAY, self._account
        events: list[AccountEvent] = []
        if self._terms.interest and account.book.cash < ZERO:
            owed = -account.book.cash
            events += [
                InterestCharged(
                    at, account.book.currency, owed, rate, days, charge(owed, rate, days)
                )
                for rate, days in self._terms.interest.stretches(first, last)
                if rate
            ]
        if self._terms.borrow:
            for name in sorted(account.book.short):
                events += self._fees(name, first, last)
        return events

    def _fees(self, name: str, first: int, last: int) -> Iterator[BorrowFeeCharged]:
        instrument, price = self._account.instruments[name], self._account.price(name)
        if (
            price is None
        ):  # owed since a spin-off, and not traded yet: there is no value to charge on
            return
        quantity = -self._account.book.quantity(name)
        value = quantity * price * instrument.multiplier
        for rate, days in self._terms.borrow.stretches(first, last, name):
            if rate:
                amount = charge(value, rate, days)
                yield BorrowFeeCharged(
                    name,
                    last * DAY,
                    quantity,
                    value,
                    rate,
                    days,
                    amount,
                    self._account.book.currency,
                )

    # ---- margin ------------------------------------------------------------------------------

    def margin_events(self) -> Iterator[MarginEvent]:
        """Yield what the margin asks for now; each must be carried out before the next is asked.

        What stands is asked for again when something held has a new price, or the book has changed.
        """
        account = self._account
        seen = max((account.price_at(name) or -1 for name in account.book.held), default=-1)
        asked = account.book.changes, seen if account.rates is None else self._tape.now
        if asked == self._asked:
            return
        self._asked = asked
        found = self._breach()
        if found is None:
            return
        yield MarginCalled(self._tape.now, *found)
        again = self._breach()
        if again is not None:
            yield LiquidationForced(self._tape.now, *again)

    def _watches(self) -> bool:
        """Whether the margin can be short: loans, and nothing being closed already."""
        account = self._account
        if not self._terms.margin.enforced or not account.book.borrows or not account.book.held:
            return False
        return not any(working.order.strategy == VENUE for working in account.orders.all_open())

    def _breach(self) -> tuple[Decimal, Decimal] | None:
        """Return equity and what is required where the one is below the other, exactly."""
        if not self._watches():
            return None
        equity = self._account.equity()
        if equity is None:
            return None
        required = sum((line.required for line in lines(self._account, self._terms.margin)), ZERO)
        return (equity, required) if equity < required else None

    def _next_breach(self) -> int:
        """Return a moment before which the margin is kept, on the bars to come."""
        if not self._watches():
            return NEVER
        account, tape, look = self._account, self._tape, self._look
        if account.rates is not None:
            return tape.next_at  # a rate can change at any moment: look at every bar
        if look.changes != account.book.changes:  # which may happen at the next bar again: wait
            self._look = _Look(account.book.changes, tape.next_at, _FIRST_LOOK)
        elif look.until <= tape.now:
            cash = float(account.book.cash)
            until, short = _kept_until(self._weights(), cash, tape.now, look.bars)
            bars = _FIRST_LOOK if short else min(look.bars * 4, _LONGEST_LOOK)
            self._look = _Look(look.changes, until, bars)
        return self._look.until

    def _weights(self) -> list[tuple[Times, Column, float, float]]:
        """Return times and closes of what is held, its size, and what of that a close requires."""
        account, tape, margin = self._account, self._tape, self._terms.margin
        weights = []
        for name in account.book.held:
            multiplier = float(account.instruments[name].multiplier)
            size = float(account.book.quantity(name)) * multiplier
            share = float(margin.long if size > 0 else margin.short)
            # equity - required = cash + Σ (size - |size| share) close
            weights.append(
                (tape.bars[name].closed_at, tape.bars[name].close, size, abs(size) * share)
            )
        return weights


class Line(NamedTuple):
    """One position as the margin sees it; `unit` is what one unit of it requires."""

    instrument: str
    quantity: Decimal
    required: Decimal
    unit: Decimal


def lines(account: Account, margin: Margin) -> list[Line]:
    """Return every position with what it requires at its last price, the largest first."""
    found = []
    for name in account.book.held:
        quantity, price = account.book.quantity(name), account.price(name)
        assert price is not None, name  # what was traded had a bar to be traded on
        share = margin.long if quantity > 0 else margin.short
        unit = price * account.instruments[name].multiplier * share
        found.append(Line(name, quantity, abs(quantity) * unit, unit))
    return sorted(found, key=lambda line: (-line.required, line.instrument))


def closings(account: Account, margin: Margin, event: LiquidationForced, reason: str) -> list[Ask]:
    """Return what to trade so that the margin is kept at the last prices.

    The position that requires most is closed first, and of the last one only what is needed.
    Without any equity everything goes.
    """
    missing = event.required - event.equity
    found = []
    for line in lines(account, margin):
        if event.equity > 0 and missing <= 0:
            break
        quantity = abs(line.quantity)
        if event.equity > 0 and line.unit > 0:
            lot = account.instruments[line.instrument].lot
            quantity = min(quantity, round_up(EXACT.divide(missing, line.unit), lot))
        missing -= quantity * line.unit
        side = Side.SELL if line.quantity > 0 else Side.BUY
        found.append(Ask(line.instrument, side, quantity, OrderType.MARKET, reason=reason))
    return found


def _kept_until(
    weights: list[tuple[Times, Column, float, float]], cash: float, now: int, bars: int
) -> tuple[int, bool]:
    """Look through `bars` closes of each instrument after `now`. Early, never late.

    Returns the first at which equity might be below the margin, and True; or the last until which
    all are seen, and False. That is `NEVER` when no bars are left.
    """
    ahead = [
        times[first : first + bars]
        for times, *_ in weights
        if (first := int(np.searchsorted(times, now, side="right"))) < len(times)
    ]
    if not ahead:
        return NEVER, False
    horizon = min(int(times[-1]) for times in ahead)
    moments = np.unique(np.concatenate([times[times <= horizon] for times in ahead]))
    spare, gross = np.full(len(moments), cash), np.full(len(moments), abs(cash))
    for times, close, held, required in weights:
        last = np.maximum(np.searchsorted(times, moments, side="right") - 1, 0)
        spare += (held - required) * close[last]
        gross += abs(held) * close[last]
    short = spare < 1e-9 * gross  # a hair early: the exact figures decide at the bar itself
    first = int(short.argmax())
    return (int(moments[first]), True) if short[first] else (horizon, False)
