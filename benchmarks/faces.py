"""Attributes of faces: are they read off the codes, and can one be changed and no other?

A VAE whose encoder and decoder have linear skips that start at the principal components is trained
without labels on faces and their mirror images. Directions are found with the attributes of the
training faces; held-out faces are edited along them, each just so far that its read-out says the
other thing, and a network that has seen no code says what changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import zscape as zs
from benchmarks.data import known_faces, smiling_faces
from benchmarks.figures import Figure, Settings, machine
from benchmarks.likelihood import standard_error
from zscape.modalities.modality import Modality
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.networks import decoder, encoder
from zscape.objective.objective import Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.probability.likelihoods import GaussianOptimal
from zscape.probability.posteriors import Gaussian
from zscape.probability.priors import Standard
from zscape.recipes import Recipe
from zscape.space.directions import Direction
from zscape.space.space import encode_stored

SIDE = 32
CHOOSING, HELD_OUT = 1_000, 2_000  # faces that choose the reach; that judge
EDITED = 500  # of those that judge
NAMES = ("Smiling", "Eyeglasses", "Male", "Blond_Hair")
OPTIONS = {"latent": 192, "beta": 0.1, "network": "conv"}
TRAIN = {"epochs": 8, "patience": 0, "learning_rate": 5e-4, "schedule": "cosine"}
REACHES = (0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)  # tried, in the unit of `Read.half`
ENOUGH = 0.92  # of the choosing faces are to flip, the smallest reach of which is taken
AXES = 200  # of the floor
STEPS, BATCH = 1_000, 128  # of the judge
STREAM = 0xFACE


def celeba(settings: Settings) -> Iterator[Figure]:
    """CelebA: four attributes read off codes, and changed in held-out faces."""
    number = 400 if settings.quick else 10_000
    pictures, known = known_faces(number)
    chosen = {name: known[name].astype(float) for name in NAMES}
    yield from _judged(Faces(_small(pictures), chosen), settings, "CelebA")


def smiles(settings: Settings) -> Iterator[Figure]:
    """SMILEs: the smile of grey faces; there are no others that could move."""
    pictures, smiling = smiling_faces()
    order = np.random.default_rng(STREAM).permutation(len(smiling))
    order = order[: 400 if settings.quick else 10_000]
    known = {"Smiling": smiling[order].astype(float)}
    for figure in _judged(Faces(_small(pictures[order]), known), settings, "SMILEs"):
        yield replace(figure, figure=f"smiles_{figure.figure}")


PARTS = {"celeba": celeba, "smiles": smiles}


@dataclass(frozen=True, slots=True)
class Faces:
    """Pictures `[N, side, side, C]` or `[N, side, side]`, and what is known of each, `[N]`."""

    pictures: np.ndarray
    known: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.pictures)

    def part(self, places: np.ndarray | slice) -> "Faces":
        """Some of them."""
        known = {name: values[places] for name, values in self.known.items()}
        return Faces(self.pictures[places], known)

    def values(self) -> Tensor:
        """Of each what is known, bool `[N, A]`."""
        return torch.from_numpy(np.stack(list(self.known.values()), 1) > 0)

    def both_ways(self) -> "Faces":
        """These and their mirror images."""
        mirrored = np.concatenate([self.pictures, self.pictures[:, :, ::-1]])
        return Faces(mirrored, {name: np.tile(values, 2) for name, values in self.known.items()})


def skipping(pictures: np.ndarray) -> Recipe:
    """A recipe whose linear skips start at the principal components of these pictures."""
    x = _batch(Faces(pictures, {})).flatten(1)
    centre, total = x.mean(0), x.var(0, correction=0).sum()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM)
        _, lengths, vectors = torch.pca_lowrank(x, q=min(256, len(x)), niter=3)
    values = lengths.square() / len(x)

    def skip_vae(
        data: Modality, *, latent: int = 192, beta: float = 0.1, network: str = "conv"
    ) -> tuple[Model, Objective]:
        """VAE with linear skips around encoder and decoder."""
        axes, spread = vectors[:, :latent], values[:latent].sqrt()
        left = (total - values[:latent].sum()) / (len(centre) - latent)  # along each other axis
        front = encoder(network, data.shape)
        posterior = Gaussian(front.features + len(centre), latent)
        with torch.no_grad():
            posterior.linear.weight.zero_()
            posterior.linear.weight[:latent, front.features :] = axes.T / spread[:, None]
            posterior.linear.bias[:latent] = -(centre @ axes) / spread
            posterior.linear.bias[latent:] = (beta * left / (beta * left + spread**2)).log()
        body = _Summed(nn.Linear(latent, len(centre)), decoder(network, latent, data.shape))
        with torch.no_grad():
            body.linear.weight.copy_(axes * spread)
            body.linear.bias.copy_(centre)
        level = Flat("z", prior=Standard(latent), posterior=posterior)
        model = Model(_Beside(front), [level], Decoder(body, GaussianOptimal(data.shape)))
        return model, Sum(Reconstruction(), Rate(beta))

    return skip_vae


@dataclass(frozen=True, slots=True)
class Read:
    """A direction and where the codes of training faces lie along its read-out.

    `middle` lies half way between the means of those without the attribute and those with it, and
    `half` is the way from there to either; `reaches` say how many of these an edit goes, to take
    the attribute away and to add it.
    """

    direction: Direction
    middle: float
    half: float
    reaches: tuple[float, float] = (1.0, 1.0)

    def strengths(self, codes: Tensor, wanted: Tensor) -> Tensor:
        """How far each code `[N, D]` goes for the wanted value 0 or 1 to be read, `[N]`.

        The read-out is to lie the reach of that value beyond the middle; who is there stays.
        """
        side = 2 * wanted - 1
        reach = torch.tensor(self.reaches)[wanted.long()]
        goal = self.middle + reach * self.half * side
        far = (goal - codes @ self.direction.readout) / float(
            self.direction.readout @ self.direction.vector
        )
        return side * (side * far).clamp(min=0)


def read(space: zs.Space, name: str, *, apart: bool = True) -> Read:
    """The direction of an attribute, that leaves the other ones as they are, and its read-out."""
    others = [other for other in space.attributes if other != name] if apart else []
    found = zs.find_direction(space, name, apart_from=others)
    told = space.codes.flat @ found.readout
    has = torch.from_numpy(space.attributes[name] > 0)
    low, high = float(told[~has].mean()), float(told[has].mean())
    return Read(found, (low + high) / 2, (high - low) / 2)


def mean_difference(space: zs.Space, name: str) -> Read:
    """The same read-out, along the difference of the mean codes: the usual attribute vector."""
    plain = read(space, name, apart=False)
    has = torch.from_numpy(space.attributes[name] > 0)
    vector = space.codes.flat[has].mean(0) - space.codes.flat[~has].mean(0)
    return replace(plain, direction=replace(plain.direction, vector=vector))


class _Beside(nn.Module):
    """What a network says of a picture, and beside it the picture itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.network(x), x.flatten(-3)], -1)


class _Summed(nn.Module):
    """A linear map and what a network adds to it, at first nothing."""

    def __init__(self, linear: nn.Linear, network: nn.Module) -> None:
        super().__init__()
        self.linear, self.network = linear, network
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        added = self.network(z)
        return self.linear(z).reshape(added.shape) + self.share * added


def _judged(faces: Faces, settings: Settings, source: str) -> Iterator[Figure]:
    choosing, held_out, steps = (50, 100, 20) if settings.quick else (CHOOSING, HELD_OUT, STEPS)
    order = np.random.default_rng(settings.seed).permutation(len(faces))
    judging, known = faces.part(order[-held_out:]), faces.part(order[:-held_out])
    training, choosers = known.part(slice(None, -choosing)), known.part(slice(-choosing, None))
    network = judge(known, steps=steps, seed=settings.seed)
    right = (told(network, _batch(judging)) == judging.values()).double().mean(0)
    data = training.both_ways()
    looked = replace(zs.look(data.pictures), attributes=data.known)
    train = TRAIN | ({"epochs": 1} if settings.quick else {})
    recipe = skipping(training.pictures)
    spaces = {
        "": zs.fit(looked, recipe=recipe, seed=settings.seed, **OPTIONS, **train),
        "floor_pca_": untrained(looked, recipe, axes=40 if settings.quick else AXES),
    }
    chooser = judge(training, steps=steps, seed=settings.seed + 1)
    said = (
        f"{source} at {SIDE}x{SIDE}, {len(training):,} faces train with their mirror images, "
        f"{len(choosers):,} choose the reach by a network of their own, {len(judging):,} judge, "
        f"seed {settings.seed}; judge: a convolutional network trained on the first two parts, "
        f"{_shares(right)} right for {', '.join(faces.known)}; {machine()}"
    )
    ours = f"vae with linear skips that start at PCA, {OPTIONS}, {train}; {said}"
    pca = f"{AXES} principal components and nothing trained; {said}"
    for prefix, space, reading, how in (
        ("", spaces[""], read, ours),
        ("floor_mean_difference_", spaces[""], mean_difference, f"along mean differences; {ours}"),
        ("floor_pca_", spaces["floor_pca_"], read, pca),
    ):
        found = [
            reaching(reading(space, name), place, space, choosers, chooser)
            for place, name in enumerate(faces.known)
        ]
        yield from _figures(prefix, space, found, judging, network, how)


def reaching(found: Read, place: int, space: zs.Space, choosing: Faces, chooser: nn.Module) -> Read:
    """The same with the smallest reaches at which the chooser sees enough faces flip."""
    truth = choosing.values()[:, place]
    right = told(chooser, _batch(choosing))[:, place] == truth
    reaches = []
    for wanted in (0, 1):
        faces = choosing.part((right & (truth != wanted)).nonzero().flatten()[:EDITED].numpy())
        asked, reach = torch.full((len(faces),), float(wanted)), REACHES[0]
        for reach in REACHES if len(faces) else ():
            tried = replace(found, reaches=(reach, reach))
            made = edited(space, faces, tried, asked)
            if (told(chooser, made)[:, place] == wanted).double().mean() >= ENOUGH:
                break
        reaches.append(reach)
    return replace(found, reaches=(reaches[0], reaches[1]))


def edited(space: zs.Space, faces: Faces, found: Read, wanted: Tensor) -> Tensor:
    """Faces edited to what is wanted, `[n, C, H, W]`: what `zs.edit` makes of each, all at once."""
    codes = space.encode(faces.pictures)
    far = found.strengths(codes.flat, wanted)
    moved = codes.like(codes.flat + far[:, None] * found.direction.vector)
    made = _batch(faces) + space.decode_tensor(moved) - space.decode_tensor(codes)
    return made.clamp(0, 1)


def _require_edit(space: zs.Space, face: Faces, found: Read, wanted: Tensor, made: Tensor) -> None:
    """Holds what was made of a face to what `zs.edit` makes of it."""
    far = found.strengths(space.encode(face.pictures).flat, wanted)
    known = {"it": found.direction}
    alone = zs.edit(space, face.pictures, {"it": float(far)}, directions=known)
    assert torch.allclose(alone.x, made, atol=1e-4), "zs.edit says otherwise"


def _changes(
    space: zs.Space, found: list[Read], faces: Faces, network: nn.Module
) -> tuple[list[Tensor], list[Tensor]]:
    """Of each attribute which faces flip in the eyes of the network, and which others move."""
    before, truth = told(network, _batch(faces)), faces.values()
    flips, moves = [], []
    for place, one in enumerate(found):
        rows = (before[:, place] == truth[:, place]).nonzero().flatten()[:EDITED]
        wanted = 1 - truth[rows, place].float()
        made = edited(space, faces.part(rows.numpy()), one, wanted)
        _require_edit(space, faces.part(rows[:1].numpy()), one, wanted[:1], made[:1])
        changed = told(network, made) != before[rows]
        others = [other for other in range(len(found)) if other != place]
        flips.append(changed[:, place].double())
        moves.append(changed[:, others].any(1).double())
    return flips, moves


def _figures(
    prefix: str,
    space: zs.Space,
    found: list[Read],
    judging: Faces,
    network: nn.Module,
    said: str,
) -> Iterator[Figure]:
    codes, names = space.encode(judging.pictures).flat, list(judging.known)
    for name, one in zip(names, found, strict=True):
        area = roc_auc_score(judging.known[name], codes @ one.direction.readout)
        yield Figure(f"{prefix}{name}_auc", float(area), "-", "measured", said)
    flips, moves = _changes(space, found, judging, network)
    how = (
        f"the first {EDITED} held-out faces that the judge reads rightly, edited to the other by "
        f"x + decode(z + a v) - decode(z), a such that the read-out of the code lies so many ways "
        f"from the middle to the mean of the training faces there: {_told(found)} (to take away "
        f"and to add: the smallest of {REACHES} at which {ENOUGH:.0%} of the choosing faces flip, "
        f"the judge not asked); others moved: any other of the attributes is judged otherwise "
        f"than before; {said}"
    )
    for word, values in (("flip_share", flips), ("others_moved_share", moves)):
        if word == "flip_share" or len(names) > 1:
            for place, name in enumerate(names):
                yield _share(f"{prefix}{name}_{word}", [values[place]], how)
            yield _share(f"{prefix}{word}_mean", values, f"mean over {', '.join(names)}; {how}")


def _share(name: str, values: list[Tensor], said: str) -> Figure:
    """The mean over attributes of the mean over faces."""
    errors = torch.tensor([standard_error(faces) for faces in values])
    mean = torch.stack([faces.mean() for faces in values]).mean()
    error = float(errors.square().sum().sqrt() / len(values))
    return Figure(name, float(mean), "share", "measured", said, error)


def untrained(looked: object, recipe: Recipe, *, axes: int) -> zs.Space:
    """The space of principal components: the recipe as it starts, and nothing trained."""
    model, _ = recipe(looked.modality, latent=axes)
    x = looked.x
    codes = encode_stored(model.eval(), looked.modality, x)
    kept = torch.arange(len(x))
    return zs.Space(model, looked.modality, codes, x, kept, attributes=dict(looked.attributes))


def judge(faces: Faces, *, steps: int, seed: int) -> nn.Module:
    """A network that tells attributes from pictures, logits `[n, A]`, trained on these faces."""
    x, truth = _batch(faces), faces.values().float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        network = _network(x.shape[1], truth.shape[1])
        optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
        pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
        for step in range(steps):
            rows = torch.randint(len(x), (BATCH,))
            seen = x[rows].roll(torch.randint(-1, 2, (2,)).tolist(), (2, 3))
            seen = seen.flip(3) if step % 2 else seen
            loss = binary_cross_entropy_with_logits(network(seen), truth[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            pace.step()
    return network.eval().requires_grad_(False)


def told(network: nn.Module, x: Tensor) -> Tensor:
    """What the judge says of pictures `[n, C, H, W]`: bool `[n, A]`."""
    return torch.cat([network(part) for part in x.split(500)]) > 0


def _network(channels: int, attributes: int) -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(channels, 32, 5, stride=2, padding=2), nn.SiLU()),
        *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.SiLU()),
        *(nn.Conv2d(64, 128, 3, stride=2, padding=1), nn.SiLU(), nn.Flatten(), nn.Dropout(0.4)),
        *(nn.Linear(128 * (SIDE // 8) ** 2, 128), nn.SiLU(), nn.Linear(128, attributes)),
    )


def _small(pictures: np.ndarray) -> np.ndarray:
    step = pictures.shape[1] // SIDE
    blocks = pictures.reshape(len(pictures), SIDE, step, SIDE, step, -1).mean((2, 4))
    return np.rint(blocks).astype(np.uint8).reshape(len(pictures), SIDE, SIDE, *pictures.shape[3:])


def _batch(faces: Faces) -> Tensor:
    x = torch.from_numpy(faces.pictures).float() / 255
    return x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x[:, None]


def _told(found: list[Read]) -> str:
    return ", ".join(f"{one.direction.name} {one.reaches}" for one in found)


def _shares(right: Tensor) -> str:
    return ", ".join(f"{share:.1%}" for share in right.tolist())
