"""Backtest, backtest without jumping, and paper bar by bar write the same journal, line for line.

The normal run takes a part of the grid. EVENKEEL_FULL_PARITY=1 runs all of it (4 examples x 10
real data sets x 20 parameter sets): a bar-by-bar replay computes every series anew on each bar,
so the whole grid takes minutes, too long for every `make test`.
"""

import os
import random
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from tests.parity.real_data import SETS

import evenkeel as ek
from evenkeel.app.backtest import execute
from evenkeel.app.paper import replay
from evenkeel.app.parity import compare, parity
from evenkeel.app.setup import Request, request
from evenkeel.calendar.sessions import sessions
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.fill import Fill
from evenkeel.domain.verdict import Approved
from evenkeel.journal.log import MemoryJournal
from evenkeel.market.csv_files import read_bars
from evenkeel.strategy.examples.donchian_breakout import DonchianBreakout
from evenkeel.strategy.examples.momentum_rotation import MomentumRotation
from evenkeel.strategy.examples.rsi_reversion import RsiReversion
from evenkeel.strategy.examples.sma_cross import SmaCross

pytestmark = pytest.mark.uncounted

FULL = os.environ.get("EVENKEEL_FULL_PARITY") == "1"
BARS_MAX = 600 if FULL else 240
SETS_EACH = 20 if FULL else 2

DRAW = {
    SmaCross: lambda r: {"fast": r.randint(2, 9), "slow": r.randint(10, 30)},
    RsiReversion: lambda r: {
        "n": r.randint(2, 8),
        "low": round(r.uniform(25, 45), 1),
        "middle": round(r.uniform(50, 65), 1),
        "weight": round(r.uniform(0.2, 1), 2),
        "stop_distance": round(r.uniform(0.002, 0.06), 4),
    },
    DonchianBreakout: lambda r: {
        "entry": r.randint(3, 20),
        "exit": r.randint(2, 12),
        "atr_n": r.randint(1, 14),
        "risk": round(r.uniform(0.002, 0.05), 4),
        "trail_atrs": round(r.uniform(0.5, 5), 2),
        "max_weight": round(r.uniform(0.2, 1), 2),
    },
    MomentumRotation: lambda r: {
        "lookback": r.randint(2, 60),
        "hold": r.randint(1, 3),
        "weight": round(r.uniform(0.3, 1), 2),
    },
}


@pytest.fixture(scope="module")
def real_bars(shared_data):
    """Each real data set, read once."""
    read = {}

    def get(name):
        if name not in read:
            read[name] = SETS[name].read(shared_data, BARS_MAX)
        return read[name]

    return get


def drawn(example, name):
    """The parameter sets of one cell of the grid: the same ones in every run."""
    rng = random.Random(f"{example.__name__} {name}")
    return [DRAW[example](rng) for _ in range(SETS_EACH)]


def journals(wanted: Request) -> list[list[bytes]]:
    """The journals of the three ways to go through the same bars."""
    on_paper = MemoryJournal()
    replay(wanted, on_paper, segment=1)
    return [
        list(execute(wanted).journal.lines()),
        list(execute(wanted, jump=False).journal.lines()),
        list(on_paper.lines()),
    ]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("example", DRAW, ids=lambda example: example.__name__)
def test_three_ways_through_the_same_bars_write_one_journal(real_bars, example, name):
    """Jumping, stepping and paper agree on every byte of every record."""
    for params in drawn(example, name):
        wanted = request(example(**params), real_bars(name))
        jumped, stepped, on_paper = journals(wanted)
        assert jumped == stepped, params
        assert jumped == on_paper, params


@pytest.mark.parametrize("example", DRAW, ids=lambda example: example.__name__)
def test_the_grid_is_not_a_grid_of_silence(real_bars, example):
    """Journals of runs without a fill would be equal for nothing."""
    fills = 0
    for name in SETS:
        wanted = request(example(**drawn(example, name)[0]), real_bars(name))
        fills += sum(isinstance(record, Fill) for record in execute(wanted).records)
    assert fills >= 100


# ---- bars of different lengths ----


class Everything(ek.PortfolioStrategy):
    """Buys or sells a few of each at every moment, whichever has a new bar."""

    def on_bar(self):
        for number, name in enumerate(self.universe):
            if not np.isnan(self.bars[name].close[0]):
                trade = self.buy if (self.bars[name].count + number) % 2 else self.sell
                trade(name, 1 + number)
                trade(name, 1, limit=self.bars[name].close[0], tif="DAY")


def frames(mic, step, day="2024-11-26"):
    """A few bars of a market's own sessions."""
    (table,) = [sessions(mic, date.fromisoformat(day), date.fromisoformat("2024-12-03"))]
    if step is None:
        at = table.dates * 86_400 * 10**9
    else:
        spans = zip(table.opens.tolist(), table.closes.tolist(), strict=True)
        at = np.concatenate([np.arange(first, last, step) for first, last in spans])
    close = 100.0 + np.arange(len(at)) % 7
    return pd.DataFrame(
        {"open": close + 1, "high": close + 2, "low": close - 1, "close": close},
        index=pd.DatetimeIndex(at, tz=None if step is None else "UTC"),
    )


def test_days_of_three_markets_and_hours_of_one_keep_parity_and_nothing_fills_in_the_past():
    """London closes while New York trades: what is decided then is too late for New York's open."""
    hour = 3_600 * 10**9
    wanted = request(
        Everything(),
        read_bars(
            {
                "A.XNYS": frames("XNYS", None),
                "B.XLON": frames("XLON", None),
                "C.XTKS": frames("XTKS", None),
                "D.XNYS": frames("XNYS", hour),
            }
        ),
        costs="zero",
        slippage="none",
    )
    jumped, stepped, on_paper = journals(wanted)
    assert jumped == stepped == on_paper
    records = execute(wanted).records
    made = {r.order.id: r.order.created_at for r in records if isinstance(r, Approved)}
    opened = {
        (each.instrument.id, at): began
        for each in wanted.bars
        for at, began in zip(each.closed_at.tolist(), each.opened_at.tolist(), strict=True)
    }
    fills = [r for r in records if isinstance(r, Fill)]
    assert len(fills) > 50
    assert all(opened[r.instrument, r.at] >= made[r.order_id] for r in fills)


# ---- corporate actions ----

FIVE = ["AAPL.XNAS", "SPY.ARCX", "FB.XNAS", "IBM.XNYS", "GOOGL.XNAS"]


def new_york(day: str) -> int:
    """Midnight in New York (UTC-4 in summer), when an ex-date begins."""
    return int(np.datetime64(f"{day}T04:00:00", "ns").astype(np.int64))


ACTIONS_2014 = (
    CashDividend("IBM.XNYS", new_york("2014-05-07"), Decimal("1.10")),
    CashDividend("AAPL.XNAS", new_york("2014-05-08"), Decimal("3.29")),
    Split("AAPL.XNAS", new_york("2014-06-09"), Decimal(7)),
    CashDividend("IBM.XNYS", new_york("2014-08-06"), Decimal("1.10")),
    CashDividend("AAPL.XNAS", new_york("2014-08-07"), Decimal("0.47")),
)


@pytest.fixture(scope="module")
def five(shared_data):
    """As-traded daily bars of 2014 of five instruments, GOOGL's beginning later."""
    file = shared_data / "daily" / "us_equity_1d_raw_lean.parquet"
    return read_bars(file, instrument=FIVE, start="2014-02-03", end="2014-09-30")


@pytest.mark.parametrize("lookback", [5, 20, 45])
def test_splits_dividends_and_five_instruments_keep_parity(five, lookback):
    """Real actions of 2014; the books that go through them are the same three times."""
    strategy = MomentumRotation(lookback=lookback, hold=3)
    wanted = request(strategy, five, actions=ACTIONS_2014)
    jumped, stepped, on_paper = journals(wanted)
    assert jumped == stepped
    assert jumped == on_paper
    recorded = [r for r in execute(wanted).records if isinstance(r, Split | CashDividend)]
    assert recorded == list(ACTIONS_2014)


@pytest.mark.parametrize("example", [SmaCross, RsiReversion, DonchianBreakout])
def test_working_orders_and_series_live_through_a_split_alike(five, example):
    """One seat per instrument; stops and trails rest in the market when AAPL splits 7:1."""
    for params in [DRAW[example](random.Random(seed)) for seed in range(3)]:
        jumped, stepped, on_paper = journals(request(example(**params), five, actions=ACTIONS_2014))
        assert jumped == stepped, params
        assert jumped == on_paper, params


@pytest.mark.parametrize("segment", [1, 7, 50])
def test_the_size_of_a_segment_changes_nothing(five, segment):
    """Bars may come in one by one or many at once."""
    wanted = request(MomentumRotation(lookback=20), five, actions=ACTIONS_2014)
    found = parity(wanted, execute(wanted).journal, segment=segment)
    assert found.equal
    assert found.head_hash == execute(wanted).journal.head
    assert found.records == len(execute(wanted).journal)


# ---- looking ahead ----


class Clairvoyant(ek.Strategy):
    """Buys when tomorrow's close is higher. In a backtest it has it; on paper nobody does."""

    def setup(self, bars):
        close = np.asarray(bars.close.values)
        tomorrow = np.append(close[1:], np.nan)
        self.rises = ek.crossed_above(bars.close * 0 + tomorrow, bars.close)

    def on_bar(self):
        if self.rises[0] and not self.position:
            self.target_weight(0.9)
        elif self.position:
            self.close()


def test_a_strategy_that_reads_the_future_is_found_out(real_bars):
    """Its paper journal differs, and parity names the first record in which it does."""
    wanted = request(Clairvoyant(), real_bars("aapl-daily"))
    made = execute(wanted)
    found = parity(wanted, made.journal)
    assert not found.equal
    assert found.sequence == found.records + 1
    assert found.first != found.second
    assert made.metrics["total_return"] > 0.5  # it paid to know


def test_the_first_difference_is_named_with_what_stands_on_each_side():
    """Hash of the last equal line; a journal that stops early has nothing on its side."""
    mine = [b"a 1", b"b 2", b"c 3"]
    same = compare(mine, mine)
    assert (same.equal, same.records, same.head_hash) == (True, 3, "c")
    cut = compare(mine, mine[:2])
    assert (cut.equal, cut.records, cut.head_hash, cut.sequence) == (False, 2, "b", 3)
    assert (cut.first, cut.second) == ("3", None)
    other = compare(mine, [b"a 1", b"x 9", b"c 3"])
    assert (other.sequence, other.first, other.second) == (2, "2", "9")
