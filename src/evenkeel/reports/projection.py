"""A journal as rows of tables: what the run began with, what became of it, what to look at first.

Everything here follows from the journal, so that `db rebuild` makes the same rows again. A record
that was purged makes none.
"""

from __future__ import annotations

from decimal import localcontext
from typing import TYPE_CHECKING, Any, TypeAlias

from evenkeel.domain.events import OperatorActed, RunStarted
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import instrument_of
from evenkeel.domain.instrument_events import INSTRUMENT_EVENTS, TradingHalted, TradingResumed
from evenkeel.domain.money import EXACT
from evenkeel.domain.order import Order, Side
from evenkeel.domain.verdict import Refused
from evenkeel.journal.causes import Causes
from evenkeel.journal.replay import BOOKED, decode, read
from evenkeel.ledger.book import Book, Booked
from evenkeel.reports.alerts import alerts
from evenkeel.reports.orders import lives
from evenkeel.reports.run_facts import facts
from evenkeel.reports.trades import matched
from evenkeel.storage.tables import (
    PROJECTIONS,
    AlertRow,
    CorporateActionRow,
    FillRow,
    LotRow,
    OperatorRow,
    OrderRow,
    PositionRow,
    PostingRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from evenkeel.domain.instrument import Instrument
    from evenkeel.journal.causes import Cause
    from evenkeel.journal.replay import Decoded, Entry
    from evenkeel.reports.orders import OrderLife
    from evenkeel.storage.tables import Base

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = "dict[type[Base], list[Row]]"
"""The rows of each projection, without the run's id."""


def project(lines: Iterable[bytes]) -> Rows:
    """Return the rows of a run from the lines of its journal."""
    causes = Causes()
    told: list[tuple[int, Decoded, Cause]] = []
    actions: list[Row] = []
    for entry in read(lines):
        if entry.purged is None:
            record = decode(entry)
            told.append((entry.sequence, record, causes.of(entry.sequence, record)))
            if isinstance(record, INSTRUMENT_EVENTS):
                actions.append(_action_row(entry))
    verdicts = {
        order.id: (sequence, cause)
        for sequence, record, cause in told
        if (order := _order(record)) is not None
    }
    rows: Rows = {model: [] for model in PROJECTIONS}
    rows[OrderRow] = [
        _order_row(life, *verdicts[life.order.id]) for life in lives(r for _, r, _ in told)
    ]
    rows[FillRow] = [_fill_row(s, r, cause) for s, r, cause in told if isinstance(r, Fill)]
    rows[CorporateActionRow] = actions
    rows[AlertRow] = alerts((sequence, record) for sequence, record, _ in told)
    rows[OperatorRow] = _operator_rows((s, r) for s, r, _ in told if isinstance(r, OperatorActed))
    if told and isinstance(started := told[0][1], RunStarted):
        rows |= facts(started, (record for _, record, _ in told))
        instruments = {name: instrument_of(name, f) for name, f in started.instruments.items()}
        moves = [(s, m, c) for s, m, c in told if isinstance(m, BOOKED)]
        book = Book(started.cash, started.currency, instruments)
        rows[PostingRow] = [row for move in moves for row in _posting_rows(book, *move)]
        rows[PositionRow] = _position_rows(book, instruments)
        rows[LotRow] = _lot_rows([(s, m) for s, m, _ in moves], instruments)
    return rows


def _order(record: Decoded) -> Order | None:
    if isinstance(record, Refused):
        return record.order
    return record if isinstance(record, Order) else None


def _order_row(life: OrderLife, sequence: int, cause: Cause) -> Row:
    order = life.order
    return {
        "id": order.id,
        "sequence": sequence,
        "bar_at": cause.bar_at,
        "correlation": cause.correlation,
        "strategy": order.strategy,
        "instrument": order.instrument,
        "side": order.side.value,
        "type": order.type.value,
        "tif": order.tif.value,
        "quantity": life.quantity,
        "filled": life.filled,
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "trail_amount": order.trail_amount,
        "expires_at": order.expires_at,
        "replaces": order.replaces,
        "parent": order.parent,
        "oca_group": order.oca_group,
        "status": life.status,
        "why": life.why,
        "reason": order.reason,
        "sizing": order.sizing,
    }


def _fill_row(sequence: int, fill: Fill, cause: Cause) -> Row:
    return {
        "sequence": sequence,
        "caused_by": cause.record,
        "correlation": cause.correlation,
        "id": fill.id,
        "order_id": fill.order_id,
        "instrument": fill.instrument,
        "side": fill.side.value,
        "quantity": fill.quantity,
        "price": fill.price,
        "currency": fill.currency,
        "commission": fill.commission,
        "fees": fill.fees,
        "slippage": fill.slippage,
        "ambiguity": fill.ambiguity,
        "at": fill.at,
    }


def _action_row(entry: Entry) -> Row:
    facts = {name: said for name, said in entry.body.items() if name not in {"instrument", "at"}}
    return {
        "sequence": entry.sequence,
        "kind": entry.kind,
        "instrument": entry.body["instrument"],
        "at": entry.body["at"],
        "facts": facts,
    }


def _posting_rows(book: Book, sequence: int, move: Booked, cause: Cause) -> Iterator[Row]:
    for leg, posting in enumerate(book.post(move), 1):
        yield {
            "sequence": sequence,
            "leg": leg,
            "correlation": cause.correlation,
            "account": posting.account,
            "currency": posting.currency,
            "amount": posting.amount,
            "at": move.at,
        }


def _position_rows(book: Book, instruments: Mapping[str, Instrument]) -> list[Row]:
    """Return what was ever held; what never traded has no row."""
    found = []
    for name in sorted(instruments):
        position = book.position(name)
        if position.quantity or position.cost or position.realized:
            found.append(
                {
                    "instrument": name,
                    "currency": position.instrument.currency,
                    "quantity": position.quantity,
                    "cost": position.cost,
                    "realized": position.realized,
                }
            )
    return found


def _lot_rows(moves: list[tuple[int, Booked]], instruments: Mapping[str, Instrument]) -> list[Row]:
    sequences = {id(move): sequence for sequence, move in moves}
    fills = {move.id: sequence for sequence, move in moves if isinstance(move, Fill)}
    multipliers = {name: each.multiplier for name, each in instruments.items()}
    found = []
    with localcontext(EXACT):
        traded = [move for _, move in moves if not isinstance(move, TradingHalted | TradingResumed)]
        for number, lot in enumerate(matched(traded, multipliers), 1):
            entry, leaving = lot.entry, lot.leaving
            sign = 1 if entry.fill.side is Side.BUY else -1
            found.append(
                {
                    "number": number,
                    "instrument": lot.instrument,
                    "opened_by": fills[entry.fill.id],
                    "closed_by": None if lot.by is None else sequences[id(lot.by)],
                    "quantity": sign * entry.quantity,
                    "cost": entry.cost,
                    "proceeds": leaving and leaving.cost,
                    "profit": leaving and sign * (leaving.cost - entry.cost),
                    "opened_at": entry.fill.at,
                    "closed_at": leaving and leaving.fill.at,
                }
            )
    return found


def _operator_rows(acts: Iterable[tuple[int, OperatorActed]]) -> list[Row]:
    first: dict[str, Row] = {}
    for sequence, act in acts:
        first.setdefault(act.actor, {"name": act.actor, "sequence": sequence, "at": act.at})
    return list(first.values())
