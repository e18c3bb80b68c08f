"""Whether orders stand on the blotter or go to the venue one by one: the same journal, the same book.

A backtest that jumps jots plain orders down; one that goes from bar to bar hands each of them over.
"""

import random
from collections import Counter
from decimal import Decimal
from math import isnan
from typing import ClassVar

import numpy as np
import pytest
from msgspec.structs import replace
from tests.engine.market import HOUR, X, Y, bars, card, play

import evenkeel as ek
from evenkeel.domain.bar import Bars
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.instrument_events import TradingHalted, TradingResumed
from evenkeel.engine import blotter, calm
from evenkeel.engine.blotter import Blotter
from evenkeel.engine.calm import Calm
from evenkeel.journal.chain import links

pytestmark = pytest.mark.uncounted

BARS = 40
RUNS = 150
UNPACED = {
    "orders_per_second_max": "unlimited",
    "orders_per_day_max": "unlimited",
    "open_orders_max": "unlimited",
}


class Whims:
    """What a strategy does on a bar, drawn from its own dice: plain orders mostly."""

    dice_from: ClassVar[int] = 0
    often: ClassVar[float] = 1.0
    spread: ClassVar[float] = 1.0
    """How far down the list of things to do the dice go: 0.6 are plain orders and nothing else."""
    told: ClassVar[list[object]] = []

    def on_start(self):
        self.dice = random.Random(self.dice_from + sum(map(ord, self.whose)))
        self.ids = []

    def act(self, last, *name):
        for _ in range(self.dice.choice([1, 1, 1, 2, 3])):
            quantity = self.dice.choice([1, 5, 10, 10, 50, Decimal("3.5"), Decimal("0.37"), 0, -4])
            trade = self.dice.choice([self.buy, self.sell])
            self.ids.append(
                self.one_of(self.dice.random() * self.spread, trade, quantity, last, name)
            )

    def one_of(self, drawn, trade, quantity, last, name):
        price = round(last * self.dice.uniform(0.95, 1.05), 2)
        some = abs(quantity) or 1
        if drawn < 0.5:
            return trade(*name, quantity)
        if drawn < 0.57:
            return self.close(*name)
        if drawn < 0.6:
            return self.target_quantity(*name, self.dice.choice([0, 10, -10, 25]))
        if drawn < 0.7:
            return self.target_weight(*name, self.dice.choice([0, 0.3, 0.9]))
        if drawn < 0.78:
            self.told.append((self.cash, self.equity))
        elif drawn < 0.84:
            at = self.position(*name) if name else self.position
            self.told.append((at.quantity, at.average_price, at.market_value, at.unrealized_pnl))
        elif drawn < 0.88:
            return trade(*name, some, limit=price)
        elif drawn < 0.91:
            return trade(*name, some, stop=price, after=self.dice.choice([*self.ids, 0]))
        elif drawn < 0.94 and self.ids:
            self.cancel(self.dice.choice(self.ids))
        elif drawn < 0.97:
            self.log(f"{self.equity}")
        else:
            return trade(*name, 10**7)
        return None


class Alone(Whims, ek.Strategy):
    @property
    def whose(self):
        return self.instrument.id

    def on_bar(self):
        if self.dice.random() < self.often:
            self.act(self.bars.close[0])


class Together(Whims, ek.PortfolioStrategy):
    whose = "all"

    def on_bar(self):
        for name in self.universe:
            if self.dice.random() < self.often and not isnan(self.bars[name].close[0]):
                self.act(self.bars[name].close[0], name)


def walk(name, dice, *, cents, volumes, **facts):
    rows, last = [], 50.0
    for _ in range(BARS):
        opened = last * dice.uniform(0.97, 1.03)
        last = opened * dice.uniform(0.97, 1.03)
        if cents:
            opened, last = round(opened, 2), round(last, 2)
        low, high = min(opened, last) * dice.uniform(0.98, 1), max(opened, last) * 1.01
        rows.append((opened, high, low, last, dice.choice(volumes)))
    columns = [np.array(column, dtype=float) for column in zip(*rows, strict=True)]
    at = np.arange(1, BARS + 1) * HOUR
    return Bars(Instrument(name, **facts), at, *columns, np.arange(1, 6) * 10 * HOUR)


def happenings(dice, names):
    """What happens to instruments, now and then."""
    found = []
    for name in names:
        for _ in range(dice.choice([0, 0, 0, 1, 2])):
            at = dice.randrange(1, BARS - 1) * HOUR + dice.choice([0, 1, HOUR // 2])
            found.append(
                dice.choice(
                    [
                        Split(name, at, Decimal(dice.choice([2, 3, 7])), Decimal(2)),
                        CashDividend(name, at, Decimal("0.11")),
                        TradingHalted(name, at),
                        TradingResumed(name, at),
                    ]
                )
            )
    return tuple(sorted(found, key=lambda each: each.at))


def limits(dice):
    narrow = {
        "order_quantity_max": dice.choice([20, 60, 1000]),
        "order_notional_max": dice.choice([2_500, 10_000, 10**6]),
        "position_quantity_max": dice.choice([15, 60, 300]),
        "gross_exposure_max": dice.choice([3_000, 10_000, 10**6]),
        "net_exposure_max": dice.choice([3_000, 10_000, 10**6]),
        "concentration_max": dice.choice(["0.1", "0.5", 10]),
        "buying_power_multiple": dice.choice([1, 2, 50]),
    }
    slow = {
        "orders_per_second_max": dice.choice([1, 2, 1_000]),
        "orders_per_day_max": dice.choice([3, 10, 1_000]),
        "open_orders_max": dice.choice([1, 2, 1_000]),
        "duplicate_window_seconds": dice.choice([0, 0, 1, 3_600, 8_000]),
    }
    return dice.choice(
        [
            None,
            None,
            card(**UNPACED),
            card(**UNPACED, **narrow),
            card(**slow),
            card(**slow, **narrow),
        ]
    )


def both_ways(seed):
    """Play one made-up run, jumping and stepping; return what is to be the same."""
    dice = random.Random(seed)
    names = dice.choice([[X], [X, Y], [X, Y, "Z.XXXX"]])
    facts = {
        "cents": dice.random() < 0.5,
        "volumes": dice.choice([[1e6], [1e6], [1e6, 3_000], [100, 300, 5_000], [1e6, 0]]),
        "lot": Decimal(dice.choice([1, 1, 1, "0.01", 5])),
        "multiplier": Decimal(dice.choice([1, 1, 10, "0.5"])),
    }
    histories = [walk(name, dice, **facts) for name in names]
    terms = {
        "limits": limits(dice),
        "actions": happenings(dice, names),
        "costs": dice.choice(
            [
                *("zero", "bps:10", "bps:10", "per-share:0.01,minimum=1", "per-order:2"),
                *("ibkr-fixed", "ibkr-tiered"),
            ]
        ),
        "slippage": dice.choice(["none", "none", "bps:5", "random:10"]),
        "cash": dice.choice(["1000", "3000.37", "100000"]),
    }
    if dice.random() < 0.3:
        terms |= {"interest": "6", "borrow": "1.5", "margin": dice.choice(["none", "reg-t"])}
    members = {
        "dice_from": seed,
        "often": dice.choice([0.3, 0.7, 1.0]),
        "spread": dice.choice([0.6, 0.6, 0.8, 1.0]),
    }
    kind = dice.choice([Alone, Together])
    for jump in (True, False):
        told: list[object] = []
        strategy = type("Whim", (kind,), {**members, "told": told})
        records, core, _ = play(strategy, *histories, jump=jump, **terms)
        lines = [each.line for each in links(records)]
        fills = sum(isinstance(record, Fill) for record in records)
        # As text: a NaN is not equal to itself.
        yield lines, repr(told), core.account.book.state_hash(), core.account.book.changes, fills


def test_jotting_orders_down_writes_the_journal_of_going_step_by_step(monkeypatch):
    """All tariffs, lots, multipliers, halts, splits, reads between orders, and limits close by."""
    jotted, note = Counter(), Blotter.note
    fills = 0

    def counted(self, *order):
        number = note(self, *order)
        jotted[number is not None] += 1
        return number

    monkeypatch.setattr(Blotter, "note", counted)
    for seed in range(RUNS):
        jumped, stepped = both_ways(seed)
        assert jumped == stepped, seed
        fills += jumped[-1]
    # Otherwise all this says nothing.
    assert fills > 20 * RUNS
    assert min(jotted[True], jotted[False]) > 4 * RUNS


class Steady(ek.Strategy):
    """Trades a little on most bars, seldom twice as much as before; often the wrong way round."""

    seed: ClassVar[int] = 0
    perverse: ClassVar[bool] = False
    amount: ClassVar[int] = 10

    def on_start(self):
        self.dice, self.size, self.long = random.Random(self.seed), type(self).amount, False

    def on_bar(self):
        if self.dice.random() < 0.02:
            self.size *= 2
        if self.dice.random() < 0.005:
            self.log("still here")
        if self.perverse or self.dice.random() < 0.8:
            (self.sell if self.long else self.buy)(self.size)
            self.long = not self.long


def path(kind, dice):
    """Closes of a quiet walk, of a saw, of a fall, of a rise, and of a crash late in the day."""
    steps = {
        "walk": lambda n: dice.gauss(0, 0.002),
        "saw": lambda n: 0.02 if n % 2 else -0.02,
        "fall": lambda n: -0.004,
        "rise": lambda n: 0.004,
        "crash": lambda n: -0.5 if n == 150 else dice.gauss(0, 0.001),
    }
    close = 50.0
    for number in range(200):
        close *= 1 + steps[kind](number)
        yield round(close, 4)


def quiet(name, dice, facts):
    """Bars of one way of going, now and then with a thin one, or with one that is worth nothing."""
    closes = list(path(dice.choice(["walk", "saw", "fall", "rise", "crash"]), dice))
    history = bars(*closes, name=name, volume=dice.choice([1e6, 1e6, 700]), **facts)
    if dice.random() < 0.2:
        place = dice.randrange(200)
        changed = {"volume": history.volume.copy(), "low": history.low.copy()}
        changed["volume"][place] = dice.choice([0.0, 60.0, 300.0])
        changed["low"][place] *= dice.choice([1.0, 1.0, 0.0, -0.5])
        history = replace(history, **changed)
    return history


def calm_both_ways(seed):
    """Play steady trading, jumping and stepping, with so little money that it may run out."""
    dice = random.Random(seed)
    facts = {"multiplier": Decimal(dice.choice([1, 1, 10]))}
    names = dice.choice([[X], [X], [X, Y], [X, Y, "Z.XXXX"]])
    histories = [quiet(name, dice, facts) for name in names]
    narrow = {"concentration_max": dice.choice(["0.5", 10]), "position_quantity_max": 70}
    terms = {
        "limits": dice.choice([None, card(**UNPACED, **narrow)]),
        "costs": dice.choice(
            ["zero", "bps:10", "per-order:2", "per-share:0.01,minimum=1", "ibkr-fixed"]
        ),
        "slippage": dice.choice(["none", "none", "bps:5", "random:10"]),
        "cash": dice.choice(["600", "1500", "3000", "10000", "100000"]),
    }
    if dice.random() < 0.3:
        terms |= {"interest": "6", "borrow": "1.5", "margin": "reg-t"}
    members = {"seed": seed, "perverse": dice.random() < 0.5, "amount": dice.choice([1, 5, 10])}
    for jump in (True, False):
        records, core, _ = play(type("Steady", (Steady,), members), *histories, jump=jump, **terms)
        yield [each.line for each in links(records)], core.account.book.state_hash()


def test_who_need_not_be_watched_would_have_passed(monkeypatch):
    """Whatever the bars do: orders that are let pass unwatched are those that the rules let pass."""
    told, begin, widen = Counter(), Calm.begin, Calm.widen

    def begun(self, index, *opened, **account):
        begin(self, index, *opened, **account)
        told[self.until > index] += 1

    def widened(self, *order):
        passes = widen(self, *order)
        told["wider", passes] += 1
        return passes

    monkeypatch.setattr(Calm, "begin", begun)
    monkeypatch.setattr(Calm, "widen", widened)
    for seed in range(RUNS):
        monkeypatch.setattr(calm, "_LOOKED_AT", (60, 200, 16_384)[seed % 3])
        monkeypatch.setattr(blotter, "_WAITING", (3, 128)[seed % 2])
        jumped, stepped = calm_both_ways(seed)
        assert jumped == stepped, seed
        told["refused"] += any(b'"Refused"' in line for line in jumped[0])
    assert min(told.values()) > RUNS / 5, told
