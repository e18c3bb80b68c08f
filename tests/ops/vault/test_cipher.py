"""AES-256-GCM as lent to others: bound to purpose and place, no nonce twice."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.domain.errors import VaultError
from evenkeel.ops.vault.cipher import Cipher, Signer
from evenkeel.ops.vault.envelope import Unopenable, joined, rewrap, seal, unseal

KEY = bytes(range(32))


@given(plaintext=st.binary(), place=st.binary())
def test_what_goes_in_comes_out(plaintext, place):
    cipher = Cipher("accounts", {1: KEY})
    text = cipher.encrypt(plaintext, bound_to=place)
    assert cipher.decrypt(text, bound_to=place) == plaintext
    assert len(text) == 3 + 12 + len(plaintext) + 16


def test_every_flip_of_every_bit_is_refused():
    cipher = Cipher("accounts", {1: KEY})
    text = cipher.encrypt(b"DU123", bound_to=b"row 1")
    for bit in range(8 * len(text)):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VaultError, match="does not open here: it was changed or moved"):
            cipher.decrypt(bytes(flipped), bound_to=b"row 1")


@pytest.mark.parametrize("length", range(31))
def test_a_cut_value_is_refused(length):
    cipher = Cipher("accounts", {1: KEY})
    with pytest.raises(VaultError):
        cipher.decrypt(cipher.encrypt(b"", bound_to=b"")[:length], bound_to=b"")


def test_a_value_opens_only_in_its_place_and_for_its_purpose():
    accounts, tokens = Cipher("accounts", {1: KEY}), Cipher("tokens", {1: KEY})
    text = accounts.encrypt(b"DU123", bound_to=b"row 1")
    with pytest.raises(VaultError, match="of accounts"):
        accounts.decrypt(text, bound_to=b"row 2")
    with pytest.raises(VaultError, match="of tokens"):
        tokens.decrypt(text, bound_to=b"row 1")


def test_it_shows_its_purpose_and_no_key():
    assert repr(Cipher("accounts", {1: KEY})) == "Cipher('accounts')"


def test_it_is_aes_256_gcm_as_the_library_knows_it():
    """Opened with nothing but the library, by the form that the docstring gives."""
    text = Cipher("accounts", {7: KEY}).encrypt(b"DU123", bound_to=b"row 1")
    aad = b"".join(
        len(part).to_bytes(4, "big") + part for part in (b"\x01\x00\x07", b"accounts", b"row 1")
    )
    assert text[:3] == b"\x01\x00\x07"
    assert AESGCM(KEY).decrypt(text[3:15], text[15:], aad) == b"DU123"


SEALED = 1_000_000 if os.environ.get("EVENKEEL_SOAK") else 50_000


def test_no_nonce_comes_twice(record_property):
    """A million with `make soak`, which takes seconds and under coverage a minute."""
    cipher = Cipher("accounts", {1: KEY})
    nonces = {cipher.encrypt(b"", bound_to=b"")[3:15] for _ in range(SEALED)}
    assert len(nonces) == SEALED
    record_property("nonces, none of them twice", SEALED)


def test_every_envelope_has_a_key_and_a_nonce_of_its_own():
    made = [seal(b"x", key=KEY, key_id="k", name="n", version=1) for _ in range(5_000)]
    assert len({each.wrapped[:12] for each in made} | {each.sealed[:12] for each in made}) == 10_000
    assert len({each.wrapped[12:] for each in made}) == 5_000


@pytest.mark.parametrize(
    "other",
    [
        {"key": os.urandom(32)},
        {"key_id": "other"},
        {"name": "other"},
    ],
    ids=lambda each: next(iter(each)),
)
def test_an_envelope_opens_for_what_it_was_sealed(other):
    sealed_for = {"key": KEY, "key_id": "k", "name": "n"}
    envelope = seal(b"value", version=1, **sealed_for)
    assert unseal(envelope, **sealed_for) == b"value"
    with pytest.raises(Unopenable):
        unseal(envelope, **{**sealed_for, **other})
    moved = rewrap(envelope, new_key=bytes(32), new_key_id="k2", **sealed_for)
    assert unseal(moved, key=bytes(32), key_id="k2", name="n") == b"value"
    with pytest.raises(Unopenable):
        unseal(moved, **sealed_for)


def test_an_envelope_is_bound_twice_as_its_docstring_draws_it():
    """Opened with nothing but the library: the data key by key, name, version; so the value."""

    def aad(*parts):
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    made = seal(b"value", key=KEY, key_id="k1", name="broker", version=7)
    data_key = AESGCM(KEY).decrypt(
        made.wrapped[:12],
        made.wrapped[12:],
        aad(b"evenkeel vault 1", b"key", b"k1", b"broker", b"7"),
    )
    plain = AESGCM(data_key).decrypt(
        made.sealed[:12], made.sealed[12:], aad(b"evenkeel vault 1", b"value", b"broker", b"7")
    )
    assert (len(data_key), plain) == (32, b"value")


def test_parts_cannot_be_divided_another_way():
    assert joined(b"ab", b"c") != joined(b"a", b"bc")
    assert joined(b"ab") != joined(b"a", b"b")


def test_a_signature_is_ed25519_and_the_key_has_a_name():
    signer = Signer(KEY)
    public = Ed25519PublicKey.from_public_bytes(signer.public_key)
    public.verify(signer.sign(b"head"), b"head")
    assert repr(signer) == f"Signer({signer.key_id})"
    assert signer.key_id == Signer(KEY).key_id != Signer(bytes(32)).key_id
