"""Directions in a space: what to add to a code so that one property changes, and the evidence.

A direction is found from examples with and without something, from a known class or number, or
without labels. Moving things along directions is the business of `edits`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, SpecError, unknown
from zscape.space.known import Known, known_numbers
from zscape.space.readouts import FOLDS, Readout, read_out
from zscape.space.space import Space, all_codes_of, are_indices
from zscape.space.units import informative_units

LEAST_ENERGY = 1e-12  # of a direction, below which the codes do not know the property


@dataclass(frozen=True, slots=True, repr=False)
class Direction:
    """One property as a line through the codes.

    Attributes:
        name: of the property.
        vector: what to add to a flat code for a strength of 1, `[D]`: it moves the property's
            read-out by one standard deviation over the codes of the data.
        readout: how the property is read off a flat code, `[D]`; along `vector` it grows.
        score: how well it can be read off codes that did not teach it, or None where nothing was
            taught, or where labels taught the codes themselves.
        measure: what `score` is: "AUC" or "R2" (by 5 folds), or "share of variance".
        number: how many examples taught it.
        leakage: how far a strength of 1 moves the read-out of every other known property, in
            standard deviations of that.
    """

    name: str
    vector: Tensor
    readout: Tensor
    score: float | None
    measure: str
    number: int
    leakage: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name and evidence in a line."""
        told = "" if self.score is None else f", {self.measure} {self.score:.3f}"
        return f"Direction({self.name!r}{told}, {self.number:,} examples)"


def find_direction(
    space: Space,
    positive: Any,
    negative: Any = None,
    *,
    name: str = "",
    apart_from: Sequence[str] = (),
) -> Direction:
    """The direction of a property, from what is known of it, with its evidence.

    The read-out w is a ridge regression on the codes, its strength chosen by leaving one out. The
    codes move along S w, S their covariance: the way in which codes that differ in the property
    differ most likely, which is not w itself where units are correlated. With `apart_from` they
    move along S W (W' S W)^-1 e, which leaves the read-outs of these other properties as they are.

    Args:
        space: a space.
        positive: the name of a known attribute or class; or things that have the property: indices,
            codes or things, one or many.
        negative: things that do not have it; none: all other examples.
        name: of the direction; none: that of the attribute or class.
        apart_from: attributes and classes that are to stay as they are.

    Raises:
        SpecError: an unknown name, or a property that the codes do not know.
        DataError: fewer than 5 examples on a side.

    Source: Haufe et al. 2014, eq. 6 (from read-outs to the patterns that cause them),
    doi:10.1016/j.neuroimage.2013.10.067; Radford et al. 2016, section 6.3.2 (differences of mean
    codes), arXiv:1511.06434.
    """
    known, folds = known_numbers(space), 0 if space.taught_by_labels else FOLDS
    others = {other: known.numbers(other) for other in apart_from}
    if isinstance(positive, str):
        own = read_out(space.codes.flat, known.numbers(positive), name=positive, folds=folds)
    else:
        codes, values = _examples(space, positive, negative)
        own = read_out(codes, values, name=name or "examples", folds=folds)
    kept = [read_out(space.codes.flat, values, name=n, folds=0) for n, values in others.items()]
    vector = _moved(space.codes.flat, own, kept)
    direction = Direction(
        name=name or own.name,
        vector=vector,
        readout=own.weights,
        score=own.score,
        measure=own.measure,
        number=own.number,
    )
    return _with_leakage(direction, space, known)


def unjudged(space: Space, name: str) -> Direction:
    """The direction of a known property alone, without its evidence: `find_direction` has both.

    Raises:
        SpecError: an unknown name, or a property that the codes do not know.
        DataError: fewer than 5 examples on a side.
    """
    codes = space.codes.flat
    own = read_out(codes, known_numbers(space).numbers(name), name=name, folds=0)
    return Direction(name, _moved(codes, own, []), own.weights, None, own.measure, own.number)


def unsupervised_directions(
    space: Space, *, method: str = "pca", number: int = 8, seed: int = 0
) -> tuple[Direction, ...]:
    """Directions that no label taught, those that say the most first.

    Args:
        space: a space.
        method: "pca" (the axes along which codes vary the most), "ica" (independent ones), or
            "units" (single units, by their rate).
        number: how many at most.
        seed: of the start of "ica".

    Raises:
        SpecError: an unknown method, or no direction asked for.

    Source: Harkonen et al. 2020, section 3.1 (PCA of codes), arXiv:2004.02546; Hyvarinen 1999,
    eq. 20 (FastICA), doi:10.1109/72.761722.
    """
    if number < 1:
        raise SpecError(f"number must be at least 1, got {number}. 8 is a usual number.")
    if method not in _METHODS:
        raise unknown("method", method, list(_METHODS))
    vectors, readouts, shares = _METHODS[method](space, number, seed)
    known, codes = known_numbers(space), space.codes.flat
    found = []
    for rank, (vector, readout, share) in enumerate(zip(vectors, readouts, shares, strict=True)):
        name = f"{method}{rank + 1}" if method != "units" else f"unit{int(vector.argmax())}"
        bare = Direction(name, vector, readout, share, "share of variance", len(codes))
        found.append(_with_leakage(bare, space, known))
    return tuple(found)


def _examples(space: Space, positive: Any, negative: Any) -> tuple[Tensor, np.ndarray]:
    """Codes of both sides `[M, D]`, and 1 or 0 for each."""
    with_it = all_codes_of(space, positive).flat
    if negative is None:
        rest = torch.ones(len(space.codes), dtype=torch.bool)
        if are_indices(positive):
            rest[torch.as_tensor(np.asarray(positive))] = False
        without = space.codes.flat[rest]
    else:
        without = all_codes_of(space, negative).flat
    values = np.concatenate([np.ones(len(with_it)), np.zeros(len(without))])
    if min(len(with_it), len(without)) < FOLDS:
        raise DataError(
            f"A direction must have at least {FOLDS} examples on each side, got {len(with_it)} "
            f"with the property and {len(without)} without. Give more."
        )
    return torch.cat([with_it, without]), values


def _moved(codes: Tensor, own: Readout, kept: Sequence[Readout]) -> Tensor:
    """What moves the own read-out by one standard deviation, and the kept ones not at all."""
    centred = (codes - codes.mean(0)).double()
    weights = torch.stack([own.weights, *(other.weights for other in kept)]).double()
    # S W without the covariance S itself, which is large where codes are.
    read = centred @ weights.T
    pattern, energy = centred.T @ read / len(centred), read.T @ read / len(centred)
    if energy[0, 0] < LEAST_ENERGY:
        raise SpecError(
            f"The codes must know {own.name!r} to have a direction of it, and they do not. Train "
            "with a larger latent, or choose another."
        )
    apart = torch.linalg.solve(energy, torch.eye(len(weights), dtype=energy.dtype)[:, 0])
    found: Tensor = pattern @ apart * energy[0, 0].sqrt()
    return found.float()


def _with_leakage(direction: Direction, space: Space, known: Known) -> Direction:
    leakage = {}
    for name in known.names:
        if name == direction.name:
            continue
        readout = known.readout(name)
        if readout is None:
            continue
        spread = (space.codes.flat @ readout.weights).std(correction=0)
        leakage[name] = float(direction.vector @ readout.weights / spread.clamp(min=1e-12))
    return replace(direction, leakage=leakage)


def _principal(space: Space, number: int, seed: int) -> tuple[Tensor, Tensor, list[float]]:
    centred = (space.codes.flat - space.codes.flat.mean(0)).double()
    _, lengths, axes = torch.linalg.svd(centred, full_matrices=False)
    scale = lengths / len(centred) ** 0.5
    shares = (lengths.square() / lengths.square().sum()).tolist()
    chosen = axes[:number]
    return (chosen * scale[:number, None]).float(), chosen.float(), shares[:number]


def _independent(space: Space, number: int, seed: int) -> tuple[Tensor, Tensor, list[float]]:
    from sklearn.decomposition import FastICA

    codes = space.codes.flat.double().numpy()
    size = min(number, codes.shape[1])
    ica = FastICA(size, whiten="unit-variance", random_state=seed, max_iter=1000, tol=1e-3)
    ica.fit(codes)
    vectors = torch.from_numpy(ica.mixing_.T).float()
    shares = vectors.square().sum(1) / float(codes.var(0).sum())
    order = shares.argsort(descending=True)
    readouts = torch.from_numpy(ica.components_).float()
    return vectors[order], readouts[order], shares[order].tolist()


def _single(space: Space, number: int, seed: int) -> tuple[Tensor, Tensor, list[float]]:
    codes = space.codes.flat
    units, spread = informative_units(space, number), codes.std(0, correction=0)
    readouts = torch.eye(codes.shape[1])[units]
    shares = spread.square()[units] / spread.square().sum()
    return readouts * spread, readouts, shares.tolist()


_METHODS = {"pca": _principal, "ica": _independent, "units": _single}
