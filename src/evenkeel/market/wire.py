"""Answers as bytes, and back: what the cache keeps and the recorder writes. Nothing is lost.

MessagePack with every column as it lies in memory: a price comes back as the very same number, and
reading runs no code of whoever wrote it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from evenkeel.domain.instrument import Instrument
from evenkeel.domain.instrument_events import INSTRUMENT_EVENTS
from evenkeel.market.columns import PRICES, Table
from evenkeel.market.fetched import place
from evenkeel.market.provider import Answer, Facts, Fetched, Origin, PartialBar, Quote

if TYPE_CHECKING:
    from evenkeel.domain.bar import AnyArray

assert sys.byteorder == "little", (
    "columns are written as they lie, and everybody's are little-endian"
)


def encode(answer: Answer[Any]) -> bytes:
    """Return an answer as bytes."""
    value = answer.value
    kind, body = _taken_apart(value)
    return msgspec.msgpack.encode({"kind": kind, "origin": answer.origin, "value": body})


def decode(data: bytes) -> Answer[Any]:
    """Return the answer that `encode` made bytes of.

    Raises `ValueError` (or its kin of msgspec) when these are no bytes of an answer.
    """
    found = msgspec.msgpack.decode(data)
    try:
        value = _put_together(found["kind"], found["value"])
        return Answer(value, msgspec.convert(found["origin"], Origin))
    except (KeyError, TypeError) as error:
        raise ValueError(f"these are no bytes of an answer: {error!r}") from error


def _taken_apart(value: object) -> tuple[str, object]:
    match value:
        case Fetched():
            return "bars", _bars_apart(value)
        case Quote():
            return "quote", value
        case Facts():
            return "facts", value
        case tuple():
            return "actions", [[type(each).__name__, each] for each in value]
        case _:
            raise TypeError(f"no provider answers with a {type(value).__name__}")


def _put_together(kind: str, body: Any) -> object:  # noqa: ANN401 - what MessagePack holds
    if kind == "bars":
        return _bars_together(body)
    if kind == "actions":
        return tuple(msgspec.convert(each, ACTIONS[name]) for name, each in body)
    return msgspec.convert(body, {"quote": Quote, "facts": Facts}[kind])


ACTIONS = {each.__name__: each for each in INSTRUMENT_EVENTS}


def _bars_apart(value: Fetched) -> dict[str, Any]:
    table = value.table
    return {
        "instrument": value.instrument,
        "interval": value.interval,
        "label": table.label,
        "wall": table.wall.tobytes(),
        "stamps": table.stamps.tobytes(),
        "prices": [table.prices[name].tobytes() for name in PRICES],
        "volume": None if table.volume is None else table.volume.tobytes(),
        "sources": value.sources,
        "source_of": value.source_of.tobytes(),
        "partial": value.partial,
    }


def _bars_together(body: dict[str, Any]) -> Fetched:
    prices = dict(zip(PRICES, map(_floats, body["prices"]), strict=True))
    volume = None if body["volume"] is None else _floats(body["volume"])
    table = Table(
        body["label"], _whole(body["wall"]), _whole(body["stamps"]), prices, volume, (), None, place
    )
    partial = body["partial"]
    return Fetched(
        msgspec.convert(body["instrument"], Instrument),
        body["interval"],
        table,
        msgspec.convert(body["sources"], tuple[Origin, ...]),
        _whole(body["source_of"]),
        None if partial is None else msgspec.convert(partial, PartialBar),
    )


def _floats(data: bytes) -> AnyArray:
    return np.frombuffer(data, np.float64)


def _whole(data: bytes) -> AnyArray:
    return np.frombuffer(data, np.int64)
