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
from tests.engine.market import HOUR, X, Y, card, play

import evenkeel as ek
from evenkeel.domain.bar import Bars
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.instrument_events import TradingHalted, TradingResumed
from evenkeel.engine.blotter import Blotter
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
    bars = {
        "cents": dice.random() < 0.5,
        "volumes": dice.choice([[1e6], [1e6], [1e6, 3_000], [100, 300, 5_000], [1e6, 0]]),
        "lot": Decimal(dice.choice([1, 1, 1, "0.01", 5])),
        "multiplier": Decimal(dice.choice([1, 1, 10, "0.5"])),
    }
    histories = [walk(name, dice, **bars) for name in names]
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
