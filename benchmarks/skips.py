"""A VAE with linear skips around encoder and decoder that start at principal components."""

import torch
from torch import Tensor, nn

from zscape.modalities.modality import Modality
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.networks import decoder, encoder
from zscape.objective.objective import Objective, Reconstruction, Sum
from zscape.objective.rate import Rate
from zscape.probability.likelihoods import GaussianOptimal
from zscape.probability.posteriors import Gaussian
from zscape.probability.priors import Standard
from zscape.recipes import Recipe

STREAM = 0xFACE


def skipping(pictures: Tensor) -> Recipe:
    """A recipe whose linear skips start at the principal components of `[N, C, H, W]`."""
    x = pictures.flatten(1)
    centre, total = x.mean(0), x.var(0, correction=0).sum()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(STREAM)
        _, lengths, vectors = torch.pca_lowrank(x, q=min(256, len(x)), niter=3)
    values = lengths.square() / len(x)

    def skip_vae(
        data: Modality, *, latent: int = 192, beta: float = 0.1, network: str = "conv"
    ) -> tuple[Model, Objective]:
        """VAE with linear skips around encoder and decoder."""
        axes, spread = vectors[:, :latent], values[:latent].sqrt()
        left = (total - values[:latent].sum()) / (len(centre) - latent)  # along each other axis
        front = encoder(network, data.shape)
        posterior = Gaussian(front.features + len(centre), latent)
        with torch.no_grad():
            posterior.linear.weight.zero_()
            posterior.linear.weight[:latent, front.features :] = axes.T / spread[:, None]
            posterior.linear.bias[:latent] = -(centre @ axes) / spread
            posterior.linear.bias[latent:] = (beta * left / (beta * left + spread**2)).log()
        body = _Summed(nn.Linear(latent, len(centre)), decoder(network, latent, data.shape))
        with torch.no_grad():
            body.linear.weight.copy_(axes * spread)
            body.linear.bias.copy_(centre)
        level = Flat("z", prior=Standard(latent), posterior=posterior)
        model = Model(_Beside(front), [level], Decoder(body, GaussianOptimal(data.shape)))
        return model, Sum(Reconstruction(), Rate(beta))

    return skip_vae


class _Beside(nn.Module):
    """What a network says of a picture, and beside it the picture itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.network(x), x.flatten(-3)], -1)


class _Summed(nn.Module):
    """A linear map and what a network adds to it, at first nothing."""

    def __init__(self, linear: nn.Linear, network: nn.Module) -> None:
        super().__init__()
        self.linear, self.network = linear, network
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        added = self.network(z)
        return self.linear(z).reshape(added.shape) + self.share * added
