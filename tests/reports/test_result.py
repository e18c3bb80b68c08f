"""A result is read from journal and bars; the ledger, json and pandas check the reading."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from tests.reports.story import DAY, A, D, approved, bars, day, fill, order, refused, result

import evenkeel as ek
from evenkeel.domain.bar import Finding
from evenkeel.domain.errors import JournalError, OutsideError
from evenkeel.domain.events import CashDividend, OrderCanceled, Split
from evenkeel.domain.order import Side
from evenkeel.reports import tearsheet
from evenkeel.reports.result import Result

BUY, SELL = Side.BUY, Side.SELL
ROOT = Path(__file__).parent.parent.parent
CLOSES = [10, 10, 10.5, 5.5, 6, 6]
"""Split 2:1 before the fourth bar."""


def run(**manifest):
    """1,000 buys 90 at 10 (1 commission), 2:1, 0.10 a share, sells 100 of the 180 at 6 (1 more)."""
    finding = Finding(A, "gap", 1, day(3), "a gap")
    return result(
        [
            approved(order(1, BUY, 90)),
            fill(1, BUY, 90, 10, on=1, commission="1", slippage="0.9", ambiguity="4.5"),
            refused(order(2, BUY, 500, on=1)),
            Split(A, day(2), D(2)),
            CashDividend(A, day(3), D("0.1")),
            approved(order(3, SELL, 100, on=3)),
            fill(3, SELL, 100, 6, on=4, commission="1"),
            approved(order(4, SELL, 80, on=4)),
            OrderCanceled(4, day(5), reason="changed my mind"),
        ],
        bars(CLOSES, findings=(finding,)),
        equity="1196",  # 1000 - 900 - 1 + 18 + 600 - 1, and 80 at 6
        **manifest,
    )


def test_equity_is_a_utc_series_that_ends_where_the_ledger_ended():
    equity = run().equity
    assert equity.tolist() == pytest.approx([1000, 999, 1044, 1089, 1196, 1196])
    assert equity.index.name == "time"
    assert str(equity.index.tz) == "UTC"
    assert equity.index[0] == pd.Timestamp("2000-02-13 21:00", tz="UTC")


def test_metrics_are_those_of_pandas():
    """The same figures by pandas' own pct_change, std and cummax."""
    made = run()
    equity, figures = made.equity, made.metrics
    returns = equity.pct_change().dropna()
    assert figures["total_return"] == pytest.approx(0.196)
    assert figures["sharpe"] == pytest.approx(returns.mean() / returns.std() * math.sqrt(252))
    assert figures["volatility"] == pytest.approx(returns.std() * math.sqrt(252))
    assert figures["max_drawdown"] == pytest.approx((equity / equity.cummax() - 1).min())
    assert figures["calmar"] == pytest.approx(figures["cagr"] / 0.001)
    assert figures["max_drawdown_days"] == 2  # from day 0 at 1000 to day 2 at 1044
    assert (figures["trades"], figures["sessions"], figures["win_rate"]) == (1, 5, 1.0)
    assert figures["exposure"] == pytest.approx(5 / 6)
    assert figures["turnover"] == pytest.approx((900 + 600) / 2 / equity.mean() * 252 / 5)


def test_days_behind_an_instruments_end_are_no_sessions():
    """It ended on day 1; the closes that only end its orders must not lengthen the other's year."""
    ended = replace(bars([5, 5], name="E.XXXX"), session_closes=day(0) + np.arange(9) * DAY)
    made = result([], bars([1, 2, 3], days=[0, 1, 7]), ended)
    assert made.metrics["sessions"] == 2


def test_before_costs_commission_and_slippage_are_given_back():
    assert run().gross_metrics["total_return"] == pytest.approx(0.1989)


def test_the_summary_is_finite_json():
    made = run(run_id="r1", mode="backtest", wall_seconds=0.5, permissive=True, journal="j.log")
    said = json.loads(json.dumps(made.summary(), allow_nan=False))
    assert set(said) >= {
        *("run_id", "strategy", "params", "instruments", "start", "end", "bars", "equity_start"),
        *("equity_end", "metrics", "orders", "refused_by_reason", "fills", "costs"),
        *("ambiguous_bars", "journal", "wall_seconds", "findings", "limits"),
    }
    assert (said["start"], said["end"]) == ("2000-02-13T21:00:00Z", "2000-02-18T21:00:00Z")
    assert (said["bars"], said["fills"], said["equity_end"]) == (6, 2, 1196.0)
    assert said["orders"] == {
        "sent": 3,
        "filled": 2,
        "partially_filled": 0,
        "working": 0,
        "refused": 1,
        "canceled": 1,
        "expired": 0,
        "rejected": 0,
        "replaced": 0,
    }
    assert said["refused_by_reason"] == {"buying_power_multiple": 1}
    assert said["costs"] == {"commission": 2.0, "slippage": 0.9, "fees": 0.0}
    assert (said["ambiguous_bars"], said["ambiguity_worth"]) == (1, 4.5)
    assert said["journal"] == {"records": 11, "head_hash": made.journal.head, "path": "j.log"}
    assert said["findings"][0]["first_at"] == "2000-02-16T21:00:00Z"
    assert said["limits"]["note"].startswith("permissive for research")


def test_nothing_traded_is_null_and_not_zero():
    said = result([], bars([1, 1])).summary()
    assert said["metrics"]["sharpe"] is None
    assert said["metrics"]["profit_factor"] is None
    assert said["limits"]["note"] == ""
    assert said["run_id"] is None


def test_fills_are_a_frame():
    fills = run().fills
    assert fills.columns[:9].tolist() == (
        [
            "time",
            "instrument",
            "side",
            "quantity",
            "price",
            "commission",
            "slippage",
            "order_id",
            "strategy",
        ]
    )
    assert fills["side"].tolist() == ["BUY", "SELL"]
    assert fills["quantity"].tolist() == [90.0, 100.0]
    assert str(fills["time"].dtype) == "datetime64[ns, UTC]"
    assert fills["ambiguity"].isna().tolist() == [False, True]


def test_orders_are_a_frame_and_say_why_not():
    orders = run().orders
    assert orders["status"].tolist() == ["FILLED", "REFUSED", "FILLED", "CANCELED"]
    assert orders["why"].tolist() == ["", "buying_power_multiple", "", "changed my mind"]
    assert orders["observed"].tolist()[1] == 1234.5
    assert orders["limit_price"].dtype == float


def test_trades_are_a_frame_and_the_open_one_is_marked():
    trades = run().trades
    assert trades["open"].tolist() == [False, True]
    assert trades["entry_price"].tolist() == [5.0, 5.0]
    assert trades["gross_pnl"].tolist() == [100.0, 80.0]
    assert trades["exit_time"].isna().tolist() == [False, True]


class OneOfEach(ek.PortfolioStrategy):
    """Buys 100 of everything on the first bar and sells it on the third."""

    def on_bar(self):
        for name in self.universe:
            self.target_quantity(name, 100 if self.bars[name].count < 3 else 0)


def two_currencies():
    """A dollar instrument goes from 10 to 11, one in euros at 2 dollars from 11 to 10."""
    days = pd.date_range("2024-01-01", periods=5)
    up = pd.DataFrame({key: [10, 10, 10, 11, 11] for key in ("open", "high", "low", "close")}, days)
    rates = pd.DataFrame({key: [2, 2, 2, 2, 3] for key in up.columns}, days)
    return ek.backtest(
        OneOfEach,
        {"UP.XXXX": up, "DOWN.XXXX:currency=EUR": 21 - up},
        fx={"EUR": rates},
        costs="zero",
        slippage="none",
    )


def test_round_trips_of_two_currencies_are_weighed_in_the_accounts():
    """100 dollars won and 100 euros, which are 200 dollars, lost."""
    made = two_currencies()
    assert made.trades["net_pnl"].tolist() == [100, -100]
    assert made.trades["currency"].tolist() == ["USD", "EUR"]
    assert set(zip(made.fills["instrument"], made.fills["currency"], strict=True)) == {
        ("UP.XXXX", "USD"),
        ("DOWN.XXXX", "EUR"),
    }
    assert made.metrics["profit_factor"] == pytest.approx(0.5)


def test_the_page_names_the_currency_of_each_round_trip_and_counts_rates():
    page = tearsheet.render(two_currencies())
    assert "100.00 USD</td>" in page
    assert "−100.00 EUR</td>" in page
    assert "<code>fx:EUR=2 rates, 2024-01-01 to 2024-01-05</code>" in page
    assert ">Net USD</th>" not in page
    assert ">Net USD</th>" in tearsheet.render(run())


def test_what_better_fills_were_worth_is_in_the_accounts_currency():
    """4.5 of a currency that is worth 2."""
    made = result(
        [
            approved(order(1, BUY, 90)),
            replace(fill(1, BUY, 90, 10, on=1, ambiguity="4.5"), currency="EUR"),
        ],
        bars([10, 10]),
        settings={"fx:EUR": "2"},
    )
    assert made.ambiguity_worth == 9.0


def test_empty_tables_keep_their_columns():
    made = result([], bars([1, 1]))
    assert (len(made.fills), len(made.orders), len(made.trades)) == (0, 0, 0)
    assert "net_pnl" in made.trades


def test_positions_are_the_ledgers():
    position = run().positions[A]
    assert (position.quantity, position.cost, position.realized) == (80, 400, 100)


def test_refusals_say_rule_limit_and_observation():
    (refusal,) = run().refusals
    assert (refusal.reason.value, refusal.limit, refusal.observed) == (
        "buying_power_multiple",
        1000,
        D("1234.5"),
    )


def test_a_result_says_which_run_it_is():
    """And that orders were refused: who sees no fills would not know why."""
    assert repr(run(run_id="r1")) == "<Result r1: my.bots:Bot, +19.60%, 2 fills, 1 refused>"
    nothing = result([], bars([1, 1]), run_id="r2")
    assert repr(nothing) == "<Result r2: my.bots:Bot, +0.00%, 0 fills>"


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_are_written_exactly(tmp_path):
    made = run()
    folder = made.write_tables(tmp_path / "new" / "folder")
    equity, fills = read(folder / "equity.csv"), read(folder / "fills.csv")
    orders, trades = read(folder / "orders.csv"), read(folder / "trades.csv")
    assert [float(row["equity"]) for row in equity] == made.equity.tolist()
    assert equity[0]["time"] == "2000-02-13T21:00:00Z"
    assert (fills[0]["price"], fills[0]["slippage"], fills[1]["ambiguity"]) == ("10", "0.9", "")
    assert (orders[1]["status"], orders[1]["observed"]) == ("REFUSED", "1234.5")
    assert (trades[0]["net_pnl"], trades[1]["exit_time"], trades[1]["open"]) == (
        "98.444444444444444444444444",  # 100 less 100/180 of 1 in, and 1 out
        "",
        "true",
    )


def test_times_between_seconds_are_kept(tmp_path):
    made = run()
    made.curve.times[1] += 5
    rows = read(made.write_tables(tmp_path) / "equity.csv")
    assert rows[1]["time"] == "2000-02-14T21:00:00.000000005Z"


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutsideError, match="cannot make the folder"):
        run().write_tables(tmp_path / "file")
    (tmp_path / "out" / "equity.csv").mkdir(parents=True)
    with pytest.raises(OutsideError, match="cannot write"):
        run().write_tables(tmp_path / "out")


@pytest.mark.parametrize("cut", [slice(0, -1), slice(1, None), slice(0, 0)])
def test_half_a_run_has_no_result(cut):
    whole = run()
    with pytest.raises(JournalError, match="not one whole run"):
        Result(journal=whole.journal, records=whole.records[cut], bars=whole.bars, manifest={})


def test_summary_and_tables_wait_for_neither_pandas_nor_bokeh(tmp_path):
    code = (
        "import sys; from tests.reports.story import *; "
        "r = result([approved(order(1)), fill(1, Side.BUY, 1, 1, on=1)], bars([1, 2, 3])); "
        "r.summary(); r.write_tables(sys.argv[1]); "
        "print(sorted({'pandas', 'bokeh', 'jinja2', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.strip() == "[]"
