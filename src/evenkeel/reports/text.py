"""Times and numbers as a machine reads them: ISO 8601 in UTC, finite or nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from evenkeel.domain.bar import Times

SECOND = 10**9
"""Nanoseconds in a second."""


def iso(at: int) -> str:
    """Return UTC nanoseconds as 2005-02-28T21:00:00Z, with a fraction only where there is one."""
    seconds, rest = divmod(at, SECOND)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def iso_all(times: Times) -> list[str]:
    """Return many times at once as `iso` does; all of them with a fraction if one needs it."""
    whole = not np.any(times % SECOND)
    moments = times.astype("datetime64[ns]")
    texts: list[str] = np.datetime_as_string(moments, unit="s" if whole else "ns").tolist()
    return [text + "Z" for text in texts]


def finite(value: int | float) -> int | float | None:
    """Return a number that JSON knows: None for what is not defined or not finite."""
    return value if math.isfinite(value) else None
