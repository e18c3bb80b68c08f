"""`ek.backtest`: what it takes, what it fills in, and what it refuses in one sentence."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from tests.app.test_runs import CSV
from tests.engine.market import HOUR, X, bars
from tests.risk.test_limits import CARD

import evenkeel as ek
from evenkeel.app.setup import request
from evenkeel.domain.errors import ConfigError, StrategyError, UsageError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument, instrument_of
from evenkeel.risk.limits import load_limits
from evenkeel.strategy.examples.sma_cross import SmaCross

PATH = "evenkeel.strategy.examples.sma_cross:SmaCross"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "wave.csv"
    path.write_text(CSV)
    return path


def lines(result):
    """A journal, to compare as a whole."""
    return list(result.journal.lines())


def test_a_class_an_instance_and_a_path_run_the_same(file):
    """And so do a path, its text and a frame of the same rows under the same name."""
    first = lines(ek.backtest(SmaCross, file))
    assert lines(ek.backtest(SmaCross(), str(file))) == first
    assert lines(ek.backtest(PATH, [file])) == first
    assert lines(ek.backtest(PATH, {"WAVE": pd.read_csv(file)})) == first
    assert lines(ek.backtest(PATH, file, jump=False)) == first


def test_the_defaults_are_what_the_docs_say(file):
    """100,000 dollars, IBKR's fixed prices, one basis point, permissive limits."""
    started = ek.backtest(SmaCross, file).started
    assert (started.cash, started.currency) == (100_000, "USD")
    assert (started.costs, started.slippage) == ("ibkr-fixed", "bps:1")
    assert started.settings == {
        "volume_share": "0.1",
        "touch": "at",
        "interest": "6",
        "borrow": "0.5",
        "margin": "reg-t",
    }
    lent_for_nothing = {"interest": "none", "borrow": "none", "margin": "none"}
    assert (
        lent_for_nothing.items()
        <= ek.backtest(SmaCross, file, costs="zero").started.settings.items()
    )
    assert ek.backtest(SmaCross, file).permissive


def test_only_the_days_asked_for_are_read(file):
    """Both ends are part of it, and the manifest remembers them."""
    result = ek.backtest(SmaCross, file, start="2024-02-01", end="2024-02-20")
    (history,) = result.bars.values()
    assert len(history) == 20
    assert result.manifest["data"]["start"] == "2024-02-01"


def test_actions_come_from_a_file_or_as_objects(file, tmp_path):
    """Those from before the first bar concern nobody."""
    actions = tmp_path / "actions.csv"
    actions.write_text(
        "date,symbol,kind,value\n2023-12-01,WAVE,split,5\n2024-02-05,WAVE,split,2\n"
        "2024-02-06,WAVE,dividend,0.5\n"
    )
    result = ek.backtest(SmaCross, file, actions=actions)
    found = [each for each in result.records if isinstance(each, Split | CashDividend)]
    assert [type(each) for each in found] == [Split, CashDividend]
    assert lines(ek.backtest(SmaCross, file, actions=found)) == lines(result)
    assert result.manifest["data"]["actions"] == str(actions.resolve())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"cash": "much"}, ConfigError, "cash must be a number"),
        ({"cash": -1}, ConfigError, "cash must be a positive amount"),
        ({"cash": "NaN"}, ConfigError, "cash must be a positive amount"),
        ({"cash": None}, ConfigError, "cash must be a number, was None"),
        ({"currency": "usd"}, UsageError, "currency must be three capitals .* was 'usd'"),
        ({"instrument": 5}, UsageError, "instrument must be an id such as AAPL.XNAS, was 5"),
        ({"touch": "near"}, UsageError, "touch must be"),
        ({"volume_share": "much"}, UsageError, "volume share 'much' must be a number above 0"),
        ({"limits": 5}, UsageError, "limits must be Limits or the path of a limit card, was 5"),
        ({"limits": "nowhere.toml"}, ConfigError, "limits file nowhere.toml cannot be read"),
        ({"borrow": "1,WAVE.XNYS=3"}, UsageError, "names WAVE.XNYS, .* it has WAVE.XXXX; did you"),
        ({"currency": "EUR"}, UsageError, "give the rate with --fx USD=RATE"),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_sentence(file, options, error, words):
    """What is wrong, and with which value."""
    with pytest.raises(error, match=words):
        ek.backtest(SmaCross, file, **options)


def test_limits_are_an_object_or_a_card_in_a_file(file, tmp_path):
    """As on the command line."""
    path = tmp_path / "limits.toml"
    path.write_text("".join(f"{key} = {value}\n" for key, value in CARD.items()))
    first = lines(ek.backtest(SmaCross, file, limits=load_limits(path)))
    assert lines(ek.backtest(SmaCross, file, limits=path)) == first
    assert lines(ek.backtest(SmaCross, file, limits=str(path))) == first
    assert lines(ek.backtest(SmaCross, file)) != first


class AtTheClose(ek.Strategy):
    """Half an hour before New York closes, asks for the close, this session's rest and the open."""

    def on_bar(self):
        if self.bars.count == 6:
            self.buy(1, on="close")
            self.buy(2, tif="DAY")
            self.buy(3, on="open")


def test_of_hours_the_last_that_begins_in_a_session_is_its_close():
    """It is stamped 15:30, and its session closes at 16:00."""
    at = [f"2024-11-{day} {hour}:30" for day in (25, 26) for hour in range(14, 21)]
    price = 100.0 + np.arange(14)
    hours = pd.DataFrame(
        {"open": price, "high": price + 1, "low": price - 1, "close": price + 0.5, "volume": 1e6},
        index=pd.DatetimeIndex(at, tz="UTC"),
    )
    result = ek.backtest(AtTheClose, {"SPY.ARCX": hours}, costs="zero", slippage="none")
    fills = [(r.quantity, r.price) for r in result.records if isinstance(r, Fill)]
    assert sorted(fills) == [(1, Decimal("106.5")), (2, 106), (3, 107)]


def test_a_share_that_is_dear_to_borrow_is_named_by_its_id(file):
    started = ek.backtest(SmaCross, file, borrow="1,WAVE.XXXX=3").started
    assert started.settings["borrow"] == "1,WAVE.XXXX=3"


def test_what_stands_in_the_place_of_bars_or_of_their_names_is_refused(file):
    """A strategy where the bars belong, bars where the strategy belongs, a number for a name."""
    frame = pd.read_csv(file)
    with pytest.raises(UsageError, match="instrument must be an id such as"):
        ek.backtest(SmaCross, {1: frame})
    with pytest.raises(UsageError, match="not from type"):
        ek.backtest(SmaCross, SmaCross)
    with pytest.raises(StrategyError, match="the strategy comes first, then bars"):
        ek.backtest(frame, SmaCross)


def test_bars_from_before_1970_are_refused_and_not_skipped():
    """Of several instruments the one that has them is named; from 1970 on all of them are shown."""
    days = pd.date_range("1969-12-29", "1970-01-09", freq="B")
    old = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close", "volume"), 10.0), index=days)
    histories = {"NEW.XNYS": old.iloc[4:], "OLD.XNYS": old}

    class Counts(ek.PortfolioStrategy):
        seen = 0

        def on_bar(self):
            type(self).seen += 1

    for run in (ek.backtest, lambda *told: ek.sweep(*told, {})):
        with pytest.raises(UsageError) as refused:
            run(Counts, histories)
        assert str(refused.value).startswith(
            "the first bar of OLD.XNYS closed at 1969-12-30T00:00:00Z, and a run cannot begin "
            "before 1970; leave out what is older: --start 1970-01-02"
        )
    ek.backtest(Counts, histories, start="1970-01-02")
    assert Counts.seen == 6


def test_what_is_no_strategy_is_refused(file):
    """A class of something else."""
    with pytest.raises(StrategyError, match="is not a strategy"):
        ek.backtest(dict, file)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("setup(self)", r"setup must be written as def setup\(self, bars\)"),
        ("on_bar(self, bar)", r"on_bar must be written as def on_bar\(self\)"),
        ("on_fill(self)", r"on_fill must be written as def on_fill\(self, fill\)"),
        (
            "__init__(self, fast)",
            r"__init__ must take parameters by name .*super\(\).__init__\(\*\*params",
        ),
        (
            "__init__(self)",
            r"__init__ must take parameters by name .*super\(\).__init__\(\*\*params",
        ),
    ],
)
def test_a_method_that_cannot_be_called_is_refused_with_the_way_to_write_it(file, method, words):
    """Before a bar is read, from a class and from an object."""
    found = {"ek": ek}
    exec(f"class Mine(ek.Strategy):\n    def {method}: pass", found)  # noqa: S102 - ours
    with pytest.raises(StrategyError, match=r"^Mine\." + words):
        ek.backtest(found["Mine"], file)
    if "fast" in method:
        with pytest.raises(StrategyError, match=words):
            ek.backtest(found["Mine"](5), file)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("on_fills", r"on_fill\(self, fill\)"),
        ("onFill", r"on_fill\(self, fill\)"),
        ("set_up", r"setup\(self, bars\)"),
        ("on_Bar", r"on_bar\(self\)"),
    ],
)
def test_a_method_that_nobody_would_call_is_refused_with_the_one_that_was_meant(file, name, meant):
    """A stop that it was to place would never be there."""
    with pytest.raises(StrategyError, match=f"^Mine.{name} would never be called; .* def {meant}$"):
        ek.backtest(type("Mine", (SmaCross,), {name: lambda self, *given: None}), file)


def test_an_author_has_methods_of_his_own(file):
    """Near to a hook, but not so near; or out of sight; or no method."""
    own = {"on_step": print, "orders": print, "_on_fills": print, "on_bars": 3, "restart": print}
    assert ek.backtest(type("Mine", (SmaCross,), own), file)


def test_methods_may_take_more_than_they_are_given(file):
    """What has a default, or takes whatever comes."""

    class Mine(ek.Strategy):
        def __init__(self, *, depth=3, **params):
            super().__init__(**params)
            self.depth = depth

        def setup(self, *bars):
            self.seen = len(bars)

        def on_bar(self, twice=2):
            self.seen += twice

    assert ek.backtest(Mine, file).fill_count == ek.backtest(Mine(depth=5), file).fill_count == 0


def test_touch_and_share_of_volume_are_written_down():
    """They change fills, so the journal's first record has them."""
    wanted = request(SmaCross(), [bars(10, 10)], touch="through", volume_share=0.25)
    written = {"volume_share": "0.25", "touch": "through"}
    assert written.items() <= wanted.started().settings.items()


def test_an_instrument_can_be_made_again_from_the_first_record():
    """Currency, tick, lot and multiplier; a tick that is not declared stays so."""
    declared = {"tick": Decimal("0.25"), "lot": Decimal(2), "multiplier": Decimal(50)}
    for facts in (declared, {}):
        wanted = request(SmaCross(), [bars(10, 10, **facts)])
        assert instrument_of(X, wanted.started().instruments[X]) == Instrument(X, **facts)


def test_the_first_record_is_stamped_with_the_first_bar():
    """Not with the time on the wall: the journal is the same tomorrow."""
    assert request(SmaCross(), [bars(10, 10, start=3)]).started().at == 3 * HOUR
