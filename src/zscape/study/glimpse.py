"""A look at a study in training: what the model of its last checkpoint makes."""

from dataclasses import dataclass

import torch

from zscape.model.model import Model
from zscape.study.checkpoints import last_checkpoint
from zscape.study.study import Study

WITHIN = "model."  # how the names of the model's tensors begin in a state


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A model as it was at a step.

    Attributes:
        model: in evaluation mode.
        step: optimiser steps done.
        epoch: epochs done or under way.
    """

    model: Model
    step: int
    epoch: int


def glimpse(study: Study) -> Glimpse | None:
    """The model of the last checkpoint, as its weights then were; None before the first.

    Raises:
        StudyError: all checkpoints are damaged.
    """
    start = last_checkpoint(study.path)
    if start is None:
        return None
    tensors, plain = start.state.tensors, start.state.plain
    own = {n.removeprefix(WITHIN): t for n, t in tensors.items() if n.startswith(WITHIN)}
    with torch.random.fork_rng(devices=[]):
        model, _ = study.build()
    model.load_state_dict(own)
    epoch = plain["epoch"] - (plain["batch"] == 0)  # of the next one nothing is done yet
    return Glimpse(model.eval(), plain["step"], epoch)
