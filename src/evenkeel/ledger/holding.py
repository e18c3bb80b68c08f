"""What is held of one instrument, beside the accounts that its events are posted to."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from evenkeel.domain.money import EXACT, ONE, ZERO
from evenkeel.ledger.lots import Lots

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenkeel.domain.instrument import Instrument


class Account:
    """One account in one currency, and the sum of everything that was posted to it."""

    __slots__ = ("balance", "currency", "name")

    def __init__(self, name: str, currency: str) -> None:
        """Open it empty."""
        self.name = name
        self.currency = currency
        self.balance = ZERO


Leg: TypeAlias = tuple[Account, Decimal]


class Holding:
    """An instrument's lots, beside the accounts that its fills are posted to."""

    __slots__ = ("cash", "commission", "instrument", "lots", "multiplier", "position", "realized")

    def __init__(self, instrument: Instrument, account: Callable[[str, str], Account]) -> None:
        currency = instrument.currency
        self.instrument = instrument
        self.multiplier = None if instrument.multiplier == ONE else instrument.multiplier
        self.lots = Lots()
        self.cash = account("cash", currency)
        self.commission = account("commission", currency)
        self.position = account(f"position:{instrument.id}", currency)
        self.realized = account(f"realized:{instrument.id}", currency)

    @property
    def units(self) -> float:
        """The signed quantity times the multiplier, near enough."""
        units = float(self.lots.quantity)
        return units if self.multiplier is None else units * float(self.multiplier)

    def value(self, price: Decimal) -> Decimal:
        """Return what the quantity held is worth at `price`."""
        value = EXACT.multiply(self.lots.quantity, price)
        return value if self.multiplier is None else EXACT.multiply(value, self.multiplier)
