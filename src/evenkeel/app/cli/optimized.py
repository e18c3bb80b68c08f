"""`evenkeel optimize`: every combination of the values given is a trial, and every trial counts."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from evenkeel.app.cli.backtested import parameters, placed
from evenkeel.app.cli.shown import Answer, beside_the_answer, table
from evenkeel.app.strategies import load_strategy
from evenkeel.app.sweep import Sweep, sweep
from evenkeel.domain.errors import UsageError
from evenkeel.ops.clock import SYSTEM_CLOCK, Clock
from evenkeel.ops.settings import load_settings
from evenkeel.reports.text import finite

if TYPE_CHECKING:
    from evenkeel.lab.sweep import Trial, Value

QUIET_SECONDS = 2.0
"""Work that takes no longer needs no progress."""

VALUES_MAX = 100_000
"""The most values that one `first:last:step` may mean; more is a slip of the finger."""


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked for, as it was typed; None: as the settings have it."""

    strategy: str
    data: str
    grid: list[str]
    instrument: str | None
    start: str | None
    end: str | None
    parameters: list[str]
    cash: str | None
    costs: str | None
    slippage: str | None
    by: str
    top: int
    processes: int | None
    engine: str


def answer(asked: Asked) -> Answer:
    """Run the sweep and show the best trials, the best one first."""
    with beside_the_answer():
        return _answer(asked)


def _answer(asked: Asked) -> Answer:
    flags = {
        "account.cash": asked.cash,
        "backtest.costs": asked.costs,
        "backtest.slippage": asked.slippage,
    }
    settings = load_settings(
        flags={key: value for key, value in flags.items() if value is not None}
    )
    grid = parameters(asked.grid, option="--grid", such_as="fast=5:50:5")
    found = sweep(
        load_strategy(asked.strategy, parameters(asked.parameters), engine=asked.engine),
        placed(asked.data, settings),
        {name: values(name, text) for name, text in grid.items()},
        processes=asked.processes,
        progress=_Progress() if sys.stderr.isatty() else None,
        instrument=asked.instrument,
        start=asked.start,
        end=asked.end,
        cash=settings.account.cash,
        currency=settings.account.currency,
        costs=settings.backtest.costs,
        slippage=settings.backtest.slippage,
        interest=settings.backtest.interest,
        borrow=settings.backtest.borrow,
        margin=settings.backtest.margin,
        volume_share=settings.backtest.volume_share,
        touch=settings.backtest.touch,
    )
    best = found.best(asked.by)
    body = {
        "by": asked.by,
        "count": len(found),
        "best": _as_json(best),
        "trials": [_as_json(trial) for trial in found.trials],
    }
    return Answer(body, _lines(found, asked.by, asked.top))


def values(name: str, text: str) -> list[Value]:
    """Return what `5:50:5` (first, last, step) or `5,10,20` means; the last is part of it."""
    if ":" not in text:
        return [_typed(part.strip()) for part in text.split(",") if part.strip()]
    found = _steps(text.split(":"))
    if not found:
        raise UsageError(
            f"--grid {name}={text} is not of the form first:last:step, such as {name}=5:50:5"
        )
    return found


def _steps(parts: list[str]) -> list[Value]:
    """Return the values from first to last; none where the parts mean nothing."""
    if len(parts) > 3:
        return []
    try:
        first, last, step = (Decimal(part) for part in (*parts, "1")[:3])
        if not step > 0 or not 0 <= (last - first) / step < VALUES_MAX:
            return []
    except InvalidOperation:  # not a number
        return []
    return [_typed(str(first + step * count)) for count in range(int((last - first) / step) + 1)]


def _typed(text: str) -> Value:
    """Return a number where the text is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


class _Progress:
    """A line on the terminal that says how far the sweep is, once it has taken a while."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._begun = clock.monotonic_ns()

    def __call__(self, done: int, total: int) -> None:
        took = (self._clock.monotonic_ns() - self._begun) / 1e9
        if took < QUIET_SECONDS:
            return
        left = took / done * (total - done)
        line = f"\r  {done:,} of {total:,} trials, {left:.0f} s to go "
        print(line, end="" if done < total else "\n", file=sys.stderr, flush=True)


def _lines(found: Sweep, by: str, top: int) -> list[str]:
    shown = found.ranked(by)[:top]
    head = [*shown[0].params, *shown[0].figures]
    rows = [[_cell(each) for each in {**one.params, **one.figures}.values()] for one in shown]
    lines = [f"{len(found):,} trials; the best {len(shown):,} by {by}:"]
    lines += table(head, rows, right=" ".join(head))
    if failed := [trial for trial in found.trials if trial.error]:
        lines += ["", f"{len(failed):,} could not run; the first one says: {failed[0].error}"]
    counted = f"The best of {len(found):,} looks better than it is: part of its {by} is luck."
    return [*lines, "", counted]


def _cell(value: Value) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.4g}"


def _as_json(trial: Trial) -> dict[str, Any]:
    figures = {
        name: finite(value) if isinstance(value, float) else value
        for name, value in trial.figures.items()
    }
    return {
        "number": trial.number,
        "params": dict(trial.params),
        "figures": figures,
        "error": trial.error or None,
    }
