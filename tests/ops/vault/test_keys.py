"""Where the vault's key comes from, and which keyrings are trusted with one."""

import keyring
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from keyring.backends import chainer, fail, null
from keyring.errors import KeyringLocked, NoKeyringError
from tests.ops.vault.kept import CHEAP, MemoryKeyring, create, key, unlock

from evenkeel.domain.errors import ConfigError, VaultError
from evenkeel.ops.secret import Secret
from evenkeel.ops.vault.keys import SERVICE, Argon2Costs, KeyringKey, system_keyring


@pytest.fixture
def ring():
    return MemoryKeyring()


def test_a_passphrase_goes_through_argon2id():
    facts, made = key("a long passphrase").make("id")
    argon2 = Argon2id(
        salt=bytes.fromhex(facts["salt"]), length=32, iterations=1, lanes=1, memory_cost=32
    )
    assert argon2.derive(b"a long passphrase") == made
    assert made == key("a long passphrase").find("id", facts)
    assert made != key("a long passphrasf").find("id", facts)
    assert facts["salt"] != key("a long passphrase").make("id")[0]["salt"]


def test_a_keyring_keeps_the_key_of_a_vault(tmp_path, ring):
    path = tmp_path / "v"
    create(path, source=KeyringKey(ring)).set("a", Secret("canary"))
    assert unlock(path, source=KeyringKey(ring)).get("a").reveal() == "canary"
    ((service, _),) = ring.kept
    assert service == SERVICE


@pytest.mark.parametrize("source", ["keyring", "passphrase"])
def test_a_key_that_no_vault_needs_leaves_the_keyring(tmp_path, ring, source):
    path = tmp_path / "v"
    vault = create(path, source=KeyringKey(ring))
    (former,) = ring.kept
    vault.rotate(KeyringKey(ring) if source == "keyring" else key())
    assert former not in ring.kept
    assert len(ring.kept) == (source == "keyring")
    vault.rotate(key())
    assert not ring.kept


def test_an_entry_that_is_gone_already_is_no_trouble(ring):
    KeyringKey(ring).forget("none")


def test_a_keyring_without_the_key_says_so(tmp_path, ring):
    create(tmp_path / "v", source=KeyringKey(ring))
    ring.kept.clear()
    with pytest.raises(VaultError, match=r"keyring has no key .* the user who made it"):
        unlock(tmp_path / "v", source=KeyringKey(ring))


@pytest.mark.parametrize("entry", ["", "AAAA", "not base64!"])
def test_a_changed_entry_opens_nothing(tmp_path, ring, entry):
    create(tmp_path / "v", source=KeyringKey(ring))
    ring.kept = dict.fromkeys(ring.kept, entry)
    with pytest.raises(VaultError, match="key is wrong"):
        unlock(tmp_path / "v", source=KeyringKey(ring))


@pytest.mark.parametrize("trouble", [KeyringLocked("locked"), NoKeyringError()])
def test_a_keyring_that_does_not_answer_says_so(tmp_path, ring, trouble):
    create(tmp_path / "v", source=KeyringKey(ring))
    ring.trouble = trouble
    with pytest.raises(ConfigError, match=r"does not answer .*; unlock it"):
        unlock(tmp_path / "v", source=KeyringKey(ring))


def test_a_vault_of_one_kind_is_not_opened_by_another(tmp_path, ring):
    create(tmp_path / "v")
    with pytest.raises(VaultError, match="comes from a passphrase, not from a keyring"):
        unlock(tmp_path / "v", source=KeyringKey(ring))


class Plaintext(MemoryKeyring):
    """What another package would bring."""


Plaintext.__module__ = "keyrings.alt.file"


class SecretService(MemoryKeyring):
    """Stands where a safe one does."""


SecretService.__module__ = "keyring.backends.SecretService"


def chained(*backends):
    made = chainer.ChainerBackend()
    type(made).backends = backends  # a property of the library's, of what it found
    return made


@pytest.fixture
def given(monkeypatch):
    def give(found):
        monkeypatch.setattr(keyring, "get_keyring", lambda: found)

    monkeypatch.setattr(chainer.ChainerBackend, "backends", ())
    return give


@pytest.mark.parametrize(
    "unsafe",
    [
        null.Keyring,
        fail.Keyring,
        Plaintext,
        MemoryKeyring,
        chained,
        lambda: chained(SecretService(), Plaintext()),
    ],
    ids=["null", "fail", "plaintext", "unheard of", "empty chain", "chain with plaintext"],
)
def test_a_keyring_that_keeps_no_secret_is_refused(given, unsafe):
    given(unsafe())
    with pytest.raises(ConfigError, match=r"does not keep a secret; .* by a passphrase instead"):
        KeyringKey()


def test_a_safe_keyring_is_taken(given):
    for safe in (SecretService(), chained(SecretService())):
        given(safe)
        assert system_keyring() is safe
        assert KeyringKey().kind == "keyring"


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'evenkeel\[keyring\]'"):
        system_keyring()


def test_costs_are_compared_upwards_only():
    assert CHEAP.memory_kib == 32
    assert not key().is_weaker({"salt": "00" * 16, "memory_kib": 64, "passes": 1, "lanes": 1})
    assert key().is_weaker({"salt": "00" * 16, "memory_kib": 16, "passes": 9, "lanes": 1})
    more_passes = key(costs=Argon2Costs(memory_kib=32, passes=2, lanes=1))
    assert more_passes.is_weaker({"salt": "00" * 16, "memory_kib": 64, "passes": 1, "lanes": 1})
