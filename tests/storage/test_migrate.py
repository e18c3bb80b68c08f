"""A database is used at the version of the code; an empty one is brought there, once."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from evenkeel.domain.errors import ConfigError, OutsideError
from evenkeel.storage import migrate
from evenkeel.storage.engine import open_engine
from evenkeel.storage.migrate import NEWEST, check, current, prepare, upgrade
from evenkeel.storage.tables import Base


@pytest.fixture
def engine(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/runs.db")
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
    upgrade(engine)
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
    with pytest.raises(ConfigError, match=r"runs\.db is empty .* run `evenkeel db upgrade`"):
        check(engine)


def test_an_older_database_is_refused_until_it_is_upgraded(engine):
    prepare(engine)
    run_sql(engine, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(ConfigError, match=rf"is at version 0000 and this Evenkeel needs {NEWEST}"):
        prepare(engine)


@pytest.mark.parametrize("use", [check, prepare, upgrade])
def test_a_newer_database_is_refused(engine, use):
    prepare(engine)
    run_sql(engine, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match=r"newer Evenkeel \(version 9999, this one knows"):
        use(engine)


@pytest.mark.parametrize("use", [current, check, prepare, upgrade])
def test_somebody_elses_database_is_left_alone(engine, use):
    run_sql(engine, "CREATE TABLE customers (name TEXT)")
    with pytest.raises(ConfigError, match=r"holds something else \(table customers\)"):
        use(engine)


def test_an_upgrade_that_fails_leaves_nothing_behind(engine, monkeypatch):
    """One transaction: a database is never half at a version."""
    monkeypatch.setattr("alembic.op.execute", lambda _: run_sql(engine, "nonsense"))
    with pytest.raises(OutsideError, match="syntax error"):
        upgrade(engine)
    assert inspect(engine).get_table_names() == []


def test_two_that_come_at_once_upgrade_it_once(tmp_path):
    code = (
        "import sys; from evenkeel.storage.engine import open_engine;"
        "from evenkeel.storage.migrate import prepare;"
        "sys.stdin.read(); prepare(open_engine(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path}/runs.db"]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]
    for one in both:
        one.stdin.close()
    assert [one.wait() for one in both] == [0, 0]
