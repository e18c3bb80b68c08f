"""Every measurement still runs; what it measures is for `make bench`, not for a test."""

from importlib import import_module

import pytest
from benchmarks import timing
from benchmarks.__main__ import MEASUREMENTS
from benchmarks.reference import compiled_loop, python_loop
from benchmarks.workloads import CASH, Cross, minutes, traded

pytestmark = pytest.mark.uncounted


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_measurement_runs_at_a_thousandth_of_its_size(name, monkeypatch):
    measurement = import_module(f"benchmarks.{name}")
    for module in (timing, measurement):
        monkeypatch.setattr(module, "REPEATS", 1, raising=False)
    rows = [*measurement.measure(0.001)]

    assert rows
    for row in rows:
        assert all(isinstance(cell, str) for cell in row)
        assert 2 <= len(row) <= 3


def test_the_loops_make_what_the_engine_makes():
    """P, K and the engine trade the same: what each ends with agrees to the cent."""
    bars = minutes(5_000)
    result = traded(Cross(), [bars])
    bare = python_loop(bars)()
    worth = bare.cash + bare.quantity * bars.close[-1]

    assert len(result.moves) > 50
    assert float(result.ended.equity) == pytest.approx(worth, abs=0.005)
    assert worth != CASH
    if (compiled := compiled_loop(bars)) is not None:
        assert compiled() == pytest.approx(bare.cash, abs=1e-6)
