"""Interactive Brokers' two tariffs for US shares, exact to the last digit that it prints.

The commission is the broker's; what authorities, exchanges and the clearing house take comes on
top and is told apart as `fees`. Outside the US the commission is charged in the instrument's own
currency and there are no US fees: it is then a stand-in, not a tariff of the broker.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from evenkeel.domain.money import EXACT, INFINITY, ZERO
from evenkeel.execution.costs import us_fees
from evenkeel.execution.costs.model import Charge, Traded
from evenkeel.execution.wording import name_of

if TYPE_CHECKING:
    from evenkeel.domain.instrument import Instrument

REMOVE = Decimal("0.0030")
"""What an exchange takes for a share that we take out of its book: the cap of SEC rule 610."""

CLEARING = Decimal("0.00020")
CLEARING_MOST = Decimal("0.005")
NYSE, FINRA = Decimal("0.000175"), Decimal("0.00056")
"""Passed through as shares of the commission."""

TIERS: tuple[tuple[Decimal, Decimal], ...] = (
    (Decimal(300_000), Decimal("0.0035")),
    (Decimal(3_000_000), Decimal("0.0020")),
    (Decimal(20_000_000), Decimal("0.0015")),
    (Decimal(100_000_000), Decimal("0.0010")),
    (INFINITY, Decimal("0.0005")),
)
"""Up to how many shares in a month, and dollars a share for those of this tier."""

_EAST = timezone(timedelta(hours=-5))  # as in us_fees: winter time all year
_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply


class Authorities:
    """What SEC, FINRA and the audit trail take from one fill, with the last rates at hand."""

    __slots__ = ("_now", "_us")

    def __init__(self) -> None:
        """Know no day yet."""
        self._now = us_fees.Rates(0, 0, ZERO, ZERO, ZERO, ZERO)
        self._us: dict[str, bool] = {}

    def take(self, traded: Traded) -> Decimal:
        """Return their fees, zero outside the US. `UsageError` for a day that is not known."""
        instrument = traded.instrument
        us = self._us.get(instrument.id)
        if us is None:
            us = self._us[instrument.id] = us_fees.in_the_us(instrument)
        if not us:
            return ZERO
        now = self._now
        if not now.since <= traded.at < now.until:
            now = self._now = us_fees.rates(traded.at)
        fees = _multiply(traded.quantity, now.cat) if now.cat else ZERO
        if traded.buy:
            return fees
        fees = _add(fees, _multiply(traded.value, now.sec))
        return _add(fees, min(_multiply(traded.quantity, now.taf), now.taf_most))


# ---- fixed -----------------------------------------------------------------------------------


class IbkrFixed(Struct, frozen=True):
    """Interactive Brokers' fixed pricing for US shares, per order, and the authorities' fees.

    `per_share` for each share, at least `minimum`, at most `share_of_value` of the trade's value;
    where that most is less than the minimum, the most wins (10 shares at 0.20 cost 0.02).
    Exchange and clearing are in the price; SEC, TAF and CAT fees are not.
    """

    per_share: Decimal = Decimal("0.005")
    minimum: Decimal = Decimal("1.00")
    share_of_value: Decimal = Decimal("0.01")
    name: ClassVar[str] = "ibkr-fixed"

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        by_shares = _multiply(quantity, self.per_share)
        most = _multiply(notional, self.share_of_value)
        return min(max(by_shares, self.minimum), most)

    def at_most(self, quantity: float, value: float) -> float:
        by_shares = max(quantity * float(self.per_share), float(self.minimum))
        commission = min(by_shares, value * float(self.share_of_value))
        return commission + us_fees.at_most(quantity, value)

    def meter(self) -> FixedMeter:
        return FixedMeter(self)

    def check(self, instrument: Instrument, first_at: int, last_at: int) -> None:
        if us_fees.in_the_us(instrument):
            us_fees.check(first_at, last_at)


class FixedMeter:
    """Fixed pricing at work: the order's commission so far, and each fill's own fees."""

    __slots__ = ("_authorities", "_tariff")

    def __init__(self, tariff: IbkrFixed) -> None:
        """Charge by a tariff."""
        self._tariff = tariff
        self._authorities = Authorities()

    def charge(self, traded: Traded) -> Charge:
        owed = self._tariff.commission(quantity=traded.order_quantity, notional=traded.order_value)
        return Charge(_subtract(owed, traded.charged), self._authorities.take(traded))


# ---- tiered ----------------------------------------------------------------------------------


class IbkrTiered(Struct, frozen=True):
    """Interactive Brokers' tiered pricing for US shares: the more in a month, the cheaper.

    `remove` and `add` are what the exchange takes a share when an order takes liquidity, and when
    it rests and is met; a rebate is negative. Exchanges differ and bars do not say which one it
    was: unless told otherwise the dearest legal fee is taken, and no rebate counted on.
    """

    remove: Decimal = REMOVE
    add: Decimal = ZERO
    minimum: ClassVar[Decimal] = Decimal("0.35")
    share_of_value: ClassVar[Decimal] = Decimal("0.01")

    @property
    def name(self) -> str:
        """`ibkr-tiered`, and what the exchange takes where that was said."""
        return name_of("ibkr-tiered", remove=(self.remove, REMOVE), add=(self.add, ZERO))

    def commission(self, *, quantity: Decimal, notional: Decimal) -> Decimal:
        """Return what the order costs in a month without other trades, without fees."""
        return self.bounded(by_tier(ZERO, quantity), notional)

    def at_most(self, quantity: float, value: float) -> float:
        by_shares = max(quantity * float(TIERS[0][1]), float(self.minimum))
        commission = min(by_shares, value * float(self.share_of_value))
        exchange = quantity * float(max(self.remove, ZERO))
        clearing = quantity * float(CLEARING)
        passed_on = exchange + clearing + commission * (float(NYSE) + float(FINRA))
        return commission + passed_on + us_fees.at_most(quantity, value)

    def bounded(self, by_shares: Decimal, notional: Decimal) -> Decimal:
        """Return an order's commission: at least the minimum, at most a share of its value."""
        return min(max(by_shares, self.minimum), _multiply(notional, self.share_of_value))

    def meter(self) -> TieredMeter:
        return TieredMeter(self)

    def check(self, instrument: Instrument, first_at: int, last_at: int) -> None:
        if us_fees.in_the_us(instrument):
            us_fees.check(first_at, last_at)


class TieredMeter:
    """Tiered pricing at work: it counts the account's shares of each month, of all instruments."""

    __slots__ = ("_authorities", "_begun", "_month", "_month_quantity", "_tariff")

    def __init__(self, tariff: IbkrTiered) -> None:
        """Charge by a tariff, from a month without trades on."""
        self._tariff = tariff
        self._authorities = Authorities()
        self._month = (0, 0)
        self._month_quantity = ZERO
        self._begun: dict[int, Decimal] = {}  # of each order that filled in parts, by its shares

    def charge(self, traded: Traded) -> Charge:
        commission = _subtract(self._owed(traded), traded.charged)
        return Charge(commission, self._passed_on(traded, commission))

    def _owed(self, traded: Traded) -> Decimal:
        """Return the whole order's commission; each share at the tier that it came to stand in."""
        month = _month(traded.at)
        if month != self._month:
            self._month, self._month_quantity = month, ZERO
        by_shares = by_tier(self._month_quantity, traded.quantity)
        self._month_quantity = _add(self._month_quantity, traded.quantity)
        if traded.order_quantity != traded.quantity:
            by_shares = _add(by_shares, self._begun[traded.order_id])
        self._begun[traded.order_id] = by_shares
        return self._tariff.bounded(by_shares, traded.order_value)

    def _passed_on(self, traded: Traded, commission: Decimal) -> Decimal:
        """Return the fill's fees: exchange, clearing house, shares of the commission, authorities."""
        fees = self._authorities.take(traded)
        if not us_fees.in_the_us(traded.instrument):
            return fees
        rate = self._tariff.add if traded.resting else self._tariff.remove
        clearing = min(_multiply(traded.quantity, CLEARING), _multiply(traded.value, CLEARING_MOST))
        of_commission = _multiply(commission, _add(NYSE, FINRA))
        for fee in (_multiply(traded.quantity, rate), clearing, of_commission):
            fees = _add(fees, fee)
        return fees


def by_tier(before: Decimal, quantity: Decimal) -> Decimal:
    """Return what `quantity` shares cost on top of the `before` that the month has seen."""
    cost, left = ZERO, quantity
    tier = bisect_right(TIERS, before, key=lambda tier: tier[0])
    while left:
        most, rate = TIERS[tier]
        part = min(left, _subtract(most, before))
        cost = _add(cost, _multiply(part, rate))
        left, before, tier = _subtract(left, part), _add(before, part), tier + 1
    return cost


def _month(at: int) -> tuple[int, int]:
    day = datetime.fromtimestamp(at // 10**9, _EAST)
    return day.year, day.month
