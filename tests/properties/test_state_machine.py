"""Whatever a venue says in whatever state, an order takes only steps that its life allows."""

from decimal import Decimal
from itertools import pairwise

import pytest
from tests.engine.market import HOUR, X, bars, play, scripted
from tests.fakes.scripted_broker import ScriptedBroker

from evenkeel.domain.events import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import TERMINAL, TRANSITIONS, OrderStatus, Side

S = OrderStatus
AT = HOUR
HALF, WHOLE = Decimal(50), Decimal(100)


def fill(quantity: str, part: str) -> Fill:
    return Fill(f"1.{part}", 1, X, Side.BUY, Decimal(quantity), Decimal(10), "USD", AT)


EVENTS = {
    "accepted": OrderAccepted(1, AT),
    "rejected": OrderRejected(1, AT, "no"),
    "canceled": OrderCanceled(1, AT),
    "canceled, half done": OrderCanceled(1, AT, HALF),
    "expired": OrderExpired(1, AT, HALF),
    "replaced": OrderReplaced(2, 1, AT, HALF),
    "replacement rejected": OrderRejected(2, AT, "no"),
    "cancel rejected": CancelRejected(1, AT, "late"),
    "uncertain": OrderUncertain(1, AT, "silence"),
    "half filled": fill("50", "a"),
    "filled": fill("100", "b"),
    "overfilled": fill("150", "c"),
}
REACHED_BY = {
    S.PENDING_NEW: [],
    S.NEW: [EVENTS["accepted"]],
    S.PARTIALLY_FILLED: [fill("10", "z")],
    S.FILLED: [fill("100", "z")],
    S.CANCELED: [EVENTS["canceled"]],
    S.EXPIRED: [EVENTS["expired"]],
    S.REJECTED: [EVENTS["rejected"]],
    S.UNKNOWN: [EVENTS["uncertain"]],
    S.PENDING_CANCEL: [],
    S.PENDING_REPLACE: [],
    S.REPLACED: [EVENTS["replaced"]],
}


def core_in(status: OrderStatus):
    """A core whose order 1 has come to `status`, with a replacement 2 where that takes one."""
    plan = {0: lambda s: s.buy(100, limit=10)}
    if status is S.PENDING_CANCEL:
        plan[1] = lambda s: s.cancel(1)
    if status in {S.PENDING_REPLACE, S.REPLACED}:
        plan[1] = lambda s: s.replace(1, limit=9)
    silent = {1: [], 2: [], -1: []}
    _, core, venue = play(scripted(plan), bars(10, 10, 10), script=silent)
    assert isinstance(venue, ScriptedBroker)
    core.outbox.closed = False  # the run may hear more than a tape of three bars can tell
    for event in REACHED_BY[status]:
        core.process(event)
    assert core.account.orders[1].status is status
    return core


@pytest.mark.parametrize("said", EVENTS)
@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.value)
def test_every_event_in_every_state_takes_a_lawful_step_or_none(status, said):
    """Said once or twice; and what can still fill is never negative, nor more than was ordered."""
    core = core_in(status)
    working = core.account.orders[1]
    path = [working.status]
    for _ in range(2):
        core.process(EVENTS[said])
        path.append(working.status)
        assert 0 <= working.leaves <= WHOLE
    for before, after in pairwise(path):
        assert after is before or after in TRANSITIONS[before], (before, said, after)
    if status in TERMINAL:
        assert path[-1] in {status, S.FILLED}
        assert working.done == (not working.leaves)


@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.value)
def test_an_order_that_is_not_known_changes_nothing(status):
    """Reports about orders of somebody else move none of ours."""
    core = core_in(status)
    core.process(OrderCanceled(99, AT))
    core.process(OrderAccepted(99, AT))
    core.process(CancelRejected(99, AT, "?"))
    assert core.account.orders[1].status is status
