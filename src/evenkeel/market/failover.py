"""Providers in order: the first that can answers. When none can, what was known is given as stale.

A failure of one is no news about the instrument: only when all that answered say that they do not
know it, it is unknown.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from evenkeel.market.provider import Answer, Failure, ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.provider import Facts, Fetched, Provider, Quote

T = TypeVar("T")

SWITCH_SECONDS = 1.5
"""How long one provider is waited for when there is another: less than 2 s, with the way there."""

REMEMBERED_MAX = 2_000
"""How many answers are kept for the day when nobody answers."""


class Failover:
    """A provider made of several. What each does to be polite and quick is its own affair."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        failed: Callable[[ProviderError], None] = lambda _: None,
    ) -> None:
        """Ask `providers` in order; `failed` hears of each one that did not answer."""
        assert providers, "a chain of nobody"
        self.name = " > ".join(each.name for each in providers)
        self._providers = list(providers)
        self._failed = failed
        self._known: OrderedDict[Hashable, Answer[Any]] = OrderedDict()
        self._lock = Lock()

    def bars(self, instrument: Instrument, interval: str, start: int, end: int) -> Answer[Fetched]:
        return self._first(
            ("bars", instrument.id, interval),
            instrument,
            lambda each: each.bars(instrument, interval, start, end),
        )

    def actions(
        self, instrument: Instrument, start: int, end: int
    ) -> Answer[tuple[CorporateAction, ...]]:
        return self._first(
            ("actions", instrument.id),
            instrument,
            lambda each: each.actions(instrument, start, end),
        )

    def facts(self, instrument: Instrument) -> Answer[Facts]:
        return self._first(
            ("facts", instrument.id), instrument, lambda each: each.facts(instrument)
        )

    def quote(self, instrument: Instrument) -> Answer[Quote]:
        return self._first(
            ("quote", instrument.id), instrument, lambda each: each.quote(instrument)
        )

    def _first(
        self, key: Hashable, instrument: Instrument, ask: Callable[[Provider], Answer[T]]
    ) -> Answer[T]:
        failures: list[ProviderError] = []
        for provider in self._providers:
            try:
                answer = ask(provider)
            except ProviderError as error:
                self._failed(error)
                failures.append(error)
            else:
                self._remember(key, answer)
                return answer
        telling = [each for each in failures if each.kind is not Failure.UNKNOWN]
        if not telling:
            raise failures[0]
        said = "; ".join(str(each) for each in failures)
        with self._lock:
            known: Answer[T] | None = self._known.get(key)
        if known is None:
            raise ProviderError(
                self.name,
                telling[0].kind,
                f"nobody answers about {instrument.id}: {said}",
                retry_after=min(
                    (each.retry_after for each in telling if each.retry_after), default=None
                ),
            )
        return replace(known, origin=replace(known.origin, stale=True, lacks=f"all since: {said}"))

    def _remember(self, key: Hashable, answer: Answer[Any]) -> None:
        with self._lock:
            self._known[key] = answer
            self._known.move_to_end(key)
            while len(self._known) > REMEMBERED_MAX:
                self._known.popitem(last=False)
