"""Tables from pandas and from Parquet. Both libraries are loaded only when somebody uses them.

Text in a time, price or symbol column is read by the same rules as text in a CSV file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evenkeel.domain.errors import DataError
from evenkeel.market.columns import (
    DATES,
    DAY,
    PRICES,
    TIMES,
    BadCellError,
    EmptyFileError,
    Layout,
    Table,
    numbers,
    recognise,
    symbols,
    volumes,
)
from evenkeel.market.times import LARGEST, epoch_ns, times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from evenkeel.domain.bar import AnyArray, Column, Times


class _Source(Protocol):
    """Columns by position, whoever holds them."""

    def __len__(self) -> int: ...

    def moments(self, at: int, name: str) -> tuple[Times, Times]: ...

    def floats(self, at: int, name: str) -> Column: ...

    def texts(self, at: int) -> Sequence[str]: ...

    def coded(self, at: int) -> tuple[tuple[str, ...], Times]: ...


def read_parquet(path: Path, *, extras: bool = False) -> Table:
    """Return the table of a Parquet file; `DataError` when it is none or lacks a column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            layout = recognise(names, path.name, extras=extras)
            wanted = [names[at] for at in _positions(layout)]
            content = file.read(columns=wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{path.name} is not a Parquet file that can be read: {error}") from error
    return _table(_Arrow(content, names), names, layout, path.name)


def read_frame(frame: pd.DataFrame, label: str) -> Table:
    """Return the table of a DataFrame: columns in any case, times in a column or the index."""
    import pandas as pd

    if frame.columns.nlevels > 1:
        raise DataError(
            f"{label} has columns of {frame.columns.nlevels} levels; take one instrument out of it,"
            f" such as frame.xs('AAPL', axis=1, level=1), or give a dict of frames"
        )
    if frame.index.nlevels > 1:
        frame = frame.reset_index()
    columns = [frame.iloc[:, at] for at in range(frame.shape[1])]
    names = [str(name) for name in frame.columns]
    index = frame.index.to_timestamp() if isinstance(frame.index, pd.PeriodIndex) else frame.index
    if not pd.api.types.is_numeric_dtype(index.dtype):
        # The index is the time: a column of that kind beside it would only compete.
        kept = [at for at, name in enumerate(names) if name.casefold() not in {*DATES, *TIMES}]
        columns = [index.to_series(), *(columns[at] for at in kept)]
        names = ["timestamp", *(names[at] for at in kept)]
    layout = recognise(names, label)
    return _table(_Pandas(columns), names, layout, label)


def _positions(layout: Layout) -> list[int]:
    optional = [at for at in (layout.volume, layout.symbol) if at is not None]
    return [*layout.time, *layout.prices, *optional, *(at for _, at in layout.extras)]


def _table(source: _Source, names: list[str], layout: Layout, label: str) -> Table:
    try:
        wall, stamps = _moments(source, names, layout, label)
        pairs = zip(PRICES, layout.prices, strict=True)
        prices = {name: source.floats(at, name) for name, at in pairs}
        volume = None if layout.volume is None else source.floats(layout.volume, "volume")
        extras = {name: source.floats(at, name) for name, at in layout.extras}
    except BadCellError as error:
        where = f"{_place(error.row)}: {error.column}"
        raise DataError(f"{label}, {where} {error.law}") from None
    known, codes = ((), None) if layout.symbol is None else symbols(*source.coded(layout.symbol))
    return Table(label, wall, stamps, prices, volume, known, codes, _place, extras)


def _place(row: int) -> str:
    return f"row {row + 1}"


def _moments(source: _Source, names: list[str], layout: Layout, label: str) -> tuple[Times, Times]:
    name = " ".join(names[at] for at in layout.time)
    if not len(source):
        raise EmptyFileError(f"{label} has no rows; at least 2 are needed")
    if len(layout.time) == 1:
        return source.moments(layout.time[0], name)
    days, clocks = (source.texts(at) for at in layout.time)
    return times([f"{day[:10]} {clock}" for day, clock in zip(days, clocks, strict=True)], name)


def _numbers(texts: Sequence[str], name: str) -> Column:
    return numbers(texts, name) if name in PRICES else volumes(texts, name)


def _whole(counts: Times, name: str) -> tuple[Times, Times]:
    """Read whole numbers as times: 20240131, or counts since 1970."""
    if counts.min() > 19_000_000 and counts.max() < 22_000_000:
        return times([str(count) for count in counts], name)
    stamps = epoch_ns(counts, name)
    return stamps, stamps


class _Arrow:
    """Columns of a pyarrow table. Its own way into numpy would load pandas; DLPack does not."""

    def __init__(self, content: Any, names: list[str]) -> None:  # noqa: ANN401 - pyarrow carries no types
        self.content, self.names = content, names

    def __len__(self) -> int:
        return int(self.content.num_rows)

    def _column(self, at: int) -> Any:  # noqa: ANN401
        return self.content.column(self.names[at]).combine_chunks()

    def moments(self, at: int, name: str) -> tuple[Times, Times]:
        from pyarrow import types

        column = self._column(at)
        if column.null_count:
            raise BadCellError(column.to_pylist().index(None), name, None, "is empty")
        if types.is_date(column.type):
            days = _array(_cast(_cast(column, "date32", name), "int32", name)) * np.int64(DAY)
            return days, days
        if types.is_integer(column.type):
            return _whole(_array(_cast(column, "int64", name)), name)
        if not types.is_timestamp(column.type):
            return times(self.texts(at), name)
        stamps = _nanoseconds(column)
        if column.type.tz in {None, "UTC", "Z", "+00:00"}:
            return stamps, stamps
        from pyarrow import compute  # slow to load, and few files have a zone of their own

        return _nanoseconds(compute.local_timestamp(column)), stamps

    def floats(self, at: int, name: str) -> Column:
        from pyarrow import types

        column = self._column(at)
        if types.is_string(column.type) or types.is_large_string(column.type):
            return _numbers(self.texts(at), name)
        floats = _cast(column, "float64", name)
        return _array(floats.fill_null(np.nan) if floats.null_count else floats)

    def texts(self, at: int) -> Sequence[str]:
        return ["" if cell is None else str(cell) for cell in self._column(at).to_pylist()]

    def coded(self, at: int) -> tuple[tuple[str, ...], Times]:
        texts = _cast(self._column(at), "string", self.names[at])  # of a dictionary: its values
        encoded = texts.dictionary_encode("encode")
        names = tuple("" if name is None else str(name) for name in encoded.dictionary.to_pylist())
        return names, _array(encoded.indices).astype(np.int64)


def _cast(column: Any, kind: str, name: str) -> Any:  # noqa: ANN401
    import pyarrow as pa

    try:
        return column.cast(pa.type_for_alias(kind), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        law = f"holds {column.type}, which cannot be read as {kind}"
        raise BadCellError(0, name, None, law) from None


def _array(column: Any) -> AnyArray:  # noqa: ANN401
    return np.from_dlpack(column)


def _nanoseconds(column: Any) -> Times:  # noqa: ANN401
    import pyarrow as pa

    days = column.cast(pa.timestamp("s", column.type.tz), safe=False).cast(pa.int64())
    seconds = _array(days)
    outside = np.abs(seconds) >= LARGEST // 10**9
    if outside.any():
        raise BadCellError(int(outside.argmax()), "time", None, "is in no year of market data")
    nanoseconds = column.cast(pa.timestamp("ns", column.type.tz), safe=False)
    return _array(nanoseconds.cast(pa.int64()))


class _Pandas:
    """Columns of a DataFrame."""

    def __init__(self, columns: list[pd.Series[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def moments(self, at: int, name: str) -> tuple[Times, Times]:
        import pandas as pd

        column = self.columns[at]
        absent = column.isna().to_numpy()
        if absent.any():
            raise BadCellError(int(absent.argmax()), name, None, "is empty")
        if pd.api.types.is_integer_dtype(column.dtype):
            return _whole(column.to_numpy(np.int64), name)
        if column.dtype.kind != "M":
            return times(self.texts(at), name)
        index = pd.DatetimeIndex(column).as_unit("ns")
        return index.tz_localize(None).asi8, index.asi8

    def floats(self, at: int, name: str) -> Column:
        import pandas as pd

        column = self.columns[at]
        if pd.api.types.is_numeric_dtype(column.dtype):
            return column.to_numpy(np.float64, na_value=np.nan)
        return _numbers(self.texts(at), name)

    def texts(self, at: int) -> Sequence[str]:
        column = self.columns[at]
        return ["" if gone else str(cell) for cell, gone in zip(column, column.isna(), strict=True)]

    def coded(self, at: int) -> tuple[tuple[str, ...], Times]:
        import pandas as pd

        codes, names = pd.factorize(pd.Series(self.texts(at), dtype=object))
        return tuple(map(str, names)), codes.astype(np.int64)
