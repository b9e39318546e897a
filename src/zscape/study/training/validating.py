"""Figures of a model on examples that do not train, by the same noise at every call."""

from collections.abc import Iterable

import torch
from torch import Tensor

from zscape.model.batch import Batch
from zscape.model.bound import distortion, has_rate, rate_per_unit, sum_rates
from zscape.model.filling import measured_context
from zscape.model.model import Model
from zscape.model.trace import Trace
from zscape.objective.objective import Objective
from zscape.probability.distributions import center
from zscape.space.units import are_active
from zscape.study.training.batches import as_batch
from zscape.study.training.progress import UNIT

NOISE = 0x5EED_0F_DA7A  # a seed that nobody trains with: what was drawn at first is in the weights
EACH = 64  # units at most whose rates are told one by one


@torch.no_grad()
def measure(
    model: Model,
    objective: Objective,
    batches: Iterable[Tensor | Batch],
    *,
    step: int,
    device: str = "cpu",
) -> dict[str, float]:
    """Validation figures, in nats per example, and how many units are active.

    Of up to 64 units the rate of each is told as well, as `validation_rate_unit_0` and so on.

    `validation_loss` is the negative ELBO, one draw per example, or the objective where the rate
    is undefined. The noise is the same at every call, so that epochs can be compared.
    """
    training = model.training
    model.eval()
    sums: dict[str, float] = {}
    units: list[Tensor] = []
    count = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(NOISE)
        for batch in map(as_batch, batches):
            for name, value in _figures(model, objective, batch.to(device), step, units).items():
                sums[name] = sums.get(name, 0.0) + value * len(batch)
            count += len(batch)
    model.train(training)
    figures = {f"validation_{name}": total / count for name, total in sums.items()}
    if units:
        rates, means, squares = torch.stack(units).cpu().double().sum(0) / count
        figures["active"] = float(are_active(squares - means.square(), rates).sum())
        if len(rates) <= EACH:
            told = enumerate(rates.tolist())
            figures |= {f"{UNIT}{unit}": rate for unit, rate in told}
    return figures


def _figures(
    model: Model, objective: Objective, batch: Batch, step: int, units: list[Tensor]
) -> dict[str, float]:
    trace = model(batch.x, measured_context(model.start, batch.x, batch.context))
    spent = distortion(trace).mean()
    if not has_rate(trace):
        loss = objective(trace, step).total
        return {"loss": loss.item(), "distortion": spent.item()}
    if (sums := _sums_of_units(trace)) is not None:
        units.append(sums)
    rate = sum_rates(trace).mean()
    total = (spent + rate).item()
    return {
        "loss": total,
        "distortion": spent.item(),
        "rate": rate.item(),
        "elbo": -total,
    }


def _sums_of_units(trace: Trace) -> Tensor | None:
    """Sums over examples of each unit's rate, centre and its square, `[3, D]`."""
    found = []
    for latent in trace.latents:
        rates = rate_per_unit(latent)
        if rates is None or latent.q is None:
            return None
        middle = center(latent.q).flatten(-len(latent.q.event_shape)).expand_as(rates)
        found.append(torch.stack([rates, middle, middle.square()]).flatten(1, -2).sum(1))
    return torch.cat(found, dim=-1)
