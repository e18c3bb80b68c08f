"""Bars in and out of the catalog: a million minutes, a range out of fifty, every US share of a year.

With the real data beside the repository it is measured on that, else on bars made up in its shape.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.timing import Row, race
from evenkeel.app.data import import_files
from evenkeel.market.arrow_cache import ArrowCache
from evenkeel.market.catalog import Catalog
from evenkeel.market.checks.rows import row_checks
from evenkeel.market.checks.rules import judge
from evenkeel.market.checks.sheet import sheet
from evenkeel.market.intake import Terms
from evenkeel.market.seen import seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.domain.bar import AnyArray
    from evenkeel.market.shelf import Shelf

MINUTE, DAY = 60_000_000_000, 86_400_000_000_000
NAMES = ("open", "high", "low", "close", "volume")
BESIDE = Path(__file__).parent.parent.parent / "shared" / "data"
REAL = Path(os.environ.get("EVENKEEL_SHARED_DATA") or BESIDE)
REPEATS = 7


def measure(size: float = 1.0) -> Iterator[Row]:
    """Hold reading against pyarrow and a memory map, and importing against its allowance."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _reading(Path(folder), size)
        yield from _ranges(Path(folder), size)
        yield from _importing(Path(folder), size)


def _reading(folder: Path, size: float) -> Iterator[Row]:
    file = _minutes(folder, size)
    catalog = Catalog(folder / "minutes")
    import_files(catalog, [file], Terms(instrument="BTC.XXXX"), now=2**62)
    shelf, cache = catalog.shelf("1m"), ArrowCache(folder / "cache")
    columns = cache.columns(shelf, "BTC.XXXX")
    rows = len(columns["ts"])
    mapped = folder / "mapped.npy"
    np.save(mapped, np.column_stack([columns[name].view(np.float64) for name in columns]))
    laps = race(
        {
            "pyarrow": lambda: pq.read_table(file),
            "catalog": lambda: shelf.columns("BTC.XXXX"),
            "arrow": lambda: _touched(cache.columns(shelf, "BTC.XXXX")),
            "mapped": lambda: np.load(mapped, mmap_mode="r").sum(),
            "bars": lambda: catalog.bars(["BTC.XXXX"]),
        },
        REPEATS,
    )
    yield Row(
        f"{rows:,} minutes, catalog → numpy",
        f"{laps.ratio('catalog', 'pyarrow'):.2f} × pyarrow.read_table, {laps.wall('catalog'):.3f} s",
        "1.5 ×, 0.15 s",
    )
    yield Row(
        f"{rows:,} minutes through the Arrow cache, summed",
        f"{laps.ratio('arrow', 'mapped'):.2f} × a memory map, {laps.wall('arrow'):.4f} s",
        "2 ×",
    )
    yield Row(f"{rows:,} minutes as bars of a backtest", f"{laps.wall('bars'):.3f} s")
    yield from _judging(shelf, rows)


def _touched(columns: dict[str, AnyArray]) -> float:
    return float(sum(column.sum() for column in columns.values()))


def _judging(shelf: Shelf, rows: int) -> Iterator[Row]:
    made = sheet(shelf.everything(), shelf.length, now=2**62)
    laps = race(
        {
            "rows": lambda: list(row_checks(made)),
            "all": lambda: judge(sheet(shelf.everything(), shelf.length, now=2**62)),
        },
        3,
    )
    million = rows / 1e6
    yield Row("the row checks, a million rows", f"{laps.wall('rows') / million:.3f} s", "0.1 s")
    yield Row("every check, a million rows", f"{laps.wall('all') / million:.2f} s", "3 s")


def _ranges(folder: Path, size: float) -> Iterator[Row]:
    """Fifty instruments of 100,000 minutes, of one of which 10,000 are wanted."""
    shelf = Catalog(folder / "fifty").shelf("1m")
    count = max(int(100_000 * size), 100)
    ts = np.arange(count) * MINUTE + 18_262 * DAY
    for at in range(50):
        columns = _walk(count, at)
        codes = np.zeros(count, np.int64)
        shelf.add(seen([f"A{at}.XXXX"], codes, ts, columns, at=1, source="made up"))
    low, high = int(ts[count // 3]), int(ts[min(count // 3 + 10_000, count - 1)])
    laps = race({"range": lambda: shelf.columns("A23.XXXX", start=low, stop=high)}, 3 * REPEATS)
    yield Row("10,000 bars of one of 50 instruments", f"{laps.wall('range') * 1e3:.1f} ms", "10 ms")


def _importing(folder: Path, size: float) -> Iterator[Row]:
    file = _shares(folder, size)
    catalog = Catalog(folder / "shares")
    begun = time.perf_counter()
    found = import_files(catalog, [file], Terms(market="XNYS"), now=2**62)
    spent = time.perf_counter() - begun
    stored = sum(part.size for part in catalog.shelf("1d").manifest().parts)
    yield Row(
        f"import of {found.rows:,} rows of {len(found.instruments):,} instruments, judged",
        f"{spent:.1f} s, {stored / found.rows:.1f} bytes a row",
        "20 s, 25 bytes",
    )


# ---- data ----


def _walk(count: int, seed: int) -> dict[str, AnyArray]:
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.001, count))), 2)
    opens = np.round(close * np.exp(random.normal(0, 0.0005, count)), 2)
    top, bottom = np.maximum(opens, close), np.minimum(opens, close)
    volume = np.round(random.lognormal(8, 1, count))
    return dict(zip(NAMES, (opens, top + 0.05, bottom - 0.05, close, volume), strict=True))


def _minutes(folder: Path, size: float) -> Path:
    real = REAL / "minute" / "btcusd_bitfinex_1m_2017_2018.parquet"
    if real.exists() and size >= 1:
        return real
    count = max(int(1_000_000 * size), 60)
    ts = pa.array(np.arange(count) * MINUTE + 17_167 * DAY).cast(pa.timestamp("ns", "UTC"))
    path = folder / "minutes.parquet"
    pq.write_table(pa.table({"ts": ts, **_walk(count, 1)}), path, compression="zstd")
    return path


def _shares(folder: Path, size: float) -> Path:
    real = REAL / "daily" / "us_eod_all_2015-03_2015-12.parquet"
    if real.exists() and size >= 1:
        return real
    days, shares = 190, max(int(6_400 * size), 4)
    columns = _walk(days * shares, 2)
    path = folder / "shares.parquet"
    names = [f"S{at}" for at in range(shares) for _ in range(days)]
    dates = np.tile(np.arange(days) + 16_514, shares)
    dated = pa.array(dates.astype(np.int32)).cast(pa.date32())
    pq.write_table(pa.table({"symbol": names, "date": dated, **columns}), path)
    return path
