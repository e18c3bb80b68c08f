"""What a unit of another currency is worth in the account's own, from which moment on.

A run's rates stand in its first record, so that whoever reads the journal has them. As text, a
currency's rates are `1.0853` (always), or steps `MOMENT:RATE` in UTC nanoseconds, oldest first.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING

from evenkeel.domain.errors import UsageError
from evenkeel.domain.money import exact, text

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTING = "fx:"
"""How the rates of a currency are named in `RunStarted.settings`: `fx:EUR`."""

FX_COSTS = "fx-costs"
"""How the tariff for changing money is named in `RunStarted.settings`."""

ALWAYS = -(2**63)


class FxRates:
    """The rates of every currency beside the account's own. Before its first one a rate is unknown."""

    __slots__ = ("_steps",)

    def __init__(self, steps: Mapping[str, list[tuple[int, Decimal]]]) -> None:
        """Take, by currency, (from which moment, base currency for one unit), oldest first."""
        self._steps = {
            currency: ([at for at, _ in of_it], [rate for _, rate in of_it])
            for currency, of_it in steps.items()
        }

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> FxRates:
        """Read rates by currency. Raises `UsageError` naming the currency and what is wrong."""
        return cls({currency: _read(currency, written) for currency, written in texts.items()})

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> FxRates | None:
        """Return the rates that a run's first record names; None when it names none."""
        texts = {
            key.removeprefix(SETTING): value
            for key, value in settings.items()
            if key.startswith(SETTING)
        }
        return cls.from_texts(texts) if texts else None

    def __contains__(self, currency: str) -> bool:
        """Whether there are rates of a currency."""
        return currency in self._steps

    def at(self, currency: str, moment: int) -> Decimal | None:
        """Return the rate at a moment, None before the first one and for an unknown currency."""
        times, rates = self._steps.get(currency, ((), ()))
        place = bisect_right(times, moment) - 1
        return rates[place] if place >= 0 else None

    def steps(self, currency: str) -> tuple[list[int], list[Decimal]]:
        """Return all moments and rates of a currency."""
        return self._steps[currency]


def written(times: list[int], rates: list[Decimal]) -> str:
    """Return a series as text; steps that change nothing are left out."""
    steps, last = [], None
    for at, rate in zip(times, rates, strict=True):
        if rate != last:
            steps.append(f"{at}:{text(rate)}")
            last = rate
    return ",".join(steps)


def _read(currency: str, written_down: str) -> list[tuple[int, Decimal]]:
    steps: list[tuple[int, Decimal]] = []
    for part in written_down.split(","):
        at, colon, rate = part.strip().rpartition(":")
        try:
            step = (int(at) if colon else ALWAYS, exact(rate))
        except (ValueError, DecimalException) as error:
            raise UsageError(
                f"fx {currency}: {part.strip()!r} is not a rate; write a number such as 1.0853"
            ) from error
        if not step[1].is_finite() or step[1] <= 0:
            raise UsageError(f"fx {currency}: a rate must be above 0, was {rate}")
        if steps and step[0] <= steps[-1][0]:
            raise UsageError(f"fx {currency}: the moments of rates must come one after the other")
        steps.append(step)
    return steps
