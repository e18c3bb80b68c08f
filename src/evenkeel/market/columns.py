"""What the columns of a table mean, and what the writing in its time column says.

A time is read as written or refused: nothing is guessed that the file itself does not prove.
Times without a zone are UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.domain.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenkeel.domain.bar import Column, Times

PRICES = ("open", "high", "low", "close")
VOLUMES = ("volume", "tick_volume", "vol", "tickvol")
DATES = ("date", "day")
TIMES = ("datetime", "timestamp", "ts", "date_time", "time")
SYMBOLS = ("symbol", "ticker")

DAY = 86_400_000_000_000
"""Nanoseconds in a day."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each column stands: positions in the header. `time` may be a date + time pair."""

    time: tuple[int, ...]
    prices: tuple[int, int, int, int]
    volume: int | None
    symbol: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One source, read but not yet judged.

    `wall` is each row's time as written, `stamps` the same instant in UTC (both nanoseconds since
    1970; equal where no zone was written). `codes` gives each row's place in `names` when the
    source has a symbol column. `place(row)` names a row as a person counts.
    """

    label: str
    wall: Times
    stamps: Times
    prices: dict[str, Column]
    volume: Column | None
    names: tuple[str, ...]
    codes: Times | None
    place: Callable[[int], str]


class BadCellError(ValueError):
    """One cell cannot be read; `row` counts data rows from 0. The reader knows file and line."""

    def __init__(self, row: int, column: str, value: object, law: str) -> None:
        """Keep the place and the law that it broke."""
        super().__init__(law)
        self.row, self.column, self.value, self.law = row, column, value, law


def recognise(header: Sequence[str], label: str) -> Layout:
    """Return where the needed columns are; `DataError` naming those that are missing."""
    names = [name.strip().strip("<>").casefold().replace(" ", "_") for name in header]
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
    return Layout(
        time, (first, second, third, fourth), _first(names, VOLUMES), _first(names, SYMBOLS)
    )


def _time_columns(names: Sequence[str]) -> tuple[int, ...]:
    day, moment = _first(names, DATES), _first(names, TIMES)
    if day is not None and "time" in names:
        return day, names.index("time")
    for found in (moment, day):
        if found is not None:
            return (found,)
    return ()


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


def volumes(texts: Sequence[str]) -> Column:
    """Return volumes as float64, an empty cell as NaN."""
    if "" in texts:
        texts = ["nan" if not text.strip() else text for text in texts]
    return numbers(texts, "volume")


def _number(text: str, row: int, column: str) -> float:
    law = "is empty" if not text.strip() else f"is not a number: {text!r}"
    if re.fullmatch(r"\s*-?[\d.]*\d,\d+[\d,.]*\s*", text):
        law += "; write numbers with a point and without thousands separators"
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        pass
    raise BadCellError(row, column, text, law)


# ---- times ----

_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?(?: ?(?:Z|z|UTC|[+-]\d\d:?\d\d))?"
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:[T ]?(\d\d):?(\d\d):?(\d\d)?)?")
_EPOCH = re.compile(r"-?\d+(?:\.0*)?")
_LOCAL = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(.*)")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(.*)")
_ZONE = re.compile(r" ?(Z|z|UTC|[+-]\d\d:?\d\d)$")


def times(texts: Sequence[str], column: str) -> tuple[Times, Times]:
    """Return wall times and UTC instants, nanoseconds; `BadCellError` at the first unreadable one.

    The first cell decides how the whole column is written.
    """
    if texts[0] != texts[0].strip():
        texts = [text.strip() for text in texts]
    sample = texts[0]
    if _ISO.fullmatch(sample):
        return _iso(texts, column)
    if _COMPACT.fullmatch(sample) and "1900" < sample[:4] < "2200" and len(sample) != 10:
        return _iso(_rewrite(texts, column, _COMPACT, _from_compact), column)
    if _EPOCH.fullmatch(sample):
        stamps = _epoch(texts, column)
        return stamps, stamps
    if _YEAR_FIRST.fullmatch(sample):
        return _iso(_rewrite(texts, column, _YEAR_FIRST, _from_year_first), column)
    if _LOCAL.fullmatch(sample):
        return _iso(_rewrite(texts, column, _LOCAL, _order_of(texts, column)), column)
    raise BadCellError(0, column, sample, _unreadable(sample))


def _unreadable(text: str) -> str:
    if not text:
        return "is empty"
    return f"is not a time: {text!r}; write it as 2024-01-31 or 2024-01-31T15:30:00Z"


def _iso(texts: Sequence[str], column: str) -> tuple[Times, Times]:
    bodies, zones = _alike(texts) or _apart(texts, column)
    wall = _moments(bodies, column)
    east = {zone: _offset(zone) for zone in set(zones)}
    if not any(east.values()):
        return wall, wall
    return wall, wall - np.array([east[zone] for zone in zones], np.int64)


def _alike(texts: Sequence[str]) -> tuple[Sequence[str], Sequence[str]] | None:
    """Split off the zones when all cells are written alike; None to look at each one.

    A million cells at once: numpy refuses what is no time, if it is sure to see no zone.
    """
    found = _ZONE.search(texts[0])
    size = len(found.group()) if found else 0
    zones = [text[-size:] for text in texts] if size else [""]
    bodies = [text[:-size] for text in texts] if size else texts
    if not all(_ZONE.fullmatch(zone) for zone in set(zones) if size):
        return None
    if len(set(map(len, bodies))) > 1:
        return None
    written = "".join(bodies)
    plain = written.count("-") == 2 * len(texts) and not re.search("[^-T 0-9:.]", written)
    return (bodies, zones) if plain else None


def _apart(texts: Sequence[str], column: str) -> tuple[Sequence[str], Sequence[str]]:
    bodies, zones = [], []
    for row, text in enumerate(texts):
        if not _ISO.fullmatch(text):
            raise BadCellError(row, column, text, _unreadable(text))
        found = _ZONE.search(text)
        zones.append(found.group() if found else "")
        body = text[: found.start()] if found else text
        bodies.append(body.replace(",", "."))  # ISO 8601 allows a comma before fractions
    return bodies, zones


def _offset(zone: str) -> int:
    """Return nanoseconds east of Greenwich."""
    zone = zone.strip()
    if zone in {"", "Z", "z", "UTC"}:
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return (minutes if zone[0] == "+" else -minutes) * 60_000_000_000


def _moments(texts: Sequence[str], column: str) -> Times:
    try:
        return np.array(texts, dtype="datetime64[ns]").astype(np.int64)
    except ValueError:
        for row, text in enumerate(texts):
            try:
                np.datetime64(text, "ns")
            except ValueError:
                law = f"is not a day or time that exists: {text!r}"
                raise BadCellError(row, column, text, law) from None
        raise


def _rewrite(
    texts: Sequence[str],
    column: str,
    pattern: re.Pattern[str],
    as_iso: Callable[[re.Match[str]], str],
) -> list[str]:
    written = []
    for row, text in enumerate(texts):
        found = pattern.fullmatch(text)
        if found is None:
            raise BadCellError(row, column, text, _unreadable(text))
        written.append(as_iso(found))
    return written


def _from_compact(found: re.Match[str]) -> str:
    year, month, day, hour, minute, second = found.groups()
    clock = f"T{hour}:{minute}:{second or '00'}" if hour else ""
    return f"{year}-{month}-{day}{clock}"


def _from_year_first(found: re.Match[str]) -> str:
    year, month, day, rest = found.groups()
    return f"{year}-{month:0>2}-{day:0>2}{_clock(rest)}"


def _clock(rest: str) -> str:
    rest = rest.strip()
    return f"T{rest:0>{5 if rest.count(':') == 1 else 8}}" if rest else ""


def _order_of(texts: Sequence[str], column: str) -> Callable[[re.Match[str]], str]:
    """Return the reading of `a/b/yyyy` that the column proves: one field is above 12 somewhere."""
    proofs = {"first": False, "second": False}
    for text in texts:
        found = _LOCAL.fullmatch(text)
        if found is not None:
            proofs["first"] |= int(found.group(1)) > 12
            proofs["second"] |= int(found.group(2)) > 12
    if proofs["first"] == proofs["second"]:
        law = f"may be day/month or month/day: {texts[0]!r}; write dates as 2024-01-31"
        raise BadCellError(0, column, texts[0], law)
    month, day = (2, 1) if proofs["first"] else (1, 2)

    def as_iso(found: re.Match[str]) -> str:
        return f"{found[3]}-{found[month]:0>2}-{found[day]:0>2}{_clock(found[4])}"

    return as_iso


def _epoch(texts: Sequence[str], column: str) -> Times:
    try:
        counts = np.fromiter(map(int, texts), np.int64, len(texts))
    except ValueError:
        counts = np.array([_whole(text, row, column) for row, text in enumerate(texts)], np.int64)
    return epoch_ns(counts)


def _whole(text: str, row: int, column: str) -> int:
    if not _EPOCH.fullmatch(text):
        raise BadCellError(row, column, text, _unreadable(text))
    return int(text.partition(".")[0])


def epoch_ns(counts: Times) -> Times:
    """Return counts since 1970 as nanoseconds; their size tells s, ms, µs and ns apart."""
    size = int(np.abs(counts).max())
    for limit, unit in ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3)):
        if size < limit:
            return counts * unit
    return counts
