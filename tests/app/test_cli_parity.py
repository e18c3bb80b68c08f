"""`evenkeel parity RUN OTHER`: two kept runs, wherever they are kept, and every order explained."""

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from tests.app.test_cli import CROSS, ask, bot, here  # noqa: F401 - fixtures

from evenkeel.app.cli.matched import _lines
from evenkeel.app.parity import between, kept
from evenkeel.domain.errors import UsageError

WORDS = ("backtest", CROSS, "--data", "WAVE.csv", "--set", "slow=30", "--json")


@pytest.fixture
def runs(ask):  # noqa: F811
    """Make runs by name: what is told of each differs from the first in one thing."""
    made = {}

    def make(name, *words, data="WAVE.csv"):
        given = [word.replace("WAVE.csv", data) for word in WORDS]
        made[name] = json.loads(ask(*given, *words)[1])["run_id"]
        return made[name]

    return make


def compared(ask, *words):  # noqa: F811
    code, out, err = ask("parity", *words, "--json")
    assert err == ""
    return code, json.loads(out)


@pytest.mark.parametrize("database", ["sqlite:///none.db", "nowhere"])
def test_a_name_that_is_no_run_anywhere_is_said(here, database):  # noqa: F811
    """Neither in the folder nor in a database, which was never made or is none."""
    with pytest.raises(UsageError, match="there is no run 'nobody' in runs"):
        kept("nobody", "runs", database)


def test_a_file_without_a_record_is_compared_like_any_other(here):  # noqa: F811
    """Nobody had begun to write: there are no bars to read, and nothing differs."""
    Path("empty").write_text("")
    found = kept("empty", "runs", "nowhere")
    assert (found.lines, found.bars) == ([], {})


def test_two_equal_runs_are_equal(ask, runs):  # noqa: F811
    """Run twice, the same journal."""
    first, second = runs("a"), runs("b")
    code, body = compared(ask, first, second)
    assert (code, body["equal"], body["other"]) == (0, True, second)
    assert f"Equal: {first} and {second}." in ask("parity", first, second)[1]


def test_other_costs_are_fees_and_what_follows(ask, runs):  # noqa: F811
    """Both sides' values are there for machines, a table with a summary for people."""
    first = runs("a", "--costs", "zero", "--slippage", "none")
    second = runs("b", "--costs", "bps:30", "--slippage", "none")
    code, body = compared(ask, first, second)
    assert code == 1
    assert set(body["causes"]) == {"fee"}
    assert body["causes"]["fee"] == len(body["orders"]) > 4
    one = body["orders"][0]
    assert (one["cause"], one["follows"]) == ("fee", None)
    assert (one["first"]["cost"], one["first"]["order"]) == ("0", 1)
    assert float(one["second"]["cost"]) > 100
    assert one["first"]["fills"] == one["second"]["fills"]
    code, out, _ = ask("parity", first, second)
    assert code == 1
    assert "Different from record 1 on." in out
    head, settings, *told = [line.split() for line in out.splitlines()[1:4]]
    assert head == ["RunStarted", first, second]
    assert (settings, told) == (["costs", "zero", "bps:30"], [[]])
    assert f"{len(body['orders'])} orders are not the same:" in out
    assert "cost 0 and" in out
    assert "follows from difference" in out


def test_records_of_two_kinds_are_shown_whole(ask, runs):  # noqa: F811
    """A journal that was cut off ends where the other one goes on."""
    first = runs("a")
    lines = Path(f"runs/{first}/journal.log").read_bytes().splitlines(keepends=True)
    Path("cut.log").write_bytes(b"".join(lines[:5]))
    code, out, _ = ask("parity", first, "cut.log")
    assert code == 1
    told = out.splitlines()
    assert told[0] == "Different from record 6 on."
    assert f'"sequence":6,"kind":"{json.loads(lines[5].partition(b" ")[2])["kind"]}"' in told[1]
    assert told[2].split() == ["cut.log", "(ended)"]


def test_what_one_record_says_otherwise_is_shown_by_itself(ask, runs):  # noqa: F811
    """A moment as one, and both journals by the names that they were given."""
    first = runs("a")
    lines = Path(f"runs/{first}/journal.log").read_text().splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if '"kind":"Fill"' in line)
    at = json.loads(lines[place].partition(" ")[2])["body"]["at"]
    lines[place] = lines[place].replace(f'"at":{at}', f'"at":{at + 10**9}')
    Path("late.log").write_text("".join(lines))
    head, told = ask("parity", first, "late.log")[1].splitlines()[1:3]
    assert head.split() == ["Fill", first, "late.log"]
    moments = [str(np.datetime64(each, "s")) + "Z" for each in (at // 10**9, at // 10**9 + 1)]
    assert told.split() == ["at", *moments]


def test_another_file_is_data_and_the_bar_is_named(ask, runs):  # noqa: F811
    """A correction of one day, from which on the two part; and by its hash when a file is gone."""
    lines = Path("WAVE.csv").read_text().splitlines()
    stamp, opened, *_ = lines[200].split(",")
    lines[200] = f"{stamp},{opened},500,{opened},500,1000000"
    Path("OTHER.csv").write_text("\n".join(lines) + "\n")
    first = runs("a", "--instrument", "WAVE")
    second = runs("b", "--instrument", "WAVE", data="OTHER.csv")
    code, body = compared(ask, first, second)
    assert (code, set(body["causes"])) == (1, {"data"})
    assert f"the bars of WAVE.XXXX differ at {stamp}" in body["orders"][0]["explanation"]
    Path("OTHER.csv").unlink()
    code, body = compared(ask, first, second)
    assert (code, set(body["causes"])) == (1, {"data"})
    assert "the bars cannot be read" in body["orders"][0]["explanation"]


def test_people_are_shown_a_screenful(ask, runs):  # noqa: F811
    """The table ends and says how many more there are; without an order that differs it says that."""
    first, second = runs("a", "--costs", "zero"), runs("b", "--costs", "bps:1")
    paths = ("runs", "sqlite:///evenkeel.db")
    found = between(kept(first, *paths), kept(second, *paths))
    many = replace(found, differences=[*found.differences] * 20)
    lines = _lines(first, second, many)
    assert lines[-1] == f"  … and {len(many.differences) - 20} more; --json has them all"
    assert "Every order is the same" in _lines(first, second, replace(found, differences=()))[-1]


def test_a_database_and_a_file_hold_the_same_run(ask):  # noqa: F811
    """By address and id, by the one run of a database, by id alone when no folder has it."""
    Path("bot.toml").write_text(bot())
    run = json.loads(ask("paper", "bot.toml", "--replay", "--json")[1])["run_id"]
    journal = f"runs/{run}/journal.log"
    for other in ("sqlite:///evenkeel.db", f"evenkeel.db#{run[:20]}", f"runs/{run}", journal):
        code, body = compared(ask, run, other)
        assert (code, body["equal"]) == (0, True), other
    Path(journal).rename("moved.log")
    Path(f"runs/{run}/manifest.json").unlink()
    code, body = compared(ask, run, "moved.log")
    assert (code, body["equal"]) == (0, True)
    assert compared(ask, run, "sqlite:///evenkeel.db")[1]["equal"]


def test_a_run_that_is_nowhere_is_said(ask, runs):  # noqa: F811
    """With what there is."""
    first = runs("a")
    for words, sentence in (
        ((first, "nothing"), "there is no run 'nothing'"),
        ((first, "sqlite:///none.db"), "none.db"),
        ((first, "WAVE.csv"), "WAVE.csv"),
    ):
        code, _, err = ask("parity", *words)
        assert code in {1, 2}
        assert sentence in err or "journal" in err
        assert err.count("\n") == 1


def test_a_database_of_several_runs_asks_which(ask):  # noqa: F811
    """And names them."""
    Path("bot.toml").write_text(bot())
    names = [json.loads(ask("paper", "bot.toml", "--replay", "--json")[1])["run_id"] for _ in "ab"]
    code, _, err = ask("parity", names[0], "sqlite:///evenkeel.db")
    assert code == 2
    assert "say which run is meant, as sqlite:///evenkeel.db#RUN" in err
    assert names[1] in err
    assert compared(ask, names[0], f"sqlite:///evenkeel.db#{names[1]}")[1]["equal"]
