"""`RiskStrategy`: laws for parameters, hooks in their order, limits that hold, targets that count."""

import pytest
from tests.parity.real_data import SETS

pytest.importorskip("backtrader", reason="the extra [backtrader] is not installed")

import backtrader as bt
from tests.engine.market import Y, bars
from tests.lab.beside_cerebro import FREE, alone, hosted, journals

import evenkeel as ek
from evenkeel.app.backtest import execute
from evenkeel.app.setup import request
from evenkeel.domain.errors import StrategyError
from evenkeel.lab.backtrader import RiskStrategy, host


@pytest.fixture(scope="module")
def apple(shared_data):
    """AAPL of 2000: it halves in September."""
    return SETS["aapl-daily"].read(shared_data, 250)


def run(strategy, histories, **params):
    """Run it as a guest; the strategy afterwards and the result."""
    guest = host(strategy, **params)
    result = execute(request(guest, histories, **FREE))
    return guest.strategies[0], result


class Holder(RiskStrategy):
    """Wants to hold its weight, always."""

    weight: float = ek.param(0.9, gt=-3, le=3)
    period: int = ek.param(3, ge=1, le=50)

    def setup(self):
        self.average = bt.ind.SMA(period=self.period)
        self.said = []
        self.heard = []

    def on_start(self):
        self.heard.append("start")

    def on_warmup(self):
        self.heard.append("warmup")

    def on_bar(self):
        self.heard.append("bar")
        self.target_weight(self.weight)

    def on_order(self, order):
        self.heard.append(order.getstatusname())

    def on_trade(self, trade):
        self.heard.append("trade")

    def on_limit(self, reason):
        self.said.append((self.data.datetime.date(0), reason))

    def on_stop(self):
        self.heard.append("stop")


def test_hooks_are_called_in_their_order(apple):
    """Start, warm-up, bars; orders and trades between them; stop."""
    strategy, _ = run(Holder, apple)
    order = ["Submitted", "Accepted", "Completed", "trade"]
    assert strategy.heard[:8] == ["start", "warmup", "warmup", "bar", *order]
    assert strategy.heard[8] == "bar"
    assert strategy.heard[-1] == "stop"


@pytest.mark.parametrize(
    ("value", "law"),
    [
        ({"period": 0}, "Holder.period must be a whole number from 1 to 50, was 0"),
        ({"weight": "much"}, "Holder.weight must be a number above -3 to 3, was 'much'"),
        ({"drawdown_max": 0}, "RiskStrategy.drawdown_max must be a number above 0 to 1, was 0"),
    ],
)
def test_a_parameter_keeps_its_law_in_both_hostings(apple, value, law):
    """Text from a command line too; and under Backtrader alone before `__init__` is reached."""
    with pytest.raises(StrategyError) as error:
        host(Holder, **value)
    assert str(error.value) == law
    with pytest.raises(StrategyError) as error:
        alone(lambda cerebro, feeds: cerebro.addstrategy(Holder, **value), apple)
    assert str(error.value) == law


def test_parameters_are_backtraders_and_attributes(apple):
    """Declared once, read either way, and inherited."""

    class Later(Holder):
        weight: float = ek.param(0.5, gt=0, le=1)

    strategy, result = run(Later, apple, period="7")
    assert (strategy.period, strategy.p.period, strategy.params.weight) == (7, 7, 0.5)
    assert result.started.params == {
        "weight_max": "10.0", "drawdown_max": "1.0", "loss_day_max": "1.0",
        "orders_day_max": "1000000", "weight": "0.5", "period": "7",
    }  # fmt: skip


def test_a_subclass_gives_a_parameter_another_default(apple):
    """By its name alone, and the law holds: as in `ek.Strategy`."""

    class Careful(Holder):
        weight = 0.25
        period = 5

    strategy, result = run(Careful, apple, period=6)
    assert (strategy.weight, strategy.p.weight, strategy.period) == (0.25, 0.25, 6)
    assert (result.started.params["weight"], result.started.params["period"]) == ("0.25", "6")
    with pytest.raises(StrategyError, match=r"Wrong.weight must be .* above -3 to 3, was 4"):
        host(type("Wrong", (Holder,), {"weight": 4, "__module__": __name__}))


def test_a_parameter_cannot_hide_what_every_guest_has():
    """Its position, say."""
    hiding = type("Hiding", (Holder,), {"position": ek.param(3), "__module__": __name__})
    with pytest.raises(StrategyError, match=r"Hiding.position would hide the position"):
        host(hiding)


def test_one_with_an_init_of_its_own_needs_no_setup(apple):
    """Nor does it call ours, as no `bt.Strategy` does."""

    class Plain(RiskStrategy):
        drawdown_max = 0.3

        def __init__(self):
            self.average = bt.ind.SMA(period=5)

        def on_bar(self):
            self.target_weight(0.9)

    strategy, result = run(Plain, apple)
    assert strategy.halted.startswith("drawdown_max 0.3 exceeded")
    assert not result.positions


@pytest.mark.parametrize(
    ("theirs", "hook"),
    [
        ("start", "on_start"), ("prenext", "on_warmup"), ("nextstart", "on_bar"), ("next", "on_bar"),
        ("notify_order", "on_order"), ("notify_trade", "on_trade"), ("stop", "on_stop"),
    ],
)  # fmt: skip
def test_what_keeps_the_limits_cannot_be_written_over(theirs, hook):
    """With `next` written over nobody would watch the drawdown: it is said where it is written."""
    law = f"Greedy.{theirs}: a RiskStrategy keeps its limits there; write {hook} instead"
    with pytest.raises(StrategyError) as error:
        type("Greedy", (Holder,), {theirs: lambda self, *_: None, "__module__": __name__})
    assert str(error.value) == law
    mixin = type("Mixin", (), {theirs: lambda self, *_: None})
    with pytest.raises(StrategyError, match=f"Greedy.{theirs}: "):
        type("Greedy", (mixin, Holder), {"__module__": __name__})


@pytest.mark.parametrize(
    ("ask", "law"),
    [
        (lambda s: s.target_weight(float("nan")), "weight must be a number, was nan"),
        (lambda s: s.target_weight("much"), "weight must be a number, was 'much'"),
        (lambda s: s.target_quantity(None), "quantity must be a number, was None"),
    ],
)
def test_a_target_that_is_no_number_is_refused(apple, ask, law):
    """In our words, as from any verb."""
    asking = type("Asking", (RiskStrategy,), {"on_bar": ask, "__module__": __name__})
    with pytest.raises(StrategyError, match=law):
        run(asking, apple)


def test_a_weight_may_be_written_as_text(apple):
    """As a quantity may, and as from our own strategies."""
    runs = [
        run(
            type(
                "Asking",
                (RiskStrategy,),
                {
                    "on_bar": lambda self, weight=weight: self.target_weight(weight),
                    "__module__": __name__,
                },
            ),
            apple,
        )[1]
        for weight in (-0.5, "-0.5")
    ]
    assert len(runs[0].fills) > 0
    assert runs[0].ended == runs[1].ended


def test_nothing_is_entered_on_an_account_that_is_worth_nothing():
    """Short a thousand at 10 with 12,000: at 22 nothing is left, and any weight is too much."""

    class Ruined(RiskStrategy):
        weight_max = 2.0

        def on_bar(self):
            if len(self) == 1:
                self.sell(size=1000)
            elif len(self) == 4:
                self.more = self.buy(size=1, data=self.data1)

        def on_limit(self, reason):
            self.said = reason

    guest = host(Ruined)
    ruin = [bars(10, 10, 10, 22, 22, 22), bars(*[10.0] * 6, name=Y)]
    execute(request(guest, ruin, **FREE | {"cash": 12_000}))
    (strategy,) = guest.strategies
    assert strategy.broker.getvalue() == 0
    assert strategy.more is None
    assert strategy.said == "weight_max 2 exceeded: inf"


def test_a_deep_fall_ends_the_trading_for_good(apple):
    """Measured from the peak: orders cancelled, positions closed, no bar any more."""
    strategy, result = run(Holder, apple, drawdown_max=0.2)
    ((day, reason),) = strategy.said
    equity = result.equity
    fall = 1 - equity / equity.cummax()
    first = fall.index[fall > 0.2][0]
    assert day == first.tz_convert("America/New_York").date()
    assert reason == f"drawdown_max 0.2 exceeded: {fall[first]:.4f}"
    assert not result.positions
    assert max(order.created_at for order in orders(result)) == first.value


def orders(result):
    return [life.order for life in result.lives]


def test_a_bad_day_ends_the_day(apple):
    """Flat at the next open, and back the day after the loss."""
    strategy, result = run(Holder, apple, loss_day_max=0.05)
    equity = result.equity
    lost = 1 - equity / equity.shift(1)
    days = [day for day, _ in strategy.said]
    assert days == [at.tz_convert("America/New_York").date() for at in lost.index[lost > 0.05]]
    assert len(days) > 3
    assert result.positions  # it has come back


def test_a_fall_while_it_warms_up_ends_the_trading_too(apple):
    """What still waits at the venue is cancelled; whoever asks for more is told why not."""

    class Early(RiskStrategy):
        drawdown_max: float = ek.param(0.01, gt=0, le=1)

        def setup(self):
            self.average = bt.ind.SMA(period=100)

        def on_warmup(self):
            if len(self) == 1:
                self.low = self.buy(size=1, exectype=bt.Order.Limit, price=0.01)
                self.all = self.buy(size=500)
                self.cut = self.buy(size=0.5)

        def on_limit(self, reason):
            if not hasattr(self, "said"):
                self.said = reason
                self.more = self.buy(size=1)

    strategy, result = run(Early, apple)
    assert strategy.said.startswith("drawdown_max 0.01 exceeded")
    assert strategy.more is None
    assert strategy.low.status == bt.Order.Canceled
    assert not result.positions


def test_a_position_stays_below_its_weight(apple):
    """What would exceed it is not ordered; the way out stays open."""
    strategy, result = run(Holder, apple, weight_max=0.5)
    assert not orders(result)
    assert strategy.said[0][1].startswith("weight_max 0.5 exceeded: 0.89")
    strategy, result = run(Holder, apple, weight_max=0.95)
    share = result.curve.invested / result.curve.equity
    assert 0.88 < max(share) < 0.96  # the price may carry it further than an order could


def test_entries_of_a_day_are_counted_and_exits_are_not(apple):
    """Two entries a day; whatever leads to less may be sent."""

    class Busy(RiskStrategy):
        orders_day_max: int = ek.param(2, ge=1)

        def on_bar(self):
            if len(self) == 1:
                self.sent = [self.buy(size=10) for _ in range(4)]
                self.bracket = self.buy_bracket(size=5, price=1, stopprice=0.5, limitprice=2)
                self.short = self.sell_bracket(size=5, price=500, stopprice=600, limitprice=2)
            elif len(self) == 3:
                self.out = self.close()

    strategy, result = run(Busy, apple)
    assert [order is not None for order in strategy.sent] == [True, True, False, False]
    assert strategy.bracket == strategy.short == [None] * 3
    assert strategy.out is not None
    assert not result.positions


def test_the_bars_of_a_day_share_what_it_may_order():
    """One entry a day on hourly bars; nothing at all is no order, for Backtrader either."""

    class Hourly(RiskStrategy):
        orders_day_max: int = ek.param(1, ge=1)

        def setup(self):
            self.days = []

        def on_bar(self):
            assert self.buy(size=0) is None
            if self.buy(size=1) is not None:
                self.days.append(self.data.datetime.date(0))

    strategy, _ = run(Hourly, [bars(*[10.0] * 60)])
    assert len(strategy.days) == len(set(strategy.days)) == 3


def test_brackets_within_the_limits_are_sent_whole(apple):
    """Their legs are exits: they count for nothing."""

    class Bracketed(RiskStrategy):
        orders_day_max: int = ek.param(1, ge=1)

        def on_bar(self):
            if len(self) == 1:
                close = self.data.close[0]
                self.sent = self.buy_bracket(
                    size=5, price=close, stopprice=close * 0.9, limitprice=close * 1.1
                )

    strategy, result = run(Bracketed, apple)
    assert len(strategy.sent) == len(orders(result)) == 3


def test_a_target_counts_orders_on_their_way_and_goes_through_zero(apple):
    """Asked for twice on one bar, ordered once."""

    class Targets(RiskStrategy):
        def on_bar(self):
            match len(self):
                case 2:
                    self.first = self.target_quantity(30)
                    self.second = self.target_quantity(30)
                case 4:
                    self.target_weight(-0.1)
                case 6:
                    self.risked = self.quantity_for_risk(0.01, 2.0)
                    self.target_quantity(0)

    strategy, result = run(Targets, apple)
    assert strategy.second is None
    assert (orders(result)[0].side.value, orders(result)[0].quantity) == ("BUY", 30)
    close = float(result.bars["AAPL.XNAS"].close[3])
    short = int(0.1 * float(result.equity.iloc[3]) / close)
    assert int(orders(result)[1].quantity) == 30 + short
    assert int(orders(result)[2].quantity) == short
    assert strategy.risked == pytest.approx(0.01 * float(result.equity.iloc[5]) / 2)


@pytest.mark.uncounted
@pytest.mark.parametrize("limits", [{}, {"drawdown_max": 0.2}, {"loss_day_max": 0.06}])
def test_it_trades_alike_under_backtrader_alone_and_on_paper(apple, limits):
    """A `bt.Strategy` through and through; and one journal in all three ways."""

    def build(cerebro, feeds):
        cerebro.addstrategy(Holder, weight=0.7, **limits)

    assert hosted(build, apple)[0] == alone(build, apple)
    jumped, stepped, on_paper = journals(host(Holder, **limits), apple)
    assert jumped == stepped == on_paper


def test_one_without_on_bar_says_so(apple):
    """In a sentence."""
    with pytest.raises(StrategyError, match="Empty has no on_bar method: say there what to do"):
        run(type("Empty", (RiskStrategy,), {}), apple)
