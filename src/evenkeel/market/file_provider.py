"""Files as a provider: what lies on disk answers the same questions as the world outside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.errors import DataError
from evenkeel.market.columns import DAY
from evenkeel.market.csv_files import read_table
from evenkeel.market.fetched import fetched, missing_sessions
from evenkeel.market.history import bar_interval, closing_times
from evenkeel.market.provider import (
    INTERVALS,
    Adjustment,
    Answer,
    Facts,
    Failure,
    Origin,
    ProviderError,
    Quote,
    interval_ns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.columns import Table
    from evenkeel.market.provider import Fetched
    from evenkeel.ops.clock import Clock


class FileProvider:
    """CSV and Parquet files by instrument id; a file may hold several symbols.

    `adjustment` is what their prices have been divided by: files do not say. `actions` is a file
    of splits and dividends (see `market.actions`). Files are read anew for every question.
    """

    name = "files"

    def __init__(
        self,
        files: Mapping[str, str | Path],
        *,
        clock: Clock,
        actions: str | Path | None = None,
        adjustment: Adjustment = Adjustment.AS_TRADED,
    ) -> None:
        """Answer from `files`, each named by the id of an instrument that is in it."""
        self._files = {name: Path(path) for name, path in files.items()}
        self._clock = clock
        self._actions = actions
        self._adjustment = adjustment

    def bars(self, instrument: Instrument, interval: str, start: int, end: int) -> Answer[Fetched]:
        table, rows, length = self._rows(instrument)
        if length != interval_ns(interval):
            known = next((name for name, ns in INTERVALS.items() if ns == length), f"{length} ns")
            raise self._failure(
                Failure.NOT_OFFERED,
                f"{instrument.id} has bars of {known} in {table.label}, not of {interval}",
            )
        columns = {name: column[rows] for name, column in table.prices.items()}
        if table.volume is not None:
            columns["volume"] = table.volume[rows]
        began = (table.wall if interval == "1d" else table.stamps)[rows]
        now = self._clock.now_ns()
        origin = self._origin(instrument, now)
        found = fetched(instrument, interval, began, columns, start=start, end=end, origin=origin)
        lacks = missing_sessions(found, start=start, end=end, now=now)
        return Answer(found, self._origin(instrument, now, lacks))

    def actions(
        self, instrument: Instrument, start: int, end: int
    ) -> Answer[tuple[CorporateAction, ...]]:
        if self._actions is None:
            raise self._failure(
                Failure.NOT_OFFERED,
                f"no file of splits and dividends was named for {instrument.id}",
            )
        from evenkeel.market.actions import read_actions  # few ask for them

        try:
            found = read_actions(self._actions, [instrument])
        except DataError as error:
            raise self._failure(Failure.UNREADABLE, str(error)) from error
        kept = tuple(each for each in found if start <= each.at < end)
        return Answer(kept, self._origin(instrument, self._clock.now_ns()))

    def facts(self, instrument: Instrument) -> Answer[Facts]:
        table, rows, _ = self._rows(instrument)
        facts = Facts(symbol=instrument.symbol, listed_at=int(table.stamps[rows].min()))
        return Answer(facts, self._origin(instrument, self._clock.now_ns()))

    def quote(self, instrument: Instrument) -> Answer[Quote]:
        table, rows, length = self._rows(instrument)
        now = self._clock.now_ns()
        began = (table.wall if length == DAY else table.stamps)[rows]
        closed = closing_times(began, length, instrument.mic)
        known = np.flatnonzero(closed <= now)
        if not len(known):
            raise self._failure(Failure.UNKNOWN, f"no bar of {instrument.id} has closed yet")
        closes = table.prices["close"][rows][known][np.argsort(closed[known])]
        quote = Quote(
            price=float(closes[-1]),
            at=int(closed[known].max()),
            previous_close=float(closes[-2]) if len(closes) > 1 else None,
        )
        return Answer(quote, self._origin(instrument, now))

    def _rows(self, instrument: Instrument) -> tuple[Table, np.ndarray, int]:
        """Return the instrument's table, its rows in it, and how long a bar lasts."""
        path = self._files.get(instrument.id)
        if path is None:
            raise self._failure(Failure.UNKNOWN, f"no file was named for {instrument.id}")
        try:
            table = read_table(path)
            rows = np.arange(len(table.wall))
            if table.codes is not None:
                if instrument.symbol not in table.names:
                    raise self._failure(
                        Failure.UNKNOWN, f"{table.label} has no symbol {instrument.symbol}"
                    )
                rows = np.flatnonzero(table.codes == table.names.index(instrument.symbol))
            daily = not (table.wall[rows] % DAY).any()
            stamps = np.sort(table.stamps[rows])
            length = DAY if daily else bar_interval(stamps, table.label)
            if length == DAY and not daily:
                raise self._failure(Failure.NOT_OFFERED, f"{table.label} has days that begin oddly")
            return table, rows, length
        except DataError as error:
            raise self._failure(Failure.UNREADABLE, str(error)) from error

    def _origin(self, instrument: Instrument, now: int, lacks: str = "") -> Origin:
        return Origin(
            source=self.name,
            fetched_at=now,
            currency=instrument.currency,
            adjustment=self._adjustment,
            lacks=lacks,
        )

    def _failure(self, kind: Failure, said: str) -> ProviderError:
        return ProviderError(self.name, kind, said)
