"""What every space promises: it encodes, decodes, samples, and each verb keeps to its words.

`for check in checks_for(space)` yields the promises as named functions. The builders below train
small spaces, once per run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
import torch

from zscape.modalities.modality import Pictures, Rows
from zscape.recipes import RECIPES
from zscape.recipes.ladder import SIZES, Size
from zscape.space.maps import map_codes
from zscape.space.paths import interpolate, interpolate_codes, traverse, walk_codes
from zscape.space.pictures import picture
from zscape.space.space import Space, encode_stored
from zscape.study.data import Data, look
from zscape.study.training.batches import Batches
from zscape.study.training.fitting import fit


@dataclass(frozen=True)
class Check:
    """A promise that can be called."""

    name: str
    run: Callable[[], None]


def checks_for(space: Space) -> Iterator[Check]:
    """The promises that this space is held to."""
    for check in (
        check_codes_repeat,
        check_decoding,
        check_answers_do_not_depend_on_company,
        check_samples_repeat,
        check_ends_of_a_way,
        check_a_walk_passes_its_items,
        check_one_unit_moves,
        check_map,
        check_picture,
    ):
        yield Check(check.__name__, partial(check, space))


def check_codes_repeat(space):
    things = space.modality.decode(space.modality.prepare(space.items[:5]))
    codes = space.encode(things)
    assert len(codes) == 5
    assert torch.equal(codes.flat, space.encode(things).flat)
    assert codes.flat.shape[1] == space.codes.flat.shape[1]
    assert torch.isfinite(codes.flat).all()


def check_decoding(space):
    things = space.decode(space.codes[:7])
    assert len(things) == 7
    assert type(things) is type(space.modality.decode(space.modality.prepare(space.items[:7])))
    by_flat = space.decode_tensor(space.codes[:7].flat.numpy())
    assert torch.equal(by_flat, space.decode_tensor(space.codes[:7]))


def check_answers_do_not_depend_on_company(space):
    alone = space.decode_tensor(space.codes[3])
    beside = space.decode_tensor(space.codes[:9])[3:4]
    torch.testing.assert_close(alone, beside, rtol=1e-5, atol=1e-5)


def check_samples_repeat(space):
    before = torch.get_rng_state()
    first = space.sample_tensor(6, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, space.sample_tensor(6, seed=3))
    assert first.shape == (6, *space.modality.shape)
    assert len(space.sample(6)) == 6


def check_ends_of_a_way(space):
    for method in ("linear", "spherical", "geodesic"):
        codes = interpolate_codes(space, 0, 5, steps=4, method=method).flat
        torch.testing.assert_close(codes[:1], space.codes[0].flat)
        torch.testing.assert_close(codes[-1:], space.codes[5].flat)
    way, ends = interpolate(space, 0, 5, steps=2), space.decode(space.codes[[0, 5]])
    assert type(way) is type(ends)
    assert pd.DataFrame(np.asarray(way).reshape(2, -1)).equals(
        pd.DataFrame(np.asarray(ends).reshape(2, -1))
    )


def check_a_walk_passes_its_items(space):
    codes = walk_codes(space, [0, 4, 2], steps=5)
    assert len(codes) == 9
    for place, item in ((0, 0), (4, 4), (8, 2)):
        torch.testing.assert_close(codes[place].flat, space.codes[item].flat)


def check_one_unit_moves(space):
    moved = traverse(space, 1, steps=3)
    flat = moved.codes.flat.reshape(len(moved.units), 3, -1)
    for row, unit in zip(flat, moved.units, strict=True):
        others = [d for d in range(flat.shape[2]) if d != unit]
        assert torch.equal(row[:, others], space.codes[1].flat[:, others].expand(3, -1))
        assert torch.equal(row[1], space.codes[1].flat[0])
    assert len(moved.things) == 3 * len(moved.units)


def check_map(space):
    laid = map_codes(space)
    assert laid.points.shape == (len(space.codes), 2)
    assert np.array_equal(laid.points, map_codes(space).points)
    assert laid.explained is None or 0 <= laid.explained <= 1


def check_picture(space):
    shown = space.modality.show(space.sample_tensor(4, seed=0))
    assert isinstance(shown, Pictures | Rows)
    drawn = picture(shown)
    assert drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.shape[2] == 3


def trained(data: Data, recipe: str, *, epochs: int = 5, **options) -> Space:
    """A space of a small model that learned for a moment."""
    torch.manual_seed(0)
    options = {"network": "mlp:32"} | options
    model, objective = RECIPES[recipe](data.modality, **options)
    prepare = data.modality.prepare
    for _ in fit(model, objective, Batches(data.x, size=64, prepare=prepare), epochs=epochs):
        pass
    return Space(
        model=model.eval(),
        modality=data.modality,
        codes=encode_stored(model, data.modality, data.x),
        items=data.x[::2],
        kept=torch.arange(0, len(data.x), 2),
        labels=data.labels,
        label_names=data.label_names,
    )


@cache
def digits() -> Data:
    """400 of scikit-learn's handwritten digits."""
    whole = look("digits")
    return look(whole.x[:400, 0].numpy(), labels=whole.labels[:400])


@cache
def digits_space(recipe: str = "vae", latent: int = 6) -> Space:
    """A space of digits."""
    return trained(digits(), recipe, latent=latent, likelihood="bernoulli")


@cache
def ladder_space() -> Space:
    """A space of digits with three levels of unlike shapes: 4 and 6 units, and a map."""
    with pytest.MonkeyPatch.context() as patch:
        size = Size((6,), (2,), state=32, channels=16, hidden=32, width=8)
        patch.setitem(SIZES, "tiny", size)
        return trained(digits(), "ladder_vae", latent=4, network="tiny", likelihood="bernoulli")


@cache
def table_space() -> Space:
    """A space of rows with mixed columns, missing cells and hostile names."""
    generator = np.random.default_rng(0)
    size = generator.normal(size=200)
    frame = pd.DataFrame(
        {
            "size": np.where(generator.random(200) < 0.1, np.nan, size),
            "<img src=x onerror=alert(1)>": 2 * size + generator.normal(size=200),
            "kind": np.where(size > 0, "<script>alert(2)</script>", "plain"),
            "visits": generator.poisson(3, 200),
        }
    )
    return trained(look(frame), "vae", latent=3)


@cache
def array_space() -> Space:
    """A space of plain vectors."""
    x = np.random.default_rng(0).normal(size=(120, 5))
    return trained(look(x), "vae", latent=1)
