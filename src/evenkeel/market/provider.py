"""The provider port: what a source of market data is asked, and what each answer says of itself.

An answer is whole or says what it lacks; a failure is an error of a kind. Neither is ever
"no data": nothing found is an answer only when the source itself says so.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from msgspec import Struct

from evenkeel.domain.errors import OutsideError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evenkeel.domain.bar import Times
    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.columns import Table

T_co = TypeVar("T_co", covariant=True)

MINUTE = 60_000_000_000
"""Nanoseconds in a minute."""

INTERVALS = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": 60 * MINUTE,
    "1d": 1440 * MINUTE,
}
"""How long a bar lasts, by the name of its interval; `1d` is a session, whatever its hours."""


def interval_ns(interval: str) -> int:
    """Return an interval in nanoseconds; `UsageError` when it has no such name."""
    if interval not in INTERVALS:
        raise UsageError(
            f"interval must be one of {', '.join(INTERVALS)}, was {interval!r}"
            f"{did_you_mean(interval, INTERVALS)}"
        )
    return INTERVALS[interval]


class Adjustment(StrEnum):
    """What prices have been divided by: nothing, later splits, later splits and dividends."""

    AS_TRADED = "as-traded"
    SPLIT = "split"
    SPLIT_DIVIDEND = "split-dividend"


class Origin(Struct, frozen=True, kw_only=True):
    """Who said something, when, and in what terms.

    `source` names the provider, `fetched_at` is when it answered (UTC nanoseconds), `currency` is
    ISO 4217 (prices in pence have become pounds). `lacks` says in words what was asked for and is
    not in the answer; empty when all of it is. `stale` marks an old answer, given again because
    nobody could give a new one: it may be shown, and must not be traded on.
    """

    source: str
    fetched_at: int
    currency: str
    adjustment: Adjustment = Adjustment.AS_TRADED
    lacks: str = ""
    stale: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is there."""
        return not self.lacks


class Answer(Struct, Generic[T_co], frozen=True):
    """What a provider found, and where it comes from."""

    value: T_co
    origin: Origin


class PartialBar(Struct, frozen=True):
    """A bar that is still being made: never history, gone as soon as it is complete.

    `began_at` is its start and `as_of` when it looked like this, both in UTC nanoseconds.
    """

    began_at: int
    as_of: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Fetched(Struct, frozen=True, eq=False):
    """Completed bars of one instrument as a provider has them: in order, each time once, unjudged.

    `table.wall` and `table.stamps` are each bar's start; for `1d` both are midnight UTC of the
    session's date. `sources` are all origins of the bars and `source_of` (int64) is each bar's
    place among them. `partial` is the bar still being made when the provider was asked.
    """

    instrument: Instrument
    interval: str
    table: Table
    sources: tuple[Origin, ...]
    source_of: Times
    partial: PartialBar | None = None

    def __len__(self) -> int:
        """Return the number of completed bars."""
        return len(self.table.wall)


class Facts(Struct, frozen=True, kw_only=True):
    """What a source says about an instrument; what it does not say is empty.

    `symbol` is the source's own name for it, `kind` such as "equity", "etf", "index", "crypto",
    "currency"; `timezone` as in the IANA database; `listed_at` its first bar, UTC nanoseconds.
    """

    symbol: str
    name: str = ""
    kind: str = ""
    exchange: str = ""
    timezone: str = ""
    listed_at: int | None = None


class Quote(Struct, frozen=True, kw_only=True):
    """The latest price that a source knows, and since when (UTC nanoseconds)."""

    price: float
    at: int
    previous_close: float | None = None
    volume: float | None = None


class Provider(Protocol):
    """A source of market data. Every method raises `ProviderError`, and nothing else, on failure.

    Times are UTC nanoseconds. A provider may be called from several threads at once.
    """

    @property
    def name(self) -> str:
        """What origins call it: lower case, such as `yahoo`."""
        ...

    def bars(self, instrument: Instrument, interval: str, start: int, end: int) -> Answer[Fetched]:
        """Return the bars with `start <= beginning < end`, oldest first."""
        ...

    def actions(
        self, instrument: Instrument, start: int, end: int
    ) -> Answer[tuple[CorporateAction, ...]]:
        """Return splits and dividends with `start <= at < end`, earliest first."""
        ...

    def facts(self, instrument: Instrument) -> Answer[Facts]:
        """Return what the source knows about an instrument."""
        ...

    def quote(self, instrument: Instrument) -> Answer[Quote]:
        """Return the latest price."""
        ...


@runtime_checkable
class ManyQuotes(Protocol):
    """What a provider may be able to do beside: the latest prices of many in one request."""

    def quotes(self, instruments: Sequence[Instrument]) -> Mapping[str, Answer[Quote]]:
        """Return the latest prices by instrument id; whom it does not know is not there."""
        ...


# ---- failures ----


class Failure(StrEnum):
    """Why a provider did not answer."""

    RATE_LIMITED = "rate-limited"
    """Too many requests for now: `retry_after` says how long, where the source said so."""
    BUDGET_SPENT = "budget-spent"
    """The day's requests are used up, by our own count or by the source's."""
    UNREACHABLE = "unreachable"
    """No connection: refused, reset, no such host."""
    TIMED_OUT = "timed-out"
    """It took longer than we wait."""
    SERVER = "server-error"
    """It answered with an error of its own."""
    UNREADABLE = "unreadable"
    """It answered with something else than data: a web page, half an object."""
    RESTING = "resting"
    """It failed so often that it is left alone for a while (its circuit is open)."""
    UNKNOWN = "unknown-instrument"
    """The source itself says that it has no such instrument, or nothing in that time."""
    NOT_OFFERED = "not-offered"
    """The source, or this access to it, does not have this: another plan or provider might."""
    DENIED = "denied"
    """The key or the session is not accepted."""


PASSING = frozenset(
    (Failure.RATE_LIMITED, Failure.UNREACHABLE, Failure.TIMED_OUT, Failure.SERVER)
) | {Failure.UNREADABLE}
"""What may be gone at the next try; the rest stays until somebody changes something."""


class ProviderError(OutsideError):
    """A provider did not answer. `kind` says why, `retry_after` in how many seconds to ask again.

    The message names provider, instrument and failure, and holds no key and no full address.
    """

    def __init__(
        self, provider: str, kind: Failure, said: str, *, retry_after: float | None = None
    ) -> None:
        """Keep who failed, how, and when it is worth asking again."""
        super().__init__(f"{provider}: {said} ({kind})")
        self.provider, self.kind, self.said, self.retry_after = provider, kind, said, retry_after
