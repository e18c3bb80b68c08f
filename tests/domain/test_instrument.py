"""An instrument is named SYMBOL.MIC; anything else is sent back with the rule."""

from decimal import Decimal

import pytest

from evenkeel.domain.errors import UsageError
from evenkeel.domain.instrument import NO_MARKET, Instrument, instrument_id, instrument_named


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("AAPL.XNAS", "AAPL.XNAS"),
        ("  AAPL.XNAS ", "AAPL.XNAS"),
        ("AAPL", "AAPL.XXXX"),
        ("BRK.B.XNYS", "BRK.B.XNYS"),
        ("7203.XTKS", "7203.XTKS"),
        ("VOD.1234", "VOD.1234"),
    ],
)
def test_a_name_is_a_symbol_and_a_market(written, name):
    assert instrument_id(written) == name


@pytest.mark.parametrize("written", ["", ".", ".XNAS", "A B.XNAS", "A B", "A.X AS"])
def test_a_name_without_a_symbol_or_with_spaces_is_none(written):
    with pytest.raises(UsageError, match=r"not of the form SYMBOL.MIC, such as AAPL.XNAS"):
        instrument_id(written)


@pytest.mark.parametrize("mic", ["B", "NASDAQ", "xnas", "X-AS"])
def test_a_market_that_is_no_iso_code_shows_the_way_out(mic):
    with pytest.raises(UsageError) as caught:
        instrument_id(f"BRK.{mic}")
    assert str(caught.value) == (
        f"instrument 'BRK.{mic}': {mic!r} is not a market code of ISO 10383 (four capitals, such "
        f"as XNAS); without one write BRK.{mic}.XXXX"
    )


def test_symbol_and_market_are_read_from_the_name():
    instrument = Instrument("BRK.B.XNYS")
    assert (instrument.symbol, instrument.mic) == ("BRK.B", "XNYS")
    assert NO_MARKET == "XXXX"


def test_what_is_not_declared_has_no_tick_and_whole_lots():
    bare = Instrument("AAPL.XXXX")
    assert (bare.tick, bare.lot, bare.multiplier) == (None, Decimal(1), Decimal(1))
    assert (bare.currency, bare.tradable) == ("USD", True)


def test_an_instrument_does_not_change():
    with pytest.raises(AttributeError, match="immutable"):
        Instrument("AAPL.XNAS").lot = Decimal(5)


# ---- what differs from a share in dollars ----


@pytest.mark.parametrize(
    ("written", "instrument"),
    [
        ("AAPL.XNAS", Instrument("AAPL.XNAS")),
        ("VOD.XLON:currency=GBP", Instrument("VOD.XLON", currency="GBP")),
        (
            "ESZ4.XCME: multiplier = 50 :tick=0.25",
            Instrument("ESZ4.XCME", multiplier=Decimal(50), tick=Decimal("0.25")),
        ),
        ("BTC:lot=0.001", Instrument("BTC.XXXX", lot=Decimal("0.001"))),
        ("X:Y.XXXX:lot=10", Instrument("X:Y.XXXX", lot=Decimal(10))),
    ],
)
def test_a_text_says_what_differs(written, instrument):
    assert instrument_named(written) == instrument


def test_what_is_not_said_is_as_around_it():
    assert instrument_named("VOD.XLON", "GBP").currency == "GBP"
    assert instrument_named("SAN.XMAD:currency=EUR", "GBP").currency == "EUR"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            "VOD.XLON:curency=GBP",
            "'curency' is not one of currency, tick, lot, multiplier.*currency",
        ),
        ("VOD.XLON:lot=1:lot=2", "lot is given twice; give it once"),
        ("VOD.XLON:currency=pounds", "three capitals of ISO 4217 such as GBP, was 'pounds'"),
        ("VOD.XLON:tick=0", "tick must be a number above 0, was '0'"),
        ("VOD.XLON:lot=-1", "lot must be a number above 0, was '-1'"),
        ("VOD.XLON:multiplier=many", "multiplier must be a number above 0, was 'many'"),
        ("VOD.XLON:multiplier=Infinity", "multiplier must be a number above 0"),
        ("VOD.LONDON:lot=1", "'LONDON' is not a market code"),
        (":lot=1", "not of the form SYMBOL.MIC"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(written, sentence):
    with pytest.raises(UsageError, match=sentence):
        instrument_named(written)
