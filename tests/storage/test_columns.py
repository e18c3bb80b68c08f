"""What goes into a column comes out again, digit for digit; what is secret is not seen on the disk."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import StatementError
from tests.storage.filled import NUMBER, Mask

from evenkeel.domain.errors import ConfigError, OutsideError
from evenkeel.storage.columns import unlocked
from evenkeel.storage.engine import open_engine, take_write_lock, trouble_told
from evenkeel.storage.tables import AccountRow, InstrumentRow

D = Decimal


@pytest.fixture
def engine(any_database):
    engine = open_engine(any_database)
    yield engine
    engine.dispose()


def there_and_back(engine, tick):
    row = {"id": "A.XNAS", "name": "", "currency": "USD", "lot": D(1), "multiplier": D(1)}
    with engine.connect() as connection:
        take_write_lock(connection)
        connection.execute(insert(InstrumentRow).values(**row, tick=tick, tradable=True))
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


ACCOUNT = {"name": "paper", "broker": "ib", "number": NUMBER, "currency": "USD", "opened_at": 1}


def test_an_account_number_is_read_by_who_has_the_key(engine, tmp_path):
    with unlocked(Mask()), engine.begin() as connection:
        take_write_lock(connection)
        connection.execute(insert(AccountRow).values(ACCOUNT))
        assert connection.scalar(select(AccountRow.number)) == NUMBER
    with engine.connect() as connection:
        kept = bytes(connection.scalar(text("SELECT number FROM accounts")))
    assert kept == b"accounts.number\x00\xff" + NUMBER[::-1].encode()
    for file in tmp_path.iterdir():
        assert NUMBER.encode() not in file.read_bytes()


def test_without_the_key_an_encrypted_column_is_neither_read_nor_written(engine):
    with (
        pytest.raises(ConfigError, match=r"accounts\.number is encrypted: unlock the vault"),
        trouble_told(engine),
        engine.begin() as connection,
    ):
        connection.execute(insert(AccountRow).values(ACCOUNT))
    with unlocked(Mask()), engine.begin() as connection:
        connection.execute(insert(AccountRow).values(ACCOUNT))
    with (
        pytest.raises(ConfigError, match="unlock the vault"),
        trouble_told(engine),
        engine.connect() as connection,
    ):
        connection.execute(select(AccountRow.number)).one()


def test_no_secret_needs_no_key(engine):
    with engine.begin() as connection:
        connection.execute(insert(AccountRow).values(ACCOUNT | {"number": None}))
        assert connection.scalar(select(AccountRow.number)) is None


def test_the_key_is_lent_for_a_block_and_no_longer(engine):
    one, other = Mask(), Mask()
    with unlocked(one), engine.begin() as connection:
        connection.execute(insert(AccountRow).values(ACCOUNT))
        with unlocked(other):
            connection.execute(update(AccountRow).values(number="DU-2"))
        assert connection.scalar(select(AccountRow.number)) == "DU-2"
    with pytest.raises(StatementError) as told, engine.begin() as connection:
        connection.execute(update(AccountRow).values(number="DU-3"))
    assert "DU-3" not in str(told.value)


def test_a_value_is_told_in_no_error(engine):
    """SQLAlchemy would say all of them."""
    with (
        pytest.raises(OutsideError) as told,
        trouble_told(engine),
        engine.begin() as connection,
    ):
        connection.execute(text("SELECT * FROM nowhere WHERE x = :x"), {"x": NUMBER})
    assert NUMBER not in f"{told.value}{told.value.__cause__}"
