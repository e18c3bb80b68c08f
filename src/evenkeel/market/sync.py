"""Bringing the catalog up to date: ask for what is missing, and for a little of what is known.

    what was asked for, and until when, is written down beside the bars, after them
    →  a second sync asks nobody, and one that was stopped goes on where it was

Prices are kept as traded: those of a source that divides by later splits are multiplied again, so
that a new split changes nothing that is kept. Bars of another source are added only where both have
been seen to agree.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct, field

from evenkeel.calendar.sessions import sessions
from evenkeel.domain.errors import DataError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.instrument import NO_MARKET
from evenkeel.domain.money import text
from evenkeel.market.actions import ex_day
from evenkeel.market.adjust import as_paid, as_traded, split_steps
from evenkeel.market.columns import DAY, Table
from evenkeel.market.joining import joined
from evenkeel.market.listed import Listed, list_actions
from evenkeel.market.provider import Adjustment, Failure, Fetched, Origin, ProviderError
from evenkeel.market.seen import Seen, seen, together
from evenkeel.ops.atomic_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenkeel.domain.bar import Times
    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.catalog import Catalog
    from evenkeel.market.provider import Answer, Provider
    from evenkeel.market.shelf import Shelf
    from evenkeel.ops.clock import Clock

STATE = "sync.json"
OVERLAP = 30
"""Bars asked for again each time: enough to see that history was restated, or to join a source."""

BITE = 64
"""Instruments whose bars are added at once, and asked for again if that was interrupted."""


class Asked(msgspec.Struct, frozen=True):
    """From when until when an instrument was asked for, in starts of bars (UTC nanoseconds)."""

    since: int
    until: int


class Synced(Struct):
    """What a sync did: instruments asked and those that were up to date, bars, failures by name."""

    asked: int = 0
    current: int = 0
    added: int = 0
    restated: int = 0
    actions: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)
    left: int = 0


class _Got(Struct, frozen=True):
    instrument: Instrument
    rows: Seen | None
    actions: tuple[Listed, ...] = ()
    asked: Asked | None = None
    failure: ProviderError | DataError | None = None
    lacks: str = ""


def sync(
    catalog: Catalog,
    provider: Provider,
    instruments: Sequence[Instrument],
    interval: str,
    *,
    dataset: str,
    since: date,
    clock: Clock,
    workers: int = 4,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Synced:
    """Bring instruments up to date at one interval; `told(done, total)` hears of each bite.

    At most `workers` requests are under way at once. An instrument that cannot be had is named in
    the answer and the others go on; when the day's requests are spent, the rest is left for later.
    """
    shelf = catalog.shelf(interval, dataset)
    state = read_state(shelf)
    first = (since - date(1970, 1, 1)).days * DAY
    due = [(each, _due(shelf, state, each, first, clock.now_ns())) for each in instruments]
    wanted = [(each, asked) for each, asked in due if asked is not None]
    synced = Synced(current=len(due) - len(wanted))
    with ThreadPoolExecutor(max_workers=workers) as threads:
        for start in range(0, len(wanted), BITE):
            bite = wanted[start : start + BITE]
            got = list(threads.map(lambda pair: _get(provider, shelf, clock, *pair), bite))
            _take(catalog, shelf, state, got, synced)
            told(start + len(bite), len(wanted))
            spent = _spent(got)
            if spent:
                synced.left = len(wanted) - start - len(bite) + spent
                break
    return synced


def _spent(got: Sequence[_Got]) -> int:
    """Return how many were not answered because the day's requests are used up."""
    return sum(
        isinstance(each.failure, ProviderError) and each.failure.kind is Failure.BUDGET_SPENT
        for each in got
    )


# ---- what is due ----


def _due(
    shelf: Shelf, state: dict[str, Asked], instrument: Instrument, first: int, now: int
) -> Asked | None:
    """Return from when until when to ask, None when nothing can be new."""
    until = last_completed(shelf.length, instrument.mic, now)
    known = state.get(instrument.id)
    if known is not None and known.since <= first and known.until >= until:
        return None
    if known is None or known.since > first:
        return Asked(first, until) if until > first else None
    back = OVERLAP * shelf.length * 3 // 2  # of three days two are sessions
    return Asked(max(first, known.until - back), until)


def last_completed(length: int, mic: str, now: int) -> int:
    """Return when the last bar that can be complete at `now` ends (a day: the day after it)."""
    if length < DAY:
        return now // length * length
    if mic == NO_MARKET:
        return now // DAY * DAY
    today = date(1970, 1, 1) + timedelta(days=now // DAY)
    known = sessions(mic, today - timedelta(days=15), today)
    over = known.dates[known.closes <= now]
    return (int(over[-1]) + 1) * DAY if len(over) else 0


# ---- asking ----


def _get(
    provider: Provider, shelf: Shelf, clock: Clock, instrument: Instrument, asked: Asked
) -> _Got:
    try:
        answer = provider.bars(instrument, shelf.interval, asked.since, asked.until)
        _refuse_stale(answer)
        actions = _actions(provider, instrument, asked.since, clock.now_ns())
        rows = _rows(answer, actions)
        _refuse_strangers(shelf, instrument, rows, answer.origin)
    except (ProviderError, DataError) as error:
        return _Got(instrument, None, failure=error)
    return _Got(instrument, rows, _listed(answer, actions), asked, lacks=answer.origin.lacks)


def _refuse_stale(answer: Answer[Fetched]) -> None:
    if answer.origin.stale:
        raise ProviderError(answer.origin.source, Failure.UNREACHABLE, answer.origin.lacks)


def _actions(
    provider: Provider, instrument: Instrument, since: int, now: int
) -> Answer[tuple[CorporateAction, ...]] | None:
    """Return splits and dividends, None where this source has none to tell."""
    try:
        return provider.actions(instrument, since, now)
    except ProviderError as error:
        if error.kind is Failure.NOT_OFFERED:
            return None
        raise


def _rows(
    answer: Answer[Fetched], actions: Answer[tuple[CorporateAction, ...]] | None
) -> Seen | None:
    """Return an answer's bars as they were traded; `DataError` where nobody can say what that was."""
    found, origin = answer.value, answer.origin
    if not len(found):
        return None
    table = found.table
    values = dict(table.prices)
    if table.volume is not None:
        values["volume"] = table.volume
    if origin.adjustment is Adjustment.SPLIT_DIVIDEND:
        raise DataError(
            f"{found.instrument.id}: {origin.source} gives prices adjusted for dividends, "
            "from which nobody can tell what was traded"
        )
    if origin.adjustment is Adjustment.SPLIT:
        if actions is None:
            raise DataError(
                f"{found.instrument.id}: {origin.source} gives prices divided by later splits and "
                "does not say which"
            )
        steps = split_steps(actions.value, found.instrument.mic, daily=found.interval == "1d")
        values = as_traded(values, table.wall, steps)
    codes = np.zeros(len(found), np.int64)
    return seen(
        [found.instrument.id],
        codes,
        table.wall if found.interval == "1d" else table.stamps,
        values,
        at=origin.fetched_at,
        source=found.sources[int(found.source_of[-1])].source,
    )


def _listed(
    answer: Answer[Fetched], actions: Answer[tuple[CorporateAction, ...]] | None
) -> tuple[Listed, ...]:
    """Return actions as lines of the catalog's list; money per share as shares were that day."""
    if actions is None:
        return ()
    instrument, origin = answer.value.instrument, actions.origin
    lines = []
    for each in as_paid(actions.value, origin.adjustment):
        day = str(np.datetime64(ex_day(each.at, instrument.mic), "D"))
        if isinstance(each, Split):
            value = text(each.new) if each.old == 1 else f"{text(each.new)}:{text(each.old)}"
            lines.append(_line(instrument, day, "split", value, origin))
        elif isinstance(each, CashDividend):
            value = text(each.amount.normalize())
            lines.append(_line(instrument, day, "dividend", value, origin))
    return tuple(lines)


def _line(instrument: Instrument, day: str, kind: str, value: str, origin: Origin) -> Listed:
    return Listed(day, instrument.id, kind, value, origin.source, origin.fetched_at)


def _refuse_strangers(
    shelf: Shelf, instrument: Instrument, rows: Seen | None, origin: Origin
) -> None:
    """Raise `JoinRefusedError` when bars of another source do not agree with those that are kept."""
    if rows is None or not shelf.has(instrument.id):
        return
    held = shelf.everything([instrument.id])
    last = held.sources[held.source_of[-1]]
    ours = rows.sources[rows.source_of[-1]]
    if last == ours or last.startswith("repair:"):
        return
    joined(
        _fetched(held, instrument, shelf.interval, last, origin),
        _fetched(rows, instrument, shelf.interval, ours, origin),
    )


def _fetched(
    rows: Seen, instrument: Instrument, interval: str, source: str, origin: Origin
) -> Fetched:
    told = Origin(source=source, fetched_at=origin.fetched_at, currency=origin.currency)
    prices = {name: rows.values[name] for name in ("open", "high", "low", "close")}
    table = Table(source, rows.ts, rows.ts, prices, None, (), None, str)
    places: Times = np.zeros(len(rows), np.int64)
    return Fetched(instrument, interval, table, (told,), places)


# ---- keeping ----


def _take(
    catalog: Catalog, shelf: Shelf, state: dict[str, Asked], got: Sequence[_Got], synced: Synced
) -> None:
    """Add bars, then actions, then write down that they were asked for: never the other way."""
    rows = together([each.rows for each in got if each.rows is not None])
    if len(rows):
        receipt = shelf.add(rows)
        synced.added += receipt.added
        synced.restated += receipt.restated
    lines = [line for each in got for line in each.actions]
    synced.actions += list_actions(catalog.actions_file, lines)
    for each in got:
        name = each.instrument.id
        if each.failure is not None:
            synced.failures[name] = str(each.failure)
            continue
        assert each.asked is not None, each
        synced.asked += 1
        if each.lacks:
            synced.lacks[name] = each.lacks
        known = state.get(name)
        first = each.asked.since if known is None else min(known.since, each.asked.since)
        state[name] = Asked(first, each.asked.until)
    shelf.folder.mkdir(parents=True, exist_ok=True)
    replace_file(shelf.folder / STATE, [msgspec.json.encode(state)])


def read_state(shelf: Shelf) -> dict[str, Asked]:
    """Return what a shelf's instruments have been asked for."""
    try:
        return msgspec.json.decode((shelf.folder / STATE).read_bytes(), type=dict[str, Asked])
    except FileNotFoundError:
        return {}
