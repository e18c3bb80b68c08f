"""Tables that can be made again: replaced as a whole, and hashed the same in either database."""

import hashlib
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from tests.databases import database
from tests.journal.sample import a_run

from evenkeel.journal.database import DatabaseJournal
from evenkeel.storage import projections
from evenkeel.storage.engine import open_engine
from evenkeel.storage.tables import PROJECTIONS, PositionRow, PostingRow, Projection

D = Decimal


@pytest.fixture
def engine(any_database):
    engine = open_engine(any_database)
    yield engine
    engine.dispose()


def begin(engine, run_id, records=(), created_at=7):
    journal = DatabaseJournal.begin(
        engine, run_id, mode="paper", strategy="sma", manifest={}, created_at=created_at
    )
    journal.append(records)
    head = journal.head
    journal.close()
    return head


def position(instrument, quantity):
    return {
        "instrument": instrument,
        "currency": "USD",
        "quantity": D(quantity),
        "cost": D("12.50"),
        "realized": D("-0"),
    }


def put(engine, run_id, positions, head="0" * 64):
    rows = {model: [] for model in PROJECTIONS} | {PositionRow: positions}
    projections.replace(engine, run_id, rows, sequence=3, head=head)


def held(engine):
    with engine.connect() as connection:
        query = select(PositionRow.run_id, PositionRow.instrument, PositionRow.quantity)
        return [tuple(row) for row in connection.execute(query.order_by(*query.selected_columns))]


def test_a_run_is_replaced_and_the_others_stay(engine):
    begin(engine, "one")
    begin(engine, "other")
    put(engine, "one", [position("A.XNAS", 1), position("B.XNAS", 2)])
    put(engine, "other", [position("A.XNAS", 3)])
    put(engine, "one", [position("B.XNAS", 4)])
    assert held(engine) == [("one", "B.XNAS", D(4)), ("other", "A.XNAS", D(3))]
    projections.empty(engine)
    assert held(engine) == []
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Projection)) == 0


def test_a_run_is_behind_until_its_rows_reach_its_end(engine):
    head = begin(engine, "one", a_run()[:3])
    other = begin(engine, "other", created_at=6)
    assert projections.behind(engine) == ["other", "one"]
    put(engine, "one", [], head)
    put(engine, "other", [], "1" * 64)
    assert projections.behind(engine) == ["other"]
    put(engine, "other", [], other)
    assert projections.behind(engine) == []
    journal = DatabaseJournal(engine, "one", since=8)
    journal.append(a_run()[3:5])
    journal.close()
    assert projections.behind(engine) == ["one"]


def test_rows_that_do_not_fit_change_nothing(engine):
    begin(engine, "one")
    put(engine, "one", [position("A.XNAS", 1)])
    with pytest.raises(Exception, match=r"(?i)unique"):
        put(engine, "one", [position("B.XNAS", 1), position("B.XNAS", 2)])
    assert held(engine) == [("one", "A.XNAS", D(1))]


def test_equal_contents_have_equal_hashes_in_either_database(tmp_path, database_templates):
    hashes = []
    for kind in ("sqlite", "postgresql"):
        with database(kind, tmp_path, database_templates) as url:
            engine = open_engine(url)
            begin(engine, "one")
            put(engine, "one", [position("A.XNAS", "1.50"), position("B.XNAS", 2)])
            hashes.append(projections.content_hash(engine))
            engine.dispose()
    by_hand = hashlib.sha256()
    for model in PROJECTIONS:
        by_hand.update(f"{model.__tablename__}\n".encode())
        if model is PositionRow:
            by_hand.update(b'["one","A.XNAS","USD","1.5","12.5","0"]\n')
            by_hand.update(b'["one","B.XNAS","USD","2","12.5","0"]\n')
    assert hashes == [by_hand.hexdigest()] * 2


def test_every_projection_is_part_of_the_hash(engine):
    begin(engine, "one")
    seen = {projections.content_hash(engine)}
    put(engine, "one", [position("A.XNAS", 1)])
    seen.add(projections.content_hash(engine))
    posting = {
        "sequence": 1,
        "leg": 1,
        "correlation": "order:1",
        "account": "cash",
        "currency": "USD",
        "amount": D(1),
        "at": 1,
    }
    rows = {model: [] for model in PROJECTIONS} | {PostingRow: [posting]}
    projections.replace(engine, "one", rows, sequence=1, head="")
    seen.add(projections.content_hash(engine))
    assert len(seen) == 3


def test_how_far_each_run_reaches_is_known_oldest_first(engine):
    begin(engine, "one")
    begin(engine, "other", created_at=6)
    assert projections.reach(engine) == {}
    put(engine, "one", [])
    put(engine, "other", [])
    assert list(projections.reach(engine).items()) == [("other", 3), ("one", 3)]
