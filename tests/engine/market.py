"""A small market for engine tests: bars at round times, a strategy that follows a script."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
from tests.fakes.scripted_broker import ScriptedBroker

import evenkeel as ek
from evenkeel.app.setup import request
from evenkeel.domain.bar import Bars
from evenkeel.domain.events import CorporateAction, Record
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.tape import Tape
from evenkeel.engine.core import Core
from evenkeel.engine.run import run
from evenkeel.engine.schedule import Schedule
from evenkeel.journal.log import MemoryJournal
from evenkeel.risk.limits import Limits

HOUR = 3_600_000_000_000
X = "X.XXXX"
Y = "Y.XXXX"


def bars(
    *closes: float, name: str = X, start: int = 1, step: int = 1, volume: float = 1e6, **facts: Any
) -> Bars:
    """Bars one hour apart that open where the one before closed; the low and high are those two."""
    close = np.array(closes, dtype=float)
    opened = np.r_[close[:1], close[:-1]]
    at = (start + step * np.arange(len(close))) * HOUR
    return Bars(
        Instrument(name, **facts),
        at,
        opened,
        np.maximum(opened, close),
        np.minimum(opened, close),
        close,
        np.full(len(close), volume),
        np.arange(1, 60) * 24 * HOUR,
    )


class Scripted(ek.Strategy):
    """Does on bar number n (from 0) what `plan[n]` says; hears everything."""

    plan: ClassVar[dict[int, Callable[["Scripted"], Any]]] = {}
    heard: ClassVar[list[Any]] = []

    def on_start(self):
        self.asked = []

    def on_bar(self):
        act = type(self).plan.get(self.bars.count - 1)
        if act is not None:
            self.asked.append(act(self))

    def on_order(self, update):
        type(self).heard.append(
            (update.order.id, update.status.value, update.filled, update.reason)
        )


def scripted(plan, **members) -> type[Scripted]:
    """A strategy class with a plan of its own."""
    return type("Scripted", (Scripted,), {"plan": plan, "heard": [], **members})


def play(
    strategy: type[Scripted],
    *histories: Bars,
    limits: Limits | None = None,
    script: dict[int, list[Any]] | None = None,
    actions: tuple[CorporateAction, ...] = (),
    jump: bool = False,
    cash: str = "100000",
    costs: str = "zero",
    **terms: str,
) -> tuple[list[Record], Core, Any]:
    """Run a strategy; with a `script`, the venue says what that tells it to say."""
    wanted = request(
        strategy(),
        list(histories),
        cash=cash,
        costs=costs,
        limits=limits,
        **{"slippage": "none", **terms},
    )
    tape = Tape(histories)
    core = wanted.core(tape)
    venue: Any = wanted.venue(tape) if script is None else ScriptedBroker(tape, script)
    journal = MemoryJournal()
    lender = wanted.lender(core)
    ahead = (venue,) if lender is None else (venue, lender)
    schedule = Schedule(tape, actions, ahead if jump else ())
    run(core, schedule, venue, journal, lender=lender)
    return journal.records, core, venue


def kinds(records: list[Record]) -> list[str]:
    """The names of the records between the first and the last."""
    return [type(record).__name__ for record in records[1:-1]]


def card(**changes: Any) -> Limits:
    """A limit card on which nothing binds, but for `changes`."""
    wide = {
        "order_quantity_max": 10_000,
        "order_notional_max": 10_000_000,
        "price_collar_max": 1,
        "price_age_max_seconds": 10**7,
        "position_quantity_max": 10_000,
        "gross_exposure_max": 10_000_000,
        "net_exposure_max": 10_000_000,
        "concentration_max": 100,
        "buying_power_multiple": 100,
        "orders_per_second_max": 1_000,
        "orders_per_day_max": 10_000,
        "duplicate_window_seconds": 0,
        "open_orders_max": 1_000,
    }
    return Limits(**{**wide, **changes})


def held(core: Core, name: str = X) -> Decimal:
    return core.account.book.quantity(name)
