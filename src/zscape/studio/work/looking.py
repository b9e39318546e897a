"""What a study is, its codes, and where they lie on a plane."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zscape.errors import SpecError
from zscape.space.levels import level_names, units_of
from zscape.space.maps import align, map_codes
from zscape.space.paths import METHODS as WAYS
from zscape.space.space import Space
from zscape.studio.work.made import Made, Missing, is_pictures, packed, rows, told
from zscape.studio.work.shelf import Opened
from zscape.study.study import modality_record

MOST_VALUES = 1000  # of a condition that are told

Plane = tuple[np.ndarray, np.ndarray]  # origin [D] and axes [2, D]


def details(opened: Opened) -> Made:
    """What a study is."""
    space, asked = opened.space, opened.study.asked
    channels, height, width = space.modality.shape if is_pictures(space) else (0, 0, 0)
    names = [] if is_pictures(space) else rows(space, _some(space)).columns
    picture = {"height": height, "width": width, "channels": channels}
    return told(
        {
            "shows": "pictures" if is_pictures(space) else "rows",
            "picture": picture if is_pictures(space) else None,
            "kind": modality_record(space.modality)["kind"],
            "columns": list(names),
            "latent": opened.latent,
            "levels": _levels(space),
            "items": len(space.codes),
            "kept": len(space.kept),
            "all_kept": len(space.kept) == len(space.codes),
            "labels": list(space.label_names),
            "named": bool(space.names),
            "asked": {name: asked[name] for name in ("recipe", "options", "training")},
            "notes": [str(note) for note in asked["data"].get("notes", ())],
            "conditions": _conditions(space),
            "methods": {"projection": _methods(), "path": list(WAYS)},
        }
    )


def names(opened: Opened) -> Made:
    """What each item is called by itself, as the id of a session; of things without names none."""
    return told({"names": list(opened.space.names)})


def codes(opened: Opened, dtype: str) -> Made:
    """All codes `[N, D]`."""
    flat = opened.space.codes.flat.numpy()
    header = {"items": len(flat), "latent": opened.latent}
    if dtype != "i8":
        cast = np.float32 if dtype == "f32" else np.float16
        return packed(header, {"z": flat.astype(cast)})
    low, high = flat.min(0), flat.max(0)
    step = np.maximum((high - low) / 254, np.finfo(np.float32).tiny).astype(np.float32)
    centre = ((high + low) / 2).astype(np.float32)
    small = np.rint((flat - centre) / step).clip(-127, 127).astype(np.int8)
    return packed(header, {"z": small, "centre": centre, "step": step})


def projection(
    opened: Opened, method: str, dims: list[int], onto: Opened | None, umap: bytes
) -> Made:
    """Where codes lie on a plane, and the plane itself where it has a way back.

    Args:
        opened: a study.
        method: "pca", "dims" or "umap".
        dims: the two units of "dims".
        onto: the study onto whose map this one is laid.
        umap: points of a layout by UMAP, float32 `[N, 2]`; empty: there is none yet.
    """
    points, plane, explained = _laid_out(opened, method, dims, umap)
    error = None
    if onto is not None:
        aligned = align(points, _laid_out(onto, "pca" if method == "umap" else method, dims)[0])
        points, error = aligned.points, aligned.left_over
        plane = plane and _turned(plane, aligned.turn, aligned.shift)
    low, high = points.min(0), points.max(0)
    spread = np.where(high > low, high - low, 1.0)
    steps = np.rint((points - low) / spread * 65535).astype(np.uint16)
    header = {
        "method": method,
        "x": [float(low[0]), float(low[0] + spread[0])],
        "y": [float(low[1]), float(low[1] + spread[1])],
        "explained": explained,
        "to_scale": method != "umap",
        "plane": plane and {"origin": plane[0].tolist(), "axes": plane[1].tolist()},
        "alignment_error": error,
    }
    return packed(header, {"xy": steps})


def _laid_out(
    opened: Opened, method: str, dims: list[int], umap: bytes = b""
) -> tuple[np.ndarray, Plane | None, float | None]:
    """Points `[N, 2]`, the plane that they stand for, and the share of the variance it keeps."""
    space, latent = opened.space, opened.latent
    if method == "pca":
        # The axes are where unit codes fall, seen from where the origin falls.
        probes = torch.cat([torch.zeros(1, latent), torch.eye(latent)])
        both = space.codes.like(torch.cat([space.codes.flat, probes]))
        laid = map_codes(space, codes=both)
        points, probed = laid.points[: -latent - 1], laid.points[-latent - 1 :]
        axes = (probed[1:] - probed[0]).T
        return points, (space.codes.flat.mean(0).numpy(), axes), laid.explained
    if method == "umap":
        points = np.frombuffer(umap, np.float32).reshape(-1, 2)
        if len(points) != len(space.codes):
            raise Missing(
                "not_ready",
                "A map by UMAP must be laid out first, and is not. Start a job 'project'.",
            )
        return points, None, None
    return _units_plane(opened, dims)


def _units_plane(opened: Opened, dims: list[int]) -> tuple[np.ndarray, Plane, float | None]:
    flat, latent = opened.space.codes.flat, opened.latent
    if len(dims) != 2 or not all(0 <= d < latent for d in dims) or dims[0] == dims[1]:
        raise SpecError(
            f"dims must be two units from 0 to {latent - 1}, got {dims}. '0,1' are the first two."
        )
    origin = flat.mean(0)
    origin[dims] = 0
    axes = torch.eye(latent)[dims]
    variances = flat.var(0, correction=0)
    total = float(variances.sum())
    share = float(variances[dims].sum()) / total if total > 0 else None
    return flat[:, dims].numpy(), (origin.numpy(), axes.numpy()), share


def _turned(plane: Plane, turn: np.ndarray, shift: np.ndarray) -> Plane:
    """The plane in the coordinates of a map that was turned."""
    axes = np.linalg.pinv(turn) @ plane[1]
    return plane[0] - shift @ axes, axes


def _levels(space: Space) -> list[dict[str, Any]]:
    found = []
    for name in level_names(space):
        units = units_of(space, name)
        shape = list(space.codes[name].shape[1:])
        found.append({"name": name, "start": units.start, "stop": units.stop, "shape": shape})
    return found


def _conditions(space: Space) -> list[dict[str, Any]]:
    found = []
    for field in space.known.fields:
        kind = "text" if field.words else "class" if field.names else "number"
        values = list(field.names or field.words)[:MOST_VALUES]
        about = {"mean": field.mean, "scale": field.scale} if kind == "number" else {}
        found.append({"name": field.name, "kind": kind, "values": values, **about})
    return found


def _methods() -> list[str]:
    return ["pca", "dims", *(["umap"] if find_spec("umap") else [])]


def _some(space: Space) -> Tensor:
    return space.decode_tensor(space.codes[:1])
