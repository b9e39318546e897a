"""Terms with an opponent: of codes against permuted codes, the prior or groups, and of pictures."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu, softplus
from torch.nn.utils.parametrizations import spectral_norm

from zscape.model.model import Model
from zscape.model.trace import Latent, Trace
from zscape.networks import Encoder
from zscape.objective.apart import standardised
from zscape.objective.objective import Critic, Part

MARGIN = 0.1  # of an opponent no steeper than 1: pictures of few pixels lie near each other


class FactorCritic(Critic):
    """weight * KL(q(z) || prod_d q(z_d)) in nats, the log-odds that an opponent gives to codes.

    It tells codes from codes whose units were permuted over the batch, each on its own. The figure
    follows the total correlation from below: an opponent that lags sees less than there is
    (`surrogate`). Unlike a minibatch estimate it does not saturate near log B.
    Source: Kim and Mnih 2018, eq. 3 and algorithm 2, arXiv:1802.05983 (which permutes another
    batch; here the same one).

    Args:
        weight: gamma.
        latent: D, size of the code.
        widths: of the opponent's hidden layers.
    """

    def __init__(self, weight: float, *, latent: int, widths: tuple[int, ...]) -> None:
        self.weight = weight
        self.network = code_opponent(latent, widths)

    def __call__(self, trace: Trace, step: int) -> Part:
        """The mean log-odds of one draw of every example."""
        with _held(self.network):
            value = self.network(_codes(trace)).mean()
        return Part("total_correlation", value, self.weight * value)

    def critic_loss(self, trace: Trace, step: int) -> Tensor:
        """The cross entropy of codes against permuted codes, in nats; log 2 at chance."""
        z = _codes(trace).detach()
        # Sorting noise permutes on any device without waiting for it.
        order = torch.rand_like(z).argsort(0)
        return _cross_entropy(self.network, z, z.gather(0, order))


class PriorCritic(Critic):
    """weight * the cost of codes that an opponent tells from draws of the prior.

    The encoder minimises -log of the odds that its codes are prior draws (non-saturating); the
    figure reported is the opponent's mean log-odds, a surrogate of KL(q(z) || p(z)) in nats.
    Source: Makhzani et al. 2016, section 2, arXiv:1511.05644; Goodfellow et al. 2014, section 3,
    arXiv:1406.2661 (the non-saturating cost).

    Args:
        weight: of that cost against a nat of distortion.
        latent: D, size of the code.
        widths: of the opponent's hidden layers.
    """

    ranks = False  # its opinion moves from step to step

    def __init__(self, weight: float, *, latent: int, widths: tuple[int, ...]) -> None:
        self.weight = weight
        self.network = code_opponent(latent, widths)

    def __call__(self, trace: Trace, step: int) -> Part:
        """From one draw of every example."""
        with _held(self.network):
            odds = self.network(_codes(trace))
        return Part("mismatch", odds.mean(), self.weight * softplus(odds).mean())

    def critic_loss(self, trace: Trace, step: int) -> Tensor:
        """The cross entropy of codes against draws of the prior, in nats; log 2 at chance."""
        z, p = _codes(trace).detach(), trace.latents[0].p
        return _cross_entropy(self.network, z, p.sample().flatten(1))


class GroupCritic(Critic):
    """weight * (log G - H(q(group | z))) in nats: what an opponent can tell of the group by a code.

    The opponent names the group of an example, one of G, from its code; the encoder makes it as
    unsure as can be: 0 where it holds all groups for equally likely, log G where it is sure of one.
    Units are standardised by the batch: a code that shrinks would hide from it otherwise.
    It sees what a correlation cannot, and only as fast as it learns (`surrogate`).
    Source: Lample et al. 2017, section 3.2, arXiv:1706.00409; Springenberg 2016, eq. 3,
    arXiv:1511.06390 (the entropy, which has a floor where the opponent's loss has none).

    Args:
        name: of the level, which holds vectors `[B, D]`.
        weight: what a nat costs.
        latent: D.
        groups: G.
        widths: of the opponent's hidden layers.
    """

    ranks = False

    def __init__(
        self, name: str, weight: float, *, latent: int, groups: int, widths: tuple[int, ...]
    ) -> None:
        self.level = name
        self.weight = weight
        self.groups = groups
        self.network = code_opponent(latent, widths, outputs=groups)

    def __call__(self, trace: Trace, step: int) -> Part:
        """The mean over the batch, by one draw of every example."""
        with _held(self.network):
            told = self.network(standardised(trace[self.level].z[0])).log_softmax(-1)
        value = math.log(self.groups) + (told.exp() * told).sum(-1).mean()
        return Part("told_of_group", value, self.weight * value)

    def critic_loss(self, trace: Trace, step: int) -> Tensor:
        """The cross entropy of the groups that are known, in nats; log G at chance."""
        assert trace.context is not None, "groups are told in training"
        group = trace.context[:, 0]
        wanted = torch.where(group.isnan(), -1, group.nan_to_num()).long()
        said = self.network(standardised(trace[self.level].z[0].detach()))
        lost = cross_entropy(said, wanted, ignore_index=-1, reduction="sum")
        return lost / (wanted >= 0).sum().clamp(min=1)


class PictureCritic(Critic):
    """Likeness in an opponent's features, and the cost of pictures that it tells from data.

    similarity * |f(x) - f(x')|^2 / 2 - weight * (D(x') + D(x'')) / 2, where x' is the decoded code
    of x, x'' a decoded draw of the prior, f the opponent's last features and D its linear reading
    of them. The opponent has a hinge loss and layers of spectral norm 1, so that features move
    about as far as the picture does; D is in margins of 0.1.
    Source: Larsen et al. 2016, eqs. 7 and 8, arXiv:1512.09300; Miyato et al. 2018, eqs. 8 and 16,
    arXiv:1802.05957 (spectral norm, hinge).

    Args:
        model: whose pictures are judged; used, not owned.
        trunk: of the opponent, pictures `[B, C, H, W]` to features `[B, F]`.
        similarity: what half a squared distance of features costs.
        weight: of the opponent's opinion.
    """

    ranks = False

    def __init__(self, model: Model, trunk: Encoder, *, similarity: float, weight: float) -> None:
        self.model = model
        self.trunk, self.head = trunk, nn.Linear(trunk.features, 1)
        self.network = nn.Sequential(self.trunk, self.head)
        self.similarity = similarity
        self.weight = weight
        for layer in [m for m in self.network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]:
            layer.reset_parameters()  # a layer that starts at zero has no spectral norm of 1
            spectral_norm(layer)

    def __call__(self, trace: Trace, step: int) -> Part:
        """The mean similarity, in squared features; the cost holds the opinion too."""
        x, decoded = _pictures(trace)
        with _held(self.network):
            with torch.no_grad():
                wanted = self.trunk(x)
            found, drawn = self.trunk(torch.cat([decoded, self._drawn(trace)])).chunk(2)
            value = 0.5 * (found - wanted).square().sum(-1).mean()
            opinion = 0.5 * (self.head(found) + self.head(drawn)).mean() / MARGIN
        return Part("similarity", value, self.similarity * value - self.weight * opinion)

    def critic_loss(self, trace: Trace, step: int) -> Tensor:
        """The hinge loss of data against decoded codes and decoded draws; 2 at chance."""
        x, decoded = _pictures(trace)
        with torch.no_grad():
            made = torch.cat([decoded.detach(), self._drawn(trace)])
        said = relu(MARGIN - self.network(x)).mean() + relu(MARGIN + self.network(made)).mean()
        return said / MARGIN

    def _drawn(self, trace: Trace) -> Tensor:
        assert trace.x is not None, "a generated trace has observed nothing"
        drawn: Tensor = self.model.generate(len(trace.x), trace.context).likelihood.mean
        return drawn


def code_opponent(latent: int, widths: tuple[int, ...], *, outputs: int = 1) -> nn.Module:
    """A network from codes `[B, D]` to log-odds `[B, outputs]`."""
    layers: list[nn.Module] = []
    for before, after in pairwise((latent, *widths)):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


@contextmanager
def _held(network: nn.Module) -> Iterator[None]:
    """The opponent as it stands: its weights get no gradient and its statistics do not move."""
    training = network.training
    network.requires_grad_(False).eval()
    try:
        yield
    finally:
        network.requires_grad_(True).train(training)


def _cross_entropy(network: nn.Module, ones: Tensor, others: Tensor) -> Tensor:
    """Of log-odds that are to be high for the ones and low for the others."""
    return 0.5 * (softplus(-network(ones)).mean() + softplus(network(others)).mean())


def _codes(trace: Trace) -> Tensor:
    """One draw of every example's code, `[B, D]`."""
    latent: Latent = trace.latents[0]
    return latent.z[0].flatten(1)


def _pictures(trace: Trace) -> tuple[Tensor, Tensor]:
    """What was observed and what its code is decoded to, both `[B, C, H, W]`."""
    assert trace.x is not None, "a generated trace has observed nothing"
    decoded: Tensor = trace.likelihood.mean[0]
    return trace.x, decoded
