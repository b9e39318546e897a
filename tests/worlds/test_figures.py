"""The world of figures: what is drawn follows from pose and garment, and from nothing else."""

import numpy as np
import pytest

import zscape as zs
from zscape.errors import SpecError
from zscape.worlds import draw_figures, figures
from zscape.worlds.figures import (
    COLOURS,
    GARMENTS,
    JOINTS,
    NUM_GARMENTS,
    POSES,
    garment_parts,
    garment_words,
    joints,
    random_poses,
)

STANDING = np.array([[32, 37, 0, 0, 0, 0, 0, 0]], float)
GRID = [len(names) for names in GARMENTS.values()]


def worn(top="red", bottom="blue", pattern="plain", sleeves="short", cut="trousers"):
    said = (top, bottom, pattern, sleeves, cut)
    return np.ravel_multi_index(
        [names.index(word) for names, word in zip(GARMENTS.values(), said, strict=True)], GRID
    )


def pixel(picture, x, y):
    return tuple(int(value) for value in picture[y, x])


def test_parts_stand_where_the_pose_puts_them():
    (picture,) = draw_figures(STANDING, np.array([worn()]))
    assert pixel(picture, 32, 30) == COLOURS["red"]  # chest
    assert pixel(picture, 29, 44) == COLOURS["blue"]  # left thigh
    assert pixel(picture, 2, 2) == (238, 235, 228)  # paper
    assert pixel(picture, 32, 18) == (222, 172, 136)  # face


def test_joints_are_where_limbs_are_drawn():
    pose = np.array([[32, 37, 90, 0, 0, 0, 0, 30]], float)
    places = dict(zip(JOINTS, joints(pose)[0], strict=True))
    assert np.allclose(places["left_hand"], places["left_shoulder"] - [15, 0])
    assert np.allclose(places["right_foot"] - places["right_hip"], [8.5, 17 * np.sqrt(3) / 2])
    (picture,) = draw_figures(pose, np.array([worn()]))
    for joint, colour in (("left_hand", (222, 172, 136)), ("right_foot", COLOURS["blue"])):
        assert pixel(picture, *places[joint].astype(int)) == colour


def test_a_figure_that_stands_is_its_own_mirror_image():
    (picture,) = draw_figures(STANDING, np.array([worn(cut="skirt", pattern="hooped")]))
    assert np.abs(picture.astype(int) - picture[:, ::-1]).max() <= 1


def test_a_raised_arm_moves_no_pixel_of_the_other_side():
    raised = STANDING.copy()
    raised[0, 2] = 120
    still, moved = draw_figures(np.concatenate([STANDING, raised]), np.array([worn()] * 2))
    assert np.array_equal(still[:, 33:], moved[:, 33:])
    assert not np.array_equal(still[:, :30], moved[:, :30])


def test_a_whole_step_aside_shifts_the_picture():
    aside = STANDING + np.array([[3, 2, 0, 0, 0, 0, 0, 0]])
    still, moved = draw_figures(np.concatenate([STANDING, aside]), np.array([worn()] * 2))
    assert np.abs(np.roll(still, (2, 3), (0, 1)).astype(int) - moved).max() <= 1


@pytest.mark.parametrize(
    ("change", "inside"),
    [
        ({"top": "green"}, (slice(21, 40), slice(20, 45))),
        ({"bottom": "green"}, (slice(33, 60), slice(20, 45))),
        ({"pattern": "sashed"}, (slice(21, 40), slice(26, 38))),
        ({"cut": "shorts"}, (slice(43, 60), slice(24, 40))),
    ],
)
def test_a_part_of_the_garment_changes_its_own_place_alone(change, inside):
    before, after = draw_figures(STANDING.repeat(2, 0), np.array([worn(), worn(**change)]))
    changed = (before != after).any(-1)
    assert changed.any()
    changed[inside] = False
    assert not changed.any()


def test_a_world_wears_each_of_its_garments_as_often_and_repeats():
    world, again = figures(32, n=60, garments=12), figures(32, n=60, garments=12)
    assert world.pictures.shape == (60, 32, 32, 3) and world.pictures.dtype == np.uint8
    assert np.array_equal(world.pictures, again.pictures)
    assert world.names == (*POSES, *GARMENTS, "garment")
    assert np.unique(world.classes[:, -1], return_counts=True)[1].tolist() == [5] * 12
    drawn = draw_figures(world.values[:, : len(POSES)], world.classes[:, -1], size=32)
    assert np.abs(drawn.astype(int) - world.pictures).max() <= 1
    assert np.array_equal(garment_parts(world.classes[:, -1]), world.values[:, 8:13])


def test_every_garment_has_words_of_its_own():
    assert len({garment_words(garment) for garment in range(NUM_GARMENTS)}) == NUM_GARMENTS
    assert garment_words(worn(cut="skirt")) == "red plain top, short sleeves, blue skirt"


def test_larger_pictures_show_the_same():
    rng = np.random.default_rng(0)
    poses, garments = random_poses(4, rng), rng.integers(0, NUM_GARMENTS, 4)
    small, large = (draw_figures(poses, garments, size=size) for size in (64, 128))
    reduced = large.reshape(4, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(reduced - small).mean() < 2


def test_figures_are_data_by_their_name(monkeypatch):
    few = {"n": 40, "garments": 5, "seed": 0}
    monkeypatch.setattr(figures, "__kwdefaults__", few)
    seen = zs.look("figures", size=32)
    assert seen.modality.shape == (3, 32, 32)
    assert len(seen.label_names) == 5 and seen.label_names[0] in seen.texts["caption"]
    assert set(seen.attributes) == {*POSES, *GARMENTS, "garment"}


@pytest.mark.parametrize("wrong", [{"size": 8}, {"n": 0}, {"garments": 2000}])
def test_what_cannot_be_drawn_is_refused(wrong):
    with pytest.raises(SpecError, match="size must be at least 16"):
        figures(**wrong)
