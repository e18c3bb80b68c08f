"""`evenkeel paper` on live prices: providers are polled, all of it is recorded, then traded on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from evenkeel.app.backtest import rates_of
from evenkeel.app.checkpoints import checkpoints_of
from evenkeel.app.cli.on_paper import SUFFIX, wishes
from evenkeel.app.live_prices import trade_live
from evenkeel.app.providers import providers
from evenkeel.app.quarantine import quarantine
from evenkeel.app.setup import request
from evenkeel.app.strategies import load_strategy
from evenkeel.domain.errors import UsageError
from evenkeel.domain.instrument import Instrument
from evenkeel.market.live import Poller
from evenkeel.market.provider import Answer, Origin, interval_ns
from evenkeel.market.recorder import recorded, replayed
from evenkeel.ops.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evenkeel.app.setup import Request
    from evenkeel.domain.bar import Bars
    from evenkeel.domain.events import CorporateAction
    from evenkeel.market.live import Update
    from evenkeel.ops.bot_file import BotFile
    from evenkeel.ops.settings import Settings
    from evenkeel.reports.result import Result


GRACE_SECONDS = {"1d": 900.0}
"""How long after its close a bar is settled: a day's last price comes with the closing auction."""


def trade(
    bot: BotFile, settings: Settings, day: str | None, actions: str | None, until: str | None
) -> Result:
    """Trade a bot on live prices, or on the recording of such a day."""
    database = settings.paths.database
    wanted = list(bot.instruments)
    told = _told(wanted, actions)
    if day is not None:
        lived = _changed(
            replayed(day), lambda first: replace(first, actions=(*first.actions, *told))
        )
        return trade_live(lived, _want(bot, day), database, checkpoints=checkpoints_of(settings))
    end = None if until is None else moment(until)
    interval_ns(bot.interval)  # before anybody is asked anything
    now = SYSTEM_CLOCK.now_ns()
    stamp = datetime.fromtimestamp(now / 1e9, UTC)
    folder = Path(settings.paths.runs)
    folder.mkdir(parents=True, exist_ok=True)
    path = str((folder / f"{stamp:%Y%m%d-%H%M%S}-{bot.name}{SUFFIX}").resolve())
    with providers(bot.providers, settings, files=_files(bot)) as source:
        poller = Poller(
            source,
            wanted,
            bot.interval,
            SYSTEM_CLOCK,
            warm_up=bot.warm_up,
            grace=GRACE_SECONDS.get(bot.interval, 5.0),
            until=end,
        )
        held = quarantine(settings)
        coming = _changed(  # before it is recorded: a person's word goes before a provider's
            poller.updates(),
            lambda first: replace(first, actions=(*told, *first.actions), quarantine=held),
        )
        return trade_live(
            recorded(coming, path),
            _want(bot, path),
            database,
            checkpoints=checkpoints_of(settings),
        )


def moment(text: str) -> int:
    """Return a time such as 2026-01-30T21:00Z in UTC nanoseconds; without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--until {text!r} is no time; write it as 2026-01-30T21:00Z") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000


def _files(bot: BotFile) -> dict[str, Path]:
    """Return the bot's files by instrument: one each in order, or one for all."""
    paths, names = bot.data_paths, [each.id for each in bot.instruments]
    if len(paths) == 1:
        return dict.fromkeys(names, paths[0])
    if "files" in bot.providers and len(paths) != len(names):
        raise UsageError(
            f"{bot.path}: data.paths names {len(paths)} files for {len(names)} instruments; "
            "name one for all, or one each"
        )
    return dict(zip(names, paths, strict=False))


def _told(
    instruments: list[Instrument], actions: str | None
) -> tuple[Answer[tuple[CorporateAction, ...]], ...]:
    """Return what a file of actions says, as one who was asked would say it."""
    if actions is None:
        return ()
    from evenkeel.market.actions import read_actions

    origin = Origin(source=actions, fetched_at=SYSTEM_CLOCK.now_ns(), currency="")
    return (Answer(tuple(read_actions(actions, instruments)), origin),)


def _changed(updates: Iterator[Update], change: Callable[[Update], Update]) -> Iterator[Update]:
    """Put what is known beside the providers into the first update."""
    yield change(next(updates))
    yield from updates


def _want(bot: BotFile, recording: str) -> Callable[[list[Bars], list[CorporateAction]], Request]:
    rates = {currency: rates_of(rate) for currency, rate in bot.fx.items()}

    def want(bars: list[Bars], actions: list[CorporateAction]) -> Request:
        return request(
            load_strategy(bot.strategy, bot.params, engine=bot.engine),
            bars,
            actions=actions,
            data={
                "sources": [],
                "recording": recording,
                "instruments": [each.id for each in bot.instruments],
            },
            fx=rates,
            **wishes(bot),
        )

    return want
