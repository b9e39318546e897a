"""A model of the VAE family: encoder, levels, decoder, and the one walk through them."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution

from zscape.errors import unknown
from zscape.model.level import Level
from zscape.model.start import Plain, Start
from zscape.model.trace import Latent, Trace
from zscape.probability.conditional import Conditional
from zscape.probability.distributions import center

Choose = Callable[[Level, Distribution | None, Distribution], tuple[Tensor, bool]]


class Decoder(Conditional):
    """p(x | state): a network from the last state to a likelihood's context.

    Args:
        network: of a state `[N, *event]`.
        likelihood: of x.
        ndims: how many of the state's last dimensions form its event.
    """

    def __init__(self, network: nn.Module, likelihood: Conditional, *, ndims: int = 1) -> None:
        super().__init__()
        self.network = network
        self.likelihood = likelihood
        self.ndims = ndims

    def forward(self, context: Tensor) -> Distribution:
        """The likelihood of x, event `[*shape]`, given the state `[..., *event]`."""
        # Sums over event dimensions lose nats in half precision.
        return self.likelihood.forward(self._features(context).float())

    def _features(self, context: Tensor) -> Tensor:
        leading = context.shape[: context.ndim - self.ndims]
        if len(leading) <= 1:
            features: Tensor = self.network(context)
            return features
        # A row for each draw of each example: once here is cheaper than in every layer.
        rows: Tensor = self.network(context.flatten(0, len(leading) - 1))
        return rows.unflatten(0, leading)


class Model(nn.Module):
    """Encoder, levels and decoder.

    Args:
        encoder: x `[B, *shape]` to evidence `[B, H]`.
        levels: coarsest first.
        decoder: the likelihood of x given the last state.
        start: context to the first state; the context itself by default.
    """

    def __init__(
        self,
        encoder: nn.Module,
        levels: Sequence[Level],
        decoder: Conditional,
        start: Start | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.levels = nn.ModuleList(levels)
        self.decoder = decoder
        self.start = start or Plain()

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        draws: int = 1,
        given: Mapping[str, Tensor] | None = None,
    ) -> Trace:
        """Infers the codes of `x` and the likelihood they give it.

        Args:
            x: `[B, *shape]`.
            context: what is known beside x, `[B, F]`, nan where it is not; None: nothing is.
            draws: S, how many codes are drawn per example.
            given: codes `[B, ...]` by level name that replace the draw.

        Returns:
            A trace whose codes and log-probabilities have leading dimensions `[S, B]`.
        """
        lead = (draws, len(x))
        choose = self._chooser(lead, given or {})
        return self._walk(context, x, choose, x)

    def generate(
        self,
        n: int,
        context: Tensor | None = None,
        given: Mapping[str, Tensor] | None = None,
        levels: int | None = None,
    ) -> Trace:
        """Draws `n` codes from the prior, but for those `given`, `[n, ...]` by level name.

        Args:
            n: how many.
            context: what is known of each, `[n, F]`, nan where it is not; None: nothing is.
            given: codes that are not drawn.
            levels: how many are drawn, the coarsest first; the others stand at the centres of
                their priors. None: all are.
        """
        like = next(self.parameters()).new_zeros(n)
        choose = self._chooser((n,), given or {}, levels)
        return self._walk(context, like, choose, None)

    def encode(self, x: Tensor, context: Tensor | None = None) -> Trace:
        """A walk along the centres of the posteriors: deterministic, leading dimensions `[B]`."""
        return self._walk(context, x, _centred, x)

    def latents(self, x: Tensor, context: Tensor | None = None) -> tuple[Latent, ...]:
        """Those of `encode`, without decoding them, which may cost as much again."""
        return self._descend(context, x, _centred, x)[0]

    def _walk(
        self, context: Tensor | None, like: Tensor, choose: Choose, x: Tensor | None
    ) -> Trace:
        latents, state = self._descend(context, like, choose, x)
        return Trace(latents, self.decoder.forward(state), x, context)

    def _descend(
        self, context: Tensor | None, like: Tensor, choose: Choose, x: Tensor | None
    ) -> tuple[tuple[Latent, ...], Tensor]:
        evidence = None if x is None else self.encoder(x)
        state, latents = self.start(context, like), []
        for level in self.levels:
            assert isinstance(level, Level)
            p = level.prior.forward(state)
            q = None if evidence is None else level.infer(state, evidence, p)
            z, given = choose(level, q, p)
            latents.append(Latent(level.name, z, q, p, given))
            state = level.absorb(state, z)
        return tuple(latents), state

    def _chooser(
        self, lead: tuple[int, ...], given: Mapping[str, Tensor], drawn: int | None = None
    ) -> Choose:
        names = [str(level.name) for level in self.levels]
        for name in given:
            if name not in names:
                raise unknown("level", name, names)

        def choose(level: Level, q: Distribution | None, p: Distribution) -> tuple[Tensor, bool]:
            if level.name in given:
                return given[level.name].expand(*lead, *p.event_shape), True
            source = p if q is None else q
            if names.index(str(level.name)) >= (len(names) if drawn is None else drawn):
                return center(source).expand(*lead, *source.event_shape), False
            return _draw(source, lead), False

        return choose


def _centred(level: Level, q: Distribution | None, p: Distribution) -> tuple[Tensor, bool]:
    assert q is not None
    return center(q), False


def _draw(source: Distribution, lead: tuple[int, ...]) -> Tensor:
    # The first level introduces the draws; below it the state carries them already.
    missing = lead[: len(lead) - len(source.batch_shape)]
    drawn: Tensor = source.rsample(missing) if source.has_rsample else source.sample(missing)
    return drawn
