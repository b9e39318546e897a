"""Columns that say what other columns say: copies, and one choice spread over several."""

import torch
from torch import Tensor

from zscape.measures.figure import Figure

SAME = 0.9999  # |correlation| above which two columns are copies
MOST = 512  # columns that are compared with each other


def copies(x: Tensor) -> list[tuple[int, int, Figure]]:
    """Pairs of columns of `[N, P]` with |correlation| above 0.9999; missing cells at the mean."""
    filled = _filled(x)[:, :MOST]
    centred = filled - filled.mean(0)
    spread = centred.square().mean(0).sqrt()
    varies = (spread > 1e-6).nonzero().flatten()
    standard = centred[:, varies] / spread[varies]
    correlation = standard.T @ standard / len(x)
    pairs = (correlation.abs() > SAME).triu(1).nonzero().tolist()
    found = []
    for left, right in pairs:
        a, b, value = int(varies[left]), int(varies[right]), float(correlation[left, right])
        figure = Figure(f"correlation of columns {a} and {b}", value, "correlation", "estimate")
        found.append((a, b, figure))
    return found


def one_hot_groups(x: Tensor) -> list[list[int]]:
    """Groups of three or more columns of `[N, P]`, of which exactly one is set in every row."""
    filled = _filled(x)[:, :MOST]
    low, high = filled.amin(0), filled.amax(0)
    two_valued = ((filled == low) | (filled == high)).all(0) & (high > low)
    candidates = two_valued.nonzero().flatten().tolist()
    on = (filled == high).double()
    groups: list[list[int]] = []
    while candidates:
        group = [candidates.pop(0)]
        total = on[:, group[0]].clone()
        for column in list(candidates):
            if bool((total * on[:, column] == 0).all()):
                group.append(column)
                total += on[:, column]
        if bool((total == 1).all()) and len(group) > 2:
            groups.append(group)
            candidates = [column for column in candidates if column not in group]
    return groups


def _filled(x: Tensor) -> Tensor:
    flat = x.flatten(1).double()
    return torch.where(flat.isnan(), flat.nanmean(0).nan_to_num(), flat)
