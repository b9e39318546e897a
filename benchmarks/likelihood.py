"""Importance-weighted likelihoods of test pictures, and the floors that need no network."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

LogWeights = Callable[[Tensor, int], Tensor]


@torch.no_grad()
def importance_weighted_nll(
    log_weights: LogWeights, x: Tensor, *, draws: int, images: int = 20
) -> Tensor:
    """-log (1/S sum_s p(x, z_s) / q(z_s | x)) of each example `[N]`, in nats.

    An upper bound of the negative log-likelihood in expectation, tight as `draws` grows.

    Args:
        log_weights: (x `[B, ...]`, S) to log p(x, z) - log q(z | x), `[S, B]`.
        x: examples `[N, ...]`, uint8 or float.
        draws: S.
        images: B; 20 pictures times 200 draws stay in the cache.

    Source: Burda et al. 2016, eq. 8, arXiv:1509.00519.
    """
    weights = (log_weights(part.float(), draws) for part in x.split(images))
    return torch.cat([math.log(draws) - weight.logsumexp(0) for weight in weights])


def standard_error(values: Tensor) -> float:
    """Of the mean of independent values `[N]`."""
    return (values.std() / math.sqrt(len(values))).item()


def independent_pixels_nll(train: Tensor, test: Tensor) -> Tensor:
    """-log p(x) `[N]` in nats when each pixel is a coin of its training mean; exact."""
    on = (train.float().sum(0) + 0.5) / (len(train) + 1)
    return -_log_coins(test.float(), on[None]).squeeze(1)


def bernoulli_mixture(
    train: Tensor, *, components: int, seed: int, rounds: int = 40
) -> Iterator[Callable[[Tensor], Tensor]]:
    """After each round of EM, x `[N, D]` to the mixture's -log p(x) `[N]`, exact, in nats."""
    x = train.float()
    generator = torch.Generator().manual_seed(seed)
    on = 0.25 + 0.5 * x[torch.randperm(len(x), generator=generator)[:components]]
    shares = torch.full((components,), 1 / components)
    for _ in range(rounds):
        owners = (_log_coins(x, on) + shares.log()).softmax(1)
        counts = owners.sum(0)
        on = (owners.T @ x + 0.5 * x.mean(0)) / (counts[:, None] + 0.5).clamp(min=1e-6)
        on = on.clamp(1e-4, 1 - 1e-4)
        shares = (counts + 1) / (counts + 1).sum()
        yield (
            lambda z, on=on, shares=shares: -(_log_coins(z.float(), on) + shares.log()).logsumexp(1)
        )


def _log_coins(x: Tensor, on: Tensor) -> Tensor:
    """log p `[N, K]` of binary x `[N, D]` under coins `[K, D]`."""
    return x @ (on.log() - (1 - on).log()).T + (1 - on).log().sum(1)
