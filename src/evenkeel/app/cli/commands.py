"""Every command by its name, arguments and help. What each does stands in a module of its own.

No module of commands postpones its annotations: typer reads them all at every start, and would
compile each twice from its text.
"""

# ruff: noqa: D301  a line of \b alone tells click to leave the lines below it as they stand

from copy import copy
from typing import Annotated

import typer

import evenkeel
from evenkeel.app.cli.audit_commands import audit_app
from evenkeel.app.cli.data_commands import data_app
from evenkeel.app.cli.database_commands import db_app
from evenkeel.app.cli.lab_commands import lab_app
from evenkeel.app.cli.options import (
    Actions,
    AsJson,
    Cash,
    Costs,
    Data,
    Engine,
    FirstDay,
    Instruments,
    LastDay,
    Slippage,
    Stamp,
    StrategyPath,
)
from evenkeel.app.cli.secret_commands import secrets_app
from evenkeel.app.cli.shown import INTERRUPTED, show
from evenkeel.domain.errors import UsageError

app = typer.Typer(
    name="evenkeel",
    epilog="New here? `evenkeel demo` takes a few seconds and needs no network.",
    rich_markup_mode=None,  # rich would cost 0.1 s before anything is done
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
runs_app = typer.Typer(help="The runs of this folder.", rich_markup_mode=None)
app.add_typer(runs_app, name="runs")
app.add_typer(audit_app, name="audit")
app.add_typer(lab_app)
app.add_typer(secrets_app, name="secrets")
app.add_typer(data_app, name="data")
app.add_typer(db_app, name="db")

Run = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="An id, its beginning, or a folder; else the newest."),
]


def run(given: list[str]) -> int:
    """Run one command of the line and return its exit code; wrong usage is a `UsageError`."""
    command = typer.main.get_command(app_for(given))
    mistakes = next(each for each in typer.BadParameter.__mro__ if each.__name__ == CLICK_ERROR)
    try:
        code = command.main(_whole(given), prog_name="evenkeel", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except mistakes as error:  # type: ignore[misc] # mypy cannot see that it is an exception
        raise UsageError(_sentence(error)) from error
    if code == INTERRUPTED:  # newer ones make an exit code of Ctrl-C themselves
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def app_for(given: list[str]) -> typer.Typer:
    """Return the app, of which only the command is left that the line begins with, if one is meant.

    To make all of them takes as long as a short backtest. (With a callback of its own, `everything`,
    an app of one command is still a group.)
    """
    word, one = given[0] if given else "", copy(app)
    one.registered_commands = [each for each in app.registered_commands if _is(each, word)]
    one.registered_groups = [each for each in app.registered_groups if each.name == word]
    return one if one.registered_commands or one.registered_groups else app


def _is(command: typer.models.CommandInfo, word: str) -> bool:
    assert command.callback is not None, command
    return (command.name or typer.main.get_command_name(command.callback.__name__)) == word


CLICK_ERROR = "ClickException"
"""The base of all that is wrong with a command line; found by name, for typer brings its own."""


def _whole(given: list[str]) -> list[str]:
    """Return the command line with what may be left out: everything, or the path of a replay."""
    if not given:
        return ["--help"]
    whole = []
    for word, following in zip(given, [*given[1:], "--"], strict=True):
        whole.append(word)
        if word == "--replay" and following.startswith("--"):
            whole.append("")
    return whole


def _sentence(error: BaseException) -> str:
    said = getattr(error, "format_message", error.__str__)()
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "evenkeel"
    return f"{said[:1].lower()}{said[1:].rstrip('.')}; `{where} --help` shows how"


def _say_version(asked: bool) -> None:
    if asked:
        print(f"evenkeel {evenkeel.__version__}")
        raise typer.Exit


@app.callback()
def everything(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which this is."),
    ] = False,
) -> None:
    """Backtest a strategy, paper-trade it, prove that both did the same, and ask why."""


@app.command()
def demo(
    *,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Point to the page at the end, or not.")
    ] = True,
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="Where the demo's files go.")
    ] = "evenkeel-demo",
    as_json: AsJson = False,
) -> int:
    """Trade real prices twice and prove that both did the same.

    First as a backtest, then on paper. Daily prices of AAPL, GOOG, IBM, MSFT and FB, 2000 to 2013, from an installed package; no
    network is used. Leaves a report, the journals and the data to play with in DIR.

    \b
    Example:
      evenkeel demo --no-serve --out /tmp/demo
    """
    from evenkeel.app.cli.demonstrate import answer

    return show(answer(out, serve=serve), as_json=as_json)


@app.command()
def backtest(
    strategy: StrategyPath,
    *,
    data: Data,
    instrument: Instruments = None,
    start: FirstDay = None,
    end: LastDay = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter; may be repeated."),
    ] = None,
    cash: Cash = None,
    costs: Costs = None,
    slippage: Slippage = None,
    interest: Annotated[
        str | None,
        typer.Option("--interest", metavar="RATES", help="Percent a year on money owed, or none."),
    ] = None,
    borrow: Annotated[
        str | None,
        typer.Option("--borrow", metavar="RATES", help="Percent a year on shares sold short."),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option("--margin", metavar="RULE", help="none or reg-t: closes what it must."),
    ] = None,
    fx: Annotated[
        list[str] | None,
        typer.Option("--fx", metavar="CUR=RATE", help="A currency's worth: EUR=1.08, or a file."),
    ] = None,
    fx_costs: Annotated[
        str | None,
        typer.Option("--fx-costs", metavar="COSTS", help="Of changing money: bps:3, per-order:2."),
    ] = None,
    limits: Annotated[
        str | None, typer.Option("--limits", metavar="FILE", help="A complete limit card (TOML).")
    ] = None,
    actions: Actions = None,
    stamp: Stamp = "start",
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Write report.html and the tables (CSV) here."),
    ] = None,
    jump: Annotated[
        bool, typer.Option("--jump/--no-jump", help="Skip bars on which nothing can happen.")
    ] = True,
    engine: Engine = "evenkeel",
    as_json: AsJson = False,
) -> int:
    """Run a strategy over the past and keep the run's journal.

    \b
    Examples:
      evenkeel backtest evenkeel.strategy.examples.sma_cross:SmaCross --data AAPL.csv
      evenkeel backtest my.py:Mine --data AAPL.csv --instrument AAPL.XNAS \\
          --set fast=10 --costs bps:10 --out report
      evenkeel backtest theirs.py:BtStrategy --data AAPL.csv --engine backtrader
      evenkeel backtest my.py:Mine --data catalog: --instrument AAPL.XNAS --start 2014-01-01
      evenkeel backtest my.py:Mine --data AAPL.csv --costs ibkr-tiered \\
          --slippage half-spread:0.01+sqrt:1 --borrow 2 --interest 6 --margin reg-t
    """
    from evenkeel.app.cli.backtested import Asked, answer

    asked = Asked(
        strategy=strategy,
        data=data,
        instrument=instrument,
        start=start,
        end=end,
        parameters=parameters or [],
        cash=cash,
        costs=costs,
        slippage=slippage,
        interest=interest,
        borrow=borrow,
        margin=margin,
        fx=fx or [],
        fx_costs=fx_costs,
        limits=limits,
        actions=actions,
        stamp=stamp,
        out=out,
        jump=jump,
        engine=engine,
    )
    return show(answer(asked), as_json=as_json)


@app.command()
def paper(
    bot: Annotated[str, typer.Argument(metavar="BOT.toml", help="The bot's file.")],
    *,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay", metavar="[PATH]", help="Bars or a recorded day; without PATH the bot's own."
        ),
    ] = None,
    actions: Actions = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="End with the last bar that closes by then."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Trade a bot on paper, on live or recorded prices.

    Through the gate, against the simulated venue, into the database. Without --replay the bot's providers are asked for every bar as it closes, until --until or Ctrl-C, and all that comes in is recorded. Recorded bars come in one after the other; the runtime knows none before its time.

    \b
    Examples:
      evenkeel paper bot.toml --until 2026-01-30T21:00Z
      evenkeel paper bot.toml --replay
      evenkeel paper bot.toml --replay AAPL.csv --actions splits.csv
    """
    from evenkeel.app.cli.on_paper import answer

    return show(answer(bot, replay, actions, until), as_json=as_json)


@app.command()
def parity(
    run: Run = None,
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="[OTHER]", help="A run to compare with: id, folder, journal or DATABASE#ID."
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Trade a run again on paper, or take another, and compare.

    On paper its bars come in one by one; journals are compared record for record. Exit code 1 when they differ. Every order that differs is explained: by data, timing, fill, fee, restart, or another decision.

    \b
    Examples:
      evenkeel parity 20260102-143000-SmaCross
      evenkeel parity 20260102-143000-SmaCross sqlite:///evenkeel.db#20260102-150000-SmaCross
    """
    from evenkeel.app.cli.matched import answer

    return show(answer(run, other), as_json=as_json)


@app.command()
def report(
    run: Run = None,
    *,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Default: report.html beside the journal."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Write a run as one HTML page that needs nothing but itself.

    \b
    Example:
      evenkeel report 20260102-143000-SmaCross --out cross.html
    """
    from evenkeel.app.cli.kept import report_answer

    return show(report_answer(run, out), as_json=as_json)


@runs_app.command("list")
def runs_list(*, as_json: AsJson = False) -> int:
    """List the runs of this folder, the newest first.

    \b
    Example:
      evenkeel runs list --json
    """
    from evenkeel.app.cli.kept import list_answer

    return show(list_answer(), as_json=as_json)


@app.command()
def why(
    order: Annotated[
        str, typer.Argument(metavar="ORDER", help="RUN/NUMBER, or NUMBER of the newest run.")
    ],
    *,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="The order's run.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Say why an order was sent, or refused, and what became of it.

    The bar it was decided on, the strategy's reason, every check of the risk gate with its limit
    and what it saw, the venue's words, fills, costs, and the profit or loss that came of it.

    \b
    Examples:
      evenkeel why 7
      evenkeel why 20260102-143000-SmaCross/7
    """
    from evenkeel.app.cli.asked import answer

    return show(answer(order, run), as_json=as_json)


@app.command("show-config")
def show_config(
    *,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="backtest, paper or live."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Show every setting and where its value came from.

    \b
    Examples:
      EVENKEEL__PATHS__RUNS=/tmp/runs evenkeel show-config
      evenkeel show-config --profile live
    """
    from evenkeel.app.cli.configured import answer

    return show(answer(profile), as_json=as_json)


@app.command()
def doctor(*, as_json: AsJson = False) -> int:
    """Check installation, folders, journals and database.

    Changes nothing. Exit code 1 on a fault; each comes with its cure.

    \b
    Example:
      evenkeel doctor --json
    """
    from evenkeel.app.cli.examined import answer

    return show(answer(), as_json=as_json)
