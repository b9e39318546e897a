"""What every conditional promises: priors, posteriors and likelihoods alike.

`for check in checks_for(case)` yields the promises as named functions, so that a conditional from
outside is checked by the same code.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.distributions import Distribution

from zscape.probability.conditional import Conditional

# All values that the event may take, `[M, *event]`, and the volume each stands for (1 if discrete).
Points = tuple[Tensor, float]


@dataclass(frozen=True)
class Case:
    """One member of the family, small enough to integrate over all of its values."""

    name: str
    build: Callable[[], Conditional]
    features: tuple[int, ...]
    points: Callable[[], Points] | None
    central: str = "mean"  # what `.mean` is: "mean", "mode", or "none" where torch has no mean
    tolerance: float = 2e-3  # of `.mean`
    whole: bool = True  # whether the points are all values, so that their mass is 1
    reason: str = ""  # why points or central are not the usual


@dataclass(frozen=True)
class Check:
    """A promise that can be called."""

    name: str
    run: Callable[[], None]


def checks_for(case: Case) -> Iterator[Check]:
    """The promises that this case can be held to."""
    assert case.reason or (case.points is not None and case.central == "mean"), "excused, but why?"
    checks = [check_shapes, check_expand, check_gradients, check_round_trip, check_finite]
    if case.points is not None and case.whole:
        checks += [check_normalised, check_samples]
    if case.central != "none":
        checks += [check_center]
    for check in checks:
        yield Check(check.__name__.removeprefix("check_"), partial(check, case))


def check_shapes(case: Case) -> None:
    """Leading dims of the context are the batch shape."""
    conditional = _build(case)
    for lead in ((), (3,), (2, 3)):
        distribution = conditional(torch.randn(*lead, *case.features))
        event = tuple(distribution.event_shape)
        drawn = distribution.sample((4,))
        assert tuple(distribution.batch_shape) == lead
        assert drawn.shape == (4, *lead, *event)
        assert distribution.sample().shape == (*lead, *event)
        if case.points is not None:
            assert distribution.log_prob(drawn).shape == (4, *lead)
            assert distribution.log_prob(drawn[0]).shape == lead
        if case.central != "none":
            assert distribution.mean.shape == (*lead, *event)
        if distribution.has_rsample:
            assert distribution.rsample((4,)).shape == drawn.shape


def check_expand(case: Case) -> None:
    """Expanding repeats the distribution along new leading dims."""
    distribution = _build(case)(torch.randn(3, *case.features))
    expanded = distribution.expand((2, 3))
    drawn = expanded.sample((4,))
    assert tuple(expanded.batch_shape) == (2, 3)
    assert drawn.shape == (4, 2, 3, *distribution.event_shape)
    if case.points is not None:
        torch.testing.assert_close(expanded.log_prob(drawn), distribution.log_prob(drawn))


def check_gradients(case: Case) -> None:
    """Gradients reach every parameter and every entry of the context, and are finite."""
    conditional = _build(case)
    context = torch.randn(64, *case.features, requires_grad=True)
    loss = _loss(case, conditional(context))
    if not loss.requires_grad:
        assert not list(conditional.parameters()) and 0 in case.features
        return
    loss.backward()
    assert context.grad is not None or 0 in case.features
    if context.grad is not None:
        assert context.grad.isfinite().all()
        assert (context.grad.abs().sum(0) > 0).all(), "an entry of the context has no effect"
    for name, parameter in conditional.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, f"{name} has no effect"


def check_round_trip(case: Case) -> None:
    """A second instance with the stored state says the same, to the bit."""
    first, second = _build(case), _build(case)
    for parameter in first.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    second.load_state_dict(first.state_dict())
    context = torch.randn(3, *case.features)
    drawn = first(context).sample()
    if case.points is not None:
        assert torch.equal(first(context).log_prob(drawn), second(context).log_prob(drawn))
    if case.central != "none":
        assert torch.equal(first(context).mean, second(context).mean)


def check_finite(case: Case) -> None:
    """Extreme contexts, and contexts of zeros, give finite numbers and gradients."""
    conditional = _build(case)
    for size in (0.0, 1e2, 1e4, 1e6):
        for dtype in (torch.float32, torch.bfloat16):
            context = (size * torch.randn(16, *case.features)).to(dtype)
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                _check_finite_at(case, conditional, context.requires_grad_())


def check_normalised(case: Case) -> None:
    """Probabilities sum, or densities integrate, to one."""
    assert case.points is not None
    conditional = _build(case)
    values, volume = case.points()
    for _ in range(3):
        total = conditional(_some_context(case)).log_prob(values).double().exp().sum() * volume
        assert abs(total.item() - 1) < (1e-5 if volume == 1 else 1e-3), total.item()


def check_samples(case: Case) -> None:
    """Draws have the first two moments that the probabilities say, within 5 standard errors."""
    assert case.points is not None
    distribution = _build(case)(_some_context(case))
    drawn = distribution.sample((20_000,)).double()
    values, weights = _weighted(case, distribution)
    for power in (1, 2):
        expected = _average(values**power, weights)
        error = (drawn**power).std(0) / len(drawn) ** 0.5
        off = ((drawn**power).mean(0) - expected).abs()
        assert (off <= 5 * error + 1e-3).all(), (power, off, error)


def check_center(case: Case) -> None:
    """`.mean` is the mean, or the most likely value of each unit where a mean says nothing."""
    distribution = _build(case)(_some_context(case))
    if case.points is None:
        torch.testing.assert_close(distribution.mean, distribution.sample())
        return
    values, weights = _weighted(case, distribution)
    if case.central == "mean":
        expected = _average(values, weights)
        assert (distribution.mean - expected).abs().max() <= case.tolerance
        return
    for unit in range(values.shape[-1]):
        classes = values[:, unit].unique()
        masses = torch.stack([weights[values[:, unit] == c].sum() for c in classes])
        assert distribution.mean[unit] == classes[masses.argmax()]


def _check_finite_at(case: Case, conditional: Conditional, context: Tensor) -> None:
    distribution = conditional(context)
    drawn = distribution.sample()
    assert drawn.isfinite().all(), "draws"
    if case.central != "none":
        assert distribution.mean.isfinite().all(), "mean"
    loss = _loss(case, distribution)
    assert loss.dtype == torch.float32, "summed in less than float32"
    if not loss.requires_grad:
        return
    loss.backward()
    assert loss.isfinite(), "log_prob"
    assert context.grad is None or context.grad.isfinite().all(), "gradient of the context"
    for name, parameter in conditional.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def _loss(case: Case, distribution: Distribution) -> Tensor:
    # Draws of the distribution itself, and some of its values whether likely or not.
    if case.points is None:
        return distribution.rsample().sum()
    values, _ = case.points()
    some = values[torch.randint(len(values), (4,))]
    some = some.reshape(4, *[1] * len(distribution.batch_shape), *distribution.event_shape)
    some = some.expand(4, *distribution.batch_shape, *distribution.event_shape)
    return distribution.log_prob(distribution.sample()).sum() + distribution.log_prob(some).sum()


def _weighted(case: Case, distribution: Distribution) -> Points:
    assert case.points is not None
    values, volume = case.points()
    return values.double(), distribution.log_prob(values).double().exp() * volume


def _average(values: Tensor, weights: Tensor) -> Tensor:
    return torch.tensordot(weights, values, dims=1)


def _some_context(case: Case) -> Tensor:
    return 0.7 * torch.randn(case.features)


def _build(case: Case) -> Conditional:
    return case.build().eval()
