"""An order, its life, and the only steps that life can take. Names are FIX 4.4's."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Collection


class Side(StrEnum):
    """Which way an order trades (FIX 54); a strategy may compare it with the text."""

    BUY = "BUY"
    SELL = "SELL"

    __hash__ = str.__hash__  # what is equal has one hash; Enum would hash the name, in Python

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How an order fills (FIX 40); the rules are in DESIGN section 4.

    The last three trade in a session's opening or closing auction only. A limit on open is a
    `LIMIT` with the time in force `OPG`.
    """

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"
    MARKET_ON_OPEN = "MARKET_ON_OPEN"
    MARKET_ON_CLOSE = "MARKET_ON_CLOSE"
    LIMIT_ON_CLOSE = "LIMIT_ON_CLOSE"

    __hash__ = str.__hash__  # as in Side


class TimeInForce(StrEnum):
    """How long an order works (FIX 59).

        DAY   until the close of its session     GTC   until it is canceled
        GTD   until `expires_at`                 OPG   at the next opening of a session only
        IOC   at the first chance to fill, once: the rest is canceled
        FOK   at the first chance to fill, once, and all of it or nothing

    On bars the first chance to fill is the open of the next bar.
    """

    DAY = "DAY"
    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"
    OPG = "OPG"


_FOREVER = frozenset((TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD))
_AT_CLOSE = frozenset((TimeInForce.DAY,))

TIMES_IN_FORCE: dict[OrderType, frozenset[TimeInForce]] = {
    OrderType.MARKET: _FOREVER | {TimeInForce.IOC, TimeInForce.FOK},
    OrderType.LIMIT: frozenset(TimeInForce),
    OrderType.STOP: _FOREVER,
    OrderType.STOP_LIMIT: _FOREVER,
    OrderType.TRAILING_STOP: _FOREVER,
    OrderType.MARKET_ON_OPEN: frozenset((TimeInForce.OPG,)),
    OrderType.MARKET_ON_CLOSE: _AT_CLOSE,
    OrderType.LIMIT_ON_CLOSE: _AT_CLOSE,
}
"""For each type the times in force that mean something: a stop waits, so it cannot be immediate."""


class OrderStatus(StrEnum):
    """Where an order is in its life (FIX 39), and `UNKNOWN`.

    `UNKNOWN`: the outcome of a request is not known. It counts as full exposure, and only
    evidence from the broker resolves it.
    """

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    PENDING_REPLACE = "PENDING_REPLACE"
    REPLACED = "REPLACED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"

    __hash__ = str.__hash__  # as in Side


_S = OrderStatus
_ENDS = (_S.FILLED, _S.CANCELED, _S.REPLACED, _S.REJECTED, _S.EXPIRED)
_LIVE = (_S.NEW, _S.PARTIALLY_FILLED, _S.PENDING_CANCEL, _S.PENDING_REPLACE, _S.UNKNOWN)

TERMINAL = frozenset(_ENDS)
"""States that an order leaves only when a late fill arrives (then: FILLED or stays)."""

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    _S.PENDING_NEW: frozenset((*_LIVE, *_ENDS)),
    _S.NEW: frozenset((*_LIVE[1:], *_ENDS)),
    _S.PARTIALLY_FILLED: frozenset((*_LIVE[1:], *_ENDS)),
    _S.PENDING_CANCEL: frozenset((*_LIVE, *_ENDS)),
    _S.PENDING_REPLACE: frozenset((*_LIVE, *_ENDS)),
    _S.UNKNOWN: frozenset((*_LIVE, *_ENDS)),
    # A fill can be on its way while the cancel is confirmed: that edge exists, in every market.
    _S.CANCELED: frozenset((_S.FILLED,)),
    _S.EXPIRED: frozenset((_S.FILLED,)),
    _S.REPLACED: frozenset((_S.FILLED,)),
    _S.REJECTED: frozenset(),
    _S.FILLED: frozenset(),
}
"""From each state, the states that can follow. Anything else is a mistake of ours."""


CANCEL = 0
"""A cancel among the requests under way for an order; a replacement is there by its number."""


def standing(requests: Collection[int], *, filled: bool) -> OrderStatus:
    """Return the state of a live order: by what is asked of the venue, then by whether it has fills.

    As FIX orders its states: PENDING_CANCEL before PENDING_REPLACE before what it does otherwise.
    """
    if CANCEL in requests:
        return OrderStatus.PENDING_CANCEL
    if requests:
        return OrderStatus.PENDING_REPLACE
    return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW


class Order(Struct, frozen=True, gc=False):
    """What a strategy wants done, already on the instrument's grid of ticks and lots.

    `id` counts the orders of a run from 1 and is never reused; the client order id that a venue
    sees is `<run id>-<id>`. `created_at` is the closing time of the bar that was decided on (UTC
    nanoseconds); the order can fill on later bars only. `quantity` is positive. `limit_price`,
    `stop_price` and `trail_amount` are in the instrument's currency; each is set exactly for the
    types that need it (a trailing stop's `stop_price` is where its trail starts, and it has either
    a `trail_amount` or a `trail_percent`: 5 trails by 5 % of the price that leads it). A trail
    without a `stop_price` starts where the order comes to stand: behind the price at which its
    parent filled, or where the order stood that it replaces.
    `expires_at` ends a DAY or GTD order, and is when an order on close trades. `replaces` names the order that this one takes the place of;
    its quantity is then what may still fill in all, beside what had filled when it was made.
    `parent` names the order whose complete fill brings this one to life; orders with the same
    `oca_group` (named by the first order's id) cancel each other: when one fills, the rest end.
    `reason` is the strategy's own words, `sizing` how the quantity was found.
    """

    id: int
    strategy: str
    instrument: str
    side: Side
    quantity: Decimal
    type: OrderType
    created_at: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    tif: TimeInForce = TimeInForce.GTC
    expires_at: int | None = None
    replaces: int | None = None
    parent: int | None = None
    oca_group: int | None = None
    reason: str = ""
    sizing: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it is at the market until it is canceled, and hangs together with no other."""
        return _conditions(self) == _NO_CONDITIONS

    def exits(self, entry: Order) -> bool:
        """Whether it is a child that can only take back what its parent `entry` has brought.

        A child on another instrument or on its parent's side brings something of its own. So may
        the child of a child, for what its parent takes back is spoken for already.
        """
        return (
            self.parent == entry.id
            and self.instrument == entry.instrument
            and self.side is not entry.side
            and entry.parent is None
        )


_conditions = attrgetter(
    "type",
    "tif",
    "limit_price",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "expires_at",
    "replaces",
    "parent",
    "oca_group",
)
_NO_CONDITIONS = (OrderType.MARKET, TimeInForce.GTC, *[None] * 8)
