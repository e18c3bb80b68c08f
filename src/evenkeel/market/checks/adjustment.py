"""Rules that hold a source's adjusted closes against its own dividends.

adj_close / close may step on an ex-date alone, and then by 1 / (1 - dividend / close before)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenkeel.market.checks.sheet import Hits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.domain.bar import Column, Flags
    from evenkeel.market.checks.sheet import Sheet

TOLERANCE = 4e-4
LARGE = 0.08
"""A dividend of this share of the price must be seen in the price."""

SMALL = 5e-4
"""A dividend of so small a share is in the wrong unit if others are many times larger."""


def adjustment_checks(sheet: Sheet) -> Iterator[Hits]:
    """Yield what does not fit between closes, adjusted closes and dividends."""
    yield from _sizes(sheet)
    yield from _steps(sheet)


def _steps(sheet: Sheet) -> Iterator[Hits]:
    there = np.isfinite(sheet.adj_close) & (sheet.adj_close > 0) & (sheet.close > 0)
    if not there.any():
        return
    factor = np.where(there, sheet.adj_close / np.where(there, sheet.close, 1.0), np.nan)
    above = factor > 1 + TOLERANCE + _rounding(sheet)
    yield _hits("adjusted-above", above, factor, "with an adjusted close above the close")
    step = factor / sheet.before(factor)
    slack = TOLERANCE + _rounding(sheet)
    paid = sheet.dividend / sheet.before(sheet.close)
    known = sheet.spread(np.add.reduceat(sheet.dividend, sheet.starts) > 0).astype(bool)
    due = 1 / (1 - paid)
    odd = np.abs(step / due - 1) > slack + 0.02 * np.nan_to_num(paid)
    at_ex = (sheet.dividend > 0) & np.isfinite(step)
    yield _hits(
        "dividend-mismatch", at_ex & odd, step, "whose adjusted close does not know its dividend"
    )
    phantom = ~at_ex & np.isfinite(step) & (np.abs(step - 1) > slack)
    phantom &= known | (step < 1)
    yield _hits(
        "adjusted-step", phantom, step, "whose adjusted close steps although nothing was paid"
    )


def _hits(rule: str, broken: Flags, observed: Column, words: str) -> Hits:
    rows = np.flatnonzero(broken)
    return Hits(rule, rows, observed[rows], words)


def _rounding(sheet: Sheet) -> Column:
    """Return what rounding to cents can do, for instruments whose adjusted closes are rounded."""
    hundredfold = np.nan_to_num(sheet.adj_close, posinf=0.5, neginf=0.5, nan=0.5) * 100
    cents = np.abs(hundredfold - np.round(hundredfold)) < 1e-6
    rounded = sheet.spread(np.add.reduceat(cents, sheet.starts) > 0.9 * sheet.counts)
    found: Column = np.where(rounded, 0.011 / np.abs(sheet.adj_close), 0.0)
    return np.nan_to_num(found)


def _sizes(sheet: Sheet) -> Iterator[Hits]:
    """Yield dividends that the price never paid."""
    before = sheet.before(sheet.close)
    share = sheet.dividend / before
    fell = 1 - sheet.close / before
    silent = (share > LARGE) & (fell < 0.4 * share)
    largest = np.fmax.reduceat(np.nan_to_num(share), sheet.starts)
    tiny = (share > 0) & (share < SMALL)
    tiny &= (sheet.spread(largest) > 50 * share) | (sheet.dividend < 0.001)
    words = "with a dividend that the price did not pay"
    yield _hits("dividend-size", silent | (share >= 1) | tiny, share, words)
    counted = (sheet.gains > 0) & (sheet.dividend > 0) & (sheet.dividend >= sheet.gains)
    both = (sheet.dividend + sheet.gains) / before
    twice = counted & _adjusted_by(sheet, both)
    words = "whose capital gain is counted twice"
    yield _hits("gain-twice", twice, both, words)


def _adjusted_by(sheet: Sheet, share: Column) -> Flags:
    """Tell where the adjusted close steps as if `share` of the price had been paid."""
    factor = sheet.adj_close / sheet.close
    found: Flags = np.abs(factor / sheet.before(factor) * (1 - share) - 1) < 0.1 * share
    return found
