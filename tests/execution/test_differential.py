"""The venue says, word for word, what a slow reference says that shares no code with it.

The normal run plays a part of the programs; `make differential` plays 2,000 of them
(EVENKEEL_DIFFERENTIAL says how many). A seed that fails is a program to read:
`tests.reference.programs.program(seed)`.
"""

import os

import pytest
from tests.parity.real_data import SETS
from tests.reference.programs import program
from tests.reference.run import by_broker, by_reference

from evenkeel.domain.fill import Fill

PROGRAMS = int(os.environ.get("EVENKEEL_DIFFERENTIAL", "150"))
ON_REAL_BARS = PROGRAMS * 2 // 5
CHUNK = 50
REAL = ("aapl-daily", "two-files", "nvda-daily", "us-minutes", "eurusd-hourly")


def chunks(count):
    return [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]


def same(seed, histories=None):
    """Both venues play a program; returns how many fills it had."""
    wanted = program(seed, histories)
    expected = by_reference(wanted)
    assert by_broker(wanted, jump=False) == expected, f"program({seed})"
    assert by_broker(wanted, jump=True) == expected, f"program({seed}), jumping"
    return sum(isinstance(event, Fill) for event in expected)


@pytest.mark.parametrize("seeds", chunks(PROGRAMS - ON_REAL_BARS), ids=str)
def test_random_programs_on_random_bars(seeds):
    assert sum(same(seed) for seed in seeds) > 3 * len(seeds)


@pytest.fixture(scope="module")
def real_bars(shared_data):
    """A few hundred bars of each, as they were traded."""
    return [SETS[name].read(shared_data, 700) for name in REAL]


@pytest.mark.parametrize("seeds", chunks(ON_REAL_BARS), ids=str)
def test_random_programs_on_real_bars(seeds, real_bars):
    fills = sum(same(1_000_000 + seed, real_bars[seed % len(real_bars)]) for seed in seeds)
    assert fills > 3 * len(seeds)
