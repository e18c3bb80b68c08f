"""What became of each order, told by the records that it left."""

import pytest
from tests.reports.story import A, D, approved, day, fill, order, refused

from evenkeel.domain.events import (
    CancelRejected,
    CancelRequested,
    Noted,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    RunStarted,
    Split,
)
from evenkeel.domain.order import Side
from evenkeel.reports.orders import count, lives

T = day(1)


def bought(quantity, part=1):
    return fill(1, Side.BUY, quantity, 10, on=1, part=part)


LIVES = {
    "approved and not yet heard of": ([], "PENDING_NEW", 0),
    "accepted": ([OrderAccepted(1, T)], "NEW", 0),
    "rejected": ([OrderRejected(1, T, "no")], "REJECTED", 0),
    "part filled": ([OrderAccepted(1, T), bought(4)], "PARTIALLY_FILLED", 4),
    "filled in two parts": ([bought(4), bought(6, part=2)], "FILLED", 10),
    "one fill reported twice": ([bought(5), bought(5)], "PARTIALLY_FILLED", 5),
    "canceled": ([bought(4), OrderCanceled(1, T, D(4), "asked")], "CANCELED", 4),
    "expired": ([OrderExpired(1, T)], "EXPIRED", 0),
    "a cancel is on its way": ([CancelRequested(1, T, "s")], "PENDING_CANCEL", 0),
    "the cancel was too late": (
        [bought(4), CancelRequested(1, T, "s"), CancelRejected(1, T, "late")],
        "PARTIALLY_FILLED",
        4,
    ),
    "filled before the cancel came": (
        [bought(10), CancelRejected(1, T, "too late to cancel")],
        "FILLED",
        10,
    ),
    "a fill overtaken by the cancel": ([OrderCanceled(1, T, D(10)), bought(10)], "FILLED", 10),
    "part of one, overtaken": ([OrderCanceled(1, T, D(4)), bought(4)], "CANCELED", 4),
    "nobody knows": ([OrderUncertain(1, T, "lost the line")], "UNKNOWN", 0),
    "a cancel that is refused says nothing of an order that nobody knows of": (
        [
            OrderAccepted(1, T),
            OrderUncertain(1, T, "lost the line"),
            CancelRequested(1, T, "s"),
            CancelRejected(1, T, "what order?"),
        ],
        "UNKNOWN",
        0,
    ),
    "word of the order itself does": (
        [OrderUncertain(1, T, "lost the line"), CancelRequested(1, T, "s"), bought(4)],
        "PENDING_CANCEL",
        4,
    ),
    "a refusal of what nobody asked": ([CancelRejected(1, T, "no")], "PENDING_NEW", 0),
    "a note is no news of it": ([Noted(T, "s", "hm")], "PENDING_NEW", 0),
}


@pytest.mark.parametrize(("records", "status", "filled"), LIVES.values(), ids=LIVES.keys())
def test_the_life_of_an_order(records, status, filled):
    (life,) = lives([approved(order(1, quantity=10)), *records])
    assert (life.status, life.filled) == (status, filled)


def test_a_replacement_works_and_the_replaced_is_off():
    old, new = order(1, quantity=10), order(2, quantity=5, replaces=1)
    found = lives([approved(old), approved(new), OrderReplaced(2, 1, T)])
    assert [life.status for life in found] == ["REPLACED", "NEW"]


def test_a_replacement_on_its_way_is_told_of_the_old_one():
    old, new = order(1, quantity=10), order(2, quantity=5, replaces=1)
    found = lives([approved(old), OrderAccepted(1, T), approved(new)])
    assert [life.status for life in found] == ["PENDING_REPLACE", "PENDING_NEW"]


def test_what_the_replaced_order_fills_meanwhile_is_part_of_the_replacement():
    """Five in all: three of them were the old one's, and a split makes six and ten of that."""
    old, new = order(1, quantity=10), order(2, quantity=5, replaces=1)
    asked = [approved(old), OrderAccepted(1, T), approved(new), bought(3)]
    found = lives([*asked, OrderReplaced(2, 1, T, D(3)), Split(A, T, D(2), D(1))])
    assert [(life.status, life.quantity) for life in found] == [("REPLACED", 10), ("NEW", 10)]
    rest = fill(2, Side.BUY, 4, 5, on=1, part=2)
    found = lives([*asked, OrderReplaced(2, 1, T, D(3)), Split(A, T, D(2), D(1)), rest])
    assert [(life.status, life.filled) for life in found] == [("REPLACED", 3), ("FILLED", 4)]


def test_a_rejected_replacement_leaves_the_old_one_alone():
    old, new = order(1, quantity=10), order(2, quantity=5, replaces=1)
    found = lives([approved(old), OrderAccepted(1, T), approved(new), OrderRejected(2, T, "no")])
    assert [(life.status, life.why) for life in found] == [("NEW", ""), ("REJECTED", "no")]


def test_a_refused_order_was_never_sent():
    (life,) = lives([refused(order(1, quantity=10))])
    assert (life.status, life.why) == ("REFUSED", "buying_power_multiple")
    assert life.refusal == refused(order(1, quantity=10))


def test_a_split_scales_what_works_down_to_whole_lots():
    """3:2 on 5 leaves 7 shares, not 7.5; an order of something else stays as it is."""
    started = RunStarted(0, "s", {}, {A: {"lot": "1"}}, {}, D(1), "USD", "", "", {})
    other = order(2, quantity=5, name="B.XXXX")
    found = lives(
        [started, approved(order(1, quantity=5)), approved(other), Split(A, T, D(3), D(2))]
    )
    assert [life.quantity for life in found] == [7, 5]


def test_a_split_leaves_done_orders_alone():
    (life,) = lives([approved(order(1, quantity=5)), bought(5), Split(A, T, D(2))])
    assert (life.quantity, life.filled) == (5, 5)


def test_every_order_is_counted_once():
    found = lives(
        [
            *(approved(order(n, quantity=10)) for n in range(1, 7)),
            refused(order(7)),
            bought(10),
            fill(2, Side.BUY, 4, 10, on=1),
            OrderCanceled(3, T),
            OrderExpired(4, T),
            OrderRejected(5, T, "no"),
            CancelRequested(6, T, "s"),
        ]
    )
    assert count(found) == {
        "sent": 6,
        "filled": 1,
        "partially_filled": 1,
        "working": 1,
        "refused": 1,
        "canceled": 1,
        "expired": 1,
        "rejected": 1,
        "replaced": 0,
    }
