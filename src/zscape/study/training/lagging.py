"""Steps that leave the decoder alone, so that a lagging encoder catches up early in training."""

from torch import nn

from zscape.model.batch import Batch
from zscape.model.level import Level
from zscape.model.model import Model
from zscape.objective.aggregate import mutual_information

EPOCHS = 5  # after which encoder and decoder go together whatever the code carries


class EncoderFirst:
    """Lets only the encoder move in `steps` of `steps` + 1 steps, while it learns to say more.

    It ends with the first epoch in which the mutual information of a batch and its codes did not
    climb, and after 5 at most.
    Source: He et al. 2019, algorithm 1, arXiv:1901.05534 (there the number of steps is found by
    the loss).

    Args:
        steps: encoder steps for each step of everything; 0: none.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.active = steps > 0
        self.epochs = 0
        self.most = 0.0

    def groups(self, model: Model) -> list[list[nn.Parameter]]:
        """All parameters in one group; of two if the encoder ever leads, which is the first."""
        parameters = list(model.parameters())
        if not self.steps:
            return [parameters]
        encoding = _encoding(model)
        ours = [parameter for parameter in parameters if id(parameter) in encoding]
        return [ours, [parameter for parameter in parameters if id(parameter) not in encoding]]

    def holds(self, step: int) -> int:
        """How many groups move in this step, from the first; 0: all."""
        return int(self.active and step % (self.steps + 1) < self.steps)

    def hear(self, model: Model, batch: Batch) -> None:
        """Measures, at the end of an epoch, whether the codes of a batch say more of it."""
        latents = model(batch.x, batch.context).latents
        said = sum(mutual_information(latent).item() for latent in latents)
        self.epochs += 1
        self.active = said > self.most and self.epochs < EPOCHS
        self.most = max(self.most, said)


def _encoding(model: Model) -> set[int]:
    encoding = {id(parameter) for parameter in model.encoder.parameters()}
    for level in model.levels:
        assert isinstance(level, Level)
        encoding |= {id(parameter) for parameter in level.posterior.parameters()}
    return encoding
