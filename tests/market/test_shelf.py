"""A shelf holds what it was given, whatever the order, and whoever pulls the plug."""

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.fakes.crashing_disk import CrashingDisk, PowerCutError

from evenkeel.domain.errors import DataError, OutsideError
from evenkeel.market.intake import Terms, files_in, taken_in
from evenkeel.market.parts import PartFile
from evenkeel.market.seen import seen, together
from evenkeel.market.shelf import Receipt, Shelf, safe_name

DAY = 86_400_000_000_000
MINUTE = 60_000_000_000
YEAR_2024 = 19_723 * DAY


def daily(names, days, price=10.0, at=1, source="first"):
    """A bar of each instrument on each day, all at one price."""
    codes = np.repeat(np.arange(len(names)), len(days))
    ts = np.tile(np.array(days, np.int64) * DAY, len(names)) + YEAR_2024
    columns = dict.fromkeys(("open", "high", "low", "close"), np.full(len(ts), price))
    return seen(
        names, codes, ts, {**columns, "volume": np.full(len(ts), 100.0)}, at=at, source=source
    )


def minutes(name, count, first=0):
    ts = YEAR_2024 + np.arange(first, first + count) * MINUTE
    price = 100 + np.arange(first, first + count) % 50 / 4
    columns = {"open": price, "high": price + 1, "low": price - 1, "close": price + 0.5}
    return seen(
        [name], np.zeros(count, np.int64), ts, {**columns, "volume": ts % 977 + 0.0},
        at=int(ts[-1]), source="feed",
    )  # fmt: skip


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "1d", "1d", DAY)


def closes(shelf, name):
    found = shelf.columns(name)
    return dict(
        zip(((found["ts"] - YEAR_2024) // DAY).tolist(), found["close"].tolist(), strict=True)
    )


def test_what_goes_in_comes_out(shelf):
    given = daily(["A.XNYS", "B.XNYS"], range(700))
    receipt = shelf.add(given)
    assert (receipt.added, receipt.restated, receipt.known) == (1400, 0, 0)
    assert {part.year for part in shelf.manifest().parts} == {2024, 2025}
    found = shelf.columns("B.XNYS")
    assert found["ts"].tolist() == given.of("B.XNYS").ts.tolist()
    assert found["volume"].tolist() == [100.0] * 700
    assert shelf.instruments()["A.XNYS"].rows == 700


def test_a_range_has_its_first_and_not_its_end(shelf):
    shelf.add(daily(["A.XNYS"], range(500)))
    found = shelf.columns("A.XNYS", start=YEAR_2024 + 3 * DAY, stop=YEAR_2024 + 400 * DAY)
    assert found["ts"].tolist() == [YEAR_2024 + day * DAY for day in range(3, 400)]


def test_a_range_of_minutes_reads_across_row_groups_and_years(tmp_path):
    shelf = Shelf(tmp_path, "1m", MINUTE)
    given = minutes("BTC.XXXX", 600_000)
    shelf.add(given)
    for low, high in ((0, 1), (32_767, 32_769), (526_000, 528_000), (599_999, 600_000)):
        found = shelf.columns(
            "BTC.XXXX", start=int(given.ts[low]), stop=int(given.ts[high - 1]) + 1
        )
        assert found["ts"].tolist() == given.ts[low:high].tolist()
        assert found["close"].tolist() == given.values["close"][low:high].tolist()


def test_nothing_is_an_answer(shelf):
    assert len(shelf.columns("A.XNYS")["ts"]) == 0
    assert shelf.instruments() == {}
    assert not shelf.has("A.XNYS")
    shelf.add(daily(["A.XNYS"], [1]))
    assert shelf.has("A.XNYS")
    assert not shelf.has("B.XNYS")
    assert len(shelf.columns("B.XNYS")["ts"]) == 0


def test_a_later_look_restates_and_the_earlier_value_is_kept(shelf):
    shelf.add(daily(["A.XNYS"], [1, 2, 3], price=10.0, at=1))
    receipt = shelf.add(daily(["A.XNYS"], [3, 4], price=11.0, at=2, source="second"))
    assert (receipt.added, receipt.restated) == (1, 1)
    assert closes(shelf, "A.XNYS") == {1: 10.0, 2: 10.0, 3: 11.0, 4: 11.0}
    lost = shelf.superseded()
    assert (lost.values["close"].tolist(), lost.last_seen.tolist()) == ([10.0], [1])
    held = shelf.everything()
    assert [held.sources[at] for at in held.source_of] == ["first", "first", "second", "second"]


def test_an_earlier_look_that_comes_late_changes_nothing_that_holds(shelf):
    shelf.add(daily(["A.XNYS"], [1], price=11.0, at=2))
    shelf.add(daily(["A.XNYS"], [1], price=10.0, at=1))
    assert closes(shelf, "A.XNYS") == {1: 11.0}
    assert shelf.superseded().values["close"].tolist() == [10.0]


def test_a_value_that_comes_back_holds_again(shelf):
    for at, price in ((1, 10.0), (2, 11.0), (3, 10.0)):
        shelf.add(daily(["A.XNYS"], [1], price=price, at=at))
    assert closes(shelf, "A.XNYS") == {1: 10.0}
    lost = shelf.superseded()
    assert (lost.values["close"].tolist(), lost.last_seen.tolist()) == ([11.0], [2])


def test_what_is_known_makes_no_new_state(shelf):
    shelf.add(daily(["A.XNYS"], [1, 2]))
    before = shelf.manifest()
    receipt = shelf.add(daily(["A.XNYS"], [1, 2]))
    assert (receipt.added, receipt.restated, receipt.known) == (0, 0, 2)
    assert shelf.manifest() == before


@pytest.mark.uncounted
def test_days_in_any_order_are_one_shelf_however_it_is_stored(tmp_path):
    looks = [
        daily(["A.XNYS", "B.XNYS"], [day, day + 1], 10.0 + day % 3, at=day) for day in range(14)
    ]
    digests = set()
    for order in (1, 2):
        shuffled = looks + looks[:5]
        random.Random(order).shuffle(shuffled)
        shelf = Shelf(tmp_path / str(order), "1d", DAY)
        for look in shuffled:
            shelf.add(look)
        digests.add(shelf.digest())
        assert len(shelf.manifest().parts) <= 20
        shelf.compact()
        digests.add(shelf.digest())
        assert len([part for part in shelf.manifest().parts if part.kind == "bars"]) == 1
        assert closes(shelf, "B.XNYS") == {d: 10.0 + min(d, 13) % 3 for d in range(15)}
    assert len(digests) == 1


def test_bars_of_a_minute_have_a_part_for_each_instrument(tmp_path):
    shelf = Shelf(tmp_path, "1m", MINUTE)
    for name in ("NAN.XNYS", "con.XNYS", "A/B.XNYS", "..", "A.XNYS", "a.XNYS"):
        shelf.add(minutes(name, 5))
    folders = sorted(path.parent.name for path in tmp_path.rglob("*.parquet"))
    assert len({name.casefold() for name in folders}) == 6
    assert all(path.resolve().is_relative_to(tmp_path) for path in tmp_path.rglob("*"))
    assert list(shelf.instruments()) == [
        "..",
        "A.XNYS",
        "A/B.XNYS",
        "NAN.XNYS",
        "a.XNYS",
        "con.XNYS",
    ]
    assert len(shelf.columns("A/B.XNYS")["ts"]) == 5


@pytest.mark.parametrize("name", ["CON", "LPT1.XNYS", "../../x", "é", "x" * 300, "A\0B", ".A", ""])
def test_a_file_name_is_safe_whatever_the_symbol(name):
    safe = safe_name(name)
    assert len(safe) < 160
    assert set(safe) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-%abcdef")
    assert not safe.startswith(".")
    assert safe.partition(".")[0] not in {"CON", "LPT1"}


def test_bars_in_quarantine_are_left_out_and_kept(shelf):
    shelf.add(daily(["A.XNYS"], [1, 2, 3]))
    shelf.quarantine({"A.XNYS": [YEAR_2024 + 2 * DAY]})
    assert list(closes(shelf, "A.XNYS")) == [1, 3]
    assert len(shelf.columns("A.XNYS", quarantined=True)["ts"]) == 3
    shelf.add(daily(["A.XNYS"], [4]))
    assert list(closes(shelf, "A.XNYS")) == [1, 3, 4]
    shelf.quarantine({})
    assert list(closes(shelf, "A.XNYS")) == [1, 2, 3, 4]


def test_parts_can_be_read_by_others(shelf):
    """DuckDB, polars and pandas see plain Parquet with one column for everything."""
    shelf.add(daily(["A.XNYS"], [1]))
    (part,) = shelf.manifest().parts
    table = pq.read_table(shelf.folder / part.file)
    assert table["instrument"].to_pylist() == ["A.XNYS"]
    assert str(table.schema.field("ts").type) == "timestamp[ns, tz=UTC]"


# ---- damage ----


@pytest.mark.parametrize("at", [10, -300, -5, 0.5])
def test_a_flipped_byte_is_named(shelf, at):
    shelf.add(daily(["A.XNYS", "B.XNYS"], range(300)))
    (part,) = shelf.manifest().parts
    path = shelf.folder / part.file
    content = bytearray(path.read_bytes())
    content[at if isinstance(at, int) else int(len(content) * at)] ^= 1
    path.write_bytes(content)
    assert shelf.damage() == [path]


def test_reading_a_damaged_page_names_the_file(shelf):
    shelf.add(daily(["A.XNYS"], range(300)))
    (part,) = shelf.manifest().parts
    path = shelf.folder / part.file
    meta = pq.ParquetFile(path).metadata.row_group(0)
    place = next(meta.column(at) for at in range(12) if meta.column(at).path_in_schema == "close")
    content = bytearray(path.read_bytes())
    content[place.dictionary_page_offset + place.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(OutsideError, match=part.file):
        shelf.columns("A.XNYS")


def test_a_missing_part_is_named(shelf):
    shelf.add(daily(["A.XNYS"], [1]))
    (part,) = shelf.manifest().parts
    (shelf.folder / part.file).unlink()
    assert shelf.damage() == [shelf.folder / part.file]
    with pytest.raises(OutsideError, match=r"parquet is damaged"):
        shelf.columns("A.XNYS")


def test_a_damaged_manifest_is_named(shelf):
    shelf.add(daily(["A.XNYS"], [1]))
    path = shelf.folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"rows":1', b'"rows":2'))
    with pytest.raises(OutsideError, match=r"manifest\.json is damaged"):
        shelf.columns("A.XNYS")


# ---- the plug ----


def two_states(folder):
    """A shelf with a first state, and the rows that lead to the second; both digests."""
    shelf = Shelf(folder / "old", "1d", DAY)
    first, second = (
        daily(["A.XNYS", "B.XNYS"], range(5)),
        daily(["B.XNYS", "C.XNYS"], range(3, 9), price=11.0, at=2),
    )
    shelf.add(first)
    other = Shelf(folder / "new", "1d", DAY)
    other.add(first)
    other.add(second)
    return shelf, second, (shelf.digest(), other.digest())


def calls_of(tmp_path, monkeypatch):
    shelf, second, _ = two_states(tmp_path)
    with monkeypatch.context() as patch:
        disk = CrashingDisk(patch)
        shelf.add(second)
    return len(disk.calls)


@pytest.mark.uncounted
@pytest.mark.parametrize("undo_renames", [False, True])
def test_a_power_cut_at_any_call_leaves_the_old_state_or_the_new(
    tmp_path, monkeypatch, undo_renames
):
    old, second, states = two_states(tmp_path)
    total = calls_of(tmp_path / "count", monkeypatch)
    assert total > 10
    seen_states = set()
    for at in range(1, total + 1):
        shutil.copytree(old.folder, tmp_path / str(at))
        shelf = Shelf(tmp_path / str(at), "1d", DAY)
        with monkeypatch.context() as patch:
            disk = CrashingDisk(patch, at, torn=at % 2 == 0)
            with pytest.raises(PowerCutError):
                shelf.add(second)
        for folder in [path for path in shelf.folder.iterdir() if path.is_dir()]:
            disk.settle(folder, undo_renames=False)
        disk.settle(shelf.folder, undo_renames=undo_renames)
        again = Shelf(shelf.folder, "1d", DAY)
        digest = again.digest()
        assert digest in states
        assert again.damage() == []
        seen_states.add(digest)
        again.add(second)  # and whoever starts again finishes
        assert again.digest() == states[1]
    assert len(seen_states) == 2


WRITERS = """
import os, sys
from pathlib import Path
import pandas, pyarrow.parquet
sys.path[:0] = [{tests!r}]
from tests.market.test_shelf import batch
from evenkeel.market.shelf import Shelf
for folder in sys.stdin:
    writer = os.fork()
    if not writer:
        os.write(1, b"%d\\n" % os.getpid())
        shelf = Shelf(Path(folder.strip()), "1d", 86_400_000_000_000)
        for look in range(10_000):
            os.write(1, b"begins\\n")
            shelf.add(batch(look))
            os.write(1, b"is there\\n")
    os.waitpid(writer, 0)
    os.write(1, b"killed\\n")
"""
"""Forks a writer for each folder that it is told: importing takes longer than writing."""


FEW = 5
"""How often a writer is killed unless EVENKEEL_KILLS says otherwise."""


def batch(look):
    return daily(["A.XNYS", "B.XNYS"], [look, look + 1], 10.0 + look % 7, at=look)


def said(writers):
    """Return the next line, and when it came."""
    return writers.stdout.readline().strip(), time.monotonic()


def test_kill_9_leaves_every_batch_whole(tmp_path, record_property):
    """At any moment: what the writer had reported is there, and at most one batch more, whole."""
    tries = int(os.environ.get("EVENKEEL_KILLS", FEW))
    plain = Shelf(tmp_path / "plain", "1d", DAY)
    states = [plain.digest()]  # after so many batches
    in_flight = halfway = 0
    tests = str(Path(__file__).parent.parent.parent)
    command = [sys.executable, "-c", WRITERS.format(tests=tests)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, bufsize=0, **pipes) as writers:
        for try_ in range(tries):
            chance = random.Random(try_)
            folder = tmp_path / str(try_)
            writers.stdin.write(f"{folder}\n".encode())
            writer, began = int(said(writers)[0]), time.monotonic()
            lines = [said(writers) for _ in range(2 * chance.randrange(2, 12))]
            usual = (lines[-1][1] - began) / len(lines) * 2  # seconds a batch takes
            time.sleep(chance.uniform(0, 2 * usual))
            os.kill(writer, signal.SIGKILL)
            told = [line for line, _ in lines]
            while (line := said(writers)[0]) != b"killed":
                told.append(line)
            there = told.count(b"is there")
            in_flight += told[-1] == b"begins"
            while len(states) < there + 2:
                plain.add(batch(len(states) - 1))
                states.append(plain.digest())
            shelf = Shelf(folder, "1d", DAY)
            assert shelf.damage() == [], try_
            assert shelf.digest() in states[there : there + 2], try_
            named = {folder / part.file for part in shelf.manifest().parts}
            halfway += bool({path for path in folder.glob("*/*") if path.is_file()} - named)
        writers.stdin.close()
    told = f"{tries}: {in_flight} in a batch, {halfway} left half-written files; every batch whole"
    record_property("writers of the catalog that were killed", told)
    assert in_flight > tries / 2, told
    assert halfway or tries == FEW  # a tenth of the kills or more: of five it may be none


def test_a_reader_survives_that_parts_are_replaced(tmp_path, monkeypatch):
    """Between reading the manifest and opening its parts somebody may have compacted them."""
    shelf = Shelf(tmp_path, "1d", DAY)
    for day in range(5):
        shelf.add(daily(["A.XNYS"], range(day * 10, day * 10 + 2 + day)))
    writer = Shelf(tmp_path, "1d", DAY)
    opened = []

    def opening(self, path, real=PartFile.__init__):
        if not opened:
            opened.append(path)
            writer.compact()
        real(self, path)

    monkeypatch.setattr(PartFile, "__init__", opening)
    assert len(shelf.columns("A.XNYS")["ts"]) == 20


# ---- real batches ----


@pytest.fixture(scope="module")
def batches(shared_data):
    terms = Terms(market="XNYS")
    return [
        intake
        for path in files_in([shared_data / "eod_batches"])
        for intake in taken_in(path, terms)
    ]


@pytest.mark.uncounted
def test_real_batches_in_any_order_hold_each_session_once(batches, shared_data, tmp_path):
    """All 27, as they came and shuffled with some of them twice: nothing is lost or there twice."""
    told = set()  # what a plain reader finds in the files
    for path in (shared_data / "eod_batches").iterdir():
        with gzip.open(path, "rt") as lines:
            told |= {tuple(line.split(",", 2)[:2]) for line in lines}
    told -= {("symbol", "date")}
    assert len(batches) == 27
    shuffled = [*batches, *batches[::4]]
    random.Random(1).shuffle(shuffled)
    digests = set()
    for order, bite in ((batches, 1), (shuffled, 9)):
        shelf = Shelf(tmp_path / f"by {bite}", "1d", DAY)
        looks = [intake.rows for intake in order if intake.rows is not None]
        for start in range(0, len(looks), bite):  # an import adds many files at once
            shelf.add(together(looks[start : start + bite]))
        digests.add(shelf.digest())
        held = shelf.everything()
        days = held.ts.astype("M8[ns]").astype("M8[D]").astype(str)
        symbols = np.array([name.removesuffix(".XNYS") for name in held.names])[held.codes]
        bars = list(zip(symbols.tolist(), days.tolist(), strict=True))
        assert len(bars) == len(set(bars))
        assert set(bars) == told
    assert len(digests) == 1
    sessions = [days.tolist().count(day) for day in ("2015-06-09", "2015-06-10")]
    assert sessions == [6057, 6056]  # around the empty file


def test_an_empty_batch_and_one_of_three_crawls_are_told_of(batches):
    told = {intake.label[:8]: intake for intake in batches}
    assert "is empty" in told["20150610"].notes["empty-batch"]
    (line,) = told["20150406"].rejected
    assert (line.line, line.text[:12]) == (12089, "symbol,date,")
    assert len(told["20150406"].rows) == 36_260  # three crawls: 36,261 lines, one of them a header


def test_nothing_is_added_and_nothing_written(shelf):
    assert shelf.add(daily(["A.XNYS"], [])) == Receipt(0, 0, 0)
    assert not (shelf.folder / "manifest.json").exists()


def test_a_shelf_that_is_rewritten_all_the_time_is_not_read_for_ever(shelf, monkeypatch):
    shelf.add(daily(["A.XNYS"], [1]))
    writer, days = Shelf(shelf.folder, "1d", DAY), iter(range(2, 100))

    def opening(*_):
        writer.add(daily(["A.XNYS"], [next(days)]))
        raise FileNotFoundError

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "_of", opening)
        with pytest.raises(DataError, match="is being rewritten all the time"):
            shelf.columns("A.XNYS")


def test_a_column_that_nobody_told_is_unknown_and_a_time_without_bars_is_empty(shelf):
    shelf.add(daily([f"S{at}.XNYS" for at in range(12)], [1, 2]))
    assert np.isnan(shelf.columns("S5.XNYS", columns=("adj_close",))["adj_close"]).all()
    many = minutes("A.XNYS", 5)
    other = Shelf(shelf.folder / "other", "1m", MINUTE)
    other.add(many)
    middle = int(many.ts[1]) + 1
    assert len(other.columns("A.XNYS", start=middle, stop=middle + 1)["ts"]) == 0
