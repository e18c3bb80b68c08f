"""Rules about levels: prices that jump to another scale, and what it would mean if they did.

Never from a jump alone. A split is called missing when the ratio is one that companies choose, the
volume moves the other way and the old level does not come back; a crash does none of that.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.market.checks.sheet import Hits
from evenkeel.market.columns import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.domain.bar import Column, Flags
    from evenkeel.market.checks.sheet import Sheet

UNIT = np.log(100.0)
"""Pounds and pence, rand and cents, shekels and agorot."""

WHOLE = 49
RATIOS = np.log([*range(2, WHOLE + 2), 100, 3 / 2, 5 / 2, 7 / 2])
"""Ratios that companies choose: whole numbers up to 50, and a few others."""

NEAR = 10
"""Bars around its ex-date in which a split that is not in the prices shows."""

REUSED_AFTER = 45 * DAY
"""Thirty sessions: a symbol that was silent for longer may have changed hands."""


def price_checks(sheet: Sheet) -> Iterator[Hits]:
    """Yield what is wrong with the level of prices."""
    yield from _mixed(sheet)
    yield from _reused(sheet)
    taken = np.zeros(len(sheet), np.bool_)
    for hits in (*_units(sheet), *_listed_splits(sheet), *_missing_splits(sheet)):
        taken[hits.rows] = True
        yield hits
    yield from _spikes(sheet, taken)


def _hits(rule: str, broken: Flags, observed: Column, words: str) -> Hits:
    rows = np.flatnonzero(broken)
    return Hits(rule, rows, observed[rows], words)


# ---- one bar ----


def _mixed(sheet: Sheet) -> Iterator[Hits]:
    """Yield bars whose low and high stand on two scales."""
    width = np.log(sheet.high / sheet.low)
    wide = np.isfinite(width) & (width > np.log(3))
    two = wide & (np.abs(width - UNIT) < 0.1)
    for row in np.flatnonzero(wide & ~two).tolist():
        two[row] = abs(width[row] - _step_across(sheet, row)) < 0.1
    yield _hits("mixed-scale", two, np.exp(width), "whose low and high are of two scales")
    yield _hits("wide-bar", wide & ~two, np.exp(width), "whose high is three times their low")


def _step_across(sheet: Sheet, row: int) -> float:
    """Return how far the level of the three bars after one is from that of the three before."""
    code = sheet.codes[row]
    before = [at for at in range(max(0, row - 3), row) if sheet.codes[at] == code]
    after = [at for at in range(row + 1, min(len(sheet), row + 4)) if sheet.codes[at] == code]
    if not before or not after:
        return 0.0
    levels = [float(np.median(sheet.close[each])) for each in (before, after)]
    return abs(float(np.log(levels[0] / levels[1]))) if min(levels) > 0 else 0.0


def _spikes(sheet: Sheet, taken: Flags) -> Iterator[Hits]:
    """Yield bars that leave the level and come back at once: true perhaps, and worth a look."""
    size, back = np.abs(sheet.returns), sheet.after(sheet.returns)
    large = (size > 0.1) & (size > 12 * sheet.usual)
    reverts = large & (np.abs(sheet.returns + back) < 0.4 * size)
    body_low = np.fmin(np.minimum(sheet.open, sheet.close), sheet.before(sheet.close))
    body_high = np.fmax(np.maximum(sheet.open, sheet.close), sheet.before(sheet.close))
    wick = (sheet.low < 0.6 * body_low) | (sheet.high > body_high / 0.6)
    yield _hits(
        "spike", (reverts | wick) & ~taken, sheet.returns, "that leave the level and return"
    )


def _reused(sheet: Sheet) -> Iterator[Hits]:
    """Yield the first bars of what may be another company."""
    size = np.abs(sheet.returns)
    silent = sheet.steps > REUSED_AFTER
    changed = (silent & (size > 0.3)) | (sheet.steps > 300 * DAY) | (size > np.log(20))
    unit = np.abs(size - UNIT) < 0.1
    rows = changed & ~(unit & ~silent)
    yield _hits("ticker-reuse", rows, sheet.returns, "after which this may be another company")


# ---- scales ----


def _units(sheet: Sheet) -> Iterator[Hits]:
    """Yield bars in pounds among bars in pence, or the reverse."""
    slack = np.minimum(0.02 + 2 * sheet.usual, 0.15)
    jumps = np.abs(np.abs(sheet.returns) - UNIT) < slack
    for mine in _concerned(sheet, jumps):
        steps = sheet.returns[mine]
        true = jumps[mine] & (_answered(jumps[mine], steps, len(steps)) | _lasting(sheet, mine))
        levels = np.cumsum(np.where(true, np.sign(steps), 0.0))
        rows = np.flatnonzero(levels != _believed(levels, sheet.volume[mine] > 0)) + mine.start
        yield Hits(
            "unit", rows, sheet.close[rows], "at a hundred times or a hundredth of the price"
        )


def _lasting(sheet: Sheet, mine: slice) -> Flags:
    """Tell after which bars the level stays a hundred times away and the volume does not follow.

    A volume that moves the other way means shares put together: a split, and no mistake.
    """
    close, volume = sheet.close[mine], sheet.volume[mine]
    found = np.zeros(len(close), np.bool_)
    for row in np.flatnonzero(np.abs(np.abs(sheet.returns[mine]) - UNIT) < 0.2).tolist():
        before, after = slice(max(0, row - 5), row), slice(row, row + 5)
        step = np.log(np.median(close[after]) / np.median(close[before]))
        one, other = np.median(volume[before]), np.median(volume[after])
        merged = one > 0 and other > 0 and np.log(other / one) * np.sign(step) < -np.log(5)
        found[row] = abs(abs(step) - UNIT) < 0.2 and not merged
    return found


def _believed(levels: Column, traded: Flags) -> float:
    """Return the level at which most bars traded; of all bars where none did."""
    kinds, place = np.unique(levels, return_inverse=True)
    votes = np.bincount(place, weights=traded.astype(float)) * len(levels) + np.bincount(place)
    return float(kinds[votes.argmax()])


def _concerned(sheet: Sheet, flags: Flags) -> Iterator[slice]:
    """Yield the rows of each instrument that has a flag."""
    for code in np.unique(sheet.codes[flags]).tolist():
        low, high = np.searchsorted(sheet.codes, [code, code + 1])
        yield slice(int(low), int(high))


def _listed_splits(sheet: Sheet) -> Iterator[Hits]:
    """Yield bars on the wrong side of a split: not applied, applied twice, or days early."""
    for mine in _concerned(sheet, sheet.split > 0):
        for ratio in np.unique(sheet.split[mine][sheet.split[mine] > 0]).tolist():
            if abs(np.log(ratio)) < 0.1:
                continue
            wrong = _wrong_side(sheet, mine, ratio)
            rows = np.flatnonzero(wrong) + mine.start
            if len(rows):
                words = f"on another scale than those after the split of {ratio:g}"
                yield Hits("split-partial", rows, sheet.close[rows], words)


def _wrong_side(sheet: Sheet, mine: slice, ratio: float) -> Flags:
    """Tell which bars stand a split's ratio away from the last ones."""
    days = np.flatnonzero(sheet.split[mine] == ratio)
    places = np.arange(mine.stop - mine.start)
    near = (np.abs(places[:, None] - days[None, :]) <= NEAR).any(axis=1)
    slack = np.minimum(0.03 + 2 * sheet.usual[mine], 0.3 * abs(np.log(ratio)))
    for steps in (_without_dividends(sheet, mine), sheet.logs(sheet.adj_close)[mine]):
        jumps = np.abs(np.abs(steps) - abs(np.log(ratio))) < slack
        jumps &= near | _answered(jumps, steps, 3 * NEAR)
        if jumps.any():
            levels = np.cumsum(np.where(jumps, np.sign(steps), 0.0))
            found: Flags = levels != levels[-1]
            return found
    return np.zeros(len(places), np.bool_)


def _without_dividends(sheet: Sheet, mine: slice) -> Column:
    """Return how closes moved beyond what a dividend of this bar or the one before explains."""
    paid = sheet.dividend / sheet.before(sheet.close)
    explained = np.where((paid > 0) & (paid < 0.5), np.log1p(-paid), 0.0)
    moved = sheet.returns
    choices = np.array([moved, moved - explained, moved - np.nan_to_num(sheet.before(explained))])
    least = np.nanargmin(np.where(np.isnan(choices), np.inf, np.abs(choices)), axis=0)
    found: Column = np.take_along_axis(choices, least[None, :], axis=0)[0]
    return found[mine]


def _answered(jumps: Flags, steps: Column, within: int) -> Flags:
    """Tell which jumps are undone by the next one: a stretch on another scale, and back."""
    found = np.zeros(len(jumps), np.bool_)
    for one, other in pairwise(np.flatnonzero(jumps).tolist()):
        if steps[one] * steps[other] < 0 and other - one <= within:
            found[[one, other]] = True
    return found


# ---- splits that nobody listed ----


def _missing_splits(sheet: Sheet) -> Iterator[Hits]:
    gaps = np.log(sheet.open / sheet.before(sheet.close))
    found = np.zeros(len(sheet), np.bool_)
    usual = sheet.usual
    likely = (np.abs(gaps) > 0.2) & (np.abs(sheet.returns) > 0.2) & (np.abs(gaps) > 8 * usual)
    for row in np.flatnonzero(likely).tolist():
        found[row] = _looks_split(sheet, row, float(gaps[row]), float(usual[row]))
    words = "where the price falls like a split that is not listed"
    yield _hits("split-missing", found & (sheet.split == 0), np.exp(-gaps), words)


def _looks_split(sheet: Sheet, row: int, gap: float, usual: float) -> bool:
    """Tell whether ratio, volume and what follows all speak for a split."""
    code = sheet.codes[row]
    low, high = (int(at) for at in np.searchsorted(sheet.codes, [code, code + 1]))
    before, after = slice(max(low, row - 20), row), slice(row + 1, min(high, row + 21))
    if before.stop - before.start < 5 or after.stop - after.start < 3:
        return False
    distance = np.abs(RATIOS - abs(gap))
    which = int(distance.argmin())
    ratio, off = float(RATIOS[which]), float(distance[which])
    level = np.log(np.median(sheet.close[after]) / np.median(sheet.close[before]))
    if off > min(0.015 + usual, 0.04) or abs(level - np.sign(gap) * ratio) > 0.2:
        return False
    return _shares_changed(sheet, row, before, after, np.sign(gap) * ratio) or (
        which <= WHOLE and off < 0.01 + usual / 2 and _calm(sheet, row, before)
    )


def _shares_changed(sheet: Sheet, row: int, before: slice, after: slice, step: float) -> bool:
    """Tell whether the volume moved against the price, and not in one day's panic."""
    one, other = np.median(sheet.volume[before]), np.median(sheet.volume[after])
    if not (one > 0 and other > 0):
        return False
    moved = -np.log(other / one) * np.sign(step)
    ratio = abs(step)
    return bool(0.4 * ratio < moved < ratio + 1.0 and sheet.volume[row] < 3 * other)


def _calm(sheet: Sheet, row: int, before: slice) -> bool:
    """Tell whether the day was traded like those before it: a crash never is."""
    usual = np.median(sheet.volume[before])
    return bool(0 < sheet.volume[row] < 2 * usual)
