"""One TOML file per bot: complete, or refused with file and line.

    [bot]        name = "trend"   mode = "paper"
    [account]    cash = 100000    currency = "EUR"    fx = { USD = 0.9214, GBP = "gbpeur.csv" }
    [strategy]   path = "trend.py:Trend"   params = { fast = 10 }   engine = "evenkeel"
    [limits]     every field of a limit card, or   file = "limits.toml"
    [data]       paths = ["spy.csv"]   instruments = ["SPY.ARCX"]   stamp = "start"   currency = "USD"
                 providers = ["yahoo", "alpha_vantage"]   interval = "1m"   warm_up = 300
    [execution]  costs = "ibkr-fixed"  slippage = "bps:1"
                 interest = "6"        borrow = "0.5"    margin = "reg-t"    fx_costs = "bps:3"

Relative paths start at the bot's file. Only `params`, `engine`, `stamp`, what loans cost (then: as the
tariff has it) and all about other currencies may be left out (`data.currency` is the account's, then);
`paths` where there are `providers`, and all about them where not.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from evenkeel.domain.errors import ConfigError, UsageError
from evenkeel.domain.instrument import Instrument, instrument_named
from evenkeel.domain.money import exact, is_currency
from evenkeel.ops.toml_file import TomlFile

if TYPE_CHECKING:
    from collections.abc import Callable

KNOWN: dict[str, tuple[str, ...]] = {
    "bot": ("name", "mode"),
    "account": ("cash", "currency", "fx"),
    "strategy": ("path", "params", "engine"),
    "limits": (),  # the limit card has its own law, in the room of risk
    "data": ("paths", "instruments", "stamp", "currency", "providers", "interval", "warm_up"),
    "execution": ("costs", "slippage", "interest", "borrow", "margin", "fx_costs"),
}
"""The tables of a bot's file and their keys; no keys where any may stand."""

ENGINES = ("evenkeel", "backtrader")
"""Whose code a bot's strategy may be written for."""

PROVIDERS = ("yahoo", "alpha_vantage", "files")
"""Who can be asked for live prices; `files` are the bot's own."""

CURRENCY = "three capitals such as USD"

OPTIONAL = frozenset(
    (
        *("account.fx", "strategy.params", "strategy.engine", "data.stamp", "data.currency"),
        *("data.paths", "data.providers", "data.interval", "data.warm_up"),
        *("execution.interest", "execution.borrow", "execution.margin", "execution.fx_costs"),
    )
)


class BotFile(Struct, frozen=True, kw_only=True):
    """What one bot does, with what money, and within which limits.

    `strategy` is `path.py:Class` or `package.module:Class`, written for `engine`. `limits` is a limit card as text (see
    `Limits.from_text`) or the path of one. `data_paths`, `instruments` and `providers` are in the
    file's order. A run on live prices has bars of `interval` and begins with `warm_up` of them.
    `fx` is what a unit of a currency is worth in the account's own: a number as text, or a file of
    prices.
    """

    path: Path
    name: str
    mode: Literal["paper", "live"]
    cash: Decimal
    currency: str
    fx: dict[str, str | Path]
    strategy: str
    params: dict[str, Any]
    engine: Literal["evenkeel", "backtrader"]
    limits: dict[str, str] | Path
    data_paths: tuple[Path, ...]
    instruments: tuple[Instrument, ...]
    stamp: Literal["start", "end"]
    providers: tuple[str, ...]
    interval: str
    warm_up: int
    costs: str
    slippage: str
    interest: str
    borrow: str
    margin: str
    fx_costs: str


def load_bot(path: str | Path) -> BotFile:
    """Read a bot's file; `ConfigError` naming file, line, key and law when it is not right."""
    path = Path(path).expanduser()
    file = TomlFile(path)
    file.refuse_unknown(KNOWN)
    _refuse_incomplete(file)
    take = _Reader(file)
    currency = take("account.currency", CURRENCY, _currency)
    traded_in = take("data.currency", CURRENCY, _currency, currency)
    return BotFile(
        path=path,
        name=take("bot.name", "letters, digits, - and _", _named),
        mode=take("bot.mode", '"paper" or "live"', _one_of("paper", "live")),
        cash=take("account.cash", "a number above 0", _money),
        currency=currency,
        fx=take("account.fx", 'a table such as { EUR = 1.0853, GBP = "gbpusd.csv" }', take.fx, {}),
        strategy=take("strategy.path", "path.py:Class or package.module:Class", take.strategy),
        params=take("strategy.params", "a table of values", _table, {}),
        engine=take("strategy.engine", '"evenkeel" or "backtrader"', _one_of(*ENGINES), ENGINES[0]),
        limits=take.limits(),
        data_paths=take("data.paths", "a list of files", take.paths, ()),
        instruments=take(
            "data.instruments", 'a list such as ["SPY.ARCX"]', take.instruments(traded_in)
        ),
        stamp=take("data.stamp", '"start" or "end"', _one_of("start", "end"), "start"),
        providers=take("data.providers", f"a list of {', '.join(PROVIDERS)}", _providers, ()),
        interval=take("data.interval", "such as 1m, 1h or 1d", _text, "1d"),
        warm_up=take("data.warm_up", "a whole number from 2", _count, 300),
        costs=take("execution.costs", "zero, bps:N, ibkr-fixed or another of docs/costs.md", _text),
        slippage=take("execution.slippage", "none or bps:N, or another of docs/costs.md", _text),
        interest=take("execution.interest", "percent a year as text", _text, "tariff"),
        borrow=take("execution.borrow", "percent a year as text", _text, "tariff"),
        margin=take("execution.margin", "reg-t or none", _text, "tariff"),
        fx_costs=take("execution.fx_costs", "zero, bps:N or per-order:N", _text, "zero"),
    )


def _refuse_incomplete(file: TomlFile) -> None:
    absent = [f"[{name}]" for name in KNOWN if not file.table(name)]
    missing = absent + [
        f"{name}.{key}"
        for name, keys in KNOWN.items()
        for key in keys
        if f"[{name}]" not in absent and key not in file.table(name)
        if f"{name}.{key}" not in OPTIONAL
    ]
    if "[data]" not in absent and not file.table("data").keys() & {"paths", "providers"}:
        missing.append("data.paths (or data.providers)")
    if missing:
        raise ConfigError(
            f"{file.path}: a bot's file is complete or does not run; missing {', '.join(missing)}"
        )


class _Reader:
    """Takes values out of the file and holds each to its law."""

    def __init__(self, file: TomlFile) -> None:
        self.file = file
        self.folder = file.path.parent

    def __call__(
        self, key: str, law: str, read: Callable[[Any], Any], default: object = None
    ) -> Any:  # noqa: ANN401 - what `read` makes of it
        table, _, name = key.partition(".")
        value = self.file.table(table).get(name, default)
        made = read(value)
        if made is None:
            raise ConfigError(f"{self.file.place(key)}: {key} must be {law}, was {value!r}")
        return made

    def strategy(self, value: object) -> str | None:
        if not isinstance(value, str) or not re.fullmatch(r".+:\w+", value):
            return None
        where, _, name = value.rpartition(":")
        return f"{self.folder / where}:{name}" if where.endswith(".py") else value

    def fx(self, value: object) -> dict[str, str | Path] | None:
        if not isinstance(value, dict) or not all(map(_currency, value)):
            return None
        rates = {currency: self._rate(rate) for currency, rate in value.items()}
        known = {currency: rate for currency, rate in rates.items() if rate is not None}
        return known if len(known) == len(rates) else None

    def _rate(self, value: object) -> str | Path | None:
        if isinstance(value, str) and value:
            return self.folder / value
        number = _money(value)
        return None if number is None else str(number)

    def limits(self) -> dict[str, str] | Path:
        card = self.file.table("limits")
        if "file" not in card:
            return {name: _plain(value) for name, value in card.items()}
        if len(card) > 1 or not isinstance(card["file"], str):
            raise ConfigError(
                f"{self.file.place('limits.file')}: [limits] is a whole card or names one file"
            )
        return self.folder / card["file"]

    def paths(self, value: object) -> tuple[Path, ...] | None:
        names = [] if value == () else _texts(value)
        return None if names is None else tuple(self.folder / name for name in names)

    def instruments(self, currency: str) -> Callable[[object], tuple[Instrument, ...] | None]:
        """Return what reads instruments, which trade in a currency unless they say so."""
        return lambda value: self._instruments(value, currency)

    def _instruments(self, value: object, currency: str) -> tuple[Instrument, ...] | None:
        try:
            names = _texts(value)
            return None if names is None else tuple(instrument_named(n, currency) for n in names)
        except UsageError as error:
            raise ConfigError(f"{self.file.place('data.instruments')}: {error}") from error


# ---- what a value may be: the value, or None when it breaks its law ----


def _named(value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[\w-]+", value) else None


def _one_of(*words: str) -> Callable[[object], str | None]:
    return lambda value: value if isinstance(value, str) and value in words else None


def _money(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = exact(value if isinstance(value, float) else str(value))
    return number if number.is_finite() and number > 0 else None


def _currency(value: object) -> str | None:
    return str(value) if is_currency(value) else None


def _table(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _providers(value: object) -> tuple[str, ...] | None:
    names = [] if value == () else _texts(value)
    if names is None or not set(names) <= set(PROVIDERS) or len(set(names)) < len(names):
        return None
    return tuple(names)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 2 else None


def _texts(value: object) -> list[str] | None:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values:
        return None
    return values if all(isinstance(each, str) and each for each in values) else None


def _plain(value: object) -> str:
    return value if isinstance(value, str) else str(value)
