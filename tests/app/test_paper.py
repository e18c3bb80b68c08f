"""Paper trading writes a durable, verifiable journal, equal to the backtest's; never unlimited."""

from itertools import pairwise

import pytest
from tests.engine.market import bars, card

from evenkeel.app.backtest import execute
from evenkeel.app.paper import SEGMENTS_MAX, paper, replay
from evenkeel.app.parity import parity
from evenkeel.app.setup import request
from evenkeel.domain.errors import ConfigError
from evenkeel.journal.log import MemoryJournal
from evenkeel.journal.verify import verify
from evenkeel.risk.limits import Limits
from evenkeel.strategy.examples.sma_cross import SmaCross

CLOSES = [50 + 10 * ((n * 7) % 13) / 13 for n in range(80)]


def wanted(limits):
    return request(SmaCross(fast=2, slow=5), [bars(*CLOSES)], limits=limits)


def test_paper_under_no_limits_is_refused_before_anything_is_written(tmp_path):
    """Permissive limits are for research."""
    file = tmp_path / "paper.db"
    with pytest.raises(ConfigError, match="complete limit card"):
        paper(wanted(Limits.permissive_for_research()), f"sqlite:///{file}")
    assert not file.exists()


def test_a_paper_run_is_verifiable_and_equal_to_its_backtest(tmp_path):
    """The same lines, out of a database."""
    file = tmp_path / "paper.db"
    made = paper(wanted(card()), f"sqlite:///{file}")
    verdict = verify(file)
    assert (verdict.ok, verdict.ended) == (True, True)
    assert (verdict.records, verdict.head) == (len(made.journal), made.journal.head)
    assert len(made.moves) > 5
    backtested = execute(wanted(card()))
    assert list(made.journal.lines()) == list(backtested.journal.lines())
    assert made.manifest["mode"] == "paper"
    assert parity(wanted(card()), made.journal).equal


def test_a_history_too_long_to_go_bar_by_bar_goes_in_segments():
    """Every series is computed anew at most so many times."""
    histories = [bars(*[10.0] * (SEGMENTS_MAX + 10))]
    seen = []

    class Counting(SmaCross):
        def setup(self, bars):
            seen.append(len(bars.close))
            super().setup(bars)

    replay(request(Counting(), histories), MemoryJournal())
    assert len(seen) <= SEGMENTS_MAX
    assert {after - before for before, after in pairwise(seen)} == {2}
    assert seen[-1] == SEGMENTS_MAX + 10


def test_a_last_segment_may_be_short():
    """80 bars in thirties are three segments."""
    kept = MemoryJournal()
    records = replay(wanted(None), kept, segment=30)
    assert records == kept.records
    assert list(kept.lines()) == list(execute(wanted(None)).journal.lines())
