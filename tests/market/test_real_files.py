"""Real files: what their README says of them is what reading them says."""

import gzip
import re
import time

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from evenkeel.domain.errors import DataError
from evenkeel.market.csv_files import read_bars


def counts(bars):
    return {found.code: found.count for found in bars.findings}


def text(moments):
    return [str(at).removesuffix(".000000000") for at in np.asarray(moments).astype("M8[ns]")]


# (file, options, bars, first close, last close, findings)
FILES = [
    (
        "daily/index_sp500_1d_1999_2018.csv",  # m/d/yyyy
        {"instrument": "SPX.XNYS"},
        (5031, "1999-01-04T21:00:00", "2018-12-31T21:00:00", {}),
    ),
    (
        "daily/us_equity_1d_raw_lean.parquet",  # four splits and the true crash of 2000-09-29
        {"instrument": "AAPL.XNAS"},
        (5849, "1998-01-02T21:00:00", "2021-03-31T20:00:00", {"spike": 5}),
    ),
    (
        "daily/us_eod_all_2015-03_2015-12.parquet",  # six days on which the exchange was closed
        {"instrument": "AAPL.XNAS", "end": "2015-12-30"},
        (None, "2015-03-20T20:00:00", "2015-12-30T21:00:00", None),
    ),
    (
        "daily/sp500_yahoo_1d_2015_2020.parquet",
        {"instrument": "SNA.XNYS"},
        (1255, "2015-01-12T21:00:00", "2020-01-10T21:00:00", {"gap": 4}),
    ),
    (
        "hour/us_equity_1h_lean.parquet",
        {"instrument": "SPY.ARCX", "start": "2013-11-29", "end": "2013-11-29"},
        (4, "2013-11-29T15:00:00", "2013-11-29T18:00:00", {}),  # a half day
    ),
    (
        "minute/btcusd_bitfinex_1m_2017_2018.parquet",
        {},
        (1_025_708, "2017-01-01T00:01:00", "2019-01-01T00:00:00", {}),
    ),
    (
        "minute/estx50_index_5m_2006-01.csv",
        {"stamp": "end"},
        (2142, "2006-01-02T09:05:00", "2006-01-30T17:30:00", {"volume-unknown": 2142}),
    ),
    (
        "fx/eurusd_1h_backtesting_py.csv",  # its first column has no name
        {},
        (5000, "2017-04-19T10:00:00", "2018-02-07T16:00:00", {}),
    ),
    (
        "dirty/yahoo_price_repair/8TRA-DE-1d-missing-div-adjust.csv",  # days with an offset
        {"instrument": "8TRA.XETR"},
        (5, "2023-05-30T15:30:00", "2023-06-06T15:30:00", {"gap": 1}),
    ),
    (
        "dirty/btcusd_bitfinex_1m_2013_2014_spikes.csv.gz",  # true prints of a thin market
        {"instrument": "BTC"},
        (228_631, "2013-04-01T00:08:00", "2014-03-31T23:58:00", {"spike": 23}),
    ),
]


@pytest.mark.parametrize(("file", "options", "expected"), FILES)
def test_a_real_file_is_read(shared_data, file, options, expected):
    (bars,) = read_bars(shared_data / file, **options)
    count, first, last, found = expected
    assert text(bars.closed_at[[0, -1]]) == [first, last]
    assert count in {len(bars), None}
    assert found is None or counts(bars) == found


# (file, options, what is wrong with it)
REFUSED = [
    ("eod_batches/20150610.csv.gz", {}, "is empty"),
    ("eod_batches/20150406.csv.gz", {}, "line 12089: open is not a number: 'open'$"),
    ("minute/estx50_future_1m_2006-01_02.csv.gz", {}, "line 2: the row has 8 fields, .* names 7"),
    ("daily/us_eod_all_2015-03_2015-12.parquet", {"instrument": "CUI.XNAS"}, "open 0 must be"),
    ("daily/us_eod_all_2015-03_2015-12.parquet", {"instrument": "APPL.XNAS"}, "it has .*PPL"),
    ("daily/djia31_1d_2006_2017.parquet", {"instrument": "DIS.XNYS"}, "open nan is not a finite"),
    ("daily/sp500_yahoo_1d_2015_2020.parquet", {"instrument": "STI.XNYS"}, "2019-12-06 is there"),
    ("daily/sp500_yahoo_1d_2015_2020.parquet", {"instrument": "VIAB.XNAS"}, "2019-12-04 is there"),
    ("dirty/yahoo_price_repair/4063-T-1d-bad-stock-split.csv", {}, "line 3: .* sort the rows"),
]


@pytest.mark.parametrize(("file", "options", "said"), REFUSED)
def test_a_real_defect_is_refused(shared_data, file, options, said):
    with pytest.raises(DataError, match=said):
        read_bars(shared_data / file, **options)


def test_days_when_the_exchange_was_closed_are_found(shared_data):
    """The README counts 85 rows on 6 dates, Good Friday 2015-04-03 the first of them."""
    path = shared_data / "daily" / "us_eod_all_2015-03_2015-12.parquet"
    table = pq.read_table(path, columns=["symbol", "date"])
    friday = table.filter(pc.equal(pc.cast(table["date"], "int32"), 16_528))["symbol"][0].as_py()
    (bars,) = read_bars(path, instrument=f"{friday}.XNYS", end="2015-04-10")
    found = next(each for each in bars.findings if each.code == "closed-day")
    assert text([found.first_at]) == ["2015-04-03T00:00:00"]


def test_strange_tickers_are_read_as_text(shared_data):
    path = shared_data / "daily" / "us_eod_all_2015-03_2015-12.parquet"
    wanted = ["NAN.XNYS", "TRUE.XNAS", "ON.XNAS", "INF.XNYS"]
    assert [bars.instrument.id for bars in read_bars(path, instrument=wanted)] == wanted


def test_prices_are_those_of_the_file_to_the_last_digit(shared_data):
    path = shared_data / "dirty" / "btcusd_bitfinex_1m_2013_2014_spikes.csv.gz"
    (bars,) = read_bars(path)
    with gzip.open(path, "rt") as file:
        rows = re.findall(
            r"^(\d+),([^,]+),([^,]+),([^,]+),([^,]+),(\S+)$", file.read(), re.MULTILINE
        )
    assert [int(row[0]) * 10**6 + 60 * 10**9 for row in rows] == bars.closed_at.tolist()
    for at, name in enumerate(("open", "high", "low", "close", "volume"), 1):
        assert [float(row[at]) for row in rows] == getattr(bars, name).tolist()


def test_two_years_of_days_take_milliseconds(shared_data, tmp_path):
    source = shared_data / "corporate_actions" / "old_yahoo_raw_plus_adj" / "AAPL_2000_2013.csv"
    path = tmp_path / "aapl.csv"
    path.write_text("".join(source.read_text().splitlines(keepends=True)[:505]))
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        (bars,) = read_bars(path)
        spent.append(time.perf_counter() - began)
    assert len(bars) == 504
    assert min(spent) < 0.05  # 4 ms on an ordinary computer; a busy one gets the benefit of doubt
