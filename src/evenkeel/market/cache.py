"""Answers that are kept for a while: in this process, and in Redis for all processes of a desk.

Nothing is given that is older than its time. Redis away means slower, never wrong: what it would
have said is asked of this process, and of the provider.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from evenkeel.domain.errors import ConfigError
from evenkeel.ops.logging import log_of
from evenkeel.ops.metrics import count, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.ops.clock import Clock

SECOND = 1_000_000_000
REST_SECONDS = 2.0
"""How long a Redis that did not answer is left alone."""

WAIT_SECONDS = 0.25
"""How long Redis is waited for: it is next door, or it is of no use."""

_LOG = log_of("market.cache")


class Cache(Protocol):
    """Bytes by key, each until its moment (UTC nanoseconds). Never raises."""

    def get(self, key: str) -> bytes | None:
        """Return what is kept under a key, None when there is nothing or its time is over."""
        ...

    def put(self, key: str, value: bytes, until: int) -> None:
        """Keep something until a moment, or less long."""
        ...

    def note(self, *, hit: bool) -> None:
        """Count a question that was answered from here, or that was not."""
        ...

    def standing(self) -> Standing:
        """Return how the cache does."""
        ...


class Standing(Struct, frozen=True):
    """How a cache does. `hits` and `misses` are of this process, or of all that share it."""

    where: str
    entries: int
    hits: int
    misses: int
    reachable: bool = True

    @property
    def hit_rate(self) -> float | None:
        """The share of questions that were answered from the cache, None before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


class MemoryCache:
    """Kept in this process; what was not wanted for longest makes room."""

    def __init__(self, clock: Clock, *, entries_max: int = 10_000) -> None:
        """Keep at most so many entries."""
        self._clock, self._entries_max = clock, entries_max
        self._kept: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._lock = Lock()
        self._hits = self._misses = 0

    def get(self, key: str) -> bytes | None:
        with self._lock:
            until, value = self._kept.get(key, (0, b""))
            if until <= self._clock.now_ns():
                self._kept.pop(key, None)
                return None
            self._kept.move_to_end(key)
            return value

    def put(self, key: str, value: bytes, until: int) -> None:
        with self._lock:
            self._kept[key] = (until, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._entries_max:
                self._kept.popitem(last=False)

    def note(self, *, hit: bool) -> None:
        with self._lock:
            self._hits += hit
            self._misses += not hit

    def standing(self) -> Standing:
        with self._lock:
            return Standing("in this process", len(self._kept), self._hits, self._misses)


class RedisCache:
    """Kept in Redis, and in this process for as long as Redis is away.

    Keys begin with `prefix`. An entry carries its own moment, so that the clocks of two computers
    or a Redis that was away give nothing out too late.
    """

    def __init__(self, url: str, clock: Clock, *, prefix: str = "evenkeel") -> None:
        """Use the server and database number that `url` names (`redis://host:6379/1`)."""
        self._redis = _connect(url)
        self._clock, self._prefix = clock, prefix
        self._where = _without_password(url)
        self._near = MemoryCache(clock)
        self._away_until = 0
        self._counts = {"hits": 0, "misses": 0}
        self._lock = Lock()

    def close(self) -> None:
        """Let the connections go."""
        self._redis.close()

    def get(self, key: str) -> bytes | None:
        found = self._ask(lambda: self._redis.get(f"{self._prefix}:{key}"))
        if isinstance(found, bytes):
            until, value = int.from_bytes(found[:8], "little"), found[8:]
            if until > self._clock.now_ns():
                return value
        # Redis does not have it or is away; what this process fetched in that time still holds.
        return self._near.get(key)

    def put(self, key: str, value: bytes, until: int) -> None:
        self._near.put(key, value, until)
        left = max(1, (until - self._clock.now_ns()) // 1_000_000)
        entry = until.to_bytes(8, "little") + value
        with self._lock:
            counts, self._counts = self._counts, {"hits": 0, "misses": 0}

        def write() -> None:
            pipe = self._redis.pipeline(transaction=False)
            pipe.set(f"{self._prefix}:{key}", entry, px=left)
            for name, amount in counts.items():
                if amount:
                    pipe.hincrby(f"{self._prefix}:counts", name, amount)
            pipe.execute()

        self._ask(write)

    def note(self, *, hit: bool) -> None:
        self._near.note(hit=hit)
        with self._lock:
            self._counts["hits" if hit else "misses"] += 1

    def standing(self) -> Standing:
        counts = self._ask(lambda: self._redis.hgetall(f"{self._prefix}:counts"), rested=True)
        entries = self._ask(lambda: sum(1 for _ in self._keys()), rested=True)
        near = self._near.standing()
        if not isinstance(counts, dict) or not isinstance(entries, int):
            return Standing(self._where, near.entries, near.hits, near.misses, reachable=False)
        hits, misses = (int(counts.get(name, 0)) for name in (b"hits", b"misses"))
        with self._lock:
            hits, misses = hits + self._counts["hits"], misses + self._counts["misses"]
        return Standing(self._where, entries, hits, misses)

    def _keys(self) -> Iterator[bytes]:
        keys: Iterator[bytes] = self._redis.scan_iter(match=f"{self._prefix}:*", count=1_000)
        return (key for key in keys if not key.endswith(b":counts"))

    def _ask(self, question: Any, *, rested: bool = False) -> object:  # noqa: ANN401
        """Return what Redis says, None when it is away; then it is left alone for a while."""
        from redis.exceptions import RedisError

        if not rested and self._clock.monotonic_ns() < self._away_until:
            return None
        try:
            found: object = question()
        except (RedisError, OSError) as error:
            if not self._away_until:
                _LOG.warning("redis is away", where=self._where, reason=type(error).__name__)
            self._away_until = self._clock.monotonic_ns() + int(REST_SECONDS * SECOND)
            count("redis_failures")
            gauge("redis_reachable", 0)
            return None
        if self._away_until:
            _LOG.info("redis is back", where=self._where)
        self._away_until = 0
        gauge("redis_reachable", 1)
        return found


def _connect(url: str) -> Any:  # noqa: ANN401 - the client of redis-py
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise ConfigError(
            "a cache in Redis needs redis-py: install the extra with `pip install 'evenkeel[redis]'`"
        ) from error
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=WAIT_SECONDS,
            socket_connect_timeout=WAIT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # its own patience would keep a strategy waiting
        )
    except ValueError as error:
        raise ConfigError(
            f"cache.redis must be an address such as redis://127.0.0.1:6379/1: {error}"
        ) from None


def _without_password(url: str) -> str:
    from evenkeel.ops.redact import without_password

    return without_password(url)
