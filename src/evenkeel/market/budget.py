"""How many requests a provider may be sent, counted on disk: no thread, process or restart forgets.

A request is counted before it is sent. What nobody may send now, nobody sends.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct

from evenkeel.domain.errors import OutsideError
from evenkeel.market.provider import Failure, ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evenkeel.ops.clock import Clock

SECOND = 1_000_000_000
DAY_SECONDS = 86_400


class Allowance(Struct, frozen=True):
    """At most `count` requests in any `seconds` that follow each other, wherever a day begins."""

    count: int
    seconds: int

    def __str__(self) -> str:
        """Say it as a person does: `25 a day`."""
        names = {1: "a second", 60: "a minute", DAY_SECONDS: "a day"}
        return f"{self.count} {names.get(self.seconds, f'in {self.seconds} s')}"


DEFAULTS: Mapping[str, tuple[Allowance, ...]] = {
    "alpha_vantage": (Allowance(25, DAY_SECONDS), Allowance(1, 1)),  # a free key
    "yahoo": (Allowance(4, 1),),  # it publishes none; this many have never been refused for long
}
"""What each provider is sent at most, unless a setting says otherwise."""


class Spent(Struct, frozen=True):
    """How much of one allowance is used. `free_at` is when the next request may go out."""

    provider: str
    allowance: Allowance
    used: int
    free_at: int
    blocked: str = ""

    @property
    def left(self) -> int:
        """How many requests may go out now; none while the provider has said no more."""
        return 0 if self.blocked else max(0, self.allowance.count - self.used)


class Budget:
    """The allowances of all providers, and a file that remembers what was spent."""

    def __init__(
        self,
        path: str | Path,
        clock: Clock,
        allowances: Mapping[str, Sequence[Allowance]] = DEFAULTS,
    ) -> None:
        """Count in the SQLite file at `path`, which is made when it is absent."""
        self._path = Path(path)
        self._clock = clock
        self._allowances = allowances
        self._lock = Lock()
        self._file: sqlite3.Connection | None = None

    def take(self, provider: str, *, patience: float = 10.0) -> None:
        """Count one request and return when it may be sent: now, or after a short wait.

        Raises `ProviderError` when the wait would be longer than `patience` seconds; then nothing
        is counted.
        """
        now = self._clock.now_ns()
        with self._counts() as counts:
            self._refuse_blocked(counts, provider, now)
            sent_at = now
            for allowance in self._allowances.get(provider, ()):
                free_at = _free_at(counts, provider, allowance, now)
                if free_at - now > patience * SECOND:
                    raise _spent(provider, allowance, (free_at - now) / SECOND)
                sent_at = max(sent_at, free_at)
            counts.execute("INSERT INTO sent VALUES (?, ?)", (provider, sent_at))
            self._forget(counts, provider, now)
        self._clock.sleep((sent_at - now) / SECOND)

    def block(self, provider: str, until: int, why: str) -> None:
        """Send nothing more until a moment: the provider itself has said that it is enough."""
        with self._counts() as counts:
            counts.execute(
                "INSERT OR REPLACE INTO blocked VALUES (?, ?, ?)", (provider, until, why)
            )

    def spent(self) -> list[Spent]:
        """Return where every allowance stands, by provider."""
        now = self._clock.now_ns()
        with self._counts() as counts:
            return [
                self._standing(counts, provider, allowance, now)
                for provider, allowances in self._allowances.items()
                for allowance in allowances
            ]

    def _standing(
        self, counts: sqlite3.Connection, provider: str, allowance: Allowance, now: int
    ) -> Spent:
        since = now - allowance.seconds * SECOND
        (used,) = counts.execute(
            "SELECT count(*) FROM sent WHERE provider = ? AND at > ?", (provider, since)
        ).fetchone()
        until, why = _blocked(counts, provider)
        blocked = why if until > now else ""
        free_at = _free_at(counts, provider, allowance, now)
        return Spent(provider, allowance, used, max(free_at, until if blocked else 0), blocked)

    def _refuse_blocked(self, counts: sqlite3.Connection, provider: str, now: int) -> None:
        until, why = _blocked(counts, provider)
        if until > now:
            raise ProviderError(
                provider, Failure.BUDGET_SPENT, why, retry_after=(until - now) / SECOND
            )

    def _forget(self, counts: sqlite3.Connection, provider: str, now: int) -> None:
        longest = max((each.seconds for each in self._allowances.get(provider, ())), default=0)
        counts.execute(
            "DELETE FROM sent WHERE provider = ? AND at <= ?", (provider, now - longest * SECOND)
        )

    def close(self) -> None:
        """Let the file go; the next request opens it again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    @contextmanager
    def _counts(self) -> Iterator[sqlite3.Connection]:
        """Hold the file alone: other threads and processes wait for their turn."""
        with self._lock:
            try:
                counts = self._file = self._file or self._open()
                counts.execute("BEGIN IMMEDIATE")
                with counts:  # an error takes all back
                    yield counts
            except (OSError, sqlite3.Error) as error:
                raise OutsideError(
                    f"cannot count requests in {self._path}: {error}; nothing is sent uncounted"
                ) from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        counts = sqlite3.connect(
            self._path, timeout=30, isolation_level=None, check_same_thread=False
        )
        # A power cut may forget the last requests, never what was counted before or the file.
        counts.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + TABLES)
        return counts


TABLES = """
CREATE TABLE IF NOT EXISTS sent (provider TEXT, at INTEGER);
CREATE TABLE IF NOT EXISTS blocked (provider TEXT PRIMARY KEY, until INTEGER, why TEXT);
"""


def _free_at(counts: sqlite3.Connection, provider: str, allowance: Allowance, now: int) -> int:
    """Return when one more request keeps within an allowance."""
    row = counts.execute(
        "SELECT at FROM sent WHERE provider = ? ORDER BY at DESC LIMIT 1 OFFSET ?",
        (provider, allowance.count - 1),
    ).fetchone()
    return now if row is None else max(now, row[0] + allowance.seconds * SECOND)


def _blocked(counts: sqlite3.Connection, provider: str) -> tuple[int, str]:
    row = counts.execute(
        "SELECT until, why FROM blocked WHERE provider = ?", (provider,)
    ).fetchone()
    return (0, "") if row is None else (row[0], row[1])


def _spent(provider: str, allowance: Allowance, wait: float) -> ProviderError:
    return ProviderError(
        provider,
        Failure.BUDGET_SPENT,
        f"its budget of {allowance} is used up; see `evenkeel data budget`",
        retry_after=wait,
    )
