"""Round trips: first in, first out, and together exactly what the ledger made."""

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.story import A, D, bars, day, fill

from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.money import EXACT
from evenkeel.domain.order import Side
from evenkeel.ledger.book import Book
from evenkeel.reports.trades import round_trips

BUY, SELL = Side.BUY, Side.SELL


def trips(*happened, closes=(10, 11, 12, 13, 14), **more):
    return round_trips(happened, {A: bars(closes, **more)})


def test_bought_at_ten_sold_at_twelve():
    (trip,) = trips(
        fill(1, BUY, 100, 10, on=1, commission=1), fill(2, SELL, 100, 12, on=3, commission=2)
    )
    assert (trip.side, trip.quantity, trip.entry_at, trip.exit_at) == (BUY, 100, day(1), day(3))
    assert (trip.entry_price, trip.exit_price, trip.bars_held) == (10, 12, 2)
    assert (trip.gross_pnl, trip.commission, trip.net_pnl) == (200, 3, 197)
    assert trip.profit_ratio == pytest.approx(0.197)
    assert not trip.open


def test_a_short_gains_when_the_price_falls():
    (trip,) = trips(fill(1, SELL, 10, 12, on=1), fill(2, BUY, 10, 9, on=2))
    assert (trip.side, trip.gross_pnl, trip.profit_ratio) == (SELL, 30, 0.25)


def test_the_oldest_goes_first():
    first, second, rest = trips(
        fill(1, BUY, 10, 10, on=1), fill(2, BUY, 10, 20, on=2), fill(3, SELL, 15, 30, on=3)
    )
    assert [(t.entry_order, t.exit_order, t.quantity) for t in (first, second, rest)] == [
        (1, 3, 10),
        (2, 3, 5),
        (2, None, 5),
    ]
    assert (first.gross_pnl, second.gross_pnl) == (200, 50)


def test_partial_fills_of_two_orders_are_one_round_trip():
    """In: 30 at 10 and 10 at 14, so 11 on average; out: 20 and 20."""
    (trip,) = trips(
        fill(1, BUY, 30, 10, on=1, part=1, commission=1),
        fill(1, BUY, 10, 14, on=2, part=2),
        fill(2, SELL, 20, 12, on=3, part=1),
        fill(2, SELL, 20, 12, on=4, part=2, commission=3),
    )
    assert (trip.quantity, trip.entry_price, trip.exit_price) == (40, 11, 12)
    assert (trip.entry_at, trip.exit_at, trip.commission) == (day(1), day(4), 4)


def test_a_fill_through_zero_closes_and_opens():
    closed, opened = trips(
        fill(1, BUY, 10, 10, on=1), fill(2, SELL, 25, 12, on=2, commission="2.5"), closes=(1, 1, 12)
    )
    assert (closed.quantity, closed.commission) == (10, 1)
    assert (opened.side, opened.quantity, opened.open) == (SELL, 15, True)
    assert opened.commission == D("1.5")


def test_what_is_open_is_worth_the_last_close():
    (trip,) = trips(fill(1, BUY, 10, 10, on=1))
    assert (trip.open, trip.exit_at, trip.exit_price, trip.gross_pnl) == (True, None, 14, 40)
    assert trip.bars_held == 3


def test_a_split_between_entry_and_exit_is_no_profit():
    (trip,) = trips(fill(1, BUY, 10, 20, on=1), Split(A, day(2), D(2)), fill(2, SELL, 20, 10, on=3))
    assert (trip.quantity, trip.entry_price, trip.gross_pnl) == (20, 10, 0)


def test_a_future_counts_its_multiplier():
    (trip,) = trips(fill(1, BUY, 2, 100, on=1), fill(2, SELL, 2, 103, on=2), multiplier=10)
    assert (trip.entry_price, trip.gross_pnl) == (100, 60)


def test_what_cost_nothing_has_no_return():
    (trip,) = trips(fill(1, BUY, 2, 0, on=1), fill(2, SELL, 2, 1, on=2))
    assert math.isnan(trip.profit_ratio)


def test_a_dividend_is_no_trade():
    assert trips(CashDividend(A, day(1), D(1))) == []


happenings = st.lists(
    st.tuples(st.sampled_from(list(Side)), st.integers(1, 40), st.integers(1, 9_999))
    | st.sampled_from([D(2), D(3), D("1.5")]),
    max_size=12,
)


@given(happenings)
def test_round_trips_add_up_to_what_the_ledger_made(drawn):
    history = bars([10.25] * 14)
    happened = [
        Split(A, day(on), what, D(1))
        if isinstance(what, Decimal)
        else fill(on, what[0], what[1], D(what[2]) / 100, on=on, commission="0.35")
        for on, what in enumerate(drawn)
    ]
    book = Book(D(0), "USD", {A: history.instrument})
    for move in happened:
        book.post(move)
    with localcontext(EXACT):
        found = round_trips(happened, {A: history})
        made = sum((trip.gross_pnl for trip in found), D(0))
        paid = sum((trip.commission for trip in found), D(0))
        expected = book.realized + book.unrealized(A, D("10.25"))
        assert abs(made - expected) < D("1e-18")  # thirds of a share end at the 24th decimal
        assert paid == book.commissions
        still = sum(
            trip.quantity if trip.side is BUY else -trip.quantity for trip in found if trip.open
        )
        assert still == book.quantity(A)
