"""The ticker map: whose a symbol was, and when. A symbol that was used again is another instrument.

A CSV file of the columns ticker, market, first, last, instrument; dates are inclusive, an empty one
is open. What no line mentions is its own instrument, always.
"""

from __future__ import annotations

import csv
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from evenkeel.calendar.sessions import day_number
from evenkeel.domain.errors import DataError
from evenkeel.domain.instrument import instrument_id
from evenkeel.market.columns import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from evenkeel.market.seen import Seen

HEADER = ("ticker", "market", "first", "last", "instrument")
EVER = (-(2**40), 2**40)


class Use(Struct, frozen=True):
    """A market's symbol stood for an instrument from one day through another (days since 1970)."""

    symbol: str
    instrument: str
    first: int
    last: int

    def meets(self, first: int, last: int) -> bool:
        """Tell whether any day from `first` through `last` is one of its own."""
        return self.first <= last and first <= self.last


class TickerMap:
    """Which instrument a symbol meant on a day."""

    def __init__(self, uses: Iterable[Use] = ()) -> None:
        """Know some uses; `DataError` when two instruments had a symbol on one day."""
        self.uses: dict[str, list[Use]] = {}
        for use in sorted(uses, key=lambda each: (each.symbol, each.first)):
            known = self.uses.setdefault(use.symbol, [])
            if known and known[-1].last >= use.first:
                raise DataError(
                    f"ticker map: {use.symbol} is {known[-1].instrument} and {use.instrument} "
                    f"on {_text(use.first)}; a symbol means one instrument a day"
                )
            known.append(use)

    def meaning(self, name: str, first: int = EVER[0], last: int = EVER[1]) -> str:
        """Return the instrument that `name` meant on every day from `first` through `last`.

        Raises `DataError` when it meant several: then the caller must ask for one of them.
        """
        found = list(dict.fromkeys(use.instrument for use in self._uses(name, first, last)))
        if len(found) > 1:
            parts = ", ".join(
                f"{use.instrument} from {_text(use.first)} to {_text(use.last)}"
                for use in self._uses(name, first, last)
            )
            raise DataError(f"{name} was several instruments in that time: {parts}; ask for one")
        return found[0] if found else name

    def _uses(self, name: str, first: int, last: int) -> list[Use]:
        return [use for use in self.uses.get(name, ()) if use.meets(first, last)]

    def assigned(self, rows: Seen) -> Seen:
        """Return rows with each symbol replaced by the instrument that it meant on that day."""
        concerned = [name for name in rows.names if name in self.uses]
        if not concerned:
            return rows
        names = sorted({*rows.names, *(use.instrument for n in concerned for use in self.uses[n])})
        place = {name: at for at, name in enumerate(names)}
        codes = np.array([place[name] for name in rows.names], np.int64)[rows.codes]
        days = rows.ts // DAY
        for name in concerned:
            mine = rows.codes == rows.names.index(name)
            for use in self.uses[name]:
                codes[mine & (days >= use.first) & (days <= use.last)] = place[use.instrument]
        moved = replace(rows, names=tuple(names), codes=codes)
        return moved.take(np.lexsort((moved.ts, codes)))


def read_tickers(path: Path) -> TickerMap:
    """Return the map in a file, an empty one when there is no file; `DataError` naming the line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in HEADER if name not in (rows.fieldnames or ())]
            if missing:
                raise DataError(f"{path.name} has no column {', '.join(missing)}")
            return TickerMap([_use(row, f"{path.name}, line {rows.line_num}") for row in rows])
    except FileNotFoundError:
        return TickerMap()


def _use(row: dict[str, str], place: str) -> Use:
    market = row["market"].strip()
    return Use(
        instrument_id(f"{row['ticker'].strip()}.{market}"),
        instrument_id(row["instrument"]),
        _day(row["first"], place, EVER[0]),
        _day(row["last"], place, EVER[1]),
    )


def _day(text: str, place: str, open_end: int) -> int:
    if not text.strip():
        return open_end
    try:
        return day_number(date.fromisoformat(text.strip()))
    except ValueError:
        raise DataError(f"{place}: a date is written 2024-01-31, was {text!r}") from None


def tickers_as_csv(uses: Sequence[Use]) -> str:
    """Return uses as the text of such a file."""
    lines = [",".join(HEADER)]
    for use in uses:
        symbol, _, market = use.symbol.rpartition(".")
        ends = (_text(use.first), _text(use.last))
        lines.append(",".join((symbol, market, *ends, use.instrument)))
    return "\n".join(lines) + "\n"


def _text(day: int) -> str:
    return "" if day in EVER else str(np.datetime64(day, "D"))
