"""The catalog as a provider: what is kept answers the same questions as the world outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.errors import DataError
from evenkeel.market.catalog import DATASET
from evenkeel.market.columns import PRICES
from evenkeel.market.fetched import fetched, missing_sessions
from evenkeel.market.history import closing_times
from evenkeel.market.provider import (
    Answer,
    Facts,
    Failure,
    Origin,
    ProviderError,
    Quote,
    interval_ns,
)

if TYPE_CHECKING:
    from evenkeel.domain.bar import AnyArray
    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.catalog import Catalog
    from evenkeel.market.provider import Fetched
    from evenkeel.market.shelf import Shelf
    from evenkeel.ops.clock import Clock


class CatalogProvider:
    """Bars of one data set. Those in quarantine are not told; prices are as traded."""

    name = "catalog"

    def __init__(self, catalog: Catalog, *, clock: Clock, dataset: str = DATASET) -> None:
        """Answer from a catalog; `clock` says what has closed."""
        self._catalog, self._clock, self._dataset = catalog, clock, dataset

    def bars(self, instrument: Instrument, interval: str, start: int, end: int) -> Answer[Fetched]:
        interval_ns(interval)
        shelf = self._catalog.shelf(interval, self._dataset)
        if not shelf.has(instrument.id):
            raise self._unknown(instrument, f" at {interval}")
        columns = shelf.columns(instrument.id, start=start, stop=end)
        now = self._clock.now_ns()
        origin = self._origin(instrument, now)
        wanted = {name: columns[name] for name in (*PRICES, "volume")}
        found = fetched(
            instrument, interval, columns["ts"], wanted, start=start, end=end, origin=origin
        )
        lacks = missing_sessions(found, start=start, end=end, now=now)
        return Answer(found, self._origin(instrument, now, lacks))

    def actions(
        self, instrument: Instrument, start: int, end: int
    ) -> Answer[tuple[CorporateAction, ...]]:
        try:
            found = self._catalog.actions([instrument])
        except DataError as error:
            raise ProviderError(self.name, Failure.UNREADABLE, str(error)) from error
        kept = tuple(each for each in found if start <= each.at < end)
        return Answer(kept, self._origin(instrument, self._clock.now_ns()))

    def facts(self, instrument: Instrument) -> Answer[Facts]:
        first = min(shelf.instruments()[instrument.id].first for shelf in self._shelves(instrument))
        facts = Facts(symbol=instrument.symbol, listed_at=first)
        return Answer(facts, self._origin(instrument, self._clock.now_ns()))

    def quote(self, instrument: Instrument) -> Answer[Quote]:
        now = self._clock.now_ns()
        told = [
            quote
            for shelf in self._shelves(instrument)
            if (quote := _last(shelf, instrument, now)) is not None
        ]
        if not told:
            said = f"no bar of {instrument.id} has closed yet"
            raise ProviderError(self.name, Failure.UNKNOWN, said)
        return Answer(max(told, key=lambda each: each.at), self._origin(instrument, now))

    def _shelves(self, instrument: Instrument) -> list[Shelf]:
        found = [
            shelf
            for dataset, shelf in self._catalog.shelves()
            if dataset == self._dataset and shelf.has(instrument.id)
        ]
        if not found:
            raise self._unknown(instrument)
        return found

    def _unknown(self, instrument: Instrument, where: str = "") -> ProviderError:
        said = f"there are no bars of {instrument.id}{where}"
        return ProviderError(self.name, Failure.UNKNOWN, said)

    def _origin(self, instrument: Instrument, now: int, lacks: str = "") -> Origin:
        return Origin(source=self.name, fetched_at=now, currency=instrument.currency, lacks=lacks)


def _last(shelf: Shelf, instrument: Instrument, now: int) -> Quote | None:
    columns: dict[str, AnyArray] = shelf.columns(instrument.id, columns=("close",))
    closed = closing_times(columns["ts"], shelf.length, instrument.mic)
    known = np.flatnonzero(closed <= now)
    if not len(known):
        return None
    return Quote(
        price=float(columns["close"][known[-1]]),
        at=int(closed[known[-1]]),
        previous_close=float(columns["close"][known[-2]]) if len(known) > 1 else None,
    )
