"""One record, one line; equal records, equal lines; each line vouches for all before it.

    <sha256> {"sequence":7,"kind":"Fill","previous":"<sha256 of record 6>","body":{…}}

The hash is that of the bytes after the space, so that a reader needs nothing but bytes and
SHA-256. Records count from 1; the first one's `previous` is 64 zeros. In a body, fields stand in
the order of their class; an amount is a string without exponent or trailing zeros, a time
an integer (UTC nanoseconds), an enum its value; what is None is left out; the keys of a mapping
are sorted. Where a field may hold an amount or words, words are `{"text": "…"}`.

Of a record that was purged when its time had come, a tombstone is left in its place, behind the
hash that the record had; `purged` is the number of the operators' record that tells of it:

    <sha256> {"sequence":7,"kind":"Approved","previous":"<sha256 of record 6>","at":…,"purged":3}
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec

from evenkeel.domain.events import Record
from evenkeel.domain.money import text
from evenkeel.domain.order import Order
from evenkeel.domain.verdict import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

GENESIS = "0" * 64
"""The `previous` of record 1."""

PURGE = "audit purge"
"""The command of an operators' record that tells of a purge; such a record is never purged."""

KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Record)}
"""Every record class by the name that it has in a journal."""

_NOUNS: list[type[Any]] = [*KINDS.values(), Order]

_FIELDS: dict[type[Any], tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {
    kind: (names, attrgetter(*names)) for kind in _NOUNS for names in [kind.__struct_fields__]
}

_encode = msgspec.json.Encoder().encode


class Link(NamedTuple):
    """One record in its place in the chain; `hash` is that of `json`."""

    sequence: int
    kind: str
    at: int
    json: bytes
    hash: str

    @property
    def line(self) -> bytes:
        """The record's line, without a line feed."""
        return b"%s %s" % (self.hash.encode(), self.json)


def link(record: Record, *, sequence: int, previous: str) -> Link:
    """Give a record its number and its hash, behind the record that has the hash `previous`."""
    kind = type(record).__name__
    json = b'{"sequence":%d,"kind":"%s","previous":"%s","body":%s}' % (
        sequence,
        kind.encode(),
        previous.encode(),
        _encode(_body(record)),
    )
    return Link(sequence, kind, record.at, json, hashlib.sha256(json).hexdigest())


def links(records: Iterable[Record], *, after: int = 0, previous: str = GENESIS) -> Iterator[Link]:
    """Chain records behind the first `after` ones, of which the last has the hash `previous`."""
    for sequence, record in enumerate(records, after + 1):
        linked = link(record, sequence=sequence, previous=previous)
        previous = linked.hash
        yield linked


def tombstone(sequence: int, kind: str, previous: str, at: int, told_by: int) -> str:
    """Return what is left of a record that record `told_by` of the operators tells was purged."""
    return (
        f'{{"sequence":{sequence},"kind":"{kind}","previous":"{previous}",'
        f'"at":{at},"purged":{told_by}}}'
    )


def _body(record: Record | Order) -> dict[str, object]:
    names, values_of = _FIELDS[type(record)]
    body: dict[str, object] = {}
    for name, value in zip(names, values_of(record), strict=True):
        kind = type(value)
        if kind is Decimal:
            body[name] = _amount(value)
        elif kind is Order:
            body[name] = _body(value)
        elif kind is dict:
            body[name] = _sorted(value)
        elif value is not None:
            body[name] = value
    if type(record) is Refused:
        _mark_words(record, body)
    return body


def _amount(value: Decimal) -> str:
    """Return `text(value)`, by a short cut for amounts that are already written that way."""
    plain = str(value)
    if plain.isdecimal() or (plain[-1] in "123456789" and "E" not in plain):
        return plain
    return text(value)


def _sorted(mapping: dict[str, Any]) -> dict[str, object]:
    return {
        key: _sorted(value) if isinstance(value, dict) else value
        for key, value in sorted(mapping.items())
    }


def _mark_words(refused: Refused, body: dict[str, object]) -> None:
    """Tell the words "5" from the amount 5, in the two fields that may hold either."""
    if isinstance(refused.limit, str):
        body["limit"] = {"text": refused.limit}
    if isinstance(refused.observed, str):
        body["observed"] = {"text": refused.observed}
