"""One order on its way: its state, the requests in flight for it, and what it could still fill.

Several requests may be in flight for one order. The venue answers them in the order in which they
were sent; until the last is answered the state says so, as FIX orders its states: PENDING_CANCEL
before PENDING_REPLACE before what the order does otherwise. UNKNOWN stands above them all: only a
report on the order itself resolves it, and that a request was refused is none.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from evenkeel.domain.money import ZERO
from evenkeel.domain.order import CANCEL, TERMINAL, TRANSITIONS, Order, OrderStatus, Side, standing

ClaimKey: TypeAlias = int | tuple[int, int, Side, int | None]

_PENDING_NEW, _NEW = OrderStatus.PENDING_NEW, OrderStatus.NEW


class Working(Struct, eq=False, gc=False):
    """An order from its approval to the last of its fills.

    `owner` is the number of its strategy's seat; `leaves` is what could still fill.
    """

    order: Order
    owner: int
    claim: ClaimKey
    reserve_price: Decimal
    leaves: Decimal
    status: OrderStatus = OrderStatus.PENDING_NEW
    filled: Decimal = ZERO
    requests: tuple[int, ...] = ()

    def move(self, status: OrderStatus) -> bool:
        """Take a new state if the order's life allows it; a late or doubled report changes none."""
        if status not in TRANSITIONS[self.status]:
            return False
        self.status = status
        return True

    def ask(self, request: int) -> bool:
        """Note a request on its way: `CANCEL`, or a replacement. False if there is no point in it."""
        if self.status in TERMINAL or (request == CANCEL and CANCEL in self.requests):
            return False
        self.requests = (*self.requests, request)
        if self.status is not OrderStatus.UNKNOWN:
            self.move(self.standing)
        return True

    def refused(self, request: int) -> bool:
        """Forget a request that the venue will not carry out; whether the state changes by that."""
        if request not in self.requests:
            return False
        self.requests = tuple(each for each in self.requests if each != request)
        return self.status is not OrderStatus.UNKNOWN and self.confirm()

    def confirm(self) -> bool:
        """Hear that the venue works the order; whether that is news."""
        if self.status is _PENDING_NEW:
            self.status = _NEW  # it has no fills yet, and no requests in flight
            return True
        standing = self.standing
        return standing is not self.status and self.move(standing)

    @property
    def standing(self) -> OrderStatus:
        """The state of a live order, by what it has filled and what is in flight for it."""
        return standing(self.requests, filled=bool(self.filled))

    @property
    def done(self) -> bool:
        """Whether the venue has closed it and all its fills have arrived."""
        return self.status in TERMINAL and not self.leaves
