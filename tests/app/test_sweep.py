"""`ek.sweep` and `evenkeel optimize`: whole backtests, the same as one by one, every one counted."""

import json
import math
from pathlib import Path

import pytest
from tests.app.test_runs import CSV
from tests.fakes.clock import FakeClock

import evenkeel as ek
from evenkeel.app.cli import main, optimized
from evenkeel.app.cli.optimized import values
from evenkeel.domain.errors import StrategyError, UsageError
from evenkeel.strategy.examples.sma_cross import SmaCross

PATH = "evenkeel.strategy.examples.sma_cross:SmaCross"
GRID = {"fast": (2, 3, 5), "slow": (8, 13, 21)}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "wave.csv"
    path.write_text(CSV)
    return path


def journal(result):
    return {"head": result.journal.head, "fills": len(result.moves)}


@pytest.mark.parametrize("processes", [1, 2])
def test_every_trial_has_the_journal_of_its_backtest(file, processes):
    """Hash for hash: nothing of one trial reaches another, in whichever process."""
    swept = ek.sweep(SmaCross, file, GRID, judge=journal, processes=processes, costs="bps:10")
    for trial in swept.trials:
        alone = ek.backtest(SmaCross(**trial.params), file, costs="bps:10")
        assert trial.figures == journal(alone)
    assert len({trial.figures["head"] for trial in swept.trials}) == len(swept) == 9


def test_figures_are_those_of_the_result(file):
    best = ek.sweep(SmaCross, file, GRID).best("total_return")
    alone = ek.backtest(SmaCross(**best.params), file)
    assert best.figures["total_return"] == alone.metrics["total_return"]
    assert best.figures["sharpe"] == alone.metrics["sharpe"]
    assert best.figures["equity_end"] == float(alone.ended.equity)


def test_the_table_has_a_row_for_every_trial(file):
    swept = ek.sweep(SmaCross, file, {"fast": (3, 1), "slow": (8,)})
    assert list(swept.table["fast"]) == [3, 1]
    assert list(swept.table["error"] == "") == [True, False]
    assert swept.trials[1].error == "SmaCross.fast must be a whole number from 2 to 200, was 1"


def test_what_is_not_defined_ranks_last(file):
    """A strategy that never traded has no Sharpe ratio: it is not the best one."""
    swept = ek.sweep(SmaCross, file, {"fast": (2, 200), "slow": (400, 8)})
    ranked = [trial.figures["sharpe"] for trial in swept.ranked()]
    assert math.isnan(ranked[-1])
    assert not math.isnan(ranked[0])
    assert ranked[0] == max(each for each in ranked if not math.isnan(each))


def test_a_wrong_name_is_wrong_before_the_first_trial(file):
    with pytest.raises(StrategyError, match=r"no parameter 'fats'.*did you mean 'fast'"):
        ek.sweep(SmaCross, file, {"fats": (2, 3)})


def test_a_figure_that_is_not_there_is_named(file):
    swept = ek.sweep(SmaCross, file, {"fast": (2,)})
    with pytest.raises(UsageError, match=r"no figure 'sharp'.*did you mean 'sharpe'"):
        swept.best("sharp")


def test_a_sweep_in_which_nothing_could_run_says_why(file):
    swept = ek.sweep(SmaCross, file, {"fast": (0, 1)})
    with pytest.raises(UsageError, match=r"no trial could run.*was 0"):
        swept.best()


# ---- the command ----


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5", [5]),
        ("5,10,x", [5, 10, "x"]),
        ("5:20:5", [5, 10, 15, 20]),
        ("5:21:5", [5, 10, 15, 20]),
        ("1:3", [1, 2, 3]),
        ("0.1:0.3:0.1", [0.1, 0.2, 0.3]),
    ],
)
def test_values_of_a_grid(text, meant):
    assert values("fast", text) == meant


@pytest.mark.parametrize(
    "text", ["5:1:1", "1:5:0", "1:5:-1", "1:2:3:4", "a:b", "1:9:1e-9", "nan:1"]
)
def test_a_range_that_means_nothing_is_refused(text):
    with pytest.raises(UsageError, match="first:last:step, such as fast=5:50:5"):
        values("fast", text)


def test_optimize_prints_the_best_and_counts_them_all(file, capsys):
    words = ["optimize", PATH, "--data", "wave.csv", "--grid", "fast=2:5", "--grid", "slow=8,13"]
    assert main([*words, "--top", "3"]) == 0
    said = capsys.readouterr().out
    assert "8 trials; the best 3 by sharpe" in said
    assert "The best of 8 looks better than it is" in said
    assert main([*words, "--json", "--by", "total_return", "--set", "slow=9"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["count"] == len(body["trials"]) == 8
    returns = [trial["figures"]["total_return"] for trial in body["trials"]]
    assert body["best"]["figures"]["total_return"] == max(returns)


def test_a_trial_pays_what_a_backtest_pays(file, capsys):
    """Loans too, as the settings say: the shares that were sold short cost half of them a year."""
    Path("short.py").write_text(
        "import evenkeel as ek\n"
        "class Short(ek.Strategy):\n"
        "    share: float = ek.param(0.5, gt=0, le=1)\n"
        "    def on_bar(self):\n"
        "        if not self.position.quantity:\n"
        "            self.target_weight(-self.share)\n"
    )

    def both():
        assert main(["backtest", "short.py:Short", "--data", "wave.csv", "--json"]) == 0
        run = json.loads(capsys.readouterr().out)
        words = ("--data", "wave.csv", "--grid", "share=0.5", "--json")
        assert main(["optimize", "short.py:Short", *words]) == 0
        (trial,) = json.loads(capsys.readouterr().out)["trials"]
        return run["metrics"]["total_return"], trial["figures"]["total_return"]

    free, free_trial = both()
    Path("evenkeel.toml").write_text('[backtest]\nborrow = "50"\n')
    paid, paid_trial = both()
    assert (free_trial, paid_trial) == (free, paid)
    assert paid < free


def test_optimize_says_what_could_not_run(file, capsys):
    words = ["optimize", PATH, "--data", "wave.csv", "--grid", "fast=1,2,200", "--grid", "slow=400"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "1 could not run; the first one says: SmaCross.fast must be" in said
    assert main([*words, "--json"]) == 0
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert trials[0]["error"].endswith("was 1")
    assert trials[1]["figures"]["sharpe"] is None  # it never traded


@pytest.mark.parametrize(
    ("grid", "complaint"),
    [
        ("fast", "--grid fast is not of the form name=value, such as fast=5:50:5"),
        ("fast=9:1", "is not of the form first:last:step"),
        ("fast=,", "the grid has no value for fast"),
    ],
)
def test_optimize_refuses_in_one_sentence(file, capsys, grid, complaint):
    assert main(["optimize", PATH, "--data", "wave.csv", "--grid", grid]) == 2
    assert complaint in capsys.readouterr().err


def test_progress_is_silent_at_first_and_then_counts(capsys):
    clock = FakeClock()
    progress = optimized._Progress(clock)
    for done, seconds in ((1, 1.0), (2, 3.0), (4, 4.0)):
        clock.advance(seconds)
        progress(done, 4)
    assert capsys.readouterr().err == "\r  2 of 4 trials, 4 s to go \r  4 of 4 trials, 0 s to go \n"
