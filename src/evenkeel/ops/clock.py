"""The only reader of wall time. Everything else is told what time it is, or is handed a `Clock`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from; `tests/fakes/clock.py` has one that stands still until it is told."""

    def now_ns(self) -> int:
        """Return the present moment in UTC nanoseconds since 1970; it may step backwards."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some fixed moment; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds; at once when it is 0 or less."""
        ...


class SystemClock:
    """The clock of this computer."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()
"""What `app` hands down, and what a caller gets who names no other clock."""
