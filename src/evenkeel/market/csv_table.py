"""One CSV file as a table: stdlib reader, numpy columns, a chunk at a time.

Read strictly, the first bad cell refuses the file. Read leniently, bad rows are set aside and told.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from itertools import chain, islice
from typing import TYPE_CHECKING, TextIO

import numpy as np
from msgspec import Struct

from evenkeel.domain.errors import DataError
from evenkeel.market.columns import (
    DATES,
    PRICES,
    BadCellError,
    EmptyFileError,
    Layout,
    Table,
    numbers,
    recognise,
    symbols,
    volumes,
)
from evenkeel.market.quality import and_more
from evenkeel.market.times import TimeColumn

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from evenkeel.domain.bar import Column

KINDS = tuple(f".{kind}{packed}" for kind in ("csv", "txt", "tsv") for packed in ("", ".gz"))
"""How files of text end whose lines are rows."""

PREAMBLE = 20
"""Lines among which the header is: an address, remarks and titles may stand before it."""

CHUNK = 1_000
"""Rows held as text at once: few, so that they stay close to the processor."""


class Rejected(Struct, frozen=True):
    """A line that could not be read as a row, with its text and the law that it breaks."""

    line: int
    text: str
    law: str


class _Columns(Struct):
    """The columns of a file while it is read."""

    time: TimeColumn
    count: int = 0
    numbers: dict[str, list[Column]] = {}
    codes: dict[str, int] = {}
    coded: list[int] = []


def read_csv(
    path: Path,
    *,
    extras: bool = False,
    rejected: list[Rejected] | None = None,
    told: Callable[[int], None] = lambda _: None,
) -> Table:
    """Return the table of a .csv or .csv.gz file; `DataError` naming file, line and cell.

    Given a list for what is `rejected`, bad rows go there and the rest is read; `told` then hears
    now and then how many bytes of the file have been.
    """
    try:
        with _open(path) as file:
            if rejected is None:
                return _read(file, path, extras=extras)
            return _read_leniently(file, path, rejected, told, extras=extras)
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 text; save it as UTF-8") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is not a whole gzip file: {error}") from error
    except csv.Error as error:
        raise DataError(f"{path.name} is not CSV: {error}") from error


def has_header(path: Path) -> bool:
    """Tell whether the first lines of a file name what a table of bars needs."""
    try:
        with _open(path) as file:
            return any(map(_is_header, islice(file, PREAMBLE)))
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error):
        return False


def _open(path: Path) -> TextIO:
    packed = path.suffix.casefold() == ".gz"
    with gzip.open(path) if packed else path.open("rb") as file:
        wide = file.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    encoding = "utf-16" if wide else "utf-8-sig"
    if packed:
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def _read(file: TextIO, path: Path, *, extras: bool) -> Table:
    reader, header, _ = _begun(file, path)
    layout = recognise(header, path.name, extras=extras)
    columns = _columns(header, layout)
    try:
        for rows in _chunks(reader):
            _take(columns, rows, layout, len(header))
        return _table(columns, layout, path, lambda row: row)
    except BadCellError as error:
        raise _refusal(error, path, layout, header, columns.time) from None


def _read_leniently(
    file: TextIO, path: Path, rejected: list[Rejected], told: Callable[[int], None], *, extras: bool
) -> Table:
    reader, header, _ = _begun(file, path)
    chunks = _chunks(reader)
    first = next(chunks, [])
    header, law = _named_after(header, first)
    layout = recognise(header, path.name, extras=extras)
    columns, refused = _columns(header, layout), dict[int, str]()
    row = 0
    for rows in chain([first], chunks):
        _take_what_can_be(columns, rows, layout, len(header), row, refused)
        row += len(rows)
        told(getattr(file.buffer, "fileobj", file.buffer).tell())  # of the packed file, if it is
    if law:
        rejected.append(Rejected(1, "", law))
    if refused:
        rejected.extend(_rejected(path, refused))
    if refused and not columns.count:
        raise DataError(
            f"{path.name}: none of its {row} rows can be read; the first: {refused[min(refused)]}"
        )
    kept = np.delete(np.arange(row), list(refused))
    try:
        return _table(columns, layout, path, lambda row: int(kept[row]))
    except BadCellError as error:  # about the column as a whole: no row of it can be read
        raise DataError(f"{path.name}: {error.column} {error.law}") from None


def _begun(file: TextIO, path: Path) -> tuple[Reader, list[str], int]:
    """Return a reader behind the header, the header, and how many lines stand before it.

    The header is the first line that names what is needed; where none does, the first of all.
    """
    lines = list(islice(file, PREAMBLE))
    if not "".join(lines).strip():
        raise EmptyFileError(f"{path.name} is empty; it needs a header line and at least 2 rows")
    at = next((at for at, line in enumerate(lines) if _is_header(line)), None)
    if at is None and (header := _side_by_side(lines, path)):
        return csv.reader(chain(lines[3:], file)), header, 2
    if at is None:
        at = next(at for at, line in enumerate(lines) if line.strip())
    reader = csv.reader(chain(lines[at:], file), delimiter=_delimiter(lines[at]))
    return reader, next(reader), at


def _is_header(line: str) -> bool:
    try:
        recognise(next(csv.reader([line], delimiter=_delimiter(line)), []), "")
    except (DataError, csv.Error):
        return False
    return True


def _delimiter(line: str) -> str:
    return max(",;\t|", key=line.count)  # the first of them when there is none


def _side_by_side(lines: list[str], path: Path) -> list[str]:
    """Return the names that yfinance writes into three lines: prices, tickers, and the date's."""
    rows = list(csv.reader(lines[:3]))
    if [row[0] for row in rows if row][:2] != ["Price", "Ticker"] or len(rows) < 3:
        return []
    if len(set(rows[1][1:])) > 1:
        raise DataError(
            f"{path.name} has several tickers side by side; write one below the other, with a "
            "column symbol"
        )
    return [rows[2][0], *rows[0][1:]]


def _columns(header: list[str], layout: Layout) -> _Columns:
    return _Columns(TimeColumn(" ".join(header[at].strip() for at in layout.time) or "time"))


def _chunks(reader: Reader) -> Iterator[list[list[str]]]:
    while rows := list(islice(reader, CHUNK)):
        yield [row for row in rows if row] if [] in rows else rows


def _table(columns: _Columns, layout: Layout, path: Path, row_of: Callable[[int], int]) -> Table:
    if not columns.count:
        raise EmptyFileError(f"{path.name} has a header and no rows; at least 2 are needed")
    wall, stamps = columns.time.finish()
    joined = {name: _joined(columns.numbers.pop(name)) for name in list(columns.numbers)}
    names, codes = symbols(tuple(columns.codes), np.array(columns.coded, np.int64))
    return Table(
        path.name,
        wall,
        stamps,
        {name: joined[name] for name in PRICES},
        joined.get("volume"),
        names,
        None if layout.symbol is None else codes,
        lambda row: f"line {_line(path, row_of(row))}",
        {name: joined[name] for name, _ in layout.extras},
    )


_CLOCK = re.compile(r"\s*\d{1,2}:\d\d(:\d\d(\.\d+)?)?\s*")


def _named_after(header: list[str], rows: list[list[str]]) -> tuple[list[str], str]:
    """Return names for rows that all have more fields than the header names, and say so."""
    widths = {len(row) for row in rows}
    more = min(widths, default=0) - len(header)
    if len(widths) != 1 or more <= 0:
        return header, ""
    days = [at for at, name in enumerate(header) if name.strip().casefold() in DATES]
    if more == 1 and days and all(_CLOCK.fullmatch(row[days[0] + 1]) for row in rows):
        place = days[0] + 1
        mended = [*header[:place], "time", *header[place:]]
        return mended, f"the header names {len(header)} fields of {len(mended)}; read as {mended}"
    law = f"the header names {len(header)} fields of {len(header) + more}; the last have no name"
    return [*header, *(f"unnamed {at + 1}" for at in range(more))], law


def _take_what_can_be(
    columns: _Columns,
    rows: list[list[str]],
    layout: Layout,
    width: int,
    first: int,
    refused: dict[int, str],
) -> None:
    """Add the rows that can be read, the others to `refused`: by halves, until each is found."""
    try:
        _take(columns, rows, layout, width)
    except BadCellError as error:
        if len(rows) == 1:
            refused[first] = f"{error.column} {error.law}".strip()
            return
        half = len(rows) // 2
        _take_what_can_be(columns, rows[:half], layout, width, first, refused)
        _take_what_can_be(columns, rows[half:], layout, width, first + half, refused)


def _rejected(path: Path, refused: dict[int, str]) -> Iterator[Rejected]:
    for at, (line, row) in enumerate(_numbered(path)):
        if at in refused:
            yield Rejected(line, ",".join(row), refused[at])


def _joined(parts: list[Column]) -> Column:
    """Return the pieces as one column, and let go of them."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _take(columns: _Columns, rows: list[list[str]], layout: Layout, width: int) -> None:
    """Add the rows; `BadCellError` counts them from the first row of the file."""
    if not rows:
        return
    first = columns.count
    try:
        by_column = list(zip(*rows, strict=True))
    except ValueError:
        by_column = []
    if len(by_column) != width:
        row = next(at for at, row in enumerate(rows) if len(row) != width)
        law = f"the row has {len(rows[row])} fields, but the header names {width}"
        raise BadCellError(first + row, "", rows[row], law)
    found = {}
    try:
        for name, at in zip(PRICES, layout.prices, strict=True):
            found[name] = numbers(by_column[at], name)
        if layout.volume is not None:
            found["volume"] = volumes(by_column[layout.volume])
        for name, at in layout.extras:
            found[name] = volumes(by_column[at], name)
    except BadCellError as error:
        raise error.further(first) from None
    if len(layout.time) == 1:
        columns.time.take(by_column[layout.time[0]])
    else:
        day, clock = (by_column[at] for at in layout.time)
        columns.time.take(list(map("{} {}".format, day, clock)))
    columns.count += len(rows)  # from here on nothing can fail: a chunk is taken whole or not
    for name, column in found.items():
        columns.numbers.setdefault(name, []).append(column)
    if layout.symbol is not None:
        codes = columns.codes
        columns.coded.extend(
            [codes.setdefault(name, len(codes)) for name in by_column[layout.symbol]]
        )


# ---- the way back from a row to a line: read again, because it is needed only in an error ----


def _numbered(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each data row with the line that it ends on; the header is line 1."""
    with _open(path) as file:
        reader, _, before = _begun(file, path)
        for row in reader:
            if row:
                yield before + reader.line_num, row


def _line(path: Path, row: int) -> int:
    return next(islice(_numbered(path), row, None))[0]


def _refusal(
    error: BadCellError, path: Path, layout: Layout, header: list[str], time: TimeColumn
) -> DataError:
    rows = islice(_numbered(path), error.row, None)
    line, _ = next(rows)
    more = and_more(sum(_is_bad(row, error, layout, len(header), time) for _, row in rows))
    what = f"{error.column} {error.law}" if error.column else error.law
    return DataError(f"{path.name}, line {line}: {what}{more}")


def _is_bad(
    row: list[str], error: BadCellError, layout: Layout, width: int, time: TimeColumn
) -> bool:
    """Tell whether another row has the same trouble in the same column."""
    if not error.column or len(row) != width:
        return not error.column and len(row) != width
    places = dict(zip(PRICES, layout.prices, strict=True)) | {"volume": layout.volume}
    if error.column not in places:
        return time.refuses(" ".join(row[at] for at in layout.time))
    cell = row[places[error.column] or 0]
    try:
        volumes([cell]) if error.column == "volume" else numbers([cell], error.column)
    except BadCellError:
        return True
    return False
