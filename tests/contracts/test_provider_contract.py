"""What every provider does, whoever it is. A new one adds a line to `PROVIDERS`."""

import inspect
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from tests.contracts.provider_world import (
    ACME,
    DAY,
    DIVIDEND,
    DONE,
    EX_DIVIDEND,
    EX_SPLIT,
    HOLE,
    NOBODY,
    NOW,
    ROWS,
    SPLIT,
    UNDER_WAY,
    ns,
)
from tests.fakes import alpha_vantage_server, yahoo_server
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Loopback
from tests.fakes.yahoo_session import fresh_yfinance, session_to

from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.market.alpha_vantage import AlphaVantage
from evenkeel.market.budget import Budget
from evenkeel.market.cache import MemoryCache
from evenkeel.market.cached import Cached
from evenkeel.market.catalog import Catalog
from evenkeel.market.catalog_provider import CatalogProvider
from evenkeel.market.fetched import judged
from evenkeel.market.file_provider import FileProvider
from evenkeel.market.listed import Listed, list_actions
from evenkeel.market.manners import Manners
from evenkeel.market.provider import Adjustment, Failure, Provider, ProviderError
from evenkeel.market.seen import seen
from evenkeel.market.yahoo import Yahoo

JANUARY = (ns("2024-01-01"), ns("2024-02-01"))


def files(folder: Path, clock: FakeClock, suffix: str = "csv") -> FileProvider:
    prices, actions = folder / f"acme.{suffix}", folder / "actions.csv"
    lines = [f"{r.date},{r.open},{r.high},{r.low},{r.close},{r.volume}" for r in ROWS]
    text = "\n".join(["date,open,high,low,close,volume", *lines]) + "\n"
    if suffix == "csv":
        prices.write_text(text)
    else:
        from io import StringIO

        import pandas as pd

        pd.read_csv(StringIO(text), parse_dates=["date"]).to_parquet(prices)
    actions.write_text(
        "date,symbol,kind,value\n"
        f"{EX_SPLIT},ACME,split,{SPLIT}\n{EX_DIVIDEND},ACME,dividend,{DIVIDEND}\n"
    )
    return FileProvider({ACME.id: prices}, clock=clock, actions=actions)


def alpha_vantage(folder: Path, clock: FakeClock) -> AlphaVantage:
    server = Loopback(alpha_vantage_server.alpha_vantage)
    budget = Budget(folder / "budget.db", clock, {})
    manners = Manners("alpha_vantage", budget, clock)

    class Served(AlphaVantage):
        def close(self) -> None:
            super().close()
            server.close()
            budget.close()

    return Served(lambda: alpha_vantage_server.KEY, manners, clock, base_url=server.url)


def yahoo(folder: Path, clock: FakeClock) -> Yahoo:
    server = Loopback(yahoo_server.yahoo)
    budget = Budget(folder / "budget.db", clock, {})

    class Served(Yahoo):
        def close(self) -> None:
            super().close()
            server.close()
            budget.close()

    return Served(Manners("yahoo", budget, clock), clock, session=session_to(server.port))


def catalog(folder: Path, clock: FakeClock) -> CatalogProvider:
    kept = Catalog(folder / "catalog")
    days = np.array([row.date for row in ROWS], "M8[ns]").astype(np.int64)
    columns = {
        name: np.array([getattr(row, name) for row in ROWS])
        for name in ("open", "high", "low", "close", "volume")
    }
    codes = np.zeros(len(days), np.int64)
    kept.shelf("1d").add(seen([ACME.id], codes, days, columns, at=NOW, source="us"))
    told = (("split", EX_SPLIT, SPLIT), ("dividend", EX_DIVIDEND, DIVIDEND))
    list_actions(
        kept.actions_file,
        [Listed(day, ACME.id, kind, str(value), "us", NOW) for kind, day, value in told],
    )
    return CatalogProvider(kept, clock=clock)


PROVIDERS = {
    "catalog": catalog,
    "alpha-vantage": alpha_vantage,
    "yahoo": yahoo,
    "csv": files,
    "cached": lambda folder, clock: Cached(files(folder, clock), MemoryCache(clock), clock),
    "parquet": lambda folder, clock: files(folder, clock, "parquet"),
}
"""How each provider is made to serve the world of `provider_world`: (folder, clock) → provider."""


@pytest.fixture(autouse=True)
def yfinance_keeps_nothing(tmp_path):
    """Its caches on disk are this test's, those in memory are empty."""
    fresh_yfinance(tmp_path)


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture(params=PROVIDERS)
def provider(request, tmp_path, clock):
    made = PROVIDERS[request.param](tmp_path, clock)
    yield made
    getattr(made, "close", lambda: None)()


def told(rows, origin):
    """The true rows on the scale that an answer says it is on."""
    assert origin.adjustment in {Adjustment.AS_TRADED, Adjustment.SPLIT}
    split = origin.adjustment is Adjustment.SPLIT
    return [row.on_todays_scale() if split else row for row in rows]


def dates(answer):
    return [str(np.datetime64(int(at), "ns"))[:10] for at in answer.value.table.wall]


def test_bars_are_the_true_ones_in_order(provider):
    answer = provider.bars(ACME, "1d", *JANUARY)
    true = told(DONE, answer.origin)
    assert dates(answer) == [row.date for row in true]
    table = answer.value.table
    for name in ("open", "high", "low", "close"):
        assert table.prices[name] == pytest.approx([getattr(row, name) for row in true])
    assert table.volume == pytest.approx([row.volume for row in true])


def test_an_answer_says_where_it_comes_from(provider, clock):
    for answer in (
        provider.bars(ACME, "1d", *JANUARY),
        provider.quote(ACME),
        provider.facts(ACME),
        provider.actions(ACME, *JANUARY),
    ):
        origin = answer.origin
        assert (origin.source, origin.fetched_at) == (provider.name, clock.now)
        assert (origin.currency, origin.stale) == ("USD", False)


def test_every_bar_knows_its_source(provider):
    found = provider.bars(ACME, "1d", *JANUARY).value
    assert len(found.source_of) == len(found) == len(DONE)
    assert {found.sources[at].source for at in found.source_of} == {provider.name}


def test_start_is_inside_and_end_is_not(provider):
    answer = provider.bars(ACME, "1d", ns("2024-01-03"), ns("2024-01-05"))
    assert dates(answer) == ["2024-01-03", "2024-01-04"]
    assert answer.origin.complete


def test_a_session_that_is_missing_is_said_to_be(provider):
    origin = provider.bars(ACME, "1d", *JANUARY).origin
    assert not origin.complete
    assert origin.lacks == f"1 session, the first {HOLE}"


def test_a_weekend_is_an_answer_without_bars(provider):
    answer = provider.bars(ACME, "1d", ns("2024-01-06"), ns("2024-01-08"))
    assert (len(answer.value), answer.origin.complete) == (0, True)


def test_a_bar_under_way_is_no_history(provider, clock):
    found = provider.bars(ACME, "1d", *JANUARY).value
    assert found.table.wall[-1] == ns("2024-01-30")
    if found.partial is not None:
        assert (found.partial.began_at, found.partial.as_of) == (ns(UNDER_WAY), NOW)
    clock.advance(6.5 * 3600)  # the session is over
    found = provider.bars(ACME, "1d", *JANUARY).value
    assert found.table.wall[-1] == ns(UNDER_WAY)
    assert found.partial is None


def test_its_bars_can_be_traded_on(provider):
    bars = judged(provider.bars(ACME, "1d", *JANUARY).value)
    assert len(bars) == len(DONE)
    assert bars.closed_at[0] == ns("2024-01-02T21:00")  # 16:00 in New York
    assert [each.code for each in bars.findings if each.code == "gap"] == ["gap"]


def test_an_instrument_nobody_knows_is_an_error_that_says_so(provider):
    for ask in (
        lambda: provider.bars(NOBODY, "1d", *JANUARY),
        lambda: provider.quote(NOBODY),
        lambda: provider.facts(NOBODY),
    ):
        with pytest.raises(ProviderError, match="NOBODY") as caught:
            ask()
        assert (caught.value.kind, caught.value.provider) == (Failure.UNKNOWN, provider.name)


def test_an_interval_without_a_name_is_wrong_usage(provider):
    with pytest.raises(UsageError, match="did you mean '1d'"):
        provider.bars(ACME, "1 d", *JANUARY)


def test_splits_and_dividends_are_due_at_midnight_of_their_exchange(provider):
    answer = provider.actions(ACME, *JANUARY)
    by = SPLIT if answer.origin.adjustment is Adjustment.SPLIT else 1
    assert answer.value == (
        CashDividend(ACME.id, ns(f"{EX_DIVIDEND}T05:00"), Decimal(str(DIVIDEND / by))),
        Split(ACME.id, ns(f"{EX_SPLIT}T05:00"), Decimal(SPLIT)),
    )
    start = ns(f"{EX_SPLIT}T05:00")
    assert len(provider.actions(ACME, start, JANUARY[1]).value) == 1
    assert provider.actions(ACME, start + 1, JANUARY[1]).value == ()


def test_a_quote_is_the_latest_price_and_not_from_the_future(provider, clock):
    answer = provider.quote(ACME)
    close = told(ROWS, answer.origin)[-2].close
    assert answer.value.at <= clock.now
    assert answer.value.price in {close, ROWS[-1].close}


def test_facts_name_the_instrument(provider):
    assert provider.facts(ACME).value.symbol == "ACME"


def test_several_threads_get_the_same_answers(provider):
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(provider.bars, ACME, "1d", *JANUARY) for _ in range(8)]
        closes = [each.result().value.table.prices["close"].tolist() for each in asked]
    assert closes == [closes[0]] * 8


@pytest.mark.parametrize("method", ["bars", "actions", "facts", "quote"])
def test_it_has_the_ports_methods_with_the_ports_arguments(provider, method):
    port = list(inspect.signature(getattr(Provider, method)).parameters)
    assert list(inspect.signature(getattr(type(provider), method)).parameters) == port


def test_the_world_itself_is_as_it_says():
    assert len(ROWS) == 20  # 21 sessions in January 2024, one of them lost
    assert ns("2024-01-31") - ns("2024-01-01") == DAY * 30
