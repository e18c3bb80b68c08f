"""Long histories as uncompressed Arrow files, mapped into memory: opened, not read.

A file is named by the hash of the parts that it was made from; when they change, it is made anew.
It may be deleted at any time, and a folder that cannot be written costs time only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.market.shelf import EVER, safe_name
from evenkeel.ops.atomic_file import replace_file

if TYPE_CHECKING:
    from evenkeel.domain.bar import AnyArray
    from evenkeel.market.shelf import Shelf

ROWS_MIN = 50_000
"""Fewer bars are read from Parquet in a moment."""


class ArrowCache:
    """A folder of such files."""

    def __init__(self, folder: Path) -> None:
        """Keep files in `folder`, which the first one makes."""
        self.folder = folder

    def columns(
        self, shelf: Shelf, name: str, *, start: int = EVER[0], stop: int = EVER[1]
    ) -> dict[str, AnyArray]:
        """Return what `Shelf.columns` returns; of long histories as views of a mapped file."""
        place = self.folder / shelf.folder.parent.name / shelf.interval / safe_name(name)
        path = place / f"{shelf.version(name)[:32]}.arrow"
        found = _mapped(path)
        if found is None:
            found = shelf.columns(name)
            if len(found["ts"]) < ROWS_MIN:
                return _between(found, start, stop)
            self._keep(path, found)
            found = _mapped(path) or found
        return _between(found, start, stop)

    def _keep(self, path: Path, columns: dict[str, AnyArray]) -> None:
        import pyarrow as pa

        table = pa.table({name: pa.array(column) for name, column in columns.items()})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)  # one batch: each column lies in one piece
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, [sink.getvalue().to_pybytes()])
            for old in path.parent.glob("*.arrow"):
                if old != path:
                    old.unlink(missing_ok=True)
        except OSError:
            return


def _mapped(path: Path) -> dict[str, AnyArray] | None:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            if reader.num_record_batches != 1:
                return None
            batch = reader.get_batch(0)
    except (OSError, pa.ArrowException):
        return None
    return {name: np.from_dlpack(batch.column(name)) for name in batch.schema.names}


def _between(columns: dict[str, AnyArray], start: int, stop: int) -> dict[str, AnyArray]:
    low, high = np.searchsorted(columns["ts"], [start, stop])
    return {name: column[low:high] for name, column in columns.items()}
