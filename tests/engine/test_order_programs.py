"""Whatever an author asks for, the whole engine tells what the slow reference tells, three ways.

Jumping, stepping and paper write one journal; the venue's words in it are the reference's; and
what is left in the end is the plain sum over the fills.
"""

import os
from random import Random

import pytest
from msgspec.structs import replace
from tests.parity.real_data import SETS
from tests.reference.programs import columns, random_markets, stretch
from tests.reference.whims import Whims, happenings, retold, settled, told

from evenkeel.app.backtest import execute
from evenkeel.app.paper import replay
from evenkeel.app.setup import request
from evenkeel.domain.fill import Fill
from evenkeel.domain.money import ZERO
from evenkeel.journal.log import MemoryJournal

pytestmark = pytest.mark.uncounted

PROGRAMS = int(os.environ.get("EVENKEEL_DIFFERENTIAL", "100")) // 4
CHUNK = 25


def chunks(count):
    return [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]


def same(seed, markets, actions=()):
    """Run a program of whims; returns how many fills it had."""
    bars = [columns(name, market) for name, market in markets.items()]
    wanted = request(
        Whims(seed=seed), bars, costs="bps:10", slippage="bps:7", cash=100_000, actions=actions
    )
    result = execute(wanted)
    lines, records = list(result.journal.lines()), result.records
    expected = retold(records, markets, share="0.1", slip_bps=7)
    assert [free(event) for event in told(records)] == expected, f"program {seed}"
    assert records[-1].equity == settled(records, markets)
    assert list(execute(wanted, jump=False).journal.lines()) == lines, f"{seed}, stepping"
    on_paper = MemoryJournal()
    replay(wanted, on_paper, segment=1)
    assert list(on_paper.lines()) == lines, f"{seed}, on paper"
    return sum(isinstance(event, Fill) for event in expected)


def free(event):
    """An event without its commission, which the reference does not know."""
    return replace(event, commission=ZERO) if isinstance(event, Fill) else event


@pytest.mark.parametrize("seeds", chunks(PROGRAMS), ids=str)
def test_whims_on_random_bars(seeds):
    assert sum(same(seed, random_markets(Random(seed))) for seed in seeds) > 5 * len(seeds)


@pytest.mark.parametrize("seeds", chunks(PROGRAMS), ids=str)
def test_whims_while_things_happen_to_the_instruments(seeds):
    """Splits, halts, spin-offs, and in the end a delisting, a merger or a new name."""
    fills = 0
    for seed in seeds:
        dice = Random(seed)
        markets = random_markets(dice)
        fills += same(seed, markets, happenings(dice, markets))
    assert fills > 5 * len(seeds)


@pytest.mark.parametrize("seeds", chunks(PROGRAMS // 2), ids=str)
@pytest.mark.parametrize("name", ["aapl-daily", "us-minutes"])
def test_whims_on_real_bars(name, seeds, shared_data):
    history = SETS[name].read(shared_data, 700)[0]
    fills = 0
    for seed in seeds:
        start = Random(seed).randrange(600)
        market = stretch(history, start, 60)
        fills += same(seed, {history.instrument.id: market})
    assert fills > 5 * len(seeds)
