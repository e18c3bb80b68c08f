"""Where the vault's passphrase comes from, in the words of the settings."""

import os

import pytest
from tests.ops.vault.kept import CHEAP, PASSPHRASE, MemoryKeyring, create, unlock

from evenkeel.domain.errors import ConfigError, OutsideError
from evenkeel.ops.environment import VAULT_PASSPHRASE as VARIABLE
from evenkeel.ops.vault import unlock as room
from evenkeel.ops.vault.keys import KeyringKey
from evenkeel.ops.vault.unlock import key_source, kind_of


def opened_with(path, words, **options):
    return unlock(path, source=key_source(words, kind=kind_of(path), costs=CHEAP, **options))


@pytest.fixture
def path(tmp_path):
    create(tmp_path / "vault")
    return tmp_path / "vault"


def nobody():
    pytest.fail("nobody should have been asked")


@pytest.mark.parametrize("words", ["auto", "prompt"])
def test_a_person_is_asked(path, words):
    opened_with(path, words, ask=lambda: PASSPHRASE)


@pytest.mark.parametrize("words", ["auto", "env"])
def test_a_variable_is_read_once(path, monkeypatch, words):
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    opened_with(path, words, ask=nobody)
    assert VARIABLE not in os.environ
    with pytest.raises(ConfigError, match=rf"set vault\.unlock to file:PATH|{VARIABLE} is not set"):
        opened_with(path, words)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_descriptor_is_read_to_its_end_and_closed(path, end):
    reading, writing = os.pipe()
    os.write(writing, (PASSPHRASE + end).encode())
    os.close(writing)
    opened_with(path, f"fd:{reading}", ask=nobody)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


def test_a_descriptor_that_nobody_opened_is_said():
    with pytest.raises(OutsideError, match=r"from descriptor 999: .*the process that starts this"):
        key_source("fd:999")


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "passphrase"
    made.write_text(PASSPHRASE + "\n")
    made.chmod(0o600)
    return made


def test_a_file_is_read(path, file):
    opened_with(path, f"file:{file}", ask=nobody)


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o660])
def test_a_file_of_ours_that_others_can_read_is_refused(file, rights):
    file.chmod(rights)
    with pytest.raises(ConfigError, match=r"others can read or change .*: chmod 600 .*passphrase$"):
        key_source(f"file:{file}")


def test_a_file_that_was_mounted_for_us_may_be_read_by_others_but_not_changed(file, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    file.chmod(0o444)
    key_source(f"file:{file}")
    file.chmod(0o464)
    with pytest.raises(ConfigError, match="others can read or change"):
        key_source(f"file:{file}")


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(OutsideError, match=r"cannot be read from .*none: No such file"):
        key_source(f"file:{tmp_path / 'none'}")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 4_097])
def test_a_file_must_hold_a_line_of_text(file, content):
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="must hold the vault's passphrase: a line of text"):
        key_source(f"file:{file}")


def test_with_nobody_to_ask_the_other_ways_are_named():
    with pytest.raises(
        ConfigError, match=r"nobody to ask; set vault\.unlock to file:PATH, fd:N or"
    ):
        key_source("auto")


def test_the_keyring_is_used_when_it_is_said_or_the_vault_says_so(monkeypatch):
    monkeypatch.setattr(room.KeyringKey.__init__, "__defaults__", (MemoryKeyring(),))
    assert isinstance(key_source("keyring"), KeyringKey)
    assert isinstance(key_source("auto", kind="keyring"), KeyringKey)
    assert not isinstance(key_source("auto", kind="passphrase", ask=lambda: "x"), KeyringKey)
