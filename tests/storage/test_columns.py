"""What goes into a column comes out again, digit for digit; what is secret is not seen on the disk."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.exc import StatementError
from tests.ops.vault.kept import create, key, unlock
from tests.storage.filled import NUMBER, Mask

from evenkeel.domain.errors import ConfigError, OutsideError, VaultError
from evenkeel.ops.vault.cipher import Cipher
from evenkeel.storage.columns import unlocked
from evenkeel.storage.engine import open_engine, take_write_lock, trouble_told
from evenkeel.storage.tables import (
    ACCOUNT_NUMBER,
    SECOND_FACTOR,
    TOKEN,
    BrokerAccountRow,
    InstrumentRow,
)

D = Decimal


@pytest.fixture
def engine(any_database):
    engine = open_engine(any_database)
    yield engine
    engine.dispose()


def there_and_back(engine, tick):
    row = {"run_id": "one", "id": "A.XNAS", "currency": "USD", "lot": D(1), "multiplier": D(1)}
    with engine.connect() as connection:
        take_write_lock(connection)
        connection.execute(insert(InstrumentRow).values(**row, tick=tick, quarantine=""))
        back = connection.scalar(select(InstrumentRow.tick))
        connection.rollback()
    return back


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40))
def test_an_amount_keeps_every_digit(engine, amount):
    back = there_and_back(engine, amount)
    assert type(back) is Decimal
    assert back == amount


@pytest.mark.parametrize(("amount", "spelled"), [("1.500", "1.5"), ("-0", "0"), ("1E+3", "1000")])
def test_an_amount_has_one_spelling(engine, amount, spelled):
    assert str(there_and_back(engine, D(amount))) == spelled


def test_no_amount_is_no_amount(engine):
    assert there_and_back(engine, None) is None


def account(name="paper", number=None):
    return {"name": name, "broker": "ib", "number": number, "currency": "USD", "opened_at": 1}


def add(engine, name="paper", number=NUMBER):
    sealed = ACCOUNT_NUMBER.seal(number, row=name)
    with trouble_told(engine), engine.begin() as connection:
        connection.execute(insert(BrokerAccountRow).values(account(name, sealed)))


def number_of(engine, name="paper"):
    query = select(BrokerAccountRow.number).where(BrokerAccountRow.name == name)
    with trouble_told(engine), engine.connect() as connection:
        return ACCOUNT_NUMBER.open(connection.scalar(query), row=name)


def test_an_account_number_is_read_by_who_has_the_key(engine, tmp_path):
    with unlocked(Mask()):
        add(engine)
        assert number_of(engine) == NUMBER
    with engine.connect() as connection:
        kept = bytes(connection.scalar(text("SELECT number FROM broker_accounts")))
    place = b"\0\0\0\x16broker_accounts.number\0\0\0\x05paper"  # each part behind its length
    assert kept == place + b"\x00\xff" + NUMBER[::-1].encode()
    for file in tmp_path.iterdir():
        assert NUMBER.encode() not in file.read_bytes()


@pytest.mark.parametrize("names", [("real", "paper"), ("third", "fourth")])
def test_what_was_moved_to_another_row_does_not_open(engine, names):
    """The real cipher, and somebody who may write to the database and has no key."""
    move = text("UPDATE broker_accounts SET number = :number, name = :name WHERE name = :was")
    with unlocked(Cipher("accounts", {1: bytes(32)})):
        add(engine, "paper", "DU-1")
        add(engine, "real", "U-2")
        assert [number_of(engine, name) for name in ("paper", "real")] == ["DU-1", "U-2"]
        with engine.begin() as connection:
            found = connection.execute(text("SELECT name, number FROM broker_accounts")).all()
            kept = {name: bytes(number) for name, number in found}
            for was, name in zip(("paper", "real"), names, strict=True):
                there = name if name in kept else was
                connection.execute(move, {"was": there, "name": name, "number": kept[was]})
        for name in names:
            with pytest.raises(VaultError, match="was changed or moved"):
                number_of(engine, name)


def test_a_value_of_another_column_does_not_open_either():
    with unlocked(Cipher("accounts", {1: bytes(32)})):
        sealed = TOKEN.seal("anna's", row="anna")
        assert TOKEN.open(sealed, row="anna") == "anna's"
        with pytest.raises(VaultError, match="was changed or moved"):
            SECOND_FACTOR.open(sealed, row="anna")


def test_without_the_key_an_encrypted_column_is_neither_read_nor_written(engine):
    told = r"broker_accounts\.number is encrypted: unlock the vault"
    with pytest.raises(ConfigError, match=told):
        add(engine)
    with unlocked(Mask()):
        add(engine)
    with pytest.raises(ConfigError, match=told):
        number_of(engine)


def test_text_that_nobody_sealed_does_not_go_in(engine):
    with pytest.raises(StatementError) as told, engine.begin() as connection:
        connection.execute(insert(BrokerAccountRow).values(account(number=NUMBER)))
    assert NUMBER not in str(told.value)


def test_no_secret_needs_no_key(engine):
    with engine.begin() as connection:
        connection.execute(insert(BrokerAccountRow).values(account()))
        assert connection.scalar(select(BrokerAccountRow.number)) is None


def test_the_key_is_lent_for_a_block_and_no_longer(engine):
    with unlocked(Cipher("accounts", {1: bytes(32)})):
        add(engine)
        with unlocked(Mask()):
            add(engine, "other", "DU-2")
            assert number_of(engine, "other") == "DU-2"
        assert number_of(engine) == NUMBER
    with pytest.raises(ConfigError, match="unlock the vault"):
        number_of(engine)


def test_the_vaults_own_cipher_opens_what_it_sealed_before_its_keys_were_changed(engine, tmp_path):
    path, later = tmp_path / "vault", key("another passphrase")
    with unlocked(create(path).cipher("accounts")):
        add(engine, "paper", "DU-1")
    unlock(path).rotate(later, reencrypt=True)
    with unlocked(unlock(path, source=later).cipher("accounts")):
        add(engine, "real", "U-2")
        assert [number_of(engine, name) for name in ("paper", "real")] == ["DU-1", "U-2"]
    with unlocked(create(tmp_path / "other").cipher("accounts")), pytest.raises(VaultError):
        number_of(engine)


def test_what_is_sealed_does_not_show_itself():
    with unlocked(Mask()):
        assert repr(TOKEN.seal("anna's", row="anna")) == "Sealed()"


def test_a_value_is_told_in_no_error(engine):
    """SQLAlchemy would say all of them."""
    with (
        pytest.raises(OutsideError) as told,
        trouble_told(engine),
        engine.begin() as connection,
    ):
        connection.execute(text("SELECT * FROM nowhere WHERE x = :x"), {"x": NUMBER})
    assert NUMBER not in f"{told.value}{told.value.__cause__}"
