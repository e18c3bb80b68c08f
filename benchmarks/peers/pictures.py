"""Two pictures: speed against bars, and speed against orders; both axes logarithmic, plain SVG.

Colours are chosen to be told apart on white and on black; the frame and the words take the colour
of the reader's scheme.
"""

from __future__ import annotations

from math import ceil, floor, log10
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 50, 50
COLOURS = ("#0b84d8", "#d9822b", "#2f9e5b", "#b04fc9", "#c94f4f", "#8a7a1f", "#6b7bd6", "#3a9c9c")
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .grid { stroke: #8b949e; stroke-opacity: .35 }
  .paper { fill: #ffffff }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .paper { fill: #0d1117 } }
"""

Point = tuple[float, float]


class Line(NamedTuple):
    """One engine's speeds, in order of size."""

    name: str
    points: list[Point]


def draw(measured: dict[str, Any], folder: Path) -> None:
    """Write both pictures into a folder."""
    answers = measured["answers"]
    bars = [*lines(answers, "cross", "bars"), reference(answers, "cross", "bars")]
    orders = lines(answers, "busy", "orders")
    for name, title, unit, drawn in (
        ("benchmarks-bars", "Bars a second, moving-average cross, one instrument", "bars", bars),
        ("benchmarks-orders", "Orders a second, a market order on every bar", "orders", orders),
    ):
        (folder / f"{name}.svg").write_text(
            svg(title, unit, [each for each in drawn if each.points])
        )


def lines(answers: Sequence[dict[str, Any]], work: str, unit: str) -> list[Line]:
    """Return a line per engine: what it did a second, at each size."""
    found: dict[str, list[Point]] = {}
    for each in answers:
        if each["work"] == work and "cpu" in each:
            speed = each[unit] / median(each["cpu"])
            found.setdefault(each["name"], []).append((each["size"], speed))
    return [Line(name, points) for name, points in found.items()]


def reference(answers: Sequence[dict[str, Any]], work: str, unit: str) -> Line:
    """Return the line of the bare loop P."""
    speeds: dict[int, list[float]] = {}
    for each in answers:
        if each["work"] == work and "cpu" in each:
            speeds.setdefault(each["size"], []).append(each[unit] / each["p"])
    return Line("P, a bare loop", [(size, median(each)) for size, each in speeds.items()])


def svg(title: str, unit: str, drawn: Sequence[Line]) -> str:
    """Return a picture."""
    points = [point for line in drawn for point in line.points]
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low_y = 10.0 ** floor(log10(min(y for _, y in points)))
    high_y = 10.0 ** ceil(log10(max(y for _, y in points)))

    def across(value: float) -> float:
        span = log10(high_x / low_x) or 1.0
        return LEFT + log10(value / low_x) / span * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return TOP + log10(high_y / value) / log10(high_y / low_y) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{title}</title><style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{LEFT}" y="28">{title}</text>',
    ]
    value = low_y
    while value <= high_y * 1.001:
        y = down(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{worded(value)}</text>'
        )
        value *= 10
    for value in sorted({x for x, _ in points}):
        x = across(value)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{worded(value)}</text>'
        )
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{unit} in the run</text>')
    ends = apart([(down(line.points[-1][1]), line) for line in drawn])
    colours = {line.name: COLOURS[at % len(COLOURS)] for at, line in enumerate(drawn)}
    for y, line in ends:
        places = [(across(x), down(speed)) for x, speed in line.points]
        plain = line.name.startswith("P,")
        colour = "#8b949e" if plain else colours[line.name]
        width = 4 if line.name == "evenkeel" else 2
        dashes = ' stroke-dasharray="6 4"' if plain else ""
        path = "M" + "L".join(f"{x:.1f} {at:.1f}" for x, at in places)
        parts.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes}/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{at:.1f}" r="3" fill="{colour}"/>' for x, at in places]
        x, at = places[-1]
        parts.append(
            f'<path d="M{x + 4:.1f} {at:.1f}L{WIDTH - RIGHT + 10} {y:.1f}" fill="none" '
            f'stroke="{colour}" stroke-opacity=".5"/>'
        )
        parts.append(
            f'<text x="{WIDTH - RIGHT + 14}" y="{y + 4:.1f}" style="fill:{colour}">{line.name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def apart(ends: Sequence[tuple[float, Line]], gap: float = 17.0) -> list[tuple[float, Line]]:
    """Return where to write each name so that none lies on another."""
    placed: list[tuple[float, Line]] = []
    for y, line in sorted(ends, key=lambda each: each[0]):
        above = placed[-1][0] + gap if placed else TOP
        placed.append((max(y, above), line))
    return placed


def worded(value: float) -> str:
    """Return a round number in few signs: 1 M, 10 k, 100."""
    for unit, sign in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{sign}"
    return f"{value:g}"
