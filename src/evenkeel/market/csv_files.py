"""Bars from files and frames: used as they are or refused with the row that is wrong.

Nothing is repaired, sorted, filled or dropped. What is odd and usable becomes a finding.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from msgspec.structs import replace

from evenkeel.domain.errors import DataError, UsageError, did_you_mean
from evenkeel.domain.instrument import NO_MARKET, Instrument, instrument_named
from evenkeel.market.csv_table import KINDS, read_csv
from evenkeel.market.history import Bound, history

if TYPE_CHECKING:
    import pandas as pd

    from evenkeel.domain.bar import Bars, Times
    from evenkeel.market.columns import Table

    One: TypeAlias = "str | Path | pd.DataFrame"
    Source: TypeAlias = "One | Sequence[str | Path] | Mapping[str, One]"
    Wanted: TypeAlias = "str | Instrument | Sequence[str | Instrument] | None"

SUFFIXES = (*KINDS, ".parquet")


def read_bars(
    source: Source,
    *,
    instrument: Wanted = None,
    start: Bound = None,
    end: Bound = None,
    stamp: str = "start",
) -> list[Bars]:
    """Return the bars of one or more instruments, in the order of `source` or `instrument`.

    `source` is a path to .csv, .txt, .tsv (or .gz of them) or .parquet (several: a list, or text with commas), a
    pandas DataFrame, a dict of these by instrument id, or `catalog:` (see `market.catalog`). Columns are found by name in any case:
    a time (or a date and a time), open, high, low, close, and volume where there is one; a symbol
    column makes several instruments. Times without a zone are UTC.

    `instrument` names what is read (`AAPL.XNAS`): one id per file, or which symbols of a file.
    Without it a file is named after itself, with the market `XXXX` (none). `start` and `end` are
    inclusive dates or instants; no bar that lies outside is returned or judged. `stamp` says
    whether an intraday bar is stamped at its "start" or its "end".

    Raises `DataError` naming file, line, column and value for data that cannot be used, and
    `UsageError` for a request that cannot be met.
    """
    if stamp not in {"start", "end"}:
        raise UsageError(
            f"stamp must be 'start' or 'end', was {stamp!r}{did_you_mean(stamp, ('start', 'end'))}"
        )
    if (named := named_catalog(source)) is not None:
        return _from_catalog(named, instrument, start=start, end=end)
    parts, wanted = _request(source, instrument)
    tables = [read_table(part) for part in parts]
    bars = [
        replace(
            history(table, rows, named, start=start, end=end, stamp=stamp),
            source=str(part) if isinstance(part, str | Path) else "",
        )
        for part, table, share in zip(parts, tables, _shares(tables, wanted), strict=True)
        for named, rows in _choose(table, share, _stem(part))
    ]
    _refuse_repeated([each.instrument.id for each in bars])
    return bars


# ---- the request ----


def named_catalog(source: Source) -> str | None:
    """Return the source when it names a catalog, alone or as the one member of a list."""
    if isinstance(source, list | tuple) and len(source) == 1:
        source = source[0]
    return source if isinstance(source, str) and source.startswith("catalog:") else None


def _from_catalog(source: str, instrument: Wanted, *, start: Bound, end: Bound) -> list[Bars]:
    from evenkeel.market.catalog import read_source  # Parquet takes a while to load

    wanted = _wanted(instrument)
    if not wanted:
        raise UsageError(f"{source} holds many instruments; name yours, such as AAPL.XNAS")
    _refuse_repeated([each.id for each in wanted])
    return read_source(source, wanted, start=start, end=end)


def _request(source: Source, instrument: Wanted) -> tuple[list[One], list[Instrument] | None]:
    wanted = _wanted(instrument)
    if not isinstance(source, Mapping):
        _refuse_repeated([each.id for each in wanted or ()])
        return _files(source), wanted
    if wanted is not None:
        raise UsageError("instrument: the dict's keys name the instruments; give one of the two")
    if not source:
        raise UsageError("no data was given: the dict is empty")
    return list(source.values()), [_named(name) for name in source]


def _shares(
    tables: Sequence[Table], wanted: list[Instrument] | None
) -> Sequence[list[Instrument] | None]:
    """Return what is asked of each table: one each in order, or each symbol where it is found."""
    if wanted is None or len(tables) == 1:
        return [wanted] * len(tables)
    if len(tables) == len(wanted):
        return [[each] for each in wanted]
    found = {name for table in tables for name in table.names}
    others = iter([each for each in wanted if each.symbol not in found])
    shares = [
        [each for each in wanted if each.symbol in table.names]
        if table.names
        else list(islice(others, 1))
        for table in tables
    ]
    if not all(shares) or next(others, None):
        raise UsageError(
            f"{len(tables)} files need {len(tables)} instruments, one each in order, "
            f"not {len(wanted)}"
        )
    return shares


def _files(source: One | Sequence[str | Path]) -> list[One]:
    if isinstance(source, str):
        whole = [source] if Path(source).exists() else source.split(",")
        parts: list[One] = [Path(name.strip()) for name in whole if name.strip()]
    elif isinstance(source, list | tuple):
        for part in source:
            if not isinstance(part, str | Path):
                raise UsageError(
                    f"a list names files, and holds a {type(part).__name__}; give several "
                    "DataFrames as a dict by instrument id"
                )
        parts = [Path(name) for name in source]
    else:
        parts = [source]  # type: ignore[list-item] # a Path or a DataFrame
    if not parts:
        raise UsageError("no data was given; name a .csv, .csv.gz or .parquet file")
    return parts


def _wanted(instrument: Wanted) -> list[Instrument] | None:
    if instrument is None:
        return None
    if isinstance(instrument, Instrument):
        return [instrument]
    names = instrument.split(",") if isinstance(instrument, str) else instrument
    return [_named(each) for each in (names if isinstance(names, Sequence) else [names])]


def _named(given: object) -> Instrument:
    if isinstance(given, Instrument):
        return given
    if not isinstance(given, str):
        raise UsageError(f"instrument must be an id such as AAPL.XNAS, was {given!r}")
    return instrument_named(given)


def _refuse_repeated(ids: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise UsageError(f"{repeated[0]} is there more than once; one instrument has one history")


# ---- the file ----


def read_table(part: One) -> Table:
    """Return a file of text or Parquet, or a DataFrame, as a table that nobody has judged.

    Raises `DataError` when it is absent, of another kind, or cannot be read.
    """
    if not isinstance(part, str | Path):
        if not hasattr(part, "columns"):
            raise UsageError(
                f"bars are read from a path or a DataFrame, not from {type(part).__name__}"
            )
        from evenkeel.market.frames import read_frame  # the caller has paid for pandas already

        return read_frame(part, "the DataFrame")
    path = Path(part).expanduser()
    name = path.name.casefold()
    if path.is_dir():
        raise DataError(f"{path} is a directory; name a file in it")
    if not path.exists():
        raise DataError(f"{path} does not exist{_neighbour(path)}")
    if not name.endswith(SUFFIXES):
        raise DataError(f"{path} is of no kind that is read; use {', '.join(SUFFIXES)}")
    try:
        if name.endswith(".parquet"):
            from evenkeel.market.frames import read_parquet  # pyarrow takes a while to load

            return read_parquet(path)
        return read_csv(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _neighbour(path: Path) -> str:
    try:
        return did_you_mean(path.name, (each.name for each in path.parent.iterdir()))
    except OSError:
        return ""


def _stem(part: One) -> str:
    if not isinstance(part, str | Path):
        return "DATA"
    stem = re.sub(r"\.(csv|csv\.gz|parquet)$", "", Path(part).name, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]", "_", stem.upper()) or "DATA"


# ---- the instruments in it ----


def _choose(
    table: Table, wanted: list[Instrument] | None, stem: str
) -> Iterator[tuple[Instrument, Times | None]]:
    """Yield each instrument of a table with its rows, None when it is the whole table."""
    if table.codes is None:
        alone = wanted if wanted is not None else [Instrument(f"{stem}.{NO_MARKET}")]
        if len(alone) != 1:
            raise UsageError(
                f"{table.label} has no symbol column, so it holds one instrument, not {len(alone)}"
            )
        yield alone[0], None
        return
    order = np.argsort(table.codes, kind="stable")
    edges = np.searchsorted(table.codes[order], np.arange(len(table.names) + 1))
    rows_of = {name: order[edges[at] : edges[at + 1]] for at, name in enumerate(table.names)}
    for named in wanted if wanted is not None else _all(table, rows_of):
        if named.symbol not in rows_of:
            raise DataError(
                f"{table.label} has no symbol {named.symbol!r}{_near(named.symbol, table.names)}"
            )
        yield named, rows_of[named.symbol]


def _all(table: Table, rows_of: Mapping[str, Times]) -> Iterator[Instrument]:
    for name, rows in rows_of.items():
        if not name or any(letter.isspace() for letter in name):
            place = table.place(int(rows[0]))
            raise DataError(
                f"{table.label}, {place}: symbol {name!r} must not be empty or have spaces"
            )
        yield Instrument(f"{name}.{NO_MARKET}")


def _near(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=3, cutoff=0.5) or sorted(known)[:5]
    return f"; it has {', '.join(close)}{' …' if len(known) > len(close) else ''}"
