"""Renamed, bought, broken up, struck off: cost goes where it belongs, and each sum is exact."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.ledger.test_book import AAPL, FESX, MSFT, SAP, book_of, fill

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.domain.instrument_events import (
    CashInLieu,
    Delisted,
    Merged,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.ledger.book import Posting

D = Decimal
A, M = AAPL.id, MSFT.id
HALF = D("0.5")


def shown(book, name):
    """What is held of an instrument: (quantity, cost)."""
    position = book.position(name)
    return position.quantity, position.cost


# ---- shares for shares ------------------------------------------------------------------------


def test_a_stock_dividend_is_a_split_that_leaves_the_cost():
    book = book_of(fill(100, 21), StockDividend(A, 1, D("0.05")))
    assert shown(book, A) == (105, 2100)
    assert book.position(A).average_price == 20


def test_a_fraction_is_paid_for_in_a_posting_of_its_own():
    """5 % on 110 shares is 5.5: the company pays 10 for the half, which cost 10 of 2,310."""
    book = book_of(fill(110, 21), StockDividend(A, 1, D("0.05")))
    assert book.post(CashInLieu(A, 1, HALF, D("11"))) == (
        Posting("cash", "USD", D(11)),
        Posting(f"position:{A}", "USD", D(-10)),
        Posting(f"realized:{A}", "USD", D(-1)),
    )
    assert shown(book, A) == (115, 2300)


def test_a_short_owes_the_fraction():
    book = book_of(fill(-110, 21), StockDividend(A, 1, D("0.05")))
    book.post(CashInLieu(A, 1, -HALF, D("-11")))
    assert shown(book, A) == (-115, -2300)
    assert (book.realized, book.cash) == (-1, 100_000 + 2310 - 11)


def test_a_new_name_takes_lots_and_cost_along():
    book = book_of(fill(10, 100), fill(5, 120), SymbolChanged(A, 1, M))
    assert (shown(book, A), shown(book, M)) == ((0, 0), (15, 1600))
    book.post(fill(-10, 130, MSFT))
    assert book.realized == 300  # the oldest lot first
    assert list(book.held) == [M]


def test_a_new_name_that_nobody_knows_changes_nothing():
    book = book_of(fill(10, 100))
    assert book.post(SymbolChanged(A, 1, "NEW.XNAS")) == ()
    assert shown(book, A) == (10, 1000)


def test_a_merger_for_shares_realises_nothing():
    book = book_of(fill(10, 100), fill(4, 50, MSFT))
    assert book.post(Merged(A, 1, into=M, shares=HALF)) == (
        Posting(f"position:{A}", "USD", D(-1000)),
        Posting(f"position:{M}", "USD", D(1000)),
    )
    assert (shown(book, A), shown(book, M), book.realized) == ((0, 0), (9, 1200), 0)


def test_a_spin_off_shares_the_cost():
    """General Electric, 2023-01-04: one GEHC for three GE, 22.29 % of the cost (IRS form 8937)."""
    book = book_of(fill(300, 80))
    assert book.post(SpunOff(A, 1, M, shares=D(1) / D(3), cost_share=D("0.2229"))) == (
        Posting(f"position:{A}", "USD", D("-5349.6")),
        Posting(f"position:{M}", "USD", D("5349.6")),
    )
    assert shown(book, A) == (300, D("18650.4"))
    quantity, cost = shown(book, M)
    assert (round(quantity, 20), cost) == (100, D("5349.6"))


def test_a_spin_off_without_cost_gives_shares_that_cost_nothing():
    book = book_of(fill(10, 100))
    assert book.post(SpunOff(A, 1, M, shares=D(2))) == ()
    assert (shown(book, A), shown(book, M)) == ((10, 1000), (20, 0))


# ---- shares for money -------------------------------------------------------------------------


def test_a_delisted_share_is_paid_out_without_commission():
    book = book_of(fill(10, 100))
    assert book.post(Delisted(A, 1, D(30))) == (
        Posting("cash", "USD", D(300)),
        Posting(f"position:{A}", "USD", D(-1000)),
        Posting(f"realized:{A}", "USD", D(700)),
    )
    assert book.positions == {}


def test_a_worthless_share_leaves_its_cost_as_a_loss():
    book = book_of(fill(10, 100), Delisted(A, 1, D(0)))
    assert (book.realized, book.cash) == (-1000, 99_000)


def test_a_short_of_what_is_delisted_keeps_the_rest():
    book = book_of(fill(-10, 100), Delisted(A, 1, D(30)))
    assert (book.realized, book.cash, book.borrows) == (700, 100_700, False)


def test_the_multiplier_counts():
    assert book_of(fill(2, 4000, FESX), Delisted(FESX.id, 1, D(4100))).realized == 2000


def test_a_merger_for_cash_closes_the_position():
    book = book_of(fill(10, 100), Merged(A, 1, cash=D("120.50")))
    assert (shown(book, A), book.realized, book.cash) == ((0, 0), 205, 100_205)


def test_a_merger_for_both_measures_the_cash_against_its_part_of_the_cost():
    book = book_of(fill(10, 100), fill(10, 200))
    book.post(Merged(A, 1, into=M, shares=HALF, cash=D(30), cost_share=D("0.2")))
    assert shown(book, M) == (10, 2400)
    assert book.realized == 600 - 600
    assert book.cash == 100_000 - 3000 + 600


def test_a_merger_for_shares_and_cash_without_a_part_is_all_profit():
    book = book_of(fill(10, 100), Merged(A, 1, into=M, shares=HALF, cash=D(3)))
    assert (shown(book, M), book.realized) == ((5, 1000), 30)


# ---- nothing, and what cannot be --------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        Delisted(A, 1, D(5)),
        Merged(A, 1, cash=D(5)),
        SymbolChanged(A, 1, M),
        SpunOff(A, 1, M, D(1)),
        TradingHalted(A, 1),
        TradingResumed(A, 1),
    ],
)
def test_who_holds_nothing_is_not_concerned(event):
    book = book_of()
    before = book.state_hash()
    assert book.post(event) == ()
    assert book.state_hash() == before


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (Delisted(A, 1), "its price must be a number"),
        (Delisted(A, 1, D("NaN")), "its price must be a number"),
        (Delisted(A, 1, D(-1)), "its price must be a number"),
        (CashInLieu(A, 1, D(11), D(1)), "must be part of 10"),
        (CashInLieu(A, 1, D(-1), D(1)), "must be part of 10"),
        (CashInLieu(A, 1, D(0), D(1)), "must be part of 10"),
        (CashInLieu(A, 1, D(1), D("Infinity")), "must be part of 10"),
        (Merged(A, 1, shares=HALF), "does not say of what"),
        (Merged(A, 1, into=M, shares=D(-1)), "must not be below 0"),
        (Merged(A, 1, into=M, shares=HALF, cost_share=D(2)), "must not be below 0"),
        (SpunOff(A, 1, M, D(0)), "its shares must be positive"),
        (SpunOff(A, 1, M, D(1), cost_share=D("1.1")), "its part of the cost 0 to 1"),
        (SpunOff(A, 1, SAP.id, D(1)), "are in different currencies"),
    ],
)
def test_an_impossible_action_is_refused(event, says):
    with pytest.raises(OutsideError, match=says):
        book_of(fill(10, 100)).post(event)


def test_long_and_short_that_become_one_close_each_other():
    """10 that cost 100 each meet 4 that were sold at 130: 4 x 30 is made, 6 are left."""
    book = book_of(fill(10, 100), fill(-4, 130, MSFT), SymbolChanged(A, 1, M))
    position = book.position(M)
    assert (position.quantity, position.cost, position.realized) == (6, 600, 120)
    assert not book.quantity(A)
    assert sum(book.balances().values()) == 0


def test_a_merger_closes_the_short_that_was_sold_against_it():
    """100 of the target at 40, 50 of the buyer sold at 90; two for one: 4,500 for 4,000."""
    book = book_of(fill(100, 40), fill(-50, 90, MSFT), Merged(A, 1, M, D("0.5")))
    assert (book.quantity(A), book.quantity(M)) == (0, 0)
    assert book.realized == 500
    assert sum(book.balances().values()) == 0
    assert not book.short


def test_what_is_short_becomes_long_by_more_shares_than_it_owes():
    book = book_of(fill(-10, 100), fill(4, 90, MSFT), SymbolChanged(A, 1, M))
    position = book.position(M)
    assert (position.quantity, position.cost, position.realized) == (-6, -600, 40)


def test_shares_of_what_the_book_does_not_know_are_named():
    with pytest.raises(UsageError, match=r"not opened for instrument 'KID.XNAS'"):
        book_of(fill(10, 100), SpunOff(A, 1, "KID.XNAS", D(1)))


# ---- laws -------------------------------------------------------------------------------------

PARTS = st.decimals(0, 1, places=4)
SHARES = st.sampled_from([D(2), D("0.5"), D(1) / D(3), D("1.37")])
FILLS = st.lists(
    st.tuples(st.integers(1, 50), st.decimals(1, 300, places=2)), min_size=1, max_size=6
)


@given(FILLS, st.sampled_from([1, -1]), SHARES, PARTS)
def test_no_cost_is_lost_on_the_way(trades, sign, shares, part):
    """Spun off, merged and renamed: what both positions cost, less what money was measured against."""
    book = book_of(*(fill(sign * quantity, price) for quantity, price in trades))
    cost = Fraction(book.position(A).cost)
    book.post(SpunOff(A, 1, M, shares, cost_share=part))
    assert Fraction(book.position(A).cost) + Fraction(book.position(M).cost) == cost
    book.post(Merged(A, 2, into=M, shares=shares))
    assert Fraction(book.position(M).cost) == cost
    book.post(replace(SymbolChanged(M, 3, A)))
    assert Fraction(book.position(A).cost) == cost
    assert sum(map(Fraction, book.balances().values())) == 0


@given(FILLS, st.sampled_from([1, -1]), st.decimals(0, 500, places=2), PARTS)
def test_paid_out_in_steps_is_paid_out(trades, sign, price, part):
    """A fraction first and the rest after makes the profit of all at once."""
    fills = [fill(sign * quantity, at) for quantity, at in trades]
    once, steps = book_of(*fills), book_of(*fills)
    once.post(Delisted(A, 1, price))
    quantity = (steps.quantity(A) * part).quantize(D("1e-6"))
    if quantity:
        steps.post(CashInLieu(A, 1, quantity, quantity * price))
    steps.post(Delisted(A, 2, price))
    assert (steps.realized, steps.cash) == (once.realized, once.cash)
