"""Settings: which layer wins, where a value came from, and how a wrong one is refused."""

import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evenkeel.domain.errors import ConfigError
from evenkeel.ops.settings import LAWS, Settings, load_settings
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
    assert (settings.vault.file, settings.vault.unlock) == ("secrets.vault", "auto")
    assert (settings.logging.levels, settings.logging.file) == ("info", "")
    assert settings.metrics.port == 0
    asked = settings.providers
    assert (asked.alpha_vantage_per_day, asked.alpha_vantage_per_second) == (25, 1)
    assert (asked.requests, asked.redis) == ("requests.db", "")
    assert len(settings.sources) == 32
    assert settings.audit.checkpoints == ""


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
    assert {key: source for key, source in settings.sources.items() if source != "default"} == {
        "account.cash": "EVENKEEL__ACCOUNT__CASH",
        "account.currency": "evenkeel.toml:3",
        "backtest.costs": "flag",
        "backtest.slippage": "evenkeel.local.toml:5",
    }


def test_money_is_what_was_written(tmp_path, write):
    write("[account]\ncash = 0.1\n[backtest]\nvolume_share = 0.3\n")
    settings = load_settings(tmp_path)
    assert (settings.account.cash, settings.backtest.volume_share) == (
        Decimal("0.1"),
        Decimal("0.3"),
    )


def test_settings_are_frozen():
    with pytest.raises(AttributeError, match="immutable"):
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
    "the way to the vault's key": (
        "[vault]\nunlock = 'door'",
        r":2: vault\.unlock must be auto, prompt, .*, was 'door'; the default is auto$",
    ),
    "no vault": ("vault.file = ''", r":1: vault\.file must be the name of a file, was ''"),
    "levels": (
        "[logging]\nlevels = 'loud'",
        r":2: logging\.levels must be levels such as info,market=debug, was 'loud'",
    ),
    "a small file": ("logging.file_bytes_max = 5", r":1: .* must be a whole number from 1000"),
    "no files": ("logging.files_max = 0", r":1: logging\.files_max must be a whole number from 1"),
    "a port": ("metrics.port = 70000", r":1: metrics\.port must be a port from 1 to 65535, or 0"),
    "a password": (
        "[vault]\nunlock = 'postgresql://ada:hunter2@db'",
        r":2: vault\.unlock must be .*, was 'postgresql://ada:\*\*\*@db'; the default is auto$",
    ),
    "an unknown profile": (
        "[profile.life.paths]\nruns = 'x'",
        r":1: unknown key profile\.life; did you mean 'live'",
    ),
    "an unknown table of a profile": (
        "[profile.live.path]\nruns = 'x'",
        r":1: unknown table \[profile\.live\.path\]; did you mean 'paths'",
    ),
    "an unknown key of a profile that is not asked for": (
        "[profile.live.paths]\nrun = 'x'",
        r":2: unknown key profile\.live\.paths\.run; did you mean 'runs'",
    ),
    "a profile that is no table": (
        "profile = 'live'",
        r":1: profile must be a table, written \[profile\]",
    ),
    "a profile's table that is none": (
        "[profile.live]\npaths = 'x'",
        r":2: profile\.live\.paths must be a table, written \[profile\.live\.paths\]",
    ),
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


PROFILES = """
[paths]
runs = "for all"
[profile.paper.paths]
runs = "for paper"
[profile.live.paths]
runs = "for live"
database = "sqlite:///live.db"
"""


@pytest.mark.parametrize(
    ("profile", "runs", "source"),
    [
        (None, "for all", "evenkeel.toml:3"),
        ("backtest", "for all", "evenkeel.toml:3"),
        ("paper", "for paper", "evenkeel.toml:5"),
    ],
)
def test_a_profile_wins_over_what_holds_for_all(tmp_path, write, profile, runs, source):
    write(PROFILES)
    settings = load_settings(tmp_path, profile=profile)
    assert (settings.paths.runs, settings.sources["paths.runs"]) == (runs, source)


def test_the_local_file_wins_over_a_profile_of_the_other(tmp_path, write, monkeypatch):
    write(PROFILES)
    write("[paths]\nruns = 'mine'", "evenkeel.local.toml")
    monkeypatch.setenv("EVENKEEL_PROFILE", "paper")
    assert load_settings(tmp_path).paths.runs == "mine"
    write("[profile.paper]\npaths = { runs = 'mine on paper' }", "evenkeel.local.toml")
    settings = load_settings(tmp_path)
    assert (settings.paths.runs, settings.sources["paths.runs"]) == (
        "mine on paper",
        "evenkeel.local.toml:2",
    )
    assert load_settings(tmp_path, profile="backtest").paths.runs == "for all"


def test_an_unknown_profile_is_refused_by_its_source(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"^profile: .*, was 'papper'; did you mean 'paper'\?"):
        load_settings(tmp_path, profile="papper")
    monkeypatch.setenv("EVENKEEL_PROFILE", "real")
    with pytest.raises(ConfigError, match=r"^EVENKEEL_PROFILE: a profile is .*, was 'real'"):
        load_settings(tmp_path)


def test_live_takes_no_defaults(tmp_path, write, monkeypatch):
    with pytest.raises(ConfigError, match=r"no defaults: set paths\.runs, paths\.database, acc"):
        load_settings(tmp_path, profile="live")
    write(PROFILES + "[profile.live.account]\ncurrency = 'EUR'\n[vault]\nfile = 'v'")
    with pytest.raises(
        ConfigError,
        match=r"^live trading takes no defaults: set logging\.file in evenkeel\.toml, such as "
        r"\[profile\.live\.logging\]$",
    ):
        load_settings(tmp_path, profile="live")
    monkeypatch.setenv("EVENKEEL__LOGGING__FILE", "live.log")
    settings = load_settings(tmp_path, profile="live")
    assert settings.paths.database == "sqlite:///live.db"
    assert (settings.account.currency, settings.logging.file) == ("EUR", "live.log")


def test_an_address_without_a_password_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENKEEL__PATHS__DATABASE", "sqlite:///other.db")
    assert load_settings(tmp_path).paths.database == "sqlite:///other.db"


def test_numbers_of_the_environment_are_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENKEEL__METRICS__PORT", "9102")
    monkeypatch.setenv("EVENKEEL__LOGGING__FILES_MAX", "7")
    settings = load_settings(tmp_path)
    assert (settings.metrics.port, settings.logging.files_max) == (9102, 7)


def test_a_password_in_a_variable_is_not_shown_by_the_system(tmp_path):
    """Asked of a process of its own: what `/proc` shows is what a process began with."""
    code = (
        "import os, subprocess, sys\n"
        "from evenkeel.ops.settings import load_settings\n"
        "print(load_settings().paths.database)\n"
        "print(open('/proc/self/environ', 'rb').read())\n"
        "print(subprocess.run(['env'], capture_output=True).stdout)"
    )
    url = "postgresql://ada:canary-b0a7@db/evenkeel"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "EVENKEEL__PATHS__DATABASE": url},
        cwd=tmp_path,
    )
    read, own, child = done.stdout.splitlines()
    assert read == url
    assert "canary" not in own
    assert "EVENKEEL__PATHS__DATABASE=***" in own
    assert url in child, "a process that it starts still has its settings"


CHEAP = """
import sys
before = set(sys.modules)  # coverage, where it watches, has imports of its own
from evenkeel.ops.settings import load_settings
load_settings(sys.argv[1])
print(*sorted({"pydantic", "pydantic_settings", "tomllib", "logging", "hmac"} & (set(sys.modules) - before)))
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


def as_toml(value):
    """A value as TOML writes it: strings and lists as JSON does, with its escapes of letters."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return str(value)
        case list():
            return f"[{', '.join(map(as_toml, value))}]"
        case dict():
            return "{" + ", ".join(f"{k} = {as_toml(v)}" for k, v in value.items()) + "}"
        case _:
            return json.dumps(value)


SCALARS = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]))
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3)
VALUES |= st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), SCALARS, max_size=2)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("settings")


@given(key=st.sampled_from(sorted(LAWS)), value=VALUES)
@example(key="logging.files_max", value=float("nan"))
@example(key="account.cash", value=float("inf"))
@example(key="metrics.port", value=10**30)
def test_whatever_a_value_is_it_holds_or_is_refused_by_its_key(scratch, key, value):
    section, _, name = key.partition(".")
    (scratch / "evenkeel.toml").write_text(f"[{section}]\n{name} = {as_toml(value)}\n")
    try:
        settings = load_settings(scratch)
    except ConfigError as error:
        said = str(error)
        assert said.startswith(f"evenkeel.toml:2: {key} must be {LAWS[key][0]}, was "), said
        assert "\n" not in said
    else:
        assert settings.sources[key] == "evenkeel.toml:2"
        assert LAWS[key][1](getattr(getattr(settings, section), name))
