"""A strategy of ours that runs a Backtrader strategy: one turn of Backtrader's loop per bar time.

To the engine a guest is one more strategy: it is called on each bar time, asks its desk, hears of
orders and fills. What it thinks, it thinks in Backtrader. Backtest, jumping, paper, parity, report
and `why` need not know of it.

`setup` computes nothing: a guest's indicators live in Backtrader and see each bar once, in order,
so there is nothing to compute anew when a history grows, and no bar that could be seen too early.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar

import backtrader as bt

from evenkeel.domain.errors import StrategyError
from evenkeel.domain.order import Side
from evenkeel.lab.backtrader.broker import DeskBroker
from evenkeel.lab.backtrader.cerebro import SteppedCerebro
from evenkeel.lab.backtrader.feed import Bar, BarFeed, feed_of
from evenkeel.lab.backtrader.values import Value, values_of
from evenkeel.strategy.base import PortfolioStrategy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from evenkeel.domain.fill import Fill
    from evenkeel.strategy.desk import OrderUpdate
    from evenkeel.strategy.series import BarSeries

ANALYSIS_MAX = 4_000
"""How many characters of an analyzer's result go into the journal."""


class Guest(PortfolioStrategy):
    """Runs `hosted`: a `bt.Strategy`, or a function that fills a Cerebro. Made by `host`."""

    engine: ClassVar[str] = f"backtrader {bt.__version__}"
    hosted: ClassVar[Any]

    def __init__(self, **params: object) -> None:
        """Take parameter values by name, as the hosted strategy declares them."""
        super().__init__()
        self._params = values_of(self.hosted, params)
        self.strategies: list[Any] = []
        """The Backtrader strategies of the last run, with their analyzers and observers."""

    def clone(self) -> Guest:
        """Return a guest without state that shows its strategies here, too."""
        twin = type(self)(**self._params)
        twin.strategies = self.strategies
        return twin

    # ---- hooks of the engine ----

    def setup(self, bars: Mapping[str, BarSeries]) -> None:
        """Note when each instrument's bars begin."""
        self._first_at = {name: each.close.times[0] for name, each in bars.items()}

    def on_start(self) -> None:
        """Fill a Cerebro and let it begin."""
        self._broker = DeskBroker(self)
        self._cerebro = SteppedCerebro(self._broker)
        self._feeds = {
            name: feed_of(bars.instrument, self._first_at[name]) for name, bars in self.bars.items()
        }
        self._seen = dict.fromkeys(self.bars, 0)
        self._closes: dict[str, float] = {}  # as they were shown: a split changes what has been
        _fill(self._cerebro, self.hosted, list(self._feeds.values()), self._params)
        self._cerebro.begin()
        self.strategies[:] = self._cerebro.runningstrats

    def on_bar(self) -> None:
        """Hand the new bars over, let Backtrader work them off, and send what it decided."""
        for name, feed in self._feeds.items():
            self._give(name, feed)
        if not self._cerebro.stopped:
            self._cerebro.step()
            self._broker.flush()
            if self._cerebro.stopped:
                self._broker.withdraw("the guest has ended its run")

    def on_order(self, update: OrderUpdate) -> None:
        """Pass on what became of an order."""
        self._broker.told(update)

    def on_fill(self, fill: Fill) -> None:
        """Pass on a fill."""
        self._broker.filled(fill)

    def on_stop(self) -> None:
        """Let Backtrader end, and write down what its analyzers found."""
        self._broker.closed = True
        self._cerebro.finish()
        for strategy in self.strategies:
            for name, analyzer in strategy.analyzers.getitems():
                self.log(f"analyzer {name}: {_told(analyzer.get_analysis())}")

    def _give(self, name: str, feed: BarFeed) -> None:
        bars = self.bars[name]
        if bars.count == self._seen[name]:
            return
        shown, was = bars.close[self._seen[name] - bars.count], self._closes.get(name)
        if was is not None and was != shown:
            self._broker.split(name, was / shown)
        self._seen[name], self._closes[name] = bars.count, bars.close[0]
        columns = (bars.open[0], bars.high[0], bars.low[0], bars.close[0], bars.volume[0])
        feed.give(Bar(bars.close.times[-1], *columns))

    # ---- the desk of its broker ----

    @property
    def next_number(self) -> int:
        """The number that the next order will get."""
        return self._desk.next_order

    @property
    def moment(self) -> int:
        """Now, in UTC nanoseconds."""
        return self._desk.now

    def send(
        self, instrument: str, side: Side, quantity: Decimal, terms: dict[str, Any]
    ) -> int | None:
        """Place an order through the gate; its number, None when it was refused."""
        return self._order(instrument, side, quantity, **terms)

    def held(self, instrument: str) -> float:
        """Return the signed quantity that the ledger holds."""
        return self.position(instrument).quantity

    def leaves(self, order_id: int) -> Decimal:
        """Return how much of an order may still fill."""
        return self._desk.leaves(order_id)

    def paid(self, instrument: str) -> float:
        """Return the average price of what it holds."""
        return self.position(instrument).average_price


def host(hosted: Any, **params: object) -> Guest:
    """Return a strategy that runs a Backtrader one.

    `hosted` is a `bt.Strategy` class, or a function `f(cerebro, feeds, **params)` that adds to a
    Cerebro what it likes (strategies, sizers, analyzers, resampled feeds); when it adds no feed,
    all are added. After a run, `strategies` holds what ran. Raises `StrategyError` for anything
    else, and for a parameter that is not declared or breaks its law.
    """
    return guest_class(hosted)(**params)


def guest_class(hosted: Any) -> type[Guest]:
    """Return the class of the guests that run `hosted`; it bears its name."""
    if not is_hostable(hosted):
        raise StrategyError(
            f"{hosted!r} is no Backtrader strategy: give a class that extends bt.Strategy, or a "
            "function f(cerebro, feeds)"
        )
    facts = {
        "__module__": hosted.__module__,
        "__doc__": hosted.__doc__,
        "hosted": staticmethod(hosted) if inspect.isfunction(hosted) else hosted,
    }
    return type(hosted.__name__, (Guest,), facts)


def is_hostable(found: object) -> bool:
    """Whether something is a `bt.Strategy` or a function that could fill a Cerebro."""
    if isinstance(found, type):
        return issubclass(found, bt.Strategy)
    return inspect.isfunction(found) and len(inspect.signature(found).parameters) >= 2


def _fill(
    cerebro: SteppedCerebro, hosted: Any, feeds: list[BarFeed], params: dict[str, Value]
) -> None:
    if isinstance(hosted, type):
        cerebro.addstrategy(hosted, **params)
    else:
        hosted(cerebro, feeds, **params)
    if not cerebro.datas:
        for feed in feeds:
            cerebro.adddata(feed)


def _told(analysis: Any) -> str:
    told = str(_plain(analysis))
    return told if len(told) <= ANALYSIS_MAX else f"{told[:ANALYSIS_MAX]}…"


def _plain(value: Any) -> Any:
    """Return nested dicts as such, so that they read without their classes' names."""
    return {str(k): _plain(v) for k, v in value.items()} if hasattr(value, "items") else value
