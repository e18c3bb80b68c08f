"""However orders hang together: what has filled never exceeds the limit on a position."""

import random
from collections import Counter
from decimal import Decimal
from math import isnan
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.market import X, Y, card, play
from tests.properties.streams import STREAMS
from tests.properties.test_simulated_runs import walk

import evenkeel as ek
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved, Refused

pytestmark = pytest.mark.uncounted

MOST = Decimal(100)


class Families(ek.PortfolioStrategy):
    """Orders of every kind under orders of every kind, on the same instrument and side or not."""

    stream: ClassVar[list[tuple[int, int, int, int]]] = []

    def on_start(self):
        self.bar = -1
        self.asked: list[int] = []

    def on_bar(self):
        self.bar += 1
        for at, verb, size, pick in type(self).stream:
            if at == self.bar:
                self.ask(verb, size, pick)

    def ask(self, verb, size, pick):
        name = self.universe[size % len(self.universe)]
        last = self.bars[name].close[0]
        if isnan(last):  # nothing is known of this instrument yet
            return
        trade, away = (self.buy, -1) if verb % 2 else (self.sell, 1)
        words = {}
        if verb % 5 == 0:
            words["limit"] = round(last * (1 + away * 0.01), 2)
        elif verb % 5 == 1:
            words["stop"] = round(last * (1 - away * 0.01), 2)
        if self.asked and pick % 4:
            words["after"] = self.asked[-1 - pick % min(4, len(self.asked))]
        if self.asked and verb > 90:
            self.cancel(self.asked[pick % len(self.asked)])
        elif (number := trade(name, 10 * (1 + size % 9), **words)) is not None:
            self.asked.append(number)


def furthest(stream, seed, slippage="none"):
    """The furthest from zero that any position comes in a run of the stream, and its records."""
    strategy = type("Families", (Families,), {"stream": stream})
    histories = walk(X, seed), walk(Y, seed + 1, every=1 + seed % 3)
    limits = card(position_quantity_max=MOST)
    records = play(strategy, *histories, limits=limits, slippage=slippage)[0]
    held, most = {X: Decimal(0), Y: Decimal(0)}, Decimal(0)
    for record in records:
        if isinstance(record, Fill):
            signed = record.quantity if record.side is Side.BUY else -record.quantity
            held[record.instrument] += signed
            most = max(most, abs(held[record.instrument]))
    return most, records


@given(STREAMS, st.integers(0, 10_000), st.sampled_from(["none", "none", "latency:1"]))
def test_no_family_of_orders_carries_a_position_past_its_limit(stream, seed, slippage):
    assert furthest(stream, seed, slippage)[0] <= MOST


def test_the_families_come_up_to_the_limit():
    """(Otherwise the test before says nothing.)"""
    seen = Counter()
    for seed in range(60):
        dice = random.Random(seed)
        stream = [(dice.randrange(25), *(dice.randrange(100) for _ in range(3))) for _ in range(30)]
        most, records = furthest(stream, seed)
        children = {r.order.id for r in records if isinstance(r, Approved) and r.order.parent}
        seen["at the limit"] += most == MOST
        seen["refused"] += sum(isinstance(record, Refused) for record in records)
        seen["filled"] += sum(isinstance(r, Fill) and r.order_id in children for r in records)
    assert seen["at the limit"] > 15
    assert seen["refused"] > 300
    assert seen["filled"] > 300
