"""Bars as they come in: on time, complete, in one history; what does not come is missed aloud."""

import os
from datetime import date
from decimal import Decimal
from itertools import islice

import numpy as np
import pytest
from msgspec.structs import replace
from tests.contracts.provider_world import ns
from tests.fakes.clock import FakeClock
from tests.fakes.minute_market import CLOSE, MINUTE, OPEN, MinuteMarket, close_of

from evenkeel.calendar.market_calendar import MarketCalendar
from evenkeel.domain.errors import DataError, OutsideError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.instrument import Instrument
from evenkeel.market.actions import due
from evenkeel.market.failover import Failover
from evenkeel.market.joining import picked
from evenkeel.market.live import Poller, next_close, streamed
from evenkeel.market.live_histories import Histories
from evenkeel.market.provider import Adjustment, Answer, Failure, ProviderError
from evenkeel.market.recorder import recorded, replayed

A, B = Instrument("A.XNAS"), Instrument("B.XNYS")
COIN = Instrument("BTC-USD.XXXX")
AT = ns("2024-01-30T15:00:20")


@pytest.fixture
def clock():
    return FakeClock(AT)


@pytest.fixture
def market(clock):
    return MinuteMarket(clock)


def poller(market, clock, *instruments, **options):
    return Poller(market, instruments or (A, B), "1m", clock, warm_up=60, **options)


def lived(updates, told=None):
    histories = Histories((told if told is not None else []).append)
    for update in updates:
        histories.take(update)
    return histories


# ---- when a bar is due ----


@pytest.mark.parametrize(
    ("instrument", "interval", "after", "due"),
    [
        (A, "1m", "2024-01-30T15:00:20", "2024-01-30T15:01"),
        (A, "1m", "2024-01-30T15:01", "2024-01-30T15:02"),
        (A, "1m", "2024-01-30T12:00", "2024-01-30T14:31"),
        (A, "1m", "2024-01-30T20:59:59", "2024-01-30T21:00"),
        (A, "1m", "2024-01-30T21:00", "2024-01-31T14:31"),
        (A, "1h", "2024-01-30T20:45", "2024-01-30T21:00"),  # its last hour is half of one
        (A, "5m", "2024-11-29T17:58", "2024-11-29T18:00"),  # the day after Thanksgiving
        (A, "5m", "2024-11-29T18:00", "2024-12-02T14:35"),
        (A, "1d", "2024-01-30T15:00", "2024-01-30T21:00"),
        (A, "1d", "2024-01-30T21:00", "2024-01-31T21:00"),
        (COIN, "1m", "2024-01-27T03:00:20", "2024-01-27T03:01"),
        (COIN, "1h", "2024-01-27T03:00", "2024-01-27T04:00"),
        (COIN, "1d", "2024-01-27T03:00", "2024-01-27T23:59:59"),
        (COIN, "1d", "2024-01-27T23:59:59", "2024-01-28T23:59:59"),
    ],
)
def test_a_bar_is_due_when_its_market_says(instrument, interval, after, due):
    assert next_close(instrument, interval, ns(after)) == ns(due)


def test_a_day_has_as_many_minutes_as_the_calendar_says():
    """One bar each, from the first to the last."""
    at, dues = ns("2024-07-03T00:00"), []
    while (at := next_close(A, "1m", at)) <= ns("2024-07-03T23:00"):
        dues.append(at)
    expected = MarketCalendar("XNAS").session_minutes(np.datetime64("2024-07-03").item())
    assert len(dues) == len(expected) == 210  # a half day


# ---- the poller ----


def test_the_first_update_brings_history_and_each_further_one_bar(market, clock):
    histories = Histories()
    updates = poller(market, clock).updates()
    histories.take(next(updates))
    before = [len(each) for each in histories.bars()]
    assert min(before) >= 60
    for minute in range(1, 6):
        assert histories.take(next(updates))
        for each in histories.bars():
            assert each.closed_at[-1] == ns("2024-01-30T15:00") + minute * MINUTE
    assert [len(each) for each in histories.bars()] == [count + 5 for count in before]
    assert clock.now == ns("2024-01-30T15:05:05")  # each asked for five seconds after its close


def test_histories_hold_what_the_market_had(market, clock):
    histories = lived(islice(poller(market, clock).updates(), 8))
    for each in histories.bars():
        began = each.closed_at - MINUTE
        assert each.close.tolist() == [close_of(each.instrument.id, at) for at in began.tolist()]
        assert not np.setdiff1d(np.arange(OPEN, began[-1] + 1, MINUTE), began).size


def test_a_bar_under_way_is_beside_the_history_and_never_in_it(market, clock):
    histories = Histories()
    for update in islice(poller(market, clock).updates(), 4):
        histories.take(update)
        partial = histories.partial[A.id]
        (bars, _) = histories.bars()
        assert partial.began_at == bars.closed_at[-1]
        assert partial.as_of == clock.now


def test_it_stops_with_the_last_bar_and_sleeps_through_the_night(market, clock):
    clock.now = ns("2024-01-29T20:58:30")
    until = ns("2024-01-30T14:32")
    updates = list(poller(market, clock, A, until=until).updates())
    dues = [update.due for update in updates[1:]]
    assert dues == [
        ns(text)
        for text in ("2024-01-29T20:59", "2024-01-29T21:00", "2024-01-30T14:31", "2024-01-30T14:32")
    ]


def test_a_provider_that_is_late_is_asked_again_in_the_same_round(market, clock):
    market.delay = 67 * 10**9  # seven seconds after the close
    updates = poller(market, clock, A).updates()
    next(updates)
    market.asked.clear()
    histories = lived([poller(market, clock, A).histories(), next(updates)])
    assert market.asked.count(A.id) >= 2
    assert histories.bars()[0].closed_at[-1] == ns("2024-01-30T15:01")


def test_without_history_there_is_no_beginning(market, clock):
    market.fails = lambda _: Failure.SERVER
    with pytest.raises(ProviderError):
        next(poller(market, clock).updates())


# ---- what does not come ----


def test_one_that_fails_does_not_hold_up_the_others_and_its_gap_is_filled(market, clock):
    told = []
    histories = Histories(told.append)
    updates = poller(market, clock).updates()
    histories.take(next(updates))
    market.fails = lambda each: Failure.SERVER if each == A else None
    for missed in range(1, 4):
        assert histories.take(next(updates))
        a, b = histories.bars()
        assert a.closed_at[-1] == ns("2024-01-30T15:00")
        assert b.closed_at[-1] == ns("2024-01-30T15:00") + missed * MINUTE
        assert histories.stale == ([A.id] if missed == 3 else [])
    assert told.count("A.XNAS is stale: its last 3 bars did not come") == 1
    assert "minutes: no bars of A.XNAS (server-error)" in told
    market.fails = lambda _: None
    histories.take(next(updates))
    a, b = histories.bars()
    assert a.closed_at.tolist() == b.closed_at.tolist()
    assert histories.stale == []


def test_all_down_is_stale_after_three_intervals(market, clock):
    providers = Failover([market])
    histories = Histories()
    updates = poller(providers, clock).updates()
    histories.take(next(updates))
    market.fails = lambda _: Failure.UNREACHABLE
    before = [len(each) for each in histories.bars()]
    for _ in range(3):
        assert not histories.take(next(updates))
    assert histories.stale == [A.id, B.id]
    assert [len(each) for each in histories.bars()] == before


def test_the_age_of_the_last_bar_is_measured(market, clock):
    from prometheus_client.exposition import generate_latest
    from prometheus_client.registry import CollectorRegistry

    from evenkeel.ops.metrics import METRICS

    lived(islice(poller(market, clock, A).updates(), 3))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(METRICS)
    page = generate_latest(registry).decode()
    assert 'evenkeel_last_bar_age_seconds{instrument="A.XNAS"} 5.0' in page


def test_the_night_makes_nothing_stale(market, clock):
    clock.now = ns("2024-01-29T20:58:30")
    both = poller(market, clock, A, COIN, until=ns("2024-01-29T21:10"))
    market.fails = lambda each: None
    told = []
    lived(both.updates(), told)
    assert "A.XNAS is stale: its last 3 bars did not come" not in told


# ---- what companies did ----


EX = due(date(2024, 1, 30), "XNAS")


def asked_at(market):
    """How many minutes after the start it was asked what A did."""
    return [(at - AT) // MINUTE for at, name in market.asked_actions if name == A.id]


def test_actions_are_asked_for_at_the_start_with_the_first_bar_and_every_quarter_of_an_hour(
    market, clock
):
    updates = list(islice(poller(market, clock, A).updates(), 42))
    assert asked_at(market) == [0, 0, 15, 30]
    alone = [update for update in updates[1:] if update.actions and not update.answers]
    assert len(alone) == 2  # no bar waits but the first of the day


def test_actions_are_asked_for_with_the_first_bar_of_a_day(market, clock):
    clock.now = ns("2024-01-29T20:55:20")
    lived(islice(poller(market, clock, A, B).updates(), 8))
    when = sorted({at for at, _ in market.asked_actions})
    assert when == [
        ns(at) for at in ("2024-01-29T20:55:20", "2024-01-29T20:56:05", "2024-01-30T14:31:05")
    ]
    assert len(market.asked_actions) == 6


def test_who_fails_to_say_what_companies_did_is_told_of_and_asked_again(market, clock):
    """Bars go on meanwhile."""
    told = []
    histories = Histories(told.append)
    updates = poller(market, clock, A).updates()
    histories.take(next(updates))
    market.listed = [CashDividend(A.id, ns("2024-01-30T15:10"), Decimal(1))]
    provider = market.actions
    market.actions = lambda *_: failing(Failure.SERVER)
    for _ in range(5):
        assert histories.take(next(updates))
    assert told == ["splits and dividends of A.XNAS: minutes: it is ill (server-error)"]
    market.actions = provider
    found = [histories.take(update) and histories.news() for update in islice(updates, 20)]
    assert [each for each in found if each] == [market.listed]


def failing(kind):
    raise ProviderError("minutes", kind, "it is ill")


def test_who_never_has_actions_is_no_failure_and_stale_ones_are_none(market, clock):
    told = []
    market.actions = lambda *_: failing(Failure.NOT_OFFERED)
    lived(islice(poller(market, clock, A).updates(), 20), told)
    assert told == []
    old = replace(market._origin(), stale=True, lacks="all since noon")
    market.actions = lambda *_: Answer((), old)
    (update,) = islice(poller(market, clock, A).updates(), 1)
    assert update.actions == ()
    assert update.failures == ("splits and dividends of A.XNAS: all since noon",)


@pytest.mark.parametrize("listed_late", [False, True])
@pytest.mark.parametrize("adjustment", [Adjustment.AS_TRADED, Adjustment.SPLIT])
def test_a_history_goes_on_over_a_split_as_it_was_traded(market, clock, adjustment, listed_late):
    """Also when the source divides by it before, or long after, it says so."""
    clock.now = ns("2024-01-29T20:55:30")
    market.adjustment = adjustment
    market.listed = [Split(A.id, EX, Decimal(4))]
    answers = market.actions

    def late(instrument, start, end):
        found = answers(instrument, start, end)
        return found if clock.now > ns("2024-01-30T14:40") else replace(found, value=())

    if listed_late:
        market.actions = late
    histories = lived(islice(poller(market, clock, A).updates(), 42))
    (bars,) = histories.bars()
    began = bars.closed_at - MINUTE
    true = np.array([close_of(A.id, at) for at in began.tolist()])
    assert bars.close.tolist() == np.where(began < EX, true, true / 4).tolist()
    assert bars.volume.tolist() == np.where(began < EX, 1e6, 4e6).tolist()
    assert began[-1] == ns("2024-01-30T15:03")
    assert histories.news() == market.listed
    assert histories.news() == []


def test_a_fall_that_is_no_split_is_traded_on_some_minutes_late(market, clock):
    """Apple opened at half of its last close on 2000-09-29, and that was the price."""
    clock.now = ns("2024-01-29T20:58:30")
    market.listed = [Split(A.id, EX, Decimal(2))]
    market.actions = lambda *_: Answer((), market._origin())
    told, ends = [], []
    histories = Histories(told.append)
    for update in islice(poller(market, clock, A).updates(), 28):
        histories.take(update)
        ends.append(str(np.datetime64(int(histories.bars()[0].closed_at[-1]), "ns"))[11:16])
    held = 19 + 1  # the minutes from 14:31 to 14:49, and what companies did in between
    assert ends == [
        "20:58",
        "20:59",
        "21:00",
        *["21:00"] * held,
        *(["14:50", "14:51", "14:52", "14:53", "14:54"]),
    ]
    assert "opens at 0.5" in told[0]
    assert told[0].endswith("it waits for one until 20 minutes after the open")
    assert histories.news() == []


def test_a_quiet_night_and_a_market_that_never_closes_wait_for_nothing(market, clock):
    clock.now = ns("2024-01-29T20:58:30")
    histories = lived(islice(poller(market, clock, A).updates(), 5), told := [])
    assert histories.bars()[0].closed_at[-1] == ns("2024-01-30T14:32")
    assert told == []


def test_what_a_history_has_behind_it_is_no_news_but_a_split_that_it_was_not_divided_by(
    market, clock
):
    paid = CashDividend(A.id, due(date(2024, 1, 29), "XNAS"), Decimal(1))
    split = Split(A.id, due(date(2024, 1, 29), "XNAS"), Decimal(2))
    market.listed = [paid, split]
    clock.now = ns("2024-01-30T14:45:20")
    for adjustment, news in ((Adjustment.AS_TRADED, [split]), (Adjustment.SPLIT, [])):
        market.adjustment = adjustment
        updates = Poller(market, (A,), "1m", clock, warm_up=800).updates()
        histories = lived(islice(updates, 1))
        assert histories.known(A.id).table.stamps[0] < split.at
        assert histories.news() == news


# ---- two sources ----


def test_another_source_goes_on_where_both_agree_and_each_bar_remembers_its_own(market, clock):
    second = MinuteMarket(clock, name="second", factor=1.0005)
    histories = Histories()
    updates = poller(Failover([market, second]), clock, A).updates()
    histories.take(next(updates))
    market.fails = lambda _: Failure.SERVER
    assert histories.take(next(updates))
    found = histories.known(A.id)
    assert found.sources[found.source_of[-1]].source == "second"
    assert found.sources[found.source_of[-2]].source == "minutes"
    market.fails = lambda _: None
    histories.take(next(updates))
    found = histories.known(A.id)
    sources = [found.sources[at].source for at in found.source_of[-3:]]
    assert sources == ["minutes", "second", "minutes"]


def test_another_source_that_differs_is_refused_and_the_instrument_goes_stale(market, clock):
    second = MinuteMarket(clock, name="second", factor=0.5)
    told = []
    histories = Histories(told.append)
    updates = poller(Failover([market, second]), clock, A).updates()
    histories.take(next(updates))
    market.fails = lambda _: Failure.SERVER
    for _ in range(3):
        assert not histories.take(next(updates))
    assert histories.stale == [A.id]
    assert "25 of 25 closes differ" in told[0]


def test_a_history_restated_by_a_split_is_refused(market, clock):
    """Yahoo divides all that was by a new split: the bars so far are on another scale."""
    told = []
    histories = Histories(told.append)
    updates = poller(market, clock, A).updates()
    histories.take(next(updates))
    market.factor = 0.25
    assert not histories.take(next(updates))
    assert "(75.00%)" in told[0]


def test_a_bad_bar_is_not_traded_on(market, clock):
    told = []
    histories = Histories(told.append)
    updates = poller(market, clock, A).updates()
    histories.take(next(updates))
    update = next(updates)
    update.answers[0].value.table.prices["high"][-1] = -1
    assert not histories.take(update)
    assert "high -1" in told[0]


# ---- a stream ----


class Feed:
    """A stream made of a provider's answers, and of losses."""

    def __init__(self, *events):
        self._events = events

    def events(self):
        for event in self._events:
            yield event()


def test_a_stream_feeds_the_same_histories_and_a_reconnect_fills_the_gap(market, clock):
    def next_bar():
        clock.advance(60)
        return market.bars(A, "1m", clock.now - 130 * 10**9, clock.now)

    def lost():
        clock.advance(300)

    feed = Feed(next_bar, next_bar, lost, next_bar)
    histories = lived(streamed(feed, poller(market, clock, A), clock))
    (bars,) = histories.bars()
    began = bars.closed_at - MINUTE
    today = began[began >= OPEN]
    assert today.tolist() == list(range(OPEN, ns("2024-01-30T15:08"), MINUTE))


# ---- the recorder ----


def same(one, other):
    """Whether two updates are equal to the bit."""
    from evenkeel.market.recorder import _encode

    return [_encode(each) for each in one] == [_encode(each) for each in other]


def test_a_recording_is_what_was_lived(market, clock, tmp_path):
    market.fails = lambda each: Failure.SERVER if each == B and clock.now > AT + MINUTE else None
    path = tmp_path / "day.recording"
    lived_through = list(islice(recorded(poller(market, clock).updates(), path), 5))
    assert len(lived_through) == 5
    assert any(update.failures for update in lived_through)
    assert same(list(replayed(path)), lived_through)


def test_each_update_is_on_disk_before_anybody_acts_on_it(market, clock, tmp_path, monkeypatch):
    path = tmp_path / "day.recording"
    synced, really = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(really(file)))
    for number, _ in enumerate(islice(recorded(poller(market, clock).updates(), path), 4), 1):
        assert len(list(replayed(path))) == len(synced) == number


def test_what_a_crash_cut_off_is_left_out(market, clock, tmp_path):
    path = tmp_path / "day.recording"
    whole = list(islice(recorded(poller(market, clock, A).updates(), path), 4))
    data = path.read_bytes()
    for cut in (1, 40, 500, len(data) // 3):
        path.write_bytes(data[:-cut])
        found = list(replayed(path))
        assert len(found) < 4
        assert same(found, whole[: len(found)])


def test_a_changed_byte_is_found(market, clock, tmp_path):
    path = tmp_path / "day.recording"
    list(islice(recorded(poller(market, clock, A).updates(), path), 3))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="is not what was recorded"):
        list(replayed(path))


def test_a_day_that_does_not_begin_leaves_no_recording(market, clock, tmp_path):
    market.fails = lambda _: Failure.SERVER
    path = tmp_path / "day.recording"
    with pytest.raises(ProviderError):
        next(recorded(poller(market, clock).updates(), path))
    assert list(recorded([], path)) == []
    assert not path.exists()


def test_a_recording_is_never_written_over_and_others_are_no_recordings(market, clock, tmp_path):
    path = tmp_path / "day.recording"
    path.write_text("prices")
    with pytest.raises(OutsideError, match="nothing is traded unrecorded"):
        next(recorded(poller(market, clock, A).updates(), path))
    with pytest.raises(DataError, match="is not a recording"):
        next(replayed(path))
    with pytest.raises(OutsideError, match="cannot read"):
        next(replayed(tmp_path / "none.recording"))


def test_a_hole_that_is_filled_later_stays_a_hole_of_this_day(market, clock):
    """What was lived through cannot be changed: indices into it are in orders and in journals."""
    histories = Histories()
    updates = poller(market, clock, A).updates()
    first = next(updates)
    found = first.answers[0].value
    hole = picked(found, np.delete(np.arange(len(found)), len(found) - 3))
    histories.take(replace(first, answers=(Answer(hole, first.answers[0].origin),)))
    before = histories.bars()[0].closed_at
    assert histories.take(next(updates))
    after = histories.bars()[0].closed_at
    assert after[:-1].tolist() == before.tolist()


def test_the_close_ends_the_day(market, clock):
    clock.now = CLOSE - 90 * 10**9
    histories = lived(poller(market, clock, A, until=CLOSE).updates())
    (bars,) = histories.bars()
    assert bars.closed_at[-1] == CLOSE
    assert np.count_nonzero(bars.closed_at > OPEN) == 390


def test_days_are_asked_for_far_enough_back(clock):
    """Of 365 days about 252 are sessions."""
    asked = []

    class Days:
        name = "days"

        def bars(self, instrument, interval, start, end):
            asked.append((clock.now - start) // (24 * 60 * MINUTE))
            raise ProviderError("days", Failure.SERVER, "no")

    with pytest.raises(ProviderError):
        Poller(Days(), (A,), "1d", clock, warm_up=252).histories()
    assert 365 <= asked[0] <= 450


def test_a_stream_hears_again_what_companies_did(market, clock):
    def bar():
        clock.advance(600)
        return market.bars(A, "1m", clock.now - 700 * 10**9, clock.now)

    updates = list(streamed(Feed(bar, bar, bar), poller(market, clock, A), clock))
    assert asked_at(market) == [0, 10, 30]
    assert [bool(update.actions) for update in updates] == [True, True, False, False, True]


def test_a_source_that_lists_a_split_before_it_divides_by_it_is_read_as_it_is(market, clock):
    clock.now = ns("2024-01-29T20:57:30")
    market.listed = [Split(A.id, EX, Decimal(4))]
    as_traded = market._origin
    market._origin = lambda: replace(as_traded(), adjustment=Adjustment.SPLIT)
    histories = lived(islice(poller(market, clock, A).updates(), 8))
    (bars,) = histories.bars()
    before = bars.closed_at <= EX
    assert bars.close[before].min() > 90
    assert bars.close[~before].max() < 40
    assert bars.closed_at[-1] == ns("2024-01-30T14:34")
