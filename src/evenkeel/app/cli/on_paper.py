"""`evenkeel paper`: a bot's file becomes a request, and its recorded bars are traded one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.app.backtest import plan
from evenkeel.app.cli.shown import Answer, beside_the_answer
from evenkeel.app.cli.told import run_lines
from evenkeel.app.logs import told
from evenkeel.app.paper import paper
from evenkeel.app.runs import check_writable, save
from evenkeel.app.strategies import load_strategy
from evenkeel.domain.errors import ConfigError, UsageError
from evenkeel.ops.bot_file import load_bot
from evenkeel.ops.redact import without_password
from evenkeel.ops.settings import load_settings
from evenkeel.risk.limits import Limits, load_limits

if TYPE_CHECKING:
    from evenkeel.ops.bot_file import BotFile

OWN_DATA = ""
"""What `--replay` without a path says: the bars that the bot's file names."""


def answer(bot_file: str, replay: str | None, actions: str | None) -> Answer:
    """Trade a bot on recorded bars; `UsageError` without any, live feeds are still to come."""
    bot = load_bot(bot_file)
    if bot.mode != "paper":
        raise ConfigError(f'{bot_file}: [bot] has mode = "{bot.mode}"; here it must be "paper"')
    if replay is None:
        raise UsageError(
            "live feeds come with the data providers of a later version; "
            f"trade recorded bars with `evenkeel paper {bot_file} --replay PATH`"
        )
    with beside_the_answer():
        return _answer(bot, replay, actions)


def _answer(bot: BotFile, replay: str, actions: str | None) -> Answer:
    settings = load_settings(profile="paper")
    paths = settings.paths
    check_writable(paths.runs)
    wanted = plan(
        load_strategy(bot.strategy, bot.params, engine=bot.engine),
        _sources(bot, replay),
        instrument=list(bot.instruments),
        stamp=bot.stamp,
        actions=actions if actions is not None else (),
        cash=bot.cash,
        currency=bot.currency,
        costs=bot.costs,
        slippage=bot.slippage,
        interest=bot.interest,
        borrow=bot.borrow,
        margin=bot.margin,
        limits=_limits(bot),
    )
    with told(settings, "paper"):
        result = paper(wanted, paths.database)
    shown_address = without_password(paths.database)
    save(result, paths.runs)  # a copy beside those of the backtests, for all who read runs
    body = {**result.summary(), "bot": bot.name, "database": shown_address}
    again = f"evenkeel audit verify {shown_address} --run {body['run_id']}"
    lines = [f"  journal     {shown_address}", "", f"Next: evenkeel why 1; {again}"]
    return Answer(body, [*run_lines(body), "", *lines])


def _sources(bot: BotFile, replay: str) -> list[str | Path]:
    if replay == OWN_DATA:
        return list(bot.data_paths)
    return [replay] if Path(replay).exists() else list(replay.split(","))


def _limits(bot: BotFile) -> Limits:
    if isinstance(bot.limits, Path):
        return load_limits(bot.limits)
    return Limits.from_text(bot.limits)
