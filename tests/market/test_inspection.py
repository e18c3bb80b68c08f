"""Errors go into quarantine, and people decide what comes out of it."""

import numpy as np
import pytest

from evenkeel.domain.errors import UsageError
from evenkeel.market.inspection import (
    _action,
    decide,
    finding_id,
    inspect,
    read_decisions,
    read_findings,
    untradable,
)
from evenkeel.market.listed import Listed
from evenkeel.market.seen import seen
from evenkeel.market.shelf import Shelf

DAY = 86_400_000_000_000
START = 19_723 * DAY  # 2024-01-01, a Monday


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path, "1d", DAY)


def fill(shelf, closes, name="ACME.XXXX", at=1):
    close = np.array(closes, float)
    columns = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}
    ts = START + np.arange(len(close)) * DAY
    volume = 1000.0 + np.arange(len(close))
    codes = np.zeros(len(close), np.int64)
    shelf.add(seen([name], codes, ts, {**columns, "volume": volume}, at=at, source="feed"))


def calm(count):
    return [100 + (day * 7 % 11) / 10 for day in range(count)]


def closes(shelf, name="ACME.XXXX"):
    return shelf.columns(name)["close"].tolist()


def broken(shelf, row=30, count=60):
    told = calm(count)
    told[row] = 0.0
    fill(shelf, told)
    return told


def decided(shelf, **options):
    told = []
    (error,) = inspect(shelf, []).errors
    decision = decide(
        shelf, error.id, by="ann", reason="looked", now=99, record=told.append, **options
    )
    assert told == [decision]
    return decision


def test_a_bar_with_an_error_is_kept_and_not_handed_out(shelf):
    told = broken(shelf)
    inspection = inspect(shelf, [])
    assert [each.finding.code for each in inspection.errors] == ["not-positive"]
    assert closes(shelf) == told[:30] + told[31:]
    assert len(shelf.columns("ACME.XXXX", quarantined=True)["ts"]) == 60
    assert [each.finding.code for each in read_findings(shelf)] == [
        each.finding.code for each in inspection.found
    ]


def test_the_score_falls_with_what_is_wrong(shelf):
    broken(shelf)
    fill(shelf, calm(60), "FINE.XXXX")
    scores = inspect(shelf, []).scores()
    assert scores["FINE.XXXX"] == 100
    assert 90 < scores["ACME.XXXX"] < 100


def test_some_instruments_can_be_judged_without_forgetting_the_others(shelf):
    broken(shelf)
    inspect(shelf, [])
    fill(shelf, calm(60), "FINE.XXXX")
    assert inspect(shelf, [], names=["FINE.XXXX"]).errors == []
    assert len(shelf.held_back("ACME.XXXX")) == 1
    assert next(each.finding.instrument for each in read_findings(shelf)) == "ACME.XXXX"


def test_an_accepted_bar_is_free_and_stays_free(shelf):
    told = broken(shelf)
    decision = decided(shelf)
    assert (decision.choice, decision.by, decision.reason, decision.at) == (
        "accept", "ann", "looked", 99,
    )  # fmt: skip
    for _ in range(2):
        assert inspect(shelf, []).errors == []
        assert closes(shelf) == told
    assert read_decisions(shelf) == [decision]


def test_an_acceptance_covers_no_later_bar(shelf):
    broken(shelf)
    decided(shelf)
    told = calm(80)
    told[70] = 0.0
    told[30] = 0.0
    fill(shelf, told, at=2)
    (error,) = inspect(shelf, []).errors
    assert error.stamps == (START + 70 * DAY,)


def test_a_repair_writes_new_values_beside_the_old(shelf):
    told = calm(60)
    told[30:35] = [close * 100 for close in told[30:35]]
    fill(shelf, told)
    decided(shelf, factor=0.01)
    assert inspect(shelf, []).errors == []
    assert closes(shelf) == pytest.approx(calm(60))
    assert shelf.superseded().values["close"].tolist() == told[30:35]
    held = shelf.everything()
    assert held.sources[held.source_of[32]] == "repair:ann"


def test_nothing_is_done_when_it_cannot_be_written_down(shelf):
    broken(shelf)
    (error,) = inspect(shelf, []).errors

    def full(_decision):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        decide(shelf, error.id, by="ann", reason="", now=1, factor=2.0, record=full)
    assert read_decisions(shelf) == []
    assert len(shelf.superseded()) == 0


def test_what_nobody_found_cannot_be_decided(shelf):
    broken(shelf)
    (error,) = inspect(shelf, []).errors
    with pytest.raises(UsageError, match=f"did you mean '{error.id}'"):
        decide(shelf, error.id[:-1], by="a", reason="", now=1, record=lambda _: None)
    told = calm(60)
    told[40] *= 1.5
    fill(shelf, told, at=3)
    spike = next(each for each in inspect(shelf, []).found if each.finding.code == "spike")
    with pytest.raises(UsageError, match="is about no single bars"):
        decide(shelf, spike.id, by="a", reason="", now=1, factor=2.0, record=lambda _: None)
    decide(shelf, spike.id, by="a", reason="true", now=1, record=lambda _: None)
    again = next(each for each in inspect(shelf, []).found if each.finding.code == "spike")
    assert (again.id, again.open) == (finding_id(spike.finding), False)


@pytest.mark.parametrize(("row", "barred"), [(5, False), (55, True)])
def test_an_error_of_late_bars_an_instrument_from_trading(shelf, row, barred):
    broken(shelf, row)
    inspect(shelf, [])
    assert list(untradable(shelf)) == (["ACME.XXXX"] if barred else [])
    if barred:
        assert untradable(shelf)["ACME.XXXX"].startswith("not-positive (")


def test_listed_splits_explain_what_jumps(shelf):
    fill(shelf, [*calm(30), *(close / 3 for close in calm(30))])
    codes = {each.finding.code for each in inspect(shelf, []).found}
    day = str(np.datetime64(START + 30 * DAY, "ns"))[:10]
    told = [Listed(day, "ACME.XXXX", "split", "3:1", "us", 1)]
    assert {each.finding.code for each in inspect(shelf, told).found} < codes | {"x"}
    assert "split-missing" not in {each.finding.code for each in inspect(shelf, told).found}


def test_a_session_that_is_missing_of_late_keeps_an_instrument_from_being_traded(shelf):
    """2024-03-06, a Wednesday. A month later it is history; until then somebody may accept it."""
    fill(shelf, calm(60), "ACME.XNYS")
    rows = shelf.everything()
    weekdays = (rows.ts // DAY + 3) % 7 < 5
    holidays = np.isin(rows.ts // DAY - 19_723, (0, 14, 49))  # New Year, King, Washington
    sessions = rows.take(weekdays & ~holidays & (rows.ts // DAY != 19_723 + 57))
    mended = Shelf(shelf.folder / "sessions", "1d", DAY)
    mended.add(sessions)
    last = START + 59 * DAY
    now = last + DAY
    (error,) = inspect(mended, [], now=now).errors
    assert (error.finding.code, error.finding.count, error.stamps) == ("gap-recent", 1, ())
    assert list(untradable(mended)) == ["ACME.XNYS"]
    assert len(mended.columns("ACME.XNYS")["ts"]) == len(sessions)  # no bar is held back
    said = {"by": "ann", "reason": "a halt", "record": lambda _: None}
    with pytest.raises(UsageError, match="about no single bars"):
        decide(mended, error.id, now=now, factor=2.0, **said)
    decide(mended, error.id, now=now, **said)
    assert inspect(mended, [], now=now).errors == []
    assert untradable(mended) == {}
    (old,) = inspect(mended, [], now=last + 40 * DAY).found
    assert (old.finding.code, old.finding.severity) == ("gap", "warning")


def test_a_stock_dividend_explains_a_step_as_a_split_does(shelf):
    """5 % of 100 shares more: the price falls by a twentieth, and nobody lost anything."""
    fill(shelf, calm(60))
    (told,) = [_action(Listed("2024-02-01", "ACME.XXXX", "stock-dividend", "0.05", "file", 1))]
    assert (told.kind, told.value) == ("split", 1.05)
    others = [Listed("2024-02-01", "GONE.XXXX", "split", "2", "file", 1),
              Listed("2030-02-01", "ACME.XXXX", "split", "2", "file", 1)]  # fmt: skip
    assert inspect(shelf, others).errors == []
