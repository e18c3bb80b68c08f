"""What a person or a script at the command line can count on."""

import csv
import json
import math
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import typer

from evenkeel.app.cli import main
from evenkeel.app.cli.commands import app, app_for
from evenkeel.app.cli.told import run_lines
from evenkeel.app.runs import load
from evenkeel.journal.verify import verify

CROSS = "evenkeel.strategy.examples.sma_cross:SmaCross"
COMMAND = Path(sys.executable).parent / "evenkeel"
CARD = {
    "order_quantity_max": 100_000,
    "order_notional_max": 1_000_000,
    "price_collar_max": 0.2,
    "price_age_max_seconds": 864_000,
    "position_quantity_max": 100_000,
    "gross_exposure_max": 1_000_000,
    "net_exposure_max": 1_000_000,
    "concentration_max": 1,
    "buying_power_multiple": 1,
    "orders_per_second_max": 20,
    "orders_per_day_max": 100,
    "duplicate_window_seconds": 0,
    "open_orders_max": 20,
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder with a file of prices that go up and down in waves."""
    monkeypatch.chdir(tmp_path)
    rows = ["date,open,high,low,close,volume"]
    for day in range(400):
        price = 100 + 20 * math.sin(day / 20)
        month, date = divmod(day % 336, 28)
        stamp = f"{2020 + day // 336}-{month + 1:02}-{date + 1:02}"
        rows.append(f"{stamp},{price:.2f},{price + 1:.2f},{price - 1:.2f},{price:.2f},1000000")
    Path("WAVE.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def ask(here, capsys):
    """Run a command; return its exit code, what it printed and what it complained of."""

    def run(*words):
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def made(ask):
    """The JSON of one backtest that was just run."""
    code, out, err = ask("backtest", CROSS, "--data", "WAVE.csv", "--set", "slow=30", "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def bot(**changes):
    """A bot's file as text, with a whole limit card."""
    card = "\n".join(f"{name} = {value}" for name, value in CARD.items())
    text = f"""
        [bot]
        name = "trend"
        mode = "{changes.get("mode", "paper")}"
        [account]
        cash = 100000
        currency = "USD"
        [strategy]
        path = "{CROSS}"
        params = {{ slow = 30 }}
        [limits]
        {card}
        [data]
        paths = ["WAVE.csv"]
        instruments = ["WAVE"]
        [execution]
        costs = "ibkr-fixed"
        slippage = "bps:1"
    """
    return "\n".join(line.strip() for line in text.splitlines())


# ---- help ----


def commands(group=None, *before):
    """Every command there is, as words."""
    found = []
    for name, command in (group or typer.main.get_command(app)).commands.items():
        words = [*before, name]
        found += commands(command, *words) if hasattr(command, "commands") else [words]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_shows_an_example_and_knows_json(ask, words):
    code, out, _ = ask(*words, "--help")
    assert code == 0
    assert "Example" in out
    assert f"evenkeel {' '.join(words)}" in out.partition("Example")[2]
    assert "--json" in out


def test_no_annotation_of_a_command_is_compiled_at_each_start():
    """Postponed ones are text, which typer compiles twice over for every command there is."""
    groups = [app, *(each.typer_instance for each in app.registered_groups)]
    functions = [each.callback for group in groups for each in group.registered_commands]
    assert len(functions) == len(commands())
    for function in functions:
        assert not any(isinstance(each, str) for each in function.__annotations__.values())


@pytest.mark.parametrize(
    ("line", "made"),
    [
        (["backtest", "a.py:A"], ["backtest"]),
        (["show-config"], ["show-config"]),
        (["data", "list"], ["data"]),
        (["optimize"], None),  # it stands among others in a module of its own
        (["bakctest"], None),
        (["--help"], None),
        ([], None),
    ],
)
def test_only_the_command_that_is_meant_is_made(line, made):
    """And all of them for whoever mistypes one, so that he is told what there is."""
    every = list(typer.main.get_command(app).commands)
    assert list(typer.main.get_command(app_for(line)).commands) == (every if made is None else made)


def test_no_command_at_all_shows_what_there_is(ask):
    code, out, _ = ask()
    assert code == 0
    assert "backtest" in out


def test_the_version_is_the_installed_one(ask):
    code, out, _ = ask("--version")
    assert (code, out) == (0, f"evenkeel {metadata.version('evenkeel')}\n")


def test_every_command_has_room_for_its_first_line(ask):
    """A sentence that is cut off explains nothing."""
    assert "..." not in ask("--help")[1].partition("Commands:")[2]


# ---- backtest ----


def test_a_backtest_says_in_json_what_it_did(made):
    named = "run_id strategy params instruments start end bars equity_start equity_end metrics"
    more = "orders refused_by_reason fills costs ambiguous_bars journal wall_seconds"
    assert set(f"{named} {more}".split()) <= set(made)
    assert made["params"] == {"fast": 20, "slow": 30}
    assert made["bars"] == 400
    assert made["orders"]["sent"] == made["fills"] > 0
    assert {"records", "head_hash", "path"} <= set(made["journal"])


def test_a_backtest_leaves_a_journal_that_verifies(made):
    journal = Path(made["journal"]["path"])
    verdict = verify(journal.parent)
    assert verdict.ok
    assert (verdict.records, verdict.head) == (
        made["journal"]["records"],
        made["journal"]["head_hash"],
    )


def test_stepping_and_jumping_leave_the_same_journal(ask, made):
    words = ("backtest", CROSS, "--data", "WAVE.csv", "--set", "slow=30", "--json", "--no-jump")
    stepped = json.loads(ask(*words)[1])
    assert stepped["journal"]["head_hash"] == made["journal"]["head_hash"]


def test_people_read_the_figures_that_machines_read(ask, made):
    code, out, _ = ask("backtest", CROSS, "--data", "WAVE.csv", "--set", "slow=30")
    assert code == 0
    assert f"{made['equity_end']:,.2f}" in out
    assert f"{made['metrics']['total_return']:+.2%}" in out
    assert "permissive for research" in out
    assert "Next: evenkeel report" in out


def test_a_terminal_shows_the_same_words_in_colour(ask, made, monkeypatch):
    plain = ask("show-config")[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = ask("show-config")[1]
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain != coloured


def test_a_run_without_orders_says_what_is_too_little_to_be_one(ask):
    """A third of a share is none, and part of a coin may be one."""
    lines = ["import evenkeel as ek", "class Mine(ek.Strategy):", "    def on_bar(self):"]
    Path("mine.py").write_text("\n".join([*lines, "        self.buy(0.3)"]))
    _, out, _ = ask("backtest", "mine.py:Mine", "--data", "WAVE.csv")
    assert "none; 0 fills (what is less than a lot of 1 is not ordered)" in out
    _, out, _ = ask(
        "backtest", "mine.py:Mine", "--data", "WAVE.csv", "--instrument", "WAVE.XXXX:lot=0.1"
    )
    assert "filled 399" in out


def test_findings_are_told_whole_when_they_are_few(made):
    """Of many only how often: a line is no list."""
    found = {
        "instrument": "A.XNYS",
        "code": "gap",
        "count": 2,
        "message": "2 sessions without a bar",
    }
    for many, said in (
        (1, "A.XNYS: 2 sessions without a bar"),
        (4, "A.XNYS gap ×2; A.XNYS gap ×2"),
    ):
        (line,) = (
            each for each in run_lines({**made, "findings": [found] * many}) if "A.X" in each
        )
        assert said in line


def test_bars_that_could_have_filled_better_are_said(made):
    assert not any("could have filled better" in line for line in run_lines(made))
    told = run_lines({**made, "ambiguous_bars": 2, "ambiguity_worth": 1234.5})
    assert any(
        line.endswith("2 bars could have filled better, by 1,234.50 in all") for line in told
    )


def test_out_holds_the_page_and_tables_that_agree_with_the_journal(ask, here):
    words = ("backtest", CROSS, "--data", "WAVE.csv", "--set", "slow=30", "--json")
    body = json.loads(ask(*words, "--out", "deep/out")[1])
    out = here / "deep" / "out"
    names = {"report.html", "equity.csv", "fills.csv", "orders.csv", "trades.csv"}
    assert {path.name for path in out.iterdir()} == names
    assert [path.name for path in out.parent.iterdir()] == ["out"], "nothing unfinished stays"
    with (out / "fills.csv").open() as file:
        fills = list(csv.DictReader(file))
    assert len(fills) == body["fills"]
    paid = sum(float(fill["commission"]) for fill in fills)
    assert paid == pytest.approx(body["costs"]["commission"])
    signed = sum(
        float(fill["quantity"]) * float(fill["price"]) * (1 if fill["side"] == "SELL" else -1)
        for fill in fills
    )
    if len(fills) % 2 == 0:  # everything was sold again: the rest is cash
        assert 100_000 + signed - paid == pytest.approx(body["equity_end"])


def test_out_may_be_this_folder_and_leaves_other_files_alone(ask, here):
    Path("notes.txt").write_text("mine")
    assert ask("backtest", CROSS, "--data", "WAVE.csv", "--out", ".")[0] == 0
    assert (here / "report.html").stat().st_size > 10_000
    assert Path("notes.txt").read_text() == "mine"


def test_flags_win_over_settings(ask, monkeypatch):
    monkeypatch.setenv("EVENKEEL__ACCOUNT__CASH", "5000")
    monkeypatch.setenv("EVENKEEL__BACKTEST__COSTS", "zero")
    words = ("backtest", CROSS, "--data", "WAVE.csv", "--json")
    body = json.loads(ask(*words)[1])
    assert (body["equity_start"], body["costs"]["commission"]) == (5000, 0)
    assert json.loads(ask(*words, "--cash", "7000")[1])["equity_start"] == 7000


def test_splits_from_a_file_happen(ask):
    Path("actions.csv").write_text("date,symbol,kind,value\n2020-06-01,WAVE,split,2\n")
    words = ("backtest", CROSS, "--data", "WAVE.csv", "--actions", "actions.csv", "--json")
    body = json.loads(ask(*words)[1])
    assert b'"Split"' in Path(body["journal"]["path"]).read_bytes()


def test_runs_are_kept_where_the_settings_say(ask, here):
    Path("evenkeel.toml").write_text('[paths]\nruns = "elsewhere"\n')
    body = json.loads(ask("backtest", CROSS, "--data", "WAVE.csv", "--json")[1])
    assert (here / "elsewhere" / body["run_id"] / "journal.log").is_file()
    assert not (here / "runs").exists()


# ---- what was kept ----


def test_runs_are_listed_the_newest_first(ask, made):
    assert ask("runs", "list")[1].count("smacross") == 1
    second = json.loads(ask("backtest", CROSS, "--data", "WAVE.csv", "--json")[1])
    assert "2 runs in runs begin with '2'" in ask("report", "2")[2]
    listed = json.loads(ask("runs", "list", "--json")[1])["runs"]
    assert [run["run_id"] for run in listed] == [second["run_id"], made["run_id"]]


def test_no_runs_is_an_answer_too(ask):
    code, out, _ = ask("runs", "list")
    assert code == 0
    assert "No runs" in out
    assert json.loads(ask("runs", "list", "--json")[1]) == {"runs": []}


def test_a_run_is_reported_beside_its_journal_or_elsewhere(ask, made):
    code, out, _ = ask("report")
    assert code == 0
    page = Path(made["journal"]["path"]).with_name("report.html")
    assert made["run_id"] in page.read_text()
    assert str(page) in out
    body = json.loads(ask("report", made["run_id"], "--out", "p/page.html", "--json")[1])
    assert body == {"run_id": made["run_id"], "report": "p/page.html"}
    assert Path("p/page.html").is_file()


def test_a_run_equals_its_bars_traded_again_on_paper(ask, made):
    body = json.loads(ask("parity", made["run_id"], "--json")[1])
    assert body["equal"]
    assert body["records"] == made["journal"]["records"]
    assert body["head_hash"] == made["journal"]["head_hash"]
    code, out, _ = ask("parity")
    assert code == 0
    assert out.startswith("Equal")


def test_a_strategy_that_knows_the_future_is_found_out(ask):
    Path("peek.py").write_text(
        "import evenkeel as ek\n"
        "import numpy as np\n"
        "class Peek(ek.Strategy):\n"
        "    def setup(self, bars):\n"
        "        close = np.asarray(bars.close)\n"
        "        self.wake_on(close >= close.max())\n"  # the highest of all: who can know?
        "    def on_bar(self):\n"
        "        self.buy(1)\n"
    )
    assert ask("backtest", "peek.py:Peek", "--data", "WAVE.csv")[0] == 0
    code, out, _ = ask("parity")
    assert code == 1
    assert out.startswith("Different from record 2 on.")
    body = json.loads(ask("parity", "--json")[1])
    assert body["first_difference"]["sequence"] == 2
    assert not body["equal"]


def test_a_run_whose_data_has_changed_is_not_read(ask, made):
    changed = Path("WAVE.csv").read_text().replace("1000000", "1000001")
    Path("WAVE.csv").write_text(changed)
    code, _, err = ask("parity")
    assert code == 1
    assert "put the original file back" in err


def test_a_run_read_back_says_what_it_said_when_it_was_made(made):
    again = load(made["run_id"], "runs").summary()
    assert {**again, "journal": made["journal"]} == made


# ---- audit ----


def test_a_sound_journal_is_sound_by_every_name(ask, made):
    folder = Path(made["journal"]["path"]).parent
    for words in ([], [made["run_id"]], [made["run_id"][:12]], [folder], [folder / "journal.log"]):
        code, out, _ = ask("audit", "verify", *words, "--json")
        assert code == 0, words
        assert json.loads(out)["ok"]
    assert "1 journal, none of them bad." in ask("audit", "verify")[1]
    assert ask("audit", "verify", folder)[1].startswith("Sound")


def test_a_bad_record_is_named_and_the_answer_is_no(ask, made):
    journal = Path(made["journal"]["path"])
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b"WAVE", b"WAVY")
    journal.write_bytes(b"".join(lines))
    code, out, _ = ask("audit", "verify", made["run_id"])
    assert code == 1
    assert out.startswith("NOT sound: record 5")
    code, out, _ = ask("audit", "verify", "--json")
    assert code == 1
    assert json.loads(out)["journals"][0]["first_bad"] == 5
    assert "1 of them bad" in ask("audit", "verify")[1]


# ---- paper ----


def test_a_bot_trades_recorded_bars_on_paper_as_its_backtest_does(ask, made):
    Path("bot.toml").write_text(bot())
    body = json.loads(ask("paper", "bot.toml", "--replay", "--json")[1])
    assert body["mode"] == "paper"
    assert body["fills"] == made["fills"]
    assert body["equity_end"] == made["equity_end"]
    assert ask("audit", "verify", "sqlite:///evenkeel.db")[0] == 0
    assert ask("parity", body["run_id"])[0] == 0
    code, out, _ = ask("paper", "bot.toml", "--replay", "WAVE.csv")
    assert code == 0
    assert "evenkeel audit verify" in out
    code, out, _ = ask("audit", "verify", "evenkeel.db")
    assert code == 0
    assert "2 journals, none of them bad." in out
    code, out, _ = ask("audit", "verify", "evenkeel.db", "--run", body["run_id"], "--json")
    assert json.loads(out)["head_hash"] == body["journal"]["head_hash"]


def test_a_bots_limit_card_may_be_a_file_of_its_own(ask, made):
    Path("card.toml").write_text("\n".join(f"{name} = {value}" for name, value in CARD.items()))
    head, _, rest = bot().partition("[limits]")
    Path("bot.toml").write_text(
        f'{head}[limits]\nfile = "card.toml"\n[data]{rest.split("[data]")[1]}'
    )
    body = json.loads(ask("paper", "bot.toml", "--replay", "--json")[1])
    assert body["fills"] == made["fills"]


def test_an_instrument_says_in_what_it_trades(ask):
    """A rate that nothing needs was meant for something: it is not passed over."""
    words = (CROSS, "--data", "WAVE.csv", "--set", "slow=30", "--costs", "zero", "--json")
    euros = ("--instrument", "WAVE.XPAR:currency=EUR", "--fx", "EUR=2")
    dollars, halves = (
        json.loads(ask("backtest", *words, *more)[1])
        for more in (("--instrument", "WAVE.XPAR"), (*euros, "--cash", "200000"))
    )
    assert halves["fills"] == dollars["fills"] > 0
    assert halves["equity_end"] == pytest.approx(2 * dollars["equity_end"])
    code, _, err = ask("backtest", *words, "--fx", "EUR=2")
    assert (code, "say what does: WAVE.XXXX:currency=EUR" in err) == (2, True)


def test_a_bot_may_trade_in_a_currency_that_is_not_its_accounts(ask):
    """As its backtest does, at rates of a file; and it is told which one is missing."""
    rates = ["date,open,high,low,close,volume"]
    rates += [f"{day},0.9,0.9,0.9,0.9,0" for day in ("2020-01-01", "2021-12-28")]
    Path("usdeur.csv").write_text("\n".join(rates) + "\n")
    Path("evenkeel.toml").write_text('[account]\ncurrency = "EUR"\n')
    foreign = bot().replace('currency = "USD"', 'currency = "EUR"\nfx = { USD = "usdeur.csv" }')
    Path("bot.toml").write_text(foreign.replace("[data]", '[data]\ncurrency = "USD"'))
    body = json.loads(ask("paper", "bot.toml", "--replay", "--json")[1])
    words = ("--data", "WAVE.csv", "--set", "slow=30", "--costs", "ibkr-fixed", "--json")
    limits = "\n".join(f"{name} = {value}" for name, value in CARD.items())
    Path("card.toml").write_text(limits)
    words += ("--limits", "card.toml", "--fx", "USD=usdeur.csv")
    made = json.loads(ask("backtest", CROSS, *words)[1])
    assert body["fills"] == made["fills"] > 0
    assert body["equity_end"] == made["equity_end"]
    assert ask("parity", body["run_id"])[0] == 0
    Path("bot.toml").write_text(foreign.replace("[data]", '[data]\ncurrency = "CHF"'))
    code, _, err = ask("paper", "bot.toml", "--replay")
    assert code == 2
    assert "trades in CHF and the account is in EUR" in err
    assert "(in a bot's file: account.fx)" in err


def test_splits_happen_on_paper_too(ask):
    Path("bot.toml").write_text(bot())
    Path("actions.csv").write_text("date,symbol,kind,value\n2020-06-01,WAVE,split,2\n")
    words = ("paper", "bot.toml", "--replay", "--actions", "actions.csv", "--json")
    run = json.loads(ask(*words)[1])["run_id"]
    assert b'"Split"' in Path("runs", run, "journal.log").read_bytes()
    assert ask("parity")[0] == 0


# ---- settings and check-up ----


def test_settings_are_shown_with_where_they_come_from(ask, monkeypatch):
    Path("evenkeel.toml").write_text('[paths]\nruns = "kept"\n')
    monkeypatch.setenv("EVENKEEL__PATHS__DATABASE", "postgresql://ann:hunter2@host/db")
    code, out, _ = ask("show-config")
    assert code == 0
    assert "hunter2" not in out
    shown = json.loads(ask("show-config", "--json")[1])["settings"]
    assert shown["paths.runs"] == {"value": "kept", "source": "evenkeel.toml:2"}
    assert shown["paths.database"]["value"] == "postgresql://ann:***@host/db"
    assert shown["paths.database"]["source"] == "EVENKEEL__PATHS__DATABASE"
    assert shown["backtest.costs"] == {"value": "ibkr-fixed", "source": "default"}


def test_settings_are_shown_as_a_profile_would_have_them(ask):
    Path("evenkeel.toml").write_text("[profile.paper.paths]\nruns = 'on paper'\n")
    shown = json.loads(ask("show-config", "--profile", "paper", "--json")[1])["settings"]
    assert shown["paths.runs"] == {"value": "on paper", "source": "evenkeel.toml:2"}
    assert json.loads(ask("show-config", "--json")[1])["settings"]["paths.runs"]["value"] == "runs"
    code, _, err = ask("show-config", "--profile", "live")
    assert code == 2
    assert "live trading takes no defaults" in err


# ---- the command itself ----


def test_the_installed_command_answers_with_its_exit_code(here):
    words = [COMMAND, "backtest", CROSS, "--data", "WAVE.csv", "--json"]
    done = subprocess.run(words, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["fills"] > 0
    done = subprocess.run([COMMAND, "why", "x"], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_a_reader_that_goes_away_is_no_error(here):
    """`evenkeel … | head` must not end in a traceback."""
    running = subprocess.Popen(
        [COMMAND, "backtest", CROSS, "--data", "WAVE.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    running.stdout.close()
    complaint = running.stderr.read()
    running.stderr.close()
    assert (running.wait(), complaint) == (0, b"")


HEAVY = {
    "alembic",
    "bokeh",
    "exchange_calendars",
    "jinja2",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "sqlalchemy",
    "typing_extensions",
}


def test_a_plain_backtest_imports_nothing_heavy(here):
    """(rich is for a terminal.)"""
    script = (
        "import sys; from evenkeel.app.cli import main; "
        f"main(['backtest', {CROSS!r}, '--data', 'WAVE.csv']); "
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
