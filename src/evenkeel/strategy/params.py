"""Parameters: named, typed, bounded; a wrong one is refused with the law and the value."""

from __future__ import annotations

import operator
from copy import copy
from functools import cache
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from evenkeel.domain.errors import StrategyError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T", bool, int, float, str)

_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}

_TESTS = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}


class Param:
    """One parameter of a strategy class; instances hold its value as a plain attribute."""

    def __init__(
        self,
        default: bool | int | float | str,  # noqa: FBT001 - a value, not a switch
        bounds: dict[str, Any],
        choices: tuple[Any, ...],
    ) -> None:
        """Keep the default, whose type is the parameter's type, and its law."""
        self.default = default
        self.kind = type(default)
        if self.kind not in _WORDS:
            raise StrategyError(
                "a parameter's default must be true or false, a whole number, a number or text, "
                f"was {default!r}"
            )
        self.bounds = {word: limit for word, limit in bounds.items() if limit is not None}
        self.choices = choices
        self.name = ""
        self.owner = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn the name under which a strategy class declares the parameter."""
        self.name, self.owner = name, owner.__name__

    def law(self) -> str:
        """Return what a value must be, in words: `a whole number from 2 to 200`."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        words = _WORDS[self.kind]
        low = self.bounds.get("ge", self.bounds.get("gt"))
        high = self.bounds.get("le", self.bounds.get("lt"))
        above = "above " if "gt" in self.bounds else "from "
        below = "below " if "lt" in self.bounds else ("to " if low is not None else "at most ")
        if low is not None:
            words += f" {above}{low}"
        if high is not None:
            words += (
                f" {below}{high}"
                if low is not None
                else f" {'below' if 'lt' in self.bounds else 'at most'} {high}"
            )
        return words

    def check(self, value: object) -> bool | int | float | str:
        """Return `value` as the parameter's type, or raise `StrategyError` with the law."""
        try:
            typed: bool | int | float | str | None = _as(self.kind, value)
        except ValueError:
            typed = None
        if typed is None or not self._allows(typed):
            raise StrategyError(f"{self.owner}.{self.name} must be {self.law()}, was {value!r}")
        return typed

    def with_default(self, default: object, owner: str) -> Param:
        """Return the same parameter with the default that a subclass gives it."""
        twin = copy(self)
        twin.owner = owner
        twin.default = twin.check(default)
        return twin

    def _allows(self, value: Any) -> bool:  # noqa: ANN401 - any of the four kinds
        if self.choices:
            return value in self.choices
        return all(_TESTS[word](value, limit) for word, limit in self.bounds.items())


DECLARES = (Param, *_WORDS)
"""What in a class's body declares a parameter, or gives one of a base class another default."""


def param(
    default: T,
    *,
    ge: float | None = None,
    le: float | None = None,
    gt: float | None = None,
    lt: float | None = None,
    choices: tuple[T, ...] = (),
) -> T:
    """Declare a strategy parameter: `fast: int = ek.param(20, ge=2, le=200)`.

    The type of `default` is the type of the parameter. `ge le gt lt` bound it (inclusive and
    exclusive); `choices` lists the values allowed. Values may be given as text (`--set fast=10`).
    """
    declared = Param(default, {"ge": ge, "le": le, "gt": gt, "lt": lt}, choices)
    return cast("T", declared)


@cache  # a run of 500 instruments asks 500 times
def params_of(strategy: type) -> Mapping[str, Param]:
    """Return the parameters that a strategy class declares, base classes first.

    A subclass that says `fast = 5` of one that it inherits gives it another default. Raises
    `StrategyError` for one that would hide what every strategy has, such as its `cash`.
    """
    found: dict[str, Param] = {}
    taken: set[str] = set()
    for cls in reversed(strategy.__mro__):
        for name, each in vars(cls).items():
            if isinstance(each, Param):
                if name in taken:
                    raise StrategyError(
                        f"{cls.__name__}.{name} would hide the {name} that every strategy has; "
                        "call the parameter something else"
                    )
                found[name] = each
            elif name not in found:
                taken.add(name)
            elif isinstance(each, DECLARES):
                found[name] = found[name].with_default(each, cls.__name__)
            elif not isinstance(each, property):
                raise StrategyError(
                    f"{cls.__name__}.{name} must be a value such as {found[name].default!r}, "
                    f"was {each!r}"
                )
        if cls.__module__.startswith("evenkeel."):  # `bars` is there from setup on
            taken |= vars(cls).get("__annotations__", {}).keys() - found.keys()
    return MappingProxyType(found)


def values_for(strategy: type, given: dict[str, Any]) -> dict[str, bool | int | float | str]:
    """Return a checked value for every parameter; `given` overrides defaults."""
    declared = params_of(strategy)
    for name in given:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise StrategyError(
                f"{strategy.__name__} has no parameter {name!r} (it has: {known})"
                f"{did_you_mean(name, declared)}"
            )
    return {name: each.check(given.get(name, each.default)) for name, each in declared.items()}


def _as(kind: type, value: object) -> Any:  # noqa: ANN401 - any of the four kinds
    if isinstance(value, kind) and (kind is not int or not isinstance(value, bool)):
        return value
    if kind is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)  # numpy's whole numbers, as an optimiser hands them on
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        raise ValueError(value)
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if value.lower() not in words:
            raise ValueError(value)
        return words[value.lower()]
    return kind(value)
