"""A clock that stands still until it is told to move, and never makes a test wait."""

START = 1_700_000_000_000_000_000


class FakeClock:
    """`sleep` moves it on and is remembered; `advance` moves it on; `step` moves wall time alone."""

    def __init__(self, now_ns: int = START) -> None:
        self.now = now_ns
        self.monotonic = 0
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.monotonic

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(max(seconds, 0))

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)
        self.monotonic += round(seconds * 1e9)

    def step(self, seconds: float) -> None:
        """Set the clock of the wall, as a time service does: no time passes."""
        self.now += round(seconds * 1e9)
