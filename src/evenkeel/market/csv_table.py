"""One CSV file as a table: stdlib reader, numpy columns, a chunk at a time."""

from __future__ import annotations

import csv
import gzip
import zlib
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, TextIO

import numpy as np

from evenkeel.domain.errors import DataError
from evenkeel.market.columns import (
    PRICES,
    BadCellError,
    Layout,
    Table,
    numbers,
    recognise,
    volumes,
)
from evenkeel.market.quality import and_more
from evenkeel.market.times import TimeColumn

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Iterator
    from pathlib import Path

    from evenkeel.domain.bar import Column

CHUNK = 1_000
"""Rows held as text at once: few, so that they stay close to the processor."""


@dataclass(slots=True)
class _Columns:
    """The columns of a file while it is read."""

    time: TimeColumn
    count: int = 0
    numbers: dict[str, list[Column]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    coded: list[int] = field(default_factory=list)


def read_csv(path: Path) -> Table:
    """Return the table of a .csv or .csv.gz file; `DataError` naming file, line and cell."""
    try:
        with _open(path) as file:
            return _read(file, path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 text; save it as UTF-8") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is not a whole gzip file: {error}") from error
    except csv.Error as error:
        raise DataError(f"{path.name} is not CSV: {error}") from error


def _open(path: Path) -> TextIO:
    if path.suffix.casefold() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read(file: TextIO, path: Path) -> Table:
    reader = _reader(file)
    header = next(filter(None, reader), None)
    if not header:
        raise DataError(f"{path.name} is empty; it needs a header line and at least 2 rows")
    layout = recognise(header, path.name)
    columns = _Columns(TimeColumn(" ".join(header[at].strip() for at in layout.time) or "time"))
    try:
        while rows := list(islice(reader, CHUNK)):
            if [] in rows:
                rows = [row for row in rows if row]
            _take(columns, rows, layout, len(header))
        if not columns.count:
            raise DataError(f"{path.name} has a header and no rows; at least 2 are needed")
        wall, stamps = columns.time.finish()
    except BadCellError as error:
        raise _refusal(error, path, layout, header, columns.time) from None
    joined = {name: _joined(columns.numbers.pop(name)) for name in list(columns.numbers)}
    return Table(
        path.name,
        wall,
        stamps,
        {name: joined[name] for name in PRICES},
        joined.get("volume"),
        tuple(columns.codes),
        np.array(columns.coded, np.int64) if layout.symbol is not None else None,
        lambda row: f"line {_line(path, row)}",
    )


def _joined(parts: list[Column]) -> Column:
    """Return the pieces as one column, and let go of them."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _reader(file: TextIO) -> Reader:
    first = file.readline()
    delimiter = max(",;\t|", key=first.count)  # the first of them when there is none
    return csv.reader(chain([first], file), delimiter=delimiter)


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
    columns.count += len(rows)
    try:
        for name, at in zip(PRICES, layout.prices, strict=True):
            columns.numbers.setdefault(name, []).append(numbers(by_column[at], name))
        if layout.volume is not None:
            columns.numbers.setdefault("volume", []).append(volumes(by_column[layout.volume]))
    except BadCellError as error:
        raise error.further(first) from None
    if len(layout.time) == 1:
        columns.time.take(by_column[layout.time[0]])
    else:
        day, clock = (by_column[at] for at in layout.time)
        columns.time.take(list(map("{} {}".format, day, clock)))
    if layout.symbol is not None:
        codes = columns.codes
        columns.coded.extend(
            [codes.setdefault(name, len(codes)) for name in by_column[layout.symbol]]
        )


# ---- the way back from a row to a line: read again, because it is needed only in an error ----


def _numbered(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each data row with the line that it ends on; the header is line 1."""
    with _open(path) as file:
        reader = _reader(file)
        next(filter(None, reader))
        for row in reader:
            if row:
                yield reader.line_num, row


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
