"""What a rate costs and what keeps a code from dying, as options that recipes share.

The options of `vae` say what each is; here they become an objective and a posterior.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from zscape.errors import SpecError, unknown
from zscape.model.model import Model
from zscape.objective.objective import Objective, Reconstruction, Sum, Turn
from zscape.objective.rate import Rate
from zscape.objective.schedules import Schedule, linear
from zscape.objective.steering import Controller, Geco, Steered, TargetRate
from zscape.probability import posteriors
from zscape.probability.conditional import Conditional
from zscape.recipes.build import at_least, between

ACTIVATIONS = (nn.ReLU, nn.SiLU)


def costed(
    model: Model,
    *,
    beta: float | str = 1.0,
    warmup: int = 0,
    free_bits: float = 0.0,
    free_bits_per: str = "unit",
    target_rate: float = 0.0,
    warm_start: int = 0,
) -> Objective:
    """The objective distortion + beta * rate, with the remedies that are switched on.

    Args:
        model: that the objective is for; a warm start keeps its fresh decoder.
        beta: as of `vae`, like all that follow.
        warmup: steps.
        free_bits: nats.
        free_bits_per: "unit" or "level".
        target_rate: nats.
        warm_start: steps.

    Raises:
        SpecError: an option that cannot be, or two that contradict each other.
    """
    controller = _controller(beta, at_least("target_rate", target_rate, 0, start="10"))
    if free_bits_per not in ("unit", "level"):
        raise unknown("free_bits_per", free_bits_per, ["unit", "level"])
    top = 1.0 if controller or isinstance(beta, str) else beta
    begin = int(at_least("warm_start", warm_start, 0))
    rate = Rate(
        _risen(top, begin, int(at_least("warmup", warmup, 0))),
        floor=at_least("free_bits", free_bits, 0, start="0.1"),
        per=free_bits_per,
    )
    turns = (Turn(begin, _fresh_decoder(model, controller)),) if begin else ()
    if controller:
        return Steered(controller, rate=rate, turns=turns)
    return Sum(Reconstruction(), rate, turns=turns)


def posterior_of(mean_scale: float) -> Callable[[int, int], Conditional]:
    """The Gaussian posterior, its means normalised over the batch when a scale is given."""
    if at_least("mean_scale", mean_scale, 0, start="0.6") == 0:
        return posteriors.Gaussian
    return partial(posteriors.NormalisedGaussian, mean_scale=mean_scale)


def drop_features(network: nn.Module, share: float) -> None:
    """Lets a network drop a share of its hidden features in training, in place.

    Source: Srivastava et al. 2014, section 4, jmlr v15.

    Raises:
        SpecError: the share is not from 0 to below 1.
    """
    between("decoder_dropout", share, 0, 0.99)
    if share == 0:
        return
    for name, child in list(network.named_children()):
        if isinstance(child, ACTIVATIONS):
            setattr(network, name, nn.Sequential(child, nn.Dropout(share)))
        else:
            drop_features(child, share)


def _controller(beta: float | str, target_rate: float) -> Controller | None:
    if isinstance(beta, str):
        if beta != "auto":
            raise SpecError(
                f"beta must be a number or 'auto', got {beta!r}. 1 is the ELBO, a usual start."
            )
        if target_rate:
            raise SpecError(
                f"target_rate and beta='auto' must not come together: both choose beta, got "
                f"{target_rate} and 'auto'. Leave one of them out."
            )
        return Geco()
    start = at_least("beta", beta, 0)
    return TargetRate(target_rate, start=start) if target_rate else None


def _risen(top: float, begin: int, warmup: int) -> float | Schedule:
    """Zero for `begin` steps, then a line to `top` in `warmup` steps."""
    if not begin and not warmup:
        return top
    rise = linear(0.0, top, steps=warmup)
    return lambda step: rise(step - begin) if step >= begin else 0.0


def _fresh_decoder(model: Model, controller: Controller | None) -> Callable[[Model, Tensor], None]:
    start = {name: tensor.clone() for name, tensor in model.decoder.state_dict().items()}

    def change(trained: Model, x: Tensor) -> None:
        trained.decoder.load_state_dict(start)
        if controller:
            controller.begin()  # what it saw while the rate was free says nothing

    return change
