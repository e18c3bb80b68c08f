"""The limit card: complete, or it does not exist. No limit has a default that allows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.domain.errors import ConfigError, did_you_mean
from evenkeel.domain.money import EXACT, INFINITY, ONE, ZERO, exact, text

if TYPE_CHECKING:
    from collections.abc import Mapping

UNLIMITED = "unlimited"
"""How a card says that a field bounds nothing."""

UNITS = {
    "order_quantity_max": "units",
    "order_notional_max": "money",
    "price_collar_max": "of the last price",
    "price_age_max_seconds": "s",
    "position_quantity_max": "units",
    "gross_exposure_max": "money",
    "net_exposure_max": "money",
    "concentration_max": "of equity",
    "buying_power_multiple": "x equity",
    "orders_per_second_max": "orders",
    "orders_per_day_max": "orders",
    "duplicate_window_seconds": "s",
    "open_orders_max": "orders",
}
"""Every field of a card in order, and what its number counts."""

BOUNDED_ELSEWHERE = (
    "order_quantity_max",  # order_notional_max bounds the same order in money
    "position_quantity_max",  # concentration_max bounds the same position against equity
    "gross_exposure_max",  # buying_power_multiple bounds the same book against equity
    "net_exposure_max",  # net is never more than gross
)
"""The fields that a card may leave unlimited: another one of the same card bounds the same thing."""

_WHOLE = frozenset(("orders_per_second_max", "orders_per_day_max", "open_orders_max"))
_FINITE = frozenset(("price_age_max_seconds", "buying_power_multiple", "duplicate_window_seconds"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may be sent, at the most. An order exactly at a limit is within it.

    Money is in the account's base currency, a quantity in shares or contracts. Numbers may be
    given as Decimal, int, float (its shortest text) or text; infinite, or the text "unlimited",
    means no limit. `ConfigError` when one is missing its law: a number, not NaN, at least 0.

        order_quantity_max        quantity of one order
        order_notional_max        money of one order: quantity x reserve price x multiplier
        price_collar_max          how far a limit or stop price may be from the last price, either
                                  way, as a fraction of the last price (0.05 is five percent)
        price_age_max_seconds     age of the last price; finite
        position_quantity_max     quantity of one instrument, long or short, at the worst
        gross_exposure_max        money in all instruments, longs plus shorts, at the worst
        net_exposure_max          money in all instruments, longs minus shorts or the reverse
        concentration_max         exposure in one instrument, as a fraction of equity
        buying_power_multiple     gross exposure that one unit of equity may carry: 1 is a cash
                                  account, 2 a margin account under Regulation T; finite
        orders_per_second_max     orders approved in any one second, a whole number
        orders_per_day_max        orders approved in one UTC calendar day, a whole number
        duplicate_window_seconds  how long the same terms count as sent twice; 0 switches it off
        open_orders_max           orders working, in flight or UNKNOWN at once, a whole number
    """

    order_quantity_max: Decimal
    order_notional_max: Decimal
    price_collar_max: Decimal
    price_age_max_seconds: Decimal
    position_quantity_max: Decimal
    gross_exposure_max: Decimal
    net_exposure_max: Decimal
    concentration_max: Decimal
    buying_power_multiple: Decimal
    orders_per_second_max: Decimal
    orders_per_day_max: Decimal
    duplicate_window_seconds: Decimal
    open_orders_max: Decimal
    bounding: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names of the fields that bound something: finite, and not switched off."""

    def __post_init__(self) -> None:
        """Hold every number to its law, and note once which of them bound anything."""
        for name in UNITS:
            object.__setattr__(self, name, _lawful(name, getattr(self, name)))
        unbound = {name for name in UNITS if getattr(self, name) == INFINITY}
        if not self.duplicate_window_seconds:
            unbound.add("duplicate_window_seconds")
        object.__setattr__(self, "bounding", frozenset(UNITS) - unbound)

    @classmethod
    def permissive_for_research(cls) -> Limits:
        """Return the card that limits nothing; for backtests, and every report says so.

        Buying power stays 1 x equity: money that one does not have is not a limit but a fact. A
        price may be 31 days old, so that monthly bars work and a delisted name does not.
        """
        nothing = dict.fromkeys(UNITS, INFINITY)
        facts = {
            "price_age_max_seconds": Decimal(31 * 86_400),
            "buying_power_multiple": ONE,
            "duplicate_window_seconds": ZERO,
        }
        return cls(**nothing | facts)

    @property
    def permissive(self) -> bool:
        """Whether something that a card must bound is unlimited: fit for research only."""
        return any(
            getattr(self, name) == INFINITY for name in UNITS if name not in BOUNDED_ELSEWHERE
        )

    def describe(self) -> str:
        """Return the card in one line, for reports; it opens with whether it is permissive."""
        opening = "permissive, for research only" if self.permissive else "complete limit card"
        each = (
            f"{name} {value}" if value == UNLIMITED else f"{name} {value} {UNITS[name]}"
            for name, value in self.as_text().items()
        )
        return f"{opening}: {', '.join(each)}"

    def as_text(self) -> dict[str, str]:
        """Return every field as canonical text, for the journal."""
        values = {name: getattr(self, name) for name in UNITS}
        return {
            name: UNLIMITED if value == INFINITY else text(value) for name, value in values.items()
        }

    @classmethod
    def from_text(cls, card: Mapping[str, str]) -> Limits:
        """Return the limits that `as_text` wrote; `ConfigError` when one is missing or unknown."""
        _refuse_incomplete(card, source="limits")
        return cls(**{name: _lawful(name, value) for name, value in card.items()})


def load_limits(path: str | Path) -> Limits:
    """Read a limit card: a TOML file with every field of `Limits`, and nothing else.

    Only the fields in `BOUNDED_ELSEWHERE` may be "unlimited", so a card from a file is never
    permissive. Raises `ConfigError` naming the file, the line, the key, its law and the value.
    """
    path = Path(path)
    content, card = _read_toml(path)

    _refuse_incomplete(card, source=str(path), content=content)
    return Limits(
        **{name: _from_card(name, card[name], _place(path, name, content)) for name in UNITS}
    )


def _read_toml(path: Path) -> tuple[str, dict[str, object]]:
    import tomllib  # a run without a card has no use for a parser

    try:
        content = path.read_text(encoding="utf-8-sig")
        return content, tomllib.loads(content)
    except OSError as error:
        raise ConfigError(f"limits file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"limits file {path} is not UTF-8 text; save it as UTF-8") from error
    except ValueError as error:  # TOMLDecodeError, or a number of more digits than Python reads
        raise ConfigError(f"limits file {path} is not TOML: {error}") from error


def _place(source: str | Path, key: str, content: str) -> str:
    """Return `source:line` of the line that opens with `key`; no line when it is written oddly."""
    opening = re.compile(rf"^[ \t\[]*[\"']?{re.escape(key)}[\"']?[ \t]*[=.\]]", re.MULTILINE)
    found = opening.search(content)
    return f"{source}:{content.count(chr(10), 0, found.start()) + 1}" if found else f"{source}"


def _refuse_incomplete(card: Mapping[str, object], *, source: str, content: str = "") -> None:
    for key in card:
        if key not in UNITS:
            hint = did_you_mean(key, UNITS)
            raise ConfigError(f"{_place(source, key, content)}: unknown limit {key!r}{hint}")
    missing = [name for name in UNITS if name not in card]
    if missing:
        raise ConfigError(
            f"{source}: a limit card is complete or does not exist; missing {', '.join(missing)}"
        )


def _from_card(name: str, value: object, place: str) -> Decimal:
    try:
        number = _lawful(name, value)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
    if number == INFINITY and name not in BOUNDED_ELSEWHERE:
        raise ConfigError(
            f"{place}: {name} must be a number, was {value!r}; "
            f"a card may leave unlimited only {', '.join(BOUNDED_ELSEWHERE)}"
        )
    return number


def _lawful(name: str, value: object) -> Decimal:
    """Return `value` as the Decimal that it says, or raise `ConfigError` with the law it broke."""
    number = _number(value)
    whole = name in _WHOLE
    if (
        number is None
        or number.is_nan()
        or number < 0
        or (name in _FINITE and number == INFINITY)
        or (whole and number != INFINITY and number != number.to_integral_value())
    ):
        kind = "a whole number" if whole else "a finite number" if name in _FINITE else "a number"
        raise ConfigError(f"{name} must be {kind} of at least 0, was {_shown(value)}")
    return number


def _number(value: object) -> Decimal | None:
    if value == UNLIMITED:
        return INFINITY
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        return EXACT.plus(exact(value))
    except DecimalException:
        return None


def _shown(value: object) -> str:
    """Return a value as its author wrote it: text in quotes, numbers bare."""
    return str(value) if isinstance(value, Decimal) else repr(value)
