"""What the columns of a table mean, by their names, and which of their cells are numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from evenkeel.domain.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenkeel.domain.bar import Column, Times

PRICES = ("open", "high", "low", "close")
VOLUMES = ("volume", "tick_volume", "vol", "tickvol")
DATES = ("date", "day")
TIMES = (
    "datetime",
    "timestamp",
    "ts",
    "date_time",
    "gmt_time",
    "utc_time",
    "open_time",
    "time",
    "__index_level_0__",
)
SYMBOLS = ("symbol", "ticker", "instrument", "name")
OTHER_NAMES = {"close/last": "close", "close*": "close", "adj_close**": "adj_close"}
"""What Nasdaq's and Yahoo's pages write above their columns."""

EXTRAS = {
    "adj_close": ("adj_close", "adjclose", "adjusted_close"),
    "dividend": ("dividends", "dividend", "ex-dividend", "dividend_amount"),
    "split": ("split_ratio", "split_coefficient"),
    "adjusted_split": ("stock_splits", "splits"),  # beside prices already divided by them
    "gains": ("capital_gains",),
}
"""What a source says beside prices: read by those who judge a source, not by those who trade."""

DAY = 86_400_000_000_000
"""Nanoseconds in a day."""


class Layout(Struct, frozen=True):
    """Where each column stands: positions in the header. `time` may be a date + time pair."""

    time: tuple[int, ...]
    prices: tuple[int, int, int, int]
    volume: int | None
    symbol: int | None
    extras: tuple[tuple[str, int], ...] = ()


class Table(Struct, frozen=True, eq=False):
    """One source, read but not yet judged.

    `wall` is each row's time as written, `stamps` the same instant in UTC (both nanoseconds since
    1970; equal where no zone was written). `codes` gives each row's place in `names` when the
    source has a symbol column. `place(row)` names a row as a person counts. `extras` are columns
    of `EXTRAS`, where they were asked for.
    """

    label: str
    wall: Times
    stamps: Times
    prices: dict[str, Column]
    volume: Column | None
    names: tuple[str, ...]
    codes: Times | None
    place: Callable[[int], str]
    extras: Mapping[str, Column] = {}


class EmptyFileError(DataError):
    """A file in which there is nothing, or a header and no row."""


class BadCellError(ValueError):
    """One cell cannot be read; `row` counts data rows from 0. The reader knows file and line."""

    def __init__(self, row: int, column: str, value: object, law: str) -> None:
        """Keep the place and the law that it broke."""
        super().__init__(law)
        self.row, self.column, self.value, self.law = row, column, value, law

    def further(self, rows: int) -> BadCellError:
        """Return the same error, counted from `rows` further up."""
        return BadCellError(self.row + rows, self.column, self.value, self.law)


def recognise(header: Sequence[str], label: str, *, extras: bool = False) -> Layout:
    """Return where the needed columns are; `DataError` naming those that are missing."""
    names = [name.strip().strip("<>").casefold().replace(" ", "_") for name in header]
    names = [OTHER_NAMES.get(name, name) for name in names]
    if names and not names[0]:
        names[0] = "" if _time_columns(names) else "timestamp"  # pandas leaves an index unnamed
    time = _time_columns(names)
    missing = [name for name in PRICES if name not in names]
    if not time:
        missing.insert(0, "date or timestamp")
    if missing:
        found = ", ".join(name.strip() or "(unnamed)" for name in header)
        hint = did_you_mean(missing[-1], names)
        raise DataError(f"{label} has no column {', '.join(missing)}; found {found}{hint}")
    for name in PRICES:
        if names.count(name) > 1:
            raise DataError(f"{label} has {names.count(name)} columns named {name}; keep one")
    first, second, third, fourth = (names.index(name) for name in PRICES)
    more = ((name, _first(names, known)) for name, known in EXTRAS.items() if extras)
    return Layout(
        time,
        (first, second, third, fourth),
        _volume(names),
        _first(names, SYMBOLS),
        tuple((name, at) for name, at in more if at is not None),
    )


def symbols(names: tuple[str, ...], codes: Times) -> tuple[tuple[str, ...], Times | None]:
    """Return a symbol column as a table keeps it; nothing where it is the name of one company."""
    return ((), None) if len(names) == 1 and " " in names[0].strip() else (names, codes)


def _time_columns(names: Sequence[str]) -> tuple[int, ...]:
    day, moment = _first(names, DATES), _first(names, TIMES)
    if day is not None and "time" in names:
        return day, names.index("time")
    for found in (moment, day):
        if found is not None:
            return (found,)
    return ()


def _volume(names: Sequence[str]) -> int | None:
    """Return where the volume stands; else the first of several, such as `Volume_(BTC)`."""
    found = _first(names, VOLUMES)
    several = (at for at, name in enumerate(names) if re.match(r"volume[_( ]", name))
    return next(several, None) if found is None else found


def _first(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


# ---- numbers ----


def numbers(texts: Sequence[str], column: str) -> Column:
    """Return the cells as float64; `BadCellError` at the first that is no plain number."""
    try:
        found = np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return np.array([_number(text, row, column) for row, text in enumerate(texts)])
    if "_" in "".join(texts):  # Python reads 1_000; a data file that says so is damaged
        _number(*next((text, row, column) for row, text in enumerate(texts) if "_" in text))
    return found


def volumes(texts: Sequence[str], column: str = "volume") -> Column:
    """Return volumes (or what may be empty like them) as float64, an empty cell as NaN."""
    if "" in texts:
        texts = ["nan" if not text.strip() else text for text in texts]
    return numbers(texts, column)


def _number(text: str, row: int, column: str) -> float:
    law = "is empty" if not text.strip() else f"is not a number: {text!r}"
    if re.fullmatch(r"\s*-?[\d.]*\d,\d+[\d,.]*\s*", text):
        law += "; write numbers with a point and without thousands separators"
    try:
        if "_" not in text:
            return float(re.sub(r"^\s*[$€£¥]", "", text))
    except ValueError:
        pass
    raise BadCellError(row, column, text, law)
