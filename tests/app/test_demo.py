"""The demo keeps its word on real prices: equal journals, honest splits, figures that agree."""

import csv
import json
import re
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from evenkeel.app.cli import main
from evenkeel.app.demo import ACTIONS, CARD, MARKET_OF, demonstrate, read_prices
from evenkeel.app.parity import Parity
from evenkeel.journal.verify import verify
from evenkeel.risk.limits import Limits

bokeh_sampledata = pytest.importorskip("bokeh_sampledata", reason="the extra [demo]")


@pytest.fixture(scope="module")
def prices():
    return read_prices(Path(bokeh_sampledata.__file__).parent / "_data" / "stocks.csv.gz")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The demo, once for all tests: it trades for seconds."""
    return demonstrate(tmp_path_factory.mktemp("demo") / "evenkeel-demo")


@pytest.fixture
def demo(done, monkeypatch, capsys):
    """Run the command on what the demo has done already; return exit code and output."""

    def run(*words, **changes):
        told = replace(done, **changes)
        monkeypatch.setattr("evenkeel.app.cli.demonstrate.demonstrate", lambda folder: told)
        return main(["demo", *words]), capsys.readouterr().out

    return run


@pytest.fixture
def shown(done, demo):
    """The demo's folder, and what it says in JSON."""
    code, out = demo("--no-serve", "--json")
    assert code == 0
    return done.folder, json.loads(out)


def test_what_happened_to_the_shares_is_what_the_prices_show(prices):
    """The source's own adjusted closes step by more than 2 % on these days, and on no others."""
    steps = {}
    for ticker, rows in prices.items():
        ratios = [(row[0], float(row[6]) / float(row[4])) for row in rows]
        for (_, before), (day, after) in pairwise(ratios):
            if abs(after / before - 1) > 0.02:
                steps[f"{ticker}.{MARKET_OF[ticker]}", date.fromisoformat(day)] = after / before
    closes = {(t, row[0]): float(row[4]) for t, rows in prices.items() for row in rows}
    expected = {}
    for name, day, kind, value in ACTIONS:
        close = closes[name.partition(".")[0], str(day)]
        cash = value + Decimal("0.08")  # the ordinary dividend of that quarter went ex with it
        expected[name, day] = float(value) if kind == "split" else (close + float(cash)) / close
    assert steps == pytest.approx(expected, rel=1e-3)


def test_the_limit_card_is_complete():
    assert not Limits.from_text(CARD).permissive


def test_backtest_and_paper_leave_equal_journals_that_verify(shown):
    folder, body = shown
    same = body["parity"]
    assert same["equal"]
    assert same["records"] == body["journal"]["records"] > 500
    assert same["head_hash"] == body["journal"]["head_hash"]
    tested = verify(folder / "runs" / body["run_id"])
    traded = verify(folder / "evenkeel.db", same["paper_run_id"])
    assert tested.ok
    assert traded.ok
    assert tested.head == traded.head == same["head_hash"]


def test_every_split_and_dividend_reached_the_journal(shown):
    folder, body = shown
    lines = (folder / "runs" / body["run_id"] / "journal.log").read_bytes().splitlines()
    kinds = [json.loads(line.partition(b" ")[2])["kind"] for line in lines]
    assert kinds.count("Split") == 3
    assert kinds.count("CashDividend") == 1


def test_the_prices_are_left_to_play_with(shown, prices):
    folder, _ = shown
    with (folder / "data" / "FB.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["date", "open", "high", "low", "close", "volume", "adj_close"]
    assert rows[1:] == prices["FB"]


def test_the_page_says_what_the_summary_says(shown):
    folder, body = shown
    page = (folder / "report.html").read_text()
    assert body["run_id"] in page
    assert f"{abs(body['metrics']['total_return']):.2%}".rstrip("%") in page


def test_people_are_told_what_came_out_and_what_to_do_next(demo):
    code, out = demo()
    assert code == 0
    assert "ordinary dividends are left out" in out
    assert "The journals are equal" in out
    assert re.search(r"open +file:///\S+/report.html", out)
    following = out.partition("What to do next:")[2]
    assert "evenkeel backtest my.py:SmaCross --data" in following
    commands = re.findall(r"evenkeel ((?:why|audit).*)", following)
    assert [words.split()[0] for words in commands] == ["why", "audit"]
    for words in commands:
        assert main(words.split()) == 0, words


def test_who_has_no_command_on_his_path_is_told_how_to_get_it(demo, monkeypatch, tmp_path):
    """As after `make demo`, which calls it by its path; who has it is told nothing."""
    activate = tmp_path / "env" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.touch()
    monkeypatch.setattr("sys.prefix", str(tmp_path / "env"))
    monkeypatch.setenv("PATH", str(activate.parent))
    assert f"first         source {activate}" in demo()[1]
    command = activate.with_name("evenkeel")
    command.touch(0o755)
    assert "source" not in demo()[1].partition("What to do next:")[2]


def test_without_serving_the_page_is_a_plain_path(demo):
    assert "file://" not in demo("--no-serve")[1]


def test_journals_that_differ_are_said_to_differ(demo):
    different = Parity(
        equal=False, records=3, head_hash="", sequence=4, first="a record", second=None
    )
    code, out = demo(parity=different)
    assert code == 1
    assert "DIFFER from record 4" in out


def test_a_folder_that_is_a_file_is_refused_before_anything_is_done(tmp_path, capsys):
    (tmp_path / "d").write_text("mine")
    assert main(["demo", "--out", str(tmp_path / "d")]) == 2
    assert "not a folder" in capsys.readouterr().err


def test_a_disk_that_fails_is_the_outside(tmp_path, capsys, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evenkeel.app.demo._write", full)
    assert main(["demo", "--out", str(tmp_path / "d")]) == 3
    assert "No space left on device" in capsys.readouterr().err
