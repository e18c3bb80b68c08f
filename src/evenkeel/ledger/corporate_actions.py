"""What becomes of a position when its company is renamed, bought, broken up or struck off.

Each function changes the lots and returns the legs; the book enters them. Nothing is lost on the
way: what a position cost either stays, goes with the new shares, or is measured against money.
A short is a long with its signs turned: it owes what a long gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.errors import OutsideError
from evenkeel.domain.money import ONE, ZERO
from evenkeel.ledger.lots import LOSSLESS

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.domain.instrument_events import (
        CashInLieu,
        Delisted,
        Merged,
        SpunOff,
        SymbolChanged,
    )
    from evenkeel.ledger.holding import Holding, Leg

_add, _subtract, _multiply = LOSSLESS.add, LOSSLESS.subtract, LOSSLESS.multiply


def pay_out(event: Delisted, holding: Holding, _: Holding | None) -> tuple[Leg, ...]:
    """End the position at the price that was paid, without commission."""
    if event.price is None or not event.price.is_finite() or event.price < ZERO:
        raise OutsideError(f"{event}: its price must be a number, at least 0")
    proceeds = _multiply(
        _multiply(holding.lots.quantity, event.price), holding.instrument.multiplier
    )
    return _realize(holding, proceeds, holding.lots.clear())


def pay_fraction(event: CashInLieu, holding: Holding, _: Holding | None) -> tuple[Leg, ...]:
    """Close a fraction of a share, oldest first, for the money that was paid for it."""
    if not event.amount.is_finite() or not _lies_within(event.quantity, holding.lots.quantity):
        raise OutsideError(f"{event}: its fraction must be part of {holding.lots.quantity}")
    return _realize(holding, event.amount, holding.lots.take(event.quantity))


def rename(event: SymbolChanged, holding: Holding, to: Holding | None) -> tuple[Leg, ...]:
    """Move lots and cost to the new name."""
    assert to is not None, event
    return _move(event, holding, to, ONE, ONE)


def merge(event: Merged, holding: Holding, into: Holding | None) -> tuple[Leg, ...]:
    """Give shares of another company, money, or both, for every share held."""
    if event.shares and into is None:
        raise OutsideError(f"{event}: it gives shares, and does not say of what")
    if event.shares < ZERO or not ZERO <= event.cost_share <= ONE:
        raise OutsideError(f"{event}: its shares and its part of the cost must not be below 0")
    paid = _multiply(_multiply(holding.lots.quantity, event.cash), holding.instrument.multiplier)
    if not event.shares:
        return _realize(holding, paid, holding.lots.clear())
    assert into is not None
    measured = holding.lots.take_cost(event.cost_share)
    legs = _realize(holding, paid, measured) if paid or measured else ()
    return legs + _move(event, holding, into, event.shares, ONE)


def spin_off(event: SpunOff, holding: Holding, child: Holding | None) -> tuple[Leg, ...]:
    """Give shares of a new company, and let its part of the cost go with them."""
    assert child is not None, event
    if not (event.shares > ZERO and ZERO <= event.cost_share <= ONE):
        raise OutsideError(f"{event}: its shares must be positive, its part of the cost 0 to 1")
    return _move(event, holding, child, event.shares, event.cost_share, keep=True)


def _move(
    event: SymbolChanged | Merged | SpunOff,
    holding: Holding,
    to: Holding,
    shares: Decimal,
    cost_share: Decimal,
    *,
    keep: bool = False,
) -> tuple[Leg, ...]:
    """Put `shares` for each share into another instrument's lots, with a part of the cost.

    A short of the other one is closed by them, as whoever holds both for the merger means it.
    """
    if to.cash.currency != holding.cash.currency:
        raise OutsideError(
            f"{event}: {holding.instrument.id} and {to.instrument.id} are in different currencies"
        )
    gone, come, made = ZERO, ZERO, ZERO
    for lot in holding.lots.part(shares, cost_share, keep=keep):
        change, profit = to.lots.receive(lot)
        gone, come, made = _add(gone, lot.cost), _add(come, change), _add(made, profit)
    legs = (
        (holding.position, gone.copy_negate()),
        (to.position, come),
        (to.realized, made.copy_negate()),
    )
    return tuple((account, amount) for account, amount in legs if amount)


def _realize(holding: Holding, proceeds: Decimal, cost: Decimal) -> tuple[Leg, ...]:
    """Take money in for a cost that goes away; the difference is profit."""
    profit = _subtract(proceeds, cost)
    legs = (
        (holding.cash, proceeds),
        (holding.position, cost.copy_negate()),
        (holding.realized, profit.copy_negate()),
    )
    return tuple((account, amount) for account, amount in legs if amount)


def _lies_within(part: Decimal, whole: Decimal) -> bool:
    """Whether a part has the sign of the whole and is not more of it."""
    return bool(part) and (part > ZERO) is (whole > ZERO) and abs(part) <= abs(whole)
