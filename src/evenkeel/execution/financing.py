"""What a broker takes for what it lends: interest on money, a fee on shares, and a margin to keep.

Rates are percent a year and stand in the text that names them; a year has 360 days, as brokers
count in dollars. They can change by day, and the borrow fee by instrument:

    6                              six percent, always
    1.58,2022-05-05:2.33           2.33 % from that day (UTC) on
    0.5,GME.XNYS=30                thirty percent for one share, half a percent for all others
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.domain.errors import UsageError
from evenkeel.domain.money import EXACT, text
from evenkeel.execution.wording import Kind, build, name_of, not_negative, number

if TYPE_CHECKING:
    from collections.abc import Iterator

NONE = "none"
DAY = 86_400 * 10**9
"""Nanoseconds in a day."""

_EPOCH = date(1970, 1, 1).toordinal()
_YEAR = Decimal(360)
_FINEST = Decimal("1e-8")
_LONG, _SHORT = Decimal("0.25"), Decimal("0.30")


class YearlyRates(Struct, frozen=True):
    """Rates in percent a year, by day and by instrument; empty: nothing is charged.

    `steps` are (first day, rate) in order, days counted from 1970-01-01 in UTC.
    """

    name: str
    steps: tuple[tuple[int, Decimal], ...] = ()
    of_instrument: tuple[tuple[str, Decimal], ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is charged at all."""
        return bool(self.steps)

    def on(self, day: int, instrument: str = "") -> Decimal:
        """Return the rate of a day; that of the instrument where it has its own."""
        for name, rate in self.of_instrument:
            if name == instrument:
                return rate
        return self.steps[max(0, bisect_right(self.steps, day, key=lambda step: step[0]) - 1)][1]

    def stretches(
        self, first: int, last: int, instrument: str = ""
    ) -> Iterator[tuple[Decimal, int]]:
        """Yield (rate, how many days) from `first` up to but not including `last`."""
        rate, days = self.on(first, instrument), 0
        for day in range(first, last):
            now = self.on(day, instrument)
            if now != rate:
                yield rate, days
                rate, days = now, 0
            days += 1
        yield rate, days


def parse_rates(written: str, *, of: str) -> YearlyRates:
    """Read rates as the module says; `none` charges nothing. Raises `UsageError` for anything else."""
    if written.strip() in {NONE, "zero", ""}:
        return YearlyRates(NONE)
    steps: dict[int, Decimal] = {}
    own: dict[str, Decimal] = {}
    for part in written.split(","):
        name, equals, rate = part.rpartition("=")
        if equals:
            if (named := name.strip()) in own:
                raise UsageError(f"{of} {written!r}: {named} is given twice; give it once")
            own[named] = _percent(rate, of=of)
            continue
        day, colon, rate = part.rpartition(":")
        since = _day(day.strip(), of=of) if colon else 0
        if since in steps or (steps and since < max(steps)):
            raise UsageError(f"{of} {written!r}: its days must come one after the other, each once")
        steps[since] = _percent(rate, of=of)
    if not steps:
        raise UsageError(f"{of} {written!r} needs a rate for all others first, as in 0.5,{written}")
    return YearlyRates(_named(steps, own), tuple(steps.items()), tuple(own.items()))


def charge(amount: Decimal, rate: Decimal, days: int) -> Decimal:
    """Return what `amount` costs at a rate in percent a year for so many days, to 8 decimals."""
    yearly = EXACT.multiply(amount, EXACT.divide(rate, Decimal(100)))
    full = EXACT.divide(EXACT.multiply(yearly, Decimal(days)), _YEAR)
    return full.quantize(_FINEST, ROUND_HALF_EVEN, EXACT)


def day_of(at: int) -> int:
    """Return the UTC day of a bar that closed at `at`; midnight ends a day."""
    return (at - 1) // DAY


def _percent(written: str, *, of: str) -> Decimal:
    return not_negative(number(written, of=of, example="6 or 1.5,2022-05-05:2.33"), of=of)


def _day(written: str, *, of: str) -> int:
    try:
        return date.fromisoformat(written).toordinal() - _EPOCH
    except ValueError:
        raise UsageError(
            f"{of}: {written!r} is not a day; write it as in 2022-05-05:2.33"
        ) from None


def _named(steps: dict[int, Decimal], own: dict[str, Decimal]) -> str:
    days = ((since, text(rate)) for since, rate in steps.items())
    words = [f"{date.fromordinal(d + _EPOCH)}:{rate}" if d else rate for d, rate in days]
    return ",".join([*words, *(f"{name}={text(rate)}" for name, rate in own.items())])


# ---- margin ----------------------------------------------------------------------------------


class Margin(Struct, frozen=True):
    """How much equity an account must keep, as shares of the value of its longs and shorts.

    FINRA rule 4210: 25 % of longs and 30 % of shorts. What it takes to open a position (half its
    value, by Regulation T) is the gate's limit `buying_power_multiple = 2`.
    """

    long: Decimal = _LONG
    short: Decimal = _SHORT
    enforced: bool = True

    def __post_init__(self) -> None:
        for term in ("long", "short"):
            share = not_negative(getattr(self, term), of=f"margin {term}")
            if share >= 1:
                raise UsageError(f"margin {term} must be below 1 (0.25 is a quarter), was {share}")

    @property
    def name(self) -> str:
        """`none`, `reg-t`, or that with the shares that differ."""
        if not self.enforced:
            return NONE
        return name_of("reg-t", long=(self.long, _LONG), short=(self.short, _SHORT))


MARGINS: dict[str, Kind[Margin]] = {
    NONE: Kind(lambda: Margin(enforced=False), NONE),
    "reg-t": Kind(Margin, "reg-t:long=0.25,short=0.3", ("long", "short")),
}


def parse_margin(written: str) -> Margin:
    """Return the margin that a text names: `none` or `reg-t`. Raises `UsageError` for another."""
    return build(written, MARGINS, of="margin")


class Terms(Struct, frozen=True):
    """Everything that an account's loans are about."""

    interest: YearlyRates
    borrow: YearlyRates
    margin: Margin

    def __bool__(self) -> bool:
        """Whether loans cost anything, or have to be covered."""
        return bool(self.interest) or bool(self.borrow) or self.margin.enforced

    def as_settings(self) -> dict[str, str]:
        """Return the terms as `RunStarted.settings` keeps them."""
        return {
            "interest": self.interest.name,
            "borrow": self.borrow.name,
            "margin": self.margin.name,
        }


def parse_terms(*, interest: str, borrow: str, margin: str) -> Terms:
    """Read all three. Raises `UsageError` for what cannot be read."""
    on_money = parse_rates(interest, of="interest")
    if on_money.of_instrument:
        raise UsageError(
            f"interest {interest!r} is on money, which is of no instrument; shares are lent by "
            "borrow"
        )
    return Terms(on_money, parse_rates(borrow, of="borrow"), parse_margin(margin))
