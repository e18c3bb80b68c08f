"""The examples do what their docstrings say, on prices made for it and on real ones."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import evenkeel as ek
from evenkeel.strategy import examples
from evenkeel.strategy.examples.donchian_breakout import DonchianBreakout
from evenkeel.strategy.examples.momentum_rotation import MomentumRotation
from evenkeel.strategy.examples.rsi_reversion import RsiReversion
from evenkeel.strategy.examples.sma_cross import SmaCross
from evenkeel.strategy.params import params_of

ALL = [SmaCross, RsiReversion, DonchianBreakout, MomentumRotation]
FREE = {"costs": "zero", "slippage": "none"}


def daily(closes, *, start="2020-01-06", spread=0.5):
    """Weekdays whose bar opens at the close before, so that a next-bar fill is at the close."""
    close = np.array(closes, dtype=float)
    opened = np.concatenate([close[:1], close[:-1]])
    return pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) + spread,
            "low": np.minimum(opened, close) - spread,
            "close": close,
            "volume": 1e9,
        },
        index=pd.bdate_range(start, periods=len(close)),
    )


def sides(result):
    return result.fills.side.tolist()


@pytest.mark.parametrize("example", ALL, ids=lambda each: each.__name__)
def test_an_example_is_short_explained_and_has_its_numbers_as_parameters(example):
    source = Path(examples.__file__).parent / f"{example.__module__.rpartition('.')[2]}.py"
    assert len(source.read_text().splitlines()) < 50
    assert example.__doc__
    assert params_of(example)


# ---- two averages ----


def test_sma_cross_owns_the_rise_and_not_the_fall():
    flat, rise, fall = [100.0] * 10, np.linspace(100, 150, 30), np.linspace(150, 90, 30)
    result = ek.backtest(
        SmaCross(fast=3, slow=8), daily([*flat, *rise, *fall]), cash=100_000, **FREE
    )
    assert sides(result) == ["BUY", "SELL"]
    assert result.orders.reason.tolist() == [
        "fast average crossed above slow",
        "fast average crossed below slow",
    ]
    bought, sold = result.fills.to_dict("records")
    assert bought["quantity"] == sold["quantity"] == pytest.approx(950, rel=0.02)
    assert sold["price"] > bought["price"] + 30


# ---- what fell too far ----

FALL_AND_TURN = [*[100.0, 101.0] * 6, *np.linspace(100, 80, 12), 83, 87]


def test_rsi_reversion_buys_the_turn_and_leaves_in_the_middle():
    prices = daily([*FALL_AND_TURN, *np.linspace(88, 104, 12)])
    result = ek.backtest(RsiReversion(n=7), prices, cash=100_000, **FREE)
    assert sides(result) == ["BUY", "SELL"]
    assert result.orders.type.tolist() == ["MARKET", "STOP", "MARKET"]
    assert result.orders.status.tolist() == ["FILLED", "CANCELED", "FILLED"]
    entry = result.fills.price[0]
    assert result.orders.stop_price[1] == pytest.approx(entry * 0.95, abs=0.01)
    assert result.orders.tif[1] == "GTC"
    assert result.orders.reason.tolist() == [
        "RSI rose back above 30",
        "stop 5.0% below entry",
        "RSI rose above 55",
    ]


def test_rsi_reversion_is_stopped_when_the_fall_goes_on():
    prices = daily([*FALL_AND_TURN, *np.linspace(86, 60, 12)])
    result = ek.backtest(RsiReversion(n=7), prices, cash=100_000, **FREE)
    assert sides(result) == ["BUY", "SELL"]
    assert result.orders.type.tolist() == ["MARKET", "STOP"]
    assert result.fills.price[1] <= result.fills.price[0] * 0.95


# ---- a new high ----


def test_donchian_breakout_sizes_by_risk_and_trails():
    quiet, rise, crash = [100.0] * 30, np.linspace(102, 130, 20), [110.0, 109.0]
    result = ek.backtest(
        DonchianBreakout(entry=20, exit=10, atr_n=5, risk=0.01, trail_atrs=4),
        daily([*quiet, *rise, *crash]),
        cash=100_000,
        **FREE,
    )
    assert sides(result) == ["BUY", "SELL"]
    assert result.orders.type.tolist() == ["MARKET", "TRAILING_STOP"]
    bought, sold = result.fills.to_dict("records")
    # True ranges up to the breakout: 1, 1, …, then 3 on the bar that jumped from 100 to 102.
    assert bought["quantity"] == int(0.01 * 100_000 / (4 * (1 * 4 + 3) / 5))
    assert 110 < sold["price"] < 130


def test_donchian_breakout_never_holds_more_than_its_weight():
    prices = daily([100.0] * 30 + [102.0] * 10, spread=0.01)
    result = ek.backtest(
        DonchianBreakout(entry=20, exit=10, atr_n=5, risk=0.1, max_weight=0.5),
        prices,
        cash=100_000,
        **FREE,
    )
    assert result.fills.quantity[0] == int(0.5 * 100_000 / 102)


def test_donchian_breakout_leaves_on_a_new_low():
    fall = np.linspace(110, 90, 20)
    prices = daily([*[100.0] * 30, *np.linspace(101, 110, 10), *fall])
    result = ek.backtest(
        DonchianBreakout(entry=20, exit=5, atr_n=5, trail_atrs=20), prices, cash=100_000, **FREE
    )
    assert result.orders.type.tolist() == ["MARKET", "TRAILING_STOP", "MARKET"]
    assert result.orders.reason[2] == "close below the 5-bar low"
    assert result.orders.status.tolist() == ["FILLED", "CANCELED", "FILLED"]


def test_donchian_breakout_does_nothing_while_it_warms_up():
    result = ek.backtest(DonchianBreakout(), daily(np.linspace(50, 90, 40)), **FREE)
    assert len(result.orders) == 0


# ---- the best few ----


def growing(per_day, bars=200, **options):
    return daily(100 * (1 + per_day) ** np.arange(bars), spread=0.01, **options)


FIVE = {
    "A.XXXX": growing(0.001),
    "B.XXXX": growing(0.004),
    "C.XXXX": growing(0.0),
    "D.XXXX": growing(0.003),
    "E.XXXX": growing(-0.002),
}


def test_momentum_rotation_holds_the_best_in_equal_weights():
    result = ek.backtest(MomentumRotation(lookback=20), FIVE, cash=100_000, **FREE)
    assert set(result.fills.instrument) == {"B.XXXX", "D.XXXX"}
    first = result.fills[:2]
    assert (first.quantity * first.price).tolist() == pytest.approx([47_500, 47_500], rel=0.02)
    assert result.refusals == []


def test_momentum_rotation_sells_the_loser_before_it_buys_the_winner():
    turn = {**FIVE, "C.XXXX": daily([*[100.0] * 100, *np.linspace(100, 400, 100)], spread=0.01)}
    result = ek.backtest(MomentumRotation(lookback=20, hold=1), turn, cash=100_000, **FREE)
    fills = result.fills[["instrument", "side"]].values.tolist()
    sold, bought = fills.index(["B.XXXX", "SELL"]), fills.index(["C.XXXX", "BUY"])
    assert sold < bought
    assert result.fills.time[sold] < result.fills.time[bought]
    assert "B.XXXX" not in set(result.fills.instrument[bought:])
    assert result.refusals == []


def test_momentum_rotation_waits_for_an_instrument_to_have_a_history():
    late = {**FIVE, "Z.XXXX": growing(0.02, bars=140, start="2020-03-30")}
    result = ek.backtest(MomentumRotation(lookback=30, hold=1), late, cash=100_000, **FREE)
    bought = result.fills[result.fills.instrument == "Z.XXXX"]
    listed = late["Z.XXXX"].index
    assert set(result.fills.instrument) == {"B.XXXX", "Z.XXXX"}
    assert bought.time.iloc[0].tz_localize(None) > listed[30]
    assert bought.time.iloc[0].tz_localize(None) < listed[60]


def test_momentum_rotation_decides_on_the_first_bar_of_a_month_and_buys_on_the_next():
    result = ek.backtest(MomentumRotation(lookback=20), FIVE, cash=100_000, **FREE)
    days = [bar.date() for bar in FIVE["A.XXXX"].index]
    buys = result.orders[result.orders.side == "BUY"]
    sells = result.orders[result.orders.side == "SELL"]
    for times, nth in ((sells, 0), (buys, 1)):
        for moment in times.time:
            month = [d for d in days if (d.year, d.month) == (moment.year, moment.month)]
            assert moment.date() == month[nth]
    assert min(days) == date(2020, 1, 6)


# ---- real prices ----


@pytest.fixture(scope="module")
def dow(shared_data):
    """Five Dow names 2006 to 2017 by id; rows that are not usable prices left out."""
    wanted = ["AAPL", "GE", "IBM", "JPM", "XOM"]
    frame = pd.read_parquet(
        shared_data / "daily" / "djia31_1d_2006_2017.parquet", filters=[("symbol", "in", wanted)]
    ).dropna()
    inside = frame[["open", "close"]].max(axis=1).le(frame.high)
    inside &= frame[["open", "close"]].min(axis=1).ge(frame.low) & frame.low.gt(0)
    usable = frame[inside].assign(date=lambda rows: pd.to_datetime(rows.date))
    return {
        f"{symbol}.XXXX": rows.set_index("date").drop(columns="symbol")
        for symbol, rows in usable.groupby("symbol")
    }


@pytest.mark.parametrize("example", ALL, ids=lambda each: each.__name__)
def test_on_real_prices_an_example_trades_both_ways_within_its_money_jumping_or_not(example, dow):
    bars = dow if example is MomentumRotation else {"AAPL.XXXX": dow["AAPL.XXXX"]}
    result = ek.backtest(example, bars, cash=100_000)
    stepped = ek.backtest(example, bars, cash=100_000, jump=False)
    assert list(result.journal.lines()) == list(stepped.journal.lines())
    assert result.refusals == []
    assert sides(result).count("BUY") > 20
    assert sides(result).count("SELL") > 20
    signed = np.where(result.fills.side == "BUY", 1, -1) * result.fills.quantity
    assert (signed.groupby(result.fills.instrument).cumsum() >= 0).all()
    spent = (signed * result.fills.price + result.fills.commission).cumsum()
    assert spent.max() <= 100_000


def test_a_crossing_is_bought_at_the_next_open(dow):
    """Recomputed with pandas alone: another hand, the same days and prices."""
    prices = dow["AAPL.XXXX"]
    result = ek.backtest(SmaCross(), {"AAPL.XXXX": prices}, cash=100_000, **FREE)
    above = prices.close.rolling(20).mean() > prices.close.rolling(50).mean()
    ready = prices.close.rolling(50).mean().shift().notna()
    up = (above & ~above.shift(fill_value=False) & ready).shift(fill_value=False)
    expected = prices.open[up]
    bought = result.fills[result.fills.side == "BUY"]
    assert bought.price.tolist() == expected.tolist()
    assert [moment.date() for moment in bought.time] == [day.date() for day in expected.index]
