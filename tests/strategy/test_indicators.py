"""Indicators agree with published tables and slow plain references, and never change the past."""

import itertools
import math
import subprocess
import sys
import time
from statistics import pstdev

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.strategy.bench import ACME, bars_of, frame_of, series_of

import evenkeel as ek
from evenkeel.domain.errors import StrategyError
from evenkeel.strategy import indicators
from evenkeel.strategy.series import BarSeries, Series

NAN = float("nan")

# ---- slow plain references, from the definitions ----


def plain_sma(values, n):
    return [
        NAN if i < n - 1 else math.fsum(values[i - n + 1 : i + 1]) / n for i in range(len(values))
    ]


def plain_ema(values, n):
    out = [NAN] * len(values)
    for i in range(n - 1, len(values)):
        seed = math.fsum(values[:n]) / n
        out[i] = seed if i == n - 1 else out[i - 1] + 2 / (n + 1) * (values[i] - out[i - 1])
    return out


def wilder(terms, n):
    """Smoothed as Wilder did: the plain mean of the first n, then 1/n of what is new."""
    out = [math.fsum(terms[:n]) / n]
    for term in terms[n:]:
        out.append((out[-1] * (n - 1) + term) / n)
    return out


def plain_rsi(values, n):
    if len(values) <= n:
        return [NAN] * len(values)
    changes = [b - a for a, b in itertools.pairwise(values)]
    ups = wilder([max(each, 0.0) for each in changes], n)
    downs = wilder([max(-each, 0.0) for each in changes], n)
    rest = [
        100 * up / (up + down) if up + down else 0.0 for up, down in zip(ups, downs, strict=True)
    ]
    return [NAN] * n + rest


def plain_atr(bars, n):
    high, low, close = (each.values.tolist() for each in (bars.high, bars.low, bars.close))
    ranges = [max(high[i], close[i - 1]) - min(low[i], close[i - 1]) for i in range(1, len(close))]
    return [NAN] * len(close) if len(close) <= n else [NAN] * n + wilder(ranges, n)


def plain_rolling(choose):
    return lambda values, n: [
        NAN if i < n - 1 else choose(values[i - n + 1 : i + 1]) for i in range(len(values))
    ]


PLAIN = {
    "sma": plain_sma,
    "ema": plain_ema,
    "rsi": plain_rsi,
    "rolling_max": plain_rolling(max),
    "rolling_min": plain_rolling(min),
    "rolling_std": plain_rolling(pstdev),
}
LEAST = {"rsi": 2, "rolling_std": 2}


def same(actual, expected, *, scale=1.0):
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * scale, equal_nan=True)


prices = st.lists(st.floats(0.01, 1000).map(lambda price: round(price, 2)), min_size=0, max_size=60)


@pytest.mark.parametrize("name", PLAIN)
@given(values=prices, n=st.integers(1, 20))
def test_an_indicator_equals_its_definition(name, values, n):
    n = max(n, LEAST.get(name, 1))
    same(getattr(ek, name)(series_of(values), n).values, PLAIN[name](values, n), scale=1000)


@given(values=prices, n=st.integers(1, 20))
def test_atr_equals_its_definition(values, n):
    bars = bars_of(values, spread=0.7)
    same(ek.atr(bars, n).values, plain_atr(bars, n), scale=1000)


# ---- published values ----


def test_rsi_gives_the_table_that_stockcharts_publishes():
    """ChartSchool, "Relative Strength Index", the spreadsheet on QQQQ, 14 days."""
    closes = [
        *(44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433),
        *(46.0826, 45.8931, 46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116),
        *(46.2222, 45.6439, 46.2122, 46.2521, 45.7137, 46.4515, 45.7835, 45.3548, 44.0288),
        *(44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314),
    ]
    table = [
        *(70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42),
        *(39.99, 41.46, 41.87, 45.46, 37.30, 33.08, 37.77),
    ]
    values = ek.rsi(series_of(closes)).values
    assert np.isnan(values[:14]).all()
    np.testing.assert_allclose(values[14:], table, atol=0.011)


def test_sma_and_ema_give_the_table_that_stockcharts_publishes():
    """ChartSchool, "Moving Averages", the spreadsheet on Intel, 10 days."""
    closes = [
        *(22.27, 22.19, 22.08, 22.17, 22.18, 22.13, 22.23, 22.43, 22.24, 22.29, 22.15, 22.39),
        *(22.38, 22.61, 23.36, 24.05, 23.75, 23.83, 23.95, 23.63, 23.82, 23.87, 23.65, 23.19),
        *(23.10, 23.33, 22.68, 23.10, 22.40, 22.17),
    ]
    simple = [
        *(22.22, 22.21, 22.23, 22.26, 22.31, 22.42, 22.61, 22.77, 22.91, 23.08, 23.21, 23.38),
        *(23.53, 23.65, 23.71, 23.69, 23.61, 23.51, 23.43, 23.28, 23.13),
    ]
    exponential = [
        *(22.22, 22.21, 22.24, 22.27, 22.33, 22.52, 22.80, 22.97, 23.13, 23.28, 23.34, 23.43),
        *(23.51, 23.54, 23.47, 23.40, 23.39, 23.26, 23.23, 23.08, 22.92),
    ]
    np.testing.assert_allclose(ek.sma(series_of(closes), 10).values[9:], simple, atol=0.0101)
    np.testing.assert_allclose(ek.ema(series_of(closes), 10).values[9:], exponential, atol=0.0101)


def test_rsi_at_its_ends():
    assert ek.rsi(series_of([1, 2, 3, 4]), 2)[0] == 100
    assert ek.rsi(series_of([4, 3, 2, 1]), 2)[0] == 0
    assert ek.rsi(series_of([2, 2, 2, 2]), 2)[0] == 0


# ---- the past does not change ----

holes = st.lists(
    st.one_of(st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.just(NAN), st.just(math.inf)),
    min_size=1,
    max_size=80,
)


def bits(array):
    return np.isnan(array).tobytes(), np.where(np.isnan(array), 0.0, array).tobytes()


ON_SERIES = {name: getattr(ek, name) for name in PLAIN} | {
    "crossed_above": lambda series, n: ek.crossed_above(series, ek.sma(series, n)),
    "crossed_below": lambda series, n: ek.crossed_below(series, ek.ema(series, n)),
    "stacked": lambda series, n: ek.sma(ek.rsi(series, n), n),
}


@pytest.mark.uncounted
@pytest.mark.parametrize("name", ON_SERIES)
@given(values=holes, n=st.integers(2, 12), data=st.data())
def test_a_longer_history_changes_no_earlier_value_to_the_last_bit(name, values, n, data):
    cut = data.draw(st.integers(1, len(values)))
    whole = ON_SERIES[name](series_of(values), n).values
    part = ON_SERIES[name](series_of(values[:cut]), n).values
    assert bits(whole[:cut]) == bits(part)


@given(values=holes, n=st.integers(1, 12), data=st.data())
def test_a_longer_history_changes_no_earlier_range(values, n, data):
    cut = data.draw(st.integers(1, len(values)))
    whole, part = ek.atr(bars_of(values), n).values, ek.atr(bars_of(values[:cut]), n).values
    assert bits(whole[:cut]) == bits(part)


def test_a_long_history_changes_no_earlier_value_either(rng):
    """Vectorised code would treat the ends of long arrays in another way."""
    walk = np.abs(rng.normal(size=5_000).cumsum()) + 50
    for name, function in ON_SERIES.items():
        whole = function(series_of(walk), 14).values
        for cut in (16, 31, 1_023, 4_097, 4_999):
            part = function(series_of(walk[:cut]), 14).values
            assert bits(whole[:cut]) == bits(part), f"{name} at {cut}"


@pytest.fixture
def rng():
    return np.random.default_rng(42)


# ---- what is not a number ----


@pytest.mark.parametrize("name", PLAIN)
@given(before=st.integers(0, 5), after=st.integers(0, 9), n=st.integers(2, 4))
@example(before=0, after=0, n=2)
def test_leading_gaps_are_skipped_and_a_hole_ends_it(name, before, after, n):
    """The stretch in front of the hole reads as if it stood alone."""
    stretch = [5.0, 7.0, 6.0, 8.0, 4.0, 9.0]
    rest = [NAN, *([3.0] * after)]
    actual = getattr(ek, name)(series_of([NAN] * before + stretch + rest), n).values
    assert np.isnan(actual[:before]).all()
    assert np.isnan(actual[before + len(stretch) :]).all()
    same(actual[before : before + len(stretch)], PLAIN[name](stretch, n))


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("values", [[], [NAN], [NAN, NAN, NAN], [1.0, 2.0], [NAN, 1.0]])
def test_too_little_history_is_warm_up_on_every_bar(name, values):
    actual = getattr(ek, name)(series_of(values), 3).values
    assert len(actual) == len(values)
    assert np.isnan(actual).all()


def test_atr_waits_until_high_low_and_close_are_all_there():
    bars = bars_of([10.0, 11, 12, 13, 14, 15])
    bars.high.values[0] = bars.low.values[4] = NAN
    assert np.isnan(ek.atr(bars, 2).values).tolist() == [True, True, True, False, True, True]


def test_an_indicator_leaves_its_input_alone():
    series = series_of([3, 1, 2])
    for name in PLAIN:
        result = getattr(ek, name)(series, LEAST.get(name, 1)).values
        assert not np.shares_memory(result, series.values)
    assert series.values.tolist() == [3, 1, 2]


def test_a_series_of_yes_and_no_can_be_averaged():
    assert ek.sma(series_of([True, False, True, True]), 2).values.tolist()[1:] == [0.5, 0.5, 1.0]


# ---- crossings ----


def test_a_crossing_is_the_bar_that_leaves_the_other_side():
    a, b = series_of([1, 2, 3, 3, 2, 1, 3]), 2
    assert ek.crossed_above(a, b).values.tolist() == [0, 0, 1, 0, 0, 0, 1]
    assert ek.crossed_below(a, b).values.tolist() == [0, 0, 0, 0, 0, 1, 0]


def test_nothing_has_crossed_on_the_first_bar_or_beside_a_gap():
    a = series_of([9, NAN, 9, 1, NAN, 9])
    assert ek.crossed_above(a, 5).values.tolist() == [False] * 6
    assert ek.crossed_below(a, 5).values.tolist() == [0, 0, 0, 1, 0, 0]
    assert ek.crossed_above(series_of([]), 5).values.tolist() == []


@given(values=holes, level=st.floats(1, 1e6))
def test_crossings_equal_their_definition(values, level):
    pairs = list(zip([NAN, *values], values, strict=False))
    series = series_of(values)
    above = [before <= level < now for before, now in pairs]
    below = [before >= level > now for before, now in pairs]
    assert ek.crossed_above(series, level).values.tolist() == above
    assert ek.crossed_below(series, level).values.tolist() == below
    assert ek.crossed_below(series.derive(np.full(len(values), level)), series).values.tolist() == [
        level >= before and level < now and i > 0 for i, (before, now) in enumerate(pairs)
    ]


def test_two_timelines_do_not_cross():
    with pytest.raises(StrategyError, match="different bar times"):
        ek.crossed_above(series_of([1, 2]), series_of([2, 1]))


# ---- errors ----


@pytest.mark.parametrize("n", [0, -1, 2.5, "20", True, None, 100_001])
@pytest.mark.parametrize("name", [*PLAIN, "atr"])
def test_a_window_that_is_no_window_states_the_law_and_the_value(name, n):
    source = bars_of([1, 2, 3]) if name == "atr" else series_of([1, 2, 3])
    least = LEAST.get(name, 1)
    with pytest.raises(
        StrategyError, match=f"^{name}: n must be a whole number from {least} to 100000, was {n!r}$"
    ):
        getattr(ek, name)(source, n)


def test_rsi_needs_two_bars():
    with pytest.raises(StrategyError, match=r"rsi: n must be a whole number from 2 to .*, was 1$"):
        ek.rsi(series_of([1, 2, 3]), 1)


def test_a_numpy_whole_number_is_a_window():
    assert ek.sma(series_of([1, 2, 3]), np.int64(3))[0] == 2


def test_the_wrong_input_says_what_is_taken():
    bars = bars_of([1, 2, 3])
    with pytest.raises(StrategyError, match=r"sma takes a series, such as bars.close, was BarSer"):
        ek.sma(bars, 2)
    with pytest.raises(StrategyError, match=r"atr takes bars .*, was Series"):
        ek.atr(bars.close, 2)
    with pytest.raises(StrategyError, match=r"crossed_above takes a series, .*, was 30"):
        ek.crossed_above(30, bars.close)
    with pytest.raises(StrategyError, match=r"crossed_below compares .* number, was '30'"):
        ek.crossed_below(bars.close, "30")


# ---- speed, accuracy, and what is loaded ----


def test_a_running_mean_stays_near_the_exact_one_on_a_million_bars(rng):
    walk = np.abs(100 + rng.normal(size=1_000_000).cumsum() * 0.1) + 0.01
    mean = ek.sma(series_of(walk), 50).values
    places = [*range(49, 1_000_000, 9_973), *range(999_900, 1_000_000)]
    exact = np.array([math.fsum(walk[i - 49 : i + 1]) / 50 for i in places])
    assert np.max(np.abs(mean[places] - exact)) < 1e-12 * walk.max()


def test_a_million_bars_are_averaged_in_a_few_milliseconds(rng):
    """About 2 ms; the law allows for a machine that is busy with something else."""
    series = series_of(rng.normal(100, 1, 1_000_000))
    ek.sma(series, 50)
    best = math.inf
    for _ in range(7):
        begun = time.perf_counter()
        ek.sma(series, 50)
        best = min(best, time.perf_counter() - begun)
    assert best < 0.015


PROBE = """
import sys
import numpy as np
{first}
import evenkeel as ek
from evenkeel.domain.tape import Cursor
from evenkeel.strategy.series import Frame, Series
values = np.arange(5.0)
series = Series(values, Frame(Cursor(np.arange(5).data)))
assert ek.sma(series, 2).values[-1] == 3.5
{then}
"""


def python(first="", then=""):
    subprocess.run([sys.executable, "-c", PROBE.format(first=first, then=then)], check=True)


def test_an_indicator_imports_neither_pandas_nor_polars():
    python(then="assert not {'pandas', 'polars', 'talib'} & set(sys.modules), sorted(sys.modules)")


def test_pandas_and_ta_lib_can_still_be_imported_afterwards():
    python(
        then="import pandas, talib; "
        "assert talib.SMA(pandas.Series(values), timeperiod=2).iloc[-1] == 3.5"
    )


def test_an_author_who_uses_ta_lib_too_shares_it():
    python(
        first="import talib",
        then="from evenkeel.strategy.indicators import _ta_lib; "
        "assert _ta_lib() is sys.modules['talib._ta_lib']",
    )


def test_pandas_that_is_there_already_stays(monkeypatch):
    python(first="import pandas", then="assert sys.modules['pandas'] is pandas")


def test_without_ta_lib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "talib._ta_lib", raising=False)
    monkeypatch.setattr(indicators, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install TA-Lib"):
        indicators._ta_lib.__wrapped__()


def test_the_result_stands_on_the_timeline_of_its_input():
    frame = frame_of(4, at=2)
    bars = bars_of([10, 12, 14, 99], frame=frame)
    mean, width = ek.sma(bars.close, 2), ek.atr(bars, 1)
    assert isinstance(bars, BarSeries)
    assert isinstance(mean, Series)
    assert bars.instrument is ACME
    assert (mean[0], mean[-1], width[0]) == (13, 11, 3)
