"""Instruments as the account's own currency sees them: their multiplier has the rate in it.

Whatever adds up money (sizing, limits, margin) multiplies price, quantity and multiplier. With the
rate inside the multiplier it comes out in the base currency, and nobody else has to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from evenkeel.domain.money import EXACT

if TYPE_CHECKING:
    from decimal import Decimal

    from evenkeel.domain.fx import FxRates
    from evenkeel.domain.instrument import Instrument
    from evenkeel.domain.tape import Tape


class InBase(dict[str, "Instrument"]):
    """Instruments by id, at the rates of the tape's moment.

    Without a rate an instrument cannot be traded: the gate refuses it.
    """

    def __init__(
        self, instruments: dict[str, Instrument], currency: str, rates: FxRates, tape: Tape
    ) -> None:
        """Look at instruments from an account in `currency`."""
        super().__init__(instruments)
        self._currency, self._rates, self._tape = currency, rates, tape
        self._seen: dict[str, tuple[Decimal | None, Instrument, Instrument]] = {}

    def __getitem__(self, name: str) -> Instrument:
        """Return an instrument with the rate of now in its multiplier."""
        own = super().__getitem__(name)
        if own.currency == self._currency:
            return own
        rate = self._rates.at(own.currency, self._tape.now)
        seen = self._seen.get(name)
        if seen is None or seen[0] != rate or seen[1] is not own:
            if rate is None:
                view = replace(own, tradable=False)
            else:
                view = replace(own, multiplier=EXACT.multiply(own.multiplier, rate))
            seen = self._seen[name] = rate, own, view
        return seen[2]

    def get(self, name: str, default: Instrument | None = None) -> Instrument | None:  # type: ignore[override]
        """Return an instrument as `[]` does, or the default."""
        return self[name] if super().__contains__(name) else default
