"""Sums over classes that are not known: equal to walks one by one, exact where a class is told."""

import pytest
import torch
from tests.contracts.recipe import DATA, KNOWN

from zscape.model.bound import distortion, elbo, rate
from zscape.objective.labels import Enumerated, Labels, below
from zscape.recipes import m2_vae

CLASSES = 3
TOLD = torch.tensor([[0.0], [1.0], [2.0], [torch.nan], [torch.nan], [1.0]])
UNKNOWN = torch.full((6, 1), torch.nan)


@pytest.fixture
def walk():
    torch.manual_seed(0)
    data, draw = DATA["bits"]
    model, objective = m2_vae(data, KNOWN, latent=3, network="mlp:16", label_weight=0.0)
    return model, objective, draw(), torch.randn(6, 3)


def one_hot(k):
    return torch.eye(CLASSES)[torch.as_tensor(k).expand(6)]


def test_enumerated_is_the_sum_over_classes_walked_one_by_one(walk):
    model, objective, x, z = walk
    assert objective.draws == CLASSES
    loss = objective(model(x, UNKNOWN, draws=CLASSES, given={"z": z}), 0)
    probabilities = model(x, UNKNOWN)["y"].q.mean
    total = torch.zeros(6)
    for k in range(CLASSES):
        one = model(x, UNKNOWN, given={"y": one_hot(k), "z": z})
        spent = distortion(one)[0] + rate(one["z"])[0]
        weight = probabilities[:, k]
        total += weight * (spent + weight.log() - torch.tensor(1 / CLASSES).log())
    assert loss.total.item() == pytest.approx(total.mean().item(), rel=1e-5)
    assert set(loss.parts) == {"distortion", "rate", "rate_y", "label"}
    parts = sum(loss.parts[name].item() for name in ("distortion", "rate", "rate_y"))
    assert parts == pytest.approx(loss.total.item(), rel=1e-5)


def test_a_label_makes_it_the_bound_of_that_class_alone(walk):
    model, objective, x, z = walk
    ids = torch.tensor([0, 1, 2, 2, 0, 1])
    loss = objective(model(x, ids[:, None].float(), draws=CLASSES, given={"z": z}), 0)
    one = model(x, None, given={"y": one_hot(ids), "z": z})
    log_prior = torch.tensor(1 / CLASSES).log()
    assert loss.total.item() == pytest.approx((log_prior - elbo(one).mean()).item(), rel=1e-5)


def test_without_labels_the_classifier_learns_through_the_bound_and_with_them_through_labels(walk):
    model, objective, x, _ = walk
    classifier = model.levels[0].posterior.linear.weight
    unlabelled = model(x, UNKNOWN, draws=CLASSES)
    told = model(x, torch.ones(6, 1), draws=CLASSES)

    def gradient(cost):
        return torch.autograd.grad(cost, classifier, retain_graph=True, materialize_grads=True)[0]

    assert gradient(objective(unlabelled, 0).total).abs().sum() > 0
    assert gradient(objective(told, 0).total).abs().sum() == 0  # the label needs no guess
    term = Labels("y", 2.0)
    assert term(unlabelled, 0).value.item() == 0
    assert gradient(term(unlabelled, 0).cost).abs().sum() == 0
    assert gradient(term(told, 0).cost).abs().sum() > 0


def test_the_label_term_is_the_mean_cross_entropy_of_labelled_examples(walk):
    model, _, x, _ = walk
    part = Labels("y", 2.0)(model(x, TOLD, draws=CLASSES), 0)
    guess = model(x, UNKNOWN)["y"].q.mean.log()
    wanted = -torch.stack([guess[n, int(TOLD[n, 0])] for n in (0, 1, 2, 5)]).mean()
    assert part.value.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert part.cost.item() == pytest.approx(2 * wanted.item(), rel=1e-5)


def test_beta_weighs_the_rate_of_the_style_alone(walk):
    model, _, x, _ = walk
    trace = model(x, TOLD, draws=CLASSES)
    once, twice = (Enumerated("y", below("y"), beta=b, classes=CLASSES)(trace, 0) for b in (1, 2))
    grown = (twice.total - once.total).item()
    assert grown == pytest.approx(once.parts["rate"].item(), rel=1e-4)
    assert twice.parts == once.parts  # which are told in nats, whatever these cost


def test_outside_training_classes_are_drawn_and_bounded_like_any_code(walk):
    model, _, x, _ = walk
    model.eval()
    trace = model(x, UNKNOWN, draws=2000)
    exact = -objective_of(model, x)
    assert elbo(trace).mean().item() == pytest.approx(exact, abs=0.1)


def objective_of(model, x):
    model.train()
    losses = [
        Enumerated("y", below("y"), classes=CLASSES)(model(x, UNKNOWN, draws=CLASSES), 0).total
        for _ in range(300)
    ]
    return torch.stack(losses).mean().item()
