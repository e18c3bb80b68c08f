"""What somebody should have looked at at once, and what ended it, as rows of a table.

    Halted                           until Resumed
    OrderUncertain                   until the venue says something about the order itself
    MarginCalled, LiquidationForced  nothing on record ends them
    Refused, for the data is in doubt
                                     until an order in that instrument is approved again

What is raised again before it has ended is one alert: a strategy that asks each minute for what
it cannot have would bury all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from evenkeel.domain.events import (
    Halted,
    LiquidationForced,
    MarginCalled,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    Resumed,
    is_alarming,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import text
from evenkeel.domain.order import Order
from evenkeel.domain.verdict import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.journal.replay import Decoded

Row: TypeAlias = dict[str, Any]

_ABOUT_ORDERS = (
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    Fill,
)
"""What resolves an order of which nobody knew what became of it."""


def alerts(records: Iterable[tuple[int, Decoded]]) -> list[Row]:
    """Return the alerts of a run from its numbered records, in the order in which they were raised."""
    rows: list[Row] = []
    lasting: dict[tuple[str, str], Row] = {}
    for sequence, record in records:
        for settled in _settles(record):
            if settled in lasting:
                lasting.pop(settled).update(ended_by=sequence, ended_at=_at(record))
        if is_alarming(record):
            kind, (about, words) = type(record).__name__, _said(record)
            if (kind, about) in lasting:
                continue
            row = {
                "sequence": sequence,
                "kind": kind,
                "about": about,
                "text": words,
                "at": _at(record),
                "ended_by": None,
                "ended_at": None,
            }
            rows.append(row)
            if not isinstance(record, MarginCalled | LiquidationForced):
                lasting[kind, about] = row
    return rows


def _said(record: Decoded) -> tuple[str, str]:
    """Return what an alarming record is about, and what it says."""
    match record:
        case Halted():
            return "account", f"halted by {record.by}: {record.reason}"
        case OrderUncertain():
            return f"order:{record.order_id}", record.reason
        case Refused():
            return record.order.instrument, f"refused: {record.reason.value}"
        case _:
            assert isinstance(record, MarginCalled | LiquidationForced), record
            equity, required = text(record.equity), text(record.required)
            return "account", f"equity {equity} is below the margin {required}"


def _settles(record: Decoded) -> tuple[tuple[str, str], ...]:
    """Return the alerts that a record ends if they last: their kinds, and what they are about."""
    match record:
        case Resumed():
            return (("Halted", "account"),)
        case Order():
            return (("Refused", record.instrument),)
        case OrderReplaced():
            both = (record.order_id, record.replaces)
            return tuple(("OrderUncertain", f"order:{number}") for number in both)
        case _ if isinstance(record, _ABOUT_ORDERS):
            return (("OrderUncertain", f"order:{record.order_id}"),)
        case _:
            return ()


def _at(record: Decoded) -> int:
    return record.created_at if isinstance(record, Order) else record.at
