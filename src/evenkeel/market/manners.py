"""How a provider is asked: within its budget, again when that may help, and not while it rests."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from evenkeel.market.provider import PASSING, Failure, ProviderError
from evenkeel.ops.metrics import count
from evenkeel.ops.retry import Patience, retry

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from evenkeel.market.budget import Budget
    from evenkeel.ops.clock import Clock

T = TypeVar("T")

SECOND = 1_000_000_000


class Manners:
    """The manners towards one provider, shared by all threads that ask it.

    At most `tries` times, with the waits of `ops.retry` or what the provider asks for; never
    longer than `patience` seconds in all. After `rest_after` failures without a success between
    them it is left alone for `rest_seconds`; then one request tries.
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
        dice: Random | None = None,
    ) -> None:
        """Ask `provider`, counting in `budget`; `dice` make the waits uneven."""
        self.provider = provider
        self.patience = patience
        self._budget, self._clock, self._dice = budget, clock, dice
        self._tries = Patience(attempts=tries, seconds_max=patience)
        self._circuit = _Circuit(provider, clock, rest_after, rest_seconds)

    def ask(self, question: Callable[[], T], what: str) -> T:
        """Return the answer to a question; raise the `ProviderError` that waiting cannot mend."""

        def once() -> T:
            self._circuit.refuse_open()
            try:
                answer = question()
            except ProviderError as error:
                self._circuit.failed(error)
                count("provider_failures", provider=self.provider, kind=error.kind)
                raise
            self._circuit.succeeded()
            return answer

        return retry(
            once,
            what=f"{what} from {self.provider}",
            patience=self._tries,
            again=lambda error: isinstance(error, ProviderError) and error.kind in PASSING,
            clock=self._clock,
            dice=self._dice,
        )

    def spend(self) -> None:
        """Count one request just before it goes out; `ProviderError` when it must not."""
        self._budget.take(self.provider, patience=min(self.patience, 10.0))
        count("provider_requests", provider=self.provider)

    def block(self, until: int, why: str) -> None:
        """Send nothing until a moment (UTC nanoseconds): the provider has said so."""
        self._budget.block(self.provider, until, why)


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
