"""Alpha Vantage on a stand-in: every failure text means what it says, the budget holds."""

import json
import logging
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from tests.contracts.provider_world import ACME, NOW, ns
from tests.fakes.alpha_vantage_server import BURST, KEY, PREMIUM, QUOTA, WRONG, alpha_vantage
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Asked, Loopback, Reply
from tests.fakes.tunnel import certificate

from evenkeel.domain.instrument import Instrument
from evenkeel.market.alpha_vantage import AlphaVantage, classify
from evenkeel.market.budget import DEFAULTS, Budget
from evenkeel.market.manners import Manners
from evenkeel.market.provider import Failure, ProviderError

JANUARY = (ns("2024-01-01"), ns("2024-02-01"))
MSFT = Instrument("MSFT.XNAS")


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def server():
    with Loopback(alpha_vantage) as server:
        yield server


@pytest.fixture
def make(server, clock, tmp_path):
    """Make a provider that asks the stand-in; all share one file of counts."""
    made = []

    def provider(allowances=DEFAULTS, *, base_url=None, timeout=5.0, premium=False, **manners):
        budget = Budget(tmp_path / "budget.db", clock, allowances)
        one = AlphaVantage(
            lambda: KEY,
            Manners("alpha_vantage", budget, clock, **manners),
            clock,
            base_url=base_url or server.url,
            timeout=timeout,
            premium=premium,
        )
        made.extend([one, budget])
        return one

    yield provider
    for one in made:
        one.close()


def failure(provider, instrument=ACME):
    with pytest.raises(ProviderError) as caught:
        provider.bars(instrument, "1d", *JANUARY)
    return caught.value


# ---- classification ----


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"Information": QUOTA}, Failure.BUDGET_SPENT),
        ({"Note": QUOTA}, Failure.BUDGET_SPENT),  # until 2025 it said so here
        ({"Information": BURST}, Failure.RATE_LIMITED),
        ({"Information": PREMIUM}, Failure.NOT_OFFERED),
        ({"Error Message": WRONG}, Failure.UNKNOWN),
        ({"Error Message": "the parameter apikey is invalid or missing."}, Failure.DENIED),
        ({"Information": "something quite new"}, Failure.UNREADABLE),
        ({}, Failure.UNREADABLE),
        ([], Failure.UNREADABLE),
        ("<html>Will be right back</html>", Failure.UNREADABLE),
        ('{"Meta Data": {"1. Inf', Failure.UNREADABLE),
        ({"Time Series (Daily)": {"2024-01-02": {"1. open": "1"}}}, Failure.UNREADABLE),
        (
            {
                "Meta Data": {"5. Time Zone": "US/Eastern"},
                "Time Series (Daily)": {"2024-01-02": {"1. open": "1"}},
            },
            Failure.UNREADABLE,
        ),
    ],
)
def test_a_failure_is_classified_by_what_is_absent_and_by_its_text(make, server, body, kind):
    server.answer = lambda _: Reply(body)
    assert failure(make()).kind is kind
    server.answer = alpha_vantage
    if kind is not Failure.BUDGET_SPENT:  # that one holds until tomorrow
        assert len(make().bars(ACME, "1d", *JANUARY).value) == 19


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, Failure.RATE_LIMITED),
        (500, Failure.SERVER),
        (404, Failure.SERVER),
        (403, Failure.DENIED),
    ],
)
def test_a_status_that_it_should_never_send_is_classified_too(make, server, status, kind):
    server.answer = lambda _: Reply("oops", status)
    assert failure(make()).kind is kind


def test_a_server_that_hangs_is_given_up(make, server):
    server.answer = lambda _: Reply(until=threading.Event())
    assert failure(make(timeout=0.05, tries=1)).kind is Failure.TIMED_OUT


@pytest.mark.parametrize("seconds", [5.0, 100.0], ids=["among the headers", "in the body"])
def test_a_server_that_drips_is_given_up_when_the_time_for_all_of_it_is_over(
    make, server, clock, seconds
):
    """Some bytes every three seconds: no read takes long, and all of them take ten minutes."""
    dripping(server, clock, 3)
    began = clock.monotonic_ns()
    assert failure(make(timeout=seconds, tries=1)).kind is Failure.TIMED_OUT
    assert clock.monotonic_ns() >= began + seconds * 10**9


def test_a_server_that_drips_and_is_done_in_time_is_heard(make, server, clock):
    dripping(server, clock, 0.001)
    assert len(make(timeout=100).bars(ACME, "1d", *JANUARY).value) == 19


def dripping(server, clock, seconds):
    whole = alpha_vantage(Asked("", "/query", {"function": "TIME_SERIES_DAILY", "symbol": "ACME"}))
    server.answer = lambda _: Reply(whole.body, after_each_piece=lambda: clock.advance(seconds))


def test_nobody_there_is_unreachable(make):
    assert failure(make(base_url="http://127.0.0.1:1", tries=1)).kind is Failure.UNREACHABLE


def test_the_old_text_on_minutes_is_a_burst():
    """What it said until 2023."""
    said = "Our standard API call frequency is 5 calls per minute and 500 calls per day."
    assert classify(said, error=False) is Failure.RATE_LIMITED


# ---- manners ----


def test_a_burst_is_waited_out(make, server, clock):
    replies = iter([Reply({"Information": BURST})])
    server.answer = lambda asked: next(replies, None) or alpha_vantage(asked)
    assert len(make().bars(ACME, "1d", *JANUARY).value) == 19
    assert len(server.log) == 2
    assert clock.now > NOW


def test_what_it_never_grants_is_asked_for_once(make, server):
    for body in ({"Information": PREMIUM}, {"Error Message": WRONG}):
        server.log.clear()
        server.answer = lambda _, body=body: Reply(body)
        failure(make({}))
        assert len(server.log) == 1


def test_four_threads_keep_within_25_a_day_and_1_a_second(make, server, clock):
    """A clock that all threads share stands still but for their waiting."""
    sent, lock = [], threading.Lock()

    def stamped(asked):
        with lock:
            sent.append(clock.now)
        return alpha_vantage(asked)

    server.answer = stamped
    provider = make(patience=1e6, timeout=1e6)  # others' waits are no time of an answer

    def ask(_):
        try:
            provider.bars(ACME, "1d", *JANUARY)
        except ProviderError as error:
            return error.kind
        return None

    with ThreadPoolExecutor(4) as threads:
        kinds = list(threads.map(ask, range(40)))
    assert kinds.count(None) == len(server.log) == 25
    assert {kind for kind in kinds if kind} == {Failure.BUDGET_SPENT}
    slept = sum(clock.slept)
    assert slept >= 24  # 25 requests are 24 seconds apart in all


def test_a_spent_budget_sends_nothing_even_after_a_restart(make, server, clock):
    for _ in range(25):
        make().bars(ACME, "1d", *JANUARY)
    server.log.clear()
    error = failure(make())
    assert (error.kind, server.log) == (Failure.BUDGET_SPENT, [])
    assert "data budget" in str(error)
    clock.advance(86_400)
    assert len(make().bars(ACME, "1d", *JANUARY).value) == 20
    assert len(server.log) == 1


def test_when_it_says_that_the_day_is_spent_nothing_is_sent_until_tomorrow(make, server, clock):
    server.answer = lambda _: Reply({"Information": QUOTA})
    assert failure(make()).kind is Failure.BUDGET_SPENT
    server.answer = alpha_vantage
    clock.now = ns("2024-02-01T04:59")  # a minute to midnight in New York
    assert failure(make()).kind is Failure.BUDGET_SPENT
    assert len(server.log) == 1
    clock.now = ns("2024-02-01T05:00")
    assert len(make().bars(ACME, "1d", *JANUARY).value) == 20


def test_the_key_is_sent_and_shown_to_nobody(make, server, caplog):
    """Not in the log of our HTTP library, not in what the provider quotes, not in an exception."""
    caplog.set_level(logging.DEBUG)
    provider = make({})
    provider.bars(ACME, "1d", *JANUARY)
    assert server.log[-1].query["apikey"] == KEY
    server.answer = lambda _: Reply({"Information": QUOTA})
    quoted = failure(provider)
    assert "detected your API key as ***" in str(quoted)
    told = [failure(make({}, base_url="http://127.0.0.1:1", tries=1)), quoted]
    for error in told:
        chain = [error, error.__cause__, error.__context__]
        assert KEY not in "".join(f"{each}{each!r}{getattr(each, 'args', '')}" for each in chain)
        request = getattr(error.__context__, "request", None)
        assert request is None or KEY not in str(request.url)
    assert "HTTP Request" in caplog.text  # it does log addresses
    assert KEY not in caplog.text


# ---- its data ----


@pytest.fixture
def recorded(shared_data, server):
    """Serve one recorded answer."""

    def serve(name):
        body = json.loads((shared_data / "fixtures" / "alpha_vantage" / name).read_text())
        server.answer = lambda _: Reply(body)
        return body

    return serve


def test_a_recorded_daily_answer_is_read(make, recorded, clock):
    clock.now = ns("2019-08-03T12:00")
    body = recorded("msft_daily_2019-08-02.json")["Time Series (Daily)"]
    answer = make({}).bars(MSFT, "1d", ns("2019-01-01"), ns("2019-08-03"))
    table = answer.value.table
    assert len(answer.value) == len(body) == 100
    assert table.prices["close"][-1] == 136.90
    assert answer.origin.lacks.startswith("all before 2019-03-13: without a premium key")
    whole = make({}).bars(MSFT, "1d", ns("2019-03-13"), ns("2019-08-03"))
    assert whole.origin.complete


def test_a_recorded_intraday_answer_stamped_at_the_end_is_put_on_its_beginnings(
    make, recorded, clock
):
    """Its last bar is stamped at the close: 16:00 in New York."""
    clock.now = ns("2019-08-03T12:00")
    recorded("msft_intraday_2019-08-02.json")
    found = make({}).bars(MSFT, "5m", ns("2019-08-02"), ns("2019-08-03")).value
    assert len(found) == 78  # six and a half hours
    assert found.table.stamps[0] == ns("2019-08-02T13:30")
    assert found.table.stamps[-1] == ns("2019-08-02T19:55")
    assert found.table.prices["close"][-1] == 136.8916


def test_a_recorded_quote_is_as_old_as_it_says(make, recorded, clock):
    clock.now = ns("2018-10-08T12:00")  # a Monday, before the bell
    recorded("global_quote.json")
    quote = make({}).quote(MSFT).value
    assert (quote.price, quote.at) == (112.13, ns("2018-10-05T20:00"))


def test_a_recorded_search_names_the_exact_symbol_only(make, recorded):
    recorded("symbol_search.json")
    assert make({}).facts(Instrument("BA.XNYS")).value.name == "The Boeing Company"


def test_prices_in_pence_become_pounds(make, server):
    server.answer = lambda asked: alpha_vantage(
        type(asked)(asked.host, asked.path, {**asked.query, "symbol": "ACME"})
    )
    london = Instrument("ACME.XLON", currency="GBP")
    table = make({}).bars(london, "1d", *JANUARY).value.table
    assert table.prices["close"][0] == pytest.approx(1.025)
    assert make({}).actions(london, *JANUARY).value[0].amount == Decimal("0.005")
    assert server.log[0].query["symbol"] == "ACME.LON"


def test_a_premium_key_asks_for_all(make, server):
    make({}, premium=True).bars(ACME, "1d", ns("2000-01-01"), NOW)
    make({}, premium=True).bars(ACME, "1d", *JANUARY)
    make({}).bars(ACME, "1d", ns("2000-01-01"), NOW)
    assert [each.query["outputsize"] for each in server.log] == ["full", "compact", "compact"]


def test_the_days_of_a_year_are_numbered_as_numpy_does():
    from evenkeel.market.alpha_vantage import _day

    assert _day("2024-02-29") == np.datetime64(date(2024, 2, 29), "ns").astype(int)


def test_a_limit_per_minute_is_waited_out_for_a_minute(make, server):
    """What it said until 2023; it names no other time."""
    server.answer = lambda _: Reply(
        {"Note": "Our standard API call frequency is 5 calls per minute."}
    )
    error = failure(make(tries=1))
    assert (error.kind, error.retry_after) == (Failure.RATE_LIMITED, 60.0)


def test_minutes_without_a_market_begin_when_it_says(make, server):
    row = {
        f"{at}. {name}": "1"
        for at, name in enumerate(("open", "high", "low", "close", "volume"), 1)
    }
    body = {
        "Meta Data": {"6. Time Zone": "US/Eastern"},
        "Time Series (1min)": {"2024-01-30 16:00:00": row},
    }
    server.answer = lambda _: Reply(body)
    found = make().bars(Instrument("ACME.XXXX"), "1m", *JANUARY).value
    assert found.table.stamps.tolist() == [ns("2024-01-30T21:00")]


def test_over_tls_too(make, clock, tmp_path, monkeypatch):
    trusted, context = certificate(tmp_path, "localhost")
    known = ssl.create_default_context(cafile=str(trusted))
    monkeypatch.setattr("evenkeel.market.alpha_vantage._trusted", lambda: known)
    with Loopback(alpha_vantage, tls=context) as server:
        provider = make(base_url=f"https://localhost:{server.port}")
        assert len(provider.bars(ACME, "1d", *JANUARY).value) == 19
