"""Every indicator, analyzer, sizer and observer of Backtrader gives a guest what it gives its own."""

import math
from collections import defaultdict

import pytest
from tests.parity.real_data import SETS

pytest.importorskip("backtrader", reason="the extra [backtrader] is not installed")

import backtrader as bt
import talib.abstract
from tests.lab import samples
from tests.lab.beside_cerebro import CASH, FREE, Rows

from evenkeel.app.backtest import execute
from evenkeel.app.setup import request
from evenkeel.lab.backtrader import host

NEEDS_MORE_THAN_A_FEED = frozenset((
    "ApplyN", "BaseApplyN", "CointN", "CrossDown", "CrossOver", "CrossUp", "DV2", "NZD",
    "ExpSmoothingDynamic", "ExponentialSmoothingDynamic", "FindFirstIndex", "FindLastIndex",
    "MovingAverageBase", "NonZeroDifference", "OLS_BetaN", "OLS_Slope_InterceptN",
    "OLS_TransformationN", "OperationN", "Oscillator", "OscillatorMixIn", "PeriodN", "ReduceN",
))  # fmt: skip
"""A function, a second series, statsmodels; DV2 writes before its first bar, everywhere."""


def classes(module, base):
    """Every class that a module of Backtrader offers, by its own name, aliases once."""
    found = (each for each in vars(module).values() if isinstance(each, type))
    return {
        each.__name__: each
        for each in found
        if issubclass(each, base) and each.__module__.startswith("backtrader.")
    }


INDICATORS = {
    name: each
    for name, each in classes(bt.indicators, bt.Indicator).items()
    if name not in NEEDS_MORE_THAN_A_FEED and each is not bt.Indicator
}
TALIB = [name for name in talib.get_functions() if name != "MAVP"]  # which wants its periods
ANALYZERS = {
    name: each
    for name, each in classes(bt.analyzers, bt.Analyzer).items()
    if name not in {"Analyzer", "TimeFrameAnalyzerBase", "PyFolio"}  # two bases; tables of pandas
}
OBSERVERS = {
    name: each
    for name, each in classes(bt.observers, bt.Observer).items()
    if name not in {"Observer", "LogReturns2", "Benchmark"}  # what needs a second feed
}


@pytest.fixture(scope="module")
def apple(shared_data):
    """AAPL of 2000."""
    return SETS["aapl-daily"].read(shared_data, 140)


def alone(build, histories):
    """The strategies of a run under Backtrader alone."""
    cerebro = bt.Cerebro()
    cerebro.broker.setcash(CASH)
    name, frame = histories[0].instrument.id, bt.TimeFrame.Days
    feeds = [Rows(bars=histories[0], zone="America/New_York", name=name, timeframe=frame)]
    cerebro.adddata(feeds[0])
    build(cerebro, feeds)
    return cerebro.run()


def hosted(build, histories):
    """The strategies of the same run as a guest."""
    guest = host(build)
    execute(request(guest, histories, cash=CASH, **FREE))
    return guest.strategies


def alike(mine, theirs):
    """Whether two things are equal, floats to nine digits; Backtrader sums in two ways itself."""
    if isinstance(mine, float) and isinstance(theirs, float):
        both_nan = math.isnan(mine) and math.isnan(theirs)
        return both_nan or math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)
    if hasattr(mine, "items"):
        return list(mine) == list(theirs) and all(alike(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, list | tuple):
        return len(mine) == len(theirs) and all(map(alike, mine, theirs))
    return mine == theirs


class Reading(bt.Strategy):
    """Reads every line of every indicator on each bar."""

    def __init__(self):
        self.all = {name: each() for name, each in INDICATORS.items()}
        self.read = defaultdict(list)

    def next(self):
        for name, indicator in self.all.items():
            self.read[name].append([line[0] for line in indicator.lines])


@pytest.mark.uncounted
def test_every_indicator_has_the_values_that_it_has_under_backtrader(apple):
    """Those that can be made of one feed: all but a dozen bases and functions."""

    def build(cerebro, feeds):
        cerebro.addstrategy(Reading)

    (theirs,), (ours,) = alone(build, apple), hosted(build, apple)
    assert len(INDICATORS) > 250
    assert len(ours.read["SimpleMovingAverage"]) > 20
    different = [name for name in INDICATORS if not alike(ours.read[name], theirs.read[name])]
    assert different == []


@pytest.mark.uncounted
def test_every_function_of_ta_lib_has_the_values_that_it_has_under_backtrader(apple):
    """In its vectorised mode, which is how it runs unless told otherwise; nested ones, too."""

    class Nested(bt.Indicator):
        lines = ("volume",)

        def __init__(self):
            self.lines.volume = bt.talib.OBV(self.data.close, self.data.volume) + 0

    class Listening(bt.Strategy):
        def __init__(self):
            self.nested = Nested()
            self.all = {name: getattr(bt.talib, name)(*series(name, self.data)) for name in TALIB}
            self.read = defaultdict(list)

        def next(self):
            for name, indicator in (*self.all.items(), ("nested", self.nested)):
                self.read[name].append([line[0] for line in indicator.lines])

    def build(cerebro, feeds):
        cerebro.addstrategy(Listening)

    (theirs,), (ours,) = alone(build, apple), hosted(build, apple)
    assert len(TALIB) > 150
    assert len(ours.read["OBV"]) > 20
    assert [name for name in ours.read if not alike(ours.read[name], theirs.read[name])] == []


def series(name, data):
    """What a function of TA-Lib is a function of."""
    wanted = talib.abstract.Function(name).input_names.values()
    names = [each for some in wanted for each in ([some] if isinstance(some, str) else some)]
    return [getattr(data, each, data.close) for each in names or ["close"]]


def test_every_analyzer_and_observer_finds_what_it_finds_under_backtrader(apple):
    """On a run with trades."""

    def build(cerebro, feeds):
        cerebro.addstrategy(samples.Cross)
        for name, each in ANALYZERS.items():
            cerebro.addanalyzer(each, _name=name)
        for each in OBSERVERS.values():
            cerebro.addobserver(each)

    (theirs,), (ours,) = alone(build, apple), hosted(build, apple)
    assert len(ANALYZERS) > 14
    mine, other = dict(ours.analyzers.getitems()), dict(theirs.analyzers.getitems())
    found = {name: (mine[name].get_analysis(), other[name].get_analysis()) for name in ANALYZERS}
    assert found["TradeAnalyzer"][0]["total"]["closed"] > 3
    assert [name for name, (a, b) in found.items() if not alike(a, b)] == []
    read = [
        [[list(line.get(size=len(seen))) for line in seen.lines] for seen in strategy.observers]
        for strategy in (ours, theirs)
    ]
    assert len(read[0]) > 8
    assert alike(*read)


@pytest.mark.parametrize(
    ("sizer", "options"),
    [
        (bt.sizers.FixedSize, {"stake": 3, "tranches": 2}),
        (bt.sizers.FixedReverser, {}),
        (bt.sizers.FixedSizeTarget, {}),
        (bt.sizers.PercentSizerInt, {}),
        (bt.sizers.AllInSizerInt, {"percents": 90}),  # with all, the next open is too dear at times
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_every_sizer_gives_the_sizes_that_it_gives_under_backtrader(apple, sizer, options):
    """Of cash, position and price as Backtrader would know them."""

    def build(cerebro, feeds):
        cerebro.addsizer(sizer, **options)
        cerebro.addstrategy(samples.Above)

    sizes = [
        [order.size for order in strategy._orders if order.status == order.Completed]
        for strategy in (*alone(build, apple), *hosted(build, apple))
    ]
    assert sizes[0] == sizes[1]
    assert len(sizes[0]) > 10


@pytest.mark.parametrize(
    ("filter_", "options", "weekly"),
    [
        (bt.filters.Renko, {"size": 2}, False),
        (bt.filters.DaySplitter_Close, {}, False),
        (bt.filters.DaySplitter_Close, {}, True),
        (bt.filters.BarReplayer_Open, {}, False),
        (bt.filters.HeikinAshi, {}, True),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_filters_leave_the_bars_that_they_leave_under_backtrader(apple, filter_, options, weekly):
    """Bar by bar, too: those that drop bars or split them say that there is one when there is none."""

    class Reading(bt.Strategy):
        def __init__(self):
            self.read = []

        def next(self):
            self.read.append((len(self.data), [line[0] for line in self.data.lines]))

    def build(cerebro, feeds):
        feeds[0].addfilter(filter_, **options)
        if weekly:
            feeds[0].replay(timeframe=bt.TimeFrame.Weeks)
        cerebro.addstrategy(Reading)

    (theirs,), (ours,) = alone(build, apple), hosted(build, apple)
    assert len(theirs.read) > 40
    assert alike(ours.read, theirs.read)
