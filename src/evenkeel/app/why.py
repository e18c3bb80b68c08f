"""Why was this order sent, or refused, and what came of it? Everything from journal and bars."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct

from evenkeel.domain.errors import UsageError
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import EXACT, ZERO, text
from evenkeel.domain.order import Order
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.engine.explain import explain
from evenkeel.execution.costs import itemized, parse_costs
from evenkeel.reports.text import finite, iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evenkeel.domain.bar import Bars
    from evenkeel.engine.explain import Explanation
    from evenkeel.reports.result import Result


def why(result: Result, order_id: int) -> dict[str, Any]:
    """Return the whole story of one order as one object; amounts are exact text.

    Raises `UsageError` when the run has no such order, and `JournalError` when journal and bars
    do not belong together.
    """
    seen = explain(result.records, result.bars, order_id)
    if seen is None:
        raise UsageError(_no_such_order(result, order_id))
    order, fills = seen.order, _of(result, order_id)
    return {
        "run_id": result.manifest.get("run_id"),
        "order": _order(order),
        "verdict": "approved" if isinstance(seen.verdict, Approved) else "refused",
        "bar": _bar(result.bars[order.instrument], order.created_at),
        "account": _account(seen),
        "checks": [
            {
                "rule": check.reason.value,
                "limit": _text(check.limit),
                "observed": _text(check.observed),
                "ok": check.ok,
            }
            for check in seen.checks
        ],
        "venue": _venue(result, order_id),
        "fills": _fills(fills),
        "commission": _text(sum((fill.commission for fill in fills), ZERO)),
        "fees": _text(sum((fill.fees for fill in fills), ZERO)),
        "fees_by_taker": _by_taker(result, fills),
        "slippage": _text(sum((fill.slippage for fill in fills), ZERO)),
        "round_trips": _round_trips(result, order_id),
    }


def _no_such_order(result: Result, order_id: int) -> str:
    run = result.manifest.get("run_id")
    count = len(result.lives)
    if not count:
        return f"run {run} has no orders at all"
    return f"run {run} has no order {order_id}; its orders are 1 to {count}"


def _order(order: Order) -> dict[str, Any]:
    """Return what was asked for; fields that the order does not use are left out."""
    told = {
        "id": order.id,
        "strategy": order.strategy,
        "instrument": order.instrument,
        "side": order.side.value,
        "quantity": _text(order.quantity),
        "type": order.type.value,
        "limit_price": _text(order.limit_price),
        "stop_price": _text(order.stop_price),
        "trail_amount": _text(order.trail_amount),
        "trail_percent": _text(order.trail_percent),
        "time_in_force": order.tif.value,
        "expires_at": None if order.expires_at is None else iso(order.expires_at),
        "replaces": order.replaces,
        "parent": order.parent,
        "oca_group": order.oca_group,
        "reason": order.reason,
        "sizing": order.sizing,
    }
    return {name: value for name, value in told.items() if value not in {None, ""}}


def _bar(bars: Bars, moment: int) -> dict[str, Any] | None:
    """Return the bar that was the newest one when the order was made."""
    at = int(np.searchsorted(bars.closed_at, moment, side="right")) - 1
    if at < 0:
        return None
    prices = {name: float(getattr(bars, name)[at]) for name in ("open", "high", "low", "close")}
    volume = float(bars.volume[at]) if bars.volume_known else None
    return {"closed_at": iso(int(bars.closed_at[at])), **prices, "volume": volume}


def _account(seen: Explanation) -> dict[str, Any]:
    reading = seen.reading
    return {
        "cash": _text(seen.cash),
        "equity": _text(seen.equity),
        "held": _text(reading.held),
        "buying": _text(reading.buying),
        "selling": _text(reading.selling),
        "last_price": _text(seen.last),
    }


def _venue(result: Result, order_id: int) -> list[dict[str, Any]]:
    """Return what happened to the order after the gate, in the order of the journal."""
    told = []
    for record in result.records:
        if isinstance(record, Order | Approved | Refused):
            continue
        concerned = {getattr(record, "order_id", None), getattr(record, "replaces", None)}
        if order_id not in concerned:
            continue
        what = {"at": iso(record.at), "what": type(record).__name__}
        if isinstance(record, Fill):
            what["text"] = f"{text(record.quantity)} at {text(record.price)}"
        elif reason := getattr(record, "reason", ""):
            what["text"] = reason
        told.append(what)
    return told


def _by_taker(result: Result, fills: Iterable[Fill]) -> dict[str, str | None]:
    """Return what of the fees went to whom, over all fills."""
    try:
        tariff = parse_costs(result.started.costs)
    except UsageError:  # a tariff of the author's own
        return {}
    taken: dict[str, Decimal] = {}
    for fill in fills:
        for taker, fee in itemized(tariff, fill, result.bars[fill.instrument].instrument).items():
            taken[taker] = EXACT.add(taken.get(taker, ZERO), fee)
    return {taker: _text(fee) for taker, fee in taken.items()}


def _fills(fills: Iterable[Fill]) -> list[dict[str, Any]]:
    return [
        {
            "at": iso(fill.at),
            "quantity": _text(fill.quantity),
            "price": _text(fill.price),
            "currency": fill.currency,
            "commission": _text(fill.commission),
            "fees": _text(fill.fees),
            "slippage": _text(fill.slippage),
            "ambiguity": _text(fill.ambiguity),
        }
        for fill in fills
    ]


def _of(result: Result, order_id: int) -> list[Fill]:
    return [m for m in result.moves if isinstance(m, Fill) and m.order_id == order_id]


def _round_trips(result: Result, order_id: int) -> list[dict[str, Any]]:
    """Return the round trips that the order opened or closed; an open one at the last close."""
    return [
        {
            "part": "entry" if trade.entry_order == order_id else "exit",
            "entry_order": trade.entry_order,
            "exit_order": trade.exit_order,
            "quantity": _text(trade.quantity),
            "entry_price": _text(trade.entry_price),
            "exit_price": _text(trade.exit_price),
            "entry_at": iso(trade.entry_at),
            "exit_at": None if trade.exit_at is None else iso(trade.exit_at),
            "open": trade.open,
            "net_pnl": _text(trade.net_pnl),
            "return": finite(trade.profit_ratio),
        }
        for trade in result.round_trips
        if order_id in {trade.entry_order, trade.exit_order}
    ]


def _text(value: Decimal | str | None) -> str | None:
    return text(value) if isinstance(value, Decimal) else value


class Asked(Struct, frozen=True):
    """Which order of which run; no run: the newest."""

    run: str | None
    order_id: int


def asked(order: str, run: str | None) -> Asked:
    """Read `7`, `RUN/7` or a client order id `RUN-7`; `UsageError` when it is none of them."""
    for mark in ("/", "-"):
        before, found, number = order.rpartition(mark)
        if found and number.isdecimal() and before:
            if run is not None:
                raise UsageError(f"{order} names its run already; leave --run out")
            return Asked(before, int(number))
    if not order.isdecimal():
        raise UsageError(f"{order!r} is no order; write its number, such as 7 or RUN/7")
    return Asked(run, int(order))
