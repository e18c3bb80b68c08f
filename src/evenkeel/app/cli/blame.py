"""Whose code raised? A strategy's author gets file, line and exception; our own faults stay ours."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import evenkeel

if TYPE_CHECKING:
    from evenkeel.domain.errors import StrategyError

OURS = str(Path(evenkeel.__file__).parent)
EXAMPLES = str(Path(OURS) / "strategy" / "examples")
INSTALLED = tuple(
    sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")
)


def user_fault(error: BaseException) -> str | None:
    """Return one sentence naming the user's line that raised, or None when it was ours."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename and _is_theirs(error.filename):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    last = _last_of_theirs(error)
    if last is None:
        return None
    return f"{last.filename}:{last.lineno}: {what} (in {last.name}: {last.line})"


def refusal(error: StrategyError) -> str:
    """Return what a strategy was told, and the user's line that asked for it where there is one."""
    last = _last_of_theirs(error)
    if last is None:
        return str(error)
    return f"{error} ({last.filename}:{last.lineno}, in {last.name}: {last.line})"


def _last_of_theirs(error: BaseException) -> traceback.FrameSummary | None:
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    return theirs[-1] if theirs else None


def _is_theirs(filename: str) -> bool:
    if filename.startswith(EXAMPLES):
        return True
    return not filename.startswith((OURS, *INSTALLED, "<"))
