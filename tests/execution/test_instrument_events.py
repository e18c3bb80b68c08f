"""What happens to an instrument happens to the orders in it, and to nothing else."""

from decimal import Decimal

from msgspec.structs import replace
from tests.execution.bench import ID, MINUTE, advance, approved, bars_of, fills, kinds, order, venue

from evenkeel.domain.instrument_events import (
    CashDividend,
    Delisted,
    Merged,
    SpunOff,
    StockDividend,
    SymbolChanged,
    TradingHalted,
    TradingResumed,
)
from evenkeel.domain.order import TimeInForce

D = Decimal
NEW, OTHER = "NEW.XXXX", "OTHER.XXXX"
ROWS = [
    (100, 101, 99, 100),
    (100, 104, 96, 101),
    (101, 103, 97, 102),
    (102, 106, 98, 103),
    (103, 105, 99, 104),
]


def at(minute):
    """Just before the bar that closes at `minute`."""
    return minute * MINUTE - 1


def play(*orders, events, histories=None, stop=5):
    """Orders at minute 1; at each later minute first what happens, then what the venue says."""
    broker = venue(*(histories or [bars_of(ROWS)]))
    said = advance(broker, 1)
    for each in orders:
        broker.submit(approved(each))
    said += broker.events()
    for minute in range(2, stop + 1):
        broker.tape.advance(minute * MINUTE)
        for event in events:
            if (minute - 1) * MINUTE < event.at < minute * MINUTE:
                broker.corporate_action(event)
        said += broker.events()
    return broker, [event for event in said if type(event).__name__ != "OrderAccepted"]


def filled(said):
    return [(fill.order_id, fill.at // MINUTE, fill.price) for fill in fills(said)]


# ---- halts -----------------------------------------------------------------------------------


def test_on_a_halted_instrument_orders_rest_and_nothing_is_triggered():
    halt = [TradingHalted(ID, at(2)), TradingResumed(ID, at(4))]
    market, limit = order(1, "BUY", 5), order(2, "BUY", 5, "LIMIT", limit="96")
    stop = order(3, "SELL", 5, "STOP", stop="97.5")
    assert filled(play(market, limit, stop, events=[])[1]) == [
        (1, 2, 100),
        (2, 2, 96),
        (3, 2, D("97.5")),
    ]
    assert filled(play(market, limit, stop, events=halt)[1]) == [(1, 4, 102)]


def test_a_chance_in_a_halt_is_a_chance_that_is_missed():
    once = order(1, "BUY", 5, tif=TimeInForce.IOC)
    opening = order(2, "BUY", 5, "MARKET_ON_OPEN", tif=TimeInForce.OPG)
    closing = order(3, "BUY", 5, "MARKET_ON_CLOSE", tif=TimeInForce.DAY, expires_at=2 * MINUTE)
    _, said = play(once, opening, closing, events=[TradingHalted(ID, at(2))])
    assert kinds(said) == [("OrderCanceled", 1), ("OrderExpired", 2), ("OrderExpired", 3)]


def test_a_day_order_expires_in_a_halt_as_on_any_day():
    day = order(1, "BUY", 5, "LIMIT", limit="96", tif=TimeInForce.DAY, expires_at=3 * MINUTE)
    _, said = play(day, events=[TradingHalted(ID, at(2))])
    assert kinds(said) == [("OrderExpired", 1)]


def test_a_halt_and_its_end_between_two_bars_change_nothing():
    halt = [TradingHalted(ID, at(2) - 1), TradingResumed(ID, at(2))]
    assert filled(play(order(1, "BUY", 5), events=halt)[1]) == [(1, 2, 100)]


def test_a_halt_is_of_one_instrument():
    both = [bars_of(ROWS), bars_of(ROWS, name=OTHER)]
    mine, other = order(1, "BUY", 5), order(2, "BUY", 5, instrument=OTHER)
    _, said = play(mine, other, events=[TradingHalted(ID, at(2))], histories=both)
    assert filled(said) == [(2, 2, 100)]


# ---- the end of an instrument ----------------------------------------------------------------


def test_a_delisting_cancels_what_works_and_lets_nothing_new_in():
    entry = order(1, "BUY", 5, "LIMIT", limit="90")
    stop = order(2, "SELL", 5, "STOP", stop="80", parent=1)
    broker, said = play(entry, stop, events=[Delisted(ID, at(3), D(0))], stop=3)
    assert [(event.order_id, event.at, event.reason) for event in said] == [
        (1, 3 * MINUTE, "delisted"),
        (2, 3 * MINUTE, "its parent never filled"),
    ]
    broker.submit(approved(order(3, "BUY", 5)))
    assert kinds(broker.events()) == [("OrderRejected", 3)]


def test_what_filled_before_a_delisting_has_filled():
    half = [bars_of([(*row, 30) for row in ROWS])]
    _, said = play(order(1, "BUY", 5), events=[Delisted(ID, at(3))], histories=half)
    (fill,) = fills(said)
    assert (fill.quantity, said[-1].filled, said[-1].reason) == (3, 3, "delisted")


def test_a_merger_ends_the_orders_in_what_is_merged():
    both = [bars_of(ROWS), bars_of(ROWS, name=OTHER)]
    mine = order(1, "BUY", 5, "LIMIT", limit="90")
    other = order(2, "BUY", 5, "LIMIT", limit="90", instrument=OTHER)
    merger = Merged(ID, at(2), OTHER, D("0.5"))
    _, said = play(mine, other, events=[merger], histories=both)
    assert [(event.order_id, event.reason) for event in said] == [(1, "merged")]


def test_a_spin_off_ends_orders_but_not_trading():
    """Its price falls by what nobody knows beforehand: a stop below it would sell for no reason."""
    stop = order(1, "SELL", 5, "STOP", stop="90")
    broker, said = play(stop, events=[SpunOff(ID, at(2), NEW, D("0.25"))])
    assert kinds(said) == [("OrderCanceled", 1)]
    broker.submit(approved(order(2, "BUY", 5)))
    assert kinds(broker.events()) == [("OrderAccepted", 2)]


# ---- a new name, a new scale -----------------------------------------------------------------


def renamed():
    """The old name trades until minute 2, the new one from minute 3 on."""
    new = bars_of([(102, 106, 98, 103), (103, 105, 99, 104)], name=NEW, first=3)
    return [bars_of(ROWS[:2]), new]


def test_orders_go_on_under_the_new_name():
    limit = order(1, "SELL", 5, "LIMIT", limit="105")
    child = order(2, "BUY", 5, "LIMIT", limit="100", parent=1)
    _, said = play(
        limit, child, events=[SymbolChanged(ID, at(3), NEW)], histories=renamed(), stop=4
    )
    assert [(fill.order_id, fill.instrument) for fill in fills(said)] == [(1, NEW), (2, NEW)]


def test_a_trail_goes_on_from_where_it_stood_under_the_old_name():
    """The high of 104 has lifted it to 101; the first bar of the new name opens above, and falls."""
    trail = order(1, "SELL", 5, "TRAILING_STOP", stop="95", trail="3")
    old, new = renamed()
    old = bars_of([ROWS[0], (100, 104, 102, 103)])
    _, said = play(trail, events=[SymbolChanged(ID, at(3), NEW)], histories=[old, new], stop=4)
    assert filled(said) == [(1, 3, 101)]


def test_under_a_name_that_has_no_bars_orders_end():
    stop = order(1, "SELL", 5, "STOP", stop="90")
    broker, said = play(stop, events=[SymbolChanged(ID, at(3), "FAR.XXXX")], stop=3)
    assert [(event.order_id, event.reason) for event in said] == [(1, "renamed")]
    broker.submit(approved(order(2, "BUY", 5)))
    assert kinds(broker.events()) == [("OrderRejected", 2)]


def test_an_order_that_saw_no_bar_ahead_follows_its_instrument_too():
    """A tape that grows: nothing of the new name has traded when it takes over."""
    old, new = renamed()
    broker = venue(old, replace(new.first(0), session_closes=new.session_closes))
    advance(broker, 2)
    broker.submit(approved(order(1, "BUY", 5)))
    broker.events()
    broker.corporate_action(SymbolChanged(ID, at(3), NEW))
    broker.tape.extend([new])
    assert filled(advance(broker, 3)) == [(1, 3, 102)]


def test_a_stock_dividend_is_a_split_of_its_size():
    """A quarter more shares: 8 become 10, and a limit of 100 reads 80."""
    limit = order(1, "BUY", 8, "LIMIT", limit="100")
    halved = [bars_of([ROWS[0], (120, 121, 119, 120), (82, 83, 79, 80)])]
    _, said = play(limit, events=[StockDividend(ID, at(2), D("0.25"))], histories=halved, stop=3)
    (fill,) = fills(said)
    assert (fill.quantity, fill.price) == (10, 80)


def test_a_cash_dividend_changes_no_order():
    limit = order(1, "BUY", 5, "LIMIT", limit="96")
    _, said = play(limit, events=[CashDividend(ID, at(2), D(4))])
    assert filled(said) == [(1, 2, 96)]
