"""Flat maps of codes, to be drawn elsewhere, and one map laid onto another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import DataError, ShapeError, unknown
from zscape.model.codes import Codes
from zscape.space.space import Space

METHODS = ("pca", "umap")
NEAREST, FEWEST = 15, 4  # neighbours that UMAP looks at, and codes that it needs


@dataclass(frozen=True, slots=True)
class Map:
    """Where codes lie on a plane.

    Attributes:
        points: `[N, 2]` float32.
        method: how they were laid out.
        explained: share of the variance of the space's codes that the plane keeps, in [0, 1];
            None where the method has no such share.
    """

    points: np.ndarray
    method: str
    explained: float | None

    @property
    def to_scale(self) -> bool:
        """Whether distances on the plane are those of the codes as far as the plane keeps them."""
        return self.method == "pca"


def map_codes(
    space: Space, *, method: str = "pca", codes: Codes | None = None, seed: int = 0
) -> Map:
    """A plane on which the codes of the data are spread, and where codes lie on it.

    PCA is fast, exact and keeps distances as far as a plane can; UMAP shows clusters better, but
    its distances are not to scale. Both axes come from the codes of the space's own data, so that
    points of several calls may be drawn together.

    Args:
        space: a space.
        method: "pca" or "umap".
        codes: the codes to place; none: those of the space's data.
        seed: of UMAP's layout.

    Raises:
        SpecError: an unknown method.
        DataError: UMAP without its package, or too few codes for it.

    Source: Pearson 1901, doi:10.1080/14786440109462720; McInnes et al. 2018, arXiv:1802.03426.
    """
    placed = (space.codes if codes is None else codes).flat
    if method == "pca":
        return _pca(space.codes.flat, placed)
    if method == "umap":
        return _umap(space.codes.flat, None if codes is None else placed, seed)
    raise unknown("method", method, list(METHODS))


@dataclass(frozen=True, slots=True)
class Alignment:
    """One map laid onto another.

    Attributes:
        points: the map turned, mirrored, scaled and shifted, `[N, 2]` float32.
        turn: `[2, 2]`, with the scale; `points` is the map times `turn` plus `shift`.
        shift: `[2]`.
        left_over: the mean square that is left between both, as a share of the variance of the
            other map, in [0, 1].
    """

    points: np.ndarray
    turn: np.ndarray
    shift: np.ndarray
    left_over: float


def align(points: np.ndarray, onto: np.ndarray) -> Alignment:
    """A map `[N, 2]` laid as near as may be onto another of the same things, by least squares.

    It is turned, mirrored, scaled and shifted as a whole, so that what still differs is the maps'.

    Raises:
        ShapeError: they are not of as many things.

    Source: Schonemann 1966, doi:10.1007/BF02289451; Gower 1975, doi:10.1007/BF02291478.
    """
    if points.shape != onto.shape:
        raise ShapeError(
            f"Maps that are laid onto each other must be of the same things, got {len(points):,} "
            f"and {len(onto):,}. Choose two studies of the same data."
        )
    own, other = points.astype(np.float64), onto.astype(np.float64)
    middle, there = own.mean(0), other.mean(0)
    left, sizes, right = np.linalg.svd((own - middle).T @ (other - there))
    energy = ((own - middle) ** 2).sum()
    turn = left @ right * (sizes.sum() / energy if energy > 0 else 1.0)
    moved = (own - middle) @ turn + there
    total = ((other - there) ** 2).sum()
    left_over = float(((moved - other) ** 2).sum() / total) if total > 0 else 0.0
    return Alignment(moved.astype(np.float32), turn, there - middle @ turn, left_over)


def _pca(data: Tensor, placed: Tensor) -> Map:
    mean = data.mean(0, dtype=torch.float64)
    centred = data.double() - mean
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(data))
    plane = axes[:, -2:].flip(1)
    # An axis may point either way; its largest loading is made positive, so that maps repeat.
    plane = plane * plane.gather(0, plane.abs().argmax(0, keepdim=True)).sign()
    points = torch.zeros(len(placed), 2)
    points[:, : plane.shape[1]] = ((placed.double() - mean) @ plane).float()
    total = variances.sum().item()
    share = variances[-2:].sum().item() / total if total > 0 else None
    return Map(points.numpy(), "pca", None if share is None else min(max(share, 0.0), 1.0))


def _umap(data: Tensor, placed: Tensor | None, seed: int) -> Map:
    package = _umap_package()
    if len(data) < FEWEST:
        raise DataError(
            f"method 'umap' must have at least {FEWEST} codes to lay out, got {len(data)}. "
            "Take method 'pca'."
        )
    nearest = min(NEAREST, len(data) - 1)
    # One job: UMAP repeats a seed's layout only then.
    reducer = package.UMAP(n_neighbors=nearest, n_components=2, random_state=seed, n_jobs=1)
    points = reducer.fit_transform(data.numpy())
    if placed is not None:
        points = reducer.transform(placed.numpy())
    return Map(np.asarray(points, dtype=np.float32), "umap", None)


def _umap_package() -> Any:
    try:
        import umap
    except ImportError as error:
        raise DataError(
            "method 'umap' must have the package umap-learn, which is not installed. "
            "Install it with: pip install 'zscape[maps]', or take method 'pca'."
        ) from error
    return umap
