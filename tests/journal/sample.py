"""Records to test with: one short run that has every kind, and any record that can be."""

from decimal import Decimal
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec.structs import replace

from evenkeel.domain.events import (
    BorrowFeeCharged,
    CancelRejected,
    CancelRequested,
    CashDividend,
    CurrencyConverted,
    Halted,
    InterestCharged,
    LiquidationForced,
    MarginCalled,
    Noted,
    OperatorActed,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
    Record,
    Resumed,
    RunEnded,
    RunStarted,
    Split,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.ledger.book import Book, Booked

D = Decimal

STARTED = RunStarted(
    at=1,
    strategy="evenkeel.strategy.examples.sma_cross:SmaCross",
    params={"slow": "50", "fast": "20"},
    instruments={"AAPL.XNAS": {"currency": "USD", "lot": "1"}},
    tape={"AAPL.XNAS": "ab" * 32},
    cash=D("100000.00"),
    currency="USD",
    costs="ibkr-fixed",
    slippage="bps:1",
    limits={},
)
ORDER = Order(
    id=1,
    strategy="sma",
    instrument="AAPL.XNAS",
    side=Side.BUY,
    quantity=D(100),
    type=OrderType.LIMIT,
    created_at=2,
    limit_price=D("101.50"),
    reason="naïve “cross”\n",
)


def fill(name, side, quantity, price, at):
    return Fill(name, 1, "AAPL.XNAS", side, D(quantity), D(price), "USD", at, commission=D("1.00"))


def book_of(started):
    """The book that a run begins with."""
    instruments = {
        name: Instrument(name, currency=facts["currency"])
        for name, facts in started.instruments.items()
    }
    return Book(started.cash, started.currency, instruments)


def a_run():
    """A score of records, every kind among them, that end in the state they lead to."""
    records = [
        STARTED,
        Noted(2, "sma", "warm"),
        Approved(ORDER, 2, D("101.50")),
        OrderAccepted(1, 2),
        fill("1-1", Side.BUY, 60, "101.25", 3),
        Refused(replace(ORDER, id=2), 3, Reason.ORDER_NOTIONAL, D(10_000), D("10150.0")),
        Refused(replace(ORDER, id=3), 3, Reason.HALTED, "not halted", "halted by rule"),
        CancelRequested(1, 3, "sma"),
        CancelRejected(1, 4, "too late"),
        OrderCanceled(1, 4, D(60), "asked for"),
        CashDividend("AAPL.XNAS", 5, D("0.22")),
        Split("AAPL.XNAS", 6, D(7)),
        fill("2-1", Side.SELL, 420, "15", 7),
        InterestCharged(8, "USD", D(-5000), D("6.83"), 1, D("0.93")),
        BorrowFeeCharged("AAPL.XNAS", 8, D(10), D(150), D("2.5"), 1, D("0.01")),
        CurrencyConverted(8, D(100), "USD", D("92.1"), "EUR", D("1.0858")),
        MarginCalled(8, D(900), D(1_000)),
        LiquidationForced(8, D(800), D(1_000)),
        Halted(8, "rule", "loss"),
        Resumed(9, "anna", "checked"),
        OperatorActed(9, "anna", "limits set", "calm", {"gross": "1"}, {"gross": "2"}),
        OrderExpired(4, 10),
        OrderRejected(5, 10, "no such market"),
        OrderReplaced(7, 6, 10),
        OrderUncertain(7, 10, "no answer"),
    ]
    book = book_of(STARTED)
    for record in records:
        if isinstance(record, Booked):
            book.post(record)
    return [*records, RunEnded(11, book.state_hash(), book.cash)]


# ---- any record --------------------------------------------------------------------------------

_PLAIN = {
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(max_size=5),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
}


def _any(hint):
    if get_origin(hint) in {Union, UnionType}:
        return st.one_of(*map(_any, get_args(hint)))
    if get_origin(hint) is dict:
        return st.dictionaries(*map(_any, get_args(hint)), max_size=3)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint is Order:
        return _any_of(Order)
    return st.sampled_from(hint)  # an enum


def _any_of(kind):
    return st.builds(kind, **{name: _any(hint) for name, hint in get_type_hints(kind).items()})


any_record = st.one_of(*map(_any_of, get_args(Record)))
two_of_a_kind = st.one_of(*(st.tuples(_any_of(k), _any_of(k)) for k in get_args(Record)))


def respelled(record):
    """The same record, its amounts written with more zeros and its mappings the other way round."""
    changes = {}
    for name in record.__slots__:
        value = getattr(record, name)
        if isinstance(value, Decimal) and value == 0:
            changes[name] = D("-0E+3")
        elif isinstance(value, Decimal):
            sign, digits, exponent = value.as_tuple()
            changes[name] = Decimal((sign, (*digits, 0, 0), exponent - 2))
        elif isinstance(value, dict):
            changes[name] = dict(reversed(value.items()))
        elif isinstance(value, Order):
            changes[name] = respelled(value)
    return replace(record, **changes)
