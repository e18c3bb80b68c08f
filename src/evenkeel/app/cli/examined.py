"""`evenkeel doctor`: one line per check, and under it what to do."""

from __future__ import annotations

from msgspec.structs import asdict

from evenkeel.app.cli.shown import Answer
from evenkeel.app.doctor import Check, examine


def answer() -> Answer:
    """Look at the installation; exit code 1 when something is at fault."""
    checks = examine()
    faults = sum(check.state == "fault" for check in checks)
    body = {"ok": not faults, "checks": [asdict(check) for check in checks]}
    width = max(len(check.name) for check in checks)
    lines = [line for check in checks for line in _lines(check, width)]
    verdict = f"{faults} to cure before trading." if faults else "Fit to trade."
    return Answer(body, [*lines, "", verdict], exit_code=1 if faults else 0)


def _lines(check: Check, width: int) -> list[str]:
    line = f"  {check.state:<7}  {check.name:<{width}}  {check.found}"
    return [line, f"  {'':<7}  {'':<{width}}  → {check.cure}"] if check.cure else [line]
