"""Rules about the fit: likelihood, columns, overfitting and underfitting, and the prior."""

import torch

from zscape.measures.aggregate import moments_gap
from zscape.measures.doctor.amortisation import amortisation_gap
from zscape.measures.doctor.code_rules import HARDLY, MISSING, known, longer
from zscape.measures.doctor.columns import copies, one_hot_groups
from zscape.measures.doctor.findings import NOTE, WARNING, Finding, Remedy
from zscape.measures.doctor.vitals import Vitals
from zscape.measures.figure import Figure
from zscape.modalities.found import quote
from zscape.modalities.logs import Logs
from zscape.modalities.table import Table

APART = 0.9  # accuracy at which prior draws are another kind of thing than codes
OVER, UNDER = 1.5, 0.67  # squared residuals over the stated variance: half more, a third less
TIGHT = 0.1  # share of dimensions whose stated variance runs to nothing
SURE = 3.0  # standard errors before a difference is one
GENERAL = 0.1  # of the decoder's gain from the code: how much worse held-out data may be


def prior_gap(v: Vitals) -> Finding | None:
    """Reconstructions are good and samples are noise: prior draws are unlike any code."""
    if (v.told.value or 0.0) < APART or v.share_alive == 0:
        return None
    _, variances = moments_gap(v.draws)
    ratio = sorted(1 + (figure.value or 0.0) for figure in variances)[len(variances) // 2]
    width = Figure(
        "variance of the codes over the prior's, of the median unit", ratio, "", "estimate"
    )
    options = [
        Remedy("recipe", "vamp_vae", "its prior is learned from the posteriors"),
        Remedy("recipe", "flow_vae", "its prior can take any shape"),
        Remedy("recipe", "mixture_vae", "its prior has clusters; --refit-at fits it afterwards"),
    ]
    return Finding(
        "prior gap",
        WARNING,
        "Reconstructions are fine but samples are not: a classifier tells draws of the prior from "
        "codes of the data, so the decoder has never seen what samples are made of.",
        (v.told, width, *((v.divergence,) if v.divergence.value is not None else ())),
        _shape_of_codes(v, ratio),
        () if v.books else tuple(r for r in options if r.value != v.recipe),
    )


def _shape_of_codes(v: Vitals, ratio: float) -> str:
    if v.held.rate.value is None:
        return "an autoencoder holds its codes to no prior."
    if v.books:
        return (
            "the prior takes every code for as likely, whatever stands beside it. Fit one to the "
            "codes: zscape refit-prior STUDY --prior tokens."
        )
    if ratio < 0.5:
        return "the codes fill a small part of the prior, which draws mostly from the rest."
    if ratio > 2:
        return "the codes are spread wider than the prior, which draws only from their middle."
    return "the codes of the data have a shape that the prior has not."


def likelihood(v: Vitals) -> Finding | None:
    """Data vary more, or less, than the likelihood states."""
    word, dispersion = str(v.options.get("likelihood", "")), v.fidelity.dispersion
    value, error = dispersion.value, dispersion.error or 0.0
    if value is None or word not in ("gaussian", "poisson"):
        return None
    if word == "poisson" and value - SURE * error > OVER:
        return Finding(
            "over-dispersed counts",
            WARNING,
            f"The counts vary {value:.2g} times as much as a Poisson likelihood says.",
            (dispersion,),
            "counts that come in bursts vary more than their mean.",
            known(v, [Remedy("likelihood", "negative_binomial", "learns how much they vary")]),
        )
    if word == "gaussian" and not UNDER <= value <= OVER:
        width = "wide" if value < 1 else "narrow"
        learned = Remedy("likelihood", "gaussian_optimal", "takes the most likely width")
        return Finding(
            "likelihood of a wrong width",
            WARNING,
            f"The fixed standard deviation of the likelihood is too {width}: squared residuals are "
            f"{value:.2g} of the variance it states, which weighs the rate wrongly.",
            (dispersion,),
            "the unit of the data is not the unit of the fixed width.",
            known(v, [learned, Remedy("likelihood", "auto", "what suits the data")]),
        )
    return None


def grey_as_coins(v: Vitals) -> Finding | None:
    """Mid-grey pictures under coins: the cross entropy is no likelihood of them."""
    if v.options.get("likelihood") != "bernoulli" or len(v.x.shape) < 3:
        return None
    grey = ((v.x > 0.1) & (v.x < 0.9)).float().mean().item()
    if grey <= 0.5:
        return None
    share = Figure("pixels between 10 % and 90 % grey", grey, "share", "exact")
    return Finding(
        "likelihood of another range",
        WARNING,
        "Most pixels are grey, and a Bernoulli likelihood knows only black and white.",
        (share,),
        "the cross entropy of grey is dominated by noise that no model can predict.",
        known(v, [Remedy("likelihood", "discretized_logistic", "knows 256 levels of grey")]),
    )


def vanishing_variance(v: Vitals) -> Finding | None:
    """The stated variance runs to its floor: a few dimensions decide the whole likelihood."""
    tight = v.fidelity.tight
    if tight.value is None or tight.value <= TIGHT:
        return None
    return Finding(
        "variance running to its floor",
        WARNING,
        f"{tight.value:.0%} of the dimensions are predicted to a thirtieth of their spread, so "
        "their density outweighs everything else.",
        (tight, v.held.distortion),
        "columns that are copies of others, or take few values, under a density.",
        known(v, [Remedy("likelihood", "gaussian_optimal", "one width for all dimensions")]),
    )


def leaking_columns(v: Vitals) -> Finding | None:
    """Columns that state what others state: one-hot columns, copies, constants.

    Of a log the parts are no columns: events that always come together are its nature.
    """
    if len(v.space.modality.shape) != 1 or isinstance(v.space.modality, Logs):
        return None
    found = v.x if not len(v.trained_x) else torch.cat([v.x, v.trained_x])
    pairs, groups = copies(found), one_hot_groups(found)
    if not pairs and not groups:
        return None
    called = _names(v)
    said = [
        f"columns {called[a]} and {called[b]} are copies of each other" for a, b, _ in pairs[:3]
    ]
    said += [
        f"columns {', '.join(called[c] for c in group[:6])} are one choice, one-hot"
        for group in groups[:3]
    ]
    count = Figure("columns that others state", float(_stated(pairs, groups)), "columns", "exact")
    return Finding(
        "leaking columns",
        WARNING if pairs else NOTE,
        f"Some columns say what others say: {'; '.join(said)}.",
        (count, *(figure for _, _, figure in pairs[:3])),
        "each copy counts again in the likelihood, and a decoder may read one off the other. "
        "Leave the copies out, and give one-hot columns as one column of names.",
    )


def constant_dimensions(v: Vitals) -> Finding | None:
    """Dimensions that never change, under a density whose variance they drive to the floor."""
    stated = v.fidelity.dispersion.value is not None
    both = v.x if not len(v.trained_x) else torch.cat([v.x, v.trained_x])
    count = int((both.flatten(1).amax(0) == both.flatten(1).amin(0)).sum())
    if count == 0 or not stated or str(v.options.get("likelihood")) == "poisson":
        return None
    size = both[0].numel()
    return Finding(
        "constant columns",
        NOTE,
        f"{count} of {size} dimensions never change: they add nats to the likelihood and nothing "
        "to the code.",
        (Figure("constant dimensions", float(count), "dimensions", "exact"),),
        "they hold no information. Leave them out to compare likelihoods.",
    )


def overfitting(v: Vitals) -> Finding | None:
    """Held-out examples are worse than training ones, by more than chance."""
    if v.trained is None or v.held.elbo.value is None or v.trained.elbo.value is None:
        return None
    gap = v.trained.elbo.value - v.held.elbo.value
    error = ((v.held.elbo.error or 0.0) ** 2 + (v.trained.elbo.error or 0.0) ** 2) ** 0.5
    gain = max(v.gain.value or 0.0, 1.0)
    if gap < SURE * error or gap < GENERAL * gain:
        return None
    difference = Figure("ELBO of training less held-out", gap, "nats", "estimate", error)
    of_encoder = amortisation_gap(v.space.model, v.x, v.trained_x)
    if of_encoder is not None and (of_encoder.value or 0.0) > gap / 2:
        return Finding(
            "overfitting encoder",
            WARNING,
            "Codes of held-out examples are worse than they could be: most of what is lost on them "
            "comes back when their codes are improved one by one.",
            (difference, of_encoder),
            "the encoder learned its examples by heart.",
            known(v, [*_restraints(v), Remedy("encoder_steps", 0, "fewer steps of the encoder")]),
        )
    return Finding(
        "overfitting",
        WARNING,
        f"Held-out examples are {gap:.3g} nats worse than those it was trained on.",
        (difference, v.gain, *((of_encoder,) if of_encoder else ())),
        "the decoder learned its examples by heart.",
        known(v, [*_restraints(v), Remedy("latent", max(v.latent // 2, 1), "less to hold by")]),
    )


def hardly_trained(v: Vitals) -> Finding | None:
    """So few steps were made that nothing can be said of the model yet."""
    if v.steps is None or v.steps >= HARDLY:
        return None
    steps = Figure("steps of training", float(v.steps), "steps", "exact")
    return Finding(
        "hardly trained",
        NOTE,
        f"Only {v.steps} steps were made: what is found here may be gone after more.",
        (steps,),
        "held-out data got no better for a while." if v.ended_early else "the run was short.",
        known(v, [longer(v)]),
    )


def underfitting(v: Vitals) -> Finding | None:
    """Less of the data comes back than from as many principal components."""
    explained, linear = v.fidelity.explained.value, v.fidelity.linear.value
    if explained is None or linear is None or explained >= linear - MISSING:
        return None
    if v.share_alive < 0.5 or v.beta > 1.5:
        return None
    few = v.steps is not None and v.steps < 5 * HARDLY
    network = "conv:64" if len(v.x.shape) == 4 else "mlp:512,512"
    larger = Remedy("network", network, "a larger decoder")
    return Finding(
        "underfitting decoder",
        WARNING,
        f"Less comes back than from a linear code of {v.latent} units, although the code is used.",
        (v.fidelity.explained, v.fidelity.linear),
        "too few steps were made." if few else "the networks are too small, or not trained enough.",
        known(v, [longer(v), larger] if few else [larger, longer(v)]),
    )


def _restraints(v: Vitals) -> list[Remedy]:
    stops = bool(v.training.get("patience", 10))
    early = [] if stops else [Remedy("patience", 10, "stops when held-out data get worse")]
    width = "mlp:64" if len(v.x.shape) != 4 else "conv:16"
    return [*early, Remedy("decoder_dropout", 0.2, "less by heart"), Remedy("network", width, "")]


def _names(v: Vitals) -> list[str]:
    modality = v.space.modality
    if isinstance(modality, Table):
        return [quote(str(column.name)) for column in modality.modelled]
    return [str(place) for place in range(modality.shape[0])]


def _stated(pairs: list[tuple[int, int, Figure]], groups: list[list[int]]) -> int:
    return len({b for _, b, _ in pairs} | {column for group in groups for column in group[1:]})
