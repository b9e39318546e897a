import numpy as np
import pytest

from zscape.errors import SpecError
from zscape.worlds import sprites, unpack

GRID = (3, 6, 5, 8, 8)


@pytest.fixture(scope="module")
def world():
    return sprites(32, orientations=5, positions=8, packed=False)


def _centroid(pictures, axis):
    mass = (pictures > 0).sum(axis=3 - axis)
    return (mass * np.arange(pictures.shape[1])).sum(1) / mass.sum(1)


def test_grid_has_every_combination_in_row_major_order(world):
    assert world.pictures.shape == (np.prod(GRID), 32, 32)
    assert world.names == ("shape", "scale", "orientation", "position_x", "position_y")
    assert (world.classes == np.stack(np.unravel_index(np.arange(np.prod(GRID)), GRID), -1)).all()
    assert set(np.unique(world.pictures)) == {0, 255}
    assert world.values[0].tolist() == [1.0, 0.5, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(world.values[-1], [3.0, 1.0, 2 * np.pi, 1.0, 1.0], rtol=1e-6)


def test_the_original_grid_is_the_default():
    last = sprites(indices=np.array([737_279]))
    assert last.pictures.shape == (1, 64, 8)
    assert last.classes.tolist() == [[2, 5, 39, 31, 31]]
    with pytest.raises(ValueError):
        sprites(indices=np.array([737_280]))


@pytest.mark.parametrize("size", [8, 17, 24, 32, 100])
def test_packed_bits_are_the_pictures(size):
    settings = {"scales": 2, "orientations": 3, "positions": 3}
    packed = sprites(size, **settings)
    assert packed.pictures.shape == (162, size, -(-size // 8))
    pictures = sprites(size, **settings, packed=False).pictures
    assert (np.packbits(pictures > 0, axis=-1) == packed.pictures).all()
    assert (unpack(packed.pictures, size) == pictures).all()


def test_indices_choose_pictures_in_the_order_asked(world):
    indices = np.array([5759, 3, 17, 3, 2500])
    chosen = sprites(32, orientations=5, positions=8, packed=False, indices=indices)
    assert (chosen.pictures == world.pictures[indices]).all()
    assert (chosen.values == world.values[indices]).all()


def test_square_of_the_original_size_is_drawn_where_it_should_be():
    # Side 0.15 of 64 pixels at half scale, so 9.6 pixels; the centre is a quarter of the picture.
    picture = sprites(64, packed=False, indices=np.array([0])).pictures[0]
    expected = np.zeros((64, 64), np.uint8)
    expected[11:21, 11:21] = 255
    assert (picture == expected).all()


def test_area_grows_with_scale_as_its_square():
    world = sprites(64, orientations=7, positions=8, packed=False)
    areas = (world.pictures > 0).sum((1, 2)).reshape(3, 6, -1).mean(-1)
    assert (np.diff(areas, axis=1) > 0).all()
    expected = np.array([368.64, 289.4, 224.5])[:, None] * np.linspace(0.5, 1.0, 6) ** 2
    np.testing.assert_allclose(areas, expected, rtol=0.02)


def test_position_moves_the_centroid_right_and_down(world):
    x = _centroid(world.pictures, 2).reshape(GRID)
    y = _centroid(world.pictures, 1).reshape(GRID)
    assert (np.diff(x, axis=3) > 0).all() and (np.diff(y, axis=4) > 0).all()
    np.testing.assert_allclose(x[:2].mean((0, 1, 2, 4)), 7.5 + 16 * np.linspace(0, 1, 8), atol=0.05)
    np.testing.assert_allclose(y[:2].mean((0, 1, 2, 3)), 7.5 + 16 * np.linspace(0, 1, 8), atol=0.05)


def test_quarter_turns_repeat_the_square_but_not_the_others(world):
    pictures = world.pictures.reshape(*GRID, 32, 32)
    assert (pictures[0] == pictures[0][:, :1]).all()
    assert (pictures[1][:, 0] == pictures[1][:, 2]).all()
    assert (pictures[1][:, 0] != pictures[1][:, 1]).any((-2, -1)).all()
    assert (pictures[2][:, 0] != pictures[2][:, 2]).any((-2, -1)).all()
    assert (pictures[:, :, 0] == pictures[:, :, -1]).all()


def test_heart_stands_on_its_tip_and_turns_anticlockwise():
    world = sprites(64, scales=1, orientations=5, positions=1, packed=False)
    upright, quarter = (world.pictures.reshape(3, 5, 64, 64)[2, k] > 0 for k in (0, 1))
    widths = upright.sum(1)[upright.any(1)]
    assert (upright == upright[:, ::-1][:, np.r_[32:64, 0:32]]).all()
    assert widths[:6].mean() > 2 * widths[-6:].mean()
    heights = quarter.sum(0)[quarter.any(0)]
    assert heights[:6].mean() > 2 * heights[-6:].mean()


def test_settings_below_their_least_are_refused():
    with pytest.raises(SpecError, match="size must be at least 8, got 4"):
        sprites(4)
    with pytest.raises(SpecError, match="positions must be at least 1, got 0"):
        sprites(positions=0)
