"""The catalog: bars as traded, with the corporate actions beside them and the ticker map above.

    bars/DATASET/INTERVAL/   shelves of parts (see `market.shelf`)
    actions.csv              splits and dividends (see `market.actions`)
    tickers.csv              whose a symbol was, and when (see `market.tickers`)

A source is written `catalog:[FOLDER][#[DATASET/]INTERVAL][@KNOWN]`: `catalog:`, `catalog:#1m`,
`catalog:@2015-04-08` for the bars, and the values of them, that had been seen by the end of that day.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from evenkeel.domain.bar import Finding
from evenkeel.domain.errors import DataError, UsageError, did_you_mean
from evenkeel.domain.instrument import Instrument, instrument_named
from evenkeel.market.adjust import adjusted
from evenkeel.market.arrow_cache import ArrowCache
from evenkeel.market.columns import DAY, Table
from evenkeel.market.history import SECOND, bound, closing_times, history, instant
from evenkeel.market.intake import interval_length, interval_name
from evenkeel.market.resample import resampled
from evenkeel.market.shelf import EVER, Shelf
from evenkeel.market.tickers import TickerMap, read_tickers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.domain.bar import AnyArray, Bars, Times
    from evenkeel.domain.events import CorporateAction
    from evenkeel.market.history import Bound

SCHEME = "catalog:"
DATASET = "main"
FOLDER = "catalog"


class Place(Struct, frozen=True):
    """Where bars are to be found: the catalog's folder, a data set, an interval (empty: any).

    `known_at` is up to when they must have been seen (UTC nanoseconds), None for as they are now.
    """

    folder: str = ""
    dataset: str = DATASET
    interval: str = ""
    known_at: int | None = None


def place_of(source: str) -> Place:
    """Return what `catalog:[FOLDER][#[DATASET/]INTERVAL][@KNOWN]` names; else `UsageError`."""
    place, at, known = source.removeprefix(SCHEME).rpartition("@")
    if not at or not re.match(r"\d", known):  # a folder may have an @ in its name
        place, known = source.removeprefix(SCHEME), ""
    folder, _, shelf = place.partition("#")
    dataset, slash, interval = shelf.rpartition("/")
    if interval:
        interval_length(interval)
    moment = by_the_end_of(known, "known at") if known else None
    return Place(folder, dataset if slash else DATASET, interval, moment)


def by_the_end_of(text: str, name: str) -> int:
    """Return a time in UTC nanoseconds, of a date its last second; `UsageError` when it is none."""
    at = bound(text, name)
    assert at is not None, text
    if isinstance(at, datetime):
        return instant(at)
    return ((at - date(1970, 1, 1)).days + 1) * DAY - SECOND


class Catalog:
    """Everything kept in one folder. Reading changes nothing; a folder appears with the first row."""

    def __init__(self, folder: str | Path) -> None:
        """Open the catalog in `folder`, which need not be there yet."""
        self.folder = Path(folder).expanduser()
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._cache = ArrowCache(self.folder / "cache")

    # ---- shelves ----

    def shelf(self, interval: str, dataset: str = DATASET) -> Shelf:
        """Return the shelf of a data set and interval, an empty one when there is none yet."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,60}", dataset):
            raise UsageError(
                f"data set {dataset!r}: a name has small letters, digits, - and _, such as us-eod"
            )
        key = dataset, interval
        if key not in self._shelves:
            folder = self.folder / "bars" / dataset / interval
            self._shelves[key] = Shelf(folder, interval, interval_length(interval))
        return self._shelves[key]

    def shelves(self) -> list[tuple[str, Shelf]]:
        """Return every shelf with its data set, in order of their names."""
        found = sorted((self.folder / "bars").glob("*/*/manifest.json"))
        return [
            (path.parent.parent.name, self.shelf(path.parent.name, path.parent.parent.name))
            for path in found
        ]

    def digest(self) -> str:
        """Return the SHA-256 of every bar that the catalog holds or has held."""
        import hashlib

        total = hashlib.sha256()
        for dataset, shelf in self.shelves():
            total.update(f"{dataset}/{shelf.interval} {shelf.digest()}\n".encode())
        return total.hexdigest()

    # ---- actions and tickers ----

    @property
    def actions_file(self) -> Path:
        """Where splits and dividends stand."""
        return self.folder / "actions.csv"

    def actions(self, instruments: Sequence[Instrument]) -> list[CorporateAction]:
        """Return the corporate actions of some instruments, earliest first."""
        from evenkeel.market.actions import read_actions  # calendars are needed for these alone

        if not self.actions_file.exists():
            return []
        return read_actions(self.actions_file, instruments)

    def tickers(self) -> TickerMap:
        """Return the ticker map."""
        return read_tickers(self.folder / "tickers.csv")

    # ---- bars ----

    def bars(
        self,
        instruments: Sequence[str | Instrument],
        *,
        interval: str = "",
        dataset: str = DATASET,
        start: Bound = None,
        end: Bound = None,
        view: str = "as-traded",
        as_of: int | None = None,
        known_at: int | None = None,
    ) -> list[Bars]:
        """Return the bars of instruments between two bounds (inclusive), in the order asked.

        Bars in quarantine are left out, which a finding says. A `view` other than as-traded is
        that of `as_of` (UTC nanoseconds), else of the last bar. With `known_at` (the same) they
        are the bars that had been seen by then, with the values that they had; quarantine and
        actions are today's. Raises `DataError` when there are none, and when a symbol meant
        several instruments in that time.
        """
        first, last = _days(start, end)
        tickers = self.tickers()
        found = []
        for asked in instruments:
            wanted = asked if isinstance(asked, Instrument) else instrument_named(asked)
            meant = replace(wanted, id=tickers.meaning(wanted.id, first, last))
            shelf = self._shelf_of(meant.id, interval, dataset)
            length = interval_length(interval) if interval else 0
            bars, began = _bars(
                shelf, meant, dataset, start, end, first, last, self._cache, length, known_at
            )
            if view != "as-traded":
                moment = int(bars.closed_at[-1]) if as_of is None else as_of
                bars = adjusted(bars, began, self.actions([meant]), view, as_of=moment)
            found.append(bars)
        return found

    def _shelf_of(self, name: str, interval: str, dataset: str) -> Shelf:
        """Return the shelf with an instrument's bars, or with shorter ones to make them of."""
        having = [shelf for known, shelf in self.shelves() if known == dataset and shelf.has(name)]
        exact = [shelf for shelf in having if interval in {"", shelf.interval}]
        if len(exact) > 1:
            names = ", ".join(shelf.interval for shelf in exact)
            raise UsageError(
                f"{name} is there at several intervals ({names}); "
                f"name one, such as catalog:#{exact[0].interval}"
            )
        length = interval_length(interval) if interval else 0
        shorter = [shelf for shelf in having if length > shelf.length and not length % shelf.length]
        if not exact and not shorter:
            raise self._absent(name, interval, dataset)
        return exact[0] if exact else max(shorter, key=lambda shelf: shelf.length)

    def _absent(self, name: str, interval: str, dataset: str) -> DataError:
        where = f"{self.folder}, data set {dataset}" + (f", {interval}" if interval else "")
        known = [
            each
            for named, shelf in self.shelves()
            if named == dataset
            for each in shelf.instruments()
        ]
        return DataError(f"{where} has no {name}{did_you_mean(name, known)}")


def _bars(
    shelf: Shelf,
    instrument: Instrument,
    dataset: str,
    start: Bound,
    end: Bound,
    first: int,
    last: int,
    cache: ArrowCache,
    wanted: int,
    known_at: int | None,
) -> tuple[Bars, Times]:
    """Return an instrument's bars, and when they began."""
    low = EVER[0] if start is None else (first - 1) * DAY
    high = EVER[1] if end is None else (last + 2) * DAY
    if known_at is None:
        columns = cache.columns(shelf, instrument.id, start=low, stop=high)
    else:
        columns = shelf.columns(instrument.id, start=low, stop=high, known_at=known_at)
    length = wanted or shelf.length
    if length != shelf.length:
        columns = resampled(columns, instrument.mic, shelf.length, length)
    if not len(columns["ts"]):
        held = shelf.instruments()[instrument.id]
        days = " to ".join(str(np.datetime64(at // DAY, "D")) for at in (held.first, held.last))
        then = "" if known_at is None else f" that had been seen by {_iso(known_at)}"
        raise DataError(f"{instrument.id} has no bars between start and end{then}; it has {days}")
    bars = history(
        _table(f"catalog {dataset}/{shelf.interval} {instrument.id}", columns),
        None,
        instrument,
        start=start,
        end=end,
        stamp="start",
        length=min(length, DAY),
    )
    closed = closing_times(columns["ts"], min(length, DAY), instrument.mic)
    before = int(np.searchsorted(closed, bars.closed_at[0]))
    began = columns["ts"][before : before + len(bars)]
    quarantined = shelf.held_back(instrument.id)
    quarantined = quarantined[(quarantined >= low) & (quarantined < high)]
    source = f"{SCHEME}{shelf.folder.parents[2].resolve()}#{dataset}/{interval_name(length)}"
    if known_at is not None:
        source = f"{source}@{_iso(known_at)}"
    bars = replace(bars, source=source)
    if not len(quarantined):
        return bars, began
    message = f"{len(quarantined)} bars in quarantine are left out"
    first_at = int(quarantined[0])
    found = Finding(instrument.id, "quarantined", len(quarantined), first_at, message)
    return replace(bars, findings=(found, *bars.findings)), began


def _iso(moment: int) -> str:
    """Return a time as one may write it behind a source, to the microsecond."""
    at = datetime.fromtimestamp(moment // SECOND, UTC)
    return f"{at.replace(microsecond=moment % SECOND // 1_000, tzinfo=None).isoformat()}Z"


def _table(label: str, columns: dict[str, AnyArray]) -> Table:
    prices = {name: columns[name] for name in ("open", "high", "low", "close")}
    volume = columns["volume"]
    known = not np.isnan(volume).all() if len(volume) else False
    return Table(
        label,
        columns["ts"],
        columns["ts"],
        prices,
        np.nan_to_num(volume) if known else None,
        (),
        None,
        lambda row: f"bar {row + 1}",
    )


def _days(start: Bound, end: Bound) -> tuple[int, int]:
    """Return the first and the last day that two bounds may touch, as days since 1970."""
    return _day(bound(start, "start"), EVER[0] // DAY), _day(bound(end, "end"), EVER[1] // DAY)


def _day(moment: date | datetime | None, otherwise: int) -> int:
    if moment is None:
        return otherwise
    if isinstance(moment, datetime):
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).date()
    return (moment - date(1970, 1, 1)) // timedelta(days=1)


def read_source(
    source: str, instrument: Sequence[Instrument], *, start: Bound, end: Bound
) -> list[Bars]:
    """Return the bars that `catalog:…` names."""
    place = place_of(source)
    catalog = Catalog(place.folder or FOLDER)
    return catalog.bars(
        list(instrument),
        interval=place.interval,
        dataset=place.dataset,
        start=start,
        end=end,
        known_at=place.known_at,
    )
