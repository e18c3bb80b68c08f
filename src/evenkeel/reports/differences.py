"""Where two journals part: every order that is not the same in both, and which cause explains it.

    data       the bars that it was decided on, or filled on, are not the same
    timing     decided, filled, canceled or expired at another time
    fill       filled at the same time at another price, or another quantity of it; or ended otherwise
    fee        the same fills cost other commission or fees
    restart    one journal is silent for a while in which the other one trades, or says UNKNOWN
    decision   asked otherwise on the same bars: parameters, limits, code, or a look ahead

An order that was asked otherwise because the account had become another one follows from an earlier
difference: it has that one's cause, and names it. Orders are paired by what they are and when they
were decided; their numbers say nothing once one side has sent one more.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from msgspec import Struct

from evenkeel.domain.events import (
    Noted,
    OrderCanceled,
    OrderExpired,
    OrderUncertain,
    RunEnded,
    RunStarted,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import ZERO, text
from evenkeel.domain.order import Side, TimeInForce
from evenkeel.domain.tape import NEVER
from evenkeel.reports.orders import lives
from evenkeel.reports.text import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evenkeel.domain.bar import Bars
    from evenkeel.domain.events import Record
    from evenkeel.domain.order import Order

Cause: TypeAlias = Literal["data", "timing", "fill", "fee", "restart", "decision"]
CAUSES: tuple[Cause, ...] = ("data", "timing", "fill", "fee", "restart", "decision")

COLUMNS = ("open", "high", "low", "close", "volume")


class OrderTold(Struct, frozen=True):
    """One journal's order and what became of it; `cost` is commission and fees of all its fills.

    `ended` is when the venue canceled or expired it, None when it did not.
    """

    order: Order
    status: str
    fills: tuple[Fill, ...]
    uncertain: bool
    ended: int | None

    @property
    def cost(self) -> Decimal:
        """What that cost beside its price."""
        return sum((fill.commission + fill.fees for fill in self.fills), ZERO)

    @property
    def terms(self) -> tuple[object, ...]:
        """What was asked for, but for the time."""
        order = self.order
        prices = (order.limit_price, order.stop_price, order.trail_amount, order.trail_percent)
        return order.quantity, *prices, order.tif, self.status == "REFUSED"

    @property
    def trades(self) -> tuple[tuple[int, Decimal, Decimal], ...]:
        """When it filled how much at which price."""
        return tuple((fill.at, fill.quantity, fill.price) for fill in self.fills)


Pair: TypeAlias = tuple[OrderTold | None, OrderTold | None]


class Difference(Struct, frozen=True):
    """An order of which the two journals tell different things; None where one has no such order.

    `follows` is the place (from 1) of the difference that this one comes from, None for one that
    explains itself.
    """

    cause: Cause
    explanation: str
    first: OrderTold | None
    second: OrderTold | None
    follows: int | None = None


class Data:
    """The bars of two runs, as far as they can be read; else their hashes alone."""

    def __init__(
        self,
        tapes: tuple[Mapping[str, str], Mapping[str, str]],
        bars: tuple[Mapping[str, Bars], Mapping[str, Bars]],
    ) -> None:
        """Find, for every instrument of which the hashes differ, the bars that do."""
        first, second = tapes
        self._differ: dict[str, list[int] | None] = {}
        for name in dict.fromkeys((*first, *second)):
            if first.get(name) != second.get(name):
                known = name in bars[0] and name in bars[1]
                self._differ[name] = _unequal(bars[0][name], bars[1][name]) if known else None

    def first_difference(self, instrument: str | None, since: int, until: int) -> str | None:
        """Say where bars that closed from `since` to `until` differ, None when they do not.

        Without an instrument: those of any.
        """
        for name, moments in self._differ.items():
            if instrument not in {None, name}:
                continue
            if moments is None:
                return f"the bars of {name} differ (their hashes do; the bars cannot be read)"
            place = bisect_left(moments, since)
            if place < len(moments) and moments[place] <= until:
                return f"the bars of {name} differ at {iso(moments[place])}"
        return None


def _unequal(first: Bars, second: Bars) -> list[int]:
    """Return the closing times, in order, of bars that are not the same in both."""
    common, mine, theirs = np.intersect1d(first.closed_at, second.closed_at, return_indices=True)
    unequal = np.zeros(len(common), np.bool_)
    for name in COLUMNS:
        unequal |= getattr(first, name)[mine] != getattr(second, name)[theirs]
    alone = np.setxor1d(first.closed_at, second.closed_at)
    moments: list[int] = np.union1d(common[unequal], alone).tolist()
    return moments


def differences(
    first: Sequence[Record | Order],
    second: Sequence[Record | Order],
    data: Data,
    *,
    in_one_go: bool = False,
) -> list[Difference]:
    """Return every order that differs between the records of two journals, in order of time.

    `in_one_go`: both runs are known to have gone through without a break, so none was restarted.
    """
    sides = (_Side(first), _Side(second))
    explain = _Explain(sides, data, in_one_go=in_one_go)
    for pair in sorted(_pairs(sides), key=_moment):
        explain.take(pair)
    return explain.found


# ---- one journal ----


class _Side:
    """A journal's orders, and when it says anything at all."""

    def __init__(self, records: Sequence[Record | Order]) -> None:
        fills: dict[int, dict[str, Fill]] = {}
        uncertain = set()
        ended: dict[int, int] = {}
        self.started: RunStarted | None = None
        self.ended = False
        self.moments: list[int] = []
        for record in records:
            match record:
                case RunStarted():
                    self.started = record
                case RunEnded():
                    self.ended = True
                case Fill():
                    fills.setdefault(record.order_id, {}).setdefault(record.id, record)
                case OrderUncertain():
                    uncertain.add(record.order_id)
                case OrderCanceled() | OrderExpired():
                    ended.setdefault(record.order_id, record.at)
                case _:
                    pass
            if not isinstance(record, RunStarted | RunEnded | Noted):
                self.moments.append(_at(record))
        self.moments.sort()
        self.fills = [fill for by_id in fills.values() for fill in by_id.values()]
        self.orders = [
            OrderTold(
                life.order,
                life.status,
                tuple(fills.get(life.order.id, {}).values()),
                life.order.id in uncertain,
                None if life.status == "FILLED" else ended.get(life.order.id),
            )
            for life in lives(records)
        ]
        self.decided = sorted({told.order.created_at for told in self.orders})
        self.strategies = {told.order.strategy for told in self.orders}

    def held(self, instrument: str, until: int) -> Decimal:
        """Return what fills had made of the position by a moment."""
        moved = (
            fill.quantity if fill.side is Side.BUY else -fill.quantity
            for fill in self.fills
            if fill.instrument == instrument and fill.at <= until
        )
        return sum(moved, ZERO)

    def silence(self, moment: int) -> tuple[int, int]:
        """Return the last moment before, and the first one after, at which it says something.

        Before its beginning, and after its end unless it says that it ended, it says nothing.
        """
        moments, began = self.moments, -1 if self.started is None else self.started.at
        before, after = bisect_left(moments, moment), bisect_right(moments, moment)
        return (
            moments[before - 1] if before else began,
            moments[after] if after < len(moments) else NEVER,
        )


def _at(record: Record | Order) -> int:
    return record.created_at if hasattr(record, "created_at") else record.at


# ---- pairs ----


def _pairs(sides: tuple[_Side, _Side]) -> Iterator[Pair]:
    """Pair orders that are of one kind: those decided at one time first, the rest between them."""
    shared = sides[0].strategies & sides[1].strategies
    kinds: dict[tuple[object, ...], tuple[list[OrderTold], list[OrderTold]]] = {}
    for number, side in enumerate(sides):
        for told in side.orders:
            kinds.setdefault(_kind(told.order, shared), ([], []))[number].append(told)
    for mine, theirs in kinds.values():
        yield from _align(mine, theirs)


def _kind(order: Order, shared: set[str]) -> tuple[object, ...]:
    """Return what an order is; a strategy's name counts where both runs have it."""
    name = order.strategy if order.strategy in shared else ""
    return name, order.instrument, order.side, order.type, order.parent is None


def _align(mine: list[OrderTold], theirs: list[OrderTold]) -> Iterator[Pair]:
    """Pair what was decided at one time, and between two such times what is nearest."""
    by_time: dict[int, tuple[list[OrderTold], list[OrderTold]]] = {}
    for side, orders in enumerate((mine, theirs)):
        for told in orders:
            by_time.setdefault(told.order.created_at, ([], []))[side].append(told)
    left: list[OrderTold] = []
    right: list[OrderTold] = []
    for at in sorted(by_time):
        here, there = by_time[at]
        if here and there:
            yield from _between(left, right)
            left, right = [], []
        yield from zip(here, there, strict=False)
        left += here[len(there) :]
        right += there[len(here) :]
    yield from _between(left, right)


def _between(mine: list[OrderTold], theirs: list[OrderTold]) -> Iterator[Pair]:
    """Pair each of the shorter list with the nearest of the longer one, in the order of time."""
    swapped = len(mine) > len(theirs)
    few, many = (theirs, mine) if swapped else (mine, theirs)
    pairs: list[Pair] = []
    place, to_spare = 0, len(many) - len(few)
    for told in few:
        while to_spare and _apart(told, many[place + 1]) < _apart(told, many[place]):
            pairs.append((None, many[place]))
            place, to_spare = place + 1, to_spare - 1
        pairs.append((told, many[place]))
        place += 1
    pairs += [(None, told) for told in many[place:]]
    for short, long in pairs:
        yield (long, short) if swapped else (short, long)


def _apart(one: OrderTold, other: OrderTold) -> int:
    return abs(one.order.created_at - other.order.created_at)


def _moment(pair: Pair) -> int:
    return min(told.order.created_at for told in pair if told is not None)


# ---- causes ----


class _Explain:
    """Finds the cause of each difference, knowing those before it."""

    def __init__(self, sides: tuple[_Side, _Side], data: Data, *, in_one_go: bool) -> None:
        self._sides = sides
        self._data = data
        self._in_one_go = in_one_go
        self._same_mind = not _otherwise(sides, DECIDING)
        self._same_venue = not _otherwise(sides, FILLING)
        self.found: list[Difference] = []
        self._latest: int | None = None  # the place of the last one that explains itself
        self._latest_of: dict[str, int] = {}  # the same for each instrument

    def take(self, pair: Pair) -> None:
        """Note the difference of a pair, if both journals do not tell the same of it."""
        difference = self._difference(*pair)
        if difference is None:
            return
        self.found.append(difference)
        if difference.follows is None:
            self._latest = self._latest_of[_one(pair).order.instrument] = len(self.found)

    def _difference(self, first: OrderTold | None, second: OrderTold | None) -> Difference | None:
        if first is None or second is None or first.terms != second.terms:
            return self._asked_otherwise((first, second))
        if first.uncertain != second.uncertain:
            side = "first" if first.uncertain else "second"
            words = f"the {side} run did not know its outcome"
            return Difference("restart", words, first, second)
        if first.order.created_at != second.order.created_at:
            return self._later(first, second)
        if first.order.expires_at != second.order.expires_at:
            return self._asked_otherwise((first, second))
        if first.trades != second.trades or first.status != second.status:
            return self._filled_otherwise(first, second)
        if first.cost != second.cost:
            words = f"cost {text(first.cost)} and {text(second.cost)}"
            return Difference("fee", words, first, second)
        if first.ended != second.ended:
            return self._ended_otherwise(first, second)
        return None

    def _later(self, first: OrderTold, second: OrderTold) -> Difference:
        mine, theirs = first.order.created_at, second.order.created_at
        if why := self._data.first_difference(None, 0, max(mine, theirs)):
            return Difference("data", why, first, second)
        return Difference("timing", f"decided at {iso(mine)} and at {iso(theirs)}", first, second)

    def _filled_otherwise(self, first: OrderTold, second: OrderTold) -> Difference:
        order = first.order
        last = max((fill.at for told in (first, second) for fill in told.fills), default=NEVER)
        if why := self._data.first_difference(order.instrument, order.created_at, last):
            return Difference("data", why, first, second)
        if why := self._missed(first, second):
            return Difference("restart", why, first, second)
        for (mine, *part), (theirs, *other) in zip(first.trades, second.trades, strict=False):
            if mine != theirs:
                words = f"filled at {iso(mine)} and at {iso(theirs)}"
                return Difference("timing", words, first, second)
            if part != other:
                break
        return Difference("fill", f"{_fate(first)}; {_fate(second)}", first, second)

    def _ended_otherwise(self, first: OrderTold, second: OrderTold) -> Difference:
        order, moments = first.order, [told.ended or 0 for told in (first, second)]
        if why := self._data.first_difference(order.instrument, order.created_at, max(moments)):
            return Difference("data", why, first, second)
        words = f"{first.status.lower()} at {' and at '.join(map(iso, moments))}"
        return Difference("timing", words, first, second)

    def _asked_otherwise(self, pair: Pair) -> Difference:
        moment = _moment(pair)
        if why := self._data.first_difference(None, 0, moment):
            return Difference("data", why, *pair)
        if why := self._absent(pair):
            return Difference("restart", why, *pair)
        root = self._latest_of.get(_one(pair).order.instrument, self._latest)
        if root is not None:
            cause = self.found[root - 1].cause
            words = f"{_asked(pair)}: follows from difference {root}"
            return Difference(cause, words, *pair, follows=root)
        return Difference("decision", f"{_asked(pair)}: {self._settings()}", *pair)

    def _absent(self, pair: Pair) -> str | None:
        """Say why the side without the order was away, None when it was there and awake."""
        if pair[0] is not None and pair[1] is not None:
            return None
        order = _one(pair).order
        return self._silence(0 if pair[0] is None else 1, order.created_at, order.instrument)

    def _missed(self, first: OrderTold, second: OrderTold) -> str | None:
        """Say why the side with fewer fills was away when the other one had the next."""
        told = (first.fills, second.fills)
        away = 0 if len(told[0]) < len(told[1]) else 1
        so_far = len(told[away])
        following = told[1 - away][so_far:]
        if not following or told[0][:so_far] != told[1][:so_far] or not self._same_venue:
            return None
        return self._silence(away, following[0].at, first.order.instrument)

    def _silence(self, away: int, moment: int, instrument: str) -> str | None:
        """Say how long a side was silent around a moment, None when it was awake.

        It was away when it thinks alike and held what the other held, and then said nothing while
        the other decided more than once; or when it had not begun, or had stopped without ending.
        A fill that only the other had, and that is explained, says why this one has nothing to say.
        """
        if self._in_one_go:
            return None
        side, other = self._sides[away], self._sides[1 - away]
        since, until = side.silence(moment)
        if since >= moment:  # it had not begun
            return f"the {('first', 'second')[away]} run begins at {iso(since)}"
        if until == NEVER and side.ended:
            return None
        decided = bisect_left(other.decided, until) - bisect_right(other.decided, since)
        if until != NEVER and (decided < 2 or not self._same_mind):
            return None
        if side.held(instrument, since) != other.held(instrument, since):
            return None
        if self._filled_alone(1 - away, instrument, since):
            return None
        end = "its end" if until == NEVER else iso(until)
        return f"the {('first', 'second')[away]} run has no record from {iso(since)} to {end}"

    def _filled_alone(self, side: int, instrument: str, since: int) -> bool:
        """Whether what filled after a moment, and was explained, is why only one side has orders."""
        root = self._latest_of.get(instrument)
        if root is None or self.found[root - 1].cause != "fill":
            return False
        told = (self.found[root - 1].first, self.found[root - 1].second)[side]
        return told is not None and any(fill.at > since for fill in told.fills)

    def _settings(self) -> str:
        """Say what the two runs were given that differs."""
        if any(side.started is None for side in self._sides):
            return "a journal does not say how its run began"
        if differing := _otherwise(self._sides, (*DECIDING, *FILLING)):
            return "the runs differ in " + ", ".join(differing)
        return "same bars, same settings: other code, or a look ahead"


DECIDING = ("strategy", "params", "cash", "limits")
"""What two runs on the same bars must share to decide alike."""
FILLING = ("costs", "slippage", "settings")
"""What they must share for their orders to fill alike."""


def _otherwise(sides: tuple[_Side, _Side], names: Sequence[str]) -> list[str]:
    """Say in which of these settings two runs differ, and how."""
    first, second = (side.started for side in sides)
    if first is None or second is None:
        return []
    return [
        f"{name} {_brief(mine)} and {_brief(theirs)}"
        for name in names
        for mine, theirs in _unlike(getattr(first, name), getattr(second, name))
    ]


def _unlike(mine: object, theirs: object) -> Iterator[tuple[object, object]]:
    """Yield the unequal parts of two settings, entry by entry where they are mappings."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in dict.fromkeys((*mine, *theirs)):
            if mine.get(key) != theirs.get(key):
                yield f"{key}={mine.get(key)}", f"{key}={theirs.get(key)}"
    elif mine != theirs:
        yield mine, theirs


def _brief(value: object) -> str:
    return text(value) if isinstance(value, Decimal) else str(value)


def _one(pair: Pair) -> OrderTold:
    told = pair[0] if pair[0] is not None else pair[1]
    assert told is not None, pair  # a pair of nothing is never made
    return told


def _asked(pair: Pair) -> str:
    first, second = pair
    if first is None:
        return "only the second run ordered"
    if second is None:
        return "only the first run ordered"
    if (first.status == "REFUSED") != (second.status == "REFUSED"):
        return f"refused in the {'first' if first.status == 'REFUSED' else 'second'} run alone"
    return f"asked for {_terms(first.order)} and {_terms(second.order)}"


def _terms(order: Order) -> str:
    named = (
        ("limit", order.limit_price),
        ("stop", order.stop_price),
        ("trail", order.trail_amount),
        ("trail %", order.trail_percent),
    )
    prices = "".join(f", {name} {text(price)}" for name, price in named if price is not None)
    until = "" if order.expires_at is None else f" until {iso(order.expires_at)}"
    tif = "" if order.tif is TimeInForce.GTC else f", {order.tif.value}{until}"
    return f"{text(order.quantity)}{prices}{tif}"


def _fate(told: OrderTold) -> str:
    fills = " + ".join(f"{text(fill.quantity)} at {text(fill.price)}" for fill in told.fills)
    if not fills:
        return f"not filled ({told.status.lower()})"
    return (
        f"filled {fills}" if told.ended is None else f"filled {fills}, then {told.status.lower()}"
    )
