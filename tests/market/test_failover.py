"""Providers in order: who answers, how fast one is passed over, what may be joined."""

import numpy as np
import pytest
from msgspec.structs import replace
from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout
from tests.contracts.provider_world import ACME, DONE, NOBODY, NOW, ns
from tests.fakes.alpha_vantage_server import KEY, alpha_vantage
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Loopback, Reply
from tests.fakes.minute_market import MinuteMarket
from tests.fakes.yahoo_server import yahoo
from tests.fakes.yahoo_session import fresh_yfinance, session_to

from evenkeel.domain.instrument import Instrument
from evenkeel.market.alpha_vantage import AlphaVantage
from evenkeel.market.budget import Budget
from evenkeel.market.failover import SWITCH_SECONDS, Failover
from evenkeel.market.fetched import fetched
from evenkeel.market.joining import JoinRefusedError, joined
from evenkeel.market.manners import Manners
from evenkeel.market.provider import Adjustment, Answer, Failure, Origin, ProviderError
from evenkeel.market.yahoo import Yahoo

JANUARY = (ns("2024-01-01"), ns("2024-02-01"))
DAY = 86_400_000_000_000


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def chain(clock, tmp_path):
    """Yahoo before Alpha Vantage, each with a stand-in of its own: (chain, first, second)."""
    fresh_yfinance(tmp_path)
    budget = Budget(tmp_path / "budget.db", clock, {})
    with Loopback(yahoo) as first, Loopback(alpha_vantage) as second:

        def manners(name):
            return Manners(name, budget, clock, patience=SWITCH_SECONDS)

        one = Yahoo(manners("yahoo"), clock, session=session_to(first.port), timeout=SWITCH_SECONDS)
        two = AlphaVantage(
            lambda: KEY,
            manners("alpha_vantage"),
            clock,
            base_url=second.url,
            timeout=SWITCH_SECONDS,
        )
        yield Failover([one, two]), first, second
        one.close()
        two.close()
        budget.close()


def test_the_first_that_can_answers(chain):
    providers, first, second = chain
    answer = providers.bars(ACME, "1d", *JANUARY)
    assert (answer.origin.source, second.log) == ("yahoo", [])
    first.answer = lambda _: Reply("", 500)
    answer = providers.bars(ACME, "1d", *JANUARY)
    assert answer.origin.source == "alpha_vantage"
    assert {answer.value.sources[at].source for at in answer.value.source_of} == {"alpha_vantage"}


@pytest.mark.parametrize(
    "down",
    [
        Reply("", 429, {"Retry-After": "60"}),
        Reply("", 429),
        Reply("", 500),
        Reply("<html>Will be right back</html>"),
    ],
    ids=["429-later", "429", "500", "html"],
)
def test_the_next_is_asked_within_two_seconds(chain, clock, down):
    """All waiting goes through the clock: what it has counted is how long it took."""
    providers, first, _ = chain
    first.answer = lambda _: down
    answer = providers.quote(ACME)
    assert answer.origin.source == "alpha_vantage"
    assert clock.monotonic <= 2e9
    taken = clock.monotonic
    providers.quote(ACME)
    assert clock.monotonic - taken <= 2e9


def test_one_that_hangs_is_passed_over_in_two_seconds(chain, clock):
    """A wire on which every request takes all the time that it is given, and then fails."""
    providers, _, _ = chain

    class Hanging(HTTPAdapter):
        def send(self, request, timeout=None, **options):
            clock.advance(timeout)
            raise ReadTimeout

    providers._providers[0]._session.mount("https://", Hanging())
    assert providers.quote(ACME).origin.source == "alpha_vantage"
    assert 1e9 < clock.monotonic <= 2e9


def test_the_first_is_asked_again_after_its_rest(chain, clock):
    providers, first, _ = chain
    first.answer = lambda _: Reply("", 500)
    for _ in range(5):
        assert providers.quote(ACME).origin.source == "alpha_vantage"
    asked = len(first.log)
    providers.quote(ACME)
    assert len(first.log) == asked  # it rests: nobody waits for it
    first.answer = yahoo
    clock.advance(60)
    assert providers.quote(ACME).origin.source == "yahoo"


def test_when_nobody_answers_what_was_known_is_given_as_stale(chain):
    providers, first, second = chain
    fresh = providers.quote(ACME)
    first.answer = second.answer = lambda _: Reply("", 503)
    stale = providers.quote(ACME)
    assert (stale.value, stale.origin.fetched_at) == (fresh.value, fresh.origin.fetched_at)
    assert (stale.origin.stale, stale.origin.complete) == (True, False)
    assert "yahoo" in stale.origin.lacks
    assert "alpha_vantage" in stale.origin.lacks
    with pytest.raises(ProviderError, match="nobody answers about ACME") as caught:
        providers.facts(ACME)  # never known
    assert caught.value.kind is not Failure.UNKNOWN


def test_only_what_nobody_knows_is_unknown(chain):
    providers, _, second = chain
    with pytest.raises(ProviderError) as caught:
        providers.quote(NOBODY)
    assert caught.value.kind is Failure.UNKNOWN
    second.answer = lambda _: Reply("", 500)
    with pytest.raises(ProviderError) as caught:
        providers.quote(NOBODY)
    assert caught.value.kind is Failure.SERVER  # it may have known


def test_every_failure_is_heard_of():
    heard = []

    class Down:
        name = "down"

        def quote(self, instrument):
            raise ProviderError("down", Failure.SERVER, "no")

    class Up(Down):
        def quote(self, instrument):
            return Answer("quote", origin())

    assert Failover([Down(), Up()], failed=heard.append).quote(ACME).value == "quote"
    assert [each.provider for each in heard] == ["down"]


# ---- joining ----


def origin(source="a", adjustment=Adjustment.AS_TRADED, currency="USD"):
    return Origin(source=source, fetched_at=NOW, currency=currency, adjustment=adjustment)


def stretch(first, last, *, source="a", factor=1.0, interval="1d", instrument=ACME, **facts):
    """Days `first` to `last` of 2023, closing at 100 and their number."""
    began = np.arange(first, last + 1) * DAY + ns("2023-01-01")
    close = (100.0 + np.arange(first, last + 1)) * factor
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    said = origin(source, **facts)
    end = int(began[-1]) + 1
    return fetched(instrument, interval, began, columns, start=0, end=end, origin=said)


def closes(part):
    return part.table.prices["close"].tolist()


def test_twenty_equal_bars_join_two_sources_and_each_bar_remembers_its_own():
    one, two = stretch(0, 49), stretch(30, 60, source="b", factor=1.0009)
    both = joined(one, two)
    assert both.table.wall.tolist() == [ns("2023-01-01") + day * DAY for day in range(61)]
    assert closes(both)[:50] == closes(one)
    assert closes(both)[50:] == closes(two)[20:]
    assert [both.sources[at].source for at in both.source_of] == ["a"] * 50 + ["b"] * 11


def test_a_third_source_can_follow_and_earlier_bars_may_be_added():
    both = joined(joined(stretch(30, 60), stretch(40, 70, source="b")), stretch(0, 55, source="c"))
    sources = [both.sources[at].source for at in both.source_of]
    assert sources == ["c"] * 30 + ["a"] * 31 + ["b"] * 10
    assert closes(both) == [100.0 + day for day in range(71)]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (stretch(31, 60, source="b"), "19 bars in common, 20 are needed"),
        (stretch(60, 90, source="b"), "0 bars in common"),
        (stretch(20, 60, source="b", factor=1.0011), "30 of 30 closes differ"),
        (stretch(20, 60, source="b", factor=0.5), "120 against 60 .50.00%."),
        (stretch(20, 60, source="b", factor=float("nan")), "against nan"),
        (stretch(20, 60, source="b", currency="GBP"), "not of one currency"),
        (stretch(20, 60, instrument=Instrument("B.XNAS")), "not of one instrument"),
        (stretch(20, 60, interval="1h"), "not of one interval"),
    ],
)
def test_what_was_not_seen_to_agree_is_refused_with_the_difference(other, said):
    with pytest.raises(JoinRefusedError, match=said):
        joined(stretch(0, 49), other)


def test_a_single_bad_close_is_found():
    one, two = stretch(0, 49), stretch(0, 60, source="b")
    two.table.prices["close"][17] *= 1.02
    with pytest.raises(
        JoinRefusedError, match=r"1 of 50 closes differ.*2023-01-18.*2\.00%"
    ) as caught:
        joined(one, two)
    assert (caught.value.overlap, round(caught.value.worst, 4)) == (50, 0.02)


def test_prices_on_another_scale_may_follow_but_not_come_before():
    one = stretch(30, 60)
    later = stretch(30, 70, source="b", adjustment=Adjustment.SPLIT)
    assert len(joined(one, later)) == 41
    with pytest.raises(JoinRefusedError, match="as-traded and split"):
        joined(one, stretch(0, 60, source="b", adjustment=Adjustment.SPLIT))


def test_the_real_sources_agree_where_nothing_was_split(chain):
    """Both stand-ins tell of one world; Yahoo's scale differs before the split of the 18th."""
    providers, first, _ = chain
    yahoos = providers.bars(ACME, "1d", *JANUARY).value
    first.answer = lambda _: Reply("", 500)
    others = providers.bars(ACME, "1d", *JANUARY).value
    with pytest.raises(JoinRefusedError, match="19 bars in common"):
        joined(yahoos, others)
    assert len(yahoos) == len(others) == len(DONE)
    assert replace(others, table=yahoos.table).sources[0].source == "alpha_vantage"


def test_only_so_much_is_remembered_for_the_day_when_nobody_answers(monkeypatch, clock):
    monkeypatch.setattr("evenkeel.market.failover.REMEMBERED_MAX", 1)
    market = MinuteMarket(clock)
    chain = Failover([market])
    for name in ("A.XNAS", "B.XNAS"):
        chain.actions(Instrument(name), 0, 1)
    market.fails = lambda _: Failure.SERVER
    assert chain.actions(Instrument("B.XNAS"), 0, 1).origin.stale
    with pytest.raises(ProviderError, match="nobody answers about A"):
        chain.actions(Instrument("A.XNAS"), 0, 1)
