"""The one place where something is tried again: within bounds, with jitter, and never an order.

    bars = retry(lambda: fetch(url), what="bars of AAPL from yahoo")

Only what may be done twice as well as once (a read, a write under a key of its own) belongs here.
`execution` and `engine` may not import this module: whether an order that got no answer was sent
is a question to the broker, not a reason to send it again.
"""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from evenkeel.domain.errors import TransientError
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.logging import log_of
from evenkeel.ops.metrics import count

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tenacity import RetryCallState

    from evenkeel.ops.clock import Clock

T = TypeVar("T")

_LOG = log_of("ops.retry")


class Patience(Struct, frozen=True):
    """How often and how long. Waits double from `first_seconds` up to `wait_seconds_max`.

    Nothing begins later than `seconds_max` after the first attempt.
    """

    attempts: int = 5
    seconds_max: float = 60.0
    first_seconds: float = 0.5
    wait_seconds_max: float = 20.0


PATIENCE = Patience()


def is_transient(error: BaseException) -> bool:
    """Return whether this error says of itself that another try may help."""
    return isinstance(error, TransientError)


def retry(
    work: Callable[[], T],
    *,
    what: str,
    patience: Patience = PATIENCE,
    again: Callable[[BaseException], bool] = is_transient,
    clock: Clock = SYSTEM_CLOCK,
    dice: Random | None = None,
) -> T:
    """Return what `work` returns, after as many attempts as `patience` allows.

    `again` says which errors are worth another try; of the last one, or of any other, it raises
    as it is. Waits are drawn evenly between half of their length and the whole (so that many who
    failed together do not come back together); an error's `retry_after` (seconds) is waited for
    in full, or, where it passes what is left of the patience, not at all.
    """
    import tenacity  # brings asyncio in

    waits = _Waits(patience, clock, SystemRandom() if dice is None else dice)
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(again),
        stop=waits.is_over,
        wait=waits.before_next,
        sleep=clock.sleep,
        before_sleep=lambda state: _tell(what, state),
        reraise=True,
    )
    return attempts(work)


class _Waits:
    """When to stop and how long to wait, by the clock that was handed in."""

    def __init__(self, patience: Patience, clock: Clock, dice: Random) -> None:
        self._patience, self._clock, self._dice = patience, clock, dice
        self._began = clock.monotonic_ns()

    def before_next(self, state: RetryCallState) -> float:
        p = self._patience
        wait = min(p.wait_seconds_max, p.first_seconds * 2 ** (state.attempt_number - 1))
        return _asked_for(state) + self._dice.uniform(wait / 2, wait)

    def is_over(self, state: RetryCallState) -> bool:
        spent = (self._clock.monotonic_ns() - self._began) / 1e9
        next_begins = spent + state.upcoming_sleep
        return (
            state.attempt_number >= self._patience.attempts
            or next_begins > self._patience.seconds_max
        )


def _asked_for(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return getattr(error, "retry_after", None) or 0.0


def _tell(what: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    count("retries")
    _LOG.warning(
        "trying again",
        what=what,
        attempt=state.attempt_number,
        wait_seconds=round(state.upcoming_sleep, 3),
        reason=str(error),
    )
