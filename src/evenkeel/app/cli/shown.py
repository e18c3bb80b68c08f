"""How answers look: aligned text for people, one JSON object for machines. The only printer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

INTERRUPTED = 130
"""What a shell expects of a command that Ctrl-C has ended."""


class Answer(Struct, frozen=True):
    """What a command found: an object for machines, lines for people, and its exit code."""

    body: dict[str, Any]
    lines: Sequence[str]
    exit_code: int = 0


@contextmanager
def beside_the_answer() -> Iterator[None]:
    """Send what a strategy prints to stderr: stdout is for the answer alone."""
    with redirect_stdout(sys.stderr):
        yield


def show(answer: Answer, *, as_json: bool) -> int:
    """Print an answer and return its exit code."""
    try:
        _print(answer, as_json=as_json)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone (`… | head`): the answer stays what it is
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
    return answer.exit_code


def _print(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        _print_json(answer.body)
    elif sys.stdout.isatty():
        from rich.console import Console  # colour is for eyes alone, and costs 0.1 s

        Console(soft_wrap=True, markup=False, emoji=False).print("\n".join(answer.lines))
    else:
        print("\n".join(answer.lines))


def print_error(sentence: str, exit_code: int, *, as_json: bool) -> None:
    """Say what went wrong in one line on stderr; with `--json` as an object on stdout too."""
    line = " ".join(sentence.split())
    print(f"error: {line}", file=sys.stderr)
    if as_json:
        _print_json({"error": line, "exit_code": exit_code})


def _print_json(body: dict[str, Any]) -> None:
    import json

    print(json.dumps(body, allow_nan=False, indent=2, ensure_ascii=False))


# ---- text --------------------------------------------------------------------------------------


def pairs(rows: Iterable[tuple[str, object]]) -> list[str]:
    """Return `name  value` lines with the values under each other; empty values are left out."""
    kept = [(name, str(value)) for name, value in rows if value not in {None, ""}]
    width = max((len(name) for name, _ in kept), default=0)
    return [f"  {name:<{width}}  {value}" for name, value in kept]


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: str = "") -> list[str]:
    """Return aligned lines under a head; columns named in `right` (by blanks) align right."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    to_right = [name in right.split() for name in head]
    lines = (
        "  ".join(
            cell.rjust(width) if turned else cell.ljust(width)
            for cell, width, turned in zip(row, widths, to_right, strict=True)
        )
        for row in cells
    )
    return [f"  {line}".rstrip() for line in lines]


def money(amount: float | None) -> str:
    """Return an amount with two decimals and thousands apart, or a dash when it is not known."""
    return "—" if amount is None else f"{amount:,.2f}"


def percent(share: float | None) -> str:
    """Return a share as percent, or a dash when it is not defined."""
    return "—" if share is None else f"{share:+.2%}"


def ratio(value: float | None) -> str:
    """Return a ratio with two decimals, or a dash when it is not defined."""
    return "—" if value is None else f"{value:.2f}"


def shown(path: Path) -> str:
    """Return a path as one would type it here: relative if it lies below this folder."""
    from pathlib import Path as Here

    try:
        return str(path.resolve().relative_to(Here.cwd()))
    except ValueError:
        return str(path)
