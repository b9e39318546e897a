import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from zscape.errors import DataError, ShapeError
from zscape.modalities.image import Image, find_image, looks_like_pictures

GREY = np.random.default_rng(0).integers(0, 256, (6, 10, 12), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 10, 12, 3), dtype=np.uint8)


def test_likelihood_is_chosen_by_the_pixels():
    bits = (GREY > 127).astype(np.uint8) * np.uint8(255)
    inky = np.where(GREY > 60, 255, GREY).astype(np.uint8)
    assert find_image(bits).modality.likelihood == "bernoulli"
    assert find_image(bits > 0).modality.likelihood == "bernoulli"
    assert find_image(inky).modality.likelihood == "bernoulli"
    assert find_image(GREY).modality.likelihood == "discretized_logistic"
    assert find_image(np.repeat(inky[..., None], 3, -1)).modality.likelihood != "bernoulli"


def test_the_choice_is_said_with_its_share():
    inky = np.where(np.arange(6 * 100).reshape(6, 10, 10) % 5 < 4, 255, 128).astype(np.uint8)
    found = find_image(inky)
    assert found.headline == "6 pictures, 10x10, grey"
    assert "80 % of the pixels are nearly black or white" in found.notes[0]


@pytest.mark.parametrize(
    ("side", "network"),
    [
        (8, "mlp"),
        (12, "mlp"),
        (13, "conv"),
        (95, "conv"),
        (96, "residual:16"),
        (256, "residual:16"),
    ],
)
def test_network_grows_with_the_side(side, network):
    assert Image(1, side, 8).network == network
    assert Image(1, 8, side).network == network


def test_all_ways_to_pass_grey_pictures_agree():
    image = find_image(GREY).modality
    wanted = image.encode(GREY)
    assert wanted.shape == (6, 1, 10, 12)
    assert wanted.dtype == torch.uint8
    ways = [
        GREY[..., None],
        GREY[:, None],
        GREY / 255,
        GREY.astype(np.int64),
        torch.from_numpy(GREY),
        list(GREY),
        [Pillow.fromarray(picture) for picture in GREY],
        np.repeat(GREY[..., None], 3, -1),  # stored in colour, but grey
        [Pillow.fromarray(picture).convert("RGB") for picture in GREY],
    ]
    for way in ways:
        assert torch.equal(image.encode(way), wanted)
    assert torch.equal(image.encode(GREY[2]), wanted[2:3])
    assert torch.equal(image.encode(Pillow.fromarray(GREY[2])), wanted[2:3])


def test_all_ways_to_pass_colour_pictures_agree():
    image = find_image(COLOUR).modality
    wanted = image.encode(COLOUR)
    assert wanted.shape == (6, 3, 10, 12)
    for way in (np.moveaxis(COLOUR, -1, 1), list(COLOUR), COLOUR / 255.0):
        assert torch.equal(image.encode(way), wanted)
    assert torch.equal(image.encode(COLOUR[1]), wanted[1:2])
    assert torch.equal(image.encode(np.moveaxis(COLOUR[1], -1, 0)), wanted[1:2])
    assert torch.equal(image.encode(GREY[1]), torch.from_numpy(GREY[1]).expand(1, 3, 10, 12))


def test_transparency_is_laid_on_white():
    clear = np.concatenate([COLOUR, np.zeros_like(COLOUR[..., :1])], axis=-1)
    found = find_image(clear)
    assert found.x.shape == (6, 3, 10, 12)
    assert (found.x == 255).all()
    assert any("white" in note for note in found.notes)


def test_another_size_is_refused_in_both_sizes():
    image = find_image(np.zeros((3, 32, 32), np.uint8)).modality
    with pytest.raises(ShapeError, match="Picture is 28x28 but this study was trained on 32x32"):
        image.encode(np.zeros((28, 28), np.uint8))
    with pytest.raises(ShapeError, match="Picture is 28x20 but"):
        image.encode(np.zeros((2, 28, 20, 3), np.uint8))


def test_colour_is_refused_where_the_study_is_grey():
    with pytest.raises(ShapeError, match="colour"):
        find_image(GREY).modality.encode(COLOUR)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 3, 5])
def test_pixels_that_are_not_finite_are_refused_by_row(bad, row):
    broken = GREY / 255
    broken[row, 4, 4] = bad
    image = find_image(GREY).modality
    with pytest.raises(DataError, match=rf"1 picture, first in row {row + 1} \(index {row}\)"):
        image.encode(broken)
    if np.isnan(bad):
        assert looks_like_pictures(broken)
        with pytest.raises(DataError, match="NaN"):
            find_image(broken)


@pytest.mark.parametrize("bad", [GREY / 100, GREY - 1.0, GREY.astype(int) + 1000])
def test_pixels_out_of_range_are_refused(bad):
    with pytest.raises(DataError, match="between 0 and"):
        find_image(GREY).modality.encode(bad)


def test_text_and_nothing_are_refused():
    image = find_image(GREY).modality
    with pytest.raises(DataError, match="numbers"):
        image.encode(np.full((10, 12), "x"))
    with pytest.raises(DataError, match="none"):
        image.encode([])
    with pytest.raises(ShapeError, match="height and a width"):
        image.encode(3)


def test_decode_rounds_to_the_nearest_level_and_clips():
    image = Image(1, 4, 4)
    x = torch.tensor([-1.0, 0.0, 0.4999 / 255, 0.51 / 255, 1.0, 2.0]).repeat(3)[:16]
    assert image.decode(x.reshape(1, 1, 4, 4)).ravel()[:6].tolist() == [0, 0, 0, 1, 255, 255]


@pytest.mark.parametrize(
    ("things", "are"),
    [
        (np.zeros((5, 8, 8), np.uint8), True),
        (np.zeros((5, 8, 8), bool), True),
        (np.zeros((5, 8, 8, 3), np.uint8), True),
        (np.zeros((5, 3, 8, 8), np.float32), True),
        (np.zeros((5, 8, 8)) + 1.5, False),
        (np.zeros((5, 8, 8), int), False),
        (np.zeros((5, 64), np.uint8), False),
        (np.zeros((5, 10, 3)), False),
        (np.zeros((5, 8, 8, 7), np.uint8), False),
    ],
)
def test_what_looks_like_pictures(things, are):
    assert looks_like_pictures(things) is are


def test_ambiguous_axes_follow_the_library_they_come_from():
    both = np.zeros((5, 4, 9, 4), np.uint8)
    assert find_image(both).modality.shape == (3, 4, 9)
    assert find_image(both, channels_first=True).modality.shape == (3, 9, 4)


def test_blank_pictures_are_warned_of():
    assert any("nothing to learn" in n for n in find_image(np.zeros((5, 8, 8), np.uint8)).notes)
