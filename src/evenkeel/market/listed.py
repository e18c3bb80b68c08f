"""Corporate actions as the catalog lists them: one line each, and of two that differ the later word.

The file is one that `market.actions` reads, with two columns more: who said it, and when.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from evenkeel.domain.errors import DataError
from evenkeel.domain.money import exact, text
from evenkeel.market.columns import DAY
from evenkeel.ops.atomic_file import locked, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from evenkeel.domain.bar import Column
    from evenkeel.market.seen import Seen

HEADER = ("date", "instrument", "kind", "value", "source", "seen")


class Listed(Struct, frozen=True, order=True):
    """A line: an action of `date` (its ex-date), as `source` told it at `seen` (UTC ns)."""

    date: str
    instrument: str
    kind: str
    value: str
    source: str
    seen: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one of: an instrument has one split and one dividend a day."""
        return self.date, self.instrument, self.kind


def read_listed(path: Path) -> list[Listed]:
    """Return the lines of a file, none when there is no file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Listed(**{**row, "seen": int(row["seen"])})  # type: ignore[arg-type]
                for row in csv.DictReader(file)
            ]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a list of corporate actions: {error}") from error


def list_actions(path: Path, more: Iterable[Listed]) -> int:
    """Add lines to a file and return how many are new or differ from what it said."""
    more = list(more)
    if not more:
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        known = {each.key: each for each in read_listed(path)}
        held = dict(known)
        for each in more:
            other = held.get(each.key)
            if other is None or (other.seen, other.value) < (each.seen, each.value):
                held[each.key] = each
        if held != known:
            replace_file(path, [_as_csv(held.values()).encode()])
    return sum(known[key].value != each.value if key in known else 1 for key, each in held.items())


def _as_csv(lines: Iterable[Listed]) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(HEADER)
    for each in sorted(lines):
        writer.writerow((each.date, each.instrument, each.kind, each.value, each.source, each.seen))
    return sink.getvalue()


def listed_in(rows: Seen, extras: Mapping[str, Column]) -> Iterator[Listed]:
    """Yield the splits, dividends and capital gains that stand beside prices, in columns as long as `rows`."""
    for kind, nothing in (("split", 1.0), ("dividend", 0.0), ("gains", 0.0)):
        column = extras.get(kind)
        if column is None:
            continue
        told = np.isfinite(column) & (column > 0) & (column != nothing)
        for row in np.flatnonzero(told).tolist():
            yield Listed(
                str(np.datetime64(int(rows.ts[row]) // DAY, "D")),
                rows.names[rows.codes[row]],
                kind,
                text(exact(float(column[row]))),
                rows.sources[rows.source_of[row]],
                int(rows.last_seen[row]),
            )
