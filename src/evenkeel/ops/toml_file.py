"""TOML as people wrote it: values, and the line on which each key stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from evenkeel.domain.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_TABLE = re.compile(r"\s*\[+\s*([^\[\]]+?)\s*\]+")
_KEY = re.compile(r"\s*([\w.\"' -]+?)\s*=")


class TomlFile:
    """A parsed file. `tables` is its content; `place(key)` names file and line of a dotted key."""

    def __init__(self, path: Path) -> None:
        """Read the file; `ConfigError` when it cannot be read or is no TOML."""
        import tomllib  # most runs have no configuration file and need no parser

        self.path = path
        try:
            content = path.read_text(encoding="utf-8-sig")
            self.tables: dict[str, Any] = tomllib.loads(content)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is not UTF-8 text; save it as UTF-8") from error
        except ValueError as error:  # TOMLDecodeError, or a number of more digits than Python reads
            raise ConfigError(f"{path} is not TOML: {error}") from error
        self._lines = dict(_lines(content))

    def place(self, key: str) -> str:
        """Return `file:line` of a key or of the nearest table around it, else the file."""
        parts = key.split(".")
        for size in range(len(parts), 0, -1):
            line = self._lines.get(".".join(parts[:size]))
            if line is not None:
                return f"{self.path.name}:{line}"
        return self.path.name

    def table(self, name: str) -> dict[str, Any]:
        """Return a table, empty when it is not there; `ConfigError` when it is no table."""
        found = self.tables.get(name, {})
        if not isinstance(found, dict):
            raise ConfigError(f"{self.place(name)}: {name} must be a table, written [{name}]")
        return found

    def refuse_unknown(self, known: Mapping[str, Iterable[str]]) -> None:
        """Raise `ConfigError` at the first table or key that is not in `known`."""
        for name in self.tables:
            if name not in known:
                raise ConfigError(
                    f"{self.place(name)}: unknown table [{name}]"
                    f"{did_you_mean(name, known) or '; known are ' + ', '.join(known)}"
                )
            keys = list(known[name])
            for key in self.table(name):
                if keys and key not in keys:
                    raise ConfigError(
                        f"{self.place(f'{name}.{key}')}: unknown key {name}.{key}"
                        f"{did_you_mean(key, keys) or f'; [{name}] has ' + ', '.join(keys)}"
                    )


def _lines(content: str) -> Iterator[tuple[str, int]]:
    """Yield each dotted key with its line, counted from 1; the last of a name wins."""
    table = ""
    for number, line in enumerate(content.splitlines(), 1):
        if found := _TABLE.match(line):
            table = _bare(found[1])
            yield table, number
        elif found := _KEY.match(line):
            key = _bare(found[1])
            yield (f"{table}.{key}" if table else key), number


def _bare(name: str) -> str:
    return re.sub(r"[\"'\s]", "", name)
