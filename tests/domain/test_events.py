"""The unions are closed, their members are frozen, and their defaults are the harmless ones."""

from decimal import Decimal
from typing import get_args

import msgspec
import pytest

from evenkeel.domain import events, instrument_events
from evenkeel.domain.events import CashDividend, Event, OrderCanceled, Record, Split, VenueEvent
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved, Reason, Refused

RECORDS = get_args(Record)


def test_the_journal_holds_events_verdicts_and_requests():
    rooms = {**vars(events), **vars(instrument_events)}
    own = {each for each in rooms.values() if isinstance(each, type(msgspec.Struct))}
    own -= {msgspec.Struct}
    assert set(RECORDS) == own | {Fill, Approved, Refused}
    assert set(get_args(VenueEvent)) < set(get_args(Event)) < set(RECORDS)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_record_is_frozen_and_says_when(kind):
    assert kind.__struct_config__.frozen
    assert "at" in kind.__struct_fields__


def test_a_record_does_not_change():
    with pytest.raises(AttributeError, match="immutable"):
        OrderCanceled(1, 0).filled = Decimal(5)


def test_what_a_venue_does_not_say_is_nothing():
    assert OrderCanceled(1, 0).filled == 0
    fill = Fill("x", 1, "A.XNYS", Side.BUY, Decimal(1), Decimal(2), "USD", 0)
    assert (fill.commission, fill.slippage, fill.ambiguity) == (0, 0, None)
    assert Split("A.XNYS", 0, Decimal(2)).old == 1
    assert CashDividend("A.XNYS", 0, Decimal(1)).currency == "USD"


def test_a_refusal_is_named_after_the_limit_that_was_broken():
    assert len({each.value for each in Reason}) == len(Reason)
    assert all(each.value == each.value.lower() for each in Reason)
