"""Performance figures against hand-worked cases and against plain Python."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.story import DAY, FIRST

from evenkeel.reports import metrics

EQUITY = np.array([100.0, 110.0, 99.0, 108.9])
"""Returns +10 %, -10 %, +10 %: mean 1/30, s² = 1/75, downside² = 1/300."""


def test_returns_are_simple():
    assert metrics.simple_returns(EQUITY) == pytest.approx([0.1, -0.1, 0.1])


def test_figures_of_three_returns_worked_by_hand():
    figures = metrics.performance(EQUITY, start=100.0, periods=252)
    assert figures == pytest.approx(
        {
            "total_return": 0.089,
            "cagr": 1.089**84 - 1,
            "volatility": math.sqrt(252 / 75),
            "sharpe": math.sqrt(21),  # (1/30) / sqrt(1/75) x sqrt(252)
            "sortino": math.sqrt(84),  # (1/30) / sqrt(1/300) x sqrt(252)
        }
    )


def test_five_percent_twice_over_two_years_is_five_percent_a_year():
    assert metrics.cagr(start=100, end=110.25, count=504, periods=252) == pytest.approx(0.05)


returns = st.lists(st.floats(-0.5, 0.5).map(lambda r: round(r, 4)), min_size=2, max_size=40)


@given(returns)
def test_ratios_are_those_of_plain_python(drawn):
    column = np.array(drawn)
    spread, mean = statistics.stdev(drawn), statistics.fmean(drawn)
    down = math.sqrt(sum(min(r, 0) ** 2 for r in drawn) / len(drawn))
    assert metrics.volatility(column, 365) == pytest.approx(spread * math.sqrt(365))
    if spread > 1e-9:
        assert metrics.sharpe(column, 365) == pytest.approx(mean / spread * math.sqrt(365))
    if down:
        assert metrics.sortino(column, 365) == pytest.approx(mean / down * math.sqrt(365))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30))
def test_drawdown_is_measured_from_the_highest_before(drawn):
    expected = [value / max(drawn[: i + 1]) - 1 for i, value in enumerate(drawn)]
    assert metrics.drawdown(np.array(drawn, dtype=float)) == pytest.approx(expected)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30))
def test_the_deepest_drawdown_is_the_lowest_of_all(drawn):
    equity = np.array(drawn, dtype=float)
    expected = float(np.min(metrics.drawdown(equity)))
    assert metrics.max_drawdown(equity) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


def test_what_began_with_nothing_has_no_deepest_drawdown():
    assert math.isnan(metrics.max_drawdown(np.array([0.0, 2.0, 1.0])))
    assert metrics.max_drawdown(np.array([1.0, 2.0, 3.0])) == 0.0
    assert metrics.max_drawdown(np.array([2.0, 1.0, 4.0, 3.0])) == -0.5


@given(returns)
def test_mean_and_deviation_are_numpys_to_the_last_bit(drawn):
    column, year = np.array(drawn), math.sqrt(252)
    assert metrics.volatility(column, 252) == float(np.std(column, ddof=1)) * year
    if np.std(column) > 1e-9:
        expected = float(np.mean(column)) / float(np.std(column, ddof=1)) * year
        assert metrics.sharpe(column, 252) == expected


def test_the_longest_drawdown_runs_from_a_peak_to_its_return():
    times = FIRST + np.array([0, 1, 2, 3, 4, 9]) * DAY
    at_peak_again = np.array([5.0, 4.0, 4.0, 5.0, 6.0, 6.0])
    assert metrics.longest_drawdown_days(times, at_peak_again) == 3
    never_again = np.array([6.0, 6.0, 5.0, 4.0, 4.0, 5.0])
    assert metrics.longest_drawdown_days(times, never_again) == 8  # from day 1 to the end, day 9
    assert metrics.longest_drawdown_days(times, np.array([1.0, 2, 3, 4, 5, 6])) == 0


def test_what_cannot_be_said_is_not_a_number():
    one = np.array([0.1])
    still = np.zeros(5)
    for undefined in (
        metrics.volatility(one, 252),
        metrics.sharpe(one, 252),
        metrics.sharpe(still, 252),
        metrics.sortino(still, 252),
        metrics.sortino(np.array([]), 252),
        metrics.cagr(start=1, end=2, count=0, periods=252),
        metrics.cagr(start=0, end=2, count=5, periods=252),
        metrics.cagr(start=1, end=1e9, count=1, periods=252),
        metrics.win_rate([]),
        metrics.profit_factor([5.0]),
        metrics.turnover(5.0, equity=EQUITY, count=0, periods=252),
    ):
        assert math.isnan(undefined)


def test_who_loses_everything_has_lost_everything():
    assert metrics.cagr(start=100, end=-5, count=10, periods=252) == -1.0
    assert np.isnan(metrics.simple_returns(np.array([1.0, -1.0, 5.0]))[1])


def test_winners_and_losers():
    profits = [30.0, -10.0, 0.0, -5.0]
    assert metrics.win_rate(profits) == 0.25
    assert metrics.profit_factor(profits) == 2.0


def test_buying_and_selling_the_whole_account_once_a_year_turns_it_over_once():
    equity = np.full(253, 500.0)
    assert metrics.turnover(1000.0, equity=equity, count=252, periods=252) == 1.0


def hours(*at):
    return np.array(at, dtype=np.int64) * (DAY // 24)


def test_daily_bars_are_their_own_session_points():
    times = hours(21, 45, 69)
    assert metrics.session_points(times, times).tolist() == [0, 1, 2]


def test_intraday_bars_give_the_first_bar_and_each_session_close():
    times = hours(15, 16, 21, 39, 40, 45)
    assert metrics.session_points(times, hours(21, 45, 69)).tolist() == [0, 2, 5]


def test_two_exchanges_that_close_on_one_day_make_one_session():
    times = hours(16, 21, 40, 45)
    assert metrics.session_points(times, hours(16, 21, 40, 45)).tolist() == [0, 1, 3]


def test_midnight_ends_the_day_that_it_follows():
    times = hours(21, 24, 45, 48)
    assert metrics.session_points(times, hours(21, 24, 45, 48)).tolist() == [0, 1, 3]


def test_a_session_without_a_bar_counts_and_returns_nothing():
    assert metrics.session_points(hours(21, 69), hours(21, 45, 69)).tolist() == [0, 0, 1]


def test_bars_behind_the_last_close_end_a_session_of_their_own():
    assert metrics.session_points(hours(21, 45, 50), hours(21, 45)).tolist() == [0, 1, 2]


def test_one_bar_and_no_close_is_one_point():
    assert metrics.session_points(hours(3), hours(21)).tolist() == [0]
