"""Closes of all instruments side by side, for who adds up many of them at every moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from evenkeel.domain.bar import AnyArray, Column
    from evenkeel.domain.tape import Tape

_AHEAD = 256
"""How many bars are laid out row by row at a time."""


class Closes:
    """The last closes of instruments that share one timeline, in the order of the tape."""

    def __init__(self, tape: Tape) -> None:
        """Lay out nothing yet."""
        self._lines = list(tape.lines.values())
        self._first = 0
        self._rows: AnyArray = np.empty((0, len(self._lines)))

    def now(self) -> Column:
        """Return the close of the newest visible bar of each."""
        index = self._lines[0].cursor.index
        if not 0 <= index - self._first < len(self._rows):
            columns = [line.bars.close[index : index + _AHEAD] for line in self._lines]
            self._first, self._rows = index, np.array(columns).T.copy()
        row: Column = self._rows[index - self._first]
        return row
