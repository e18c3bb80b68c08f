"""Columns of all instruments side by side, for who adds up many of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from evenkeel.domain.bar import AnyArray, Column
    from evenkeel.domain.tape import Tape

_AHEAD = 256
"""How many bars are laid out at a time."""


class Panel:
    """Bars of instruments that share one timeline, in the order of the tape."""

    def __init__(self, tape: Tape) -> None:
        """Lay out nothing yet."""
        self._lines = list(tape.lines.values())
        self._laid: dict[str, tuple[int, AnyArray]] = {}

    def column(self, name: str, first: int, last: int) -> AnyArray:
        """Return a column (`open` to `volume`) from bar `first` up to and without `last`.

        A row for each instrument.
        """
        assert 0 <= first <= last, (first, last)  # before the first bar nothing is known
        if len(self._lines) == 1:
            column: AnyArray = getattr(self._lines[0].bars, name)
            return column[np.newaxis, first:last]
        begin, laid = self._laid.get(name, (0, np.empty((0, 0))))
        if not begin <= first <= last <= begin + laid.shape[1]:
            end = max(last, first + _AHEAD)
            rows = [getattr(line.bars, name)[first:end] for line in self._lines]
            begin, laid = self._laid[name] = first, np.concatenate(rows).reshape(len(rows), -1)
        return laid[:, first - begin : last - begin]

    def closes(self) -> Column:
        """Return the close of the newest visible bar of each."""
        index = self._lines[0].cursor.index
        row: Column = self.column("close", index, index + 1)[:, 0]
        return row
