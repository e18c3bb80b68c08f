"""The result of a run is a reading of its journal and its bars: nothing here was kept on the way.

Every figure is found when it is first asked for. `metrics` and `summary` need numpy alone, so that
a quick run on the command line waits for neither pandas nor Bokeh.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from evenkeel.domain.errors import JournalError, OutsideError
from evenkeel.domain.events import (
    BorrowFeeCharged,
    CurrencyConverted,
    InterestCharged,
    RunEnded,
    RunStarted,
)
from evenkeel.domain.fill import Fill, Fills
from evenkeel.domain.fx import FxRates
from evenkeel.domain.verdict import Refused
from evenkeel.journal.log import Records
from evenkeel.ledger.book import Book, Position
from evenkeel.reports import metrics as measure
from evenkeel.reports import orders as lifes
from evenkeel.reports import tables
from evenkeel.reports.curve import Curve, Money, curve, moving, one_by_one, union
from evenkeel.reports.sensitivity import sensitivity
from evenkeel.reports.text import finite, iso
from evenkeel.reports.trades import Trade, round_trips

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    import pandas as pd

    from evenkeel.domain.bar import Bars, Column, Finding, Times
    from evenkeel.domain.events import Record
    from evenkeel.journal.log import Written
    from evenkeel.reports.curve import Move, Moving
    from evenkeel.reports.orders import OrderLife

T = TypeVar("T")

PERMISSIVE = (
    "permissive for research: nothing but buying power is limited; "
    "this result says nothing about what a real limit card would have let through"
)
"""What every report of a run under `Limits.permissive_for_research()` says."""


class Result:
    """What a run did. Money is in the account's base currency, times are UTC.

    Prices, and the money of single fills and round trips, are in their instrument's `currency`.

    `manifest` says what the journal does not: `run_id mode strategy params code_version data
    started ended wall_seconds seed permissive journal` (the last: the journal's path); a key that
    is not there reads as None. Raises `JournalError` when `records` is not one whole run.
    """

    def __init__(
        self,
        *,
        journal: Written,
        records: Sequence[Record],
        bars: Mapping[str, Bars],
        manifest: Mapping[str, Any],
    ) -> None:
        """Keep what the reading needs; read nothing yet."""
        self.journal = journal
        self.records = records
        self.bars = dict(bars)
        self.manifest = dict(manifest)
        self.started = self._one(RunStarted, 0)
        self.ended = self._one(RunEnded, -1)

    def __repr__(self) -> str:
        """Say which run this is and how it came out."""
        total = self.metrics["total_return"]
        run = self.manifest.get("run_id")
        refused = f", {len(self.refusals)} refused" if self.refusals else ""
        return f"<Result {run}: {self.started.strategy}, {total:+.2%}, {self.fill_count} fills{refused}>"

    # ---- figures -------------------------------------------------------------------------------

    @cached_property
    def metrics(self) -> dict[str, int | float]:
        """Performance after costs; see `reports.metrics` for what each means. NaN: not defined."""
        points, equity = self.points, self.curve.equity
        at_close, count = equity[points], len(points) - 1
        figures = self.performance
        profits = [
            float(trade.net_pnl * self._money.at(trade.currency, trade.exit_at))
            for trade in self.round_trips
            if trade.exit_at is not None
        ]
        return {
            **figures,
            "max_drawdown_days": measure.longest_drawdown_days(self.curve.times, equity),
            "calmar": measure.ratio(figures["cagr"], -figures["max_drawdown"]),
            "win_rate": measure.win_rate(profits),
            "profit_factor": measure.profit_factor(profits),
            "trades": len(profits),
            "exposure": float(np.mean(self.curve.invested > 0)),
            "turnover": measure.turnover(
                self._traded(), equity=at_close, count=count, periods=self._periods
            ),
            "sessions": count,
        }

    @cached_property
    def performance(self) -> dict[str, float]:
        """Those of `metrics` that come from equity alone: quick, for who compares many runs."""
        return self._performance(self.curve.equity)

    @property
    def equity_end(self) -> float:
        """The equity that the run ended with; NaN where something held could not be valued."""
        return float("nan") if self.ended.equity is None else float(self.ended.equity)

    @cached_property
    def gross_metrics(self) -> dict[str, float]:
        """The same performance with commission, fees, slippage, interest and borrow fees given back."""
        return self._performance(self.curve.gross)

    @cached_property
    def moves(self) -> list[Move]:
        """Everything that moved cash or positions, in journal order; each fill once."""
        return one_by_one(self._moving)

    @property
    def fill_count(self) -> int:
        """How many fills there were: each once, and none is written out for it."""
        return sum(
            len(move) if isinstance(move, Fills) else isinstance(move, Fill)
            for move in self._moving
        )

    @cached_property
    def curve(self) -> Curve:
        """The account at every bar time, as numpy columns."""
        return curve(self._moving, self.bars, cash=self.started.cash, money=self._money)

    @cached_property
    def points(self) -> Times:
        """The positions in `curve` of the first bar and of every session's close."""
        # What lies beyond an instrument's last bar is a guess that ends its orders, not a session.
        histories = self.bars.values()
        sessions = [measure.within(each.session_closes, each.closed_at) for each in histories]
        return measure.session_points(self.curve.times, union(sessions))

    @cached_property
    def round_trips(self) -> list[Trade]:
        """Every round trip, first in, first out; what is still open comes last."""
        return round_trips(self.moves, self.bars)

    @cached_property
    def lives(self) -> list[OrderLife]:
        """Every order and what became of it."""
        return lifes.lives(self.records)

    @property
    def refusals(self) -> list[Refused]:
        """Every order that the gate refused: the rule, its limit and what it observed."""
        return [record for record in self.records if isinstance(record, Refused)]

    @cached_property
    def positions(self) -> dict[str, Position]:
        """What is held at the end, by instrument id, exactly as the ledger has it."""
        instruments = {name: history.instrument for name, history in self.bars.items()}
        book = Book(self.started.cash, self.started.currency, instruments)
        for move in self.moves:
            book.take(move)
        return book.positions

    @property
    def findings(self) -> list[Finding]:
        """What was suspicious in the data and did not make it unusable."""
        return [finding for history in self.bars.values() for finding in history.findings]

    @property
    def permissive(self) -> bool:
        """Whether the run's limits limited nothing that a real card must limit."""
        return bool(self.manifest.get("permissive"))

    # ---- pandas --------------------------------------------------------------------------------

    @cached_property
    def equity(self) -> pd.Series[float]:
        """Equity at every bar time of any instrument: a float series with a UTC index `time`."""
        import pandas as pd  # only who asks for a series waits for pandas

        index = pd.DatetimeIndex(self.curve.times.astype("datetime64[ns]"), name="time")
        return pd.Series(self.curve.equity, index=index.tz_localize("UTC"), name="equity")

    @cached_property
    def fills(self) -> pd.DataFrame:
        """Every fill: time instrument side quantity price commission slippage … currency."""
        return tables.frame(tables.FILL, self._fill_rows())

    @cached_property
    def orders(self) -> pd.DataFrame:
        """Every order, refused ones too: id time strategy … status filled refused reason …"""
        return tables.frame(tables.ORDER, tables.order_rows(self.lives))

    @cached_property
    def trades(self) -> pd.DataFrame:
        """Every round trip: instrument side quantity entry_time exit_time … net_pnl return … currency."""
        return tables.frame(tables.TRADE, tables.trade_rows(self.round_trips))

    # ---- written down --------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """Return the run as one JSON object: finite numbers, texts, or null where undefined."""
        return {
            "run_id": self.manifest.get("run_id"),
            "mode": self.manifest.get("mode"),
            "strategy": self.started.strategy,
            "params": self.manifest.get("params", self.started.params),
            "instruments": sorted(self.bars),
            "lots": {name: float(each.instrument.lot) for name, each in sorted(self.bars.items())},
            "start": iso(int(self.curve.times[0])),
            "end": iso(int(self.curve.times[-1])),
            "bars": sum(len(history) for history in self.bars.values()),
            "currency": self.started.currency,
            "equity_start": self._start,
            "equity_end": finite(self.equity_end),
            "metrics": {name: finite(value) for name, value in self.metrics.items()},
            "gross_metrics": {name: finite(value) for name, value in self.gross_metrics.items()},
            "orders": lifes.count(self.lives),
            "refused_by_reason": self.refused_by_reason(),
            "fills": self.fill_count,
            "costs": self.costs(),
            "financing": self.financing(),
            "cost_sensitivity": self.cost_sensitivity,
            "ambiguous_bars": self.ambiguous_bars,
            "ambiguity_worth": self.ambiguity_worth,
            "findings": [_finding(finding) for finding in self.findings],
            "limits": self._limits(),
            "journal": {
                "records": len(self.journal),
                "head_hash": self.journal.head,
                "path": _text(self.manifest.get("journal")),
            },
            "wall_seconds": self.manifest.get("wall_seconds"),
        }

    def refused_by_reason(self) -> dict[str, int]:
        """Return how many orders each rule refused, the busiest rule first."""
        counted = Counter(refusal.reason.value for refusal in self.refusals)
        return dict(counted.most_common())

    def costs(self) -> dict[str, float]:
        """Return what trading cost in the base currency: commission, slippage, and fees beside them."""
        return {
            "commission": math.fsum(
                float(fill.commission * self._rate(fill)) for fill in self._fills
            )
            + self._charged_for_changing(),
            "slippage": math.fsum(float(fill.slippage * self._rate(fill)) for fill in self._fills),
            "fees": math.fsum(float(fill.fees * self._rate(fill)) for fill in self._fills),
        }

    def financing(self) -> dict[str, float]:
        """Return what loans cost: interest on money owed, and fees on shares sold short."""
        return {
            "interest": self._charged(InterestCharged),
            "borrow": self._charged(BorrowFeeCharged),
        }

    def _charged_for_changing(self) -> float:
        changes = (move for move in self.moves if isinstance(move, CurrencyConverted))
        return math.fsum(float(change.cost) for change in changes)

    def _charged(self, kind: type[InterestCharged | BorrowFeeCharged]) -> float:
        return math.fsum(float(move.amount) for move in self.moves if isinstance(move, kind))

    @cached_property
    def cost_sensitivity(self) -> dict[str, Any]:
        """What the run comes to if its costs are nothing, as they are, twice and five times that."""
        return sensitivity(self.curve, self.points, start=self._start, periods=self._periods)

    @property
    def ambiguous_bars(self) -> int:
        """How many bars could have filled better or worse: the worse was taken."""
        return len({(f.instrument, f.at) for f in self._fills if f.ambiguity is not None})

    @property
    def ambiguity_worth(self) -> float:
        """What the better fills of those bars would have been worth."""
        return math.fsum(
            float(f.ambiguity * self._rate(f)) for f in self._fills if f.ambiguity is not None
        )

    def write_tables(self, folder: str | Path) -> Path:
        """Write equity.csv, fills.csv, orders.csv and trades.csv; exact amounts, ISO 8601 times.

        Raises `OutsideError` when the folder cannot be written.
        """
        target = Path(folder)
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutsideError(
                f"cannot make the folder {target}: {error.strerror}; choose another with --out"
            ) from error
        tables.write_equity(target / "equity.csv", self.curve)
        tables.write_csv(target / "fills.csv", tables.FILL, self._fill_rows())
        tables.write_csv(target / "orders.csv", tables.ORDER, tables.order_rows(self.lives))
        tables.write_csv(target / "trades.csv", tables.TRADE, tables.trade_rows(self.round_trips))
        return target

    def report(self, path: str | Path) -> Path:
        """Write the run as one self-contained HTML page and return where it is."""
        from evenkeel.reports.tearsheet import write  # Bokeh and Jinja are for who wants a page

        return write(self, Path(path))

    # ---- reading -------------------------------------------------------------------------------

    @cached_property
    def _moving(self) -> list[Moving]:
        records = self.records
        return moving(records.moving() if isinstance(records, Records) else records)

    @cached_property
    def _fills(self) -> list[Fill]:
        return [move for move in self.moves if isinstance(move, Fill)]

    @cached_property
    def _money(self) -> Money:
        return Money(self.started.currency, FxRates.from_settings(self.started.settings))

    def _rate(self, fill: Fill) -> Decimal:
        """What a unit of a fill's currency was worth when it happened."""
        return self._money.at(fill.currency, fill.at)

    @property
    def _start(self) -> float:
        return float(self.started.cash)

    @property
    def _periods(self) -> int:
        return max(history.periods_per_year for history in self.bars.values())

    def _performance(self, equity: Column) -> dict[str, float]:
        at_close = equity[self.points]
        figures = measure.performance(at_close, start=self._start, periods=self._periods)
        return {**figures, "max_drawdown": measure.max_drawdown(equity)}

    def _traded(self) -> float:
        """Return the value of everything bought and sold."""
        return math.fsum(
            float(
                fill.quantity
                * fill.price
                * self.bars[fill.instrument].instrument.multiplier
                * self._rate(fill)
            )
            for fill in self._fills
        )

    def _fill_rows(self) -> list[tables.Row]:
        strategy_of = {life.order.id: life.order.strategy for life in self.lives}
        return tables.fill_rows(self._fills, strategy_of)

    def _limits(self) -> dict[str, Any]:
        return {
            "permissive": self.permissive,
            "note": PERMISSIVE if self.permissive else "",
            "card": dict(self.started.limits),
        }

    def _one(self, kind: type[T], place: int) -> T:
        record = self.records[place] if self.records else None
        if not isinstance(record, kind):
            which = "first" if place == 0 else "last"
            raise JournalError(
                f"the {which} record of a run must be {kind.__name__}; this journal is not one "
                "whole run, so read it with `evenkeel audit verify`"
            )
        return record


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "instrument": finding.instrument,
        "code": finding.code,
        "count": finding.count,
        "first_at": iso(finding.first_at),
        "message": finding.message,
    }
