"""One event, told twice: a line for people on a terminal, a JSON object everywhere else.

    _LOG = log_of("market.sync")
    with bound(run="r1", order="7"):
        _LOG.info("order sent", venue="XNAS")

What is bound goes with every event inside, also into tasks that are begun there. Nothing is said
before `begin`; a level that is off costs one comparison, and the libraries come in with the first
event that is said. Levels change while it runs: `set_levels`, or SIGHUP after `reload_on_hangup`.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from evenkeel.domain.errors import ConfigError, EvenkeelError, OutsideError, did_you_mean
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.redact import redacted, redacted_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping
    from io import TextIOWrapper

    from evenkeel.ops.clock import Clock

ROOT = "evenkeel"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
FIRST = ("at", "level", "area", "event", "run", "correlation", "strategy", "order")
"""The fields that lead an event, in this order; the rest follows as it was given."""

_bound: ContextVar[Mapping[str, str]] = ContextVar("bound", default={})  # noqa: B039 - never changed

logging.getLogger(ROOT).addHandler(logging.NullHandler())  # who has not begun is told nothing


class Log:
    """Says what happens in one area, such as `market.sync`."""

    def __init__(self, area: str) -> None:
        """Only for `log_of`."""
        self._area = area
        self._logger = logging.getLogger(f"{ROOT}.{area}")

    def debug(self, event: str, **fields: object) -> None:
        """Say something for who looks for a fault."""
        self._say(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Say that something went as it should."""
        self._say(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Say that something is odd, and that it goes on."""
        self._say(logging.WARNING, event, fields)

    def error(self, event: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Say that something failed; `error` is shown with its traceback, without its variables."""
        self._say(logging.ERROR, event, fields, error)

    def _say(
        self,
        level: int,
        event: str,
        fields: Mapping[str, object],
        error: BaseException | None = None,
    ) -> None:
        if self._logger.isEnabledFor(level):
            said = {"event": event, **_bound.get(), **fields, "area": self._area}
            self._logger.log(level, said, exc_info=error)


def log_of(area: str) -> Log:
    """Return the log of an area; areas nest at dots, and levels go down to them."""
    return Log(area)


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Let every event inside carry these: `run`, `correlation`, `strategy`, `order`."""
    token = _bound.set({**_bound.get(), **ids})
    try:
        yield
    finally:
        _bound.reset(token)


_LOG = log_of("ops.logging")

# ---- levels ----


def parsed_levels(words: str) -> dict[str, int]:
    """Read `info,market=debug,risk.gate=warning`: a level for all, and others for areas.

    Raises `ConfigError` for what is no level.
    """
    levels = {"": logging.INFO}
    for word in filter(None, map(str.strip, words.split(","))):
        area, _, level = word.rpartition("=")
        if level.strip().casefold() not in LEVELS:
            hint = did_you_mean(level, LEVELS) or f"; there are {', '.join(LEVELS)}"
            raise ConfigError(f"logging.levels: {level!r} is no level{hint}")
        levels[area.strip()] = LEVELS[level.strip().casefold()]
    return levels


def set_levels(words: str) -> None:
    """Let these levels hold from now on, and no others; `ConfigError` changes nothing."""
    levels = parsed_levels(words)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith(f"{ROOT}.") and isinstance(logger, logging.Logger):
            logger.setLevel(logging.NOTSET)
    for area, level in levels.items():
        logging.getLogger(f"{ROOT}.{area}" if area else ROOT).setLevel(level)


def reload_on_hangup(read: Callable[[], str]) -> None:
    """On SIGHUP take the levels anew that `read` returns; what is wrong with them is logged.

    Nothing happens where there are no such signals, or when a thread asks that gets none.
    """

    def take() -> None:
        try:
            words = read()
            set_levels(words)
        except EvenkeelError as error:
            _LOG.error("levels stay as they are", error=error)
        else:
            _LOG.warning("levels changed", levels=words)

    def hear(_signal: int, _frame: object) -> None:
        # The signal may have come in the middle of an event's line: another thread waits for it.
        threading.Thread(target=take, name="reload-levels").start()

    if hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, hear)


# ---- where events go ----


def begin(
    *,
    levels: str = "info",
    stream: TextIO | None = None,
    file: str | Path | None = None,
    file_bytes_max: int = 10_000_000,
    files_max: int = 5,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Tell events to `stream` (stderr unless given) and, as JSON, to `file`.

    A file that would pass `file_bytes_max` is moved aside; `files_max` old ones are kept. Calling
    it again replaces what was before. Raises `ConfigError` for what is no level, `OutsideError`
    for a file that cannot be written.
    """
    parsed_levels(levels)
    out = sys.stderr if stream is None else stream
    handlers: list[logging.Handler] = [logging.StreamHandler(out)]
    handlers[0].setFormatter(_Formatter(clock, for_people=out.isatty()))
    if file is not None:
        handlers.append(_file_handler(Path(file), file_bytes_max, files_max))
        handlers[1].setFormatter(_Formatter(clock, for_people=False))
    end()
    set_levels(levels)
    logging.getLogger(ROOT).propagate = False  # another library's handlers would redact nothing
    for handler in handlers:
        logging.getLogger(ROOT).addHandler(handler)
        logging.root.addHandler(handler)  # what other libraries warn of


def end() -> None:
    """Tell nobody any more, and close the file."""
    logging.getLogger(ROOT).propagate = True
    for handler in [each for each in logging.root.handlers if _is_ours(each)]:
        logging.getLogger(ROOT).removeHandler(handler)
        logging.root.removeHandler(handler)
        handler.close()


def _is_ours(handler: logging.Handler) -> bool:
    return isinstance(handler.formatter, _Formatter)


def _file_handler(file: Path, bytes_max: int, files_max: int) -> logging.Handler:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return _PrivateFiles(file, maxBytes=bytes_max, backupCount=files_max, encoding="utf-8")
    except OSError as error:
        raise OutsideError(
            f"cannot log to {file}: {error.strerror}; set logging.file to another one"
        ) from error


class _PrivateFiles(logging.handlers.RotatingFileHandler):
    """Only their owner reads what was logged."""

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", opener=private)


class _Formatter(logging.Formatter):
    """Makes a line of an event, ours or another library's, with nothing secret in it."""

    def __init__(self, clock: Clock, *, for_people: bool) -> None:
        super().__init__()
        self._clock = clock
        self._for_people = for_people
        self._render: Callable[[MutableMapping[str, Any]], str] | None = None

    def format(self, record: logging.LogRecord) -> str:
        said = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        fields = {
            "at": datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.casefold(),
            "area": record.name.removeprefix(f"{ROOT}."),
            **said,
        }
        fields = {name: fields[name] for name in FIRST if name in fields} | fields
        fields = redacted(fields)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if self._render is None:
            self._render = _renderer(for_people=self._for_people)
        return redacted_text(self._render(fields))


def _renderer(*, for_people: bool) -> Callable[[MutableMapping[str, Any]], str]:
    import structlog  # with the first event that somebody wants to hear

    if for_people:
        people = structlog.dev.ConsoleRenderer(
            colors=not os.environ.get("NO_COLOR"),
            timestamp_key="at",
            sort_keys=False,
            # The pretty ones show every variable of every frame.
            exception_formatter=structlog.dev.plain_traceback,
        )
        return lambda fields: str(people(None, "", fields))
    machines = structlog.processors.JSONRenderer(default=repr)
    return lambda fields: str(machines(None, "", fields))
