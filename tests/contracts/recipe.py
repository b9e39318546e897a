"""What every recipe must hold, ours or a stranger's: `for check in checks_for(recipe): check()`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest
import torch

from zscape.errors import SpecError
from zscape.modalities.conditions import Conditions, Field
from zscape.model.bound import distortion, has_rate, sum_rates
from zscape.study.known import is_told

NEVER_REACHED = 0.0


@dataclass(frozen=True)
class Plain:
    """A stand-in for a modality: only what a recipe may read."""

    shape: tuple[int, ...]
    likelihood: str
    network: str
    columns: tuple[tuple[str, int], ...] = ()
    num_examples: int = 64


def _unit(*shape):
    return lambda: torch.rand(6, *shape)


def _bits(*shape):
    return lambda: (torch.rand(6, *shape) < 0.4).float()


def _levels(*shape):
    return lambda: torch.randint(0, 256, (6, *shape)) / 255


def _rows():
    x = torch.randn(6, 4)
    x[:, 1] = torch.randint(0, 3, (6,))
    x[:, 2] = torch.randint(0, 2, (6,))
    x[:, 3] = torch.poisson(torch.full((6,), 4.0))
    x[0, 0] = x[1, 1] = x[2, 2] = x[3, 3] = float("nan")
    return x


def _sessions():
    """Six sessions of 1 to 6 events of 4 kinds: their counts, and 1 + event in their order."""
    order = torch.randint(1, 5, (6, 6)) * (torch.arange(6) < torch.arange(1, 7)[:, None])
    counts = torch.stack([(order == kind).sum(1) for kind in range(1, 5)], 1)
    return torch.cat([counts, order], 1).float()


KNOWN = Conditions((Field("label", ("a", "b", "c")), Field("size", mean=1.0, scale=2.0)))
CONTEXT = torch.tensor([[0, 0.5], [1, -1], [2, torch.nan], [torch.nan, 2], [1, 0], [torch.nan] * 2])

# Decodes pixel after pixel; is of maps; has an opponent that judges pictures; moves them.
PICTURES_ONLY = {"pixel_vae", "ladder_vae", "vae_gan", "shift_vae"}
TOGETHER = {"fill_vae": ("sessions",)}  # hides cells, of which none may need the others
PICTURES = ("bits", "grey", "colour")
SESSIONS = (("log_logistic", 1),) * 4 + (("categorical", 5),) * 6
MIXED = (("gaussian", 1), ("categorical", 3), ("bernoulli", 1), ("negative_binomial", 1))
DATA = {
    "bits": (Plain((1, 8, 8), "bernoulli", "mlp"), _bits(1, 8, 8)),
    "grey": (Plain((1, 14, 11), "continuous_bernoulli", "conv:4"), _unit(1, 14, 11)),
    "colour": (Plain((3, 16, 16), "discretized_logistic", "residual:4"), _levels(3, 16, 16)),
    "reals": (Plain((5,), "gaussian_learned", "mlp:16"), lambda: torch.randn(6, 5)),
    "counts": (
        Plain((5,), "negative_binomial", "mlp:16"),
        lambda: torch.poisson(torch.full((6, 5), 3.0)),
    ),
    "rows": (Plain((4,), "columns", "mlp:16", MIXED), _rows),
    "sessions": (Plain((10,), "sessions", "mlp:16", SESSIONS), _sessions),
}


def checks_for(recipe: Callable) -> Iterator[tuple[str, Callable[[], None]]]:
    """Named checks of one recipe."""
    for name, (data, draw) in _fitting(recipe).items():
        yield f"walks-{name}", partial(_walks, recipe, data, draw)
        yield f"learns-{name}", partial(_learns, recipe, data, draw)
        yield f"repeats-{name}", partial(_repeats, recipe, data, draw)
    for name in [name for name in DATA if name not in _fitting(recipe)]:
        yield f"refuses-{name}", partial(_refuses, recipe, DATA[name][0])
    yield "alone", partial(_alone, recipe)
    yield "options", partial(_options, recipe)


def built(recipe, data, **options):
    """Model, objective, and what is known of six examples, to the recipes that are told it."""
    if not is_told(recipe):
        return *recipe(data, **options), None
    model, objective = recipe(data, KNOWN, **options)
    fields = [KNOWN.column(field.name) for field in model.start.known.fields]
    return model, objective, CONTEXT[:, fields]


def _fitting(recipe):
    together = TOGETHER.get(recipe.__name__, ())
    names = PICTURES if recipe.__name__ in PICTURES_ONLY else DATA
    return {name: DATA[name] for name in names if name not in together}


def _refuses(recipe, data):
    with pytest.raises(SpecError, match=r"must have (pictures|cells that are independent)"):
        built(recipe, data, latent=3)


def _walks(recipe, data, draw):
    model, objective, context = built(recipe, data, latent=3)
    x = draw()
    trace = model(x, context, draws=objective.draws)
    assert distortion(trace).shape == (objective.draws, 6)
    assert trace.context is context
    if has_rate(trace):
        assert sum_rates(trace).isfinite().all()
    generated = model.generate(5, None if context is None else context[:5])
    assert generated.likelihood.mean.shape == (5, *data.shape)
    assert generated.likelihood.sample().shape == (5, *data.shape)
    model.eval()  # in training parts of what is known may be withheld
    encoded = model.encode(x, context)
    codes = {latent.name: latent.z for latent in encoded.latents}
    decoded = model.generate(6, context, given=codes).likelihood.mean
    assert torch.allclose(decoded, encoded.likelihood.mean, atol=1e-5)
    assert model.generate(5).likelihood.mean.shape == (5, *data.shape)  # without being told


def _learns(recipe, data, draw):
    model, objective, context = built(recipe, data, latent=3)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    reached = {name: False for name, _ in model.named_parameters()}
    for step in range(4):  # some layers start at zero and pass gradients from the second step on
        loss = objective(model(draw(), context, draws=objective.draws), step)
        optimizer.zero_grad()
        loss.total.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, f"no gradient reaches {name}"
            assert parameter.grad.isfinite().all(), name
            reached[name] |= bool(parameter.grad.abs().sum() > NEVER_REACHED)
        optimizer.step()
    assert not [name for name, touched in reached.items() if not touched]
    assert loss.total.isfinite()
    assert "distortion" in loss.parts


def _repeats(recipe, data, draw):
    torch.manual_seed(0)
    first, _, context = built(recipe, data, latent=3)
    second, _, _ = built(recipe, data, latent=3)
    second.load_state_dict(first.state_dict())
    first.eval(), second.eval()
    x = draw()
    means = [model.encode(x, context).likelihood.mean for model in (first, second)]
    assert torch.equal(*means)
    some = None if context is None else context[:4]
    torch.manual_seed(1)
    sampled = first.generate(4, some).likelihood.mean
    torch.manual_seed(1)
    assert torch.equal(sampled, second.generate(4, some).likelihood.mean)


def _alone(recipe):
    """An answer does not depend on its co-batch."""
    for data, draw in _fitting(recipe).values():
        model, _, context = built(recipe, data, latent=3)
        model.eval()
        x = draw()
        together = model.encode(x, context).likelihood.mean
        for n in range(len(x)):
            some = None if context is None else context[n : n + 1]
            alone = model.encode(x[n : n + 1], some).likelihood.mean
            assert torch.allclose(alone[0], together[n], rtol=1e-5, atol=1e-6)


def _options(recipe):
    data = DATA["bits"][0]
    with pytest.raises(SpecError, match="latent must be at least 1, got 0"):
        built(recipe, data, latent=0)
    with pytest.raises(SpecError, match=r"Unknown network 'mpl'\."):
        built(recipe, data, latent=2, network="mpl")
    with pytest.raises(SpecError, match="Unknown likelihood 'poisson'"):
        built(recipe, data, latent=2, likelihood="poisson")
