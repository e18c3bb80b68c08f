"""Every error on purpose is of one tree, and says how the command line ends."""

import pytest

from evenkeel.domain import errors
from evenkeel.domain.errors import did_you_mean

EXIT_CODES = {  # DESIGN section 6
    "EvenkeelError": 3,
    "UsageError": 2,
    "DataError": 2,
    "ConfigError": 2,
    "StrategyError": 2,
    "VerdictError": 1,
    "JournalError": 1,
    "OutsideError": 3,
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


def test_the_closest_name_is_offered_and_a_distant_one_is_not():
    assert did_you_mean("fsat", ["slow", "fast"]) == "; did you mean 'fast'?"
    assert did_you_mean("xyz", ["slow", "fast"]) == ""
    assert did_you_mean("fast", (each for each in ())) == ""
