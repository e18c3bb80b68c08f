"""Log and measure as the settings say, for as long as something runs."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from evenkeel.ops import logging
from evenkeel.ops.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.ops.settings import Settings


@contextmanager
def told(settings: Settings, profile: str) -> Iterator[None]:
    """Tell events to stderr and to `logging.file`; SIGHUP reads `logging.levels` again.

    Serves metrics, too, where `metrics.port` is set. Raises `OutsideError` for a file or a port
    that cannot be had.
    """
    wanted = settings.logging
    with ExitStack() as stack:
        logging.begin(
            levels=wanted.levels,
            file=wanted.file or None,
            file_bytes_max=wanted.file_bytes_max,
            files_max=wanted.files_max,
        )
        stack.callback(logging.end)
        logging.reload_on_hangup(lambda: load_settings(profile=profile).logging.levels)
        if settings.metrics.port:
            from evenkeel.ops.metrics import Served

            stack.callback(Served(settings.metrics.port).close)
        yield
