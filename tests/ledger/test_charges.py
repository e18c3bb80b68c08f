"""Money that moves without a trade: fees, interest, borrowed shares, one currency for another."""

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.ledger.test_book import AAPL, SAP, book_of, fill

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.domain.events import BorrowFeeCharged, CurrencyConverted, InterestCharged
from evenkeel.ledger.book import Posting

D = Decimal
INTEREST = InterestCharged(1, "USD", D(500), D(6), 3, D("0.25"))
FEE = BorrowFeeCharged(AAPL.id, 1, D(100), D(1200), D(36), 1, D("1.2"))
INTO_EUR = CurrencyConverted(1, D("1085.30"), "USD", D(1000), "EUR", D("1.0853"))


def test_fees_stand_beside_commission_in_an_account_of_their_own():
    book = book_of(cash=10_000)
    assert book.post(replace(fill(-10, "624.83", commission=1), fees=D("0.03305633"))) == (
        Posting("cash", "USD", D("6248.30")),
        Posting("position:AAPL.XNAS", "USD", D("-6248.30")),
        Posting("cash", "USD", D(-1)),
        Posting("commission", "USD", D(1)),
        Posting("cash", "USD", D("-0.03305633")),
        Posting("fees", "USD", D("0.03305633")),
    )
    assert (book.commissions, book.fees) == (1, D("0.03305633"))


def test_a_rebate_is_a_fee_that_comes_back():
    book = book_of(replace(fill(10, 100), fees=D("-0.02")), cash=10_000)
    assert (book.fees, book.cash) == (D("-0.02"), D("9000.02"))


def test_fees_in_another_currency_are_owed_in_it():
    book = book_of(replace(fill(10, 100, SAP, currency="USD"), fees=D("0.5")), cash=10_000)
    assert book.balances()["fees", "USD"] == D("0.5")


def test_interest_and_borrow_fees_are_what_loans_cost():
    book = book_of(cash=1000)
    assert book.post(INTEREST) == (
        Posting("cash", "USD", D("-0.25")),
        Posting("interest", "USD", D("0.25")),
    )
    assert book.post(FEE) == (
        Posting("cash", "USD", D("-1.2")),
        Posting("borrow:AAPL.XNAS", "USD", D("1.2")),
    )
    assert (book.financing, book.cash) == (D("1.45"), D("998.55"))


def test_one_currency_for_another_leaves_each_of_them_in_balance():
    book = book_of(cash=2000)
    assert book.post(INTO_EUR) == (
        Posting("cash", "USD", D("-1085.30")),
        Posting("conversion", "USD", D("1085.30")),
        Posting("cash", "EUR", D(1000)),
        Posting("conversion", "EUR", D(-1000)),
    )
    for currency in ("USD", "EUR"):
        assert sum(amount for (_, of), amount in book.balances().items() if of == currency) == 0


def test_what_changing_cost_is_a_commission():
    book = book_of(replace(INTO_EUR, sold=D("1085.55"), cost=D("0.25")), cash=2000)
    assert (book.cash, book.commissions) == (D("914.45"), D("0.25"))
    assert book.balances()["conversion", "USD"] == D("1085.30")
    for cost in ("-0.01", "Infinity"):
        with pytest.raises(OutsideError, match="must be positive"):
            book.post(replace(INTO_EUR, cost=D(cost)))


def test_who_is_short_or_in_debt_borrows():
    assert not book_of(fill(10, 100), cash=1000).borrows
    assert book_of(fill(10, 100), cash=999).borrows
    short = book_of(fill(-10, 100))
    assert (short.borrows, list(short.short)) == (True, [AAPL.id])
    short.post(fill(4, 100))
    assert short.borrows
    short.post(fill(6, 100))
    assert (short.borrows, list(short.short)) == (False, [])


def test_every_event_is_a_change():
    book = book_of(fill(10, 100), INTEREST)
    assert book.changes == 2


@pytest.mark.parametrize(
    "event",
    [
        replace(INTEREST, amount=D("NaN")),
        replace(FEE, amount=D("Infinity")),
        replace(INTO_EUR, sold=D(0)),
        replace(INTO_EUR, bought=D(-1)),
        replace(INTO_EUR, sold=D("sNaN")),
        replace(fill(1, 1), fees=D("Infinity")),
    ],
)
def test_an_impossible_amount_is_refused(event):
    with pytest.raises(OutsideError):
        book_of(event)


def test_a_fee_on_what_the_book_does_not_know_is_named():
    with pytest.raises(UsageError, match=r"not opened for instrument 'IBM.XNYS'"):
        book_of(replace(FEE, instrument="IBM.XNYS"))


def test_what_is_abroad_counts_at_its_rate_and_is_unknown_without_one():
    book = book_of(INTO_EUR, fill(5, 100, SAP), cash=2000)
    assert book.foreign_cash() == [("EUR", 500)]
    known = book.equity(lambda _: [D(110)], lambda _: D("1.1"))
    assert known == D("914.70") + D("1.1") * 500 + D("1.1") * 550
    assert book.equity(lambda _: [D(110)], lambda _: None) is None
    assert book.equity(lambda _: [D(110)]) is None
    book.post(fill(-5, 100, SAP))
    assert book.equity(lambda _: [], lambda _: None) is None
    assert book.equity(lambda _: [], lambda _: D(1)) == D("914.70") + 1000
