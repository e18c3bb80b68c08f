"""Run folders: what was saved is what is read, and nothing else is taken for it."""

import json
from decimal import Decimal

import pytest

from evenkeel.app import runs
from evenkeel.app.backtest import backtest
from evenkeel.domain.errors import JournalError, OutsideError, UsageError
from evenkeel.domain.events import CashDividend
from evenkeel.domain.instrument import instrument_of
from evenkeel.journal.replay import replay
from evenkeel.journal.verify import verify
from evenkeel.ledger.book import Book
from evenkeel.strategy.examples.rsi_reversion import RsiReversion

CSV = "date,open,high,low,close,volume\n" + "".join(
    f"2024-{1 + n // 28:02d}-{1 + n % 28:02d},{p},{p + 2},{p - 2},{p + (-1) ** n},100000\n"
    for n in range(120)
    for p in [100 + 20 * ((n * 7) % 31) // 31]
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "wave.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def result(file):
    made = backtest(RsiReversion(n=2, low=40.0), file)
    assert len(made.moves) > 10
    return made


def test_a_headline_counts_fills_and_no_dividends(file, tmp_path):
    paid = CashDividend("WAVE.XXXX", 1_706_745_600_000_000_000, Decimal(1))
    made = backtest(RsiReversion(n=2, low=40.0), file, actions=[paid])
    folder = runs.save(made, tmp_path / "runs")
    told = json.loads((folder / "manifest.json").read_text())["headline"]
    assert told["fills"] == made.summary()["fills"] == len(made.moves) - 1


def test_what_was_saved_is_what_is_loaded(result, tmp_path):
    """Summary, records and head hash; the journal stands on its own too."""
    folder = runs.save(result, tmp_path / "runs")
    again = runs.load(None, tmp_path / "runs")
    assert again.summary() == result.summary()
    assert (again.journal.head, len(again.journal)) == (result.journal.head, len(result.journal))
    assert list(again.journal.lines()) == list(result.journal.lines())
    assert verify(folder).ok


def test_a_journal_rebuilds_the_book_that_it_led_to(result):
    """Replay compares with RunEnded; the book is the ledger's own."""

    def open_book(started):
        known = {name: instrument_of(name, said) for name, said in started.instruments.items()}
        return Book(started.cash, started.currency, known)

    book = replay(result.journal.lines(), open_book)
    assert book.state_hash() == result.ended.state
    assert book.cash != result.started.cash


def test_bars_that_were_changed_since_are_refused(result, file, tmp_path):
    """One share more in one row is another file."""
    runs.save(result, tmp_path / "runs")
    file.write_text(CSV.replace(",100000\n", ",100001\n", 1))
    with pytest.raises(JournalError, match=r"WAVE\.XXXX .* put the original file back"):
        runs.load(None, tmp_path / "runs")


def test_bars_from_memory_cannot_be_read_again(file, tmp_path):
    """The message says what to do instead."""
    import pandas as pd

    made = backtest(RsiReversion(n=2), {"WAVE": pd.read_csv(file)})
    runs.save(made, tmp_path)
    with pytest.raises(UsageError, match="came from memory"):
        runs.load(None, tmp_path)


def test_runs_are_listed_oldest_first_and_found_by_any_name(file, tmp_path):
    """By id, by a unique beginning, by path, and the newest by no name at all."""
    folders = [runs.save(backtest(RsiReversion(n=n), file), tmp_path) for n in (2, 3)]
    listed = runs.list_runs(tmp_path)
    assert [each["folder"] for each in listed] == [str(folder) for folder in folders]
    assert [each["params"]["n"] for each in listed] == [2, 3]
    assert listed[0]["journal"]["head_hash"]
    assert runs.find(None, tmp_path) == folders[1]
    assert runs.find(folders[0].name, tmp_path) == folders[0]
    assert runs.find(str(folders[0]), tmp_path / "elsewhere") == folders[0]
    assert runs.find(folders[0].name[:-1], tmp_path).name.startswith(folders[0].name[:-1])


def test_a_run_that_is_not_there_or_not_one_is_said_so(file, tmp_path):
    """None at all, no such run, and two that begin alike."""
    with pytest.raises(UsageError, match="there are no runs"):
        runs.find(None, tmp_path)
    for n in (2, 3):
        runs.save(backtest(RsiReversion(n=n), file), tmp_path)
    with pytest.raises(UsageError, match="no run 'smith'"):
        runs.find("smith", tmp_path)
    with pytest.raises(UsageError, match=r"2 runs in .* begin with '2'"):
        runs.find("2", tmp_path)


def test_a_manifest_that_is_none_is_named(result, tmp_path):
    """Cut off, or gone."""
    folder = runs.save(result, tmp_path)
    (folder / runs.MANIFEST).write_text("{")
    with pytest.raises(UsageError, match="not a run manifest"):
        runs.load(None, tmp_path)
    (folder / runs.MANIFEST).unlink()
    (folder / runs.MANIFEST).mkdir()
    with pytest.raises(OutsideError, match="cannot read"):
        runs.list_runs(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(result, tmp_path):
    """A file stands where the run folders should go."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(UsageError, match="cannot make the run folder"):
        runs.save(result, tmp_path / "runs")
    with pytest.raises(UsageError, match="is not a folder"):
        runs.check_writable(tmp_path / "runs" / "deep")
    runs.check_writable(tmp_path / "not" / "there" / "yet")


def test_the_manifest_says_what_the_journal_does_not(result, tmp_path):
    """Where the bars came from, which code, which limits."""
    stored = json.loads((runs.save(result, tmp_path) / runs.MANIFEST).read_text())
    assert stored["mode"] == "backtest"
    assert stored["permissive"] is True
    assert stored["strategy"] == "evenkeel.strategy.examples.rsi_reversion:RsiReversion"
    assert stored["data"]["sources"][0].endswith("wave.csv")
    assert stored["headline"]["fills"] == len(result.moves)
