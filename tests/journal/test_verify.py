"""Edit, delete, insert, swap, truncate: each is detected, and the first bad record is named."""

import ast
import hashlib
import inspect
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.journal.sample import a_run

from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import Noted
from evenkeel.journal import verify as verifier
from evenkeel.journal import verify_checkpoints, verify_sources
from evenkeel.journal.chain import GENESIS, links
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.log import MemoryJournal, write_run_file
from evenkeel.journal.verify import Verdict, runs_in, verify, verify_database, verify_file
from evenkeel.storage.engine import open_engine

RUN = a_run()
LAST = len(RUN)
LINES = [linked.line for linked in links(RUN)]
HEAD = LINES[-1][:64].decode()
FIRST_MIDDLE_LAST = [1, 9, LAST]


def sealed(payload):
    """A line with the right hash, as a forger who knows the format would make it."""
    return hashlib.sha256(payload).hexdigest().encode() + b" " + payload


def forged(number):
    """A record that was never written, in the right place of the chain."""
    previous = LINES[number - 2][:64].decode() if number > 1 else GENESIS
    kind = "RunStarted" if number == 1 else "Noted"
    record = {"sequence": number, "kind": kind, "previous": previous, "body": {"at": 1}}
    return sealed(json.dumps(record, separators=(",", ":")).encode())


def edit(lines, number):
    lines[number - 1] = lines[number - 1].replace(b'"at":', b'"at":1')
    return number


def edit_and_seal(lines, number):
    edit(lines, number)
    lines[number - 1] = sealed(lines[number - 1][65:])
    return number


def delete(lines, number):
    del lines[number - 1]
    return number


def insert(lines, number):
    lines.insert(number - 1, forged(number))
    return number


def insert_a_copy(lines, number):
    """A copy of record 3, say, to have a dividend paid twice."""
    lines.insert(number - 1, LINES[2])
    return 3 if number == 4 else number


def insert_behind(lines, number):
    """For the last record this is: go on after the run has ended."""
    lines.insert(number, forged(number + 1))
    return number + 1


def swap(lines, number):
    first = min(number, LAST - 1)
    lines[first - 1 : first + 1] = lines[first], lines[first - 1]
    return first


def truncate(lines, number):
    """Cut off record `number` and everything behind it."""
    del lines[number - 1 :]
    return number


def rewrite(lines, number):
    """Edit a record and make every hash behind it anew: the chain is whole again."""
    edit(lines, number)
    previous = lines[number - 2][:64].decode() if number > 1 else GENESIS
    for place in range(number - 1, len(lines)):
        record = json.loads(lines[place][65:])
        record["previous"] = previous
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        lines[place] = sealed(text.encode())
        previous = lines[place][:64].decode()
    return LAST  # all that can be said is that the end is another one


TAMPERINGS = [
    edit,
    edit_and_seal,
    delete,
    insert,
    insert_a_copy,
    insert_behind,
    swap,
    truncate,
    rewrite,
]
in_every_way = pytest.mark.parametrize("number", FIRST_MIDDLE_LAST)
with_every_tool = pytest.mark.parametrize("tamper", TAMPERINGS)


def detected(verdict, first_bad):
    assert not verdict.ok
    assert verdict.first_bad == first_bad, verdict.problem
    assert f"{first_bad}" in verdict.problem
    assert verdict.problem.count("\n") == 0


# ---- run files ----------------------------------------------------------------------------------


@pytest.fixture
def run_file(tmp_path):
    path = tmp_path / "journal.log"
    write_run_file(path, LINES)
    return path


def test_a_whole_file_is_sound(run_file):
    sound = Verdict(LAST, HEAD, ended=True)
    assert verify_file(run_file) == sound
    assert verify_file(run_file, expected_head=HEAD, expected_records=LAST) == sound
    assert sound.ok


@in_every_way
@with_every_tool
def test_tampering_with_a_file_is_located(run_file, tamper, number):
    lines = list(LINES)
    first_bad = tamper(lines, number)
    write_run_file(run_file, lines)
    detected(verify_file(run_file, expected_head=HEAD, expected_records=LAST), first_bad)


@in_every_way
@pytest.mark.parametrize(
    "tamper", [edit, delete, insert, insert_a_copy, insert_behind, swap, truncate]
)
def test_most_of_it_shows_without_a_manifest(run_file, tamper, number):
    lines = list(LINES)
    first_bad = tamper(lines, number)
    write_run_file(run_file, lines)
    detected(verify_file(run_file), first_bad)


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_file_cut_in_the_middle_of_a_record_is_located(run_file, cut):
    run_file.write_bytes(run_file.read_bytes()[:-cut])
    detected(verify_file(run_file), LAST)
    assert "is cut off" in verify_file(run_file).problem


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"hello",
        sealed(b""),
        sealed(b"{"),
        sealed(b"[]"),
        sealed(b'{"sequence":4}'),
        sealed(b'{"sequence":"4","kind":"Noted","previous":"","body":{"at":1}}'),
        sealed(b'{"sequence":4,"kind":"Noted","previous":"","body":{}}'),
        sealed(b"\xff"),
    ],
)
def test_what_is_not_a_record_is_located(run_file, garbage):
    write_run_file(run_file, [*LINES[:3], garbage, *LINES[4:]])
    detected(verify_file(run_file), 4)


def test_a_run_starts_once(run_file):
    start = json.loads(LINES[0][65:]) | {"sequence": 2, "previous": LINES[0][:64].decode()}
    write_run_file(run_file, [LINES[0], sealed(json.dumps(start).encode())])
    detected(verify_file(run_file), 2)


def test_a_journal_that_begins_in_the_middle_of_a_chain_is_located(run_file):
    start = json.loads(LINES[0][65:]) | {"previous": "1" * 64}
    write_run_file(run_file, [sealed(json.dumps(start).encode())])
    detected(verify_file(run_file), 1)


def test_a_problem_is_one_sentence_with_the_records_before_it(run_file):
    lines = list(LINES)
    delete(lines, 9)
    write_run_file(run_file, lines)
    assert verify_file(run_file) == Verdict(
        records=8,
        head=LINES[7][:64].decode(),
        ended=False,
        first_bad=9,
        problem="record 9 is missing: record 10 stands in its place",
    )


# ---- databases ----------------------------------------------------------------------------------


def database_with(path, records, run_id="run"):
    engine = open_engine(f"sqlite:///{path}")
    journal = DatabaseJournal.begin(
        engine, run_id, mode="paper", strategy="sma", manifest={}, created_at=1
    )
    journal.append(records)
    journal.close()
    engine.dispose()


@pytest.fixture(scope="module")
def written_once(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "runs.db"
    database_with(path, RUN)
    return path


@pytest.fixture
def database(written_once, tmp_path):
    return shutil.copy(written_once, tmp_path / "runs.db")


def without_triggers(path):
    """Whoever can write the file can take its triggers off."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")  # a forger is in a hurry
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        connection.execute(f"DROP TRIGGER {name}")
    return closing(connection)


def replace_lines(path, lines):
    with without_triggers(path) as connection:
        connection.execute("DELETE FROM journal_records")
        for number, line in enumerate(lines, 1):
            record = json.loads(line[65:])
            row = (number, record["kind"], record["body"]["at"], line[65:].decode(), line[:64])
            connection.execute(
                "INSERT INTO journal_records (run_id, sequence, kind, at, payload, hash) "
                "VALUES ('run', ?, ?, ?, ?, ?)",
                row,
            )


def test_a_whole_database_is_sound(database):
    assert verify_database(database) == Verdict(LAST, HEAD, ended=True)
    assert verify_database(database, "run", expected_head=HEAD, expected_records=LAST).ok


def test_a_run_that_goes_on_is_sound(tmp_path):
    database_with(tmp_path / "runs.db", RUN[:7])
    assert verify_database(tmp_path / "runs.db") == Verdict(7, LINES[6][:64].decode(), ended=False)


@in_every_way
@with_every_tool
def test_tampering_with_a_database_is_located(database, tamper, number):
    lines = list(LINES)
    first_bad = tamper(lines, number)
    replace_lines(database, lines)
    detected(verify_database(database), first_bad)


@in_every_way
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal_records SET payload = payload || ' ' WHERE sequence = ?",
        "UPDATE journal_records SET payload = x'ff' WHERE sequence = ?",
        "UPDATE journal_records SET payload = 5 WHERE sequence = ?",
        "UPDATE journal_records SET hash = 5 WHERE sequence = ?",
        "UPDATE journal_records SET kind = 'Split' WHERE sequence = ?",
        "UPDATE journal_records SET at = at + 1 WHERE sequence = ?",
        "UPDATE journal_records SET sequence = sequence + 1000 WHERE sequence >= ?",
        "DELETE FROM journal_records WHERE sequence = ?",
        "DELETE FROM journal_records WHERE sequence >= ?",
    ],
)
def test_tampering_with_rows_is_located(database, change, number):
    with without_triggers(database) as connection:
        connection.execute(change, (number,))
    detected(verify_database(database), number)


def test_a_row_of_the_run_that_was_changed_too_still_leaves_what_was_kept_elsewhere(database):
    """Cut off the end and put the count and head of the run back: only another's copy can tell."""
    replace_lines(database, LINES[:12])
    with without_triggers(database) as connection:
        connection.execute("UPDATE runs SET records = 12, head_hash = ?", (LINES[11][:64],))
    assert verify_database(database).ok
    detected(verify_database(database, expected_records=LAST), 13)
    detected(verify_database(database, expected_head=HEAD), 12)


@pytest.mark.parametrize(
    "emptying",
    [
        "UPDATE journal_records SET sequence = NULL",
        "UPDATE journal_records SET kind = NULL",
        "UPDATE journal_records SET at = NULL",
        "UPDATE journal_records SET payload = NULL",
        "UPDATE journal_records SET hash = NULL",
    ],
)
def test_a_table_made_anew_without_its_rules_is_read_all_the_same(database, emptying):
    with without_triggers(database) as connection:
        connection.execute("CREATE TABLE loose AS SELECT * FROM journal_records")
        connection.execute("DROP TABLE journal_records")
        connection.execute("ALTER TABLE loose RENAME TO journal_records")
        assert verify_database(database).ok
        connection.execute(emptying)
    detected(verify_database(database), 1)


def test_a_damaged_database_is_located(tmp_path):
    path = tmp_path / "runs.db"
    database_with(path, [RUN[0], *(Noted(at, "sma", "x" * 100) for at in range(2_000))])
    damaged = bytearray(path.read_bytes())
    half = len(damaged) // 2 // 4096 * 4096
    damaged[half:] = b"\xa5" * (len(damaged) - half)
    path.write_bytes(damaged)
    verdict = verify_database(path)
    assert verdict.first_bad == verdict.records + 1 > 100
    assert "cannot be read" in verdict.problem


# ---- what is verified ---------------------------------------------------------------------------


def manifest(folder, **journal):
    (folder / "manifest.json").write_text(json.dumps({"journal": journal}))


def test_a_run_folder_is_held_against_its_manifest(run_file):
    manifest(run_file.parent, records=LAST, head_hash=HEAD)
    assert verify(run_file.parent) == verify(run_file) == verify_file(run_file)
    manifest(run_file.parent, records=LAST + 1, head_hash=HEAD)
    detected(verify(run_file), LAST + 1)
    manifest(run_file.parent, records=LAST - 1, head_hash=HEAD)
    detected(verify(run_file), LAST)
    manifest(run_file.parent, records=LAST, head_hash="1" * 64)
    detected(verify(run_file), LAST)


def test_a_file_without_a_manifest_is_verified_by_itself(run_file):
    assert verify(str(run_file)).ok


def test_a_database_is_known_by_its_first_bytes_or_its_url(database):
    assert verify(database) == verify(f"sqlite:///{database}", "run") == verify_database(database)


def test_of_several_runs_one_is_named(database):
    database_with(database, RUN[:3], "other")
    assert runs_in(database) == ["other", "run"]
    assert verify(database, "other").records == 3
    with pytest.raises(UsageError, match=r"say which run is meant: .*runs\.db holds other, run"):
        verify(database)
    with pytest.raises(UsageError, match=r"there is no run 'rnu': .* holds other, run"):
        verify(database, "rnu")


def test_a_database_without_runs_is_said(database):
    with without_triggers(database) as connection:
        connection.execute("DELETE FROM journal_records")
        connection.execute("DELETE FROM runs")
    with pytest.raises(UsageError, match="holds no run"):
        verify(database)


def test_what_is_no_journal_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the journal .*none: No such file"):
        verify(tmp_path / "none")
    with pytest.raises(UsageError, match=r"journal\.log: No such file"):
        verify(tmp_path)
    with pytest.raises(UsageError, match="PostgreSQL, not mysql: export the run"):
        verify("mysql://host/runs")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(UsageError, match=r"other\.db is not a journal database: no such table"):
        verify(tmp_path / "other.db")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"journal":{"records":"x","head_hash":""}}'])
def test_a_manifest_that_says_nothing_is_said(run_file, text):
    run_file.with_name("manifest.json").write_text(text)
    with pytest.raises(UsageError, match="does not say how many records"):
        verify(run_file)


# ---- independence -------------------------------------------------------------------------------


PARTS = (verifier, verify_sources, verify_checkpoints)


def test_the_verifier_shares_no_code_with_the_writer():
    imported = set()
    for node in (node for part in PARTS for node in ast.walk(ast.parse(inspect.getsource(part)))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    assert imported == {
        "__future__",
        "collections.abc",
        "contextlib",
        "cryptography.exceptions",
        "cryptography.hazmat.primitives.asymmetric.ed25519",
        "dataclasses",
        "datetime",
        "evenkeel.domain.errors",
        "evenkeel.journal.verify_checkpoints",
        "evenkeel.journal.verify_sources",
        "hashlib",
        "json",
        "pathlib",
        "psycopg",
        "pyarrow",
        "re",
        "sqlite3",
        "typing",
        "urllib.parse",
    }


def test_a_memory_journal_written_down_is_sound(tmp_path):
    journal = MemoryJournal()
    journal.append(RUN)
    journal.write(tmp_path / "journal.log")
    assert verify(tmp_path).head == journal.head
    assert Path(tmp_path / "journal.log").read_bytes().count(b"\n") == len(journal)
