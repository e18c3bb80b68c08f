"""A backtest: the whole tape is there, the schedule jumps, the journal stays in memory."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenkeel.app.runs import manifest, new_run_id
from evenkeel.app.setup import CASH, Request, request
from evenkeel.app.strategies import ENGINES, load_strategy
from evenkeel.domain.errors import UsageError
from evenkeel.domain.fx import written
from evenkeel.domain.money import exact
from evenkeel.domain.tape import Tape
from evenkeel.engine.run import run
from evenkeel.engine.schedule import Schedule
from evenkeel.journal.log import MemoryJournal
from evenkeel.market.csv_files import named_catalog, read_bars
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.reports.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenkeel.domain.events import CorporateAction
    from evenkeel.execution.costs import CostModel
    from evenkeel.execution.slippage import AnySlippage
    from evenkeel.market.csv_files import Source, Wanted
    from evenkeel.market.history import Bound
    from evenkeel.risk.limits import Limits
    from evenkeel.strategy.trader import Trader


def backtest(
    strategy: str | type[Any] | Trader,
    bars: Source,
    *,
    cash: Decimal | float | str = CASH,
    costs: str | CostModel | None = None,
    slippage: str | AnySlippage | None = None,
    limits: Limits | str | Path | None = None,
    start: Bound = None,
    end: Bound = None,
    jump: bool = True,
    instrument: Wanted = None,
    actions: str | Path | Sequence[CorporateAction] = (),
    stamp: str = "start",
    volume_share: Decimal | float | str | None = None,
    touch: str | None = None,
    interest: str | None = None,
    borrow: str | None = None,
    margin: str | None = None,
    fx: Mapping[str, object] | None = None,
    fx_costs: str | None = None,
    currency: str = "USD",
    engine: str = ENGINES[0],
) -> Result:
    """Run a strategy over bars and return what it did.

    `strategy` is a class, an instance with parameters, or the text `path.py:Class`; with
    `engine="backtrader"` it is a `bt.Strategy` (see `evenkeel.lab.backtrader`). `bars` is
    what `market.csv_files.read_bars` takes: a path, a DataFrame, or a dict of these by instrument
    id. `cash` is in `currency`. `costs` is `"zero"`, `"bps:10"` or `"ibkr-fixed"` (the default),
    `slippage` `"none"` or `"bps:1"` (the default), or objects; `execution/costs` and
    `execution/slippage` have more. `interest` and `borrow` are percent a year on money owed and on
    shares sold short, `margin` is `"reg-t"` or `"none"`; with a tariff of Interactive Brokers they
    are 6, 0.5 and reg-t unless given, with any other none. `fx` says what a unit of another
    currency is worth, by currency: a number, or prices as in `bars`; `fx_costs` is what changing
    money costs (`"bps:3"`, `"per-order:2"`; nothing unless given). `limits` is an object or the path
    of a limit card; without it the run uses `Limits.permissive_for_research()` and its report says so. What lies outside `start` to `end`
    (inclusive) is not read. `actions` are splits and dividends. `jump=False` visits every bar and
    gives the same journal. Raises `UsageError` and its kin for anything that cannot be run.
    """
    wanted = plan(
        strategy,
        bars,
        instrument=instrument,
        start=start,
        end=end,
        stamp=stamp,
        actions=actions,
        cash=cash,
        currency=currency,
        costs=costs,
        slippage=slippage,
        limits=limits,
        volume_share=volume_share,
        touch=touch,
        engine=engine,
        interest=interest,
        borrow=borrow,
        margin=margin,
        fx=fx,
        fx_costs=fx_costs,
    )
    return execute(wanted, jump=jump)


def plan(
    strategy: str | type[Any] | Trader,
    bars: Source,
    *,
    instrument: Wanted = None,
    start: Bound = None,
    end: Bound = None,
    stamp: str = "start",
    actions: str | Path | Sequence[CorporateAction] = (),
    engine: str = ENGINES[0],
    fx: Mapping[str, object] | None = None,
    **wishes: Any,  # noqa: ANN401 - those of `setup.request`
) -> Request:
    """Read everything that a run needs, before any of it runs."""
    seated = load_strategy(strategy, engine=engine)
    histories = read_bars(bars, instrument=instrument, start=start, end=end, stamp=stamp)
    known: Sequence[CorporateAction]
    sources = _files(bars)
    if named_catalog(bars) is not None:
        sources = [histories[0].source]
        actions = actions or _beside(sources[0])
    if isinstance(actions, str | Path):
        from evenkeel.market.actions import read_actions  # only for runs that have some

        known = read_actions(actions, [each.instrument for each in histories])
    else:
        known = actions
    first_at = min(int(history.closed_at[0]) for history in histories)
    data = {
        "sources": sources,
        "instruments": [history.instrument.id for history in histories],
        "start": None if start is None else str(start),
        "end": None if end is None else str(end),
        "stamp": stamp,
        "actions": str(Path(actions).resolve()) if isinstance(actions, str | Path) else None,
    }
    wanted = request(
        seated,
        histories,
        actions=[action for action in known if action.at >= first_at],
        data=data,
        fx=None if fx is None else {currency: rates_of(rate) for currency, rate in fx.items()},
        **wishes,
    )
    _refuse_useless(wanted)
    return wanted


def _refuse_useless(wanted: Request) -> None:
    """Raise `UsageError` for the rate of a currency in which nothing trades or pays."""
    traded = [each.instrument for each in wanted.bars]
    used = {getattr(each, "currency", "") for each in (*traded, *wanted.actions)}
    if useless := sorted(set(wanted.fx) - used):
        raise UsageError(
            f"there is a rate of {useless[0]}, and nothing trades in that; say what does: "
            f"{traded[0].id}:currency={useless[0]}"
        )


def rates_of(source: Any) -> str:  # noqa: ANN401 - a number, its text, or what `read_bars` reads
    """Return exchange rates as the journal keeps them: a number, or the closes of a price series."""
    if isinstance(source, int | float | Decimal):
        return str(source)
    if isinstance(source, str) and not Path(source).exists():
        return source
    (history,) = read_bars(source)
    closes = history.close.tolist()
    return written(history.closed_at.tolist(), [exact(close) for close in closes])


def _beside(source: str) -> str | Path | Sequence[CorporateAction]:
    """Return the file of actions that a catalog keeps beside its bars, none when it has none."""
    from evenkeel.market.catalog import Catalog, place_of

    file = Catalog(place_of(source).folder).actions_file
    return file if file.exists() else ()


def _files(source: Source) -> list[str]:
    """Return the whole paths of the files that are read, none for bars from memory."""
    parts: Sequence[object]
    if isinstance(source, str):
        parts = [source] if Path(source).exists() else [part.strip() for part in source.split(",")]
    elif isinstance(source, Mapping):
        parts = list(source.values())
    else:
        parts = source if isinstance(source, list | tuple) else [source]
    files = [Path(part).expanduser() for part in parts if isinstance(part, str | Path) and part]
    return [str(file.resolve()) for file in files] if len(files) == len(parts) else []


def execute(wanted: Request, *, jump: bool = True) -> Result:
    """Run a request over its whole tape."""
    started_at = SYSTEM_CLOCK.now_ns()
    tape = Tape(wanted.bars)
    venue = wanted.venue(tape)
    journal = MemoryJournal()
    core = wanted.core(tape)
    lender = wanted.lender(core)
    ahead = (venue,) if lender is None else (venue, lender)
    schedule = Schedule(tape, wanted.actions, ahead if jump else ())
    run(core, schedule, venue, journal, lender=lender)
    return Result(
        journal=journal,
        records=journal.records,
        bars=tape.bars,
        manifest=manifest(wanted, new_run_id(wanted, started_at), "backtest", started_at),
    )
