"""The tables hold what the journals say, as somebody finds it who reads nothing but their JSON."""

import hashlib
import json
from decimal import Decimal

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.pool import Pool
from tests.databases import trader
from tests.engine.market import bars, card
from tests.journal.sample import a_run

from evenkeel.app.database import catch_up, opened, rebuild, refresh
from evenkeel.app.paper import paper
from evenkeel.app.setup import request
from evenkeel.domain.events import OperatorActed
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.operations import OPERATIONS, write_down
from evenkeel.journal.verify import verify_database
from evenkeel.storage import migrate, projections
from evenkeel.storage.grants import grant
from evenkeel.storage.tables import (
    AccountRow,
    AlertRow,
    InstrumentRow,
    LimitCardRow,
    OperatorRow,
    StrategyRow,
    TickerRow,
)
from evenkeel.strategy.examples.sma_cross import SmaCross

CLOSES = [50 + 10 * ((n * 7) % 13) / 13 for n in range(40)]


def wanted(strategy=SmaCross):
    return request(strategy(fast=2, slow=5), [bars(*CLOSES)], limits=card())


@pytest.fixture
def engine(any_database):
    """A run on paper, one that has every kind of record, and what two people did."""
    paper(wanted(), any_database)
    with opened(any_database) as engine:
        journal = DatabaseJournal.begin(
            engine, "every-kind", mode="paper", strategy="sma", manifest={}, created_at=7
        )
        journal.append(a_run())
        journal.close()
        for at, actor in enumerate(("anna", "ben", "anna"), 1):
            write_down(engine, OperatorActed(at, actor, "secrets get"))
        catch_up(engine)
        yield engine


def told(engine):
    """Run, number, kind, body of every record: nothing of ours has read them."""
    query = "SELECT run_id, sequence, payload FROM journal_records ORDER BY run_id, sequence"
    with engine.connect() as connection:
        for run_id, sequence, payload in connection.execute(text(query)):
            said = json.loads(payload)
            yield run_id, sequence, said["kind"], said["body"]


def held(engine, model):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(model.__table__))]


def test_what_a_run_began_with_is_its_first_record(engine):
    begun = {run: body for run, _, kind, body in told(engine) if kind == "RunStarted"}
    assert len(begun) == 2
    accounts = {row[0]: row[1:] for row in held(engine, AccountRow)}
    strategies = {row[0]: row[1:] for row in held(engine, StrategyRow)}
    cards = {row[0]: row[1:] for row in held(engine, LimitCardRow)}
    for run, said in begun.items():
        terms = said["costs"], said["slippage"], said["settings"], said["at"]
        assert accounts.pop(run) == (said["currency"], Decimal(said["cash"]), *terms)
        assert strategies.pop(run) == (said["strategy"], said["params"], said["at"])
        compact = json.dumps(said["limits"], sort_keys=True, separators=(",", ":"))
        version = hashlib.sha256(compact.encode()).hexdigest()
        assert cards.pop(run) == (version, said["limits"], said["at"])
    assert accounts == strategies == cards == {}


def test_instruments_and_their_names_are_those_of_the_first_record(engine):
    named = {
        (run, name): said
        for run, _, kind, body in told(engine)
        if kind == "RunStarted"
        for name, said in body["instruments"].items()
    }
    assert len(named) == 2
    assert {
        (run, name): (money, lot) for run, name, money, _, lot, *_ in held(engine, InstrumentRow)
    } == {key: (said["currency"], Decimal(said["lot"])) for key, said in named.items()}
    assert {(run, ticker, name) for run, _, ticker, name, *_ in held(engine, TickerRow)} == {
        (run, name, name) for run, name in named
    }


def test_alerts_are_the_records_that_alarm(engine):
    kinds = {"Halted", "MarginCalled", "LiquidationForced", "OrderUncertain"}
    alarming = {(run, number, kind) for run, number, kind, _ in told(engine) if kind in kinds}
    assert {(run, number, kind) for run, number, kind, *_ in held(engine, AlertRow)} == alarming
    (resumed,) = [number for _, number, kind, _ in told(engine) if kind == "Resumed"]
    assert {(row[2], row[6]) for row in held(engine, AlertRow) if row[6] is not None} == {
        ("Halted", resumed)
    }


def test_who_acted_is_who_the_records_name(engine):
    first = {}
    for run, number, kind, body in told(engine):
        if kind == "OperatorActed":
            first.setdefault((run, body["actor"]), (number, body["at"]))
    assert {
        (run, name): (number, at) for run, name, number, at in held(engine, OperatorRow)
    } == first
    assert first[OPERATIONS, "anna"] == (1, 1)


def test_all_of_it_is_made_again_to_the_same_content(engine):
    sound = projections.content_hash(engine)
    made = rebuild(engine)
    assert (made.as_said, made.before, made.after) == (True, sound, sound)
    assert sum(made.records.values()) == len(list(told(engine)))


def test_a_table_that_is_behind_is_judged_by_as_far_as_it_reached(engine):
    """Nothing foreign is in it, and nothing foreign hides behind what is merely new."""
    write_down(engine, OperatorActed(9, "carl", "secrets get"))
    made = rebuild(engine)
    assert made.as_said
    assert made.before != made.after
    write_down(engine, OperatorActed(10, "dora", "secrets get"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE operators SET name = 'eve' WHERE name = 'carl'"))
    assert not rebuild(engine).as_said
    assert {row[1] for row in held(engine, OperatorRow) if row[0] == OPERATIONS} == {
        *("anna", "ben", "carl", "dora")
    }


def test_an_upgrade_from_before_these_tables_fills_them(engine):
    sound = projections.content_hash(engine)
    migrate.change(engine, "0002")
    migrate.change(engine)
    assert held(engine, AlertRow) == []
    assert set(catch_up(engine)) == {run for run, *_ in told(engine)}
    assert projections.content_hash(engine) == sound


def test_a_run_can_be_read_as_far_as_one_wants(engine):
    assert refresh(engine, "every-kind", to=1) == 1
    assert len(held(engine, AccountRow)) == 2
    assert held(engine, AlertRow) == []
    assert "every-kind" in projections.behind(engine)


# ---- connections --------------------------------------------------------------------------------


class Failing(SmaCross):
    def on_bar(self):
        raise RuntimeError("no more")


@pytest.fixture
def connections():
    """Every connection that is opened from now on, until it is closed."""
    there = set()

    def opens(connection, _record):
        there.add(id(connection))

    def closes(connection, _record=None):
        there.discard(id(connection))

    event.listen(Pool, "connect", opens)
    for end in ("close", "close_detached"):
        event.listen(Pool, end, closes)
    yield there
    event.remove(Pool, "connect", opens)
    for end in ("close", "close_detached"):
        event.remove(Pool, end, closes)


def test_a_run_on_paper_leaves_no_connection(any_database, connections):
    """Neither does who reads its journal afterwards, nor a run that fails."""
    made = paper(wanted(), any_database)
    assert not connections
    lines = list(made.journal.lines())
    assert len(lines) == len(made.journal)
    assert lines[-1].startswith(made.journal.head.encode())
    assert not connections
    with pytest.raises(RuntimeError, match="no more"):
        paper(wanted(Failing), any_database)
    assert not connections


def test_the_server_has_no_connection_of_a_run_any_more_and_a_trading_user_suffices(
    postgres_database,
):
    """The role is new, so whatever the server shows of it is ours."""
    with trader(postgres_database) as (role, url), opened(postgres_database) as owner:
        grant(owner, role)
        made = paper(wanted(), url)
        verdict = verify_database(postgres_database, made.manifest["run_id"])
        assert (verdict.ok, verdict.records) == (True, len(made.journal))
        assert rebuild(owner).as_said, "the trading user has read the run into the tables"
        assert wait_for_none(owner, role)


def wait_for_none(owner, role):
    """A session of the server ends a moment after its connection."""
    query = text("SELECT count(*) FROM pg_stat_activity, pg_sleep(:s) WHERE usename = :role")
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        tries = (connection.scalar(query, {"role": role, "s": n / 1_000}) for n in range(100))
        return any(count == 0 for count in tries)
