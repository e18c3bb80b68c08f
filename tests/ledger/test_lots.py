"""First in, first out; what is moved and what stays are exactly what was."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.domain.money import EXACT
from evenkeel.ledger.lots import Lot, Lots, share

D = Decimal


def lots_of(*trades):
    lots = Lots()
    moves = [lots.trade(D(quantity), D(unit)) for quantity, unit in trades]
    return lots, moves


def test_the_basis_of_a_sale_is_the_oldest_shares_first():
    """IRS Publication 550, "Identification not possible": 100 at 10, 200 at 11, 100 at 9.

    50 of the first are given away, then 130 are sold: their basis is 50 × 10 + 80 × 11 = 1,380.
    """
    lots, _ = lots_of((100, 10), (200, 11), (-50, 10), (100, 9))
    cost, _ = lots.trade(D(-130), D(20))
    assert cost == -1380
    assert list(lots) == [Lot(D(120), D(1320)), Lot(D(100), D(900))]


@pytest.mark.parametrize(
    ("trades", "move", "left"),
    [
        # trades so far, (change of cost, profit) of the last, open lots after it
        ([(10, 100)], (1000, 0), [(10, 1000)]),
        ([(-10, 100)], (-1000, 0), [(-10, -1000)]),
        ([(10, 100), (5, 110)], (550, 0), [(10, 1000), (5, 550)]),
        ([(10, 100), (-10, 120)], (-1000, 200), []),
        ([(10, 100), (-4, 120)], (-400, 80), [(6, 600)]),
        ([(10, 100), (5, 110), (-12, 120)], (-1220, 220), [(3, 330)]),
        ([(-10, 100), (10, 90)], (1000, 100), []),
        ([(-10, 100), (4, 110)], (400, -40), [(-6, -600)]),
        # crosses zero: closes what there is, opens the rest the other way round
        ([(10, 100), (-15, 120)], (-1000 - 600, 200), [(-5, -600)]),
        ([(-10, 100), (15, 90)], (1000 + 450, 100), [(5, 450)]),
        ([(10, 100), (5, 110), (-20, 120)], (-1550 - 600, 250), [(-5, -600)]),
        # a price below zero is a price
        ([(1, 5), (-1, -37)], (-5, -42), []),
    ],
)
def test_trades_open_close_and_cross_zero(trades, move, left):
    lots, moves = lots_of(*trades)
    assert moves[-1] == move
    assert list(lots) == left
    assert lots.quantity == sum(quantity for quantity, _ in left)


def test_a_split_changes_quantities_and_no_costs():
    lots, _ = lots_of((10, 100), (7, 110))
    lots.split(D(3), D(1))
    assert list(lots) == [(30, 1000), (21, 770)]
    assert lots.quantity == 51
    # a third of 1000 has no end; what the two halves of the lot cost still makes 1000
    first, _ = lots.trade(D(-10), D(40))
    second, _ = lots.trade(D(-20), D(40))
    assert first == D("-333.333333333333333333333333")
    assert first + second == -1000


def test_a_reverse_split_keeps_the_fraction():
    lots, _ = lots_of((-100, 6))
    lots.split(D(1), D(8))
    assert list(lots) == [(D("-12.5"), -600)]
    lots.split(D(1), D(3))
    assert lots.quantity == D("-4.166666666666666666666667")


def test_nothing_is_held_of_what_nothing_was_traded():
    lots = Lots()
    lots.split(D(2), D(1))
    assert (lots.quantity, list(lots)) == (0, [])


@pytest.mark.parametrize(
    ("whole", "part", "of", "expected"),
    [
        ("1000", "4", "10", "400"),
        ("10.10", "1", "4", "2.525"),
        ("100", "1", "3", "33.333333333333333333333333"),
        ("200", "1", "3", "66.666666666666666666666667"),
        ("-100", "1", "3", "-33.333333333333333333333333"),
        # half to even at the 24th decimal
        ("0.000000000000000000000005", "1", "10", "0.000000000000000000000000"),
        ("0.000000000000000000000015", "1", "10", "0.000000000000000000000002"),
    ],
)
def test_a_share_is_exact_or_cut_at_24_decimals(whole, part, of, expected):
    assert share(D(whole), D(part), D(of)) == D(expected)


prices = st.decimals(min_value="0.0001", max_value=100_000, places=4)


@given(
    cost=prices,
    quantity=st.integers(2, 10**9),
    data=st.data(),
)
def test_what_is_moved_and_what_stays_are_what_was(cost, quantity, data):
    """Also in a caller's context of four digits, and however often the rest is divided again."""
    lots = Lots()
    with localcontext(prec=4):
        lots.trade(D(quantity), cost)
        before = next(iter(lots)).cost
        lots.split(D(1), D(7))
        held, moved = lots.quantity, Fraction(0)
        for _ in range(3):
            part = data.draw(st.integers(1, 10)) * held / 100
            moved -= Fraction(lots.trade(part.copy_negate(), cost)[0])
            assert moved + sum(Fraction(lot.cost) for lot in lots) == Fraction(before)
    assert before == Fraction(cost) * quantity


# ---- many at once ----------------------------------------------------------------------------


def test_trades_at_once_leave_the_oldest_shares_first():
    """The shares of Publication 550 above: what is left of them cost 1,320 and 900."""
    lots, _ = lots_of((100, 10))
    trades = [(200, 11), (-50, 10), (100, 9), (-130, 20)]
    cost = lots.trade_all(
        [D(quantity) for quantity, _ in trades], [D(unit) for _, unit in trades], D(1000)
    )
    assert cost == 1320 + 900
    assert list(lots) == [Lot(D(120), D(1320)), Lot(D(100), D(900))]


units = st.one_of(
    st.decimals(-100, 100_000, places=4),
    st.floats(0.001, 10_000).map(lambda unit: D(repr(unit))),
)
trades = st.tuples(
    st.one_of(st.integers(-12, 12).filter(bool).map(D), st.decimals("0.001", 9, places=3)), units
)
splits = st.sampled_from([(1, 3), (3, 1), (2, 7), (3, 2)]).map(lambda split: tuple(map(D, split)))
flat = st.tuples(st.none(), units)
"""A trade of all that is held."""


@given(
    st.lists(st.one_of(trades, trades, splits.map(list)), max_size=5),
    st.lists(st.one_of(trades, trades, trades, flat), max_size=10),
)
def test_trades_at_once_leave_what_they_leave_one_by_one(before, wanted):
    """In any context of the caller, and whatever stood there before."""
    slow, quick = Lots(), Lots()
    for step in before:
        for lots in (slow, quick):
            (lots.split if isinstance(step, list) else lots.trade)(*step)
    cost, done = sum_of(quick), []
    with localcontext(prec=4):
        for asked, unit in wanted:
            quantity = slow.quantity.copy_negate() if asked is None else asked
            if quantity:
                slow.trade(quantity, unit)
                done.append((quantity, unit))
        left = quick.trade_all([quantity for quantity, _ in done], [unit for _, unit in done], cost)
    assert list(quick) == list(slow)
    assert quick.quantity == slow.quantity
    assert left == sum_of(slow)


def sum_of(lots):
    with localcontext(EXACT):
        return sum((lot.cost for lot in lots), D(0))


@given(st.lists(trades, min_size=1, max_size=10), trades)
def test_who_has_traded_at_once_may_go_on_one_by_one(wanted, after):
    slow, quick = Lots(), Lots()
    for trade in wanted:
        slow.trade(*trade)
    quick.trade_all([quantity for quantity, _ in wanted], [unit for _, unit in wanted], D(0))
    assert quick.trade(*after) == slow.trade(*after)
    assert list(quick) == list(slow)
