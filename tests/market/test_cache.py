"""What is kept is right, on time, and shared; Redis away costs time and nothing else."""

import os
import socket
import subprocess
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace
from tests.contracts.provider_world import ACME, NOW, ns
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Loopback, Reply
from tests.fakes.minute_market import MinuteMarket
from tests.fakes.yahoo_server import yahoo
from tests.fakes.yahoo_session import fresh_yfinance, session_to

from evenkeel.domain.errors import ConfigError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.instrument import Instrument
from evenkeel.market.budget import Budget
from evenkeel.market.cache import MemoryCache, RedisCache
from evenkeel.market.cached import Cached
from evenkeel.market.fetched import fetched
from evenkeel.market.live import Poller
from evenkeel.market.manners import Manners
from evenkeel.market.provider import (
    Adjustment,
    Answer,
    Facts,
    Failure,
    Origin,
    PartialBar,
    ProviderError,
    Quote,
)
from evenkeel.market.wire import decode, encode
from evenkeel.market.yahoo import Yahoo

SECOND = 1_000_000_000
REDIS = os.environ.get("EVENKEEL_TEST_REDIS_URL", "redis://127.0.0.1:6379/9")


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def shared(clock):
    """Make caches on the real Redis, under a prefix of this test alone."""
    import redis

    server = redis.Redis.from_url(REDIS)
    prefix = f"evenkeel-test-{uuid.uuid4().hex}"
    try:
        server.ping()
    except redis.exceptions.ConnectionError:
        said = f"there is no Redis at {REDIS}; EVENKEEL_TEST_REDIS_URL can say where one is"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(said)
    made = []

    def make():
        made.append(RedisCache(REDIS, clock, prefix=prefix))
        return made[-1]

    yield make
    for key in server.scan_iter(match=f"{prefix}:*"):
        server.delete(key)
    for each in [server, *made]:
        each.close()


@pytest.fixture(params=["memory", "redis"])
def kept(request, clock):
    if request.param == "memory":
        return MemoryCache(clock)
    return request.getfixturevalue("shared")()


# ---- every cache ----


def test_it_gives_back_what_it_was_given_until_the_moment(kept, clock):
    value = bytes(range(256))
    kept.put("a", value, clock.now + 60 * SECOND)
    assert kept.get("a") == value
    clock.advance(59.9)
    assert kept.get("a") == value
    clock.advance(0.1)
    assert kept.get("a") is None
    assert kept.get("b") is None


def test_a_new_value_takes_the_old_ones_place(kept, clock):
    for value in (b"old", b"new"):
        kept.put("a", value, clock.now + SECOND)
    assert kept.get("a") == b"new"


def test_it_counts_hits_and_misses(kept, clock):
    assert kept.standing().hit_rate is None
    kept.note(hit=False)
    kept.put("a", b"1", clock.now + 100 * SECOND)
    for _ in range(3):
        kept.note(hit=True)
    standing = kept.standing()
    assert (standing.hits, standing.misses, standing.hit_rate) == (3, 1, 0.75)
    assert (standing.entries, standing.reachable) == (1, True)


def test_what_was_not_wanted_for_longest_makes_room(clock):
    cache = MemoryCache(clock, entries_max=2)
    for key in ("a", "b"):
        cache.put(key, b"", clock.now + SECOND)
    cache.get("a")
    cache.put("c", b"", clock.now + SECOND)
    assert [cache.get(key) for key in ("a", "b", "c")] == [b"", None, b""]


# ---- answers as bytes ----

ORIGIN = Origin(
    source="yahoo",
    fetched_at=NOW,
    currency="GBP",
    adjustment=Adjustment.SPLIT,
    lacks="1 session",
)


def bars(*closes, volume=True):
    close = np.array(closes)
    columns = {name: close + at for at, name in enumerate(("open", "high", "low"))}
    columns["close"] = close
    if volume:
        columns["volume"] = close * 1e9
    began = ns("2024-01-30T15:00") + 60 * SECOND * np.arange(len(closes))
    gilt = Instrument("GILT.XLON", currency="GBP", tick=Decimal("0.0001"), lot=Decimal(100))
    return fetched(gilt, "1m", began, columns, start=0, end=2**62, origin=ORIGIN)


@pytest.mark.parametrize(
    "value",
    [
        Quote(price=0.1 + 0.2, at=NOW - 1, previous_close=None),
        Facts(symbol="ACME", listed_at=NOW),
        (),
        (Split("A.XNAS", 1, Decimal(3), Decimal(2)), CashDividend("A.XNAS", 2, Decimal("0.56"))),
    ],
)
def test_an_answer_survives_the_wire(value):
    assert decode(encode(Answer(value, ORIGIN))) == Answer(value, ORIGIN)


@pytest.mark.parametrize("value", [bars(0.1, np.nan, -np.inf, 5e-324), bars(1.5, volume=False)])
def test_bars_survive_the_wire_bit_for_bit(value):
    value = replace(value, partial=PartialBar(NOW, NOW, 1, 2, 3, 4, 5))
    again = decode(encode(Answer(value, ORIGIN)))
    assert again.origin == ORIGIN
    found, table = again.value, again.value.table
    assert (found.instrument, found.interval) == (value.instrument, value.interval)
    assert (found.sources, found.partial) == (value.sources, value.partial)
    assert found.source_of.tolist() == value.source_of.tolist()
    assert table.stamps.tolist() == value.table.stamps.tolist()
    for name, column in value.table.prices.items():
        assert table.prices[name].tobytes() == column.tobytes()
    assert (table.volume is None) == (value.table.volume is None)
    assert table.place(0) == "bar 1"


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x93\x01\x02\x03", encode(Answer((), ORIGIN))[:-3]]
)
def test_bytes_of_something_else_are_no_answer(data):
    import msgspec

    with pytest.raises((ValueError, msgspec.MsgspecError)):
        decode(data)


# ---- a provider that remembers ----


class Slow:
    """Answers when it is let, and counts how often it was asked."""

    name = "slow"

    def __init__(self, clock, **origin):
        self.clock, self.asked, self.go = clock, 0, threading.Event()
        self.go.set()
        self.origin = origin
        self.price = 100.0

    def quote(self, instrument):
        self.asked += 1
        self.go.wait(10)
        origin = replace(ORIGIN, fetched_at=self.clock.now, lacks="", **self.origin)
        return Answer(Quote(price=self.price, at=self.clock.now), origin)


def test_ten_who_ask_at_once_make_one_request(kept, clock):
    source = Slow(clock)
    source.go.clear()
    cached = Cached(source, kept, clock)
    with ThreadPoolExecutor(10) as threads:
        asked = [threads.submit(cached.quote, ACME) for _ in range(10)]
        while cached._asking._flying.get("slow:quote:ACME.XNAS", (None, 0))[1] < 10:
            threading.Event().wait(0.001)  # all ten are on their way
        source.go.set()
        answers = [each.result() for each in asked]
    assert source.asked == 1
    assert answers == [answers[0]] * 10
    assert cached._asking._flying == {}


def test_an_answer_keeps_its_time_and_is_asked_for_again_when_that_is_over(kept, clock):
    source = Slow(clock)
    cached = Cached(source, kept, clock)
    first = cached.quote(ACME)
    clock.advance(59)
    source.price = 101.0
    assert cached.quote(ACME) == first
    clock.advance(1)
    assert cached.quote(ACME).value.price == 101.0
    assert source.asked == 2


def test_what_is_stale_or_failed_is_not_kept(clock):
    source = Slow(clock, stale=True)
    cached = Cached(source, MemoryCache(clock), clock)
    assert cached.quote(ACME).origin.stale
    assert cached.quote(ACME).origin.stale
    assert source.asked == 2

    class Down(Slow):
        def quote(self, instrument):
            self.asked += 1
            raise ProviderError("down", Failure.SERVER, "no")

    down = Down(clock)
    cached = Cached(down, MemoryCache(clock), clock)
    for _ in range(2):
        with pytest.raises(ProviderError):
            cached.quote(ACME)
    assert down.asked == 2


def test_what_another_version_wrote_is_asked_for_again(kept, clock):
    kept.put("slow:quote:ACME.XNAS", b"\x80", clock.now + 60 * SECOND)
    assert Cached(Slow(clock), kept, clock).quote(ACME).value.price == 100.0


def test_processes_share_what_one_has_fetched(shared, clock):
    source = Slow(clock)
    for _ in range(3):
        assert Cached(source, shared(), clock).quote(ACME).value.price == 100.0
    assert source.asked == 1


def test_whose_time_is_over_is_asked_about_along_with_the_next(clock):
    """In one request; whom the others' answer leaves out is asked about alone, to hear why."""

    class Many(Slow):
        def quotes(self, instruments):
            together.append([each.id for each in instruments])
            return {each.id: Slow.quote(self, each) for each in instruments if each != GONE}

        def quote(self, instrument):
            raise ProviderError("slow", Failure.UNKNOWN, f"no {instrument.id}")

    b, c, GONE = (Instrument(f"{name}.XNAS") for name in ("B", "C", "GONE"))  # noqa: N806
    source, together = Many(clock), []
    cached = Cached(source, MemoryCache(clock), clock)
    for each in (ACME, b, c):
        assert cached.quote(each).value.price == 100.0
    assert together == [["ACME.XNAS"], ["B.XNAS"], ["C.XNAS"]]
    clock.advance(60)
    source.price = 101.0
    assert [cached.quote(each).value.price for each in (b, ACME, c)] == [101.0] * 3
    assert together[3:] == [["B.XNAS", "ACME.XNAS", "C.XNAS"]]
    clock.advance(301)
    assert cached.quote(c).value.price == 101.0
    assert together[4:] == [["C.XNAS"]], "nobody has wanted the others for long"
    with pytest.raises(ProviderError, match=r"no GONE\.XNAS"):
        cached.quote(GONE)


# ---- a day of three strategies ----


@pytest.mark.uncounted
def test_a_day_of_100_symbols_and_three_strategies_hits_nine_times_in_ten(clock, tmp_path):
    """Counted by the log of the stand-in: every request of any kind."""
    names = [f"S{number:03}" for number in range(100)]

    def answer(asked):
        if asked.path != "/v7/finance/quote":
            return yahoo(asked)
        at = clock.now // SECOND
        rows = [
            {"symbol": name, "regularMarketPrice": at % 1_000 + 1.0, "regularMarketTime": at}
            for name in asked.query["symbols"].split(",")
        ]
        return Reply({"quoteResponse": {"result": rows}})

    fresh_yfinance(tmp_path)
    instruments = [Instrument(f"{name}.XNAS") for name in names]
    budget = Budget(tmp_path / "budget.db", clock, {})
    with Loopback(answer) as server:
        provider = Yahoo(Manners("yahoo", budget, clock), clock, session=session_to(server.port))
        cached = Cached(provider, MemoryCache(clock), clock)
        asked = 0
        for _ in range(390):
            expected = clock.now // SECOND % 1_000 + 1.0
            for _ in range(3):
                for each in instruments:
                    quote = cached.quote(each).value
                    assert quote.price == expected  # never an old minute's
                    asked += 1
            clock.advance(60)
        assert asked == 117_000
        standing = cached._cache.standing()
        assert standing.hits + standing.misses == asked
        assert 1 - len(server.log) / asked >= 0.9
        provider.close()
    budget.close()


def test_three_who_poll_the_same_minutes_cost_one_request_each(kept, clock):
    """And a bar that is not there yet is asked for again at once."""
    market = MinuteMarket(clock)
    clock.now = ns("2024-01-30T15:00:20")
    cached = Cached(market, kept, clock)
    pollers = [Poller(cached, [ACME], "1m", clock, warm_up=60) for _ in range(3)]
    for poller in pollers:
        poller.histories()
    market.asked.clear()
    for minute in range(1, 4):
        due = ns("2024-01-30T15:00") + minute * 60 * SECOND
        clock.now = due + 5 * SECOND
        for poller in pollers:
            (answer,) = poller.round(due).answers
            assert answer.value.table.wall[-1] == due - 60 * SECOND
    assert len(market.asked) == 3
    market.delay = 67 * SECOND
    clock.now += 60 * SECOND
    due += 60 * SECOND
    pollers[0].round(due)
    assert len(market.asked) > 4  # nothing old was kept


# ---- Redis goes away ----


class OwnRedis:
    """A server of the test alone, to be ended by its process."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None

    def start(self):
        import redis

        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        self.process = subprocess.Popen(
            ["redis-server", *options, str(self.folder)], stdout=subprocess.DEVNULL
        )
        with redis.Redis.from_url(self.url) as client:
            while self.process.poll() is None:
                try:
                    client.ping()
                except redis.exceptions.ConnectionError:
                    threading.Event().wait(0.01)
                else:
                    return

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_redis(tmp_path):
    import shutil

    if shutil.which("redis-server") is None:
        said = "there is no redis-server to start and to kill"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(said)
    server = OwnRedis(tmp_path)
    server.start()
    yield server
    server.kill()


def test_redis_killed_midway_costs_nobody_an_error_and_no_right_answer(own_redis, clock):
    cache = RedisCache(own_redis.url, clock)
    source = Slow(clock)
    cached = Cached(source, cache, clock)

    def minute(price):
        source.price = price
        prices = {cached.quote(ACME).value.price for _ in range(10)}
        clock.advance(60)
        return prices

    assert minute(1.0) == {1.0}
    own_redis.kill()
    assert [minute(price) for price in (2.0, 3.0)] == [{2.0}, {3.0}]
    assert source.asked == 3  # this process remembers for itself
    assert not cache.standing().reachable
    own_redis.start()
    assert minute(4.0) == {4.0}
    standing = cache.standing()
    assert standing.reachable
    other = Cached(source, RedisCache(own_redis.url, clock), clock)
    assert minute(5.0) == {5.0}
    clock.advance(-60)
    asked = source.asked
    assert other.quote(ACME).value.price == 5.0  # and shares again
    assert source.asked == asked
    other._cache.close()
    cache.close()


def test_a_redis_that_is_away_is_not_asked_each_time(clock):
    cache = RedisCache("redis://127.0.0.1:1/0", clock)
    asked = []
    cache._redis.get = lambda key: asked.append(key) or (_ for _ in ()).throw(OSError)
    for _ in range(5):
        assert cache.get("a") is None
    assert len(asked) == 1
    clock.advance(2)
    cache.get("a")
    assert len(asked) == 2
    cache.close()


def test_only_answers_are_written_as_such():
    origin = Origin(source="acme", fetched_at=0, currency="USD")
    with pytest.raises(TypeError, match="no provider answers with a str"):
        encode(Answer("prices", origin))


def test_an_address_that_is_none_is_refused(clock):
    with pytest.raises(ConfigError, match="must be an address such as redis://"):
        RedisCache("127.0.0.1:6379", clock)
