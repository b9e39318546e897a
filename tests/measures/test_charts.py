"""Charts: round ticks, what sets the range, and that they are well-formed XML."""

import math
from xml.etree import ElementTree

import pytest

from zscape.measures.charts import Bar, Line, bar_chart, line_chart, short, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-184.0, -100.0, [-180, -160, -140, -120, -100]),
        (0.0, 437.0, [0, 100, 200, 300, 400]),
        (0.0012, 0.0031, [0.0015, 0.002, 0.0025, 0.003]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (-92.44, "\N{MINUS SIGN}92.4"),
        (1234.5, "1234"),
        (45_600, "46k"),
        (0.00123, "0.00123"),
    ],
)
def test_numbers_are_short(value, words):
    assert short(value) == words


def test_the_start_does_not_set_the_range():
    points = tuple((float(n), 1e6 if n < 3 else -100.0 - n / 100) for n in range(1, 1001))
    chart = line_chart([Line("training", "train", points)], label="ELBO")
    assert "k<" not in chart and "\N{MINUS SIGN}110<" in chart


def test_broken_numbers_are_left_out_and_the_last_one_stays():
    points = tuple((float(n), math.nan if n % 7 == 0 else n / 9) for n in range(1, 3001))
    root = ElementTree.fromstring(line_chart([Line("a", "train", points)], label="x"))
    drawn = root.find(".//polyline").get("points").split()
    assert len(drawn) <= 400 and "nan" not in " ".join(drawn)
    assert float(drawn[-1].split(",")[0]) == 300 - 46 - 10


@pytest.mark.parametrize("points", [((50.0, 3.0),), ((0.0, 0.0),), ((1.0, 2.0), (2.0, 2.0))])
def test_few_or_equal_points(points):
    ElementTree.fromstring(line_chart([Line("a", "train", points)], label="x"))


@pytest.mark.parametrize("count", [1, 8, 300])
def test_bars_are_as_high_as_their_values(count):
    bars = [Bar(str(n), count - n - 0.5, n < 2) for n in range(count)]
    root = ElementTree.fromstring(bar_chart(bars, label="rates"))
    heights = [float(bar.get("height")) for bar in root.findall("rect")]
    assert len(heights) == count
    middle = count // 2
    expected = (count - 0.5) / (count - middle - 0.5)
    assert heights[0] / heights[middle] == pytest.approx(expected, rel=0.1)
    styles = [bar.get("class") for bar in root.findall("rect")]
    assert styles[:3] == ["strong", "strong", "weak"][:count]


def test_dead_units_have_bars():
    ElementTree.fromstring(bar_chart([Bar("0", 0.0, False)], label="rates"))


def test_labels_are_escaped():
    chart = bar_chart([Bar("<b>", 1.0, True)], label='"><script>')
    assert "<b>" not in chart and "<script>" not in chart
