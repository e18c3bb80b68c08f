"""Providers by their names: in order, with what the settings allow, or a sentence on what lacks."""

import subprocess
import sys

import pytest
from msgspec.structs import replace
from tests.fakes.clock import FakeClock
from tests.fakes.yahoo_session import fresh_yfinance

from evenkeel.app import vault
from evenkeel.app.providers import allowances, providers
from evenkeel.domain.errors import ConfigError
from evenkeel.domain.instrument import Instrument
from evenkeel.market.cache import RedisCache
from evenkeel.market.provider import Failure, ProviderError
from evenkeel.ops.settings import Providers, Settings


@pytest.fixture
def settings(tmp_path):
    return replace(Settings(), providers=Providers(requests=str(tmp_path / "requests.db")))


def asked(settings, **changes):
    return replace(settings, providers=replace(settings.providers, **changes))


def test_one_alone_is_waited_for_and_several_are_not(settings, tmp_path):
    """With another behind it, nobody is waited for longer than it takes to switch."""
    fresh_yfinance(tmp_path)
    for names, least, most in ((["yahoo"], 10, 100), (["yahoo", "files"], 0.5, 2)):
        with providers(names, settings, clock=FakeClock()) as chain:
            assert chain.name == " > ".join(names)
            yahoo = chain._providers[0]._provider
            assert least <= yahoo._manners.patience <= most
            assert least <= yahoo._wire._timeout <= most


def test_the_settings_say_what_may_be_sent(settings):
    told = {name: [str(each) for each in rules] for name, rules in allowances(settings).items()}
    assert told == {"alpha_vantage": ["25 a day", "1 a second"], "yahoo": ["4 a second"]}
    paid = asked(settings, alpha_vantage_per_day=0, alpha_vantage_per_second=5)
    assert [str(each) for each in allowances(paid)["alpha_vantage"]] == ["5 a second"]


def test_a_shared_cache_is_used_where_one_is_named(settings, tmp_path):
    fresh_yfinance(tmp_path)
    with providers(["yahoo"], asked(settings, redis="redis://127.0.0.1:1/0")) as chain:
        assert isinstance(chain._providers[0]._cache, RedisCache)


def test_files_answer_for_the_instruments_they_are_named_for(settings, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("date,open,high,low,close\n2024-01-02,1,1,1,1\n2024-01-03,2,2,2,2\n")
    with providers(["files"], settings, files={"A.XXXX": path}) as chain:
        assert chain.quote(Instrument("A.XXXX")).value.price == 2
        with pytest.raises(ProviderError) as caught:
            chain.quote(Instrument("B.XXXX"))
        assert caught.value.kind is Failure.UNKNOWN


@pytest.mark.parametrize(
    ("module", "names", "changes"),
    [
        ("yfinance", ["yahoo"], {}),
        ("redis", ["files"], {"redis": "redis://127.0.0.1:1/0"}),
    ],
)
def test_a_missing_extra_says_which_one_to_install(settings, monkeypatch, module, names, changes):
    monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(ConfigError, match=r"pip install 'evenkeel\[(providers|redis)\]'"),
        providers(names, asked(settings, **changes)),
    ):
        pass


def test_alpha_vantage_without_httpx_says_what_to_install(monkeypatch, tmp_path):
    from evenkeel.market.alpha_vantage import AlphaVantage

    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigError, match=r"evenkeel\[providers\]"):
        AlphaVantage(lambda: "", None, None)


def test_alpha_vantage_without_its_key_says_how_to_keep_one(settings, monkeypatch):
    monkeypatch.setattr(vault, "open_vault", lambda _: {})
    with (
        pytest.raises(
            ConfigError, match=r"keep yours with `evenkeel secrets set alpha_vantage\.key`"
        ),
        providers(["alpha_vantage"], settings),
    ):
        pass


def test_naming_providers_imports_none_of_their_libraries():
    """Only who asks one pays for it."""
    code = (
        "import sys\n"
        "import evenkeel.app.providers, evenkeel.app.live_prices, evenkeel.market.live\n"
        "import evenkeel.market.yahoo, evenkeel.market.alpha_vantage, evenkeel.market.recorder\n"
        "print(sorted({'yfinance', 'httpx', 'redis', 'pandas', 'curl_cffi', 'tenacity'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
