"""A tape of a few bars, an order in one line, and a venue that is asked at every bar."""

from decimal import Decimal

import numpy as np
from msgspec.structs import replace

from evenkeel.domain.bar import Bars
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.domain.tape import Tape
from evenkeel.domain.verdict import Approved
from evenkeel.execution.costs import Zero
from evenkeel.execution.latency import at_distance
from evenkeel.execution.simulated import SimulatedBroker
from evenkeel.execution.slippage import NoSlippage, late

MINUTE = 60_000_000_000
ID = "TEST.XXXX"
D = Decimal


def bars_of(rows, *, name=ID, volume=1e9, first=1, step=1, **changes):
    """Bars from (open, high, low, close[, volume]) rows; bar i closes at minute first + i."""
    rows = [(*row, volume)[:5] for row in rows]
    columns = [np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)]
    closed_at = np.arange(first, first + step * len(rows), step, dtype=np.int64) * MINUTE
    known = {key: changes.pop(key) for key in ("volume_known",) if key in changes}
    return Bars(Instrument(name, **changes), closed_at, *columns, closed_at, **known)


def order(number, side, quantity, kind="MARKET", **terms):
    """An order with prices given as text: order(1, "BUY", 10, "LIMIT", limit="99.5")."""
    prices = {"limit": "limit_price", "stop": "stop_price", "trail": "trail_amount"}
    for short, name in prices.items():
        if short in terms:
            terms[name] = D(str(terms.pop(short)))
    if "trail_percent" in terms:
        terms["trail_percent"] = D(terms["trail_percent"])
    terms = {"instrument": ID, "created_at": 0, **terms}
    return Order(
        number,
        "test",
        side=Side(side),
        quantity=D(str(quantity)),
        type=OrderType(kind),
        **terms,
    )


def approved(what):
    return Approved(what, 0, D(100))


def venue(*histories, **options):
    """A broker without costs and slippage unless told, standing before the first bar."""
    options = {"costs": Zero(), "slippage": NoSlippage(), **options}
    broker = SimulatedBroker(Tape(histories), **options)
    return at_distance(broker, late(options["slippage"]))


def advance(broker, minute):
    """Move the tape to a minute and hear what the venue has to say."""
    broker.tape.advance(minute * MINUTE)
    return broker.events()


def play(broker, orders=(), *, minutes=None, script=None):
    """Send orders at the first bar, then step over the rest. Return everything that was said."""
    last = max(int(bars.closed_at[-1]) for bars in broker.tape.bars.values()) // MINUTE
    said = advance(broker, 1)
    for each in orders:
        broker.submit(approved(each))
    said += broker.events()
    for minute in range(2, (minutes or last) + 1):
        said += advance(broker, minute)
        for act in (script or {}).get(minute, ()):
            act(broker)
        said += broker.events()
    return said


def fills(said):
    return [event for event in said if isinstance(event, Fill)]


def kinds(said):
    """What was said, in short: [("OrderAccepted", 1), ("Fill", 1)]."""
    return [(type(event).__name__, event.order_id) for event in said]


def longer(bars, count):
    """The same bars, of which a paper tape has seen the first `count`."""
    return replace(bars.first(count), session_closes=bars.session_closes)
