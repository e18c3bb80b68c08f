"""An order's life against a model of FIX: requests and reports cross, and each is told in order.

The model is a venue with a book and two queues, one each way. What the engine should think of an
order follows from the reports that have reached it and the requests that have left it, by the
table of FIX 4.4 (appendix D): a final report ends it; uncertainty stands until a report on the
order itself; a cancel in flight goes before a replacement in flight, and that before its fills.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.engine.market import X, bars, scripted

from evenkeel.app.setup import request
from evenkeel.domain.events import (
    CancelRejected,
    CancelRequested,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderReplaced,
    OrderUncertain,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import TRANSITIONS, OrderStatus, Side
from evenkeel.domain.tape import Tape
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.reports.orders import REFUSED, lives

S = OrderStatus
D = Decimal
ZERO = D(0)
AT = 3_600_000_000_000


@dataclass
class AtVenue:
    """An order as the venue has it."""

    left: Decimal
    filled: Decimal = ZERO


@dataclass
class Known:
    """An order as the client may know it: by requests sent and reports received, and no more."""

    quantity: Decimal
    final: OrderStatus | None = None
    unknown: bool = False
    seen: bool = False
    filled: Decimal = ZERO
    requests: list[object] = field(default_factory=list)

    @property
    def status(self) -> OrderStatus:
        if self.final is not None:
            return self.final
        if self.unknown:
            return S.UNKNOWN
        if "cancel" in self.requests:
            return S.PENDING_CANCEL
        if self.requests:
            return S.PENDING_REPLACE
        if self.filled:
            return S.PARTIALLY_FILLED
        return S.NEW if self.seen else S.PENDING_NEW


class OrderLife(RuleBasedStateMachine):
    """One client, one venue, and two lines between them."""

    @initialize()
    def open_the_market(self):
        tape = Tape([bars(10, 10)])
        wanted = request(scripted({})(), list(tape.bars.values()), cash=10**9, costs="zero")
        self.core = wanted.core(tape)
        self.core.start()
        self.core.reveal(AT)
        self.author = self.core.seats[0].strategy
        self.book: dict[int, AtVenue] = {}
        self.known: dict[int, Known] = {}
        self.sent: list[object] = []
        self.reports: list[object] = []
        self.records: list[object] = []
        self.fills = 0
        self.states: dict[int, OrderStatus] = {}
        # An order and those that take its place are a chain: what may fill in all is counted there.
        self.chain: dict[int, int] = {}
        self.traded: Counter[int] = Counter()
        self.told: Counter[int] = Counter()
        self.told_before: dict[int, Decimal] = {}

    # ---- the client asks ----

    @rule(quantity=st.integers(1, 4))
    @precondition(lambda self: len(self.known) < 6)
    def place(self, quantity):
        self.author.buy(quantity * 10, limit=9)
        self.send()

    @rule(pick=st.integers(0, 5), quantity=st.integers(1, 5))
    @precondition(lambda self: self.known)
    def replace(self, pick, quantity):
        self.author.replace(self.an_order(pick), quantity=quantity * 10)
        self.send()

    @rule(pick=st.integers(0, 5))
    @precondition(lambda self: self.known)
    def cancel(self, pick):
        number = self.an_order(pick)
        expected = list(self.to_cancel(number))
        self.author.cancel(number)
        self.send()
        asked = [each.order_id for each in self.sent if isinstance(each, CancelRequested)]
        assert asked[len(asked) - len(expected) :] == expected

    def to_cancel(self, number):
        """An order and every replacement on its way, so that whatever the venue says it ends."""
        known = self.known[number]
        if known.final is not None:
            return
        if "cancel" not in known.requests:
            yield number
        for replacement in [each for each in known.requests if each != "cancel"]:
            yield from self.to_cancel(replacement)

    def an_order(self, pick):
        return sorted(self.known)[pick % len(self.known)]

    def send(self):
        """Put what the client decided on the line to the venue."""
        for record in self.core.outbox.take():
            self.records.append(record)
            if isinstance(record, Refused):
                assert record.reason is Reason.REPLACED_ORDER_NOT_WORKING
                continue
            self.sent.append(record)
            if isinstance(record, Approved):
                order = record.order
                self.known[order.id] = Known(order.quantity)
                root = self.chain[order.id] = self.chain.get(order.replaces, order.id)
                self.told_before[order.id] = D(self.told[root])
                if order.replaces is not None:
                    self.known[order.replaces].requests.append(order.id)
            else:
                assert isinstance(record, CancelRequested)
                self.known[record.order_id].requests.append("cancel")

    # ---- the venue answers and trades ----

    @rule(willing=st.booleans())
    @precondition(lambda self: self.sent)
    def venue_takes_a_request(self, willing):
        asked = self.sent.pop(0)
        if isinstance(asked, CancelRequested):
            if willing and asked.order_id in self.book:
                filled = self.book.pop(asked.order_id).filled
                self.reports.append(OrderCanceled(asked.order_id, AT, filled))
            else:
                self.reports.append(CancelRejected(asked.order_id, AT, "no"))
            return
        order = asked.order
        old = self.book.get(order.replaces)
        if not willing or (order.replaces is not None and old is None):
            self.reports.append(OrderRejected(order.id, AT, "no"))
            return
        self.book[order.id] = AtVenue(order.quantity)
        if old is None:
            self.reports.append(OrderAccepted(order.id, AT))
        else:
            # What filled since the client asked is part of what it asked for.
            del self.book[order.replaces]
            since = self.traded[self.chain[order.id]] - self.told_before[order.id]
            self.book[order.id].left = max(order.quantity - since, ZERO)
            self.reports.append(OrderReplaced(order.id, order.replaces, AT, old.filled))
            if not self.book[order.id].left:
                del self.book[order.id]
                self.reports.append(OrderCanceled(order.id, AT))

    @rule(pick=st.integers(0, 5), part=st.sampled_from([1, 2, 10]))
    @precondition(lambda self: self.book)
    def venue_fills(self, pick, part):
        number = sorted(self.book)[pick % len(self.book)]
        order = self.book[number]
        quantity = max(D(1), order.left // part)
        order.left -= quantity
        order.filled += quantity
        self.traded[self.chain[number]] += quantity
        self.fills += 1
        self.reports.append(Fill(f"f{self.fills}", number, X, Side.BUY, quantity, D(9), "USD", AT))
        if not order.left:
            del self.book[number]

    @rule(pick=st.integers(0, 5), expires=st.booleans())
    @precondition(lambda self: self.book)
    def venue_ends_an_order_by_itself(self, pick, expires):
        number = sorted(self.book)[pick % len(self.book)]
        filled = self.book.pop(number).filled
        event = OrderExpired(number, AT, filled) if expires else OrderCanceled(number, AT, filled)
        self.reports.append(event)

    @rule(pick=st.integers(0, 5))
    @precondition(lambda self: self.known)
    def nobody_knows(self, pick):
        number = self.an_order(pick)
        self.records += self.core.process(OrderUncertain(number, AT, "silence"))
        self.known[number].unknown = True

    # ---- the client hears ----

    @rule()
    @precondition(lambda self: self.reports)
    def hear(self):
        report = self.reports.pop(0)
        self.records += self.core.process(report)
        known = self.known[report.order_id]
        match report:
            case OrderAccepted():
                known.seen, known.unknown = True, False
            case Fill():
                known.filled += report.quantity
                known.seen, known.unknown = True, False
                self.told[self.chain[report.order_id]] += report.quantity
                if self.left(report.order_id) <= 0:
                    known.final = S.FILLED
            case OrderCanceled():
                known.final = S.CANCELED
            case OrderExpired():
                known.final = S.EXPIRED
            case OrderReplaced():
                self.known[report.replaces].final = S.REPLACED
                known.seen, known.unknown = True, False
            case OrderRejected():
                known.final = S.REJECTED
                order = self.core.account.orders[report.order_id].order
                if order.replaces is not None:
                    self.refused(order.replaces, report.order_id)
            case CancelRejected():
                self.refused(report.order_id, "cancel")

    @rule(willing=st.sampled_from([True, True, False]))
    @precondition(lambda self: self.sent or self.reports)
    def both_lines_run_dry(self, willing):
        """Everything that was asked is answered, and heard."""
        while self.sent:
            self.venue_takes_a_request(willing)
        while self.reports:
            self.hear()
        quiet = [known for known in self.known.values() if known.final is None]
        assert not [known for known in quiet if known.requests]
        assert len(quiet) == len(self.book) == self.core.account.open_orders

    def refused(self, number, what):
        known = self.known[number]
        if known.final is None and what in known.requests:
            known.requests.remove(what)
            known.seen = True

    def left(self, number):
        """What may still fill of an order, as far as the client has been told."""
        since = self.told[self.chain[number]] - self.told_before[number]
        return self.known[number].quantity - since

    # ---- what must hold ----

    @invariant()
    def every_order_is_in_the_state_of_the_model(self):
        for number, known in getattr(self, "known", {}).items():
            assert self.core.account.orders[number].status is known.status, (number, known)

    @invariant()
    def every_step_is_one_that_fix_allows(self):
        for number in getattr(self, "known", {}):
            after = self.core.account.orders[number].status
            before = self.states.get(number, S.PENDING_NEW)
            assert after is before or after in TRANSITIONS[before], (number, before, after)
            self.states[number] = after

    @invariant()
    def nothing_that_can_still_fill_is_forgotten(self):
        """What is on the book, or filled and not told, is within what the engine counts on."""
        if not hasattr(self, "core"):
            return
        assert self.core.account.halted is None
        coming = sum((order.left for order in self.book.values()), ZERO)
        coming += sum((r.quantity for r in self.reports if isinstance(r, Fill)), ZERO)
        told = self.core.account.book.quantity(X)
        assert self.core.account.reading(X).worst_long >= told + coming

    def teardown(self):
        """What the journal tells of every order is what the model knows of it, wherever it ends."""
        for life in lives(getattr(self, "records", [])):
            if life.status != REFUSED:
                assert life.status == self.known[life.order.id].status.value, life


OrderLife.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestOrderLife = OrderLife.TestCase
