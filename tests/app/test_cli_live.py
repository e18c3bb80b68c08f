"""`evenkeel paper` on live prices, and what is told of how providers are asked."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.app.test_cli import CARD, CROSS
from tests.fakes.alpha_vantage_server import KEY
from tests.fakes.loopback import Loopback, Reply

from evenkeel.app.cli import asking, main
from evenkeel.market.budget import DEFAULTS, Budget
from evenkeel.market.cache import Standing
from evenkeel.market.recorder import replayed
from evenkeel.ops.clock import SYSTEM_CLOCK


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; return its exit code, what it printed and complained of."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def bot(data):
    card = "\n".join(f"{name} = {value}" for name, value in CARD.items())
    Path("bot.toml").write_text(
        f'[bot]\nname = "air"\nmode = "paper"\n[account]\ncash = 100000\ncurrency = "USD"\n'
        f'[strategy]\npath = "{CROSS}"\nparams = {{ fast = 2, slow = 5 }}\n[limits]\n{card}\n'
        f'[data]\n{data}\n[execution]\ncosts = "zero"\nslippage = "none"\n'
    )


def days(count=60):
    """The last so many days, up to yesterday."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return [
        ((yesterday - timedelta(days=back)).isoformat(), 100 + back % 7)
        for back in reversed(range(count))
    ]


def soon():
    return datetime.now(UTC).isoformat(timespec="minutes")


def test_a_bot_on_the_files_of_today_is_recorded_and_lived_again(ask):
    """No bar closes before it ends: what is shown is the way, from the bot's file to the journal.

    What was known on the day is in the recording: actions, and who was in quarantine.
    """
    rows = [f"{day},{price},{price + 1},{price - 1},{price},1000" for day, price in days()]
    Path("WAVE.csv").write_text("\n".join(["date,open,high,low,close,volume", *rows]) + "\n")
    yesterday, price = days()[-1]
    bad = [*rows[:-1], f"{yesterday},{price},{price + 1},0,{price},1000"]
    Path("bad.csv").write_text("\n".join(["date,open,high,low,close,volume", *bad]) + "\n")
    assert ask("data", "import", "bad.csv", "--instrument", "WAVE.XXXX")[0] == 0
    Path("actions.csv").write_text(f"date,symbol,kind,value\n{days()[30][0]},WAVE,split,2\n")
    bot(
        'paths = ["WAVE.csv"]\ninstruments = ["WAVE"]\nproviders = ["files"]\n'
        'interval = "1d"\nwarm_up = 50'
    )
    told = ("--actions", "actions.csv")
    code, out, err = ask("paper", "bot.toml", "--until", soon(), *told, "--json")
    assert code == 0, err
    made = json.loads(out)
    (first,) = replayed(made["recording"])
    assert list(first.quarantine) == ["WAVE.XXXX"]
    assert [type(each).__name__ for each in first.actions[0].value] == ["Split"]
    shutil.rmtree("catalog")
    code, out, err = ask("paper", "bot.toml", "--replay", made["recording"], "--json")
    assert code == 0, err
    again = json.loads(out)
    code, out, err = ask("parity", made["run_id"], again["run_id"], "--json")
    assert (code, json.loads(out)["equal"]) == (0, True), err
    assert ask("report", made["run_id"])[0] == 0
    code, _, err = ask("parity", made["run_id"])
    assert code == 2
    assert "--replay" in err


def test_a_bot_on_air_may_trade_in_a_currency_that_is_not_its_accounts(ask):
    """The rates are in the first record, so that the day can be lived again."""
    rows = [f"{day},{price},{price + 1},{price - 1},{price},1000" for day, price in days()]
    Path("WAVE.csv").write_text("\n".join(["date,open,high,low,close,volume", *rows]) + "\n")
    bot(
        'paths = ["WAVE.csv"]\ninstruments = ["WAVE"]\nproviders = ["files"]\n'
        'interval = "1d"\nwarm_up = 50\ncurrency = "CHF"'
    )
    text = Path("bot.toml").read_text()
    Path("bot.toml").write_text(text.replace("[strategy]", "fx = { CHF = 1.25 }\n[strategy]"))
    code, out, err = ask("paper", "bot.toml", "--until", soon(), "--json")
    assert code == 0, err
    made = json.loads(out)
    started = Path(made["journal"]["path"]).read_text().splitlines()[0]
    assert '"fx:CHF":"1.25"' in started
    assert '"currency":"CHF"' in started
    code, out, err = ask("paper", "bot.toml", "--replay", made["recording"], "--json")
    assert code == 0, err


def test_a_bot_on_alpha_vantage_takes_its_key_from_the_vault_and_its_budget_from_disk(
    ask, monkeypatch
):
    series = {
        day: {f"{at}. {name}": str(price) for at, name in enumerate(("open", "high", "low"), 1)}
        | {"4. close": str(price), "5. volume": "1000"}
        for day, price in days()
    }
    body = {"Meta Data": {"5. Time Zone": "UTC"}, "Time Series (Daily)": series, "data": []}
    with Loopback(lambda _: Reply(body)) as server:
        monkeypatch.setenv("EVENKEEL__PROVIDERS__ALPHA_VANTAGE_URL", server.url)
        monkeypatch.setenv("EVENKEEL__PROVIDERS__ALPHA_VANTAGE_PER_SECOND", "5")
        bot('instruments = ["WAVE"]\nproviders = ["alpha_vantage"]\nwarm_up = 50')
        code, _, err = ask("paper", "bot.toml", "--until", soon())
        assert code != 0
        assert "secrets" in err
        for keep in (keep_key, lambda: None):  # who reads the passphrase takes it away
            monkeypatch.setenv("EVENKEEL_VAULT_PASSPHRASE", "a passphrase that is long enough")
            keep()
        code, out, err = ask("paper", "bot.toml", "--until", soon(), "--json")
        assert code == 0, err
        assert KEY not in out + err + Path(json.loads(out)["recording"]).read_bytes().decode(
            "latin1"
        )
        asked = [each.query["function"] for each in server.log]
        assert asked == ["TIME_SERIES_DAILY", "SPLITS", "DIVIDENDS"]
        assert {each.query["apikey"] for each in server.log} == {KEY}
    code, out, _ = ask("data", "budget", "--json")
    assert code == 0
    day, second, _ = json.loads(out)["budgets"]
    assert (day["provider"], day["used"], day["left"]) == ("alpha_vantage", 3, 22)
    assert second["allowance"] == "5 a second"


def keep_key():
    from evenkeel.app.vault import create_vault, new_key
    from evenkeel.ops.secret import Secret
    from evenkeel.ops.settings import load_settings

    create_vault(load_settings(), new_key("env")).set("alpha_vantage.key", Secret(KEY))


def test_without_providers_or_replay_a_bot_does_not_run(ask):
    Path("WAVE.csv").write_text("")
    bot('paths = ["WAVE.csv"]\ninstruments = ["WAVE"]')
    code, _, err = ask("paper", "bot.toml")
    assert code == 2
    assert "names no data.providers" in err
    bot('instruments = ["WAVE"]\nproviders = ["files"]')
    code, _, err = ask("paper", "bot.toml", "--replay")
    assert code == 2
    assert "names no data.paths" in err


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('instruments = ["WAVE"]', "data.paths (or data.providers)"),
        ('instruments = ["WAVE"]\nproviders = ["bloomberg"]', "data.providers must be a list of"),
        ('instruments = ["WAVE"]\nproviders = ["yahoo", "yahoo"]', "data.providers must be"),
        ('instruments = ["WAVE"]\nproviders = ["files"]\nwarm_up = 1', "data.warm_up must be"),
        ('instruments = ["WAVE"]\nproviders = ["files"]\ninterval = "2d"', "interval must be one"),
        (
            'paths = ["a.csv", "b.csv"]\ninstruments = ["A", "B", "C"]\nproviders = ["files"]',
            "2 files for 3 instruments",
        ),
        ('paths = ["none.csv"]\ninstruments = ["A"]\nproviders = ["files"]', "does not exist"),
    ],
)
def test_what_a_bot_says_of_its_data_is_held_to_its_law(ask, data, said):
    bot(data)
    code, _, err = ask("paper", "bot.toml", "--until", soon())
    assert code in {2, 3}
    assert said in err
    assert err.startswith("error: ")


def test_a_time_that_is_none_is_refused(ask):
    bot('instruments = ["WAVE"]\nproviders = ["files"]')
    code, _, err = ask("paper", "bot.toml", "--until", "noon")
    assert code == 2
    assert "'noon' is no time" in err


def test_a_provider_that_said_enough_is_shown_as_blocked(ask, tmp_path):
    budget = Budget(tmp_path / "requests.db", SYSTEM_CLOCK, DEFAULTS)
    budget.block("alpha_vantage", SYSTEM_CLOCK.now_ns() + 10**13, "it has said that it is enough")
    budget.close()
    code, out, _ = ask("data", "budget")
    assert code == 0
    assert "alpha_vantage: it has said that it is enough" in out
    assert out.count("now") == 1  # yahoo's


def test_the_cache_is_shown_where_it_is(ask, monkeypatch):
    code, out, _ = ask("data", "cache")
    assert (code, "in process" in out) == (0, True)
    monkeypatch.setenv("EVENKEEL__PROVIDERS__REDIS", "redis://:word@127.0.0.1:1/9")
    code, out, _ = ask("data", "cache")
    assert (code, "is away" in out, "word" in out) == (1, True, False)
    shared = Standing("redis at cache.example", entries=3, hits=2, misses=1)
    with monkeypatch.context() as patch:
        patch.setattr(asking, "cache", lambda _: SimpleNamespace(standing=lambda: shared))
        code, out, _ = ask("data", "cache")
    assert (code, "cache.example" in out, "66.7%" in out) == (0, True, True)
    monkeypatch.setenv("EVENKEEL__PROVIDERS__REDIS", "localhost")
    code, _, err = ask("data", "cache")
    assert (code, "redis://" in err) == (2, True)
