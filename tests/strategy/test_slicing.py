"""A large order in pieces, against Almgren and Chriss (2000) and against every other way of cutting."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evenkeel as ek
from evenkeel.domain.errors import StrategyError
from evenkeel.strategy.slicing import optimal_slices

# The paper's example: a million shares at 50, five days, 30 % a year of volatility, a spread of 1/8,
# five million shares a day of volume.
PAPER = {
    "quantity": 1e6, "time": 5, "intervals": 5, "sigma": 0.95,
    "eta": 2.5e-6, "gamma": 2.5e-7, "spread": 0.0625,
}  # fmt: skip


def told(trades, *, time, intervals, sigma, eta, gamma, spread, quantity):
    """Cost and variance of any way of cutting, step by step as the paper's section 1 has it."""
    tau, left, price, cost, variance = time / intervals, quantity, 0.0, 0.0, 0.0
    for each in trades:
        cost += each * (-price + spread * math.copysign(1, each) + eta * each / tau)
        price -= gamma * each
        left -= each
        variance += sigma**2 * tau * left**2
    return cost, variance


def test_the_urgency_of_the_papers_example():
    """0.607 a day, which the paper rounds to 0.61: its trader would take 1.6 days for two thirds."""
    assert optimal_slices(**PAPER, aversion=1e-6).kappa == pytest.approx(0.607, abs=5e-4)


def test_who_minds_no_risk_trades_evenly():
    """The paper's E and V of the naive strategy: 662,500 dollars, and 1.083e12 squared."""
    made = ek.optimal_slices(**PAPER)
    assert made.trades == pytest.approx([2e5] * 5)
    assert made.cost == pytest.approx(662_500)
    assert made.risk**2 == pytest.approx(1.083e12)


def test_who_minds_risk_trades_first_and_pays_for_it():
    calm, keen = (optimal_slices(**PAPER, aversion=each) for each in (1e-7, 1e-5))
    assert keen.trades == tuple(sorted(keen.trades, reverse=True))
    assert keen.cost > calm.cost
    assert keen.risk < calm.risk


def test_the_utmost_haste_is_one_trade():
    made = optimal_slices(**PAPER, aversion=1e300)
    assert made.trades == pytest.approx([1e6, 0, 0, 0, 0])
    assert made.risk == pytest.approx(0, abs=1e-6)


@given(
    st.floats(0, 1e-4),
    st.integers(2, 12),
    st.integers(0, 11),
    st.integers(0, 11),
    st.floats(-1e5, 1e5),
)
def test_no_other_way_of_cutting_is_better(aversion, intervals, one, other, moved):
    """Whatever is moved from one interval into another: cost + aversion x variance does not fall."""
    terms = {**PAPER, "intervals": intervals}
    made = optimal_slices(**terms, aversion=aversion)
    cost, variance = told(made.trades, **terms)
    assert cost == pytest.approx(made.cost)
    assert variance == pytest.approx(made.risk**2, abs=1e-3)
    changed = list(made.trades)
    changed[one % intervals] += moved
    changed[other % intervals] -= moved
    if min(changed) >= 0:
        dearer, riskier = told(changed, **terms)
        assert dearer + aversion * riskier >= (cost + aversion * variance) * (1 - 1e-9)
    assert math.fsum(made.trades) == pytest.approx(1e6)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"quantity": 0}, "a positive quantity, was 0"),
        ({"sigma": float("nan")}, "a positive sigma, was nan"),
        ({"time": float("inf")}, "a positive time, was inf"),
        ({"aversion": -1}, "aversion of slices must be at least 0, was -1"),
        ({"intervals": 0}, "at least one interval, was 0"),
        ({"gamma": 1e-5}, "too long for a permanent impact"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(StrategyError, match=says):
        optimal_slices(**{**PAPER, **wrong})
