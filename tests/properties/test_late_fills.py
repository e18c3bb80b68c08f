"""However late, torn, doubled or disordered its fills are told: what is approved stays in limits.

Prices stand still, so nothing but an approval can move the book towards a limit.
"""

import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.market import HOUR, X, Y, bars, card
from tests.properties.streams import EVERYTHING, PLAIN, STREAMS, wishes
from tests.properties.unruly_venue import UnrulyVenue

from evenkeel.app.setup import request
from evenkeel.domain.events import (
    Halted,
    OrderCanceled,
    OrderRejected,
    Record,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.domain.tape import Tape
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.engine.core import Core
from evenkeel.engine.run import run
from evenkeel.engine.schedule import Schedule
from evenkeel.journal.log import MemoryJournal

ZERO = Decimal(0)
LAST = Decimal(50)
TIGHT = card(
    position_quantity_max=100,
    gross_exposure_max=7_700,
    net_exposure_max=6_100,
    concentration_max="0.046",
    buying_power_multiple="0.075",
)
CASH = Decimal(100_000)


class Watched(UnrulyVenue):
    """Measures, whenever the engine has finished with something, how far its book could go."""

    def __init__(self, tape, seed):
        super().__init__(tape, seed, quiet_at=33 * HOUR)
        self.measured = []

    def events(self):
        self.measured.append(self.reach())
        said = super().events()
        self.measured.append(self.reach())
        return said


def trade(stream, seed, *, verbs) -> tuple[list[Record], Watched, Core]:
    histories = [bars(*[50.0] * 40, name=X), bars(*[50.0] * 40, name=Y)]
    wanted = request(
        wishes(stream, verbs)(), histories, cash=CASH, costs="zero", slippage="none", limits=TIGHT
    )
    tape = Tape(histories)
    venue, journal, core = Watched(tape, seed), MemoryJournal(), wanted.core(tape)
    run(core, Schedule(tape, ()), venue, journal)
    return journal.records, venue, core


def within(spans: dict[str, tuple[Decimal, Decimal]]) -> bool:
    """Whether the worst that can come of it lies within every limit of the card."""
    furthest = [max(-low, high) for low, high in spans.values()]
    gross = sum(furthest) * LAST
    net = max(sum(high for _, high in spans.values()), -sum(low for low, _ in spans.values()))
    return (
        max(furthest) <= TIGHT.position_quantity_max
        and max(furthest) * LAST <= TIGHT.concentration_max * CASH
        and gross <= TIGHT.gross_exposure_max
        and gross <= TIGHT.buying_power_multiple * CASH
        and net * LAST <= TIGHT.net_exposure_max
    )


def dense(seed):
    """A long stream, of the kind that Hypothesis seldom draws."""
    dice = random.Random(seed)
    return [(dice.randrange(30), *(dice.randrange(100) for _ in "abc")) for _ in range(40)]


@pytest.mark.parametrize("seed", range(0, 100, 10))
def test_long_streams_stay_in_limits_and_end_in_the_truth(seed):
    """When everything has been told, the engine knows the book as the venue has it: no more, no less."""
    for number in range(seed, seed + 10):
        records, venue, core = trade(dense(number), number, verbs=EVERYTHING)
        assert all(map(within, venue.measured)), number
        assert not [record for record in records if isinstance(record, Halted)], number
        assert {name: core.account.book.quantity(name) for name in venue.truth} == venue.truth
        assert core.account.open_orders == len(venue.book.live), number
        for name, (low, high) in venue.reach().items():
            reading = core.account.reading(name)
            assert reading.worst_short <= low, number
            assert reading.worst_long >= high, number


@pytest.mark.uncounted
@given(STREAMS, st.integers(0, 10_000))
def test_the_true_book_never_reaches_beyond_a_limit(stream, seed):
    """Brackets, replacements, stops and shorts, against what the venue really holds and works."""
    records, venue, _ = trade(stream, seed, verbs=EVERYTHING)
    for spans in venue.measured:
        assert within(spans), spans
    assert not [record for record in records if isinstance(record, Halted)]


def worst_of(records: Sequence[Record]) -> dict[str, list[Decimal]]:
    """From the records alone: how short and how long each instrument could become.

    Good for orders that stand alone (no children, groups and replacements). An order counts in
    full until its end is said, and after that for what it filled and has not been told yet.
    """
    orders: dict[int, Any] = {}
    filled: Counter[int] = Counter()
    total: dict[int, Decimal] = {}
    held = {X: ZERO, Y: ZERO}
    for record in records:
        match record:
            case Approved():
                orders[record.order.id] = record.order
                total[record.order.id] = record.order.quantity
            case Fill():
                filled[record.order_id] += record.quantity
                held[record.instrument] += (
                    record.quantity if record.side is Side.BUY else -record.quantity
                )
            case OrderRejected():
                total[record.order_id] = ZERO
            case OrderCanceled():
                total[record.order_id] = record.filled
            case _:
                pass
    worst = {name: [quantity, quantity] for name, quantity in held.items()}
    for number, order in orders.items():
        left = total[number] - filled[number]
        assert left >= 0, number
        worst[order.instrument][order.side is Side.BUY] += left if order.side is Side.BUY else -left
    return worst


@pytest.mark.uncounted
@given(STREAMS, st.integers(0, 10_000))
def test_at_no_record_do_held_and_in_flight_exceed_a_limit(stream, seed):
    """Counted again from nothing at every record of the journal, and as the engine counts at last."""
    records, _, core = trade(stream, seed, verbs=PLAIN)
    for count in range(1, len(records) + 1):
        assert within({name: tuple(span) for name, span in worst_of(records[:count]).items()})
    for name, (low, high) in worst_of(records).items():
        reading = core.account.reading(name)
        assert (reading.worst_short, reading.worst_long) == (low, high)


@pytest.mark.uncounted
def test_the_streams_meet_the_limits_and_the_mischief():
    """Limits that nothing comes near, or fills that come in order, would prove nothing."""
    met, late = Counter(), 0
    for seed in range(40):
        records = trade(dense(seed), seed, verbs=EVERYTHING)[0]
        met += Counter(r.reason for r in records if isinstance(r, Refused))
        met += Counter(type(r).__name__ for r in records)
        told = [int(r.id[1:]) for r in records if isinstance(r, Fill)]
        late += told != sorted(told)
    limits = (
        Reason.POSITION,
        Reason.GROSS_EXPOSURE,
        Reason.NET_EXPOSURE,
        Reason.CONCENTRATION,
        Reason.BUYING_POWER,
    )
    assert min(met[reason] for reason in limits) > 0, met
    assert min(met[kind] for kind in ("OrderReplaced", "CancelRejected", "OrderRejected")) > 5, met
    assert met["Fill"] > 300
    assert late > 20
