"""A slow, plain portfolio for the gate to read, and a venue that answers late and twice.

`Account` knows only what it approved and what it was told; `Venue` knows the truth. Orders of
which at most one can fill (a replacement and the order it replaces, the legs of an OCA group) form
one claim: a fill of any of them uses up what the others could still fill.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from evenkeel.domain.instrument import Instrument
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.domain.portfolio import Glance, Reading

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOON = 19_000 * DAY + DAY // 2
ZERO = Decimal(0)


def order(id=1, instrument="A.XNAS", side="BUY", quantity=10, kind="MARKET", **fields):
    """An order in few words; prices may be given as text or int."""
    for name in ("limit_price", "stop_price", "trail_amount", "trail_percent"):
        if name in fields:
            fields[name] = Decimal(fields[name])
    fields.setdefault("created_at", NOON)
    return Order(id, "test", instrument, Side[side], Decimal(quantity), OrderType[kind], **fields)


@dataclass
class Claim:
    """What orders of which at most one can fill have filled together."""

    filled: Decimal = ZERO


@dataclass
class Slot:
    """One approved order as the account sees it."""

    order: Order
    reserve: Decimal
    at: int
    claim: Claim
    base: Decimal
    filled: Decimal = ZERO
    open: bool = True
    reported: Decimal = ZERO

    @property
    def leaves(self):
        if self.open:
            return max(ZERO, self.order.quantity - (self.claim.filled - self.base))
        return max(ZERO, self.reported - self.filled)  # filled, says the venue; not yet reported


@dataclass
class Account:
    """Implements `Portfolio` by walking all orders at every question."""

    instruments: dict[str, Instrument]
    prices: dict[str, Decimal]
    cash: Decimal = Decimal(100_000)
    now: int = NOON
    halted: str | None = None
    held: dict[str, Decimal] = field(default_factory=dict)
    price_times: dict[str, int] = field(default_factory=dict)
    slots: dict[int, Slot] = field(default_factory=dict)
    fill_ids: set[str] = field(default_factory=set)

    # ---- what happens to it ----

    def approve(self, approved):
        order = approved.order
        other = self.slots.get(order.oca_group if order.replaces is None else order.replaces)
        terms = ["instrument", "side", "parent", "oca_group"]
        terms += ["created_at"] if order.replaces is None else []
        same = other is not None and all(
            getattr(other.order, term) == getattr(order, term) for term in terms
        )
        claim = other.claim if same else Claim()
        slot = Slot(order, approved.reserve_price, approved.at, claim, claim.filled)
        self.slots[order.id] = slot

    def fill(self, order_id, quantity, price, fill_id):
        if fill_id in self.fill_ids:
            return
        self.fill_ids.add(fill_id)
        slot = self.slots[order_id]
        slot.filled += quantity
        slot.claim.filled += quantity
        signed = quantity if slot.order.side is Side.BUY else -quantity
        name = slot.order.instrument
        self.held[name] = self.held.get(name, ZERO) + signed
        self.cash -= signed * price * self.instruments[name].multiplier
        if slot.open and slot.leaves == 0:
            slot.open = False
            slot.reported = slot.filled

    def end(self, order_id, reported=ZERO):
        slot = self.slots[order_id]
        slot.open, slot.reported = False, max(reported, slot.filled)

    # ---- what the gate asks ----

    @property
    def open_orders(self):
        return sum(slot.open for slot in self.slots.values())

    def instrument(self, instrument_id):
        return self.instruments.get(instrument_id)

    def price(self, instrument_id):
        return self.prices.get(instrument_id)

    def price_at(self, instrument_id):
        known = instrument_id in self.prices
        return self.price_times.get(instrument_id, self.now) if known else None

    def exposure_beside(self, instrument_id):
        """Long and short extremes of the others, worked out from the start for every question."""
        names = set(self.held) | {slot.order.instrument for slot in self.slots.values()}
        gross = lowest = highest = ZERO
        for name in sorted(names - {instrument_id}):
            if self.reading(name) == Reading():
                continue
            if self.price(name) is None or self.instrument(name) is None:
                return f"no price of {name}"
            low, high = self._span(name)
            gross, lowest, highest = gross + max(high, -low), lowest + low, highest + high
        return gross, lowest, highest

    def _span(self, name):
        one, price = self.reading(name), self.price(name) * self.instrument(name).multiplier
        high = one.held * price + max(one.buying_value, one.buying * price)
        low = one.held * price - max(one.selling_value, one.selling * price)
        if one.held < 0 and one.held + one.buying <= 0:
            high = min(high, ZERO)
        if one.held > 0 and one.held - one.selling >= 0:
            low = max(low, ZERO)
        return low, high

    def reading(self, instrument_id):
        buying, buying_value = self._could_fill(instrument_id, Side.BUY)
        selling, selling_value = self._could_fill(instrument_id, Side.SELL)
        held = self.held.get(instrument_id, ZERO)
        return Reading(held, buying, selling, buying_value, selling_value)

    def equity(self):
        equity = self.cash
        for name, quantity in self.held.items():
            if quantity and name not in self.prices:
                return None
            if quantity:
                equity += quantity * self.prices[name] * self.instruments[name].multiplier
        return equity

    def glance(self, instrument_id):
        """What one look shows, from the exact answers above."""
        instrument, last = self.instrument(instrument_id), self.price(instrument_id)
        beside, equity = self.exposure_beside(instrument_id), self.equity()
        one = self.reading(instrument_id)
        if self.halted or not (instrument and last and equity is not None):
            return None
        if isinstance(beside, str) or self.price_at(instrument_id) is None:
            return None
        return Glance(
            instrument,
            last,
            self.now - self.price_at(instrument_id),
            float(last * instrument.multiplier),
            float(one.held),
            float(beside[0]),
            float(equity),
            float(self.cash),
            None if one == Reading(one.held) else one,
        )

    def working(self, order_id):
        slot = self.slots.get(order_id)
        return (slot.order, slot.leaves) if slot is not None and slot.open else None

    def reserve_price(self, order_id):
        return self.slots[order_id].reserve if self.working(order_id) else None

    def exits(self, order_id):
        slots = [
            slot
            for slot in self.slots.values()
            if slot.order.parent == order_id
            and self._takes_back(slot.order.instrument, slot.order.side, self.slots[order_id].order)
        ]
        return sum((quantity for quantity, _ in self._claims(slots)), ZERO)

    def approved_since(self, at):
        return sum(slot.at >= at for slot in self.slots.values())

    def same_order_since(self, order, at):
        terms = ("instrument", "side", "quantity", "type", "limit_price", "stop_price")
        for slot in reversed(self.slots.values()):
            same = all(getattr(slot.order, term) == getattr(order, term) for term in terms)
            if same and slot.at >= at:
                return slot.order
        return None

    # ---- how it counts ----

    def _beyond(self, parent, claims):
        """The most that exits can take back and not have been brought from now on.

        The parent fills whole, or ends with any part of it filled, and each exit is cut to that.
        """
        slot = self.slots[parent]
        brought, link = slot.filled, slot.order.replaces
        while link is not None:
            brought, link = brought + self.slots[link].filled, self.slots[link].order.replaces
        ends = [brought] + [each for each in claims if brought < each <= brought + slot.leaves]
        return max(
            sum(claims) - slot.leaves,
            *(sum(min(each, end) for each in claims) - (end - brought) for end in ends),
        )

    @staticmethod
    def _takes_back(instrument_id, side, parent):
        """Whether a child that trades so only returns what its parent brought, itself no child."""
        brings = (instrument_id, side) != (parent.instrument, parent.side.opposite)
        return not brings and parent.parent is None

    def _claims(self, slots):
        """What each claim could still fill: quantity, and money at the reserved prices."""
        claims = {}
        for slot in slots:
            claims.setdefault(id(slot.claim), []).append(slot)
        for members in claims.values():
            live = [slot for slot in members if slot.open]
            late = sum((slot.leaves for slot in members if not slot.open), ZERO)
            late_value = sum((s.leaves * s.reserve for s in members if not s.open), ZERO)
            yield (
                max([slot.leaves for slot in live] + [late]),
                max([slot.leaves * slot.reserve for slot in live] + [late_value]),
            )

    def _could_fill(self, instrument_id, side):
        """All claims on one side; exits count only beyond what their parent could bring."""
        families = {}
        for slot in self.slots.values():
            if (slot.order.instrument, slot.order.side) == (instrument_id, side):
                families.setdefault(slot.order.parent, []).append(slot)
        total = value = ZERO
        for parent, slots in families.items():
            claims = list(self._claims(slots))
            quantity, money = sum((q for q, _ in claims), ZERO), sum((v for _, v in claims), ZERO)
            found = None if parent is None else self.working(parent)
            if found is not None and self._takes_back(instrument_id, side, found[0]) and quantity:
                beyond = self._beyond(parent, [each for each, _ in claims])
                quantity, money = beyond, money * beyond / quantity
            total += quantity
            value += money
        known = self.instruments.get(instrument_id)
        return total, value * (known.multiplier if known else 1)


def account(*, held=None, prices=None, cash=100_000, **fields):
    """An account of A, B and C at 100 each (C: tick 0.05, lot 10, 50 a point)."""
    instruments = {
        "A.XNAS": Instrument("A.XNAS"),
        "B.XNAS": Instrument("B.XNAS", tick=Decimal("0.01")),
        "C.XCME": Instrument(
            "C.XCME", tick=Decimal("0.05"), lot=Decimal(10), multiplier=Decimal(50)
        ),
    }
    prices = dict.fromkeys(instruments, 100) | (prices or {})
    return Account(
        instruments,
        {name: Decimal(price) for name, price in prices.items() if price is not None},
        cash=Decimal(cash),
        held={name: Decimal(quantity) for name, quantity in (held or {}).items()},
        **fields,
    )


# ---- the venue ----


@dataclass(frozen=True)
class Live:
    """An order on the venue's book, as it really is.

    `filled` is its own, `chain` includes the orders that it took the place of (FIX 14, CumQty).
    """

    order: Order
    leaves: Decimal
    filled: Decimal = ZERO
    chain: Decimal = ZERO

    @property
    def signed(self):
        return self.leaves if self.order.side is Side.BUY else -self.leaves


@dataclass(frozen=True)
class Book:
    """The venue's book; every change makes a new one, so that futures can be explored."""

    live: dict[int, Live] = field(default_factory=dict)
    completed: frozenset[int] = frozenset()

    def submit(self, order, *, known):
        """Take an order, or put it in another's place and end the children of that one.

        `known` is what the account knew of the chain's fills. A replacement says what may still
        fill in all, so fills on their way to the account come off it.
        """
        if order.replaces is None:
            return replace(self, live={**self.live, order.id: Live(order, order.quantity)})
        old = self.live.get(order.replaces)
        if old is None:
            return self
        left = order.quantity - (old.chain - known)
        live = dict(self.cancel(order.replaces).live)
        if left > 0:
            live[order.id] = Live(order, left, chain=old.chain)
        return replace(self, live=live)

    def fillable(self):
        """Orders that are on the market: a child waits until its parent is complete."""
        return [
            one
            for one in self.live.values()
            if one.order.parent is None or one.order.parent in self.completed
        ]

    def fill(self, order_id, quantity):
        """Fill some of an order; the other legs of its OCA group are off the book at once."""
        one = self.live[order_id]
        left = replace(
            one,
            leaves=one.leaves - quantity,
            filled=one.filled + quantity,
            chain=one.chain + quantity,
        )
        group = one.order.oca_group
        live = {
            id: other
            for id, other in self.live.items()
            if group is None or other.order.oca_group != group
        } | {order_id: left}
        if left.leaves:
            return replace(self, live=live)
        del live[order_id]
        return Book(live, self.completed | {order_id})

    def cancel(self, order_id):
        """Take an order off the book, and the children that can no longer come to life."""
        return replace(
            self,
            live={
                id: one for id, one in self.live.items() if order_id not in {id, one.order.parent}
            },
        )

    def furthest(self, instrument_id):
        """The lowest and the highest change of position that any sequence of fills could make."""
        lowest = highest = ZERO
        for one in self.fillable():
            if one.order.instrument == instrument_id:
                low, high = self.fill(one.order.id, one.leaves).furthest(instrument_id)
                lowest, highest = min(lowest, one.signed + low), max(highest, one.signed + high)
        return lowest, highest
