"""A prior whose draws begin as those of a noisy mixture and are freed of the noise step by step.

It knows no training loop: `matcher` is what it is fitted by.
"""

import math
from collections.abc import Callable

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from zscape.probability.conditional import Conditional
from zscape.probability.distributions import FullGaussianMixture
from zscape.probability.distributions.shapes import Shape, at_least_float32
from zscape.probability.priors import FullMixture

EXACT = 3  # units up to which the divergence is computed, and above which it is estimated
MOST_NOISE, LEAST_NOISE = 1.0, 0.02  # standard deviations, where those of the codes are about 1
DENSITY_STEPS = 16  # at least, as a density shows the error of a step sooner than draws do
SILENT = 1e-4  # difference of a context from that of nothing, up to which it says nothing
BEND = 3.0  # how much longer the steps are at much noise than at little


class Diffusion(Conditional):
    """A mixture of Gaussians, corrected by a network that takes noise away.

    Of a mixture with noise the best denoiser has a closed form, and the flow that takes the noise
    away again leaves the mixture itself. The network learns what the true denoiser of the codes
    adds to that. So the prior begins as the mixture, and every nat that the network learns is a
    gain; noise hides where codes and mixture differ, so little of it (one standard deviation) and
    few steps suffice.

    Drawing costs `2 * steps` evaluations of the network, or twice as many where guidance is not 1:
    two whole denoisers, with the context and without, are mixed. Draws begin at a mixture that
    knows the context in the share `guidance` of cases, or always above 1.

    The log-density is that of the flow, an estimate: above 3 units its divergence is sampled, and
    the steps, 16 at least, are finite.

    Source: Karras et al. 2022, eq. 1 and algorithm 1 (flow and Heun's method), eq. 7 (what a
    network learns), arXiv:2206.00364; log-density: Song et al. 2021, eq. 39, arXiv:2011.13456, and
    Grathwohl et al. 2018, eq. 7, arXiv:1810.01367; guidance: Ho and Salimans 2022, eq. 6,
    arXiv:2207.12598.

    Args:
        source: the mixture, over vectors `[D]` of about unit variance; given the same context.
        network: z `[N, *shape]`, time `[N]` and what is known `[N, K + features + 1]` to
            corrections `[N, *shape]`. Known is how likely each of the K components is and, where
            `features` is not 0, the context and whether it is known.
        shape: of a code as the network sees it; D numbers.
        features: size of the context; 0: it sees none.
        steps: of Heun's method, from 4 to 64.
        guidance: how strongly the context leads: 0 not at all, 1 as learned, more exaggerates.
        dropout: share of the contexts that are left out in fitting.

    `nothing`, `[features]`, is the context that says nothing, zeros at first. Guidance leads away
    from what the network makes of it, so there must be one alone.
    """

    nothing: Tensor

    def __init__(
        self,
        source: FullMixture,
        network: nn.Module,
        *,
        shape: tuple[int, ...],
        features: int = 0,
        steps: int = 8,
        guidance: float = 1.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.source, self.network = source, network
        self.shape, self.features = shape, features
        self.steps, self.guidance, self.dropout = steps, guidance, dropout
        self.register_buffer("nothing", torch.zeros(features))

    def forward(self, context: Tensor) -> "Carried":
        """The distribution of the code given what is known, `[..., features]`.

        A context of size 0 or equal to `nothing` says nothing, and neither does any at guidance 0.
        """
        context = context[..., : self.features if self.guidance else 0]
        context = at_least_float32(context)
        if context.shape[-1]:
            context = self._said(context)
        mixture, features = self.source.forward(context), context.shape[-1]
        led, guided = mixture.logits, features > 0 and self.guidance != 1
        # The source is fitted by itself, not through the flow, whose density needs gradients of z.
        with torch.inference_mode(False), torch.no_grad():
            denoiser = _Denoiser(mixture)
            free = self.source.forward(self.source.loc.new_zeros(0)).logits

        def velocity(z: Tensor, time: Tensor, told: Tensor) -> Tensor:
            noise, pace = _noise(time)
            known, logits = told[:, :features], told[:, features:]
            clean = self._clean(denoiser, z, time, known, logits)
            if guided:
                apart = self._clean(denoiser, z, time, known[:, :0], free.expand_as(logits))
                clean = apart + self.guidance * (clean - apart)
            return (pace / noise)[:, None] * (z - clean)

        if guided and self.guidance < 1:
            mixture = FullGaussianMixture(
                _mixed(free, led, self.guidance), mixture.loc, mixture.scale_tril
            )
        return Carried(mixture, velocity, torch.cat([context, led], -1), self.steps)

    def matcher(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The loss of posteriors `[N, 2 D]` with contexts `[N, features]`, `[N]`: a surrogate.

        A posterior is the mean and standard deviation of each unit of a code, 0 for a point. With
        z drawn from it and noise s e, |f(z + s e, s) - (E[z | z + s e] - d(z + s e, s)) / c(s)|^2,
        mean over units: f is the network, d the denoiser of the mixture as it is now, c its scale.
        The expectation, in place of z itself, takes out most of the variance of the gradients.
        """
        with torch.no_grad():
            denoiser = _Denoiser(self.source.forward(self.source.loc.new_zeros(0)))

        def loss(posterior: Tensor, context: Tensor) -> Tensor:
            with torch.no_grad():
                mean, spread = posterior.chunk(2, dim=1)
                time = torch.rand(len(mean), device=mean.device)
                noise, _ = _noise(time)
                width = (spread.square() + noise.square()[:, None]).sqrt()
                noisy = mean + width * torch.randn_like(mean)
                expected = mean + (spread / width).square() * (noisy - mean)
                kept = torch.rand(len(mean), 1, device=mean.device) >= self.dropout
                context = self._said(context[:, : self.features]) * kept
                clean, chance = denoiser(noisy, noise, self.source.forward(context).logits)
                rest = (expected - clean) / _scale(noise)
            found = self._network(noisy, time, noise, chance, context)
            return (found - rest).square().mean(1)

        return loss

    def _said(self, context: Tensor) -> Tensor:
        """What a context `[..., features]` says beyond `nothing`, exactly 0 where it is that."""
        said = context - self.nothing
        # Sums are rounded otherwise in batches of another size.
        return said * (said.abs() > SILENT).any(-1, keepdim=True)

    def _clean(
        self, denoiser: "_Denoiser", z: Tensor, time: Tensor, context: Tensor, logits: Tensor
    ) -> Tensor:
        """The denoiser of the mixture with these log-weights `[N, K]`, corrected, `[N, D]`."""
        noise, _ = _noise(time)
        clean, chance = denoiser(z, noise, logits)
        return clean + _scale(noise) * self._network(z, time, noise, chance, context)

    def _network(
        self, z: Tensor, time: Tensor, noise: Tensor, chance: Tensor, context: Tensor
    ) -> Tensor:
        if self.features:
            context = context if context.shape[-1] else z.new_zeros(len(z), self.features)
            known = (context != 0).any(1, keepdim=True).to(z.dtype)
            chance = torch.cat([chance, context, known], dim=1)
        seen = z / (1 + noise.square()).sqrt()[:, None]
        found: Tensor = self.network(seen.reshape(-1, *self.shape), time, chance)
        return found.flatten(1).float()


class _Denoiser:
    """E[z | z + noise] where z follows a mixture, in closed form, and whose component it may be.

    Args:
        mixture: of K components.
    """

    def __init__(self, mixture: FullGaussianMixture) -> None:
        covariance = mixture.scale_tril @ mixture.scale_tril.mT
        self.variance, self.axes = torch.linalg.eigh(covariance)  # [K, D], [K, D, D]
        self.variance = self.variance.clamp(min=0)
        self.loc = torch.einsum("kd,kde->ke", mixture.loc, self.axes)

    def __call__(self, z: Tensor, noise: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """`[N, D]` and `[N, K]` from noisy codes `[N, D]`, noise `[N]`, log-weights `[N, K]`."""
        number, size = self.loc.shape
        flat = self.axes.transpose(0, 1).reshape(size, number * size)
        apart = (z @ flat).unflatten(1, (number, size)) - self.loc
        total = self.variance + noise.square()[:, None, None]
        odds = logits - 0.5 * (apart.square() / total + total.log()).sum(-1)
        chance, clean = odds.softmax(-1), self.loc + apart * (self.variance / total)
        return (chance[..., None] * clean).flatten(1) @ flat.T, chance


class Carried(Distribution):
    """What a noisy mixture follows after its draws were carried along velocities from 0 to 1.

    Args:
        source: without its noise, over vectors `[D]`.
        velocity: (z `[N, D]`, time `[N]`, context `[N, F]`) to `[N, D]`.
        context: all that velocities are told, `[..., F]`, of the source's batch.
        steps: of Heun's method.
    """

    def __init__(
        self,
        source: FullGaussianMixture,
        velocity: Callable[[Tensor, Tensor, Tensor], Tensor],
        context: Tensor,
        steps: int,
    ) -> None:
        self.source, self.velocity = source, velocity
        self.context, self.steps = at_least_float32(context), steps
        super().__init__(source.batch_shape, source.event_shape, validate_args=False)

    @torch.no_grad()
    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """A draw `[*sample_shape, ..., D]`."""
        z = self.source.sample(sample_shape)
        z = z + MOST_NOISE * torch.randn_like(z)
        field = self._field(z.shape[:-1])
        rows, step = z.reshape(-1, z.shape[-1]), 1 / self.steps
        for n in range(self.steps):
            slope = field(rows, n * step)
            ahead = field(rows + step * slope, (n + 1) * step)
            rows = rows + step * (slope + ahead) / 2
        return rows.reshape(z.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, an estimate: back along the flow, with its divergence."""
        lead = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        rows = value.expand(*lead, -1).reshape(-1, value.shape[-1])
        graph = torch.is_grad_enabled()
        # Gradients give the divergence, whatever the caller wants of them.
        with torch.inference_mode(False), torch.enable_grad():
            field = self._field(lead)
            z, gained = rows.clone(), rows.new_zeros(len(rows))
            steps = max(self.steps, DENSITY_STEPS)
            step = 1 / steps
            for n in range(steps, 0, -1):
                slope, spread = _diverging(field, z, n * step, graph=graph)
                behind, more = _diverging(field, z - step * slope, (n - 1) * step, graph=graph)
                z = z - step * (slope + behind) / 2
                gained = gained + step * (spread + more) / 2
                if not graph:
                    z, gained = z.detach(), gained.detach()
            noisy = _with_noise(self.source, MOST_NOISE)
            found: Tensor = noisy.log_prob(z.reshape(*lead, -1)) - gained.reshape(lead)
        return found if graph else found.detach()

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Carried":
        """The same distribution with leading dims `batch_shape`."""
        source = self.source.expand(batch_shape)
        context = self.context.expand(*batch_shape, -1)
        return Carried(source, self.velocity, context, self.steps)

    def _field(self, lead: Size) -> Callable[[Tensor, float], Tensor]:
        context = self.context.expand(*lead, -1).reshape(lead.numel(), -1)

        def field(rows: Tensor, time: float) -> Tensor:
            return self.velocity(rows, rows.new_full((len(rows),), time), context)

        return field


def _noise(time: Tensor) -> tuple[Tensor, Tensor]:
    """The noise at times from 0 (the most) to 1 (the least), and its derivative by time."""
    most, least = MOST_NOISE ** (1 / BEND), LEAST_NOISE ** (1 / BEND)
    root = most + time * (least - most)
    return root**BEND, BEND * root ** (BEND - 1) * (least - most)


def _scale(noise: Tensor) -> Tensor:
    """How far a denoiser of codes of unit variance can be wrong at a noise, `[N, 1]`."""
    return (noise / (1 + noise.square()).sqrt())[:, None]


def _mixed(first: Tensor, second: Tensor, share: float) -> Tensor:
    """The log-weights of a mixture whose draws are of the second in this share of cases."""
    ours, others = first.log_softmax(-1), second.log_softmax(-1)
    return torch.logaddexp(ours + math.log1p(-share), others + math.log(share))


def _with_noise(mixture: FullGaussianMixture, noise: float) -> FullGaussianMixture:
    covariance = mixture.scale_tril @ mixture.scale_tril.mT
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    root = torch.linalg.cholesky(covariance + noise**2 * eye)
    return FullGaussianMixture(mixture.logits, mixture.loc, root)


def _diverging(
    field: Callable[[Tensor, float], Tensor], z: Tensor, time: float, *, graph: bool
) -> tuple[Tensor, Tensor]:
    """Velocities `[N, D]` and their divergence `[N]`, exact up to 3 units, else sampled."""
    z = z if z.requires_grad else z.requires_grad_()
    velocity = field(z, time)
    if not velocity.requires_grad:
        return velocity, z.new_zeros(len(z))
    if z.shape[1] <= EXACT:
        probes = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)[:, None]
    else:
        probes = torch.randint_like(z, 2)[None] * 2 - 1
    spread = z.new_zeros(len(z))
    for probe in probes:
        pulled = torch.autograd.grad(
            velocity, z, probe.expand_as(velocity), create_graph=graph, retain_graph=True
        )[0]
        spread = spread + (pulled * probe).sum(1)
    return (velocity, spread) if graph else (velocity.detach(), spread.detach())
