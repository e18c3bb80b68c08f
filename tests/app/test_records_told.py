"""One id finds all of a decision in the log: bars in, records told as they are written down."""

import io
import json
from decimal import Decimal

import pandas as pd
import pytest

import evenkeel as ek
from evenkeel.app.backtest import plan
from evenkeel.app.paper import KeptJournal, replay
from evenkeel.app.records_told import RecordsTold
from evenkeel.domain.events import Halted, OrderUncertain
from evenkeel.journal.log import MemoryJournal
from evenkeel.ops import logging
from evenkeel.ops.metrics import METRICS


@pytest.fixture
def events():
    stream = io.StringIO()
    logging.begin(levels="debug", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.end()
    logging.set_levels("info")


class Bracketed(ek.Strategy):
    """Buys once with a stop and a target; asks for far too much the bar after."""

    def on_start(self):
        self.seen = 0

    def on_bar(self):
        self.seen += 1
        if self.seen == 2:
            self.bracket(10, stop_loss=90, take_profit=108, reason="once")
        if self.seen == 3:
            self.buy(50_000_000, reason="too much")


@pytest.fixture
def bars():
    days = pd.date_range("2020-01-01", periods=8, freq="D")
    closes = [100.0, 101, 102, 103, 106, 109, 110, 111]
    return pd.DataFrame(
        {
            "open": closes,
            "high": [each + 1 for each in closes],
            "low": [each - 1 for each in closes],
            "close": closes,
            "volume": [1_000_000.0] * 8,
        },
        index=days,
    )


def test_one_correlation_holds_all_that_came_of_a_decision(events, bars):
    journal = MemoryJournal()
    before = METRICS._durations.get("journal append")
    appends = sum(before.buckets) if before else 0
    records = replay(plan(Bracketed(), bars), journal)
    told = events()
    assert [event["event"] for event in told] == [type(each).__name__ for each in records]
    assert {event["area"] for event in told} == {"app.records"}
    mine = [event for event in told if event.get("correlation") == "order:1"]
    assert {event["order"] for event in mine} == {"1", "2", "3"}, "entry, stop and target"
    filled = [event for event in mine if event["event"] == "Fill"]
    assert [(event["order"], event["side"], event["quantity"]) for event in filled] == [
        ("1", "BUY", "10"),
        ("3", "SELL", "10"),
    ]
    (refused,) = [event for event in told if event["event"] == "Refused"]
    assert (refused["order"], refused["correlation"]) == ("4", "order:4")
    assert refused["reason"] == "buying_power_multiple"
    assert sum(METRICS._durations["journal append"].buckets) > appends


def test_what_somebody_should_look_at_is_a_warning(events):
    RecordsTold().tell(
        [OrderUncertain(7, at=1, reason="no answer"), Halted(at=2, reason="loss", by="ada")]
    )
    uncertain, halted = events()
    assert (uncertain["level"], uncertain["order"], uncertain["reason"]) == (
        *("warning", "7", "no answer"),
    )
    assert (halted["level"], halted["reason"]) == ("warning", "loss")
    assert "order" not in halted


def test_a_replacement_belongs_to_what_it_replaces(events, bars):
    class Moved(ek.Strategy):
        def on_start(self):
            self.seen, self.order = 0, None

        def on_bar(self):
            self.seen += 1
            if self.seen == 2:
                self.order = self.buy(10, limit=Decimal(50))
            if self.seen in {4, 6}:
                self.order = self.replace(self.order, limit=Decimal(50 + self.seen))

    replay(plan(Moved(), bars), KeptJournal(MemoryJournal()))
    told = events()
    assert {event["order"] for event in told if "order" in event} == {"1", "2", "3"}
    assert {event.get("correlation") for event in told} == {None, "order:1"}
