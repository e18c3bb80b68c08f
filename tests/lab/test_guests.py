"""A guest hears and does what it would under Backtrader alone, and its journal is like any other."""

import pytest
from tests.engine.market import card
from tests.parity.real_data import SETS

pytest.importorskip("backtrader", reason="the extra [backtrader] is not installed")

import backtrader as bt
from tests.lab import samples
from tests.lab.beside_cerebro import FREE, Rows, Told, alone, hosted, journals

import evenkeel as ek
from evenkeel.app.backtest import execute
from evenkeel.app.setup import request
from evenkeel.domain.errors import StrategyError
from evenkeel.domain.events import Noted
from evenkeel.domain.order import OrderType
from evenkeel.journal.log import write_run_file
from evenkeel.journal.verify import verify_file
from evenkeel.lab.backtrader import host

BARS_MAX = 200


@pytest.fixture(scope="module")
def real_bars(shared_data):
    """Each real data set, read once."""
    read = {}

    def get(name):
        if name not in read:
            read[name] = SETS[name].read(shared_data, BARS_MAX)
        return read[name]

    return get


def check(build, histories, *, daily=True):
    theirs = alone(build, histories, daily=daily)
    ours, result = hosted(build, histories)
    assert ours == theirs
    assert len(result.moves) >= 4  # agreeing on nothing would be no agreement
    return result


@pytest.mark.parametrize("build", samples.DAILY, ids=lambda build: build.__name__)
def test_a_guest_on_daily_bars_is_told_what_backtrader_would_tell_it(real_bars, build):
    """Every notice with its time, size, price, value and profit; cash, value, positions per bar."""
    check(build, real_bars("aapl-daily"))


@pytest.mark.parametrize("build", samples.SEVERAL, ids=lambda build: build.__name__)
@pytest.mark.parametrize("name", ["two-files", "djia-five"])
def test_a_guest_with_several_feeds_is_told_the_same(real_bars, build, name):
    """Positions are kept apart, through zero and back."""
    check(build, real_bars(name))


@pytest.mark.parametrize("build", samples.INTRADAY, ids=lambda build: build.__name__)
def test_a_guest_on_minutes_is_told_the_same_in_exchange_time(real_bars, build):
    """Timers and resampling go by New York's clock."""
    histories = real_bars("us-minutes")
    theirs, (ours, _) = alone(build, histories, daily=False), hosted(build, histories)
    assert ours == theirs


@pytest.mark.uncounted
@pytest.mark.parametrize(
    "build",
    [*samples.DAILY, *samples.BY_OTHER_RULES, samples.five_minutes_beside_one],
    ids=lambda build: build.__name__,
)
def test_jumping_stepping_and_paper_write_one_journal(real_bars, build):
    """A guest is one more strategy: it sees each bar once, whoever brings it."""
    histories = real_bars("us-minutes" if "minutes" in build.__name__ else "orcl-daily")
    jumped, stepped, on_paper = journals(host(build), histories)
    assert jumped == stepped
    assert jumped == on_paper
    assert len(jumped) > 20


def test_resampled_bars_alone_are_acted_on_when_they_are_known(real_bars):
    """Backtrader fills at the open of the week in which the last one became known. We cannot."""

    def weeks_only(cerebro, feeds):
        cerebro.resampledata(feeds[0], timeframe=bt.TimeFrame.Weeks)
        cerebro.addstrategy(samples.Above, period=3)
        cerebro.addanalyzer(Told)

    guest = host(weeks_only)
    result = execute(request(guest, real_bars("aapl-daily"), **FREE))
    (bars,) = result.bars.values()
    places = {int(at): place for place, at in enumerate(bars.closed_at)}
    assert len(result.moves) > 10
    for life in result.lives:
        (fill,) = [move for move in result.moves if move.order_id == life.order.id]
        assert places[fill.at] == places[life.order.created_at] + 1
        assert float(fill.price) == bars.open[places[fill.at]]


# ---- the gate, the costs, the report ----


def test_every_order_passes_the_gate_and_a_refusal_is_told(real_bars):
    """With the card's reason in the journal, and as Rejected or Margin to the guest."""

    def greedy(cerebro, feeds):
        class Greedy(bt.Strategy):
            def next(self):
                if len(self) == 3:
                    self.buy(size=51)
                if len(self) == 4:
                    self.buy(size=10_000_000)

        cerebro.addstrategy(Greedy)
        cerebro.addanalyzer(Told)

    histories = real_bars("aapl-daily")
    told, result = hosted(greedy, histories)
    assert [line[1] for line in told[0] if line[1] != "bar"] == [
        "Submitted", "Accepted", "Completed", "trade", "Submitted", "Margin",
    ]  # fmt: skip
    guest = host(greedy)
    result = execute(request(guest, histories, limits=card(order_quantity_max="50")))
    assert result.refused_by_reason() == {"order_quantity_max": 2}
    lines = guest.strategies[0].analyzers.told.lines
    assert [line[1] for line in lines if line[1] != "bar"] == ["Submitted", "Rejected"] * 2


class Rotating(bt.Strategy):
    """All in one of two feeds, and every thirty bars all in the other."""

    def next(self):
        if len(self) % 30 == 5:
            old, new = self.datas if len(self) % 60 == 35 else reversed(self.datas)
            self.order_target_percent(old, target=0)
            self.order_target_percent(new, target=0.9)


@pytest.mark.parametrize(("multiple", "margin"), [("1", 3), ("2", 0)])
def test_a_sale_pays_for_a_purchase_when_it_has_filled(real_bars, multiple, margin):
    """Until then both count; whoever wants both at once says so on the card."""
    guest = host(Rotating)
    limits = card(buying_power_multiple=multiple)
    result = execute(request(guest, real_bars("two-files"), limits=limits, **FREE))
    assert result.refused_by_reason().get("buying_power_multiple", 0) == margin
    told = [order.getstatusname() for order in guest.strategies[0]._orders]
    assert told.count("Margin") == margin


def test_costs_slippage_and_report_are_those_of_any_run(real_bars, tmp_path):
    """The guest's own profit after commission is what the ledger says."""
    guest = host(samples.Cross)
    result = execute(request(guest, real_bars("aapl-daily"), costs="bps:10", slippage="bps:5"))
    (strategy,) = guest.strategies
    trades = [
        trade for by_id in strategy._trades.values() for each in by_id.values() for trade in each
    ]
    closed = [trade for trade in trades if trade.isclosed]
    ours = [trade for trade in result.round_trips if not trade.open]
    assert len(ours) == len(closed) > 5
    for mine, theirs in zip(ours, closed, strict=True):
        assert float(mine.net_pnl) == pytest.approx(theirs.pnlcomm)
    assert result.costs()["commission"] > 0
    assert strategy.broker.getvalue() == float(result.ended.equity)
    page = result.report(tmp_path / "report.html").read_text()
    assert "Cross" in page


@pytest.mark.parametrize("build", samples.BY_OTHER_RULES, ids=lambda build: build.__name__)
def test_a_trail_runs_in_both_hostings_and_follows_our_rule_here(real_bars, build):
    """Same entries until the first exit; Backtrader's stop follows closes, ours the highs."""
    histories = real_bars("aapl-daily")
    theirs, (ours, result) = alone(build, histories), hosted(build, histories)
    fills = [[line for line in told[0] if line[1] == "Completed"] for told in (theirs, ours)]
    assert fills[0][0] == fills[1][0]
    assert min(map(len, fills)) > 4
    (bars,) = result.bars.values()
    places = {int(at): place for place, at in enumerate(bars.closed_at)}
    exits = [life for life in result.lives if life.order.type is OrderType.TRAILING_STOP]
    for life in exits:
        for fill in (move for move in result.moves if move.order_id == life.order.id):
            seen = slice(places[life.order.created_at] + 1, places[fill.at])
            highest = max([bars.close[places[life.order.created_at]], *bars.high[seen]])
            share = life.order.trail_percent
            stop = highest - 4 if share is None else highest * (1 - float(share) / 100)
            first = float(life.order.stop_price)
            assert float(fill.price) <= max(stop, first) + 1e-9


@pytest.mark.uncounted
def test_every_sample_has_a_whole_journal_under_a_card_and_a_report(real_bars, tmp_path):
    """Through a gate that limits, into a journal that verifies, onto a page."""
    histories = real_bars("aapl-daily")
    limits = card(order_quantity_max="12", position_quantity_max="40")
    for build in (*samples.DAILY, *samples.BY_OTHER_RULES):
        result = execute(request(host(build), histories, limits=limits))
        file = tmp_path / build.__name__ / "journal.log"
        file.parent.mkdir()
        write_run_file(file, result.journal.lines())
        assert verify_file(file).ok
        assert all(order.quantity <= 12 for order in sent(result)), build.__name__
        assert result.lives, build.__name__
        if build in {samples.sma_cross, samples.bracket, samples.timers, samples.trailing_stop}:
            assert result.report(tmp_path / "report.html").stat().st_size > 50_000


def sent(result):
    return [life.order for life in result.lives if life.refusal is None]


def test_what_analyzers_find_is_in_the_journal(real_bars):
    """It ends with the run: a note per analyzer."""

    def analysed(cerebro, feeds):
        cerebro.addstrategy(samples.Cross)
        cerebro.addanalyzer(bt.analyzers.DrawDown)
        cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
        cerebro.addanalyzer(bt.analyzers.TimeReturn)
        cerebro.addobserver(bt.observers.DrawDown)
        cerebro.addwriter(bt.WriterStringIO, csv=True)

    guest = host(analysed)
    result = execute(request(guest, real_bars("aapl-daily")))
    notes = [record.text for record in result.records if isinstance(record, Noted)]
    assert [note.partition(":")[0] for note in notes] == [
        "analyzer drawdown", "analyzer trades", "analyzer timereturn",
    ]  # fmt: skip
    assert len(notes[2]) < 5_000
    assert guest.strategies[0].stats.drawdown.maxdrawdown[0] > 0


def test_a_guest_may_end_its_own_run(real_bars):
    """`runstop` is heard at once; nothing is shown, asked or filled after it."""

    class Enough(bt.Strategy):
        def next(self):
            self.buy(size=1)
            if len(self) == 5:
                self.env.runstop()

    guest = host(Enough)
    result = execute(request(guest, real_bars("aapl-daily")))
    assert len(guest.strategies[0]) == 5
    assert result.summary()["orders"]["sent"] == 5
    assert [life.status for life in result.lives] == ["FILLED"] * 4 + ["CANCELED"]


def test_the_last_bar_is_too_late_to_order(real_bars):
    """What resampling holds back is shown at the end; an order then is rejected, and no error."""

    def late(cerebro, feeds):
        class Late(bt.Strategy):
            def next(self):
                self.order = self.buy(size=1)

        cerebro.resampledata(feeds[0], timeframe=bt.TimeFrame.Years)
        cerebro.addstrategy(Late)

    guest = host(late)
    result = execute(request(guest, [each.first(40) for each in real_bars("aapl-daily")]))
    assert len(guest.strategies[0]) == 1
    assert result.summary()["orders"]["sent"] == 0


# ---- parameters ----


def test_parameters_are_those_the_strategy_declares():
    """Text becomes what the default is; they are in the journal like any other's."""
    guest = host(samples.Cross, fast="7", stake=2.5)
    assert guest.params == {"fast": 7, "slow": 12, "stake": 2.5}
    assert (guest.name, guest.engine.split()[0]) == ("Cross", "backtrader")
    for wrong, law in (
        ({"fats": 7}, r"Cross has no parameter 'fats' \(it has: fast, slow, stake\); did you mean"),
        ({"fast": "many"}, "Cross.fast must be a number, was 'many'"),
        ({"fast": None}, "only numbers, text and true or false"),
    ):
        with pytest.raises(StrategyError, match=law):
            host(samples.Cross, **wrong)


def test_a_function_takes_parameters_too(real_bars):
    """Those after its first two, by their defaults."""

    def build(cerebro, feeds, period=5, label="x", loud=False, anything=None):
        cerebro.addstrategy(samples.Above, period=period)

    guest = host(build, period="6", loud="yes", anything="0.5")
    assert guest.params == {"period": 6, "label": "x", "loud": True, "anything": 0.5}
    result = execute(request(guest, real_bars("aapl-daily")))
    assert result.started.params["period"] == "6"
    assert result.started.settings["engine"].startswith("backtrader 1.9")


# ---- what is refused, in one sentence ----


def refusal(build, histories):
    with pytest.raises(StrategyError) as error:
        execute(request(host(build), histories))
    return str(error.value)


def test_what_a_guest_cannot_have_is_refused_in_a_sentence(real_bars):
    """A feed, broker, clock or order of its own; settings that the run has."""
    histories = real_bars("aapl-daily")

    def own_feed(cerebro, feeds):
        cerebro.adddata(Rows(bars=histories[0]))
        cerebro.addstrategy(samples.Cross)

    def own_broker(cerebro, feeds):
        cerebro.addstrategy(samples.Cross)
        cerebro.setbroker(bt.brokers.BackBroker())

    def optimised(cerebro, feeds):
        cerebro.optstrategy(samples.Cross, fast=range(3, 5))

    def nobody(cerebro, feeds):
        pass

    def cheating(cerebro, feeds):
        cerebro.addstrategy(samples.Cross)
        cerebro.p.cheat_on_open = True

    def costly(cerebro, feeds):
        cerebro.broker.setcommission(0.001)

    def compensating(cerebro, feeds):
        cerebro.addstrategy(samples.Cross)
        feeds[0].compensate(feeds[0])

    def closing(cerebro, feeds):
        cerebro.broker.set_coc(True)

    def exotic(cerebro, feeds):
        class Exotic(bt.Strategy):
            def next(self):
                self.buy(exectype=bt.Order.StopTrailLimit, trailamount=1, price=1)

        cerebro.addstrategy(Exotic)

    def running(cerebro, feeds):
        cerebro.addstrategy(samples.Cross)
        cerebro.run()

    def drawing(cerebro, feeds):
        cerebro.addstrategy(samples.Cross)
        cerebro.plot()

    def shy(cerebro, feeds):
        class Shy(bt.Strategy):
            def __init__(self):
                raise bt.StrategySkipError

        cerebro.addstrategy(Shy)

    said = {
        own_feed: "Rows is a feed of its own; give its file with the others",
        own_broker: "leave cerebro.broker be",
        optimised: "use addstrategy instead of optstrategy",
        nobody: "call cerebro.addstrategy in it",
        cheating: "option cheat_on_open is not honoured here",
        costly: "setcommission is Backtrader's own broker's; give costs= or --costs to the run",
        compensating: "AAPL.XNAS compensates another feed: here each instrument has its position",
        closing: "set_coc is Backtrader's own broker's; there is no such thing here",
        exotic: "orders of the type StopTrailLimit cannot be simulated",
        shy: "there is nothing to run",
        running: "a guest is run by Evenkeel: leave cerebro.run() out of the function",
        drawing: "nothing has run yet: leave cerebro.plot() out of the function",
    }
    for build, sentence in said.items():
        assert sentence in refusal(build, histories), build.__name__


def test_only_backtraders_strategies_are_hosted():
    """Ours need no host."""
    for stranger in (int, ek.Strategy, lambda cerebro: None, "text"):
        with pytest.raises(StrategyError, match="is no Backtrader strategy"):
            host(stranger)
