"""What companies and markets did, from a file; each due at the first moment of its ex-date.

A halt is no matter of days: it and its end may have a time.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.calendar.sessions import exchange_timezone
from evenkeel.domain.errors import DataError, did_you_mean
from evenkeel.domain.instrument import NO_MARKET, Instrument, instrument_id
from evenkeel.domain.instrument_events import (
    CashDividend,
    Delisted,
    Merged,
    Split,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.money import exact

if TYPE_CHECKING:
    from evenkeel.domain.events import CorporateAction

KINDS = (
    *("split", "dividend", "stock-dividend"),
    *("symbol-change", "merger", "delisting", "spin-off", "halt", "resume", "gains"),
)
"""What may stand in the column kind. `gains` are a fund's, and part of its dividend already."""

TIMED = ("halt", "resume")
"""Kinds whose date may be a time: `2024-01-31T10:05` where it trades, or with its offset."""


def read_actions(
    source: str | Path | Sequence[CorporateAction], instruments: Sequence[Instrument]
) -> list[CorporateAction]:
    """Return the actions that concern `instruments`, earliest first.

    A CSV file has the columns date (ex-date, 2024-01-31), symbol or instrument, kind and value:

        split           shares for one held: `2`, or `3:2` for three in place of two
        dividend        money per share
        stock-dividend  shares for one held, beside it: `0.05`
        symbol-change   the new id: `META.XNAS`
        merger          shares of another for one held, money, or both: `ACME.XNYS:0.5+12.30`
        delisting       money per share, empty where nobody has said
        spin-off        shares of the child for one held: `CHILD.XNYS:0.25`; `@0.1` after it says
                        which part of the cost goes with them
        halt            why trading stops, which may be empty: `news pending`
        resume          nothing: it trades again

    Rows about other symbols are skipped. An action is due at midnight of its ex-date in the
    exchange's time zone, UTC without a market; a halt and its end may have a time instead of a
    date, `2024-01-31T10:05` in that zone or with an offset (`-05:00`, `Z`). A list is returned sorted.
    Raises `DataError` naming file, line, column and value.
    """
    if not isinstance(source, str | Path):
        return sorted(source, key=lambda action: action.at)
    path = Path(source).expanduser()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            rows.fieldnames = [name.strip().casefold() for name in rows.fieldnames or ()]
            _refuse_missing(rows.fieldnames, path.name)
            actions = [
                action
                for row in rows
                for action in _read(row, instruments, f"{path.name}, line {rows.line_num}")
            ]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is not CSV in UTF-8: {error}") from error
    return sorted(actions, key=lambda action: action.at)


def _refuse_missing(header: Sequence[str], label: str) -> None:
    named = "instrument" if "instrument" in header else "symbol"
    missing = [name for name in ("date", named, "kind", "value") if name not in header]
    if missing:
        raise DataError(
            f"{label} has no column {', '.join(missing)}; found {', '.join(header) or 'nothing'}"
            f"{did_you_mean(missing[0], header)}"
        )


def _read(
    row: Mapping[str, str | None], instruments: Sequence[Instrument], place: str
) -> list[CorporateAction]:
    name = (row.get("instrument") or row.get("symbol") or "").strip()
    kind, value = (row["kind"] or "").strip().casefold(), (row["value"] or "").strip()
    if kind not in KINDS:
        raise DataError(
            f"{place}: kind must be one of {', '.join(KINDS)}, was {kind!r}"
            f"{did_you_mean(kind, KINDS)}"
        )
    day = _day((row["date"] or "").strip(), place, timed=kind in TIMED)
    if kind == "gains":
        return []
    _event(kind, Instrument(f"X.{NO_MARKET}"), 0, value, place)  # a bad row is bad for everybody
    return [
        _event(kind, each, due(day, each.mic), value, place)
        for each in instruments
        if name in {each.id, each.symbol}
    ]


def _event(kind: str, of: Instrument, at: int, value: str, place: str) -> CorporateAction:
    if kind == "split":
        new, old = _ratio(value, place)
        return Split(of.id, at, new, old)
    if kind == "dividend":
        return CashDividend(of.id, at, _positive(value, place), of.currency)
    if kind == "stock-dividend":
        return StockDividend(of.id, at, _positive(value, place))
    if kind == "symbol-change":
        return SymbolChanged(of.id, at, instrument_id(value))
    if kind == "halt":
        return TradingHalted(of.id, at, value)
    if kind == "resume":
        return TradingResumed(of.id, at)
    if kind == "delisting":
        return Delisted(of.id, at, _number(value, place) if value else None)
    if kind == "spin-off":
        shares, _, cost_share = value.partition("@")
        child, ratio = _other(shares, place)
        cost = _number(cost_share, place) if cost_share else Decimal(0)
        return SpunOff(of.id, at, child, ratio, cost)
    shares, _, cash = value.rpartition("+") if ":" in value and "+" in value else (value, "", "")
    if ":" not in shares:
        return Merged(of.id, at, cash=_positive(shares, place), currency=of.currency)
    into, ratio = _other(shares, place)
    money = _positive(cash, place) if cash else Decimal(0)
    return Merged(of.id, at, into, ratio, money, currency=of.currency)


def _other(text: str, place: str) -> tuple[str, Decimal]:
    """Return another instrument and its shares for one held, from `ACME.XNYS:0.5`."""
    name, colon, ratio = text.partition(":")
    if not colon:
        raise DataError(f"{place}: value must be like ACME.XNYS:0.5, was {text!r}")
    return instrument_id(name), _positive(ratio, place)


def _day(text: str, place: str, *, timed: bool) -> date:
    """Return a date; or, where it may have a time, a `datetime` as it is written."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        if timed:
            with suppress(ValueError):
                return datetime.fromisoformat(text)
    form = "2024-01-31 or 2024-01-31T10:05" if timed else "2024-01-31"
    raise DataError(f"{place}: date must be like {form}, was {text!r}")


def _ratio(text: str, place: str) -> tuple[Decimal, Decimal]:
    new, colon, old = text.partition(":")
    return _positive(new, place), _positive(old, place) if colon else Decimal(1)


def _positive(text: str, place: str) -> Decimal:
    try:
        value = exact(text.strip())
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0:
        raise DataError(
            f"{place}: value must be a number above 0 (a split may be 3:2), was {text!r}"
        )
    return value


def _number(text: str, place: str) -> Decimal:
    """Return a number of 0 or more."""
    return Decimal(0) if text.strip() in {"0", "0.0", "0.00"} else _positive(text, place)


def split_ratio(factor: float | str) -> tuple[Decimal, Decimal]:
    """Return the shares that a factor makes of how many: `1.5` is 3 of 2, `0.3333` is 1 of 3.

    Raises `ValueError` when it is no positive number.
    """
    plain = Fraction(str(factor))
    if plain <= 0:
        raise ValueError(f"a split factor must be above 0, was {factor}")
    near = plain.limit_denominator(100)
    reverse = Fraction(1, max(1, round(1 / plain)))  # 1 of 150 is as usual as 1 of 50
    if abs(reverse - plain) <= plain / 5_000:
        near = reverse
    elif abs(near - plain) > plain / 2_000:
        near = plain
    return Decimal(near.numerator), Decimal(near.denominator)


def due(day: date, mic: str) -> int:
    """Return when an action takes effect: at midnight of its date in its exchange's zone.

    A `datetime` is that moment, in that zone when it has none.
    """
    zone = exchange_timezone(mic)
    moment = day if isinstance(day, datetime) else datetime.combine(day, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000_000


def ex_day(at: int, mic: str) -> int:
    """Return the date at an exchange of the moment at which an action is due, in days since 1970."""
    day = datetime.fromtimestamp(at / 1e9, exchange_timezone(mic)).date()
    return (day - date(1970, 1, 1)).days
