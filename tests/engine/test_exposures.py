"""Exposure beside an instrument is the sum over the others, however often and whenever one asks."""

import random
from decimal import Decimal, localcontext
from math import isnan

import pytest
from msgspec.structs import astuple, replace
from tests.domain.history import history

from evenkeel.domain.events import CashDividend, RunStarted
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import Split, SymbolChanged
from evenkeel.domain.money import EXACT
from evenkeel.domain.order import Order, OrderStatus, OrderType, Side
from evenkeel.domain.portfolio import Reading, extremes, furthest
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
    account.tape.advance(9)
    assert account.exposure_beside(A) == (D(7), D(0), D(7))


def test_a_group_counts_once_and_who_joins_it_later_or_elsewhere_beside_it():
    """Of the first two ten fill, at 20 or at 10; the third may find ten filled, and so may a child."""
    account = account_of(history(A, [5, 9], closes=[10.0, 10.0]))

    def leg(number, reserve, **terms):
        order = Order(
            number, "test", A, Side.BUY, D(10), OrderType.MARKET, account.tape.now, **terms
        )
        account.orders.approve(
            Approved(replace(order, oca_group=1), account.tape.now, D(reserve)), 0
        )
        reading = account.reading(A)
        return reading.buying, reading.buying_value

    account.tape.advance(5)
    assert leg(1, 20) == (10, 200)
    assert leg(2, 10) == (10, 200)
    account.tape.advance(9)
    assert leg(3, 10) == (20, 300)
    assert leg(4, 10, parent=8) == (30, 400)


def test_what_an_order_filled_may_be_told_after_what_took_its_place_has_filled():
    """Five of ten had filled when twenty took their place; fifteen of these are told of first."""
    account = account_of(history(A, [5, 9], closes=[10.0, 10.0]))
    account.tape.advance(5)
    approve(account, 1, A, Side.BUY, 10)
    instead = Order(2, "test", A, Side.BUY, D(20), OrderType.MARKET, 5, replaces=1)
    account.orders.approve(Approved(instead, 5, D(10)), 0)
    for number, quantity in ((2, 15), (1, 5)):
        fill = Fill(f"{number}.1", number, A, Side.BUY, D(quantity), D(10), "USD", 5)
        assert account.orders.fill(fill) is not None  # that could be: trading goes on
    account.orders.end(1, OrderStatus.REPLACED, D(5))
    assert account.open_orders == 0


# ---- at a glance ----


def fill(account, number, name, quantity, order_id=None):
    """Let a fill arrive: of an order, or of none (then the book alone changes)."""
    side = Side.BUY if quantity > 0 else Side.SELL
    price, now = account.price(name), account.tape.now
    new = Fill(f"{number}", order_id or 0, name, side, D(abs(quantity)), price, "USD", now)
    account.book.take(new)
    if order_id is not None:
        account.orders.fill(new)


def from_scratch(account, name):
    """Exposure in every instrument but one, from what each of them says now."""
    gross = lowest = highest = D(0)
    for other in set(account.instruments) - {name}:
        now, last = account.reading(other), account.price(other)
        if other not in {*account.book.held, *account.orders.instruments}:
            continue
        if last is None:
            return f"no price of {other}"
        unit = last * account.instrument(other).multiplier
        low, high = extremes(
            now.held, now.buying, now.buying_value, now.selling, now.selling_value, unit
        )
        gross, lowest, highest = gross + furthest(low, high), lowest + low, highest + high
    return gross, lowest, highest


def check(account, name):
    """Hold a glance, and the exact exposure, against the account as it stands."""
    with localcontext(EXACT):
        gross, equity = from_scratch(account, name), account.equity()
        exact = account.exposure_beside(name)
        assert isinstance(exact, str) is isinstance(gross, str)
        if not isinstance(exact, str):  # a third of a child's value ends after 60 digits
            assert all(abs(a - b) < D("1e-40") for a, b in zip(exact, gross, strict=True))
        seen = account.glance(name)
        if account.price(name) is None:
            assert seen is None
            return
        instrument, last, age, unit, held, beside, worth, cash, at_work = astuple(seen)
        assert instrument is account.instrument(name)
        assert last == account.price(name)
        assert age == account.now - account.price_at(name)
        assert unit == pytest.approx(float(last * instrument.multiplier))
        assert held == float(account.reading(name).held)
        assert cash == pytest.approx(float(account.book.cash))
        reading = account.reading(name)
        assert at_work == reading or (at_work is None and reading == Reading(reading.held))
        if isinstance(gross, str) or equity is None:
            assert isnan(beside) or isnan(worth)
        else:
            assert beside == pytest.approx(float(gross[0]), abs=1e-6)
            assert worth == pytest.approx(float(equity))


def market(count, *, apart):
    """Bars of many instruments, at the same times or each at its own; the first is worth tenfold."""
    moments = range(10, 4_000, 10)
    histories = [
        history(
            f"N{i}.XNYS",
            [at + i * apart for at in moments],
            closes=[20 + (at * i) % 37 for at in moments],
        )
        for i in range(1, count + 1)
    ]
    histories[0] = replace(
        histories[0], instrument=replace(histories[0].instrument, multiplier=D(10))
    )
    return account_of(*histories)


class Mischief:
    """Orders, fills, ends and splits in any order, as a bad day brings them."""

    def __init__(self, account, dice):
        self.account, self.dice = account, dice
        self.orders = 0

    def step(self):
        getattr(
            self, self.dice.choice(["order", "order", "order", "fill", "end", "time", "split"])
        )()

    def order(self):
        account, dice = self.account, self.dice
        name, side = dice.choice(list(account.instruments)), dice.choice(list(Side))
        if account.price(name) is None:
            return
        self.orders += 1
        alive = [each.order.id for each in account.orders.all_open()]
        parent = dice.choice(alive) if alive and dice.random() < 0.4 else None
        group = self.orders if dice.random() < 0.8 else max(1, self.orders - 1)
        new = Order(
            self.orders,
            "test",
            name,
            side,
            D(dice.randint(1, 9)),
            OrderType.MARKET,
            account.tape.now,
            parent=parent,
            oca_group=group if dice.random() < 0.3 else None,
        )
        reserve = account.price(name) * dice.choice([1, 1, 2])
        account.orders.approve(Approved(new, account.tape.now, reserve), 0)

    def fill(self):
        working = self.account.orders.all_open()
        if working:
            one = self.dice.choice(working)
            if not one.leaves:
                return
            quantity = self.dice.randint(1, int(one.leaves))
            signed = quantity if one.order.side is Side.BUY else -quantity
            fill(self.account, f"{self.dice.random()}", one.order.instrument, signed, one.order.id)

    def end(self):
        if working := self.account.orders.all_open():
            one = self.dice.choice(working)
            filled = one.filled + (1 if self.dice.random() < 0.2 and one.leaves else 0)
            self.account.orders.end(one.order.id, OrderStatus.CANCELED, filled)

    def time(self):
        self.account.tape.advance(self.account.tape.now + self.dice.choice([10, 10, 400]))

    def split(self):
        if self.dice.random() < 0.3:
            name = self.dice.choice(list(self.account.instruments))
            with localcontext(EXACT):
                self.account.act(Split(name, self.account.tape.now, D(2), D(1)))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("count", [2, 5, 40])
@pytest.mark.parametrize("apart", [0, 1])
def test_a_glance_shows_what_the_exact_answers_are(count, apart, seed):
    account, dice = market(count, apart=apart), random.Random(seed)
    account.tape.advance(30)
    mischief = Mischief(account, dice)
    for _ in range(30 + 5 * count):
        mischief.step()
        if dice.random() < 0.3:
            check(account, dice.choice(list(account.instruments)))


def test_a_glance_at_one_instrument_that_is_all():
    account = market(1, apart=0)
    account.tape.advance(30)
    mischief = Mischief(account, random.Random(1))
    for _ in range(60):
        mischief.step()
        check(account, "N1.XNYS")


def test_orders_go_on_under_a_new_name():
    account = market(3, apart=0)
    account.tape.advance(30)
    approve(account, 1, "N1.XNYS", Side.BUY, 2)
    approve(account, 2, "N3.XNYS", Side.BUY, 2)
    for number, name, parent in ((3, "N2.XNYS", 1), (4, "N3.XNYS", 2)):
        new = Order(number, "test", name, Side.SELL, D(5), OrderType.MARKET, 30, parent=parent)
        account.orders.approve(Approved(new, 30, account.price(name)), 0)
    check(account, "N3.XNYS")
    account.act(SymbolChanged("N2.XNYS", 30, "N3.XNYS"))
    check(account, "N1.XNYS")
    fill(account, 1, "N1.XNYS", 2, 1)  # its child lives now, under the new name
    check(account, "N1.XNYS")
    check(account, "N2.XNYS")


def test_a_glance_sees_nothing_where_something_is_not_known():
    account = account_of(history(A, [5], closes=[10.0]), history(B, [9], closes=[7.0]))
    account.tape.advance(5)
    assert account.glance(C) is None
    assert account.glance(B) is None
    fill(account, 1, A, 1)
    assert account.glance(A) is not None
    account.halted = "by hand"
    assert account.glance(A) is None


def test_a_glance_does_not_count_money_of_which_nobody_knows_the_worth():
    account = market(2, apart=0)
    account.tape.advance(30)
    fill(account, 1, "N1.XNYS", 3)
    assert account.glance("N1.XNYS") is not None
    account.book.take(CashDividend("N1.XNYS", 30, D(1), "EUR"))
    assert account.equity() is None
    assert account.glance("N1.XNYS") is None


def test_what_is_held_and_has_no_price_is_worth_nobody_knows_what():
    account = account_of(history(A, [5], closes=[10.0]), history(B, [9], closes=[7.0]))
    account.tape.advance(5)
    account.book.take(Fill("1.1", 1, B, Side.BUY, D(2), D(7), "USD", 5))
    check(account, A)
    seen = account.glance(A)
    assert isnan(seen.beside)
    assert isnan(seen.equity)


def test_an_account_is_looked_at_anew_when_the_tape_has_more_instruments():
    account = market(3, apart=0)
    account.tape.advance(30)
    fill(account, 1, "N1.XNYS", 3)
    check(account, "N2.XNYS")
    account.tape.extend([history("N9.XNYS", range(10, 4_000, 10))])
    check(account, "N2.XNYS")
