"""Everything that happens to a run, and everything it writes down.

    Event   comes in by the door: what a venue, a company or a person did
    Record  goes into the journal: events, and the verdicts and requests they caused

Both unions are closed. `match` over them has no default case, so that mypy shows every place that
a new member must still touch. Times are UTC nanoseconds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias, get_args

from msgspec import Struct, field

from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import (
    CashDividend as CashDividend,  # noqa: PLC0414 - whoever reads events finds them here
)
from evenkeel.domain.instrument_events import InstrumentEvent
from evenkeel.domain.instrument_events import Split as Split  # noqa: PLC0414 - the same
from evenkeel.domain.money import ZERO
from evenkeel.domain.verdict import DATA_IN_DOUBT, Approved, Refused


class RunStarted(Struct, frozen=True, gc=False):
    """The first record: everything that the rest follows from.

    `tape` is the SHA-256 of each instrument's bars. The mode (backtest, paper) and the run's id
    are not here: the same decisions on the same bars give the same journal, whoever runs them.
    """

    at: int
    strategy: str
    params: dict[str, str]
    instruments: dict[str, dict[str, str]]
    tape: dict[str, str]
    cash: Decimal
    currency: str
    costs: str
    slippage: str
    limits: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)


class OrderAccepted(Struct, frozen=True, gc=False):
    """The venue works the order (FIX: ExecType New)."""

    order_id: int
    at: int


class OrderRejected(Struct, frozen=True, gc=False):
    """The venue will not work the order (or the replacement: then the old one works on)."""

    order_id: int
    at: int
    reason: str


class OrderCanceled(Struct, frozen=True, gc=False):
    """The order is off the market. `filled` is what it filled in all (FIX 14, CumQty).

    A fill that is part of `filled` and has not reached us yet still counts as exposure.
    """

    order_id: int
    at: int
    filled: Decimal = ZERO
    reason: str = ""


class OrderExpired(Struct, frozen=True, gc=False):
    """The order's time in force ran out. `filled` as in `OrderCanceled`."""

    order_id: int
    at: int
    filled: Decimal = ZERO


class OrderReplaced(Struct, frozen=True, gc=False):
    """`order_id` (the new order) has taken the place of `replaces`, which `filled` this much."""

    order_id: int
    replaces: int
    at: int
    filled: Decimal = ZERO


class CancelRejected(Struct, frozen=True, gc=False):
    """The cancel was too late, or the order is not known; the order's own state stands."""

    order_id: int
    at: int
    reason: str


class OrderUncertain(Struct, frozen=True, gc=False):
    """Nobody can say what became of the order: it turns UNKNOWN and counts in full."""

    order_id: int
    at: int
    reason: str


class InterestCharged(Struct, frozen=True, gc=False):
    """The account owed `balance` of `currency` for `days` days at `rate` percent a year."""

    at: int
    currency: str
    balance: Decimal
    rate: Decimal
    days: int
    amount: Decimal


class BorrowFeeCharged(Struct, frozen=True, gc=False):
    """The account was short `quantity` worth `value` for `days` days at `rate` percent a year.

    `value` is at the last close before `at`, in `currency` (the account's own) like `amount`; all
    three are positive.
    """

    instrument: str
    at: int
    quantity: Decimal
    value: Decimal
    rate: Decimal
    days: int
    amount: Decimal
    currency: str = "USD"


class CurrencyConverted(Struct, frozen=True, gc=False):
    """`sold` of one currency became `bought` of another; both are positive.

    `rate` is how much of the account's base currency one unit of the other was worth. `cost` is what
    the broker kept for it, in the base currency: it is part of what was sold, or missing in what was
    bought.
    """

    at: int
    sold: Decimal
    sold_currency: str
    bought: Decimal
    bought_currency: str
    rate: Decimal
    cost: Decimal = ZERO


class MarginCalled(Struct, frozen=True, gc=False):
    """`equity` has fallen below the margin `required`: every working order is cancelled."""

    at: int
    equity: Decimal
    required: Decimal


class LiquidationForced(Struct, frozen=True, gc=False):
    """The venue closes positions until the margin is kept again; its orders follow this record."""

    at: int
    equity: Decimal
    required: Decimal


class Halted(Struct, frozen=True, gc=False):
    """Nothing is approved again until somebody resumes. `by` is a person or a rule."""

    at: int
    by: str
    reason: str


class Resumed(Struct, frozen=True, gc=False):
    """A person took the halt back."""

    at: int
    by: str
    reason: str


class OperatorActed(Struct, frozen=True, gc=False):
    """A person changed something: who, with which command, why, and what it was before and after.

    What stops or resumes trading has records of its own; this is everything else that somebody
    answers for: a limit raised, a secret read, a finding waved through, records purged.
    """

    at: int
    actor: str
    command: str
    reason: str = ""
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


class CancelRequested(Struct, frozen=True, gc=False):
    """Somebody wants the order off the market; it may still fill until the venue confirms."""

    order_id: int
    at: int
    by: str
    reason: str = ""


class Noted(Struct, frozen=True, gc=False):
    """A line that the strategy logged."""

    at: int
    strategy: str
    text: str


class RunEnded(Struct, frozen=True, gc=False):
    """The last record. `state` is the hash of the portfolio that the records lead to.

    `equity` is None where something held has no price, or its currency no rate.
    """

    at: int
    state: str
    equity: Decimal | None = None


CorporateAction: TypeAlias = InstrumentEvent
"""What a company or a market does to an instrument."""

AccountEvent: TypeAlias = InterestCharged | BorrowFeeCharged | CurrencyConverted
"""Money that moved without a trade."""

MarginEvent: TypeAlias = MarginCalled | LiquidationForced

VenueEvent: TypeAlias = (
    OrderAccepted
    | OrderRejected
    | OrderCanceled
    | OrderExpired
    | OrderReplaced
    | CancelRejected
    | OrderUncertain
    | Fill
)

Event: TypeAlias = (
    VenueEvent | CorporateAction | AccountEvent | MarginEvent | Halted | Resumed | OperatorActed
)

Record: TypeAlias = RunStarted | Event | Approved | Refused | CancelRequested | Noted | RunEnded

Alarm: TypeAlias = Halted | MarginCalled | LiquidationForced | OrderUncertain
"""What somebody should look at at once."""

_ALARMS = get_args(Alarm)


def is_alarming(record: object) -> bool:
    """Return whether a record is an `Alarm`, or a refusal because the data is in doubt."""
    if isinstance(record, Refused):
        return record.reason in DATA_IN_DOUBT
    return isinstance(record, _ALARMS)
