"""Paper on prices that come in: recorded, lived again to the same journal, refused when stale."""

from datetime import date
from decimal import Decimal
from itertools import islice

import numpy as np
import pytest
from msgspec.structs import replace
from tests.contracts.provider_world import ns
from tests.engine.market import card
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Loopback, Reply
from tests.fakes.minute_market import MINUTE, MinuteMarket, close_of
from tests.fakes.yahoo_server import minutes, yahoo
from tests.fakes.yahoo_session import fresh_yfinance, session_to

import evenkeel as ek
from evenkeel.app.backtest import execute
from evenkeel.app.live_prices import lived_through, trade_live
from evenkeel.app.runs import load, save
from evenkeel.app.setup import request
from evenkeel.domain.errors import ConfigError, DataError, UsageError
from evenkeel.domain.events import CashDividend, RunEnded, RunStarted, Split
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.journal.verify import verify
from evenkeel.market.actions import due
from evenkeel.market.budget import Budget
from evenkeel.market.failover import Failover
from evenkeel.market.live import Poller
from evenkeel.market.manners import Manners
from evenkeel.market.provider import Adjustment, Answer, Failure, Origin
from evenkeel.market.recorder import recorded, replayed
from evenkeel.market.yahoo import Yahoo
from evenkeel.strategy.examples.sma_cross import SmaCross

A, B = Instrument("A.XNAS"), Instrument("B.XNYS")
AT = ns("2024-01-30T15:00:20")


@pytest.fixture
def clock():
    return FakeClock(AT)


@pytest.fixture
def market(clock):
    return MinuteMarket(clock)


class EveryBar(ek.PortfolioStrategy):
    """Wants one share of everything at every bar time."""

    def on_bar(self):
        for name in self.bars:
            self.buy(name, 1)


def want(strategy, limits=None, **data):
    def wanted(bars, actions):
        return request(
            strategy(), bars, actions=actions, limits=limits or card(), costs="zero", data=data
        )

    return wanted


def lines(result):
    return list(result.journal.lines())


def updates(provider, clock, count, *instruments):
    """The histories, a minute each, and every quarter of an hour what companies did."""
    poller = Poller(provider, instruments or (A, B), "1m", clock, warm_up=60)
    return islice(poller.updates(), count)


def cross():
    return SmaCross(fast=2, slow=5)


def test_a_recorded_day_lived_again_gives_the_same_journal(market, clock, tmp_path):
    """Also with a provider that fails for a while, and a gap that is filled."""
    market.fails = lambda each: (
        Failure.SERVER if each == A and AT + 10 * MINUTE < clock.now < AT + 15 * MINUTE else None
    )
    day = tmp_path / "day.recording"
    live = recorded(updates(market, clock, 40), day)
    first = trade_live(live, want(cross), f"sqlite:///{tmp_path / 'first.db'}")
    again = trade_live(replayed(day), want(cross), f"sqlite:///{tmp_path / 'again.db'}")
    assert lines(first) == lines(again)
    assert len(first.moves) > 5
    verdict = verify(tmp_path / "first.db")
    assert (verdict.ok, verdict.ended, verdict.head) == (True, True, first.journal.head)


def test_what_came_before_is_learnt_from_and_not_traded_on(market, clock, tmp_path):
    result = trade_live(updates(market, clock, 31, A), want(cross), f"sqlite:///{tmp_path}/p.db")
    started, *between, ended = result.records
    assert isinstance(started, RunStarted)
    assert started.at == ns("2024-01-30T15:00")
    assert isinstance(ended, RunEnded)
    assert min(each.at for each in between if isinstance(each, Approved)) > started.at
    assert len(result.bars[A.id]) == 30
    assert result.bars[A.id].closed_at[0] == started.at


def test_live_bars_are_decided_on_like_those_of_a_backtest(market, clock, tmp_path):
    """A backtest of the same bars, by a strategy that sleeps through the warm-up."""
    result = trade_live(updates(market, clock, 60, A), want(cross), f"sqlite:///{tmp_path}/p.db")
    poller = Poller(market, (A,), "1m", clock, warm_up=60)
    (whole,) = lived_through(iter([poller.histories()]))[0]
    upto = int((whole.closed_at <= result.bars[A.id].closed_at[-1]).sum())
    since = result.records[0].at

    class Late(SmaCross):
        def setup(self, bars):
            super().setup(bars)
            late = bars.closed_at > np.datetime64(since, "ns")
            self.wake_on((self.up | self.down) & late)

    whole = whole.first(upto)
    tested = execute(request(Late(fast=2, slow=5), [whole], limits=card(), costs="zero"))
    told = [(each.at, each.price, each.quantity) for each in result.moves]
    assert told == [(each.at, each.price, each.quantity) for each in tested.moves]
    assert told


def test_a_stale_instrument_is_refused_by_the_gate_while_others_trade(market, clock, tmp_path):
    """Every provider of A is down; B goes on."""
    second = MinuteMarket(clock, name="second")
    for each in (market, second):
        each.fails = lambda asked: Failure.SERVER if asked == A and clock.now > AT else None
    result = trade_live(
        updates(Failover([market, second]), clock, 8),
        want(EveryBar, card(price_age_max_seconds=180)),
        f"sqlite:///{tmp_path}/p.db",
    )
    verdicts = [each for each in result.records if isinstance(each, Approved | Refused)]
    told = {
        name: [
            each.reason if isinstance(each, Refused) else None
            for each in verdicts
            if each.order.instrument == name
        ]
        for name in (A.id, B.id)
    }
    assert told[A.id] == [None] * 3 + [Reason.PRICE_STALE] * 4
    assert told[B.id] == [None] * 7


def test_a_bar_that_comes_late_meets_only_orders_that_were_there_before_it(market, clock, tmp_path):
    """A's bars of three minutes come when B has long gone on: nothing is decided in the past."""
    market.fails = lambda each: (
        Failure.SERVER if each == A and AT < clock.now < AT + 4 * MINUTE else None
    )
    result = trade_live(updates(market, clock, 11), want(EveryBar), f"sqlite:///{tmp_path}/p.db")
    decided = [each.at for each in result.records if isinstance(each, Approved)]
    assert decided == sorted(decided)
    made = {each.order.id: each.at for each in result.records if isinstance(each, Approved)}
    filled = [each for each in result.records if isinstance(each, Fill)]
    assert {each.instrument for each in filled} == {A.id, B.id}
    assert all(each.at > made[each.order_id] for each in filled)
    assert len(result.bars[A.id]) == len(result.bars[B.id]) == 10
    assert verify(tmp_path / "p.db").ok


def test_nothing_is_decided_on_bars_that_are_stale_when_they_come(market, clock, tmp_path):
    """Ten minutes without any provider: they are learnt from, and trading goes on with what is new."""
    market.fails = lambda _: (
        Failure.UNREACHABLE if AT + 2 * MINUTE < clock.now < AT + 12 * MINUTE else None
    )
    result = trade_live(updates(market, clock, 40, A), want(EveryBar), f"sqlite:///{tmp_path}/p.db")
    decided = {
        (each.at - ns("2024-01-30T15:00")) // MINUTE
        for each in result.records
        if isinstance(each, Approved)
    }
    last = max(decided)
    assert decided & set(range(1, 14)) == {1, 2, 10, 11, 12, 13}
    assert decided >= set(range(10, last + 1))
    assert len(result.bars[A.id]) == last + 1  # none is missing from the history
    made = {each.order.id: each.at for each in result.records if isinstance(each, Approved)}
    filled = {each.order_id: each.at for each in result.records if isinstance(each, Fill)}
    assert filled[2] == made[2] + MINUTE  # what was working met the bars of that time


def test_ctrl_c_ends_a_run_in_order(market, clock, tmp_path):
    def interrupted():
        yield from updates(market, clock, 10)
        raise KeyboardInterrupt

    result = trade_live(interrupted(), want(cross), f"sqlite:///{tmp_path}/p.db")
    assert isinstance(result.records[-1], RunEnded)


def test_a_run_of_a_recorded_day_is_read_back(market, clock, tmp_path):
    day = tmp_path / "day.recording"
    live = recorded(updates(market, clock, 30), day)
    made = trade_live(
        live, want(cross, sources=[], recording=str(day)), f"sqlite:///{tmp_path}/p.db"
    )
    folder = save(made, tmp_path / "runs")
    again = load(folder.name, tmp_path / "runs")
    assert again.metrics == made.metrics
    assert {name: each.digest() for name, each in again.bars.items()} == {
        name: each.digest() for name, each in made.bars.items()
    }


# ---- what companies do meanwhile ----


EX = due(date(2024, 1, 30), "XNAS")
"""Midnight of Tuesday in New York: Monday's last bars were traded before it."""


class Holder(ek.PortfolioStrategy):
    """Buys ten of A at once, and four more far below the market, which is 100 and above."""

    def on_start(self):
        self.asked = False

    def on_bar(self):
        if not self.asked:
            self.asked = True
            self.buy(A.id, 10)
            self.buy(A.id, 4, limit=70, tif="GTC")


def over_night(market, clock, count, *instruments):
    """Five minutes of Monday, and then the first of Tuesday."""
    clock.now = ns("2024-01-29T20:55:30")
    return updates(market, clock, count, *(instruments or (A,)))


def test_a_split_that_is_listed_late_is_applied_when_it_is_known(market, clock, tmp_path):
    """Nobody says for ten minutes why the price is a half: until then nothing is done about it."""
    listed = Split(A.id, EX, Decimal(2))
    market.listed = [listed]
    answers = market.actions

    def late(instrument, start, end):
        found = answers(instrument, start, end)
        return found if clock.now > ns("2024-01-30T14:41") else replace(found, value=())

    market.actions = late
    result = trade_live(
        over_night(market, clock, 30), want(Holder), f"sqlite:///{tmp_path / 'p.db'}"
    )
    assert [each for each in result.records if isinstance(each, Split)] == [listed]
    fills = [each.quantity for each in result.records if isinstance(each, Fill)]
    assert fills == [10]  # and none at 60 of what wanted 70
    assert result.positions[A.id].quantity == 20
    assert len(result.bars[A.id]) == 29  # the history has no hole
    assert verify(tmp_path / "p.db").ok


@pytest.mark.parametrize("adjustment", [Adjustment.AS_TRADED, Adjustment.SPLIT])
def test_a_split_over_night_is_applied_to_lots_and_working_orders(
    adjustment, market, clock, tmp_path
):
    """Whether the source divides what was before it or not: nothing is gained and nothing lost."""
    market.adjustment = adjustment
    market.listed = [Split(A.id, EX, Decimal(2))]
    day = tmp_path / "day.recording"
    live = recorded(over_night(market, clock, 12), day)
    result = trade_live(live, want(Holder), f"sqlite:///{tmp_path / 'first.db'}")
    bars = result.bars[A.id]
    monday = bars.closed_at <= EX
    truth = [close_of(A.id, at - MINUTE) for at in bars.closed_at.tolist()]
    assert bars.close.tolist() == [
        price if before else price / 2 for price, before in zip(truth, monday, strict=True)
    ]
    (split,) = [each for each in result.records if isinstance(each, Split)]
    assert split == Split(A.id, EX, Decimal(2))
    assert result.positions[A.id].quantity == 20
    (bought,) = [each for each in result.records if isinstance(each, Fill)]  # 70 is 35 now
    assert bought.quantity == 10
    assert result.ended.equity == 100_000 + 20 * Decimal(str(bars.close[-1])) - 10 * bought.price
    equity = result.equity.values
    assert abs(np.diff(equity)).max() <= 10 * max(truth) * 0.12  # what ten shares move, not half
    again = trade_live(replayed(day), want(Holder), f"sqlite:///{tmp_path / 'again.db'}")
    assert lines(again) == lines(result)
    assert verify(tmp_path / "first.db").ok


def test_a_dividend_over_night_is_booked_once_whoever_tells_it(market, clock, tmp_path):
    """A file told of it at the start, and the provider tells it every quarter of an hour."""
    paid = CashDividend(A.id, EX, Decimal("0.5"))
    market.listed = [paid]
    first, *others = over_night(market, clock, 40)
    assert sum(len(each.actions) for each in others) > 2
    file = Origin(source="actions.csv", fetched_at=0, currency="USD")
    told = replace(first, actions=(Answer((paid,), file), *first.actions))
    result = trade_live(iter([told, *others]), want(Holder), f"sqlite:///{tmp_path}/p.db")
    assert [each for each in result.records if isinstance(each, CashDividend)] == [paid]
    (bought,) = [each for each in result.records if isinstance(each, Fill)]
    last = Decimal(str(result.bars[A.id].close[-1]))
    assert result.ended.equity == 100_000 - 10 * bought.price + 10 * last + 5


def test_a_strategy_sees_the_warm_up_on_the_scale_of_today(market, clock, tmp_path):
    """Where nobody has divided what was before a split, the run does, and says so."""
    market.listed = [Split(A.id, EX, Decimal(2))]
    clock.now = ns("2024-01-30T14:31:20")
    seen = []

    class Watcher(ek.Strategy):
        def on_bar(self):
            seen.append((self.bars.close[0], self.bars.close[-30]))

    result = trade_live(updates(market, clock, 3, A), want(Watcher), f"sqlite:///{tmp_path}/p.db")
    assert any(isinstance(each, Split) for each in result.records)
    assert {now < 70 and before < 70 for now, before in seen} == {True}
    assert verify(tmp_path / "p.db").ok


def test_who_was_in_quarantine_that_day_is_refused_whenever_it_is_lived_again(
    market, clock, tmp_path
):
    def coming():
        first, *others = updates(market, clock, 6)
        yield replace(first, quarantine={A.id: "1 open error: high below low"})
        yield from others

    day = tmp_path / "day.recording"
    result = trade_live(
        recorded(coming(), day), want(EveryBar), f"sqlite:///{tmp_path / 'first.db'}"
    )
    verdicts = {
        (each.order.instrument, each.reason if isinstance(each, Refused) else None)
        for each in result.records
        if isinstance(each, Approved | Refused)
    }
    assert verdicts == {(A.id, Reason.INSTRUMENT_QUARANTINED), (B.id, None)}
    again = trade_live(replayed(day), want(EveryBar), f"sqlite:///{tmp_path / 'again.db'}")
    assert lines(again) == lines(result)


def test_no_history_and_no_limits_are_refused_at_the_start(market, clock, tmp_path):
    clock.now = ns("2024-01-27T12:00")
    young = Instrument("A.XNAS")
    market.delay = 10**18
    with pytest.raises(DataError, match=r"0 usable bars of A.XNAS"):
        trade_live(updates(market, clock, 2, young), want(cross), f"sqlite:///{tmp_path}/p.db")
    market.delay, clock.now = 0, AT
    with pytest.raises(ConfigError, match="complete limit card"):
        trade_live(
            updates(market, clock, 2, young),
            lambda bars, _: request(cross(), bars),
            f"sqlite:///{tmp_path}/p.db",
        )


def test_another_currency_than_the_accounts_is_refused(market, clock, tmp_path):
    """Prices in pounds are no dollars, whatever the bot's file says."""
    (found,) = updates(market, clock, 1, A)
    answer = found.answers[0]
    pounds = replace(answer, origin=replace(answer.origin, currency="GBP"))
    with pytest.raises(UsageError, match=r"has A.XNAS in GBP and the account is in USD"):
        trade_live(
            iter([replace(found, answers=(pounds,))]), want(cross), f"sqlite:///{tmp_path}/p.db"
        )


def test_the_real_yfinance_polled_on_loopback_is_traded_recorded_and_lived_again(clock, tmp_path):
    """From the wire to the journal and back: paper, minute by minute, on the stand-in's charts."""
    fresh_yfinance(tmp_path)
    acme = Instrument("ACME.XNAS")

    def answer(asked):
        if asked.query.get("interval") != "1m":
            return yahoo(asked)
        count = (clock.now - ns("2024-01-30T14:30")) // MINUTE + 1
        chart = minutes("2024-01-30", int(count))
        columns = chart["indicators"]["quote"][0]
        for at in range(int(count)):
            price = 100 + at * 7 % 13
            for name in ("open", "high", "low", "close"):
                columns[name][at] = price
        return Reply({"chart": {"result": [chart], "error": None}})

    budget = Budget(tmp_path / "budget.db", clock, {})
    day = tmp_path / "day.recording"
    with Loopback(answer) as server:
        provider = Yahoo(Manners("yahoo", budget, clock), clock, session=session_to(server.port))
        live = recorded(updates(Failover([provider]), clock, 26, acme), day)
        first = trade_live(live, want(cross), f"sqlite:///{tmp_path / 'first.db'}")
        provider.close()
    budget.close()
    again = trade_live(replayed(day), want(cross), f"sqlite:///{tmp_path / 'again.db'}")
    assert lines(first) == lines(again)
    assert len(first.bars[acme.id]) == 25
    assert first.moves
