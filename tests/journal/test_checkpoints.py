"""What a chain cannot show alone: a cut tail, yesterday's copy, a journal written anew."""

import json
import sqlite3
from contextlib import closing

import pytest
from tests.fakes.clock import START, FakeClock
from tests.journal.keys import AT, KEY, OTHER, witness
from tests.journal.sample import a_run
from tests.journal.test_verify import LINES, detected, rewrite

from evenkeel.domain.errors import JournalError, OutsideError, UsageError
from evenkeel.journal.chain import links
from evenkeel.journal.checkpoints import Witnessed
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.log import MemoryJournal, write_run_file
from evenkeel.journal.verify import verify, verify_database, verify_file
from evenkeel.journal.verify_checkpoints import Checkpoint, read_checkpoints, read_keys
from evenkeel.storage.engine import open_engine

RUN = a_run()
HEADS = [linked.hash for linked in links(RUN)]
LAST = len(RUN)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoints"


def believed(path, *keys):
    return read_checkpoints(path, keys or (KEY.public,))


# ---- writing ------------------------------------------------------------------------------------


def test_a_checkpoint_is_a_line_that_anybody_can_check(path):
    """By hand: the signature is that of the line without it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    witness(path, 3, HEADS[2])
    line = path.read_bytes()
    before, _, after = line.partition(b',"signature":"')
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(KEY.public))
    public.verify(bytes.fromhex(after[:128].decode()), before + b"}")
    assert after[128:] == b'"}\n'
    assert json.loads(before + b"}") == {
        "run": "run",
        "size": 3,
        "head": HEADS[2],
        "at": AT,
        "key": KEY.key_id,
    }


def test_what_stands_there_is_not_touched(path):
    path.write_bytes(b"what stood there\n")
    path.chmod(0o200)
    witness(path, 1, HEADS[0])
    witness(path, 2, HEADS[1])
    path.chmod(0o600)
    lines = path.read_bytes().splitlines()
    assert lines[0] == b"what stood there"
    assert [json.loads(line)["size"] for line in lines[1:]] == [1, 2]


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(OutsideError, match=r"cannot add to the checkpoints .*Is a directory"):
        witness(tmp_path, 1, HEADS[0])


class Signed(list):
    def __call__(self, size, head, at):
        self.append((size, head, at))


def witnessed(journal, clock, signed, every_records=4, every_ns=60 * 10**9):
    return Witnessed(
        journal, signed, now=clock.now_ns, every_records=every_records, every_ns=every_ns
    )


def test_a_checkpoint_comes_every_so_many_records_and_at_the_end():
    signed, journal = Signed(), MemoryJournal()
    watched = witnessed(journal, FakeClock(), signed)
    for record in RUN[:10]:
        watched.append([record])
    assert [(size, head) for size, head, _ in signed] == [(4, HEADS[3]), (8, HEADS[7])]
    watched.close()
    watched.close()
    assert [size for size, *_ in signed] == [4, 8, 10]
    assert (len(watched), watched.head) == (10, HEADS[9])
    assert list(watched.lines()) == list(journal.lines())


def test_a_checkpoint_comes_after_so_long_if_there_is_something_to_tell():
    signed, clock = Signed(), FakeClock()
    watched = witnessed(MemoryJournal(), clock, signed, every_records=1_000)
    watched.append(RUN[:1])
    assert not signed
    clock.advance(60)
    watched.append([])
    assert [size for size, *_ in signed] == [1], "time has passed, and a record was not signed"
    clock.advance(60)
    watched.append([])
    assert len(signed) == 1
    watched.append(RUN[1:3])
    assert signed[1] == (3, HEADS[2], START + 120 * 10**9)


def test_a_journal_that_goes_on_is_witnessed_from_there():
    journal, signed = MemoryJournal(), Signed()
    journal.append(RUN[:3])
    watched = witnessed(journal, FakeClock(), signed)
    watched.close()
    assert not signed
    watched.append(RUN[3:7])
    assert [size for size, *_ in signed] == [7]


# ---- reading ------------------------------------------------------------------------------------


def test_checkpoints_are_believed_when_the_key_says_so(path):
    witness(path, 3, HEADS[2])
    witness(path, 5, HEADS[4], key=OTHER)
    assert believed(path, KEY.public, OTHER.public) == [
        Checkpoint("run", 3, HEADS[2], AT),
        Checkpoint("run", 5, HEADS[4], AT),
    ]


def change(old, new):
    def damage(line):
        assert old in line
        return line.replace(old, new)

    return damage


FORGERIES = {
    "another size": (change(b'"size":3', b'"size":2'), "was forged"),
    "another run": (change(b'"run":"run"', b'"run":"ruN"'), "was forged"),
    "another time": (change(b'"at":1', b'"at":2'), "was forged"),
    "another key": (change(KEY.key_id.encode(), OTHER.key_id.encode()), "names a key that was not"),
    "a word more": (change(b'"size"', b'"more":1,"size"'), "was forged"),
    "no signature": (lambda line: line.partition(b',"sig')[0] + b"}", "is not a checkpoint"),
    "cut off": (lambda line: line[:-10], "is not a checkpoint"),
    "words": (lambda line: b"all is well", "is not a checkpoint"),
    "no JSON": (change(b'"size":3', b'"size":'), "is not a checkpoint"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_line_that_the_key_did_not_sign_is_named(path, name):
    damage, said = FORGERIES[name]
    witness(path, 1, HEADS[0])
    witness(path, 3, HEADS[2])
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + damage(second) + b"\n")
    with pytest.raises(JournalError, match=rf"^line 2 of the checkpoints .*{said}"):
        believed(path)


def test_what_is_signed_and_says_nothing_is_named(path):
    signed = json.dumps({"key": KEY.key_id, "run": "run"}).encode()
    path.write_bytes(b'%s,"signature":"%s"}\n' % (signed[:-1], KEY.sign(signed).hex().encode()))
    with pytest.raises(JournalError, match=r"line 1 .*lacks 'size'"):
        believed(path)
    signed = json.dumps({"key": KEY.key_id, "run": "", "size": "x", "head": "", "at": 1}).encode()
    path.write_bytes(b'%s,"signature":"%s"}\n' % (signed[:-1], KEY.sign(signed).hex().encode()))
    with pytest.raises(JournalError, match=r"line 1 .*is not a checkpoint"):
        believed(path)


def test_keys_stand_in_a_file_with_words_beside_them(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n{KEY.public}  # since 2026\n{OTHER.public}\n")
    assert read_keys(file) == [KEY.public, OTHER.public]
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot read the public keys"):
        read_keys(file)
    with pytest.raises(UsageError, match=r"cannot read the public keys .*No such file"):
        read_keys(tmp_path / "none")


@pytest.mark.parametrize("key", ["", "ab", "xyz", "00" * 33])
def test_what_is_no_key_is_said(path, key):
    path.touch()
    with pytest.raises(UsageError, match="is not a public key of Ed25519"):
        believed(path, key)


def test_a_file_that_is_not_there_is_said(path):
    with pytest.raises(UsageError, match=r"cannot read the checkpoints .*No such file"):
        believed(path)


# ---- what they find -----------------------------------------------------------------------------


@pytest.fixture
def run_file(tmp_path):
    file = tmp_path / "journal.log"
    write_run_file(file, LINES)
    return file


@pytest.fixture
def signed(path):
    for size in (8, 4, LAST):  # in any order: several processes may write them
        witness(path, size, HEADS[size - 1])
    witness(path, 7, "0" * 64, run="another run")
    return believed(path)


def of(signed, run="run"):
    return [each for each in signed if each.run == run]


def test_a_sound_journal_is_vouched_for(run_file, signed):
    verdict = verify_file(run_file, checkpoints=of(signed))
    assert verdict.ok
    assert verdict.vouched == LAST
    assert verify_file(run_file, checkpoints=of(signed)[:2]).vouched == 8
    assert verify_file(run_file).vouched == 0


def test_a_cut_tail_is_found(run_file, signed):
    lines = LINES[:10]
    write_run_file(run_file, lines)
    verdict = verify_file(run_file, checkpoints=of(signed))
    detected(verdict, 11)
    assert "when the checkpoint of 2026-01-01 00:00:00 UTC was signed" in verdict.problem


@pytest.mark.parametrize(("number", "first_bad"), [(1, 1), (4, 1), (5, 5), (8, 5), (9, 9), (18, 9)])
def test_a_wholesale_rewrite_is_found_up_to_the_checkpoint_before_it(
    run_file, signed, number, first_bad
):
    """All hashes are made anew, and the chain is whole: the checkpoints are not."""
    lines = list(LINES)
    rewrite(lines, number)
    write_run_file(run_file, lines)
    assert verify_file(run_file).ok
    verdict = verify_file(run_file, checkpoints=of(signed))
    assert verdict.first_bad == first_bad, verdict.problem
    assert "was replaced" in verdict.problem


def test_where_two_checkpoints_meet_one_record_is_named(run_file, path):
    witness(path, 4, HEADS[3])
    witness(path, 5, HEADS[4])
    lines = list(LINES)
    rewrite(lines, 5)
    write_run_file(run_file, lines)
    verdict = verify_file(run_file, checkpoints=believed(path))
    assert verdict.problem.startswith("record 5 was replaced: record 5 had the hash ")


def test_two_checkpoints_that_contradict_each_other_are_found(run_file, signed, path):
    """Somebody has signed both a journal and another one in its place."""
    witness(path, 8, "f" * 64)
    verdict = verify_file(run_file, checkpoints=of(believed(path)))
    assert verdict.first_bad in {5, 9}


def test_a_run_folder_is_held_against_the_checkpoints_of_its_run(run_file, signed):
    manifest = run_file.with_name("manifest.json")
    ends = {"records": LAST, "head_hash": HEADS[-1]}
    manifest.write_text(json.dumps({"run_id": "run", "journal": ends}))
    assert verify(run_file.parent, checkpoints=signed).vouched == LAST
    manifest.write_text(json.dumps({"run_id": "another run", "journal": ends}))
    detected(verify(run_file.parent, checkpoints=signed), 1)
    assert verify(run_file, "third", checkpoints=signed).vouched == 0


# ---- databases ----------------------------------------------------------------------------------


def test_yesterdays_copy_of_a_database_is_found(tmp_path, path):
    """Everything in it is sound, its count of records as well; it is only not what was signed."""
    file, copy = tmp_path / "runs.db", tmp_path / "yesterday.db"
    engine = open_engine(f"sqlite:///{file}")
    journal = DatabaseJournal.begin(
        engine, "run", mode="paper", strategy="sma", manifest={}, created_at=1
    )
    journal.append(RUN[:6])
    witness(path, 6, journal.head)
    with closing(sqlite3.connect(file)) as yesterday, closing(sqlite3.connect(copy)) as kept:
        yesterday.backup(kept)
    journal.append(RUN[6:9])
    witness(path, 9, journal.head)
    journal.close()
    engine.dispose()
    signed = believed(path)
    assert verify_database(file, checkpoints=signed).vouched == 9
    assert verify_database(copy).ok
    verdict = verify_database(copy, checkpoints=signed)
    detected(verdict, 7)
    assert (verdict.records, verdict.vouched) == (6, 6)
