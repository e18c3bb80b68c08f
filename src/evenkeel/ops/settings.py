"""Settings in layers: defaults < evenkeel.toml < evenkeel.local.toml < environment < flags.

    [paths]                       holds for all
    database = "sqlite:///evenkeel.db"
    [profile.live.paths]          holds for live alone, over what the same file says for all
    database = "postgresql://db/evenkeel"

A profile is `backtest`, `paper` or `live`; a command has its own, or `EVENKEEL_PROFILE` names one.
The defaults stand in the structs below and nowhere else. A folder without files and an
environment without `EVENKEEL__SECTION__KEY` takes the cheap road: nothing is parsed or imported.
No setting is a secret: secrets are in the vault.
"""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from msgspec import Struct, field

from evenkeel.domain.errors import ConfigError, did_you_mean
from evenkeel.domain.money import ONE, ZERO, is_currency
from evenkeel.ops.toml_file import TomlFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FILES = ("evenkeel.toml", "evenkeel.local.toml")
PREFIX = "EVENKEEL__"
PROFILES = ("backtest", "paper", "live")
PROFILE_VARIABLE = "EVENKEEL_PROFILE"
LIVE_MUST_SAY = (
    *("paths.runs", "paths.database", "account.currency", "vault.file", "logging.file"),
)
"""What live trading takes from nobody's default: somebody has thought about each of them."""


class Paths(Struct, frozen=True):
    """Where things are: run files, the database's SQLAlchemy address, the catalog of bars."""

    runs: str = "runs"
    database: str = "sqlite:///evenkeel.db"
    catalog: str = "catalog"


class Account(Struct, frozen=True):
    """What a run starts with: cash in `currency` (ISO 4217)."""

    cash: Decimal = Decimal(100_000)
    currency: str = "USD"


class Backtest(Struct, frozen=True):
    """How the simulated venue fills; the words are those of `--costs`, `--slippage` and so on."""

    costs: str = "ibkr-fixed"
    slippage: str = "bps:1"
    interest: str = "tariff"
    borrow: str = "tariff"
    margin: str = "tariff"
    volume_share: Decimal = Decimal("0.1")
    touch: Literal["at", "through"] = "at"


class Vault(Struct, frozen=True):
    """Where the vault is, and where its key comes from (see `ops.vault.unlock`)."""

    file: str = "secrets.vault"
    unlock: str = "auto"


class Logging(Struct, frozen=True):
    """What is told (`info,market=debug`), and to which file; no file when it is empty.

    A file that would pass `file_bytes_max` is moved aside; `files_max` of them are kept.
    """

    levels: str = "info"
    file: str = ""
    file_bytes_max: int = 10_000_000
    files_max: int = 5


class Metrics(Struct, frozen=True):
    """The port on 127.0.0.1 where Prometheus reads; 0 serves nothing."""

    port: int = 0


class Providers(Struct, frozen=True):
    """How sources of prices are asked: where requests are counted, how many may go out, and the
    address of the Redis that keeps answers for all processes; without one each keeps its own.

    `alpha_vantage_per_day` of 0 is without limit, as for some of the keys that were paid for
    (`alpha_vantage_premium`).
    """

    requests: str = "requests.db"
    redis: str = ""
    alpha_vantage_url: str = "https://www.alphavantage.co"
    alpha_vantage_premium: bool = False
    alpha_vantage_per_day: int = 25
    alpha_vantage_per_second: int = 1
    yahoo_per_second: int = 4


class Audit(Struct, frozen=True):
    """Where signed checkpoints of the journals go (nowhere when empty), how often, and until when
    records are kept: the memoranda of orders `orders_years`, everything else `years`.

    `public_keys` is the file with the keys that checkpoints are believed of.
    """

    checkpoints: str = ""
    public_keys: str = "checkpoints.pub"
    every_records: int = 1_000
    every_seconds: int = 60
    orders_years: int = 3
    years: int = 6


class Settings(Struct, frozen=True):
    """What this installation runs with. `sources` says where each `section.key` came from."""

    paths: Paths = field(default_factory=Paths)
    account: Account = field(default_factory=Account)
    backtest: Backtest = field(default_factory=Backtest)
    vault: Vault = field(default_factory=Vault)
    logging: Logging = field(default_factory=Logging)
    metrics: Metrics = field(default_factory=Metrics)
    providers: Providers = field(default_factory=Providers)
    audit: Audit = field(default_factory=Audit)
    sources: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(_keys(), "default"))


SECTIONS: dict[str, type[Any]] = {
    "paths": Paths,
    "account": Account,
    "backtest": Backtest,
    "vault": Vault,
    "logging": Logging,
    "metrics": Metrics,
    "providers": Providers,
    "audit": Audit,
}


def _are_levels(words: str) -> bool:
    from evenkeel.ops.logging import parsed_levels  # only who sets levels needs to know them

    try:
        return bool(parsed_levels(words))
    except ConfigError:
        return False


LAWS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "paths.runs": ("the name of a folder", bool),
    "paths.catalog": ("the name of a folder", bool),
    "paths.database": (
        "an SQLAlchemy address such as sqlite:///evenkeel.db",
        lambda value: "://" in value,
    ),
    "account.cash": ("a number above 0", lambda value: value.is_finite() and value > ZERO),
    "account.currency": (
        "three capitals of ISO 4217 such as USD",
        is_currency,
    ),
    "backtest.costs": ("zero, bps:N, ibkr-fixed or another of docs/costs.md", bool),
    "backtest.slippage": ("none or bps:N, or another of docs/costs.md", bool),
    "backtest.interest": ("percent a year, none, or tariff", bool),
    "backtest.borrow": ("percent a year, none, or tariff", bool),
    "backtest.margin": ("reg-t, none, or tariff", bool),
    "backtest.volume_share": (
        "a number above 0 and at most 1",
        lambda value: value.is_finite() and ZERO < value <= ONE,
    ),
    "backtest.touch": ("at or through", bool),  # its type knows the words
    "vault.file": ("the name of a file", bool),
    "vault.unlock": (
        "auto, prompt, keyring, env, fd:N or file:PATH",
        lambda value: re.fullmatch(r"auto|prompt|keyring|env|fd:\d+|file:.+", value) is not None,
    ),
    "logging.levels": ("levels such as info,market=debug", _are_levels),
    "logging.file": ("the name of a file, or empty for none", lambda _: True),
    "logging.file_bytes_max": ("a whole number from 1000", lambda value: value >= 1_000),
    "logging.files_max": ("a whole number from 1 to 1000", lambda value: 1 <= value <= 1_000),
    "providers.requests": ("the name of a file", bool),
    "providers.redis": (
        "an address such as redis://127.0.0.1:6379/1, or empty for none",
        lambda value: not value or value.startswith(("redis://", "rediss://", "unix://")),
    ),
    "providers.alpha_vantage_url": (
        "an address such as https://www.alphavantage.co",
        lambda value: value.startswith(("https://", "http://127.0.0.1:")),
    ),
    "providers.alpha_vantage_premium": ("true or false", lambda _: True),
    "providers.alpha_vantage_per_day": ("a whole number from 0", lambda value: value >= 0),
    "providers.alpha_vantage_per_second": ("a whole number from 1", lambda value: value >= 1),
    "providers.yahoo_per_second": ("a whole number from 1", lambda value: value >= 1),
    "audit.checkpoints": ("the name of a file, or empty for none", lambda _: True),
    "audit.public_keys": ("the name of a file", bool),
    "audit.every_records": ("a whole number from 1", lambda value: value >= 1),
    "audit.every_seconds": ("a whole number from 1", lambda value: value >= 1),
    "audit.orders_years": ("a whole number from 1 to 100", lambda value: 1 <= value <= 100),
    "audit.years": ("a whole number from 1 to 100", lambda value: 1 <= value <= 100),
    "metrics.port": ("a port from 1 to 65535, or 0 for none", lambda value: 0 <= value <= 65_535),
}
"""What each value must be: in words for people, and as a test of the typed value."""


def load_settings(
    folder: str | Path = ".",
    *,
    flags: Mapping[str, object] | None = None,
    profile: str | None = None,
) -> Settings:
    """Return the settings that hold in `folder`, each value with its source.

    `flags` are `section.key` with the value given on the command line; they win over all else.
    Raises `ConfigError` naming the key, the file and line (or variable), its law and the value;
    also for `live` when something was left to a default that live trading does not take.
    """
    profile = _profile(profile)
    files = [TomlFile(path) for name in FILES if (path := Path(folder) / name).exists()]
    given = [_from_file(file, profile) for file in files]
    given += [_from_environment(), _from_flags(flags or {})]
    found = {key: each for layer in given for key, each in layer.items()}
    if profile == "live":
        _refuse_defaults(found)
    if not found:
        return Settings()
    sources = {key: found[key][1] if key in found else "default" for key in _keys()}
    return _validated({key: value for key, (value, _) in found.items()}, sources)


def _profile(name: str | None) -> str | None:
    place = "profile" if name else PROFILE_VARIABLE
    name = name or os.environ.get(PROFILE_VARIABLE) or None
    if name not in {*PROFILES, None}:
        raise ConfigError(
            f"{place}: a profile is backtest, paper or live, was {name!r}"
            f"{did_you_mean(str(name), PROFILES)}"
        )
    return name


def _refuse_defaults(found: Mapping[str, object]) -> None:
    missing = [key for key in LIVE_MUST_SAY if key not in found]
    if missing:
        raise ConfigError(
            f"live trading takes no defaults: set {', '.join(missing)} in {FILES[0]}, "
            f"such as [profile.live.{missing[0].partition('.')[0]}]"
        )


def _keys() -> tuple[str, ...]:
    return tuple(
        f"{name}.{each}" for name, kind in SECTIONS.items() for each in kind.__struct_fields__
    )


# ---- layers: each is a dotted key with its value and where it stands ----


def _from_file(file: TomlFile, profile: str | None) -> dict[str, tuple[object, str]]:
    known = {name: kind.__struct_fields__ for name, kind in SECTIONS.items()}
    file.refuse_unknown({**known, "profile": PROFILES})
    found: dict[str, tuple[object, str]] = {}
    for prefix in ("", *(f"profile.{name}." for name in PROFILES)):
        if prefix:
            file.refuse_unknown(known, inside=prefix.removesuffix("."))
        if prefix in {"", f"profile.{profile}."}:
            found |= {
                f"{name}.{key}": (value, file.place(f"{prefix}{name}.{key}"))
                for name in SECTIONS
                for key, value in file.table(f"{prefix}{name}").items()
            }
    return found


def _from_environment() -> dict[str, tuple[object, str]]:
    found: dict[str, tuple[object, str]] = {}
    for variable, value in os.environ.items():
        if variable.upper().startswith(PREFIX):
            key = variable[len(PREFIX) :].casefold().replace("__", ".")
            _refuse_unknown(key, variable, spelled=_variable)
            found[key] = (value, variable)
            if "://" in value:
                _hide_password(variable, value)
    return found


def _hide_password(variable: str, value: str) -> None:
    from evenkeel.ops.environment import keep_from_proc
    from evenkeel.ops.redact import without_password

    if without_password(value) != value:
        keep_from_proc(variable)


def _from_flags(flags: Mapping[str, object]) -> dict[str, tuple[object, str]]:
    for key in flags:
        _refuse_unknown(key, f"flag {key}", spelled=str)
    return {key: (value, "flag") for key, value in flags.items()}


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__")


def _refuse_unknown(key: str, place: str, *, spelled: Callable[[str], str]) -> None:
    known = [spelled(each) for each in _keys()]
    if spelled(key) not in known:
        hint = did_you_mean(spelled(key), known) or f"; known are {', '.join(known)}"
        raise ConfigError(f"{place}: unknown setting {key}{hint}")


# ---- validation ----


def _validated(values: Mapping[str, object], sources: Mapping[str, str]) -> Settings:
    # pydantic takes as long to load as a short backtest: only those who configure pay for it.
    from pydantic import ValidationError, create_model
    from pydantic_settings import BaseSettings, SettingsConfigDict

    class Checked(BaseSettings):
        # What is handed over wins over what pydantic finds in the environment, and includes it.
        model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__")

    sections: dict[str, Any] = {}
    for name, kind in SECTIONS.items():
        default, hints = kind(), get_type_hints(kind).items()
        fields: dict[str, Any] = {key: (hint, getattr(default, key)) for key, hint in hints}
        model = create_model(kind.__name__, **fields)
        sections[name] = (model, model())
    given: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        given.setdefault(section, {})[name] = value
    try:
        checked = create_model("Settings", __base__=Checked, **sections)(**given)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"][:2]))
        raise _unlawful(key, values[key], sources) from None
    typed = {name: kind(**dict(getattr(checked, name))) for name, kind in SECTIONS.items()}
    settings = Settings(**typed, sources=sources)
    for key, value in values.items():
        section, _, name = key.partition(".")
        if not LAWS[key][1](getattr(getattr(settings, section), name)):
            raise _unlawful(key, value, sources)
    return settings


def _unlawful(key: str, value: object, sources: Mapping[str, str]) -> ConfigError:
    from evenkeel.ops.redact import without_password

    section, _, name = key.partition(".")
    default = getattr(SECTIONS[section](), name)
    return ConfigError(
        f"{sources[key]}: {key} must be {LAWS[key][0]}, was {without_password(repr(value))}; "
        f"the default is {str(default) or 'empty'}"
    )
