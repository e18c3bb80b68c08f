"""The library makes a market in a fifth of a second, and these tests ask for the same few."""

from functools import cache

import exchange_calendars
import pytest

made_once = cache(exchange_calendars.get_calendar)


@pytest.fixture(scope="module", autouse=True)
def library():
    """Each market of the library is made once; nobody changes one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange_calendars, "get_calendar", made_once)
        yield
