"""Independent components folded into a model, and uninformative units put to rest.

The unmixing goes into the last layer before the code and the first one after it, so the model
keeps its shape and decodes the same from posterior means.
"""

import warnings

import numpy as np
import torch
from torch import Tensor, nn

from zscape.errors import SpecError
from zscape.model.bound import rate_per_unit
from zscape.model.model import Decoder, Model
from zscape.objective.objective import Turn
from zscape.probability.posteriors import Gaussian

INFORMATIVE = 1.0  # nats of mean rate, above which a unit is unmixed; components of noise are noise
RESTING = 0.05  # nats of mean rate, up to which a unit is put to rest


def ica_turn(model: Model, *, step: int, least: float = INFORMATIVE) -> Turn:
    """The turn that, after so many steps, unmixes the informative units and rests unused ones.

    Args:
        model: which training will give it back; only its build is looked at here.
        step: of training.
        least: nats of mean rate, above which a unit is informative.

    Raises:
        SpecError: a model whose code is not one Gaussian level between two linear layers.
    """
    _ends(model)

    def change(model: Model, x: Tensor) -> None:
        if fold_ica(model, x, least=least):
            rest_units(model, x)

    return Turn(step, change, hold_resting)


@torch.no_grad()
def fold_ica(model: Model, x: Tensor, *, least: float = INFORMATIVE) -> int:
    """Turns a model's informative units into independent components; returns how many those are.

    FastICA (cube, for sources flatter than a Gaussian) of the posterior means gives s = W (mu - m);
    W goes into the posterior, its inverse into the decoder. Components are scaled so that the
    variance of a code drawn from the posterior is 1, as the prior has it. Means decode to what they
    did. Posterior variances stay diagonal, so off the means it is another model until it is
    trained on. Fewer than two informative units, or examples than units, leave all as it is.

    Args:
        model: whose code is one Gaussian level between two linear layers; in evaluation mode.
        x: examples `[N, *shape]`; some thousands determine the components well.
        least: nats of mean rate, above which a unit is unmixed.

    Raises:
        SpecError: another kind of model.

    Source: Hyvarinen 1999 (FastICA), doi:10.1109/72.761722; Locatello et al. 2019 (VAE codes
    are identified only up to a rotation), arXiv:1811.12359.
    """
    after, before = _ends(model)
    (latent,) = model.latents(x)
    rates = rate_per_unit(latent)
    assert rates is not None, "a Gaussian and a standard prior have a rate per unit"
    units = (rates.mean(0) > least).nonzero().flatten()
    if len(units) < 2 or len(x) <= len(units):
        return 0
    raw = after(model.encoder(x)).double().cpu()
    means, log_variances = (part[:, units.cpu()] for part in raw.chunk(2, dim=-1))
    unmixing, centre = _components(means)
    # Variances of independent noises add up with squared weights.
    shares = unmixing.square() @ log_variances.exp().mean(0)
    scale = (1 + shares).rsqrt()
    _rotate_posterior(after, units, scale[:, None] * unmixing, centre, log_variances.mean(0))
    mixing = torch.linalg.inv(scale[:, None] * unmixing)
    weight = before.weight[:, units].double().cpu()
    before.bias.add_((weight @ centre).to(before.bias))
    before.weight[:, units] = (weight @ mixing).to(before.weight)
    return len(units)


@torch.no_grad()
def rest_units(model: Model, x: Tensor, *, least: float = RESTING) -> int:
    """Sets units of little mean rate to the prior, for good; returns how many those are.

    The decoder forgets them, but for their mean, and for as long as these parameters are trained
    their gradients are held at 0. A unit that is nearly unused would otherwise keep a little of
    every factor.

    Args:
        model: whose code is one Gaussian level between two linear layers; in evaluation mode.
        x: examples `[N, *shape]`.
        least: nats of mean rate, at or below which a unit rests.

    Raises:
        SpecError: another kind of model.
    """
    after, before = _ends(model)
    (latent,) = model.latents(x)
    rates = rate_per_unit(latent)
    assert rates is not None, "a Gaussian and a standard prior have a rate per unit"
    resting = rates.mean(0) <= least
    before.bias.add_(before.weight[:, resting] @ latent.z.mean(0)[resting])
    before.weight[:, resting] = 0
    rows = torch.cat([resting, resting])
    after.weight[rows], after.bias[rows] = 0, 0
    hold_resting(model)
    return int(resting.sum())


def hold_resting(model: Model) -> None:
    """Holds the gradients of resting units, whose weights are all 0, at 0 from now on."""
    after, before = _ends(model)
    awake = before.weight.detach().any(0).to(before.weight)
    rows = torch.cat([awake, awake])
    for parameter, kept in (
        (before.weight, awake),
        (after.weight, rows[:, None]),
        (after.bias, rows),
    ):
        parameter.register_hook(lambda gradient, kept=kept: gradient * kept)


def _ends(model: Model) -> tuple[nn.Linear, nn.Linear]:
    """The linear layers before and after the code."""
    posterior = model.levels[0].posterior
    if len(model.levels) == 1 and isinstance(posterior, Gaussian):
        decoder, width = model.decoder, posterior.linear.out_features // 2
        if isinstance(decoder, Decoder):
            first = next(m for m in decoder.network.modules() if not list(m.children()))
            if isinstance(first, nn.Linear) and first.in_features == width:
                return posterior.linear, first
    raise SpecError(
        "Independent components must have one level with a Gaussian posterior and a decoder that "
        f"begins with a linear layer, got {len(model.levels)} with {type(posterior).__name__}. "
        "Use the network 'mlp', 'conv' or 'coordinate'."
    )


def _components(means: Tensor) -> tuple[Tensor, Tensor]:
    """The unmixing matrix `[K, K]` to components of unit variance, and the centre `[K]`."""
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    ica = FastICA(whiten="unit-variance", fun="cube", max_iter=1000, tol=1e-5, random_state=0)
    with warnings.catch_warnings():
        # Two nearly Gaussian components have no best rotation; any will do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        ica.fit(means.numpy())
    return torch.from_numpy(np.asarray(ica.components_)), torch.from_numpy(np.asarray(ica.mean_))


def _rotate_posterior(
    linear: nn.Linear, units: Tensor, unmixing: Tensor, centre: Tensor, log_variances: Tensor
) -> None:
    """Lets a layer give the means of the components, and their log-variances to first order.

    log sum_j W_kj^2 v_j is linear in the log v_j about their means, with the shares of each as
    weights.
    """
    below = units + linear.out_features // 2
    parts = unmixing.square() * log_variances.exp()
    total = parts.sum(1, keepdim=True)
    shares = parts / total
    for rows, matrix, shift in (
        (units, unmixing, -unmixing @ centre),
        (below, shares, total[:, 0].log() - shares @ log_variances),
    ):
        weight, bias = linear.weight[rows].double().cpu(), linear.bias[rows].double().cpu()
        linear.weight[rows] = (matrix @ weight).to(linear.weight)
        linear.bias[rows] = (matrix @ bias + shift).to(linear.bias)
