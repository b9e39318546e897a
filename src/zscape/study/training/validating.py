"""Figures of a model on examples that do not train, by the same noise at every call."""

from collections.abc import Iterable

import torch
from torch import Tensor

from zscape.model.batch import Batch
from zscape.model.bound import distortion, has_rate, rate_per_unit, sum_rates
from zscape.model.filling import measured_context
from zscape.model.model import Model
from zscape.objective.objective import Objective
from zscape.study.training.batches import as_batch

ACTIVE = 0.01  # nats above which a unit counts as used
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
        rates = torch.stack(units).sum(0) / count
        figures["active"] = float((rates > ACTIVE).sum())
        if len(rates) <= EACH:
            told = enumerate(rates.tolist())
            figures |= {f"validation_rate_unit_{unit}": rate for unit, rate in told}
    return figures


def _figures(
    model: Model, objective: Objective, batch: Batch, step: int, units: list[Tensor]
) -> dict[str, float]:
    trace = model(batch.x, measured_context(model.start, batch.x, batch.context))
    spent = distortion(trace).mean()
    if not has_rate(trace):
        loss = objective(trace, step).total
        return {"loss": loss.item(), "distortion": spent.item()}
    per_unit = [rate_per_unit(latent) for latent in trace.latents]
    if all(unit is not None for unit in per_unit):
        units.append(torch.cat([u.flatten(0, -2).sum(0) for u in per_unit if u is not None]))
    rate = sum_rates(trace).mean()
    total = (spent + rate).item()
    return {
        "loss": total,
        "distortion": spent.item(),
        "rate": rate.item(),
        "elbo": -total,
    }
