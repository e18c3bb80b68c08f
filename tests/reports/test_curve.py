"""The vectorised curve against the ledger itself, asked bar by bar in Decimal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.story import A, D, bars, day, fill

from evenkeel.domain.events import CashDividend, CurrencyConverted, InterestCharged, Split
from evenkeel.domain.fill import Fill, Fills
from evenkeel.domain.fx import FxRates
from evenkeel.domain.order import Side
from evenkeel.ledger.book import Book
from evenkeel.reports.curve import Money, curve, moving, one_by_one, union

B = "B.XXXX"


def plain(happened, histories, cash):
    """Equity at every bar: the ledger, and closes that follow a split until the next bar does."""
    book = Book(cash, "USD", {name: history.instrument for name, history in histories.items()})
    times = sorted({int(at) for history in histories.values() for at in history.closed_at})
    left, done, found = list(happened), [], []

    def price(name, now):
        history = histories[name]
        seen = [row for row, at in enumerate(history.closed_at) if at <= now]
        if not seen:
            return None
        close = D(str(history.close[seen[-1]]))
        for move in done:
            if (
                isinstance(move, Split)
                and move.instrument == name
                and move.at >= history.closed_at[seen[-1]]
            ):
                close = close * move.old / move.new
        return close

    for now in times:
        while left and (left[0].at <= now if isinstance(left[0], Fill) else left[0].at < now):
            book.post(left[0])
            done.append(left.pop(0))
        found.append(
            float(book.equity(lambda names, now=now: [price(each, now) for each in names]))
        )
    return times, found


@st.composite
def stories(draw):
    """Two instruments, one of which misses bars; fills, splits and dividends in order of time."""
    price = st.integers(100, 9_999).map(lambda cents: cents / 100)
    days = sorted(draw(st.sets(st.integers(0, 11), min_size=1)) | {0})
    histories = {
        A: bars(draw(st.lists(price, min_size=12, max_size=12))),
        B: bars(
            draw(st.lists(price, min_size=len(days), max_size=len(days))),
            name=B,
            days=days,
            multiplier=draw(st.sampled_from([1, 10])),
        ),
    }
    happened = []
    for on in range(1, 12):
        for name in (A, B):
            kind = draw(st.sampled_from(["", "", "fill", "split", "dividend"]))
            # What the market does before a bar comes with the time of the close before it.
            if kind == "split":
                happened.append(Split(name, day(on - 1), D(draw(st.sampled_from([2, 4, 5])))))
            elif kind == "dividend":
                happened.append(CashDividend(name, day(on - 1), D("0.25")))
        for name in (A, B):
            known = day(on) in histories[name].closed_at
            if known and draw(st.booleans()):
                side, quantity = draw(st.sampled_from(list(Side))), draw(st.integers(1, 300))
                happened.append(
                    fill(len(happened), side, quantity, "10.25", on=on, name=name, commission="1.5")
                )
    return histories, happened


@given(stories())
def test_equity_is_the_ledgers_at_every_bar(story):
    histories, happened = story
    times, expected = plain(happened, histories, D(50_000))
    found = curve(happened, histories, cash=D(50_000))
    assert found.times.tolist() == times
    assert found.equity == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_costs_given_back_are_commission_and_slippage():
    happened = [fill(1, Side.BUY, 10, 10, on=1, commission="1", slippage="0.5")]
    found = curve(happened, {A: bars([10, 10, 11])}, cash=D(200))
    assert found.equity.tolist() == [200, 199, 209]
    assert found.gross.tolist() == [200, 200.5, 210.5]
    assert found.invested.tolist() == [0, 100, 110]


def test_costs_given_back_are_interest_and_what_changing_money_cost():
    """Charged after the close for which they are, both count from the next bar and from their own."""
    happened = [
        InterestCharged(day(0), "USD", D(50), D(6), 1, amount=D(2)),
        CurrencyConverted(day(2), D(9), "USD", D(4), "EUR", D(2), cost=D(1)),
    ]
    found = curve(happened, {A: bars([10, 10, 10])}, cash=D(200), money=Money("USD"))
    assert found.equity.tolist() == [200, 198, 189]
    assert found.gross.tolist() == [200, 200, 192]


def test_a_split_leaves_equity_where_it_was():
    """100 at 10 become 200 at 5; the bar that closed at the moment of the split is still at 10."""
    happened = [fill(1, Side.BUY, 100, 10, on=0), Split(A, day(1), D(2))]
    found = curve(happened, {A: bars([10, 10, 5, 6])}, cash=D(1000))
    assert found.equity.tolist() == [1000, 1000, 1000, 1200]


def test_equity_stands_still_while_the_split_instrument_has_no_bar_yet():
    happened = [fill(1, Side.BUY, 100, 10, on=0), Split(A, day(1), D(2))]
    histories = {A: bars([10, 10, 5], days=[0, 1, 4]), B: bars([1] * 5, name=B)}
    found = curve(happened, histories, cash=D(1000))
    assert found.equity.tolist() == [1000] * 5


def test_the_holder_at_the_close_before_the_ex_date_gets_the_dividend():
    happened = [
        fill(1, Side.BUY, 100, 10, on=1),
        CashDividend(A, day(1), D("0.5")),
        fill(2, Side.BUY, 100, 10, on=2),
    ]
    found = curve(happened, {A: bars([10, 10, 10])}, cash=D(5000))
    assert found.equity.tolist() == [5000, 5000, 5050]


def test_a_fill_that_was_written_late_counts_from_where_it_was_written():
    happened = [fill(1, Side.BUY, 10, 10, on=2), fill(2, Side.SELL, 10, 10, on=1)]
    found = curve(happened, {A: bars([10, 11, 12, 14])}, cash=D(100))
    assert found.equity.tolist() == [100, 100, 100, 100]


def test_a_fill_reported_twice_moves_once():
    once = fill(1, Side.BUY, 10, 10, on=1)
    assert moving([once, Split(A, day(1), D(2)), once]) == [once, Split(A, day(1), D(2))]


def unwritten(fills):
    """The same fills as columns."""
    return Fills(
        instruments=[each.instrument for each in fills],
        signed=[each.quantity * (1 if each.side is Side.BUY else -1) for each in fills],
        prices=[each.price for each in fills],
        currency="USD",
        at=[each.at for each in fills],
        commissions=[each.commission for each in fills],
        fees=[each.fees for each in fills],
        slippages=[each.slippage for each in fills],
        write=lambda: fills,
    )


FEW = [(Side.BUY, "10.1", A), (Side.SELL, "1e-31", B), (Side.BUY, "3.3", B)]


@pytest.mark.parametrize("money", [Money("USD"), Money("EUR", FxRates.from_texts({"USD": "0.9"}))])
@pytest.mark.parametrize("trades", [FEW, FEW[:1], FEW[1:2]])
def test_fills_that_nobody_has_written_out_move_as_much(trades, money):
    """To the last bit: amounts are added up in the order of the journal, whoever is traded."""
    charges = ["1e30", "0.1", "-1e-30", "7.3"]
    histories = {A: bars([10] * 4), B: bars([20] * 4, name=B, multiplier=10)}
    happened = [
        fill(n, side, n, price, on=n % 4, name=name, commission=charges[n % 4], fees="0.01")
        for n, (side, price, name) in enumerate(trades * 4, start=1)
    ]
    split = Split(B, day(1), D(2))
    told = moving([*happened[:3], split, unwritten(happened[3:7]), *happened[7:]])
    assert one_by_one(told) == [*happened[:3], split, *happened[3:]]
    apart, together = (
        curve(moves, histories, cash=D("0.3"), money=money) for moves in (one_by_one(told), told)
    )
    for column in ("equity", "gross", "invested"):
        assert getattr(together, column).tobytes() == getattr(apart, column).tobytes()


def test_bar_times_of_all_instruments_are_one_timeline():
    one = bars([1, 2, 3]).closed_at
    assert union([one, one.copy()]) is one
    assert union([one[:2], one[1:]]).tolist() == one.tolist()
