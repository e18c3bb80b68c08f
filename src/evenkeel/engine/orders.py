"""Every order that could still fill, and what it may still cost. An approval reserves at once.

An order stays here until the venue has said how much it filled in all *and* every one of those
fills has arrived. Orders of which only one can fill make one claim, worth its largest member: an
order and its replacement, and the legs of one OCA group decided at one moment.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from evenkeel.domain.money import EXACT, ZERO, round_down
from evenkeel.domain.order import CANCEL, TERMINAL, Order, OrderStatus, Side
from evenkeel.domain.portfolio import Reading
from evenkeel.domain.tape import LONG_AGO
from evenkeel.engine.working import ClaimKey, Working

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from decimal import Decimal

    from evenkeel.domain.fill import Fill
    from evenkeel.domain.instrument import Instrument
    from evenkeel.domain.instrument_events import Split, StockDividend
    from evenkeel.domain.verdict import Approved

_NONE: dict[int, Working] = {}
_BUY = Side.BUY
_NEW, _FILLED = OrderStatus.NEW, OrderStatus.FILLED
_approved_at = attrgetter("at")


class Orders:
    """All orders of a run by number, the open ones by instrument, and when each was approved."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        """Start with none."""
        self._instruments = instruments
        self._all: dict[int, Working] = {}
        self._open: dict[str, dict[int, Working]] = {}  # only instruments that have some
        self._shared: set[ClaimKey] = set()
        self._approved: list[Approved] = []
        self._latest: dict[str, int] = {}
        self.open_count = 0
        self._watching: list[set[str]] = []

    def watch(self) -> set[str]:
        """Return a set that fills with instruments whose readings may have changed; clear it."""
        touched: set[str] = set()
        self._watching.append(touched)
        return touched

    def _touch(self, order: Order) -> None:
        for touched in self._watching:
            touched.add(order.instrument)

    def __getitem__(self, order_id: int) -> Working | None:
        """Return an approved order of this run, or None."""
        return self._all.get(order_id)

    def of(self, instrument: str) -> Collection[Working]:
        """Return the orders of an instrument that could still fill, oldest first."""
        return self._open.get(instrument, _NONE).values()

    @property
    def instruments(self) -> Mapping[str, object]:
        """The instruments with an order that could still fill."""
        return self._open

    def all_open(self) -> list[Working]:
        """Return every order that could still fill, oldest first."""
        every = (working for orders in self._open.values() for working in orders.values())
        return sorted(every, key=lambda working: working.order.id)

    # ---- what happens ----

    def approve(self, approved: Approved, owner: int) -> None:
        """Reserve an order from the moment of intent."""
        order = approved.order
        number, name = order.id, order.instrument
        working = self._all[number] = Working(
            order, owner, number, approved.reserve_price, order.quantity
        )
        if order.replaces is not None or order.oca_group is not None:
            working.claim = self._claim(order)
            self._shared.add(working.claim)
        if name in self._open:
            self._open[name][number] = working
        else:
            self._open[name] = {number: working}
        self.remember(approved)
        self.open_count += 1
        self._touch(order)
        if order.replaces is not None:
            self._all[order.replaces].ask(number)

    def remember(self, approved: Approved) -> None:
        """Know that an order was approved: it counts for the pace of those to come."""
        self._approved.append(approved)
        self._latest[approved.order.instrument] = approved.at

    def latest(self, instrument: str) -> int:
        """Return when an order of an instrument was approved last; long ago if never."""
        return self._latest.get(instrument, LONG_AGO)

    def ask_cancel(self, order_id: int) -> list[int]:
        """Return what to cancel so that an order ends: itself, and replacements on their way.

        One of them will be refused: which, only the venue knows.
        """
        working = self._all[order_id]
        replacements = [each for each in working.requests if each != CANCEL]
        asked = [order_id] if working.ask(CANCEL) else []
        for each in replacements:
            asked += self.ask_cancel(each)
        return asked

    def fill(self, fill: Fill) -> Working | None:
        """Count a fill; None when the order is unknown or could not have filled that much."""
        working = self._all.get(fill.order_id)
        if working is None:
            return None
        quantity = fill.quantity
        working.filled += quantity
        self._touch(working.order)
        if (
            working.status is _NEW
            and quantity == working.leaves
            and working.claim not in self._shared
        ):
            working.leaves, working.status = ZERO, _FILLED
            self._forget(working)
            return working
        if working.claim in self._shared:
            fits = self._fill_shared(working, quantity)
        else:
            left = working.leaves - quantity
            fits = left >= ZERO
            working.leaves = left if fits else ZERO
        filled = not working.leaves and (working.status not in TERMINAL or not fits)
        working.move(OrderStatus.FILLED if filled else working.standing)
        if not working.leaves:
            self._forget_if_done(working)
        return working if fits else None

    def _fill_shared(self, working: Working, quantity: Decimal) -> bool:
        """Take a fill off everybody who shares its claim; whether it could have been that much."""
        members = self._members(working)
        if quantity > _could_fill(working, members, quantity):
            working.leaves = ZERO
            return False
        for member in members:
            # What another one has filled by its end, and not told yet, comes whatever fills here.
            self._touch(member.order)
            if member is working or member.status not in TERMINAL:
                member.leaves = max(member.leaves - quantity, ZERO)
            if not member.leaves and member.filled and self._took_place(member, working):
                # This was the last of what the replaced order had filled: nothing more will come.
                member.move(OrderStatus.FILLED)
                self._forget_if_done(member)
        return True

    def _took_place(self, order: Working, of: Working) -> bool:
        """Whether an order replaced another, at once or by way of others."""
        replaced: Working | None = order
        while replaced is not None and replaced.order.replaces is not None:
            if replaced.order.replaces == of.order.id:
                return True
            replaced = self._all.get(replaced.order.replaces)
        return False

    def end(self, order_id: int, status: OrderStatus, filled: Decimal) -> Working | None:
        """Close an order that `filled` so much in all; what has not arrived stays reserved."""
        working = self._all.get(order_id)
        if working is None or not working.move(status):
            return None
        working.leaves = max(filled - working.filled, ZERO)
        working.requests = ()
        self._touch(working.order)
        self._forget_if_done(working)
        return working

    def rename(self, instrument: str, to: str) -> None:
        """Let working orders go on under their instrument's new name."""
        moved = self._open.pop(instrument, {})
        for working in moved.values():
            working.order = replace(working.order, instrument=to)
            self._touch(working.order)
        if moved:
            self._open[to] = {**self._open.get(to, {}), **moved}
            for touched in self._watching:
                touched.add(instrument)

    def split(self, split: Split | StockDividend) -> None:
        """Put the working orders of an instrument on its new scale, as venues do."""
        lot = self._instruments[split.instrument].lot
        for working in self.of(split.instrument):
            order = working.order
            working.order = replace(
                order,
                quantity=round_down(_shares(order.quantity, split), lot),
                limit_price=_scaled(order.limit_price, split),
                stop_price=_scaled(order.stop_price, split),
                trail_amount=_scaled(order.trail_amount, split),
            )
            working.leaves = round_down(_shares(working.leaves, split), lot)
            working.filled = _shares(working.filled, split)
            working.reserve_price = _price(working.reserve_price, split)
            self._touch(working.order)

    # ---- what there is ----

    def reading(self, instrument: str, held: Decimal) -> Reading:
        """Return what is held and what every claim could still make of it."""
        if instrument not in self._open:
            return Reading(held)
        multiplier = self._instruments[instrument].multiplier
        orders = self._open[instrument]
        if len(orders) == 1:
            (alone,) = orders.values()
            if alone.order.parent is None:
                leaves = alone.leaves
                value = leaves * alone.reserve_price * multiplier
                if alone.order.side is _BUY:
                    return Reading(held, leaves, ZERO, value, ZERO)
                return Reading(held, ZERO, leaves, ZERO, value)
        claims: dict[ClaimKey, tuple[Working, Decimal, Decimal]] = {}
        for working in self.of(instrument):
            value = working.leaves * working.reserve_price * multiplier
            _, quantity, most = claims.get(working.claim, (working, ZERO, ZERO))
            claims[working.claim] = working, max(quantity, working.leaves), max(most, value)
        sums = {Side.BUY: [ZERO, ZERO], Side.SELL: [ZERO, ZERO]}
        exits: dict[int, list[Decimal]] = {}
        for working, quantity, value in claims.values():
            entry = self._entry_of(working.order)
            if entry is not None:
                total = exits.setdefault(entry.order.id, [ZERO, ZERO, ZERO])
                total[2] = max(total[2], quantity)
            else:
                total = sums[working.order.side]
            total[0] += quantity
            total[1] += value
        for entry_id, (quantity, value, largest) in exits.items():
            beyond = quantity - self._covered(self._all[entry_id], largest)
            if beyond:
                total = sums[self._all[entry_id].order.side.opposite]
                total[0] += beyond
                total[1] += EXACT.divide(value * beyond, quantity)
        buying, selling = sums[Side.BUY], sums[Side.SELL]
        return Reading(held, buying[0], selling[0], buying[1], selling[1])

    def exits(self, order_id: int) -> Decimal:
        """Return what the open exits of an order could fill, each claim counted once."""
        entry = self._all.get(order_id)
        if entry is None:
            return ZERO
        claims: dict[ClaimKey, Decimal] = {}
        for working in self.of(entry.order.instrument):
            if self._entry_of(working.order) is entry:
                claims[working.claim] = max(claims.get(working.claim, ZERO), working.leaves)
        return sum(claims.values(), ZERO)

    def approved_since(self, at: int) -> int:
        """Return how many orders were approved at or after `at`."""
        return len(self._approved) - bisect_left(self._approved, at, key=_approved_at)

    def same_order_since(self, order: Order, at: int) -> Order | None:
        """Return the latest order with the same terms that was approved at or after `at`."""
        terms = _terms(order)
        for approved in reversed(self._approved):
            if approved.at < at:
                return None
            if _terms(approved.order) == terms:
                return approved.order
        return None

    # ---- claims ----

    def _claim(self, order: Order) -> ClaimKey:
        """Return what an order shares with the one that it replaces, or with its group."""
        if order.replaces is not None:
            return self._all[order.replaces].claim  # the gate has seen it work
        assert order.oca_group is not None, order
        return order.oca_group, order.created_at, order.side, order.parent

    def _members(self, working: Working) -> list[Working]:
        """Return an order, and whoever shares its claim and could still fill."""
        others = self.of(working.order.instrument)
        return [
            working,
            *(each for each in others if each.claim == working.claim and each is not working),
        ]

    def _entry_of(self, order: Order) -> Working | None:
        """Return the parent of which an order is an exit, while that lives and could still fill."""
        parent = None if order.parent is None else self._all.get(order.parent)
        return None if parent is None or parent.done or not order.exits(parent.order) else parent

    def _covered(self, entry: Working, largest: Decimal) -> Decimal:
        """Return how much an entry will still bring, at the least, before its exits take it back.

        They live once it has filled whole, and also when it ends before: then each is cut to what
        it has brought. So only the largest covers what the entry has yet to bring up to its size.
        """
        link: Working | None = entry
        while link is not None:  # what the orders that it replaced have brought counts for it
            largest -= link.filled
            link = None if link.order.replaces is None else self._all[link.order.replaces]
        return max(min(entry.leaves, largest), ZERO)

    def _forget_if_done(self, working: Working) -> None:
        order = working.order
        if working.done and order.id in self._open.get(order.instrument, _NONE):
            self._forget(working)

    def _forget(self, working: Working) -> None:
        order = working.order
        open_orders = self._open[order.instrument]
        del open_orders[order.id]
        if not open_orders:
            del self._open[order.instrument]
        self.open_count -= 1


def _could_fill(working: Working, members: list[Working], counted: Decimal) -> Decimal:
    """Return the most that this fill can be: fills of its claim may arrive in any order.

    `counted` is what `filled` holds of it already.
    """
    if working.status in TERMINAL:
        return working.leaves
    own = working.order.quantity - working.filled + counted
    return max(working.leaves, min(own, max(each.leaves for each in members)))


def _shares(quantity: Decimal, split: Split | StockDividend) -> Decimal:
    return EXACT.divide(EXACT.multiply(quantity, split.new), split.old)


def _price(price: Decimal, split: Split | StockDividend) -> Decimal:
    return EXACT.divide(EXACT.multiply(price, split.old), split.new)


def _scaled(price: Decimal | None, split: Split | StockDividend) -> Decimal | None:
    return None if price is None else _price(price, split)


_terms = attrgetter(
    "instrument",
    "side",
    "quantity",
    "type",
    "limit_price",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "parent",
)
