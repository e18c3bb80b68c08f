"""A series is read from now backwards, never ahead, and combines element by element."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategy.bench import bars_of, frame_of, series_of

import evenkeel as ek
from evenkeel.domain.errors import StrategyError
from evenkeel.domain.instrument import Instrument
from evenkeel.strategy.series import Series

NAN = float("nan")


def test_zero_is_now_and_minus_one_the_bar_before():
    series = series_of([10, 20, 30, 40], at=2)
    assert (series[0], series[-1], series[-2]) == (30, 20, 10)


def test_the_future_cannot_be_read():
    series = series_of([10, 20, 30], at=0)
    with pytest.raises(IndexError, match=r"\[1\] lies in the future; \[0\] is now"):
        series[1]


def test_before_the_first_bar_a_number_is_nan_and_an_answer_is_no():
    assert np.isnan(series_of([10, 20], at=0)[-1])
    assert np.isnan(series_of([10, 20], at=-1)[0])
    assert series_of([True, True], at=0)[-1] is False


@pytest.mark.parametrize(("values", "nothing"), [([10.0, 20.0], NAN), ([True, True], False)])
def test_however_often_it_is_read_too_early_it_keeps_the_last_value_to_itself(values, nothing):
    """Before place 0 comes place -1: to Python that is the last one, and here the future."""
    series = series_of(values, at=-1)
    read = [series[back] for back in (0, 0, -1, -1, 0)]
    series._frame.cursor.index = 0
    read += [series[back] for back in (-1, 0, -1, 0)]
    assert str(read) == str([nothing] * 6 + [values[0], nothing, values[0]])


def test_values_come_out_as_python_numbers():
    assert type(series_of([1.5])[0]) is float
    assert type(series_of([True])[0]) is bool


def test_a_series_moves_with_the_cursor():
    frame = frame_of(3, at=0)
    series = Series(np.array([1.0, 2.0, 3.0]), frame)
    frame.cursor.advance(1)
    assert series[0] == 2
    assert series.times[frame.cursor.index] == 1


def test_a_whole_series_is_neither_true_nor_false():
    with pytest.raises(TypeError, match=r"ask for a value: series\[0\]"):
        bool(series_of([True]))
    with pytest.raises(TypeError, match="unhashable"):
        hash(series_of([1.0]))


floats = st.one_of(st.floats(-1e6, 1e6), st.just(NAN))
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}


@pytest.mark.parametrize("name", BINARY)
@given(pairs=st.lists(st.tuples(floats, floats), min_size=1), other=floats)
def test_arithmetic_and_comparison_are_pythons_own_element_by_element(name, pairs, other):
    function = BINARY[name]
    a, b = series_of([x for x, _ in pairs]), [y for _, y in pairs]
    beside = a.derive(np.array(b))
    expected = [function(x, y) for x, y in pairs]
    np.testing.assert_array_equal(function(a, beside).values, expected)
    np.testing.assert_array_equal(function(a, other).values, [function(x, other) for x, _ in pairs])
    np.testing.assert_array_equal(function(other, a).values, [function(other, x) for x, _ in pairs])


def test_division_by_zero_is_not_an_event():
    a = series_of([1, 0, -1])
    np.testing.assert_array_equal((a / 0).values, [np.inf, NAN, -np.inf])
    np.testing.assert_array_equal((2 / a).values, [2, np.inf, -2])
    np.testing.assert_array_equal((a / a).values, [1, NAN, 1])


def test_powers():
    a = series_of([1, 2, 3])
    assert (a**2).values.tolist() == [1, 4, 9]
    assert (2**a).values.tolist() == [2, 4, 8]
    assert (a**a).values.tolist() == [1, 4, 27]
    np.testing.assert_array_equal(((-a) ** 0.5).values, [NAN] * 3)


def test_signs_and_logic():
    a, b = series_of([True, True, False, False]), None
    b = a.derive(np.array([True, False, True, False]))
    assert (-series_of([1, -2])).values.tolist() == [-1, 2]
    assert abs(series_of([1, -2])).values.tolist() == [1, 2]
    assert (a & b).values.tolist() == [True, False, False, False]
    assert (a | b).values.tolist() == [True, True, True, False]
    assert (~a).values.tolist() == [False, False, True, True]


def test_numpy_functions_give_a_series_again():
    series = series_of([1.0, np.e, 0.0, -1.0])
    logs = np.log(series)
    assert isinstance(logs, Series)
    np.testing.assert_allclose(logs.values, [0, 1, -np.inf, NAN])
    assert np.maximum(series, 1).values.tolist() == [1.0, np.e, 1.0, 1.0]


def test_numpy_reductions_say_how_to_do_it():
    with pytest.raises(StrategyError, match=r"numpy's add.reduce .* series.derive\(array\)"):
        np.add.reduce(series_of([1, 2]))
    with pytest.raises(StrategyError, match="numpy's negative"):
        np.negative(series_of([1.0]), out=np.zeros(1))


def test_numpy_reads_a_column_without_a_copy_unless_asked():
    series = series_of([1, 2])
    assert np.shares_memory(np.asarray(series), series.values)
    assert not np.shares_memory(np.array(series, copy=True), series.values)
    assert np.asarray(series, dtype=np.int64).tolist() == [1, 2]
    assert len(series) == 2


def test_a_derived_series_needs_one_value_per_bar():
    with pytest.raises(StrategyError, match=r"one value per bar: 3, was \(2,\)"):
        series_of([1, 2, 3]).derive(np.array([1, 2]))
    assert series_of([1, 2]).derive(np.array([3, 4])).values.dtype == np.float64


def test_series_of_different_bar_times_do_not_combine():
    with pytest.raises(StrategyError, match="different bar times"):
        series_of([1, 2]) + series_of([1, 2])


# ---- a longer history takes over ----


def made(frame, values):
    close = Series(np.array(values, dtype=float), frame)
    return close, close * 2


def test_each_series_takes_the_values_of_the_same_line_of_a_later_setup():
    old, new = frame_of(2), frame_of(3, keep=True)
    close, double = made(old, [1, 2])
    made(new, [10, 20, 30])
    old.take_over(new)
    assert close.values.tolist() == [10, 20, 30]
    assert double.values.tolist() == [20, 40, 60]


def test_each_series_follows_its_successor_to_another_cursor():
    """Two instruments share a cursor until one has a bar that the other lacks."""
    old, new = frame_of(3, at=2), frame_of(2, at=1)
    close, double = made(old, [1, 2, 3])
    successors = made(new, [10, 20])
    old.take_over(new)
    assert len(successors) == 2
    new.cursor.index = 0
    assert (close[0], double[0]) == (10, 20)
    assert (Series(np.array([7.0, 8.0]), old)[0], close.times.tolist()) == (7, [0, 1])


def test_what_was_read_before_is_not_read_again_from_another_history():
    """Neither its values nor, where the new one has not begun yet, the last of them."""
    old, new = frame_of(2, at=1), frame_of(3, at=-1, keep=True)
    close, double = made(old, [1, 2])
    assert (close[0], double[0], double[-1]) == (2, 4, 2)
    made(new, [10, 20, 30])
    old.take_over(new)
    assert [str(each[back]) for each in (close, double) for back in (0, -1, 0)] == ["nan"] * 6
    new.cursor.index = 0
    assert (close[0], double[0], str(double[-1])) == (10, 20, "nan")


def test_a_series_that_nobody_kept_takes_over_nothing():
    old, new = frame_of(2), frame_of(2)
    close, _ = made(old, [1, 2])
    del _
    fresh = made(new, [3, 4])
    gc.collect()
    old.take_over(new)
    assert close.values.tolist() == [3, 4]
    assert len(fresh) == 2


def test_a_successor_that_dropped_a_series_leaves_the_old_values():
    old, new = frame_of(1), frame_of(1)
    kept = made(old, [1])
    made(new, [5])
    gc.collect()
    old.take_over(new)
    assert kept[1].values.tolist() == [2]


def test_a_setup_that_depends_on_the_data_is_refused():
    old, new = frame_of(2), frame_of(2)
    made(old, [1, 2])
    Series(np.zeros(2), new)
    with pytest.raises(StrategyError, match="setup made 2 series at first and 1 on a longer"):
        old.take_over(new)


# ---- bars ----


def test_bars_know_their_instrument_times_and_count():
    frame = frame_of(3, at=1)
    bars = bars_of([10, 11, 12], instrument=Instrument("BP.XLON"), frame=frame)
    assert (len(bars), bars.count, bars.instrument.symbol) == (3, 2, "BP")
    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[-1]) == (11, 12, 10, 10)
    assert bars.volume[0] == 1000
    assert bars.closed_at.tolist() == [0, 1, 2]  # in nanoseconds, which Python writes as numbers
    assert bars.closed_at[0] == np.datetime64("1970-01-01")


# ---- after setup ----


def test_after_setup_everything_ends_with_the_newest_completed_bar():
    frame = frame_of(4, at=1)
    bars = bars_of([10, 11, 12, 13], frame=frame)
    twice = bars.close * 2
    frame.seal()
    assert bars.close.values.tolist() == np.asarray(bars.close).tolist() == [10, 11]
    assert (len(bars), len(twice), bars.count) == (2, 2, 2)
    assert bars.close.times.tolist() == bars.closed_at.tolist() == [0, 1]
    assert bars.high.values.max() == 12
    frame.cursor.index = 2
    assert (twice.values.tolist(), twice[0], twice[-2]) == ([20, 22, 24], 24, 20)
    frame.cursor.index = -1
    assert (len(bars), bars.close.values.tolist()) == (0, [])


def test_what_is_computed_on_a_bar_is_of_completed_bars_and_of_that_bar():
    frame = frame_of(4, at=2)
    bars = bars_of([10, 20, 60, 90], frame=frame)
    whole = bars.close * 1
    frame.seal()
    now = ek.sma(bars.close, 2) + whole
    assert (now[0], now[-1], len(now)) == (100, 35, 3)
    frame.cursor.index = 3
    for read in (lambda: now[0], lambda: now[-1], lambda: whole + now, lambda: now > whole):
        with pytest.raises(StrategyError, match="computed on an earlier bar and ends there"):
            read()
