"""Each planted difference between two journals is found, and found to be what was planted."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.engine.market import bars, card, scripted

import evenkeel as ek
from evenkeel.app.backtest import execute
from evenkeel.app.setup import request
from evenkeel.domain.bar import Bars
from evenkeel.domain.events import (
    OrderAccepted,
    OrderCanceled,
    OrderUncertain,
    RunEnded,
    RunStarted,
)
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.reports.differences import Data, differences

DAY = 86_400 * 10**9
D = Decimal


def wave(name="A.XXXX", count=250, shift=0.0):
    """Daily bars that swing, so that something is decided every few days."""
    close = 100 + 10 * np.sin(np.arange(count) / 3 + shift) + np.arange(count) / 10
    opened = np.r_[close[:1], close[:-1]] + 0.05
    at = (np.arange(1, count + 1) * DAY - 10**9).astype(np.int64)
    return Bars(
        Instrument(name), at, opened, np.maximum(opened, close) + 1, np.minimum(opened, close) - 1,
        close, np.full(count, 1e6), np.r_[at, at[-1] + DAY * np.arange(1, 9)],
    )  # fmt: skip


class Swing(ek.Strategy):
    """Buys a fixed quantity after a rise, sells it after a fall."""

    size: int = ek.param(10, ge=1)
    wait: int = ek.param(0, ge=0)

    def on_start(self):
        self.waited = 0

    def on_bar(self):
        up = self.bars.close[0] > self.bars.close[-1]
        wanted = up != bool(self.position)
        self.waited = self.waited + 1 if wanted else 0
        if wanted and self.waited > self.wait:
            self.target_quantity(self.size if up else 0)


class Weighted(ek.Strategy):
    """Sizes by equity: what a trade cost is felt in every later one."""

    def on_bar(self):
        if self.bars.close[0] > self.bars.close[-1]:
            if not self.position:
                self.target_weight(0.9)
        elif self.position:
            self.close()


def run(strategy=None, *histories, **wishes):
    """Run it without costs unless told otherwise."""
    options = {"costs": "zero", "slippage": "none", **wishes}
    return execute(request(strategy or Swing(), histories or (wave(),), **options))


def explained(first, second, *, readable=True):
    """What differs between two results."""
    tapes = (first.started.tape, second.started.tape)
    bars = (first.bars, second.bars) if readable else ({}, {})
    return differences(first.records, second.records, Data(tapes, bars))


def altered(records, change):
    """Records with some replaced by what `change` makes of them; those it makes None are gone."""
    made = [change(record) for record in records]
    return [record for record in made if record is not None]


def against(result, change):
    """What differs between a run and an altered copy of its records."""
    tapes = (result.started.tape, result.started.tape)
    data = Data(tapes, (result.bars, result.bars))
    return differences(result.records, altered(result.records, change), data)


def causes(found):
    return [each.cause for each in found]


def test_equal_journals_differ_in_nothing():
    made = run()
    assert len(made.moves) > 20
    assert explained(made, run()) == []


# ---- one cause each, from real runs ----


def test_other_fees_are_fees():
    """Every order the same, every fill the same, and each cost something else."""
    found = explained(run(), run(costs="bps:10"))
    assert set(causes(found)) == {"fee"}
    assert len(found) == len(run().moves)
    assert found[0].explanation.startswith("cost 0 and 1.03")


def test_other_slippage_is_a_fill():
    found = explained(run(), run(slippage="bps:5"))
    assert set(causes(found)) == {"fill"}
    assert found[0].explanation.startswith("filled 10 at 1")
    assert all(each.follows is None for each in found)


def test_what_fees_make_of_later_sizes_follows_from_the_first_fee():
    """A smaller account asks for less: that is no decision of its own."""
    found = explained(run(Weighted()), run(Weighted(), costs="bps:50"))
    assert set(causes(found)) == {"fee"}
    assert found[0].follows is None
    later = [each for each in found if each.follows is not None]
    assert len(later) > 5
    assert later[0].explanation.startswith("asked for ")
    assert "follows from difference" in later[0].explanation


def test_deciding_a_bar_later_is_timing():
    """Parameters differ, and what comes of it is another time."""
    found = explained(run(), run(Swing(wait=1)))
    assert set(causes(found)) == {"timing"}
    assert found[0].explanation.startswith("decided at 1970-01-0")


@pytest.mark.parametrize("readable", [True, False])
def test_another_bar_is_data_from_there_on(readable):
    """Orders before it are the same, and the bar is named where both sides can be read."""
    bars = wave()
    closes = bars.close.copy()
    closes[60] += 30
    highs = np.maximum(bars.high, closes)
    changed = replace(bars, close=closes, high=highs)
    found = explained(run(None, bars), run(None, changed), readable=readable)
    assert set(causes(found)) == {"data"}
    first = min(each.first or each.second for each in found if each).order
    at = int(bars.closed_at[60])
    assert all((each.first or each.second).order.created_at >= at - DAY for each in found)
    assert first is not None
    words = "differ at 1970-03-02" if readable else "their hashes do; the bars cannot be read"
    assert words in found[0].explanation


def test_a_bar_more_on_one_side_is_data():
    """What the longer history decides, the shorter one cannot."""
    bars = wave()
    found = explained(run(None, bars.first(100)), run(None, bars))
    assert set(causes(found)) == {"data"}
    assert all(
        each.first is None or each.first.order.created_at > bars.closed_at[97] for each in found
    )


def test_data_of_one_instrument_explains_no_fill_of_another():
    """Its prices are its own; what is decided may depend on both."""
    a, b = wave("A.XXXX"), wave("B.XXXX", shift=1)
    lifted = replace(a, high=a.high + 0.5)
    found = explained(run(None, a, b), run(None, lifted, b, slippage="bps:5"))
    by_name = {name: set() for name in ("A.XXXX", "B.XXXX")}
    for each in found:
        by_name[each.first.order.instrument].add(each.cause)
    assert by_name == {"A.XXXX": {"data"}, "B.XXXX": {"fill"}}


def test_bars_that_differ_later_explain_nothing_before():
    """A's bars differ, but only after all that was decided about B's."""
    a, b = wave("A.XXXX"), wave("B.XXXX", shift=1)
    lifted = replace(a, close=np.r_[a.close[:-1], a.close[-1] + 0.5])
    found = explained(run(Swing(size=10), a, b), run(Swing(size=12), lifted, b))
    assert "decision" in causes(found)


def test_an_order_between_two_is_held_against_the_nearer():
    """One side decided on day 30 what the other decided on days 20 and 31."""
    made = run()
    (order,) = [life.order for life in made.lives[:1]]

    def journal(*days):
        numbered = enumerate(days, start=1)
        return [
            made.started,
            *(replace(order, id=number, created_at=day * DAY) for number, day in numbered),
        ]

    data = Data(({}, {}), ({}, {}))
    for mine, theirs in (((30,), (20, 31)), ((20, 31), (30,))):
        found = differences(journal(*mine), journal(*theirs), data)
        said = {
            tuple(told and told.order.created_at // DAY for told in (each.first, each.second))
            for each in found
        }
        pairs = {(None, 20), (30, 31)}
        assert said == (pairs if len(mine) == 1 else {pair[::-1] for pair in pairs})


def test_a_setting_that_is_no_table_is_named_whole():
    found = explained(run(Weighted()), run(Weighted(), cash=50_000))
    assert causes(found)[0] == "decision"
    assert "the runs differ in cash 100000 and 50000" in found[0].explanation


def test_other_parameters_are_a_decision_and_named():
    found = explained(run(), run(Swing(size=12)))
    assert causes(found)[0] == "decision"
    assert (
        "asked for 10 and 12: the runs differ in params size=10 and size=12" in found[0].explanation
    )


def test_a_refusal_on_one_side_is_a_decision():
    """The card differs."""
    loose, tight = card(order_quantity_max="10"), card(order_quantity_max="9")
    found = explained(run(limits=loose), run(limits=tight))
    assert causes(found)[0] == "decision"
    assert found[0].explanation.startswith(
        "refused in the second run alone: the runs differ in limits"
    )


def test_nothing_that_is_written_explains_a_look_ahead():
    """Then it says so."""
    made = run()
    last = made.lives[-1].order.id
    found = against(made, lambda r: None if _is_order(r, last) else r)
    assert causes(found) == ["decision"]
    assert found[0].explanation == (
        "only the first run ordered: same bars, same settings: other code, or a look ahead"
    )


# ---- restarts ----


def _is_order(record, *numbers):
    if isinstance(record, Approved | Refused):
        return record.order.id in numbers
    return getattr(record, "order_id", None) in numbers


def _between(records, low, high):
    return altered(records, lambda r: None if low < _time(r) < high else r)


def _time(record):
    return record.order.created_at if isinstance(record, Approved) else record.at


def flat_times(result):
    """Moments just after a sale has filled: nothing is held then."""
    return [move.at for move in result.moves if move.side.value == "SELL"]


def test_a_silence_in_which_the_other_trades_is_a_restart():
    """It was flat, said nothing for a while, and came back flat."""
    made = run()
    low, high = flat_times(made)[3], flat_times(made)[7]
    kept = _between(made.records, low, high + 1)
    data = Data((made.started.tape, made.started.tape), (made.bars, made.bars))
    found = differences(made.records, kept, data)
    assert set(causes(found)) == {"restart"}
    assert all(each.second is None for each in found)
    assert len(found) == sum(low < life.order.created_at < high for life in made.lives)
    assert "the second run has no record from " in found[0].explanation
    assert set(causes(differences(kept, made.records, data))) == {"restart"}


def test_a_silence_of_another_mind_is_no_restart():
    """Other parameters may have nothing to say; and what is known to have run in one go was awake."""
    made = run()
    low, high = flat_times(made)[3], flat_times(made)[7]
    kept = _between(made.records, low, high + 1)
    data = Data((made.started.tape, made.started.tape), (made.bars, made.bars))
    assert set(causes(differences(made.records, kept, data, in_one_go=True))) == {"decision"}
    kept[0] = replace(made.started, params={"size": "11", "wait": "0"})
    found = differences(made.records, kept, data)
    assert set(causes(found)) == {"decision"}
    assert "the runs differ in params size=10 and size=11" in found[0].explanation


def test_a_silence_after_which_something_else_is_held_is_no_restart():
    """It bought before it fell silent, and the other one did not."""
    made = run()
    low, high = flat_times(made)[3], flat_times(made)[7]
    quiet = _between(made.records, low, high + 1)
    number = made.moves[0].order_id
    never_bought = [r for r in made.records if not (isinstance(r, Fill) and r.order_id == number)]
    data = Data((made.started.tape, made.started.tape), (made.bars, made.bars))
    found = differences(never_bought, quiet, data)
    alone = [each for each in found if each.second is None]
    assert len(alone) == sum(low < life.order.created_at < high for life in made.lives)
    assert "restart" not in causes(alone)


def test_a_late_beginning_and_a_missing_end_are_restarts():
    """A journal that never says that it ended was cut off."""
    made = run()
    data = Data((made.started.tape, made.started.tape), (made.bars, made.bars))
    cut = flat_times(made)[5]
    started = replace(made.started, at=cut)
    late = [started, *(r for r in made.records[1:] if _time(r) > cut)]
    found = differences(made.records, late, data)
    assert set(causes(found)) == {"restart"}
    assert "the second run begins at" in found[0].explanation
    early = [r for r in made.records if _time(r) <= cut and not isinstance(r, RunEnded)]
    found = differences(early, made.records, data)
    assert set(causes(found)) == {"restart"}
    assert "to its end" in found[0].explanation
    ended = [*early, made.ended]
    assert set(causes(differences(ended, made.records, data))) == {"decision"}


def test_a_fill_that_one_side_was_not_there_to_see_is_a_restart():
    """It stopped with an order on the market: what became of that is explained, too."""
    made = run()
    cut = made.lives[6].order.created_at
    early = [r for r in made.records if _time(r) <= cut and not isinstance(r, RunEnded)]
    data = Data((made.started.tape, made.started.tape), (made.bars, made.bars))
    found = differences(early, made.records, data)
    assert found[0].first.order.id == made.lives[6].order.id
    assert found[0].explanation.startswith("the first run has no record from ")
    assert set(causes(found)) == {"restart"}
    found = differences(made.records, early, data)
    assert set(causes(found)) == {"restart"}
    assert found[0].explanation.startswith("the second run has no record from ")


def test_a_missing_part_after_one_at_another_price_is_no_restart():
    """The parts before it have to agree: else there is more to say than silence."""
    made = run()
    order = made.lives[6].order
    filled = next(r for r in made.records if isinstance(r, Fill) and r.order_id == order.id)
    half = replace(filled, quantity=filled.quantity / 2)
    early = [
        r for r in made.records if _time(r) <= order.created_at and not isinstance(r, RunEnded)
    ]
    parts = [half, replace(half, id=f"{half.id}.2")]
    whole = [each for r in made.records for each in (parts if r is filled else [r])]
    data = Data((made.started.tape, made.started.tape), (made.bars, made.bars))
    found = differences([*early, replace(half, price=half.price + 1)], whole, data)
    assert found[0].first.order.id == order.id
    assert found[0].cause != "restart"


def test_a_fill_that_another_venue_does_not_give_is_no_restart():
    """A limit that is touched and not passed: the one without it has long nothing to say."""
    plan = {2: lambda s: s.buy(5, limit=9), 12: lambda s: s.buy(1)} | {
        at: lambda s: s.sell(1) if s.position else None for at in (6, 7, 8)
    }
    closes = (*FLAT[:4], 9, *FLAT)
    (first, *others) = explained(played(plan, *closes), played(plan, *closes, touch="through"))
    assert (first.cause, first.explanation) == ("fill", "filled 5 at 9; not filled (new)")
    assert [each.follows for each in others] == [1] * len(others)


def test_an_outcome_that_one_side_did_not_know_is_a_restart():
    made = run()
    number = made.lives[4].order.id

    def unknown(record):
        if isinstance(record, OrderAccepted) and record.order_id == number:
            return OrderUncertain(record.order_id, record.at, "no answer before the restart")
        return record

    found = against(made, unknown)
    assert causes(found) == ["restart"]
    assert found[0].explanation == "the second run did not know its outcome"


def test_an_order_less_after_another_fate_follows_from_it():
    """Not filled on one side: the way out is missing there, and that is no restart."""
    made = run()
    bought = made.lives[4].order.id
    sold = made.lives[5].order.id

    def gone(record):
        unfilled = isinstance(record, Fill) and record.order_id == bought
        return None if unfilled or _is_order(record, sold) else record

    found = against(made, gone)
    assert [(each.cause, each.follows) for each in found] == [("fill", None), ("fill", 1)]
    assert found[0].explanation.endswith("; not filled (new)")
    assert found[1].explanation == "only the first run ordered: follows from difference 1"


# ---- orders that end otherwise, or fill in parts ----


def played(plan, *closes, **wishes):
    """A run on hourly bars of a hundred shares each, of which an order gets ten."""
    options = {"costs": "zero", "slippage": "none", "volume_share": "0.1", **wishes}
    return execute(request(scripted(plan)(), [bars(*closes, volume=100)], **options))


FLAT = (10,) * 12


def low(strategy, **more):
    """A purchase that is never reached."""
    return strategy.buy(5, limit=5, **more)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_that_fills_later_is_timing(part):
    """The first, or any other one: what is said of both sides is not the same."""
    made = played({2: lambda s: s.buy(25)}, *FLAT)
    target = made.moves[part]
    found = against(made, lambda r: replace(r, at=r.at + 30) if r is target else r)
    assert causes(found) == ["timing"]
    assert found[0].explanation.startswith(f"filled at 1970-01-01T0{4 + part}:00:00Z and at ")


def test_a_part_that_is_missing_or_of_another_size_is_a_fill():
    """And the order's end is told beside what it did."""
    made = played({2: lambda s: s.buy(25)}, *FLAT)
    cut = played({2: lambda s: s.buy(25), 4: lambda s: s.cancel(1)}, *FLAT)
    (found,) = explained(made, cut)
    assert found.cause == "fill"
    assert found.explanation == (
        "filled 10 at 10 + 10 at 10 + 5 at 10; filled 10 at 10 + 10 at 10, then canceled"
    )
    (found,) = explained(made, played({2: lambda s: s.buy(25)}, *FLAT, volume_share="0.2"))
    assert (found.cause, found.explanation.partition("; ")[2]) == (
        "fill",
        "filled 20 at 10 + 5 at 10",
    )


def test_ending_at_another_time_is_timing():
    """Canceled a bar later, nothing else being different; unless the bars are."""
    plans = ({2: low, at: lambda s: s.cancel(1)} for at in (4, 5))
    first, second = (played(plan, *FLAT) for plan in plans)
    (found,) = explained(first, second)
    assert found.cause == "timing"
    assert found.explanation == "canceled at 1970-01-01T05:00:00Z and at 1970-01-01T06:00:00Z"
    (found,) = explained(first, played({2: low, 5: lambda s: s.cancel(1)}, *FLAT[:4], 11, 11, 11))
    assert found.cause == "data"


def test_a_late_word_of_an_end_is_not_told_of_what_has_filled():
    """The venue's cancel crossed the fill."""
    made = played({2: lambda s: s.buy(5)}, *FLAT)
    place = made.records.index(made.moves[0]) + 1
    late = [*made.records[:place], OrderCanceled(1, made.moves[0].at), *made.records[place:]]
    data = Data((made.started.tape, made.started.tape), (made.bars, made.bars))
    assert differences(made.records, late, data) == []


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"tif": "DAY"}, "DAY until 1970-01-02T00:00:00Z"),
        ({"expires": "1970-01-01T06:00Z"}, "GTD until 1970-01-01T06:00:00Z"),
    ],
)
def test_another_duration_is_another_wish(terms, told):
    """Whatever came of it, and it can be read on both sides."""
    second = played({2: lambda s: low(s, **terms)}, *FLAT)
    (found,) = explained(played({2: low}, *FLAT), second)
    assert found.cause == "decision"
    assert found.explanation.startswith(f"asked for 5, limit 5 and 5, limit 5, {told}: ")
    later = played({2: lambda s: low(s, expires="1970-01-01T07:00Z")}, *FLAT)
    assert causes(explained(second, later)) == ["decision"]


# ---- any one alteration ----


ALTERATIONS = {
    "price": (lambda f: replace(f, price=f.price + D("0.01")), "fill"),
    "quantity": (lambda f: replace(f, quantity=f.quantity - 1), "fill"),
    "at": (lambda f: replace(f, at=f.at + DAY), "timing"),
    "commission": (lambda f: replace(f, commission=f.commission + D("0.5")), "fee"),
    "fees": (lambda f: replace(f, fees=D("0.01")), "fee"),
}


@given(place=st.integers(0, 20), what=st.sampled_from(sorted(ALTERATIONS)))
def test_one_altered_fill_is_one_difference_of_its_kind(place, what):
    """Wherever it stands, and whichever journal it stands in."""
    made = _MADE
    target = made.moves[place]
    change, cause = ALTERATIONS[what]
    found = against(made, lambda r: change(r) if r is target else r)
    assert causes(found) == [cause]
    assert found[0].first.order.id == target.order_id
    records = altered(made.records, lambda r: change(r) if r is target else r)
    data = Data((made.started.tape, made.started.tape), (made.bars, made.bars))
    assert causes(differences(records, made.records, data)) == [cause]


_MADE = run()


def test_a_journal_without_a_beginning_has_no_settings_to_name():
    made = run()
    number = made.lives[-1].order.id
    headless = [
        r for r in made.records if not isinstance(r, RunStarted) and not _is_order(r, number)
    ]
    data = Data(({}, {}), ({}, {}))
    found = differences(made.records, headless, data)
    assert found[0].explanation.endswith("a journal does not say how its run began")
