"""Whatever a strategy owes: time may jump over the days on which nothing is charged, and a margin
that is not kept is found on every path at the same bar."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.engine.market import HOUR, X, Y, card, play
from tests.properties.streams import STREAMS, wishes
from tests.properties.test_simulated_runs import ACTIONS, walk

from evenkeel.domain.events import (
    BorrowFeeCharged,
    InterestCharged,
    LiquidationForced,
    MarginCalled,
)
from evenkeel.journal.chain import links

CASH = "5000"
TERMS = {"interest": "6,1970-01-03:8", "borrow": f"3,{Y}=40", "margin": "reg-t"}


def slow(history, hours):
    """The same bars, further apart, so that there are days between them."""
    stretched = history.closed_at * hours
    return replace(history, closed_at=stretched, session_closes=np.arange(1, 40) * 24 * HOUR)


def run(stream, seed, actions, *, jump):
    return play(
        wishes(stream),
        slow(walk(X, seed), 7),
        slow(walk(Y, seed + 1, every=1 + seed % 3), 7),
        limits=card(),
        actions=tuple(replace(action, at=(action.at - 1) * 7 + 1) for action in actions),
        cash=CASH,
        costs="bps:5",
        jump=jump,
        **TERMS,
    )


@given(STREAMS, st.integers(0, 10_000), ACTIONS)
def test_jumping_and_stepping_find_the_same_loans(stream, seed, actions):
    jumped, stepped = (run(stream, seed, actions, jump=jump)[0] for jump in (True, False))
    assert [each.line for each in links(jumped)] == [each.line for each in links(stepped)]


def test_the_streams_do_what_they_are_for_and_what_is_charged_is_what_is_paid():
    """Without loans and calls the property above would prove little."""
    rng = np.random.default_rng(1)
    seen = {InterestCharged: 0, BorrowFeeCharged: 0, MarginCalled: 0, LiquidationForced: 0}
    for seed in range(30):
        stream = [tuple(map(int, (rng.integers(30), *rng.integers(0, 100, 3)))) for _ in range(30)]
        records, core, _ = run(stream, seed, (), jump=True)
        for record in records:
            if type(record) in seen:
                seen[type(record)] += 1
        charged = (InterestCharged, BorrowFeeCharged)
        paid = sum((each.amount for each in records if isinstance(each, charged)), Decimal(0))
        assert core.account.book.financing == paid
        assert sum(map(Fraction, core.account.book.balances().values())) == 0
    assert all(count > 10 for count in seen.values()), seen
