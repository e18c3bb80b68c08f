"""NautilusTrader: external bars drive its matching engine; indicators are its own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import nautilus_trader
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import MakerTakerFeeModel
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy
from protocol import Histories, Job, Outcome, frame, serve

VENUE = Venue("XNAS")


class Trading(Strategy):
    """Places market orders of one size in one instrument."""

    def __init__(self, instrument: Any, bar_type: Any, job: Job) -> None:
        super().__init__(StrategyConfig(strategy_id=f"S-{instrument.id.symbol}"))
        self.instrument, self.bar_type, self.job = instrument, bar_type, job
        self.quantity = Quantity.from_int(job.quantity)

    def on_start(self) -> None:
        self.subscribe_bars(self.bar_type)

    def send(self, side: Any) -> None:
        order = self.order_factory.market(self.instrument.id, side, self.quantity)
        self.submit_order(order)


class Cross(Trading):
    """Own the quantity while the fast average is above the slow one."""

    def on_start(self) -> None:
        self.fast, self.slow = (
            SimpleMovingAverage(window) for window in (self.job.fast, self.job.slow)
        )
        self.register_indicator_for_bars(self.bar_type, self.fast)
        self.register_indicator_for_bars(self.bar_type, self.slow)
        self.above = None
        self.long = False
        super().on_start()

    def on_bar(self, bar: Any) -> None:
        if not self.slow.initialized:
            return
        above = self.fast.value > self.slow.value
        crossed = self.above is not None and above != self.above
        if crossed and above != self.long:
            self.send(OrderSide.BUY if above else OrderSide.SELL)
            self.long = above
        self.above = above


class Busy(Trading):
    """Buy on one bar and sell on the next."""

    long = False

    def on_bar(self, bar: Any) -> None:
        self.send(OrderSide.SELL if self.long else OrderSide.BUY)
        self.long = not self.long


def prepare(histories: Histories, job: Job) -> Any:
    """Return an engine with venue, instruments, bars and strategies; it can run once."""
    config = BacktestEngineConfig(
        logging=LoggingConfig(bypass_logging=True),
        risk_engine=RiskEngineConfig(max_order_submit_rate="1000000/00:00:01"),
    )
    engine = BacktestEngine(config)
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(job.cash, USD)],
        base_currency=USD,
        fee_model=MakerTakerFeeModel(),
    )
    unit = "1-DAY" if len(histories) > 1 else "1-MINUTE"
    last = {}
    for name, columns in histories.items():
        instrument = equity(name.partition(".")[0], job)
        bar_type = BarType.from_str(f"{instrument.id}-{unit}-LAST-EXTERNAL")
        engine.add_instrument(instrument)
        bars = frame(columns, "open high low close volume").tz_localize("UTC")
        engine.add_data(BarDataWrangler(bar_type, instrument).process(bars))
        engine.add_strategy((Busy if job.work == "busy" else Cross)(instrument, bar_type, job))
        last[instrument.id] = columns["close"][-1]
    return engine, last


def equity(symbol: str, job: Job) -> Any:
    """Return a share with prices to a ten-thousandth, as fine as this keeps simple."""
    fee = Decimal(str(job.commission))
    return Equity(
        instrument_id=InstrumentId(Symbol(symbol), VENUE),
        raw_symbol=Symbol(symbol),
        currency=USD,
        price_precision=4,
        price_increment=Price.from_str("0.0001"),
        lot_size=Quantity.from_int(1),
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
        maker_fee=fee,
        taker_fee=fee,
        ts_event=0,
        ts_init=0,
    )


def run(prepared: Any, job: Job) -> Outcome:
    """Run the engine."""
    engine, last = prepared
    engine.run()
    cache = engine.cache
    worth = sum(
        float(each.signed_qty) * (last[each.instrument_id] - each.avg_px_open)
        for each in cache.positions_open()
    )
    balance = engine.portfolio.account(VENUE).balance_total(USD).as_double()
    filled = sum(order.is_closed for order in cache.orders())  # a netted position is one for all
    sent = cache.orders_total_count()
    engine.dispose()
    return Outcome(sent, filled // 2, balance + worth)


if __name__ == "__main__":
    serve("nautilus_trader", nautilus_trader.__version__, prepare, run)
