"""A prior that carries draws of a simple source to where codes lie, along a learned flow in time.

Rectified flow: the straight way from a draw of the source to a code is followed in time 0 to 1, and
a network learns the mean velocity at each place and time. It knows no training loop.
"""

from collections.abc import Callable

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from zscape.probability.conditional import Conditional
from zscape.probability.distributions import FullGaussianMixture
from zscape.probability.distributions.shapes import Shape, at_least_float32

EXACT = 8  # units up to which the divergence is computed, and above which it is estimated

# (z [N, D], time [N]) to velocities [N, D]; rows of z are draws of the rows of the context.
Velocity = Callable[[Tensor, Tensor], Tensor]


class Diffusion(Conditional):
    """What a source follows once it was carried along a flow; a prior of vectors or flat maps.

    Drawing costs `2 * steps` evaluations of the network. The log-density is that of the flow's
    ordinary differential equation at the same steps, an estimate: its divergence is sampled above
    8 units (Hutchinson), and the steps are finite. `matching` is what it is fitted by, a surrogate
    of the rate. At its start, with a network of velocity 0, it is its source.

    A source near the codes leaves less to be carried, so that few steps do. Given a mixture, each
    code is paired with a draw of the component that it belongs to (see `matching`).

    Source: Liu et al. 2022, eq. 1, arXiv:2209.03003; Lipman et al. 2022, eq. 14 and 23,
    arXiv:2210.02747; log-density: Grathwohl et al. 2018, eq. 3 and 7, arXiv:1810.01367; guidance:
    Ho and Salimans 2022, eq. 6, arXiv:2207.12598.

    Args:
        source: over vectors `[D]`; given the same context.
        network: z `[N, *shape]`, time `[N]` and what is known `[N, features + 1]` (None where
            `features` is 0) to velocities `[N, *shape]`.
        shape: of a code as the network sees it; D numbers.
        features: size of the context; 0: it sees none.
        steps: of Heun's method, from 4 to 64.
        guidance: how strongly the context leads: 0 not at all, 1 as learned, more exaggerates.
        dropout: share of the contexts that `matching` leaves out.
    """

    def __init__(
        self,
        source: Conditional,
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

    def forward(self, context: Tensor) -> "Carried":
        """The distribution of the code given what is known, `[..., features]`.

        A context of size 0 says nothing, and neither does any at guidance 0.
        """
        if not self.features or not self.guidance:
            context = context[..., :0]
        return Carried(self.source.forward(context), self._velocity, context, self.steps)

    def matching(self, z: Tensor, context: Tensor) -> Tensor:
        """|v(z_t, t) - (z - z_0)|^2 of codes `[N, D]`, mean over units, `[N]`: a surrogate.

        z_t is on the straight way from z_0 to z, at a time that is drawn. z_0 is a draw of the
        source; of a mixture, one of the component that z belongs to, drawn by its responsibility.
        Over all z these draws follow the source again where its weights are the mean
        responsibilities, as EM leaves them, and they lie nearer.
        """
        context = context[..., : self.features]
        start = self._paired(z, context)
        time = torch.rand(len(z), device=z.device)
        between = start + time[:, None] * (z - start)
        known = None
        if self.features:
            told = torch.rand(len(z), device=z.device) >= self.dropout
            known = _told(context, told.to(z.dtype))
        found = self._network(between, time, known)
        return (found - (z - start)).square().mean(1)

    @torch.no_grad()
    def _paired(self, z: Tensor, context: Tensor) -> Tensor:
        source = self.source.forward(context)
        if not isinstance(source, FullGaussianMixture):
            return source.sample()
        owners = source.logits.log_softmax(-1) + source.log_components(z)
        return source.sample_of(torch.multinomial(owners.softmax(-1), 1)[:, 0])

    def _velocity(self, z: Tensor, time: Tensor, context: Tensor) -> Tensor:
        if not self.features:
            return self._network(z, time, None)
        if context.shape[-1] == 0:
            return self._network(z, time, z.new_zeros(len(z), self.features + 1))
        led = self._network(z, time, _told(context, (context != 0).any(-1).to(z.dtype)))
        if self.guidance == 1:
            return led
        free = self._network(z, time, z.new_zeros(len(z), self.features + 1))
        return free + self.guidance * (led - free)

    def _network(self, z: Tensor, time: Tensor, known: Tensor | None) -> Tensor:
        velocity: Tensor = self.network(z.reshape(-1, *self.shape), time, known)
        return velocity.flatten(1).float()


class Carried(Distribution):
    """What a source follows after its draws were carried along velocities from time 0 to 1.

    Args:
        source: over vectors `[D]`.
        velocity: (z `[N, D]`, time `[N]`, context `[N, F]`) to `[N, D]`.
        context: `[..., F]`, of the source's batch.
        steps: of Heun's method.
    """

    def __init__(
        self,
        source: Distribution,
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
        z = self.source.sample(Size(sample_shape))
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
        field, graph = self._field(lead), torch.is_grad_enabled()
        # Gradients give the divergence, whatever the caller wants of them.
        with torch.inference_mode(False), torch.enable_grad():
            z, gained = rows.clone(), rows.new_zeros(len(rows))
            step = 1 / self.steps
            for n in range(self.steps, 0, -1):
                slope, spread = _diverging(field, z, n * step, graph=graph)
                behind, more = _diverging(field, z - step * slope, (n - 1) * step, graph=graph)
                z = z - step * (slope + behind) / 2
                gained = gained + step * (spread + more) / 2
                if not graph:
                    z, gained = z.detach(), gained.detach()
            found: Tensor = self.source.log_prob(z.reshape(*lead, -1)) - gained.reshape(lead)
        return found if graph else found.detach()

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Carried":
        """The same distribution with leading dims `batch_shape`."""
        source = self.source.expand(Size(batch_shape))
        context = self.context.expand(*batch_shape, -1)
        return Carried(source, self.velocity, context, self.steps)

    def _field(self, lead: Size) -> Callable[[Tensor, float], Tensor]:
        context = self.context.expand(*lead, -1).reshape(lead.numel(), -1)

        def field(rows: Tensor, time: float) -> Tensor:
            return self.velocity(rows, rows.new_full((len(rows),), time), context)

        return field


def _told(context: Tensor, known: Tensor) -> Tensor:
    """Contexts `[N, F]` and whether they are known, `[N, F + 1]`."""
    known = known[:, None]
    return torch.cat([context * known, known], dim=1)


def _diverging(
    field: Callable[[Tensor, float], Tensor], z: Tensor, time: float, *, graph: bool
) -> tuple[Tensor, Tensor]:
    """Velocities `[N, D]` and their divergence `[N]`, exact up to 8 units, else sampled."""
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
