"""A key is changed whole or not at all, and what was kept stays readable under one of the two."""

import json

import pytest
from tests.fakes.crashing_disk import CrashingDisk, PowerCutError
from tests.ops.vault.kept import create, key, unlock

from evenkeel.domain.errors import VaultError
from evenkeel.ops.secret import Secret
from evenkeel.ops.vault import store

NEW = "another passphrase"
SECRETS = {"a": "canary-a", "b": "canary-b", "c": "canary-c"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "secrets.vault"


@pytest.fixture
def vault(path):
    made = create(path)
    for name, text in SECRETS.items():
        made.set(name, Secret(text))
    return made


def contents(path, passphrase):
    opened = unlock(path, source=key(passphrase))
    return {name: opened.get(name).reveal() for name in opened.names()}


@pytest.mark.parametrize("reencrypt", [False, True])
def test_after_a_rotation_only_the_new_key_opens(vault, path, reencrypt):
    vault.rotate(key(NEW), reencrypt=reencrypt)
    assert contents(path, NEW) == SECRETS
    with pytest.raises(VaultError, match="key is wrong"):
        unlock(path)
    vault.set("d", Secret("later"))
    assert contents(path, NEW) == {**SECRETS, "d": "later"}


def test_what_a_crash_left_behind_does_not_outlive_the_next_change(vault, path):
    """A draft is a whole vault, and opens with the key that it was written under."""
    draft = path.with_name(f".{path.name}.99999999")
    draft.write_bytes(path.read_bytes())
    others = [path.with_name(name) for name in (f".{path.name}.lock", f".{path.name}x.1", "note")]
    for other in others[1:]:
        other.write_bytes(b"somebody else's")
    vault.rotate(key(NEW))
    assert not draft.exists()
    assert all(other.exists() for other in others)


def records(path):
    fields = json.loads(path.read_bytes().splitlines()[1])["records"]
    return {name: (each["key"], each["value"]) for name, each in fields.items()}


def test_rewrapping_touches_no_value_and_reencrypting_touches_all(vault, path):
    before = records(path)
    vault.rotate(key(NEW))
    between = records(path)
    vault.rotate(key(NEW), reencrypt=True)
    after = records(path)
    for name in SECRETS:
        assert before[name][1] == between[name][1] != after[name][1]
        assert len({before[name][0], between[name][0], after[name][0]}) == 3


def changes(reencrypt):
    return {
        "set": lambda vault: vault.set("b", Secret("canary-b")),
        "rotate": lambda vault: vault.rotate(key(NEW), reencrypt=reencrypt),
        "cipher": lambda vault: vault.cipher("accounts"),
    }


@pytest.mark.parametrize("undo_renames", [False, True])
@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("reencrypt", [False, True])
@pytest.mark.parametrize("change", changes(reencrypt=False))
def test_a_power_cut_at_every_system_call_leaves_every_secret_readable(
    vault, path, monkeypatch, change, reencrypt, torn, undo_renames
):
    """With all calls cut in turn until the change comes through; how many there were is held."""
    passphrase, cuts = None, 0
    while passphrase is None:
        before = path.read_bytes()
        opened = unlock(path)
        with monkeypatch.context() as patch:
            disk = CrashingDisk(patch, at=cuts + 1, torn=torn)
            try:
                changes(reencrypt=reencrypt)[change](opened)
            except PowerCutError:
                cuts += 1
            else:
                passphrase = NEW if change == "rotate" else "correct horse battery"
        if passphrase is None:
            disk.settle(path.parent, undo_renames=undo_renames)
            assert _readable(path) == SECRETS, disk.calls
            path.write_bytes(before)
    assert contents(path, passphrase) == SECRETS
    assert cuts == 7, "unlink, open, write, fsync, replace, unlink, fsync of the folder"


def _readable(path):
    try:
        return contents(path, "correct horse battery")
    except VaultError:
        return contents(path, NEW)


def test_a_power_cut_while_it_is_made_leaves_none_or_a_whole_one(tmp_path, monkeypatch):
    for at in range(1, 8):
        path = tmp_path / f"{at}.vault"
        with monkeypatch.context() as patch:
            CrashingDisk(patch, at=at)
            with pytest.raises(PowerCutError):
                create(path)
        if path.exists():
            assert unlock(path).names() == ()
        else:
            create(path)


def test_ciphers_and_signers_outlive_rotations(vault, path):
    cipher, signer = vault.cipher("accounts"), vault.signer("checkpoints")
    old = cipher.encrypt(b"DU123", bound_to=b"row 1")
    vault.rotate(key(NEW), reencrypt=True)
    newer = unlock(path, source=key(NEW))
    assert newer.signer("checkpoints").public_key == signer.public_key
    again = newer.cipher("accounts")
    assert again.decrypt(old, bound_to=b"row 1") == b"DU123"
    assert not again.is_newest(old)
    new = again.encrypt(b"DU123", bound_to=b"row 1")
    assert again.is_newest(new)
    with pytest.raises(VaultError, match="does not open here"):
        cipher.decrypt(new, bound_to=b"row 1")


def test_keys_of_the_vaults_own_are_not_shown_as_secrets(vault, path):
    vault.cipher("accounts")
    vault.signer("checkpoints")
    assert unlock(path).names() == tuple(SECRETS)
    with pytest.raises(VaultError, match="no secret"):
        vault.get("@signer/checkpoints")


def test_a_key_that_another_process_made_first_is_the_key(vault, path):
    other = unlock(path)
    text = vault.cipher("accounts").encrypt(b"DU123", bound_to=b"")
    assert other.cipher("accounts").decrypt(text, bound_to=b"") == b"DU123"


def test_the_generation_counts_the_writes(vault, path):
    before = store.read(path).keep.generation
    vault.set("a", Secret("x"))
    vault.rotate(key(NEW))
    assert store.read(path).keep.generation == before + 2
