"""Whatever the venue does, and however late it says so, nothing approved breaks a limit."""

import random
from collections import Counter
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.risk.account import SECOND, ZERO, Account, Book, account, order

from evenkeel.domain.money import EXACT
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved, Reason
from evenkeel.risk import gate
from evenkeel.risk.limits import Limits

pytestmark = pytest.mark.uncounted

LIMITS = Limits(
    order_quantity_max=70,
    order_notional_max=7_200,
    price_collar_max="0.1",
    price_age_max_seconds=60,
    position_quantity_max=100,
    gross_exposure_max=15_000,
    net_exposure_max=12_000,
    concentration_max="0.096",
    buying_power_multiple="0.145",
    orders_per_second_max=4,
    orders_per_day_max=30,
    duplicate_window_seconds=2,
    open_orders_max=6,
)
NAMES = ("A.XNAS", "B.XNAS")


class World:
    """An account behind a gate, a venue, and reports that are somewhere between the two."""

    def __init__(self):
        self.account = account()
        del self.account.instruments["C.XCME"]
        self.book = Book()
        self.reports = []
        self.last_id = 0
        self.fills = 0
        self.reasons = Counter()

    # ---- what the strategy does ----

    def send(self, **terms):
        self.last_id += 1
        terms = {"created_at": self.account.now} | terms
        new = order(self.last_id, **terms)
        before = reach(self)
        with localcontext(EXACT):
            verdict = gate.Gate(LIMITS).review(new, self.account)
            expected = judge(new, self.account, LIMITS)
        assert (None if isinstance(verdict, Approved) else verdict.reason) == expected, verdict
        self.reasons[expected] += 1
        if not isinstance(verdict, Approved):
            return None
        self.account.approve(verdict)
        known = ZERO if new.replaces is None else self.account.slots[new.replaces].claim.filled
        book = self.book.submit(new, known=known)
        if new.id not in book.live:
            self.reports.append(("end", new.id, ZERO))
        self._venue_becomes(book)
        self.after_approval(before)
        return new

    def bracket(self, **terms):
        parent = self.send(**terms)
        if parent is None:
            return
        exit_side = parent.side.opposite.name
        first = self.last_id + 1
        for kind, price in (
            ("LIMIT", {"limit_price": 105 if exit_side == "SELL" else 95}),
            ("STOP", {"stop_price": 95 if exit_side == "SELL" else 105}),
        ):
            leg = {"side": exit_side, "kind": kind, "parent": parent.id, "oca_group": first}
            self.send(instrument=parent.instrument, quantity=parent.quantity, **leg, **price)

    def follow(self, pick, **terms):
        """A child of any open order, itself a child or not, on any instrument and side."""
        parents = [slot.order.id for slot in self.account.slots.values() if slot.open]
        if parents:
            self.send(**terms, parent=parents[pick % len(parents)])

    def pair(self, **terms):
        group = {"oca_group": self.last_id + 1}
        self.send(**terms, **group)
        self.send(**terms, **group, kind="LIMIT", limit_price=104)

    def join(self, pick, **terms):
        """A leg that comes to its group later, when the group may have filled already."""
        groups = [s.order for s in self.account.slots.values() if s.order.oca_group == s.order.id]
        if groups:
            first = groups[pick % len(groups)]
            kept = {name: getattr(first, name) for name in ("instrument", "parent", "oca_group")}
            self.send(**terms | kept | {"side": first.side.name})

    def change(self, pick, *, adrift, **terms):
        """Replace an order; `adrift` cuts the new one loose from its parent and group."""
        slots = self.account.slots.values()
        parents = {slot.order.parent for slot in slots if slot.open}
        childless = [slot.order for slot in slots if slot.open and slot.order.id not in parents]
        if childless:
            old = childless[pick % len(childless)]
            ties = ("instrument",) if adrift else ("instrument", "parent", "oca_group")
            kept = {name: getattr(old, name) for name in ties}
            self.send(**terms | kept | {"side": old.side.name, "replaces": old.id})

    # ---- what the venue does ----

    def trade(self, pick, share):
        fillable = self.book.fillable()
        if not fillable:
            return
        one = fillable[pick % len(fillable)]
        quantity = max(Decimal(1), one.leaves * share // 100)
        self.fills += 1
        price = self.account.prices[one.order.instrument]
        self.reports.append(("fill", one.order.id, quantity, price, f"x{self.fills}"))
        self._venue_becomes(self.book.fill(one.order.id, quantity))

    def cancel(self, pick):
        if self.book.live:
            order_id = list(self.book.live)[pick % len(self.book.live)]
            self._venue_becomes(self.book.cancel(order_id))

    def _venue_becomes(self, book):
        for order_id in self.book.live.keys() - book.live.keys() - book.completed:
            self.reports.append(("end", order_id, self.book.live[order_id].filled))
        self.book = book

    # ---- what the account hears ----

    def hear(self, pick, *, again):
        if self.reports:
            index = pick % len(self.reports)
            what, *said = self.reports[index]
            getattr(self.account, what)(*said)
            if not again:
                del self.reports[index]

    def hear_all(self):
        while self.reports:
            self.hear(0, again=False)

    def after_approval(self, before):
        """At the prices of the approval, nothing is beyond its limit that was not so before."""
        equity = self.account.equity()
        for name, after in reach(self).items():
            limit = bound(name, equity)
            assert after <= max(limit, before[name]), (name, before, after)


def reach(world):
    """The furthest that the true book and position could go, marked at the last prices."""
    unheard = {}
    for what, order_id, *said in world.reports:
        if what == "fill" and said[2] not in world.account.fill_ids:
            placed = world.account.slots[order_id].order
            signed = said[0] if placed.side is Side.BUY else -said[0]
            unheard[placed.instrument] = unheard.get(placed.instrument, ZERO) + signed
    gross = lowest = highest = largest = units = ZERO
    for name in NAMES:
        held = world.account.held.get(name, ZERO) + unheard.get(name, ZERO)
        low, high = (held + change for change in world.book.furthest(name))
        price = world.account.prices[name]
        units = max(units, -low, high)
        largest = max(largest, -low * price, high * price)
        gross += max(-low, high) * price
        lowest += low * price
        highest += high * price
    return {
        "position": units,
        "gross": gross,
        "net": max(-lowest, highest),
        "one": largest,
        "carried": gross,
    }


def bound(name, equity):
    return {
        "position": LIMITS.position_quantity_max,
        "gross": LIMITS.gross_exposure_max,
        "net": LIMITS.net_exposure_max,
        "one": LIMITS.concentration_max * equity,
        "carried": LIMITS.buying_power_multiple * equity,
    }[name]


def judge(new, portfolio: Account, limits):
    """Every rule once more, in fractions and whole books: the first reason to refuse, or None."""
    last = portfolio.prices[new.instrument]
    own = [price for price in (new.limit_price, new.stop_price) if price is not None]
    reserve = max([last, *own])
    base = None
    if new.replaces is not None:
        base = portfolio.working(new.replaces)
        ties = [(each.parent, each.oca_group) for each in (base[0], new)]
        if ties[0] != ties[1]:
            return Reason.REPLACED_ORDER_NOT_WORKING
    elif new.oca_group is not None:
        base = portfolio.working(new.oca_group)
        if base is not None and base[0].created_at != new.created_at:
            base = None
    taken = base[1] if base else 0
    taken_value = taken * portfolio.reserve_price(base[0].id) if base else 0
    more = max(0, new.quantity - taken)
    more_value = max(0, new.quantity * reserve - taken_value)

    held = portfolio.reading(new.instrument)
    sign = 1 if new.side is Side.BUY else -1
    in_flight = held.buying if sign == 1 else held.selling
    worst = held.held * sign + in_flight + more
    parent = portfolio.working(new.parent) if new.parent is not None else None
    guards = (
        parent
        and parent[0].parent is None
        and (parent[0].instrument, parent[0].side) == (new.instrument, new.side.opposite)
        and parent[0].replaces is None
        and parent[1] == parent[0].quantity
        and (more == 0 or portfolio.exits(new.parent) == taken)
        and portfolio.exits(new.parent) + more <= parent[1]
    )
    getting_out = worst <= 0 or guards

    spans = {}
    for name in NAMES:
        one = portfolio.reading(name)
        if name == new.instrument and sign == 1:
            both = (held.buying + more, held.buying_value + more_value)
            one = replace(one, buying=both[0], buying_value=both[1])
        elif name == new.instrument:
            both = (held.selling + more, held.selling_value + more_value)
            one = replace(one, selling=both[0], selling_value=both[1])
        price = Fraction(portfolio.prices[name])
        up = max(Fraction(one.buying_value), Fraction(one.buying) * price)
        down = max(Fraction(one.selling_value), Fraction(one.selling) * price)
        high, low = Fraction(one.held) * price + up, Fraction(one.held) * price - down
        if one.worst_long <= 0:
            high = min(high, 0)
        if one.worst_short >= 0:
            low = max(low, 0)
        spans[name] = (low, high)
    gross = sum(max(abs(low), abs(high)) for low, high in spans.values())
    net = max(abs(sum(low for low, _ in spans.values())), abs(sum(h for _, h in spans.values())))
    alone = max(abs(value) for value in spans[new.instrument])
    equity = Fraction(portfolio.equity())

    today = portfolio.now - portfolio.now % (86_400 * SECOND)
    approved = [slot.at for slot in portfolio.slots.values()]
    twin = portfolio.same_order_since(new, portfolio.now - 2 * SECOND)
    broken = {
        Reason.ORDER_QUANTITY: new.quantity > limits.order_quantity_max,
        Reason.ORDER_NOTIONAL: new.quantity * reserve > limits.order_notional_max,
        Reason.PRICE_COLLAR: any(
            abs(Fraction(price) / Fraction(last) - 1) > limits.price_collar_max for price in own
        ),
        Reason.POSITION: worst > limits.position_quantity_max and not getting_out,
        Reason.GROSS_EXPOSURE: gross > limits.gross_exposure_max and not getting_out,
        Reason.NET_EXPOSURE: net > limits.net_exposure_max and not getting_out,
        Reason.CONCENTRATION: alone / equity > limits.concentration_max and not getting_out,
        Reason.BUYING_POWER: gross / equity > limits.buying_power_multiple and not getting_out,
        Reason.ORDERS_PER_SECOND: sum(at > portfolio.now - SECOND for at in approved) >= 4,
        Reason.ORDERS_PER_DAY: sum(at >= today for at in approved) >= 30,
        Reason.DUPLICATE: twin is not None,
        Reason.OPEN_ORDERS: portfolio.open_orders + (new.replaces is None) > 6,
    }
    return next((reason for reason, is_broken in broken.items() if is_broken), None)


def act(world, step, *, prices_move):
    """One thing happens; four small numbers say what."""
    what, pick, size, more = step
    terms = {
        "instrument": NAMES[pick % 2],
        "side": ("BUY", "SELL")[size % 2],
        "quantity": 5 * (1 + more % 15),
    }
    priced = terms | {"kind": "LIMIT", "limit_price": 88 + size % 25}
    world.account.now += SECOND // 4
    if what < 3:
        world.send(**(priced if more % 2 else terms))
    elif what == 3:
        world.bracket(**terms)
    elif what == 4:
        world.pair(**terms)
    elif what == 5:
        world.join(pick, **terms)
    elif what == 6:
        world.change(pick, adrift=size % 7 == 0, **(priced if more % 2 else terms))
    elif what < 10:
        world.trade(pick, (10, 50, 100, 100)[size % 4])
    elif what == 10:
        world.cancel(pick)
    elif what < 14:
        world.hear(pick, again=more % 4 == 0)
    elif what == 14:
        world.hear_all()
    elif what == 15:
        world.follow(size, **terms)
    elif prices_move:
        name = NAMES[pick % 2]
        world.account.prices[name] = Decimal(90 + size % 21)
    else:
        world.account.now += 2 * SECOND


NUMBERS = st.integers(0, 99)
STREAMS = st.lists(
    st.tuples(st.integers(0, 17), NUMBERS, NUMBERS, NUMBERS), min_size=15, max_size=60
)


@given(STREAMS)
def test_held_and_in_flight_never_exceed_a_limit(stream):
    """Prices stand still, so no limit may be passed at any moment, approval or not."""
    world = World()
    for step in stream:
        act(world, step, prices_move=False)
        for name, value in reach(world).items():
            assert value <= bound(name, Decimal(100_000)), (name, step)


@given(STREAMS)
def test_no_approval_carries_the_book_past_a_limit_while_prices_move(stream):
    """Prices may push the book past a limit; no approval pushes it further (`after_approval`)."""
    world = World()
    for step in stream:
        act(world, step, prices_move=True)
        assert reach(world)["position"] <= LIMITS.position_quantity_max
    world.hear_all()


def test_the_streams_come_upon_every_limit():
    """A property over streams that never meet a limit would prove nothing."""
    met = Counter()
    for seed in range(60):
        dice = random.Random(seed)
        world = World()
        for _ in range(50):
            step = (dice.randrange(18), *(dice.randrange(100) for _ in range(3)))
            act(world, step, prices_move=True)
        met += world.reasons
    assert min(met[Reason(name)] for name in LIMITS.as_text() if name in REASONS) > 0
    assert met[None] > 500


REASONS = {reason.value for reason in Reason} - {"orders_per_day_max"}
