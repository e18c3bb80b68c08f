"""When exchanges trade, against published days; and what a warm start may not import."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from importlib.metadata import version

import numpy as np
import pytest
from msgspec.structs import replace

from evenkeel.calendar import sessions as room
from evenkeel.calendar.sessions import exchange_timezone, session_closes, sessions
from evenkeel.domain.errors import UsageError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own; the process forgets what it knew and knows it again after."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(room, "_known", {})
    monkeypatch.setattr(room, "_asked", set())
    return tmp_path / "evenkeel"


def closes(mic, first, last):
    found = session_closes(mic, date.fromisoformat(first), date.fromisoformat(last))
    return [datetime.fromtimestamp(at / 1e9, UTC).strftime("%m-%d %H:%M") for at in found]


# Published by the exchanges: nyse.com, londonstockexchange.com, jpx.co.jp.
PUBLISHED = [
    # Thanksgiving 2013: Thursday closed, Friday until 13:00 New York
    ("XNYS", "2013-11-27", "2013-12-02", ["11-27 21:00", "11-29 18:00", "12-02 21:00"]),
    # Daylight saving time began on Sunday 2014-03-09
    ("XNYS", "2014-03-07", "2014-03-10", ["03-07 21:00", "03-10 20:00"]),
    # Good Friday 2015
    ("XNYS", "2015-04-02", "2015-04-06", ["04-02 20:00", "04-06 20:00"]),
    # closed from 2001-09-11 until Monday the 17th
    ("XNYS", "2001-09-10", "2001-09-17", ["09-10 20:00", "09-17 20:00"]),
    # the same hours under a name that the library does not know
    ("XNGS", "2013-11-29", "2013-11-29", ["11-29 18:00"]),
    # Christmas Eve until 12:30, then Christmas and Boxing Day
    ("XLON", "2019-12-24", "2019-12-27", ["12-24 12:30", "12-27 16:30"]),
    # Golden Week 2019: ten days for the new emperor
    ("XTKS", "2019-04-26", "2019-05-07", ["04-26 06:00", "05-07 06:00"]),
]


@pytest.mark.parametrize(("mic", "first", "last", "expected"), PUBLISHED)
def test_closes_are_those_the_exchange_published(mic, first, last, expected):
    assert closes(mic, first, last) == expected


def test_a_session_opens_when_the_exchange_says():
    """New York opens at 9:30, before and after the clocks change; London at 8."""
    new_york = sessions("XNYS", date(2014, 3, 7), date(2014, 3, 10)).opens
    (london,) = sessions("XLON", date(2019, 12, 24), date(2019, 12, 24)).opens
    found = [datetime.fromtimestamp(at / 1e9, UTC).strftime("%H:%M") for at in (*new_york, london)]
    assert found == ["14:30", "13:30", "08:00"]


def test_a_session_has_a_date_and_a_close():
    found = sessions("XTKS", date(2024, 1, 4), date(2024, 1, 5))
    assert [str(day) for day in found.dates.astype("datetime64[D]")] == ["2024-01-04", "2024-01-05"]
    assert len(found.closes) == 2
    assert found.closes.dtype == np.int64


def test_history_reaches_back_to_1970_where_the_exchange_does():
    assert closes("XNYS", "1970-01-01", "1970-01-02") == ["01-02 21:00"]
    assert closes("XTKS", "1970-01-01", "1996-12-31") == []


@pytest.mark.parametrize(
    ("mic", "zone"),
    [("XNYS", "America/New_York"), ("XTKS", "Asia/Tokyo"), ("XXXX", "UTC")],
)
def test_an_exchange_has_a_time_zone(mic, zone):
    assert str(exchange_timezone(mic)) == zone


@pytest.mark.parametrize("mic", ["XTAE", "ASEX"])
def test_a_market_whose_calendar_the_library_cannot_make_is_refused(mic):
    with pytest.raises(UsageError, match=rf"cannot make that of market '{mic}'; use XXXX, or a"):
        closes(mic, "2020-01-01", "2020-01-31")


def test_a_nickname_is_refused_with_the_code():
    """The library would take it, and then no fee of the New York Stock Exchange would be charged."""
    with pytest.raises(UsageError, match=r"NYSE is no market code of ISO 10383; write XNYS"):
        closes("NYSE", "2024-01-02", "2024-01-03")


def test_what_never_closes_needs_no_library(own_cache):
    for mic in ("XXXX", "24/7"):
        assert closes(mic, "2024-02-28", "2024-03-01") == [
            *("02-29 00:00", "03-01 00:00", "03-02 00:00")
        ]
    assert not own_cache.exists()


def test_an_unknown_market_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"market 'XNYX'; did you mean 'X...'\?; .* use XXXX"):
        closes("XNYX", "2020-01-01", "2020-01-31")
    with pytest.raises(UsageError, match=r"no trading calendar is known for market '\.\./X'"):
        closes("../X", "2020-01-01", "2020-01-31")


# ---- the cache ----

WARM = """
import sys
from msgspec.structs import replace
from datetime import date
from evenkeel.calendar.sessions import exchange_timezone, session_closes
print(len(session_closes("XLON", date(2020, 1, 1), date(2020, 12, 31))), exchange_timezone("XLON"))
print(*sorted({"pandas", "exchange_calendars", "pyarrow"} & set(sys.modules)))
"""


def warm_start():
    done = subprocess.run(
        [sys.executable, "-c", WARM], capture_output=True, check=True, text=True, env=os.environ
    )
    return done.stdout.splitlines()


def test_a_warm_start_needs_neither_pandas_nor_the_calendar_library(own_cache):
    assert len(closes("XLON", "2020-01-01", "2020-12-31")) == 254
    assert warm_start() == ["254 Europe/London", ""]
    assert [path.suffix for path in own_cache.iterdir()] == [".npz"]


def test_the_file_names_market_and_library_version(own_cache):
    closes("XLON", "2020-01-01", "2020-01-31")
    (path,) = own_cache.iterdir()
    assert path.name == f"sessions-XLON-{version('exchange_calendars')}.npz"


def test_a_file_of_other_columns_is_made_anew(own_cache, monkeypatch):
    closes("XLON", "2020-01-01", "2020-01-31")
    (path,) = own_cache.iterdir()
    with np.load(path) as kept:
        columns = dict(kept)
    for spoiled in ({**columns, "opens": columns["opens"][:-1]}, {"dates": columns["dates"]}):
        np.savez(path, **spoiled)
        monkeypatch.setattr(room, "_known", {})
        assert len(closes("XLON", "2020-01-01", "2020-12-31")) == 254


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"not a zip file at all"])
def test_a_damaged_file_is_made_anew(own_cache, monkeypatch, content):
    closes("XLON", "2020-01-01", "2020-01-31")
    (path,) = own_cache.iterdir()
    path.write_bytes(content)
    monkeypatch.setattr(room, "_known", {})
    assert len(closes("XLON", "2020-01-01", "2020-12-31")) == 254
    assert len(path.read_bytes()) > 1_000


def test_a_file_that_ends_too_early_is_made_anew(monkeypatch):
    closes("XLON", "2020-01-01", "2020-01-31")
    old = room._known["XLON"].between(0, 18_000)
    room._write("XLON", replace(old, until=18_000))
    monkeypatch.setattr(room, "_known", {})
    monkeypatch.setattr(room, "_asked", set())
    assert len(closes("XLON", "2020-01-01", "2020-12-31")) == 254


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch):
    blocked = tmp_path / "a file"
    blocked.write_text("where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert len(closes("XLON", "2020-01-01", "2020-12-31")) == 254


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless():
        raise RuntimeError("no home")

    monkeypatch.setattr(room.Path, "home", homeless)
    assert len(closes("XLON", "2020-01-01", "2020-12-31")) == 254


def test_the_future_beyond_the_calendar_is_asked_for_once(monkeypatch):
    asked = []
    library = room._ask_library
    monkeypatch.setattr(room, "_ask_library", lambda mic: asked.append(mic) or library(mic))
    for _ in range(2):
        assert closes("XLON", "2200-01-01", "2200-12-31") == []
    assert asked == ["XLON"]
