"""An order's story is told from the journal alone, and every part of it agrees with the run."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from evenkeel.app import why
from evenkeel.app.cli import main
from evenkeel.app.why import Asked, asked
from evenkeel.domain.errors import UsageError

ROWS = [
    "2020-01-02,100,101,99,100,1000000",
    "2020-01-03,102,103,101,102,1000000",
    "2020-01-06,110,111,109,110,1000000",
    "2020-01-07,120,121,119,120,1000000",
    "2020-01-08,120,121,119,120,1000000",
]
MINE = """
import evenkeel as ek
class Mine(ek.Strategy):
    def on_start(self):
        self.seen = 0
    def on_bar(self):
        self.seen += 1
        if self.seen == 1:
            self.buy(10, reason="first bar")
            self.buy(500000, reason="far too much")
            self.buy(5, limit=50, reason="a bargain")
        if self.seen == 2:
            self.cancel(3, reason="no bargain")
        if self.seen == 3:
            self.sell(10, reason="third bar")
"""


@pytest.fixture
def tell(tmp_path, monkeypatch, capsys):
    """Trade by hand, then ask why; return the story in JSON and as people read it."""
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("\n".join(["date,open,high,low,close,volume", *ROWS]) + "\n")
    Path("mine.py").write_text(MINE)
    words = ("backtest", "mine.py:Mine", "--data", "x.csv", "--slippage", "none")
    assert main([*words, "--costs", "bps:10", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run_id"]

    def ask(order, *words):
        assert main(["why", order.replace("RUN", run), *words, "--json"]) == 0
        story = json.loads(capsys.readouterr().out)
        assert main(["why", order.replace("RUN", run), *words]) == 0
        return story, capsys.readouterr().out

    return ask


def test_a_filled_order_is_told_from_bar_to_profit(tell):
    story, text = tell("1")
    assert story["order"]["reason"] == "first bar"
    assert story["verdict"] == "approved"
    assert story["bar"] == {
        "closed_at": "2020-01-02T23:59:59Z",
        "open": 100.0,
        "high": 101.0,
        "low": 99.0,
        "close": 100.0,
        "volume": 1_000_000.0,
    }
    assert [said["what"] for said in story["venue"]] == ["OrderAccepted", "Fill"]
    (fill,) = story["fills"]
    assert fill["price"] == "102"  # the next bar's open
    assert Decimal(fill["commission"]) == Decimal("1.02")  # 10 bps of 1020
    (trip,) = story["round_trips"]
    assert (trip["part"], trip["entry_order"], trip["exit_order"]) == ("entry", 1, 4)
    # Sold at the open of 2020-01-07: (120 - 102) x 10 - 1.02 - 1.20.
    assert Decimal(trip["net_pnl"]) == Decimal("177.78")
    for part in ("first bar", "closed 2020-01-02", "buying_power_multiple", "10 at 102", "177.78"):
        assert part in text


def test_what_an_order_cost_is_told_by_who_took_it(tell, capsys):
    """Ten shares sold at 120 in 2020: 20.70 a million to the SEC, 0.000119 a share to FINRA."""
    words = ("backtest", "mine.py:Mine", "--data", "x.csv", "--slippage", "none")
    assert main([*words, "--costs", "ibkr-fixed", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run_id"]
    assert main(["why", f"{run}/4", "--json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert (story["commission"], story["fees"]) == ("1", "0.02603")
    assert story["fees_by_taker"] == {"SEC": "0.02484", "TAF": "0.00119"}
    assert main(["why", f"{run}/4"]) == 0
    assert "SEC 0.02484, TAF 0.00119" in capsys.readouterr().out


def test_an_order_in_another_currency_is_told_in_it(tell, capsys):
    assert "What it cost in USD\n" in tell("1")[1]
    words = ("backtest", "mine.py:Mine", "--data", "x.csv", "--instrument", "X.XXXX:currency=EUR")
    assert main([*words, "--fx", "EUR=1.1"]) == 0
    capsys.readouterr()
    assert main(["why", "1"]) == 0
    said = capsys.readouterr().out
    assert "What it cost in EUR\n" in said
    assert "What came of it in EUR\n" in said


def test_a_tariff_of_ones_own_says_nothing_of_who_takes_what(monkeypatch, tell):
    """Its name is all that the journal has."""

    def unknown(written):
        raise UsageError(written)

    monkeypatch.setattr(why, "parse_costs", unknown)
    story, text = tell("1")
    assert story["fees_by_taker"] == {}
    assert "fees are" not in text


def test_the_exit_tells_the_same_round_trip(tell):
    story, text = tell("RUN/4")
    assert story["round_trips"][0]["part"] == "exit"
    assert story["account"]["held"] == "10"
    assert "1 → 4" in text


def test_a_refused_order_is_told_by_the_rule_that_refused_it(tell):
    story, text = tell("RUN-2")
    assert story["verdict"] == "refused"
    (failed,) = [check for check in story["checks"] if not check["ok"]]
    assert failed["rule"] == "buying_power_multiple"
    # 10 shares reserved by the order before, and 500000 more, at 100 each, on 100000.
    assert Decimal(failed["observed"]) == Decimal("500.01")
    assert story["account"]["buying"] == "10"
    assert story["venue"] == story["fills"] == story["round_trips"] == []
    assert "refused by buying_power_multiple" in text
    assert "It never left" in text


def test_an_order_that_never_filled_says_so(tell):
    story, text = tell("3", "--run", "2")  # the run by the beginning of its id
    assert [said["what"] for said in story["venue"]] == [
        "OrderAccepted",
        "CancelRequested",
        "OrderCanceled",
    ]
    assert "limit 50" in text
    assert "no bargain" in text
    assert "It never filled" in text


def test_an_order_before_the_first_bar_has_no_bar_to_show(tell, capsys):
    Path("mine.py").write_text(MINE.replace("self.seen = 0", "self.seen = 5; self.buy(1)"))
    assert main(["backtest", "mine.py:Mine", "--data", "x.csv"]) == 0
    capsys.readouterr()
    assert main(["why", "1"]) == 0
    out = capsys.readouterr().out
    assert "refused by price_stale" in out
    assert "closed" not in out


def test_an_order_that_does_not_exist_is_said_to_not_exist(tell, capsys):
    assert main(["why", "9"]) == 2
    assert "its orders are 1 to 4" in capsys.readouterr().err


def test_an_order_is_named_in_three_ways():
    assert asked("7", None) == Asked(None, 7)
    assert asked("7", "r") == Asked("r", 7)
    assert asked("runs/20260102-a/7", None) == Asked("runs/20260102-a", 7)
    assert asked("20260102-a-7", None) == Asked("20260102-a", 7)
    for wrong in ("", "x", "x/", "/x", "x-y"):
        with pytest.raises(UsageError, match="is no order"):
            asked(wrong, None)
