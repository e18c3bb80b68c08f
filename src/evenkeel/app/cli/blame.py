"""Whose code raised? A strategy's author gets file, line and exception; our own faults stay ours."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import evenkeel

OURS = str(Path(evenkeel.__file__).parent)
EXAMPLES = str(Path(OURS) / "strategy" / "examples")
INSTALLED = tuple(
    sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")
)


def user_fault(error: Exception) -> str | None:
    """Return one sentence naming the user's line that raised, or None when it was ours."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename and _is_theirs(error.filename):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    if not theirs:
        return None
    last = theirs[-1]
    return f"{last.filename}:{last.lineno}: {what} (in {last.name}: {last.line})"


def _is_theirs(filename: str) -> bool:
    if filename.startswith(EXAMPLES):
        return True
    return not filename.startswith((OURS, *INSTALLED, "<"))
