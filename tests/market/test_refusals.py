"""Bad input, one case each: refused with file, line, column, value and what to do."""

import gzip

import pandas as pd
import pytest

from evenkeel.domain.errors import DataError, UsageError
from evenkeel.market.csv_files import read_bars

HEADER = "date,open,high,low,close,volume"
GOOD = ("2024-01-02,10,11,9,10.5,100", "2024-01-03,10.5,12,10,11,200")

# (header, rows, what is said after the name of the file)
TABLE = {
    "an empty file": ("", (), r" is empty; it needs a header line"),
    "a header alone": (HEADER, (), r" has a header and no rows"),
    "one row": (HEADER, GOOD[:1], r" has 1 row; at least 2 are needed"),
    "no close": (
        "date,open,high,low,clse,volume",
        GOOD,
        r" has no column close; found date, open, high, low, clse, volume; did you mean 'clse'\?",
    ),
    "no time": (
        "open,high,low,close",
        ("1,1,1,1",) * 2,
        r" has no column date or timestamp; found open, high, low, close",
    ),
    "a column twice": ("date,open,high,low,close,Close", GOOD, r" has 2 columns named close"),
    "another language": (
        "datum,eröffnung,hoch,tief,schluss",
        GOOD,
        r" has no column date or timestamp, open, high, low, close; found datum, eröffnung",
    ),
    "text for a price": (
        HEADER,
        (*GOOD, "2024-01-04,11,11.5,oops,11,300"),
        r", line 4: low is not a number: 'oops'$",
    ),
    "several of them": (
        HEADER,
        (*GOOD, "2024-01-04,11,x,1,11,3", "2024-01-05,1,y,1,1,3", "2024-01-08,1,z,1,1,3"),
        r", line 4: high is not a number: 'x' \(and 2 more rows\)$",
    ),
    "an empty price": (
        HEADER,
        (*GOOD, "2024-01-04,11,11.5,10,,300"),
        r", line 4: close is empty$",
    ),
    "a decimal comma": (
        "date;open;high;low;close",
        ("2024-01-02;10,5;11;9;10", "2024-01-03;10;11;9;10"),
        r", line 2: open is not a number: '10,5'; write numbers with a point",
    ),
    "thousands": (
        HEADER,
        (*GOOD, '2024-01-04,11,11.5,10,11,"1,000"'),
        r", line 4: volume is not a number: '1,000'; write numbers with a point",
    ),
    "an underscore": (HEADER, (*GOOD, "2024-01-04,1_1,12,10,11,1"), r", line 4: open .*'1_1'"),
    "NaN": (
        HEADER,
        (*GOOD, "2024-01-04,nan,12,10,11,1"),
        r", line 4: open nan is not a finite number; correct the row or leave it out$",
    ),
    "infinity": (HEADER, (*GOOD, "2024-01-04,1,inf,1,1,1"), r", line 4: high inf is not a finite"),
    "a price of zero": (
        HEADER,
        (*GOOD, "2024-01-04,1,1,0,1,1", "2024-01-05,1,1,0,1,1"),
        r", line 4: low 0 must be above 0 \(and 1 more row\); correct",
    ),
    "a negative price": (HEADER, (*GOOD, "2024-01-04,1,1,-3,1,1"), r", line 4: low -3 must be"),
    "high below low": (
        HEADER,
        (*GOOD, "2024-01-04,10,9,10.5,10,1"),
        r", line 4: high 9 is below low 10.5; correct the row",
    ),
    "negative volume": (
        HEADER,
        (*GOOD, "2024-01-04,10,11,9,10,-5"),
        r", line 4: volume -5 must not be negative",
    ),
    "one volume missing": (
        HEADER,
        (*GOOD, "2024-01-04,10,11,9,10,"),
        r", line 4: volume nan is empty or not finite",
    ),
    "infinite volume": (HEADER, (*GOOD, "2024-01-04,1,1,1,1,inf"), r", line 4: volume inf is"),
    "a time twice": (
        HEADER,
        (*GOOD, "2024-01-03,10,11,9,10,1"),
        r", line 4: time 2024-01-03 is there twice; keep one row per time$",
    ),
    "newest first": (
        HEADER,
        (*reversed(GOOD), "2024-01-01,10,11,9,10,1"),
        r", line 3: time 2024-01-02 is earlier than the row before it; sort .* \(and 1 more row\)$",
    ),
    "an intraday time twice": (
        HEADER,
        ("2024-01-02 10:00:00.250,1,1,1,1,1",) * 2 + ("2024-01-02 10:01:00,1,1,1,1,1",),
        r", line 3: time 2024-01-02T10:00:00.25Z is there twice",
    ),
    "intraday and one row": (HEADER, ("2024-01-02 10:00,1,1,1,1,1",), r": fewer than 2 rows"),
    "no time at all": (
        HEADER,
        ("soon,1,1,1,1,1", *GOOD),
        r", line 2: date is not a time: 'soon'; write it as 2024-01-31 or",
    ),
    "an empty time": (HEADER, (*GOOD, ",1,1,1,1,1"), r", line 4: date is empty$"),
    "a day that does not exist": (
        HEADER,
        (*GOOD, "2024-02-30,1,1,1,1,1", "2024-02-31,1,1,1,1,1"),
        r", line 4: date is not a day or time that exists: '2024-02-30' \(and 1 more row\)$",
    ),
    "numpy's own words": (HEADER, (*GOOD, "today,1,1,1,1,1"), r", line 4: date is not a time"),
    "a year alone": (HEADER, (*GOOD, "2024-01,1,1,1,1,1"), r", line 4: date is not a time"),
    "day or month": (
        HEADER,
        ("1/2/2024,1,1,1,1,1", "2/2/2024,1,1,1,1,1"),
        r", line 2: date may be day/month or month/day: '1/2/2024'; write dates as 2024-01-31",
    ),
    "day and month": (
        HEADER,
        ("13/2/2024,1,1,1,1,1", "2/14/2024,1,1,1,1,1"),
        r", line 2: date may be day/month or month/day",
    ),
    "two ways of writing": (
        HEADER,
        ("1/13/2024,1,1,1,1,1", "2024-01-14,1,1,1,1,1"),
        r", line 3: date is not a time: '2024-01-14'",
    ),
    "an epoch among others": (
        HEADER,
        ("1704182400,1,1,1,1,1", "2024-01-03,1,1,1,1,1"),
        r", line 3: date is not a time",
    ),
    "a year before all markets": (
        HEADER,
        ("1599-01-02,1,1,1,1,1", "1599-01-03,1,1,1,1,1"),
        r", line 2: date must be in the years 1800 to 2199, was '1599-01-02' \(and 1 more row\)",
    ),
    "a count that leads out of all years": (
        HEADER,
        ("1704182400,1,1,1,1,1", "99999999999999999999,1,1,1,1,1"),
        r", line 3: date must be in the years 1800 to 2199, was '99999999999999999999'",
    ),
    "row numbers for times": (
        HEADER,
        ("1,1,1,1,1,1", "2,1,1,1,1,1"),
        r", line 2: date is too small for a time since 1970: 1; a row number is no time",
    ),
    "a second header": (HEADER, (*GOOD, HEADER), r", line 4: open is not a number: 'open'"),
    "too few fields": (
        HEADER,
        (*GOOD, "2024-01-04,1,1"),
        r", line 4: the row has 3 fields, but the header names 6$",
    ),
    "too many fields": (
        HEADER,
        tuple(f"{row},7" for row in GOOD),
        r", line 2: the row has 7 fields, but the header names 6 \(and 1 more row\)$",
    ),
    "blank lines are counted": (
        HEADER,
        (GOOD[0], "", GOOD[1], "", "2024-01-04,x,1,1,1,1"),
        r", line 6: open is not a number: 'x'",
    ),
    "an empty symbol": (
        f"symbol,{HEADER}",
        (f"A,{GOOD[0]}", f"A,{GOOD[1]}", f",{GOOD[0]}"),
        r", line 4: symbol '' must not be empty or have spaces",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_a_file_that_breaks_a_law_is_refused_with_its_place(write, case):
    header, rows, said = TABLE[case]
    with pytest.raises(DataError, match=rf"^prices\.csv{said}"):
        read_bars(write(*rows, header=header))


def test_the_law_is_named_with_the_symbol_where_there_is_one(write):
    rows = [f"{name},{row}" for name in ("A", "B") for row in GOOD]
    path = write(*rows, "B,2024-01-04,1,1,0,1,1", header=f"symbol,{HEADER}")
    with pytest.raises(DataError, match=r"^prices\.csv \(B\), line 6: low 0 must be above 0"):
        read_bars(path)
    assert len(read_bars(path, instrument="A.XXXX")) == 1


# ---- files that are no files ----


def test_a_missing_file_is_refused_with_its_neighbour(daily):
    with pytest.raises(DataError, match=r"price\.csv does not exist; did you mean 'prices\.csv'\?"):
        read_bars(daily.with_name("price.csv"))
    with pytest.raises(DataError, match=r"prices\.csv does not exist$"):
        read_bars(daily.parent / "nowhere" / "prices.csv")


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(DataError, match="is a directory; name a file in it"):
        read_bars(tmp_path)


def test_an_unknown_kind_is_refused(write):
    with pytest.raises(
        DataError, match=r"is of no kind that is read; use .csv, .csv.gz, .txt, .* .parquet"
    ):
        read_bars(write(*GOOD, name="prices.xlsx"))


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_bytes("date,open,high,low,close,größe\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"^prices\.csv is not UTF-8 text; save it as UTF-8"):
        read_bars(path)


def test_a_file_that_is_no_gzip_is_refused(write, daily):
    with pytest.raises(DataError, match=r"^p\.csv\.gz is not a whole gzip file"):
        read_bars(write(*GOOD, name="p.csv.gz"))
    daily.with_name("cut.csv.gz").write_bytes(gzip.compress(daily.read_bytes())[:-12])
    with pytest.raises(DataError, match=r"^cut\.csv\.gz is not a whole gzip file"):
        read_bars(daily.with_name("cut.csv.gz"))


def test_a_file_that_is_no_parquet_is_refused(write):
    with pytest.raises(DataError, match=r"^p\.parquet is not a Parquet file that can be read"):
        read_bars(write(*GOOD, name="p.parquet"))


def test_a_field_without_end_is_refused(write):
    path = write(*GOOD, f'2024-01-04,"{"1" * 200_000}')
    with pytest.raises(DataError, match=r"^prices\.csv is not CSV: field larger than"):
        read_bars(path)


# ---- requests that cannot be met ----


def test_an_unknown_symbol_is_refused_with_those_that_are_near(write):
    rows = [f"{name},{row}" for name in ("AAPL", "MSFT", "T") for row in GOOD]
    path = write(*rows, header=f"ticker,{HEADER}")
    with pytest.raises(DataError, match=r"has no symbol 'APPL'; it has AAPL …$"):
        read_bars(path, instrument="APPL.XNAS")
    with pytest.raises(DataError, match=r"has no symbol 'ZZZZ'; it has AAPL, MSFT, T$"):
        read_bars(path, instrument="ZZZZ.XNAS")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("A.XXXX,B.XXXX", "has no symbol column, so it holds one instrument, not 2"),
        ("A.XXXX,A.XXXX", "A.XXXX is there more than once"),
        ("A.XX", "is not a market code"),
        ("A.XNYX", "no trading calendar is known for market 'XNYX'"),
        ([], "it holds one instrument, not 0"),
    ],
)
def test_instruments_that_do_not_fit_are_refused(daily, wanted, said):
    with pytest.raises(UsageError, match=said):
        read_bars(daily, instrument=wanted)


def test_the_same_file_twice_is_refused(daily):
    with pytest.raises(UsageError, match=r"PRICES\.XXXX is there more than once"):
        read_bars([daily, daily])


def test_files_and_instruments_must_be_as_many(daily):
    with pytest.raises(UsageError, match="2 files need 2 instruments, one each in order, not 3"):
        read_bars([daily, daily], instrument="A,B,C")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "no data was given"),
        ([], "no data"),
        ({}, "no data"),
        (5, "not from int"),
        (pd.Series([1.0]), "not from Series"),
        ([pd.DataFrame()], "holds a DataFrame; give several DataFrames as a dict by instrument id"),
    ],
)
def test_no_source_is_refused(source, said):
    with pytest.raises(UsageError, match=said):
        read_bars(source)


def test_a_dict_names_its_instruments_itself(daily):
    with pytest.raises(UsageError, match="the dict's keys name the instruments"):
        read_bars({"A.XXXX": daily}, instrument="B.XXXX")


def test_an_unknown_stamp_is_refused(daily):
    with pytest.raises(UsageError, match="stamp must be 'start' or 'end', was 'strat'; did you"):
        read_bars(daily, stamp="strat")


@pytest.mark.parametrize("bad", ["soon", "2024-13-01", "2024-01-01T99:00", 5])
def test_a_bound_that_is_no_time_is_refused(daily, bad):
    with pytest.raises(UsageError, match=r"start .* is neither a date nor a time"):
        read_bars(daily, start=bad)


def test_nothing_between_start_and_end_is_said(daily):
    with pytest.raises(DataError, match=r"has none of its 4 rows between start and end; widen"):
        read_bars(daily, start="2030-01-01")
    with pytest.raises(DataError, match=r"has 1 of its 4 rows between start and end"):
        read_bars(daily, start="2024-01-05")
