"""When a bar fills an order, row by row of DESIGN section 4; and that looking ahead is never late."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.execution import fill_model
from evenkeel.execution.fill_model import Prices, Trail, on_tick

D = Decimal
FIVE = fill_model.Trail(D(5), D(0))

BAR = Prices(open=100.0, high=105.0, low=95.0, close=102.0)


@pytest.mark.parametrize(
    ("buy", "level", "at", "through"),
    [
        (True, 101.0, 100.0, 100.0),  # opened better
        (True, 100.0, 100.0, 100.0),  # opened at it, and traded below
        (True, 97.0, 97.0, 97.0),
        (True, 95.0, 95.0, None),  # only touched
        (True, 94.99, None, None),
        (False, 99.0, 100.0, 100.0),
        (False, 103.0, 103.0, 103.0),
        (False, 105.0, 105.0, None),
        (False, 105.01, None, None),
    ],
)
def test_a_limit_fills_at_the_open_or_at_itself(buy, level, at, through):
    assert fill_model.limit(BAR, level, buy=buy) == at
    assert fill_model.limit(BAR, level, buy=buy, through=True) == through


def test_a_bar_that_only_opened_at_the_limit_has_not_traded_through_it():
    assert fill_model.limit(Prices(100, 101, 100, 101), 100, buy=True, through=True) is None


@pytest.mark.parametrize(
    ("buy", "level", "price"),
    [
        (True, 99.0, 100.0),  # gapped: the open
        (True, 100.0, 100.0),
        (True, 105.0, 105.0),
        (True, 105.01, None),
        (False, 101.0, 100.0),
        (False, 95.0, 95.0),
        (False, 94.99, None),
    ],
)
def test_a_stop_fills_at_the_open_or_at_itself(buy, level, price):
    assert fill_model.stop(BAR, level, buy=buy) == price


@pytest.mark.parametrize(
    ("buy", "trigger", "level", "expected"),
    [
        (True, 106.0, 107.0, (False, None)),
        (True, 99.0, 98.0, (True, 98.0)),  # gapped: a limit over the whole bar
        (True, 99.0, 101.0, (True, 100.0)),  # gapped, the limit allows the open
        (True, 99.0, 94.0, (True, None)),
        (True, 103.0, 104.0, (True, 103.0)),  # the limit allows the stop's own price
        (True, 103.0, 103.0, (True, 103.0)),
        (True, 104.0, 103.0, (True, 103.0)),  # from 104 to the close of 102: must cross 103
        (True, 104.0, 102.0, (True, 102.0)),
        (True, 104.0, 101.0, (True, None)),  # 101 was seen, but perhaps before the trigger
        (False, 94.0, 93.0, (False, None)),
        (False, 101.0, 103.0, (True, 103.0)),
        (False, 97.0, 96.0, (True, 97.0)),
        (False, 97.0, 101.0, (True, 101.0)),  # from 97 to the close of 102: must cross 101
        (False, 97.0, 103.0, (True, None)),
    ],
)
def test_a_stop_limit_fills_on_its_trigger_bar_only_if_the_path_must_cross(
    buy, trigger, level, expected
):
    assert fill_model.stop_limit(BAR, trigger, level, buy=buy) == expected


def test_a_stop_limit_at_the_close_is_touched_but_not_traded_through():
    assert fill_model.stop_limit(BAR, 104, 102, buy=True, through=True) == (True, None)
    assert fill_model.stop_limit(BAR, 103, 103, buy=True, through=True) == (True, 103)


def test_a_trail_follows_and_never_steps_back():
    assert fill_model.trailed(D(90), None, FIVE, buy=False) == 90
    assert fill_model.trailed(D(90), 94.0, FIVE, buy=False) == 90
    assert fill_model.trailed(D(90), 102.3, FIVE, buy=False) == D("97.3")
    assert fill_model.trailed(D(110), 102.3, FIVE, buy=True) == D("107.3")
    assert fill_model.trailed(D(110), 108.0, FIVE, buy=True) == 110


def test_a_trail_by_percent_is_measured_from_the_price_that_leads():
    """5 % below 110 is 104.5, and 5 % above 80 is 84."""
    percent = Trail(D(0), D("0.05"))
    assert fill_model.trailed(D(90), 110.0, percent, buy=False) == D("104.5")
    assert fill_model.trailed(D(110), 80.0, percent, buy=True) == 84


def test_a_limit_in_an_auction_is_reached_or_bettered():
    at = fill_model.limit_at
    assert [at(price, 10.0, buy=True) for price in (9.0, 10.0, 11.0)] == [True, True, False]
    assert [at(price, 10.0, buy=False) for price in (9.0, 10.0, 11.0)] == [False, True, True]
    assert not at(10.0, 10.0, buy=True, through=True)
    assert at(9.0, 10.0, buy=True, through=True)


@pytest.mark.parametrize(
    ("start", "first"), [(0, 0), (1, 2), (2, 2), (3, 5), (5, 5), (6, 6), (7, None)]
)
def test_a_session_opens_with_the_first_bar_that_is_there(start, first):
    """Sessions close at 2, 4 (nothing traded), 9 and 12; of what comes later none is known."""
    closes, bars = np.array([2, 4, 9, 12]), np.array([1, 2, 6, 7, 9, 11, 13])
    assert fill_model.first_opening(bars, closes, start) == first
    assert fill_model.first_opening(bars[:0], closes, 0) is None


# ---- looking ahead ---------------------------------------------------------------------------

prices = st.lists(st.integers(80, 120), min_size=0, max_size=300).map(
    lambda column: np.array(column, dtype=np.float64) / 4
)


@given(prices, st.integers(80, 120), st.integers(0, 310))
def test_the_first_bar_is_the_first(column, level, start):
    level = level / 4
    below = [i for i in range(start, len(column)) if column[i] <= level]
    above = [i for i in range(start, len(column)) if column[i] >= level]
    assert fill_model.first_at_or_below(column, level, start) == (below or [None])[0]
    assert fill_model.first_at_or_above(column, level, start) == (above or [None])[0]


@pytest.mark.parametrize("where", [0, 63, 64, 319, 320, 99_999])
def test_no_bar_falls_between_two_chunks(where):
    column = np.full(100_000, 10.0)
    column[where] = 5.0
    assert fill_model.first_at_or_below(column, 5.0, 0) == where
    assert fill_model.first_at_or_above(-column, -5.0, 0) == where
    found, best = fill_model.first_trailed(
        column + 5, column, 6.0, None, Trail(D("9.5"), D(0)), 0, buy=False
    )
    assert found == where
    assert best == (None if where == 0 else 15.0)


@given(prices, st.integers(1, 40), st.booleans(), st.booleans(), st.integers(0, 5))
def test_a_trail_is_found_where_a_plain_loop_finds_it(column, distance, by_share, buy, start):
    sign = -1 if buy else 1
    amount, share = (0.0, distance / 64) if by_share else (distance / 4, 0.0)
    begin = 25.0 - sign * distance / 4
    high, low = column + 1, column - 1
    lead, touch = (low, high) if buy else (high, low)
    best, expected = None, None
    for i in range(start, len(column)):
        level = sign * begin
        if best is not None:
            level = max(level, sign * (best - sign * (amount + share * best)))
        if sign * touch[i] <= level:
            expected = i
            break
        best = lead[i] if best is None else sign * max(sign * lead[i], sign * best)
    trail = Trail(D(amount), D(share))
    found, extreme = fill_model.first_trailed(lead, touch, begin, None, trail, start, buy=buy)
    assert found == expected
    assert extreme == best


# ---- the grid --------------------------------------------------------------------------------


def test_chosen_prices_stand_on_the_grid():
    assert on_tick(D("10.001"), D("0.01"), up=True) == D("10.01")
    assert on_tick(D("10.009"), D("0.01"), up=False) == D("10.00")
    assert on_tick(D("10.009"), None, up=True) == D("10.009")
    assert on_tick(D("10.0000000000000000000000000000001"), None, up=True) == D("10.0000000000001")
