"""A run's four tables as rows of plain values: money in Decimal, times in UTC nanoseconds.

They become CSV files here (exact text, without pandas) and pandas frames when somebody asks.
"""

from __future__ import annotations

import csv
import math
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from evenkeel.domain.errors import OutsideError
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import text
from evenkeel.reports.text import iso, iso_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from evenkeel.reports.curve import Curve
    from evenkeel.reports.orders import OrderLife
    from evenkeel.reports.trades import Trade

Cell: TypeAlias = "str | int | float | bool | Decimal | Enum | None"
Row: TypeAlias = "dict[str, Cell]"

TIMES = ("time", "entry_time", "exit_time", "expires")
"""The columns that hold UTC nanoseconds."""

NAT = -(2**63)
"""How numpy writes a time that there is not."""

AMOUNTS = frozenset(
    (
        *("quantity", "price", "commission", "fees", "slippage", "ambiguity", "filled", "return"),
        *("limit_price", "stop_price", "trail_amount", "trail_percent"),
        *("entry_price", "exit_price", "gross_pnl", "net_pnl"),
    )
)
"""The columns that are numbers in every row that has them."""

FILL = (
    "time",
    "instrument",
    "side",
    "quantity",
    "price",
    "commission",
    "slippage",
    "order_id",
    "strategy",
    "fill_id",
    "ambiguity",
    "fees",
    "currency",
)
ORDER = (
    "id",
    "time",
    "strategy",
    "instrument",
    "side",
    "type",
    "quantity",
    "limit_price",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "tif",
    "expires",
    "status",
    "filled",
    "reason",
    "why",
    "refused",
    "limit",
    "observed",
    "replaces",
    "parent",
    "oca_group",
    "sizing",
)
TRADE = (
    "instrument",
    "side",
    "quantity",
    "entry_time",
    "exit_time",
    "entry_price",
    "exit_price",
    "gross_pnl",
    "commission",
    "fees",
    "net_pnl",
    "return",
    "bars_held",
    "open",
    "entry_order",
    "exit_order",
    "currency",
)


def fill_rows(fills: Iterable[Fill], strategy_of: dict[int, str]) -> list[Row]:
    """Return one row per fill."""
    return [
        {
            "time": fill.at,
            "instrument": fill.instrument,
            "side": fill.side,
            "quantity": fill.quantity,
            "price": fill.price,
            "commission": fill.commission,
            "fees": fill.fees,
            "slippage": fill.slippage,
            "order_id": fill.order_id,
            "strategy": strategy_of.get(fill.order_id, ""),
            "fill_id": fill.id,
            "ambiguity": fill.ambiguity,
            "currency": fill.currency,
        }
        for fill in fills
    ]


def order_rows(lives: Iterable[OrderLife]) -> list[Row]:
    """Return one row per order, refused ones among them (`refused`, `limit`, `observed`)."""
    return [
        {
            "id": life.order.id,
            "time": life.order.created_at,
            "strategy": life.order.strategy,
            "instrument": life.order.instrument,
            "side": life.order.side,
            "type": life.order.type,
            "quantity": life.order.quantity,
            "limit_price": life.order.limit_price,
            "stop_price": life.order.stop_price,
            "trail_amount": life.order.trail_amount,
            "trail_percent": life.order.trail_percent,
            "tif": life.order.tif,
            "expires": life.order.expires_at,
            "status": life.status,
            "filled": life.filled,
            "reason": life.order.reason,
            "why": life.why,
            "refused": life.refusal.reason if life.refusal else None,
            "limit": life.refusal.limit if life.refusal else None,
            "observed": life.refusal.observed if life.refusal else None,
            "replaces": life.order.replaces,
            "parent": life.order.parent,
            "oca_group": life.order.oca_group,
            "sizing": life.order.sizing,
        }
        for life in lives
    ]


def trade_rows(trades: Iterable[Trade]) -> list[Row]:
    """Return one row per round trip; an open one has no exit time, its exit price is the last."""
    return [
        {
            "instrument": trade.instrument,
            "side": trade.side,
            "quantity": trade.quantity,
            "entry_time": trade.entry_at,
            "exit_time": trade.exit_at,
            "entry_price": trade.entry_price,
            "exit_price": trade.exit_price,
            "gross_pnl": trade.gross_pnl,
            "commission": trade.commission,
            "fees": trade.fees,
            "net_pnl": trade.net_pnl,
            "return": trade.profit_ratio,
            "bars_held": trade.bars_held,
            "open": trade.open,
            "entry_order": trade.entry_order,
            "exit_order": trade.exit_order,
            "currency": trade.currency,
        }
        for trade in trades
    ]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows as CSV; nothing for None. Raises `OutsideError` when the disk says no."""
    _write(path, columns, ([_cell(name, row[name]) for name in columns] for row in rows))


def write_equity(path: Path, curve: Curve) -> None:
    """Write the equity curve as CSV, each number as the shortest text that reads back equal."""
    texts = map(repr, curve.equity.tolist())
    _write(path, ["time", "equity"], zip(iso_all(curve.times), texts, strict=True))


def _write(path: Path, columns: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(lines)
    except OSError as error:
        raise OutsideError(
            f"cannot write {path}: {error.strerror}; check that the folder is writable and has room"
        ) from error


def _cell(name: str, value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and name in TIMES:
        return iso(value)
    if isinstance(value, float):
        return repr(value) if value == value else ""  # noqa: PLR0124  # NaN alone differs from itself
    return str(value)


def frame(columns: Sequence[str], rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows as a pandas frame: floats for Decimals, UTC times, texts for enums."""
    import pandas as pd  # only who asks for a frame waits for pandas

    return pd.DataFrame({name: _column(name, [row[name] for row in rows]) for name in columns})


def _column(name: str, values: list[Cell]) -> pd.DatetimeIndex | list[object]:
    import pandas as pd

    if name in TIMES:
        moments = np.array([NAT if at is None else at for at in values], dtype=np.int64)
        return pd.DatetimeIndex(moments.view("datetime64[ns]"), tz="UTC")
    if name in AMOUNTS:
        return [math.nan if amount is None else float(amount) for amount in values]  # type: ignore[arg-type]  # Row says so
    return [_plain(value) for value in values]


def _plain(value: Cell) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return value.value if isinstance(value, Enum) else value
