"""An order's life has the steps of FIX 4.4 and no others."""

from decimal import Decimal
from itertools import product

import pytest

from evenkeel.domain.order import (
    TERMINAL,
    TRANSITIONS,
    Order,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)

S = OrderStatus


def test_the_other_side():
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY


def test_every_state_says_what_can_follow():
    assert set(TRANSITIONS) == set(S)


def test_terminal_states_are_those_of_fix():
    assert {S.FILLED, S.CANCELED, S.REPLACED, S.REJECTED, S.EXPIRED} == TERMINAL


def test_what_ended_can_only_turn_out_filled():
    assert {state: set(TRANSITIONS[state]) for state in TERMINAL} == {
        S.FILLED: set(),
        S.REJECTED: set(),
        S.CANCELED: {S.FILLED},
        S.EXPIRED: {S.FILLED},
        S.REPLACED: {S.FILLED},
    }


@pytest.mark.parametrize("state", sorted(set(S) - TERMINAL, key=lambda each: each.name))
def test_a_living_order_can_end_in_every_way_or_become_unknown(state):
    assert TRANSITIONS[state] >= TERMINAL
    assert S.UNKNOWN in TRANSITIONS[state]


def test_nothing_becomes_pending_new_again_and_nothing_partial_becomes_new():
    assert not any(S.PENDING_NEW in after for after in TRANSITIONS.values())
    assert S.NEW not in TRANSITIONS[S.PARTIALLY_FILLED] | TRANSITIONS[S.NEW]


def test_a_request_that_failed_leads_back_to_the_state_before():
    for pending, back in product(
        (S.PENDING_CANCEL, S.PENDING_REPLACE, S.UNKNOWN), (S.NEW, S.PARTIALLY_FILLED)
    ):
        assert back in TRANSITIONS[pending]


def test_an_order_works_until_cancelled_unless_told():
    order = Order(1, "S", "A.XNYS", Side.BUY, Decimal(1), OrderType.MARKET, 0)
    assert (order.tif, order.expires_at, order.replaces) == (TimeInForce.GTC, None, None)
    assert (order.parent, order.oca_group, order.reason, order.sizing) == (None, None, "", "")


@pytest.mark.parametrize("kind", [Side, OrderType, TimeInForce, OrderStatus])
def test_a_word_is_equal_to_its_text_and_has_its_hash(kind):
    """A strategy may write `fill.side == "BUY"`: the tables of a result say it so, too."""
    for word in kind:
        assert word == word.value
        assert {word.value: 1}[word] == {word: 1}[word.value] == 1
        assert f"{word}" == word.value
        assert word != word.value.lower()
