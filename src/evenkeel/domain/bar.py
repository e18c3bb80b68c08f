"""Completed bars: prices as they were traded, known from `closed_at` on and not before."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:  # numpy is named here for the type checker only: the nouns import nothing
    from typing import Any, TypeAlias

    import numpy as np
    import numpy.typing as npt

    from evenkeel.domain.instrument import Instrument

    Times: TypeAlias = npt.NDArray[np.int64]
    Column: TypeAlias = npt.NDArray[np.float64]
    Flags: TypeAlias = npt.NDArray[np.bool_]
    AnyArray: TypeAlias = npt.NDArray[Any]


class Finding(Struct, frozen=True, gc=False):
    """Something in the data that somebody should know; counted and shown.

    `code` is a short stable name (`zero-volume`, `closed-day`, `spike`, `gap`), `count` how many
    bars it concerns, `first_at` and `last_at` when the first and the last of them began (a daily bar:
    midnight UTC of its session's date; of a missing session its own), in UTC nanoseconds. An "error"
    is about bars that must not be traded on, a "warning" about bars that may be. `value` is the most extreme observation, `version` that of the rule which spoke.
    """

    instrument: str
    code: str
    count: int
    first_at: int
    message: str
    severity: str = "warning"
    value: float | None = None
    last_at: int | None = None
    version: int = 1


class Bars(Struct, frozen=True, eq=False, dict=True):
    """Completed bars of one instrument, oldest first, as parallel read-only numpy columns.

    `closed_at` (int64, UTC nanoseconds, strictly increasing) is when a bar became knowable; for a
    daily bar that session's close. `open high low close volume` are float64, prices as traded.
    `session_closes` (int64, sorted) are the session closes around and beyond the bars: a DAY order
    expires at the first one after it was made. Where a bar outlasts its session, such as the last of
    New York's hours, that session closes with it. `volume_known` is False where the source has no
    volume (an index, a rate): then volume caps nothing. `periods_per_year` is how many sessions a
    year has (252 on an exchange, 365 around the clock, 52 of weeks) and annualises statistics.
    `opened_at` is when each bar began (a daily bar: when its session opened), None where nobody
    says: then a bar began when the one before it closed.
    """

    instrument: Instrument
    closed_at: Times
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    session_closes: Times
    volume_known: bool = True
    periods_per_year: int = 252
    findings: tuple[Finding, ...] = ()
    source: str = ""
    opened_at: Times | None = None

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.closed_at)

    def __repr__(self) -> str:
        """Say whose bars these are, how many, and from which day to which."""
        days = self.closed_at.astype("datetime64[ns]").astype("datetime64[D]")
        span = f", {days[0]} to {days[-1]}" if len(self) else ""
        return f"<Bars of {self.instrument.id}: {len(self)}{span}>"

    def first(self, count: int) -> Bars:
        """Return the first `count` bars, as views on the same memory."""
        return self.between(0, count)

    def between(self, start: int, stop: int) -> Bars:
        """Return bars `start` up to but not including `stop`, as views on the same memory."""
        rows = slice(start, stop)
        return replace(
            self,
            closed_at=self.closed_at[rows],
            open=self.open[rows],
            high=self.high[rows],
            low=self.low[rows],
            close=self.close[rows],
            volume=self.volume[rows],
            opened_at=None if self.opened_at is None else self.opened_at[rows],
        )

    def digest(self) -> str:
        """Return the SHA-256 of the instrument's id and every column: the data's identity.

        Not of `opened_at`, which follows from the times and the market.

        Of columns that are read-only, as they should be, it is computed once.
        """
        if (known := self.__dict__.get("_digest")) is not None:
            return str(known)
        columns = (self.closed_at, self.open, self.high, self.low, self.close, self.volume)
        sha = hashlib.sha256(self.instrument.id.encode())
        for column in columns:
            sha.update(column.data.cast("B"))
        found = sha.hexdigest()
        if not any(column.flags.writeable for column in columns):
            self.__dict__["_digest"] = found
        return found
