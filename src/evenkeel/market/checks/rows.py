"""Rules that need one row alone, or the one before it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.market.checks.sheet import Hits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.domain.bar import AnyArray, Flags
    from evenkeel.market.checks.sheet import Sheet

TOLERANCE = 1e-6
"""How far, relatively, a price may lie outside low to high: what rounding alone can do."""

SIGNED = frozenset(("spread", "future"))
"""Kinds whose prices may be zero or negative."""

STALE_WITHOUT_VOLUME = 10
"""Bars in a row that repeat the one before them before a quiet market is called a dead one."""


def row_checks(sheet: Sheet) -> Iterator[Hits]:
    """Yield what a row says of itself."""
    prices = (sheet.open, sheet.high, sheet.low, sheet.close)
    finite = np.logical_and.reduce([np.isfinite(each) for each in prices])
    yield _hits("not-finite", ~finite | _adjusted_lost(sheet), sheet.close, "with no number")
    positive = np.logical_and.reduce([each > 0 for each in prices]) | ~finite | _signed(sheet)
    yield _hits("not-positive", ~positive, sheet.low, "with a price of zero or less")
    yield _hits("high-below-low", sheet.high < sheet.low, sheet.high, "with high below low")
    over = np.maximum(sheet.open, sheet.close) > sheet.high * (1 + TOLERANCE)
    under = np.minimum(sheet.open, sheet.close) < sheet.low * (1 - TOLERANCE)
    outside = (over | under) & finite & (sheet.high >= sheet.low)
    yield _hits("outside-range", outside, sheet.close, "with open or close outside low to high")
    yield _hits("volume-negative", sheet.volume < 0, sheet.volume, "with a volume below zero")
    yield _hits("volume-fractional", _fractions(sheet), sheet.volume, "with part of a share traded")
    idle = (sheet.volume == 0) & sheet.traded & _moved(sheet)
    yield _hits("zero-volume", idle, sheet.close, "that moved without volume")


def _hits(rule: str, broken: Flags, observed: AnyArray, words: str) -> Hits:
    rows = np.flatnonzero(broken)
    return Hits(rule, rows, np.asarray(observed)[rows], words)


def _signed(sheet: Sheet) -> Flags:
    signed = [sheet.kinds.get(name) in SIGNED for name in sheet.names]
    if not any(signed):
        return np.zeros(len(sheet), np.bool_)
    allowed = np.array(signed, np.bool_)
    return allowed[sheet.codes]


def _adjusted_lost(sheet: Sheet) -> Flags:
    """Tell where an instrument that has adjusted closes lacks one."""
    finite = np.isfinite(sheet.adj_close)
    if not len(sheet) or not finite.any():
        return np.isinf(sheet.adj_close)
    has = np.asarray(sheet.spread(np.maximum.reduceat(finite, sheet.starts)), np.bool_)
    return np.isinf(sheet.adj_close) | (np.isnan(sheet.adj_close) & has)


def _fractions(sheet: Sheet) -> Flags:
    """Tell where a listed share traded in parts, unless its market does so all the time."""
    listed = np.array([not name.endswith(".XXXX") for name in sheet.names] or [False])[sheet.codes]
    parts: Flags = (sheet.volume != np.floor(sheet.volume)) & np.isfinite(sheet.volume) & listed
    if not parts.any():
        return parts
    share = np.add.reduceat(parts, sheet.starts) / sheet.counts
    found: Flags = parts & (sheet.split == 0) & (sheet.spread(share) < 0.5)
    return found


def _moved(sheet: Sheet) -> Flags:
    found: Flags = (sheet.high > sheet.low) | (sheet.close != sheet.before(sheet.close))
    return found & ~sheet.begins


def repeats(sheet: Sheet) -> Iterator[Hits]:
    """Yield bars that repeat the one before them, to the last digit."""
    same = ~sheet.begins
    for column in (sheet.open, sheet.high, sheet.low, sheet.close, sheet.volume):
        same[1:] &= column[1:] == column[:-1]
    quiet = same & (sheet.volume == 0)
    run = _run_lengths(quiet)
    stale = (same & (sheet.volume > 0)) | (quiet & (run >= STALE_WITHOUT_VOLUME))
    yield _hits("stale", stale, sheet.close, "that repeat the bar before them")


def _run_lengths(flags: Flags) -> AnyArray:
    """Return for each flagged row how long the run of flagged rows is that it belongs to."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.view(np.int8), [0]))))
    lengths = np.zeros(len(flags), np.int64)
    starts, stops = edges[::2], edges[1::2]
    lengths[flags] = np.repeat(stops - starts, stops - starts)
    return lengths


_LOST = re.compile(r"(nan|none|null|true|false|inf|-inf|na|n/a|\d+\.\d+)", re.IGNORECASE)
_CURRENCIES = [
    "EUR",
    "USD",
    "GBP",
    "JPY",
    "CHF",
    "AUD",
    "NZD",
    "CAD",
    "SEK",
    "NOK",
    "DKK",
    "PLN",
    "TRY",
    "ZAR",
    "MXN",
    "SGD",
    "HKD",
    "CNH",
]


def name_checks(sheet: Sheet) -> Iterator[Hits]:
    """Yield instruments whose symbol or scale looks like the work of a careless reader."""
    lost, points = [], []
    for start, count in zip(sheet.starts.tolist(), sheet.counts.tolist(), strict=True):
        name = sheet.names[sheet.codes[start]]
        symbol = name.rpartition(".")[0]
        if _LOST.fullmatch(symbol) and symbol != symbol.upper():
            lost.append(start)
        pair = symbol[:3] in _CURRENCIES and symbol[3:6] in _CURRENCIES
        if pair or sheet.kinds.get(name) == "fx":
            mine = sheet.close[start : start + count]
            if (mine % 1 == 0).all() and np.median(mine) > 1000:
                points.append(start)
    for rule, rows, words in (
        ("symbol-lost", lost, "whose symbol is a word for nothing or a number"),
        ("scaled", points, "of a currency pair in whole points"),
    ):
        yield Hits(
            rule, np.array(rows, np.int64), sheet.close[rows] if rows else np.empty(0), words
        )
