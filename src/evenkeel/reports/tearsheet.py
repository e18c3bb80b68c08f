"""One run as one HTML page that needs nothing but itself: no request leaves it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evenkeel.reports.result import Result


def write(result: Result, path: Path) -> Path:
    """Write the page and return where it is."""
    raise NotImplementedError
