"""The doctor: each rule on vitals that ask for it and on those that do not, and real spaces."""

import json
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import torch
from tests.contracts.space import array_space, digits, digits_space, table_space

from zscape.measures.collapse import code_usage
from zscape.measures.doctor import book_rules, code_rules, diagnose, fit_rules
from zscape.measures.doctor.amortisation import amortisation_gap
from zscape.measures.doctor.columns import copies, one_hot_groups
from zscape.measures.doctor.findings import NOTE, SERIOUS, WARNING, Remedy, agreeing
from zscape.measures.doctor.vitals import Bound, ended_early, measure
from zscape.measures.figure import Figure
from zscape.modalities.logs import Logs
from zscape.recipes import RECIPES
from zscape.space.space import Space, encode_stored
from zscape.space.units import active_units, unit_rates
from zscape.study.data import look
from zscape.study.spec import options, settle
from zscape.study.training.batches import Batches
from zscape.study.training.beginning import begin
from zscape.study.training.fitting import fit


def fig(value, error=0.1):
    return Figure("a figure", value, "nats", "estimate", error)


def asked(recipe="vae", **changed):
    training = {name: option.default for name, option in options(begin).items()}
    return {
        "recipe": recipe,
        "options": settle(RECIPES[recipe], changed),
        "training": training,
    }


@cache
def space_of(beta=1.0, epochs=25):
    """Digits with some of them held out."""
    data = digits()
    torch.manual_seed(0)
    model, objective = RECIPES["vae"](
        data.modality, latent=4, beta=beta, network="mlp:64", likelihood="bernoulli"
    )
    held = torch.arange(len(data.x)) % 5 == 0
    batches = Batches(data.x[~held], size=32, prepare=data.modality.prepare)
    for _ in fit(model, objective, batches, epochs=epochs, ema=0.0, learning_rate=3e-3):
        pass
    return Space(
        model=model.eval(),
        modality=data.modality,
        codes=encode_stored(model, data.modality, data.x),
        items=data.x,
        kept=torch.arange(len(data.x)),
        labels=data.labels,
        label_names=data.label_names,
        held_out=held,
    )


@cache
def sound():
    """Vitals of a space with nothing wrong."""
    return measure(space_of(), asked=asked(latent=4))


def vitals(**changed):
    return replace(sound(), **changed)


def fidelity(**changed):
    return replace(sound().fidelity, **{name: fig(value) for name, value in changed.items()})


def test_a_sound_space_is_healthy():
    found = diagnose(space_of(), asked=asked(latent=4))
    assert found.healthy, str(found)
    assert str(found).startswith("Healthy")
    measured = {figure.name: figure for figure in found.figures}
    assert measured["ELBO"].value < 0
    assert any("two-sample" in name for name in measured)


def test_a_beta_that_is_too_high_is_a_collapse_with_its_cause():
    found = diagnose(space_of(beta=1000.0), asked=asked(latent=4, beta=1000.0))
    (first, *_) = found.findings
    assert (first.name, first.severity) == ("posterior collapse", SERIOUS)
    assert "beta is 1000" in first.cause
    assert first.remedies[0].flag == "--beta 1"
    assert not found.healthy
    assert "--beta 1" in str(found) and "Likely cause" in str(found)


def test_a_diagnosis_is_plain_values_and_repeats():
    space = space_of(beta=1000.0)
    before = torch.get_rng_state()
    found = diagnose(space, asked=asked(latent=4, beta=1000.0))
    assert torch.equal(torch.get_rng_state(), before)
    record = json.loads(json.dumps(found.to_json()))
    assert record["healthy"] is False
    assert record["findings"][0]["remedies"][0] == {
        "option": "beta",
        "value": 1.0,
        "why": "a nat of the code costs a nat",
    }
    again = diagnose(space_of(beta=1000.0), asked=asked(latent=4, beta=1000.0))
    assert again.to_json() == found.to_json()


@pytest.mark.parametrize(
    "space", [table_space, array_space, digits_space], ids=["rows", "array", "digits"]
)
def test_any_space_can_be_diagnosed(space):
    found = diagnose(space())
    assert found.figures
    json.dumps(found.to_json())


@pytest.mark.parametrize("recipe", ["ae", "flow_vae", "vamp_vae", "wae"])
def test_recipes_without_a_rate_per_unit_are_diagnosed(recipe):
    found = diagnose(digits_space(recipe))
    assert (found.named("no rate") is not None) == (recipe in ("ae", "wae"))


def test_few_living_units_are_a_collapse_only_if_something_is_missing():
    means = sound().means.clone()
    means[:, 1:] = 0.0
    one = vitals(means=means, fidelity=fidelity(explained=0.2, linear=0.6))
    found = code_rules.partial_collapse(one)
    assert found.severity == WARNING and "1 of 4" in found.what
    enough = vitals(means=means, fidelity=fidelity(explained=0.6, linear=0.6))
    assert code_rules.partial_collapse(enough) is None
    note = code_rules.dead_units(enough)
    assert note.severity == NOTE
    assert note.remedies[0].flag == "--latent 1"
    assert code_rules.dead_units(sound()) is None


def test_a_rate_of_nothing_is_a_collapse_whatever_the_means():
    silent = vitals(held=Bound(sound().held.elbo, fig(0.01), sound().held.distortion))
    assert code_rules.collapse(silent).severity == SERIOUS
    few = replace(silent, means=silent.means * torch.tensor([1.0, 0, 0, 0]))
    few = replace(few, fidelity=fidelity(explained=0.0, linear=0.6))
    assert code_rules.collapse(few) is not None and code_rules.partial_collapse(few) is None
    assert code_rules.collapse(sound()) is None


def test_causes_and_remedies_of_a_collapse():
    def first(**changed):
        dead = vitals(means=torch.zeros(50, 4), **changed)
        found = code_rules.collapse(dead)
        return found.cause, [remedy.option for remedy in found.remedies]

    cause, remedies = first(options={"capacity": 0.0})
    assert "capacity" in cause and remedies[0] == "capacity"
    wide = replace(fidelity(explained=0.0, linear=0.5), dispersion=fig(0.05))
    cause, remedies = first(options={"likelihood": "gaussian"}, fidelity=wide)
    assert "width" in cause and remedies[0] == "likelihood"
    cause, remedies = first(log=({"step": 40, "parts": {}},), training={"epochs": 2}, options={})
    assert "40 steps" in cause and remedies[0] == "epochs"
    cause, remedies = first(options={"network": "mlp:64,64,64,64,64,64,64"})
    assert "deep" in cause and remedies[0] == "network"
    nothing = replace(sound().fidelity, explained=Figure("e", None, "", "undefined"))
    cause, remedies = first(fidelity=nothing)
    assert "parts before it" in cause and remedies[0] == "free_bits"
    assert "decoder learned" in first()[0]
    filling, _ = RECIPES["fill_vae"](sound().space.modality, latent=4, network="mlp:8")
    cause, _ = first(fidelity=nothing, space=replace(sound().space, model=filling))
    assert "fills holes" in cause  # and not that it sees other parts, as it should


def test_a_ladder_is_not_told_how_many_units_all_its_levels_have():
    options = settle(RECIPES["ladder_vae"], {})
    ladder = vitals(recipe="ladder_vae", options=options)
    assert code_rules.known(ladder, [code_rules.Remedy("latent", 55, "as many as are used")]) == ()
    assert code_rules.known(ladder, [code_rules.Remedy("beta", 1.0, "the ELBO itself")])


def test_columns_that_share_nothing_are_no_collapse():
    x = np.random.default_rng(0).normal(size=(300, 12))
    data = look(x)
    model, _ = RECIPES["vae"](data.modality, latent=3, network="mlp:16")
    with torch.no_grad():  # a posterior that is the prior
        model.levels[0].posterior.linear.weight.zero_()
        model.levels[0].posterior.linear.bias.zero_()
    space = Space(
        model=model.eval(),
        modality=data.modality,
        codes=encode_stored(model, data.modality, data.x),
        items=data.x,
        kept=torch.arange(300),
        held_out=torch.arange(300) < 100,
    )
    found = diagnose(space, asked=asked(latent=3))
    assert found.named("nothing to encode") is not None
    assert found.named("posterior collapse") is None


def test_remedies_are_options_that_the_recipe_has():
    dead = vitals(means=torch.zeros(50, 4), options=settle(RECIPES["iwae"], {}))
    found = code_rules.collapse(dead)
    assert [remedy.option for remedy in found.remedies] == ["recipe"]
    for remedy in code_rules.collapse(vitals(means=torch.zeros(50, 4))).remedies:
        assert remedy.option in options(RECIPES["vae"])


def test_beta_is_judged_by_what_it_does():
    lossy = fidelity(explained=0.3, linear=0.6)
    assert code_rules.high_beta(vitals(options={"beta": 8.0}, fidelity=lossy)) is not None
    assert code_rules.high_beta(vitals(options={"beta": 8.0})) is None
    assert code_rules.high_beta(vitals(options={"beta": 1.0}, fidelity=lossy)) is None
    loose = vitals(options={"beta": 0.01}, told=fig(0.97))
    assert code_rules.low_beta(loose).remedies[0].flag == "--beta 1"
    assert code_rules.low_beta(vitals(options={"beta": 0.01})) is None
    steered = vitals(options={"beta": "auto"}, log=({"step": 1, "parts": {"beta": 0.01}},))
    assert steered.beta == 0.01


def test_duplicates_and_full_units():
    means = sound().means.clone()
    means[:, 1] = -means[:, 0]
    found = code_rules.duplicates(vitals(means=means))
    assert "0 and 1" in found.what
    assert code_rules.duplicates(sound()) is None
    full = vitals(rates=torch.full((4,), 3.0), fidelity=fidelity(linear=0.3, twice=0.6))
    assert code_rules.few_latents(full).remedies[0].flag == "--latent 8"
    assert code_rules.few_latents(sound()) is None


def test_the_prior_gap():
    assert fit_rules.prior_gap(sound()) is None
    found = fit_rules.prior_gap(vitals(told=fig(0.97)))
    assert found.remedies[0].option == "recipe"
    vamp = fit_rules.prior_gap(vitals(told=fig(0.97), recipe="vamp_vae"))
    assert "vamp_vae" not in [remedy.value for remedy in vamp.remedies]


def test_likelihoods_that_do_not_fit():
    def dispersed(word, value):
        changed = replace(sound().fidelity, dispersion=fig(value, error=0.01))
        return fit_rules.likelihood(vitals(options={"likelihood": word}, fidelity=changed))

    assert dispersed("poisson", 3.0).remedies[0].value == "negative_binomial"
    assert dispersed("poisson", 1.1) is None
    assert "wide" in dispersed("gaussian", 0.1).what
    assert "narrow" in dispersed("gaussian", 5.0).what
    assert dispersed("gaussian", 1.0) is None
    assert dispersed("auto", 9.0) is None
    grey = vitals(options={"likelihood": "bernoulli"}, x=torch.full((9, 1, 8, 8), 0.5))
    assert fit_rules.grey_as_coins(grey).remedies[0].value == "discretized_logistic"
    assert fit_rules.grey_as_coins(sound()) is None
    tight = replace(sound().fidelity, tight=fig(0.4))
    assert fit_rules.vanishing_variance(vitals(fidelity=tight)) is not None
    assert fit_rules.vanishing_variance(sound()) is None


def test_dispersion_of_counts_that_come_in_bursts():
    draw = np.random.default_rng(0)
    counts = draw.negative_binomial(1, 0.1, size=(300, 6))
    data = look(counts)
    model, objective = RECIPES["vae"](
        data.modality, latent=2, likelihood="poisson", network="mlp:16", beta=50.0
    )
    batches = Batches(data.x, size=50, prepare=data.modality.prepare)
    for _ in fit(model, objective, batches, epochs=40, ema=0.0, learning_rate=1e-2):
        pass
    space = Space(
        model=model.eval(),
        modality=data.modality,
        codes=encode_stored(model, data.modality, data.x),
        items=data.x,
        kept=torch.arange(300),
    )
    found = diagnose(space, asked=asked(likelihood="poisson", beta=50.0))
    assert found.named("over-dispersed counts") is not None, str(found)


def test_overfitting_and_underfitting():
    held, far = sound().held, fig(sound().held.elbo.value + 40.0)
    gap = vitals(trained=Bound(far, held.rate, held.distortion), gain=fig(100.0))
    assert fit_rules.overfitting(gap).name.startswith("overfitting")
    small = vitals(trained=Bound(far, held.rate, held.distortion), gain=fig(1000.0))
    assert fit_rules.overfitting(small) is None
    assert fit_rules.overfitting(sound()) is None
    weak = vitals(fidelity=fidelity(explained=0.3, linear=0.7))
    assert fit_rules.underfitting(weak).remedies[0].option == "network"
    hasty = replace(weak, log=({"step": 300, "parts": {}},))
    assert fit_rules.underfitting(hasty).remedies[0].option == "epochs"
    assert fit_rules.underfitting(sound()) is None


def test_an_encoder_that_forgot_unseen_examples_is_told_from_the_decoder():
    space = space_of()
    x = space.modality.prepare(space.items)
    held, trained = x[space.held_out], x[~space.held_out]
    same = amortisation_gap(space.model, trained[:60], trained[60:120])
    assert abs(same.value) < 4 * same.error
    # What the encoder sees of strange examples is noise, so their codes are far from the best.
    strange = amortisation_gap(space.model, 1 - held, trained)
    assert strange.value > 4 * strange.error
    assert all(parameter.grad is None for parameter in space.model.parameters())


def test_columns_that_state_each_other():
    draw = torch.Generator().manual_seed(0)
    kind = torch.randint(0, 4, (200,), generator=draw)
    noise = torch.randn(200, 2, generator=draw)
    x = torch.cat([torch.eye(4)[kind], noise, 2 * noise[:, :1] + 1], dim=1)
    assert one_hot_groups(x) == [[0, 1, 2, 3]]
    ((left, right, figure),) = copies(x)
    assert (left, right) == (4, 6) and figure.value == pytest.approx(1)
    assert one_hot_groups(noise) == [] and copies(noise) == []
    x[0, 5] = torch.nan
    assert one_hot_groups(x) == [[0, 1, 2, 3]]


def test_leaking_and_constant_columns_of_a_space():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(120, 5))
    x[:, 4] = 3 * x[:, 0]
    x = np.concatenate([x, np.ones((120, 1))], axis=1)
    data = look(x)
    model, _ = RECIPES["vae"](data.modality, latent=2, network="mlp:8")
    space = Space(
        model=model.eval(),
        modality=data.modality,
        codes=encode_stored(model, data.modality, data.x),
        items=data.x,
        kept=torch.arange(120),
    )
    found = diagnose(space, asked=asked())
    assert "columns 0 and 4 are copies" in found.named("leaking columns").what
    assert "1 of 6" in found.named("constant columns").what


def test_copies_in_a_table_are_named_and_a_log_has_none():
    draw = np.random.default_rng(0)
    size = draw.normal(size=80)
    rows = pandas.DataFrame({"size": size, "width": 2 * size, "place": draw.choice(list("ab"), 80)})
    lines = [[event for e in draw.permutation(3) for event in (f"open {e}", f"close {e}")]] * 80
    table, log = look(rows), look(lines)
    assert isinstance(log.modality, Logs)
    told = []
    for data in (table, log):
        space = SimpleNamespace(modality=data.modality)
        x = data.modality.prepare(data.x).float()
        told.append(fit_rules.leaking_columns(vitals(space=space, x=x, trained_x=x[:0])))
    assert told[1] is None
    assert told[0].severity == WARNING
    assert "columns 'size' and 'width' are copies" in told[0].what


def test_no_finding_asks_for_another_value_than_a_worse_one():
    few = vitals(
        log=({"step": 14, "parts": {}},),
        training={"epochs": 1},
        fidelity=fidelity(explained=0.2, linear=0.6),
        held=sound().held,
    )
    found = [rule(few) for rule in (fit_rules.underfitting, fit_rules.hardly_trained)]
    assert [finding.remedies[0].flag for finding in found] == ["--epochs 143"] * 2

    def finding(*remedies):
        return replace(found[0], remedies=tuple(Remedy(*one, "why") for one in remedies))

    first = finding(("latent", 4), ("recipe", "dip_vae"))
    second = finding(("latent", 8), ("beta", 1.0), ("recipe", "vamp_vae"))
    told = agreeing([first, second, finding(("beta", 1.0), ("latent", 4))])
    assert [[remedy.value for remedy in one.remedies] for one in told] == [
        [4, "dip_vae"],
        [1.0, "vamp_vae"],
        [1.0, 4],
    ]


def test_a_codebook_of_which_few_codes_are_used():
    few = code_usage(torch.arange(12).repeat(600), 512)
    found = book_rules.unused_codes(
        vitals(books=(few,), **{n: asked("vq_vae", revive=False)[n] for n in ("recipe", "options")})
    )
    assert found.name == "codebook collapse" and found.severity == "serious"
    assert "12 of 512 codes are used, over 7,200" in found.what
    assert [figure.value for figure in found.evidence] == pytest.approx([12, 12 / 512, 500])
    flags = [remedy.flag for remedy in found.remedies]
    assert flags == ["--revive", "--codes 16", "--recipe fsq_vae"]
    all_used = code_usage(torch.arange(512).repeat(20), 512)
    too_few_to_say = code_usage(torch.arange(12).repeat(10), 512)
    for books in ((), (all_used,), (too_few_to_say,)):
        assert book_rules.unused_codes(vitals(books=books)) is None
    assert book_rules.unused_codes(vitals(books=(all_used, few))).severity == "serious"


def test_places_of_a_grid_may_agree_and_its_prior_is_fitted_afterwards():
    space = digits_space("vq_vae", latent=3)
    found = diagnose(space)
    assert not {f.name for f in found.findings} & {"duplicate units", "more units than are used"}
    gap = fit_rules.prior_gap(vitals(told=fig(0.99), books=(code_usage(torch.arange(8), 8),)))
    assert "refit-prior STUDY --prior tokens" in gap.cause and gap.remedies == ()


@pytest.mark.parametrize(
    ("losses", "asked", "early"),
    [
        ([3.0, 2.0, 2.5, 2.1], {"epochs": 9, "patience": 2}, True),
        ([3.0, 2.0, 2.5], {"epochs": 9, "patience": 2}, False),  # stopped by hand
        ([3.0, 2.0, 2.5, 2.1], {"epochs": 4, "patience": 2}, False),
        ([3.0, 2.0, 2.5, 2.1], {"epochs": 9, "patience": 0}, False),
        ([], {"epochs": 9, "patience": 2}, False),
    ],
)
def test_a_training_ended_early_where_patience_ran_out_before_its_epochs(losses, asked, early):
    log = [{"epoch": n + 1, "parts": {"validation_loss": loss}} for n, loss in enumerate(losses)]
    assert ended_early(log, asked) is early


@pytest.mark.parametrize("beta", [1.0, 12.0])
def test_the_units_that_the_doctor_counts_are_those_that_a_space_names(beta):
    space = space_of(beta)
    assert int(active_units(space, unit_rates(space)).sum()) == measure(space).active.value
