"""A sync asks for what is missing and no more, keeps what was traded, and survives what fails."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace
from tests.contracts import provider_world as world
from tests.contracts.test_provider_contract import PROVIDERS
from tests.fakes.clock import FakeClock
from tests.fakes.counting_provider import Source, ns
from tests.fakes.yahoo_session import fresh_yfinance

from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.instrument import Instrument
from evenkeel.market.actions import due
from evenkeel.market.adjust import split_steps
from evenkeel.market.catalog import Catalog
from evenkeel.market.joining import picked
from evenkeel.market.provider import Adjustment, Failure, ProviderError
from evenkeel.market.sync import BITE, last_completed, read_state, sync

DAY = 86_400_000_000_000
ACME = Instrument("ACME.XXXX")


@pytest.fixture
def clock():
    return FakeClock(ns("2024-03-01T12:00"))


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "catalog")


def run(catalog, source, instruments=(ACME,), since=date(2024, 1, 1)):
    return sync(
        catalog, source, list(instruments), "1d", dataset="main", since=since, clock=source.clock
    )


def closes(catalog, name=ACME.id):
    found = catalog.shelf("1d").columns(name)
    return dict(zip(((found["ts"] - ns("2024-01-01")) // DAY).tolist(), found["close"].tolist(),
                    strict=True))  # fmt: skip


def test_the_first_sync_brings_everything_and_the_second_asks_nobody(catalog, clock):
    source = Source(clock)
    first = run(catalog, source)
    assert (first.asked, first.added, first.failures) == (1, 60, {})
    assert closes(catalog) == {day: 100.0 + day for day in range(60)}
    second = run(catalog, source)
    assert (second.current, second.asked, second.added) == (1, 0, 0)
    assert len(source.requests) == 1


def test_the_next_day_only_a_little_is_asked_for(catalog, clock):
    source = Source(clock)
    run(catalog, source)
    clock.advance(86_400)
    third = run(catalog, source)
    assert (third.added, third.restated) == (1, 0)
    assert source.requests[-1][1] > ns("2024-01-01")


def test_an_earlier_beginning_is_asked_for_from_there(catalog, clock):
    source = Source(clock)
    run(catalog, source, since=date(2024, 2, 1))
    run(catalog, source, since=date(2024, 1, 1))
    assert len(closes(catalog)) == 60
    assert run(catalog, source, since=date(2024, 2, 1)).current == 1


def test_a_history_told_otherwise_is_restated_and_the_old_word_is_kept(catalog, clock):
    source = Source(clock)
    run(catalog, source)
    clock.advance(86_400)
    source.offset = 0.05
    found = run(catalog, source)
    assert found.restated > 20
    assert closes(catalog)[59] == 159.05
    assert 159.0 in catalog.shelf("1d").superseded().values["close"].tolist()


def test_a_split_changes_nothing_that_was_traded(catalog, clock):
    split = Split(ACME.id, ns("2024-03-02"), Decimal(4))
    source = Source(clock, adjustment=Adjustment.SPLIT, splits=[split])
    run(catalog, source)
    before = closes(catalog)
    clock.advance(5 * 86_400)
    found = run(catalog, source)
    assert (found.restated, found.actions) == (0, 1)
    assert {day: close for day, close in closes(catalog).items() if day < 60} == before
    assert catalog.actions([ACME]) == [split]


def test_dividends_are_kept_as_they_were_paid(catalog, clock):
    """A source on today's scale tells a dividend of 1 before a 4:1 split as 0.25."""
    paid = CashDividend(ACME.id, ns("2024-02-01"), Decimal("0.25"))
    split = Split(ACME.id, ns("2024-02-10"), Decimal(4))
    source = Source(clock, adjustment=Adjustment.SPLIT, splits=[split], dividends=[paid])
    run(catalog, source)
    assert [each.amount for each in catalog.actions([ACME]) if isinstance(each, CashDividend)] == [
        1
    ]


def test_prices_that_nobody_can_take_back_are_refused(catalog, clock):
    source = Source(clock, adjustment=Adjustment.SPLIT_DIVIDEND)
    found = run(catalog, source)
    assert "adjusted for dividends" in found.failures[ACME.id]
    assert not catalog.shelf("1d").has(ACME.id)


def test_another_source_goes_on_where_both_agree(catalog, clock):
    run(catalog, Source(clock))
    clock.advance(86_400)
    found = run(catalog, Source(clock, name="beech"))
    assert found.failures == {}
    held = catalog.shelf("1d").everything()
    assert held.sources[held.source_of[-1]] == "beech"
    assert held.sources[held.source_of[0]] == "acorn"


def test_another_source_that_differs_is_refused_with_the_difference(catalog, clock):
    run(catalog, Source(clock))
    clock.advance(86_400)
    found = run(catalog, Source(clock, name="beech", offset=2.0))
    assert "cannot be joined" in found.failures[ACME.id]
    assert len(closes(catalog)) == 60


def test_who_fails_is_named_and_the_others_go_on(catalog, clock):
    names = [Instrument(f"{name}.XXXX") for name in ("A", "B", "C")]
    source = Source(clock, failing={"B.XXXX": Failure.SERVER})
    found = run(catalog, source, names)
    assert (found.asked, list(found.failures)) == (2, ["B.XXXX"])
    assert set(read_state(catalog.shelf("1d"))) == {"A.XXXX", "C.XXXX"}
    source.failing = {}
    assert run(catalog, source, names).asked == 1


def test_an_old_answer_given_again_is_no_news(catalog, clock):
    found = run(catalog, Source(clock, stale=True))
    assert "unreachable" in found.failures[ACME.id]
    assert not catalog.shelf("1d").has(ACME.id)


def test_when_the_day_is_spent_the_rest_is_left(catalog, clock):
    names = [Instrument(f"A{at}.XXXX") for at in range(BITE + 10)]
    source = Source(clock, failing={"A5.XXXX": Failure.BUDGET_SPENT})
    found = run(catalog, source, names)
    assert found.left == 11
    assert len(source.requests) == BITE


def test_a_sync_that_was_stopped_goes_on(catalog, clock, monkeypatch):
    """The bars were added, what was asked for was not yet written down: they come again, once."""
    names = [Instrument(f"A{at}.XXXX") for at in range(3)]
    source = Source(clock)

    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("evenkeel.market.sync.list_actions", killed)
        with pytest.raises(KeyboardInterrupt):
            run(catalog, source, names)
    digest = catalog.shelf("1d").digest()
    found = run(catalog, source, names)
    assert (found.asked, found.added) == (3, 0)
    assert catalog.shelf("1d").digest() == digest


def test_progress_is_told(catalog, clock):
    told = []
    sync(
        catalog, Source(clock), [ACME], "1d", dataset="main", since=date(2024, 1, 1), clock=clock,
        told=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(1, 1)]


@pytest.mark.parametrize(
    ("mic", "now", "last"),
    [
        ("XXXX", "2024-03-01T12:00", "2024-03-01"),
        ("XNYS", "2024-03-01T20:59", "2024-03-01"),  # the session of February 29 is over
        ("XNYS", "2024-03-01T21:00", "2024-03-02"),
        ("XNYS", "2024-03-04T12:00", "2024-03-02"),  # a Monday morning
    ],
)
def test_a_day_is_over_when_its_session_is(mic, now, last):
    assert last_completed(DAY, mic, ns(now)) == ns(last)


def test_a_minute_is_over_when_it_is():
    minute = 60_000_000_000
    assert last_completed(minute, "XNYS", ns("2024-03-01T12:00:59")) == ns("2024-03-01T12:00")


# ---- every provider there is ----


@pytest.mark.parametrize("name", ["yahoo", "alpha-vantage", "csv", "catalog"])
def test_whoever_tells_it_the_catalog_keeps_what_was_traded(name, tmp_path):
    """Yahoo tells the world of the contract suite on today's scale, the others as it was traded."""
    fresh_yfinance(tmp_path / "yfinance")
    clock = FakeClock(world.NOW)
    (tmp_path / "theirs").mkdir()
    provider = PROVIDERS[name](tmp_path / "theirs", clock)
    kept = Catalog(tmp_path / "ours")
    found = sync(
        kept, provider, [world.ACME], "1d", dataset="main", since=date(2024, 1, 1), clock=clock,
        workers=1,
    )  # fmt: skip
    getattr(provider, "close", lambda: None)()
    assert found.failures == {}
    columns = kept.shelf("1d").columns(world.ACME.id)
    assert [str(np.datetime64(int(at), "ns"))[:10] for at in columns["ts"]] == [
        row.date for row in world.DONE
    ]
    for value in ("open", "high", "low", "close", "volume"):
        assert columns[value] == pytest.approx([getattr(row, value) for row in world.DONE])
    told = kept.actions([world.ACME])
    assert [each.amount for each in told if isinstance(each, CashDividend)] == [
        Decimal(str(world.DIVIDEND))
    ]
    assert [each.new for each in told if isinstance(each, Split)] == [world.SPLIT]
    assert "1 session" in found.lacks[world.ACME.id]


@pytest.mark.parametrize("adjustment", [Adjustment.AS_TRADED, Adjustment.SPLIT])
def test_a_source_that_never_tells_of_splits(catalog, clock, adjustment):
    """Its prices are kept where they are as traded; where it divides nobody knows by what."""
    source = Source(clock, adjustment=adjustment)

    def actions(*_):
        raise ProviderError("acorn", Failure.NOT_OFFERED, "it has none")

    source.actions = actions
    found = run(catalog, source)
    if adjustment is Adjustment.AS_TRADED:
        assert (found.added, found.actions, found.failures) == (60, 0, {})
    else:
        assert "does not say which" in found.failures[ACME.id]


def test_actions_that_could_not_be_had_are_a_failure_and_nothing_is_kept(catalog, clock):
    source = Source(clock)

    def actions(*_):
        raise ProviderError("acorn", Failure.SERVER, "no luck")

    source.actions = actions
    assert "no luck" in run(catalog, source).failures[ACME.id]
    assert not catalog.shelf("1d").has(ACME.id)


def test_an_instrument_of_which_there_is_nothing_is_asked_for_once(catalog, clock):
    source = Source(clock)
    source.bars = lambda *asked: nothing(Source.bars(source, *asked))
    assert (run(catalog, source).added, run(catalog, source).current) == (0, 1)


def nothing(answer):
    return replace(answer, value=picked(answer.value, np.empty(0, np.int64)))


def test_minutes_of_a_split_day_are_taken_back_from_where_it_trades(catalog, clock):
    """Sydney opens at 23:00 UTC of the day before: these bars are on the new scale already."""
    split = Split("BHP.XASX", due(date(2024, 2, 13), "XASX"), Decimal(2))
    assert split_steps([split], "XASX", daily=False) == [(ns("2024-02-12T13:00"), 2.0)]
    assert split_steps([split], "XASX", daily=True) == [(ns("2024-02-13"), 2.0)]
