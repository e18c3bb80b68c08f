"""A strategy that does anything an author could write, and the reference's account of its run."""

from contextlib import suppress
from decimal import Context, Decimal, localcontext
from random import Random

from tests.reference.venue import Reference

import evenkeel as ek
from evenkeel.domain.errors import StrategyError
from evenkeel.domain.events import CancelRequested
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import (
    CashDividend,
    Delisted,
    Merged,
    Split,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved

VENUE_SAYS = {
    "OrderAccepted", "OrderRejected", "OrderCanceled", "OrderExpired", "OrderReplaced",
    "CancelRejected", "Fill",
}  # fmt: skip


class Whims(ek.Strategy):
    """Trades by dice: every verb with every word, on about every third bar."""

    seed: int = ek.param(0)

    def on_start(self):
        self.dice = Random(f"{self.seed} {self.instrument.id}")
        self.known = []

    def on_bar(self):
        dice = self.dice
        if dice.random() < 0.35:
            for _ in range(dice.randint(1, 3)):
                self.known += [each for each in self.whim() if each is not None]
        if self.known and dice.random() < 0.15:
            self.cancel(dice.choice(self.known[-6:]))

    def whim(self):
        dice, size = self.dice, self.dice.choice([1, 4, 9, 25]) * self.instrument.lot
        kind = dice.randrange(10)
        if kind == 0:
            up = dice.choice([1, -1])
            return self.bracket(
                size,
                side="buy" if up == 1 else "sell",
                stop_loss=self.price(-up * dice.choice([1, 2])),
                take_profit=self.price(up * dice.choice([1, 2])),
                **self.words(),
            )
        if kind == 1:
            return [
                self.target_quantity(dice.choice([-9, 0, 12]) * self.instrument.lot, **self.words())
            ]
        if kind == 2:
            return [self.close()]
        if kind == 3 and self.known:
            return self.in_a_row(dice.choice(self.known[-6:]))
        if kind == 4:
            with self.one_cancels_other():
                return [self.trade(size), self.trade(size), self.trade(size)]
        if kind == 5:
            first = self.trade(size)
            return [first, self.trade(size, after=first)]
        return [self.trade(size)]

    def in_a_row(self, order):
        """Requests in flight together: each is sent before the one before it is answered."""
        dice = self.dice
        asked = []
        for _ in range(dice.randint(1, 3)):
            if dice.random() < 0.25:
                self.cancel(order)
                continue
            prices = {dice.choice(["limit", "stop"]): self.price(dice.randint(-3, 3))}
            quantity = dice.choice([None, 3 * self.instrument.lot])
            with suppress(StrategyError):  # a limit for a trail, a stop for an auction
                asked.append(self.replace(order, quantity=quantity, **prices))
            order = asked[-1] if asked and asked[-1] and dice.random() < 0.5 else order
        return asked

    def trade(self, size, **more):
        verb = self.buy if self.dice.random() < 0.5 else self.sell
        return verb(size, **self.words(), **more)

    def words(self):
        dice = self.dice
        kind = dice.randrange(9)
        away = dice.randint(-3, 3)
        if kind == 0:
            return {"on": "open", **dice.choice([{}, {"limit": self.price(away)}])}
        if kind == 1:
            return {"on": "close", **dice.choice([{}, {"limit": self.price(away)}])}
        if kind == 2:
            return {
                "tif": dice.choice(["IOC", "FOK"]),
                **dice.choice([{}, {"limit": self.price(away)}]),
            }
        if kind == 3:
            return {"trail": dice.choice(["1.5%", self.step(2)]), **self.end()}
        if kind == 4:
            return {"stop": self.price(away), **self.end()}
        if kind == 5:
            return {
                "stop": self.price(away),
                "limit": self.price(dice.randint(-3, 3)),
                **self.end(),
            }
        if kind <= 7:
            return {"limit": self.price(away), **self.end()}
        return {}

    def end(self):
        kind = self.dice.randrange(5)
        if kind == 0:
            return {"tif": "DAY"}
        ends = int(self._desk.now) + self.dice.choice([60, 3_600, 86_400, 200_000]) * 10**9
        return {"expires": ends} if kind == 1 else {}

    def step(self, percent):
        """A distance on the tick."""
        tick = float(self.instrument.tick or 0.01)
        return round(max(1, round(self.bars.close[0] * percent / 100 / tick)) * tick, 6)

    def price(self, percent):
        """A price so far from the last close, on the tick."""
        tick = float(self.instrument.tick or 0.01)
        return round(max(1, round(self.bars.close[0] * (1 + percent / 100) / tick)) * tick, 6)


def happenings(dice, markets):
    """What happens to the instruments of a run: nothing, as a rule, or one thing of each kind."""
    if dice.random() < 0.4:
        return []
    name, other = dice.sample(list(markets), 2)
    early, late = sorted(dice.sample([bar.at for bar in markets[name].bars[3:-1]], 2))
    ends = [
        Delisted(name, late, dice.choice([None, Decimal(0), Decimal(80)])),
        Merged(name, late, other, Decimal(2), Decimal(3), Decimal("0.25")),
        SymbolChanged(name, late, other),
    ]
    scales = [
        Split(name, early - 1, Decimal(2)),
        StockDividend(name, early - 1, Decimal("0.25")),
        SpunOff(name, early - 1, other, Decimal("0.5"), Decimal("0.25")),
        CashDividend(name, early - 1, Decimal("0.75")),
    ]
    halts = [TradingHalted(name, early - 1), TradingResumed(name, late - 1)]
    return [
        *dice.sample(scales, 1),
        *dice.choice([halts, halts[:1], []]),
        *dice.choice([ends[:1], ends[1:2], ends[2:], []]),
    ]


def told(records):
    """What the venue said in a run."""
    return [record for record in records if type(record).__name__ in VENUE_SAYS]


def retold(records, markets, *, share, slip_bps):
    """What the reference says to the same requests and actions, at the same moments."""
    venue = Reference(markets, share=Decimal(share), slip_bps=Decimal(slip_bps))
    said = []
    with localcontext(Context(prec=60)):
        for record in records:
            name = getattr(record, "instrument", None)
            if isinstance(record, Approved):
                said += heard(venue, record.at)
                venue.submit(record.order)
            elif isinstance(record, CancelRequested):
                said += heard(venue, record.at)
                venue.cancel(record.order_id)
            elif name is not None and not isinstance(record, Fill):
                moment = in_effect_at(markets, record)
                if venue.now < moment:  # what happens at one moment happens before its bar
                    said += heard(venue, moment - 1)
                    venue.now = moment
                venue.action(record)
        said += heard(venue, max(market.bars[-1].at for market in markets.values()))
    return said


def heard(venue, moment):
    """Let time come to a moment, if it has not been there."""
    venue.now = max(venue.now, moment)
    return venue.listen()


def in_effect_at(markets, action):
    """The first bar after an action: of its instrument, or of any where it has none any more."""
    ended = isinstance(action, Delisted | Merged | SymbolChanged)
    concerned = markets.values() if ended else [markets[action.instrument]]
    later = [bar.at for market in concerned for bar in market.bars if bar.at > action.at]
    return min(later, default=max(market.bars[-1].at for market in markets.values()))


def settled(records, markets):
    """Equity in the end, as a sum over what moved money or shares in a run."""
    cash, held = records[0].cash, dict.fromkeys(markets, Decimal(0))
    for record in records:
        name = getattr(record, "instrument", None)
        match record:
            case Fill():
                signed = record.quantity if record.side is Side.BUY else -record.quantity
                held[name] += signed
                cash -= signed * record.price + record.commission
            case Split() | StockDividend():
                held[name] = held[name] * record.new / record.old
            case CashDividend():
                cash += held[name] * record.amount
            case SpunOff():
                held[record.child] += held[name] * record.shares
            case Delisted():
                cash += held[name] * record.price
                held[name] = Decimal(0)
            case Merged():
                cash += held[name] * record.cash
                gone, held[name] = held[name], Decimal(0)
                held[record.into] += gone * record.shares
            case SymbolChanged():
                gone, held[name] = held[name], Decimal(0)
                held[record.to] += gone
    return cash + sum(held[name] * market.bars[-1].close for name, market in markets.items())
