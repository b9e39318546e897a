import math

import numpy as np
import pytest

from zscape.errors import SpecError
from zscape.worlds import closest_lines, draw_lines, line_scores, lines

STARTS = np.array([0.3, 2.0, 4.4, 6.0])


def _rotations(turn=1.7, steps=9):
    angles = STARTS[:, None] + np.linspace(0.0, turn, steps)
    return draw_lines(angles.ravel()).reshape(len(STARTS), steps, 32, 32)


def _fades(turn=1.7, steps=9):
    ends = _rotations(turn, 2)
    weight = np.linspace(0.0, 1.0, steps)[:, None, None]
    return ends[:, :1] * (1 - weight) + ends[:, 1:] * weight


def test_a_level_line_fills_two_rows_from_the_centre():
    expected = np.zeros((32, 32))
    expected[15:17, 16:31] = 1.0
    np.testing.assert_allclose(draw_lines(np.array([0.0]))[0], expected, atol=1e-6)


def test_a_quarter_turn_points_up():
    expected = np.zeros((32, 32))
    expected[1:16, 15:17] = 1.0
    np.testing.assert_allclose(draw_lines(np.array([np.pi / 2]))[0], expected, atol=1e-6)


def test_brightness_is_the_covered_area():
    angles = np.linspace(0.0, 2 * np.pi, 40, endpoint=False)
    pictures = draw_lines(angles)
    assert pictures.min() >= 0.0 and pictures.max() <= 1.0
    longer = 15 * np.maximum(np.abs(np.cos(angles)), np.abs(np.sin(angles)))
    area = pictures.sum((1, 2))
    assert (area >= 2 * longer - 1e-3).all() and (area <= 2 * np.ceil(longer) + 1e-3).all()


def test_world_is_repeatable_and_knows_its_angles():
    world, again, other = lines(n=50), lines(n=50), lines(n=50, seed=1)
    assert world.pictures.shape == (50, 32, 32) and world.pictures.dtype == np.uint8
    assert (world.pictures == again.pictures).all()
    assert (world.values != other.values).any()
    assert world.names == ("angle",)
    np.testing.assert_array_equal(world.classes, world.values // (np.pi / 5))
    distances, angles = closest_lines(world.pictures / 255)
    assert distances.max() < 1e-5
    np.testing.assert_allclose(angles, world.values[:, 0], atol=3e-3)


def test_a_rotation_is_on_the_lines_and_even():
    distance, smoothness = line_scores(_rotations())
    assert abs(distance) < 1e-5
    assert abs(smoothness) < 2e-3


def test_a_cross_fade_scores_clearly_worse():
    distance, smoothness = line_scores(_fades())
    assert distance > 1e-3
    assert smoothness > 0.5


def test_an_uneven_rotation_scores_its_largest_step():
    angles = 1.0 + np.array([0.0, 0.1, 0.2, 1.0])
    _, smoothness = line_scores(draw_lines(angles)[None])
    assert smoothness == pytest.approx(0.8 - 1 / 3, abs=2e-3)


def test_a_path_through_zero_is_not_a_jump():
    angles = np.linspace(-0.4, 0.4, 5)
    assert abs(line_scores(draw_lines(angles)[None])[1]) < 3e-3


def test_paths_that_stand_still_are_left_out_of_the_smoothness():
    still = np.repeat(_rotations()[:1, :1], 9, axis=1)
    assert math.isnan(line_scores(still)[1])
    both = np.concatenate([still, _rotations()])
    assert line_scores(both)[1] == pytest.approx(line_scores(_rotations())[1])


def test_settings_below_their_least_are_refused():
    with pytest.raises(SpecError, match="got 4 and 10000"):
        lines(4)
    with pytest.raises(SpecError, match="n at least 1"):
        lines(n=0)
