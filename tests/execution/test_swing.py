"""What bars can do to whoever trades on them: nobody who stays within bounds loses more."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.execution.bench import D, bars_of, venue

from evenkeel.execution.costs import parse_costs
from evenkeel.execution.slippage import parse_slippage

PRICES = st.integers(1, 400).map(lambda cents: cents / 4)
ROWS = st.lists(st.tuples(PRICES, PRICES, PRICES, PRICES), min_size=2, max_size=30)
SLIPS = parse_slippage("bps:500")


def bars(rows, **facts):
    """Bars with these four prices each, of which two become the high and the low."""
    return bars_of([(a, max(a, b, c, d), min(a, b, c, d), d) for a, b, c, d in rows], **facts)


def swing(*histories, lot=1.0, **terms):
    foresight = venue(histories[0], **terms).foresight
    known = np.array([each.volume_known for each in histories])

    def column(name):
        return np.array([getattr(each, name) for each in histories])

    return foresight.swing(column, np.full(len(histories), lot), known)


def lost(found, most, quantity):
    """What holding so much and trading so much on each bar can take in all."""
    return most * found.steps.sum() + quantity * found.reaches.sum()


@given(ROWS)
def test_who_is_always_on_the_wrong_side_loses_no_more(rows):
    """He holds the most against every close, and turns round at the bar's worst price."""
    history, most, taken, held = bars(rows), 7.0, 0.0, 0.0
    columns = (history.high, history.low, history.close)
    for place, (high, low, close) in enumerate(zip(*map(list, columns), strict=True)):
        if place == 0:
            before = close
            continue
        wanted = -most if close > before else most
        taken += held * (before - close)
        traded = wanted - held
        taken += traded * ((high if traded > 0 else low) - close)
        before, held = close, wanted
    found = swing(history, slippage=SLIPS)
    assert taken <= lost(found, most, 2 * most) * (1 + 1e-12)
    assert found.top[0] == max(history.high[1:].max(), history.close[0])
    assert found.bottom[0] == min(history.low[1:].min(), history.close[0])


def test_it_is_no_more_than_it_has_to_be():
    """Closes in a saw of 2; opens at 100 that trade at 102 and 98 at the worst, if fills slip."""
    saw = bars_of([(100, 102, 98, 100 + 2 * (n % 2)) for n in range(5)])
    found = swing(saw, slippage=SLIPS)
    assert found.steps.tolist() == [[2, 2, 2, 2]]
    assert found.reaches.tolist() == [[4, 2, 4, 2]]
    assert (found.top[0], found.bottom[0]) == (102, 98)
    found = swing(saw)
    assert found.reaches.tolist() == [[2, 0, 2, 0]]
    assert (found.top[0], found.bottom[0]) == (102, 100)


def test_each_instrument_has_a_row_of_its_own():
    found = swing(bars([(10, 10, 10, 10 + n) for n in range(3)]), bars([(20, 20, 20, 20)] * 3))
    assert found.steps.tolist() == [[1, 1], [0, 0]]
    assert found.reaches.tolist() == [[1, 2], [0, 0]]
    assert (found.top.tolist(), found.bottom.tolist()) == ([12, 20], [10, 20])


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
        if abs(held + traded) > 5 or not place:
            traded = 0.0
        paid = dice.uniform(history.low[place], history.high[place])
        equity += held * (close - closes[place - 1] if place else 0) + traded * (close - paid)
        held += traded
        curve.append(equity)
    falls = [start - end for n, start in enumerate(curve) for end in curve[n:]]
    assert max(falls) <= lost(swing(history, slippage=SLIPS), 5, 3)


@pytest.mark.parametrize(
    ("volumes", "facts", "whole"),
    [
        ([1_000, 1_000, 60], {}, 5),  # a tenth of it, less a lot
        ([60, 1_000, 70], {}, 6),  # the first bar's is history
        ([1_000, 1_000, 0], {}, -1),
        ([0, 0, 0], {"volume_known": False}, np.inf),
    ],
)
def test_what_every_bar_fills_whole_is_what_the_thinnest_does(volumes, facts, whole):
    history = bars_of([(10, 11, 9, 10, volume) for volume in volumes], **facts)
    found = swing(history).whole[0]
    assert found == pytest.approx(whole, rel=1e-5)
    assert found <= whole


def test_a_volume_that_is_no_number_is_enough_for_nothing():
    found = swing(bars_of([(10, 11, 9, 10, float("nan"))] * 3))
    assert not found.whole[0] >= 1


@given(ROWS, st.sampled_from(["none", "bps:500"]), st.data())
def test_prices_are_the_worst_that_a_fill_can_have(rows, slippage, data):
    """Opens; where fills slip, the far end of the bar."""
    history = bars(rows)
    foresight = venue(history, slippage=parse_slippage(slippage)).foresight
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=5))
    signed = np.array([data.draw(st.sampled_from([-2.0, 3.0])) for _ in places])
    found = foresight.prices(lambda name: getattr(history, name)[places], signed)
    for price, place, quantity in zip(found.tolist(), places, signed.tolist(), strict=True):
        far = history.high if quantity > 0 else history.low
        assert price == (history.open if slippage == "none" else far)[place]


def test_what_an_order_costs_at_the_most_is_what_its_tariff_says():
    foresight = venue(bars([(10, 10, 10, 10)] * 3), costs=parse_costs("bps:10")).foresight
    assert foresight.at_most(5.0, 2_000.0) == pytest.approx(2)
    assert D(2) == parse_costs("bps:10").commission(quantity=D(5), notional=D(2_000))
