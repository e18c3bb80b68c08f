"""The only reader of wall time. Everything else is told what time it is."""

from __future__ import annotations

import time


def now_ns() -> int:
    """Return the present moment in UTC nanoseconds since 1970."""
    return time.time_ns()
