"""The book: every event becomes legs that sum to zero, and every figure is a sum of legs.

    cash             what the account holds, in each currency (negative: owed)
    position:<id>    what is held cost, without commission (short: negative)
    realized:<id>    profit of what was closed, before commission
    commission       what venues were paid, for trades and for changing money
    fees             what authorities, exchanges and clearing houses took of fills
    interest         what was paid on money owed
    borrow:<id>      what was paid for shares that were sold short
    conversion       the other side of money changed from one currency into another
    dividend:<id>    cash dividends (a short pays them)
    opening          where the first cash came from

A leg adds its amount to its account. What the owner gains comes *from* an income account
(`realized`, `dividend`, `opening`), so those balances are negative when things go well; the
properties of `Book` have the sign that a person expects.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal, Inexact, InvalidOperation, localcontext
from operator import mul
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from msgspec import Struct

from evenkeel.domain.errors import OutsideError, UsageError, did_you_mean
from evenkeel.domain.events import (
    AccountEvent,
    BorrowFeeCharged,
    CorporateAction,
    CurrencyConverted,
    InterestCharged,
)
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
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.money import EXACT, INFINITY, ZERO, text
from evenkeel.domain.order import Side
from evenkeel.ledger import corporate_actions
from evenkeel.ledger.holding import Account, Holding, Leg
from evenkeel.ledger.lots import LOSSLESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evenkeel.domain.instrument import Instrument

_NOT_EXACT = (
    "cannot be booked exactly: an amount is not a number, or of more than "
    f"{LOSSLESS.prec} digits; correct it at the source"
)

_add, _subtract, _multiply = LOSSLESS.add, LOSSLESS.subtract, LOSSLESS.multiply
_BUY = Side.BUY


class Posting(Struct, frozen=True):
    """One leg of a transaction: `amount` of `currency` is added to `account`."""

    account: str
    currency: str
    amount: Decimal


class Position(Struct, frozen=True):
    """What is held of one instrument; money is in the instrument's currency.

    `quantity` and `cost` are signed (short: both negative). `cost` is without commission, and
    `realized` is the profit of what was closed, before commission.
    """

    instrument: Instrument
    quantity: Decimal
    cost: Decimal
    realized: Decimal

    @property
    def average_price(self) -> Decimal | None:
        """What one unit cost, None when nothing is held. For reading: a division may round."""
        if not self.quantity:
            return None
        return EXACT.divide(self.cost, EXACT.multiply(self.quantity, self.instrument.multiplier))


_Action = TypeVar("_Action", CashInLieu, Delisted, Merged, SpunOff, SymbolChanged)

Booked: TypeAlias = Fill | CorporateAction | AccountEvent
"""Whatever moves money or positions."""


class Book:
    """The account as the events posted to it leave it, and the only holder of that state.

    It asks no decimal context of its caller: its arithmetic names the context that it runs in.
    An amount that this context cannot hold exactly raises `OutsideError`; after any error the
    book is part-way through an event and must not be used.
    """

    def __init__(self, cash: Decimal, currency: str, instruments: Mapping[str, Instrument]) -> None:
        """Open with `cash` of the base currency `currency` and nothing held."""
        self.currency = currency
        self._accounts: dict[tuple[str, str], Account] = {}
        self._cash = self._account("cash", currency)
        self._foreign_cash: list[Account] = []
        self._enter(((self._cash, cash), (self._account("opening", currency), cash.copy_negate())))
        self._holdings = {
            name: Holding(instrument, self._account) for name, instrument in instruments.items()
        }
        self._held: dict[str, Holding] = {}  # those of which the quantity is not zero
        self._short: dict[str, Holding] = {}
        self.changes = 0
        """How many events it has taken."""
        self.moved: set[str] = set()
        """Of what the quantity has changed; whoever looks at it clears it."""
        self._fill_ids: set[str] = set()
        self._unread_ids: list[Iterable[str]] = []  # more of them, for when somebody asks

    # ---- what happens ------------------------------------------------------------------------

    def post(self, event: Booked) -> tuple[Posting, ...]:
        """Book an event and return its legs; none for a split, and for a fill that it knows."""
        return tuple(
            Posting(account.name, account.currency, amount) for account, amount in self.take(event)
        )

    def take(self, event: Booked) -> Sequence[Leg]:
        """Book an event as `post` does, for the engine: the legs refer to the accounts."""
        self.changes += 1
        try:
            match event:
                case Fill():
                    return self._fill(event)
                case Split() | StockDividend():
                    return self._split(event)
                case CashDividend():
                    return self._dividend(event)
                case CashInLieu():
                    return self._act(event, corporate_actions.pay_fraction)
                case Delisted():
                    return self._act(event, corporate_actions.pay_out)
                case SymbolChanged():
                    if event.to not in self._holdings:
                        return ()  # nothing is known of the new name: the old one keeps it
                    return self._act(event, corporate_actions.rename, event.to)
                case Merged():
                    return self._act(event, corporate_actions.merge, event.into)
                case SpunOff():
                    return self._act(event, corporate_actions.spin_off, event.child)
                case TradingHalted() | TradingResumed():
                    return ()  # it moves nothing
                case InterestCharged():
                    return self._charge("interest", event.amount, event.currency, event)
                case BorrowFeeCharged():
                    account = f"borrow:{self._holding(event.instrument).instrument.id}"
                    return self._charge(account, event.amount, event.currency, event)
                case CurrencyConverted():
                    return self._conversion(event)
        except (Inexact, InvalidOperation) as error:
            raise OutsideError(f"{event} {_NOT_EXACT}") from error

    def _fill(self, fill: Fill) -> Sequence[Leg]:
        for ids in self._unread_ids:
            self._fill_ids.update(ids)
        self._unread_ids.clear()
        if fill.id in self._fill_ids:
            return ()
        self._fill_ids.add(fill.id)
        quantity, unit, fee, fees = fill.quantity, fill.price, fill.commission, fill.fees
        if not (quantity > ZERO and unit.is_finite() and fee.is_finite() and fees.is_finite()):
            raise OutsideError(f"{fill}: its quantity must be positive, its amounts must be finite")
        name = fill.instrument
        holding = self._holdings.get(name) or self._holding(name)
        if fill.side is not _BUY:
            quantity = quantity.copy_negate()
        if holding.multiplier is not None:
            unit = _multiply(unit, holding.multiplier)
        paid = _multiply(quantity, unit)
        cost, profit = holding.lots.trade(quantity, unit)
        # The three were found apart from each other: this is what double entry is for.
        assert _add(paid, profit) == cost, (fill, paid, profit, cost)
        legs = [(holding.cash, paid.copy_negate()), (holding.position, cost)]
        if profit:
            legs.append((holding.realized, profit.copy_negate()))
        if fee or fees:
            legs += self._charges(fill, holding)
        self.moved.add(name)
        held = holding.lots.quantity
        if not held:
            self._held.pop(name, None)
            self._short.pop(name, None)
        else:
            self._held[name] = holding
            if held < ZERO:
                self._short[name] = holding
            elif self._short:
                self._short.pop(name, None)
        return self._enter(legs)

    def trade(
        self,
        name: str,
        ids: Iterable[str],
        quantities: Sequence[Decimal],
        prices: Sequence[Decimal],
        commissions: Sequence[Decimal],
        fees: Sequence[Decimal],
    ) -> None:
        """Book fills of one instrument in its own currency, as `take` does one after the other.

        None of them may have been booked before. Quantities are signed; `ids` are read when another
        fill is reported.
        """
        holding = self._holding(name)
        self.changes += len(prices)
        self._unread_ids.append(ids)
        try:
            with localcontext(LOSSLESS):
                self._trade(holding, quantities, prices, sum(commissions, ZERO), sum(fees, ZERO))
        except (Inexact, InvalidOperation) as error:
            raise OutsideError(f"{len(prices)} fills of {name} {_NOT_EXACT}") from error
        if not holding.cash.balance.is_finite():
            raise OutsideError(f"{len(prices)} fills of {name}: their amounts must be finite")
        self._remember(holding)

    def _trade(
        self,
        holding: Holding,
        quantities: Sequence[Decimal],
        prices: Sequence[Decimal],
        commission: Decimal,
        fees: Decimal,
    ) -> None:
        if holding.multiplier is not None:
            prices = [price * holding.multiplier for price in prices]
        before, paid = holding.position.balance, sum(map(mul, quantities, prices), ZERO)
        cost = holding.lots.trade_all(quantities, prices, before) - before
        legs = [
            (holding.cash, -(paid + commission + fees)),
            (holding.position, cost),
            (holding.realized, paid - cost),
            (holding.commission, commission),
        ]
        if fees:
            legs.append((self._account("fees", holding.cash.currency), fees))
        self._enter(legs)

    def _charges(self, fill: Fill, holding: Holding) -> list[Leg]:
        """Return the legs of commission and fees. They are not part of what a position costs."""
        cash, commission = holding.cash, holding.commission
        if fill.currency != cash.currency:
            cash = self._account("cash", fill.currency)
            commission = self._account("commission", fill.currency)
        legs: list[Leg] = []
        if fill.commission:
            legs += ((cash, fill.commission.copy_negate()), (commission, fill.commission))
        if fill.fees:
            fees = self._account("fees", fill.currency)
            legs += ((cash, fill.fees.copy_negate()), (fees, fill.fees))
        return legs

    def _split(self, split: Split | StockDividend) -> Sequence[Leg]:
        """Change quantities, not costs.

        A fraction of a lot that comes out of it is kept, not paid out: what a company pays for it
        is an event of its own (`CashInLieu`), which no price here can stand for.
        """
        holding = self._holding(split.instrument)
        if not (split.new > ZERO and split.old > ZERO):
            raise OutsideError(f"{split}: both numbers of a split must be positive")
        holding.lots.split(split.new, split.old)
        self.moved.add(split.instrument)
        return ()

    def _dividend(self, dividend: CashDividend) -> Sequence[Leg]:
        """Pay who is long, charge who is short, on the quantity held when this is posted."""
        quantity = self._holding(dividend.instrument).lots.quantity
        amount = _multiply(quantity, dividend.amount)
        if not amount.is_finite():
            raise OutsideError(f"{dividend}: its amount must be finite")
        if not amount:
            return ()
        cash = self._account("cash", dividend.currency)
        income = self._account(f"dividend:{dividend.instrument}", dividend.currency)
        return self._enter(((cash, amount), (income, amount.copy_negate())))

    def _act(
        self,
        event: _Action,
        act: Callable[[_Action, Holding, Holding | None], tuple[Leg, ...]],
        other: str | None = None,
    ) -> Sequence[Leg]:
        """Let a corporate action happen to what is held, and to the other instrument it names."""
        holding = self._holding(event.instrument)
        into: Holding | None = None if other is None else self._holding(other)
        if not holding.lots.quantity:
            return ()
        legs = self._enter(act(event, holding, into))
        for each in (holding, *(() if into is None else (into,))):
            self._remember(each)
        return legs

    def _remember(self, holding: Holding) -> None:
        """Note whether something is held, and whether short."""
        name, quantity = holding.instrument.id, holding.lots.quantity
        self.moved.add(name)
        for found, notes in ((bool(quantity), self._held), (quantity < ZERO, self._short)):
            if found:
                notes[name] = holding
            else:
                notes.pop(name, None)

    def _charge(
        self, account: str, amount: Decimal, currency: str, event: AccountEvent
    ) -> Sequence[Leg]:
        if not amount.is_finite():
            raise OutsideError(f"{event}: its amount must be finite")
        cash = self._account("cash", currency)
        return self._enter(
            ((cash, amount.copy_negate()), (self._account(account, currency), amount))
        )

    def _conversion(self, change: CurrencyConverted) -> Sequence[Leg]:
        """Take one currency for another; what each gained or lost stands in `conversion`."""
        cost = change.cost
        if not (change.sold > ZERO and change.bought > ZERO and ZERO <= cost < INFINITY):
            raise OutsideError(
                f"{change}: what was sold and bought must be positive, cost nothing less"
            )
        legs: list[Leg] = []
        for amount, currency in (
            (change.sold.copy_negate(), change.sold_currency),
            (change.bought, change.bought_currency),
        ):
            legs.append((self._account("cash", currency), amount))
            legs.append((self._account("conversion", currency), amount.copy_negate()))
        if cost:
            legs.append((self._account("conversion", self.currency), cost.copy_negate()))
            legs.append((self._account("commission", self.currency), cost))
        return self._enter(tuple(legs))

    def _enter(self, legs: Sequence[Leg]) -> Sequence[Leg]:
        for account, amount in legs:
            account.balance = _add(account.balance, amount)
        return legs

    # ---- what there is -----------------------------------------------------------------------

    @property
    def cash(self) -> Decimal:
        """Cash in the base currency; other currencies stand in `balances()`."""
        return self._cash.balance

    @property
    def realized(self) -> Decimal:
        """Profit of everything closed in the base currency, before commission."""
        return _subtract(ZERO, self._total("realized"))

    @property
    def commissions(self) -> Decimal:
        """Commission paid in the base currency."""
        return self._total("commission")

    @property
    def fees(self) -> Decimal:
        """Fees of fills beside their commission, in the base currency."""
        return self._total("fees")

    @property
    def financing(self) -> Decimal:
        """Interest and borrow fees paid, in the base currency."""
        return _add(self._total("interest"), self._total("borrow"))

    @property
    def dividends(self) -> Decimal:
        """Cash dividends received less those paid on shorts, in the base currency."""
        return _subtract(ZERO, self._total("dividend"))

    def quantity(self, instrument_id: str) -> Decimal:
        """Return the signed quantity held."""
        return self._holding(instrument_id).lots.quantity

    def position(self, instrument_id: str) -> Position:
        """Return what is held of an instrument, zero quantity included."""
        holding = self._holding(instrument_id)
        return Position(
            instrument=holding.instrument,
            quantity=holding.lots.quantity,
            cost=holding.position.balance,
            realized=_subtract(ZERO, holding.realized.balance),
        )

    @property
    def held(self) -> Mapping[str, Holding]:
        """By id, everything of which the quantity is not zero."""
        return self._held

    @property
    def short(self) -> Mapping[str, object]:
        """By id, everything of which the quantity is below zero."""
        return self._short

    @property
    def borrows(self) -> bool:
        """Whether the account owes money in its base currency, or shares."""
        return bool(self._short) or self._cash.balance < ZERO

    @property
    def positions(self) -> dict[str, Position]:
        """Everything of which the quantity is not zero, by instrument id."""
        return {name: self.position(name) for name in sorted(self._held)}

    def unrealized(self, instrument_id: str, price: Decimal) -> Decimal:
        """Return what closing the position at `price` would realise, before commission."""
        holding = self._holding(instrument_id)
        return EXACT.subtract(holding.value(price), holding.position.balance)

    def foreign_cash(self) -> list[tuple[str, Decimal]]:
        """Return what is held or owed in other currencies than the base."""
        return [(each.currency, each.balance) for each in self._foreign_cash if each.balance]

    def equity(
        self,
        prices_of: Callable[[Iterable[str]], Sequence[Decimal | None]],
        rate_of: Callable[[str], Decimal | None] | None = None,
    ) -> Decimal | None:
        """Return cash and positions at the prices given, in the base currency.

        None when it cannot be known: something held has no price, or is (like any cash) in a
        currency of which `rate_of` does not know the worth.
        """
        total, prices = self._cash.balance, prices_of(self._held)
        for holding, price in zip(self._held.values(), prices, strict=True):
            if price is None:
                return None
            value = holding.value(price)
            if holding.cash is not self._cash:
                rate = None if rate_of is None else rate_of(holding.cash.currency)
                if rate is None:
                    return None
                value = EXACT.multiply(value, rate)
            total = EXACT.add(total, value)
        for account in self._foreign_cash:
            if account.balance:
                rate = None if rate_of is None else rate_of(account.currency)
                if rate is None:
                    return None
                total = EXACT.add(total, EXACT.multiply(account.balance, rate))
        return total

    def balances(self) -> dict[tuple[str, str], Decimal]:
        """Return every account that is not at zero, by name and currency; each currency sums to 0."""
        return {
            key: account.balance
            for key, account in sorted(self._accounts.items())
            if account.balance
        }

    def state_hash(self) -> str:
        """Return the SHA-256 of balances and open lots: equal histories give equal hashes."""
        lines = [
            f"balance {account} {currency} {text(balance)}"
            for (account, currency), balance in self.balances().items()
        ]
        for name in sorted(self._held):
            lots = self._holdings[name].lots
            lines += [f"lot {name} {text(lot.quantity)} {text(lot.cost)}" for lot in lots]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    # ---- accounts ----------------------------------------------------------------------------

    def _account(self, name: str, currency: str) -> Account:
        account = self._accounts.get((name, currency))
        if account is None:
            account = self._accounts[name, currency] = Account(name, currency)
            if name == "cash" and currency != self.currency:
                self._foreign_cash.append(account)
        return account

    def _holding(self, instrument_id: str) -> Holding:
        holding = self._holdings.get(instrument_id)
        if holding is None:
            raise UsageError(
                f"the book was not opened for instrument {instrument_id!r}"
                f"{did_you_mean(instrument_id, self._holdings)}"
            )
        return holding

    def _total(self, kind: str) -> Decimal:
        total = ZERO
        for (name, currency), account in self._accounts.items():
            if currency == self.currency and name.partition(":")[0] == kind:
                total = _add(total, account.balance)
        return total
