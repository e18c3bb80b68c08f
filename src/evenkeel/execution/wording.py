"""How a cost or slippage model is written: `kind`, `kind:5`, `kind:5,minimum=1`. One grammar for all.

The text stands in the journal, so that every model can be made again from its own `name`.
"""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct

from evenkeel.domain.errors import UsageError, did_you_mean
from evenkeel.domain.money import EXACT, exact, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_TEN_THOUSAND = Decimal(10_000)
_DIGITS = 30  # before the point: arithmetic on money has twice as many


class Kind(Struct, Generic[T], frozen=True):
    """One kind of model: what makes it, the numbers it takes by name, and how it is written.

    `terms` are the keywords of `make`; the first may stand in the text without its name. `needed`
    are those that have no default.
    """

    make: Callable[..., T]
    example: str
    terms: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()


def build(written: str, kinds: Mapping[str, Kind[T]], *, of: str) -> T:
    """Make the model that a text names. Raises `UsageError` that says what there is."""
    name, colon, rest = written.strip().partition(":")
    kind = kinds.get(name)
    if kind is None or (rest and not kind.terms):
        there_is = ", ".join(dict.fromkeys(each.example for each in kinds.values()))
        raise UsageError(
            f"{of} {written!r} is not known; there are {there_is}{did_you_mean(name, kinds)}"
        )
    given = _numbers(rest, kind, of=f"{of} {written!r}") if colon else {}
    missing = [term for term in kind.needed if term not in given]
    if missing:
        raise UsageError(f"{of} {written!r} needs {missing[0]}; write it as in {kind.example}")
    return kind.make(**given)


def _numbers(rest: str, kind: Kind[T], *, of: str) -> dict[str, Decimal]:
    """Read `5,minimum=1`. Raises `UsageError` for an unknown or repeated term."""
    found: dict[str, Decimal] = {}
    for place, part in enumerate(rest.split(",")):
        term, equals, value = (word.strip() for word in part.partition("="))
        if not equals and place == 0:
            term, value = kind.terms[0], term
        if term not in kind.terms:
            raise UsageError(
                f"{of}: {part.strip()!r} is not one of {', '.join(kind.terms)}"
                f"{did_you_mean(term, kind.terms)}; write it as in {kind.example}"
            )
        if term in found:
            raise UsageError(f"{of}: {term} is given twice; give it once")
        found[term] = number(value, of=of, example=kind.example)
    return found


def number(written: str, *, of: str, example: str) -> Decimal:
    """Read a number. Raises `UsageError`, naming `of` what it is."""
    try:
        value = exact(written.strip())
    except DecimalException:
        value = Decimal("NaN")
    if not value.is_finite():
        raise UsageError(f"{of}: {written.strip()!r} is not a number; write it as in {example}")
    if value.adjusted() >= _DIGITS:
        raise UsageError(f"{of}: {written.strip()!r} is beyond any rate; write it as in {example}")
    return value


def name_of(kind: str, *first: Decimal, **others: tuple[Decimal, Decimal]) -> str:
    """Return the text of a model: its kind, its first number, and terms that differ from default.

    `others` are (value, default) by term.
    """
    words = [text(value) for value in first]
    words += [f"{term}={text(is_)}" for term, (is_, default) in others.items() if is_ != default]
    return f"{kind}:{','.join(words)}" if words else kind


def basis_points(points: Decimal, *, of: str) -> Decimal:
    """Return basis points as a share of one. Raises `UsageError` unless 0 <= points < 10,000."""
    points = exact(points)
    if not points.is_finite() or not 0 <= points < _TEN_THOUSAND:
        raise UsageError(f"{of} of {text(points)} bps: must be at least 0 and below 10000")
    return EXACT.divide(points, _TEN_THOUSAND)


def not_negative(value: Decimal, *, of: str) -> Decimal:
    """Return an amount as it is. Raises `UsageError` when it is below zero or not a number."""
    value = exact(value)
    if not value.is_finite() or value < 0:
        raise UsageError(f"{of} must be at least 0, was {text(value)}")
    return value
