"""A database is used at the version of the code; an empty one is brought there, once."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError
from tests.storage.filled import fill, rows_of

from evenkeel.domain.errors import ConfigError, OutsideError, UsageError
from evenkeel.storage import migrate
from evenkeel.storage.engine import is_sqlite, open_engine
from evenkeel.storage.migrate import EMPTY, NEWEST, VERSIONS, change, check, current, prepare
from evenkeel.storage.tables import Base


@pytest.fixture
def engine(empty_database):
    engine = open_engine(empty_database)
    yield engine
    engine.dispose()


@pytest.fixture
def filled(any_database):
    """A database with something in each of its tables."""
    engine = open_engine(any_database)
    fill(engine)
    yield engine
    engine.dispose()


def run_sql(engine, statement):
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_an_empty_database_is_made_ready(engine):
    assert current(engine) is None
    prepare(engine)
    assert current(engine) == NEWEST
    check(engine)
    prepare(engine)


def test_the_models_are_what_the_migrations_make(engine):
    prepare(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_versions_are_the_numbers_of_the_files():
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == NEWEST
    for script in scripts.walk_revisions():
        assert script.module.__name__.startswith(f"{script.revision}_")


def test_a_database_that_was_not_upgraded_is_refused(engine):
    with pytest.raises(ConfigError, match=r"is empty .* run `evenkeel db upgrade`"):
        check(engine)


def test_an_older_database_is_refused_until_it_is_upgraded(engine):
    change(engine, VERSIONS[0])
    with pytest.raises(ConfigError, match=rf"is at version 0001 and this Evenkeel needs {NEWEST}"):
        prepare(engine)


@pytest.mark.parametrize("use", [check, prepare, change])
def test_a_newer_database_is_refused(engine, use):
    prepare(engine)
    run_sql(engine, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match=r"newer Evenkeel \(version 9999, this one knows"):
        use(engine)


@pytest.mark.parametrize("use", [current, check, prepare, change])
def test_somebody_elses_database_is_left_alone(engine, use):
    run_sql(engine, "CREATE TABLE customers (name TEXT)")
    with pytest.raises(ConfigError, match=r"holds something else \(table customers\)"):
        use(engine)


def test_a_version_that_nobody_knows_is_refused(engine):
    with pytest.raises(UsageError, match=r"no version '0042'; known are base, 0001, "):
        change(engine, "0042")


def test_an_upgrade_that_fails_leaves_nothing_behind(engine, monkeypatch):
    """One transaction: a database is never half at a version."""
    monkeypatch.setattr("alembic.op.execute", lambda _: run_sql(engine, "nonsense"))
    with pytest.raises(OutsideError, match="syntax error"):
        change(engine)
    assert inspect(engine).get_table_names() == []


def test_two_that_come_at_once_upgrade_it_once(empty_database):
    code = (
        "import sys; from evenkeel.storage.engine import open_engine;"
        "from evenkeel.storage.migrate import prepare;"
        "sys.stdin.read(); prepare(open_engine(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, empty_database]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]
    for one in both:
        one.stdin.close()
    assert [one.wait() for one in both] == [0, 0]


# ---- down and up again, with data ---------------------------------------------------------------


def test_journals_live_through_every_version(filled):
    before = rows_of(filled, "runs"), rows_of(filled, "journal_records")
    for version in reversed(VERSIONS):
        assert change(filled, version)[1] == version
        assert current(filled) == version
        assert (rows_of(filled, "runs"), rows_of(filled, "journal_records")) == before
    for version in VERSIONS:
        change(filled, version)
    check(filled)
    assert (rows_of(filled, "runs"), rows_of(filled, "journal_records")) == before
    assert not rows_of(filled, "alerts"), "what only the newer version knew is in the backup"
    assert not rows_of(filled, "projections"), "so that all are made again"


def test_at_every_version_records_are_kept(filled):
    for version in reversed(VERSIONS):
        change(filled, version)
        for statement in (
            "UPDATE journal_records SET payload = ''",
            "DELETE FROM journal_records",
            "DELETE FROM runs",
        ):
            with pytest.raises(IntegrityError, match="are never"):
                run_sql(filled, statement)


def test_a_database_with_journals_is_not_taken_back_to_nothing(filled):
    with pytest.raises(ConfigError, match="the database holds journals"):
        change(filled, EMPTY)
    check(filled)
    assert rows_of(filled, "journal_records")


def test_a_database_without_journals_is(engine):
    prepare(engine)
    assert change(engine, EMPTY) == (NEWEST, EMPTY)
    assert current(engine) is None
    if not is_sqlite(engine):
        names = "SELECT count(*) FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace"
        with engine.connect() as connection:
            left = f"{names} WHERE nspname = current_schema()"
            assert connection.scalar(text(left)) == 0
    assert change(engine, EMPTY) == (None, EMPTY)
    prepare(engine)


def test_a_backup_comes_first_where_there_is_something_to_lose(engine):
    taken = []
    change(engine, VERSIONS[0], first=lambda: taken.append(current(engine)))
    assert taken == []
    change(engine, first=lambda: taken.append(current(engine)))
    assert taken == [VERSIONS[0]]
    change(engine, first=lambda: taken.append(current(engine)))
    assert taken == [VERSIONS[0]]


def test_without_a_backup_nothing_is_changed(filled):
    def refuse():
        raise OutsideError("no room for the backup")

    with pytest.raises(OutsideError, match="no room"):
        change(filled, VERSIONS[0], first=refuse)
    check(filled)


MADE_OF = {
    "sqlite": ("SELECT type, name, tbl_name, sql FROM sqlite_master",),
    "postgresql": (
        """SELECT table_name, column_name, data_type, is_nullable, character_maximum_length
           FROM information_schema.columns WHERE table_schema = current_schema()""",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()",
        """SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
           WHERE connamespace = current_schema()::regnamespace""",
        """SELECT tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
           WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal""",
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace",
    ),
}


def made_of(engine):
    """Everything that a database is made of, as the database itself says it."""
    queries = MADE_OF[engine.dialect.name]
    with engine.connect() as connection:
        return {tuple(row) for query in queries for row in connection.execute(text(query))}


def test_down_leads_to_where_up_came_from(engine):
    up = {}
    for version in VERSIONS:
        change(engine, version)
        up[version] = made_of(engine)
    assert len({len(each) for each in up.values()}) == len(VERSIONS)
    for version in reversed(VERSIONS):
        change(engine, version)
        assert made_of(engine) == up[version]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE limit_versions SET reason = 'x'", "DELETE FROM limit_versions"],
)
def test_the_version_that_had_versions_of_limits_keeps_them(engine, statement):
    change(engine, NEWEST)
    change(engine, "0002")
    run_sql(engine, "INSERT INTO limit_cards VALUES ('calm', 1)")
    run_sql(engine, "INSERT INTO limit_versions VALUES ('calm', 1, '{}', 'anna', '', 1)")
    with pytest.raises(IntegrityError, match="versions of limits are never changed"):
        run_sql(engine, statement)
