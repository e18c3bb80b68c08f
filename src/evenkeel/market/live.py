"""Prices as they come in: rounds of answers, from a poller or a stream.

What comes in is an `Update`, and nothing else does: whoever writes the updates down can live the
day again. What they make stands in `market/live_histories.py`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from evenkeel.calendar.market_calendar import MarketCalendar
from evenkeel.domain.instrument import NO_MARKET
from evenkeel.market.actions import ex_day
from evenkeel.market.columns import DAY
from evenkeel.market.history import SECOND, closing_times
from evenkeel.market.joining import OVERLAP_MIN
from evenkeel.market.provider import (
    Answer,
    Failure,
    Fetched,
    ProviderError,
    interval_ns,
)
from evenkeel.ops.metrics import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.provider import Provider
    from evenkeel.ops.clock import Clock

ASKED_BACK = OVERLAP_MIN + 5
"""How many known bars each question reaches back over, so that another source can be compared."""

PAUSE_SECONDS, PAUSE_SECONDS_MAX = 15, 600
"""How long is waited before a bar that did not come is asked for once more: twice as long each time."""

AT_ONCE = 4
"""How many instruments are asked about at the same time."""

ACTIONS_SECONDS = 900
"""How long it is not asked again what companies did: a split may be listed after the day's open."""

T = TypeVar("T")
ActionsAnswer: TypeAlias = "Answer[tuple[CorporateAction, ...]]"


class Update(Struct, frozen=True):
    """What one round brought: answers, and in words what failed.

    `at` is when the round was over and `due` the close of the bar it was about (0 for the first,
    which brings the histories), both in UTC nanoseconds. `actions` is what companies did, told
    again and again. The first update also says which instruments are in `quarantine` when the run
    begins, and why.
    """

    at: int
    due: int
    answers: tuple[Answer[Fetched], ...]
    failures: tuple[str, ...] = ()
    actions: tuple[ActionsAnswer, ...] = ()
    quarantine: Mapping[str, str] = field(default_factory=dict)


class Stream(Protocol):
    """A source that speaks by itself: partial and completed bars as they are made."""

    def events(self) -> Iterator[Answer[Fetched] | None]:
        """Yield what comes in; None says that the connection was lost and is there again."""
        ...


# ---- when a bar is due ----


def next_close(instrument: Instrument, interval: str, after: int) -> int:
    """Return when the first bar closes that closes later than `after` (UTC nanoseconds)."""
    length = interval_ns(interval)
    if instrument.mic == NO_MARKET:
        end = (after // length + 1) * length
        if length < DAY:
            return end
        return end - SECOND if end - SECOND > after else end + DAY - SECOND
    calendar = MarketCalendar(instrument.mic)
    close = calendar.next_close(after)
    session = calendar.session_at(close - 1)
    assert session is not None, "a session is open just before its close"
    begins = calendar.session_open(session)
    if length >= DAY:
        return close
    return min(close, begins + (max(0, after - begins) // length + 1) * length)


# ---- a poller ----


class Poller:
    """Asks a provider for every bar as soon as it has closed."""

    def __init__(
        self,
        provider: Provider,
        instruments: Sequence[Instrument],
        interval: str,
        clock: Clock,
        *,
        warm_up: int = 300,
        grace: float = 5.0,
        again: float = 5.0,
        tries: int = 3,
        until: int | None = None,
    ) -> None:
        """Begin with `warm_up` bars of each; stop with the last bar that closes by `until`.

        A bar is asked for `grace` seconds after its close, and up to `tries` times, `again`
        seconds apart, while the provider does not have it.
        """
        self._provider, self._clock = provider, clock
        self._instruments, self._interval = instruments, interval
        self._warm_up, self._grace, self._again = warm_up, grace, again
        self._tries, self._until = tries, until
        self._since: dict[str, int] = {}
        self._missing: dict[str, int] = {}  # who lacks a bar, and when that one closed
        self._begun: dict[str, int] = {}  # where each history began
        self._heard: dict[str, tuple[int, int]] = {}  # when actions were asked: day, not before

    def updates(self) -> Iterator[Update]:
        """Yield the histories, then a round for each close. Raises `ProviderError` at the first.

        Who did not have its bar in a round is asked again between the rounds, ever less often.
        """
        yield self.histories()
        pause = PAUSE_SECONDS
        while True:
            now = self._clock.now_ns()
            due = min(next_close(each, self._interval, now) for each in self._instruments)
            if self._missing and now + pause * SECOND < due:
                self._clock.sleep(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
                if (late := self._late_round()).answers:
                    yield late
                continue
            if self._until is not None and due > self._until:
                return
            self._clock.sleep((due - now) / SECOND + self._grace)
            pause = PAUSE_SECONDS
            yield self.round(due)
            if (news := self.news(self._closing_at(due), due)) is not None:
                yield news

    def histories(self) -> Update:
        """Ask for as much history as was wanted; `ProviderError` when one instrument has none."""
        now = self._clock.now_ns()
        answers = []
        for each in self._instruments:
            start = now - _span(each, self._interval, self._warm_up)
            answers.append(self._provider.bars(each, self._interval, start, now + DAY))
        self._remember(answers)
        found = self.with_actions(Update(0, 0, tuple(answers)), self._instruments, now)
        self._heard.clear()  # the first round may be the one in which today's are listed
        return replace(found, at=self._clock.now_ns())

    def round(self, due: int) -> Update:
        """Ask about every instrument whose bar closed at `due`, again while one is not there.

        Nobody waits for those that did not have their bar in the round before either.
        """
        wanted = self._closing_at(due)
        answers: dict[str, Answer[Fetched]] = {}
        failures: dict[str, str] = {}
        waiting = wanted
        for attempt in range(self._tries):
            if attempt:
                waiting = [each for each in waiting if each.id not in self._missing]
                if not waiting:
                    break
                self._clock.sleep(self._again)
            self._ask_all(waiting, due, answers, failures)
            waiting = [each for each in waiting if not _has(answers.get(each.id), due)]
        lacking = [each for each in wanted if not _has(answers.get(each.id), due)]
        here = {each.id for each in wanted}
        self._missing = {
            name: since for name, since in self._missing.items() if name not in here
        } | {each.id: due for each in lacking}
        return self.with_actions(self._update(due, answers, failures), wanted, due)

    def with_actions(self, update: Update, instruments: Sequence[Instrument], due: int) -> Update:
        """Return an update with what companies did, of those about whom it was not asked today.

        They must be heard before their bars that close at `due` are traded on; and asked about
        after these came: a split by which they are divided is among the answers then.
        """
        first = [
            each
            for each in instruments
            if self._heard.get(each.id, (-1, 0))[0] != ex_day(due, each.mic)
        ]
        return self._asked_actions(update, first, due)

    def news(self, instruments: Sequence[Instrument], due: int) -> Update | None:
        """Ask again what companies did whose bars closed at `due`; None while it is too early.

        No bar waits for this.
        """
        now = self._clock.now_ns()
        again = [
            each
            for each in instruments
            if each.id in self._heard and self._heard[each.id][1] <= now
        ]
        return self._asked_actions(Update(now, 0, ()), again, due) if again else None

    def _asked_actions(self, update: Update, instruments: Sequence[Instrument], due: int) -> Update:
        end = due + interval_ns(self._interval)
        answers, failures = [], []
        for instrument, answer in _asked_at_once(
            [each for each in instruments if each.id in self._begun],
            lambda each: self._provider.actions(each, self._begun[each.id], end),
        ):
            failed = _failed(answer)
            if failed:
                failures.append(f"splits and dividends of {instrument.id}: {failed}")
            elif isinstance(answer, Answer):
                answers.append(answer)
            again_at = self._clock.now_ns() + ACTIONS_SECONDS * SECOND
            self._heard[instrument.id] = ex_day(due, instrument.mic), again_at
        return replace(update, actions=tuple(answers), failures=(*update.failures, *failures))

    def _closing_at(self, due: int) -> list[Instrument]:
        return [
            each for each in self._instruments if next_close(each, self._interval, due - 1) == due
        ]

    def _late_round(self) -> Update:
        """Ask those again who did not have the bar that was due; it makes no round of its own."""
        waiting = [each for each in self._instruments if each.id in self._missing]
        answers: dict[str, Answer[Fetched]] = {}
        self._ask_all(waiting, max(self._missing.values()), answers, {})
        found = {
            name: answer for name, answer in answers.items() if _has(answer, self._missing[name])
        }
        for name in found:
            del self._missing[name]
        return self._update(0, found, {})

    def _update(
        self, due: int, answers: dict[str, Answer[Fetched]], failures: dict[str, str]
    ) -> Update:
        self._remember(answers.values())
        given = tuple(answers[each.id] for each in self._instruments if each.id in answers)
        return Update(self._clock.now_ns(), due, given, tuple(failures.values()))

    def _ask_all(
        self,
        instruments: Sequence[Instrument],
        due: int,
        answers: dict[str, Answer[Fetched]],
        failures: dict[str, str],
    ) -> None:
        """Ask about several at once; put what they say into `answers` and `failures`."""
        end = due + interval_ns(self._interval)  # the same for all who ask in this round
        for instrument, answer in _asked_at_once(
            instruments,
            lambda each: self._provider.bars(each, self._interval, self._since[each.id], end),
        ):
            if isinstance(answer, ProviderError):
                failures[instrument.id] = str(answer)
            else:
                answers[instrument.id] = answer
                failures.pop(instrument.id, None)

    def _remember(self, answers: Iterable[Answer[Fetched]]) -> None:
        """Keep where the next question begins: some bars before the last known one."""
        for answer in answers:
            stamps = answer.value.table.wall
            if len(stamps) and not answer.origin.stale:
                known = self._since.get(answer.value.instrument.id, 0)
                back = int(stamps[max(0, len(stamps) - ASKED_BACK)])
                self._since[answer.value.instrument.id] = max(known, back)
                self._begun.setdefault(answer.value.instrument.id, int(stamps[0]))


def _asked_at_once(
    instruments: Sequence[Instrument], question: Callable[[Instrument], Answer[T]]
) -> list[tuple[Instrument, Answer[T] | ProviderError]]:
    """Ask about several instruments at the same time; what each got, or how it failed."""

    def ask(instrument: Instrument) -> Answer[T] | ProviderError:
        try:
            return question(instrument)
        except ProviderError as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(zip(instruments, threads.map(ask, instruments), strict=True))


def _failed(answer: ActionsAnswer | ProviderError) -> str:
    """Say why there is no news; nothing when there is, or when this source never has any."""
    if isinstance(answer, ProviderError):
        return "" if answer.kind is Failure.NOT_OFFERED else str(answer)
    return answer.origin.lacks if answer.origin.stale else ""


def _has(answer: Answer[Fetched] | None, due: int) -> bool:
    if answer is None or answer.origin.stale or not len(answer.value):
        return False
    found = answer.value
    last = found.table.wall[-1:]
    length = interval_ns(found.interval)
    return bool(closing_times(last, length, found.instrument.mic)[0] >= due)


def _span(instrument: Instrument, interval: str, bars: int) -> int:
    """Return how far back so many bars reach, generously: nights and weekends have none."""
    length = interval_ns(interval)
    if instrument.mic == NO_MARKET:
        return (bars + 1) * length
    if length >= DAY:
        return (bars * 8 // 5 + 10) * DAY
    sessions = bars // max(1, 6 * 3_600 * SECOND // length) + 1
    return (sessions * 8 // 5 + 4) * DAY


# ---- a stream ----


def streamed(stream: Stream, poller: Poller, clock: Clock) -> Iterator[Update]:
    """Yield the histories that a poller asks for, then what a stream brings.

    After a lost connection the poller fills what was missed, before anything else comes.
    """
    yield poller.histories()
    for event in stream.events():
        if event is None:
            count("stream_reconnects")
            yield poller.histories()
        else:
            now = clock.now_ns()
            about = [event.value.instrument]
            yield poller.with_actions(Update(now, 0, (event,)), about, now)
            if (news := poller.news(about, now)) is not None:
                yield news
