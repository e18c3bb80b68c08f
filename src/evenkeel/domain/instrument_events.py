"""What happens to an instrument, and what follows for who holds it.

A bar that closed at an event's `at` or before knows nothing of it, every later one does.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias, get_args

from msgspec import Struct

from evenkeel.domain.money import ONE, ZERO


class Split(Struct, frozen=True, gc=False):
    """After `at`, `old` shares are `new` shares (2:1 is new=2, old=1).

    A bar that closed at `at` or before traded the old shares, every later one the new.
    """

    instrument: str
    at: int
    new: Decimal
    old: Decimal = Decimal(1)


class CashDividend(Struct, frozen=True, gc=False):
    """Whoever holds at the close before `at` (the ex-date) gets `amount` a share; shorts pay."""

    instrument: str
    at: int
    amount: Decimal
    currency: str = "USD"


class StockDividend(Struct, frozen=True, gc=False):
    """Whoever holds a share at the close before `at` (the ex-date) gets `shares` more of it.

    For positions, orders and prices it is a split of `1 + shares` for 1 (5 % is 1.05 for 1):
    quantities grow, prices shrink, what was paid stays what it was.
    """

    instrument: str
    at: int
    shares: Decimal

    @property
    def new(self) -> Decimal:
        """How many shares one becomes, as in `Split`."""
        return self.shares + ONE

    @property
    def old(self) -> Decimal:
        """One share, as in `Split`."""
        return ONE


class CashInLieu(Struct, frozen=True, gc=False):
    """The company pays `amount` for the fraction `quantity` of a share that it does not issue.

    Both are signed as the position is: who is short owes the fraction and pays for it.
    """

    instrument: str
    at: int
    quantity: Decimal
    amount: Decimal
    currency: str = "USD"


class Delisted(Struct, frozen=True, gc=False):
    """After `at` the instrument trades no more, and what is held is paid out at `price` a share.

    Working orders in it are canceled, new ones refused. The position, long or short, ends at
    `price`: 0 when it became worthless; None as it comes in, where nobody has said what was paid:
    then the last close, which the record names.
    """

    instrument: str
    at: int
    price: Decimal | None = None


class SymbolChanged(Struct, frozen=True, gc=False):
    """After `at` the instrument trades under another name, with the id `to`.

    Position and cost move over, and so do working orders, prices and all: the company is the
    same. Where `to` has no bars in the run, orders are canceled, for nothing could fill them.
    """

    instrument: str
    at: int
    to: str


class Merged(Struct, frozen=True, gc=False):
    """After `at` a share is `shares` of the instrument `into`, and `cash`; shorts owe both.

    What the position cost goes with the shares, or is what the cash is measured against:
    `cost_share` says how much of it belongs to the cash (all of it when there are no shares).
    Working orders in the instrument are canceled, new ones refused.
    """

    instrument: str
    at: int
    into: str | None = None
    shares: Decimal = ZERO
    cash: Decimal = ZERO
    cost_share: Decimal = ZERO
    currency: str = "USD"


class SpunOff(Struct, frozen=True, gc=False):
    """Whoever holds a share at the close before `at` gets `shares` of `child`; shorts owe them.

    The part `cost_share` of what the position cost goes with them. Working orders in the
    instrument are canceled: its price falls by an amount that nobody knows beforehand, and a
    stop that stood below it would sell for no reason.
    """

    instrument: str
    at: int
    child: str
    shares: Decimal
    cost_share: Decimal = ZERO


class TradingHalted(Struct, frozen=True, gc=False):
    """The market stops trading in one instrument (FIX 326, SecurityTradingStatus: 2).

    Bars that close after `at` fill and trigger nothing until `TradingResumed`. Orders rest; those
    that would trade at once, at an opening or at a close have missed it, and end.
    """

    instrument: str
    at: int
    reason: str = ""


class TradingResumed(Struct, frozen=True, gc=False):
    """The market trades the instrument again: bars that close after `at` count (FIX 326: 3)."""

    instrument: str
    at: int


InstrumentEvent: TypeAlias = (
    Split
    | StockDividend
    | CashDividend
    | CashInLieu
    | Delisted
    | SymbolChanged
    | Merged
    | SpunOff
    | TradingHalted
    | TradingResumed
)

INSTRUMENT_EVENTS = get_args(InstrumentEvent)
"""The same, as `isinstance` takes them."""
