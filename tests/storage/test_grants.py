"""Who trades may add to the journals and read them; the server itself refuses everything else."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from tests.databases import on_server, trader
from tests.journal.sample import a_run

from evenkeel.domain.errors import ConfigError, UsageError
from evenkeel.domain.events import OperatorActed
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.operations import OPERATIONS, write_down
from evenkeel.journal.verify import verify_database
from evenkeel.storage.engine import open_engine
from evenkeel.storage.grants import RIGHTS, grant, statements
from evenkeel.storage.tables import Base


@pytest.fixture
def owner(postgres_database):
    engine = open_engine(postgres_database)
    yield engine
    engine.dispose()


@pytest.fixture
def role(owner, postgres_database):
    with trader(postgres_database) as found:
        yield found


@pytest.fixture
def bot(owner, role):
    """What a bot has in its hands, after the owner has granted it its rights."""
    name, url = role
    grant(owner, name)
    engine = open_engine(url)
    journal = DatabaseJournal.begin(
        engine, "one", mode="paper", strategy="sma", manifest={}, created_at=7
    )
    journal.append(a_run()[:5])
    journal.append(a_run()[5:])
    journal.close()
    write_down(engine, OperatorActed(1, "anna", "secrets get"))
    yield engine
    engine.dispose()


def test_a_bot_writes_its_journal_and_the_operators(bot, postgres_database):
    for run in ("one", OPERATIONS):
        assert verify_database(postgres_database, run).ok
    assert verify_database(postgres_database, "one").records == len(a_run())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_records SET payload = 'x'",
        "UPDATE journal_records SET hash = hash",
        "DELETE FROM journal_records",
        "TRUNCATE journal_records",
        "TRUNCATE runs CASCADE",
        "DELETE FROM runs",
        "UPDATE runs SET manifest = '{}'",
        "UPDATE runs SET run_id = 'two'",
        "ALTER TABLE journal_records DISABLE TRIGGER ALL",
        "DROP TRIGGER record_changed ON journal_records",
        """CREATE OR REPLACE FUNCTION record_changed() RETURNS trigger LANGUAGE plpgsql
           AS $$ BEGIN RETURN NEW; END $$""",
        "DROP TABLE journal_records",
        "UPDATE alembic_version SET version_num = '0001'",
        "SELECT * FROM users",
        "INSERT INTO broker_accounts VALUES ('a', 'ib', NULL, 'USD', 1)",
        "SET session_replication_role = replica",
    ],
)
def test_a_bot_can_do_nothing_else_with_them(bot, statement):
    """It is the server that says no, before any trigger of ours is asked."""
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        bot.begin() as connection,
    ):
        connection.execute(text(statement))


def test_rights_that_it_had_before_are_taken(owner, role):
    name, _ = role
    with owner.begin() as connection:
        connection.execute(text(f"GRANT ALL ON journal_records, users TO {name}"))
        connection.execute(text("GRANT SELECT, UPDATE ON journal_records TO PUBLIC"))
    grant(owner, name)
    held = text("SELECT has_table_privilege(:role, 'journal_records', 'UPDATE')")
    with owner.connect() as connection:
        assert not connection.scalar(held, {"role": name})


def test_every_table_has_its_rights_said():
    assert set(RIGHTS) | {"users"} == {*Base.metadata.tables, "alembic_version"}


def test_who_could_change_records_through_another_role_is_refused(owner, role, postgres_database):
    name, _ = role
    with trader(postgres_database) as (group, _):
        with owner.begin() as connection:
            connection.execute(text(f"GRANT DELETE ON journal_records TO {group}"))
        on_server(f"GRANT {group} TO {name}")
        with pytest.raises(ConfigError, match=r"may DELETE journal_records through another role"):
            grant(owner, name)
    held = text("SELECT has_table_privilege(:role, 'journal_records', 'INSERT')")
    with owner.connect() as connection:
        assert not connection.scalar(held, {"role": name}), "nothing was changed"


def test_a_role_that_grants_do_not_bind_is_refused(owner, role):
    name, _ = role
    with pytest.raises(ConfigError, match=r"no role 'nobody': CREATE ROLE"):
        statements(owner, "nobody")
    with pytest.raises(ConfigError, match="is a superuser"):
        statements(owner, owner.url.username)
    with owner.begin() as connection:
        connection.execute(text(f"ALTER TABLE runs OWNER TO {name}"))
    with pytest.raises(ConfigError, match="owns these tables"):
        statements(owner, name)
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE runs OWNER TO current_user"))


def test_sqlite_has_no_roles(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/runs.db")
    with pytest.raises(UsageError, match="has no roles"):
        statements(engine, "trader")
    engine.dispose()
