"""One instrument, read three times: as held, as expected and at the worst."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from evenkeel.domain.portfolio import Reading

D = Decimal
quantities = st.decimals("0", "1e6", places=2)


def test_the_three_readings_of_a_position_with_orders_on_both_sides():
    reading = Reading(held=D(10), buying=D(4), selling=D(25))
    assert (reading.expected, reading.worst_long, reading.worst_short) == (-11, 14, -15)


def test_nothing_held_and_nothing_working_is_zero_everywhere():
    empty = Reading()
    assert (empty.expected, empty.worst_long, empty.worst_short) == (0, 0, 0)
    assert (empty.buying_value, empty.selling_value) == (0, 0)


@given(st.decimals("-1e6", "1e6", places=2), quantities, quantities)
def test_what_is_expected_lies_between_the_worst_cases(held, buying, selling):
    reading = Reading(held, buying, selling)
    assert reading.worst_short <= reading.expected <= reading.worst_long
    assert reading.worst_short <= reading.held <= reading.worst_long
