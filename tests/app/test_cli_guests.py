"""Backtrader strategies on the command line: one flag, and every other command works on their runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.app.test_cli import CROSS, ask, bot, here  # noqa: F401 - fixtures

pytest.importorskip("backtrader", reason="the extra [backtrader] is not installed")

THEIRS = """
import backtrader as bt

class Cross(bt.Strategy):
    params = dict(fast=5, slow=20)

    def __init__(self):
        fast, slow = bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow)
        self.cross = bt.ind.CrossOver(fast, slow)

    def next(self):
        if self.cross > 0:
            print("up", self.data.datetime.date(0))
            self.buy(size=100, reason="fast rose above slow")
        elif self.position:
            if self.cross < 0:
                self.close()

def half(cerebro, feeds, percents=50):
    cerebro.addstrategy(Cross)
    cerebro.addsizer(bt.sizers.PercentSizer, percents=percents)
"""
GUEST = ("--data", "WAVE.csv", "--engine", "backtrader")


@pytest.fixture(autouse=True)
def file(here):  # noqa: F811
    Path("theirs.py").write_text(THEIRS)


def test_a_guest_is_run_told_why_reported_and_proven_on_paper(ask):  # noqa: F811
    """What it prints goes to stderr; the answer stays one JSON object."""
    code, out, err = ask("backtest", "theirs.py:Cross", *GUEST, "--set", "fast=4", "--json")
    body = json.loads(out)
    assert code == 0
    assert err.startswith("up 20")
    assert (body["strategy"], body["params"]) == ("Cross", {"fast": 4, "slow": 20})
    assert body["fills"] >= 4
    code, out, _ = ask("why", "1", "--json")
    assert (code, json.loads(out)["order"]["reason"]) == (0, "fast rose above slow")
    code, out, _ = ask("parity", "--json")
    assert (code, json.loads(out)["equal"]) == (0, True)
    assert ask("report")[0] == 0


def test_a_function_that_fills_a_cerebro_runs_too(ask):  # noqa: F811
    """With its own parameters."""
    words = ("backtest", "theirs.py:half", *GUEST, "--set", "percents=20", "--json")
    code, out, _ = ask(*words)
    assert (code, json.loads(out)["params"]) == (0, {"percents": 20})
    assert ask("parity")[0] == 0


def test_a_bot_may_be_a_guest(ask):  # noqa: F811
    """Its paper journal is its backtest's."""
    text = bot().replace(f'"{CROSS}"', '"theirs.py:Cross"\nengine = "backtrader"')
    Path("bot.toml").write_text(text.replace("slow = 30", "slow = 25"))
    code, out, _ = ask("paper", "bot.toml", "--replay", "--json")
    assert (code, json.loads(out)["strategy"]) == (0, "Cross")
    assert ask("parity")[0] == 0
    Path("bot.toml").write_text(text.replace('"backtrader"', '"zipline"'))
    code, _, err = ask("paper", "bot.toml", "--replay")
    assert code == 2
    assert 'strategy.engine must be "evenkeel" or "backtrader"' in err


def test_a_guest_is_optimised_like_any_other(ask):  # noqa: F811
    """Each trial is a whole run; its parameters are numbers again."""
    words = ("optimize", "theirs.py:Cross", *GUEST, "--grid", "fast=3:5", "--grid", "slow=10,20")
    code, out, _ = ask(*words, "--processes", "1", "--json")
    body = json.loads(out)
    assert (code, body["count"]) == (0, 6)
    assert body["best"]["params"]["fast"] in {3, 4, 5}
    assert not [trial for trial in body["trials"] if trial.get("error")]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("theirs.py:Cross", "--data", "WAVE.csv"),
            "Cross is a Backtrader strategy: run it as a guest with --engine backtrader",
        ),
        (("theirs.py:Cros", *GUEST), "no class 'Cros' (it has: Cross); did you mean 'Cross'"),
        (("theirs.py:Cross", *GUEST, "--set", "fats=3"), "did you mean 'fast'?"),
        (("theirs.py:THEIRS", *GUEST), "has no class 'THEIRS'"),
        ((CROSS, *GUEST), "is no Backtrader strategy"),
        ((CROSS, *GUEST[:2], "--engine", "zipline"), "engine must be one of evenkeel, backtrader"),
    ],
)
def test_a_mistake_ends_in_a_sentence(ask, words, sentence):  # noqa: F811
    code, _, err = ask("backtest", *words)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("strategy", ["theirs.py:Cross", CROSS])
def test_without_the_extra_it_says_what_to_install(strategy):
    """Whether the strategy's file asks for Backtrader first, or we do."""
    program = (
        "import sys; sys.modules['backtrader'] = None\n"
        "from evenkeel.app.cli import main\n"
        f"sys.exit(main(['backtest', {strategy!r}, *{GUEST!r}]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "pip install 'evenkeel[backtrader]'" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_run_of_ours_imports_nothing_of_it():
    """Neither Backtrader nor the lab."""
    program = (
        "import sys\nfrom evenkeel.app.cli import main\n"
        f"main(['backtest', {CROSS!r}, '--data', 'WAVE.csv'])\n"
        "assert not {'backtrader', 'evenkeel.lab'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
