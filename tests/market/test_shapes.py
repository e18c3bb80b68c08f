"""Files as vendors, terminals and spreadsheets write them: read rightly, or refused in a sentence."""

import codecs
import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest

from evenkeel.domain.errors import DataError
from evenkeel.market.csv_files import read_bars
from evenkeel.market.intake import Terms, files_in, taken_in

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01")
BARS = ((100.0, 102.0, 99.5, 101.0, 1000.0), (101.0, 103.0, 100.5, 102.0, 2000.0), (102.0, 104.0, 101.5, 103.0, 3000.0))  # fmt: skip
PLAIN = "Date,Open,High,Low,Close,Volume"


def written(header, line, times=DAYS, *, newest_first=False):
    """A header, and each bar in the words of `line`: fields t, o, h, l, c, v."""
    lines = [
        line.format(t=t, o=o, h=h, l=low, c=c, v=int(v))
        for t, (o, h, low, c, v) in zip(times, BARS, strict=True)
    ]
    return "\n".join([*header.splitlines(), *(lines[::-1] if newest_first else lines), ""])


ROW = "{t},{o},{h},{l},{c},{v}"
DOTTED = ("30.01.2024", "31.01.2024", "01.02.2024")
AMERICAN = ("01/30/2024", "01/31/2024", "02/01/2024")
MINUTES = ("2024.01.30\t09:00:00", "2024.01.30\t09:01:00", "2024.01.30\t09:02:00")

DAILY = {
    "plain": written(PLAIN, ROW),
    "remarks before the header": written(f"# made by a desk\n\nprices in USD\n{PLAIN}", ROW),
    "an address before the header": written(f"https://www.example.com/data\n{PLAIN}", ROW),
    "semicolons and days first": written(PLAIN.replace(",", ";"), ROW.replace(",", ";"), DOTTED),
    "tabs": written(PLAIN.replace(",", "\t"), ROW.replace(",", "\t")),
    "spaces around everything": written(" Date ; Open ; High ; Low ; Close ; Volume ",
                                        " {t} ; {o} ; {h} ; {l} ; {c} ; {v} "),
    "all in quotes": written('"Date","Open","High","Low","Close","Volume"',
                             '"{t}","{o}","{h}","{l}","{c}","{v}"'),
    "a separator at the end": written(f"{PLAIN},", f"{ROW},"),
    "as Nasdaq's page": written("Date,Close/Last,Volume,Open,High,Low",
                                "{t},${c},{v},${o},${h},${l}", AMERICAN),
    "as yfinance's to_csv": written("Price,Close,High,Low,Open,Volume\nTicker,A,A,A,A,A\nDate,,,,,",
                                    "{t},{c},{h},{l},{o},{v}"),
    "as pandas with a nameless index": written(",open,high,low,close,volume", ROW),
    "as a terminal": written("<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
                             "A,D,{t},000000,{o},{h},{l},{c},{v}",
                             ("20240130", "20240131", "20240201")),
    "with adjusted prices beside": written("date,close,high,low,open,volume,adjClose,adjOpen,divCash",
                                           "{t}T00:00:00+00:00,{c},{h},{l},{o},{v},1,1,0"),
    "with a company's name": written("Date,Name,Open,High,Low,Close,Volume",
                                     "{t},Acme Inc.,{o},{h},{l},{c},{v}"),
    "with two volumes": written("Date,Open,High,Low,Close,Volume_(BTC),Volume_(USD)", f"{ROW},7"),
    "exponents": written(PLAIN, "{t},{o:.4e},{h:.4e},{l:.4e},{c:.4e},{v}"),
}  # fmt: skip


def same(found):
    return list(zip(*(getattr(found, name).tolist() for name in
                      ("open", "high", "low", "close", "volume")), strict=True))  # fmt: skip


@pytest.mark.parametrize("shape", DAILY)
def test_a_shape_is_read_rightly(tmp_path, shape):
    path = tmp_path / "prices.csv"
    path.write_text(DAILY[shape])
    (bars,) = read_bars(path)
    assert same(bars) == list(BARS)
    assert bars.closed_at.astype("M8[ns]").astype("M8[D]").astype(str).tolist() == list(DAYS)
    (intake,) = taken_in(path, Terms())
    assert [*intake.rows.values["close"]] == [bar[3] for bar in BARS]
    assert intake.rejected == ()


@pytest.mark.parametrize(
    ("encoding", "newline"),
    [("utf-8-sig", "\r\n"), ("utf-16", "\r\n"), ("utf-16-be", "\n"), ("utf-8", "\r")],
)
def test_a_file_is_read_however_its_letters_are_written(tmp_path, encoding, newline):
    path = tmp_path / "prices.csv"
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    path.write_bytes(mark + DAILY["plain"].replace("\n", newline).encode(encoding))
    assert same(read_bars(path)[0]) == list(BARS)


@pytest.mark.parametrize(
    ("header", "times"),
    [
        ("<DATE>\t<TIME>", MINUTES),
        ("Gmt time", ("30.01.2024 09:00:00.000", "30.01.2024 09:01:00.000", "30.01.2024 09:02")),
        ("timestamp", [str(1_706_605_200 + at) for at in (0, 60, 120)]),
        ("timestamp", [f"{1_706_605_200 + at}.0" for at in (0, 60, 120)]),
        ("Open time", [str((1_706_605_200 + at) * 1_000) for at in (0, 60, 120)]),
        ("ts", [str((1_706_605_200 + at) * 10**6) for at in (0, 60, 120)]),
        ("Datetime", [f"2024-01-30T0{hour}:0{at}:00{zone}" for at, (hour, zone) in
                      enumerate((("4", "-05:00"), ("9", "Z"), ("5", "-04:00")))]),
    ],
)  # fmt: skip
def test_a_minute_is_read_rightly(tmp_path, header, times):
    path = tmp_path / "prices.csv"
    tab = "\t".join
    path.write_text(written(tab((header, *PLAIN.split(",")[1:])), ROW.replace(",", "\t"), times))
    (bars,) = read_bars(path)
    expected = np.array([f"2024-01-30T09:0{at}" for at in (1, 2, 3)], "M8[ns]")
    assert bars.closed_at.astype("M8[ns]").tolist() == expected.tolist()
    assert same(bars) == list(BARS)


REFUSED = {
    "a page instead of data": ("<!DOCTYPE html>\n<p>Too many requests</p>\n", "has no column date"),
    "an error instead of data": ('{"error": "limit"}\n', "has no column date or timestamp"),
    "no header": (written("", ROW).lstrip(), "has no column date or timestamp, open, high"),
    "closes alone": (written("Date,Close", "{t},{c}"), "has no column open, high, low"),
    "one column for each share": (written("Date,A,B", "{t},{c},{c}"), "has no column open"),
    "several tickers side by side": (
        written("Price,Close,Close\nTicker,A,B\nDate,,", "{t},{c},{c}"),
        "has several tickers side by side; write one below the other",
    ),
    "close twice": (written("Date,Open,High,Low,Close,Close", "{t},{o},{h},{l},{c},{c}"),
                    "has 2 columns named close; keep one"),
    "days or months": (written(PLAIN, ROW, ("01/02/2024", "02/02/2024", "05/02/2024")),
                       "may be day/month or month/day"),
    "days of a spreadsheet": (written(PLAIN, ROW, ("45321", "45322", "45323")), "a row number is"),
    "months in letters": (written(PLAIN, ROW, ("30-Jan-24", "31-Jan-24", "01-Feb-24")),
                          "line 2: Date is not a time: '30-Jan-24'; write it as 2024-01-31"),
    "a zone by its name": (written(PLAIN, "{t} 10:00 EST,{o},{h},{l},{c},{v}"), "is not a time"),
    "hours of twelve": (written(PLAIN, "{t} 9:00 PM,{o},{h},{l},{c},{v}", AMERICAN),
                        "is not a time"),
    "a zone in some lines": (
        written(PLAIN, ROW, ("2024-01-30T10:00-05:00", "2024-01-30T10:01", "2024-01-30T10:02Z")),
        "line 3: Date has no zone, but others an offset: '2024-01-30T10:01'",
    ),
    "an offset in some lines": (
        written(PLAIN, ROW, ("2024-01-30T10:00", "2024-01-30T10:01-05:00", "2024-01-30T10:02")),
        "line 3: Date has an offset, but others have no zone",
    ),
    "decimal commas": (written(PLAIN.replace(",", ";"), "{t};1,5;1,6;1,4;1,5;100"),
                       "is not a number: '1,5'; write numbers with a point"),
    "thousands": (written(PLAIN, '{t},"1,100.5","1,200.5","1,000.5","1,100.5",100'),
                  "without thousands separators"),
    "volumes in millions": (written(PLAIN, "{t},{o},{h},{l},{c},1.2M"), "volume is not a number"),
    "a total at the end": (f"{DAILY['plain']}Total,,,,,6000\n", "line 5: open is empty"),
    "a header again": (DAILY["plain"] + DAILY["plain"], "line 5: open is not a number: 'Open'"),
    "a dividend among bars": (f"{DAILY['plain']}2024-02-02,0.24 Dividend,,,,\n", "line 5: open is"),
    "two ways to write a day": (f"{DAILY['plain']}02/02/2024,1,1,1,1,1\n", "line 5: Date is not"),
    "the newest first": (written(PLAIN, ROW, newest_first=True), "sort the rows by time"),
    "the newest minute first": (
        written(PLAIN, ROW, [each.replace("\t", " ") for each in MINUTES], newest_first=True),
        "the newest row is first; sort the rows by time, oldest first",
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", REFUSED)
def test_what_cannot_be_read_rightly_is_refused_in_a_sentence(tmp_path, shape):
    text, said = REFUSED[shape]
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_bars(path)
    assert str(caught.value).startswith("prices.csv")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shape", ["a total at the end", "a header again", "a dividend among bars", "the newest first"]
)
def test_an_import_sets_the_odd_line_aside_and_takes_the_rest(tmp_path, shape):
    path = tmp_path / "prices.csv"
    path.write_text(REFUSED[shape][0])
    (intake,) = taken_in(path, Terms())
    assert sorted(set(intake.rows.values["close"])) == [101.0, 102.0, 103.0]
    assert len(intake.rejected) + len(intake.notes) >= 1


@pytest.mark.parametrize("shape", ["decimal commas", "volumes in millions", "months in letters"])
def test_an_import_refuses_a_file_of_which_no_row_can_be_read(tmp_path, shape):
    text, said = REFUSED[shape]
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        list(taken_in(path, Terms()))
    assert str(caught.value).startswith("prices.csv: none of its 3 rows can be read; the first: ")
    assert said.removeprefix("line 2: ") in str(caught.value)


def test_shares_below_each_other_are_told_apart_by_their_names(tmp_path):
    """The Kaggle file of five years of the S&P 500 calls the column Name; NAN and TRUE are tickers."""
    path = tmp_path / "all.csv"
    header = "date,open,high,low,close,volume,Name"
    shares = [written("", f"{ROW},{name}").strip() for name in ("AAL", "NAN", "TRUE")]
    path.write_text("\n".join([header, *shares, ""]))
    assert [bars.instrument.symbol for bars in read_bars(path)] == ["AAL", "NAN", "TRUE"]
    (intake,) = taken_in(path, Terms(market="XNYS"))
    assert intake.rows.names == ("AAL.XNYS", "NAN.XNYS", "TRUE.XNYS")


def test_what_a_mac_puts_beside_a_file_is_not_read(tmp_path):
    path = tmp_path / "prices.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("A.csv", DAILY["plain"])
        archive.writestr("__MACOSX/._A.csv", b"\x00\x05\x16\x07")
        archive.writestr("read me.md", "prices")
    assert [intake.label for intake in taken_in(path, Terms())] == ["A.csv"]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "._A.csv").write_bytes(b"\x00")
    (tmp_path / "folder" / "A.csv").write_text(DAILY["plain"])
    assert [path.name for path in files_in([tmp_path / "folder"])] == ["A.csv"]


@pytest.mark.parametrize("name", ["aapl.us.txt", "AAPL.TXT", "aapl.tsv", "aapl.txt.gz"])
def test_text_files_are_read_whatever_they_are_called(tmp_path, name):
    path = tmp_path / name
    text = DAILY["tabs"].encode()
    path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    assert same(read_bars(path)[0]) == list(BARS)
    (intake,) = taken_in(path, Terms(market="XNAS"))
    assert intake.rows.names in {("AAPL.XNAS",), ("AAPL.US.XNAS",)}


def test_a_text_that_is_no_table_is_not_taken_for_one_among_others(tmp_path):
    """Stooq packs thousands of .txt files of prices; other archives hold a README.txt."""
    (tmp_path / "README.txt").write_text("Prices of a desk.\nOpen to all.\n")
    (tmp_path / "notes.txt").write_bytes(b"caf\xe9\n")
    (tmp_path / "a.us.txt").write_text(DAILY["as a terminal"])
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("README.txt", "notes.txt", "a.us.txt"):
            archive.write(tmp_path / name, f"data/daily/{name}")
    assert [path.name for path in files_in([tmp_path])] == ["a.us.txt", "all.zip"]
    assert [intake.label for intake in taken_in(tmp_path / "all.zip", Terms())] == ["a.us.txt"]
    with pytest.raises(DataError, match=r"README\.txt has no column"):
        list(taken_in(tmp_path / "README.txt", Terms()))  # who names it means it


def frame():
    columns = ("open", "high", "low", "close", "volume")
    return pd.DataFrame(
        dict(zip(columns, zip(*BARS, strict=True), strict=True)), pd.DatetimeIndex(DAYS)
    )


FRAMES = {
    "an index without a name": frame(),
    "an index with one": frame().rename_axis("Date"),
    "an index in New York": frame().tz_localize("America/New_York").rename_axis("Date"),
    "days as text": frame().set_index(pd.Index(DAYS, name="date")).reset_index(),
    "days as dates": frame().set_index(pd.DatetimeIndex(DAYS).date).rename_axis("date"),
    "small numbers": frame().astype("float32").rename_axis("date"),
    "milliseconds": frame()
    .set_index(pd.Index(pd.DatetimeIndex(DAYS).astype("M8[ms]").astype("int64"), name="ts"))
    .reset_index(),
}


@pytest.mark.parametrize("shape", FRAMES)
def test_a_parquet_file_is_read_however_pandas_wrote_it(tmp_path, shape):
    path = tmp_path / "prices.parquet"
    FRAMES[shape].to_parquet(path)
    (bars,) = read_bars(path)
    assert same(bars) == list(BARS)
    assert bars.closed_at.astype("M8[ns]").astype("M8[D]").astype(str).tolist() == list(DAYS)


def test_an_empty_parquet_file_is_an_empty_batch(tmp_path):
    path = tmp_path / "prices.parquet"
    frame().iloc[:0].rename_axis("date").to_parquet(path)
    (intake,) = taken_in(path, Terms())
    assert (intake.rows, list(intake.notes)) == (None, ["empty-batch"])
