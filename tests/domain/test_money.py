"""A float becomes the decimal that the data file said, and never anything else."""

import math
from decimal import Decimal, InvalidOperation, Overflow, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evenkeel.domain.money import (
    EXACT,
    exact,
    floats_of,
    minus,
    plus,
    round_down,
    round_up,
    shortest_of,
    text,
)

D = Decimal


@pytest.mark.parametrize(
    ("value", "decimal"),
    [
        (102.3, "102.3"),
        (0.1 + 0.2, "0.30000000000000004"),
        (np.float64(44.1), "44.1"),
        (5.0, "5.0"),
        ("1.10", "1.10"),
        (7, "7"),
        (D("2.50"), "2.50"),
        (1e-7, "1E-7"),
    ],
)
def test_exact_reads_a_number_as_it_is_written(value, decimal):
    assert str(exact(value)) == decimal


@given(st.floats(allow_nan=False))
def test_a_float_survives_the_way_there_and_back(value):
    assert float(exact(value)) == value


@given(st.lists(st.floats()))
@example([5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 9007199254740993.0, 1e22, 1e-5])
@example([0.0, -0.0, 102.3, 0.1 + 0.2, 1.0, math.inf, -math.inf, math.nan])
def test_many_floats_are_written_as_each_is(values):
    assert list(map(str, shortest_of(values))) == [str(Decimal(repr(value))) for value in values]


def halves(value):
    """What lies half-way to the next float, and just beside."""
    middle = EXACT.divide(EXACT.add(D(value), D(math.nextafter(value, math.inf))), D(2))
    return [EXACT.add(middle, D(away)) for away in ("-1e-45", "0", "1e-45")]


@given(
    st.lists(st.integers() | st.decimals(-(10**30), 10**30, allow_nan=False)),
    st.lists(st.floats(1, 1e9)),
)
@example([2**64, 9007199254740993, D("1e-400"), D("1E+22"), D("0E+5"), D("-0.00")], [998_841.5])
def test_many_amounts_become_the_floats_that_each_becomes(amounts, near):
    amounts += [each for value in near for each in halves(value)]
    assert floats_of(amounts) == list(map(float, amounts))


quantities = st.one_of(st.integers(-(10**6), 10**6), st.decimals(-(10**6), 10**6, places=8))


@given(quantities, quantities)
def test_quantities_are_added_exactly_in_any_context(one, other):
    with localcontext(prec=3):
        more, less = plus(one, other), minus(one, other)
    assert Fraction(more) == Fraction(one) + Fraction(other)
    assert Fraction(less) == Fraction(one) - Fraction(other)
    assert (type(more) is int) is (type(less) is int) is (type(one) is type(other) is int)


@pytest.mark.parametrize("words", ["", "ten", "1,5"])
def test_what_is_not_a_number_is_not_made_one(words):
    with pytest.raises(InvalidOperation):
        exact(words)


@pytest.mark.parametrize(
    ("value", "step", "below", "above"),
    [
        ("1.234", "0.01", "1.23", "1.24"),
        ("-1.234", "0.01", "-1.24", "-1.23"),
        ("1.20", "0.05", "1.20", "1.20"),
        ("1.23", "0.05", "1.20", "1.25"),
        ("7", "5", "5", "10"),
        ("0", "0.01", "0", "0"),
    ],
)
def test_rounding_goes_to_the_neighbours_on_the_grid(value, step, below, above):
    assert round_down(D(value), D(step)) == D(below)
    assert round_up(D(value), D(step)) == D(above)


amounts = st.decimals("-1e9", "1e9", places=6)
steps = st.sampled_from([D("0.0001"), D("0.01"), D("0.05"), D("0.25"), D(1), D(100)])


@given(amounts, steps)
def test_rounding_never_leaves_the_step(value, step):
    low, high = round_down(value, step), round_up(value, step)
    assert low <= value <= high
    assert high - low in (0, step)
    assert low % step == high % step == 0


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("1.50", "1.5"),
        ("100", "100"),
        ("100.00", "100"),
        ("1E+3", "1000"),
        ("1E-7", "0.0000001"),
        ("-0.00", "0"),
        ("0E+5", "0"),
        ("-2.30", "-2.3"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("NaN", "NaN"),
    ],
)
def test_an_amount_has_one_text(value, canonical):
    assert text(D(value)) == canonical


@given(amounts)
def test_the_text_of_an_amount_reads_back_as_the_amount(value):
    assert D(text(value)) == value
    assert "E" not in text(value)


def test_the_exact_context_refuses_to_guess():
    product = EXACT.multiply(D("123456789012345678.12345678"), D("987654321.12345678"))
    assert Fraction(product) == Fraction("123456789012345678.12345678") * Fraction(
        "987654321.12345678"
    )
    with pytest.raises(InvalidOperation):
        EXACT.divide(D(0), D(0))
    with pytest.raises(ZeroDivisionError):
        EXACT.divide(D(1), D(0))
    with pytest.raises(Overflow):
        EXACT.multiply(D("1e999999"), D(10))
