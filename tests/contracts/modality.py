"""What every modality promises: things become tensors, come back, and show themselves.

`for check in checks_for(case)` yields the promises as named functions, so that a modality from
outside is checked by the same code.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from zscape.errors import ShapeError
from zscape.modalities.found import Found
from zscape.modalities.modality import Pictures, Rows

LIKELIHOODS = {
    "bernoulli",
    "continuous_bernoulli",
    "discretized_logistic",
    "gaussian",
    "gaussian_learned",
    "negative_binomial",
    "columns",
    "sessions",
}
CELLS = LIKELIHOODS | {"categorical", "log_logistic"}
NETWORKS = {"mlp", "conv", "residual"}


@dataclass(frozen=True)
class Case:
    """Some things, how a modality is fitted to them, and when two of them count as the same."""

    name: str
    things: Callable[[], Any]
    find: Callable[[Any], Found]
    same: Callable[[Any, Any], None]  # raises where the things that came back differ
    misfit: Callable[[], Any]  # things of another size
    first: Callable[[Any], Any] = lambda things: things[0]  # one thing of many


@dataclass(frozen=True)
class Check:
    """A promise that can be called."""

    name: str
    run: Callable[[], None]


def checks_for(case: Case) -> Iterator[Check]:
    """The promises that this case is held to."""
    for check in (
        check_shapes,
        check_words,
        check_things_come_back,
        check_one_thing,
        check_record,
        check_show,
        check_misfit,
        check_frozen,
    ):
        yield Check(check.__name__.removeprefix("check_"), partial(check, case))


def check_shapes(case: Case) -> None:
    """Things are `[N, *shape]`, stored in a small type and seen as float32."""
    things = case.things()
    found = case.find(things)
    modality = found.modality
    assert found.x.shape == (modality.num_examples, *modality.shape)
    assert found.x.dtype in (torch.uint8, torch.float32)
    assert torch.equal(modality.encode(things).nan_to_num(-7), found.x.nan_to_num(-7))
    before = found.x.clone()
    seen = modality.prepare(found.x)
    assert seen.dtype == torch.float32
    assert seen.shape == found.x.shape
    assert torch.equal(found.x.nan_to_num(-7), before.nan_to_num(-7)), "prepare changed the store"
    assert not seen.isinf().any()


def check_words(case: Case) -> None:
    """Words are known ones, and columns there are as many as the shape says."""
    modality = case.find(case.things()).modality
    assert modality.likelihood in LIKELIHOODS
    assert modality.network.split(":")[0] in NETWORKS
    if modality.columns:
        assert modality.shape == (len(modality.columns),)
        assert {word for word, _ in modality.columns} <= LIKELIHOODS | {
            "categorical",
            "log_logistic",
        }


def check_things_come_back(case: Case) -> None:
    """Decoding what a model sees gives the things themselves."""
    things = case.things()
    found = case.find(things)
    case.same(found.modality.decode(found.modality.prepare(found.x)), things)


def check_one_thing(case: Case) -> None:
    """One thing is a batch of one."""
    things = case.things()
    found = case.find(things)
    alone = found.modality.encode(case.first(things))
    assert torch.equal(alone.nan_to_num(-7), found.x[:1].nan_to_num(-7))


def check_record(case: Case) -> None:
    """The fields are plain: written as JSON and read back they make an equal modality."""
    modality = case.find(case.things()).modality
    record = json.loads(json.dumps(dataclasses.asdict(modality), allow_nan=False))
    assert "kind" not in record, "the study writes the name of the modality there"
    assert type(modality)(**record) == modality


def check_show(case: Case) -> None:
    """Things show themselves as colour pictures or as rows of text, one each."""
    found = case.find(case.things())
    shown = found.modality.show(found.modality.prepare(found.x[:3]))
    if isinstance(shown, Pictures):
        assert shown.tiles.dtype == np.uint8
        assert shown.tiles.ndim == 4
        assert shown.tiles.shape[::3] == (3, 3)
    else:
        assert isinstance(shown, Rows)
        assert len(shown.cells) == 3
        assert all(len(row) == len(shown.columns) for row in shown.cells)
        assert all(isinstance(cell, str) for row in shown.cells for cell in row)


def check_misfit(case: Case) -> None:
    """Things of another size are refused."""
    modality = case.find(case.things()).modality
    with pytest.raises(ShapeError):
        modality.encode(case.misfit())


def check_frozen(case: Case) -> None:
    """A modality does not change."""
    modality = case.find(case.things()).modality
    with pytest.raises(dataclasses.FrozenInstanceError):
        modality.num_examples = 3
