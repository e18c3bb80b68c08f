"""A provider that remembers: a question asked again in its time costs no request.

Ten who ask the same at once make one request. Failures and stale answers are never kept.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from evenkeel.market.history import closing_times
from evenkeel.market.provider import ManyQuotes, interval_ns
from evenkeel.market.wire import decode, encode
from evenkeel.ops.metrics import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.cache import Cache
    from evenkeel.market.provider import Answer, Facts, Fetched, Provider, Quote
    from evenkeel.ops.clock import Clock

T = TypeVar("T")

SECOND = 1_000_000_000
SECONDS = {"quote": 60, "bars": 60, "actions": 3_600, "facts": 86_400}
"""How long each kind of answer is kept, unless told otherwise."""

WANTED_SECONDS = 300
"""An instrument that nobody has asked about for so long is not asked about along with others."""

QUOTES_MAX = 100
"""How many instruments one request asks about."""


class Cached:
    """The same provider, with a memory. Its answers keep the time at which they were fetched."""

    def __init__(
        self, provider: Provider, cache: Cache, clock: Clock, *, seconds: dict[str, int] = SECONDS
    ) -> None:
        """Keep the answers of `provider` in `cache`, each kind for so many `seconds`."""
        self.name = provider.name
        self._provider, self._cache, self._clock = provider, cache, clock
        self._many = provider if isinstance(provider, ManyQuotes) else None
        self._seconds = seconds
        self._asking = Flights()
        self._wanted: dict[str, tuple[Instrument, int]] = {}

    def bars(self, instrument: Instrument, interval: str, start: int, end: int) -> Answer[Fetched]:
        length = interval_ns(interval)

        def until(answer: Answer[Fetched]) -> int:
            """Until the next bar closes; not at all while the newest one is not there yet."""
            at = answer.origin.fetched_at
            usual = at + self._seconds["bars"] * SECOND
            stamps = answer.value.table.wall
            if end <= at or not len(stamps):
                return usual if end <= at else at
            last = closing_times(stamps[-1:], length, instrument.mic)
            return min(usual, int(last[0]) + length)

        return self._kept(
            "bars",
            f"{instrument.id}:{interval}:{start}:{end}",
            lambda: self._provider.bars(instrument, interval, start, end),
            until,
        )

    def actions(
        self, instrument: Instrument, start: int, end: int
    ) -> Answer[tuple[CorporateAction, ...]]:
        return self._kept(
            "actions",
            f"{instrument.id}:{start}:{end}",
            lambda: self._provider.actions(instrument, start, end),
        )

    def facts(self, instrument: Instrument) -> Answer[Facts]:
        return self._kept("facts", instrument.id, lambda: self._provider.facts(instrument))

    def quote(self, instrument: Instrument) -> Answer[Quote]:
        if self._many is None:
            return self._kept("quote", instrument.id, lambda: self._provider.quote(instrument))
        self._wanted[instrument.id] = (instrument, self._clock.now_ns())
        return self._kept("quote", instrument.id, lambda: self._with_the_others(instrument))

    def _with_the_others(self, instrument: Instrument) -> Answer[Quote]:
        """Ask about an instrument, and in the same breath about all whose time is over too."""
        assert self._many is not None
        with self._asking.of("quotes"):  # whoever waited here may find its own among the others'
            known: Answer[Quote] | None = self._known(self._key("quote", instrument.id))
            if known is not None:
                return known
            since = self._clock.now_ns() - WANTED_SECONDS * SECOND
            others = [
                each
                for name, (each, at) in list(self._wanted.items())
                if at >= since
                and name != instrument.id
                and self._cache.get(self._key("quote", name)) is None
            ]
            found = self._many.quotes([instrument, *others[: QUOTES_MAX - 1]])
            for name, answer in found.items():
                self._keep("quote", name, answer)
        if instrument.id in found:
            return found[instrument.id]
        return self._provider.quote(instrument)  # alone it says why there is none

    def _kept(
        self,
        kind: str,
        about: str,
        ask: Callable[[], Answer[T]],
        until: Callable[[Answer[T]], int] | None = None,
    ) -> Answer[T]:
        key = self._key(kind, about)
        known: Answer[T] | None = self._known(key)
        if known is None:
            with self._asking.of(key):
                known = self._known(key)  # who comes second finds what the first has brought
                if known is None:
                    self._note(kind, hit=False)
                    answer = ask()
                    self._keep(kind, about, answer, None if until is None else until(answer))
                    return answer
        self._note(kind, hit=True)
        return known

    def _note(self, kind: str, *, hit: bool) -> None:
        self._cache.note(hit=hit)
        count("cache_questions", kind=kind, hit="yes" if hit else "no")

    def _key(self, kind: str, about: str) -> str:
        return f"{self.name}:{kind}:{about}"

    def _keep(self, kind: str, about: str, answer: Answer[Any], until: int | None = None) -> None:
        at = answer.origin.fetched_at
        until = at + self._seconds[kind] * SECOND if until is None else until
        if until > at and not answer.origin.stale:
            self._cache.put(self._key(kind, about), encode(answer), until)

    def _known(self, key: str) -> Answer[Any] | None:
        found = self._cache.get(key)
        if found is None:
            return None
        try:
            return decode(found)
        except (ValueError, msgspec.MsgspecError):
            return None  # another version wrote it: as good as nothing


class Flights:
    """One lock per key that somebody is asking about, and none when nobody is."""

    def __init__(self) -> None:
        """Begin with nobody asking."""
        self._lock = Lock()
        self._flying: dict[str, tuple[Lock, int]] = {}

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Hold a key alone while asking about it."""
        with self._lock:
            mine, waiting = self._flying.get(key, (Lock(), 0))
            self._flying[key] = mine, waiting + 1
        try:
            with mine:
                yield
        finally:
            with self._lock:
                mine, waiting = self._flying[key]
                if waiting == 1:
                    del self._flying[key]
                else:
                    self._flying[key] = mine, waiting - 1
