"""Nobody who stays within bounds loses more than the worst that was said of the bars."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.execution.bench import D, bars_of, venue

from evenkeel.execution.costs import parse_costs
from evenkeel.execution.slippage import parse_slippage

PRICES = st.integers(1, 400).map(lambda cents: cents / 4)
ROWS = st.lists(st.tuples(PRICES, PRICES, PRICES, PRICES), min_size=2, max_size=30)


def bars(rows, **facts):
    """Bars with these four prices each, of which two become the high and the low."""
    return bars_of([(a, max(a, b, c, d), min(a, b, c, d), d) for a, b, c, d in rows], **facts)


def worst(history, quantity, most, orders, **terms):
    broker = venue(history, **terms)
    (line,) = broker.tape.lines.values()
    return broker.foresight.worst(line, quantity, most, orders)


@given(ROWS, st.sampled_from(["zero", "bps:10", "per-order:2"]), st.sampled_from([1, 1, 10]))
def test_who_is_always_on_the_wrong_side_loses_less(rows, costs, multiplier):
    """He holds the most against every close, and turns round at the bar's worst price."""
    history, tariff = bars(rows, multiplier=D(multiplier)), parse_costs(costs)
    most, lost, held, orders = 7.0, 0.0, 0.0, 0
    columns = (history.high, history.low, history.close)
    for place, (high, low, close) in enumerate(zip(*map(list, columns), strict=True)):
        if place == 0:
            before = close
            continue
        wanted = -most if close > before else most
        lost += held * (before - close)
        if traded := wanted - held:
            paid = high if traded > 0 else low
            lost += (
                traded * (paid - close)
                + tariff.at_most(abs(traded) * 1.0, abs(traded) * paid * multiplier) / multiplier
            )
            orders += 1
        before, held = close, wanted
    top, bound = worst(history, 2 * most, most, orders, costs=tariff)
    assert top == history.high.max() * multiplier
    assert lost * multiplier <= bound * (1 + 1e-12)


def test_the_worst_is_no_more_than_it_has_to_be():
    """Ten held through a saw of 2, 50 closes long; an order on each bar, at 0.1 % of 102 at most."""
    saw = bars([(100, 102, 100, 100 + 2 * (n % 2)) for n in range(50)])
    unit, lost = worst(saw, 5, 10, 49, costs=parse_costs("bps:10"))
    assert unit == 102
    assert lost == pytest.approx(10 * 2 * 49 + 5 * 2 * 50 + 49 * 5 * 102 * 0.001)


@given(st.integers(0, 10_000))
def test_nobody_who_trades_by_chance_loses_more(seed):
    """From any bar to any later one."""
    dice = random.Random(seed)
    rows = [tuple(dice.uniform(50, 150) for _ in range(4)) for _ in range(20)]
    history = bars(rows)
    equity, held, curve = 0.0, 0.0, []
    closes = history.close.tolist()
    for place, close in enumerate(closes):
        traded = dice.choice([-1, 1]) * dice.uniform(0, 3)
        if abs(held + traded) > 5:
            traded = 0.0
        paid = dice.uniform(history.low[place], history.high[place])
        equity += held * (close - closes[place - 1] if place else 0) + traded * (close - paid)
        held += traded
        curve.append(equity)
    _, bound = worst(history, 3, 5, 20)
    falls = [start - end for n, start in enumerate(curve) for end in curve[n:]]
    assert max(falls) <= bound


@pytest.mark.parametrize(
    ("rows", "facts", "quantity", "known"),
    [
        ([(10, 11, 9, 10)] * 3, {}, 5, True),
        ([(10, 11, 9, 10), (0, 11, 0, 10), (10, 11, 9, 10)], {}, 5, False),
        ([(10, 11, 9, 10, 1_000), (10, 11, 9, 10, 60), (10, 11, 9, 10, 1_000)], {}, 5, False),
        ([(10, 11, 9, 10, 1_000), (10, 11, 9, 10, 61), (10, 11, 9, 10, 1_000)], {}, 5, True),
        ([(10, 11, 9, 10, float("nan"))] * 3, {}, 5, False),
        ([(10, 11, 9, 10, 0)] * 3, {"volume_known": False}, 5, True),
    ],
)
def test_of_some_bars_the_worst_is_not_said(rows, facts, quantity, known):
    """Prices that are not above zero, and volumes of which a tenth is not five and a lot."""
    assert (worst(bars_of(rows, **facts), quantity, 10, 3) is not None) is known


def test_a_history_that_has_grown_is_looked_through_again():
    broker = venue(bars([(10, 10, 10, 10)] * 3))
    (line,) = broker.tape.lines.values()
    before = broker.foresight.worst(line, 1, 1, 1)
    broker.tape.extend([bars([(10, 10, 10, 10)] * 3 + [(10, 20, 10, 10)])])
    assert before == (10, 0)
    assert broker.foresight.worst(line, 1, 1, 1) == (20, 10)


def test_slippage_makes_nothing_worse_than_the_bar_allows():
    saw = bars([(100, 102, 100, 100)] * 5)
    terms = {"slippage": parse_slippage("bps:500")}
    assert worst(saw, 5, 10, 4, **terms) == worst(saw, 5, 10, 4)
