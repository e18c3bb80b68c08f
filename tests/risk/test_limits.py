"""A limit card is complete and lawful, or it does not exist."""

import pickle
from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.domain.errors import ConfigError
from evenkeel.domain.money import INFINITY
from evenkeel.risk.limits import BOUNDED_ELSEWHERE, UNITS, Limits, load_limits

CARD = {
    "order_quantity_max": "500",
    "order_notional_max": "25_000",
    "price_collar_max": "0.05",
    "price_age_max_seconds": "90",
    "position_quantity_max": '"unlimited"',
    "gross_exposure_max": "100_000.0",
    "net_exposure_max": '"80000.50"',
    "concentration_max": "0.25",
    "buying_power_multiple": "1",
    "orders_per_second_max": "5",
    "orders_per_day_max": "200",
    "duplicate_window_seconds": "0.5",
    "open_orders_max": "20",
}


@pytest.fixture
def card_file(tmp_path):
    """Write a card as TOML, one key a line below a comment; changes by key, None leaves it out."""

    def write(**changes):
        lines = [f"{key} = {value}" for key, value in (CARD | changes).items() if value is not None]
        path = tmp_path / "limits.toml"
        path.write_text("\n".join(["# our card", *lines]) + "\n", encoding="utf-8")
        return path

    return write


def message_of(path):
    with pytest.raises(ConfigError) as refusal:
        load_limits(path)
    message = str(refusal.value).replace(str(path), path.name)
    assert message.count("\n") == 0
    return message


# ---- a card that is right ----


def test_a_card_is_read_exactly(card_file):
    """Whole numbers, decimals (by their shortest text) and text all become that very Decimal."""
    limits = load_limits(card_file())
    assert limits.order_quantity_max == Decimal(500)
    assert limits.price_collar_max == Decimal("0.05")
    assert limits.gross_exposure_max == Decimal(100_000)
    assert limits.net_exposure_max == Decimal("80000.5")
    assert limits.position_quantity_max == INFINITY
    assert limits.duplicate_window_seconds == Decimal("0.5")


def test_a_card_may_be_named_by_a_string_and_begin_with_a_byte_order_mark(card_file):
    path = card_file()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_limits(str(path)).open_orders_max == 20


@pytest.mark.parametrize("name", BOUNDED_ELSEWHERE)
def test_what_another_field_bounds_may_be_unlimited(card_file, name):
    limits = load_limits(card_file(**{name: '"unlimited"'}))
    assert getattr(limits, name) == INFINITY
    assert name not in limits.bounding


@pytest.mark.parametrize("name", [name for name in UNITS if name not in BOUNDED_ELSEWHERE])
def test_nothing_else_may_be_unlimited_on_a_card(card_file, name):
    message = message_of(card_file(**{name: '"unlimited"'}))
    assert message.startswith(f"limits.toml:{2 + list(UNITS).index(name)}: {name} must be a ")
    assert "was 'unlimited'" in message


def test_a_card_from_a_file_is_never_permissive(card_file):
    every = dict.fromkeys(BOUNDED_ELSEWHERE, '"unlimited"')
    limits = load_limits(card_file(**every))
    assert not limits.permissive
    assert limits.describe().startswith("complete limit card: order_quantity_max unlimited, ")
    assert "price_collar_max 0.05 of the last price" in limits.describe()


def test_zero_is_a_limit(card_file):
    limits = load_limits(card_file(open_orders_max="0", orders_per_day_max="0"))
    assert {"open_orders_max", "orders_per_day_max"} <= limits.bounding


# ---- cards that are wrong ----


def test_all_missing_keys_are_named(card_file):
    path = card_file(price_collar_max=None, open_orders_max=None)
    assert message_of(path) == (
        "limits.toml: a limit card is complete or does not exist; "
        "missing price_collar_max, open_orders_max"
    )


def test_an_unknown_key_is_named_with_its_line_and_the_one_that_was_meant(card_file):
    path = card_file(concentration_max=None, concentraton_max="0.2")
    assert message_of(path) == (
        "limits.toml:14: unknown limit 'concentraton_max'; did you mean 'concentration_max'?"
    )


@pytest.mark.parametrize("table", ["[loss]\nmax = 1", "[[loss]]\nmax = 1", '"loss".max = 1'])
def test_a_table_is_an_unknown_key(card_file, table):
    path = card_file()
    path.write_text(path.read_text() + table)
    assert message_of(path) == "limits.toml:15: unknown limit 'loss'"


def test_a_key_written_oddly_is_named_without_a_line(card_file):
    path = card_file()
    path.write_text(path.read_text() + '"lo\\u0073s" = 1')
    assert message_of(path) == "limits.toml: unknown limit 'loss'"


@pytest.mark.parametrize(
    ("name", "value", "law", "shown"),
    [
        ("order_quantity_max", "-1", "a number of at least 0", "-1"),
        ("order_notional_max", "-0.01", "a number of at least 0", "-0.01"),
        ("price_collar_max", "nan", "a number of at least 0", "nan"),
        ("price_collar_max", '"NaN"', "a number of at least 0", "'NaN'"),
        ("price_collar_max", '"sNaN"', "a number of at least 0", "'sNaN'"),
        ("price_collar_max", '"1E+9999999"', "a number of at least 0", "'1E+9999999'"),
        ("concentration_max", "true", "a number of at least 0", "True"),
        ("concentration_max", '"a fifth"', "a number of at least 0", "'a fifth'"),
        ("concentration_max", '"0,2"', "a number of at least 0", "'0,2'"),
        ("gross_exposure_max", "[1]", "a number of at least 0", "[1]"),
        ("gross_exposure_max", "-inf", "a number of at least 0", "-inf"),
        ("net_exposure_max", "{ usd = 1 }", "a number of at least 0", "{'usd': 1}"),
        ("position_quantity_max", '""', "a number of at least 0", "''"),
        ("buying_power_multiple", "inf", "a finite number of at least 0", "inf"),
        ("price_age_max_seconds", "-90", "a finite number of at least 0", "-90"),
        ("duplicate_window_seconds", "inf", "a finite number of at least 0", "inf"),
        ("orders_per_second_max", "0.5", "a whole number of at least 0", "0.5"),
        ("orders_per_day_max", '"12.5"', "a whole number of at least 0", "'12.5'"),
        ("open_orders_max", "-1", "a whole number of at least 0", "-1"),
    ],
)
def test_a_wrong_value_is_named_with_line_law_and_value(card_file, name, value, law, shown):
    line = 2 + list(CARD).index(name)
    expected = f"limits.toml:{line}: {name} must be {law}, was {shown}"
    assert message_of(card_file(**{name: value})) == expected


def test_an_infinite_number_is_no_way_around(card_file):
    assert message_of(card_file(order_notional_max="inf")) == (
        "limits.toml:3: order_notional_max must be a number, was inf; a card may leave unlimited "
        "only order_quantity_max, position_quantity_max, gross_exposure_max, net_exposure_max"
    )


def test_a_file_that_is_not_toml_says_where(card_file):
    message = message_of(card_file(price_collar_max="five percent"))
    assert message.startswith("limits file limits.toml is not TOML: ")
    assert "line 4" in message


def test_a_number_of_absurd_length_is_one_sentence_too(card_file):
    message = message_of(card_file(open_orders_max="9" * 5_000))
    assert message.startswith("limits file limits.toml is not TOML: ")


def test_a_file_that_is_not_text_or_not_there_says_so(tmp_path):
    assert "cannot be read: No such file" in message_of(tmp_path / "none.toml")
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# gr\xf6sse\n")
    assert message_of(path) == "limits file latin.toml is not UTF-8 text; save it as UTF-8"


# ---- cards made in code ----


def test_no_limit_has_a_default():
    with pytest.raises(TypeError, match="missing 13 required keyword-only arguments"):
        Limits()


def test_a_card_does_not_change():
    with pytest.raises(FrozenInstanceError):
        Limits.permissive_for_research().buying_power_multiple = Decimal(2)


def test_a_card_made_in_code_keeps_the_same_laws():
    research = Limits.permissive_for_research().as_text()
    with pytest.raises(ConfigError, match=r"order_quantity_max must be .* at least 0, was -1$"):
        Limits(**research | {"order_quantity_max": Decimal(-1)})
    with pytest.raises(ConfigError, match="open_orders_max must be a whole number"):
        Limits(**research | {"open_orders_max": 1.5})
    assert Limits(**research | {"price_collar_max": 0.1}).price_collar_max == Decimal("0.1")


def test_the_research_card_limits_nothing_but_says_so():
    limits = Limits.permissive_for_research()
    assert limits.permissive
    assert limits.describe().startswith("permissive, for research only: order_quantity_max unlim")
    assert limits.bounding == {"price_age_max_seconds", "buying_power_multiple"}
    assert limits.buying_power_multiple == 1
    assert limits.price_age_max_seconds == 31 * 86_400


WHOLE = {"orders_per_second_max", "orders_per_day_max", "open_orders_max"}
FINITE = {"price_age_max_seconds", "buying_power_multiple", "duplicate_window_seconds"}


@pytest.mark.parametrize("name", sorted(set(UNITS) - set(BOUNDED_ELSEWHERE) - FINITE))
def test_one_unlimited_field_that_nothing_else_bounds_is_permissive(card_file, name):
    limits = Limits(**load_limits(card_file()).as_text() | {name: INFINITY})
    assert limits.permissive


# ---- in the journal ----

AMOUNTS = st.decimals(0, 10**9, allow_nan=False) | st.just(INFINITY)


def lawful(name):
    if name in WHOLE:
        return st.integers(0, 10**9)
    return st.decimals(0, 10**9, places=6) if name in FINITE else AMOUNTS


@given(st.fixed_dictionaries({name: lawful(name) for name in UNITS}))
def test_a_card_reads_back_from_its_text(values):
    limits = Limits(**values)
    card = limits.as_text()
    assert list(card) == list(UNITS)
    again = Limits.from_text(card)
    assert again == limits
    assert again.as_text() == card
    assert again.bounding == limits.bounding
    assert pickle.loads(pickle.dumps(limits)) == limits  # noqa: S301  our own bytes


def test_text_that_is_no_card_is_refused():
    card = Limits.permissive_for_research().as_text()
    with pytest.raises(ConfigError, match=r"^limits: unknown limit 'loss_max'$"):
        Limits.from_text(card | {"loss_max": "1"})
    del card["open_orders_max"]
    with pytest.raises(ConfigError, match=r"missing open_orders_max$"):
        Limits.from_text(card)
