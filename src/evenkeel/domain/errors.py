"""Everything that can go wrong on purpose, as one tree.

    EvenkeelError
    ├── UsageError            2  the request or a file is wrong; nothing was done
    │   ├── DataError         2  market data that cannot be used (says which row of which file)
    │   ├── ConfigError       2  a setting or limit card (says key, file and line)
    │   └── StrategyError     2  a strategy's code or parameter
    ├── VerdictError          1  the answer is no: a check was made and failed
    │   └── JournalError      1  a journal that does not verify or replay
    ├── OutsideError          3  the outside world failed: disk, database, network, broker
    └── HaltedError           4  risk has halted trading

The number is the exit code of the command line. Every one of them stops the engine when it is
raised inside it; what does not stop the engine is a value (`Refused`, `Finding`), not an error.
A message is one sentence: what, where, what to do.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class EvenkeelError(Exception):
    """Root of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 3


class UsageError(EvenkeelError):
    """The caller asked for something impossible; the message says how to ask for it rightly."""

    exit_code = 2


class DataError(UsageError):
    """Market data that cannot be used: unreadable, empty, unsorted, not a number, impossible."""


class ConfigError(UsageError):
    """A setting, bot file or limit card is missing, unknown or out of range."""


class StrategyError(UsageError):
    """A strategy cannot be loaded, has a wrong parameter, or broke a rule of the API."""


class VerdictError(EvenkeelError):
    """A check was made and the answer is no."""

    exit_code = 1


class JournalError(VerdictError):
    """A journal record is missing, altered or does not lead to the recorded state."""


class OutsideError(EvenkeelError):
    """The world outside failed: disk full, database away, broker gone."""

    exit_code = 3


class HaltedError(EvenkeelError):
    """Trading is halted by risk."""

    exit_code = 4


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'fast'?` for the closest known name, or an empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
