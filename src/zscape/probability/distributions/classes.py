"""One class out of several as a one-hot vector: a code that a walk can take in."""

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl
from torch.nn.functional import one_hot

from zscape.probability.distributions.shapes import Shape, at_least_float32, expand_batch

NEVER = -1e4  # nats of a class that cannot be: exp is exactly 0, and 0 times it is 0


class OneHot(Distribution):
    """A class as a one-hot vector `[..., K]`, in nats; where it is told, that class for sure.

    Args:
        logits: unnormalised log-probabilities `[..., K]`: the guess where nothing is told.
        told: class numbers `[...]`, nan where unknown; None: all are.
        in_turn: K draws at once are the K classes, one after the other: a sum without noise.
    """

    has_rsample = False

    def __init__(
        self, logits: Tensor, told: Tensor | None = None, *, in_turn: bool = False
    ) -> None:
        self.guess = at_least_float32(logits).log_softmax(-1)
        self.told = told
        self.in_turn = in_turn
        self.log_probs = self.guess if told is None else _overruled(self.guess, told)
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The probabilities of the classes, `[..., K]`."""
        return self.log_probs.exp()

    @property
    def variance(self) -> Tensor:
        """Of each entry of the vector, `[..., K]`."""
        return self.mean * (1 - self.mean)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """One-hot vectors `[*sample_shape, ..., K]`."""
        classes = self.log_probs.shape[-1]
        lead = (*sample_shape, *self.batch_shape)
        with torch.no_grad():
            if self.in_turn and tuple(sample_shape) == (classes,):
                each = torch.eye(classes, device=self.log_probs.device)
                return each.view(classes, *(1 for _ in self.batch_shape), classes).expand(*lead, -1)
            logits = self.log_probs.expand(*lead, classes)
            noise = -torch.empty_like(logits).exponential_().log()
            return one_hot((logits + noise).argmax(-1), classes).to(logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability in nats of one-hot vectors `[..., K]`."""
        return (value * self.log_probs).sum(-1)

    def entropy(self) -> Tensor:
        """In nats, `[...]`."""
        return -(self.mean * self.log_probs).sum(-1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "OneHot":
        """The same distribution with leading dims `batch_shape`, as a view."""
        told = None if self.told is None else self.told.expand(batch_shape)
        return OneHot(expand_batch(self.guess, batch_shape, 1), told, in_turn=self.in_turn)


def _overruled(guess: Tensor, told: Tensor) -> Tensor:
    """Log-probabilities `[..., K]`: the guess, or certainty where a class is told."""
    unknown = told.isnan()
    label = one_hot(told.masked_fill(unknown, 0).long(), guess.shape[-1])
    return torch.where(unknown[..., None], guess, NEVER * (1 - label).to(guess.dtype))


def _kl(q: OneHot, p: OneHot) -> Tensor:
    return (q.mean * (q.log_probs - p.log_probs)).sum(-1)


# What makes torch.distributions.kl_divergence know the pair.
register_kl(OneHot, OneHot)(_kl)
