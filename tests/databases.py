"""Both databases for tests: a file in the test's folder, a schema of the test's own on a real server.

Making the tables takes longer than most tests: it is done once, and then copied.
"""

import os
import shutil
import uuid
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from sqlalchemy import event, make_url

from evenkeel.storage.engine import open_engine
from evenkeel.storage.migrate import prepare

SERVER = os.environ.get("EVENKEEL_TEST_POSTGRES_URL") or "postgresql://postgres@127.0.0.1:5432/test"
KINDS = ("sqlite", "postgresql")


def need_postgres():
    """Skip where there is no server, and fail where there must be one."""
    import psycopg

    try:
        psycopg.connect(SERVER, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        absent = f"no PostgreSQL at EVENKEEL_TEST_POSTGRES_URL: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(absent)
        pytest.skip(absent)


def on_server(statement):
    import psycopg

    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(statement)


@contextmanager
def schema():
    """The URL of an empty schema that nobody else uses."""
    name = f"ek_{uuid.uuid4().hex[:16]}"
    on_server(f"CREATE SCHEMA {name}")
    try:
        yield f"{SERVER}{'&' if '?' in SERVER else '?'}options={quote(f'-csearch_path={name}')}"
    finally:
        on_server(f"DROP SCHEMA {name} CASCADE")


class Templates:
    """What a database with its tables is made of: a file, and what the migrations said."""

    def __init__(self, folder):
        self._folder = folder
        self._said = []

    def sqlite(self, path):
        made = self._folder / "tables.db"
        if not made.exists():
            engine = open_engine(f"sqlite:///{made}")
            prepare(engine)
            engine.dispose()
        shutil.copy(made, path)

    def postgresql(self, url):
        import psycopg

        if self._said:
            with psycopg.connect(url) as connection:
                connection.execute(";\n".join(self._said))
            return
        engine = open_engine(url)

        @event.listens_for(engine, "after_cursor_execute")
        def remember(_connection, _cursor, statement, parameters, _context, _many):
            if statement.split()[0] in {"CREATE", "DROP", "ALTER", "INSERT", "UPDATE"}:
                self._said.append(statement % {k: repr(v) for k, v in dict(parameters).items()})

        prepare(engine)
        engine.dispose()


@contextmanager
def database(kind, folder, templates=None):
    """The URL of an empty database of a kind, or of one with its tables."""
    if kind == "sqlite":
        if templates:
            templates.sqlite(folder / "runs.db")
        yield f"sqlite:///{folder}/runs.db"
        return
    need_postgres()
    with schema() as url:
        if templates:
            templates.postgresql(url)
        yield url


@contextmanager
def trader(url):
    """Another role of the server, which may log in and no more; its name, and the URL as that one."""
    import psycopg

    name = f"ek_trader_{uuid.uuid4().hex[:12]}"
    on_server(f"CREATE ROLE {name} LOGIN PASSWORD 'only-here'")
    try:
        parsed = make_url(url).set(username=name, password="only-here")
        yield name, parsed.render_as_string(hide_password=False)
    finally:
        with psycopg.connect(url) as connection:  # what it was granted in this schema, too
            connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
