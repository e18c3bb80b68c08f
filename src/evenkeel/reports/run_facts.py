"""What a run began with, as rows of tables: its first record says all of it.

Names alone may change later: a ticker stands for the instrument that it was called at the end.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Struct

from evenkeel.domain.instrument import instrument_of
from evenkeel.domain.instrument_events import SymbolChanged
from evenkeel.storage.tables import (
    AccountRow,
    InstrumentRow,
    LimitCardRow,
    StrategyRow,
    TickerRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.domain.events import RunStarted
    from evenkeel.journal.replay import Decoded
    from evenkeel.storage.tables import Base

Row: TypeAlias = dict[str, Any]

_encode = msgspec.json.Encoder(order="sorted").encode


def facts(started: RunStarted, records: Iterable[Decoded]) -> dict[type[Base], list[Row]]:
    """Return the rows of a run that began with `started` and has these records."""
    changes = [record for record in records if isinstance(record, SymbolChanged)]
    account = {
        "currency": started.currency,
        "cash": started.cash,
        "costs": started.costs,
        "slippage": started.slippage,
        "settings": started.settings,
        "opened_at": started.at,
    }
    card = {"version": version_of(started.limits), "card": started.limits, "since": started.at}
    strategy = {"name": started.strategy, "params": started.params, "started_at": started.at}
    return {
        InstrumentRow: [_instrument_row(*each) for each in sorted(started.instruments.items())],
        TickerRow: _ticker_rows(started.instruments, changes),
        AccountRow: [account],
        StrategyRow: [strategy],
        LimitCardRow: [card],
    }


def version_of(card: dict[str, str]) -> str:
    """Return the SHA-256 of a limit card: equal for cards that say the same."""
    return hashlib.sha256(_encode(card)).hexdigest()


def _instrument_row(name: str, said: dict[str, str]) -> Row:
    instrument = instrument_of(name, said)
    return {
        "id": name,
        "currency": instrument.currency,
        "tick": instrument.tick,
        "lot": instrument.lot,
        "multiplier": instrument.multiplier,
        "quarantine": instrument.quarantine,
    }


class _Use(Struct):
    """A name from `since` to `until`, and under which one the instrument went on."""

    ticker: str
    since: int | None = None
    until: int | None = None
    then: _Use | None = None

    @property
    def last(self) -> str:
        return self.ticker if self.then is None else self.then.last


def _ticker_rows(instruments: Iterable[str], changes: Iterable[SymbolChanged]) -> list[Row]:
    """Follow every name to what it became. One that came by a change was nobody's before."""
    changes = [change for change in changes if change.to in instruments]  # as the book takes them
    came: dict[str, bool] = {}
    for change in changes:
        came.setdefault(change.instrument, False)
        came.setdefault(change.to, True)
    uses = [_Use(name) for name in sorted(instruments) if not came.get(name)]
    current = {use.ticker: use for use in uses}
    for change in changes:
        use = _Use(change.to, change.at)
        if former := current.get(change.instrument):
            former.until, former.then = change.at, use
        current[change.to] = use
        uses.append(use)
    return [
        {
            "number": number,
            "ticker": use.ticker,
            "instrument": use.last,
            "since": use.since,
            "until": use.until,
        }
        for number, use in enumerate(uses, 1)
    ]
