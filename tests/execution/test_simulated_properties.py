"""Jumping says what stepping says; and both say what a slow, plain reference says."""

from dataclasses import dataclass, field
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.execution.bench import ID, MINUTE, approved, bars_of, fills, order, venue

from evenkeel.domain.events import Split
from evenkeel.domain.money import EXACT
from evenkeel.domain.order import TimeInForce
from evenkeel.domain.tape import NEVER
from evenkeel.execution.costs import IbkrFixed
from evenkeel.execution.slippage import BasisPointsSlippage

pytestmark = pytest.mark.uncounted

PAIR = "PAIR.XXXX"


@st.composite
def histories(draw, *, name=ID, count=40, step=1, first=1):
    """Bars that wander, gap and stand still, with volumes from nothing to plenty."""
    steps = st.sampled_from([-6, -3, -2, -1, -1, 0, 0, 1, 1, 2, 3, 6])
    rows, close = [], 100
    for _ in range(count):
        opened = close + draw(steps) // 2
        close = max(60, opened + draw(steps))
        high = max(opened, close) + draw(st.integers(0, 3))
        low = min(opened, close) - draw(st.integers(0, 3))
        rows.append((opened, high, low, close, draw(st.sampled_from([0, 35, 80, 10_000]))))
    return bars_of(rows, name=name, step=step, first=first)


@st.composite
def orders(draw, number, *, before):
    """Any order, perhaps with a parent, a group, an end or an order that it replaces."""
    kind = draw(st.sampled_from(["MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP"]))
    terms = {"instrument": draw(st.sampled_from([ID, ID, ID, PAIR]))}
    if "LIMIT" in kind:
        terms["limit"] = draw(st.integers(88, 112))
    if "STOP" in kind:
        terms["stop"] = draw(st.integers(88, 112))
    if kind == "TRAILING_STOP":
        terms["trail"] = draw(st.integers(2, 8))
    if draw(st.integers(0, 4)) == 0:
        terms |= {"tif": TimeInForce.DAY, "expires_at": draw(st.integers(2, 80)) * MINUTE // 2}
    links = st.none() | st.integers(1, before) if before else st.none()
    terms["parent"] = draw(links)
    terms["oca_group"] = draw(links)
    if draw(st.integers(0, 5)) == 0:
        terms["replaces"] = draw(links)
    quantity = draw(st.integers(1, 12))
    return order(number, draw(st.sampled_from(["BUY", "SELL"])), quantity, kind, **terms)


@st.composite
def programs(draw):
    """What is done at which minute: orders in a row of ids, cancels, and perhaps a split."""
    acts, number = {}, 0
    for minute in sorted(draw(st.lists(st.integers(1, 30), min_size=1, max_size=10))):
        todo = acts.setdefault(minute, [])
        for _ in range(draw(st.integers(1, 3))):
            number += 1
            todo.append(draw(orders(number, before=number - 1)))
        if draw(st.integers(0, 3)) == 0:
            todo.append(draw(st.integers(1, number + 1)))
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(5, 30))
        new, old = draw(st.sampled_from([(2, 1), (1, 2), (3, 2)]))
        todo = acts.setdefault(at, [])
        todo.insert(0, Split(ID, at * MINUTE - 1, Decimal(new), Decimal(old)))
    return acts


def run(bars, program, moments, **options):
    """Play a program; `moments(broker, now)` says which minute comes next. Return all that is said."""
    broker = venue(*bars, costs=IbkrFixed(), slippage=BasisPointsSlippage(Decimal(7)), **options)
    said, now = [], 0
    while (now := moments(broker, now)) <= 45 * MINUTE:
        broker.tape.advance(now)
        todo = program.get(now // MINUTE, ()) if now % MINUTE == 0 else ()
        for act in todo:
            if isinstance(act, Split):
                broker.corporate_action(act)
        said += broker.events()
        for act in todo:
            if isinstance(act, int):
                broker.cancel(act)
            elif not isinstance(act, Split):
                broker.submit(approved(act))
            said += broker.events()
    return said


def every_bar(broker, now):
    return (now // MINUTE + 1) * MINUTE


def only_named(program):
    """Go where the program acts and where the broker says, to no other moment."""
    times = [minute * MINUTE for minute in sorted(program)]

    def following(broker, now):
        acts = next((at for at in times if at > now), NEVER)
        named = broker.next_event_at()
        assert named > now, "everything due now has been said"
        return min(acts, named)

    return following


def odd_moments(extra):
    """Every bar, and some moments between bars."""

    def following(broker, now):
        between = now + MINUTE // 3
        return between if now // MINUTE in extra and between % MINUTE else every_bar(broker, now)

    return following


@settings(max_examples=150)
@given(
    histories(),
    histories(name=PAIR, count=15, step=2, first=4),
    programs(),
    st.sets(st.integers(1, 44)),
    st.sampled_from(["at", "through"]),
)
def test_jumping_says_what_stepping_says(bars, pair, program, extra, touch):
    stepped = run([bars, pair], program, every_bar, touch=touch)
    assert run([bars, pair], program, only_named(program), touch=touch) == stepped
    assert run([bars, pair], program, odd_moments(extra), touch=touch) == stepped
    with localcontext(EXACT):
        assert run([bars, pair], program, every_bar, touch=touch) == stepped


@settings(max_examples=100)
@given(histories(), histories(name=PAIR, count=15, step=2, first=4), programs())
def test_no_fill_breaks_a_law(bars, pair, program):
    """Inside its bar, after its order, within volume, within quantity, never past its limit."""
    acts = {act.id: (minute, act) for minute, todo in program.items() for act in todo
            if not isinstance(act, (int, Split))}  # fmt: skip
    split = any(isinstance(act, Split) for todo in program.values() for act in todo)
    taken, filled, ids = {}, {}, set()
    for fill in fills(run([bars, pair], program, every_bar)):
        history = bars if fill.instrument == ID else pair
        index = history.closed_at.tolist().index(fill.at)
        minute, its = acts[fill.order_id]
        assert fill.at > minute * MINUTE
        assert fill.id not in ids
        ids.add(fill.id)
        assert history.low[index] <= fill.price <= history.high[index]
        taken[history, index] = taken.get((history, index), 0) + fill.quantity
        assert taken[history, index] <= Decimal("0.1") * int(history.volume[index])
        assert fill.commission >= 0
        assert fill.slippage >= 0
        assert fill.ambiguity is None or fill.ambiguity > 0
        if split:
            continue
        filled[fill.order_id] = filled.get(fill.order_id, 0) + fill.quantity
        assert filled[fill.order_id] <= its.quantity
        if its.limit_price is not None:
            better = fill.price <= its.limit_price
            assert better if its.side.value == "BUY" else fill.price >= its.limit_price


# ---- a slow, plain reference -----------------------------------------------------------------


@dataclass
class Plain:
    """One order of the reference: it looks at every bar in turn, in whole numbers."""

    id: int
    sign: int  # 1 buys, -1 sells; prices of sells are looked at in a mirror
    left: int
    kind: str
    limit: int
    stop: int
    trail: int
    best: int | None = None
    got: list = field(default_factory=list)

    def price(self, bar):
        """The price in the mirror, or None. Written from the table of DESIGN section 4."""
        o, c = bar[0] * self.sign, bar[3] * self.sign
        h, low = (
            max(bar[1] * self.sign, bar[2] * self.sign),
            min(bar[1] * self.sign, bar[2] * self.sign),
        )
        if self.kind == "MARKET":
            return o
        if self.kind == "LIMIT":
            return o if o <= self.limit else self.limit if low <= self.limit else None
        stop = self.stop if self.best is None else min(self.stop, self.best + self.trail)
        if self.kind == "TRAILING_STOP":
            self.best = low if self.best is None else min(self.best, low)
        if h < stop:
            return None
        if self.kind != "STOP_LIMIT":
            self.kind = "MARKET"
            return max(o, stop)
        self.kind = "LIMIT"
        if o >= stop:
            return self.price(bar)
        if stop <= self.limit:
            return stop
        return self.limit if c <= self.limit else None


def plainly(bars, wanted):
    """Fill orders that all came at the first bar, on every later bar in turn."""
    books = []
    for each in wanted:
        sign = 1 if each.side.value == "BUY" else -1
        books.append(
            Plain(each.id, sign, int(each.quantity), each.type.value, sign * int(each.limit_price or 0),
                  sign * int(each.stop_price or 0), int(each.trail_amount or 0))
        )  # fmt: skip
    columns = zip(bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    for minute, (*bar, volume) in enumerate(list(columns)[1:], start=2):
        room = int(volume) // 10
        for book in books:
            if book.left and volume:
                price = book.price([int(value) for value in bar])
                part = min(book.left, room)
                if price is not None and part:
                    book.got.append((minute, part, price * book.sign))
                    book.left, room = book.left - part, room - part
            elif book.left and book.kind == "TRAILING_STOP":
                lead = int(bar[2] if book.sign == 1 else -bar[1])
                book.best = lead if book.best is None else min(book.best, lead)
    return {book.id: book.got for book in books}


@settings(max_examples=150)
@given(histories(), st.lists(orders(1, before=0), min_size=1, max_size=6))
def test_the_broker_fills_what_a_plain_loop_fills(bars, wanted):
    wanted = [
        order(number, each.side.value, each.quantity, each.type.value, **{
            short: value
            for short, value in (("limit", each.limit_price), ("stop", each.stop_price),
                                 ("trail", each.trail_amount))
            if value is not None
        })
        for number, each in enumerate(wanted, start=1)
    ]  # fmt: skip
    broker = venue(bars)
    broker.tape.advance(MINUTE)
    for each in wanted:
        broker.submit(approved(each))
    broker.tape.advance(100 * MINUTE)
    got = {each.id: [] for each in wanted}
    for fill in fills(broker.events()):
        got[fill.order_id].append((fill.at // MINUTE, int(fill.quantity), int(fill.price)))
    assert got == plainly(bars, wanted)
