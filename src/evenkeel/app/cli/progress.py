"""Progress of what takes longer than a moment: on a terminal's stderr, from the second second on."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from evenkeel.ops.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TextIO

    from evenkeel.ops.clock import Clock

QUIET = 2.0
"""Seconds within which nobody asks how long it will take."""

OFTEN = 0.2
"""Seconds between two looks at the same line."""

TICK = 1.0
"""Seconds after which the line moves by itself: whoever looks sees that it is not dead."""


class Progress:
    """`with Progress("import") as told: told(done, total)`: one line, rewritten, gone at the end."""

    def __init__(
        self, what: str, *, clock: Clock = SYSTEM_CLOCK, stream: TextIO | None = None
    ) -> None:
        """Start to count time; `what` begins the line."""
        self.what, self._clock = what, clock
        self._stream = sys.stderr if stream is None else stream
        self._began = self._seconds()
        self._shown = -OFTEN
        self._width = 0
        self._far = 0.0, 0.0
        self._drawing, self._over = threading.Lock(), threading.Event()
        self._ticking = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        """Return what is to be told how far it is."""
        if self._stream.isatty():
            self._ticking.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave an empty line behind, whatever happened."""
        self._over.set()
        if self._ticking.is_alive():
            self._ticking.join()
        if self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()

    def __call__(self, done: float, total: float) -> None:
        """Show how far it is, and how long the rest will take at this pace."""
        with self._drawing:
            self._far = done, total
            self._draw()

    def _tick(self) -> None:
        while not self._over.wait(TICK):
            with self._drawing:
                self._draw()

    def _draw(self) -> None:
        done, total = self._far
        spent = self._seconds() - self._began
        if spent < QUIET or spent - self._shown < OFTEN or not self._stream.isatty():
            return
        self._shown = spent
        share = min(done / total, 1.0) if total else 1.0
        left = spent / share - spent if share else None
        line = f"{self.what}  {share:4.0%}  {_clock_time(spent)} gone"
        line += "" if left is None else f", {_clock_time(left)} to go"
        self._stream.write(f"\r{line.ljust(self._width)}")
        self._stream.flush()
        self._width = max(self._width, len(line))

    def _seconds(self) -> float:
        return self._clock.monotonic_ns() / 1e9


def _clock_time(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
