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
        for name, line in list(self._lines.items()):
            while name := name.rpartition(".")[0]:
                self._lines.setdefault(name, line)  # [a.b] is where a begins, unless [a] is there

    def place(self, key: str) -> str:
        """Return `file:line` of a key or of the nearest table around it, else the file."""
        parts = key.split(".")
        for size in range(len(parts), 0, -1):
            line = self._lines.get(".".join(parts[:size]))
            if line is not None:
                return f"{self.path.name}:{line}"
        return self.path.name

    def table(self, name: str) -> dict[str, Any]:
        """Return a table by its dotted name, empty when it is not there.

        Raises `ConfigError` when it, or what should hold it, is no table.
        """
        found = self.tables
        parts = name.split(".")
        for depth, part in enumerate(parts, 1):
            found = found.get(part, {})
            if not isinstance(found, dict):
                wrong = ".".join(parts[:depth])
                raise ConfigError(
                    f"{self.place(wrong)}: {wrong} must be a table, written [{wrong}]"
                )
        return found

    def refuse_unknown(self, known: Mapping[str, Iterable[str]], *, inside: str = "") -> None:
        """Raise `ConfigError` at the first table or key that is not in `known`.

        `inside` is the dotted name of the table whose tables these are; else those of the file.
        """
        lead = f"{inside}." if inside else ""
        for name in self.table(inside) if inside else self.tables:
            if name not in known:
                raise ConfigError(
                    f"{self.place(f'{lead}{name}')}: unknown table [{lead}{name}]"
                    f"{did_you_mean(name, known) or '; known are ' + ', '.join(known)}"
                )
            keys = list(known[name])
            for key in self.table(f"{lead}{name}"):
                if keys and key not in keys:
                    raise ConfigError(
                        f"{self.place(f'{lead}{name}.{key}')}: unknown key {lead}{name}.{key}"
                        f"{did_you_mean(key, keys) or f'; [{lead}{name}] has ' + ', '.join(keys)}"
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
