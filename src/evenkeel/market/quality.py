"""The laws of a row, and what is merely suspicious.

A broken law makes data unusable: it is refused at the first row that breaks it, and never mended.
Everything else is a finding: counted, shown, and left exactly as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from evenkeel.domain.bar import Finding
from evenkeel.domain.errors import DataError
from evenkeel.market.columns import DAY, PRICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenkeel.domain.bar import Bars, Column, Flags, Times
    from evenkeel.market.history import Timeline

SPIKE_RETURN = 0.2
"""A return this large can be a spike …"""

SPIKE_DEVIATIONS = 12
"""… when it is also this many median absolute deviations from the median return."""


DAYS = 252
"""Daily bars have at least so many sessions a year."""

JUMPED = "after a jump of more than 20 %"
OUTSIDE = "outside the session of their exchange (a time without a zone is UTC)"
FROM_A_TIME = (
    "that last from a time of day to that of another (date a session's bar without a time)"
)
LONGER = "of more than a day, each known at the end of its date (date them at their end)"


class Rows(Struct, frozen=True, eq=False):
    """The rows of one instrument as the source has them, with the words that name one of them.

    `stamps` are the written times in UTC nanoseconds; `place(row)` says where a row stands.
    """

    who: str
    stamps: Times
    prices: dict[str, Column]
    volume: Column | None
    place: Callable[[int], str]


def refuse_unusable(rows: Rows) -> None:
    """Raise `DataError` at the first row that breaks a law: prices, then volume, then times."""
    for name in PRICES:
        column = rows.prices[name]
        _refuse(rows, ~np.isfinite(column), lambda _: "is not a finite number", name)
        _refuse(rows, column <= 0, lambda _: "must be above 0", name)
    high, low = rows.prices["high"], rows.prices["low"]
    _refuse(rows, high < low, lambda row: f"is below low {low[row]:g}", "high")
    if rows.volume is not None:
        _refuse(rows, ~np.isfinite(rows.volume), lambda _: "is empty or not finite", "volume")
        _refuse(rows, rows.volume < 0, lambda _: "must not be negative", "volume")
    _refuse_disorder(rows)


def _refuse(rows: Rows, broken: Flags, law: Callable[[int], str], name: str) -> None:
    if not broken.any():
        return
    row = int(broken.argmax())
    column = rows.volume if name == "volume" and rows.volume is not None else rows.prices[name]
    raise DataError(
        f"{rows.who}, {rows.place(row)}: {name} {column[row]:g} {law(row)}"
        f"{and_more(int(broken.sum()) - 1)}; correct the row or leave it out"
    )


def _refuse_disorder(rows: Rows) -> None:
    steps = np.diff(rows.stamps)
    for broken, law in (
        (steps == 0, "is there twice; keep one row per time"),
        (steps < 0, "is earlier than the row before it; sort the rows by time, oldest first"),
    ):
        if broken.any():
            row = int(broken.argmax()) + 1
            raise DataError(
                f"{rows.who}, {rows.place(row)}: time {moment(int(rows.stamps[row]))} {law}"
                f"{and_more(int(broken.sum()) - 1)}"
            )


def and_more(count: int) -> str:
    """Return ` (and 3 more rows)`, or nothing when there are none."""
    return f" (and {count} more row{'s' if count > 1 else ''})" if count else ""


def moment(at: int) -> str:
    """Return a time as text, as short as it can be: the date alone when it is midnight."""
    day, _, clock = str(np.datetime64(at, "ns")).partition("T")
    return day if at % DAY == 0 else f"{day}T{clock.rstrip('0').rstrip('.'):0<8}Z"


# ---- findings ----


def suspicious(bars: Bars, line: Timeline) -> tuple[Finding, ...]:
    """Return what is suspicious in lawful bars on their timeline, most telling first."""
    top, bottom = bars.high, bars.low
    outside = np.zeros(len(bars), np.bool_)
    for column in (bars.open, bars.close):
        outside |= (column > top) | (column < bottom)
    at = line.began
    long = at[bars.closed_at - at >= DAY]
    known = bars.volume_known
    everywhere = np.ones(len(bars), np.bool_)
    checks = (
        ("closed-day", at[line.closed_days], "when the exchange was closed"),
        ("outside-session", at[line.outside], OUTSIDE),
        ("day-from-a-time", long[long % DAY > 0], FROM_A_TIME),
        ("longer-than-a-day", at[everywhere & (bars.periods_per_year < DAYS)], LONGER),
        ("gap", line.missing, "without a bar"),
        ("spike", at[1:][_spikes(bars.close)], JUMPED),
        ("outside-range", at[outside], "with open or close outside low to high"),
        ("zero-volume", at[known & (bars.volume == 0)], "without volume"),
        ("volume-unknown", at[everywhere & (not known)], "with no volume, so it caps no fill"),
    )
    return tuple(
        _finding(bars.instrument.id, code, times, words)
        for code, times, words in checks
        if times.size
    )


def jumps(bars: Bars, began: Times) -> list[Finding]:
    """Return the finding about bars that jump, none when none does: prices on another scale may not."""
    times = began[1:][_spikes(bars.close)]
    return [_finding(bars.instrument.id, "spike", times, JUMPED)] if times.size else []


def _finding(instrument: str, code: str, times: Times, words: str) -> Finding:
    noun = "session" if code == "gap" else "bar"
    plural = "" if len(times) == 1 else "s"
    message = f"{len(times)} {noun}{plural} {words}, first {moment(int(times[0]))}"
    return Finding(instrument, code, len(times), int(times[0]), message)


def _spikes(close: Column) -> Flags:
    returns = np.diff(close) / close[:-1]
    large: Flags = np.abs(returns) > SPIKE_RETURN
    if not large.any():
        return large
    distance = np.abs(returns - np.median(returns))
    large &= distance > SPIKE_DEVIATIONS * np.median(distance)
    return large
