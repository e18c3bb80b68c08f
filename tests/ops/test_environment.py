"""A variable that was taken is gone, also from where the system shows what a process began with."""

import os
import subprocess
import sys

import pytest

from evenkeel.ops import environment
from evenkeel.ops.environment import is_there, keep_from_proc, take, withdraw

OWN = """
import os
from pathlib import Path
from evenkeel.ops.environment import take, keep_from_proc
"""


def ran(code, **variables):
    """Run code in a process of its own that was started with these variables."""
    done = subprocess.run(
        [sys.executable, "-c", OWN + code],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, **variables},
    )
    return done.stdout.splitlines()


def test_what_is_taken_is_left_nowhere():
    value, left, proc = ran(
        "print(take('X_SECRET'))\n"
        "print(os.environ.get('X_SECRET'), os.getenv('X_SECRET'))\n"
        "print(Path('/proc/self/environ').read_bytes())",
        X_SECRET="canary-ünïcode",
    )
    assert value == "canary-ünïcode"
    assert left == "None None"
    assert "canary" not in proc
    assert "X_SECRET=***" in proc


def test_what_is_kept_from_proc_stays_for_us():
    value, proc = ran(
        "keep_from_proc('X_SECRET')\n"
        "keep_from_proc('X_SECRET')\n"
        "print(os.environ['X_SECRET'])\n"
        "print(Path('/proc/self/environ').read_bytes())",
        X_SECRET="canary",
    )
    assert value == "canary"
    assert "canary" not in proc


def test_what_is_withdrawn_is_there_for_who_takes_it_once(monkeypatch):
    monkeypatch.setenv("X_SECRET", "own")
    assert is_there("X_SECRET")
    withdraw("X_SECRET")
    withdraw("X_SECRET")
    assert "X_SECRET" not in os.environ
    assert is_there("X_SECRET")
    assert (take("X_SECRET"), take("X_SECRET")) == ("own", None)
    assert not is_there("X_SECRET")


def test_a_variable_that_is_not_there_is_none():
    assert take("X_NO_SUCH_VARIABLE") is None


def test_a_variable_that_the_process_set_itself_is_taken(monkeypatch):
    monkeypatch.setenv("X_SECRET", "own")
    keep_from_proc("X_SECRET")
    assert os.environ["X_SECRET"] == "own"
    assert take("X_SECRET") == "own"
    assert "X_SECRET" not in os.environ


@pytest.fixture
def no_proc(monkeypatch):
    def absent(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(environment.Path, "read_text", absent)


def test_a_system_without_proc_shows_nothing_and_is_left_alone(monkeypatch, no_proc):
    monkeypatch.setenv("X_SECRET", "own")
    keep_from_proc("X_SECRET")
    assert take("X_SECRET") == "own"
