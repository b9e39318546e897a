"""Compression by bits back: bytes of real test sets beside the model's own ELBO and beside xz.

All bytes of an archive count: its head with three checksums, the initial bits of every chain, and
what a chain's last word leaves empty. The model is apart, and its bytes are told. Models are kept
in a folder for temporary files, so that the parts can be run one by one.
"""

import bz2
import gzip
import lzma
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import zscape as zs
from benchmarks.budget import Budget
from benchmarks.data import binarized_digits, campaign, mnist
from benchmarks.figures import Figure, Settings, machine
from benchmarks.mnist_nats import FIVE, SHAPE, described, model_of, trained
from benchmarks.round_trips import ELSEWHERE, travelled
from zscape.modalities import Image
from zscape.model.codes import Codes
from zscape.model.model import Model
from zscape.probability.likelihoods import SpikedLogistic
from zscape.probability.priors import Mixture
from zscape.recipes.ladder import built
from zscape.space.compression import Codec, compress, decompress
from zscape.space.compression.bounds import bound_bits
from zscape.space.compression.things import plain
from zscape.space.space import Space

CHAINS = 100
INK = replace(FIVE, weighted=0.0)  # for the ELBO alone, as that is what an archive costs
GREY = replace(FIVE, weighted=0.0, free=0.0, rate=1.5e-3, shifted=0.3, weight_decay=0.05)
SECONDS = {"ink": 450.0, "grey": 330.0}  # of CPU time
APART = 2500  # of grey training pictures, which tell the best epoch
FLAT = {"latent": 24, "network": "mlp:400", "epochs": 5}
TABLE = {"latent": 4, "network": "mlp:128,128", "epochs": 20}
XZ = lzma.PRESET_EXTREME | 9
KINDS = {
    "xz": lambda raw: lzma.compress(raw, preset=XZ),
    "bz2": lambda raw: bz2.compress(raw, 9),
    "gzip": lambda raw: gzip.compress(raw, 9),
}


def binary(settings: Settings) -> Iterator[Figure]:
    """Static binarized MNIST, all test pictures, by a ladder."""
    space, said = ink_space(settings)
    things = _bits(binarized_digits()["test"])[: 500 if settings.quick else None]
    codec = Codec(space)
    content, packing, unpacking = _packed(codec, things)
    bound = bound_bits(space, codec, things)
    assert bound is not None
    protocol = (
        f"static binarized MNIST, {len(things):,} test pictures in one archive of {CHAINS} chains, "
        f"all {len(content):,} bytes counted; {said}; the model apart "
        f"({_model_bytes(space.model):,} bytes in 16 bits a weight); {machine()}"
    )
    gap = 100 * (8 * len(content) / bound - 1)
    beside = f"over the ELBO of the float network, a draw a picture ({bound / things.size:.5f})"
    yield Figure(
        f"binary_gap_to_elbo_percent_{CHAINS}_chains", gap, "%", "measured", f"{beside}; {protocol}"
    )
    rate = 8 * len(content) / things.size
    yield Figure("binary_bits_per_pixel", rate, "bits", "exact", protocol)
    for name, seconds in (("packing", packing), ("unpacking", unpacking)):
        speed = things.nbytes / 1e6 / seconds
        yield Figure(f"ladder_{name}_megabytes_per_second", speed, "MB/s", "measured", protocol)


def speed(settings: Settings) -> Iterator[Figure]:
    """Pixels per second by a flat model, the slower of both ways."""
    rows = 1_000 if settings.quick else 10_000
    digits = {name: _bits(each) for name, each in binarized_digits().items()}
    space = zs.fit(digits["train"][:rows], recipe="vae", seed=settings.seed, **FLAT)
    codec, things = Codec(space), digits["test"][:rows]
    content, packing, unpacking = _packed(codec, things)
    speeds = [things.nbytes / 1e6 / seconds for seconds in (packing, unpacking)]
    protocol = (
        f"8-bit pixels of {len(things):,} static binarized MNIST test pictures over CPU seconds, "
        f"{CHAINS} chains: packing {speeds[0]:.2f} with its check by decoding, unpacking "
        f"{speeds[1]:.2f}, of which the slower; recipe vae {FLAT} on {rows:,} training pictures, "
        f"{8 * len(content) / things.size:.4f} bits a pixel; {machine()}"
    )
    yield Figure("pixel_megabytes_per_second", min(speeds), "MB/s", "measured", protocol)


def grey(settings: Settings) -> Iterator[Figure]:
    """MNIST as it is, all test pictures, by the same ladder taught greys."""
    space, said = grey_space(settings)
    things = mnist("test")[0][: 500 if settings.quick else None]
    codec = Codec(space)
    content, packing, unpacking = _packed(codec, things)
    bound = bound_bits(space, codec, things)
    assert bound is not None
    protocol = (
        f"MNIST in 256 greys, {len(things):,} test pictures in one archive of {CHAINS} chains, all "
        f"{len(content):,} bytes counted; {said}; the model apart "
        f"({_model_bytes(space.model):,} bytes in 16 bits a weight); its own ELBO is "
        f"{bound / things.size:.4f} bits a pixel; {things.nbytes / 1e6 / packing:.2f} MB/s packed, "
        f"{things.nbytes / 1e6 / unpacking:.2f} unpacked; {machine()}"
    )
    rate = 8 * len(content) / things.size
    yield Figure("grey_bits_per_pixel", rate, "bits", "exact", protocol)


def table(settings: Settings) -> Iterator[Figure]:
    """A table of categories: rows that were not trained on, beside xz's best of three orders."""
    frame = campaign()[: 3000 if settings.quick else None]
    cut = int(0.75 * len(frame))
    space = zs.fit(frame[:cut], recipe="vae", seed=settings.seed, **TABLE)
    things = frame[cut:].reset_index(drop=True)
    codec = Codec(space)
    content = compress(codec, things, chains=CHAINS)
    assert plain(decompress(codec, content)) == plain(things)
    ids = np.stack([np.unique(things[name], return_inverse=True)[1] for name in things], 1)
    ids = ids.astype(np.uint8)
    orders = [ids.tobytes(), np.ascontiguousarray(ids.T).tobytes(), things.to_csv(index=False)]
    sizes = [len(KINDS["xz"](o.encode() if isinstance(o, str) else o)) for o in orders]
    entropy = sum(
        -(p * np.log2(p)).sum()
        for p in (np.unique(c, return_counts=True)[1] / len(ids) for c in ids.T)
    )
    bound = bound_bits(space, codec, things)
    protocol = (
        f"the ten categories of ADBench's campaign in a random order, {cut:,} rows to train, "
        f"{len(things):,} compressed; recipe vae {TABLE}, seed {settings.seed}; {len(content):,} "
        f"bytes, all counted, {8 * len(content) / len(things):.2f} bits a row (its own ELBO "
        f"{bound / len(things):.2f}; each column by its own shares {entropy:.2f}); xz -9e of class "
        f"numbers row by row, column by column, and of the CSV: {sizes}; the model apart "
        f"({_model_bytes(space.model):,} bytes in 16 bits a weight); {machine()}"
    )
    smaller = 100 * (1 - len(content) / min(sizes))
    yield Figure("table_smaller_than_xz_percent", smaller, "%", "exact", protocol)


def round_trips(settings: Settings) -> Iterator[Figure]:
    """Inputs of all families through compression and back, here and elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        sent, same, coded = travelled(Path(folder), quick=settings.quick)
    families = ", ".join(f"{count:,} {family}" for family, count in sent.items())
    protocol = (
        f"things that came back to the bit, by SHA-256 of their plain bytes: {families} ({coded:,} "
        f"in archives that a model coded, the others stored); studies of black and white digits "
        f"(vae, mlp:200; ladder_vae, tiny), grey ones (spiked_logistic) and a table; 1, 7 and 256 "
        f"chains side by side; all decoded in the process that made them, and each again in one of "
        f"four others, with {ELSEWHERE}; {machine()}"
    )
    yield Figure("round_trips", float(sum(sent.values())), "count", "exact", protocol)
    share = sum(same.values()) / sum(sent.values())
    yield Figure("round_trips_equal_share", share, "share", "exact", protocol)


def floors(settings: Settings) -> Iterator[Figure]:
    """The same streams by xz, bz2 and gzip: pixels as bits for black and white."""
    rows = 500 if settings.quick else None
    ink = binarized_digits()["test"][:rows]
    streams = {"binary": np.packbits(ink, axis=1), "grey": mnist("test")[0][:rows]}
    for name, stream in streams.items():
        pixels = ink.size if name == "binary" else stream.size
        for kind, squeeze in KINDS.items():
            said = f"{kind} at its strongest over all test pictures as one stream; {machine()}"
            rate = 8 * len(squeeze(stream.tobytes())) / pixels
            yield Figure(f"floor_{name}_{kind}_bits_per_pixel", rate, "bits", "exact", said)


def ink_space(settings: Settings) -> tuple[Space, str]:
    """A ladder on static binarized MNIST, and how it was trained in words."""
    seconds = 15.0 if settings.quick else SECONDS["ink"]
    data = {name: torch.from_numpy(rows).reshape(-1, *SHAPE) for name, rows in _parts()}

    def make() -> tuple[Model, str]:
        model, said = trained(INK, data["train"], data["valid"], Budget(seconds), settings.seed)
        return model, f"{described(INK, model)}; {seconds:.0f} CPU seconds, {said}"

    model, said = _kept(f"ink-{seconds:.0f}-{settings.seed}", lambda: model_of(INK), make)
    return _space(model, 255 * data["train"], Image(1, 28, 28, two_valued=True)), said


def grey_space(settings: Settings) -> tuple[Space, str]:
    """That ladder with logistics and spikes for coins, trained on."""
    seconds = 15.0 if settings.quick else SECONDS["grey"]
    pictures = torch.from_numpy(mnist("train")[0]).reshape(-1, *SHAPE)

    def fresh() -> Model:
        top = Mixture(GREY.latent, GREY.components)
        return built(SHAPE, GREY.latent, GREY.size, top, SpikedLogistic(SHAPE))

    def make() -> tuple[Model, str]:
        old, before = ink_space(settings)
        model = fresh()
        shapes = {name: value.shape for name, value in model.state_dict().items()}
        kept = {n: v for n, v in old.model.state_dict().items() if shapes[n] == v.shape}
        model.load_state_dict(kept, strict=False)
        held = pictures[-APART:].float() / 255
        budget, train = Budget(seconds), pictures[:-APART]
        model, said = trained(GREY, train, held, budget, settings.seed, prepare=_unit, begun=model)
        told = f"then {seconds:.0f} CPU seconds on grey MNIST with spikes and two logistics, {said}"
        return model, f"begun as the ladder of black and white ({before}); {told}"

    model, said = _kept(f"grey-{seconds:.0f}-{settings.seed}", fresh, make)
    return _space(model, pictures, Image(1, 28, 28, inky=True)), said


PARTS = {
    "binary": binary,
    "grey": grey,
    "speed": speed,
    "table": table,
    "round_trips": round_trips,
    "floors": floors,
}


def _unit(stored: Tensor) -> Tensor:
    return stored.float() / 255


def _parts() -> list[tuple[str, np.ndarray]]:
    return list(binarized_digits().items())


def _bits(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, 28, 28) * np.uint8(255)


def _space(model: Model, stored: Tensor, image: Image) -> Space:
    """A space of a model and some of its pictures; a codec asks no codes."""
    items = stored[:1024]
    codes = Codes({"z1": torch.zeros(len(items), 1)})
    return Space(model.eval(), image, codes, items, torch.arange(len(items)))


def _packed(codec: Codec, things: np.ndarray) -> tuple[bytes, float, float]:
    """An archive that gives back what it was given, CPU seconds to pack it and to unpack it."""
    content, packing = _timed(lambda: compress(codec, things, chains=CHAINS))
    back, unpacking = _timed(lambda: decompress(codec, content))
    assert np.array_equal(back, things), "an archive gives back what it was given"
    return content, packing, unpacking


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.process_time()
    result = call()
    return result, time.process_time() - begun


def _model_bytes(model: Model) -> int:
    return 2 * sum(parameter.numel() for parameter in model.parameters())


def _kept(
    name: str, fresh: Callable[[], Model], make: Callable[[], tuple[Model, str]]
) -> tuple[Model, str]:
    """A model of that name from an earlier part, or made and kept."""
    path = Path(tempfile.gettempdir()) / "zscape-bits-back" / f"{name}.safetensors"
    if path.exists():
        model = fresh()
        with safe_open(path, "pt") as file:
            model.load_state_dict({key: file.get_tensor(key) for key in file.keys()})
            return model, str(file.metadata()["said"])
    model, said = make()
    path.parent.mkdir(exist_ok=True)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, path, {"said": said})
    return model, said
