"""What can be traded, and the grid of prices and quantities on which it can be traded."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from evenkeel.domain.errors import UsageError, did_you_mean
from evenkeel.domain.money import ONE, ZERO, exact, is_currency, text

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_MARKET = "XXXX"
"""ISO 10383's code for "no market": the MIC of an instrument that came from a bare file."""


class Instrument(Struct, frozen=True, gc=False):
    """One tradable thing, named `SYMBOL.MIC` (MIC as in ISO 10383: `AAPL.XNAS`).

    `tick` is the smallest step of a price, None when not declared: then prices are taken as they
    are. `lot` is the smallest step of a quantity. `multiplier` is the money that one unit of
    quantity is worth per unit of price (1 for a share, 10 for a EURO STOXX 50 future).
    `currency` is ISO 4217. What is in `quarantine` is not tradable either: it says what is wrong
    with the instrument's data.
    """

    id: str
    currency: str = "USD"
    tick: Decimal | None = None
    lot: Decimal = ONE
    multiplier: Decimal = ONE
    tradable: bool = True
    quarantine: str = ""

    def quarantined(self, why: str) -> Instrument:
        """Return the same instrument, which must not be traded as long as its data is in doubt."""
        return replace(self, tradable=False, quarantine=why)

    @property
    def symbol(self) -> str:
        """The part before the last dot."""
        return self.id.rpartition(".")[0]

    @property
    def mic(self) -> str:
        """The part after the last dot: ISO 10383, `XXXX` for no market."""
        return self.id.rpartition(".")[2]


def facts_of(instrument: Instrument) -> dict[str, str]:
    """Return what `RunStarted.instruments` says about an instrument."""
    facts = {
        "currency": instrument.currency,
        "lot": text(instrument.lot),
        "multiplier": text(instrument.multiplier),
    }
    if instrument.tick is not None:
        facts["tick"] = text(instrument.tick)
    if instrument.quarantine:
        facts["quarantine"] = instrument.quarantine
    return facts


def instrument_of(name: str, facts: Mapping[str, str]) -> Instrument:
    """Return the instrument that `RunStarted.instruments` describes; the reverse of `facts_of`."""
    tick = facts.get("tick")
    found = Instrument(
        name,
        currency=facts["currency"],
        tick=None if tick is None else Decimal(tick),
        lot=Decimal(facts.get("lot", "1")),
        multiplier=Decimal(facts.get("multiplier", "1")),
    )
    why = facts.get("quarantine", "")
    return found.quarantined(why) if why else found


TERMS = ("currency", "tick", "lot", "multiplier")
"""What can be said of an instrument behind its id."""


def instrument_named(given: str, currency: str = "USD") -> Instrument:
    """Return the instrument that a text names: an id, and terms that differ from a share's.

        VOD.XLON:currency=GBP     ESZ4.XCME:multiplier=50:tick=0.25

    `currency` is what it trades in unless the text says so. Raises `UsageError` for what is no id,
    and for a term that is not known, is given twice, or has a value that it cannot have.
    """
    name, facts = given, dict[str, Any](currency=currency)
    said: list[str] = []
    while (colon := name.rfind(":")) >= 0 and "=" in name[colon:]:  # a symbol may have colons
        term, _, value = (word.strip() for word in name[colon + 1 :].partition("="))
        if term not in TERMS:
            raise UsageError(
                f"instrument {given!r}: {term!r} is not one of {', '.join(TERMS)}"
                f"{did_you_mean(term, TERMS)}"
            )
        if term in said:
            raise UsageError(f"instrument {given!r}: {term} is given twice; give it once")
        facts[term] = _currency(value, given) if term == "currency" else _step(value, term, given)
        said.append(term)
        name = name[:colon]
    return Instrument(instrument_id(name), **facts)


def _currency(value: str, given: str) -> str:
    if not is_currency(value):
        raise UsageError(
            f"instrument {given!r}: a currency is three capitals of ISO 4217 such as GBP, "
            f"was {value!r}"
        )
    return value


def _step(value: str, term: str, given: str) -> Decimal:
    try:
        step = exact(value)
    except DecimalException:
        step = ZERO
    if not (step.is_finite() and step > ZERO):
        raise UsageError(f"instrument {given!r}: {term} must be a number above 0, was {value!r}")
    return step


def instrument_id(given: str) -> str:
    """Check and return an instrument id; a bare symbol gets the MIC `XXXX` (no market).

    Raises `UsageError` when it is empty, has spaces, or the MIC is not four letters or digits.
    """
    symbol, dot, mic = given.strip().rpartition(".")
    if not dot:
        symbol, mic = mic, NO_MARKET
    if not symbol or any(c.isspace() for c in symbol + mic):
        raise UsageError(f"instrument {given!r} is not of the form SYMBOL.MIC, such as AAPL.XNAS")
    if len(mic) != 4 or not mic.isalnum() or mic != mic.upper():
        raise UsageError(
            f"instrument {given!r}: {mic!r} is not a market code of ISO 10383 "
            f"(four capitals, such as XNAS); without one write {given}.{NO_MARKET}"
        )
    return f"{symbol}.{mic}"
