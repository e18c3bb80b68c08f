"""`evenkeel paper`: a bot's file becomes a request, and its recorded bars are traded one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.app.backtest import plan
from evenkeel.app.cli.shown import Answer
from evenkeel.app.cli.told import run_lines
from evenkeel.app.paper import paper
from evenkeel.app.strategies import load_strategy
from evenkeel.domain.errors import UsageError
from evenkeel.ops.bot_file import load_bot
from evenkeel.ops.settings import load_settings
from evenkeel.risk.limits import Limits, load_limits

if TYPE_CHECKING:
    from evenkeel.ops.bot_file import BotFile

OWN_DATA = ""
"""What `--replay` without a path says: the bars that the bot's file names."""


def answer(bot_file: str, replay: str | None) -> Answer:
    """Trade a bot on recorded bars; `UsageError` without any, live feeds are still to come."""
    bot = load_bot(bot_file)
    if replay is None:
        raise UsageError(
            "live feeds come with the data providers of a later version; "
            f"trade recorded bars with `evenkeel paper {bot_file} --replay PATH`"
        )
    database = load_settings().paths.database
    wanted = plan(
        load_strategy(bot.strategy, bot.params),
        _sources(bot, replay),
        instrument=list(bot.instruments),
        stamp=bot.stamp,
        cash=bot.cash,
        currency=bot.currency,
        costs=bot.costs,
        slippage=bot.slippage,
        limits=_limits(bot),
    )
    body = {**paper(wanted, database).summary(), "bot": bot.name, "database": database}
    again = f"evenkeel audit verify {database} --run {body['run_id']}"
    return Answer(body, [*run_lines(body), "", f"  journal     {database}", "", f"Next: {again}"])


def _sources(bot: BotFile, replay: str) -> list[str | Path]:
    if replay == OWN_DATA:
        return list(bot.data_paths)
    return [replay] if Path(replay).exists() else list(replay.split(","))


def _limits(bot: BotFile) -> Limits:
    if isinstance(bot.limits, Path):
        return load_limits(bot.limits)
    return Limits.from_text(bot.limits)
