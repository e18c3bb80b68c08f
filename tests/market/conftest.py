"""What the tests of this room share: a small file to break, and a cache of their own."""

import pytest

HEADER = "date,open,high,low,close,volume"
DAILY = (
    "2024-01-02,10,11,9,10.5,100",
    "2024-01-03,10.5,12,10,11,200",
    "2024-01-04,11,11.5,10.5,11,300",
    "2024-01-05,11,11.5,10.5,11.25,400",
)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Calendars are kept where the test run ends, not in the reader's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        # What other tests of this process have asked for is not in that folder yet.
        patch.setattr("evenkeel.calendar.sessions._known", {})
        patch.setattr("evenkeel.calendar.sessions._asked", set())
        yield


@pytest.fixture
def write(tmp_path):
    """Write lines into a file of the test and return its path."""

    def written(*lines, name="prices.csv", header=HEADER):
        path = tmp_path / name
        path.write_text("\n".join([*([header] if header else []), *lines, ""]), encoding="utf-8")
        return path

    return written


@pytest.fixture
def daily(write):
    """Four lawful daily bars."""
    return write(*DAILY)
