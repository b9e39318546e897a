"""How much better codes get when they are improved one by one: what an encoder leaves undone."""

import torch
from torch import Tensor

from zscape.measures.figure import NATS, Figure
from zscape.measures.likelihood import STREAM
from zscape.model.model import Model
from zscape.probability.distributions import DiagonalGaussian, StandardGaussian

EXAMPLES, STEPS, RATE, DRAWS = 64, 60, 3e-2, 8


def amortisation_gap(model: Model, x: Tensor, trained_x: Tensor, *, seed: int = 0) -> Figure | None:
    """The ELBO that held-out codes gain from being improved one by one, over that of training ones.

    Nats per example; above zero the encoder does worse on examples that it has not seen. Costs 60
    gradient steps on 128 examples. None unless there is one level, whose posterior is Gaussian and
    whose prior is the standard normal.

    Args:
        model: in evaluation mode; left as it was.
        x: held-out examples, `[N, *shape]`.
        trained_x: those it was trained on, `[M, *shape]`.
        seed: of the draws.

    Source: Cremer et al. 2018, section 3 (amortisation gap), arXiv:1801.03558.
    """
    gains = [_gain(model, part[:EXAMPLES], seed) for part in (x, trained_x)]
    if gains[0] is None or gains[1] is None:
        return None
    held, trained = gains[0].double(), gains[1].double()
    error = (held.var() / len(held) + trained.var() / len(trained)).sqrt().item()
    value = (held.mean() - trained.mean()).item()
    name = "ELBO that better codes give held-out examples, over training ones"
    return Figure(name, value, NATS, "estimate", error, "Cremer et al. 2018, section 3")


def _gain(model: Model, x: Tensor, seed: int) -> Tensor | None:
    """What each example gains, `[N]`."""
    with torch.no_grad():
        latents = model(x).latents
    first = latents[0]
    if len(latents) > 1 or not isinstance(first.q, DiagonalGaussian):
        return None
    if not isinstance(first.p, StandardGaussian):
        return None
    loc = first.q.loc.detach().clone().requires_grad_()
    log_scale = first.q.log_scale.detach().expand_as(loc).clone().requires_grad_()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM + seed)
        noise = torch.randn(DRAWS, *loc.shape)
        with torch.no_grad():
            before = _elbo(model, first.name, x, loc, log_scale, torch.randn_like(noise))
        _improve(model, first.name, x, loc, log_scale)
        with torch.no_grad():
            after = _elbo(model, first.name, x, loc, log_scale, noise)
    return after - before


def _improve(model: Model, name: str, x: Tensor, loc: Tensor, log_scale: Tensor) -> None:
    optimizer = torch.optim.Adam([loc, log_scale], lr=RATE)
    with torch.enable_grad():
        for _ in range(STEPS):
            bound = _elbo(model, name, x, loc, log_scale, torch.randn(1, *loc.shape))
            gradients = torch.autograd.grad(-bound.sum(), [loc, log_scale])
            loc.grad, log_scale.grad = gradients
            optimizer.step()


def _elbo(
    model: Model, name: str, x: Tensor, loc: Tensor, log_scale: Tensor, noise: Tensor
) -> Tensor:
    """The ELBO of each example under a posterior of its own, `[N]`, mean over draws."""
    z = loc + log_scale.exp() * noise
    trace = model(x, draws=len(noise), given={name: z})
    rate = 0.5 * (loc.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(-1)
    return trace.likelihood.log_prob(x).mean(0) - rate
