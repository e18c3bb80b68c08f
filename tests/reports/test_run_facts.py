"""What a run began with, as rows: read from the JSON of the first record by other means."""

import hashlib
import json
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.journal.sample import STARTED

from evenkeel.domain.events import Resumed, RunStarted
from evenkeel.domain.instrument_events import SymbolChanged
from evenkeel.reports.run_facts import facts
from evenkeel.storage.tables import (
    AccountRow,
    InstrumentRow,
    LimitCardRow,
    StrategyRow,
    TickerRow,
)

D = Decimal
CARD = {"order_notional_max": "25000", "open_orders_max": "5", "position_quantity_max": "unlimited"}
STARTS = replace(
    STARTED,
    at=7,
    instruments={
        "META.XNAS": {"currency": "USD", "lot": "1"},
        "FESX.XEUR": {"currency": "EUR", "lot": "1", "multiplier": "10", "tick": "0.50"},
        "FB.XNAS": {"currency": "USD", "lot": "0.001", "quarantine": "spike on 2012-05-18"},
    },
    limits=CARD,
    settings={"volume_share": "0.1", "fx:EUR": "1.08"},
)


def rows_of(model, *records, started=STARTS):
    return facts(started, records)[model]


def tickers(*changes, started=STARTS):
    names = ("ticker", "instrument", "since", "until")
    rows = rows_of(TickerRow, *changes, started=started)
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    return {tuple(row[name] for name in names) for row in rows}


def test_instruments_are_what_the_run_took_them_to_be():
    assert rows_of(InstrumentRow) == [
        {
            "id": "FB.XNAS",
            "currency": "USD",
            "tick": None,
            "lot": D("0.001"),
            "multiplier": D(1),
            "quarantine": "spike on 2012-05-18",
        },
        {
            "id": "FESX.XEUR",
            "currency": "EUR",
            "tick": D("0.5"),
            "lot": D(1),
            "multiplier": D(10),
            "quarantine": "",
        },
        {
            "id": "META.XNAS",
            "currency": "USD",
            "tick": None,
            "lot": D(1),
            "multiplier": D(1),
            "quarantine": "",
        },
    ]


def test_account_and_strategy_are_what_the_first_record_says():
    assert rows_of(AccountRow) == [
        {
            "currency": "USD",
            "cash": D(100_000),
            "costs": "ibkr-fixed",
            "slippage": "bps:1",
            "settings": {"volume_share": "0.1", "fx:EUR": "1.08"},
            "opened_at": 7,
        }
    ]
    assert rows_of(StrategyRow) == [
        {
            "name": "evenkeel.strategy.examples.sma_cross:SmaCross",
            "params": {"slow": "50", "fast": "20"},
            "started_at": 7,
        }
    ]


def test_a_limit_card_has_a_version_by_what_it_says():
    (row,) = rows_of(LimitCardRow)
    by_hand = json.dumps(CARD, sort_keys=True, separators=(",", ":")).encode()
    assert row == {"version": hashlib.sha256(by_hand).hexdigest(), "card": CARD, "since": 7}


@pytest.mark.parametrize(
    ("card", "same"),
    [
        (dict(reversed(CARD.items())), True),
        ({**CARD, "open_orders_max": "6"}, False),
        ({name: said for name, said in CARD.items() if name != "open_orders_max"}, False),
    ],
    ids=["in another order", "another number", "one less"],
)
def test_cards_that_say_the_same_are_one_version(card, same):
    (one,), (other,) = (
        rows_of(LimitCardRow),
        rows_of(LimitCardRow, started=replace(STARTS, limits=card)),
    )
    assert (one["version"] == other["version"]) is same


def test_a_ticker_that_never_changed_is_its_own_instrument():
    assert tickers(Resumed(9, "anna", "")) == {
        (name, name, None, None) for name in ("FB.XNAS", "FESX.XEUR", "META.XNAS")
    }


def test_a_ticker_stands_for_what_it_was_called_at_the_end():
    assert tickers(SymbolChanged("FB.XNAS", 20, "META.XNAS")) == {
        ("FB.XNAS", "META.XNAS", None, 20),
        ("META.XNAS", "META.XNAS", 20, None),
        ("FESX.XEUR", "FESX.XEUR", None, None),
    }


def three(*changes):
    names = {name: {"currency": "USD"} for name in ("A.XNAS", "B.XNAS", "C.XNAS")}
    return tickers(*changes, started=replace(STARTS, instruments=names))


def test_names_follow_one_another():
    assert three(SymbolChanged("A.XNAS", 20, "B.XNAS"), SymbolChanged("B.XNAS", 30, "C.XNAS")) == {
        ("A.XNAS", "C.XNAS", None, 20),
        ("B.XNAS", "C.XNAS", 20, 30),
        ("C.XNAS", "C.XNAS", 30, None),
    }


def test_a_name_that_was_given_up_may_be_somebody_elses():
    """A became B; then C took the name A."""
    assert three(SymbolChanged("A.XNAS", 20, "B.XNAS"), SymbolChanged("C.XNAS", 30, "A.XNAS")) == {
        ("A.XNAS", "B.XNAS", None, 20),
        ("B.XNAS", "B.XNAS", 20, None),
        ("C.XNAS", "A.XNAS", None, 30),
        ("A.XNAS", "A.XNAS", 30, None),
    }


def test_a_new_name_that_the_run_does_not_know_changes_nothing():
    """So does the book: what is held stays under the old one."""
    assert three(SymbolChanged("A.XNAS", 20, "Z.XNAS")) == three()


def test_a_new_name_for_what_the_run_does_not_know_begins_with_it():
    assert ("B.XNAS", "B.XNAS", 20, None) in three(SymbolChanged("Z.XNAS", 20, "B.XNAS"))


def test_a_run_of_nothing_has_no_instruments():
    started: RunStarted = replace(STARTS, instruments={})
    assert rows_of(InstrumentRow, started=started) == rows_of(TickerRow, started=started) == []
