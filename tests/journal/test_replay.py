"""A journal gives back what was written, and the book that it led to."""

from decimal import Decimal

import pytest
from hypothesis import given
from msgspec.structs import replace
from tests.journal.sample import STARTED, a_run, any_record, book_of

from evenkeel.domain.errors import JournalError
from evenkeel.domain.events import RunEnded
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Order
from evenkeel.domain.verdict import Approved
from evenkeel.journal.chain import GENESIS, link, links
from evenkeel.journal.replay import Entry, decode, read, replay

D = Decimal


def lines_of(records):
    return [linked.line for linked in links(records)]


@given(any_record)
def test_what_is_read_back_is_what_was_written(record):
    (entry,) = read([link(record, sequence=3, previous=GENESIS).line])
    assert (entry.sequence, entry.kind) == (3, type(record).__name__)
    back = decode(entry)
    if isinstance(record, Approved):
        record = record.order
    assert back == record
    assert type(back) is type(record)
    for name in record.__struct_fields__:
        assert type(getattr(back, name)) is type(getattr(record, name))


def test_an_approval_comes_back_as_its_order():
    """Only the gate makes an `Approved`; what is read from a disk has not passed the gate."""
    decoded = [decode(entry) for entry in read(lines_of(a_run()))]
    assert not any(isinstance(record, Approved) for record in decoded)
    assert sum(isinstance(record, Order) for record in decoded) == 1


def test_replay_leads_to_the_state_that_the_run_ended_in():
    book = replay(lines_of(a_run()), book_of)
    assert book.state_hash() == a_run()[-1].state
    assert book.cash == a_run()[-1].equity


def test_a_run_that_goes_on_is_replayed_so_far():
    book = replay(lines_of(a_run()[:5]), book_of)
    assert book.quantity("AAPL.XNAS") == 60


def other_price(run):
    return [
        replace(record, price=record.price + D("0.01")) if isinstance(record, Fill) else record
        for record in run
    ]


@pytest.mark.parametrize(
    "broken",
    [
        other_price(a_run()),
        [record for record in a_run() if not isinstance(record, Fill) or record.id != "2-1"],
        [*a_run()[:-1], RunEnded(11, "0" * 64, D(1))],
    ],
    ids=["another price", "a fill less", "another state"],
)
def test_replay_names_the_difference(broken):
    led_to = replay(lines_of(broken[:-1]), book_of).state_hash()
    law = rf"record {len(broken)} .* in state {broken[-1].state}, but .* lead to {led_to}"
    with pytest.raises(JournalError, match=law):
        replay(lines_of(broken), book_of)


@pytest.mark.parametrize("lines", [[], lines_of(a_run()[1:])])
def test_a_journal_begins_with_run_started(lines):
    with pytest.raises(JournalError, match="does not begin with RunStarted"):
        replay(lines, book_of)


@pytest.mark.parametrize("line", [b"", b"hello", b"hash {", b"hash []", b'hash {"sequence":1}'])
def test_what_is_not_a_record_is_named_by_its_line(line):
    with pytest.raises(JournalError, match="line 2 of the journal is not a record"):
        list(read([lines_of([STARTED])[0], line]))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("Fil", {}),
        ("Fill", {"id": "1"}),
        ("Noted", {"at": "noon", "strategy": "s", "text": ""}),
        ("Approved", {}),
        ("Refused", {"order": {}}),
    ],
)
def test_fields_that_are_not_of_the_kind_are_refused(kind, body):
    with pytest.raises(JournalError, match=f"record 4 of the journal cannot be read as a {kind}"):
        decode(Entry(4, kind, body))


@pytest.mark.parametrize(
    "change", [{"reason": "because"}, {"limit": {}}, {"limit": "many"}, {"observed": []}]
)
def test_a_refusal_must_be_one(change):
    refusals = [entry for entry in read(lines_of(a_run())) if entry.kind == "Refused"]
    with pytest.raises(JournalError, match="cannot be read as a Refused"):
        decode(Entry(4, "Refused", refusals[0].body | change))
