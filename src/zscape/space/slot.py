"""The prior in the slot of a model's top level: another in its place, from plain values.

What is fitted, and how it is picked, stands in `refitting`.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass

import torch
from torch import nn

from zscape.errors import SpecError, unknown
from zscape.modalities.conditions import Field
from zscape.model.aside import Aside, Classes
from zscape.model.filling import Filling
from zscape.model.ladder import Rung
from zscape.model.level import Choice, Flat, Level
from zscape.model.model import Model
from zscape.model.parted import Part
from zscape.model.start import Told
from zscape.networks import Encoder
from zscape.networks.causal import Causal
from zscape.networks.denoiser import denoiser
from zscape.probability import posteriors, priors
from zscape.probability.conditional import Conditional
from zscape.probability.diffusion import Diffusion
from zscape.probability.quantised import Quantised
from zscape.probability.quantisers import Quantiser
from zscape.probability.tokens import Tokens

MOST_COMPONENTS, MOST_STEPS, MOST_GUIDANCE = 10_000, 64, 20.0
FEWEST_STEPS = 4
WIDTH, DEPTH = 256, 3  # of the network of a diffusion
TRANSFORMS, HIDDEN = 4, (128, 128)  # of a flow
TOKENS = "tokens"
SEEING = ("diffusion", "flow")  # what a model was told


@dataclass(frozen=True, slots=True)
class Slot:
    """What stands in the slot of the top level's prior: plain values that make it again.

    Attributes:
        kind: "mixture", "diagonal", "vamp", "flow", "diffusion", or "tokens" for grids of codes.
        components: Gaussians of a mixture or of a diffusion's source; pseudo-inputs of a vamp.
        by: what its classes are of, "label" or the name of an attribute; "": it knows none.
        classes: their names; more than one component of each.
        steps: of the sampler of a diffusion.
        guidance: of a diffusion by its classes.
    """

    kind: str
    components: int = 0
    by: str = ""
    classes: tuple[str, ...] = ()
    steps: int = 8
    guidance: float = 1.0

    def to_plain(self) -> dict[str, object]:
        """Values that TOML can hold."""
        return {**asdict(self), "classes": list(self.classes)}


def slot_from(record: Mapping[str, object]) -> Slot:
    """The slot of a record that anybody may have written.

    Raises:
        SpecError: it is none.
    """
    kinds = {"kind": str, "components": int, "by": str, "classes": list}
    kinds |= {"steps": int, "guidance": float}
    for name, value in record.items():
        if name not in kinds or type(value) is not kinds[name]:
            raise SpecError(f"A prior must have {', '.join(kinds)}, got {name} = {value!r:.40}.")
    classes = record.get("classes", [])
    assert isinstance(classes, list)
    if "kind" not in record or not all(isinstance(name, str) for name in classes):
        raise SpecError(
            f"A prior must have a kind, and classes that are names, got {classes!r:.40}."
        )
    return checked(Slot(**({**record, "classes": tuple(classes)})))  # type: ignore[arg-type]


def checked(slot: Slot) -> Slot:
    """The same slot, when there can be such a prior.

    Raises:
        SpecError: there cannot.
    """
    one_of_the_kinds(slot.kind)
    if not 1 <= slot.components <= MOST_COMPONENTS and slot.kind not in ("flow", "tokens"):
        raise SpecError(
            f"components must be between 1 and {MOST_COMPONENTS:,}, got {slot.components}. "
            "Leave it out to have it picked."
        )
    if not FEWEST_STEPS <= slot.steps <= MOST_STEPS:
        raise SpecError(
            f"steps must be between {FEWEST_STEPS} and {MOST_STEPS}, got {slot.steps}. "
            "8 is a usual number."
        )
    if not 0 <= slot.guidance <= MOST_GUIDANCE:
        raise SpecError(
            f"guidance must be between 0 and {MOST_GUIDANCE:g}, got {slot.guidance}. "
            "1 is what was learned."
        )
    if slot.classes and slot.kind not in ("mixture", "diffusion", "tokens"):
        raise SpecError(
            f"A prior by classes must be a mixture, a diffusion or of tokens, got {slot.kind!r}. "
            "Choose one of these."
        )
    return slot


def one_of_the_kinds(kind: str) -> str:
    """The same word, when it names a prior.

    Raises:
        SpecError: it does not.
    """
    if kind not in BUILDERS:
        raise unknown("prior", kind, list(BUILDERS))
    return kind


def build_prior(model: Model, slot: Slot) -> Conditional:
    """A prior of this kind for the top level of a model, its weights fresh.

    Raises:
        SpecError: the model has no place for it.
    """
    suited(model, slot)
    return BUILDERS[slot.kind](model, slot, code_shape(model))


def features_of(model: Model) -> int:
    """The size of what the prior of the top level sees of all that a model is told; 0: nothing."""
    if not isinstance(model.start, Told):
        return 0
    return int(model.start(None, next(model.parameters()).new_zeros(1)).shape[-1])


def quantiser_of(model: Model) -> Quantiser | None:
    """What chooses the codes of the top level; None where they are no grid of codes."""
    posterior = top(model).posterior
    return posterior.quantiser if isinstance(posterior, Quantised) else None


def suited(model: Model, slot: Slot) -> None:
    """Nothing, when such a prior can describe the codes of the top level.

    Raises:
        SpecError: it cannot.
    """
    kind = slot.kind
    on_grid = quantiser_of(model) is not None
    if on_grid and kind != TOKENS:
        raise SpecError(
            f"The prior of a grid of codes must be of tokens, got {kind!r}, which is for "
            "real-valued codes. Use --prior tokens."
        )
    if kind == TOKENS and not on_grid:
        raise SpecError(
            "A prior of tokens must have a grid of codes, and this model's code is real-valued. "
            "Use a mixture, or train with vq_vae, rvq_vae or fsq_vae."
        )
    if isinstance(model.start, Told) and (slot.by or slot.classes):
        told = ", ".join(field.name for field in model.start.known.fields)
        raise SpecError(
            f"A prior by classes must be of a model that is told nothing, got one that is told "
            f"{told}, which its prior sees as it is. Leave out by."
        )


def install(model: Model, slot: Slot, prior: Conditional | None = None) -> None:
    """Puts a prior into the top level of a model, and what it is told into its start.

    Args:
        model: changed in place.
        slot: what the prior is.
        prior: fitted; none: a fresh one.

    Raises:
        SpecError: the model has no place for it.
    """
    found = build_prior(model, slot) if prior is None else prior
    level = top(model)
    if not slot.classes:
        level.prior = found
        return
    if not isinstance(level, Flat | Aside) or len(model.levels) > 1:
        raise SpecError(
            "A prior by classes must stand in a model of one flat level, and this one has others. "
            "Leave out by."
        )
    # Every other part of the model was trained without the class, and stays so.
    aside = Aside(level.name, prior=found, posterior=level.posterior)
    model.levels = nn.ModuleList([aside, *model.levels[1:]])
    model.start = Classes(Field(slot.by, slot.classes))


def slot_words(slot: Slot) -> str:
    """What stands in the slot, for a person: "mixture of 50 Gaussians with full covariances"."""
    words = {
        "mixture": f"mixture of {slot.components:,} Gaussians with full covariances",
        "diagonal": f"mixture of {slot.components:,} diagonal Gaussians",
        "vamp": f"mean posterior of {slot.components:,} pseudo-inputs",
        "flow": "spline flow",
        "tokens": "causal transformer of tokens",
        "diffusion": f"diffusion in {slot.steps} steps from a mixture of {slot.components:,}",
    }[slot.kind]
    return f"{words}, by {slot.by} ({len(slot.classes)} classes)" if slot.classes else words


def with_prior(model: Model, slot: Slot, prior: Conditional) -> Model:
    """A copy of the model with the prior in its top level; everything else is as it was.

    Args:
        model: stays as it is.
        slot: what the prior is.
        prior: fitted to the codes of its top level.
    """
    copy = deepcopy(model)
    if isinstance(prior, priors.Vamp | Tokens):  # it borrows from the model that it stands in
        own = build_prior(copy, slot)
        own.load_state_dict(prior.state_dict())
        prior = own
    install(copy, slot, prior)
    return copy.eval()


def top(model: Model) -> Level:
    """The first level of a model."""
    level = model.levels[0]
    assert isinstance(level, Level)
    return level


@torch.no_grad()
def code_shape(model: Model) -> tuple[int, ...]:
    """The shape of a code of the top level.

    Raises:
        SpecError: the code is a choice among classes, which no density can describe, or its
            prior sees what is there of a thing.
    """
    level = top(model)
    if isinstance(model.start, Filling) or not isinstance(
        level, Flat | Aside | Rung | Choice | Part
    ):
        raise SpecError(
            f"A prior that is refitted must depend on nothing, and that of {level.name!r} sees "
            "what is there of a thing, as it fills the rest. Refit a model that does not fill."
        )
    p = level.prior.forward(model.start(None, next(model.parameters()).new_zeros(1)))
    if p.has_enumerate_support or not p.sample().is_floating_point():
        raise SpecError(
            f"A prior that is refitted must be of real-valued codes, and the level {level.name!r} "
            "chooses among classes. Use a model whose top level is continuous."
        )
    return tuple(p.event_shape)


def _size(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()


def _mixture(model: Model, slot: Slot, shape: tuple[int, ...]) -> Conditional:
    return priors.Standardised(_full(slot, shape), shape)


def _full(slot: Slot, shape: tuple[int, ...]) -> priors.FullMixture:
    return priors.FullMixture(_size(shape), slot.components, classes=len(slot.classes))


def _diagonal(model: Model, slot: Slot, shape: tuple[int, ...]) -> Conditional:
    return priors.Standardised(priors.Mixture(_size(shape), slot.components), shape)


def _flow(model: Model, slot: Slot, shape: tuple[int, ...]) -> Conditional:
    if _size(shape) < 2:
        raise SpecError("A flow must have codes of at least 2 numbers, got 1. Use a mixture.")
    flow = priors.Flow(
        _size(shape), features=features_of(model), transforms=TRANSFORMS, hidden=HIDDEN
    )
    return priors.Standardised(flow, shape)


def _vamp(model: Model, slot: Slot, shape: tuple[int, ...]) -> Conditional:
    level, encoder = top(model), model.encoder
    if not (isinstance(encoder, Encoder) and isinstance(level.posterior, posteriors.Gaussian)):
        raise SpecError(
            "A vamp prior must have a Gaussian posterior of vectors, and this model has another. "
            "Use a mixture."
        )
    return priors.Vamp(
        encoder.body, level.posterior, shape=encoder.inner, components=slot.components
    )


def _diffusion(model: Model, slot: Slot, shape: tuple[int, ...]) -> Conditional:
    known = len(slot.classes) or features_of(model)
    told = slot.components + (known + 1 if known else 0)
    inner = Diffusion(
        _full(slot, shape),
        denoiser(shape, known=told, width=WIDTH, depth=DEPTH),
        shape=shape,
        features=known,
        steps=slot.steps,
        guidance=slot.guidance,
    )
    if isinstance(model.start, Told):
        with torch.no_grad():
            inner.nothing.copy_(model.start(None, inner.nothing[None])[0])
    return priors.Standardised(inner, shape)


def _tokens(model: Model, slot: Slot, shape: tuple[int, ...]) -> Conditional:
    quantiser = quantiser_of(model)
    assert quantiser is not None
    books, known = len(quantiser.sizes), len(slot.classes)
    network = Causal(
        quantiser.layout.positions * books, quantiser.sizes[0], books=books, context=known
    )
    return Tokens(network, quantiser, features=known)


BUILDERS: dict[str, Callable[[Model, Slot, tuple[int, ...]], Conditional]] = {
    "mixture": _mixture,
    "diagonal": _diagonal,
    "vamp": _vamp,
    "flow": _flow,
    "diffusion": _diffusion,
    TOKENS: _tokens,
}
