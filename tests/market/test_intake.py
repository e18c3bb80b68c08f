"""Files in any state: what is a row comes in, what is none is told, and nothing is guessed."""

import zipfile

import numpy as np
import pytest

from evenkeel.domain.errors import DataError, UsageError
from evenkeel.market.intake import Terms, files_in, interval_length, interval_name, taken_in


def taken(path, **terms):
    return list(taken_in(path, Terms(**terms)))


def text(stamps):
    return [str(np.datetime64(int(at), "ns"))[:16] for at in stamps]


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("1s", 1), ("1m", 60), ("5m", 300), ("1h", 3600), ("4h", 14_400), ("1d", 86_400), ("1w", 604_800)],
)  # fmt: skip
def test_an_interval_has_one_name(name, seconds):
    assert interval_length(name) == seconds * 10**9
    assert interval_name(seconds * 10**9) == name


def test_a_length_without_a_unit_is_counted_in_nanoseconds():
    assert interval_name(1_500) == "1500ns"
    assert interval_length("1500ns") == 1_500


@pytest.mark.parametrize("name", ["", "0m", "m", "1x", "-1d", "1.5h"])
def test_what_is_no_interval_is_refused(name):
    with pytest.raises(UsageError, match="is not of the form 1m"):
        interval_length(name)


ROWS = {
    "1d": ["2024-01-02,1,1,1,1,1", "2024-01-03,1,1,1,1,1"],
    "1w": [f"2024-01-{day:02},1,1,1,1,1" for day in (1, 8, 15, 22)],
    "5m": [f"2024-01-02 10:{minute:02},1,1,1,1,1" for minute in (0, 5, 10, 20)],
}


@pytest.mark.parametrize(("interval", "rows"), ROWS.items())
def test_the_times_show_how_long_a_bar_lasts(write, interval, rows):
    (intake,) = taken(write(*rows))
    assert (intake.interval, len(intake.rows)) == (interval, len(rows))


def test_one_bar_shows_no_interval_unless_it_is_a_day(write):
    (intake,) = taken(write("2024-01-02,1,1,1,1,1"))
    assert intake.interval == "1d"
    with pytest.raises(DataError, match="name it with --interval"):
        taken(write("2024-01-02 10:00,1,1,1,1,1"))
    (intake,) = taken(write("2024-01-02 10:00,1,1,1,1,1"), interval="1m")
    assert intake.interval == "1m"


def test_times_of_the_end_become_times_of_the_start(write):
    (intake,) = taken(write(*ROWS["5m"]), stamp="end")
    assert text(intake.rows.ts)[0] == "2024-01-02T09:55"


def test_a_day_is_that_of_its_exchange_whatever_the_offset(write):
    rows = [f"2024-0{m}-10 00:00:00{z},1,1,1,1,1" for m, z in ((3, "-05:00"), (4, "-04:00"))]
    (intake,) = taken(write(*rows), interval="1d")
    assert text(intake.rows.ts) == ["2024-03-10T00:00", "2024-04-10T00:00"]


def test_a_file_is_seen_when_its_last_bar_is_over(write):
    (intake,) = taken(write(*ROWS["1d"]))
    assert set(text(intake.rows.last_seen)) == {"2024-01-03T23:59"}
    assert intake.rows.sources == ("file:prices.csv",)


SYMBOLS = "symbol,date,open,high,low,close,volume"


def test_symbols_stay_what_they_are_and_those_that_are_none_are_told(write):
    rows = [f"{name},2024-01-02,1,1,1,1,1" for name in ("NAN", "TRUE", "ON", "INF", "", "A B")]
    (intake,) = taken(write(*rows, header=SYMBOLS), market="XNYS")
    assert intake.rows.names == ("INF.XNYS", "NAN.XNYS", "ON.XNYS", "TRUE.XNYS")
    assert [each.law for each in intake.rejected] == [
        "the symbol '' is none",
        "the symbol 'A B' is none",
    ]


def test_one_symbol_of_many_can_be_taken(write):
    rows = [f"{name},2024-01-0{day},1,1,1,1,1" for name in ("A", "B") for day in (2, 3)]
    path = write(*rows, header=SYMBOLS)
    (intake,) = taken(path, instrument="B.XNAS")
    assert (intake.rows.names, len(intake.rows)) == (("B.XNAS",), 2)
    with pytest.raises(DataError, match="has no symbol 'C'"):
        taken(path, instrument="C.XNAS")


def test_extras_stand_beside_their_rows(write):
    rows = ["2024-01-03,1,1,1,1,1,0,2", "2024-01-02,1,1,1,1,1,0.5,0"]  # newest first
    header = "date,open,high,low,close,volume,dividends,stock splits"
    (intake,) = taken(write(*rows, header=header))
    assert intake.extras["dividend"].tolist() == [0.5, 0]
    assert intake.extras["split"].tolist() == [0, 2]
    assert intake.adjustment == "split"
    (other,) = taken(write(*rows, header=header.replace("stock splits", "split_ratio")))
    assert other.adjustment == "as-traded"


def test_a_zip_file_gives_each_member_and_no_path_of_its_own(write, tmp_path):
    write(*ROWS["1d"], name="a.csv")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a.csv", "../../up.csv")
        archive.writestr("deep/b.csv", "date,open,high,low,close,volume\n")
        archive.writestr("readme.txt", "no data")
        archive.writestr("inner.zip", "not opened")
    up, empty = taken(tmp_path / "all.zip")
    assert (up.label, len(up.rows)) == ("up.csv", 2)
    assert (empty.label, empty.rows, set(empty.notes)) == ("b.csv", None, {"empty-batch"})
    assert not (tmp_path.parent.parent / "up.csv").exists()
    (tmp_path / "bad.zip").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"bad\.zip is not a whole zip file"):
        taken(tmp_path / "bad.zip")


def test_files_come_in_the_order_of_their_names(write, tmp_path):
    for name in ("b.csv", "a.csv", "c.xlsx"):
        write(*ROWS["1d"], name=name)
    assert [path.name for path in files_in([tmp_path])] == ["a.csv", "b.csv"]
    (tmp_path / "empty").mkdir()
    for path, said in (
        (tmp_path / "empty", "has no file of a kind that is read"),
        (tmp_path / "none.csv", "does not exist"),
        (tmp_path / "c.xlsx", "is of no kind that is read"),
    ):
        with pytest.raises(DataError, match=said):
            list(files_in([path]))


def test_what_would_fill_the_disk_is_not_unpacked(write, tmp_path, monkeypatch):
    monkeypatch.setattr("evenkeel.market.intake.SIZE_MAX", 10)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w") as archive:
        archive.writestr("prices.csv", "x" * 11)
    with pytest.raises(DataError, match=r"prices\.csv unpacks to more than"):
        taken(tmp_path / "bomb.zip")


def test_a_file_that_vanishes_is_named(tmp_path):
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match=r"gone\.csv does not exist"):
        list(files_in([tmp_path / "gone.csv"]))


def test_a_header_with_too_few_names_is_told(write):
    """Fields at the end of which nobody says what they are."""
    (intake,) = taken(write("2024-01-02,1,2,0.5,1,5,7,8", "2024-01-03,1,2,0.5,1,5,7,8"))
    assert len(intake.rows) == 2
    assert [each.law for each in intake.rejected] == [
        "the header names 6 fields of 8; the last have no name"
    ]


def test_a_time_that_the_header_forgot_is_found_behind_the_date(write):
    rows = [f"2024-01-02,09:{minute:02},1,2,0.5,1,5" for minute in (30, 31, 32)]
    (intake,) = taken(write(*rows))
    assert intake.interval == "1m"
    assert set(text(intake.rows.ts)) == {f"2024-01-02T09:{minute}" for minute in (30, 31, 32)}
    assert intake.rejected[0].law.startswith(
        "the header names 6 fields of 7; read as ['date', 'time'"
    )
