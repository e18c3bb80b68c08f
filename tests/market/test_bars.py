"""What comes out: columns, names, findings, from files and frames of every kind."""

import gzip
import json
import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.domain.errors import DataError
from evenkeel.domain.instrument import Instrument
from evenkeel.market.csv_files import read_bars

COLUMNS = ("closed_at", "open", "high", "low", "close", "volume")


def one(source, **options):
    (bars,) = read_bars(source, **options)
    return bars


def ids(bars):
    return [each.instrument.id for each in bars]


def same(left, right):
    assert left.digest() == right.digest()
    assert np.array_equal(left.session_closes, right.session_closes)
    assert left.findings == right.findings


# ---- columns ----


def test_columns_are_the_numbers_of_the_file(daily):
    bars = one(daily)
    assert bars.open.tolist() == [10, 10.5, 11, 11]
    assert bars.high.tolist() == [11, 12, 11.5, 11.5]
    assert bars.low.tolist() == [9, 10, 10.5, 10.5]
    assert bars.close.tolist() == [10.5, 11, 11, 11.25]
    assert bars.volume.tolist() == [100, 200, 300, 400]
    assert bars.volume_known
    assert bars.findings == ()
    assert bars.source == str(daily)


def test_columns_are_contiguous_and_read_only(daily):
    bars = one(daily)
    for name in (*COLUMNS, "session_closes"):
        column = getattr(bars, name)
        assert column.flags.c_contiguous
        assert column.dtype == (np.int64 if name in {"closed_at", "session_closes"} else np.float64)
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


prices = st.floats(0.0001, 1e9, allow_nan=False)


@given(st.lists(st.tuples(prices, prices, st.integers(0, 10**12)), min_size=2, max_size=30))
def test_what_is_written_is_read_to_the_last_digit(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("exact") / "x.csv"
    first = date(2020, 1, 1)
    lines = [
        f"{first + timedelta(days=n)},{low!r},{max(low, high)!r},{min(low, high)!r},{high!r},{volume}"
        for n, (low, high, volume) in enumerate(rows)
    ]
    path.write_text("date,open,high,low,close,volume\n" + "\n".join(lines))
    bars = one(path)
    assert bars.open.tolist() == [low for low, _, _ in rows]
    assert bars.close.tolist() == [high for _, high, _ in rows]
    assert bars.high.tolist() == [max(low, high) for low, high, _ in rows]
    assert bars.low.tolist() == [min(low, high) for low, high, _ in rows]
    assert bars.volume.tolist() == [volume for _, _, volume in rows]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_seen_in_the_header(daily, delimiter):
    other = daily.with_name("other.csv")
    other.write_text(daily.read_text().replace(",", delimiter))
    same(one(other, instrument="A"), one(daily, instrument="A"))


def test_a_byte_order_mark_windows_lines_and_blank_lines_do_no_harm(daily):
    other = daily.with_name("other.csv")
    other.write_bytes(b"\xef\xbb\xbf" + daily.read_bytes().replace(b"\n", b"\r\n\r\n"))
    same(one(other, instrument="A"), one(daily, instrument="A"))


def test_a_thousand_blank_lines_do_no_harm(write):
    path = write("2024-01-02,1,1,1,1,5", "2024-01-03,1,1,1,1,5", *[""] * 3_000)
    assert len(one(path)) == 2


def test_many_rows_are_read_as_few_are(write):
    """More rows than are held as text at once, with an error in the last."""
    lines = [f"{1_700_000_000 + 60 * n},1,2,1,{1 + n / 10_000},{n}" for n in range(5_000)]
    bars = one(write(*lines))
    assert bars.close.tolist() == [1 + n / 10_000 for n in range(5_000)]
    assert set(np.diff(bars.closed_at)) == {60 * 10**9}
    with pytest.raises(DataError, match=r"line 5002: close is not a number: 'x'"):
        one(write(*lines, "1800000000,1,2,1,x,1"))
    with pytest.raises(DataError, match=r"line 5002: the row has 2 fields"):
        one(write(*lines, "1800000000,1"))


# ---- names ----


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spy.csv", "SPY.XXXX"),
        ("btc-usd 1m.csv.gz", "BTC-USD_1M.XXXX"),
        ("BRK.B.csv", "BRK.B.XXXX"),
        ("^gspc.CSV", "_GSPC.XXXX"),
    ],
)
def test_a_file_is_named_after_itself(daily, name, expected):
    content = daily.read_bytes()
    path = daily.with_name(name)
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert ids(read_bars(path)) == [expected]


def test_an_instrument_names_the_file(daily):
    euro = Instrument("SAP.XETR", currency="EUR")
    assert one(daily, instrument="SAP.XETR").instrument == Instrument("SAP.XETR")
    assert one(daily, instrument="SAP").instrument.id == "SAP.XXXX"
    assert one(str(daily), instrument=euro).instrument is euro
    assert one([daily], instrument=[euro]).instrument is euro


def test_several_files_take_their_names_in_order(daily):
    other = daily.with_name("other.csv")
    other.write_bytes(daily.read_bytes())
    assert ids(read_bars(f"{daily}, {other}")) == ["PRICES.XXXX", "OTHER.XXXX"]
    assert ids(read_bars([daily, other], instrument="B.XNYS, A.XXXX")) == ["B.XNYS", "A.XXXX"]
    assert ids(read_bars({"B.XNYS": daily, "A.XXXX": str(other)})) == ["B.XNYS", "A.XXXX"]


def test_a_comma_may_be_part_of_a_name(daily):
    path = daily.with_name("a,b.csv")
    path.write_bytes(daily.read_bytes())
    assert ids(read_bars(str(path))) == ["A_B.XXXX"]


STRANGE = ("NAN", "TRUE", "ON", "INF", "NULL", "1E5")


@pytest.fixture
def symbols(write):
    """Six symbols whose names are also something else, in mixed order."""
    days = ("2024-01-02", "2024-01-03")
    lines = [f"{day},{name},{n},{n},{n},{n},7" for day in days for n, name in enumerate(STRANGE, 1)]
    return write(*lines, header="date,Symbol,open,high,low,close,volume", name="all.csv")


def test_symbols_are_text_whatever_they_look_like(symbols):
    found = read_bars(symbols)
    assert ids(found) == [f"{name}.XXXX" for name in STRANGE]
    assert [bars.close.tolist() for bars in found] == [[n, n] for n in range(1, 7)]
    frame = pd.read_csv(symbols, keep_default_na=False)
    for left, right in zip(read_bars(frame), found, strict=True):
        same(left, right)


def test_the_wanted_symbols_are_read_with_their_market(symbols):
    assert ids(read_bars(symbols, instrument="ON.XNAS,NAN.XNYS")) == ["ON.XNAS", "NAN.XNYS"]
    assert one({"INF.XNAS": symbols}).close.tolist() == [4, 4]


def test_symbols_of_several_files_are_found_where_they_are(symbols, daily):
    wanted = ["ON.XNAS", "SPY.ARCX", "INF.XNAS"]
    assert ids(read_bars([symbols, daily], instrument=wanted)) == [
        "ON.XNAS",
        "INF.XNAS",
        "SPY.ARCX",
    ]


# ---- findings ----


def findings(bars):
    """Each finding's count, and the day on which its first bar began."""
    return {
        found.code: (found.count, str(np.datetime64(found.first_at, "ns").astype("M8[m]")))
        for found in bars.findings
    }


def test_zero_volume_is_found_and_kept(write, daily):
    path = write(
        *daily.read_text().splitlines()[1:], "2024-01-08,1,1,1,1,0", "2024-01-09,1,1,1,1,0"
    )
    bars = one(path)
    assert findings(bars)["zero-volume"] == (2, "2024-01-08T00:00")
    assert len(bars) == 6


@pytest.mark.parametrize("volume", [",0", ",", ""])
def test_a_source_without_volume_says_so(write, volume):
    lines = [f"2024-01-0{n},1,1,1,1{volume}" for n in (2, 3)]
    header = "date,open,high,low,close" + (",volume" if volume else "")
    bars = one(write(*lines, header=header))
    assert not bars.volume_known
    assert bars.volume.tolist() == [0, 0]
    assert findings(bars) == {"volume-unknown": (2, "2024-01-02T00:00")}


@pytest.mark.parametrize("name", ["Volume", "vol", "TICK_VOLUME"])
def test_volume_has_many_names(write, name):
    header = f"date,open,high,low,close,{name}"
    assert one(write("2024-01-02,1,1,1,1,5", "2024-01-03,1,1,1,1,6", header=header)).volume_known


def test_an_open_or_close_outside_the_range_is_found(write):
    bars = one(write("2024-01-02,1,2,1,1,5", "2024-01-03,3,2,1,1,5", "2024-01-04,1,2,1,0.5,5"))
    assert findings(bars)["outside-range"] == (2, "2024-01-03T00:00")


def test_a_spike_is_large_and_out_of_proportion(write):
    """Beside quiet days 30 % is a spike; where every day moves by that much it is none."""
    quiet = [100.0] * 6 + [130] * 5 + [129]
    wild = [100.0, 130, 100] * 4
    for closes, expected in ((quiet, {"spike": 1}), (wild, {})):
        lines = [f"2024-01-{n + 10},{c},{c},{c},{c},5" for n, c in enumerate(closes)]
        found = {code: count for code, (count, _) in findings(one(write(*lines))).items()}
        assert found == expected
    bars = one(write(*[f"2024-01-{n + 10},{c},{c},{c},{c},5" for n, c in enumerate(quiet)]))
    assert findings(bars)["spike"][1] == "2024-01-16T00:00"


def test_missing_sessions_are_a_gap_only_where_there_is_an_exchange(write):
    """2024-01-15 was a holiday: from the 11th to the 18th the 12th, 16th and 17th are missing."""
    path = write("2024-01-11,1,1,1,1,5", "2024-01-18,1,1,1,1,5")
    bars = one(path, instrument="SPY.ARCX")
    assert str(bars.findings[0].message) == "3 sessions without a bar, first 2024-01-12"
    assert findings(bars)["gap"][0] == 3
    assert findings(one(path)) == {}


def test_a_missing_session_is_seen_among_intraday_bars(write):
    days = ("2024-01-11", "2024-01-16", "2024-01-18")
    path = write(*[f"{day} {hour}:00,1,1,1,1,5" for day in days for hour in (15, 16, 17)])
    bars = one(path, instrument="SPY.ARCX")
    assert findings(bars)["gap"] == (2, "2024-01-12T14:30")  # the 12th and the 17th


def test_bars_outside_the_session_are_found_and_kept(write):
    """New York's was 14:30 to 21:00 UTC: an hour that reaches into it is inside, one beside it not."""
    hours = ("13:00", "14:00", "15:00", "20:00", "21:00", "22:00")
    path = write(*[f"2024-01-{day} {hour},1,1,1,1,5" for day in (11, 12) for hour in hours])
    assert findings(one(path, instrument="SPY.ARCX")) == {
        "outside-session": (6, "2024-01-11T13:00")
    }
    assert findings(one(path)) == {}


def test_times_of_new_york_that_are_taken_for_utc_are_found(write):
    """A file of its local times, with no zone in it; from the afternoon's open on they fit by chance."""
    path = write(*[f"2024-01-11 {hour:02}:30,1,1,1,1,5" for hour in range(9, 16)])
    (found,) = one(path, instrument="SPY.ARCX").findings
    assert found.message == (
        "5 bars outside the session of their exchange (a time without a zone is UTC), "
        "first 2024-01-11T09:30:00Z"
    )
    after = write("2024-01-11 22:30,1,1,1,1,5", "2024-01-11 23:30,1,1,1,1,5")
    assert findings(one(after, instrument="SPY.ARCX"))["outside-session"][0] == 2


@pytest.mark.parametrize("instrument", [None, "SPY.ARCX"])
def test_daily_bars_with_a_time_are_found(write, instrument):
    """At 21:00 a day's bar is done; taken for its beginning, it is known a day late."""
    path = write(*[f"2024-01-{day:02} 21:00,1,1,1,1,5" for day in (9, 10, 11, 12)])
    found = findings(one(path, instrument=instrument))
    assert found["day-from-a-time"] == (4, "2024-01-09T21:00")
    assert "day-from-a-time" not in findings(
        one(write(*[f"2024-01-{day},1,1,1,1,5" for day in (10, 11)]))
    )


def test_bars_of_weeks_are_found(write):
    """Each is taken for its day's: dated on its Monday it would be known before its Friday."""
    path = write(*[f"2024-01-{day:02},1,1,1,1,5" for day in (1, 8, 15, 22)])
    assert findings(one(path)) == {"longer-than-a-day": (4, "2024-01-01T00:00")}


# ---- frames and Parquet ----


@pytest.fixture
def frame(daily):
    return pd.read_csv(daily, parse_dates=["date"])


def test_a_frame_is_read_as_its_file_is(daily, frame):
    expected = one(daily, instrument="A")
    for made in (
        frame,
        frame.set_index("date"),
        frame.set_index("date").tz_localize("UTC"),
        frame.set_index("date").tz_localize("Asia/Tokyo"),
        frame.rename(columns=str.title),
        frame.assign(date=frame["date"].dt.strftime("%Y%m%d").astype(int)),
        frame.assign(date=frame["date"].dt.date),
        frame.assign(date=frame["date"].astype(str), open=frame["open"].astype(str)),
        frame.assign(date=frame["date"].dt.as_unit("ns").astype("int64")),
        frame.assign(volume=frame["volume"].astype("Int64")),
        frame.assign(date="x").set_index(pd.DatetimeIndex(frame["date"])),
        frame.assign(date="x").set_index(pd.PeriodIndex(frame["date"], freq="D")),
        frame.assign(date=frame["date"].astype(str)).set_index("date"),
    ):
        bars = one(made, instrument="A")
        same(bars, expected)
        assert bars.source == ""


def test_an_index_of_symbols_and_days_makes_instruments(frame):
    both = pd.concat([frame.assign(symbol=name) for name in ("A", "B")])
    bars = read_bars(both.set_index(["symbol", "date"]))
    assert ids(bars) == ["A.XXXX", "B.XXXX"]
    same(bars[0], one(frame, instrument="A"))


def test_a_frame_stays_its_owners(frame):
    before = frame.copy()
    one(frame)
    frame.loc[0, "open"] = 10.25
    assert before.drop(columns="open").equals(frame.drop(columns="open"))


def test_an_intraday_frame_with_a_zone_is_read_in_utc(frame):
    index = pd.date_range("2024-01-02 09:30", periods=4, freq="min", tz="America/New_York")
    bars = one(frame.drop(columns="date").set_index(index))
    assert str(bars.closed_at.astype("M8[ns]").astype("M8[s]")[0]) == "2024-01-02T14:31:00"


def test_a_frame_is_refused_as_a_file_is(frame):
    for made, said in (
        (frame.drop(columns="close"), r"^the DataFrame has no column close; found date, open"),
        (frame.iloc[:0], r"^the DataFrame has no rows"),
        (frame.assign(close=[1, 1, None, 1]), r"^the DataFrame, row 3: close nan is not a finite"),
        (frame.assign(date=frame["date"].where(frame.index != 1)), r"row 2: date is empty"),
        (frame.assign(open=["1", "2", "x", "4"]), r"row 3: open is not a number: 'x'"),
        (frame.assign(date=["2024-01-02", "soon", "", ""]), r"row 2: date is not a time: 'soon'"),
        (frame.assign(symbol=["A", "A", None, "A"]), r"row 3: symbol '' must not be empty"),
        (pd.DataFrame(), r"has no column date or timestamp, open"),
        (pd.concat({"A": frame}, axis=1), r"has columns of 2 levels; take one instrument out"),
    ):
        with pytest.raises(DataError, match=said):
            read_bars(made)


@pytest.fixture
def table(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


def parquet(tmp_path, table, **columns):
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize(
    "kind",
    [
        pa.date32(),
        pa.date64(),
        pa.timestamp("s"),
        pa.timestamp("ns"),
        pa.timestamp("ms", "UTC"),
        pa.string(),
        pa.int64(),
    ],
    ids=str,
)
def test_parquet_times_of_every_type_are_read(daily, tmp_path, table, kind):
    dates = table["date"].cast(pa.date32()).cast(kind if kind != pa.int64() else pa.timestamp("ms"))
    path = parquet(tmp_path, table, date=dates.cast(kind))
    same(one(path, instrument="A"), one(daily, instrument="A"))


def test_a_parquet_day_with_a_zone_is_the_local_day(daily, tmp_path, frame):
    local = frame.assign(date=frame["date"].dt.tz_localize("America/New_York"))
    path = parquet(tmp_path, pa.Table.from_pandas(local))
    same(one(path, instrument="A"), one(daily, instrument="A"))


def test_parquet_numbers_of_every_type_are_read(daily, tmp_path, table):
    path = parquet(
        tmp_path,
        table,
        open=table["open"].cast(pa.decimal128(12, 4)),
        close=table["close"].cast(pa.string()),
        volume=table["volume"].cast(pa.string()),
    )
    same(one(path, instrument="A"), one(daily, instrument="A"))


def test_parquet_with_symbols_or_a_date_and_a_time_is_read(daily, tmp_path, table):
    named = table.append_column("ticker", pa.array(["B", "B", "A", "A"]).dictionary_encode())
    assert ids(read_bars(parquet(tmp_path, named))) == ["B.XXXX", "A.XXXX"]
    paired = table.append_column("time", pa.array(["10:00", "10:00", "10:00", "10:00"]))
    bars = one(parquet(tmp_path, paired), stamp="end")
    assert str(bars.closed_at.astype("M8[ns]").astype("M8[s]")[0]) == "2024-01-02T10:00:00"


def test_parquet_is_refused_as_a_file_is(tmp_path, table):
    with pytest.raises(DataError, match=r"^a\.parquet has no column low; found date, open"):
        read_bars(parquet(tmp_path, table.drop_columns(["low"])))
    days = pa.array([date(2024, 1, 2), None, date(2024, 1, 4), date(2024, 1, 5)])
    with pytest.raises(DataError, match=r"^a\.parquet, row 2: date is empty"):
        read_bars(parquet(tmp_path, table, date=days))
    with pytest.raises(DataError, match=r"^a\.parquet, row 4: close 0 must be above 0"):
        read_bars(parquet(tmp_path, table, close=pa.array([1.0, 1, 1, 0])))
    with pytest.raises(DataError, match=r"^a\.parquet, row 4: close .* is not a finite"):
        read_bars(parquet(tmp_path, table, close=pa.array([1.0, 1, 1, None])))
    with pytest.raises(DataError, match=r"close holds list.*, which cannot be read as float64"):
        read_bars(parquet(tmp_path, table, close=pa.array([[1.0]] * 4)))
    far = pa.array([2**40] * 4, pa.timestamp("s"))
    with pytest.raises(DataError, match=r"row 1: time is in no year of market data"):
        read_bars(parquet(tmp_path, table, date=far))


# ---- what reading costs ----

IMPORTS = """
import json, sys
from evenkeel.market.csv_files import read_bars
bars = read_bars(sys.argv[1], instrument=sys.argv[2])
heavy = {"pandas", "pyarrow", "exchange_calendars", "pydantic"}
print(json.dumps([len(bars), sorted(heavy & set(sys.modules))]))
"""


def test_a_csv_file_is_read_without_heavy_libraries(daily):
    one(daily, instrument="SPY.ARCX")  # the calendar is kept from here on
    for name in ("SPY.ARCX", "SPY.XXXX"):
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS, daily, name], capture_output=True, check=True, text=True
        )
        assert json.loads(done.stdout) == [1, []]
