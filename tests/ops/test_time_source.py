"""What the kernel says about its clock, asked through a C library that answers as it is told."""

import ctypes

import pytest

from evenkeel.ops.time_source import TimeSource, time_source


class Library:
    """A C library whose `adjtimex` gives this state, status and error."""

    def __init__(self, state, status=0, microseconds=0):
        def adjtimex(pointer):
            told = pointer._obj
            assert told.modes == 0, "asking changes nothing"
            told.status, told.error_microseconds_max = status, microseconds
            return state

        self.adjtimex = adjtimex


@pytest.mark.parametrize(
    ("library", "found"),
    [
        (Library(0, 0x2001, 12_345), TimeSource(synchronised=True, error_seconds_max=0.012345)),
        (Library(0, 0x40, 16_000_000), TimeSource(synchronised=False, error_seconds_max=16.0)),
        (Library(5, 0, 1), TimeSource(synchronised=False, error_seconds_max=1e-6)),
        (Library(-1), None),
        (object(), None),
    ],
    ids=["right", "lost", "error", "not allowed", "not there"],
)
def test_the_kernel_says_whether_its_clock_is_right(monkeypatch, library, found):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    assert time_source() == found


def test_this_kernel_can_be_asked():
    found = time_source()
    assert found is None or found.error_seconds_max >= 0
