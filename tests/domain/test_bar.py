"""Bars are parallel columns; a part of them is a view, and their digest is their identity."""

import numpy as np
import pytest
from msgspec.structs import replace
from tests.domain.history import history

from evenkeel.domain.bar import Finding
from evenkeel.domain.instrument import Instrument

COLUMNS = ("closed_at", "open", "high", "low", "close", "volume")


def test_a_part_of_the_bars_is_a_view_on_them():
    bars = history("A.XNYS", [1, 2, 3, 4])
    part = bars.between(1, 3)
    assert len(bars) == 4
    assert len(part) == 2
    for column in COLUMNS:
        assert np.shares_memory(getattr(part, column), getattr(bars, column))
        assert getattr(part, column).tolist() == getattr(bars, column).tolist()[1:3]
    assert part.session_closes is bars.session_closes
    assert bars.first(2).closed_at.tolist() == [1, 2]
    assert len(bars.first(9)) == 4
    assert part.opened_at is None
    known = replace(bars, opened_at=np.array([0, 1, 2, 3]))
    assert known.between(1, 3).opened_at.tolist() == [1, 2]


def test_bars_are_shown_in_a_line():
    day = 86_400 * 10**9
    bars = history("A.XNYS", [20 * day, 21 * day + 1])
    assert repr(bars) == "<Bars of A.XNYS: 2, 1970-01-21 to 1970-01-22>"
    assert repr(bars.first(0)) == "<Bars of A.XNYS: 0>"


def test_the_digest_names_the_data_and_nothing_else():
    bars = history("A.XNYS", [1, 2, 3])
    assert bars.digest() == history("A.XNYS", [1, 2, 3]).digest()
    assert bars.digest() == replace(bars, source="elsewhere", periods_per_year=365).digest()
    assert len(bars.digest()) == 64


def test_the_digest_of_what_can_change_is_computed_anew():
    bars = history("A.XNYS", [1, 2, 3])
    before = bars.digest()
    bars.close[1] += 1
    changed = bars.digest()
    assert changed != before
    for column in (bars.closed_at, bars.open, bars.high, bars.low, bars.close, bars.volume):
        column.flags.writeable = False
    assert bars.digest() == bars.digest() == changed
    assert replace(bars, instrument=Instrument("B.XNYS")).digest() != changed
    assert bars.first(2).digest() == history_like(bars, 2).digest()


def history_like(bars, count):
    """The same first bars, made afresh."""
    columns = ("closed_at", "open", "high", "low", "close", "volume")
    return replace(bars, **{name: getattr(bars, name)[:count].copy() for name in columns})


@pytest.mark.parametrize("column", COLUMNS)
def test_the_digest_changes_with_every_column(column):
    bars = history("A.XNYS", [1, 2, 3])
    changed = getattr(bars, column).copy()
    changed[1] += 1
    assert replace(bars, **{column: changed}).digest() != bars.digest()


def test_the_digest_changes_with_the_instrument_and_the_length():
    bars = history("A.XNYS", [1, 2, 3])
    assert replace(bars, instrument=Instrument("B.XNYS")).digest() != bars.digest()
    assert bars.first(2).digest() != bars.digest()


def test_a_finding_says_what_where_and_how_often():
    finding = Finding("A.XNYS", "gap", 2, 5, "2 bars are missing")
    assert (finding.code, finding.count, finding.first_at) == ("gap", 2, 5)
