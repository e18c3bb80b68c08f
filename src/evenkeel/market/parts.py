"""Parts: the files of the catalog. Written once, whole, and never changed; named by their content.

A part is Parquet (zstd, checksums on every page) with rows in order of instrument and time. Its
footer says how many rows each instrument has, so that one of thousands is found without a search.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from evenkeel.domain.errors import OutsideError
from evenkeel.market.seen import VALUES, Seen, nothing_seen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evenkeel.domain.bar import AnyArray, Times

FORMAT = 1
ROW_GROUP = 32_768
"""Rows that are read together: few enough for a range of 10,000, enough to read a million fast."""

SHARED_ROW_GROUP = 65_536
"""The same in a part of many instruments, of which mostly one is wanted."""

LEVEL, LEVEL_ARCHIVED = 3, 19
"""zstd levels: 19 is 4 % smaller and thirty times slower to write."""

PRICES_AND_VOLUME = ("open", "high", "low", "close", "volume")

_INDEX = b"evenkeel"


class Index(msgspec.Struct, frozen=True):
    """What a part's footer says of its rows: each instrument in order, and how many it has."""

    format: int
    instruments: list[str]
    rows: list[int]


# ---- writing ----


def encode(rows: Seen, *, level: int = LEVEL) -> bytes:
    """Return rows (in order) as the bytes of a part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    codes, counts = np.unique(rows.codes, return_counts=True)
    names = [rows.names[code] for code in codes]
    index = Index(FORMAT, names, counts.tolist())
    adjusted = bool(np.isfinite(rows.values["adj_close"]).any())
    floats = [name for name in VALUES if adjusted or name != "adj_close"]
    table = pa.table(
        {
            "instrument": _words(np.searchsorted(codes, rows.codes), names),
            "ts": _moments(rows.ts),
            **{name: pa.array(rows.values[name]) for name in floats},
            "first_seen": _moments(rows.first_seen),
            "last_seen": _moments(rows.last_seen),
            "source": _words(rows.source_of, list(rows.sources)),
        }
    ).replace_schema_metadata({_INDEX: msgspec.json.encode(index)})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=level,
        row_group_size=ROW_GROUP if len(names) == 1 else SHARED_ROW_GROUP,
        use_dictionary=[name for name in table.column_names if name not in {"ts", "volume"}],
        column_encoding={"ts": "DELTA_BINARY_PACKED", "volume": "BYTE_STREAM_SPLIT"},
        write_statistics=["ts"],
        write_page_checksum=True,
    )
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _words(codes: Times, words: Sequence[str]) -> Any:  # noqa: ANN401 - pyarrow carries no types
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32)), pa.array(words, pa.string())
    )


def _moments(times: Times) -> Any:  # noqa: ANN401
    import pyarrow as pa

    return pa.array(times).cast(pa.timestamp("ns", "UTC"))


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


# ---- reading ----


class PartFile:
    """An open part. `index` says where each instrument's rows are."""

    def __init__(self, path: Path) -> None:
        """Open a part; `OutsideError` naming it when it is damaged, `FileNotFoundError` if gone."""
        import pyarrow.parquet as pq

        self.path = path
        self._file = self._guarded(
            lambda: pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
        )
        self._meta = self._file.metadata
        self.index = self._guarded(
            lambda: msgspec.json.decode(self._meta.metadata[_INDEX], type=Index)
        )

    def _guarded(self, read: Any) -> Any:  # noqa: ANN401
        import pyarrow as pa

        try:
            return read()
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException, msgspec.DecodeError, KeyError, TypeError) as error:
            raise damaged(self.path) from error

    def span(self, name: str) -> tuple[int, int]:
        """Return where an instrument's rows start and end; both 0 when it has none."""
        if name not in self.index.instruments:
            return 0, 0
        place = self.index.instruments.index(name)
        start = sum(self.index.rows[:place])
        return start, start + self.index.rows[place]

    def columns(
        self, names: Sequence[str], start: int, stop: int, first: int, last: int
    ) -> dict[str, list[AnyArray]]:
        """Return pieces of columns for rows `start` to `stop` that may be in `first..last`.

        Whole row groups outside are left out; what is left may still hold rows outside.
        """
        groups, before = self._groups(start, stop, first, last)
        wanted = [name for name in names if name in self._file.schema_arrow.names]
        pieces: dict[str, list[AnyArray]] = {name: [] for name in names}
        if not groups:
            return pieces
        several = len(groups) > 4  # for a few, waking other threads takes longer than reading
        content = self._guarded(
            lambda: self._file.read_row_groups(groups, columns=wanted, use_threads=several)
        )
        rows = slice(max(start - before, 0), min(stop - before, content.num_rows))
        for name in names:
            if name in wanted:
                pieces[name] = _pieces(content.column(name)[rows.start : rows.stop])
            else:
                pieces[name] = [np.full(rows.stop - rows.start, np.nan)]
        return pieces

    def _groups(self, start: int, stop: int, first: int, last: int) -> tuple[list[int], int]:
        """Return the row groups to read, and the number of the first row in them."""
        groups: list[int] = []
        before, row = 0, 0
        for at in range(self._meta.num_row_groups):
            group = self._meta.row_group(at)
            count = group.num_rows
            if row < stop and row + count > start and self._meets(group, first, last):
                before = before if groups else row
                groups.append(at)
            elif groups:
                break
            row += count
        return groups, before

    def _meets(self, group: Any, first: int, last: int) -> bool:  # noqa: ANN401
        if len(self.index.instruments) > 1:
            return True
        found = group.column(1).statistics  # of ts
        low, high = found.min_raw, found.max_raw
        return bool(low <= last and high >= first)

    def seen(self, names: Sequence[str] | None = None) -> Seen:
        """Return all rows, or those of some instruments."""
        total = int(self._meta.num_rows)
        kept = np.ones(len(self.index.rows), np.bool_)
        if names is not None:
            wanted = set(names)
            kept = np.array([name in wanted for name in self.index.instruments], np.bool_)
            if not kept.any():
                return nothing_seen()
        ends = np.cumsum(self.index.rows)
        start = int(ends[kept.argmax()] - self.index.rows[kept.argmax()])
        stop = int(ends[len(kept) - 1 - kept[::-1].argmax()]) if len(kept) else total
        groups, before = self._groups(start, stop, -(2**63), 2**63 - 1)
        content = self._guarded(lambda: self._file.read_row_groups(groups))
        rows = _as_seen(content.slice(start - before, stop - start))
        if kept.all():
            return rows
        return rows.take(np.repeat(kept, self.index.rows)[start:stop])


def damaged(path: Path) -> OutsideError:
    """Return the error that names a damaged file."""
    return OutsideError(
        f"{path} is damaged; `evenkeel data restore` brings it back from an archive"
    )


def _as_seen(content: Any) -> Seen:  # noqa: ANN401
    names, codes = _coded(content.column("instrument"))
    sources, source_of = _coded(content.column("source"))
    there = set(content.column_names)
    blank = np.full(content.num_rows, np.nan)
    return Seen(
        names,
        codes,
        _whole(content.column("ts")),
        {name: _whole(content.column(name)) if name in there else blank for name in VALUES},
        _whole(content.column("first_seen")),
        _whole(content.column("last_seen")),
        sources,
        source_of,
    )


def _coded(column: Any) -> tuple[tuple[str, ...], Times]:  # noqa: ANN401
    column = column.unify_dictionaries().combine_chunks()
    words = column.dictionary.to_pylist()
    codes = np.from_dlpack(column.indices).astype(np.int64)
    known = sorted(set(words))
    place = {word: at for at, word in enumerate(known)}
    return tuple(known), np.array([place[word] for word in words], np.int64)[codes]


def _whole(column: Any) -> AnyArray:  # noqa: ANN401
    return np.concatenate(_pieces(column)) if column.num_chunks != 1 else _pieces(column)[0]


def _pieces(column: Any) -> list[AnyArray]:  # noqa: ANN401
    """Return a chunked column as views; pyarrow's own way into numpy would load pandas."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return [np.from_dlpack(chunk) for chunk in column.chunks]
