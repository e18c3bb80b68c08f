"""The vault keeps what it was given, tells nobody else, and writes down who asked."""

import copy
import itertools
import json
import os
import pickle
import re
import threading
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.fakes.clock import START
from tests.ops.vault.kept import CHEAP, create, key, unlock

from evenkeel.domain.errors import OutsideError, VaultError
from evenkeel.ops.secret import Secret
from evenkeel.ops.vault import store
from evenkeel.ops.vault.keys import COSTS, Argon2Costs
from evenkeel.ops.vault.vault import VaultEvent

CANARY = "canary-51ff-api-key"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "secrets.vault"


@pytest.fixture
def told():
    return []


@pytest.fixture
def vault(path):
    """A vault with two secrets."""
    made = create(path)
    made.set("alpha_vantage.key", Secret(CANARY))
    made.set("broker.password", Secret("another-canary"))
    return made


def test_what_was_kept_comes_back_after_a_restart(vault, path):
    again = unlock(path)
    assert again.names() == ("alpha_vantage.key", "broker.password")
    assert "alpha_vantage.key" in again
    assert again.get("alpha_vantage.key").reveal() == CANARY
    assert repr(again) == f"Vault('{path}', 2 secrets)"


def test_a_secret_is_replaced_and_removed(vault, path):
    vault.set("broker.password", Secret("newer"))
    assert vault.get("broker.password") == unlock(path).get("broker.password") == Secret("newer")
    vault.remove("broker.password")
    assert vault.names() == unlock(path).names() == ("alpha_vantage.key",)


def test_any_text_can_be_kept(path):
    vault = create(path)
    for text in ("", "ünïcödé ☃", "line\nline", "x" * 100_000):
        vault.set("text", Secret(text))
        assert unlock(path).get("text").reveal() == text


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_keys_stay_in_their_process(vault, copied):
    holders = [vault, vault.cipher("accounts"), vault.signer("checkpoints"), key()]
    for holder in holders:
        with pytest.raises(TypeError, match="not pickled or copied"):
            copied(holder)
    for value in (vault._keys.wrapping, vault._keys.signing, vault.cipher("accounts")._keys[1]):
        assert repr(value) not in repr([*holders, vault._keys])


def test_the_file_is_its_owners_and_holds_no_value(vault, path):
    assert path.stat().st_mode & 0o777 == 0o600
    assert not store.rights_beyond_owner(path)
    assert b"canary" not in path.read_bytes()
    assert b"correct horse" not in path.read_bytes()


def test_a_vault_is_not_made_over_another(vault, path):
    with pytest.raises(VaultError, match=r"there is a vault at .* already"):
        create(path)


@pytest.mark.parametrize("name", ["", "@cipher/x/1", ".hidden", "a b", "a/b", "x" * 65, "é"])
def test_a_name_has_its_law(vault, name):
    with pytest.raises(VaultError, match="up to 64 letters, digits"):
        vault.set(name, Secret("x"))


def test_a_name_that_is_not_there_is_said_with_the_nearest(vault):
    with pytest.raises(VaultError, match=r"no secret 'broker\.pasword'; did you mean 'broker\.pa"):
        vault.get("broker.pasword")
    with pytest.raises(VaultError, match=r"no secret 'zzz'; `evenkeel secrets list` shows"):
        vault.remove("zzz")


# ---- who, what, when; never the value ----


def test_everything_that_is_done_is_told_before_it_is_done(path, told):
    vault = create(path, audit=told.append)
    vault.set("a", Secret(CANARY))
    vault.get("a")
    vault.rotate(key("another passphrase"))
    vault.remove("a")
    unlock(path, source=key("another passphrase"), audit=told.append)
    assert [(event.action, event.name) for event in told] == [
        ("create", ""),
        ("write", "a"),
        ("read", "a"),
        ("rotate", ""),
        ("remove", "a"),
        ("unlock", ""),
    ]
    assert {(event.actor, event.at, event.refused) for event in told} == {("ada", START, False)}
    assert CANARY not in repr(told)


def test_attempts_in_vain_are_told(vault, path, told):
    with pytest.raises(VaultError):
        unlock(path, source=key("wrong passphrase"), audit=told.append)
    opened = unlock(path, audit=told.append)
    with pytest.raises(VaultError):
        opened.get("none")
    assert [(event.action, event.name, event.refused) for event in told] == [
        ("unlock", "", True),
        ("unlock", "", False),
        ("read", "none", True),
    ]
    assert isinstance(told[0], VaultEvent)


ACTS = {
    "get": lambda vault: vault.get("alpha_vantage.key"),
    "set": lambda vault: vault.set("new", Secret("x")),
    "remove": lambda vault: vault.remove("alpha_vantage.key"),
    "rotate": lambda vault: vault.rotate(key("another passphrase")),
    "cipher": lambda vault: vault.cipher("accounts"),
    "signer": lambda vault: vault.signer("checkpoints"),
}


@pytest.mark.parametrize("act", ACTS)
def test_what_cannot_be_written_down_is_not_done(vault, path, act):
    def full(event):
        if event.action != "unlock":
            raise OutsideError("the disk is full")

    before = path.read_bytes()
    opened = unlock(path, audit=full)
    with pytest.raises(OutsideError, match="full"):
        ACTS[act](opened)
    assert path.read_bytes() == before
    assert unlock(path).get("alpha_vantage.key") == Secret(CANARY)


def test_an_unlock_that_cannot_be_written_down_gives_no_vault(vault, path):
    def full(event):
        raise OutsideError("the disk is full")

    with pytest.raises(OutsideError):
        unlock(path, audit=full)


# ---- what does not open ----


def test_a_wrong_passphrase_and_a_changed_file_say_the_same(vault, path):
    with pytest.raises(VaultError) as wrong:
        unlock(path, source=key("correct horse batterz"))
    _reseal(path, lambda fields: fields.update(generation=1))
    with pytest.raises(VaultError) as changed:
        unlock(path)
    assert str(wrong.value) == str(changed.value)


def test_a_wrong_passphrase_costs_what_a_right_one_costs(vault, path, monkeypatch):
    """Counted, not timed: the same derivations and the same comparison of the same lengths."""
    work = []
    derive, compare = type(key()).find, store.hmac.compare_digest
    monkeypatch.setattr(
        type(key()), "find", lambda self, *facts: work.append("derive") or derive(self, *facts)
    )
    monkeypatch.setattr(
        store.hmac,
        "compare_digest",
        lambda a, b: work.append((len(a), len(b))) or compare(a, b),
    )
    unlock(path)
    right = list(work)
    work.clear()
    with pytest.raises(VaultError):
        unlock(path, source=key("x"))
    assert work == right == ["derive", (64, 64)]


def test_every_flip_of_every_byte_is_refused_in_one_sentence(vault, path):
    whole = path.read_bytes()
    for position in range(len(whole)):
        for bit in (0x01, 0x20):
            flipped = bytearray(whole)
            flipped[position] ^= bit
            path.write_bytes(flipped)
            with pytest.raises(VaultError, match=r"^the vault [^\n]+$"):
                unlock(path)


def test_every_flip_is_refused_even_with_a_sum_that_fits(vault, path):
    """Whoever changes the file can compute its SHA-256; the code needs the key."""
    whole = path.read_bytes()
    body = whole[: whole.rindex(b"\n", 0, -1) + 1]
    for position in range(0, len(body), 3):
        flipped = bytearray(body)
        flipped[position] ^= 0x01
        sums = store.hashlib.sha256(flipped).hexdigest().encode() + whole[len(body) + 64 :]
        path.write_bytes(bytes(flipped) + sums)
        with pytest.raises(VaultError, match=r"^the vault[^\n]+$"):
            unlock(path)


@pytest.mark.parametrize("length", [0, 1, 17, 100, -1])
def test_a_cut_file_is_refused(vault, path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(VaultError, match="damaged or no vault; restore it"):
        unlock(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda fields: fields["key"].update(kind="keyring"), "from a keyring, not from a passph"),
        (lambda fields: fields["key"].update(salt="00"), "key is wrong, or its file was changed"),
        (lambda fields: fields["key"].update(salt="zz" * 16), "key is wrong, or its file"),
        (lambda fields: fields["key"].update(memory_kib=1 << 40), "key is wrong, or its file"),
        (lambda fields: fields["key"].update(passes=10**9), "key is wrong, or its file"),
        (lambda fields: fields["key"].update(lanes=True), "key is wrong, or its file"),
        (lambda fields: fields["key"].pop("lanes"), "key is wrong, or its file"),
        (lambda fields: fields.pop("records"), "damaged or no vault"),
        (lambda fields: fields.update(records=[]), "damaged or no vault"),
        (lambda fields: fields.update(generation="many"), "damaged or no vault"),
        (lambda fields: fields["records"]["broker.password"].update(key="?"), "damaged or no"),
    ],
    ids=itertools.count(),
)
def test_facts_that_the_key_did_not_write_are_refused(vault, path, change, said):
    _reseal(path, change)
    with pytest.raises(VaultError, match=said):
        unlock(path)


def test_a_file_nested_without_end_is_refused(path):
    path.write_bytes(store.FORMAT + b"\n" + b"[" * 100_000 + b"\n\n")
    _reseal(path, None)
    with pytest.raises(VaultError, match="damaged or no vault"):
        unlock(path)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
PLACES = st.sampled_from(
    [
        *(("generation",), ("key",), ("records",), ("key", "id"), ("key", "kind")),
        *(("key", "salt"), ("key", "memory_kib"), ("key", "passes"), ("key", "lanes")),
        *(("records", "a"), ("records", "a", "version"), ("records", "a", "key")),
        ("records", "a", "value"),
    ]
)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    path = tmp_path_factory.mktemp("sealed") / "vault"
    create(path).set("a", Secret("b"))
    return path, path.read_bytes()


@given(place=PLACES, value=ANYTHING)
@example(place=("generation",), value=float("inf"))
@example(place=("records", "a", "version"), value=float("nan"))
def test_whatever_stands_in_a_field_is_refused_in_one_sentence(sealed, place, value):
    path, whole = sealed
    path.write_bytes(whole)

    def change(fields):
        *way, last = place
        for each in way:
            fields = fields[each]
        assume(fields[last] != value)
        fields[last] = value

    _reseal(path, change)
    with pytest.raises(VaultError, match=r"^the vault[^\n]+$"):
        unlock(path)


@given(content=st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_refused_in_one_sentence(sealed, content):
    path, _ = sealed
    for written in (content, store.FORMAT + b"\n" + content.replace(b"\n", b"") + b"\n" + content):
        path.write_bytes(written)
        with pytest.raises(VaultError, match="damaged or no vault"):
            unlock(path)


@pytest.mark.parametrize("same_code", [True, False])
def test_two_records_cannot_be_swapped(vault, path, same_code):
    """By who has no key: the file's code. By who forges even that: each record's own binding."""

    def swap(fields):
        records = fields["records"]
        one, other = sorted(records)
        records[one], records[other] = records[other], records[one]

    _reseal(path, swap, signing=None if same_code else vault._keys.signing)
    if same_code:
        with pytest.raises(VaultError, match="does not open"):
            unlock(path)
        return
    with pytest.raises(VaultError, match=r"record 'broker\.password' .* does not open; restore"):
        unlock(path).get("broker.password")


def test_an_older_version_of_a_record_does_not_open_as_the_newer(vault, path):
    old = json.loads(path.read_bytes().splitlines()[1])["records"]["broker.password"]
    vault.set("broker.password", Secret("newer"))

    def put_back(fields):
        version = fields["records"]["broker.password"]["version"]
        fields["records"]["broker.password"] = {**old, "version": version}

    _reseal(path, put_back, signing=vault._keys.signing)
    with pytest.raises(VaultError, match="does not open; restore"):
        unlock(path).get("broker.password")


def test_a_file_that_is_not_there_or_cannot_be_read_is_said(tmp_path):
    with pytest.raises(VaultError, match=r"no vault at .*; make one with `evenkeel secrets init`"):
        unlock(tmp_path / "none")
    with pytest.raises(OutsideError, match="cannot be read: Is a directory"):
        unlock(tmp_path)


def test_a_disk_that_refuses_leaves_what_was_there(vault, path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutsideError, match=r"cannot be written: No space left .* was before"):
            vault.set("new", Secret("x"))
    assert path.read_bytes() == before
    assert vault.names() == ("alpha_vantage.key", "broker.password")


def _reseal(path, change, *, signing=None):
    """Change the fields of a vault's file, and make its sum fit; its code only with the key."""
    first, line, sums, _ = path.read_bytes().split(b"\n")
    if change is not None:
        fields = json.loads(line)
        change(fields)
        line = json.dumps(fields, sort_keys=True).encode()
    body = first + b"\n" + line + b"\n"
    code = sums[65:] if signing is None else store._code(body, signing)
    digest = store.hashlib.sha256(body).hexdigest().encode()
    path.write_bytes(body + digest + b" " + code + b"\n")


# ---- stronger with time ----


def test_a_key_of_lesser_cost_is_made_anew_when_it_opens(vault, path, told):
    stronger = Argon2Costs(memory_kib=64, passes=2, lanes=1)
    opened = unlock(path, source=key(costs=stronger), audit=told.append)
    assert [event.action for event in told] == ["unlock", "upgrade"]
    facts = json.loads(path.read_bytes().splitlines()[1])["key"]
    assert (facts["memory_kib"], facts["passes"], facts["lanes"]) == (64, 2, 1)
    assert opened.get("alpha_vantage.key") == unlock(path).get("alpha_vantage.key")
    told.clear()
    unlock(path, source=key(costs=CHEAP), audit=told.append)
    assert [event.action for event in told] == ["unlock"], "a stronger key stays"


def test_a_vault_that_cannot_be_written_opens_as_it_is(vault, path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, rights: False)
    stronger = Argon2Costs(memory_kib=64, passes=2, lanes=1)
    before = path.read_bytes()
    assert unlock(path, source=key(costs=stronger)).get("alpha_vantage.key") == Secret(CANARY)
    assert path.read_bytes() == before


def test_a_disk_that_takes_no_stronger_key_is_no_reason_not_to_open(vault, path, monkeypatch, told):
    def full(*_):
        raise OSError(28, "No space left on device")

    stronger = Argon2Costs(memory_kib=64, passes=2, lanes=1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        opened = unlock(path, source=key(costs=stronger), audit=told.append)
    assert opened.get("alpha_vantage.key") == Secret(CANARY)
    assert [(event.action, event.refused) for event in told[:3]] == [
        *(("unlock", False), ("upgrade", False), ("upgrade", True))
    ]
    opened.set("more", Secret("x"))
    assert "more" in unlock(path)


def test_unless_told_otherwise_a_key_costs_what_rfc_9106_says(path):
    create(path, source=key(costs=COSTS))
    facts = json.loads(path.read_bytes().splitlines()[1])["key"]
    assert (facts["memory_kib"], facts["passes"], facts["lanes"]) == (64 * 1024, 3, 4)


def test_a_short_passphrase_makes_no_vault(path):
    with pytest.raises(VaultError, match="at least 12 characters"):
        create(path, source=key("short"))
    assert not path.exists()


# ---- two at once ----


def test_two_processes_lose_nothing_of_each_other(vault, path):
    other = unlock(path)
    vault.set("mine", Secret("1"))
    other.set("theirs", Secret("2"))
    vault.remove("broker.password")
    assert unlock(path).names() == ("alpha_vantage.key", "mine", "theirs")


def test_threads_that_write_at_once_lose_nothing(path):
    create(path)
    vaults = [unlock(path) for _ in range(8)]
    threads = [
        threading.Thread(target=each.set, args=(f"secret-{number}", Secret("x")))
        for number, each in enumerate(vaults)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(unlock(path).names()) == 8


def test_a_key_changed_by_another_is_noticed(vault, path):
    unlock(path).rotate(key("another passphrase"))
    with pytest.raises(VaultError, match="was changed meanwhile; try again"):
        vault.set("new", Secret("x"))
    assert unlock(path, source=key("another passphrase")).names() == vault.names()


def test_a_secret_removed_by_another_is_gone(vault, path):
    unlock(path).remove("broker.password")
    vault.remove("broker.password")
    assert unlock(path).names() == ("alpha_vantage.key",)


def test_the_names_of_all_files_are_known(vault, path):
    assert sorted(re.sub(r"\d+", "N", each.name) for each in Path(path.parent).iterdir()) == [
        ".secrets.vault.lock",
        "secrets.vault",
    ]
