"""What others get is what was written, byte for byte, and the verifier runs on it."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from pyarrow import parquet
from tests.journal.keys import KEY, witness
from tests.journal.sample import a_run
from tests.journal.test_verify import HEAD, LAST, LINES, TAMPERINGS, detected, rewrite, truncate

from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import OperatorActed
from evenkeel.journal.chain import GENESIS, links, tombstone
from evenkeel.journal.export import FORMATS, covering, export, purges_of, summary
from evenkeel.journal.verify import verify
from evenkeel.journal.verify_checkpoints import read_checkpoints

RUN = a_run()


def replace(path, pieces):
    path.write_bytes(b"".join(pieces))


@pytest.fixture(params=FORMATS)
def path(request, tmp_path):
    return tmp_path / f"run.{request.param}"


def exported(path, lines=LINES, **beside):
    """As `audit export` does it."""
    included = export(lines, path, path.suffix[1:], replace)
    for name, value in beside.items():
        setattr(included, name, value)
    facts = {"run_id": "run", "code_version": "1"}
    path.with_name(f"{path.name}.summary.json").write_bytes(summary(included, **facts))
    return included


def test_a_line_of_an_export_is_the_record_as_it_was_hashed(tmp_path):
    """By hand, with nothing but SHA-256 and JSON."""
    path = tmp_path / "run.jsonl"
    exported(path)
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        said = json.loads(line)
        begins = line.index(b'"record":') + len(b'"record":')
        assert hashlib.sha256(line[begins:-1]).hexdigest() == said["hash"]
        assert said["record"]["sequence"] == number


def test_a_column_of_an_export_is_the_record_as_it_was_hashed(tmp_path):
    path = tmp_path / "run.parquet"
    exported(path)
    rows = parquet.read_table(path).to_pylist()
    assert len(rows) == LAST
    for row in rows:
        assert hashlib.sha256(row["payload"].encode()).hexdigest() == row["hash"]
        record = json.loads(row["payload"])
        assert [row[name] for name in ("sequence", "kind", "previous")] == [
            record[name] for name in ("sequence", "kind", "previous")
        ]
        assert row["at"] == record["body"]["at"]


def test_a_long_journal_is_written_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr("evenkeel.journal.export._ROWS_AT_ONCE", 7)
    path = tmp_path / "run.parquet"
    exported(path)
    assert parquet.ParquetFile(path).num_row_groups > LAST // 7 - 1 > 0
    assert verify(path).records == LAST


def test_the_summary_says_what_is_in_it(path):
    included = exported(path)
    said = json.loads(path.with_name(f"{path.name}.summary.json").read_bytes())
    assert (said["run_id"], said["code_version"]) == ("run", "1")
    assert (said["records"], said["first"], said["last"]) == (LAST, 1, LAST)
    assert (said["head"], said["purged"]) == (HEAD, 0)
    assert sum(said["kinds"].values()) == LAST
    assert said["kinds"]["Fill"] == sum(type(r).__name__ == "Fill" for r in RUN)
    assert said["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() == included.sha256


def test_an_empty_journal_is_an_empty_file(path):
    included = exported(path, [])
    assert (included.records, included.first, included.last) == (0, None, None)
    assert included.head == GENESIS


def test_a_format_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(UsageError, match="as jsonl or parquet, not as 'xlsx'"):
        export(LINES, tmp_path / "x", "xlsx", replace)
    assert not list(tmp_path.iterdir())


# ---- verified -----------------------------------------------------------------------------------


def test_an_export_is_sound(path):
    exported(path)
    verdict = verify(path)
    assert (verdict.ok, verdict.records, verdict.head, verdict.ended) == (True, LAST, HEAD, True)


def test_an_export_of_a_run_that_goes_on_is_sound(path):
    exported(path, LINES[:5])
    verdict = verify(path)
    assert (verdict.ok, verdict.records, verdict.ended) == (True, 5, False)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
@pytest.mark.parametrize("number", [1, 9, LAST])
def test_tampering_with_an_export_is_located(path, tamper, number):
    """The summary is what was exported; the file is what it was made into."""
    exported(path)
    said = path.with_name(f"{path.name}.summary.json").read_bytes()
    lines = list(LINES)
    first_bad = tamper(lines, number)
    if not lines and path.suffix == ".jsonl":
        return  # an empty file is no export at all
    exported(path, lines)
    path.with_name(f"{path.name}.summary.json").write_bytes(said)
    detected(verify(path), first_bad)


def test_an_export_without_its_summary_is_read_by_itself(path):
    exported(path)
    path.with_name(f"{path.name}.summary.json").unlink()
    assert verify(path).ok


@pytest.mark.parametrize(
    "said", ["", "[]", "{}", '{"records":"x","head":"","run_id":"","purges":[]}']
)
def test_a_summary_that_says_nothing_is_said(path, said):
    exported(path)
    path.with_name(f"{path.name}.summary.json").write_text(said)
    with pytest.raises(UsageError, match="does not say what was exported"):
        verify(path)


def test_a_line_that_is_none_is_located(tmp_path):
    path = tmp_path / "run.jsonl"
    for damaged in (b'{"hash":"', b"{}\n", b'{"hash":"x","record":{}', b"\n"):
        exported(path)
        lines = path.read_bytes().splitlines(keepends=True)
        lines[4] = damaged
        path.write_bytes(b"".join(lines))
        detected(verify(path), 5)


def test_a_column_that_says_something_else_is_located(tmp_path):
    path = tmp_path / "run.parquet"
    exported(path)
    table = parquet.read_table(path)
    for name, value in (("sequence", 3), ("kind", "Split"), ("at", 1 << 40)):
        column = table[name].to_pylist()
        column[7] = value
        at = table.column_names.index(name)
        changed = table.set_column(at, table.schema.field(at), [column])
        parquet.write_table(changed, path)
        detected(verify(path), 8)
        assert f"column {name}" in verify(path).problem


def test_a_damaged_parquet_file_is_located(tmp_path):
    path = tmp_path / "run.parquet"
    exported(path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 3 : -8] = bytes(len(damaged) - 8 - len(damaged) // 3)
    path.write_bytes(damaged)
    detected(verify(path), 1)


def test_no_hash_and_no_text_is_an_edit(tmp_path):
    path = tmp_path / "run.parquet"
    exported(path)
    table = parquet.read_table(path)
    for name in ("hash", "payload"):
        column = table[name].to_pylist()
        column[7] = None
        at = table.column_names.index(name)
        parquet.write_table(table.set_column(at, table.schema.field(at), [column]), path)
        detected(verify(path), 8)


# ---- what vouches for it ------------------------------------------------------------------------


def test_checkpoints_that_the_export_covers_are_told_and_checked(path, tmp_path):
    checkpoints = tmp_path / "checkpoints"
    witness(checkpoints, 4, LINES[3][:64].decode())
    witness(checkpoints, LAST + 1, "0" * 64)
    witness(checkpoints, 4, "0" * 64, run="another")
    lines = checkpoints.read_bytes().splitlines()
    assert covering("run", LAST, lines) == [lines[0].decode()]
    exported(path)
    signed = read_checkpoints(checkpoints, [KEY.public])[:1]
    assert verify(path, checkpoints=signed).vouched == 4
    changed = list(LINES)
    rewrite(changed, 2)
    exported(path, changed)
    assert verify(path).ok
    detected(verify(path, checkpoints=signed), 1)


def purged_run():
    """The run with its third record purged, and the operators' record that tells of it."""
    line = LINES[2]
    left = tombstone(3, "Approved", LINES[1][:64].decode(), RUN[2].at, 1)
    stone = b"%s %s" % (line[:64], left.encode())
    digest = hashlib.sha256(stone + b"\n").hexdigest()
    before = {"run": "run", "records": "1", "first": "3", "last": "3", "digest": digest}
    told = [
        OperatorActed(1, "anna", "audit purge", "", before),
        OperatorActed(2, "anna", "audit purge", "", {**before, "run": "another"}),
        OperatorActed(3, "anna", "something else"),
    ]
    operations = [linked.line for linked in links(told)]
    return [*LINES[:2], stone, *LINES[3:]], operations


def test_what_was_purged_is_vouched_for_by_the_operators(path):
    lines, operations = purged_run()
    purges = purges_of("run", operations)
    assert purges == [operations[0].decode()]
    included = exported(path, lines, purges=purges)
    assert included.purged == 1
    verdict = verify(path)
    assert (verdict.ok, verdict.purged) == (True, 1)


@pytest.mark.parametrize(
    "told",
    [
        [],
        ["words"],
        ["0" * 64 + ' {"sequence":1,"kind":"OperatorActed","previous":"","body":{"at":1}}'],
        [links([OperatorActed(1, "anna", "x")]).__next__().line.decode()],
    ],
    ids=["nothing", "words", "forged", "of something else"],
)
def test_what_was_purged_and_nobody_tells_of_is_found(path, told):
    exported(path, purged_run()[0], purges=told)
    detected(verify(path), 3)


def test_operators_records_that_were_purged_tell_of_nothing():
    left = tombstone(1, "OperatorActed", GENESIS, 1, 2).encode()
    assert purges_of("run", [b"0" * 64 + b" " + left]) == []


def test_a_copy_is_as_good(path, tmp_path):
    exported(path)
    (tmp_path / "elsewhere").mkdir()
    for file in (path, path.with_name(f"{path.name}.summary.json")):
        shutil.copy(file, tmp_path / "elsewhere")
    assert verify(Path(tmp_path / "elsewhere" / path.name)).ok
    lines = list(LINES)
    truncate(lines, 5)
    assert len(lines) == 4
