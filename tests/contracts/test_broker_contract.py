"""What every broker does, whoever it is: the simulation, and the fake that tests put in its place."""

import inspect
from decimal import Decimal

import pytest
from tests.execution.bench import MINUTE, advance, approved, bars_of, fills, order, venue
from tests.fakes.scripted_broker import (
    ScriptedBroker,
    a_fill,
    backwards,
    in_parts,
    late,
    on_time,
    twice,
)

from evenkeel.domain.events import CashDividend, OrderAccepted, OrderCanceled, Split
from evenkeel.domain.tape import NEVER, Tape
from evenkeel.execution.broker import Broker
from evenkeel.execution.simulated import SimulatedBroker

ROWS = [(100, 101, 99, 100)] * 5


def scripted():
    broker = ScriptedBroker(Tape([bars_of(ROWS)]))
    market = order(1, "BUY", 10)
    broker.script[1] = on_time(OrderAccepted(1, MINUTE), a_fill(market, at=2 * MINUTE, price="100"))
    return broker


@pytest.fixture(params=["simulated", "scripted"])
def broker(request):
    one = venue(bars_of(ROWS)) if request.param == "simulated" else scripted()
    assert advance(one, 1) == []
    return one


def test_an_order_is_accepted_before_it_fills(broker):
    broker.submit(approved(order(1, "BUY", 10)))
    assert broker.events() == [OrderAccepted(1, MINUTE)]
    (fill,) = advance(broker, 2)
    assert (fill.order_id, fill.quantity, fill.price) == (1, 10, 100)
    assert fill.at == 2 * MINUTE


def test_everything_is_said_once(broker):
    broker.submit(approved(order(1, "BUY", 10)))
    broker.events()
    assert broker.events() == []
    advance(broker, 2)
    assert broker.events() == []
    assert advance(broker, 5) == []


def test_a_cancel_is_confirmed(broker):
    broker.submit(approved(order(2, "BUY", 10, "LIMIT", limit="90")))
    broker.events()
    broker.cancel(2)
    assert broker.events() == [OrderCanceled(2, MINUTE, Decimal(0))]


def test_what_it_returns_belongs_to_the_caller(broker):
    said = broker.events()
    said.append("mine")
    assert broker.events() == []


def test_it_takes_corporate_actions(broker):
    broker.corporate_action(CashDividend("TEST.XXXX", MINUTE, Decimal(1)))
    broker.corporate_action(Split("TEST.XXXX", MINUTE, Decimal(2)))
    assert broker.events() == []


def test_it_looks_ahead(broker):
    assert broker.next_event_at() == NEVER
    broker.submit(approved(order(1, "BUY", 10)))
    assert broker.next_event_at() == MINUTE
    broker.events()
    assert broker.next_event_at() == 2 * MINUTE


@pytest.mark.parametrize("kind", [SimulatedBroker, ScriptedBroker])
@pytest.mark.parametrize("method", ["submit", "cancel", "corporate_action", "events"])
def test_it_has_the_ports_methods_with_the_ports_arguments(kind, method):
    port = inspect.signature(getattr(Broker, method))
    assert list(inspect.signature(getattr(kind, method)).parameters) == list(port.parameters)


# ---- how badly the fake can behave -----------------------------------------------------------

WHOLE = a_fill(order(1, "BUY", 10), at=2 * MINUTE, price="100")
PARTS = in_parts(WHOLE, "3", "7")


@pytest.mark.parametrize(
    ("script", "delivered"),
    [
        (on_time(*PARTS), [("1.1", 2), ("1.2", 2)]),
        (late(MINUTE, *PARTS), [("1.1", 3), ("1.2", 3)]),
        (twice(*PARTS), [("1.1", 2), ("1.1", 2), ("1.2", 2), ("1.2", 2)]),
        (backwards(*PARTS), [("1.2", 2), ("1.1", 2)]),
    ],
)
def test_the_fake_delivers_what_it_was_told_when_it_was_told(script, delivered):
    broker = ScriptedBroker(Tape([bars_of(ROWS)]), {1: script})
    advance(broker, 1)
    broker.submit(approved(order(1, "BUY", 10)))
    said = [(fill.id, minute) for minute in (1, 2, 3) for fill in fills(advance(broker, minute))]
    assert said == delivered
