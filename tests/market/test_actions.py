"""Splits and dividends from a file."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from evenkeel.domain.errors import DataError, UsageError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.instrument_events import (
    Delisted,
    Merged,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.market.actions import read_actions, split_ratio

AAPL = Instrument("AAPL.XNAS")
HEADER = "date,symbol,kind,value"


def at(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 10**9


def test_actions_come_out_exact_and_in_order(write):
    """AAPL's 7:1 split and two dividends of 2014, as Apple announced them."""
    path = write(
        "2014-06-09,AAPL,split,7:1",
        "2014-02-06,AAPL,dividend,3.05",
        " 2014-05-08 , AAPL , Dividend , 3.29 ",
        header=HEADER,
    )
    assert read_actions(path, [AAPL]) == [
        CashDividend("AAPL.XNAS", at(2014, 2, 6, 5), Decimal("3.05")),
        CashDividend("AAPL.XNAS", at(2014, 5, 8, 4), Decimal("3.29")),
        Split("AAPL.XNAS", at(2014, 6, 9, 4), Decimal(7), Decimal(1)),
    ]


@pytest.mark.parametrize(
    ("market", "due"),
    [
        ("XNYS", at(2024, 3, 11, 4)),  # New York changed its clocks the day before
        ("XTKS", at(2024, 3, 10, 15)),
        ("XXXX", at(2024, 3, 11)),
    ],
)
def test_an_action_is_due_at_midnight_where_it_trades(write, market, due):
    path = write("2024-03-11,A,split,2", header=HEADER)
    (action,) = read_actions(path, [Instrument(f"A.{market}")])
    assert action.at == due


@pytest.mark.parametrize(
    ("value", "new", "old"),
    [("2", 2, 1), ("2:1", 2, 1), ("3:2", 3, 2), ("1 : 10", 1, 10), ("0.5", "0.5", 1)],
)
def test_a_split_is_a_number_or_a_ratio(write, value, new, old):
    path = write(f"2024-03-11,A.XXXX,split,{value}", header="Date,Instrument,KIND,Value")
    (action,) = read_actions(str(path), [Instrument("A.XXXX")])
    assert (action.new, action.old) == (Decimal(new), Decimal(old))


def test_a_dividend_is_in_the_currency_of_its_instrument(write):
    path = write("2024-05-17,SAP,dividend,2.20", header=HEADER)
    (action,) = read_actions(path, [Instrument("SAP.XETR", currency="EUR")])
    assert action.currency == "EUR"


def test_rows_of_other_symbols_are_skipped(write):
    path = write("2024-03-11,MSFT,split,2", "2024-03-11,AAPL.XLON,split,2", header=HEADER)
    assert read_actions(path, [AAPL]) == []


def test_a_list_is_sorted():
    first, second = (Split("A.XXXX", moment, Decimal(2)) for moment in (1, 2))
    assert read_actions([second, first], []) == [first, second]


REFUSED = {
    "no kind": ("date,symbol,value", "2024-03-11,A,2", " has no column kind; found date, symbol"),
    "no symbol": ("date,kind,value", "2024-03-11,split,2", " has no column symbol"),
    "nothing": ("", "", " has no column date, symbol, kind, value; found nothing"),
    "another kind": (HEADER, "2024-03-11,A,splt,2", ", line 2: kind must be .* mean 'split'"),
    "another date": (HEADER, "3/11/2024,A,split,2", ", line 2: date must be like 2024-01-31, was"),
    "a halt without a day": (HEADER, "noon,A,halt,", ", line 2: date must be .*T10:05, was 'noon'"),
    "a split with a time": (HEADER, "2024-03-11T10:00,A,split,2", ", line 2: date must be like"),
    "no number": (HEADER, "2024-03-11,A,split,two", ", line 2: value must be .*, was 'two'"),
    "a half ratio": (HEADER, "2024-03-11,A,split,3:", ", line 2: value must be .*, was ''"),
    "zero": (HEADER, "2024-03-11,A,dividend,0", ", line 2: value must be a number above 0"),
    "NaN": (HEADER, "2024-03-11,A,dividend,nan", ", line 2: value must be a number above 0"),
    "a short row": (HEADER, "2024-03-11,A,dividend", ", line 2: value must be .*, was ''"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_row_that_breaks_a_law_is_refused_with_its_line(write, case):
    header, row, said = REFUSED[case]
    path = write(row, header=header, name="actions.csv")
    with pytest.raises(DataError, match=rf"^actions\.csv{said}"):
        read_actions(path, [AAPL])


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_actions(tmp_path / "none.csv", [AAPL])
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"date,symbol,kind,value\n\xff\xfe\n")
    with pytest.raises(DataError, match=r"^bad\.csv is not CSV in UTF-8"):
        read_actions(bad, [AAPL])


def test_an_unknown_market_is_refused(write):
    path = write("2024-03-11,A,split,2", header=HEADER)
    with pytest.raises(UsageError, match="no trading calendar"):
        read_actions(path, [Instrument("A.XNYX")])


OTHER_KINDS = [
    ("stock-dividend,0.05", StockDividend("ACME.XXXX", 0, Decimal("0.05"))),
    ("symbol-change,META.XNAS", SymbolChanged("ACME.XXXX", 0, "META.XNAS")),
    ("merger,12.30", Merged("ACME.XXXX", 0, cash=Decimal("12.30"))),
    ("merger,BETA.XNYS:0.5", Merged("ACME.XXXX", 0, "BETA.XNYS", Decimal("0.5"))),
    (
        "merger,BETA.XNYS:0.5+12.30",
        Merged("ACME.XXXX", 0, "BETA.XNYS", Decimal("0.5"), Decimal("12.30")),
    ),
    ("delisting,", Delisted("ACME.XXXX", 0)),
    ("delisting,0", Delisted("ACME.XXXX", 0, Decimal(0))),
    ("delisting,1.25", Delisted("ACME.XXXX", 0, Decimal("1.25"))),
    ("spin-off,BETA.XNYS:0.25", SpunOff("ACME.XXXX", 0, "BETA.XNYS", Decimal("0.25"))),
    (
        "spin-off,BETA.XNYS:0.25@0.1",
        SpunOff("ACME.XXXX", 0, "BETA.XNYS", Decimal("0.25"), Decimal("0.1")),
    ),
    ("halt,", TradingHalted("ACME.XXXX", 0)),
    ("halt,news pending", TradingHalted("ACME.XXXX", 0, "news pending")),
    ("resume,", TradingResumed("ACME.XXXX", 0)),
]


@pytest.mark.parametrize(("row", "event"), OTHER_KINDS)
def test_whatever_a_company_does_can_be_written_in_a_line(write, row, event):
    path = write(f"1970-01-01,ACME,{row}", header="date,symbol,kind,value")
    assert read_actions(path, [Instrument("ACME.XXXX")]) == [event]


@pytest.mark.parametrize(
    ("when", "moment"),
    [
        ("2024-01-31T10:05", at(2024, 1, 31, 15, 5)),  # New York is five hours behind
        ("2024-07-31 10:05:30", at(2024, 7, 31, 14, 5, 30)),
        ("2024-01-31T10:05Z", at(2024, 1, 31, 10, 5)),
        ("2024-01-31T10:05+01:00", at(2024, 1, 31, 9, 5)),
        ("2024-01-31", at(2024, 1, 31, 5)),
    ],
)
def test_a_halt_begins_at_a_time_where_it_trades(write, when, moment):
    path = write(f"{when},AAPL,halt,LULD", header=HEADER)
    assert read_actions(path, [AAPL]) == [TradingHalted(AAPL.id, moment, "LULD")]


@pytest.mark.parametrize(
    ("factor", "ratio"),
    [
        (7, (7, 1)),
        (1.5, (3, 2)),
        ("0.3333", (1, 3)),
        ("0.006667", (1, 150)),
        ("1.00495", (20_099, 20_000)),  # nothing simple is near
    ],
)
def test_a_split_factor_is_a_ratio_that_companies_choose(factor, ratio):
    assert split_ratio(factor) == ratio


@pytest.mark.parametrize("factor", [0, -2, "0.0"])
def test_a_split_factor_is_above_nothing(factor):
    with pytest.raises(ValueError, match="must be above 0"):
        split_ratio(factor)


def test_a_funds_gain_is_part_of_its_dividend(write):
    path = write("1970-01-01,ACME,gains,1", header="date,symbol,kind,value")
    assert read_actions(path, [Instrument("ACME.XXXX")]) == []


def test_a_ratio_without_a_name_is_refused(write):
    path = write("1970-01-01,ACME,spin-off,0.25", header="date,symbol,kind,value")
    with pytest.raises(DataError, match=r"must be like ACME.XNYS:0.5, was '0.25'"):
        read_actions(path, [Instrument("ACME.XXXX")])
