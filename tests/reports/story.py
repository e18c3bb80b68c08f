"""Short runs to read: bars, records and the result that is to be read from them."""

from decimal import Decimal

import numpy as np

from evenkeel.domain.bar import Bars
from evenkeel.domain.events import RunEnded, RunStarted
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.domain.verdict import Approved, Reason, Refused
from evenkeel.journal.log import MemoryJournal
from evenkeel.reports.result import Result

D = Decimal
DAY = 86_400 * 10**9
FIRST = 11_000 * DAY + 21 * 3_600 * 10**9
"""2000-02-13 21:00 UTC."""
A = "A.XXXX"


def bars(closes, *, name=A, days=None, multiplier=1, periods=252, findings=()):
    """Daily bars that closed at 21:00 on `days` after the first one."""
    close = np.array(closes, dtype=np.float64)
    days = np.arange(len(close)) if days is None else np.array(days)
    at = (FIRST + days * DAY).astype(np.int64)
    return Bars(
        instrument=Instrument(name, multiplier=D(multiplier)),
        closed_at=at,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=np.ones(len(close)),
        session_closes=at,
        periods_per_year=periods,
        findings=findings,
    )


def day(number):
    """When the bar of that day closed."""
    return FIRST + number * DAY


def order(number, side=Side.BUY, quantity=1, *, on=0, name=A, **more):
    return Order(
        id=number,
        strategy="s",
        instrument=name,
        side=side,
        quantity=D(quantity),
        type=OrderType.MARKET,
        created_at=day(on),
        **more,
    )


def approved(of):
    return Approved(of, of.created_at, D(1))


def refused(of, reason=Reason.BUYING_POWER):
    return Refused(of, of.created_at, reason, D(1000), D("1234.5"))


def fill(number, side, quantity, price, *, on, name=A, part=1, **more):
    money = {key: D(value) for key, value in more.items()}
    return Fill(
        id=f"{number}-{part}",
        order_id=number,
        instrument=name,
        side=side,
        quantity=D(quantity),
        price=D(price),
        currency="USD",
        at=day(on),
        **money,
    )


def result(
    records, *histories, cash=1000, equity=0, strategy="my.bots:Bot", settings=None, **manifest
):
    """The result of a whole run around `records`."""
    by_name = {history.instrument.id: history for history in histories}
    started = RunStarted(
        at=FIRST,
        strategy=strategy,
        params={"fast": "10"},
        instruments={name: {"lot": "1"} for name in by_name},
        tape={name: history.digest() for name, history in by_name.items()},
        cash=D(cash),
        currency="USD",
        costs="zero",
        slippage="none",
        limits={"open_orders_max": "5"},
        settings=settings or {},
    )
    last = max(int(history.closed_at[-1]) for history in histories)
    journal = MemoryJournal()
    journal.append([started, *records, RunEnded(last, "0" * 64, D(equity))])
    return Result(journal=journal, records=journal.records, bars=by_name, manifest=manifest)
