"""The clock of this computer, and the one for tests."""

import time

import pytest
from tests.fakes.clock import FakeClock

from evenkeel.ops.clock import SYSTEM_CLOCK


def test_the_clock_counts_nanoseconds():
    before = time.time_ns()
    assert before <= SYSTEM_CLOCK.now_ns() <= time.time_ns()


@pytest.mark.parametrize("clock", [SYSTEM_CLOCK, FakeClock()], ids=["system", "fake"])
def test_sleeping_passes_time(clock):
    before = clock.monotonic_ns()
    clock.sleep(0.001)
    clock.sleep(-1)
    assert clock.monotonic_ns() - before >= 1_000_000


def test_the_fake_clock_moves_only_when_told():
    clock = FakeClock(5)
    assert (clock.now_ns(), clock.monotonic_ns()) == (5, 0)
    clock.advance(1)
    clock.step(-2)
    assert (clock.now_ns(), clock.monotonic_ns()) == (5 - 1_000_000_000, 1_000_000_000)
