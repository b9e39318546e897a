"""Pictures: sizes, crisp enlargement, what stands where, the terminal, tables and maps."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zscape.modalities.modality import Pictures, Rows
from zscape.space.pictures import blocks, captioned, fit_tiles, grid, pairs, picture, png
from zscape.space.scatter import COLOURS, DARK, class_colour, is_ring, scatter
from zscape.space.tables import beside, headed, joined, rows_text, table_picture


def tiles(count, high=4, wide=4):
    shape = (count, high, wide, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_grid_places_tiles_in_reading_order():
    some = tiles(5)
    sheet = grid(some, columns=3, gap=1, scale=2)
    assert sheet.shape == (1 + 2 * 9, 1 + 3 * 9, 3)
    for n in range(5):
        row, column = divmod(n, 3)
        top, left = 1 + 9 * row, 1 + 9 * column
        enlarged = some[n].repeat(2, axis=0).repeat(2, axis=1)
        assert np.array_equal(sheet[top : top + 8, left : left + 8], enlarged)
    assert (sheet[10:18, 19:27] == 255).all()


@pytest.mark.parametrize("side", [8, 28, 64, 300])
@pytest.mark.parametrize("count", [1, 9, 100])
def test_grids_stay_within_a_width(side, count):
    sheet = grid(tiles(count, side, side))
    assert sheet.shape[1] <= 1200
    assert sheet.shape[0] >= min(side, 60)


def test_small_tiles_are_enlarged_by_whole_factors():
    some = tiles(3, 8, 8)
    enlarged = fit_tiles(some, columns=3)
    assert enlarged.shape[1:3] == (72, 72)
    assert np.array_equal(enlarged[:, ::9, ::9], some)


def test_large_tiles_are_made_smaller_and_keep_their_proportion():
    assert fit_tiles(tiles(2, 300, 600), columns=4, gap=0, width=800).shape[1:3] == (100, 200)


def test_pairs_stand_one_above_the_other():
    above, below = tiles(3, 72, 72), 255 - tiles(3, 72, 72)
    sheet = pairs(above, below, columns=2, gap=2)
    assert np.array_equal(sheet[2:74, 2:74], above[0])
    assert np.array_equal(sheet[76:148, 2:74], below[0])
    second = 150 + 8
    assert np.array_equal(sheet[second + 2 : second + 74, 2:74], above[2])
    assert (sheet[150:158] == 255).all()


def test_captions_do_not_touch_the_tiles():
    dark = np.zeros((4, 72, 72, 3), dtype=np.uint8)
    plain, words = grid(dark, columns=2), captioned(dark, ["unit 1\n<b>", "ü 猫"], columns=2)
    left = words.shape[1] - plain.shape[1]
    assert left > 20 and np.array_equal(words[:, left:], plain)
    assert (words[:, :left] < 255).any()


def test_png_can_be_read_back():
    some = tiles(1, 30, 20)[0]
    assert np.array_equal(np.asarray(Image.open(BytesIO(png(some)))), some)


def test_blocks_show_two_pixels_a_character():
    array = np.zeros((4, 6, 3), dtype=np.uint8)
    array[0] = 255
    text = blocks(array, width=40)
    lines = text.plain.splitlines()
    assert lines == ["▀" * 6] * 2
    first = text.get_style_at_offset(_console(), 0)
    assert first.color.name == "#ffffff" and first.bgcolor.name == "#000000"


def test_blocks_stay_within_a_width():
    lines = blocks(tiles(1, 301, 500)[0], width=50).plain.splitlines()
    assert {len(line) for line in lines} == {50} and len(lines) == 15


def test_rows_are_aligned():
    rows = Rows(("n", "name"), (("1.5", "a"), ("10", "bcd\n")))
    assert rows_text(rows) == "  n  name\n1.5  a\n 10  bcd\\n"


def test_long_cells_are_cut():
    line = rows_text(Rows(("c",), (("x" * 99,),))).splitlines()[1]
    assert line == "x" * 71 + "…"  # a column alone has the room of three
    wide = rows_text(Rows(("c",), (("猫" * 99,),))).splitlines()[1]
    assert wide == "猫" * 35 + "…"


def test_tables_become_pictures():
    rows = Rows(tuple("abcdefghijklmnop"), (tuple(str(n) for n in range(16)),) * 3)
    drawn = table_picture(rows)
    assert drawn.shape[0] == 4 * 28 + 1 and drawn.dtype == np.uint8
    assert (drawn != 255).any()
    assert np.array_equal(picture(rows), drawn)
    assert picture(Pictures(tiles(4))).shape[2] == 3


def test_an_empty_table_is_a_header():
    assert table_picture(Rows(("a",), ())).shape[0] == 29


def test_what_short_names_mean_stands_below_a_table():
    rows = Rows(("events",), (("E1 E2",),), (("E1", "a line"), ("E2", "x" * 99)))
    assert rows_text(rows).splitlines()[2:] == ["E1: a line", "E2: " + "x" * 71 + "…"]
    assert (
        table_picture(rows).shape[0]
        > 2 * 28 + table_picture(Rows(("events",), (("E1",),))).shape[0]
    )
    both = joined([rows, Rows(("events",), (("E3",),), (("E3", "y"), ("E1", "a line")))])
    assert [name for name, _ in both.legend] == ["E1", "E2", "E3"]
    assert headed(both, "way", ["a", "b"]).cells == (("a", "E1 E2"), ("b", "E3"))
    assert headed(both, "way", ["a", "b"]).legend == both.legend
    assert beside(rows, rows).cells == (("as it is", "E1 E2"), ("as made", "E1 E2"))


def test_points_of_one_place_are_spread_by_their_number():
    many, few = np.tile([[0.0, 0.0]], (300, 1)), np.tile([[10.0, 4.0]], (75, 1))
    ink = (scatter(np.concatenate([many, few]), size=600, legend=False) < 200).any(2)
    left, right = ink[:, :300].sum(), ink[:, 300:].sum()
    assert 2.5 < left / right < 5
    apart = np.random.default_rng(0).normal(size=(300, 2))
    once = scatter(apart, size=300)
    assert np.array_equal(once, scatter(apart, size=300, legend=False))  # nothing to be said


def test_scatter_colours_points_by_class():
    points = np.array([[0.0, 0.0], [10.0, 8.0]])
    drawn = scatter(points, np.array([0, 2]), ["", "", ""], size=200, legend=False)
    low, high = drawn[-24:, :24], drawn[:24, -24:]
    assert _has(low, COLOURS[0]) and not _has(low, COLOURS[2])
    assert _has(high, COLOURS[2]) and not _has(high, COLOURS[0])


def test_scatter_keeps_one_scale_for_both_axes():
    flat = scatter(np.array([[0.0, 0.0], [10.0, 1.0]]), size=200)
    assert flat.shape == (100, 200, 3)
    assert scatter(np.array([[0.0, 0.0], [1.0, 10.0]]), size=200).shape == (200, 200, 3)


@pytest.mark.parametrize("points", [np.zeros((1, 2)), np.ones((5, 2))])
def test_scatter_of_a_single_place(points):
    assert scatter(points, np.zeros(len(points), dtype=int), size=100, paper=DARK).ndim == 3


def test_many_and_hostile_classes_are_drawn():
    points = np.random.default_rng(0).normal(size=(300, 2))
    names = ["<script>", "猫" * 40, "a\nb", *(f"class {n}" for n in range(22))]
    drawn = scatter(points, np.arange(300) % 25, names, size=300)
    assert drawn.shape[1] > 300


def test_further_classes_are_told_apart_by_shape():
    looks = {(class_colour(n), is_ring(n)) for n in range(20)}
    assert len(looks) == 20


def _has(part, colour):
    wanted = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)])
    return (np.abs(part.astype(int) - wanted).sum(-1) < 30).any()


def _console():
    from rich.console import Console

    return Console()
