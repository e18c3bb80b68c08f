"""`evenkeel backtest`: on this path nothing is imported that a plain run does not need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.app.backtest import backtest
from evenkeel.app.cli.shown import Answer, beside_the_answer, shown
from evenkeel.app.cli.told import run_lines
from evenkeel.app.runs import check_writable, save
from evenkeel.app.strategies import load_strategy
from evenkeel.domain.errors import UsageError
from evenkeel.ops.settings import load_settings

if TYPE_CHECKING:
    from evenkeel.ops.settings import Settings


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked for, as it was typed; None: as the settings have it."""

    strategy: str
    data: str
    instrument: str | None
    start: str | None
    end: str | None
    parameters: list[str]
    cash: str | None
    costs: str | None
    slippage: str | None
    interest: str | None
    borrow: str | None
    margin: str | None
    fx: list[str]
    fx_costs: str | None
    limits: str | None
    actions: str | None
    stamp: str
    out: str | None
    jump: bool
    engine: str


def answer(asked: Asked) -> Answer:
    """Run the backtest, keep its journal, and write the report where one was asked for."""
    with beside_the_answer():
        return _answer(asked)


def _answer(asked: Asked) -> Answer:
    settings = _settings(asked)
    strategy = load_strategy(asked.strategy, parameters(asked.parameters), engine=asked.engine)
    out = Path(asked.out) if asked.out is not None else None
    check_writable(settings.paths.runs)
    if out is not None:
        check_writable(out)
    result = backtest(
        strategy,
        placed(asked.data, settings),
        instrument=asked.instrument,
        start=asked.start,
        end=asked.end,
        stamp=asked.stamp,
        actions=asked.actions if asked.actions is not None else (),
        cash=settings.account.cash,
        currency=settings.account.currency,
        costs=settings.backtest.costs,
        slippage=settings.backtest.slippage,
        interest=settings.backtest.interest,
        borrow=settings.backtest.borrow,
        margin=settings.backtest.margin,
        fx=rates(asked.fx),
        fx_costs=asked.fx_costs,
        volume_share=settings.backtest.volume_share,
        touch=settings.backtest.touch,
        limits=asked.limits,
        jump=asked.jump,
    )
    if out is not None:
        from evenkeel.app.cli.output import write_output  # the report brings Bokeh in

        write_output(result, out)
    kept = save(result, settings.paths.runs)
    body = result.summary()
    if out is not None:
        body["out"] = str(out)
    return Answer(body, [*run_lines(body), *_next(kept, out)])


def parameters(
    written: list[str], *, option: str = "--set", such_as: str = "fast=10"
) -> dict[str, str]:
    """Return the values of `--set name=value`; `UsageError` when one is not of that form."""
    found: dict[str, str] = {}
    for each in written:
        name, equals, value = (part.strip() for part in each.partition("="))
        if not equals or not name:
            raise UsageError(f"{option} {each} is not of the form name=value, such as {such_as}")
        if name in found:
            raise UsageError(f"{option} {name} is given twice; give it once")
        found[name] = value
    return found


def placed(source: str, settings: Settings) -> str:
    """Return the source; a catalog that names no folder is that of the settings."""
    if source == "catalog:" or source.startswith(("catalog:#", "catalog:@")):
        return f"catalog:{settings.paths.catalog}{source.removeprefix('catalog:')}"
    return source


def rates(written: list[str]) -> dict[str, object] | None:
    """Return what `--fx EUR=1.08` says, by currency; `UsageError` when one is not of that form."""
    found: dict[str, object] = {}
    for each in written:
        currency, equals, rate = (part.strip() for part in each.partition("="))
        if not equals or not currency or not rate:
            raise UsageError(f"--fx {each} is not of the form EUR=1.08 or EUR=eurusd.csv")
        if currency in found:
            raise UsageError(f"--fx {currency} is given twice; give it once")
        found[currency] = rate
    return found or None


def _settings(asked: Asked) -> Settings:
    flags = {
        "account.cash": asked.cash,
        "backtest.costs": asked.costs,
        "backtest.slippage": asked.slippage,
        "backtest.interest": asked.interest,
        "backtest.borrow": asked.borrow,
        "backtest.margin": asked.margin,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    return load_settings(flags=given, profile="backtest")


def _next(kept: Path, out: Path | None) -> list[str]:
    lines = ["", f"  journal     {shown(kept / 'journal.log')}"]
    if out is not None:
        lines.append(f"  report      {shown(out / 'report.html')}, tables beside it")
    first = "open the report" if out is not None else "evenkeel report"
    return [*lines, "", f"Next: {first}; evenkeel why 1; evenkeel parity {kept.name}"]
