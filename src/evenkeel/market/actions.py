"""Splits and cash dividends from a file, due at the first moment of their ex-date."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.calendar.sessions import exchange_timezone
from evenkeel.domain.errors import DataError, did_you_mean
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.money import exact

if TYPE_CHECKING:
    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument

KINDS = ("split", "dividend")


def read_actions(
    source: str | Path | Sequence[CorporateAction], instruments: Sequence[Instrument]
) -> list[CorporateAction]:
    """Return the actions that concern `instruments`, earliest first.

    A CSV file has the columns date (ex-date, 2024-01-31), symbol or instrument, kind (split or
    dividend) and value: shares for one held (`2`, or `3:2` for three in place of two), or money
    per share. Rows about other symbols are skipped. An action is due at midnight of its ex-date
    in the exchange's time zone, UTC without a market. A list is returned sorted.
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
    day = _day((row["date"] or "").strip(), place)
    if kind not in KINDS:
        raise DataError(
            f"{place}: kind must be split or dividend, was {kind!r}{did_you_mean(kind, KINDS)}"
        )
    new, old = _ratio(value, place) if kind == "split" else (_positive(value, place), Decimal(1))
    return [
        Split(each.id, due(day, each.mic), new, old)
        if kind == "split"
        else CashDividend(each.id, due(day, each.mic), new, each.currency)
        for each in instruments
        if name in {each.id, each.symbol}
    ]


def _day(text: str, place: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{place}: date must be like 2024-01-31, was {text!r}") from None


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


def split_ratio(factor: float | str) -> tuple[Decimal, Decimal]:
    """Return the shares that a factor makes of how many: `1.5` is 3 of 2, `0.3333` is 1 of 3.

    Raises `ValueError` when it is no positive number.
    """
    plain = Fraction(str(factor))
    if plain <= 0:
        raise ValueError(f"a split factor must be above 0, was {factor}")
    near = plain.limit_denominator(100)
    if abs(near - plain) > plain / 2_000:
        near = plain
    return Decimal(near.numerator), Decimal(near.denominator)


def due(day: date, mic: str) -> int:
    """Return when an action with that ex-date takes effect: midnight in its exchange's zone."""
    midnight = datetime.combine(day, time(), exchange_timezone(mic)).astimezone(UTC)
    return int(midnight.timestamp()) * 1_000_000_000
