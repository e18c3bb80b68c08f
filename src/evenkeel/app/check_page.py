"""The page of a check: scores, findings, and small pictures of the worst cases. It asks nobody."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from evenkeel.market.checks.rules import ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evenkeel.app.check import Checked
    from evenkeel.domain.bar import Column, Flags
    from evenkeel.market.inspection import Found
    from evenkeel.market.shelf import Shelf

PICTURES = 12
"""Pictures on the page: who has more to look at sorts the table."""

ROWS = 200
"""Instruments and findings in each table; the JSON file beside the page has them all."""

AROUND = 30
"""Bars on either side of what a picture is about."""

WIDTH, HEIGHT, MARGIN = 300, 96, 52

STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1d2530;--soft:#5b6674;
--line:#e2dfd7;--bad:#b3261e;--warn:#8a5a00;--good:#1e6b45;--price:#2f5d8a}
@media(prefers-color-scheme:dark){:root{--paper:#14181d;--card:#1b2027;--ink:#e8e6e1;--soft:#9aa5b1;
--line:#2c333c;--bad:#ff8a80;--warn:#f0b955;--good:#7fd1a5;--price:#8ab8e6}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:26px;line-height:1.2;margin:0 0 4px}h2{font-size:18px;margin:36px 0 12px}
p{margin:0 0 12px;color:var(--soft)}
.sums{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin:20px 0}
.sums div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.sums b{display:block;font-size:22px;font-variant-numeric:tabular-nums}
.sums span{color:var(--soft);font-size:13px}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:14px}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px}
figcaption{font-size:13px;color:var(--soft);margin-top:8px}
figcaption b{color:var(--ink);font-size:15px}svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:7px 12px;border-bottom:1px solid var(--line);white-space:nowrap}
td.text{white-space:normal;min-width:260px}tr:last-child td{border-bottom:0}
th{color:var(--soft);font-weight:500}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.error{color:var(--bad)}.warning{color:var(--warn)}.done{color:var(--good)}
code{font:13px ui-monospace,SFMono-Regular,Menlo,monospace}
"""


def page(checked: Sequence[Checked], files: Sequence[dict[str, Any]]) -> str:
    """Return the page as one HTML document without a single address in it."""
    found = [(each, one) for each in checked for one in each.inspection.found]
    found.sort(key=lambda pair: _weight(pair[1]), reverse=True)
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>Market data check</title><style>{STYLE}</style></head><body><main>",
            *_head(checked),
            *_cases(found),
            *_scores(checked),
            *_findings(found),
            *_files(files),
            "</main></body></html>",
        )
    )


def _weight(found: Found) -> tuple[bool, bool, int]:
    each = found.finding
    return found.open, each.severity == ERROR, each.count


def _head(checked: Sequence[Checked]) -> Iterator[str]:
    found = [one for each in checked for one in each.inspection.found if one.open]
    errors = [one for one in found if one.finding.severity == ERROR]
    bars = sum(sum(each.inspection.bars.values()) for each in checked)
    instruments = sum(len(each.inspection.bars) for each in checked)
    held = sum(len(at) for each in checked for at in each.shelf.manifest().held_back.values())
    shelves = ", ".join(f"{each.dataset} {each.shelf.interval}" for each in checked)
    yield f"<h1>Market data check</h1><p>{escape(shelves)}</p><div class=sums>"
    for value, words in (
        (bars, "bars"),
        (instruments, "instruments"),
        (len(errors), "open errors"),
        (len(found) - len(errors), "warnings"),
        (held, "bars in quarantine"),
    ):
        yield f"<div><b>{value:,}</b><span>{words}</span></div>"
    yield "</div>"


# ---- pictures ----


def _cases(found: Sequence[tuple[Checked, Found]]) -> Iterator[str]:
    worst: list[str] = []
    seen: set[tuple[str, str]] = set()
    for each, one in found:
        key = one.finding.instrument, one.finding.code
        if len(worst) == PICTURES or not one.open or key in seen:
            continue
        seen.add(key)
        worst.append(_case(each, one))
    if worst:
        yield "<h2>Worst cases</h2><div class=cases>"
        yield from worst
        yield "</div>"


def _case(checked: Checked, found: Found) -> str:
    each = found.finding
    kind = "error" if each.severity == ERROR else "warning"
    return (
        f"<figure>{_picture(checked.shelf, found)}<figcaption><b>{escape(each.instrument)}</b> "
        f"<span class={kind}>{each.code}</span> <code>{found.id}</code><br>"
        f"{escape(each.message)}</figcaption></figure>"
    )


def _picture(shelf: Shelf, found: Found) -> str:
    """Draw the closes around a finding; its bars are marked."""
    each = found.finding
    columns = shelf.columns(each.instrument, columns=("close",), quarantined=True)
    ts, close = columns["ts"], columns["close"]
    last = each.first_at if each.last_at is None else each.last_at
    low, high = np.searchsorted(ts, [each.first_at, last])
    if high - low > 4 * AROUND:
        high = low + 2 * AROUND
    window = slice(max(0, low - AROUND), high + AROUND + 1)
    marked = np.isin(ts[window], found.stamps) if found.stamps else ts[window] == each.first_at
    return _drawn(close[window], marked, each.severity)


def _drawn(close: Column, marked: Flags, severity: str) -> str:
    good = np.isfinite(close) & (close > 0)
    colour = "var(--bad)" if severity == ERROR else "var(--warn)"
    title = f"<title>Closes of {len(close)} bars, {int(marked.sum())} marked</title>"
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{title}']
    if good.any():
        logs = np.where(good, np.log(np.where(good, close, 1.0)), np.nan)
        bottom, top = float(np.nanmin(logs)), float(np.nanmax(logs))
        x = 4 + np.arange(len(close)) * (WIDTH - MARGIN) / max(len(close) - 1, 1)
        y = HEIGHT - 8 - (logs - bottom) / max(top - bottom, 1e-9) * (HEIGHT - 16)
        y = np.where(good, y, HEIGHT - 4)
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b, ok in zip(x, y, good, strict=True) if ok)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="var(--price)" stroke-width="1.5"/>'
        )
        parts += [
            f'<circle cx="{x[at]:.1f}" cy="{y[at]:.1f}" r="3" fill="{colour}"/>'
            for at in np.flatnonzero(marked).tolist()
        ]
        for value, place in ((float(np.exp(top)), 10), (float(np.exp(bottom)), HEIGHT - 1)):
            parts.append(
                f'<text x="{WIDTH - 2}" y="{place}" text-anchor="end" font-size="9" '
                f'fill="var(--soft)">{value:,.6g}</text>'
            )
    return "".join((*parts, "</svg>"))


# ---- tables ----


def _scores(checked: Sequence[Checked]) -> Iterator[str]:
    rows = sorted(
        (score, name, each.dataset)
        for each in checked
        for name, score in each.inspection.scores().items()
    )
    yield "<h2>Scores</h2><div class=scroll><table><tr><th>instrument</th><th>data set</th>"
    yield "<th class=n>score</th></tr>"
    for score, name, dataset in rows[:ROWS]:
        yield f"<tr><td>{escape(name)}</td><td>{escape(dataset)}</td>"
        yield f"<td class=n>{score:.2f}</td></tr>"
    yield "</table></div>"
    if len(rows) > ROWS:
        yield f"<p>The lowest {ROWS} of {len(rows):,}.</p>"


def _findings(found: Sequence[tuple[Checked, Found]]) -> Iterator[str]:
    if not found:
        yield "<h2>Findings</h2><p>None: every rule is content with every bar.</p>"
        return
    yield "<h2>Findings</h2><div class=scroll><table><tr><th>id</th><th>instrument</th>"
    yield "<th>rule</th><th></th><th class=n>bars</th><th>what</th></tr>"
    for _, one in found[:ROWS]:
        each = one.finding
        state = each.severity if one.open else "done"
        yield f"<tr><td><code>{one.id}</code></td><td>{escape(each.instrument)}</td>"
        yield f"<td>{each.code}</td><td class={state}>{state if one.open else 'decided'}</td>"
        yield f"<td class=n>{each.count:,}</td><td class=text>{escape(each.message)}</td></tr>"
    yield "</table></div>"
    if len(found) > ROWS:
        yield f"<p>The gravest {ROWS} of {len(found):,}.</p>"


def _files(files: Sequence[dict[str, Any]]) -> Iterator[str]:
    if not files:
        return
    yield "<h2>Files</h2><div class=scroll><table><tr><th>file</th><th>rule</th><th>what</th></tr>"
    for told in files[:ROWS]:
        for each in told["findings"]:
            yield f"<tr><td>{escape(told['file'])}</td><td>{each['code']}</td>"
            yield f"<td class=text>{escape(each['message'])}</td></tr>"
    yield "</table></div>"
