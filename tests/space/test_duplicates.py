"""Duplicates: planted copies, exact and near, of pictures and of rows, are found; others not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from zscape.errors import SpecError
from zscape.model.codes import Codes
from zscape.space.duplicates import duplicates
from zscape.study.run import fit

RANDOM = np.random.default_rng(0)
KEPT = torch.arange(1)
PICTURES = (RANDOM.random((200, 8, 8)) * 255).astype("uint8")


def spaced(data=PICTURES):
    """A space whose codes may be moved."""
    space = fit(data, recipe="ae", latent=6, network="mlp:16", epochs=1, seed=0)
    return replace(space, codes=Codes({"z": space.codes["z"].clone()}))


def test_planted_copies_of_pictures_are_found_and_nothing_else():
    noisy = np.clip(PICTURES[:4] + RANDOM.normal(0, 2, (4, 8, 8)), 0, 255).astype("uint8")
    data = np.concatenate([PICTURES, PICTURES[[5, 9, 5]], noisy])
    space = fit(data, recipe="ae", latent=6, network="mlp:16", epochs=1, seed=0)
    found = duplicates(space)
    assert found.exact == ((5, 200, 202), (9, 201))
    assert {(p.first, p.second) for p in found.near} == {(n, 203 + n) for n in range(4)}
    assert all(p.codes < 0.3 and p.things < 0.3 for p in found.near)
    assert found.compared == len(data)


def test_codes_that_meet_are_no_duplicates_where_the_things_differ():
    space = spaced()
    space.codes["z"][1] = space.codes["z"][0] + 1e-6
    assert duplicates(space).near == ()


def test_what_was_not_kept_is_judged_by_its_code():
    space = spaced()
    space.codes["z"][1] = space.codes["z"][0] + 1e-6
    found = duplicates(replace(space, items=space.items[2:], kept=space.kept[2:]))
    assert [(p.first, p.second, p.things) for p in found.near] == [(0, 1, None)]
    assert found.compared == len(PICTURES) - 2


def test_rows_with_classes_and_missing_cells():
    rows = pd.DataFrame({"a": RANDOM.normal(size=120), "b": RANDOM.normal(size=120)})
    rows["kind"] = RANDOM.choice(["x", "y", "z"], 120)
    rows.loc[7, "a"] = np.nan
    near = rows.iloc[[3]].assign(a=rows.a[3] + 1e-3)
    data = pd.concat([rows, rows.iloc[[7]], near], ignore_index=True)
    found = duplicates(fit(data, recipe="ae", latent=4, network="mlp:16", epochs=1, seed=0))
    assert found.exact == ((7, 120),)
    assert (3, 121) in {(p.first, p.second) for p in found.near} and len(found.near) < 6


@pytest.mark.parametrize("within", [0, 1, -1, float("nan")])
def test_a_share_that_cannot_be_is_refused(within):
    with pytest.raises(SpecError, match="within must be above 0"):
        duplicates(spaced(PICTURES[:20]), within=within)


def test_a_code_that_says_nothing_makes_no_duplicates():
    space = spaced()
    space.codes["z"][:] = torch.zeros(200, 6)
    assert duplicates(space).near == ()


def test_things_that_are_all_equal_are_one_group():
    found = duplicates(replace(spaced(), items=torch.zeros(200, 1, 8, 8, dtype=torch.uint8)))
    assert found.exact == (tuple(range(200)),) and found.near == ()


def test_a_plane_full_of_codes_has_hardly_a_pair_by_chance():
    space = spaced()
    flat = torch.from_numpy(RANDOM.random((200, 6))).float()
    flat[:, 2:] = 0
    found = duplicates(replace(space, codes=Codes({"z": flat}), items=space.items[:1], kept=KEPT))
    assert found.within < 0.05 and len(found.near) <= 3
