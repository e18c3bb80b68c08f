"""A provider that counts its requests, and whose prices anybody can reckon."""

from dataclasses import dataclass, field

import numpy as np
from tests.fakes.clock import FakeClock

from evenkeel.domain.events import CashDividend, Split
from evenkeel.market.fetched import fetched
from evenkeel.market.provider import Adjustment, Answer, Origin, ProviderError

DAY = 86_400_000_000_000


def ns(text):
    return int(np.datetime64(text, "ns").astype(np.int64))


@dataclass
class Source:
    """A provider with a price for every day: 100, and 1 more each day since 2024-01-01."""

    clock: FakeClock
    name: str = "acorn"
    adjustment: Adjustment = Adjustment.AS_TRADED
    splits: list = field(default_factory=list)
    dividends: list = field(default_factory=list)
    offset: float = 0.0
    requests: list = field(default_factory=list)
    failing: dict = field(default_factory=dict)
    stale: bool = False

    def bars(self, instrument, interval, start, end):
        self.requests.append((instrument.id, start, end))
        if instrument.id in self.failing:
            raise ProviderError(self.name, self.failing[instrument.id], "no luck")
        days = np.arange(start, min(end, self.clock.now), DAY)
        price = 100 + (days - ns("2024-01-01")) // DAY + self.offset
        volume = np.full(len(days), 1000.0)
        if self.adjustment is Adjustment.SPLIT:
            for split in self.splits:
                if split.at <= self.clock.now:
                    before = days < split.at
                    price = np.where(before, price / float(split.new), price)
                    volume = np.where(before, volume * float(split.new), volume)
        columns = {name: price.astype(float) for name in ("open", "high", "low", "close")}
        columns["volume"] = volume
        origin = self._origin()
        return Answer(
            fetched(instrument, interval, days, columns, start=start, end=end, origin=origin),
            origin,
        )

    def actions(self, instrument, start, end):
        found = [e for e in (*self.splits, *self.dividends) if start <= e.at < end]
        told = tuple(
            sorted((replace_instrument(each, instrument.id) for each in found), key=lambda e: e.at)
        )
        return Answer(told, self._origin())

    def _origin(self):
        return Origin(
            source=self.name, fetched_at=self.clock.now, currency="USD",
            adjustment=self.adjustment, stale=self.stale,
        )  # fmt: skip


def replace_instrument(action, name):
    if isinstance(action, Split):
        return Split(name, action.at, action.new, action.old)
    return CashDividend(name, action.at, action.amount, action.currency)
