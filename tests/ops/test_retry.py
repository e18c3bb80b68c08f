"""Trying again: how often, how long, and for what."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.clock import FakeClock

from evenkeel.domain.errors import OutsideError, TransientError
from evenkeel.ops.retry import Patience, retry


class Venue:
    """Fails as it is told, then answers; each attempt takes `seconds`."""

    def __init__(self, *failures, clock, seconds=0.0):
        self.failures, self.clock, self.seconds, self.asked = list(failures), clock, seconds, 0

    def __call__(self):
        self.asked += 1
        self.clock.advance(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


@pytest.fixture
def clock():
    return FakeClock()


def ask(venue, clock, **options):
    return retry(venue, what="a test", clock=clock, dice=Random(1), **options)


def busy(**options):
    return TransientError("busy", **options)


def test_what_answers_is_asked_once(clock):
    venue = Venue(clock=clock)
    assert ask(venue, clock) == "answer"
    assert (venue.asked, clock.slept) == (1, [])


def test_passing_trouble_passes(clock):
    venue = Venue(busy(), busy(), clock=clock)
    assert ask(venue, clock) == "answer"
    assert venue.asked == 3
    assert len(clock.slept) == 2


def test_other_trouble_is_raised_at_once(clock):
    venue = Venue(OutsideError("no such symbol"), clock=clock)
    with pytest.raises(OutsideError, match="no such symbol"):
        ask(venue, clock)
    assert venue.asked == 1


def test_who_asks_says_what_passes(clock):
    venue = Venue(KeyError("x"), clock=clock)
    assert ask(venue, clock, again=lambda error: isinstance(error, KeyError)) == "answer"


def test_the_last_error_is_raised_as_it_is_when_attempts_are_used_up(clock):
    errors = [busy() for _ in range(9)]
    venue = Venue(*errors, clock=clock)
    with pytest.raises(TransientError) as raised:
        ask(venue, clock, patience=Patience(attempts=4))
    assert raised.value is errors[3]
    assert venue.asked == 4
    assert len(clock.slept) == 3


def test_waits_double_up_to_their_bound_each_with_jitter(clock):
    patience = Patience(attempts=8, seconds_max=1e9, first_seconds=1, wait_seconds_max=10)
    with pytest.raises(TransientError):
        ask(Venue(*[busy() for _ in range(8)], clock=clock), clock, patience=patience)
    whole = [1, 2, 4, 8, 10, 10, 10]
    assert len(clock.slept) == len(whole)
    for slept, longest in zip(clock.slept, whole, strict=True):
        assert longest / 2 <= slept <= longest
    assert len({round(slept / longest, 6) for slept, longest in zip(clock.slept, whole)}) == 7  # noqa: B905


def test_two_that_failed_together_do_not_come_back_together():
    waits = set()
    for _ in range(2):
        clock = FakeClock()
        retry(Venue(busy(), clock=clock), what="a test", clock=clock)
        waits.add(clock.slept[0])
    assert len(waits) == 2


def test_it_waits_as_long_as_it_was_asked_to(clock):
    venue = Venue(busy(retry_after=30), clock=clock)
    assert ask(venue, clock, patience=Patience(first_seconds=0.5)) == "answer"
    assert 30.25 <= clock.slept[0] <= 30.5


def test_it_does_not_wait_longer_than_it_has_patience(clock):
    venue = Venue(busy(retry_after=3600), clock=clock)
    with pytest.raises(TransientError, match="busy"):
        ask(venue, clock)
    assert clock.slept == []


def test_time_that_the_attempts_take_counts(clock):
    venue = Venue(*[busy() for _ in range(9)], clock=clock, seconds=25)
    with pytest.raises(TransientError):
        ask(venue, clock, patience=Patience(attempts=9, seconds_max=60, first_seconds=1))
    assert venue.asked == 3


@given(
    failures=st.integers(0, 20),
    attempts=st.integers(1, 10),
    seconds=st.floats(0, 50),
    each=st.floats(0, 20),
    retry_after=st.none() | st.floats(0, 50),
)
def test_it_is_never_impatient_and_never_endless(failures, attempts, seconds, each, retry_after):
    clock = FakeClock()
    venue = Venue(*[busy(retry_after=retry_after)] * failures, clock=clock, seconds=each)
    patience = Patience(attempts=attempts, seconds_max=seconds, first_seconds=1)
    try:
        assert ask(venue, clock, patience=patience) == "answer"
    except TransientError:
        assert venue.asked <= failures
    assert venue.asked <= attempts
    assert clock.monotonic_ns() / 1e9 <= max(seconds, 0) + each + 1e-6
    assert all(wait >= (retry_after or 0) for wait in clock.slept)


def test_each_try_is_logged_with_its_reason(clock, events):
    ask(Venue(busy(retry_after=5), clock=clock), clock)
    (event,) = events()
    assert (event["level"], event["event"], event["what"]) == ("warning", "trying again", "a test")
    assert (event["attempt"], event["reason"]) == (1, "busy")
    assert 5 < event["wait_seconds"] < 6
