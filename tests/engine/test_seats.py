"""Bars are shown by time and then by seat, and those to come take no room."""

import random
import tracemalloc
from decimal import Decimal

import numpy as np
import pytest
from tests.engine.market import HOUR

import evenkeel as ek
from evenkeel.domain.bar import Bars
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.instrument_events import Split
from evenkeel.domain.tape import NEVER, Tape
from evenkeel.engine import seats as seats_module
from evenkeel.engine.desk import Outbox
from evenkeel.engine.seats import Seats


def flat(name, at):
    at = np.array(at, dtype=np.int64)
    return Bars(Instrument(name), at, *[np.full(len(at), 10.0)] * 5, at[-1:] + 1)


class Silent(ek.Strategy):
    """Wants every bar, and says nothing."""

    def on_bar(self):
        pass


def some_timelines(dice):
    """Minutes beside days, twins, one that comes late, one that ends early, one of a single bar."""
    hours = range(1, 60)
    twin = sorted(dice.sample(hours, 25))
    drawn = [hours, twin, twin, range(40, 60), range(1, 9), [33], range(5, 60, 11)]
    dice.shuffle(drawn)
    return {f"I{n}.XXXX": [hour * HOUR for hour in each] for n, each in enumerate(drawn)}


def shown(timelines, mask=None, *, split=None, broken_off=(), until=(NEVER - 1,)):
    """Which bars are shown, in order, as (time, instrument, how many bars it has by then)."""
    seen = []
    outbox = Outbox()

    class Watcher(ek.Strategy):
        def setup(self, bars):
            if mask is not None:
                self.wake_on(mask(bars.closed_at.view(np.int64) // HOUR))

        def on_bar(self):
            seen.append((tape.now, self.instrument.id, self.bars.count))
            if len(seen) in broken_off:
                outbox.records.append(None)

    tape = Tape(flat(name, at) for name, at in timelines.items())
    seats = Seats(Watcher(), tape)
    seats.setup()
    wake = seats.waking()
    for step in [split.at - 1, *until] if split else until:
        wake(step, outbox)
        while outbox.records:
            outbox.records.clear()
            wake(step, outbox)
        if split and step < split.at:
            tape.advance(split.at)
            seats.split(split)
    return seen


def expected(timelines, mask=None):
    """By time, and then in the order of the instruments."""
    rows = [
        (at, seat, count)
        for seat, times in enumerate(timelines.values())
        for count, at in enumerate(times, 1)
        if mask is None or mask(at // HOUR)
    ]
    return [(at, list(timelines)[seat], count) for at, seat, count in sorted(rows)]


@pytest.fixture(params=[(1, 1), (1, 2), (1, 7), (3, 2), (64, 1_024)])
def windows(request, monkeypatch):
    """From a window per moment to one for all."""
    monkeypatch.setattr(seats_module, "_STRIDE", request.param[0])
    monkeypatch.setattr(seats_module, "_WINDOW", request.param[1])


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    "mask",
    [None, lambda hour: hour % 3 > 0, lambda hour: hour > 99],
    ids=["every bar", "some bars", "no bar"],
)
@pytest.mark.parametrize("seed", range(4))
def test_bars_are_shown_by_time_and_then_by_seat(seed, mask):
    """Wherever one window ends and the next begins, and whoever breaks off to say something."""
    timelines = some_timelines(random.Random(seed))
    everything = expected(timelines, mask)
    assert shown(timelines, mask) == everything
    assert shown(timelines, mask, broken_off={1, 2, 3, 20, 21, 50}) == everything


@pytest.mark.parametrize("only", [None, 1], ids=["many", "alone"])
@pytest.mark.parametrize("mask", [None, lambda hour: hour % 3 > 0], ids=["every bar", "some bars"])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_shown_too_early_or_left_behind_however_far_a_step_goes(seed, mask, only):
    """Nowhere, to the next bar, a few on, beyond the last; with and without breaking off."""
    dice = random.Random(seed)
    timelines = dict(list(some_timelines(dice).items())[:only])
    steps = sorted(hour * HOUR - dice.choice([0, 1]) for hour in dice.choices(range(70), k=25))
    for taken in range(1, len(steps) + 1):
        due = [row for row in expected(timelines, mask) if row[0] <= steps[taken - 1]]
        assert shown(timelines, mask, until=steps[:taken]) == due
        assert shown(timelines, mask, until=steps[:taken], broken_off={1, 2, 5, 9, 20}) == due


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("hour", [1, 2, 20, 33, 59])
@pytest.mark.parametrize("only", [None, 1])
def test_a_split_takes_no_bar_away_and_shows_none_again(hour, only):
    """In the middle of a window too, for the one that is split and for the others; alone as well."""
    timelines = dict(list(some_timelines(random.Random(hour)).items())[:only])
    split = Split(next(iter(timelines)), hour * HOUR, Decimal(2))
    assert shown(timelines, split=split) == expected(timelines)


@pytest.mark.uncounted
@pytest.mark.parametrize("apart", [0, 20_000], ids=["together", "the last first"])
def test_bars_to_come_take_no_room(apart):
    """20 strategies that want 20,000 bars each: what is lined up at once is a window of them."""
    times = [np.arange(1 + apart * n, 20_001 + apart * n) * HOUR for n in reversed(range(20))]
    tape = Tape(flat(f"I{n:02d}.XXXX", at) for n, at in enumerate(times))
    seats = Seats(Silent(), tape)
    until = int(np.sort(np.concatenate(times))[70_000])  # in the second window
    tracemalloc.start()
    seats.setup()
    seats.wake(until, Outbox())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tape.now == until
    assert peak < 12 * 20 * 20_000  # the bars themselves have 48 bytes each
