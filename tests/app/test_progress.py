"""Progress is for eyes: on a terminal, after two seconds, and gone at the end."""

from io import StringIO
from queue import Queue

from tests.fakes.clock import FakeClock

from evenkeel.app.cli import progress
from evenkeel.app.cli.progress import Progress


class Terminal(StringIO):
    def isatty(self):
        return True


def test_a_line_says_how_far_it_is_and_how_long_it_will_take():
    clock, terminal = FakeClock(0), Terminal()
    with Progress("import", clock=clock, stream=terminal) as told:
        told(1, 100)
        assert terminal.getvalue() == ""
        clock.advance(10)
        told(25, 100)
        assert terminal.getvalue() == "\rimport   25%  0:10 gone, 0:30 to go"
        told(26, 100)  # too soon to read another
        assert terminal.getvalue().count("\r") == 1
        clock.advance(3600)
        told(0, 0)
    assert terminal.getvalue().endswith("\r")
    assert "1:00:10 gone" in terminal.getvalue()


def test_it_moves_by_itself_while_nothing_is_told(monkeypatch):
    """Adding a million rows, and judging them, is one long breath."""
    monkeypatch.setattr(progress, "TICK", 0.001)
    clock, drawn = FakeClock(0), Queue()

    class Watched(Terminal):
        def write(self, text):
            drawn.put(text)
            return super().write(text)

    with progress.Progress("import", clock=clock, stream=Watched()) as told:
        clock.advance(10)
        told(25, 100)
        assert drawn.get(timeout=60) == "\rimport   25%  0:10 gone, 0:30 to go"
        clock.advance(2)
        assert drawn.get(timeout=60) == "\rimport   25%  0:12 gone, 0:36 to go"


def test_nothing_is_told_where_nobody_looks():
    clock, file = FakeClock(0), StringIO()
    with Progress("import", clock=clock, stream=file) as told:
        clock.advance(10)
        told(1, 2)
    assert file.getvalue() == ""
