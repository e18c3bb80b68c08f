"""`evenkeel data`: files go in, bars come out, and a backtest trades on them."""

import gzip
import json
import zipfile
from decimal import Decimal

import numpy as np
import pytest

import evenkeel as ek
from evenkeel.app import check_page
from evenkeel.app.cli import main, stocked
from evenkeel.app.data import import_files
from evenkeel.domain.instrument_events import (
    CashDividend,
    CashInLieu,
    Delisted,
    Merged,
    Split,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.market.catalog import Catalog
from evenkeel.market.intake import Terms

D = Decimal
DAYS = [f"2024-01-{day:02},{10 + day},{11 + day},{9 + day},{10 + day},100" for day in range(2, 20)]
HEADER = "date,open,high,low,close,volume"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def ask(capsys, *words, code=0):
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def write(path, lines, header=HEADER):
    path.write_text("\n".join([header, *lines, ""]))
    return str(path)


def test_a_file_goes_in_and_a_backtest_trades_on_it(here, capsys):
    (here / "evenkeel.toml").write_text('[paths]\ncatalog = "bars"\n')
    path = write(here / "acme.csv", DAYS)
    found = ask(capsys, "data", "import", path, "--instrument", "ACME.XXXX")
    assert (found["files"], found["added"], found["restated"]) == (1, 18, 0)
    again = ask(capsys, "data", "import", path, "--instrument", "ACME.XXXX")
    assert (again["added"], again["known"]) == (0, 18)
    (shelf,) = ask(capsys, "data", "list")["shelves"]
    assert (shelf["dataset"], shelf["interval"], shelf["held"]) == ("main", "1d", {"ACME.XXXX": 18})
    sma = ("backtest", "evenkeel.strategy.examples.sma_cross:SmaCross", "--set", "slow=5")
    options = (*sma, "--instrument", "ACME.XXXX")
    swept = ask(capsys, "optimize", *options[1:], "--data", "catalog:", "--grid", "fast=2")
    options += ("--set", "fast=2")
    kept = ask(capsys, *options, "--data", "catalog:")
    read = ask(capsys, *options, "--data", path)
    assert kept["metrics"] == read["metrics"]
    assert swept["best"]["figures"]["total_return"] == read["metrics"]["total_return"]
    run = json.loads((here / "runs" / kept["run_id"] / "manifest.json").read_text())
    assert run["data"]["sources"] == [f"catalog:{here / 'bars'}#main/1d"]
    shown = ask(capsys, "data", "show", "ACME.XXXX")
    assert run["tape"] == {"ACME.XXXX": shown["sha256"]}  # the data's identity
    parity = ask(capsys, "parity", kept["run_id"])
    assert parity["equal"]


def test_actions_of_the_catalog_reach_the_backtest(here, capsys):
    halved = [f"2024-01-{day:02},10,10.2,9.8,10,200" for day in range(11, 20)]
    whole = [f"2024-01-{day:02},20,20.4,19.6,20,100" for day in range(2, 11)]
    rows = [*(f"{row},1" for row in whole), f"{halved[0]},2", *(f"{row},1" for row in halved[1:])]
    path = write(here / "acme.csv", rows, f"{HEADER},split_ratio")
    assert ask(capsys, "data", "import", path, "--instrument", "ACME.XXXX")["actions"] == 1
    shown = ask(capsys, "data", "show", "ACME.XXXX", "--view", "split", "--as-of", "2024-01-05")
    assert shown["actions"] == [{"date": "2024-01-11", "what": "split 2:1"}]
    assert shown["latest"][0]["close"] == 20
    assert (
        ask(capsys, "data", "show", "ACME.XXXX", "--view", "split", "--end", "2024-01-12")[
            "latest"
        ][0]["close"]
        == 10
    )
    kept = ask(
        capsys, "backtest", "evenkeel.strategy.examples.sma_cross:SmaCross",
        "--data", "catalog:", "--instrument", "ACME.XXXX",
    )  # fmt: skip
    run = json.loads((here / "runs" / kept["run_id"] / "manifest.json").read_text())
    assert run["data"]["actions"] == str(here / "catalog" / "actions.csv")


class Holds(ek.Strategy):
    """Buys a hundred shares on the first day and keeps them."""

    def on_bar(self):
        if not self.position.quantity:
            self.buy(100)


def test_apple_is_held_over_its_split_without_a_step(here, capsys, shared_data):
    """From 645.57 on Friday to 93.70 on Monday, seven for one: 1.6 % more, as the published
    adjusted closes say."""
    path = shared_data / "corporate_actions" / "wiki_2014_raw_and_adjusted.csv"
    ask(capsys, "data", "import", str(path), "--market", "XNAS")
    result = ek.backtest(
        Holds(),
        f"catalog:{here / 'catalog'}",
        instrument="AAPL.XNAS",
        start="2014-06-02",
        end="2014-06-11",
        cash=100_000,
        costs="zero",
        slippage="none",
    )
    (bought,) = result.fills.to_dict("records")
    worth = {at.date().isoformat(): equity for at, equity in result.equity.items()}
    paid = 100 * float(bought["price"])
    assert worth["2014-06-06"] == pytest.approx(100_000 - paid + 100 * 645.57)
    assert worth["2014-06-09"] == pytest.approx(100_000 - paid + 700 * 93.70)
    position = result.positions["AAPL.XNAS"]
    assert position.quantity == 700
    adjusted = 88.193434867471 / 86.804445414535
    held = worth["2014-06-09"] - (100_000 - paid)
    assert held / (100 * 645.57) == pytest.approx(adjusted, rel=5e-5)


def test_split_adjusted_prices_are_taken_back_to_what_was_traded(here, capsys):
    rows = [f"2024-01-0{day},{price},{price},{price},{price},{volume},{dividend},{split}"
            for day, price, volume, dividend, split in
            ((2, 50, 20, 0.5, 0), (3, 51, 20, 0, 0), (4, 51, 20, 0, 2), (5, 50, 20, 0, 0))]  # fmt: skip
    path = write(here / "acme.csv", rows, f"{HEADER},dividends,stock splits")
    ask(capsys, "data", "import", path, "--instrument", "ACME.XXXX", "--adjustment", "split")
    shown = ask(capsys, "data", "show", "ACME.XXXX")
    assert [row["close"] for row in shown["latest"]] == [100, 102, 51, 50]
    assert [row["volume"] for row in shown["latest"]] == [10, 10, 20, 20]
    assert [each["what"] for each in shown["actions"]] == ["dividend 1 USD", "split 2:1"]


def test_a_folder_and_a_zip_file_hold_the_same(here, capsys):
    folder = here / "files"
    folder.mkdir()
    for name in ("nan", "true"):
        write(folder / f"{name}.csv", DAYS)
    (folder / "notes.txt").write_text("not data")
    found = ask(capsys, "data", "import", str(folder), "--dataset", "a")
    with zipfile.ZipFile(here / "files.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"../../{path.name}")
    zipped = ask(capsys, "data", "import", "files.zip", "--dataset", "b")
    assert (found["added"], zipped["added"]) == (36, 36)
    shelves = ask(capsys, "data", "list")["shelves"]
    assert [set(each["held"]) for each in shelves] == [{"NAN.XXXX", "TRUE.XXXX"}] * 2


@pytest.mark.parametrize("packed", [False, True])
def test_an_import_tells_how_many_bytes_of_how_many_have_been_read(here, packed):
    """Also within a file: one of some gigabytes takes minutes."""
    rows = [f"{np.datetime64('1990-01-01') + day},1,1,1,1,{day}" for day in range(3_500)]
    path = here / ("acme.csv.gz" if packed else "acme.csv")
    text = "\n".join([HEADER, *rows, ""]).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    told = []
    import_files(
        Catalog(here / "catalog"), [path], Terms(), now=0, told=lambda *far: told.append(far)
    )
    done, totals = zip(*told, strict=True)
    assert set(totals) == {path.stat().st_size}
    assert list(done) == sorted(done)
    assert done[-1] == totals[0]
    assert packed or len(set(done)) > 2


def test_lines_that_are_no_rows_are_set_aside_and_told(here, capsys):
    rows = [*DAYS[:3], HEADER, "2024-01-30,1,2", *DAYS[3:], "2024-01-31,x,1,1,1,1"]
    path = write(here / "acme.csv", rows)
    found = ask(capsys, "data", "import", path)
    assert found["added"] == 18
    (remark,) = found["remarks"]
    assert [(each["line"], each["text"]) for each in remark["rejected"]] == [
        (5, HEADER),
        (6, "2024-01-30,1,2"),
        (22, "2024-01-31,x,1,1,1,1"),
    ]
    (receipt,) = (here / "catalog" / "receipts").iterdir()
    assert json.loads(receipt.read_text()) == remark


WRONG = [
    (("data", "import", "nothing.csv"), "nothing.csv does not exist"),
    (("data", "import", "acme.csv", "--stamp", "begin"), "--stamp must be start or end"),
    (("data", "import", "acme.csv", "--adjustment", "total"), "must be auto, as-traded or split"),
    (("data", "import", "acme.csv", "--interval", "1x"), "interval '1x' is not of the form"),
    (("data", "import", "acme.csv", "--market", "nyse"), "is not a market code"),
    (("data", "import", "acme.csv", "--dataset", "A B"), "data set 'A B'"),
    (("data", "show", "AAPL.XNAS"), "has no AAPL.XNAS"),
    (
        ("data", "show", "ACME.XXXX", "--as-of", "June"),
        "--as-of 'June' is neither a date nor a time",
    ),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_wrong_usage_is_one_sentence(here, capsys, words, said):
    write(here / "acme.csv", DAYS)
    assert main(["data", "import", "acme.csv"]) == 0
    capsys.readouterr()
    assert said in ask(capsys, *words, code=2)["error"]


def test_an_empty_catalog_says_how_to_fill_it(capsys):
    assert main(["data", "list"]) == 0
    assert "evenkeel data import FILE" in capsys.readouterr().out


# ---- check and repair ----


def test_a_check_scores_writes_and_says_no_while_an_error_is_open(here, capsys):
    rows = [*DAYS[:8], "2024-01-10,20,21,0,20,100", *DAYS[9:]]
    ask(capsys, "data", "import", write(here / "acme.csv", rows))
    found = ask(capsys, "data", "check", "--out", "report", code=1)
    (shelf,) = found["shelves"]
    (error,) = [each for each in shelf["findings"] if each["severity"] == "error"]
    assert (error["code"], error["first"], error["version"]) == ("not-positive", "2024-01-10", 1)
    assert shelf["quarantined"] == 1
    assert shelf["scores"]["ACME.XXXX"] < 100
    assert json.loads((here / "report" / "check.json").read_text())["shelves"] == found["shelves"]
    page = (here / "report" / "check.html").read_text()
    assert "<svg" in page
    assert error["id"] in page
    assert "http" not in page  # it asks nobody
    said = ("--accept", "--reason", "the exchange confirmed it", "--by", "ann")
    told = ask(capsys, "data", "repair", error["id"], *said)
    assert (told["choice"], told["by"]) == ("accept", "ann")
    assert ask(capsys, "data", "check")["ok"]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (Split("A.XXXX", 0, D(4)), "split 4:1"),
        (CashDividend("A.XXXX", 0, D("0.22"), "USD"), "dividend 0.22 USD"),
        (StockDividend("A.XXXX", 0, D("0.1")), "stock dividend 0.1"),
        (SymbolChanged("A.XXXX", 0, "B.XXXX"), "now B.XXXX"),
        (Merged("A.XXXX", 0, "B.XXXX", D("0.5"), D(3), "USD"), "merged for 0.5 B.XXXX and 3 USD"),
        (Merged("A.XXXX", 0, cash=D(3), currency="USD"), "merged for 3 USD"),
        (Delisted("A.XXXX", 0), "delisted"),
        (Delisted("A.XXXX", 0, D("0.01")), "delisted at 0.01"),
        (SpunOff("A.XXXX", 0, "C.XXXX", D("0.2"), D("0.1")), "spun off 0.2 C.XXXX"),
        (TradingHalted("A.XXXX", 0, "news"), "halted: news"),
        (TradingHalted("A.XXXX", 0), "halted"),
        (TradingResumed("A.XXXX", 0), "trades again"),
        (CashInLieu("A.XXXX", 0, D("0.5"), D(7)), "CashInLieu"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_action_is_told_in_words(action, said):
    assert stocked._action(action) == {"date": "1970-01-01", "what": said}


def test_a_clean_catalog_has_a_page_without_pictures(here, capsys):
    ask(capsys, "data", "import", write(here / "acme.csv", DAYS))
    assert main(["data", "check", "--out", "report"]) == 0
    assert "nothing to report" in capsys.readouterr().out
    page = (here / "report" / "check.html").read_text()
    assert "every rule is content with every bar" in page
    assert "<svg" not in page


def test_a_page_shows_the_gravest_and_says_how_many_there_are(here, capsys, monkeypatch):
    """Of two instruments the worse one; a history that is wrong throughout has one picture."""
    monkeypatch.setattr(check_page, "ROWS", 1)
    monkeypatch.setattr(check_page, "PICTURES", 1)
    monkeypatch.setattr(check_page, "AROUND", 2)
    bad = [day.replace(day.split(",")[3], "0", 1) for day in DAYS]
    ask(capsys, "data", "import", write(here / "bad.csv", bad), "--instrument", "BAD.XXXX")
    one = [*DAYS[:8], "2024-01-10,20,21,0,20,100", *DAYS[9:]]
    ask(capsys, "data", "import", write(here / "acme.csv", one), "--instrument", "ACME.XXXX")
    ask(capsys, "data", "check", "--out", "report", code=1)
    page = (here / "report" / "check.html").read_text()
    assert page.count("<svg") == 1
    assert "The lowest 1 of 2." in page
    assert "The gravest 1 of " in page
    assert "BAD.XXXX" in page


def test_a_price_that_was_never_above_nothing_draws_no_line():
    drawn = check_page._drawn(np.array([0.0, np.nan]), np.array([True, False]), "error")
    assert "<title>Closes of 2 bars, 1 marked</title>" in drawn
    assert "polyline" not in drawn


def test_files_with_findings_are_listed_on_the_page():
    told = {"file": "a&b.csv", "findings": [{"code": "torn", "message": "line 3 is torn"}]}
    page = check_page.page([], [told])
    assert "<td>a&amp;b.csv</td><td>torn</td><td class=text>line 3 is torn</td>" in page


def test_a_repair_mends_a_unit(here, capsys):
    rows = [
        f"2024-01-{day:02},{p},{p},{p},{p},{100 + day}"
        for day, p in (
            (day, 10 + day / 10 if day < 12 else 1000 + day * 10) for day in range(2, 31)
        )
    ]
    ask(capsys, "data", "import", write(here / "acme.csv", rows))
    (shelf,) = ask(capsys, "data", "check", code=1)["shelves"]
    (error,) = [each for each in shelf["findings"] if each["code"] == "unit"]
    ask(capsys, "data", "repair", error["id"], "--factor", "100", "--reason", "pounds")
    shown = ask(capsys, "data", "show", "ACME.XXXX")
    assert shown["latest"][0]["close"] > 1000


def test_what_was_known_on_a_day_is_shown_exported_and_traded_on(here, capsys):
    """The 10th closed at 20, it was said on the 19th; a file of the 22nd says 19."""
    ask(capsys, "data", "import", write(here / "first.csv", DAYS), "--instrument", "ACME.XXXX")
    later = [*DAYS[:8], "2024-01-10,20,21,19,19,100", *DAYS[9:], "2024-01-22,29,30,28,29,100"]
    ask(capsys, "data", "import", write(here / "later.csv", later), "--instrument", "ACME.XXXX")
    then = ("--known-at", "2024-01-20")
    for words, bars, close in (((), 19, 19), (then, 18, 20)):
        shown = ask(capsys, "data", "show", "ACME.XXXX", "--end", "2024-01-10", *words)
        assert shown["latest"][-1]["close"] == close
        assert ask(capsys, "data", "show", "ACME.XXXX", *words)["bars"] == bars
    ask(capsys, "data", "export", "ACME.XXXX", "--out", "then.csv", *then)
    assert len((here / "then.csv").read_text().splitlines()) == 19
    sma = ("backtest", "evenkeel.strategy.examples.sma_cross:SmaCross", "--set", "fast=2")
    options = (*sma, "--set", "slow=5", "--instrument", "ACME.XXXX", "--data")
    known = ask(capsys, *options, "catalog:@2024-01-20")
    first = ask(capsys, *options, "first.csv")
    assert known["metrics"] == first["metrics"]
    run = json.loads((here / "runs" / known["run_id"] / "manifest.json").read_text())
    assert run["data"]["sources"] == [f"catalog:{here / 'catalog'}#main/1d@2024-01-20T23:59:59Z"]
    assert ask(capsys, "parity", known["run_id"])["equal"]


def test_a_decision_is_on_record_before_it_is_carried_out(here, capsys):
    rows = [*DAYS[:8], "2024-01-10,20,21,0,20,100", *DAYS[9:]]
    ask(capsys, "data", "import", write(here / "acme.csv", rows))
    (shelf,) = ask(capsys, "data", "check", code=1)["shelves"]
    (error,) = [each for each in shelf["findings"] if each["severity"] == "error"]
    said = ("--accept", "--reason", "the exchange confirmed it", "--by", "ann")
    ask(capsys, "data", "repair", error["id"], *said)
    ask(capsys, "audit", "export", "evenkeel.db", "--run", "operations", "--out", "told.jsonl")
    (line,) = (here / "told.jsonl").read_text().splitlines()
    told = json.loads(line)["record"]["body"]
    assert (told["actor"], told["command"]) == ("ann", "data repair")
    assert told["reason"] == "the exchange confirmed it"
    assert (told["before"]["finding"], told["before"]["code"]) == (error["id"], "not-positive")
    assert told["after"] == {"choice": "accept", "factor": "1"}
    (here / "evenkeel.db").write_bytes(b"no database")
    ask(capsys, "data", "repair", error["id"], "--accept", "--reason", "again", code=3)


def test_two_data_sets_are_compared(here, capsys):
    ask(capsys, "data", "import", write(here / "acme.csv", DAYS), "--dataset", "a")
    rows = [*DAYS[:8], "2024-01-10,20,21,19,20.2,100", *DAYS[9:]]
    ask(capsys, "data", "import", write(here / "acme.csv", rows), "--dataset", "b")
    (shelf,) = ask(capsys, "data", "check", "--against", "b")["shelves"]
    assert [each["code"] for each in shelf["findings"]] == ["disagreement"]


WRONG_DECISIONS = [
    (("--accept",), "--reason is missing"),
    (("--accept", "--factor", "2", "--reason", "x"), "either --accept, or --factor"),
    (("--reason", "x"), "either --accept, or --factor"),
    (("--factor", "zero", "--reason", "x"), "--factor must be a number above 0"),
    (("--accept", "--reason", "x"), "no finding is called 'abc'"),
]


@pytest.mark.parametrize(("words", "said"), WRONG_DECISIONS)
def test_a_decision_needs_a_choice_and_a_reason(here, capsys, words, said):
    ask(capsys, "data", "import", write(here / "acme.csv", DAYS))
    assert said in ask(capsys, "data", "repair", "abc", *words, code=2)["error"]


def test_a_check_of_nothing_says_so(capsys):
    assert "has no bars" in ask(capsys, "data", "check", code=2)["error"]


# ---- archive, restore, export ----


def test_an_archive_goes_and_comes_back(here, capsys):
    ask(capsys, "data", "import", write(here / "acme.csv", DAYS))
    kept = ask(capsys, "data", "archive", "a.zip")
    (here / "catalog").rename(here / "gone")
    found = ask(capsys, "data", "restore", "a.zip")
    assert (found["added"], found["digest"]) == (18, kept["digest"])
    (shelf,) = (here / "catalog").rglob("*.parquet")
    content = bytearray(shelf.read_bytes())
    content[100] ^= 1
    shelf.write_bytes(content)
    assert ask(capsys, "data", "restore", "a.zip")["mended"] == [str(shelf.relative_to(here))]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_export_can_be_read_again(here, capsys, suffix):
    ask(capsys, "data", "import", write(here / "acme.csv", DAYS), "--instrument", "ACME.XNAS")
    out = f"out/prices.{suffix}"
    told = ask(capsys, "data", "export", "ACME.XNAS", "--out", out)
    shown = ask(capsys, "data", "show", "ACME.XNAS")
    assert told["sha256"] == {"ACME.XNAS": shown["sha256"]}
    from evenkeel.market.csv_files import read_bars

    (bars,) = read_bars(here / out, instrument="ACME.XNAS")
    assert len(bars) == told["bars"] == shown["bars"]
    assert bars.close[-1] == shown["latest"][-1]["close"]
    assert "must end in .csv" in ask(
        capsys, "data", "export", "ACME.XNAS", "--out", "x.txt", code=2
    )["error"]  # fmt: skip


# ---- sync ----


@pytest.fixture
def source(monkeypatch):
    """A provider in the place of those of the world outside."""
    from contextlib import contextmanager

    from tests.fakes.clock import FakeClock
    from tests.fakes.counting_provider import Source, ns

    made = Source(FakeClock(ns("2024-03-01T12:00")))
    asked = []

    @contextmanager
    def providers(names, _settings):
        asked.append(names)
        yield made

    monkeypatch.setattr("evenkeel.app.cli.brought.providers", providers)
    monkeypatch.setattr("evenkeel.app.cli.brought.SYSTEM_CLOCK", made.clock)
    made.asked = asked
    return made


def test_a_sync_brings_what_is_missing_and_then_asks_nobody(here, capsys, source):
    (here / "universe.txt").write_text("# mine\nACME.XXXX\nBETA.XXXX  # new\n\n")
    since = ("--since", "2024-01-01")
    found = ask(capsys, "data", "sync", "--universe", "universe.txt", *since)
    assert (found["asked"], found["added"], found["failures"]) == (2, 120, {})
    again = ask(capsys, "data", "sync", *since, "--provider", "yahoo, alpha_vantage")
    assert (again["current"], again["asked"]) == (2, 0)
    assert len(source.requests) == 2
    assert source.asked == [["yahoo"], ["yahoo", "alpha_vantage"]]


def test_a_sync_that_lacks_something_says_so(here, capsys, source):
    from evenkeel.market.provider import Failure

    source.failing = {"BETA.XXXX": Failure.SERVER}
    found = ask(capsys, "data", "sync", "ACME.XXXX", "BETA.XXXX", "--since", "2024-01-01", code=3)
    assert list(found["failures"]) == ["BETA.XXXX"]
    assert found["added"] == 60


WRONG_SYNCS = [
    ((), "nothing to bring"),
    (("ACME.XXXX", "--since", "soon"), "--since 'soon' is no date"),
    (("ACME.XXXX", "--provider", "yaho"), "did you mean 'yahoo'"),
    (("ACME.XXXX", "--provider", ","), "--provider names nobody"),
    (("ACME.XXXX", "--workers", "0"), "--workers must be in 1..16"),
    (("--universe", "none.txt"), "none.txt does not exist"),
    (("AC ME",), "is not of the form SYMBOL.MIC"),
]


@pytest.mark.parametrize(("words", "said"), WRONG_SYNCS)
def test_a_wrong_sync_is_one_sentence(here, capsys, source, words, said):
    assert said in ask(capsys, "data", "sync", *words, code=2)["error"]


# ---- what the gate is told ----

BOT = """
[bot]
name = "mine"
mode = "paper"
[account]
cash = 100000
currency = "USD"
[strategy]
path = "evenkeel.strategy.examples.sma_cross:SmaCross"
params = {{ fast = 2, slow = 5 }}
[limits]
file = "limits.toml"
[data]
paths = ["fine.csv"]
instruments = ["ACME.XXXX"]
[execution]
costs = "zero"
slippage = "none"
"""


def test_paper_trades_on_the_catalog_like_a_backtest(here, capsys):
    from evenkeel.risk.limits import UNITS

    write(here / "fine.csv", DAYS)
    ask(capsys, "data", "import", "fine.csv", "--instrument", "ACME.XXXX")
    (here / "limits.toml").write_text("".join(f"{name} = 1000000\n" for name in UNITS))
    (here / "bot.toml").write_text(BOT.format())
    kept = ask(capsys, "paper", "bot.toml", "--replay", "catalog:")
    run = json.loads((here / "runs" / kept["run_id"] / "manifest.json").read_text())
    assert run["data"]["sources"] == [f"catalog:{here / 'catalog'}#main/1d"]
    assert ask(capsys, "parity", kept["run_id"])["equal"]


def test_an_instrument_in_quarantine_is_not_traded_on_paper(here, capsys):
    """Its catalog's last bars hold an error that nobody has decided about."""
    from evenkeel.risk.limits import UNITS

    rows = [f"2024-01-{d:02},{p},{p + 1},{p - 1},{p},100" for d, p in enumerate(
        (14, 13, 12, 11, 10, 9, 9, 10, 12, 13, 14, 14, 13, 12, 11), 2)]  # fmt: skip
    write(here / "fine.csv", rows)
    (here / "limits.toml").write_text("".join(f"{name} = 1000000\n" for name in UNITS))
    (here / "bot.toml").write_text(BOT.format())
    traded = ask(capsys, "paper", "bot.toml", "--replay")
    assert traded["fills"] > 0
    bad = [*rows[:-1], "2024-01-16,11,12,0,11,100"]
    ask(capsys, "data", "import", write(here / "acme.csv", bad), "--instrument", "ACME.XXXX")
    kept = ask(capsys, "paper", "bot.toml", "--replay")
    assert (kept["fills"], list(kept["refused_by_reason"])) == (0, ["instrument_quarantined"])
    why = ask(capsys, "why", "1", "--run", kept["run_id"])
    (failed, *_) = [each for each in why["checks"] if not each["ok"]]
    assert failed["rule"] == "instrument_quarantined"
    assert failed["observed"].startswith("not-positive (")
