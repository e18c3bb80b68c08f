"""`evenkeel paper`: a bot's file becomes a run on recorded bars, or on prices as they come in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from evenkeel.app.backtest import plan
from evenkeel.app.checkpoints import checkpoints_of
from evenkeel.app.cli.backtested import placed
from evenkeel.app.cli.shown import Answer, beside_the_answer
from evenkeel.app.cli.told import run_lines
from evenkeel.app.logs import told
from evenkeel.app.paper import paper
from evenkeel.app.quarantine import apart, quarantine
from evenkeel.app.runs import check_writable, save
from evenkeel.app.strategies import load_strategy
from evenkeel.domain.errors import ConfigError, UsageError
from evenkeel.ops.bot_file import load_bot
from evenkeel.ops.redact import without_password
from evenkeel.ops.settings import load_settings
from evenkeel.risk.limits import Limits

if TYPE_CHECKING:
    from evenkeel.app.setup import Request
    from evenkeel.ops.bot_file import BotFile
    from evenkeel.ops.settings import Settings
    from evenkeel.reports.result import Result

SUFFIX = ".recording"
"""What a day of live prices that was recorded ends with (see `market.recorder`)."""

OWN_DATA = ""
"""What `--replay` without a path says: the bars that the bot's file names."""


def answer(bot_file: str, replay: str | None, actions: str | None, until: str | None) -> Answer:
    """Trade a bot on recorded bars, on a recorded day, or on prices as they come in."""
    bot = load_bot(bot_file)
    if bot.mode != "paper":
        raise ConfigError(f'{bot_file}: [bot] has mode = "{bot.mode}"; here it must be "paper"')
    if replay is None and not bot.providers:
        raise UsageError(
            f"{bot_file} names no data.providers to ask for live prices; name some, or trade "
            f"recorded bars with `evenkeel paper {bot_file} --replay PATH`"
        )
    if replay == OWN_DATA and not bot.data_paths:
        raise UsageError(f"{bot_file} names no data.paths; say what to trade with --replay PATH")
    settings = load_settings(profile="paper")
    check_writable(settings.paths.runs)
    live = replay is None or replay.endswith(SUFFIX)
    with beside_the_answer(), told(settings, "paper"):
        if live:
            from evenkeel.app.cli.on_air import trade

            result = trade(bot, settings, replay, actions, until)
        else:
            wanted = _plan(bot, placed(str(replay), settings), actions)
            wanted = replace(wanted, bars=apart(wanted.bars, quarantine(settings)))
            checkpoints = checkpoints_of(settings)
            result = paper(wanted, settings.paths.database, checkpoints=checkpoints)
    return _told(bot, settings, result)


def _plan(bot: BotFile, replay: str, actions: str | None) -> Request:
    return plan(
        load_strategy(bot.strategy, bot.params, engine=bot.engine),
        _sources(bot, replay),
        instrument=bot.instruments,
        stamp=bot.stamp,
        actions=actions if actions is not None else (),
        fx=bot.fx,
        **wishes(bot),
    )


def wishes(bot: BotFile) -> dict[str, Any]:
    """Return what a bot's file says of money, costs and limits, as `setup.request` takes it."""
    limits = bot.limits
    return {
        "cash": bot.cash,
        "currency": bot.currency,
        "costs": bot.costs,
        "slippage": bot.slippage,
        "interest": bot.interest,
        "borrow": bot.borrow,
        "margin": bot.margin,
        "fx_costs": bot.fx_costs,
        "limits": limits if isinstance(limits, Path) else Limits.from_text(limits),
    }


def _told(bot: BotFile, settings: Settings, result: Result) -> Answer:
    shown_address = without_password(settings.paths.database)
    save(result, settings.paths.runs)  # a copy beside those of the backtests, for all who read runs
    body = {**result.summary(), "bot": bot.name, "database": shown_address}
    again = f"evenkeel audit verify {shown_address} --run {body['run_id']}"
    lines = [f"  journal     {shown_address}", "", f"Next: evenkeel why 1; {again}"]
    if recording := result.manifest["data"].get("recording"):
        body["recording"] = recording
        lines.insert(1, f"  recording   {recording}")
    return Answer(body, [*run_lines(body), "", *lines])


def _sources(bot: BotFile, replay: str) -> list[str | Path]:
    if replay == OWN_DATA:
        return list(bot.data_paths)
    whole = Path(replay).exists() or replay.startswith("catalog:")
    return [replay] if whole else list(replay.split(","))
