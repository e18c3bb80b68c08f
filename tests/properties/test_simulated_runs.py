"""Whatever a strategy asks for: time may jump, and no cent and no share appears or is lost."""

import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.market import HOUR, X, Y, card, play
from tests.properties.streams import STREAMS, wishes

from evenkeel.domain.bar import Bars
from evenkeel.domain.events import (
    BorrowFeeCharged,
    CashDividend,
    InterestCharged,
    RunEnded,
    Split,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.order import Side
from evenkeel.journal.chain import links
from evenkeel.ledger.book import Book

pytestmark = pytest.mark.uncounted

CASH = Decimal(100_000)
BARS = 30


def walk(name: str, seed: int, *, every: int = 1) -> Bars:
    """A random walk in cents with gaps, ranges and volumes thin enough for partial fills."""
    rng = random.Random(seed)
    rows, last = [], 50.0
    for _ in range(0, BARS, every):
        opened = round(last * rng.uniform(0.97, 1.03), 2)
        last = round(opened * rng.uniform(0.97, 1.03), 2)
        low = round(min(opened, last) * rng.uniform(0.98, 1), 2)
        high = round(max(opened, last) * rng.uniform(1, 1.02), 2)
        rows.append((opened, high, low, last, rng.choice([100, 300, 1000, 5000])))
    columns = [np.array(column, dtype=float) for column in zip(*rows, strict=True)]
    at = np.arange(1, BARS + 1, every) * HOUR
    return Bars(Instrument(name), at, *columns, np.arange(1, 4) * 10 * HOUR)


ACTIONS = st.lists(
    st.one_of(
        st.builds(
            Split,
            st.sampled_from([X, Y]),
            st.integers(1, BARS - 1).map(lambda bar: bar * HOUR + 1),
            st.sampled_from([Decimal(2), Decimal(7), Decimal(3)]),
            st.sampled_from([Decimal(1), Decimal(2)]),
        ),
        st.builds(
            CashDividend,
            st.sampled_from([X, Y]),
            st.integers(1, BARS - 1).map(lambda bar: bar * HOUR + 1),
            st.sampled_from([Decimal("0.11"), Decimal("1.7")]),
        ),
    ),
    max_size=3,
).map(tuple)


def run(stream, seed, actions, *, jump, slippage="none"):
    return play(
        wishes(stream),
        walk(X, seed),
        walk(Y, seed + 1, every=1 + seed % 3),
        limits=card(),
        actions=actions,
        costs="ibkr-fixed",
        slippage=slippage,
        jump=jump,
    )[0]


@given(STREAMS, st.integers(0, 10_000), ACTIONS, st.sampled_from(["none", "none", "latency:2"]))
def test_jumping_and_stepping_write_the_same_journal(stream, seed, actions, slippage):
    """Every kind of order, splits and dividends, two timelines: time may jump over silence."""
    jumped, stepped = (
        run(stream, seed, actions, jump=jump, slippage=slippage) for jump in (True, False)
    )
    assert [each.line for each in links(jumped)] == [each.line for each in links(stepped)]


@given(STREAMS, st.integers(0, 10_000), ACTIONS)
def test_cash_and_positions_are_conserved_at_every_record(stream, seed, actions):
    """Opening cash plus all that was traded and paid is what the book holds: in exact fractions."""
    records = run(stream, seed, actions, jump=True)
    book = Book(CASH, "USD", {name: Instrument(name) for name in (X, Y)})
    cash, held = Fraction(CASH), {X: Fraction(0), Y: Fraction(0)}
    for record in records:
        match record:
            case Fill():
                signed = record.quantity if record.side is Side.BUY else -record.quantity
                cash -= Fraction(signed) * Fraction(record.price)
                cash -= Fraction(record.commission) + Fraction(record.fees)
                held[record.instrument] += Fraction(signed)
            case Split():
                held[record.instrument] *= Fraction(record.new) / Fraction(record.old)
            case CashDividend():
                cash += held[record.instrument] * Fraction(record.amount)
            case InterestCharged() | BorrowFeeCharged():
                cash -= Fraction(record.amount)
            case _:
                continue
        legs = book.post(record)
        assert sum(Fraction(leg.amount) for leg in legs) == 0
        assert sum(map(Fraction, book.balances().values())) == 0
        assert Fraction(book.cash) == cash
        assert {name: Fraction(book.quantity(name)) for name in held} == held
    assert isinstance(records[-1], RunEnded)
    assert records[-1].state == book.state_hash()


def test_the_streams_do_what_they_are_for():
    """Properties over streams without shorts, partial fills and splits would prove little."""
    rng = random.Random(1)
    seen = {"fills": 0, "short": 0, "partial": 0}
    for seed in range(30):
        stream = [(rng.randrange(BARS), *(rng.randrange(100) for _ in "abc")) for _ in range(30)]
        held, parts = {X: 0, Y: 0}, {}
        for record in run(stream, seed, (), jump=True):
            if isinstance(record, Fill):
                held[record.instrument] += record.quantity * (1 if record.side is Side.BUY else -1)
                parts[record.order_id] = parts.get(record.order_id, 0) + 1
                seen["fills"] += 1
                seen["short"] += held[record.instrument] < 0
        seen["partial"] += sum(count > 1 for count in parts.values())
    assert seen["fills"] > 300
    assert seen["short"] > 50
    assert seen["partial"] > 30
