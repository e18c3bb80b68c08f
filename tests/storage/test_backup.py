"""A backup gives everything back, in either database; a damaged one gives nothing."""

import gzip
import hashlib
import json

import pytest
from sqlalchemy import select
from tests.databases import KINDS, database
from tests.journal.sample import a_run
from tests.storage.filled import NUMBER, Mask, fill, rows_of

from evenkeel.domain.errors import ConfigError, OutsideError, UsageError
from evenkeel.storage.backup import back_up, restore
from evenkeel.storage.columns import unlocked
from evenkeel.storage.engine import open_engine
from evenkeel.storage.migrate import NEWEST, change, check, current, prepare
from evenkeel.storage.tables import ACCOUNT_NUMBER, Base, BrokerAccountRow


@pytest.fixture
def engine(any_database):
    engine = open_engine(any_database)
    fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "backup.gz"


def taken(engine, path):
    return back_up(engine, 7, lambda pieces: path.write_bytes(b"".join(pieces)))


def contents(engine):
    with engine.connect() as connection:
        return {
            table.name: [
                tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in Base.metadata.sorted_tables
            if table.name != "leases"
        }


@pytest.mark.parametrize("kind", KINDS, ids="to {}".format)
def test_everything_comes_back_whichever_database_it_goes_to(engine, path, tmp_path, kind):
    counts = taken(engine, path)
    assert counts["journal_records"] == 2 * len(a_run())
    assert all(counts.values()), "a table without a row tests nothing"
    (tmp_path / "new").mkdir()
    with database(kind, tmp_path / "new") as url:
        other = open_engine(url)
        assert restore(other, path) == counts
        check(other)
        assert contents(other) == contents(engine)
        other.dispose()


def test_an_older_backup_makes_an_older_database(engine, path, tmp_path):
    change(engine, "0001")
    counts = taken(engine, path)
    assert set(counts) == {"runs", "journal_records"}
    other = open_engine(f"sqlite:///{tmp_path}/other.db")
    restore(other, path)
    assert current(other) == "0001"
    change(other)
    assert rows_of(other, "journal_records") == [
        tuple(r) for r in rows_of(engine, "journal_records")
    ]
    other.dispose()


def test_what_is_encrypted_stays_so(engine, path):
    taken(engine, path)
    assert NUMBER.encode() not in gzip.decompress(path.read_bytes())
    with unlocked(Mask()), engine.connect() as connection:
        account = connection.execute(select(BrokerAccountRow.name, BrokerAccountRow.number)).one()
        assert ACCOUNT_NUMBER.open(account.number, row=account.name) == NUMBER


def test_an_empty_database_is_not_kept(tmp_path, path):
    engine = open_engine(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(ConfigError, match="is empty: there is nothing to keep"):
        taken(engine, path)
    engine.dispose()


def test_nothing_is_restored_over_something(engine, path):
    taken(engine, path)
    before = contents(engine)
    with pytest.raises(ConfigError, match="is not empty: restore into a new one"):
        restore(engine, path)
    assert contents(engine) == before


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backup")
    engine = open_engine(f"sqlite:///{folder}/runs.db")
    prepare(engine)
    fill(engine)
    taken(engine, folder / "backup.gz")
    engine.dispose()
    return (folder / "backup.gz").read_bytes()


@pytest.fixture
def new(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/new.db")
    yield engine
    assert current(engine) is None, "a damaged backup left something behind"
    engine.dispose()


def without_line(number):
    def damage(lines):
        del lines[number]

    return damage


def with_line(number, line):
    def damage(lines):
        lines[number] = json.dumps(line).encode() + b"\n"

    return damage


DAMAGES = {
    "a row is missing": (without_line(3), "damaged: its rows are not those"),
    "the end is missing": (without_line(-1), "damaged: its rows are not those"),
    "a row behind the end": (
        lambda lines: lines.append(b"[]\n"),
        "damaged: its rows are not those",
    ),
    "two ends": (lambda lines: lines.append(lines[-1]), "damaged: its rows are not those"),
    "another head": (with_line(0, {"some": "thing"}), "is not a backup of Evenkeel"),
    "no head": (with_line(0, []), "is not a backup of Evenkeel"),
    "an end too early": (with_line(2, {"sha256": 1}), "damaged: its rows are not those"),
    "no JSON": (lambda lines: lines.insert(2, b"{\n"), "not a whole backup"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_backup_is_refused(sound, path, new, name):
    damage, said = DAMAGES[name]
    lines = gzip.decompress(sound).splitlines(keepends=True)
    damage(lines)
    path.write_bytes(gzip.compress(b"".join(lines)))
    with pytest.raises(UsageError, match=said):
        restore(new, path)


def test_a_backup_that_was_cut_off_is_refused(sound, path, new):
    for keep in (0, 5, len(sound) // 2, len(sound) - 1):
        path.write_bytes(sound[:keep])
        with pytest.raises(UsageError, match=r"not a whole backup|damaged"):
            restore(new, path)


def test_a_byte_that_was_changed_is_found(sound, path, new):
    for place in range(10, len(sound), len(sound) // 20):
        changed = bytearray(sound)
        changed[place] ^= 0x41
        path.write_bytes(changed)
        with pytest.raises(UsageError, match=r"not a whole backup|damaged|not a backup"):
            restore(new, path)


def test_what_is_no_backup_is_said(path, new, tmp_path):
    with pytest.raises(UsageError, match="there is no backup"):
        restore(new, path)
    path.write_text("hello")
    with pytest.raises(UsageError, match="not a whole backup"):
        restore(new, path)
    with pytest.raises(OutsideError, match="cannot read the backup"):
        restore(new, tmp_path)


def test_a_backup_of_a_newer_version_is_refused(path, new):
    head = b'{"evenkeel":"backup","version":"9999"}\n'
    tail = {"lines": 1, "sha256": hashlib.sha256(head).hexdigest()}
    path.write_bytes(gzip.compress(head + json.dumps(tail).encode()))
    with pytest.raises(
        ConfigError, match=rf"newer Evenkeel \(version 9999, this one knows {NEWEST}"
    ):
        restore(new, path)
