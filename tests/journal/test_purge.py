"""What is past its time goes for good, is told of first, and the chain still holds."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.journal.sample import a_run, book_of

from evenkeel.domain.errors import JournalError
from evenkeel.domain.events import Noted, OperatorActed, RunStarted
from evenkeel.journal.chain import KINDS
from evenkeel.journal.database import DatabaseJournal, lines_of
from evenkeel.journal.operations import OPERATIONS, write_down
from evenkeel.journal.purge import ORDER_KINDS, Due, Retention, _before, due, purge
from evenkeel.journal.replay import decode, read, replay
from evenkeel.journal.verify import verify_database
from evenkeel.storage.engine import open_engine

RUN = a_run()
KEPT = Retention(orders_years=3, years=6)


def ns(when):
    return int(datetime.fromisoformat(f"{when}T00:00:00+00:00").timestamp()) * 10**9


BEGUN = ns("2020-06-01")
NUMBERS = [n for n, r in enumerate(RUN, 1) if type(r).__name__ in ORDER_KINDS]


@pytest.fixture
def engine(any_database):
    engine = open_engine(any_database)
    yield engine
    engine.dispose()


def begin(engine, run_id="run", created_at=BEGUN, records=RUN):
    journal = DatabaseJournal.begin(
        engine, run_id, mode="paper", strategy="sma", manifest={}, created_at=created_at
    )
    journal.append(records)
    journal.close()


def purged(engine, when, retention=KEPT):
    return purge(engine, retention, at=ns(when), actor="anna", reason="yearly")


def payloads(engine, run_id="run"):
    return [json.loads(line[65:]) for line in lines_of(engine, run_id)]


def test_the_classes_are_those_of_records_that_there_are():
    assert set(KINDS) >= ORDER_KINDS
    assert {"Fill", "RunStarted", "RunEnded", "Split", "CashDividend", "OperatorActed"}.isdisjoint(
        ORDER_KINDS
    )


def test_memoranda_of_orders_go_first_and_ledgers_with_their_run(engine, any_database):
    begin(engine)
    assert due(engine, KEPT, at=ns("2023-06-01")) == []
    assert purged(engine, "2023-06-01") == []
    assert purged(engine, "2023-06-02") == [Due("run", len(NUMBERS), NUMBERS[0], NUMBERS[-1])]
    left = payloads(engine)
    assert [n for n, record in enumerate(left, 1) if "purged" in record] == NUMBERS
    verdict = verify_database(any_database, "run")
    assert (verdict.ok, verdict.purged, verdict.records) == (True, len(NUMBERS), len(RUN))
    assert verdict.ended
    assert purged(engine, "2026-06-01") == []
    rest = len(RUN) - len(NUMBERS)
    assert purged(engine, "2026-06-02")[0] == Due("run", rest, 1, len(RUN))
    assert all("purged" in record for record in payloads(engine))
    verdict = verify_database(any_database, "run")
    assert (verdict.ok, verdict.purged) == (True, len(RUN))
    assert verify_database(any_database, OPERATIONS).records == 2


def test_a_purge_is_told_of_by_who_did_it(engine):
    begin(engine)
    before = list(lines_of(engine, "run"))
    purged(engine, "2024-01-01")
    (told,) = [decode(entry) for entry in read(lines_of(engine, OPERATIONS))]
    assert (told.at, told.actor, told.command) == (ns("2024-01-01"), "anna", "audit purge")
    assert told.reason == "yearly"
    gone = "".join(
        f"{before[n - 1][:64].decode()} "
        f'{{"sequence":{n},"kind":"{type(RUN[n - 1]).__name__}",'
        f'"previous":"{before[n - 2][:64].decode()}","at":{RUN[n - 1].at},"purged":1}}\n'
        for n in NUMBERS
    )
    assert told.before == {
        "run": "run",
        "records": str(len(NUMBERS)),
        "first": str(NUMBERS[0]),
        "last": str(NUMBERS[-1]),
        "digest": hashlib.sha256(gone.encode()).hexdigest(),
    }


def test_a_replay_of_old_bars_is_as_young_as_its_run(engine):
    """Its records say 1970; it was written in 2020."""
    begin(engine)
    assert due(engine, KEPT, at=ns("2022-01-01")) == []


def test_what_a_long_run_wrote_lately_is_as_young_as_that(engine):
    late = ns("2024-05-05")
    begin(engine, records=[*RUN[:-1], Noted(late, "sma", "still here")])
    assert purged(engine, "2026-12-31")[0].records == len(NUMBERS)
    assert due(engine, KEPT, at=ns("2030-05-05")) == []
    assert due(engine, KEPT, at=ns("2030-05-06"))[0].records == len(RUN) - len(NUMBERS)


def test_the_years_are_those_that_were_asked_for(engine):
    begin(engine)
    one = Retention(orders_years=1, years=2)
    assert due(engine, one, at=ns("2021-06-02"))[0].records == len(NUMBERS)
    assert due(engine, one, at=ns("2022-06-02"))[0].records == len(RUN)


def test_what_operators_did_goes_too_but_not_what_tells_of_purges(engine, any_database):
    begin(engine)
    write_down(engine, OperatorActed(ns("2021-01-01"), "anna", "limits set", "calmer"))
    purged(engine, "2024-01-01")
    found = purged(engine, "2031-01-01")
    assert found == [
        Due(OPERATIONS, 1, 1, 1),
        Due("run", len(RUN) - len(NUMBERS), 1, len(RUN)),
    ]
    kept = payloads(engine, OPERATIONS)
    assert ["purged" in record for record in kept] == [True, False, False, False]
    for run in (OPERATIONS, "run"):
        assert verify_database(any_database, run).ok


def test_runs_are_purged_one_by_one(engine, any_database):
    begin(engine, "one")
    begin(engine, "other")
    assert [each.run_id for each in purged(engine, "2024-01-01")] == ["one", "other"]
    assert verify_database(any_database, "one").purged == len(NUMBERS)
    assert verify_database(any_database, "other").purged == len(NUMBERS)


def test_what_was_purged_is_on_the_disk_no_more(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/runs.db")
    begin(engine, records=[RUN[0], *(Noted(at, "sma", f"canary-{at:04}") for at in range(2_000))])
    seen = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"canary-0000" in seen
    assert b"canary-1999" in seen
    purged(engine, "2030-01-01")
    seen = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"canary-" not in seen
    engine.dispose()


def test_a_record_that_is_gone_is_said_to_be(engine):
    begin(engine)
    purged(engine, "2024-01-01")
    entries = list(read(lines_of(engine, "run")))
    gone = entries[NUMBERS[0] - 1]
    assert (gone.purged, gone.body) == (1, {"at": RUN[NUMBERS[0] - 1].at})
    with pytest.raises(JournalError, match=rf"^record {NUMBERS[0]} of the journal was purged"):
        decode(gone)


def test_a_journal_without_its_memoranda_still_leads_to_its_book(engine):
    begin(engine)
    purged(engine, "2024-01-01")
    assert replay(lines_of(engine, "run"), book_of).state_hash() == RUN[-1].state


def test_a_journal_whose_ledgers_are_gone_leads_to_none(engine):
    begin(engine)
    purged(engine, "2030-01-01")
    with pytest.raises(JournalError, match=r"^record 1 of the journal was purged"):
        replay(lines_of(engine, "run"), book_of)


def test_a_leap_day_comes_from_the_day_before():
    assert _before(ns("2024-02-29") + 5, 3) == ns("2021-02-28") + 5
    assert _before(ns("2024-03-01"), 1) == ns("2023-03-01")
    assert datetime.fromtimestamp(_before(ns("2026-01-01"), 100) / 1e9, UTC).year == 1926


# ---- the database lets nothing else pass ---------------------------------------------------------

TOMBSTONE = (
    '{"sequence":3,"kind":"Approved","previous":"%s","at":2,"purged":%d}'  # as `chain` has it
)


def leave(engine, what, number=3, **more):
    columns = ", ".join(f"{name} = :{name}" for name in ("payload", *more))
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE journal_records SET {columns} WHERE run_id = 'run' AND sequence = :n"),  # noqa: S608  # ours
            {"payload": what, "n": number, **more},
        )


def tell(engine, run="run"):
    return write_down(engine, OperatorActed(1, "anna", "audit purge", "", {"run": run}))


def test_a_tombstone_takes_a_record_that_tells_of_it(engine):
    begin(engine)
    previous = list(lines_of(engine, "run"))[1][:64].decode()
    with pytest.raises(IntegrityError, match="never changed"):
        leave(engine, TOMBSTONE % (previous, 1))
    tell(engine, "another run")
    with pytest.raises(IntegrityError, match="never changed"):
        leave(engine, TOMBSTONE % (previous, 1))
    assert tell(engine) == 2
    for what in (TOMBSTONE % (previous, 1), TOMBSTONE % ("0" * 64, 2), "", "{}"):
        with pytest.raises(IntegrityError, match="never changed"):
            leave(engine, what)
    for more in ({"hash": "0" * 64}, {"kind": "Split"}, {"at": 7}):
        with pytest.raises(IntegrityError, match="never changed"):
            leave(engine, TOMBSTONE % (previous, 2), **more)
    leave(engine, TOMBSTONE % (previous, 2))
    with pytest.raises(IntegrityError, match="never changed"):
        leave(engine, TOMBSTONE % (previous, 2))


def test_a_record_that_tells_of_a_purge_gets_no_tombstone(engine):
    tell(engine, OPERATIONS)
    what = '{"sequence":1,"kind":"OperatorActed","previous":"%s","at":1,"purged":1}' % ("0" * 64)
    with pytest.raises(IntegrityError, match="never changed"), engine.begin() as connection:
        connection.execute(text("UPDATE journal_records SET payload = :p"), {"p": what})


def test_words_that_look_like_a_purge_are_none(engine):
    """What a person writes as a reason cannot open the door."""
    begin(engine)
    previous = list(lines_of(engine, "run"))[1][:64].decode()
    looks = '","command":"audit purge","before":{"run":"run"}'
    write_down(engine, OperatorActed(1, "anna", "note", looks))
    with pytest.raises(IntegrityError, match="never changed"):
        leave(engine, TOMBSTONE % (previous, 1))


# ---- what the verifier finds --------------------------------------------------------------------


def rules_off(engine):
    """As somebody who owns the database can."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER record_changed"))
        else:
            connection.execute(text("ALTER TABLE journal_records DISABLE TRIGGER record_changed"))


def bad(verdict, first_bad, said):
    assert (verdict.first_bad, verdict.ok) == (first_bad, False)
    assert said in verdict.problem


def test_a_tombstone_that_nobody_tells_of_is_found(engine, any_database):
    begin(engine)
    rules_off(engine)
    previous = list(lines_of(engine, "run"))[1][:64].decode()
    leave(engine, TOMBSTONE % (previous, 1))
    bad(verify_database(any_database, "run"), 3, "no record of the operators tells of it")
    write_down(engine, OperatorActed(1, "anna", "something else", "", {"run": "run"}))
    bad(verify_database(any_database, "run"), 3, "no record of the operators tells of it")
    tell(engine)
    leave(engine, TOMBSTONE % (previous, 2))
    bad(
        verify_database(any_database, "run"),
        3,
        "not what was left of it by the purge that record 2",
    )


def test_one_tombstone_more_than_was_told_of_is_found(engine, any_database):
    begin(engine)
    purged(engine, "2024-01-01")
    rules_off(engine)
    previous = next(iter(lines_of(engine, "run")))[:64].decode()
    note = f'{{"sequence":2,"kind":"Noted","previous":"{previous}","at":2,"purged":1}}'
    leave(engine, note, number=2)
    bad(verify_database(any_database, "run"), 2, "not what was left of it by the purge")


@pytest.mark.parametrize(
    ("old", "new"),
    [('"at":2', '"at":3'), ('"kind":"Approved"', '"kind":"Refused"'), ('"purged":1', '"purged":9')],
)
def test_a_tombstone_that_was_changed_is_found(engine, any_database, old, new):
    begin(engine)
    purged(engine, "2024-01-01")
    rules_off(engine)
    there = list(lines_of(engine, "run"))[2][65:].decode()
    assert old in there
    columns = {"kind": "Refused"} if "Refused" in new else {"at": 3} if "at" in new else {}
    leave(engine, there.replace(old, new), **columns)
    verdict = verify_database(any_database, "run")
    assert verdict.first_bad == 3


def test_a_tombstone_that_is_more_than_one_is_an_edit(engine, any_database):
    begin(engine)
    purged(engine, "2024-01-01")
    rules_off(engine)
    there = list(lines_of(engine, "run"))[2][65:].decode()
    leave(engine, there.replace("}", ',"more":1}'))
    bad(verify_database(any_database, "run"), 3, "record 3 was edited")


def test_damage_to_the_operators_journal_does_not_make_purges_true(engine, any_database):
    begin(engine)
    purged(engine, "2024-01-01")
    rules_off(engine)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE journal_records SET hash = :h WHERE run_id = 'operations'"),
            {"h": "0" * 64},
        )
    bad(verify_database(any_database, "run"), NUMBERS[0], "no record of the operators tells of it")
    assert verify_database(any_database, OPERATIONS).first_bad == 1


def test_a_run_begins_as_a_run_or_as_what_operators_did(engine, any_database):
    write_down(engine, OperatorActed(1, "anna", "x"))
    begin(engine, records=RUN[:2])
    assert verify_database(any_database, OPERATIONS).ok
    begin(engine, "odd", records=[Noted(1, "sma", ""), *RUN[:2]])
    bad(verify_database(any_database, "odd"), 1, "RunStarted comes first")
    begin(engine, "mixed", records=[OperatorActed(1, "anna", "x"), RUN[0]])
    assert isinstance(RUN[0], RunStarted)
    bad(verify_database(any_database, "mixed"), 2, "RunStarted comes first")
