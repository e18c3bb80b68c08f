"""Many trials: numbered, complete, in order, whoever made them."""

import os
import signal

import pytest
from tests.fakes.clock import FakeClock

from evenkeel.domain.errors import OutsideError, StrategyError, UsageError
from evenkeel.lab import sweep as room
from evenkeel.lab.sweep import Trial, grid, run_all

PARAMS = [{"n": n} for n in range(40)]


def square(params):
    return {"square": params["n"] ** 2}


def test_a_grid_has_every_combination_the_last_name_changing_fastest():
    assert grid({"a": (1, 2), "b": range(3, 5)}) == [
        {"a": 1, "b": 3},
        {"a": 1, "b": 4},
        {"a": 2, "b": 3},
        {"a": 2, "b": 4},
    ]


def test_a_name_without_values_is_refused():
    with pytest.raises(UsageError, match="no value for b"):
        grid({"a": (1,), "b": ()})


@pytest.mark.parametrize("processes", [None, 1, 2, 3])
def test_trials_come_in_the_order_of_the_grid_whoever_made_them(processes):
    trials = run_all(square, PARAMS, processes=processes)
    assert trials == [Trial(n, {"n": n}, {"square": n**2}) for n in range(40)]


def test_other_processes_do_the_work_where_it_is_shared():
    makers = {
        t.figures["pid"] for t in run_all(lambda _: {"pid": os.getpid()}, PARAMS, processes=2)
    }
    assert os.getpid() not in makers


def test_what_lies_in_memory_is_inherited_not_sent():
    """A lambda, and what it closes over, could not be pickled."""
    unsendable = {"table": (n for n in range(3)), "plus": lambda n: n + 1}
    trials = run_all(lambda p: {"next": unsendable["plus"](p["n"])}, PARAMS, processes=2)
    assert trials[-1].figures == {"next": 40}


@pytest.mark.parametrize(
    ("processors", "seconds_each", "alone"),
    [(2, 0.05, 40), (2, 0.06, 1), (1, 1.0, 40)],
)
def test_work_is_shared_once_more_than_two_seconds_of_it_are_left(
    monkeypatch, processors, seconds_each, alone
):
    """After the first one 39 are left: 1.95 s at 0.05 s each, 2.34 at 0.06. One processor does all."""
    monkeypatch.setattr(room, "_processors", lambda: processors)
    clock = FakeClock()

    def whose(_):
        clock.advance(seconds_each)
        return {"pid": os.getpid()}

    trials = run_all(whose, PARAMS, clock=clock)
    here = [trial.figures["pid"] == os.getpid() for trial in trials]
    assert here == [True] * alone + [False] * (40 - alone)


def test_without_a_fork_one_process_does_it_all(monkeypatch):
    monkeypatch.setattr(room.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    trials = run_all(lambda _: {"pid": os.getpid()}, PARAMS, processes=4)
    assert {trial.figures["pid"] for trial in trials} == {os.getpid()}


@pytest.mark.parametrize("processes", [1, 2])
def test_a_parameter_set_that_cannot_run_is_a_trial_too(processes):
    def odd_only(params):
        if params["n"] % 2 == 0:
            raise StrategyError(f"n must be odd, was {params['n']}")
        return {}

    trials = run_all(odd_only, PARAMS, processes=processes)
    assert [trial.number for trial in trials if trial.error] == list(range(0, 40, 2))
    assert trials[2].error == "n must be odd, was 2"


@pytest.mark.parametrize("processes", [1, 2])
def test_any_other_error_ends_the_sweep(processes):
    def broken(params):
        return {"inverse": 1 / (params["n"] - 7)}

    with pytest.raises(ZeroDivisionError):
        run_all(broken, PARAMS, processes=processes)


def test_a_process_that_dies_is_told_in_a_sentence():
    def deadly(params):
        if params["n"] == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

    with pytest.raises(OutsideError, match="a process of the sweep has died"):
        run_all(deadly, PARAMS, processes=2)


@pytest.mark.parametrize("processes", [1, 2])
def test_progress_is_told_up_to_the_last_trial(processes):
    told = []
    run_all(square, PARAMS, processes=processes, progress=lambda *counts: told.append(counts))
    assert told[-1] == (40, 40)
    assert told == sorted(told)
    assert {total for _, total in told} == {40}


def test_less_than_one_process_is_refused():
    with pytest.raises(UsageError, match="processes must be 1 or more, was 0"):
        run_all(square, PARAMS, processes=0)


def test_this_process_may_use_a_processor():
    assert room._processors() >= 1
