"""The demo: real prices, one strategy, traded twice; the journals are equal or it fails.

The bars are bokeh_sampledata's `stocks.csv.gz` (Quandl WIKI prices, public domain): daily, as
traded, 2000-03-01 to 2013-03-01. Splits and Microsoft's special dividend are facts and stand below
with their sources; ordinary dividends are left out, so whoever holds IBM gains a little too little.
"""

from __future__ import annotations

import csv
import gzip
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.domain.errors import OutsideError, UsageError

if TYPE_CHECKING:
    from evenkeel.app.parity import Parity
    from evenkeel.reports.result import Result

STRATEGY = "evenkeel.strategy.examples.momentum_rotation:MomentumRotation"
CASH = Decimal(100_000)

MARKET_OF = {"AAPL": "XNAS", "FB": "XNAS", "GOOG": "XNAS", "IBM": "XNYS", "MSFT": "XNAS"}
"""ISO 10383 market of each ticker in the file."""

ACTIONS = (
    # Apple's announcement of 2005-02-11 names both of its splits, 2 for 1 each.
    ("AAPL.XNAS", date(2000, 6, 21), "split", Decimal(2)),
    ("AAPL.XNAS", date(2005, 2, 28), "split", Decimal(2)),
    # Microsoft's annual report for 2003 has the split, 2 for 1; the prices halve on this day.
    ("MSFT.XNAS", date(2003, 2, 18), "split", Decimal(2)),
    # Microsoft's announcement of 2004-07-20: once 3 dollars a share, of record on 2004-11-17.
    ("MSFT.XNAS", date(2004, 11, 15), "dividend", Decimal(3)),
)
"""What happened to shares of the five beside ordinary dividends: ex-date, kind and value.

A test holds them against the steps of the data's own adjusted closes.
"""

LEFT_OUT = "ordinary dividends are left out"

CARD = {
    "order_quantity_max": "100000",
    "order_notional_max": "1000000",
    "price_collar_max": "0.2",
    "price_age_max_seconds": "864000",
    "position_quantity_max": "100000",
    "gross_exposure_max": "1000000",
    "net_exposure_max": "1000000",
    "concentration_max": "0.7",
    "buying_power_multiple": "1",
    "orders_per_second_max": "20",
    "orders_per_day_max": "100",
    "duplicate_window_seconds": "0",
    "open_orders_max": "20",
}
"""The demo's limit card: complete, as paper trading demands, and wide enough for its strategy."""


class Demonstrated(Struct, frozen=True):
    """What the demo did: both runs, the proof, where things lie, and how long trading took."""

    backtest: Result
    paper: Result
    parity: Parity
    folder: Path
    report: Path
    database: str
    seconds: float


def demonstrate(folder: Path) -> Demonstrated:
    """Trade twice, compare, report; everything goes below `folder`.

    Raises `UsageError` when the demo's data is not installed or `folder` cannot be written.
    """
    from evenkeel.app.backtest import execute, plan
    from evenkeel.app.paper import paper
    from evenkeel.app.parity import compare
    from evenkeel.app.runs import check_writable, save
    from evenkeel.app.strategies import load_strategy
    from evenkeel.ops.clock import SYSTEM_CLOCK
    from evenkeel.risk.limits import Limits

    check_writable(folder)
    files = write_prices(folder / "data")
    began = SYSTEM_CLOCK.now_ns()
    wanted = plan(
        load_strategy(STRATEGY),
        dict(files),
        actions=folder / "data" / "actions.csv",
        cash=CASH,
        limits=Limits.from_text(CARD),
    )
    tested = execute(wanted)
    database = f"sqlite:///{(folder / 'evenkeel.db').resolve()}"
    traded = paper(wanted, database)
    same = compare(tested.journal.lines(), traded.journal.lines())
    seconds = (SYSTEM_CLOCK.now_ns() - began) / 1e9
    save(tested, folder / "runs")
    report = tested.report(folder / "report.html")
    return Demonstrated(tested, traded, same, folder, report, database, seconds)


# ---- the data ----


def write_prices(folder: Path) -> dict[str, Path]:
    """Write one CSV of as-traded bars per instrument, and the splits; return where they are."""
    prices = read_prices(_installed())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            f"{ticker}.{mic}": _write(folder / f"{ticker}.csv", HEADER, prices[ticker])
            for ticker, mic in MARKET_OF.items()
        }
        rows = [[str(day), name, kind, str(value)] for name, day, kind, value in ACTIONS]
        _write(folder / "actions.csv", ["date", "instrument", "kind", "value"], rows)
    except OSError as error:
        raise OutsideError(
            f"cannot write the demo's data to {folder}: {error.strerror}; choose another with --out"
        ) from error
    return files


HEADER = ["date", "open", "high", "low", "close", "volume", "adj_close"]


def read_prices(source: Path) -> dict[str, list[list[str]]]:
    """Return each ticker's rows in the columns of `HEADER`, as the package has them."""
    found: dict[str, list[list[str]]] = {}
    with gzip.open(source, "rt", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for ticker, *row in rows:
            found.setdefault(ticker, []).append(row)
    return found


def _installed() -> Path:
    package = find_spec("bokeh_sampledata")
    if package is None or package.origin is None:
        raise UsageError(
            "the demo's prices are not installed; install them with `pip install 'evenkeel[demo]'`"
        )
    return Path(package.origin).parent / "_data" / "stocks.csv.gz"


def _write(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path
