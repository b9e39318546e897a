"""Compression: what goes in comes out to the bit, costs what the ELBO says, and tells damage."""

import math
from copy import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tests.contracts.space import array_space, digits_space, ladder_space, table_space, trained

from zscape.errors import DataError, SpecError, StudyError
from zscape.modalities import Image, Table
from zscape.model.codes import Codes
from zscape.recipes import RECIPES
from zscape.space.compression import Codec, compress, decompress, salvage, tables
from zscape.space.compression.alphabets import alphabet_of
from zscape.space.compression.bounds import bound_bits
from zscape.space.compression.chains import TOTAL, Chains, shares
from zscape.space.compression.codec import sizes_of
from zscape.space.compression.columns import Columns
from zscape.space.compression.container import CODED, STORED, read
from zscape.space.compression.exact import exact_copy, exactly
from zscape.space.compression.things import plain
from zscape.space.space import Space
from zscape.study.data import look

pytestmark = pytest.mark.slow

UNITS = np.arange(-16 * 1024, 16 * 1024 + 1) / 1024
GREY, INK = Image(1, 8, 8), Image(1, 8, 8, two_valued=True)


@cache
def ink():
    """400 digits in black and white."""
    return (look("digits").x[:400, 0].numpy() > 127).astype(np.uint8) * np.uint8(255)


def many():
    """Enough of them to be coded by a model."""
    return np.random.default_rng(1).permutation(np.concatenate([ink()] * 3))


@cache
def codec():
    """The codec of a space that learned a little of them."""
    return Codec(trained(look(ink()), "vae", epochs=20, latent=6))


def untrained(recipe="vae", image=GREY, things=None, **options):
    """A space without training: a codec must be right whatever the weights."""
    torch.manual_seed(0)
    if things is None:
        things = np.random.default_rng(0).integers(0, 256, (40, *image.shape)).astype(np.uint8)
        things = np.where(things > 127, 255, 0).astype("u1") if image.two_valued else things
    model, _ = RECIPES[recipe](image, latent=3, **options)
    items = image.encode(things)
    codes = Codes({"z": torch.zeros(len(items), 3)})
    return Space(model.eval(), image, codes, items, torch.arange(len(items)))


def same(before, after):
    if hasattr(before, "columns"):
        return plain(before) == plain(after)
    return (
        before.dtype == after.dtype
        and before.shape == after.shape
        and (before.tobytes() == after.tobytes())
    )


@pytest.mark.parametrize(
    ("name", "true"),
    [
        ("sigmoid", 1 / (1 + np.exp(-UNITS))),
        ("silu", UNITS / (1 + np.exp(-UNITS))),
        ("tanh", np.tanh(UNITS)),
        ("softplus", np.logaddexp(0, UNITS)),
    ],
)
def test_tables_are_the_functions_to_a_unit(name, true):
    assert np.abs(tables.function(name) - 1024 * true).max() <= 1


def test_exponentials_rise_and_bells_sum_to_their_integrals():
    assert np.abs(np.log(tables.exponential()) - UNITS).max() < 1e-2
    assert (np.diff(tables.exponential()) > 0).all()
    t = np.arange(-2048, 2049) / 256
    true = [TOTAL * 0.5 * math.erfc(-x / math.sqrt(2)) for x in t]
    assert np.abs(tables.cumulative() - true).max() < 10
    assert (np.diff(tables.cumulative()) >= 0).all()


def test_shares_sum_to_all_and_the_coder_takes_them_as_they_are():
    weights = np.floor(2**24 * np.random.default_rng(0).dirichlet(np.full(37, 0.1), 50))
    table = shares(weights)
    assert (table.sum(1, dtype=np.float64) == TOTAL - 37).all() and table.min() >= 0
    # Where one symbol ends and the next begins, read off a coder: one more than the table has.
    ends = np.cumsum(table[0].astype(np.int64) + 1)
    for symbol in (0, 5, 36):
        for quantile in (ends[symbol] - int(table[0, symbol]) - 1, ends[symbol] - 1):
            stack = Chains([np.array([quantile, 77], "<u4").tobytes()])
            assert stack.pop_rows(table[:1], 1)[0, 0] == symbol


@pytest.mark.parametrize("space_of", [digits_space, ladder_space, table_space, array_space])
def test_exact_networks_are_near_the_float_ones_and_the_same_in_any_batch(space_of):
    space = space_of()
    x = space.modality.prepare(space.items[:64])
    exact = exact_copy(space.model)

    def centres(part):
        with exactly():
            return torch.cat([each.z.flatten(1) for each in exact.encode(part.double()).latents], 1)

    whole = centres(x)
    with torch.inference_mode():
        near = torch.cat([each.z.flatten(1) for each in space.model.encode(x).latents], 1)
    assert (whole - near).abs().max() < 0.1
    assert torch.equal(whole, torch.cat([centres(x[n : n + 1]) for n in range(64)]))
    assert torch.equal(whole, torch.cat([centres(part) for part in x.split(7)]))


def bits_of(codec, things, chains):
    """Bits of the chains of things, which come back."""
    table = isinstance(codec.modality, Table)
    alphabet = (Columns.of if table else alphabet_of)(codec.modality, things)
    symbols = alphabet.symbols(things)
    sizes, grids = sizes_of(len(things), chains), codec.grids(alphabet, symbols)
    content = codec.encode(alphabet, symbols, grids, sizes)
    found, ended = codec.decode(alphabet, symbols.active, grids, sizes, content)
    assert ended.all() and np.array_equal(found, symbols.of)
    return 8 * sum(map(len, content))


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("vae", {"network": "mlp:32"}),
        ("mixture_vae", {"network": "mlp:32", "components": 20}),
        ("ladder_vae", {"network": "tiny"}),
    ],
)
def test_pictures_cost_what_the_elbo_says(recipe, options):
    space = untrained(recipe, Image(1, 20, 20, two_valued=True), **options)
    with torch.no_grad():
        for parameter in space.model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        if recipe != "ladder_vae":  # narrow posteriors: bits of a prior, drawn again, are no chance
            space.model.levels[0].posterior.linear.bias[3:] -= 4
    things = np.random.default_rng(0).integers(0, 2, (120, 20, 20)).astype("u1")
    codec = Codec(space)
    assert bits_of(codec, things, 6) == pytest.approx(bound_bits(space, codec, things), rel=0.01)


def test_a_decoder_that_hears_nothing_costs_the_entropy():
    space = untrained(image=INK, network="mlp:16")
    chance = np.random.default_rng(1).uniform(0.02, 0.3, 64)
    with torch.no_grad():
        last = [m for m in space.model.decoder.modules() if isinstance(m, torch.nn.Linear)][-1]
        last.weight.zero_()
        last.bias.copy_(torch.from_numpy(np.log(chance / (1 - chance))))
        level = space.model.levels[0]
        level.posterior.linear.weight.zero_()
        level.posterior.linear.bias.zero_()
    things = (np.random.default_rng(2).random((600, 64)) < chance).astype("u1").reshape(-1, 8, 8)
    nats = -np.where(things.reshape(-1, 64), np.log(chance), np.log(1 - chance)).sum()
    assert bits_of(Codec(space), things, 3) == pytest.approx(nats / math.log(2), rel=0.01)


LEVELS = [
    ("vae", {"likelihood": "discretized_logistic"}, 1),
    ("vae", {"likelihood": "discretized_logistic_mixture"}, 1),
    ("vae", {"likelihood": "spiked_logistic"}, 1),
    ("vae", {"likelihood": "gaussian_learned"}, 1),
    ("vae", {"likelihood": "bernoulli"}, 1),
    ("vae", {"likelihood": "discretized_logistic_mixture", "network": "conv:4"}, 3),
    ("vae", {"network": "residual:4"}, 3),
    ("vae", {"network": "coordinate:4", "mean_scale": 0.5}, 1),
    ("mixture_vae", {"network": "mlp:16"}, 1),
    ("vamp_vae", {"network": "mlp:16"}, 1),
    ("ladder_vae", {"network": "tiny", "prior": "standard"}, 3),
]


@pytest.mark.parametrize(("recipe", "options", "channels"), LEVELS)
def test_levels_come_back_by_every_likelihood_and_network(recipe, options, channels):
    if recipe != "ladder_vae":
        options = {"network": "mlp:16", **options}
    space = untrained(recipe, Image(channels, 8, 8), **options)
    codec = Codec(space)
    things = space.modality.decode(space.modality.prepare(space.items))
    assert bits_of(codec, things, 9) > 0
    assert same(things, decompress(codec, compress(codec, things)))


def test_rows_come_back_cell_by_cell_and_what_is_unknown_too():
    space = table_space()
    codec = Codec(space)
    frame = space.modality.decode(space.modality.prepare(space.items))
    frame = frame.assign(size=frame["size"].round(1)).iloc[:, [0, 2, 3, 1]].round(1)
    wide = frame.assign(beside=[f"row {n}" for n in range(len(frame))])[::-1]
    odd = frame.copy()
    odd["kind"] = odd["kind"].astype(object)
    odd.loc[3, "kind"], odd.loc[5, "visits"], odd.loc[7, "size"] = "never seen", 10**6, np.inf
    one = pd.concat([frame[frame["visits"] == 2]] * 5, ignore_index=True)
    for things in (frame, wide, odd, one, frame[["size", "kind"]], frame[:0], frame.iloc[:, ::-1]):
        assert same(things, decompress(codec, compress(codec, things)))
    assert bits_of(codec, frame, 5) > 0


def test_a_table_of_classes_costs_about_what_the_elbo_says():
    generator = np.random.default_rng(0)
    each = generator.integers(0, 4, (400, 12)).astype(str)
    frame = pd.DataFrame({f"c{place}": np.char.add("x", each[:, place]) for place in range(12)})
    space = trained(look(frame), "vae", latent=2, epochs=2)
    codec = Codec(space)
    assert same(frame, decompress(codec, compress(codec, frame)))
    bound = bound_bits(space, codec, frame)
    assert bits_of(codec, frame, 2) == pytest.approx(bound, rel=0.01)


def test_lists_keep_what_the_model_cannot_say():
    mixed = [ink()[0], np.arange(5.0), ink()[1], np.zeros((3, 0)), ink()[2][:4]]
    back = decompress(codec(), compress(codec(), mixed * 20))
    assert len(back) == 100 and all(map(same, mixed * 20, back))


@settings(max_examples=40, deadline=None)
@given(
    arrays(
        st.sampled_from(["u1", "i2", "<f4", ">f8", "?", "<c8", "<U3", "S2"]),
        array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
    )
)
def test_any_array_comes_back_and_is_never_longer(things):
    content = compress(codec(), things)
    assert same(things, decompress(codec(), content))
    assert len(content) <= 1.001 * things.nbytes + 64


@pytest.mark.parametrize("high", [2, 256])
@pytest.mark.parametrize("number", [1, 3, 300])
def test_noise_is_never_longer(number, high):
    things = np.random.default_rng(0).integers(0, high, (number, 8, 8)).astype("u1") * (257 // high)
    content = compress(codec(), things)
    assert same(things, decompress(codec(), content))
    assert len(content) <= 1.001 * things.nbytes + 64


def test_every_flip_and_cut_is_told_and_stays_in_its_chunk():
    things = many()
    content = compress(codec(), things, chains=37)
    archive = read(content)
    assert len(archive.chunks) == 3 and archive.kind == CODED
    head = len(content) - sum(len(chunk.content) for chunk in archive.chunks)
    generator = np.random.default_rng(0)
    for place in generator.integers(0, len(content), 60):
        broken = bytearray(content)
        broken[place] ^= 1 << generator.integers(8)
        with pytest.raises((DataError, StudyError)):
            decompress(codec(), bytes(broken))
    for length in generator.integers(0, len(content), 40):
        with pytest.raises((DataError, StudyError)):
            decompress(codec(), content[:length])
    broken = bytearray(content)
    broken[head + 5] ^= 8
    left, lost = salvage(codec(), bytes(broken))
    assert np.array_equal(lost, np.arange(archive.chunks[0].rows))
    assert same(left, things[archive.chunks[0].rows :])


def test_damage_of_what_is_stored_stays_in_its_piece():
    things = np.random.default_rng(0).integers(0, 256, (1500, 1000)).astype("u1")
    content = bytearray(compress(codec(), things))
    assert read(bytes(content)).kind == STORED
    content[-5] ^= 1
    left, lost = salvage(codec(), bytes(content))
    assert lost[0] == 2**20 // 1000 and lost[-1] == 1499
    assert same(left, things[: lost[0]])


def test_another_model_and_another_computer_are_refused():
    content = compress(codec(), many())
    assert read(content).kind == CODED
    with pytest.raises(StudyError, match="the study that made it"):
        decompress(untrained(image=INK, network="mlp:8"), content)
    elsewhere = copy(codec())
    elsewhere.check = bytes(32)
    with pytest.raises(StudyError, match="computes differently"):
        decompress(elsewhere, content)


def test_what_is_no_archive_is_told():
    for content in (b"", b"zz\x1a", b"PK\x03\x04" * 20, bytes(100)):
        with pytest.raises(DataError, match="archive"):
            decompress(codec(), content)
    newer = bytearray(compress(codec(), ink()[:40]))
    newer[3] = 200
    with pytest.raises(StudyError, match="Upgrade"):
        decompress(codec(), bytes(newer))


def test_python_objects_are_refused():
    with pytest.raises(DataError, match="arrays of numbers or texts"):
        compress(codec(), np.array([object()]))


@pytest.mark.parametrize("recipe", ["ae", "flow_vae", "vq_vae", "pixel_vae"])
def test_models_without_a_code_on_a_grid_are_refused(recipe):
    image = Image(1, 8, 8)
    options = {} if recipe == "vq_vae" else {"network": "mlp:8"}
    model, _ = RECIPES[recipe](image, **options)
    space = replace(untrained(), model=model.eval())
    with pytest.raises(SpecError, match="A study that compresses must have"):
        compress(space, space.items.numpy())


def test_densities_are_refused_for_pictures():
    space = untrained(network="mlp:8", likelihood="continuous_bernoulli")
    with pytest.raises(SpecError, match="spiked_logistic"):
        compress(space, space.items.numpy())


def test_tensors_and_lists_of_lists_are_taken_as_arrays():
    things = ink()[:40]
    assert same(things, decompress(codec(), compress(codec(), torch.from_numpy(things))))
    assert same(np.arange(3), decompress(codec(), compress(codec(), (0, 1, 2))))
