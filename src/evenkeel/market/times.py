"""What the writing in a time column says: a time is read as written or refused.

Nothing is guessed that the column itself does not prove. Times without a zone are UTC.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.market.columns import BadCellError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenkeel.domain.bar import Times

FIRST_YEAR, LAST_YEAR = 1800, 2199
"""Nanoseconds since 1970 hold the years 1678 to 2261; no market data comes near either end."""

LARGEST = 7_258_118_400_000_000_000
"""The first nanosecond after `LAST_YEAR`."""

_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?(?: ?(?:Z|z|UTC|[+-]\d\d:?\d\d))?"
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:[T ]?(\d\d):?(\d\d):?(\d\d)?)?")
_EPOCH = re.compile(r"-?\d+(?:\.0*)?")
_LOCAL = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(.*)")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(.*)")
_ZONE = re.compile(r" ?(Z|z|UTC|[+-]\d\d:?\d\d)$")


def times(texts: Sequence[str], column: str) -> tuple[Times, Times]:
    """Return a column's wall times and UTC instants, nanoseconds since 1970.

    Both are the same array when no offset is written. Raises `BadCellError`.
    """
    read = TimeColumn(column)
    read.take(texts)
    return read.finish()


class TimeColumn:
    """A time column, read a piece at a time. Its first cell decides how all of it is written."""

    def __init__(self, name: str) -> None:
        """Start before the first cell of the column called `name` in errors."""
        self.name = name
        self.count = 0
        self._sample = ""
        self._zones: set[str] = set()
        self._pieces: list[tuple[Times, Times]] = []
        self._counts: list[Times] = []  # since 1970, in a unit that only their size tells
        self._undecided: list[str] = []  # 1/2/2024: the whole column says what is the month

    def take(self, texts: Sequence[str]) -> None:
        """Add cells; `BadCellError` counts rows from the first cell of the column."""
        if not self.count:
            self._sample = texts[0].strip()
        if texts[0] != texts[0].strip():
            texts = [text.strip() for text in texts]
        try:
            self._read(texts)
        except BadCellError as error:
            raise error.further(self.count) from None
        self.count += len(texts)

    def finish(self) -> tuple[Times, Times]:
        """Return wall times and UTC instants of all cells that were taken."""
        if self._undecided:
            return _iso_from(
                self._undecided, self.name, _LOCAL, _order_of(self._undecided, self.name)
            )
        if self._counts:
            stamps = epoch_ns(np.concatenate(self._counts), self.name)
            return stamps, stamps
        pieces, self._pieces = self._pieces, []
        wall = np.concatenate([piece for piece, _ in pieces])
        if all(one is other for one, other in pieces):
            return wall, wall
        return wall, np.concatenate([piece for _, piece in pieces])

    def refuses(self, text: str) -> bool:
        """Tell whether a cell cannot stand in this column, whatever the other cells are."""
        alike = TimeColumn(self.name)
        alike._sample = self._sample
        try:
            alike._read([text.strip()])
        except BadCellError:
            return True
        return bool(alike._undecided and not _LOCAL.fullmatch(text.strip()))

    def _read(self, texts: Sequence[str]) -> None:
        sample, name = self._sample, self.name
        if _ISO.fullmatch(sample):
            self._pieces.append(_iso(texts, name, self._zones))
        elif _COMPACT.fullmatch(sample) and "1800" < sample[:4] < "2200" and len(sample) != 10:
            self._pieces.append(_iso_from(texts, name, _COMPACT, _from_compact))
        elif _EPOCH.fullmatch(sample):
            self._counts.append(_whole_numbers(texts, name))
        elif _YEAR_FIRST.fullmatch(sample):
            self._pieces.append(_iso_from(texts, name, _YEAR_FIRST, _from_year_first))
        elif _LOCAL.fullmatch(sample):
            self._undecided.extend(texts)
        else:
            raise BadCellError(0, name, sample, _unreadable(sample))


def _unreadable(text: str) -> str:
    if not text:
        return "is empty"
    return f"is not a time: {text!r}; write it as 2024-01-31 or 2024-01-31T15:30:00Z"


# ---- ISO 8601 ----


def _iso(texts: Sequence[str], column: str, before: set[str]) -> tuple[Times, Times]:
    """Read cells; `before` are the zones of those that came earlier, and then of these too.

    Beside offsets a time without a zone may be anything: then it is not taken for UTC.
    """
    bodies, zones = _alike(texts) or _apart(texts, column)
    if "" in (all_ := before.union(zones)) and any(map(_offset, all_)):
        _refuse_mixture(texts, column, zones, set(before))
    wall = _moments(bodies, column)
    before.update(zones)
    east = {zone: _offset(zone) for zone in set(zones)}
    if not any(east.values()):
        return wall, wall
    return wall, wall - np.array([east[zone] for zone in zones], np.int64)


def _refuse_mixture(
    texts: Sequence[str], column: str, zones: Sequence[str], known: set[str]
) -> None:
    """Raise `BadCellError` at the first cell that makes a mixture of the zones before it."""
    for row, zone in enumerate(zones):
        known.add(zone)
        if "" in known and any(map(_offset, known)):
            law = "an offset, but others have no zone" if zone else "no zone, but others an offset"
            raise BadCellError(row, column, texts[row], f"has {law}: {texts[row]!r}")


def _alike(texts: Sequence[str]) -> tuple[Sequence[str], Sequence[str]] | None:
    """Split off the zones when all cells are written alike; None to look at each one.

    Many cells at once: numpy refuses what is no time, if it is sure to see no zone.
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
    if not str(FIRST_YEAR) <= min(texts)[:4] <= max(texts)[:4] <= str(LAST_YEAR):
        # numpy would wrap such a year into another one without a word
        row = next(
            at for at, text in enumerate(texts) if not str(FIRST_YEAR) <= text[:4] <= str(LAST_YEAR)
        )
        raise BadCellError(row, column, texts[row], _out_of_time(texts[row]))
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


def _out_of_time(text: str) -> str:
    return f"must be in the years {FIRST_YEAR} to {LAST_YEAR}, was {text!r}"


# ---- other writings, put into ISO 8601 ----


def _iso_from(
    texts: Sequence[str],
    column: str,
    pattern: re.Pattern[str],
    as_iso: Callable[[re.Match[str]], str],
) -> tuple[Times, Times]:
    written = []
    for row, text in enumerate(texts):
        found = pattern.fullmatch(text)
        if found is None:
            raise BadCellError(row, column, text, _unreadable(text))
        written.append(as_iso(found))
    try:
        return _iso(written, column, set())
    except BadCellError as error:  # in the words of the file, not in ours
        text = texts[error.row]
        law = error.law.replace(repr(written[error.row]), repr(text))
        raise BadCellError(error.row, column, text, law) from None


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


# ---- counts since 1970 ----


def _whole_numbers(texts: Sequence[str], column: str) -> Times:
    try:
        return np.fromiter(map(int, texts), np.int64, len(texts))
    except (ValueError, OverflowError):
        return np.array([_whole(text, row, column) for row, text in enumerate(texts)], np.int64)


def _whole(text: str, row: int, column: str) -> int:
    if not _EPOCH.fullmatch(text):
        raise BadCellError(row, column, text, _unreadable(text))
    count = int(text.partition(".")[0])
    if abs(count) >= LARGEST:
        raise BadCellError(row, column, text, _out_of_time(text))
    return count


def epoch_ns(counts: Times, column: str) -> Times:
    """Return counts since 1970 as nanoseconds; their size tells s, ms, µs and ns apart.

    Raises `BadCellError` when they are too small to be times, or lead out of `LAST_YEAR`.
    """
    largest = int(np.abs(counts).argmax())
    size = abs(int(counts[largest]))
    if size < 10**8:
        law = f"is too small for a time since 1970: {counts[0]}; a row number is no time"
        raise BadCellError(0, column, counts[0], law)
    units = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))
    unit = next((unit for limit, unit in units if size < limit), 1)
    if size * unit >= LARGEST:
        law = _out_of_time(str(counts[largest]))
        raise BadCellError(largest, column, counts[largest], law)
    return counts * unit
