"""The book keeps start + Σ postings = end, exactly, whatever is posted to it."""

from collections import deque
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.money import EXACT
from evenkeel.domain.order import Side
from evenkeel.ledger.book import Book, Posting

D = Decimal

AAPL = Instrument("AAPL.XNAS")
MSFT = Instrument("MSFT.XNAS")
SAP = Instrument("SAP.XETR", currency="EUR")
FESX = Instrument("FESX.XEUR", currency="USD", multiplier=D(10))
ALL = {what.id: what for what in (AAPL, MSFT, SAP, FESX)}

ids = count(1)


def fill(quantity, price, instrument=AAPL, *, commission=0, fees=0, currency=None, name=None):
    """A fill of a signed quantity."""
    return Fill(
        id=name or f"f{next(ids)}",
        order_id=1,
        instrument=instrument.id,
        side=Side.BUY if D(quantity) > 0 else Side.SELL,
        quantity=abs(D(quantity)),
        price=D(price),
        currency=currency or instrument.currency,
        at=1,
        commission=D(commission),
        fees=D(fees),
    )


def book_of(*events, cash=100_000):
    book = Book(D(cash), "USD", ALL)
    for event in events:
        book.post(event)
    return book


def at(**prices):
    """A price list, by symbol."""
    return lambda names: [prices.get(name.partition(".")[0]) for name in names]


# ---- postings ---------------------------------------------------------------------------------


def test_a_book_opens_with_its_cash():
    book = book_of(cash=500)
    assert book.cash == 500
    assert book.balances() == {("cash", "USD"): 500, ("opening", "USD"): -500}
    assert (book.realized, book.commissions, book.dividends, book.positions) == (0, 0, 0, {})


def test_an_opening_fill_moves_cash_into_the_position_and_commission_beside_it():
    assert book_of().post(fill(10, "100.50", commission="1.25")) == (
        Posting("cash", "USD", D(-1005)),
        Posting("position:AAPL.XNAS", "USD", D(1005)),
        Posting("cash", "USD", D("-1.25")),
        Posting("commission", "USD", D("1.25")),
    )


def test_a_closing_fill_takes_the_profit_from_realized():
    assert book_of(fill(10, 100)).post(fill(-4, 120)) == (
        Posting("cash", "USD", D(480)),
        Posting("position:AAPL.XNAS", "USD", D(-400)),
        Posting("realized:AAPL.XNAS", "USD", D(-80)),
    )


def test_the_same_fill_twice_is_one_fill():
    """A broker that reconnects reports its executions again."""
    book = book_of(fill(10, 100, name="x"))
    before = book.state_hash()
    assert book.post(fill(10, 100, name="x")) == ()
    assert book.state_hash() == before


# ---- worked examples --------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_realized_plus_commission_is_what_interactive_brokers_shows(sign):
    """IBKR: Realized P/L = Proceeds + Comm/Fee + Basis, and the basis has the opening fee in it.

    Open 100 at 10 for a fee of 1: basis 1,001 (a short: -999). Close at 12 for a fee of 1.5.
    """
    book = book_of(fill(sign * 100, 10, commission=1), fill(-sign * 100, 12, commission="1.5"))
    proceeds, fee, basis = sign * 1200, D("-1.5"), -(sign * 1000 + 1)
    assert book.realized - book.commissions == proceeds + fee + basis
    assert book.realized == sign * 200
    assert book.commissions == D("2.5")
    assert book.cash == 100_000 + sign * 200 - D("2.5")


def test_a_fill_that_crosses_zero_closes_and_opens():
    book = book_of(fill(10, 100), fill(-15, 120))
    position = book.position("AAPL.XNAS")
    assert (position.quantity, position.cost, position.realized) == (-5, -600, 200)
    assert position.average_price == 120
    assert book.cash == 100_000 - 1000 + 1800
    assert book.equity(at(AAPL=D(110))) == 100_000 + 200 + 50


def test_a_short_pays_the_dividend_that_a_long_gets():
    """Ex-date: 100 short at 50, dividend 0.82 a share: the short pays 82."""
    book = book_of(fill(-100, 50))
    assert book.post(CashDividend("AAPL.XNAS", at=2, amount=D("0.82"))) == (
        Posting("cash", "USD", D("-82.00")),
        Posting("dividend:AAPL.XNAS", "USD", D("82.00")),
    )
    book.post(fill(300, 50))
    book.post(CashDividend("AAPL.XNAS", at=3, amount=D("0.82")))
    assert book.dividends == -82 + 164
    assert book.cash == 100_000 + 5000 - 82 - 15_000 + 164


def test_who_holds_nothing_gets_no_dividend():
    book = book_of(fill(5, 50), fill(-5, 51))
    assert book.post(CashDividend("AAPL.XNAS", at=2, amount=D("0.82"))) == ()


def test_apple_splits_seven_for_one_and_the_account_does_not_notice():
    """AAPL closed at 645.57 on 2014-06-06 and split 7:1 before the next session."""
    book = book_of(fill(10, "645.57"))
    equity = book.equity(at(AAPL=D("645.57")))
    assert book.post(Split("AAPL.XNAS", at=2, new=D(7))) == ()
    position = book.position("AAPL.XNAS")
    assert (position.quantity, position.cost) == (70, D("6455.70"))
    assert position.average_price.quantize(D("1e-9")) == D("92.224285714")
    assert book.equity(at(AAPL=EXACT.divide(D("645.57"), D(7)))).quantize(D("1e-9")) == equity


def test_a_reverse_split_keeps_the_fraction_of_a_share():
    book = book_of(fill(10, 2))
    book.post(Split("AAPL.XNAS", at=2, new=D(1), old=D(4)))
    assert book.position("AAPL.XNAS").quantity == D("2.5")
    assert book.position("AAPL.XNAS").cost == 20


def test_a_split_of_what_is_not_held_changes_nothing():
    book = book_of()
    book.post(Split("AAPL.XNAS", at=2, new=D(2)))
    assert book.position("AAPL.XNAS").quantity == 0


def test_the_multiplier_is_money_per_point():
    """Two EURO STOXX 50 futures (10 a point) from 4,000 to 4,012.5: 2 × 12.5 × 10."""
    book = book_of(fill(2, 4000, FESX))
    assert book.position("FESX.XEUR").cost == 80_000
    assert book.position("FESX.XEUR").average_price == 4000
    assert book.unrealized("FESX.XEUR", D("4012.5")) == 250
    assert book.equity(at(FESX=D("4012.5"))) == 100_250
    book.post(fill(-2, "4012.5", FESX))
    assert book.realized == 250


# ---- currencies -------------------------------------------------------------------------------


def test_cash_is_kept_per_currency_and_not_added_up_without_a_rate():
    book = book_of(fill(10, 100, SAP, commission=4))
    assert book.cash == 100_000
    assert book.balances()["cash", "EUR"] == -1004
    assert book.equity(at(SAP=D(100))) is None
    book.post(fill(-10, 110, SAP))
    assert (book.positions, book.realized, book.commissions) == ({}, 0, 0)
    assert book.equity(at()) is None  # 96 euros are left, worth who knows what


def test_a_currency_that_comes_back_to_zero_does_not_matter():
    book = book_of(fill(10, 100, SAP), fill(-10, 100, SAP))
    assert book.equity(at()) == 100_000


def test_commission_may_be_paid_in_another_currency():
    book = book_of(fill(10, 100, SAP, commission=2, currency="USD"))
    assert book.balances()["cash", "USD"] == 99_998
    assert book.balances()["cash", "EUR"] == -1000
    assert book.commissions == 2


# ---- readings ---------------------------------------------------------------------------------


def test_equity_is_unknown_while_something_held_has_no_price():
    book = book_of(fill(10, 100), fill(-10, 30, MSFT))
    assert book.equity(at(AAPL=D(100))) is None
    assert book.equity(at(AAPL=D(100), MSFT=D(29))) == 100_010


def test_positions_are_what_is_held():
    book = book_of(fill(1, 30, MSFT), fill(10, 100), fill(1, 20, FESX), fill(-1, 20, FESX))
    assert list(book.positions) == ["AAPL.XNAS", "MSFT.XNAS"]
    assert book.positions["AAPL.XNAS"] == book.position("AAPL.XNAS")
    assert book.quantity("AAPL.XNAS") == 10
    assert book.position("FESX.XEUR").average_price is None


def test_state_hash_tells_states_apart_and_forgets_insertion_order():
    events = [fill(10, 100), fill(5, 30, MSFT), fill(-3, 101, commission=1)]
    one = book_of(*events)
    other = Book(D("100000.00"), "USD", dict(reversed(ALL.items())))
    for event in (events[1], events[0], events[2]):
        other.post(event)
    assert one.state_hash() == other.state_hash()
    # same balances, other lots: the next sale would make another profit
    whole = book_of(fill(10, 100), fill(10, 100))
    assert whole.state_hash() != book_of(fill(20, 100)).state_hash()
    assert whole.state_hash() != book_of(fill(10, 101), fill(10, 99)).state_hash()
    assert book_of().state_hash() != book_of(cash=99_999).state_hash()
    assert len(one.state_hash()) == 64


# ---- what cannot be booked ----------------------------------------------------------------------


def test_an_instrument_that_the_book_does_not_know_is_named():
    book = book_of()
    with pytest.raises(UsageError, match=r"'APPL\.XNAS'; did you mean 'AAPL\.XNAS'\?"):
        book.position("APPL.XNAS")
    with pytest.raises(UsageError, match=r"not opened for instrument 'IBM\.XNYS'"):
        book.post(fill(1, 1, Instrument("IBM.XNYS")))


@pytest.mark.parametrize(
    ("event", "law"),
    [
        (Fill("a", 1, AAPL.id, Side.BUY, D(0), D(1), "USD", 1), "must be positive"),
        (Fill("a", 1, AAPL.id, Side.BUY, D(-1), D(1), "USD", 1), "must be positive"),
        (Fill("a", 1, AAPL.id, Side.BUY, D("NaN"), D(1), "USD", 1), "cannot be booked exactly"),
        (Fill("a", 1, AAPL.id, Side.BUY, D(1), D("NaN"), "USD", 1), "must be finite"),
        (Fill("a", 1, AAPL.id, Side.BUY, D(1), D(1), "USD", 1, D("inf")), "must be finite"),
        (Fill("a", 1, AAPL.id, Side.BUY, D(1), D("1e70"), "USD", 1), "cannot be booked exactly"),
        (Split(AAPL.id, 1, new=D(0)), "must be positive"),
        (Split(AAPL.id, 1, new=D(1), old=D(-1)), "must be positive"),
        (CashDividend(AAPL.id, 1, amount=D("inf")), "must be finite"),
    ],
)
def test_impossible_numbers_are_refused_and_never_rounded(event, law):
    with pytest.raises(OutsideError, match=law):
        book_of(fill(10, 100)).post(event)


# ---- properties -------------------------------------------------------------------------------


class SlowBook:
    """The plain reference: whole shares, each with its own cost, in exact fractions."""

    def __init__(self, cash):
        self.cash, self.realized, self.dividends, self.fees = Fraction(cash), 0, 0, 0
        self.shares = {name: deque() for name in ALL}  # of (sign, cost)

    def post(self, event):
        shares = self.shares[event.instrument]
        if isinstance(event, Split):
            bought = [(sign, cost / int(event.new)) for sign, cost in shares]
            self.shares[event.instrument] = deque(
                share for share in bought for _ in range(int(event.new))
            )
        elif isinstance(event, CashDividend):
            amount = sum(sign for sign, _ in shares) * Fraction(event.amount)
            self.cash, self.dividends = self.cash + amount, self.dividends + amount
        else:
            self.fill(event, shares)

    def fill(self, event, shares):
        sign = 1 if event.side is Side.BUY else -1
        unit = Fraction(event.price) * Fraction(ALL[event.instrument].multiplier)
        for _ in range(int(event.quantity)):
            self.cash -= sign * unit
            if shares and shares[0][0] != sign:
                held, cost = shares.popleft()
                self.realized += held * (unit - cost)
            else:
                shares.append((sign, unit))
        self.cash -= Fraction(event.commission)
        self.fees += Fraction(event.commission)


names = st.sampled_from([AAPL, MSFT, FESX])
amounts = st.decimals(min_value="0.01", max_value=999, places=2)
fills = st.builds(
    fill,
    st.integers(-20, 20).filter(bool),
    st.one_of(amounts, st.floats(0.01, 900).map(lambda price: D(repr(price)))),
    names,
    commission=st.one_of(st.just(0), amounts),
)
splits = st.builds(lambda what, new: Split(what.id, 1, D(new)), names, st.integers(2, 4))
dividends = st.builds(lambda what, amount: CashDividend(what.id, 1, amount), names, amounts)
histories = st.lists(st.one_of(fills, fills, fills, splits, dividends), max_size=12)
close_to = D("1e-18")


@given(histories)
def test_start_plus_postings_is_end_at_every_step(events):
    """In any context of the caller; every currency, and every transaction, sums to zero."""
    book = book_of()
    sums = book.balances()
    with localcontext(prec=3):
        for event in events:
            legs = book.post(event)
            for leg in legs:
                key = leg.account, leg.currency
                sums[key] = EXACT.add(sums.get(key, D(0)), leg.amount)
            assert sum(Fraction(leg.amount) for leg in legs) == 0
            assert {key: total for key, total in sums.items() if total} == book.balances()
            assert sum(map(Fraction, book.balances().values())) == 0


@given(histories)
def test_the_book_agrees_with_single_shares(events):
    book, slow = book_of(), SlowBook(100_000)
    for event in events:
        book.post(event)
        slow.post(event)
    assert abs(Fraction(book.cash) - slow.cash) == 0
    assert abs(Fraction(book.realized) - slow.realized) < close_to
    assert Fraction(book.commissions) == slow.fees
    assert Fraction(book.dividends) == slow.dividends
    for name, shares in slow.shares.items():
        position = book.position(name)
        assert position.quantity == sum(sign for sign, _ in shares)
        assert abs(Fraction(position.cost) - sum(sign * cost for sign, cost in shares)) < close_to


@given(histories, amounts)
def test_equity_is_start_plus_profit_less_fees(events, price):
    book = book_of(*events)
    unrealized = sum(Fraction(book.unrealized(name, price)) for name in book.positions)
    assert Fraction(book.equity(lambda names: [price for _ in names])) == (
        100_000
        + Fraction(book.realized)
        + Fraction(book.dividends)
        - Fraction(book.commissions)
        + unrealized
    )


@given(histories, st.integers(1, 50), amounts, amounts)
def test_in_and_out_leaves_only_profit(events, quantity, price, later):
    """What a round trip adds to cash is what it adds to realized, from a flat account."""
    book = book_of(*events)
    for name, position in book.positions.items():
        book.post(fill(-position.quantity, price, ALL[name]))
    before, realized = Fraction(book.cash), Fraction(book.realized)
    book.post(fill(quantity, price, MSFT))
    book.post(fill(-quantity, later, MSFT))
    assert Fraction(book.cash) - before == Fraction(book.realized) - realized
    assert Fraction(book.realized) - realized == quantity * (Fraction(later) - Fraction(price))
    assert book.positions == {}


@given(histories, st.integers(2, 7), st.integers(-30, 30).filter(bool), amounts)
def test_selling_before_a_split_or_after_it_is_the_same(events, new, quantity, price):
    """n × the shares at a price of which n × is the old one: same cash, same profit, same rest."""
    before, after = book_of(*events), book_of(*events)
    split = Split(AAPL.id, 1, D(new))
    before.post(fill(quantity, price * new))
    before.post(split)
    after.post(split)
    after.post(fill(quantity * new, price))
    assert before.cash == after.cash
    assert abs(before.realized - after.realized) < close_to
    assert before.quantity(AAPL.id) == after.quantity(AAPL.id)
    assert abs(before.position(AAPL.id).cost - after.position(AAPL.id).cost) < close_to


@given(histories)
def test_the_same_history_has_the_same_hash(events):
    assert book_of(*events).state_hash() == book_of(*events).state_hash()


# ---- many at once -----------------------------------------------------------------------------


def trade(book, booked):
    """Let a book trade fills of one instrument at once."""
    signs = [1 if each.side is Side.BUY else -1 for each in booked]
    book.trade(
        booked[0].instrument,
        [each.id for each in booked],
        [sign * each.quantity for sign, each in zip(signs, booked, strict=True)],
        [each.price for each in booked],
        [each.commission for each in booked],
        [each.fees for each in booked],
    )


def readings(book):
    """Everything that a book says of itself."""
    totals = (book.cash, book.realized, book.commissions, book.fees, book.borrows)
    books = (book.balances(), book.positions, book.state_hash())
    lots = {name: (list(each.lots), each.units) for name, each in book.held.items()}
    return totals, books, lots, set(book.short), book.moved, book.changes


def test_a_round_trip_at_once_leaves_its_profit_less_what_it_cost():
    """Two futures at 10 a point from 4,000 to 4,012.5, then one short: 250 less 6.5 and 0.5."""
    book = book_of()
    trade(
        book,
        [
            fill(2, 4000, FESX, commission=2),
            fill(-2, "4012.5", FESX, commission="2.5", fees="0.25"),
            fill(-1, 4100, FESX, commission=2, fees="0.25"),
        ],
    )
    assert (book.realized, book.commissions, book.fees) == (250, D("6.5"), D("0.5"))
    assert book.cash == 100_000 + 250 - 7 + 41_000
    position = book.position("FESX.XEUR")
    assert (position.quantity, position.cost, position.average_price) == (-1, -41_000, 4100)
    assert book.borrows


small = st.sampled_from(["0", "0", "0.25", "-0.25"])
any_name = st.sampled_from([AAPL, SAP, FESX])
runs = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-20, 20).filter(bool), st.sampled_from(["0.5", "-0.125"])),
        amounts,
        st.one_of(st.just("0"), amounts),
        small,
    ),
    min_size=1,
    max_size=10,
)


@given(histories, any_name, runs)
def test_fills_at_once_leave_what_they_leave_one_by_one(events, instrument, wanted):
    """In any context of the caller; None stands for a fill of all that is held."""
    slow, quick = book_of(*events), book_of(*events)
    for book in (slow, quick):
        book.moved.clear()
    done = []
    with localcontext(prec=3):
        for asked, price, commission, fees in wanted:
            quantity = slow.quantity(instrument.id).copy_negate() if asked is None else asked
            if quantity:
                terms = {"commission": commission, "fees": fees}
                done.append(fill(quantity, price, instrument, **terms))
                slow.post(done[-1])
        if done:
            trade(quick, done)
    assert readings(quick) == readings(slow)
    for each in done:
        assert quick.post(each) == ()  # it knows them
    assert quick.state_hash() == slow.state_hash()


def test_fills_at_once_of_an_instrument_that_the_book_does_not_know_are_refused():
    with pytest.raises(UsageError, match=r"not opened for instrument 'IBM\.XNYS'"):
        trade(book_of(), [fill(1, 1, Instrument("IBM.XNYS"))])


@pytest.mark.parametrize(
    ("price", "commission", "said"),
    [
        ("NaN", "0", "finite"),
        ("Infinity", "0", "cannot be booked exactly"),
        ("1", "NaN", "finite"),
        ("1e70", "1e-10", "cannot be booked exactly"),
        ("sNaN", "0", "cannot be booked exactly"),
    ],
)
def test_fills_that_are_no_numbers_are_refused_together_too(price, commission, said):
    book = Book(D(100), "USD", {"A.XNAS": Instrument("A.XNAS")})
    with pytest.raises(OutsideError, match=rf"1 fills of A\.XNAS.*{said}"):
        book.trade("A.XNAS", ["1.1"], [D(1)], [D(price)], [D(commission)], [D(0)])
