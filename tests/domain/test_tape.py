"""Nothing on the tape can be read before it closed, and a longer history moves no cursor."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.history import history

from evenkeel.domain.tape import NEVER, Cursor, Tape

A, B = "A.XNYS", "B.XNYS"
increasing = st.sets(st.integers(0, 200), max_size=40).map(sorted)


def cursor_of(times):
    return Cursor(history(A, times).closed_at.data)


@given(times=increasing, steps=st.lists(st.integers(0, 210), max_size=8).map(sorted))
def test_a_cursor_stands_on_the_last_bar_that_has_closed(times, steps):
    cursor = cursor_of(times)
    for now in steps:
        cursor.advance(now)
        closed = [each for each in times if each <= now]
        later = [each for each in times if each > now]
        assert cursor.index == len(closed) - 1
        assert cursor.next_at == (later[0] if later else NEVER)


def test_a_cursor_jumps_near_and_far():
    cursor = cursor_of(range(0, 2_000, 2))
    for now in (0, 2, 5, 120, 1_999, 2_000):
        cursor.advance(now)
        assert cursor.index == min(now // 2, 999)


def test_time_does_not_run_backwards():
    cursor = cursor_of([1, 2, 3])
    cursor.advance(3)
    cursor.advance(1)
    assert cursor.index == 2


def test_before_the_first_bar_there_is_no_price():
    tape = Tape([history(A, [5, 6])])
    tape.advance(4)
    assert (tape.index(A), tape.price(A), tape.price_at(A)) == (-1, None, None)
    assert (tape.price("C.XNYS"), tape.price_at("C.XNYS")) == (None, None)


def test_the_price_is_the_last_close_exactly():
    tape = Tape([history(A, [5, 6], closes=[102.3, 0.1])])
    tape.advance(5)
    assert (tape.price(A), tape.price_at(A), tape.now) == (Decimal("102.3"), 5, 5)
    tape.advance(99)
    assert (tape.price(A), tape.price_at(A)) == (Decimal("0.1"), 6)


def test_time_goes_with_a_cursor_that_is_walked_and_else_where_it_is_told():
    tape = Tape([history(A, [5, 7, 9])])
    cursor = tape.walk()
    cursor.index = 0
    assert tape.now == 5
    cursor.index = 1
    assert (tape.now, tape.price_at(A), tape.next_at) == (7, 7, 9)
    tape.advance(8)
    assert (tape.now, tape.index(A)) == (8, 1)
    with pytest.raises(ValueError, match="unpack"):
        Tape([history(A, [5]), history(B, [6])]).walk()


def test_prices_of_several_are_those_of_each():
    tape = Tape([history(A, [5, 6], closes=[102.3, 0.1]), history(B, [6], closes=[0.3])])
    tape.advance(5)
    assert tape.prices([B, A, "C.XNYS"]) == [None, Decimal("102.3"), None]
    assert tape.prices([A, B]) == [Decimal("102.3"), None]
    tape.advance(6)
    assert tape.prices([B, A, B]) == [Decimal("0.3"), Decimal("0.1"), Decimal("0.3")]
    assert tape.prices([A, "C.XNYS"]) == [Decimal("0.1"), None]
    assert tape.prices([]) == []


def test_instruments_with_the_same_bar_times_share_a_cursor():
    tape = Tape([history(A, [1, 2, 3]), history(B, [1, 2, 3]), history("C.XNYS", [1, 2])])
    assert tape.cursor(A) is tape.cursor(B)
    assert tape.cursor(A) is not tape.cursor("C.XNYS")
    assert len(tape.cursors) == 2


def test_another_timeline_between_them_parts_nobody():
    tape = Tape([history(A, [1, 2, 3]), history("C.XNYS", [1, 2]), history(B, [1, 2, 3])])
    assert tape.cursor(A) is tape.cursor(B)
    assert tape.cursor(A) is not tape.cursor("C.XNYS")


def test_the_tape_knows_its_next_and_last_moments():
    tape = Tape([history(A, [1, 4]), history(B, [2, 3]), history("C.XNYS", [])])
    seen = []
    while (following := tape.next_at) != NEVER:
        tape.advance(following)
        seen.append((following, tape.index(A), tape.index(B)))
    assert seen == [(1, 0, -1), (2, 0, 0), (3, 0, 1), (4, 1, 1)]
    assert tape.last_at == 4
    assert Tape([history(A, [])]).last_at == -1


@given(a=increasing, b=increasing, moment=st.integers(-1, 210))
def test_the_first_bar_of_an_instrument_after_a_moment(a, b, moment):
    tape = Tape([history(A, a), history(B, b)])
    later = [each for each in a if each > moment]
    assert tape.first_bar_after(A, moment) == min(later, default=NEVER)


def test_a_session_closes_after_a_moment_and_not_at_it():
    tape = Tape([history(A, [1, 2], session_closes=[10, 20])])
    assert [tape.session_close_after(A, moment) for moment in (9, 10, 19, 20)] == [
        10,
        20,
        20,
        NEVER,
    ]


# ---- growing ----


def test_a_longer_history_leaves_the_cursor_where_it_stands():
    tape = Tape([history(A, [1, 2])])
    tape.advance(2)
    cursor = tape.cursor(A)
    tape.extend([history(A, [1, 2, 3])])
    assert tape.cursor(A) is cursor
    assert (tape.index(A), tape.next_at) == (1, 3)
    tape.advance(3)
    assert tape.index(A) == 2


def test_a_new_instrument_joins_at_the_present():
    tape = Tape([history(A, [1, 2, 3])])
    tape.advance(2)
    tape.extend([history(B, [1, 3])])
    assert (tape.index(B), tape.next_at) == (0, 3)


def test_two_that_shared_a_cursor_part_when_only_one_has_news():
    tape = Tape([history(A, [1, 2]), history(B, [1, 2])])
    tape.advance(2)
    tape.extend([history(A, [1, 2, 3])])
    tape.advance(3)
    assert (tape.index(A), tape.index(B)) == (2, 1)
    assert tape.price_at(B) == 2


@pytest.mark.parametrize("order", [(A, B), (B, A)])
def test_whoever_has_news_first_both_stand_at_the_present_afterwards(order):
    tape = Tape([history(A, [1, 2]), history(B, [1, 2])])
    tape.advance(2)
    for name in order:
        tape.extend([history(name, [1, 2, 3])])
        tape.advance(3)
    assert (tape.index(A), tape.index(B)) == (2, 2)
