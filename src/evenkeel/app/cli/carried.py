"""`evenkeel data archive|restore|export`: bars that leave the catalog, and that come back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.app.cli.progress import Progress
from evenkeel.app.cli.shown import Answer, pairs, shown
from evenkeel.app.cli.stocked import bars_of, catalog
from evenkeel.domain.errors import UsageError
from evenkeel.market.archive import archive, restore
from evenkeel.ops.atomic_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evenkeel.app.cli.stocked import Shown
    from evenkeel.domain.bar import Bars

VALUES = ("open", "high", "low", "close", "volume")


def archive_answer(target: str) -> Answer:
    """Write an archive and say what is in it."""
    path = Path(target)
    with Progress("archive") as told:
        index = archive(catalog(), path, told=told)
    size = path.stat().st_size
    body = {
        "archive": str(path),
        "bytes": size,
        "files": len(index.members),
        "digest": index.digest,
    }
    lines = pairs(
        [
            ("archive", f"{shown(path)}, {size / 1e6:,.1f} MB"),
            ("files", f"{len(index.members):,}, each with its hash"),
            ("digest", index.digest),
        ]
    )
    return Answer(body, lines)


def restore_answer(source: str) -> Answer:
    """Bring bars back and say what came."""
    held = catalog()
    with Progress("restore") as told:
        found = restore(held, Path(source), told=told)
    body = {
        "added": found.added,
        "mended": [str(path) for path in found.mended],
        "digest": found.digest,
    }
    rows = [
        ("new bars", f"{found.added:,}"),
        ("mended", ", ".join(shown(path) for path in found.mended)),
        ("digest", found.digest),
    ]
    return Answer(body, [*pairs(rows), "", "Next: evenkeel data check"])


def export_answer(asked: Sequence[Shown], out: str) -> Answer:
    """Write bars of all instruments into one file."""
    path = Path(out)
    if path.suffix not in {".csv", ".parquet"}:
        raise UsageError(f"--out must end in .csv or .parquet, was {out!r}")
    bars = [bars_of(each) for each in asked]
    content = _as_csv(bars) if path.suffix == ".csv" else _as_parquet(bars)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)
    count = sum(map(len, bars))
    body = {"file": str(path), "bars": count, "sha256": {b.instrument.id: b.digest() for b in bars}}
    return Answer(body, [f"  {shown(path)}: {count:,} bars of {len(bars):,} instruments"])


def _as_csv(bars: Sequence[Bars]) -> Iterator[bytes]:
    import numpy as np

    yield ("symbol,timestamp," + ",".join(VALUES) + "\n").encode()
    for each in bars:
        times = np.datetime_as_string(each.closed_at.astype("M8[ns]"), unit="s").tolist()
        columns = [getattr(each, name).tolist() for name in VALUES]
        text = io.StringIO()
        for at, *row in zip(times, *columns, strict=True):
            text.write(f"{each.instrument.symbol},{at}Z,{','.join(map(repr, row))}\n")
        yield text.getvalue().encode()


def _as_parquet(bars: Sequence[Bars]) -> Iterator[bytes]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    times = np.concatenate([each.closed_at for each in bars])
    table = pa.table(
        {
            "symbol": [each.instrument.symbol for each in bars for _ in range(len(each))],
            "timestamp": pa.array(times).cast(pa.timestamp("ns", "UTC")),
            **{name: np.concatenate([getattr(each, name) for each in bars]) for name in VALUES},
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    yield sink.getvalue().to_pybytes()
