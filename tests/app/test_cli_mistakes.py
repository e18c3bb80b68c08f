"""Whatever is wrong: one sentence, the right exit code, no traceback, nothing left behind."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import typer

from evenkeel.app.cli import main
from evenkeel.app.cli.backtested import parameters
from evenkeel.app.cli.blame import user_fault
from evenkeel.domain.errors import HaltedError, OutsideError, UsageError

CROSS = "evenkeel.strategy.examples.sma_cross:SmaCross"
GOOD = ["2020-01-02,10,11,9,10,100", "2020-01-03,10,11,9,10,100", "2020-01-06,10,11,9,10,100"]
HEADER = "date,open,high,low,close,volume"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("good.csv").write_text("\n".join([HEADER, *GOOD]) + "\n")
    return tmp_path


@pytest.fixture
def refuse(here, capsys):
    """Run a command that must fail; return its sentence after checking how it failed."""

    def run(*words, code=2):
        before = everything(here)
        found = main([str(word) for word in words])
        said = capsys.readouterr()
        assert said.err.startswith("error: "), said.err
        assert said.err.count("\n") == 1, "one line"
        assert said.out == ""
        assert found == code
        assert everything(here) == before, "nothing is left behind"
        main([*[str(word) for word in words], "--json"])
        said_again = capsys.readouterr()
        sentence = said.err.removeprefix("error: ").strip()
        assert json.loads(said_again.out) == {"error": sentence, "exit_code": code}
        return sentence

    return run


def everything(folder):
    """Every file below a folder with its content; Python's caches are not ours."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def written(name, *lines):
    Path(name).write_text("".join(f"{line}\n" for line in lines))
    return name


# ---- the request ----


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "missing argument"),
        (["nowhere.py:Mine", "--data", "good.csv"], "nowhere.py"),
        (["good.csv", "--data", "good.csv"], "path.py:Class"),
        (["evenkeel.nowhere:Mine", "--data", "good.csv"], "no module"),
        ([CROSS, "--data", "good.csv", "--fx", "EUR"], "--fx EUR is not of the form EUR=1.08"),
        ([CROSS, "--data", "good.csv", "--fx", "=1"], "--fx =1 is not of the form EUR=1.08"),
        (
            [CROSS, "--data", "good.csv", "--fx", "EUR=1", "--fx", "EUR=2"],
            "--fx EUR is given twice; give it once",
        ),
        ([CROSS.replace("SmaCross", "SmaCros"), "--data", "good.csv"], "did you mean 'SmaCross'"),
        (["evenkeel.domain.bar:Bars", "--data", "good.csv"], "not a strategy"),
        ([CROSS], "missing option '--data'"),
        ([CROSS, "--data", "god.csv"], "did you mean 'good.csv'"),
        ([CROSS, "--data", "good.csv", "--fast", "3"], "no such option: --fast"),
        ([CROSS, "--data", "good.csv", "--set", "fas=3"], "did you mean 'fast'"),
        ([CROSS, "--data", "good.csv", "--set", "fast=1"], "fast"),
        ([CROSS, "--data", "good.csv", "--set", "fast=many"], "fast"),
        ([CROSS, "--data", "good.csv", "--set", "fast"], "name=value"),
        ([CROSS, "--data", "good.csv", "--cash", "lots"], "account.cash"),
        ([CROSS, "--data", "good.csv", "--cash", "-5"], "account.cash"),
        ([CROSS, "--data", "good.csv", "--costs", "bps"], "bps"),
        ([CROSS, "--data", "good.csv", "--costs", "free"], "free"),
        ([CROSS, "--data", "good.csv", "--slippage", "bps:x"], "slippage"),
        ([CROSS, "--data", "good.csv", "--start", "soon"], "soon"),
        ([CROSS, "--data", "good.csv", "--start", "2030-01-01"], "2"),
        ([CROSS, "--data", "good.csv", "--stamp", "middle"], "stamp"),
        ([CROSS, "--data", "good.csv", "--instrument", "A B"], "SYMBOL.MIC"),
        ([CROSS, "--data", "good.csv", "--instrument", "A,B"], "one instrument"),
        ([CROSS, "--data", "good.csv", "--limits", "no.toml"], "no.toml"),
        ([CROSS, "--data", "good.csv", "--actions", "no.csv"], "no.csv"),
        ([CROSS, "--data", "good.csv", "--out", "good.csv"], "good.csv"),
        ([CROSS, "--data", "good.csv", "--out", "good.csv/deeper"], "not a folder"),
    ],
    ids=lambda value: " ".join(value).replace(CROSS, "CROSS") if isinstance(value, list) else "",
)
def test_a_backtest_that_cannot_be_run_says_why(refuse, words, expected):
    assert expected in refuse("backtest", *words)


@pytest.mark.parametrize("name", ["needy.py", "needy"])
def test_a_strategy_that_imports_what_is_not_there_says_what(refuse, monkeypatch, name):
    written("needy.py", "import no_such_library")
    monkeypatch.syspath_prepend(".")
    said = refuse("backtest", f"{name}:Mine", "--data", "good.csv")
    assert "needy" in said
    assert "cannot be imported: No module named 'no_such_library'" in said


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "bad.csv"),
        ([HEADER], "row"),
        ([HEADER, GOOD[0]], "2"),
        (["date,open,high,low", *(line.rsplit(",", 2)[0] for line in GOOD)], "close"),
        ([HEADER, GOOD[1], GOOD[0]], "line 3"),
        ([HEADER, GOOD[0], GOOD[0]], "line 3"),
        ([HEADER, GOOD[0], "2020-01-03,nan,11,9,10,100"], "line 3"),
        ([HEADER, GOOD[0], "2020-01-03,10,11,-9,10,100"], "line 3"),
        ([HEADER, GOOD[0], "2020-01-03,10,9,11,10,100"], "line 3"),
        ([HEADER, GOOD[0], "2020-01-03,10,11"], "line 3"),
        ([HEADER, GOOD[0], "yesterday,10,11,9,10,100"], "yesterday"),
    ],
    ids=[
        "empty",
        "header only",
        "one bar",
        "no close",
        "unsorted",
        "twice",
        "NaN",
        "negative",
        "high below low",
        "cut off",
        "no date",
    ],
)
def test_data_that_cannot_be_used_is_refused_with_its_line(refuse, lines, expected):
    data = written("bad.csv", *lines)
    assert expected in refuse("backtest", CROSS, "--data", data)


CARD = {
    "order_quantity_max": 1,
    "order_notional_max": 1,
    "price_collar_max": 1,
    "price_age_max_seconds": 1,
    "position_quantity_max": 1,
    "gross_exposure_max": 1,
    "net_exposure_max": 1,
    "concentration_max": 1,
    "buying_power_multiple": 1,
    "orders_per_second_max": 1,
    "orders_per_day_max": 1,
    "duplicate_window_seconds": 1,
    "open_orders_max": 1,
}
BOT = (
    '[bot]\nname = "t"\nmode = "MODE"\n[account]\ncash = 1\ncurrency = "USD"\n'
    f'[strategy]\npath = "{CROSS}"\n[limits]\n'
    + "".join(f"{name} = {value}\n" for name, value in CARD.items())
    + '[data]\npaths = ["good.csv"]\ninstruments = ["GOOD"]\n'
    '[execution]\ncosts = "zero"\nslippage = "none"\n'
)


@pytest.mark.parametrize(
    "words",
    [
        ["backtest", CROSS, "--data", "old.csv"],
        ["optimize", CROSS, "--data", "old.csv", "--grid", "fast=5:6"],
        ["paper", "bot.toml", "--replay"],
    ],
    ids=lambda words: words[0],
)
def test_bars_from_before_1970_are_refused_whoever_runs_them(refuse, words):
    written("old.csv", HEADER, *(line.replace("2020", "1969") for line in GOOD), *GOOD)
    written("bot.toml", BOT.replace("MODE", "paper").replace("good.csv", "old.csv"))
    said = refuse(*words)
    assert "closed at 1969-01-02T23:59:59Z" in said
    assert "--start 1970-01-02" in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"open_orders_max": None}, "open_orders_max"),
        ({"order_quantity_maximum": 5}, "order_quantity_max"),
        ({"order_quantity_max": -1}, "order_quantity_max"),
        ({"order_quantity_max": '"many"'}, "order_quantity_max"),
        ({"order_quantity_max": "= ="}, "card.toml"),
    ],
    ids=["missing", "unknown", "negative", "words", "no TOML"],
)
def test_a_limit_card_that_is_not_whole_is_refused(refuse, changes, expected):
    card = {name: value for name, value in {**CARD, **changes}.items() if value is not None}
    written("card.toml", *(f"{name} = {value}" for name, value in card.items()))
    sentence = refuse("backtest", CROSS, "--data", "good.csv", "--limits", "card.toml")
    assert expected in sentence


@pytest.mark.parametrize("where", ["out", "runs"])
def test_a_folder_that_cannot_be_written_stops_the_run_before_it_starts(
    refuse, here, monkeypatch, where
):
    """The system is asked through a stand-in, for root may write everywhere."""
    shut = here / where
    shut.mkdir()
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != shut and allowed(path, mode))
    assert "no permission" in refuse("backtest", CROSS, "--data", "good.csv", "--out", "out")


def test_a_runs_folder_that_is_a_file_stops_the_run_before_it_starts(refuse):
    written("runs", "a file")
    assert "not a folder" in refuse("backtest", CROSS, "--data", "good.csv")


def test_a_setting_nobody_knows_is_refused_with_file_and_line(refuse):
    written("evenkeel.toml", "[paths]", 'run = "x"')
    for command in (["show-config"], ["runs", "list"], ["backtest", CROSS, "--data", "good.csv"]):
        assert "evenkeel.toml:2" in refuse(*command)


# ---- other commands ----


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nothing"], "no such command"),
        (["report"], "there are no runs"),
        (["parity"], "there are no runs"),
        (["parity", "2026"], "2026"),
        (["why", "1"], "there are no runs"),
        (["why", "first"], "'first' is no order"),
        (["why", "run/1", "--run", "run"], "leave --run out"),
        (["audit", "verify"], "there are no runs"),
        (["audit", "verify", "good.csv", "--run", "x", "y"], "unexpected extra argument"),
        (["audit", "verify", "nothing.db"], "nothing.db"),
        (["audit", "verify", "mysql://host/db"], "mysql"),
        (["paper", "bot.toml"], "bot.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_question_about_nothing_is_answered_in_one_sentence(refuse, words, expected):
    assert expected in refuse(*words)


def test_half_a_command_says_what_is_missing(here, capsys):
    assert main(["runs"]) == 2
    assert capsys.readouterr().err.startswith("error: missing command; `evenkeel runs --help`")


def test_a_page_is_not_written_over_a_folder(refuse, here, capsys):
    assert main(["backtest", CROSS, "--data", "good.csv"]) == 0
    capsys.readouterr()
    assert "name the file" in refuse("report", "--out", str(here))


def test_an_order_that_was_never_made_is_named(refuse, capsys):
    assert main(["backtest", CROSS, "--data", "good.csv"]) == 0
    capsys.readouterr()
    assert "has no orders at all" in refuse("why", "1")


def test_live_feeds_are_still_to_come(refuse, here):
    written("bot.toml", BOT.replace("MODE", "paper"))
    assert "--replay PATH" in refuse("paper", "bot.toml")
    written("bot.toml", BOT.replace("MODE", "live"))
    assert 'mode = "live"' in refuse("paper", "bot.toml", "--replay")


def test_a_parameter_given_twice_is_a_mistake():
    with pytest.raises(UsageError, match="--set fast is given twice"):
        parameters(["fast=1", "fast=2"])
    assert parameters(["a=b=c", " d = 1 "]) == {"a": "b=c", "d": "1"}


# ---- what a strategy does wrong ----


def strategy(*lines, at="on_bar"):
    return written(
        "mine.py",
        "import evenkeel as ek",
        "class Mine(ek.Strategy):",
        f"    def {at}(self{', bars' if at == 'setup' else ''}):",
        *(f"        {line}" for line in lines),
        *(() if at == "on_bar" else ("    def on_bar(self):", "        pass")),
    )


@pytest.mark.parametrize("at", ["setup", "on_start", "on_bar", "on_stop"])
def test_what_a_strategy_raises_is_shown_with_file_and_line(refuse, here, at):
    strategy("prices = {}", "prices['x']", at=at)
    sentence = refuse("backtest", "mine.py:Mine", "--data", "good.csv")
    assert "mine.py:5: KeyError: 'x'" in sentence
    assert f"in {at}: prices['x']" in sentence


@pytest.mark.parametrize(
    ("at", "line", "sentence"),
    [
        ("on_bar", "self.buy(float('nan'))", "quantity must be a number"),
        ("setup", "self.buy(1)", "Mine is not running"),
    ],
)
def test_what_a_strategy_may_not_ask_for_is_refused_with_file_and_line(refuse, at, line, sentence):
    strategy(line, at=at)
    said = refuse("backtest", "mine.py:Mine", "--data", "good.csv")
    assert said.startswith(sentence)
    assert said.endswith(f"mine.py:4, in {at}: {line})")


def test_a_strategy_that_leaves_the_program_is_no_success(refuse):
    strategy("raise SystemExit(0)")
    sentence = refuse("backtest", "mine.py:Mine", "--data", "good.csv")
    assert "mine.py:4: SystemExit: 0 (in on_bar" in sentence


def test_a_mistake_deep_in_a_library_is_the_line_that_called_it(refuse):
    strategy("import json", "json.loads('{')")
    sentence = refuse("backtest", "mine.py:Mine", "--data", "good.csv")
    assert "mine.py:5: JSONDecodeError" in sentence


def test_a_file_that_raises_when_it_is_read_is_named(refuse):
    written("mine.py", "1 / 0")
    assert "mine.py:1: ZeroDivisionError" in refuse(
        "backtest", "mine.py:Mine", "--data", "good.csv"
    )
    written("mine.py", "class Mine(:")
    assert "line 1" in refuse("backtest", "mine.py:Mine", "--data", "good.csv")


def test_a_file_that_runs_something_of_its_own_is_told_how_to_keep_it_for_itself(refuse):
    written("mine.py", "import evenkeel as ek", "ek.backtest(ek.Strategy, 'nowhere.csv')")
    sentence = refuse("backtest", "mine.py:Mine", "--data", "good.csv")
    assert sentence.startswith("mine.py runs something of its own when it is read")
    assert "nowhere.csv does not exist" in sentence
    assert sentence.endswith('below `if __name__ == "__main__":`')


def test_a_package_that_is_not_python_is_named(refuse, monkeypatch, here):
    monkeypatch.syspath_prepend(here)
    written("crooked.py", "import evenkeel", "class Mine(:")
    sentence = refuse("backtest", "crooked:Mine", "--data", "good.csv")
    assert "crooked.py:2: SyntaxError: invalid syntax" in sentence


def test_an_error_that_passed_no_line_of_the_user_is_ours():
    assert user_fault(RuntimeError("impossible")) is None


def test_an_example_of_ours_is_a_strategy_like_any_other(refuse, monkeypatch):
    from evenkeel.strategy.examples import sma_cross

    monkeypatch.setattr(sma_cross, "ek", None)
    assert "sma_cross.py:" in refuse("backtest", CROSS, "--data", "good.csv")


# ---- what else can happen ----


def broken(monkeypatch, error):
    """Let the next backtest end in an error that is nobody's strategy's."""

    def fail(*args, **options):
        raise error

    monkeypatch.setattr("evenkeel.app.cli.backtested.backtest", fail)
    return ["backtest", CROSS, "--data", "good.csv"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutsideError("the disk is full"), 3),
        (HaltedError("halted by ann: enough"), 4),
        (UsageError("two\nlines  of it"), 2),
    ],
)
def test_every_error_has_its_exit_code(refuse, monkeypatch, error, code):
    sentence = refuse(*broken(monkeypatch, error), code=code)
    assert sentence == " ".join(str(error).split())


def test_a_refusal_of_the_system_is_the_outside(capsys, here, monkeypatch):
    """Raised in a frame of ours: here it stands for a disk that fails where nobody expects it."""
    monkeypatch.setattr("evenkeel.app.cli.blame.user_fault", lambda error: None)
    code = main(broken(monkeypatch, OSError(28, "No space left on device")))
    assert code == 3
    assert capsys.readouterr().err.startswith("error: the system refused: [Errno 28] No space")


def test_a_fault_of_ours_says_so_and_shows_where(capsys, here, monkeypatch):
    monkeypatch.setattr("evenkeel.app.cli.blame.user_fault", lambda error: None)
    code = main(broken(monkeypatch, RuntimeError("impossible")))
    said = capsys.readouterr().err
    assert code == 70
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("error: this is a fault of Evenkeel")


def test_ctrl_c_is_130(here, capsys):
    strategy("raise KeyboardInterrupt")
    assert main(["backtest", "mine.py:Mine", "--data", "good.csv"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_ctrl_c_is_130_with_an_older_typer_too(here, capsys, monkeypatch):
    class Old:
        def main(self, *args, **options):
            raise typer.Abort

    monkeypatch.setattr("typer.main.get_command", lambda app: Old())
    assert main(["doctor"]) == 130


def test_out_that_fails_half_way_leaves_nothing(refuse, monkeypatch):
    def no_page(result, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evenkeel.reports.result.Result.report", no_page)
    words = ("backtest", CROSS, "--data", "good.csv", "--out", "out")
    assert "No space left on device" in refuse(*words, code=3)


def test_the_demo_without_its_data_says_how_to_get_it(refuse, monkeypatch):
    monkeypatch.setattr("evenkeel.app.demo.find_spec", lambda name: None)
    assert "pip install 'evenkeel[demo]'" in refuse("demo", "--out", "d")


def test_a_mistake_has_no_traceback_in_the_real_command_either(here):
    import sys

    command = Path(sys.executable).parent / "evenkeel"
    words = [command, "backtest", CROSS, "--data", "good.csv", "--set", "fas=3"]
    done = subprocess.run(words, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert not Path("runs").exists()
