"""One event, told twice; ids that go along; levels that change; nothing secret in any of it."""

import asyncio
import io
import json
import logging as standard
import os
import signal
import subprocess
import sys
import threading

import pytest
from tests.fakes.clock import FakeClock

from evenkeel.domain.errors import ConfigError, OutsideError
from evenkeel.ops.logging import begin as begin_logging
from evenkeel.ops.logging import bound, end, log_of, parsed_levels, reload_on_hangup, set_levels
from evenkeel.ops.secret import Secret

LOG = log_of("market.sync")
CANARY = "canary-c0ffee-42"


class Terminal(io.StringIO):
    def isatty(self):
        return True


# ---- two renderings ----


def test_a_machine_reads_an_object_with_its_leading_fields_first(begin):
    stream = io.StringIO()
    begin(stream=stream, clock=FakeClock(1_700_000_000_123_000_000))
    with bound(order="7", run="r1"):
        LOG.info("order sent", venue="XNAS", quantity=5)
    assert json.loads(stream.getvalue()) == {
        "at": "2023-11-14T22:13:20.123+00:00",
        "level": "info",
        "area": "market.sync",
        "event": "order sent",
        "run": "r1",
        "order": "7",
        "venue": "XNAS",
        "quantity": 5,
    }
    assert list(json.loads(stream.getvalue())) == [
        *("at", "level", "area", "event", "run", "order", "venue", "quantity")
    ]


def test_a_person_reads_a_line(begin):
    stream = Terminal()
    begin(stream=stream)
    LOG.warning("gap in the data", instrument="AAPL.XNAS")
    plain = stream.getvalue()
    assert plain.count("\n") == 1
    for word in ("warning", "gap in the data", "instrument", "AAPL.XNAS"):
        assert word in plain
    assert not plain.startswith("{")


@pytest.mark.parametrize(("wish", "coloured"), [("", True), ("1", False)])
def test_a_person_may_wish_for_no_colour(begin, monkeypatch, wish, coloured):
    monkeypatch.setenv("NO_COLOR", wish)
    stream = Terminal()
    begin(stream=stream)
    LOG.info("hello")
    assert ("\x1b[" in stream.getvalue()) is coloured


def test_the_file_has_objects_whatever_the_terminal_shows(begin, tmp_path):
    begin(stream=Terminal(), file=tmp_path / "logs" / "evenkeel.log")
    LOG.info("told twice")
    (line,) = (tmp_path / "logs" / "evenkeel.log").read_text().splitlines()
    assert json.loads(line)["event"] == "told twice"


def test_what_json_does_not_know_is_shown_by_its_repr(events):
    LOG.info("odd", value=object, secret_holder=[Secret(CANARY)])
    (event,) = events()
    assert event["value"] == "<class 'object'>"
    assert event["secret_holder"] == ["Secret(***)"]


def test_other_libraries_are_told_the_same_way(events):
    standard.getLogger("some.library").warning("it said %s", "so")
    (event,) = events()
    assert (event["area"], event["event"], event["level"]) == (
        "some.library",
        "it said so",
        "warning",
    )


def test_after_the_end_nothing_is_told(begin, tmp_path):
    stream = io.StringIO()
    begin(stream=stream, file=tmp_path / "log")
    end()
    LOG.error("unheard")
    assert (stream.getvalue(), (tmp_path / "log").read_text()) == ("", "")


def test_beginning_again_replaces_what_was_before(begin):
    first, second = io.StringIO(), io.StringIO()
    begin(stream=first)
    begin(stream=second)
    LOG.info("once")
    assert (first.getvalue(), second.getvalue().count("once")) == ("", 1)


def test_it_goes_to_stderr_unless_told_otherwise(begin, capsys):
    begin()
    LOG.info("hello")
    assert json.loads(capsys.readouterr().err)["event"] == "hello"


QUIET = """
import sys
from evenkeel.ops.logging import log_of
log_of("x").error("nobody began")
print(*sorted({"structlog"} & set(sys.modules)))
"""


def test_who_has_not_begun_hears_nothing_and_imports_nothing():
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, check=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")


# ---- what is bound goes along ----


def test_what_is_bound_nests_and_ends(events):
    with bound(run="r1", strategy="s"):
        with bound(order="1", strategy="t"):
            LOG.info("inner")
        LOG.info("outer")
    LOG.info("outside")
    inner, outer, outside = events()
    assert (inner["run"], inner["strategy"], inner["order"]) == ("r1", "t", "1")
    assert (outer["run"], outer["strategy"], "order" in outer) == ("r1", "s", False)
    assert "run" not in outside


def test_what_is_bound_goes_into_tasks_and_not_into_other_threads(events):
    async def task(name):
        with bound(order=name):
            await asyncio.sleep(0)
            LOG.info(name)

    async def both():
        with bound(run="r1"):
            await asyncio.gather(task("a"), task("b"))
            thread = threading.Thread(target=lambda: LOG.info("thread"))
            thread.start()
            thread.join()

    asyncio.run(both())
    found = {event["event"]: (event.get("run"), event.get("order")) for event in events()}
    assert found == {"a": ("r1", "a"), "b": ("r1", "b"), "thread": (None, None)}


# ---- levels ----


def test_levels_go_down_to_areas_and_the_nearest_wins(begin):
    stream = io.StringIO()
    begin(levels="warning, market=debug, market.sync=error", stream=stream)
    log_of("risk").info("no")
    log_of("risk").warning("yes 1")
    log_of("market.yahoo").debug("yes 2")
    log_of("market.sync").warning("no")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        *("yes 1", "yes 2")
    ]


def test_levels_change_while_it_runs_and_what_is_not_named_goes_back(events):
    set_levels("info,market=error")
    LOG.info("no")
    set_levels("debug")
    LOG.debug("yes")
    assert [event["event"] for event in events()] == ["yes"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("infos", r"logging\.levels: 'infos' is no level; did you mean 'info'\?"),
        ("market=loud", r"'loud' is no level; there are debug, info, warning, error"),
        ("market", r"'market' is no level"),
    ],
)
def test_what_is_no_level_changes_nothing(events, words, said):
    with pytest.raises(ConfigError, match=said):
        set_levels(words)
    with pytest.raises(ConfigError, match=said):
        begin_logging(levels=words)
    LOG.debug("still told")
    assert [event["event"] for event in events()] == ["still told"]


def test_no_words_mean_info():
    assert parsed_levels("") == {"": standard.INFO}
    assert parsed_levels("Market = DEBUG ,") == {"": standard.INFO, "Market": standard.DEBUG}


def test_a_hangup_takes_levels_anew_and_bad_ones_leave_what_was(events, monkeypatch):
    words = iter(["debug,market=error", "loud"])
    before = signal.getsignal(signal.SIGHUP)
    try:
        reload_on_hangup(lambda: next(words))
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            _wait_for_reload()
    finally:
        signal.signal(signal.SIGHUP, before)
    LOG.warning("no")
    changed, kept = events()
    assert (changed["event"], changed["levels"]) == ("levels changed", "debug,market=error")
    assert kept["event"] == "levels stay as they are"
    assert "'loud' is no level" in kept["exception"]


def _wait_for_reload():
    for thread in threading.enumerate():
        if thread.name == "reload-levels":
            thread.join()


def test_where_there_are_no_signals_nothing_happens(monkeypatch):
    before = signal.getsignal(signal.SIGHUP)
    monkeypatch.delattr(signal, "SIGHUP")
    reload_on_hangup(lambda: "debug")
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGHUP) is before


def test_a_thread_that_gets_no_signals_asks_in_vain():
    before = signal.getsignal(signal.SIGHUP)
    thread = threading.Thread(target=lambda: reload_on_hangup(lambda: "debug"))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGHUP) is before


# ---- files ----


def test_a_file_that_grows_is_moved_aside_and_old_ones_go(begin, tmp_path):
    begin(stream=io.StringIO(), file=tmp_path / "log", file_bytes_max=1_000, files_max=2)
    for number in range(40):
        LOG.info("x" * 100, number=number)
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["log", "log.1", "log.2"]
    assert all(path.stat().st_size <= 1_000 for path in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert json.loads(files[0].read_text().splitlines()[-1])["number"] == 39


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutsideError, match=r"cannot log to .*; set logging\.file to another"):
        begin_logging(file=tmp_path / "file" / "log")


# ---- nothing secret ----


def _fails_with_a_secret_in_a_variable():
    password = CANARY  # what a debugger's traceback would show
    raise ValueError(f"cannot log in with {password}")


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_traceback_shows_neither_values_nor_variables(begin, stream, tmp_path):
    Secret(CANARY)
    out = stream()
    begin(stream=out, file=tmp_path / "log")
    try:
        _fails_with_a_secret_in_a_variable()
    except ValueError as error:
        LOG.error(  # noqa: TRY400 - its error is given
            "it failed", error=error, note=f"x{CANARY}x", api_key="not known as a secret"
        )
    for text in (out.getvalue(), (tmp_path / "log").read_text()):
        assert "ValueError: cannot log in with ***" in text
        assert CANARY not in text
        assert "not known" not in text


def test_another_librarys_event_is_redacted(events):
    Secret(CANARY)
    standard.getLogger("some.library").warning("GET /?apikey=%s", CANARY)
    assert events()[0]["event"] == "GET /?apikey=***"
