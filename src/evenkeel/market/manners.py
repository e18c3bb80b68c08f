"""How a provider is asked: within its budget, again when that may help, and not while it rests."""

from __future__ import annotations

import random
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from evenkeel.market.provider import PASSING, Failure, ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenkeel.market.budget import Budget
    from evenkeel.ops.clock import Clock

T = TypeVar("T")

SECOND = 1_000_000_000


class Manners:
    """The manners towards one provider, shared by all threads that ask it.

    At most `tries` times, waiting 0.5, 1, 2 … seconds with a jitter of half either way, or what
    the provider asks for; never longer than `patience` seconds in all. After `rest_after` failures
    without a success between them it is left alone for `rest_seconds`; then one request tries.
    """

    def __init__(
        self,
        provider: str,
        budget: Budget,
        clock: Clock,
        *,
        tries: int = 3,
        patience: float = 30.0,
        rest_after: int = 5,
        rest_seconds: float = 60.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Ask `provider`, counting in `budget`; `chance` is between 0 and 1."""
        self.provider = provider
        self.patience = patience
        self._budget, self._clock, self._chance = budget, clock, chance
        self._tries = tries
        self._circuit = _Circuit(provider, clock, rest_after, rest_seconds)

    def ask(self, question: Callable[[], T]) -> T:
        """Return the answer to a question; raise the `ProviderError` that waiting cannot mend."""
        deadline = self._clock.monotonic_ns() + int(self.patience * SECOND)
        for attempt in range(1, self._tries + 1):
            self._circuit.refuse_open()
            try:
                answer = question()
            except ProviderError as error:
                self._circuit.failed(error)
                wait = self._wait(attempt, error)
                late = self._clock.monotonic_ns() + int(wait * SECOND) > deadline
                if error.kind not in PASSING or attempt == self._tries or late:
                    raise
                self._clock.sleep(wait)
            else:
                self._circuit.succeeded()
                return answer
        raise AssertionError("the last try returns or raises")

    def spend(self) -> None:
        """Count one request just before it goes out; `ProviderError` when it must not."""
        self._budget.take(self.provider, patience=min(self.patience, 10.0))

    def block(self, until: int, why: str) -> None:
        """Send nothing until a moment (UTC nanoseconds): the provider has said so."""
        self._budget.block(self.provider, until, why)

    def _wait(self, attempt: int, error: ProviderError) -> float:
        if error.retry_after is not None:
            return error.retry_after * (1 + self._chance() / 10)  # not all at the same moment
        return 2.0 ** (attempt - 2) * (0.5 + self._chance())


class _Circuit:
    """Closed: everybody may ask. Open: nobody until a moment. Then one tries for all."""

    def __init__(self, provider: str, clock: Clock, rest_after: int, rest_seconds: float) -> None:
        self._provider, self._clock = provider, clock
        self._rest_after, self._rest_seconds = rest_after, rest_seconds
        self._failures = 0
        self._closed_until = 0  # monotonic: asking again before then is refused
        self._lock = Lock()

    def refuse_open(self) -> None:
        """Raise `ProviderError` while the provider is left alone."""
        with self._lock:
            now = self._clock.monotonic_ns()
            if now < self._closed_until:
                raise ProviderError(
                    self._provider,
                    Failure.RESTING,
                    f"it is left alone after {self._failures} failures"
                    if self._failures
                    else "it asked to be left alone",
                    retry_after=(self._closed_until - now) / SECOND,
                )
            if self._failures >= self._rest_after:  # this one tries; the others go on resting
                self._closed_until = now + int(self._rest_seconds * SECOND)

    def succeeded(self) -> None:
        with self._lock:
            self._failures = self._closed_until = 0

    def failed(self, error: ProviderError) -> None:
        """Count a failure that says something about the provider's health."""
        if error.kind in {Failure.UNKNOWN, Failure.NOT_OFFERED}:
            self.succeeded()  # it is well enough to say no
        if error.kind not in PASSING:
            return
        with self._lock:
            now = self._clock.monotonic_ns()
            self._failures += 1
            if self._failures >= self._rest_after:
                self._closed_until = now + int(self._rest_seconds * SECOND)
            if error.retry_after is not None:
                asked = now + int(error.retry_after * SECOND)
                self._closed_until = max(self._closed_until, asked)


def retry_after(header: str | None, now: int) -> float | None:
    """Return the seconds that a Retry-After header asks for, None when it says nothing usable.

    It holds seconds or a date (RFC 9110, 10.2.3); `now` is in UTC nanoseconds.
    """
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - now / SECOND)
