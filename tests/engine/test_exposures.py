"""Exposure beside an instrument is the sum over the others, however often and whenever one asks."""

from decimal import Decimal

from tests.domain.history import history

from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.domain.tape import Tape
from evenkeel.domain.verdict import Approved
from evenkeel.engine.account import Account

D = Decimal
A, B, C = "A.XNYS", "B.XNYS", "C.XNYS"


def account_of(*histories):
    tape = Tape(histories)
    instruments = {name: bars.instrument for name, bars in tape.bars.items()}
    return Account(D(1_000), "USD", instruments, tape)


def approve(account, number, name, side, quantity):
    order = Order(number, "test", name, side, D(quantity), OrderType.MARKET, account.tape.now)
    account.orders.approve(Approved(order, account.tape.now, account.price(name)), 0)


def test_orders_of_one_moment_are_counted_as_they_come():
    account = account_of(history(A, [5], closes=[10.0]), history(B, [5], closes=[7.0]))
    account.tape.advance(5)
    approve(account, 1, A, Side.BUY, 3)
    assert account.exposure_beside(B) == (D(30), D(0), D(30))
    approve(account, 2, A, Side.BUY, 2)
    assert account.exposure_beside(B) == (D(50), D(0), D(50))
    approve(account, 3, B, Side.SELL, 4)
    assert account.exposure_beside(A) == (D(28), D(-28), D(0))
    assert account.exposure_beside(C) == (D(78), D(-28), D(50))


def test_an_instrument_without_a_price_is_named_to_all_others():
    account = account_of(history(A, [5], closes=[10.0]), history(B, [9], closes=[7.0]))
    account.tape.advance(5)
    order = Order(1, "test", B, Side.BUY, D(1), OrderType.MARKET, 5)
    account.orders.approve(Approved(order, 5, D(7)), 0)
    approve(account, 2, A, Side.BUY, 1)
    assert account.exposure_beside(A) == f"no price of {B}"
    assert account.exposure_beside(B) == (D(10), D(0), D(10))
