"""A venue with a true book of its own that tells of it late, in parts, twice and out of order."""

from decimal import Decimal
from random import Random

from tests.engine.market import HOUR
from tests.fakes.scripted_broker import ScriptedBroker
from tests.risk.account import Book

from evenkeel.domain.events import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    VenueEvent,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.domain.tape import Tape
from evenkeel.domain.verdict import Approved

ZERO = Decimal(0)


class UnrulyVenue(ScriptedBroker):
    """Implements `Broker` on `tests.risk.account.Book`, a model that shares no code with ours.

    It fills what it likes when it likes, at the last price. `truth` is the position as it really
    is, `reach` how far it could still go if everything on the book filled in the worst order.
    From `quiet_at` on it trades no more, so that everything is told in the end.
    """

    def __init__(self, tape: Tape, seed: int, quiet_at: int) -> None:
        super().__init__(tape)
        self.book = Book()
        self.truth: dict[str, Decimal] = dict.fromkeys(tape.bars, ZERO)
        self._dice = Random(seed)
        self._quiet_at = quiet_at
        self._seen_at = -1
        self._fills = 0
        self._told: dict[int, Decimal] = {}  # what the account has heard of each chain's fills
        self._heard: set[str] = set()
        self._chain: dict[int, int] = {}

    def reach(self) -> dict[str, tuple[Decimal, Decimal]]:
        """The lowest and highest position that can still come about, by instrument."""
        spans = {name: self.book.furthest(name) for name in self.truth}
        return {
            name: (self.truth[name] + low, self.truth[name] + high)
            for name, (low, high) in spans.items()
        }

    # ---- the port ----

    def submit(self, approved: Approved) -> None:
        self.submitted.append(approved)
        order, now = approved.order, self.tape.now
        self._chain[order.id] = self._chain.get(order.replaces or 0, order.id)
        orphan = order.parent is not None and not (
            order.parent in self.book.live or order.parent in self.book.completed
        )
        gone = order.replaces is not None and order.replaces not in self.book.live
        if orphan or gone or self._dice.random() < 0.05:
            self._say(OrderRejected(order.id, now, "the venue does not want it"))
            return
        old = self.book.live.get(order.replaces or 0)
        known = self._told.get(self._chain[order.id], ZERO)
        book = self.book.submit(order, known=known)
        if old is None:
            self._say(OrderAccepted(order.id, now))
        else:
            self._say(OrderReplaced(order.id, old.order.id, now, old.filled))
        self._becomes(book, but=old.order.id if old else None)
        if order.id not in book.live:
            self._say(OrderCanceled(order.id, now, ZERO, "nothing was left of it"))

    def cancel(self, order_id: int) -> None:
        self.cancelled.append(order_id)
        if order_id in self.book.live:
            self._becomes(self.book.cancel(order_id))
        else:
            self._say(CancelRejected(order_id, self.tape.now, "it is not there"))

    def events(self) -> list[VenueEvent]:
        if self._seen_at < self.tape.now < self._quiet_at:
            self._seen_at = self.tape.now
            self._trade()
        said = super().events()
        for event in said:
            if isinstance(event, Fill) and event.id not in self._heard:
                self._heard.add(event.id)
                chain = self._chain[event.order_id]
                self._told[chain] = self._told.get(chain, ZERO) + event.quantity
        return said

    # ---- what really happens ----

    def _trade(self) -> None:
        for _ in range(self._dice.randrange(4)):
            fillable = self.book.fillable()
            if not fillable:
                return
            one = self._dice.choice(fillable)
            share = self._dice.choice([10, 50, 100, 100])
            quantity = max(Decimal(1), one.leaves * share // 100)
            self._fills += 1
            price = self.tape.price(one.order.instrument)
            assert price is not None
            fill = Fill(
                f"x{self._fills}",
                one.order.id,
                one.order.instrument,
                one.order.side,
                quantity,
                price,
                "USD",
                self.tape.now,
            )
            self.truth[fill.instrument] += quantity if fill.side is Side.BUY else -quantity
            self._say(fill)
            self._becomes(self.book.fill(one.order.id, quantity))

    def _becomes(self, book: Book, *, but: int | None = None) -> None:
        for order_id in self.book.live.keys() - book.live.keys() - book.completed - {but}:
            filled = self.book.live[order_id].filled
            self._say(OrderCanceled(order_id, self.tape.now, filled))
        self.book = book

    def _say(self, event: VenueEvent) -> None:
        """Deliver an event after a while, perhaps twice: each at its own time."""
        for _ in range(self._dice.choice([1, 1, 1, 2])):
            delay = self._dice.choice([0, 0, 1, 2, 5]) * HOUR
            self._waiting.append((self.tape.now + delay, event))
