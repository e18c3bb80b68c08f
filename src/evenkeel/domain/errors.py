"""Everything that can go wrong on purpose, as one tree.

                              exit  stops   what a person reads
    EvenkeelError
    ├── UsageError            2     run     what was asked for cannot be; how to ask rightly
    │   ├── DataError         2     run     which row of which file cannot be used, and why
    │   ├── ConfigError       2     run     key, file and line (or variable), its law, the value
    │   ├── StrategyError     2     run     which strategy, and what it got wrong
    │   └── VaultError        2     run     the vault does not open, or a secret is not in it
    ├── VerdictError          1     run     the answer is no: which check failed, and on what
    │   └── JournalError      1     run     which record does not verify or replay
    ├── OutsideError          3     run     what outside failed: disk, database, network, broker
    │   └── TransientError    3     call    the same, and that it was tried again in vain
    └── HaltedError           4     trades  which limit halted trading, and who may resume it

`exit` is the exit code of the command line. `stops` is what ends when one of them is raised:
the whole run (engine included), the one call that may be made again (`ops/retry` does, within
bounds; what it gives up on has then failed as an OutsideError does), or new orders while the
engine runs on. What stops nothing is a value (`Refused`, `Finding`), not an error.
A message is one sentence: what, where, what to do.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Stops: TypeAlias = Literal["run", "call", "trades"]
"""What ends when an error is raised: the run, the one call, or the making of orders."""


class EvenkeelError(Exception):
    """Root of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 3
    stops: ClassVar[Stops] = "run"


class UsageError(EvenkeelError):
    """The caller asked for something impossible; the message says how to ask for it rightly."""

    exit_code = 2


class DataError(UsageError):
    """Market data that cannot be used: unreadable, empty, unsorted, not a number, impossible."""


class ConfigError(UsageError):
    """A setting, bot file or limit card is missing, unknown or out of range."""


class StrategyError(UsageError):
    """A strategy cannot be loaded, has a wrong parameter, or broke a rule of the API."""


class VaultError(UsageError):
    """The vault does not open with this key, is damaged, or has no such secret."""


class VerdictError(EvenkeelError):
    """A check was made and the answer is no."""

    exit_code = 1


class JournalError(VerdictError):
    """A journal record is missing, altered or does not lead to the recorded state."""


class OutsideError(EvenkeelError):
    """The world outside failed: disk full, database away, broker gone."""

    exit_code = 3


class TransientError(OutsideError):
    """The world outside failed, and may answer when it is asked again; `ops/retry` knows how often.

    `retry_after` is how long it asked us to wait, in seconds; None when it did not say.
    """

    stops = "call"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HaltedError(EvenkeelError):
    """Trading is halted by risk."""

    exit_code = 4
    stops = "trades"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'fast'?` for the closest known name, or an empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
