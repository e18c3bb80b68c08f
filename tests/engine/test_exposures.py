"""Exposure beside an instrument is the sum over the others, however often and whenever one asks."""

from decimal import Decimal, localcontext
from math import isnan

import pytest
from msgspec.structs import replace
from tests.domain.history import history

from evenkeel.domain.events import RunStarted
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import Split
from evenkeel.domain.money import EXACT
from evenkeel.domain.order import Order, OrderStatus, OrderType, Side
from evenkeel.domain.tape import Tape
from evenkeel.domain.verdict import Approved
from evenkeel.engine.account import Account

D = Decimal
A, B, C = "A.XNYS", "B.XNYS", "C.XNYS"


def account_of(*histories):
    tape = Tape(histories)
    instruments = {name: bars.instrument for name, bars in tape.bars.items()}
    started = RunStarted(0, "test", {}, {}, {}, D(1_000), "USD", "zero", "none", {})
    return Account(started, instruments, tape)


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


# ---- at a glance ----


def trade(account, number, name, quantity):
    """Let a fill arrive of which no order is known: the book alone changes."""
    side = Side.BUY if quantity > 0 else Side.SELL
    price, now = account.price(name), account.tape.now
    account.book.take(Fill(str(number), number, name, side, D(abs(quantity)), price, "USD", now))


def check(account, name):
    """Hold a glance against the exact answers of the same account."""
    with localcontext(EXACT):
        gross = account.exposure_beside(name)[0]
        instrument, last, age, unit, held, beside, equity, cash = account.glance(name)
        assert instrument is account.instrument(name)
        assert last == account.price(name)
        assert age == account.now - account.price_at(name)
        assert unit == pytest.approx(float(last * instrument.multiplier))
        assert held == float(account.reading(name).held)
        assert beside == pytest.approx(float(gross))
        assert equity == pytest.approx(float(account.equity()))
        assert cash == pytest.approx(float(account.book.cash))


@pytest.mark.parametrize("count", [2, 40])  # added up one by one, and as columns
@pytest.mark.parametrize("apart", [0, 1])  # with the same bar times, and with others
def test_a_glance_shows_what_the_exact_answers_are(count, apart):
    moments = range(10, 4_000, 10)
    histories = [
        history(f"N{i}.XNYS", [at + i * apart for at in moments], closes=[i + at for at in moments])
        for i in range(1, count + 1)
    ]
    tenfold = replace(histories[0].instrument, multiplier=D(10))
    histories[0] = replace(histories[0], instrument=tenfold)
    account = account_of(*histories)
    names = list(account.instruments)
    account.tape.advance(60)
    for number, name in enumerate(names):
        trade(account, number, name, 3 if number % 3 else -2)
    check(account, names[0])
    account.tape.advance(3_000)
    check(account, names[1])
    trade(account, 1_000, names[0], 2)  # flat
    trade(account, 1_001, names[1], 5)
    check(account, names[0])
    account.act(Split(names[1], 3_000, D(2), D(1)))
    check(account, names[-1])
    approve(account, 1, names[1], Side.BUY, 4)
    check(account, names[0])


def test_a_glance_does_not_see_what_works_since_other_moments():
    account = account_of(history(A, [5, 6, 7], closes=[10, 11, 12]), history(B, [5, 6, 7]))
    account.tape.advance(5)
    approve(account, 1, A, Side.BUY, 3)
    assert account.glance(A) is None
    check(account, B)
    account.tape.advance(6)
    assert account.glance(B) is None
    approve(account, 2, B, Side.BUY, 3)
    assert account.glance(B) is None
    account.orders.end(1, OrderStatus.CANCELED, D(0))
    account.orders.end(2, OrderStatus.CANCELED, D(0))
    check(account, A)
    approve(account, 3, A, Side.BUY, 3)
    check(account, B)
    account.orders.end(3, OrderStatus.CANCELED, D(0))  # what has ended is no longer of this moment
    account.tape.advance(7)
    check(account, B)


def test_a_glance_sees_nothing_where_something_is_not_known():
    account = account_of(history(A, [5], closes=[10.0]), history(B, [9], closes=[7.0]))
    account.tape.advance(5)
    assert account.glance(C) is None
    assert account.glance(B) is None
    trade(account, 1, A, 1)
    assert account.glance(A) is not None
    account.halted = "by hand"
    assert account.glance(A) is None


def test_what_is_held_and_has_no_price_is_worth_nobody_knows_what():
    account = account_of(history(A, [5], closes=[10.0]), history(B, [9], closes=[7.0]))
    account.tape.advance(5)
    fill = Fill("1.1", 1, B, Side.BUY, D(2), D(7), "USD", 5)
    account.book.take(fill)
    *_, beside, equity, _ = account.glance(A)
    assert isnan(beside)
    assert isnan(equity)
