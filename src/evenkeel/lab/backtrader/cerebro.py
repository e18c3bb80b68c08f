"""Backtrader's own loop, entered anew for each bar time and left when its bars are worked off.

`Cerebro.run` sets everything up and then stays in its loop until the data ends. Here the loop is
left before its first turn, and entered again whenever bars have come in: the engine keeps the lead,
in one thread, and between two bars the guest sleeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import backtrader as bt

from evenkeel.domain.errors import StrategyError
from evenkeel.lab.backtrader.feed import instrument_of

if TYPE_CHECKING:
    from evenkeel.lab.backtrader.broker import DeskBroker
    from evenkeel.lab.backtrader.feed import BarFeed


UNKNOWN_BARS = 1_000
"""How far before its first bar a guest reads NaN, and how far after the last.

Backtrader keeps a feed in one array that has the whole future in it, and an index before its
beginning counts from its end: `data.close[-1]` on the first bar is the last close of all. Many a
strategy does that without knowing. Backtrader's own margin at the end of the array takes it.
"""


class _SetUp(Exception):  # noqa: N818 - no error: how `run` is left
    """Everything is set up: the loop may be entered whenever there are bars."""


class SteppedCerebro(bt.Cerebro):
    """One run: `begin`, `step` after each bar time, `finish`."""

    def __init__(self, broker: DeskBroker) -> None:
        """Trade through `broker`."""
        super().__init__()
        self.setbroker(broker)
        self._ours = broker
        self._stepping = False
        self._entered = False

    def begin(self) -> None:
        """Set up feeds, strategies, analyzers and whatever else was added; refuse what cannot be."""
        self._refuse_strangers()
        try:
            super().run(runonce=False, preload=False, lookahead=UNKNOWN_BARS)
        except _SetUp:
            for strategy in self.runningstrats:
                _remember_all(strategy)
                for each in (*strategy.getindicators(), *strategy.observers):
                    each.extend(size=UNKNOWN_BARS)
            return
        raise StrategyError("the guest skipped itself (StrategySkipError): there is nothing to run")

    def step(self) -> None:
        """Work off every bar that the feeds were given, and return."""
        self._stepping, self._entered = True, False
        super()._runnext(self.runningstrats)
        if self._stepping:  # the guest has asked for the end (runstop): it sees no more bars
            return
        self._event_stop = False

    def finish(self) -> None:
        """Complete what resampling still holds back, and let everything stop, as `run` does."""
        for data in self.datas:
            data.over = True
        if not self._event_stop:
            self._stepping = False
            super()._runnext(self.runningstrats)
        for strategy in self.runningstrats:
            strategy._stop()  # noqa: SLF001 - what `Cerebro.run` calls
        self._ours.stop()
        for part in (*self.datas, *self.feeds, *self.stores):
            part.stop()
        self.stop_writers(self.runningstrats)

    @property
    def stopped(self) -> bool:
        """Whether the guest has asked for the end of its run."""
        return bool(self._event_stop)

    # ---- guests should not call these ----

    def run(self, **kwargs: Any) -> NoReturn:
        """Refuse: the engine does."""
        raise StrategyError("a guest is run by Evenkeel: leave cerebro.run() out of the function")

    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """Draw what has run; before, there is nothing to draw."""
        if not hasattr(self, "runningstrats"):
            raise StrategyError(
                "nothing has run yet: leave cerebro.plot() out of the function and see the report"
            )
        return super().plot(*args, **kwargs)

    # ---- Backtrader calls these ----

    def _runnext(self, runstrats: Any) -> None:
        raise _SetUp

    def _storenotify(self) -> None:
        """Leave the loop at the top of a turn: nothing is half done there."""
        super()._storenotify()
        if self._stepping and self._entered and not any(map(_has_more, self.datas)):
            self._stepping = False
            self.runstop()
        self._entered = True

    # ---- what may be in it ----

    def _refuse_strangers(self) -> None:
        for data in self.datas:
            instrument_of(data)
            if data._compensate is not None:  # noqa: SLF001 - nothing else tells
                raise StrategyError(
                    f"{data._name} compensates another feed: here each instrument has its position"  # noqa: SLF001
                )
        if self._broker is not self._ours:
            raise StrategyError("a guest trades through Evenkeel's gate: leave cerebro.broker be")
        if self._dooptimize:
            raise StrategyError("a guest runs once: use addstrategy instead of optstrategy")
        if not self.strats and not self.signals:
            raise StrategyError("the function added no strategy: call cerebro.addstrategy in it")
        for option in ("cheat_on_open", "oldsync"):
            if getattr(self.p, option):
                raise StrategyError(
                    f"Cerebro's option {option} is not honoured here: what is decided on a bar "
                    "can fill on later bars only"
                )


def _remember_all(owner: Any) -> None:
    """Let TA-Lib's functions see all bars so far, as they do in Backtrader's vectorised mode.

    Bar by bar it shows them the last few, which is enough for an average and wrong for whatever adds
    up (OBV) or smooths what is smooth (MACD). Candles need those few.
    """
    for indicator in owner.getindicators():
        _remember_all(indicator)
        if isinstance(indicator, bt.talib._TALibIndicator) and not indicator._iscandle:  # noqa: SLF001
            indicator._lookback = 0  # noqa: SLF001 - none: all


def _has_more(data: BarFeed) -> bool:
    """Whether the loop would find a bar of this feed: new, put back, or made by a filter."""
    waiting = getattr(data, "waiting", ())
    return bool(
        waiting
        or data._barstack  # noqa: SLF001 - filters leave bars there, and nobody else tells
        or data._barstash  # noqa: SLF001 - the same
        or len(data) < data.buflen()
    )
