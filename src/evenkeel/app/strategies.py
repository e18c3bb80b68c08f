"""Finding a strategy: a class, an instance, or `path.py:Class` or `package.module:Class`."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from evenkeel.domain.errors import EvenkeelError, StrategyError, did_you_mean
from evenkeel.strategy.base import PortfolioStrategy, Strategy
from evenkeel.strategy.trader import Trader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType


BACKTRADER = "backtrader"
ENGINES = (Trader.engine, BACKTRADER)
"""Whose code a strategy may be written for; orders, venue, ledger and journal are always ours."""


def load_strategy(
    strategy: str | type[Any] | Trader,
    params: Mapping[str, Any] | None = None,
    *,
    engine: str = ENGINES[0],
) -> Trader:
    """Return a strategy with its parameters checked; `StrategyError` says what is wrong.

    With `engine="backtrader"` it is a guest: a `bt.Strategy`, or a function that fills a Cerebro.
    """
    if engine not in ENGINES:
        raise StrategyError(f"engine must be one of {', '.join(ENGINES)}, was {engine!r}")
    given = dict(params or {})
    if isinstance(strategy, Trader):
        _refuse_uncallable(type(strategy), lambda: {**strategy.params, **given})
        return type(strategy)(**{**strategy.params, **given}) if given else strategy
    cls = _class(strategy) if isinstance(strategy, str) else strategy
    if engine == BACKTRADER:
        from evenkeel.lab.backtrader import host  # an extra, and only guests need it

        return host(cls, **given)
    if _is_backtraders(cls):
        raise StrategyError(
            f"{cls.__name__} is a Backtrader strategy: run it as a guest with --engine backtrader "
            '(engine="backtrader")'
        )
    if hasattr(cls, "iloc"):
        raise StrategyError(f"the strategy comes first, then bars; was a {type(cls).__name__}")
    if not (isinstance(cls, type) and issubclass(cls, Strategy | PortfolioStrategy)):
        raise StrategyError(
            f"{strategy} is not a strategy: its class must extend ek.Strategy or "
            "ek.PortfolioStrategy"
        )
    _refuse_uncallable(cls, lambda: given)
    made = cls(**given)
    _refuse_uncallable(cls, lambda: made.params)
    return made


HOOKS = ("setup", "on_start", "on_bar", "on_order", "on_fill", "on_stop")
"""What a run calls of a strategy; `Strategy` says with what."""


def _refuse_uncallable(cls: type[Trader], params: Callable[[], Mapping[str, Any]]) -> None:
    """Raise `StrategyError` when a class's own methods cannot be called as a run calls them."""
    _refuse_uncallable_hooks(cls)
    if cls.__init__ in _OURS:
        return
    try:
        signature(cls).bind(**params())
    except (AttributeError, TypeError) as error:  # there are no params where nobody handed them on
        raise StrategyError(
            f"{cls.__name__}.__init__ must take parameters by name and hand them on: "
            "def __init__(self, **params): super().__init__(**params)"
        ) from error


_OURS = (Strategy.__init__, PortfolioStrategy.__init__)

_CALLABLE = WeakSet[type[Trader]]()
"""Classes whose hooks have been looked at: a sweep makes thousands of one."""


def _refuse_uncallable_hooks(cls: type[Trader]) -> None:
    if cls in _CALLABLE:
        return
    for name in HOOKS:
        try:
            signature(getattr(cls, name)).bind(*signature(getattr(Strategy, name)).parameters)
        except TypeError as error:
            raise StrategyError(
                f"{cls.__name__}.{name} must be written as {_written(name)}: {error}"
            ) from error
    for name in set(dir(cls)) - _KNOWN:
        meant = get_close_matches(_letters(name), _HOOK_OF, n=1, cutoff=0.92)
        if meant and name[0] != "_" and callable(getattr(cls, name)):
            raise StrategyError(
                f"{cls.__name__}.{name} would never be called; write it as "
                f"{_written(_HOOK_OF[meant[0]])}"
            )
    _CALLABLE.add(cls)


_KNOWN = {*dir(Strategy), *dir(PortfolioStrategy)}


def _letters(name: str) -> str:
    return name.casefold().replace("_", "")


_HOOK_OF = {_letters(name): name for name in HOOKS}


def _written(hook: str) -> str:
    return f"def {hook}({', '.join(signature(getattr(Strategy, hook)).parameters)})"


def where(strategy: Trader) -> str:
    """Return the path under which `load_strategy` finds the strategy's class again."""
    cls = type(strategy)
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if cls.__module__.startswith(_FROM_FILE) and file:
        return f"{file}:{cls.__name__}"
    return f"{cls.__module__}:{cls.__name__}"


_FROM_FILE = "evenkeel_strategy_"


def _is_backtraders(found: object) -> bool:
    """Whether a class is made of Backtrader's, asked without importing it."""
    bases = found.__mro__ if isinstance(found, type) else ()
    return any(base.__module__.partition(".")[0] == BACKTRADER for base in bases)


def _class(path: str) -> Any:  # noqa: ANN401 - whatever stands under that name
    source, colon, name = path.rpartition(":")
    if not colon or not source or not name:
        raise StrategyError(
            f"strategy {path!r} is not of the form path.py:Class or package.module:Class"
        )
    module = _file(Path(source)) if source.endswith(".py") else _module(source)
    found = getattr(module, name, None)
    if found is None:
        classes = [
            each
            for each, value in vars(module).items()
            if isinstance(value, type)
            and (issubclass(value, Trader) or _is_backtraders(value))
            and value.__module__ == module.__name__
        ]
        raise StrategyError(
            f"{source} has no class {name!r}"
            + (f" (it has: {', '.join(classes)})" if classes else "")
            + did_you_mean(name, classes)
        )
    return found


def _module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise StrategyError(
                f"there is no module {name!r} (no module named {error.name!r}); "
                "give path.py:Class for a file"
            ) from error
        raise StrategyError(f"module {name!r} cannot be imported: {_missing(error)}") from error


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise StrategyError(f"there is no strategy file {path}")
    name = _FROM_FILE + path.stem
    spec = spec_from_file_location(name, path)
    assert spec is not None, path  # it ends with .py
    assert spec.loader is not None, path
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look a class's module up there
    folder = str(path.resolve().parent)
    if folder not in sys.path:  # as for a script: it may import the files beside it
        sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise StrategyError(f"{path}, line {error.lineno}: {error.msg}") from error
    except StrategyError:
        raise
    except EvenkeelError as error:
        raise StrategyError(
            f"{path} runs something of its own when it is read, and that failed: {error}; "
            'put what it runs below `if __name__ == "__main__":`'
        ) from error
    except ImportError as error:
        raise StrategyError(f"{path} cannot be imported: {_missing(error)}") from error
    return module


def _missing(error: ImportError) -> str:
    """Say what could not be imported, and of an extra of ours how to install it."""
    if error.name == BACKTRADER:
        return "Backtrader is not installed; install it with `pip install 'evenkeel[backtrader]'`"
    return str(error)
