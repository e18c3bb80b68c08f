"""Every error on purpose is of one tree, and says how the command line ends."""

import re

import pytest

from evenkeel.domain import errors
from evenkeel.domain.errors import did_you_mean

EXIT_CODES = {  # DESIGN section 6
    "EvenkeelError": 3,
    "UsageError": 2,
    "DataError": 2,
    "ConfigError": 2,
    "StrategyError": 2,
    "VaultError": 2,
    "VerdictError": 1,
    "JournalError": 1,
    "OutsideError": 3,
    "TransientError": 3,
    "HaltedError": 4,
}


def test_the_tree_is_complete():
    found = {
        name: each.exit_code
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, Exception)
    }
    assert found == EXIT_CODES


@pytest.mark.parametrize("name", EXIT_CODES)
def test_every_error_can_be_caught_at_the_root(name):
    assert issubclass(getattr(errors, name), errors.EvenkeelError)


def test_children_stand_under_their_parents():
    assert issubclass(errors.DataError, errors.UsageError)
    assert issubclass(errors.ConfigError, errors.UsageError)
    assert issubclass(errors.StrategyError, errors.UsageError)
    assert issubclass(errors.JournalError, errors.VerdictError)


def test_what_an_error_stops_is_said():
    """A call that may be made again, the making of orders; everything else ends the run."""
    stops = {name: getattr(errors, name).stops for name in EXIT_CODES}
    assert {name for name, what in stops.items() if what != "run"} == {
        "HaltedError",
        "TransientError",
    }
    assert (stops["TransientError"], stops["HaltedError"]) == ("call", "trades")


def test_the_drawn_tree_is_the_tree():
    """Name, exit code and what it stops, read from the docstring's lines."""
    drawn = re.findall(r"(\w+Error) +(\d) +(\w+) ", errors.__doc__)
    assert {(name, int(code), stops) for name, code, stops in drawn} == {
        (name, code, getattr(errors, name).stops)
        for name, code in EXIT_CODES.items()
        if name != "EvenkeelError"
    }


def test_a_passing_trouble_keeps_how_long_it_asked_to_wait():
    assert errors.TransientError("busy").retry_after is None
    busy = errors.TransientError("busy", retry_after=1.5)
    assert (str(busy), busy.retry_after) == ("busy", 1.5)
    assert isinstance(busy, errors.OutsideError)


def test_the_closest_name_is_offered_and_a_distant_one_is_not():
    assert did_you_mean("fsat", ["slow", "fast"]) == "; did you mean 'fast'?"
    assert did_you_mean("xyz", ["slow", "fast"]) == ""
    assert did_you_mean("fast", (each for each in ())) == ""
