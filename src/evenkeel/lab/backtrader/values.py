"""A guest's parameters: those that its class or function declares, checked as far as that goes.

Backtrader gives a parameter a default and no law. The kind of the default is kept: text that comes
from the command line becomes a number where the default is one. `RiskStrategy` declares laws, and
they hold.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeAlias

from evenkeel.domain.errors import StrategyError, did_you_mean
from evenkeel.strategy.params import Param, params_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Value: TypeAlias = bool | int | float | str

KINDS = (bool, int, float, str)


def values_of(hosted: Any, given: Mapping[str, object]) -> dict[str, Value]:
    """Return a value for every parameter of plain kind, and for what else was given.

    Raises `StrategyError` for a name that is not declared and for a value of another kind.
    """
    declared = defaults_of(hosted)
    for name in given:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise StrategyError(
                f"{hosted.__name__} has no parameter {name!r} (it has: {known})"
                f"{did_you_mean(name, declared)}"
            )
    laws = params_of(hosted) if isinstance(hosted, type) else {}
    plain = {name: value for name, value in declared.items() if isinstance(value, KINDS)}
    wanted = {**plain, **given}
    return {
        name: laws[name].check(value)
        if name in laws
        else _checked(hosted, name, declared[name], value)
        for name, value in wanted.items()
    }


def defaults_of(hosted: Any) -> dict[str, object]:
    """Return the parameters of a `bt.Strategy`, or of a function after its first two."""
    if isinstance(hosted, type):
        return dict(hosted.params._getitems())  # type: ignore[attr-defined]  # noqa: SLF001 - the only list of them
    parameters = list(inspect.signature(hosted).parameters.values())[2:]
    return {each.name: None if each.default is each.empty else each.default for each in parameters}


def _checked(hosted: Any, name: str, default: object, value: object) -> Value:
    if not isinstance(value, KINDS):
        raise StrategyError(
            f"{hosted.__name__}.{name} was {value!r}: only numbers, text and true or false can be "
            "given to a run; set anything else in the class or function itself"
        )
    for kind in _kinds_like(default):
        try:
            return _param(hosted, name, kind).check(value)
        except StrategyError:
            continue
    return _param(hosted, name, _kinds_like(default)[-1]).check(value)


def _kinds_like(default: object) -> tuple[type[Value], ...]:
    """Return the kinds that a value may be, the narrowest first."""
    if isinstance(default, bool):
        return (bool,)
    if isinstance(default, int):
        return (int, float)
    if isinstance(default, float | str):
        return (type(default),)
    return (int, float, bool, str)


def _param(hosted: Any, name: str, kind: type[Value]) -> Param:
    param = Param(kind(), {}, ())
    param.name, param.owner = name, hosted.__name__
    return param
