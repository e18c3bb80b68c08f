"""Random order programs: markets to trade in, and what is done at which moment.

A seed is a program: the same one everywhere and always.
"""

from dataclasses import dataclass
from decimal import Decimal
from random import Random

import numpy as np
from msgspec.structs import replace
from tests.reference.venue import Bar, Market

from evenkeel.domain.bar import Bars
from evenkeel.domain.events import Split
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.instrument_events import (
    Delisted,
    Merged,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.order import TIMES_IN_FORCE, Order, OrderType, Side, TimeInForce

MINUTE = 60_000_000_000
ONE, PAIR = "ONE.XXXX", "PAIR.XXXX"
STEPS = (-6, -3, -2, -1, -1, 0, 0, 1, 1, 2, 3, 6)


@dataclass
class Program:
    """Bars, and what is done once the bars of a moment are known: orders, cancels, actions."""

    markets: dict[str, Market]
    acts: dict[int, list[object]]
    through: bool
    slip_bps: int
    share: Decimal

    @property
    def moments(self) -> list[int]:
        """Every closing time of every instrument."""
        return sorted({bar.at for market in self.markets.values() for bar in market.bars})

    def bars(self) -> list[Bars]:
        """The same markets in the columns that the engine reads."""
        return [columns(name, market) for name, market in self.markets.items()]


def columns(name: str, market: Market) -> Bars:
    """One market as the engine reads it."""
    rows = list(zip(*market.bars, strict=True))
    prices = [np.array([float(value) for value in row]) for row in rows[1:]]
    return Bars(
        Instrument(name, tick=market.tick, lot=market.lot),
        np.array(rows[0], dtype=np.int64),
        *prices,
        np.array(market.closes, dtype=np.int64),
        volume_known=market.volume_known,
    )


# ---- markets ----


def random_market(dice: Random, count: int, every: int, first: int) -> Market:
    """Bars that wander, gap and stand still, in sessions; some bars are missing, days are halved."""
    a_session = dice.choice([1, 3, 6])
    tick = dice.choice([None, None, Decimal(1), Decimal("0.5")])
    bars, closes, close, minute = [], [], 100, first
    while len(bars) < count:
        length = a_session if dice.random() < 0.8 else max(1, a_session // 2)
        for _ in range(length):
            minute += every
            opened = max(60, close + dice.choice(STEPS) // 2)
            close = max(60, opened + dice.choice(STEPS))
            high, low = (
                max(opened, close) + dice.randint(0, 3),
                min(opened, close) - dice.randint(0, 3),
            )
            volume = dice.choice([0, 35, 80, 80, 10_000])
            if dice.random() < 0.9:
                row = map(Decimal, (opened, high, low, close, volume))
                bars.append(Bar(minute * MINUTE, *row))
        closes.append(minute * MINUTE)
        minute += dice.choice([0, 2])
    closes += [(minute + 10 * n) * MINUTE for n in range(1, 4)]
    lot = dice.choice([Decimal(1), Decimal(1), Decimal(2)])
    return Market(bars, closes, lot, tick, volume_known=dice.random() < 0.8)


def random_markets(dice: Random) -> dict[str, Market]:
    """Two instruments, of which one trades more often."""
    return {
        ONE: random_market(dice, 36, 1, 0),
        PAIR: random_market(dice, 14, dice.choice([1, 2, 3]), 3),
    }


def real_markets(dice: Random, histories: list[Bars]) -> dict[str, Market]:
    """A stretch of one or two real histories, as the data wrote it."""
    chosen = dice.sample(histories, min(len(histories), dice.choice([1, 2])))
    count = dice.randint(20, 45)
    start = dice.randrange(max(1, min(len(each) for each in chosen) - count))
    return {each.instrument.id: stretch(each, start, count) for each in chosen}


def stretch(history: Bars, start: int, count: int) -> Market:
    """Some bars of a history in the words of the reference."""
    cut = history.between(start, start + count)
    rows = [
        cut.closed_at.tolist(),
        *(c.tolist() for c in (cut.open, cut.high, cut.low, cut.close, cut.volume)),
    ]
    bars = [Bar(at, *(Decimal(repr(v)) for v in values)) for at, *values in zip(*rows, strict=True)]
    closes = [at for at in cut.session_closes.tolist() if at >= bars[0].at][: 2 * count]
    instrument = history.instrument
    return Market(bars, closes, instrument.lot, instrument.tick, cut.volume_known)


# ---- what is done ----


def program(seed: int, histories: list[Bars] | None = None) -> Program:
    """The program of a seed, on bars of its own or on a stretch of real ones."""
    dice = Random(seed)
    markets = real_markets(dice, histories) if histories else random_markets(dice)
    wanted = Program(
        markets,
        {},
        through=dice.random() < 0.3,
        slip_bps=dice.choice([0, 0, 7, 40]),
        share=dice.choice([Decimal("0.1"), Decimal("0.1"), Decimal("0.25"), Decimal(1000)]),
    )
    moments = wanted.moments[:-3]
    number = 0
    for moment in sorted(dice.sample(moments, min(len(moments), dice.randint(1, 9)))):
        todo = wanted.acts.setdefault(moment, [])
        for _ in range(dice.randint(1, 4)):
            if dice.random() < 0.25:
                todo += a_bracket(dice, wanted, moment, number)
                number += 3
            else:
                number += 1
                todo.append(an_order(dice, wanted, moment, number))
        if dice.random() < 0.3:
            todo.append(dice.randint(1, number + 1))
    if dice.random() < 0.35:
        add_actions(dice, wanted)
    return wanted


def an_order(dice: Random, wanted: Program, now: int, number: int) -> Order:
    """Any order, perhaps with a parent, a group, an end, or one that it replaces."""
    earlier = {
        each.id: each for todo in wanted.acts.values() for each in todo if isinstance(each, Order)
    }
    kind = dice.choice([*OrderType, OrderType.LIMIT, OrderType.STOP, OrderType.TRAILING_STOP])
    tif = dice.choice(sorted(TIMES_IN_FORCE[kind], key=lambda tif: tif.value))
    replaces = dice.choice([*earlier, None]) if earlier and dice.random() < 0.2 else None
    if replaces is not None and dice.random() < 0.9:
        name, side = earlier[replaces].instrument, earlier[replaces].side
    else:
        name = dice.choice(list(wanted.markets))
        side = dice.choice([Side.BUY, Side.SELL])
    market = wanted.markets[name]
    near = next((bar.close for bar in reversed(market.bars) if bar.at <= now), market.bars[0].open)
    linked = dice.choice([*earlier]) if earlier and dice.random() < 0.35 else None
    group = dice.choice([*earlier, number]) if earlier and dice.random() < 0.3 else None
    stop = a_price(dice, near, market) if "STOP" in kind.value else None
    if replaces is not None and stop is not None and dice.random() < 0.5:
        stop = earlier[replaces].stop_price or stop  # it stays where it is
    if kind is OrderType.TRAILING_STOP and (linked or replaces) and dice.random() < 0.5:
        stop = None  # it starts where the order comes to stand
    return Order(
        number,
        "test",
        name,
        side,
        dice.choice([1, 2, 3, 5, 8, 12]) * market.lot,
        kind,
        now,
        limit_price=a_price(dice, near, market) if "LIMIT" in kind.value else None,
        stop_price=stop,
        **a_trail(dice, kind, near, market),
        tif=tif,
        expires_at=an_end(dice, tif, market, now),
        replaces=replaces,
        parent=linked,
        oca_group=group,
    )


def a_bracket(dice: Random, wanted: Program, now: int, number: int) -> list[Order]:
    """An entry near the price, and close around it a stop and a target that exclude each other."""
    entry = an_order(dice, wanted, now, number + 1)
    kind = dice.choice([OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT])
    market = wanted.markets[entry.instrument]
    near = next((bar.close for bar in reversed(market.bars) if bar.at <= now), market.bars[0].open)
    entry = replace(
        entry,
        type=kind,
        limit_price=a_price(dice, near, market) if "LIMIT" in kind.value else None,
        stop_price=a_price(dice, near, market) if "STOP" in kind.value else None,
        trail_amount=None,
        trail_percent=None,
        tif=TimeInForce.GTC,
        expires_at=None,
        replaces=None,
        parent=None,
        oca_group=None,
    )
    tick, up = market.tick or Decimal("0.01"), 1 if entry.side is Side.BUY else -1
    away = [max(tick, (near * n / 100 / tick).to_integral_value() * tick) for n in (1, 2, 4)]
    start = entry.limit_price or entry.stop_price or near
    exits = {"side": entry.side.opposite, "parent": entry.id, "oca_group": entry.id}
    stop = replace(
        entry,
        id=number + 2,
        type=OrderType.STOP,
        stop_price=max(tick, start - up * dice.choice(away)),
        limit_price=None,
        **exits,
    )
    if dice.random() < 0.25:
        stop = replace(stop, type=OrderType.TRAILING_STOP, trail_amount=dice.choice(away))
    elif dice.random() < 0.2:
        stop = replace(stop, type=OrderType.STOP_LIMIT, limit_price=stop.stop_price)
    target = replace(
        entry,
        id=number + 3,
        type=OrderType.LIMIT,
        limit_price=max(tick, start + up * dice.choice(away)),
        stop_price=None,
        **exits,
    )
    return [entry, stop, target]


def a_price(dice: Random, near: Decimal, market: Market) -> Decimal:
    """A price around the last one: on the tick, and often exactly where bars begin and end."""
    away = dice.choice([0, 0, 1, 1, 2, 3, 5, 8, 12]) * dice.choice([-1, 1])
    tick = market.tick or Decimal("0.01")
    steps = near * (100 + away) / 100 / tick
    return max(tick, steps.to_integral_value() * tick)


def a_trail(dice: Random, kind: OrderType, near: Decimal, market: Market) -> dict[str, Decimal]:
    """An amount on the tick, or a percentage."""
    if kind is not OrderType.TRAILING_STOP:
        return {}
    if dice.random() < 0.4:
        return {"trail_percent": Decimal(dice.choice(["1", "2.5", "6"]))}
    tick = market.tick or Decimal("0.01")
    steps = near * dice.choice([1, 2, 6]) / 100 / tick
    return {"trail_amount": max(tick, steps.to_integral_value() * tick)}


def an_end(dice: Random, tif: TimeInForce, market: Market, now: int) -> int | None:
    """When an order ends by itself: its session's close, or any moment at all."""
    if tif is TimeInForce.DAY:
        return market.session_of(now + 1)
    if tif is TimeInForce.GTD:
        return now + dice.choice([1, 90, 121, 300]) * MINUTE // 60 * dice.choice([1, 60])
    return None


def add_actions(dice: Random, wanted: Program) -> None:
    """Something happens to an instrument, before the bars of a moment are traded."""
    name = dice.choice(list(wanted.markets))
    other = next((each for each in wanted.markets if each != name), None)
    own = [bar.at for bar in wanted.markets[name].bars]
    early, late = sorted(dice.sample(own[1:-1], 2))
    at = early - dice.choice([1, MINUTE // 2])
    kind = dice.randrange(8)
    if kind == 0:
        new, old = dice.choice([(2, 1), (1, 2), (3, 2)])
        happens = [(early, Split(name, at, Decimal(new), Decimal(old)))]
    elif kind == 1:
        happens = [(early, StockDividend(name, at, Decimal("0.25")))]
    elif kind <= 3:
        happens = [
            (early, TradingHalted(name, at)),
            (late, TradingResumed(name, late - 1)),
        ]
    elif kind == 4:
        happens = [(early, Delisted(name, at, Decimal(90)))]
    elif kind == 5:
        happens = [(early, Merged(name, at, other, Decimal(2), Decimal(3)))]
    elif kind == 6:
        happens = [(early, SpunOff(name, at, other or name, Decimal("0.5")))]
    else:
        happens = [(early, SymbolChanged(name, at, dice.choice([other, "NEW.XXXX"]) or "NEW.XXXX"))]
    for moment, action in happens:
        wanted.acts.setdefault(moment, []).insert(0, action)
