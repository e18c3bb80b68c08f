"""Rules that hold bars against the calendar of their exchange, or against their own rhythm."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.calendar.sessions import sessions
from evenkeel.domain.instrument import NO_MARKET
from evenkeel.market.checks.sheet import NEVER, Hits
from evenkeel.market.columns import DAY
from evenkeel.market.history import closing_times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.calendar.sessions import Sessions
    from evenkeel.domain.bar import AnyArray, Column, Flags, Times
    from evenkeel.market.checks.sheet import Sheet

HOUR = 3_600_000_000_000
SHIFTS = [half * HOUR // 2 for half in range(-28, 29)]
"""Time zones that bars may have been written in by mistake: half hours up to 14 hours away."""

RECENT = 30 * DAY
"""A session that is missing for longer than this is history; of late it is data that did not come."""

WHOLE_BATCH = 0.9
"""The share of the usual number of instruments below which a session is only part of one."""


def session_checks(sheet: Sheet) -> Iterator[Hits]:
    """Yield what is wrong with when bars are."""
    for mic, rows in sheet.markets:
        yield from _unfinished(sheet, rows, mic)
        if mic == NO_MARKET:
            continue
        first, last = int(sheet.ts[rows].min() // DAY), int(sheet.ts[rows].max() // DAY)
        around = sessions(mic, _day(first - 2), _day(last + 2))
        if len(around.dates):
            check = _daily if sheet.length >= DAY else _intraday
            yield from check(sheet, rows, around)
    yield from _rhythm(sheet)
    yield from _batches(sheet)


def _unfinished(sheet: Sheet, rows: Times, mic: str) -> Iterator[Hits]:
    """Yield bars that are not over yet, or have not begun: they are no history."""
    if sheet.now >= NEVER or not len(rows):
        return
    ts, length = sheet.ts[rows], sheet.length
    late = ts + length > sheet.now  # most bars are long over: only the others ask the calendar
    last = rows[late]
    closed = closing_times(sheet.ts[last], length, mic) if length <= DAY else ts[late] + length
    still = closed > sheet.now
    begun = sheet.ts[last] <= sheet.now + DAY // 2
    for rule, hit, words in (
        ("future", ~begun, "of the future"),
        ("unfinished", still & begun, "that was not over"),
    ):
        yield _hits(rule, last[hit], sheet.close[last[hit]], words)


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


def _hits(
    rule: str, rows: AnyArray, values: AnyArray, words: str, counts: Times | None = None
) -> Hits:
    return Hits(rule, np.asarray(rows, np.int64), np.asarray(values, np.float64), words, counts)


# ---- days ----


def _daily(sheet: Sheet, rows: Times, around: Sessions) -> Iterator[Hits]:
    if sheet.length > DAY:
        return
    days = sheet.ts[rows] // DAY
    known = (days >= around.since) & (days <= around.until)  # nobody knows the days beyond
    rows, days = rows[known], days[known]
    place = np.searchsorted(around.dates, days).clip(max=len(around.dates) - 1)
    open_day = around.dates[place] == days
    closed = rows[~open_day]
    yield _hits("closed-day", closed, sheet.close[closed], "when the exchange was closed")
    good, place = rows[open_day], place[open_day]
    same = sheet.codes[good[1:]] == sheet.codes[good[:-1]]
    missing = (np.diff(place) - 1) * same
    late = np.flatnonzero(missing > 0) + 1
    yield from _gaps(sheet, good[late], missing[late - 1])


def _gaps(sheet: Sheet, after: Times, missing: Times) -> Iterator[Hits]:
    """Yield the bars before which sessions are missing, those of late as an error."""
    late = sheet.ts[after] >= sheet.now - RECENT
    words = "missing: sessions without a bar"
    for rule, rows in (("gap", ~late), ("gap-recent", late)):
        yield _hits(rule, after[rows], missing[rows], words, missing[rows])


# ---- within a session ----


def _intraday(sheet: Sheet, rows: Times, around: Sessions) -> Iterator[Hits]:
    for low, high in _runs(sheet.codes[rows]):
        mine = rows[low:high]
        shift = _shift(sheet.ts[mine], around)
        if shift:
            words = f"{abs(shift) / HOUR:g} hours too {'late' if shift < 0 else 'early'} for its exchange"
            yield _hits("time-zone", mine, np.full(len(mine), shift / HOUR), words)
            continue
        yield from _within(sheet, mine, around)


def _runs(codes: Times) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def _shift(ts: Times, around: Sessions) -> int:
    """Return by how much bars must be moved to fall into their sessions; 0 when they do already."""
    sample = ts[:: max(1, len(ts) // 5_000)]
    inside = [_inside(sample + shift, around).mean() for shift in SHIFTS]
    here, best = inside[SHIFTS.index(0)], max(inside)
    if best < here + 0.2 or best < 0.5:
        return 0
    fits = [shift for shift, share in zip(SHIFTS, inside, strict=True) if share > best - 0.01]
    return min(fits, key=abs)


def _inside(ts: Times, around: Sessions) -> Flags:
    place = np.searchsorted(around.opens, ts, side="right") - 1
    found: Flags = (place >= 0) & (ts < around.closes[place])
    return found


def _within(sheet: Sheet, rows: Times, around: Sessions) -> Iterator[Hits]:
    ts, length = sheet.ts[rows], sheet.length
    place = np.searchsorted(around.opens, ts + length - 1, side="right") - 1
    place = place.clip(min=0)
    inside = (ts + length > around.opens[place]) & (ts < around.closes[place])
    day = _local_days(ts, around)
    known = np.searchsorted(around.dates, day).clip(max=len(around.dates) - 1)
    no_session = around.dates[known] != day
    early = around.half[known] & ~no_session & ~inside & (ts >= around.closes[known])
    strange = ~inside & ~no_session
    extended = _share_of_days(strange & ~early, day) > 0.2
    end_stamped = _end_stamped(ts, length, around, place, inside)
    if end_stamped:
        words = "stamped at their end, not their start"
        yield _hits("stamp-end", rows, np.full(len(rows), 1.0), words)
        strange &= ts != around.closes[known]
        early &= ts != around.closes[known]
    yield _hits("closed-day", rows[no_session], sheet.close[rows[no_session]], "on a closed day")
    if not extended and early.any():
        words = "after the early close of a half day"
        yield _hits("half-day", rows[early], sheet.close[rows[early]], words)
        strange &= ~early
    words = "before or after the session"
    yield _hits("outside-session", rows[strange], sheet.close[rows[strange]], words)
    yield from _by_session(sheet, rows[inside], place[inside], around)


def _local_days(ts: Times, around: Sessions) -> Times:
    """Return the date of each bar at its exchange (days since 1970)."""
    noon = (around.opens + around.closes) // 2
    offset = around.dates * DAY + DAY // 2 - noon  # what makes the middle of a session its noon
    near = np.searchsorted(noon, ts).clip(max=len(noon) - 1)
    found: Times = (ts + offset[near]) // DAY
    return found


def _share_of_days(flags: Flags, days: Times) -> float:
    return len(np.unique(days[flags])) / max(len(np.unique(days)), 1)


def _end_stamped(ts: Times, length: int, around: Sessions, place: Times, inside: Flags) -> bool:
    """Tell whether sessions have a bar that begins at their close, and none at their open."""
    seen = np.unique(place[inside])
    if len(seen) < 2:
        return False
    at_close = np.isin(around.closes[seen], ts).mean()
    at_open = np.isin(around.opens[seen], ts).mean()
    first = np.isin(around.opens[seen] + length, ts).mean()
    return bool(at_close > 0.6 and at_open < 0.2 and first > 0.6)


def _by_session(sheet: Sheet, rows: Times, place: AnyArray, around: Sessions) -> Iterator[Hits]:
    """Yield sessions that begin at another hour, end early, or have holes."""
    if not len(rows):
        return
    edges: Times = np.flatnonzero(np.diff(place, prepend=-1))
    which: Times = place[edges]
    counts = np.diff(np.append(edges, len(rows)))
    ends = np.append(edges[1:], len(rows)) - 1
    ts, length = sheet.ts[rows], sheet.length
    late: Times = ts[edges] - around.opens[which]
    yield from _daylight(rows[edges], late, length)
    missing_end = around.closes[which] - (ts[ends] + length)
    usual_end = np.median(missing_end)
    allowed = np.maximum(3 * length, (around.closes[which] - around.opens[which]) // 20)
    cut: Flags = np.asarray(missing_end > usual_end + allowed, np.bool_)
    words = "that end long before the close"
    yield _hits("truncated", rows[ends[cut]], missing_end[cut] / HOUR, words)
    yield from _holes(rows[edges], counts, around, which, length, cut)
    absent = np.diff(which) - 1
    after = np.flatnonzero(absent > 0) + 1
    yield from _gaps(sheet, rows[edges[after]], absent[after - 1])


def _daylight(rows: Times, late: Times, length: int) -> Iterator[Hits]:
    """Yield the first bars of three or more sessions in a row that begin an hour off."""
    kinds, times = np.unique(late, return_counts=True)
    usual = int(kinds[times.argmax()])
    off = np.abs(np.abs(late - usual) - HOUR) <= min(length, HOUR // 4)
    runs = np.flatnonzero(np.diff(np.concatenate(([0], off.view(np.int8), [0]))))
    kept = np.zeros(len(off), np.bool_)
    for low, high in zip(runs[::2], runs[1::2], strict=True):
        kept[low:high] = high - low >= 3
    words = "that begin an hour off, as with the wrong daylight saving time"
    yield _hits("daylight-saving", rows[kept], (late[kept] - usual) / HOUR, words)


def _holes(
    rows: Times, counts: Times, around: Sessions, which: Times, length: int, cut: Flags
) -> Iterator[Hits]:
    """Yield sessions with fewer bars than this instrument usually has of those expected."""
    begin, end = (each[which] for each in around.breaks)
    open_for = around.closes[which] - around.opens[which] - (end - begin)
    expected = -(-open_for // length)
    share = counts / expected
    thin = (share < np.median(share) - 0.02) & ~cut & (expected - counts >= 1)
    missing = (expected - counts)[thin]
    yield _hits("missing-bars", rows[thin], missing, "missing within sessions", missing)


# ---- rhythm ----


def _rhythm(sheet: Sheet) -> Iterator[Hits]:
    """Yield bars that are off the grid, and holes in markets that never close."""
    steps, length = sheet.steps, sheet.length
    if length >= DAY:
        early = (steps > 0) & (steps < length) & (length > DAY)
        rows = np.flatnonzero(early)
        yield _hits("off-grid", rows, steps[rows] / DAY, "sooner than they are long")
        return
    phase = sheet.ts % length
    for low, high in _runs(sheet.codes):
        mine = phase[low:high]
        common = np.bincount(np.searchsorted(kinds := np.unique(mine), mine)).argmax()
        odd = np.flatnonzero(mine != kinds[common]) + low
        yield _hits("off-grid", odd, phase[odd] / 1e9, "that are off the grid of their interval")
        if sheet.market(int(sheet.codes[low])) == NO_MARKET:
            yield from _unusual_gaps(sheet, low, high)


def _unusual_gaps(sheet: Sheet, low: int, high: int) -> Iterator[Hits]:
    steps = sheet.steps[low + 1 : high]
    if len(steps) < 10:
        return
    limit = max(3 * sheet.length, int(np.quantile(steps, 0.999)))
    rows = np.flatnonzero(steps > limit) + low + 1
    missing = sheet.steps[rows] // sheet.length - 1
    yield _hits("missing-bars", rows, missing, "missing where there are always some", missing)


def _batches(sheet: Sheet) -> Iterator[Hits]:
    """Yield sessions in which far fewer instruments have a bar than in those before."""
    if sheet.length != DAY or len(sheet.starts) < 50:
        return
    days, counts = np.unique(sheet.ts, return_counts=True)
    usual: Column = np.array(
        [np.median(counts[max(0, at - 20) : at]) if at else np.nan for at in range(len(days))]
    )
    part = np.flatnonzero(counts < WHOLE_BATCH * usual)
    rows = np.array([int(np.flatnonzero(sheet.ts == days[at])[0]) for at in part], np.int64)
    yield _hits("partial-batch", rows, counts[part], "of a session that most instruments lack")
