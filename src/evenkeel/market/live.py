"""Prices as they come in: rounds of answers, from a poller or a stream, and the histories they make.

What comes in is an `Update`, and nothing else does: whoever writes the updates down can live the
day again. Partial bars stand beside the histories and never in them. Histories grow as traded: bars
that a source has divided by a split of these days are multiplied back.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import numpy as np

from evenkeel.calendar.market_calendar import MarketCalendar
from evenkeel.domain.errors import DataError
from evenkeel.domain.instrument import NO_MARKET
from evenkeel.domain.instrument_events import Split, StockDividend
from evenkeel.market.actions import ex_day
from evenkeel.market.adjust import as_traded, split_steps
from evenkeel.market.columns import DAY
from evenkeel.market.fetched import judged
from evenkeel.market.history import SECOND, closing_times
from evenkeel.market.joining import OVERLAP_MIN, JoinRefusedError, joined, picked
from evenkeel.market.live_actions import ActionsTold
from evenkeel.market.provider import (
    Adjustment,
    Answer,
    Failure,
    Fetched,
    ProviderError,
    interval_ns,
)
from evenkeel.ops.logging import log_of
from evenkeel.ops.metrics import count, gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from evenkeel.domain.bar import Bars
    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.provider import PartialBar, Provider
    from evenkeel.ops.clock import Clock

ASKED_BACK = OVERLAP_MIN + 5
"""How many known bars each question reaches back over, so that another source can be compared."""

STALE_ROUNDS = 3
"""After how many intervals without the bar that was due an instrument is stale."""

PAUSE_SECONDS, PAUSE_SECONDS_MAX = 15, 600
"""How long is waited before a bar that did not come is asked for once more: twice as long each time."""

AT_ONCE = 4
"""How many instruments are asked about at the same time."""

ACTIONS_SECONDS = 900
"""How long it is not asked again what companies did: a split may be listed after the day's open."""

STEP = 1.4
"""What a share opens at, times or divided by its last close, that may well be a split …"""

LISTED_WITHIN = 1_200 * SECOND
"""… for as long after the open as it may take a source to list it; less than `ASKED_BACK` minutes."""

T = TypeVar("T")
ActionsAnswer: TypeAlias = "Answer[tuple[CorporateAction, ...]]"

_LOG = log_of("market.live")


@dataclass(frozen=True, slots=True)
class Update:
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


# ---- what it makes ----


class Histories:
    """The bars of a day that is under way: histories grow, partial bars stand beside them.

    `trouble` hears, in a sentence, of every instrument that fails to grow.
    """

    def __init__(self, trouble: Callable[[str], None] = lambda _: None) -> None:
        """Begin without any; the first update brings the histories."""
        self._trouble = trouble
        self._known: dict[str, Fetched] = {}
        self._bars: dict[str, Bars] = {}
        self._missed: dict[str, int] = {}
        self._begun: dict[str, tuple[int, Adjustment]] = {}  # the last close then, and its scale
        self._actions = ActionsTold(trouble)
        self._handed_out = 0
        self.partial: dict[str, PartialBar | None] = {}

    @property
    def stale(self) -> list[str]:
        """The instruments that have missed three bars or more."""
        return [name for name, missed in self._missed.items() if missed >= STALE_ROUNDS]

    def bars(self) -> list[Bars]:
        """Return every instrument's history, in the order in which they came first."""
        return list(self._bars.values())

    def known(self, instrument_id: str) -> Fetched:
        """Return an instrument's history with the source of each bar."""
        return self._known[instrument_id]

    def take(self, update: Update) -> bool:
        """Take a round in; return whether any history has grown."""
        for failure in update.failures:
            self._trouble(failure)
        for told in update.actions:
            self._actions.take(told)
        grown = [self._take(answer, update.at) for answer in update.answers]
        if update.due:
            self._watch(update)
        return any(grown)

    def news(self) -> list[CorporateAction]:
        """Return what companies did since these histories began that was not returned before.

        What the first histories have behind them is no news, but for splits that they were not
        divided by.
        """
        new = self._actions.all[self._handed_out :]
        self._handed_out += len(new)
        return [each for each in new if self._concerns(each)]

    def _concerns(self, action: CorporateAction) -> bool:
        until, scale = self._begun.get(action.instrument, (0, Adjustment.AS_TRADED))
        split = isinstance(action, Split | StockDividend)
        return action.at >= until or (split and scale is Adjustment.AS_TRADED)

    def too_old(self, update: Update) -> int:
        """Return up to which close bars were stale already when an update brought them."""
        lengths = [interval_ns(each.interval) for each in self._known.values()]
        return update.at - STALE_ROUNDS * max(lengths)

    def _take(self, answer: Answer[Fetched], at: int) -> bool:
        found = answer.value
        name = found.instrument.id
        if answer.origin.stale:
            self._trouble(f"{name}: {answer.origin.lacks}")
            return False
        self.partial[name] = found.partial
        known = self._known.get(name)
        try:
            whole = found if known is None else self._joined(known, found)
            if known is not None:
                if len(whole) == len(known):
                    return False
                self._refuse_unexplained(known, whole, at)
            self._bars[name] = judged(whole)
        except DataError as error:
            self._trouble(str(error))
            return False
        self._known[name] = whole
        if name not in self._begun:
            last = int(self._bars[name].closed_at[-1])
            self._begun[name] = last, found.sources[-1].adjustment
        self._missed[name] = 0
        return True

    def _joined(self, known: Fetched, found: Fetched) -> Fetched:
        """Return a history with what follows it, on the scales of the days on which it was traded.

        A source that has divided by a split of these days is the one that agrees when multiplied
        back; one that has not yet is the one that agrees as it is.
        """
        mine = [
            each
            for each in self._actions.all
            if each.instrument == found.instrument.id and self._concerns(each)
        ]
        steps = split_steps(mine, found.instrument.mic, daily=found.interval == "1d")
        if steps and found.sources[-1].adjustment is Adjustment.SPLIT:
            try:
                return joined(known, _at_the_end(known, _multiplied_back(found, steps)))
            except JoinRefusedError:
                pass
        return joined(known, _at_the_end(known, found))

    def _refuse_unexplained(self, known: Fetched, whole: Fetched, at: int) -> None:
        """Raise `DataError` while a step over night may be a split that nobody has listed yet.

        Afterwards it is what it looks like: a true fall is traded on, some minutes late.
        """
        name, mic, table = whole.instrument.id, whole.instrument.mic, whole.table
        before, began = (int(table.wall[len(known) - back]) for back in (1, 0))
        if mic == NO_MARKET or at - began > LISTED_WITHIN:
            return
        if ex_day(before, mic) == ex_day(began, mic):
            return
        step = float(table.prices["open"][len(known)] / table.prices["close"][len(known) - 1])
        for split in self._actions.all:
            if isinstance(split, Split | StockDividend) and split.instrument == name:
                step *= float(split.new / split.old) if before < split.at <= began else 1
        if not 1 / STEP < step < STEP:
            raise DataError(
                f"{name} opens at {step:.3g} of its last close and nobody has listed a split; it "
                f"waits for one until {LISTED_WITHIN // (60 * SECOND)} minutes after the open"
            )

    def _watch(self, update: Update) -> None:
        """Count who did not have the bar that was due, and say when that becomes too often."""
        for name, bars in self._bars.items():
            last = int(bars.closed_at[-1])
            gauge("last_bar_age_seconds", (update.at - last) / SECOND, instrument=name)
            if (
                next_close(bars.instrument, self._known[name].interval, update.due - 1)
                != update.due
            ):
                continue  # its market was closed
            missed = 0 if last >= update.due else self._missed.get(name, 0) + 1
            if missed == STALE_ROUNDS:
                count("stale_instruments")
                _LOG.warning("stale", instrument=name, intervals=missed)
                self._trouble(f"{name} is stale: its last {missed} bars did not come")
            self._missed[name] = missed


def _multiplied_back(found: Fetched, steps: Sequence[tuple[int, float]]) -> Fetched:
    """Return bars that were divided by splits as they were traded."""
    table = found.table
    prices = as_traded(dict(table.prices), table.wall, steps)
    volume = None
    if table.volume is not None:
        volume = as_traded({"volume": table.volume}, table.wall, steps)["volume"]
    return replace(found, table=replace(table, prices=prices, volume=volume))


def _at_the_end(known: Fetched, found: Fetched) -> Fetched:
    """Return what can be put behind a history: what was lived through does not get bars afterwards."""
    stamps, last = found.table.stamps, known.table.stamps[-1]
    fits = np.isin(stamps, known.table.stamps) | (stamps > last)
    return found if fits.all() else picked(found, np.flatnonzero(fits))
