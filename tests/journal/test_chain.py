"""One record, one line: what stands in a line, and when two lines are the same."""

import hashlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.journal.sample import ORDER, a_run, any_record, respelled, two_of_a_kind

from evenkeel.domain.events import CancelRequested, OrderAccepted, OrderCanceled
from evenkeel.domain.fill import Fill
from evenkeel.domain.order import Side
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.journal.chain import GENESIS, KINDS, link, links

D = Decimal


def line(record):
    return link(record, sequence=7, previous=GENESIS).line


def test_a_line_is_a_hash_and_the_json_that_has_it():
    """Written out by hand: whoever has SHA-256 can read a journal without this package."""
    fill = Fill(
        "1-1", 1, "AAPL.XNAS", Side.BUY, D("1E+2"), D("102.370"), "USD", 17, D("-0.0"), D("0.010")
    )
    json_text = (
        '{"sequence":1,"kind":"Fill","previous":"' + "0" * 64 + '","body":{"id":"1-1",'
        '"order_id":1,"instrument":"AAPL.XNAS","side":"BUY","quantity":"100","price":"102.37",'
        '"currency":"USD","at":17,"commission":"0","slippage":"0.01","fees":"0"}}'
    )
    first = link(fill, sequence=1, previous=GENESIS)
    digest = hashlib.sha256(json_text.encode()).hexdigest()
    assert first.line.decode() == f"{digest} {json_text}"
    assert first == (1, "Fill", 17, json_text.encode(), digest)


def test_every_record_names_the_hash_of_the_one_before():
    previous = GENESIS
    for number, linked in enumerate(links(a_run()), 1):
        record = json.loads(linked.json)
        assert (record["sequence"], record["previous"]) == (number, previous)
        assert record["kind"] in KINDS
        previous = linked.hash


def test_a_chain_can_be_continued():
    whole = list(links(a_run()))
    rest = links(a_run()[5:], after=5, previous=whole[4].hash)
    assert list(rest) == whole[5:]


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0E+7", "0"),
        ("0.000", "0"),
        ("100", "100"),
        ("1E+2", "100"),
        ("1.5E+3", "1500"),
        ("12.50", "12.5"),
        ("-12.5", "-12.5"),
        ("-100", "-100"),
        ("1E-7", "0.0000001"),
        ("0.00000012", "0.00000012"),
        ("123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"),
        ("Infinity", "Infinity"),
    ],
)
def test_an_amount_has_one_spelling(amount, written):
    body = json.loads(link(OrderCanceled(1, 1, D(amount)), sequence=1, previous=GENESIS).json)
    assert body["body"]["filled"] == written


@given(two_of_a_kind)
def test_records_are_equal_when_their_lines_are(pair):
    one, other = pair
    assert (one == other) == (line(one) == line(other))


@given(any_record)
def test_another_spelling_is_the_same_record(record):
    assert line(respelled(record)) == line(record)


@given(two_of_a_kind, st.data())
def test_no_field_goes_unsaid(pair, data):
    """Change any one field of any record and its line changes."""
    record, other = pair
    name = data.draw(st.sampled_from(record.__slots__))
    changed = replace(record, **{name: getattr(other, name)})
    assert (changed == record) == (line(changed) == line(record))


def test_words_and_amounts_are_told_apart():
    """A limit may be the amount 5 or the words "5"; those are two different records."""
    refused = Refused(ORDER, 1, Reason.HALTED, D(5), D(5))
    lines = {line(replace(refused, limit=a, observed=b)) for a in (D(5), "5") for b in (D(5), "5")}
    assert len(lines) == 4


def test_a_kind_is_part_of_the_record():
    assert line(Approved(ORDER, 1, D(1))) != line(replace(Approved(ORDER, 1, D(1)), at=2))
    assert line(OrderAccepted(1, 2)) != line(CancelRequested(1, 2, ""))
