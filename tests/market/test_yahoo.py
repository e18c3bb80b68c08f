"""The real yfinance against a stand-in: every failure is what it was on the wire, then all is well."""

import json
import threading

import numpy as np
import pytest
from tests.contracts.provider_world import ACME, NOW, ns
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Loopback, Reply
from tests.fakes.yahoo_server import NOT_FOUND, minutes, yahoo
from tests.fakes.yahoo_session import fresh_yfinance, session_to

from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.instrument import Instrument
from evenkeel.market.budget import Budget
from evenkeel.market.manners import Manners
from evenkeel.market.provider import Failure, ProviderError
from evenkeel.market.yahoo import Yahoo

JANUARY = (ns("2024-01-01"), ns("2024-02-01"))
HTML = "<html><body>Will be right back</body></html>"


@pytest.fixture(autouse=True)
def yfinance_keeps_nothing(tmp_path):
    fresh_yfinance(tmp_path)


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def server():
    with Loopback(yahoo) as server:
        yield server


@pytest.fixture
def make(server, clock, tmp_path):
    """Make a provider on the stand-in; `Manners` may be told otherwise."""
    made = []

    def provider(allowances=None, *, timeout=5.0, port=None, **manners):
        budget = Budget(tmp_path / "budget.db", clock, allowances or {})
        rules = Manners("yahoo", budget, clock, **manners)
        one = Yahoo(rules, clock, session=session_to(port or server.port), timeout=timeout)
        made.extend([one, budget])
        return one

    yield provider
    for one in made:
        one.close()


def charts(server):
    return [each for each in server.log if "/chart/" in each.path]


def failure(provider, instrument=ACME, interval="1d"):
    with pytest.raises(ProviderError) as caught:
        provider.bars(instrument, interval, *JANUARY)
    return caught.value


FAILURES = {
    "429": (Reply("Too Many Requests", 429), Failure.RATE_LIMITED),
    "500": (Reply("oops", 500), Failure.SERVER),
    "502-json": (Reply({"chart": {"result": None, "error": None}}, 502), Failure.SERVER),
    "404-html": (Reply(HTML, 404), Failure.UNREADABLE),
    "404-json": (
        Reply(
            {
                "chart": {
                    "result": None,
                    "error": NOT_FOUND,
                }
            },
            404,
        ),
        Failure.UNKNOWN,
    ),
    "html": (Reply(HTML), Failure.UNREADABLE),
    "truncated": (Reply('{"chart": {"result": [{"meta": {"curr'), Failure.UNREADABLE),
    "other-json": (Reply({"finance": {}}), Failure.UNREADABLE),
    "a-list": (Reply([1, 2]), Failure.UNREADABLE),
    "no-meta": (Reply({"chart": {"result": [], "error": None}}), Failure.UNREADABLE),
    "401": (Reply({"finance": {"error": {"code": "Unauthorized"}}}, 401), Failure.DENIED),
    "too-deep": (
        Reply(
            {
                "chart": {
                    "result": None,
                    "error": {
                        "code": "Unprocessable Entity",
                        "description": "1m data not available. Only 8 days worth are allowed",
                    },
                }
            },
            422,
        ),
        Failure.NOT_OFFERED,
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_is_classified_and_then_healthy_data_arrive(make, server, case):
    """Also in the middle: the time zone is asked for first, and may be fine."""
    reply, kind = FAILURES[case]
    provider = make(tries=1, rest_after=100)
    for healthy_charts in (0, 1):
        before = len(charts(server))
        server.answer = lambda asked, before=before, healthy=healthy_charts: (
            reply
            if "/chart/" in asked.path and len(charts(server)) - before > healthy
            else yahoo(asked)
        )
        error = failure(provider)
        assert error.kind is kind
        assert "delisted" not in str(error)
        server.answer = yahoo
        answer = provider.bars(ACME, "1d", *JANUARY)
        assert len(answer.value) == 19
        fresh_timezone()


def fresh_timezone():
    import yfinance

    yfinance.cache.get_tz_cache().store("ACME", None)


def test_a_server_that_hangs_is_given_up_and_then_healthy_data_arrive(make, server):
    hang = threading.Event()
    server.answer = lambda asked: Reply(until=hang) if "/chart/" in asked.path else yahoo(asked)
    provider = make(tries=1, timeout=0.2)
    assert failure(provider).kind is Failure.TIMED_OUT
    server.answer = yahoo
    assert len(make().bars(ACME, "1d", *JANUARY).value) == 19


def test_nobody_there_is_unreachable(make):
    assert failure(make(tries=1, port=1)).kind is Failure.UNREACHABLE


def test_a_crumb_that_is_refused_does_not_stop_the_data(make, server):
    server.answer = lambda asked: (
        Reply("Too Many Requests", 429) if "getcrumb" in asked.path else yahoo(asked)
    )
    assert len(make().bars(ACME, "1d", *JANUARY).value) == 19


def test_the_trap_of_its_cache(make, server):
    """A 500 that yfinance keeps would be given for ever, though the server is well again."""
    server.answer = lambda asked: Reply("", 500) if "/chart/" in asked.path else yahoo(asked)
    provider = make(tries=1)
    assert failure(provider).kind is Failure.SERVER
    server.answer = yahoo
    assert len(provider.bars(ACME, "1d", *JANUARY).value) == 19
    before = len(charts(server))
    assert len(provider.bars(ACME, "1d", *JANUARY).value) == 19
    assert len(charts(server)) > before  # a good answer is not kept for ever either


def test_retry_after_is_honoured_and_at_most_three_tries_are_made(make, server, clock):
    limited = Reply("", 429, {"Retry-After": "7"})
    server.answer = lambda asked: limited if "/chart/" in asked.path else yahoo(asked)
    error = failure(make())
    assert (error.kind, error.retry_after) == (Failure.RATE_LIMITED, 7)
    assert len(charts(server)) == 3
    waited = [seconds for seconds in clock.slept if seconds >= 1]
    assert len(waited) == 2
    assert all(seconds >= 7 for seconds in waited)


def test_one_question_that_fails_costs_few_requests(make, server):
    """yfinance alone spends seven on a 429 from cold."""
    limited = Reply("", 429)
    server.answer = lambda asked: limited if "/chart/" in asked.path else yahoo(asked)
    failure(make(tries=1))
    assert len(server.log) <= 4


def test_every_request_is_counted(make, server):
    from evenkeel.market.budget import Allowance

    provider = make({"yahoo": [Allowance(2, 86_400)]}, tries=1)
    kind = failure(provider).kind  # cookie and crumb; the chart is one too many
    assert (kind, len(server.log)) == (Failure.BUDGET_SPENT, 2)
    server.log.clear()
    assert failure(provider).kind is Failure.BUDGET_SPENT
    assert server.log == []


def test_the_minutes_of_a_day(make, server, clock):
    clock.now = ns("2024-01-30T15:00:30")
    server.answer = lambda asked: (
        Reply({"chart": {"result": [minutes("2024-01-30", 31)], "error": None}})
        if asked.query.get("interval") == "1m"
        else yahoo(asked)
    )
    found = make().bars(ACME, "1m", ns("2024-01-30"), ns("2024-01-31")).value
    assert len(found) == 30
    assert found.table.stamps[0] == ns("2024-01-30T14:30")
    assert (found.partial.began_at, found.partial.open) == (ns("2024-01-30T15:00"), 103.0)


# ---- recorded answers ----


@pytest.fixture
def recorded(shared_data, server):
    """Serve one recorded chart for every chart that is asked for."""

    def serve(name):
        path = shared_data / "fixtures" / "yahoo_chart" / name
        body = json.loads(path.read_text())["response"]["bodyJson"]
        server.answer = lambda asked: Reply(body) if "/chart/" in asked.path else yahoo(asked)
        return body["chart"]["result"][0]

    return serve


YEAR = (ns("2021-02-01"), ns("2022-02-01"))


def test_recorded_dividends_are_read(make, recorded, clock):
    clock.now = ns("2025-02-20T12:00")
    said = recorded("historical-via-chart-MSFT-dividends-2021-02-01-to-2022-01-31.json")
    msft, provider = Instrument("MSFT.XNAS"), make()
    found = provider.bars(msft, "1d", *YEAR).value
    assert found.table.prices["close"] == pytest.approx(said["indicators"]["quote"][0]["close"])
    assert len(found) == 252
    paid = provider.actions(msft, *YEAR).value
    assert [float(each.amount) for each in paid] == [0.56, 0.56, 0.56, 0.62]
    assert all(isinstance(each, CashDividend) for each in paid)
    days = [str(np.datetime64(each.at, "ns"))[:16] for each in paid]
    assert days == ["2021-02-17T05:00", "2021-05-19T04:00", "2021-08-18T04:00", "2021-11-17T05:00"]


def test_a_recorded_split_is_read(make, recorded, clock):
    clock.now = ns("2025-02-20T12:00")
    recorded("historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.json")
    (split,) = make().actions(Instrument("NVDA.XNAS"), *YEAR).value
    assert isinstance(split, Split)
    assert (split.new, split.old, split.at) == (4, 1, ns("2021-07-20T04:00"))


def test_pence_become_pounds(make, recorded, clock):
    clock.now = ns("2025-02-20T12:00")
    recorded("chart-OCDO.L-2020-01-01-to-2020-01-03.json")
    ocado = Instrument("OCDO.XLON", currency="GBP")
    answer = make().bars(ocado, "1d", ns("2020-01-01"), ns("2020-01-03"))
    assert (answer.origin.currency, answer.origin.complete) == ("GBP", True)
    assert answer.value.table.prices["close"].tolist() == [12.595]
    assert make().quote(ocado).value.price == 3.053


@pytest.mark.parametrize(
    ("name", "instrument", "kind"),
    [
        ("chart-BTC-USD-2020-01-01-to-2020-01-03.json", "BTC-USD.XXXX", "cryptocurrency"),
        ("chart-EURUSD_X-2020-01-01-to-2020-01-03.json", "EURUSD=X.XXXX", "currency"),
        ("chart-QQQ-2020-01-01-to-2020-01-03.json", "QQQ.XNAS", "etf"),
    ],
)
def test_other_kinds_are_read_and_named(make, recorded, clock, name, instrument, kind):
    clock.now = ns("2025-02-20T12:00")
    said = recorded(name)
    provider, wanted = make(), Instrument(instrument)
    found = provider.bars(wanted, "1d", ns("2020-01-01"), ns("2020-01-03")).value
    closes = said["indicators"]["quote"][0]["close"]
    assert found.table.prices["close"].tolist() == closes[: len(found)]
    assert len(found) >= 1
    assert provider.facts(wanted).value.kind == kind


@pytest.mark.parametrize(
    ("instrument", "symbol"),
    [
        ("BRK.B.XNYS", "BRK-B"),
        ("VOD.XLON", "VOD.L"),
        ("7203.XTKS", "7203.T"),
        ("BTC-USD.XXXX", "BTC-USD"),
    ],
)
def test_symbols_are_spelled_its_way(make, server, instrument, symbol):
    assert failure(make(tries=1), Instrument(instrument)).kind is Failure.UNKNOWN
    assert charts(server)[-1].path.rpartition("/")[2] == symbol


# ---- many at once ----


def test_many_quotes_cost_one_request_and_who_is_unknown_is_not_there(make, server):
    provider = make()
    asked = [ACME, Instrument("NOBODY.XNAS")]
    found = provider.quotes(asked)
    assert list(found) == [ACME.id]
    assert found[ACME.id].value == provider.quote(ACME).value
    assert [each.query["symbols"] for each in server.log if "quote" in each.path] == ["ACME,NOBODY"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply("", 429, {"Retry-After": "9"}), Failure.RATE_LIMITED),
        (Reply("", 500), Failure.SERVER),
        (Reply(HTML), Failure.UNREADABLE),
        (Reply({"quoteResponse": None}), Failure.UNREADABLE),
        (Reply({"finance": {}}, 401), Failure.DENIED),
    ],
)
def test_a_failure_of_many_quotes_is_classified(make, server, reply, kind):
    server.answer = lambda asked: reply if "/quote" in asked.path else yahoo(asked)
    with pytest.raises(ProviderError) as caught:
        make(tries=1).quotes([ACME])
    assert caught.value.kind is kind
    server.answer = yahoo
    assert list(make().quotes([ACME])) == [ACME.id]


def test_a_quote_without_a_price_is_unreadable_and_one_among_many_is_left_out(make, server):
    def answer(asked):
        if asked.path == "/v7/finance/quote":
            return Reply({"quoteResponse": {"result": [{"symbol": "ACME"}]}})
        reply = yahoo(asked)
        if "/v8/finance/chart" in asked.path:
            reply.body["chart"]["result"][0]["meta"].pop("regularMarketPrice", None)
        return reply

    server.answer = answer
    with pytest.raises(ProviderError, match="has no price"):
        make().quote(ACME)
    assert make().quotes([ACME]) == {}
