"""A running bot logs and serves as its settings say, and hears when they change."""

import json
import os
import signal
import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from evenkeel.app.logs import told
from evenkeel.domain.errors import OutsideError
from evenkeel.ops.logging import log_of
from evenkeel.ops.metrics import METRICS
from evenkeel.ops.settings import load_settings


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def events():
    return [json.loads(line) for line in Path("x.log").read_text().splitlines()]


def test_levels_of_the_profile_change_when_the_file_does():
    Path("evenkeel.toml").write_text("[logging]\nfile = 'x.log'\nlevels = 'warning'\n")
    with told(load_settings(profile="paper"), "paper"):
        log_of("market").info("no")
        with Path("evenkeel.toml").open("a") as file:
            file.write("[profile.paper.logging]\nlevels = 'info'\n")
        os.kill(os.getpid(), signal.SIGHUP)
        for thread in threading.enumerate():
            if thread.name == "reload-levels":
                thread.join()
        log_of("market").info("yes")
    log_of("market").error("after the end")
    assert [event["event"] for event in events()] == ["levels changed", "yes"]


def test_metrics_are_served_while_it_runs():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    Path("evenkeel.toml").write_text(f"[metrics]\nport = {port}\n")
    METRICS.count("test_logs")
    with told(load_settings(), "paper"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            assert b"evenkeel_test_logs_total 1.0" in page.read()
        with (
            pytest.raises(OutsideError, match="metrics cannot be served"),
            told(load_settings(), "paper"),
        ):
            pass
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics")
