"""What operators do is chained like everything else, whoever does it and however many at once."""

import json
import threading

import pytest
from sqlalchemy import text

from evenkeel.domain.errors import OutsideError
from evenkeel.domain.events import OperatorActed
from evenkeel.journal.database import lines_of
from evenkeel.journal.operations import OPERATIONS, write_down, write_within
from evenkeel.journal.replay import decode, read
from evenkeel.journal.verify import verify_database
from evenkeel.storage.engine import open_engine


@pytest.fixture
def engine(any_database):
    engine = open_engine(any_database)
    yield engine
    engine.dispose()


def action(at=1, actor="anna", command="limits set", **more):
    return OperatorActed(at, actor, command, **more)


def test_who_did_what_and_why_is_there_for_good(engine, any_database):
    done = action(reason="calmer", before={"gross": "2"}, after={"gross": "1"})
    assert write_down(engine, done) == 1
    assert write_down(engine, action(2)) == 2
    assert [decode(entry) for entry in read(lines_of(engine, OPERATIONS))] == [done, action(2)]
    verdict = verify_database(any_database, OPERATIONS)
    assert (verdict.ok, verdict.records, verdict.ended) == (True, 2, False)


def test_an_empty_database_is_made_ready(empty_database):
    engine = open_engine(empty_database)
    assert write_down(engine, action()) == 1
    engine.dispose()


def test_many_may_act_at_once(engine, any_database):
    """Each record is a transaction of its own; the first ones even begin the journal at once."""
    go = threading.Barrier(6)
    numbers = []

    def act(actor):
        own = open_engine(any_database)
        go.wait()
        numbers.extend(write_down(own, action(at, actor)) for at in range(5))
        own.dispose()

    threads = [threading.Thread(target=act, args=(f"person {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 31))
    assert verify_database(any_database, OPERATIONS).records == 30
    told = [json.loads(line[65:])["body"]["actor"] for line in lines_of(engine, OPERATIONS)]
    assert {told.count(f"person {n}") for n in range(6)} == {5}


def test_who_begins_second_waits_and_goes_on_behind_the_first(postgres_database):
    """Both found no journal; one begins it, and the other must not begin it again."""
    first, second = open_engine(postgres_database), open_engine(postgres_database)
    numbers = []
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with first.connect() as connection:
        assert write_within(connection, action(1)) == 1
        other = threading.Thread(target=lambda: numbers.append(write_down(second, action(2))))
        other.start()
        with first.connect() as looking:
            while not looking.scalar(waiting):
                looking.rollback()
        connection.commit()
        other.join()
    assert numbers == [2]
    assert verify_database(postgres_database, OPERATIONS).records == 2
    first.dispose()
    second.dispose()


def test_where_it_cannot_be_written_nothing_is_to_be_done(engine):
    write_down(engine, action())
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE projections"))  # refers to what comes next
        connection.execute(text("ALTER TABLE journal_records RENAME TO gone"))
    with pytest.raises(OutsideError, match="journal_records"):
        write_down(engine, action())
