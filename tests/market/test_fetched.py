"""From rows to an answer: what is refused, what is partial, what files cannot say."""

import numpy as np
import pytest
from tests.contracts.provider_world import ACME, NOW, ns
from tests.fakes.clock import FakeClock

from evenkeel.domain.errors import DataError
from evenkeel.domain.instrument import Instrument
from evenkeel.market.fetched import fetched, judged, missing_sessions
from evenkeel.market.file_provider import FileProvider
from evenkeel.market.provider import Failure, Origin, ProviderError

MINUTE = 60_000_000_000
ALL = {"start": 0, "end": 2**62}
ORIGIN = Origin(source="acme", fetched_at=NOW, currency="USD")


def rows(*began, closes=None):
    stamps = np.array([ns(text) for text in began])
    close = np.array(closes or [100.0 + at for at in range(len(began))])
    columns = dict.fromkeys(("open", "high", "low", "close"), close)
    return stamps, columns


def test_rows_in_any_order_come_out_in_order_and_repetitions_count_once():
    stamps, columns = rows(
        "2024-01-31T14:32", "2024-01-31T14:30", "2024-01-31T14:30", closes=[3.0, 1.0, 1.0]
    )
    found = fetched(ACME, "1m", stamps, columns, origin=ORIGIN, **ALL)
    assert found.table.prices["close"].tolist() == [1.0, 3.0]
    assert found.table.volume is None


def test_two_different_bars_of_one_time_are_unreadable():
    stamps, columns = rows("2024-01-31T14:30", "2024-01-31T14:30")
    with pytest.raises(ProviderError, match="two different bars begin at 2024-01-31T14:30") as told:
        fetched(ACME, "1m", stamps, columns, origin=ORIGIN, **ALL)
    assert told.value.kind is Failure.UNREADABLE


@pytest.mark.parametrize(
    ("began", "close"), [("2024-01-31T15:01", 100.0), ("2024-01-31T15:00", float("nan"))]
)
def test_a_bar_from_the_future_or_without_prices_is_no_partial_bar(began, close):
    stamps, columns = rows("2024-01-31T14:30", began, closes=[1.0, close])
    found = fetched(ACME, "1m", stamps, columns, origin=ORIGIN, **ALL)
    assert (len(found), found.partial) == (1, None)


def test_what_cannot_be_traded_on_is_refused_by_its_row():
    stamps, columns = rows("2024-01-31T14:30", "2024-01-31T14:31", closes=[1.0, -2.0])
    with pytest.raises(DataError, match="bar 2: open -2 must be above 0"):
        judged(fetched(ACME, "1m", stamps, columns, origin=ORIGIN, **ALL))


@pytest.mark.parametrize(
    ("instrument", "interval", "said"),
    [
        (ACME, "1d", "2 sessions, the first 2024-01-29"),
        (ACME, "1m", ""),
        (Instrument("ACME.XXXX"), "1d", ""),
    ],
)
def test_only_a_market_knows_what_is_missing(instrument, interval, said):
    nothing = fetched(instrument, interval, *rows(), origin=ORIGIN, **ALL)
    span = {"start": ns("2024-01-29"), "end": ns("2024-02-10")}
    assert missing_sessions(nothing, now=NOW, **span) == said
    if said:
        listed = ns("2024-01-30")
        assert missing_sessions(nothing, now=NOW, listed_at=listed, **span).startswith("1 session,")


# ---- files ----


@pytest.fixture
def provider(tmp_path):
    def made(text, *, actions=None):
        path = tmp_path / "acme.csv"
        path.write_text(text)
        return FileProvider({ACME.id: path}, clock=FakeClock(NOW), actions=actions)

    return made


MINUTES = (
    "time,symbol,open,high,low,close\n"
    "2024-01-30T14:30Z,ACME,1,1,1,1\n2024-01-30T14:31Z,ACME,2,2,2,2\n2024-01-30T14:30Z,B,3,3,3,3\n"
)


def kind_of(ask):
    with pytest.raises(ProviderError) as caught:
        ask()
    return caught.value.kind


def test_a_file_of_several_symbols_answers_for_each(provider):
    files = provider(MINUTES)
    found = files.bars(ACME, "1m", **ALL).value
    assert found.table.prices["close"].tolist() == [1.0, 2.0]
    assert files.quote(ACME).value.price == 2.0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (MINUTES, Failure.NOT_OFFERED),  # it has minutes
        (MINUTES.replace("ACME", "ACNE"), Failure.UNKNOWN),
        ("date,open\n", Failure.UNREADABLE),
        (
            "time,open,high,low,close\n2024-01-29T10:00,1,1,1,1\n2024-01-30T10:00,1,1,1,1\n",
            Failure.NOT_OFFERED,  # a day that begins at ten
        ),
    ],
)
def test_what_a_file_has_not_is_said(provider, text, kind):
    assert kind_of(lambda: provider(text).bars(ACME, "1d", **ALL)) is kind


def test_actions_need_a_file_of_their_own(provider, tmp_path):
    assert kind_of(lambda: provider(MINUTES).actions(ACME, 0, NOW)) is Failure.NOT_OFFERED
    bad = tmp_path / "bad.csv"
    bad.write_text("date,kind\n")
    assert kind_of(lambda: provider(MINUTES, actions=bad).actions(ACME, 0, NOW)) is (
        Failure.UNREADABLE
    )


def test_a_file_of_tomorrow_has_no_quote_yet(provider):
    files = provider(MINUTES.replace("2024-01-30", "2024-02-01"))
    assert kind_of(lambda: files.quote(ACME)) is Failure.UNKNOWN
