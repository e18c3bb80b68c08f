"""The pictures of a report, each readable on white and on black, none with more than it can show.

Colours are of middle lightness and backgrounds are transparent, so that one picture serves both
schemes. A long line keeps the highest and the lowest point of each of equal stretches: no extreme
is lost, and the caption says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument_events import Split, StockDividend
from evenkeel.domain.money import ZERO, text
from evenkeel.domain.order import Side
from evenkeel.ledger.lots import share
from evenkeel.reports.metrics import drawdown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bokeh.models import DataRange1d
    from bokeh.plotting import figure

    from evenkeel.domain.bar import Bars, Column, Times
    from evenkeel.reports.curve import Curve, Move
    from evenkeel.reports.result import Result

MOST_POINTS = 5_000
"""How many points a line has at the most: more than a screen has columns."""

MOST_MARKS = 500
"""How many fills of one kind are marked on one price line at the most."""

MOST_PRICES = 12
"""How many instruments get a price chart: those with the most fills."""

LINE, FADED, DOWN, UP = "#2f86c6", "#8a929a", "#d0574a", "#2b9a72"
TEXT, GRID = "#747c85", "#808890"


class Chart(Struct, frozen=True):
    """A picture and what is said about it: `label` for those who do not see it, `note` below."""

    title: str
    figure: figure
    label: str
    note: str
    marks: tuple[str, ...] = ()


def charts(result: Result) -> list[Chart]:
    """Return equity, drawdown, and the prices of the instruments with the most fills."""
    from bokeh.models import DataRange1d  # only a report waits for Bokeh

    window = DataRange1d(range_padding=0.01)
    found = result.curve
    return [
        _equity(found, window),
        _drawdown(found, window),
        *(_price(result.bars[name], happened, window) for name, happened in busiest(result)),
    ]


def busiest(result: Result) -> list[tuple[str, list[Move]]]:
    """Return the instruments that get a price chart, each with what happened to it."""
    by_name: dict[str, list[Move]] = {name: [] for name in result.bars}
    for move in result.moves:
        name = getattr(move, "instrument", None)  # interest is on the whole account
        if name is not None:
            by_name[name].append(move)
    ranked = sorted(by_name.items(), key=lambda item: -len(item[1]))
    return sorted(ranked[:MOST_PRICES])


def thin(values: Column, most: int = MOST_POINTS) -> Times:
    """Return positions that draw `values`: all, or each stretch's lowest and highest, and the ends."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    stretches = most // 2 - 1
    edges = np.linspace(0, count, stretches + 1).astype(np.int64)
    kept = [0, count - 1]
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        stretch = values[first:last]
        kept += [first + int(stretch.argmin()), first + int(stretch.argmax())]
    return np.unique(np.array(kept, dtype=np.int64))


def thinned(values: Column) -> str:
    """Say so when a line shows fewer points than there are."""
    if len(values) <= MOST_POINTS:
        return ""
    stretches = MOST_POINTS // 2 - 1
    return (
        f"Drawn from the lowest and the highest of each of {stretches:,} equal stretches "
        f"of its {len(values):,} bars."
    )


def _equity(found: Curve, window: DataRange1d) -> Chart:
    plot = _plot(window, height=300)
    for values, colour, width, name in (
        (found.gross, FADED, 1.0, "before costs"),
        (found.equity, LINE, 1.6, "after costs"),
    ):
        _line(plot, found.times, values, colour=colour, width=width, name=name, form="0,0")
    low, high = float(found.equity.min()), float(found.equity.max())
    label = f"Line of equity over time, from {found.equity[0]:,.0f} to {found.equity[-1]:,.0f}"
    return Chart(
        title="Equity",
        figure=plot,
        label=f"{label}, lowest {low:,.0f}, highest {high:,.0f}.",
        note=thinned(found.equity),
        marks=("line:after costs", "faded:before costs"),
    )


def _drawdown(found: Curve, window: DataRange1d) -> Chart:
    from bokeh.models import NumeralTickFormatter

    plot = _plot(window, height=180)
    under = drawdown(found.equity)
    kept = thin(under)
    plot.varea(x=_moments(found.times[kept]), y1=0.0, y2=under[kept], color=DOWN, alpha=0.25)
    _line(plot, found.times, under, colour=DOWN, width=1.2, name="drawdown", form="0.0%")
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[00]%")
    label = f"Area of drawdown over time; at its deepest {float(np.nanmin(under)):.1%}."
    return Chart(title="Drawdown", figure=plot, label=label, note=thinned(under))


def _price(history: Bars, happened: list[Move], window: DataRange1d) -> Chart:
    plot = _plot(window, height=260)
    name = history.instrument.id
    _line(plot, history.closed_at, history.close, colour=FADED, width=1.1, name=name, form="0,0.00")
    groups = sides(happened)
    for kind, fills in groups.items():
        _mark(plot, kind, fills[:: _step(fills)])
    splits = [move for move in happened if isinstance(move, Split)]
    if splits:
        plot.vspan(x=[split.at / 1e6 for split in splits], line_color=GRID, line_dash="dashed")
    count = sum(isinstance(move, Fill) for move in happened)
    return Chart(
        title=name,
        figure=plot,
        label=f"Line of closing prices of {name}, with {count:,} fills marked on it.",
        note=_price_note(history, splits, groups),
        marks=tuple(f"{kind}:{kind}" for kind in groups),
    )


def _price_note(history: Bars, splits: list[Split], groups: dict[str, list[Fill]]) -> str:
    said = ["Closing prices as traded."]
    said += [
        f"Split {text(s.new)}:{text(s.old)} on {np.datetime64(s.at, 'ns').astype('datetime64[D]')}."
        for s in splits
    ]
    said += [
        f"Of {len(fills):,} fills “{kind}” one in {_step(fills):,} is marked."
        for kind, fills in groups.items()
        if _step(fills) > 1
    ]
    return " ".join((*said, thinned(history.close))).strip()


def _step(fills: list[Fill]) -> int:
    """Return how many fills share one mark: marks are spread over the run, not its beginning."""
    return -(-len(fills) // MOST_MARKS)


def sides(happened: Iterable[Move]) -> dict[str, list[Fill]]:
    """Sort one instrument's fills by what they did to the position; a crossing one is an exit."""
    groups: dict[str, list[Fill]] = {}
    held = ZERO
    for move in happened:
        if isinstance(move, Split | StockDividend):
            held = share(held, move.new, move.old)
        elif isinstance(move, Fill):
            buying = move.side is Side.BUY
            closing = held < 0 if buying else held > 0
            kind = ("buy to close" if closing else "buy") if buying else "sell short"
            groups.setdefault("sell" if closing and not buying else kind, []).append(move)
            held += move.quantity if buying else -move.quantity
    return groups


def _mark(plot: figure, kind: str, fills: list[Fill]) -> None:
    from bokeh.models import ColumnDataSource, HoverTool

    buying = kind.startswith("buy")
    colour = UP if buying else DOWN
    marks = plot.scatter(
        x="time",
        y="price",
        source=ColumnDataSource(
            {
                "time": _moments(np.array([fill.at for fill in fills], dtype=np.int64)),
                "price": [float(fill.price) for fill in fills],
                "quantity": [text(fill.quantity) for fill in fills],
                "order": [fill.order_id for fill in fills],
            }
        ),
        marker="triangle" if buying else "inverted_triangle",
        size=9,
        line_color=colour,
        fill_color=colour,
        # Filled: a position opens. Hollow: it closes.
        fill_alpha=0.9 if kind in {"buy", "sell short"} else 0.0,
    )
    plot.add_tools(
        HoverTool(
            renderers=[marks],
            tooltips=[
                (kind, "@quantity at @price{0,0.00}"),
                ("on", "@time{%F %H:%M} UTC"),
                ("order", "@order"),
            ],
            formatters={"@time": "datetime"},
        )
    )


def _line(
    plot: figure, times: Times, values: Column, *, colour: str, width: float, name: str, form: str
) -> None:
    from bokeh.models import HoverTool

    kept = thin(values)
    line = plot.line(_moments(times[kept]), values[kept], line_color=colour, line_width=width)
    plot.add_tools(
        HoverTool(
            renderers=[line],
            mode="vline",
            tooltips=[("on", "$x{%F}"), (name, f"$y{{{form}}}")],
            formatters={"$x": "datetime"},
            visible=False,
        )
    )


def _plot(window: DataRange1d, *, height: int) -> figure:
    """Return an empty picture as wide as its place, which can be zoomed along time."""
    from bokeh.models import DatetimeTicker, NumeralTickFormatter
    from bokeh.plotting import figure

    plot = figure(
        x_axis_type="datetime",
        x_range=window,
        height=height,
        sizing_mode="stretch_width",
        tools="xbox_zoom,xpan,reset",
        active_drag=None,  # a thumb that scrolls the page must not move the picture
        toolbar_location="above",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border_left=56,
        min_border_right=8,
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_color = TEXT
    plot.axis.major_label_text_font_size = "12px"
    plot.xaxis.ticker = DatetimeTicker(desired_num_ticks=5)
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color = GRID
    plot.ygrid.grid_line_alpha = 0.25
    return plot


def _moments(times: Times) -> Column:
    """Return times as Bokeh counts them: milliseconds."""
    moments: Column = times / 1e6
    return moments
