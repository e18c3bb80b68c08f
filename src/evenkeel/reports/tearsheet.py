"""One run as one HTML page that needs nothing but itself: no request leaves it.

What stands on the page is found here; how it looks is `templates/report.html.j2` alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evenkeel.domain.errors import OutsideError
from evenkeel.domain.fx import SETTING, FxRates
from evenkeel.domain.money import text
from evenkeel.reports.charts import MOST_PRICES, charts
from evenkeel.reports.text import iso

if TYPE_CHECKING:
    from evenkeel.domain.bar import Column, Times
    from evenkeel.domain.verdict import Refused
    from evenkeel.reports.result import Result

MOST_TRADES = 200
"""How many round trips the page lists; trades.csv has them all."""

HEADLINE = (
    ("Total return", "total_return", "percent"),
    ("Growth a year", "cagr", "percent"),
    ("Volatility a year", "volatility", "plain_percent"),
    ("Sharpe ratio", "sharpe", "number"),
    ("Sortino ratio", "sortino", "number"),
    ("Deepest drawdown", "max_drawdown", "percent"),
)
"""What is shown before and after costs: its name, its key in `metrics`, and how it is written."""

AT_COSTS = {0: "nothing", 1: "as they are", 2: "twice that", 5: "five times that"}
"""How the page calls the multiples of `reports.sensitivity`."""

NOTHING = "–"
"""How the page writes what is not defined."""


def write(result: Result, path: Path) -> Path:
    """Write the page, whole or not at all, and return where it is; `OutsideError` if not."""
    page = render(result)
    if path.is_dir():
        raise OutsideError(f"cannot write the report over the folder {path}; name a file in it")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(page, encoding="utf-8")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise OutsideError(
            f"cannot write the report {path}: {error.strerror}; "
            "check that the folder is writable and has room"
        ) from error
    return path


def render(result: Result) -> str:
    """Return the page."""
    from bokeh.embed import components  # a report waits for Bokeh and Jinja, nothing else does
    from bokeh.resources import Resources
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pictures = charts(result)
    script, places = components([picture.figure for picture in pictures])
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "plain_percent": plain_percent,
        "number": number,
        "money": money,
        "exact": exactly,
        "day": day,
        "moment": iso,
        "tone": tone,
    }
    return environment.get_template("report.html.j2").render(
        **contents(result),
        charts=list(zip(pictures, places, strict=True)),
        bokeh=Resources(mode="inline", components=["bokeh"]).render_js(),
        script=script,
    )


def contents(result: Result) -> dict[str, Any]:
    """Return everything that the template names, except pictures."""
    trips = result.round_trips
    summary = result.summary()
    module, _, name = result.started.strategy.rpartition(":")
    return {
        "summary": summary,
        "manifest": result.manifest,
        "started": result.started,
        "name": name,
        "module": module,
        "headline": [
            (label, form, result.metrics[key], result.gross_metrics[key])
            for label, key, form in HEADLINE
        ],
        "metrics": result.metrics,
        "sensitivity": [
            (
                AT_COSTS[case["multiple"]],
                *(defined(case[key]) for key in ("total_return", "sharpe")),
            )
            for case in summary["cost_sensitivity"]["cases"]
        ],
        "break_even": summary["cost_sensitivity"]["break_even"],
        "cost": math.fsum((*summary["costs"].values(), *summary["financing"].values())),
        "first": int(result.curve.times[0]),
        "last": int(result.curve.times[-1]),
        "years": monthly(result.curve.times, result.curve.equity, start=float(result.started.cash)),
        "trades": trips[:MOST_TRADES],
        "trade_count": len(trips),
        "when": minute if len(result.curve.times) > 2 * len(result.points) else day,
        "several_currencies": len({trip.currency for trip in trips} - {summary["currency"]}) > 0,
        "settings": settings(result.started.settings),
        "open_count": sum(trip.open for trip in trips),
        "refused": refused(result.refusals),
        "findings": result.findings,
        "not_drawn": max(0, len(result.bars) - MOST_PRICES),
        "note": summary["limits"]["note"],
        "sources": sources(result.manifest.get("data")),
    }


def monthly(times: Times, equity: Column, *, start: float) -> list[tuple[int, list[float], float]]:
    """Return (year, twelve monthly returns, the year's return); NaN where there was no bar.

    A month runs from the last equity of the month before (at first: `start`) to its own last, in
    UTC; so twelve months compound to their year, and years to the total.
    """
    moments = times - 1  # a bar that closed at midnight was made the day before
    months = moments.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    ends = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    table: dict[int, list[float]] = {}
    totals: dict[int, float] = {}
    before = start
    for end in ends.tolist():
        year, month = divmod(int(months[end]), 12)
        grown = _growth(before, float(equity[end]))
        table.setdefault(1970 + year, [math.nan] * 12)[month] = grown
        totals[1970 + year] = totals.get(1970 + year, 1.0) * (1.0 + grown)
        before = float(equity[end])
    return [(year, row, totals[year] - 1.0) for year, row in table.items()]


def settings(given: Mapping[str, str]) -> dict[str, str]:
    """Return a run's settings as the page shows them: of rates that change how many, and of when."""
    rates = FxRates.from_settings(given)
    shown = dict(given)
    for key in given:
        if rates is not None and key.startswith(SETTING):
            moments, _ = rates.steps(key.removeprefix(SETTING))
            if len(moments) > 1:
                shown[key] = f"{len(moments):,} rates, {day(moments[0])} to {day(moments[-1])}"
    return shown


def _growth(before: float, after: float) -> float:
    return after / before - 1.0 if before > 0 else math.nan


def refused(refusals: list[Refused]) -> list[tuple[str, int, Refused]]:
    """Return (rule, how many it refused, the first of them), the busiest rule first."""
    by_rule: dict[str, list[Refused]] = {}
    for refusal in refusals:
        by_rule.setdefault(refusal.reason.value, []).append(refusal)
    rows = [(rule, len(found), found[0]) for rule, found in by_rule.items()]
    return sorted(rows, key=lambda row: -row[1])


def sources(data: object) -> list[str]:
    """Return what a manifest says of where bars came from: a text, a list, or `name: …` pairs."""
    if isinstance(data, Mapping):
        return [f"{key}: {', '.join(sources(value))}" for key, value in data.items() if value]
    if isinstance(data, list | tuple):
        return [str(source) for source in data]
    return [] if data is None else [str(data)]


# ---- how numbers are written -------------------------------------------------------------------


def percent(value: float, digits: int = 2) -> str:
    """Write 0.1234 as +12.34 %, with a sign that is as wide as a plus."""
    if not math.isfinite(value):
        return NOTHING
    return f"{value:+z.{digits}%}".replace("-", "−").replace("%", "\u202f%")


def plain_percent(value: float, digits: int = 2) -> str:
    """Write 0.1234 as 12.34 %."""
    return percent(value, digits).removeprefix("+")


def number(value: float, digits: int = 2) -> str:
    """Write a figure with a fixed number of digits; what rounds to zero has no sign."""
    return f"{value:z,.{digits}f}".replace("-", "−") if math.isfinite(value) else NOTHING


def money(value: Decimal | float) -> str:
    """Write an amount to the cent."""
    return number(float(value))


def exactly(value: Decimal | str) -> str:
    """Write a limit or an observation as it is, thousands apart."""
    if isinstance(value, str):
        return value
    if not value.is_finite():
        return "unlimited"
    whole, dot, rest = text(abs(value)).partition(".")
    return f"{'−' if value < 0 else ''}{int(whole):,}{dot}{rest}"


def day(at: int) -> str:
    """Write the UTC day of a moment."""
    return iso(at)[:10]


def minute(at: int) -> str:
    """Write the UTC minute of a moment."""
    return iso(at)[:16].replace("T", " ")


def defined(value: float | None) -> float:
    """Return a figure as the filters take it: NaN where there is none."""
    return math.nan if value is None else value


def tone(value: float) -> str:
    """Name the class of a number: gain, loss or neither."""
    if not math.isfinite(value) or value == 0:
        return "flat"
    return "gain" if value > 0 else "loss"
