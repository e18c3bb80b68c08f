"""Settings: which layer wins, where a value came from, and how a wrong one is refused."""

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest

from evenkeel.domain.errors import ConfigError
from evenkeel.ops.settings import Settings, load_settings
from evenkeel.ops.toml_file import TomlFile


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for variable in [name for name in os.environ if name.upper().startswith("EVENKEEL__")]:
        monkeypatch.delenv(variable)


@pytest.fixture
def write(tmp_path):
    def written(text, name="evenkeel.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")

    return written


def test_defaults_stand_when_nothing_is_said(tmp_path):
    settings = load_settings(tmp_path)
    assert settings == Settings()
    assert settings.paths.runs == "runs"
    assert settings.paths.database == "sqlite:///evenkeel.db"
    assert (settings.account.cash, settings.account.currency) == (Decimal(100_000), "USD")
    assert (settings.backtest.costs, settings.backtest.slippage) == ("ibkr-fixed", "bps:1")
    assert (settings.backtest.volume_share, settings.backtest.touch) == (Decimal("0.1"), "at")
    assert set(settings.sources.values()) == {"default"}
    assert len(settings.sources) == 8


def test_each_layer_wins_over_the_one_before(tmp_path, write, monkeypatch):
    write("[account]\ncash = 1\ncurrency = 'EUR'\n[backtest]\ncosts = 'zero'\nslippage = 'none'\n")
    write(
        "[account]\ncash = 2\n\n[backtest]\nslippage = 'bps:2'\ncosts = 'bps:3'\n",
        "evenkeel.local.toml",
    )
    monkeypatch.setenv("EVENKEEL__ACCOUNT__CASH", "3")
    monkeypatch.setenv("evenkeel__backtest__costs", "bps:4")
    settings = load_settings(tmp_path, flags={"backtest.costs": "bps:5"})
    assert (settings.account.cash, settings.account.currency) == (Decimal(3), "EUR")
    assert (settings.backtest.costs, settings.backtest.slippage) == ("bps:5", "bps:2")
    assert settings.sources == {
        "paths.runs": "default",
        "paths.database": "default",
        "account.cash": "EVENKEEL__ACCOUNT__CASH",
        "account.currency": "evenkeel.toml:3",
        "backtest.costs": "flag",
        "backtest.slippage": "evenkeel.local.toml:5",
        "backtest.volume_share": "default",
        "backtest.touch": "default",
    }


def test_money_is_what_was_written(tmp_path, write):
    write("[account]\ncash = 0.1\n[backtest]\nvolume_share = 0.3\n")
    settings = load_settings(tmp_path)
    assert (settings.account.cash, settings.backtest.volume_share) == (
        Decimal("0.1"),
        Decimal("0.3"),
    )


def test_settings_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Settings().account.cash = Decimal(1)


REFUSED = {
    "cash of another kind": (
        "[account]\n\ncash = 'much'",
        r":3: account\.cash must be a number above 0, was 'much'",
    ),
    "cash that is no money": ("[account]\ncash = true", r":2: account\.cash must be"),
    "no cash": ("account.cash = 0", r":1: account\.cash must be a number above 0, was 0"),
    "cash without end": ("[account]\ncash = inf", r":2: account\.cash must be"),
    "cash that is no number": ("[account]\ncash = nan", r":2: account\.cash must be"),
    "currency": ("[account]\ncurrency = 'usd'", r":2: account\.currency must be three capitals"),
    "runs": ("[paths]\nruns = ''", r":2: paths\.runs must be the name of a folder"),
    "database": (
        "[paths]\ndatabase = 'x.db'",
        r":2: paths\.database must be an SQLAlchemy address",
    ),
    "share": ("[backtest]\nvolume_share = 1.5", r":2: backtest\.volume_share must be .* at most 1"),
    "touch": ("[backtest]\ntouch = 'near'", r":2: backtest\.touch must be at or through, was"),
    "an unknown key": (
        "[account]\ncahs = 1",
        r":2: unknown key account\.cahs; did you mean 'cash'",
    ),
    "a strange key": ("[account]\nzzz = 1", r":2: unknown key account\.zzz; \[account\] has cash"),
    "an unknown table": ("\n[acount]\ncash = 1", r":2: unknown table \[acount\]; did you mean"),
    "a strange table": ("[zzz]", r":1: unknown table \[zzz\]; known are paths, account, backtest"),
    "a key at the top": ("cash = 5", r":1: unknown table \[cash\]"),
    "no table": ("account = 5", r":1: account must be a table, written \[account\]"),
    "an inline table": ("\naccount = { cash = -1 }", r":2: account\.cash must be"),
    "no TOML": ("[account\n", r" is not TOML: .*line 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_file_is_refused_with_its_line_and_law(tmp_path, write, case):
    text, said = REFUSED[case]
    write(text)
    with pytest.raises(ConfigError, match=r"evenkeel\.toml" + said):
        load_settings(tmp_path)


def test_a_file_that_is_no_text_or_no_file_is_refused(tmp_path):
    (tmp_path / "evenkeel.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"evenkeel\.toml is not UTF-8 text"):
        load_settings(tmp_path)
    (tmp_path / "evenkeel.toml").unlink()
    (tmp_path / "evenkeel.toml").mkdir()
    with pytest.raises(ConfigError, match=r"evenkeel\.toml cannot be read"):
        load_settings(tmp_path)


def test_a_wrong_variable_is_refused_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENKEEL__ACCOUNT__CASH", "much")
    with pytest.raises(ConfigError, match=r"^EVENKEEL__ACCOUNT__CASH: account\.cash must be a num"):
        load_settings(tmp_path)
    monkeypatch.delenv("EVENKEEL__ACCOUNT__CASH")
    monkeypatch.setenv("EVENKEEL__ACOUNT__CASH", "1")
    with pytest.raises(ConfigError, match=r"did you mean 'EVENKEEL__ACCOUNT__CASH'\?$"):
        load_settings(tmp_path)


def test_a_wrong_flag_is_refused_by_its_name(tmp_path):
    with pytest.raises(ConfigError, match=r"^flag: backtest\.touch must be at or through"):
        load_settings(tmp_path, flags={"backtest.touch": "near"})
    with pytest.raises(ConfigError, match=r"^flag backtest\.tuch: unknown .* 'backtest\.touch'"):
        load_settings(tmp_path, flags={"backtest.tuch": "at"})


CHEAP = """
import sys
before = set(sys.modules)  # coverage, where it watches, has imports of its own
from evenkeel.ops.settings import load_settings
load_settings(sys.argv[1])
print(*sorted({"pydantic", "pydantic_settings", "tomllib"} & (set(sys.modules) - before)))
"""


def test_nothing_configured_costs_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CHEAP, tmp_path], capture_output=True, check=True, text=True
    )
    assert not done.stdout.strip()


def test_a_key_that_is_not_in_a_file_stands_in_the_file(tmp_path, write):
    write("[account]\ncash = 1\n")
    file = TomlFile(tmp_path / "evenkeel.toml")
    assert (file.place("account.currency"), file.place("paths.runs")) == (
        "evenkeel.toml:1",
        "evenkeel.toml",
    )
