"""What is written in a time column, and when the bar behind it closed."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.market.columns import BadCellError
from evenkeel.market.csv_files import read_bars
from evenkeel.market.times import times

HEADER = "date,open,high,low,close,volume"


def text(moments):
    """UTC nanoseconds as short ISO text."""
    return [str(at).removesuffix(".000000000") for at in np.asarray(moments).astype("M8[ns]")]


def closed(path, **options):
    (bars,) = read_bars(path, **options)
    return text(bars.closed_at)


def rows(*stamps):
    return [f"{stamp},10,11,9,10,5" for stamp in stamps]


# ---- ways of writing the same two minutes ----

SAME = {
    "iso": ("2024-03-08 15:30:00", "2024-03-08 15:31:00"),
    "T": ("2024-03-08T15:30:00", "2024-03-08T15:31:00"),
    "without seconds": ("2024-03-08 15:30", "2024-03-08 15:31"),
    "Z": ("2024-03-08T15:30:00Z", "2024-03-08T15:31:00Z"),
    "UTC": ("2024-03-08 15:30:00 UTC", "2024-03-08 15:31:00 UTC"),
    "an offset": ("2024-03-08 10:30:00-05:00", "2024-03-08 10:31:00-05:00"),
    "a short offset": ("2024-03-08 21:00:00+0530", "2024-03-08 21:01:00+0530"),
    "two offsets": ("2024-03-08 10:30:00-05:00", "2024-03-08 11:31:00-04:00"),
    "a zone now and then": ("2024-03-08T15:30:00Z", "2024-03-08T15:31:00"),
    "fractions": ("2024-03-08 15:30:00.000", "2024-03-08 15:31:00.000"),
    "fractions of two lengths": ("2024-03-08 15:30:00.0", "2024-03-08 15:31:00.000000"),
    "a comma before them": ("2024-03-08T15:30:00;000", "2024-03-08T15:31:00;000"),
    "spaces around": (" 2024-03-08 15:30:00 ", " 2024-03-08 15:31:00 "),
    "compact": ("20240308 153000", "20240308 153100"),
    "compact with a colon": ("20240308 15:30", "20240308 15:31"),
    "seconds since 1970": ("1709911800", "1709911860"),
    "milliseconds": ("1709911800000", "1709911860000"),
    "microseconds": ("1709911800000000", "1709911860000000"),
    "nanoseconds": ("1709911800000000000", "1709911860000000000"),
    "seconds as a float": ("1709911800.0", "1709911860.0"),
    "year first": ("2024/03/08 15:30", "2024/03/08 15:31"),
}


@pytest.mark.parametrize("how", SAME)
def test_a_time_may_be_written_in_many_ways(write, how):
    stamps = [f'"{stamp.replace(";", ",")}"' for stamp in SAME[how]]
    assert closed(write(*rows(*stamps), header=HEADER)) == [
        "2024-03-08T15:31:00",
        "2024-03-08T15:32:00",
    ]


@pytest.mark.parametrize(
    "stamps",
    [
        ("2024-01-12", "2024-01-15"),
        ("20240112", "20240115"),
        ("2024/1/12", "2024/1/15"),
        ("2024.01.12", "2024.01.15"),
        ("1/12/2024", "1/15/2024"),
        ("12/1/2024", "15/1/2024"),
        ("12.01.2024", "15.01.2024"),
        ("12-01-2024", "15-01-2024"),
        ("12/01/2024 00:00", "15/01/2024 0:00"),
        ("2024-01-12 00:00:00", "2024-01-15 00:00:00"),
        ("2024-01-12 00:00:00-05:00", "2024-01-15 00:00:00-05:00"),
        ("2024-01-12T00:00:00+09:00", "2024-01-15T00:00:00+09:00"),
        ("1705017600", "1705276800"),
    ],
)
def test_a_day_may_be_written_in_many_ways(write, stamps):
    """With an offset the date is the local one, as it stands there."""
    path = write(*rows(*stamps))
    assert closed(path) == ["2024-01-12T23:59:59", "2024-01-15T23:59:59"]


@pytest.mark.parametrize("name", ["Date", "TIME", "Datetime", "timestamp", "ts", "", " Date "])
def test_the_time_column_has_many_names(write, name):
    path = write(*rows("2024-01-02", "2024-01-03"), header=f"{name},Open,HIGH,low,Close,Volume")
    assert closed(path)[0] == "2024-01-02T23:59:59"


def test_a_date_and_a_time_make_one(write):
    header = "Date,Time,Open,High,Low,Close,Volume,OpenInterest"
    path = write(
        "2024-01-02,09:05:00,1,1,1,1,5,0", "2024-01-02,09:10:00,1,1,1,1,5,0", header=header
    )
    assert closed(path, stamp="end") == ["2024-01-02T09:05:00", "2024-01-02T09:10:00"]


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 31)),
            st.sampled_from(["", "Z", "+05:30", "-08:00", "+0900"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_iso_times_mean_what_the_standard_library_says(moments, precision):
    written = [at.isoformat(timespec=precision) + zone for at, zone in moments]
    zones = {zone for _, zone in moments}
    if "" in zones and zones - {"", "Z"}:  # what has no zone is UTC only where nothing else is said
        with pytest.raises(BadCellError, match="no zone"):
            times(written, "time")
        return
    wall, stamps = times(written, "time")
    for at, local, instant in zip(written, wall, stamps, strict=True):
        said = datetime.fromisoformat(at)
        said = said if said.tzinfo else said.replace(tzinfo=UTC)
        since = (said - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert instant == since * 1000
        assert (
            local - instant
            == (said.utcoffset() or timedelta(0)) // timedelta(microseconds=1) * 1000
        )


# ---- when a bar closed ----


def test_an_intraday_bar_closes_one_interval_after_its_stamp(write):
    path = write(*rows("2024-01-02 15:00", "2024-01-02 15:05", "2024-01-02 15:10"))
    assert closed(path) == ["2024-01-02T15:05:00", "2024-01-02T15:10:00", "2024-01-02T15:15:00"]
    assert closed(path, stamp="end")[0] == "2024-01-02T15:00:00"


def test_the_interval_is_the_most_common_step_and_the_smallest_of_several(write):
    stamps = ("2024-01-02 15:00", "2024-01-02 15:30", "2024-01-02 16:30", "2024-01-02 17:30")
    assert closed(write(*rows(*stamps)))[0] == "2024-01-02T16:00:00"
    assert closed(write(*rows(*stamps[:3])))[0] == "2024-01-02T15:30:00"


def test_a_daily_bar_closes_with_its_session(write):
    """Half day on the Friday after Thanksgiving; New York changed its clocks on 2013-11-03."""
    path = write(*rows("2013-11-01", "2013-11-04", "2013-11-27", "2013-11-29"))
    assert closed(path, instrument="SPY.ARCX") == [
        "2013-11-01T20:00:00",
        "2013-11-04T21:00:00",
        "2013-11-27T21:00:00",
        "2013-11-29T18:00:00",
    ]


def test_a_day_that_is_no_session_closes_at_the_next_midnight(write):
    path = write(*rows("2015-04-02", "2015-04-03", "2015-04-06"))
    (bars,) = read_bars(path, instrument="SPY.ARCX")
    assert text(bars.closed_at) == [
        "2015-04-02T20:00:00",
        "2015-04-04T00:00:00",
        "2015-04-06T20:00:00",
    ]
    (found,) = bars.findings
    assert (found.code, found.count, text([found.first_at])) == (
        "closed-day",
        1,
        ["2015-04-03T00:00:00"],
    )
    assert bars.closed_at[1] in bars.session_closes


def test_a_day_before_every_calendar_is_no_session(write):
    (bars,) = read_bars(write(*rows("1929-10-24", "1929-10-25")), instrument="DJI.XNYS")
    assert [found.code for found in bars.findings] == ["closed-day"]
    assert text(bars.closed_at) == ["1929-10-25T00:00:00", "1929-10-26T00:00:00"]


def test_a_daily_bar_begins_with_its_session_and_any_other_when_its_stamp_says(write):
    """Of a day that is no session, and of a market without a calendar, with the day in UTC."""
    days = write(*rows("2013-11-01", "2013-11-03", "2013-11-04", "2013-11-29"))
    assert text(read_bars(days, instrument="SPY.ARCX")[0].opened_at) == [
        "2013-11-01T13:30:00",
        "2013-11-03T00:00:00",
        "2013-11-04T14:30:00",
        "2013-11-29T14:30:00",
    ]
    assert text(read_bars(days)[0].opened_at)[0] == "2013-11-01T00:00:00"
    minutes = write(*rows("2024-01-02 15:00", "2024-01-02 15:05", "2024-01-02 15:15"))
    for stamp, first in (("start", "2024-01-02T15:00:00"), ("end", "2024-01-02T14:55:00")):
        (bars,) = read_bars(minutes, instrument="SPY.ARCX", stamp=stamp)
        assert text(bars.opened_at)[0] == first
        assert (bars.closed_at - bars.opened_at == 300 * 10**9).all()


def test_no_bar_begins_before_the_one_before_it_has_closed(write):
    """Of hours and a half hour, the half hour would begin within the hour before."""
    stamps = ("2024-01-02 15:00", "2024-01-02 16:00", "2024-01-02 16:30", "2024-01-02 17:30")
    (bars,) = read_bars(write(*rows(*stamps)))
    assert (bars.opened_at[1:] == bars.closed_at[:-1]).tolist() == [True, True, True]


# ---- sessions around the bars ----


def test_sessions_of_an_exchange_reach_thirty_days_beyond(write):
    (bars,) = read_bars(write(*rows("2024-06-03", "2024-06-04")), instrument="SPY.ARCX")
    closes = text(bars.session_closes)
    assert closes[:2] == ["2024-06-03T20:00:00", "2024-06-04T20:00:00"]
    assert closes[-1] == "2024-07-03T17:00:00"  # the 4th of July is a holiday, its eve a half day
    assert (np.diff(bars.session_closes) > 0).all()


def hours(*days, first="14:30", count=7):
    """Hours of New York, the last of which is over half an hour after the close."""
    stamps = [
        datetime.fromisoformat(f"{day} {first}") + timedelta(hours=n)
        for day in days
        for n in range(count)
    ]
    return rows(*map(str, stamps))


def test_the_hour_that_a_close_lies_in_belongs_to_that_session(write):
    """On a half day, which closes at 18:00, it is over at 18:30."""
    path = write(*hours("2024-11-26", "2024-11-27"), *hours("2024-11-29", count=4))
    (bars,) = read_bars(path, instrument="SPY.ARCX")
    closes = ["2024-11-26T21:30:00", "2024-11-27T21:30:00", "2024-11-29T18:30:00"]
    assert text(bars.session_closes)[1:4] == closes
    assert set(closes) <= set(text(bars.closed_at))


def test_hours_that_end_with_the_close_leave_it_where_it_is(write):
    path = write(*hours("2024-11-26", "2024-11-27", first="15:00", count=6))
    (bars,) = read_bars(path, instrument="SPY.ARCX")
    assert text(bars.session_closes)[1:3] == ["2024-11-26T21:00:00", "2024-11-27T21:00:00"]


def test_a_lunch_break_is_counted_from_anew(write):
    """Hong Kong, 9:30 to 12:00 and 13:00 to 16:00."""
    day = ("01:30", "02:30", "03:30", "05:00", "06:00", "07:00")
    path = write(*rows(*[f"2024-12-{n} {at}" for n in (19, 20) for at in day]))
    (bars,) = read_bars(path, instrument="HSI.XHKG")
    assert text(bars.session_closes)[1:3] == ["2024-12-19T08:00:00", "2024-12-20T08:00:00"]


def test_a_day_without_its_hours_is_missed(write):
    (bars,) = read_bars(write(*hours("2024-11-25", "2024-11-27")), instrument="SPY.ARCX")
    assert [(found.code, found.count) for found in bars.findings] == [("gap", 1)]


def test_without_a_market_each_day_with_a_bar_is_a_session(write):
    (bars,) = read_bars(write(*rows("2024-06-07", "2024-06-10")))
    assert text(bars.session_closes)[:3] == [
        "2024-06-07T23:59:59",
        "2024-06-10T23:59:59",
        "2024-06-11T23:59:59",
    ]


def test_without_a_market_an_intraday_session_ends_at_midnight(write):
    path = write(*rows("2024-06-07 22:00", "2024-06-07 23:00", "2024-06-10 22:00"))
    (bars,) = read_bars(path)
    assert text(bars.closed_at)[1] == "2024-06-08T00:00:00"
    assert text(bars.session_closes) == [
        "2024-06-08T00:00:00",
        "2024-06-11T00:00:00",
        "2024-06-12T00:00:00",
    ]


@pytest.mark.parametrize(
    ("days", "instrument", "expected"),
    [
        (lambda day: True, "BTC", 365),
        (lambda day: day.weekday() < 5, "IDX", 252),
        (lambda day: day.weekday() != 5, "FX", 252),  # currencies open on Sunday evening
        (lambda day: True, "SPY.ARCX", 252),
    ],
)
def test_a_year_has_365_sessions_only_around_the_clock(write, days, instrument, expected):
    span = [date(2024, 1, 1) + timedelta(days=n) for n in range(60)]
    path = write(*rows(*[day for day in span if days(day)]))
    (bars,) = read_bars(path, instrument=instrument)
    assert bars.periods_per_year == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (timedelta(days=7), 52),
        (timedelta(days=14), 26),
        (timedelta(days=30), 12),  # months are 28 to 31 days long
        (timedelta(days=31), 12),
        (timedelta(days=91), 4),
        (timedelta(days=365), 1),
    ],
)
def test_longer_bars_without_a_market_have_fewer_sessions_a_year(write, step, expected):
    """Their Sharpe ratio is of as many returns a year as there are bars in one."""
    (bars,) = read_bars(write(*rows(*[date(2010, 1, 3) + n * step for n in range(12)])))
    assert bars.periods_per_year == expected


# ---- start and end ----

WEEK = [f"2024-01-0{n}" for n in range(1, 9)]


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2024-01-03", "2024-01-05", 3, 5),
        (date(2024, 1, 3), None, 3, 8),
        (None, "20240105", 1, 5),
        ("2024-01-02T12:00", "2024-01-05T12:00Z", 3, 4),
        (datetime(2024, 1, 3, tzinfo=UTC), datetime(2024, 1, 5, 23, 59, 59, tzinfo=UTC), 3, 5),
        (datetime(2024, 1, 3, 9, tzinfo=timezone(timedelta(hours=9))), None, 3, 8),
    ],
)
def test_start_and_end_are_inclusive(write, start, end, first, last):
    found = closed(write(*rows(*WEEK)), start=start, end=end)
    assert found == [f"2024-01-0{n}T23:59:59" for n in range(first, last + 1)]


def test_an_intraday_day_is_the_exchanges_own(write):
    """Sydney opens at 10:00, which is 23:00 UTC of the day before."""
    path = write(*rows(*[f"2024-01-{d:02} {h}:00" for d in (8, 9, 10) for h in (22, 23)]))
    found = closed(path, instrument="BHP.XASX", start="2024-01-10", end="2024-01-10")
    assert found == ["2024-01-09T23:00:00", "2024-01-10T00:00:00"]
    assert closed(path, start="2024-01-10")[0] == "2024-01-10T23:00:00"


def test_what_lies_outside_is_not_judged(write):
    path = write(*rows(*WEEK), "2024-01-09,0,0,0,0,0")
    assert len(closed(path, end="2024-01-08")) == 8


def test_a_count_that_leads_beyond_every_calendar_is_refused():
    """Ten thousand million seconds and more: the year 4000 is no market data."""
    with pytest.raises(BadCellError, match="must be in the years 1800 to 2199"):
        times(["64060588800", "64060588860"], "time")
