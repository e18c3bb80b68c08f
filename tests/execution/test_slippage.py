"""How much worse an order fills, against published figures and sums done by hand."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.domain.bar import Bars
from evenkeel.domain.errors import UsageError
from evenkeel.domain.instrument import Instrument
from evenkeel.execution.slippage import (
    AlmgrenChriss,
    BasisPointsSlippage,
    Combined,
    CorwinSchultz,
    HalfSpread,
    Latency,
    Meeting,
    NoSlippage,
    RandomSlippage,
    Roll,
    SquareRoot,
    TickSlippage,
    VolumeShare,
    check_bars,
    late,
    parse_slippage,
)
from evenkeel.execution.slippage.impact import bars_in_a_day, parkinson
from evenkeel.execution.slippage.spread import corwin_schultz, roll

D = Decimal
HOUR = 3_600 * 10**9


def bars(count=40, *, high=101.0, low=99.0, close=100.0, volume=1000.0, session=8, **facts):
    """Bars that are all alike, one an hour, so many to a session."""
    closed_at = np.arange(1, count + 1, dtype=np.int64) * HOUR
    column = np.full(count, close)
    return Bars(
        instrument=Instrument("ANY.XXXX", tick=facts.pop("tick", None)),
        closed_at=closed_at,
        open=column,
        high=np.full(count, high),
        low=np.full(count, low),
        close=column,
        volume=np.full(count, volume),
        session_closes=closed_at[session - 1 :: session],
        **facts,
    )


def meet(history=None, row=30, *, buy=True, quantity=100, filled=0, order_id=1, part=1):
    history = bars() if history is None else history
    return Meeting(order_id, part, buy, D(quantity), D(filled), history, row)


def cost(model, **facts):
    """What a buy pays more than 100, as a float."""
    return float(model.slipped_in(D(100), meet(**facts)) - 100)


# ---- flat ------------------------------------------------------------------------------------


def test_slippage_is_against_the_trader():
    model = BasisPointsSlippage(D(5))
    assert model.slipped(D(100), buy=True) == D("100.05")
    assert model.slipped(D(100), buy=False) == D("99.95")
    assert HalfSpread(D("0.02")).slipped(D(100), buy=True) == D("100.02")
    assert HalfSpread(D("0.02")).slipped(D(100), buy=False) == D("99.98")
    assert NoSlippage().slipped(D(100), buy=True) == 100


def test_ticks_are_the_instruments_own():
    history = bars(tick=D("0.05"))
    model = TickSlippage(D(2))
    assert model.slipped_in(D(100), meet(history)) == D("100.10")
    assert model.slipped_in(D(100), meet(history, buy=False)) == D("99.90")
    check_bars(model, history)
    with pytest.raises(UsageError, match=r"ticks:2 needs to know the tick of ANY.XXXX"):
        check_bars(model, bars())


# ---- estimated spreads -----------------------------------------------------------------------


def test_two_days_of_one_range_have_that_range_as_their_spread():
    """Then alpha is ln(high / low), and the spread is (ask - bid) / mid."""
    spread = corwin_schultz(np.full(2, 101.0), np.full(2, 99.0), np.full(2, 100.0))
    assert spread == pytest.approx(2 / 100, rel=1e-12)


def test_an_overnight_gap_is_no_spread():
    high, low, close = np.array([101.0, 121.0]), np.array([99.0, 119.0]), np.array([100.0, 120.0])
    moved = corwin_schultz(np.array([101.0, 102.0]), np.array([99.0, 100.0]), close)
    assert corwin_schultz(high, low, close) == pytest.approx(moved, rel=1e-12)
    fell = corwin_schultz(np.array([101.0, 81.0]), np.array([99.0, 79.0]), np.array([100.0, 80.0]))
    assert fell == pytest.approx(
        corwin_schultz(np.array([101.0, 100.0]), np.array([99.0, 98.0]), close), rel=1e-12
    )


def test_a_trend_without_a_bounce_has_no_spread():
    close = np.arange(100.0, 110.0)
    assert corwin_schultz(close + 0.1, close - 0.1, close) == 0
    assert roll(close) == 0


def test_corwin_schultz_finds_a_spread_that_was_put_in():
    """A random walk seen at bid and ask, 1 % apart; the paper's own kind of check."""
    dice = np.random.default_rng(7)
    steps = dice.normal(0, 0.02 / math.sqrt(390), (500, 390))
    path = np.exp(np.cumsum(steps).reshape(500, 390)) * 100
    seen = path * np.where(dice.random((500, 390)) < 0.5, 1.005, 0.995)
    spread = corwin_schultz(seen.max(axis=1), seen.min(axis=1), seen[:, -1])
    assert spread == pytest.approx(0.01, rel=0.3)


def test_roll_finds_a_spread_that_was_put_in():
    dice = np.random.default_rng(7)
    close = 100 + 0.05 * dice.choice([-1.0, 1.0], 40_000)
    assert roll(close) == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("model", [CorwinSchultz(), Roll()])
def test_one_bar_has_no_spread_to_estimate(model):
    assert cost(model, row=0) == 0
    check_bars(model, bars())


def test_an_estimate_is_half_the_spread_and_sees_no_bar_after_the_one_at_hand():
    history = bars()
    assert cost(CorwinSchultz(), history=history, row=10) == pytest.approx(1.0, rel=1e-9)
    history.high[11:] = 500.0
    assert cost(CorwinSchultz(), history=history, row=10) == pytest.approx(1.0, rel=1e-9)
    history.close[:] = np.where(np.arange(40) % 2, 100.0, 101.0)
    assert cost(Roll(D(6)), history=history, row=10) == pytest.approx(1.0, rel=1e-9)


# ---- impact ----------------------------------------------------------------------------------


def test_a_tenth_of_the_volume_at_a_tenth_costs_a_tenth_of_a_percent():
    assert cost(VolumeShare(D("0.1"))) == pytest.approx(0.1)


def test_the_square_root_law_by_hand():
    sigma = math.log(101 / 99) / (2 * math.sqrt(math.log(2)))
    assert cost(SquareRoot()) == pytest.approx(100 * sigma * math.sqrt(0.1), rel=1e-11)
    assert cost(SquareRoot(D(2))) == pytest.approx(200 * sigma * math.sqrt(0.1), rel=1e-11)
    assert parkinson(np.array([101.0]), np.array([99.0])) == pytest.approx(sigma, rel=1e-14)


@pytest.mark.parametrize("example", [("0.1", 32), ("0.2", 25), ("0.5", 18)])
def test_almgren_2005_ibm_comes_out_as_printed(example):
    """The paper's example: IBM, a tenth of a day's volume of 6.561 million, σ 1.57 % a day."""
    model = AlmgrenChriss(turnover=D(1728) / D("6.561"))
    days, printed = example
    assert abs(model.permanent(0.1, 0.0157) * 1e4 - 20) < 0.51
    assert abs(model.cost(0.1, float(days), 0.0157) * 1e4 - printed) < 0.51


def test_a_fill_pays_what_the_paper_says_of_its_bar():
    """A hundred shares of a bar of a thousand, eight bars a day: J of 1/80 of a day's volume."""
    sigma = math.log(101 / 99) / (2 * math.sqrt(math.log(2))) * math.sqrt(8)
    expected = AlmgrenChriss().cost(100 / 8000, 1 / 8, sigma)
    assert cost(AlmgrenChriss()) == pytest.approx(100 * expected, rel=1e-11)


@pytest.mark.parametrize("model", [SquareRoot(), AlmgrenChriss(eta=D(0))])
def test_parts_pay_together_what_the_whole_pays(model):
    whole = 900 * cost(model, quantity=900)
    parts = [300 * cost(model, quantity=300, filled=done) for done in (0, 300, 600)]
    assert sum(parts) == pytest.approx(whole, rel=1e-9)
    assert parts == sorted(parts)


def test_a_sale_is_pressed_down_as_far_as_a_purchase_up():
    for model in (VolumeShare(), SquareRoot(), AlmgrenChriss()):
        sold = model.slipped_in(D(100), meet(buy=False))
        assert float(100 - sold) == pytest.approx(cost(model))


def test_impact_needs_volume():
    for model in (VolumeShare(), SquareRoot(), AlmgrenChriss()):
        check_bars(model, bars())
        with pytest.raises(UsageError, match=r"needs volume, which the data of ANY.XXXX"):
            check_bars(model, bars(volume_known=False))


@pytest.mark.parametrize(
    ("row", "count"), [(0, 1), (6, 7), (7, 8), (8, 9), (15, 16), (16, 8), (39, 8)]
)
def test_a_day_has_as_many_bars_as_the_last_whole_session(row, count):
    assert bars_in_a_day(bars(), row) == count


def test_a_day_without_bars_counts_as_one():
    history = bars(16)
    closes = np.concatenate((history.session_closes[:1], [9 * HOUR, 9 * HOUR + 1, 16 * HOUR]))
    history = Bars(
        **{f: getattr(history, f) for f in history.__struct_fields__ if f != "session_closes"},
        session_closes=closes,
    )
    assert bars_in_a_day(history, 15) == 1


# ---- chance and time -------------------------------------------------------------------------


def test_chance_is_even_and_depends_on_the_order_alone():
    model = RandomSlippage(D(5))
    draws = [cost(model, order_id=n) for n in range(2000)]
    assert min(draws) >= 0
    assert max(draws) < 0.05
    assert np.mean(draws) == pytest.approx(0.025, rel=0.05)
    assert cost(model, order_id=7, row=3) == draws[7]
    assert cost(model, order_id=7, part=2) != draws[7]
    assert cost(RandomSlippage(D(5), seed=D(1)), order_id=7) != draws[7]


def test_latency_is_counted_in_bars_and_touches_no_price():
    model = parse_slippage("latency:2+bps:10+latency:1")
    assert late(model) == 3
    assert late(NoSlippage()) == 0
    assert model.slipped_in(D(100), meet()) == D("100.1")


def test_what_parts_take_adds_up():
    model = parse_slippage("bps:10+half-spread:0.02+volume-share:0.1")
    assert cost(model) == pytest.approx(0.1 + 0.02 + 0.1)
    check_bars(model, bars())
    with pytest.raises(UsageError, match="needs volume"):
        check_bars(model, bars(volume_known=False))
    check_bars(NoSlippage(), bars(volume_known=False))


# ---- by name ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("none", NoSlippage()),
        ("zero", NoSlippage()),
        ("bps:5", BasisPointsSlippage(D(5))),
        ("ticks:1", TickSlippage(D(1))),
        ("half-spread:0.02", HalfSpread(D("0.02"))),
        ("corwin-schultz", CorwinSchultz()),
        ("corwin-schultz:5", CorwinSchultz(D(5))),
        ("roll:10", Roll(D(10))),
        ("volume-share:0.1", VolumeShare(D("0.1"))),
        ("volume-share", VolumeShare()),
        ("sqrt:0.8", SquareRoot(D("0.8"))),
        ("almgren-chriss", AlmgrenChriss()),
        ("almgren-chriss:263", AlmgrenChriss(D(263))),
        ("almgren-chriss:eta=0.2", AlmgrenChriss(eta=D("0.2"))),
        ("random:5,seed=7", RandomSlippage(D(5), D(7))),
        ("latency:1", Latency(1)),
        ("ticks:1 + latency:2", Combined((TickSlippage(D(1)), Latency(2)))),
    ],
)
def test_a_text_names_a_model_and_the_model_names_the_text(text, model):
    assert parse_slippage(text) == model
    assert parse_slippage(model.name) == model
    assert parse_slippage(model) is model


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bsp:5", "did you mean 'bps'"),
        ("bps:", "'' is not a number"),
        ("bps:-1", "at least 0"),
        ("", "there are none, bps:5, ticks:1"),
        ("bps:1+", "there are none"),
        ("roll:3", "whole number from 4, was 3"),
        ("corwin-schultz:2.5", "whole number from 2, was 2.5"),
        ("latency:-1", "whole number of bars, at least 0, was -1"),
        ("latency:0.5", "whole number of bars"),
        ("sqrt:-1", "sqrt constant must be at least 0"),
        (5, "neither a text such as 'bps:1' nor a slippage model"),
    ],
)
def test_a_wrong_text_is_told_what_there_is(text, says):
    with pytest.raises(UsageError, match=says):
        parse_slippage(text)


@given(
    st.sampled_from(
        ["volume-share", "sqrt", "almgren-chriss", "corwin-schultz", "roll", "random:5"]
    ),
    st.integers(0, 39),
    st.integers(1, 500),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_no_model_ever_betters_a_price(name, row, quantity, buy, dice):
    history = bars()
    history.close[:] = [dice.uniform(99, 101) for _ in range(40)]
    history.volume[:] = [dice.uniform(1, 5000) for _ in range(40)]
    price = parse_slippage(name).slipped_in(D(100), meet(history, row, buy=buy, quantity=quantity))
    assert price >= 100 if buy else price <= 100
