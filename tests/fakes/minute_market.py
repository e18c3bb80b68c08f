"""A provider whose minutes come by as its clock goes, whose shares split, and which can fail."""

import zlib
from collections.abc import Callable

import numpy as np
from tests.contracts.provider_world import ns
from tests.fakes.clock import FakeClock

from evenkeel.domain.events import CorporateAction, Split
from evenkeel.domain.instrument import Instrument
from evenkeel.market.fetched import fetched
from evenkeel.market.provider import Adjustment, Answer, Failure, Origin, ProviderError

MINUTE = 60_000_000_000
OPEN, CLOSE = ns("2024-01-30T14:30"), ns("2024-01-30T21:00")
"""Tuesday's session in New York."""


def close_of(name: str, began: int, factor: float = 1.0) -> float:
    """The close of the minute that began then: it goes up and down, differently for each name."""
    minute = began // MINUTE
    return round((100 + zlib.crc32(name.encode()) % 9 + (minute * 7 % 13)) * factor, 4)


class MinuteMarket:
    """`fails(instrument)` may return a failure; what it has in `listed` it tells of.

    From each `Split` of `listed` on prices are lower. With `Adjustment.SPLIT` all those before it
    are divided by it too, as soon as it has happened.
    """

    def __init__(
        self,
        clock: FakeClock,
        *,
        name: str = "minutes",
        factor: float = 1.0,
        adjustment: Adjustment = Adjustment.AS_TRADED,
    ) -> None:
        self.name, self.clock, self.factor, self.adjustment = name, clock, factor, adjustment
        self.listed: list[CorporateAction] = []
        self.asked_actions: list[tuple[int, str]] = []
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
        for split in self.listed:
            if isinstance(split, Split) and split.instrument == instrument.id and split.at <= now:
                divided = (began >= split.at) | (self.adjustment is Adjustment.SPLIT)
                for name, column in columns.items():
                    ratio = float(
                        split.old / split.new if name == "volume" else split.new / split.old
                    )
                    columns[name] = np.where(divided, column / ratio, column)
        origin = self._origin()
        return Answer(
            fetched(instrument, interval, began, columns, start=start, end=end, origin=origin),
            origin,
        )

    def actions(self, instrument, start, end):
        self.asked_actions.append((self.clock.now, instrument.id))
        if (kind := self.fails(instrument)) is not None:
            raise ProviderError(self.name, kind, f"no actions of {instrument.id}")
        told = [
            each
            for each in self.listed
            if each.instrument == instrument.id and start <= each.at < end
        ]
        return Answer(tuple(told), self._origin())

    def _origin(self):
        return Origin(
            source=self.name,
            fetched_at=self.clock.now,
            currency="USD",
            adjustment=self.adjustment,
        )
