"""Orders, fills, postings, positions and lots as rows: by hand, and as book and reports have them."""

from collections import Counter
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.journal.sample import ORDER, STARTED, a_run, fill

from evenkeel.domain.events import OperatorActed, OrderAccepted, OrderCanceled, RunEnded
from evenkeel.domain.instrument_events import CashDividend, Delisted, Split
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.journal.chain import links, tombstone
from evenkeel.reports.projection import project
from evenkeel.storage.tables import (
    PROJECTIONS,
    AccountRow,
    CorporateActionRow,
    FillRow,
    InstrumentRow,
    LimitCardRow,
    LotRow,
    OperatorRow,
    OrderRow,
    PositionRow,
    PostingRow,
    StrategyRow,
    TickerRow,
)

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def rows_of(*records):
    return project(linked.line for linked in links([STARTED, *records]))


def approved(number, side=BUY, **facts):
    return Approved(replace(ORDER, id=number, side=side, **facts), 2, D("101.50"))


def sold(name, quantity, price, at, order_id=2):
    return replace(fill(name, SELL, quantity, price, at), order_id=order_id)


def columns(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def test_every_projection_gets_its_rows_and_every_row_its_columns():
    rows = project(linked.line for linked in links(a_run()))
    assert set(rows) == set(PROJECTIONS)
    for model, made in rows.items():
        assert made, model
        for row in made:
            assert set(row) == {each.name for each in model.__table__.columns} - {"run_id"}


def test_an_order_has_become_what_the_venue_made_of_it():
    rows = rows_of(
        approved(1),
        OrderAccepted(1, 2),
        fill("a", BUY, 60, "101.25", 3),
        OrderCanceled(1, 4, D(60), "asked for"),
        Refused(replace(ORDER, id=2, created_at=3), 3, Reason.HALTED, D(0), D(1)),
    )
    asked = ("id", "sequence", "bar_at", "correlation", "status", "filled", "quantity", "why")
    assert columns(rows[OrderRow], *asked) == [
        (1, 2, 2, "order:1", "CANCELED", D(60), D(100), "asked for"),
        (2, 6, 3, "order:2", "REFUSED", D(0), D(100), "halted"),
    ]


def test_a_fill_knows_its_verdict_and_its_postings_know_the_fill():
    rows = rows_of(approved(1), OrderAccepted(1, 2), fill("a", BUY, 60, "101.25", 3))
    assert columns(rows[FillRow], "sequence", "caused_by", "correlation", "id", "quantity") == [
        (4, 2, "order:1", "a", D(60))
    ]
    paid, commission = D("6075"), D("1")
    by_account = {row["account"]: D(0) for row in rows[PostingRow]}
    for row in rows[PostingRow]:
        by_account[row["account"]] += row["amount"]
        assert (row["sequence"], row["correlation"], row["currency"]) == (4, "order:1", "USD")
    assert by_account == {
        "cash": -paid - commission,
        "position:AAPL.XNAS": paid,
        "commission": commission,
    }
    assert [row["leg"] for row in rows[PostingRow]] == [1, 2, 3, 4]


def test_lots_close_first_in_first_out_and_know_who_opened_and_closed_them():
    """Bought 10 at 1 and 10 at 2, sold 15 at 3: 10 x 2 and 5 x 1 earned, 5 left that cost 10."""
    rows = rows_of(
        approved(1),
        fill("a", BUY, 10, "1", 3),
        fill("b", BUY, 10, "2", 4),
        approved(2, SELL),
        sold("c", 15, "3", 5),
    )
    asked = ("number", "opened_by", "closed_by", "quantity", "cost", "proceeds", "profit")
    assert columns(rows[LotRow], *asked) == [
        (1, 3, 6, D(10), D(10), D(30), D(20)),
        (2, 4, 6, D(5), D(10), D(15), D(5)),
        (3, 4, None, D(5), D(10), None, None),
    ]
    assert columns(rows[PositionRow], "instrument", "quantity", "cost", "realized") == [
        ("AAPL.XNAS", D(5), D(10), D(25))
    ]
    assert columns(rows[LotRow], "opened_at", "closed_at") == [(3, 5), (4, 5), (4, None)]


def test_a_short_lot_is_negative_and_earns_when_prices_fall():
    rows = rows_of(
        approved(2, SELL), sold("a", 10, "3", 3), approved(1), fill("b", BUY, 10, "1", 4)
    )
    assert columns(rows[LotRow], "quantity", "cost", "proceeds", "profit") == [
        (D(-10), D(30), D(10), D(20))
    ]
    assert rows[PositionRow][0]["realized"] == D(20)


def test_what_was_earned_in_lots_is_what_the_book_says():
    rows = project(linked.line for linked in links(a_run()))
    earned = sum((row["profit"] or D(0) for row in rows[LotRow]), D(0))
    assert rows[PositionRow][0]["realized"] == earned
    assert (
        sum(row["quantity"] for row in rows[LotRow] if row["closed_by"] is None)
        == (rows[PositionRow][0]["quantity"])
    )
    for sequence in {row["sequence"] for row in rows[PostingRow]}:
        assert sum(r["amount"] for r in rows[PostingRow] if r["sequence"] == sequence) == 0


def test_actions_of_companies_are_rows_of_their_kind():
    rows = rows_of(Split("AAPL.XNAS", 6, D(7)), CashDividend("AAPL.XNAS", 7, D("0.22")))
    assert columns(rows[CorporateActionRow], "sequence", "kind", "at", "facts") == [
        (2, "Split", 6, {"new": "7", "old": "1"}),
        (3, "CashDividend", 7, {"amount": "0.22", "currency": "USD"}),
    ]


def test_a_lot_that_is_paid_out_is_closed_by_what_happened():
    """Delisted at 0.5: ten that cost 70 bring 5, and nobody's order closed them."""
    rows = rows_of(approved(1), fill("a", BUY, 10, "7", 3), Delisted("AAPL.XNAS", 6, D("0.5")))
    asked = ("opened_by", "closed_by", "quantity", "proceeds", "profit", "closed_at")
    assert columns(rows[LotRow], *asked) == [(3, 4, D(10), D(5), D(-65), 6)]


def test_a_split_leaves_what_lots_cost():
    rows = rows_of(approved(1), fill("a", BUY, 10, "7", 3), Split("AAPL.XNAS", 6, D(7)))
    assert columns(rows[LotRow], "quantity", "cost") == [(D(70), D(70))]


def test_a_run_that_traded_nothing_has_rows_of_what_it_began_with():
    rows = rows_of(RunEnded(9, "", D(1)))
    assert {model for model, made in rows.items() if made} == {
        *(InstrumentRow, TickerRow, AccountRow, StrategyRow, LimitCardRow)
    }


def test_an_empty_journal_has_no_rows():
    assert not any(project([]).values())


def test_somebody_who_acts_again_is_known_by_the_first_time():
    acts = [OperatorActed(at, who, "x") for at, who in ((5, "anna"), (6, "ben"), (7, "anna"))]
    rows = project(linked.line for linked in links(acts))
    assert columns(rows[OperatorRow], "name", "sequence", "at") == [("anna", 1, 5), ("ben", 2, 6)]
    assert not any(made for model, made in rows.items() if model is not OperatorRow)


def purged(lines, *numbers):
    """As `audit purge` leaves them."""
    left = list(lines)
    for number in numbers:
        digest, _, payload = left[number - 1].partition(b" ")
        previous = payload.partition(b'"previous":"')[2][:64].decode()
        kind = payload.partition(b'"kind":"')[2].partition(b'"')[0].decode()
        left[number - 1] = digest + b" " + tombstone(number, kind, previous, 1, 1).encode()
    return left


def test_memoranda_that_were_purged_take_no_fill_with_them():
    lines = [linked.line for linked in links([STARTED, approved(1), fill("a", BUY, 10, "1", 3)])]
    rows = project(purged(lines, 2))
    assert rows[OrderRow] == []
    assert columns(rows[FillRow], "sequence", "caused_by", "correlation") == [(3, None, "order:1")]
    assert len(rows[LotRow]) == len(rows[PositionRow]) == 1


def test_a_run_that_was_purged_has_no_rows():
    lines = [linked.line for linked in links([STARTED, approved(1), fill("a", BUY, 10, "1", 3)])]
    assert not any(project(purged(lines, 1, 2, 3)).values())


@pytest.mark.parametrize("stop", range(1, len(a_run())))
def test_orders_and_fills_are_counted_once_at_every_length(stop):
    records = a_run()[:stop]
    rows = project(linked.line for linked in links(records))
    kinds = Counter(type(record).__name__ for record in records)
    assert len(rows[OrderRow]) == kinds["Approved"] + kinds["Refused"]
    assert len(rows[FillRow]) == kinds["Fill"]
