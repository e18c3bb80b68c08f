"""One market's time: equal to the library's, right across every change of the clocks, never a guess."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.calendar import sessions as room
from evenkeel.calendar.market_calendar import MarketCalendar, Minute, first_instant, minute_of
from evenkeel.domain.errors import UsageError

MARKETS = {"XNYS": "1990-01-01", "XLON": "1990-01-01", "XTKS": "1997-01-01", "XHKG": "1990-01-01"}
END = "2027-12-31"
SECOND = 1_000_000_000


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """One cache for all of these, and the process's own knowledge put back after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(room, "_known", {})
        patch.setattr(room, "_asked", set())
        yield


def instant(text, zone="UTC"):
    """The instant of a local time such as `2024-03-08 09:30`."""
    at = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return round(at.timestamp()) * SECOND


def days(index):
    return [stamp.date() for stamp in index]


# ---- equal to the library, session by session ----


@pytest.fixture(scope="module", params=MARKETS)
def both(request):
    """A market as we see it, and as the library does when it is asked for all of the years."""
    library = exchange_calendars.get_calendar(request.param, start=MARKETS[request.param], end=END)
    return MarketCalendar(request.param), library


def test_sessions_are_the_librarys(both):
    ours, library = both
    first = date.fromisoformat(MARKETS[ours.mic])
    assert ours.sessions_between(first, date.fromisoformat(END)) == days(library.sessions)


def test_opens_closes_breaks_and_half_days_are_the_librarys(both):
    ours, library = both
    early = set(days(library.early_closes))
    for row in library.schedule.itertuples():
        session = row.Index.date()
        assert ours.session_open(session) == row.open.value
        assert ours.session_close(session) == row.close.value
        pause = None if row.break_start is row.break_end else (row.break_start, row.break_end)
        assert ours.session_break(session) == (pause and tuple(each.value for each in pause))
        assert ours.is_half_day(session) == (session in early)


@pytest.mark.filterwarnings("ignore:DatetimeIndex.values returning")  # the library asks the old way
def test_minutes_are_the_librarys(both):
    ours, library = both
    for session in days(library.sessions)[::97] + days(library.early_closes)[::9]:
        expected = library.session_minutes(str(session)).tz_convert(None).to_numpy()
        assert np.array_equal(
            ours.session_minutes(session), expected.astype("datetime64[m]").astype(np.int64)
        )


def test_neighbours_are_the_librarys(both):
    ours, library = both
    for session in days(library.sessions)[1:-1:53]:
        assert ours.next_session(session) == library.next_session(str(session)).date()
        assert ours.previous_session(session) == library.previous_session(str(session)).date()


def test_what_never_closes_is_the_librarys():
    library = exchange_calendars.get_calendar("24/7", start="1970-01-01", end=END)
    for mic in ("24/7", "XXXX"):
        ours = MarketCalendar(mic)
        assert ours.sessions_between(date(1970, 1, 1), date(2027, 12, 31)) == days(library.sessions)
        session = date(2024, 2, 29)
        assert ours.session_open(session) == library.session_open("2024-02-29").value
        assert ours.session_close(session) == library.session_close("2024-02-29").value
        assert len(ours.session_minutes(session)) == 24 * 60
        assert ours.is_open_at(instant("2024-12-25 03:00"))


# ---- published days ----


@pytest.mark.parametrize(
    ("mic", "day", "half"),
    [
        ("XNYS", "2013-11-29", True),  # the day after Thanksgiving, until 13:00
        ("XNYS", "2024-07-03", True),
        ("XNYS", "2024-07-05", False),
        ("XLON", "2019-12-24", True),  # until 12:30
        ("XHKG", "2024-02-09", True),  # the eve of the Lunar New Year, mornings only
        ("XTKS", "2019-12-30", False),
    ],
)
def test_half_days_are_those_that_were_published(mic, day, half):
    assert MarketCalendar(mic).is_half_day(date.fromisoformat(day)) is half


def test_holidays_are_no_sessions():
    york = MarketCalendar("XNYS")
    closed = ["2001-09-11", "2012-10-29", "2018-12-05", "2021-01-01", "2022-06-20", "2025-01-09"]
    assert not any(york.is_session(date.fromisoformat(day)) for day in closed)
    assert york.is_session(date(2021, 12, 31)), "New Year's Day on a Saturday closes no Friday"


def test_tokyo_has_lunch_and_trades_longer_since_2024_11_05():
    tokyo = MarketCalendar("XTKS")
    assert tokyo.session_break(date(2024, 11, 5)) == (
        instant("2024-11-05 11:30", "Asia/Tokyo"),
        instant("2024-11-05 12:30", "Asia/Tokyo"),
    )
    ends = [tokyo.session_close(date(2024, 11, day)) for day in (1, 5)]
    assert ends == [
        instant("2024-11-01 15:00", "Asia/Tokyo"),
        instant("2024-11-05 15:30", "Asia/Tokyo"),
    ]
    noon = instant("2024-11-05 12:00", "Asia/Tokyo")
    assert tokyo.session_at(noon) == date(2024, 11, 5)
    assert not tokyo.is_open_at(noon)
    assert not tokyo.is_trading_minute(minute_of(noon))
    assert len(tokyo.session_minutes(date(2024, 11, 5))) == 150 + 180


# ---- across every change of the clocks ----


@cache
def changes(zone):
    """The days on which a zone's clocks changed from 1990 to 2027, by the zone's own offsets."""
    noon = datetime(1990, 1, 1, 12, tzinfo=ZoneInfo(zone))
    found = []
    while noon.year < 2028:
        following = noon + timedelta(days=1)
        if noon.utcoffset() != following.utcoffset():
            found.append(following.date())
        noon = following
    return found


HOURS = {
    "XNYS": ("America/New_York", "09:30", "16:00"),
    "XLON": ("Europe/London", "08:00", "16:30"),
}


@pytest.mark.parametrize("mic", HOURS)
def test_across_every_change_of_the_clocks_hours_stay_what_the_wall_clock_says(mic):
    zone, opens, closes = HOURS[mic]
    market = MarketCalendar(mic)
    dates = changes(zone)
    assert len(dates) == 76, "two a year"
    for change in dates:
        before = market.previous_session(change)
        after = market.next_session(before)
        for session in (before, after):
            assert market.session_open(session) == instant(f"{session} {opens}", zone)
            assert market.local(market.session_open(session)).strftime("%H:%M") == opens
            if not market.is_half_day(session):
                assert market.session_close(session) == instant(f"{session} {closes}", zone)
        days_between = (after - before).days * 24
        hours = (market.session_open(after) - market.session_open(before)) / (3600 * SECOND)
        assert abs(hours - days_between) == 1, "one hour was lost or won"


@pytest.mark.parametrize("mic", HOURS)
def test_the_hour_of_the_change_lies_in_no_session(mic):
    zone, *_ = HOURS[mic]
    market = MarketCalendar(mic)
    for change in changes(zone):
        for hour in range(4):
            at = instant(f"{change} 00:30", zone) + hour * 3600 * SECOND
            assert market.session_at(at) is None
            assert market.next_open(at) == market.session_open(market.next_session(change))


@pytest.mark.parametrize("mic", HOURS)
@given(data=st.data())
def test_around_a_change_it_is_open_when_the_wall_clock_says_so(mic, data):
    """The expected answer comes from the wall clock and the published hours alone."""
    zone, opens, closes = HOURS[mic]
    market = MarketCalendar(mic)
    change = data.draw(st.sampled_from(changes(zone)))
    seconds = data.draw(st.integers(-5 * 86_400, 5 * 86_400))
    at = instant(f"{change} 12:00", zone) + seconds * SECOND
    there = datetime.fromtimestamp(at / SECOND, UTC).astimezone(ZoneInfo(zone))
    day = there.date()
    within = opens <= there.strftime("%H:%M") < closes
    if market.is_session(day) and market.is_half_day(day):
        within = at < market.session_close(day) and within
    assert market.is_open_at(at) == (market.is_session(day) and within)
    assert market.is_session(day) <= (day.weekday() < 5)
    assert market.is_trading_minute(minute_of(at)) == market.is_open_at(at)


@given(data=st.data())
def test_questions_about_instants_agree_with_each_other(data):
    mic = data.draw(st.sampled_from([*MARKETS, "24/7", "CMES"]))
    market = MarketCalendar(mic)
    low, high = (instant(f"{day} 12:00") for day in ("1997-02-03", "2027-12-20"))
    at = data.draw(st.integers(low, high))
    session = market.session_at(at)
    following = market.next_open(at)
    assert following > at
    assert market.session_at(following) is not None
    assert market.session_at(following - 1) in {None, session}
    if session is not None:
        assert market.session_open(session) <= at < market.session_close(session)
        assert market.next_close(at) == market.session_close(session)
        assert market.session_at(market.session_open(session)) == session
        assert market.session_at(market.session_close(session)) != session
    else:
        assert not market.is_open_at(at)
        assert market.next_open(at) < market.next_close(at)
    assert market.local(at).utcoffset() == market.local(at).astimezone(market.zone).utcoffset()
    assert abs(market.local(at).timestamp() * SECOND - at) < 1_000_000


@given(st.integers(0, 4_000_000_000 * SECOND))
def test_a_minute_begins_at_its_first_instant(at):
    minute = minute_of(at)
    assert first_instant(minute) <= at < first_instant(Minute(minute + 1))
    assert minute_of(first_instant(minute)) == minute


# ---- never a guess ----


@pytest.fixture(scope="module")
def tokyo():
    return MarketCalendar("XTKS")


def test_it_says_what_it_answers_for(tokyo):
    year = exchange_calendars.get_calendar("XTKS").default_end().year
    assert repr(tokyo) == f"MarketCalendar('XTKS': 1997-01-01 to {year}-12-31)"
    assert (tokyo.first_day, tokyo.last_day) == (date(1997, 1, 1), date(year, 12, 31))


@pytest.mark.parametrize("day", [date(1996, 12, 31), date(2099, 1, 1)])
def test_a_day_outside_is_refused_by_every_question(tokyo, day):
    inside = date(2020, 1, 6)
    for ask in (
        tokyo.is_session,
        tokyo.is_half_day,
        tokyo.session_open,
        tokyo.session_close,
        tokyo.session_break,
        tokyo.session_minutes,
        tokyo.next_session,
        tokyo.previous_session,
        lambda day: tokyo.sessions_between(inside, day),
        lambda day: tokyo.sessions_between(day, inside),
    ):
        with pytest.raises(
            UsageError, match=rf"calendar of XTKS answers for 1997-01-01 to .*, not for {day}$"
        ):
            ask(day)


def test_an_instant_outside_is_refused_by_every_question(tokyo):
    table = room.all_sessions("XTKS")
    for at in (int(table.opens[0]) - 1, int(table.closes[-1]), 0, 2**62):
        for ask in (tokyo.session_at, tokyo.is_open_at, tokyo.next_open, tokyo.next_close):
            with pytest.raises(
                UsageError, match=rf"from 1997-01-06 09:00 JST up to .*not for {at}"
            ):
                ask(at)
    with pytest.raises(UsageError, match="not for"):
        tokyo.is_trading_minute(Minute(0))


def test_at_its_ends_it_has_no_neighbour_to_name(tokyo):
    table = room.all_sessions("XTKS")
    with pytest.raises(UsageError, match="has no session before 1997-01-06"):
        tokyo.previous_session(date(1997, 1, 6))
    with pytest.raises(UsageError, match="has no session after"):
        tokyo.next_session(tokyo.last_day)
    with pytest.raises(UsageError, match="not for the open after its last one"):
        tokyo.next_open(int(table.opens[-1]))
    assert tokyo.next_close(int(table.opens[-1])) == table.closes[-1]


def test_a_day_without_a_session_has_no_open(tokyo):
    with pytest.raises(UsageError, match="2020-01-01 is no session of XTKS: ask `is_session`"):
        tokyo.session_open(date(2020, 1, 1))


def test_a_time_is_not_taken_for_a_day(tokyo):
    with pytest.raises(UsageError, match=r"a session is a date, .* is a time"):
        tokyo.is_session(datetime(2020, 1, 6, 9, 30))


def test_an_unknown_market_is_refused():
    with pytest.raises(UsageError, match="no trading calendar is known for market 'XNYX'"):
        MarketCalendar("XNYX")
