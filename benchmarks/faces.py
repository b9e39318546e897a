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

import zscape as zs
from benchmarks.data import known_faces, smiling_faces
from benchmarks.face_judges import as_if_independent, judge, told
from benchmarks.figures import Figure, Settings, machine
from benchmarks.likelihood import standard_error
from benchmarks.skips import skipping
from zscape.model.codes import Codes
from zscape.recipes import Recipe
from zscape.space.directions import Direction
from zscape.space.edits import strength_to
from zscape.space.space import encode_stored

SIDE = 32
CHOOSING, HELD_OUT = 1_000, 2_000  # faces that choose the reach; that judge
EDITED = 500  # of those that judge
NAMES = ("Smiling", "Eyeglasses", "Male", "Blond_Hair")
OPTIONS = {"latent": 192, "beta": 0.1, "network": "conv"}
TRAIN = {"epochs": 8, "patience": 0, "learning_rate": 5e-4, "schedule": "cosine"}
REACHES = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)  # tried, in the unit of `Read.half`
TRYING = 200  # choosing faces that each reach is tried on
ENOUGH = 0.92  # of the choosing faces are to flip, the smallest reach of which is taken
AXES = 200  # of the floor
STEPS = 1_000  # of the judges
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


def _judged(faces: Faces, settings: Settings, source: str) -> Iterator[Figure]:
    choosing, held_out, steps = (50, 100, 20) if settings.quick else (CHOOSING, HELD_OUT, STEPS)
    order = np.random.default_rng(settings.seed).permutation(len(faces))
    judging, known = faces.part(order[-held_out:]), faces.part(order[:-held_out])
    training, choosers = known.part(slice(None, -choosing)), known.part(slice(-choosing, None))
    network = judge(_batch(known), known.values(), steps=steps, seed=settings.seed)
    data = training.both_ways()
    looked = replace(zs.look(data.pictures), attributes=data.known)
    train = TRAIN | ({"epochs": 1} if settings.quick else {})
    recipe = skipping(_batch(training))
    spaces = {
        "": zs.fit(looked, recipe=recipe, seed=settings.seed, **OPTIONS, **train),
        "floor_pca_": untrained(looked, recipe, axes=40 if settings.quick else AXES),
    }
    chooser = judge(_batch(training), training.values(), steps=steps, seed=settings.seed + 1)
    said = (
        f"{source} at {SIDE}x{SIDE}, {len(training):,} faces train with their mirror images, "
        f"{len(choosers):,} choose the reach by a network of their own, {len(judging):,} judge, "
        f"seed {settings.seed}; judge: {_credentials(network, judging)}; {machine()}"
    )
    yield from _of_a_shift(network, judging, said)
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


@dataclass(frozen=True, slots=True)
class Seen:
    """Pictures as a model sees them `[n, C, H, W]`, their codes, and what these decode to."""

    x: Tensor
    codes: Codes
    decoded: Tensor

    def part(self, rows: Tensor) -> "Seen":
        """Some of them."""
        return Seen(self.x[rows], self.codes[rows], self.decoded[rows])


def seen(space: zs.Space, faces: Faces) -> Seen:
    """Faces through a space."""
    codes = space.encode(faces.pictures)
    return Seen(_batch(faces), codes, space.decode_tensor(codes))


def reaching(found: Read, place: int, space: zs.Space, choosing: Faces, chooser: nn.Module) -> Read:
    """The same with the smallest reaches at which the chooser sees enough faces flip.

    Where no reach is enough, that at which the most do.
    """
    truth = choosing.values()[:, place]
    right = told(chooser, _batch(choosing))[:, place] == truth
    before, reaches = seen(space, choosing), []
    for wanted in (0, 1):
        those = before.part((right & (truth != wanted)).nonzero().flatten()[:TRYING])
        asked = torch.full((len(those.x),), float(wanted))
        shares = {} if len(those.x) else {REACHES[0]: 1.0}
        for reach in REACHES if len(those.x) else ():
            made = edited(space, those, replace(found, reaches=(reach, reach)), asked)
            shares[reach] = float((told(chooser, made)[:, place] == wanted).double().mean())
            if shares[reach] >= ENOUGH:
                break
        reaches.append(max(shares, key=shares.__getitem__))
    return replace(found, reaches=(reaches[0], reaches[1]))


def edited(space: zs.Space, before: Seen, found: Read, wanted: Tensor) -> Tensor:
    """Faces edited to what is wanted, `[n, C, H, W]`: what `zs.edit` makes of each, all at once."""
    codes = before.codes
    far = found.strengths(codes.flat, wanted)
    moved = codes.like(codes.flat + far[:, None] * found.direction.vector)
    return (before.x + space.decode_tensor(moved) - before.decoded).clamp(0, 1)


def _require_edit(space: zs.Space, face: Faces, found: Read, wanted: Tensor, made: Tensor) -> None:
    """Holds what was made of a face to what `zs.edit` makes of it."""
    far = found.strengths(space.encode(face.pictures).flat, wanted)
    name, side = found.direction.name, int(wanted)
    asked = strength_to(
        space,
        face.pictures,
        found.direction,
        name,
        ("no", "yes")[side],
        reach=found.reaches[side],
    )
    assert abs(asked - float(far)) < 1e-3, "strength_to says otherwise"
    known = {name: found.direction}
    alone = zs.edit(space, face.pictures, {name: asked}, directions=known)
    assert torch.allclose(alone.x, made, atol=1e-4), "zs.edit says otherwise"


def _changes(
    space: zs.Space, found: list[Read], faces: Faces, network: nn.Module
) -> tuple[list[Tensor], list[Tensor]]:
    """Of each attribute which faces flip in the eyes of the network `[n]`, which others move."""
    before, truth, through = told(network, _batch(faces)), faces.values(), seen(space, faces)
    flips, moves = [], []
    for place, one in enumerate(found):
        rows = (before[:, place] == truth[:, place]).nonzero().flatten()[:EDITED]
        wanted = 1 - truth[rows, place].float()
        made = edited(space, through.part(rows), one, wanted)
        _require_edit(space, faces.part(rows[:1].numpy()), one, wanted[:1], made[:1])
        changed = told(network, made) != before[rows]
        others = [other for other in range(len(found)) if other != place]
        flips.append(changed[:, place].double())
        moves.append(changed[:, others].double())
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
        f"the judge not asked); others moved: the share of the other attributes that are "
        f"judged otherwise than before; any other moved: the share of faces with such a one; {said}"
    )
    for word, values in (("flip_share", flips), *_of_others(moves)):
        for place, name in enumerate(names):
            yield _share(
                f"{prefix}{name}_{word}", [values[place]], f"{_which(moves, place, names)}{how}"
            )
        yield _share(f"{prefix}{word}_mean", values, f"mean over {', '.join(names)}; {how}")


def _of_others(moves: list[Tensor]) -> list[tuple[str, list[Tensor]]]:
    """Both ways to count which others moved of each face, `[n]`: the share of them, and any."""
    if len(moves) == 1:
        return []
    shares, any_ = [moved.mean(1) for moved in moves], [moved.amax(1) for moved in moves]
    return [("others_moved_share", shares), ("any_other_moved_share", any_)]


def _which(moves: list[Tensor], place: int, names: list[str]) -> str:
    """How often each of the others moved, as words."""
    others = [name for name in names if name != names[place]]
    shares = moves[place].mean(0).tolist()
    told_of = [f"{name} {share:.1%}" for name, share in zip(others, shares, strict=True)]
    return f"moved: {', '.join(told_of)}; " if others else ""


def _of_a_shift(network: nn.Module, judging: Faces, said: str) -> Iterator[Figure]:
    """What moves in the eyes of a judge where a face is not edited, but one pixel to the right."""
    x = _batch(judging)[:EDITED]
    changed = (told(network, x.roll(1, 3)) != told(network, x)).double()
    number = changed.shape[1]
    moves = [changed[:, [other for other in range(number) if other != k]] for k in range(number)]
    for word, values in _of_others(moves):
        what = f"{EDITED} held-out faces, shifted by one pixel and not edited; {said}"
        yield _share(f"floor_shift_{word}_mean", values, what)


def _credentials(network: nn.Module, judging: Faces) -> str:
    """How often a judge is right: of faces as they come, and as if attributes were independent."""
    truth = judging.values()
    right = (told(network, _batch(judging)) == truth).double()
    weight = as_if_independent(truth)
    fair = (right * weight[:, None]).sum(0) / weight.sum()
    return (
        "a convolutional network trained on the first two parts, drawn as if the attributes were "
        f"independent, asked of the face and its mirror image, {_shares(right.mean(0))} right for "
        f"{', '.join(judging.known)} ({_shares(fair)} as if they were independent)"
    )


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
