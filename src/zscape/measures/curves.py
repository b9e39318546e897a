"""Charts of families of runs as inline SVG: a trade, a figure over values, intervals in rows.

Colours are the page's; `standalone` gives a chart colours of its own, for a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from zscape.measures.charts import short, ticks
from zscape.measures.figure import Figure
from zscape.measures.tradeoff import Choice, Point, Value, told
from zscape.modalities.found import printable

WIDTH, HEIGHT = 450, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 26, 16, 40
ROW, NAMES = 30, 250  # pixels of a row of intervals, and of its name
LONGEST_NAME = 42

COLOURS = """
svg { --ground: #fbfbfa; --ink: #23272e; --faint: #656c78; --line: #e0e3e7; --accent: #2a6db0;
  --second: #c4570f; --weak: #c3c8cf; background: var(--ground); }
@media (prefers-color-scheme: dark) { svg { --ground: #15171b; --ink: #e4e7eb; --faint: #98a0ac;
  --line: #30353d; --accent: #6cabe8; --second: #f0944a; --weak: #4a515c; } }
text { font: 11px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--faint); }
.rule { stroke: var(--line); }
"""


@dataclass(frozen=True, slots=True)
class Interval:
    """A row of a chart: its name, its value, the ends of its interval, and whether it stands out.

    Without ends the value stands alone.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    strong: bool = False


@dataclass(frozen=True, slots=True)
class _Axis:
    """Numbers from `low` to `high` on pixels from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)


def trade_chart(found: Sequence[Point], *, knee: Choice, best: Choice, label: str) -> str:
    """Distortion over rate in nats, one point per value with its standard errors.

    Args:
        found: with a rate each.
        knee: the value to be ringed, beside the dashed line that it lies farthest below.
        best: the value to be filled in the second colour.
        label: what the chart shows, for those who do not see it.
    """
    curve = sorted(found, key=lambda point: point.rate.value or 0.0)
    across = _axis([point.rate for point in curve], LEFT, WIDTH - RIGHT)
    up = _axis([point.distortion for point in curve], HEIGHT - BOTTOM, TOP)
    places = [(across.at(p.rate.value or 0.0), up.at(p.distortion.value or 0.0)) for p in curve]
    drawn = [_rules(up, LEFT, WIDTH - RIGHT), _across_rules(across)]
    drawn.append(_named_axes("rate, nats", "distortion, nats"))
    if knee.value is not None:
        chord = [places[0], places[-1]]
        drawn.append(_line(chord, "stroke: var(--faint); stroke-dasharray: 4 4"))
    drawn.append(_line(places, "stroke: var(--accent); stroke-width: 1.6"))
    for point, (x, y) in zip(curve, places, strict=True):
        drawn.append(_error_bar(across, point.rate, y, level=True))
        drawn.append(_error_bar(up, point.distortion, x, level=False))
        drawn.append(_mark(x, y, point.value, knee, best))
        drawn.append(_text(x + 8, y - 7, told(point.value), "start", strong=True))
    return _svg(WIDTH, HEIGHT, label, "".join(drawn))


def value_chart(found: Sequence[Point], *, knee: Choice, best: Choice, label: str) -> str:
    """The ELBO of every value with its standard error, equally spaced in the order they come.

    Args:
        found: with an ELBO each.
        knee: the value to be ringed.
        best: the value to be filled in the second colour.
        label: what the chart shows, for those who do not see it.
    """
    up = _axis([point.elbo for point in found], HEIGHT - BOTTOM, TOP)
    pitch = (WIDTH - LEFT - RIGHT) / len(found)
    places = [(LEFT + (n + 0.5) * pitch, up.at(p.elbo.value or 0.0)) for n, p in enumerate(found)]
    drawn = [
        _rules(up, LEFT, WIDTH - RIGHT),
        _named_axes("", "ELBO, nats"),
        _line(places, "stroke: var(--accent); stroke-width: 1.6"),
    ]
    for point, (x, y) in zip(found, places, strict=True):
        drawn.append(_error_bar(up, point.elbo, x, level=False))
        drawn.append(_mark(x, y, point.value, knee, best))
        drawn.append(_text(x, HEIGHT - BOTTOM + 17, _cut(told(point.value), 9), "middle"))
    return _svg(WIDTH, HEIGHT, label, "".join(drawn))


def interval_chart(rows: Sequence[Interval], *, zero: bool, label: str, width: int = 912) -> str:
    """Values with intervals, one row each, from the top.

    Args:
        rows: at least one.
        zero: whether the line at 0 is drawn, as for differences.
        label: what the chart shows, for those who do not see it.
        width: pixels of the page.
    """
    ends = [end for row in rows for end in (row.low, row.value, row.high) if end is not None]
    ends += [0.0] if zero else []
    across = _padded(min(ends), max(ends), NAMES, width - RIGHT)
    height = ROW * len(rows) + TOP + BOTTOM
    drawn = [_across_rules(across, height)]
    if zero:
        x = across.at(0.0)
        drawn.append(_line([(x, TOP - 6), (x, height - BOTTOM)], "stroke: var(--faint)"))
    for n, row in enumerate(rows):
        y = TOP + (n + 0.5) * ROW
        colour = "var(--second)" if row.strong else "var(--accent)"
        drawn.append(_text(NAMES - 14, y + 4, _cut(row.name, LONGEST_NAME), "end", strong=True))
        if row.low is not None and row.high is not None:
            spanned = [(across.at(row.low), y), (across.at(row.high), y)]
            drawn.append(_line(spanned, f"stroke: {colour}; stroke-width: 2.4; opacity: 0.55"))
        drawn.append(
            f'<circle cx="{across.at(row.value):.1f}" cy="{y:.1f}" r="4.5" style="fill: {colour}">'
            f"<title>{escape(printable(row.name))}: {row.value:.4g}</title></circle>"
        )
    return _svg(width, height, label, "".join(drawn))


def standalone(chart: str) -> str:
    """A chart as an SVG file of its own, with the colours of the page."""
    head, _, rest = chart.partition(">")
    head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{head}><style>{COLOURS}</style>{rest}\n"


def _axis(figures: Sequence[Figure], start: float, stop: float) -> _Axis:
    ends = [
        (figure.value or 0.0) + side * (figure.error or 0.0)
        for figure in figures
        for side in (-1, 1)
    ]
    return _padded(min(ends), max(ends), start, stop)


def _padded(low: float, high: float, start: float, stop: float) -> _Axis:
    margin = 0.07 * (high - low) or max(abs(high), 1.0) * 0.05
    return _Axis(low - margin, high + margin, start, stop)


def _rules(up: _Axis, left: float, right: float) -> str:
    drawn = []
    for tick in ticks(up.low, up.high):
        y = up.at(tick)
        drawn.append(f'<line class="rule" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(_text(left - 7, y + 3.5, short(tick), "end"))
    return "".join(drawn)


def _across_rules(across: _Axis, height: int = HEIGHT) -> str:
    drawn = []
    for tick in ticks(across.low, across.high, 6):
        x = across.at(tick)
        drawn.append(
            f'<line class="rule" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>'
        )
        drawn.append(_text(x, height - BOTTOM + 17, short(tick), "middle"))
    return "".join(drawn)


def _named_axes(across: str, up: str) -> str:
    turned = f'transform="rotate(-90 12 {HEIGHT / 2 - 12})"'
    return _text((WIDTH + LEFT - RIGHT) / 2, HEIGHT - 5, across, "middle") + (
        f'<text x="12" y="{HEIGHT / 2 - 12}" text-anchor="middle" {turned}>{up}</text>'
    )


def _error_bar(axis: _Axis, figure: Figure, other: float, *, level: bool) -> str:
    if not figure.error or figure.value is None:
        return ""
    low, high = axis.at(figure.value - figure.error), axis.at(figure.value + figure.error)
    ends = [(low, other), (high, other)] if level else [(other, low), (other, high)]
    return _line(ends, "stroke: var(--accent); stroke-width: 1.4; opacity: 0.7")


def _mark(x: float, y: float, value: Value, knee: Choice, best: Choice) -> str:
    colour = "var(--second)" if best.value == value else "var(--accent)"
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" style="fill: none; stroke: var(--accent); '
    ring = f'{ring}stroke-width: 1.6"/>' if knee.value == value else ""
    dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.2" style="fill: {colour}"/>'
    return ring + dot


def _line(places: Sequence[tuple[float, float]], style: str) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{drawn}" style="fill: none; {style}"/>'


def _text(x: float, y: float, words: str, anchor: str, *, strong: bool = False) -> str:
    style = ' style="fill: var(--ink)"' if strong else ""
    said = escape(printable(words))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{said}</text>'


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _svg(width: int, height: int, label: str, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" style="max-width: {1.2 * width:.0f}px" role="img" '
        f'aria-label="{escape(printable(label))}">{content}</svg>'
    )
