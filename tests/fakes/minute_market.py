"""A provider whose minutes come by as its clock goes, and which can be made to fail."""

import zlib
from collections.abc import Callable

import numpy as np
from tests.contracts.provider_world import ns
from tests.fakes.clock import FakeClock

from evenkeel.domain.instrument import Instrument
from evenkeel.market.fetched import fetched
from evenkeel.market.provider import Answer, Failure, Origin, ProviderError

MINUTE = 60_000_000_000
OPEN, CLOSE = ns("2024-01-30T14:30"), ns("2024-01-30T21:00")
"""Tuesday's session in New York."""


def close_of(name: str, began: int, factor: float = 1.0) -> float:
    """The close of the minute that began then: it goes up and down, differently for each name."""
    minute = began // MINUTE
    return round((100 + zlib.crc32(name.encode()) % 9 + (minute * 7 % 13)) * factor, 4)


class MinuteMarket:
    """`fails(instrument)` may return a failure; `knows_until` is the last close it has."""

    def __init__(self, clock: FakeClock, *, name: str = "minutes", factor: float = 1.0) -> None:
        self.name, self.clock, self.factor = name, clock, factor
        self.fails: Callable[[Instrument], Failure | None] = lambda _: None
        self.delay = 0
        self.asked: list[str] = []

    def bars(self, instrument, interval, start, end):
        self.asked.append(instrument.id)
        if (kind := self.fails(instrument)) is not None:
            raise ProviderError(self.name, kind, f"no bars of {instrument.id}")
        now = self.clock.now
        days = [ns(f"2024-01-{day}T14:30") for day in (26, 29, 30)]
        began = np.concatenate([np.arange(day, day + 390 * MINUTE, MINUTE) for day in days])
        began = began[(began <= now - self.delay) & (began >= start) & (began < end)]
        close = np.array([close_of(instrument.id, at, self.factor) for at in began.tolist()])
        opened = np.array(
            [close_of(instrument.id, at - MINUTE, self.factor) for at in began.tolist()]
        )
        columns = {
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": np.full(len(began), 1e6),
        }
        origin = Origin(source=self.name, fetched_at=now, currency="USD")
        return Answer(
            fetched(instrument, interval, began, columns, start=start, end=end, origin=origin),
            origin,
        )
