"""A journal is enough: its lines give back its records, and its records the book they led to.

Nothing is checked here beyond what reading needs; `verify` says whether a journal is whole.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import Struct

from evenkeel.domain.errors import JournalError
from evenkeel.domain.events import (
    AccountEvent,
    CancelRequested,
    CorporateAction,
    Event,
    Noted,
    RunEnded,
    RunStarted,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import INSTRUMENT_EVENTS
from evenkeel.domain.order import Order
from evenkeel.domain.verdict import Reason, Refused
from evenkeel.journal.chain import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Decoded: TypeAlias = RunStarted | Event | Order | Refused | CancelRequested | Noted | RunEnded
"""A record as it can be read back: an approval comes back as the order that it let pass."""


class Entry(Struct, frozen=True):
    """One line of a journal, parsed: the record's number, its class's name and its fields.

    Of a record that was purged when its time had come only `at` is left; `purged` is then the
    number of the operators' record that tells of it.
    """

    sequence: int
    kind: str
    body: dict[str, Any]
    purged: int | None = None


BOOKED = (Fill, *INSTRUMENT_EVENTS, *get_args(AccountEvent))
"""Whatever moves money or positions."""


class Ledger(Protocol):
    """What a replay posts to."""

    def post(self, event: Fill | CorporateAction | AccountEvent) -> object:
        """Book an event."""
        ...

    def state_hash(self) -> str:
        """Return the hash of everything booked."""
        ...


Book = TypeVar("Book", bound=Ledger)

_MONEY = {each.__name__ for each in BOOKED}


def read(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Parse lines as `Journal.lines` and `read_lines` give them; `JournalError` names a bad one."""
    for number, line in enumerate(lines, 1):
        try:
            record = msgspec.json.decode(line.partition(b" ")[2])
            body = {"at": record["at"]} if "purged" in record else record["body"]
            entry = Entry(record["sequence"], record["kind"], body, record.get("purged"))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
            raise JournalError(
                f"line {number} of the journal is not a record ({error}); "
                "`evenkeel audit verify` tells what happened to it"
            ) from error
        yield entry


def decode(entry: Entry) -> Decoded:
    """Return the record of an entry; `JournalError` when its fields are not those of its kind.

    Only the gate makes an `Approved`: an approval read back is its `Order`. When it was given,
    and the price it reserved, stand in `entry.body`.
    """
    if entry.purged is not None:
        raise JournalError(
            f"record {entry.sequence} of the journal was purged when its time had come; record "
            f"{entry.purged} of the operators' journal tells of it"
        )
    try:
        if entry.kind == "Approved":
            return msgspec.convert(entry.body["order"], Order)
        if entry.kind == "Refused":
            return _refused(entry.body)
        record: Decoded = msgspec.convert(entry.body, KINDS[entry.kind])
    except (msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
        raise JournalError(
            f"record {entry.sequence} of the journal cannot be read as a {entry.kind} "
            f"({error}); it was written by another version, or altered"
        ) from error
    return record


def replay(lines: Iterable[bytes], open_book: Callable[[RunStarted], Book]) -> Book:
    """Post everything that moved money or positions to the book that `open_book` makes of the first record.

    Raises `JournalError` when the book ends in another state than `RunEnded` says, or when what it
    would post was purged. A journal that has not ended (yet) has no state to compare with: its book is the state so far.
    """
    entries = read(lines)
    first = next(entries, None)
    started = decode(first) if first is not None else None
    if not isinstance(started, RunStarted):
        raise JournalError("the journal does not begin with RunStarted; is it a journal?")
    book = open_book(started)
    for entry in entries:
        if entry.purged is not None and entry.kind not in _MONEY:
            continue  # it told why, and is gone; what became of the money is still there
        match decode(entry):
            case RunEnded() as ended:
                _compare(entry, ended, book)
            case event if isinstance(event, BOOKED):
                book.post(event)
            case _:  # every other record tells why, not what became of the money
                pass
    return book


def _compare(entry: Entry, ended: RunEnded, book: Ledger) -> None:
    state = book.state_hash()
    if state != ended.state:
        raise JournalError(
            f"record {entry.sequence} of the journal ends the run in state {ended.state}, "
            f"but its fills and corporate actions lead to {state}"
        )


def _refused(body: dict[str, Any]) -> Refused:
    return Refused(
        order=msgspec.convert(body["order"], Order),
        at=msgspec.convert(body["at"], int),
        reason=Reason(body["reason"]),
        limit=_amount_or_words(body["limit"]),
        observed=_amount_or_words(body["observed"]),
    )


def _amount_or_words(value: object) -> Decimal | str:
    if isinstance(value, dict):
        return msgspec.convert(value["text"], str)
    return msgspec.convert(value, Decimal)
