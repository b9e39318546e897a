"""Small charts as inline SVG: lines over steps and sorted bars; colours come from the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from zscape.modalities.found import printable

SETTLED = 0.05  # share of the steps that does not set the range of an axis: it starts far away
MOST_POINTS = 400
WIDEST_BAR = 48  # with the space around it, in pixels
WIDTH, HEIGHT = 300, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 26


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: its name, the class of its colour and its points `(x, y)`."""

    name: str
    style: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: the name under it, its height, and whether it stands out."""

    name: str
    value: float
    strong: bool


def line_chart(lines: Sequence[Line], *, label: str) -> str:
    """An SVG element with lines over training steps; what starts far outside is cut off.

    Args:
        lines: with at least one finite point between them.
        label: what the chart shows, for those who do not see it.
    """
    thinned = [(line.style, _thinned(line.points)) for line in lines]
    xs = [x for _, points in thinned for x, _ in points]
    end = max(xs)
    ys = [y for _, points in thinned for x, y in points if x >= SETTLED * end]
    low, high = _padded(min(ys), max(ys))
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    paths = [
        f'<polyline class="{style}" points="'
        + " ".join(
            f"{x / (end or 1) * across:.1f},{(high - y) / (high - low) * up:.1f}" for x, y in p
        )
        + '"/>'
        for style, p in thinned
    ]
    # The inner svg cuts off what leaves the range.
    inner = f'<svg x="{LEFT}" y="{TOP}" width="{across}" height="{up}">{"".join(paths)}</svg>'
    ruled = _rules(low, high, WIDTH) + _steps_axis(end)
    return _svg(WIDTH, HEIGHT, label, ruled + inner)


def bar_chart(bars: Sequence[Bar], *, label: str, width: int = 912, height: int = 210) -> str:
    """An SVG element with one bar per name, from left to right; pointing at one says its value.

    Args:
        bars: values of at least 0.
        label: what the chart shows, for those who do not see it.
        width: pixels of the page at most; few bars take less.
        height: pixels of the page.
    """
    high = max(*(bar.value for bar in bars), 1e-3) * 1.05
    pitch = min((width - LEFT - RIGHT) / len(bars), WIDEST_BAR)
    width, up = math.ceil(pitch * len(bars)) + LEFT + RIGHT, height - TOP - BOTTOM
    drawn = []
    for n, bar in enumerate(bars):
        x, tall = LEFT + (n + 0.12) * pitch, bar.value / high * up
        name = escape(printable(bar.name))
        drawn.append(
            f'<rect class="{"strong" if bar.strong else "weak"}" x="{x:.1f}" '
            f'y="{TOP + up - tall:.1f}" width="{0.76 * pitch:.1f}" height="{max(tall, 0.5):.1f}">'
            f"<title>unit {name}: {bar.value:.3g} nats</title></rect>"
        )
        if pitch >= 16 or n % math.ceil(18 / pitch) == 0:
            middle = x + 0.38 * pitch
            drawn.append(_text(middle, height - 9, name, "middle"))
    return _svg(width, height, label, _rules(0.0, high, width, height) + "".join(drawn))


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` to `high`: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def short(value: float) -> str:
    """A number in few characters, such as `-92.4`, `1.2k`, `0.003`, with a true minus sign."""
    size = abs(value)
    if size >= 1e6:
        words = f"{value:.2g}"
    elif size >= 10_000:
        words = f"{value / 1000:.0f}k"
    else:
        words = f"{value:.0f}" if size >= 1000 else f"{value:.3g}"
    return words.replace("-", "\N{MINUS SIGN}")


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    stride = math.ceil(len(finite) / MOST_POINTS) or 1
    # Counted from the end, so that the last point always stays.
    return finite[::-1][::stride][::-1]


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def _rules(low: float, high: float, width: int, height: int = HEIGHT) -> str:
    up, drawn = height - TOP - BOTTOM, []
    for tick in ticks(low, high):
        y = TOP + (high - tick) / (high - low) * up
        drawn.append(
            f'<line class="rule" x1="{LEFT}" x2="{width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        drawn.append(_text(LEFT - 6, y + 3.5, short(tick), "end"))
    return "".join(drawn)


def _steps_axis(end: float) -> str:
    across = WIDTH - LEFT - RIGHT
    named = [t for t in ticks(0, end or 1, 4) if t <= 0.8 * end]
    return "".join(
        _text(LEFT + t / (end or 1) * across, HEIGHT - 8, f"{t:,.0f}", "middle") for t in named
    ) + _text(WIDTH - RIGHT, HEIGHT - 8, "steps", "end")


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _svg(width: int, height: int, label: str, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" style="max-width: {1.1 * width:.0f}px" role="img" '
        f'aria-label="{escape(printable(label))}">'
        f"{content}</svg>"
    )
