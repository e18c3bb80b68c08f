"""What every test shares: Hypothesis tells the same story each time, real data is found once."""

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from tests.databases import KINDS, Templates, database

from evenkeel.ops import environment, secret

settings.register_profile("steady", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_terminal_summary(terminalreporter):
    """Say what long tests showed (`record_property`); numbers of the same name are added up."""
    shown = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            shown[name] = shown[name] + value if name in shown else value
    if shown:
        terminalreporter.section("what was shown")
        for name, value in shown.items():
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests(monkeypatch):
    """A process knows its secrets for good, to keep them out of its log; a test knows its own."""
    monkeypatch.setattr(secret, "_revealable", set())
    monkeypatch.setattr(environment, "_withdrawn", {})


BESIDE = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real market data, which is not part of the repository."""
    folder = Path(os.environ.get("EVENKEEL_SHARED_DATA") or BESIDE)
    if folder.is_dir():
        return folder
    absent = "the real market data is not here; EVENKEEL_SHARED_DATA can say where it is"
    if os.environ.get("CI") == "true":
        pytest.fail(absent)
    return pytest.skip(absent)


@pytest.fixture(scope="session")
def database_templates(tmp_path_factory):
    return Templates(tmp_path_factory.mktemp("databases"))


@pytest.fixture(params=KINDS)
def empty_database(request, tmp_path):
    """The URL of a database without tables: a file of SQLite, a schema in PostgreSQL."""
    with database(request.param, tmp_path) as url:
        yield url


@pytest.fixture(params=KINDS)
def any_database(request, tmp_path, database_templates):
    """The URL of a database with its tables, of either kind."""
    with database(request.param, tmp_path, database_templates) as url:
        yield url


@pytest.fixture
def postgres_database(tmp_path, database_templates):
    """The URL of a schema with its tables."""
    with database("postgresql", tmp_path, database_templates) as url:
        yield url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """A tracer doubles what a test costs; what plays known lines over and over goes without it."""
    tracer = sys.gettrace()
    if item.get_closest_marker("uncounted"):
        sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


def pytest_collection_finish():
    """What was imported stays: no sweep of a test's garbage goes through it again."""
    gc.collect()
    gc.freeze()
