"""The commands of the lab: arguments and help; their work stands in modules of their own."""

# ruff: noqa: D301  a line of \b alone tells click to leave the lines below it as they stand

from typing import Annotated

import typer

from evenkeel.app.cli.options import (
    Cash,
    Costs,
    Data,
    Engine,
    FirstDay,
    Instruments,
    LastDay,
    Slippage,
    StrategyPath,
)
from evenkeel.app.cli.shown import show

lab_app = typer.Typer(rich_markup_mode=None)


@lab_app.command()
def optimize(
    strategy: StrategyPath,
    *,
    data: Data,
    grid: Annotated[
        list[str],
        typer.Option(
            "--grid",
            metavar="NAME=VALUES",
            help="fast=5:50:5 (first, last, step) or fast=5,10,20; may be repeated.",
        ),
    ],
    instrument: Instruments = None,
    start: FirstDay = None,
    end: LastDay = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter that stays the same."),
    ] = None,
    cash: Cash = None,
    costs: Costs = None,
    slippage: Slippage = None,
    by: Annotated[
        str, typer.Option("--by", metavar="FIGURE", help="What makes one trial better.")
    ] = "sharpe",
    top: Annotated[int, typer.Option("--top", metavar="N", help="How many to print.", min=1)] = 10,
    processes: Annotated[
        int | None,
        typer.Option("--processes", metavar="N", help="Share the work; else as many as pay."),
    ] = None,
    engine: Engine = "evenkeel",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with every trial.")
    ] = False,
) -> int:
    """Run a strategy over a grid of parameter values.

    Each trial is a whole backtest with gate and books. The best of n trials looks better than it is: n is printed beside it.

    \b
    Example:
      evenkeel optimize evenkeel.strategy.examples.sma_cross:SmaCross --data AAPL.csv \\
          --grid fast=5:50:5 --grid slow=60,80,100
    """
    from evenkeel.app.cli.optimized import Asked, answer

    asked = Asked(
        strategy=strategy,
        data=data,
        grid=grid,
        instrument=instrument,
        start=start,
        end=end,
        parameters=parameters or [],
        cash=cash,
        costs=costs,
        slippage=slippage,
        by=by,
        top=top,
        processes=processes,
        engine=engine,
    )
    return show(answer(asked), as_json=as_json)
