import math

import pytest
import torch
from torch import nn

from zscape.model.bound import distortion, sum_rates
from zscape.model.level import Flat
from zscape.model.model import Decoder, Model
from zscape.objective.rate import Rate
from zscape.objective.schedules import linear
from zscape.objective.steering import Controller, Geco, Steered, TargetRate, tell_beta
from zscape.probability.likelihoods import Gaussian as GaussianLikelihood
from zscape.probability.posteriors import Gaussian
from zscape.probability.priors import Standard


class Fixed(Controller):
    def __init__(self, beta):
        self.beta = torch.tensor(beta)
        self.heard = []

    def begin(self):
        pass

    def follow(self, distortion, rate):
        assert not distortion.requires_grad and not rate.requires_grad
        return self.beta

    def hear(self, measured):
        self.heard.append(measured)


def small(scale=1.0):
    torch.manual_seed(0)
    level = Flat("z", prior=Standard(2), posterior=Gaussian(8, 2))
    encoder = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
    return Model(encoder, [level], Decoder(nn.Linear(2, 4), GaussianLikelihood((4,), scale)))


@pytest.mark.parametrize("beta", [0.25, 1.0, 8.0])
def test_the_controllers_beta_multiplies_the_rate(beta):
    trace = small()(torch.randn(64, 4))
    loss = Steered(Fixed(beta), rate=Rate())(trace, 0)
    expected = distortion(trace).mean() + beta * sum_rates(trace).mean()
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert loss.parts["beta"].item() == beta
    assert loss.parts["rate"].item() == pytest.approx(sum_rates(trace).mean().item(), rel=1e-6)


def test_a_warm_up_multiplies_on_top():
    trace = small()(torch.randn(64, 4))
    objective = Steered(Fixed(4.0), rate=Rate(linear(0.0, 1.0, steps=10)))
    assert objective(trace, 0).total.item() == pytest.approx(distortion(trace).mean().item())
    half = distortion(trace).mean() + 2 * sum_rates(trace).mean()
    assert objective(trace, 5).total.item() == pytest.approx(half.item(), rel=1e-6)


def test_the_controller_listens():
    controller = Fixed(1.0)
    (listen,) = Steered(controller, rate=Rate()).listeners
    listen({"validation_elbo": 3.0})
    assert controller.heard == [{"validation_elbo": 3.0}]


def epoch(geco, spent, elbo, *, rate=10.0, steps=200):
    for _ in range(steps):
        beta = geco.follow(torch.tensor(spent), torch.tensor(rate))
    geco.hear({"validation_elbo": elbo})
    return beta.item()


def test_beta_rests_at_one_while_the_held_out_elbo_climbs_or_only_flickers():
    geco = Geco()
    elbos = [-100, -90, -91, -90.5, -80, -81]
    assert [epoch(geco, 70.0 - n, elbo) for n, elbo in enumerate(elbos)] == [1.0] * 6


def test_beta_grows_when_training_memorises_and_returns_when_that_ends():
    geco = Geco()
    epoch(geco, 70.0, -90.0)
    betas = [epoch(geco, 65.0, -95.0) for _ in range(5)]
    assert betas[:3] == [1.0, 1.0, 1.0]  # three epochs in a row are a stall
    # (tolerance - D) / R = 5 / 10 in the logarithm, each epoch
    assert betas[3] == pytest.approx(math.exp(0.5), rel=1e-3)
    assert betas[4] == pytest.approx(math.exp(1.0), rel=1e-3)
    epoch(geco, 65.0, -80.0)
    assert epoch(geco, 64.0, -79.0) < math.exp(1.5)


def test_beta_falls_when_a_stall_is_no_memorising():
    geco = Geco()
    epoch(geco, 70.0, -90.0)
    betas = [epoch(geco, 70.0, -90.5) for _ in range(5)]
    assert betas[4] == pytest.approx(math.exp(-0.2), rel=1e-3)  # a tenth of the rate an epoch


def test_without_a_validation_beta_stays_one():
    geco = Geco()
    for spent in (90.0, 50.0, 10.0):
        assert geco.follow(torch.tensor(spent), torch.tensor(3.0)).item() == 1.0


def train(objective, model, x, *, steps, lr=0.02):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for step in range(steps):
        loss = objective(model(x), step)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    return loss.parts


@pytest.mark.parametrize("target", [0.5, 2.0, 6.0])
def test_the_rate_reaches_its_target(target):
    model = small(0.1)
    x = torch.randn(256, 2) @ torch.randn(2, 4)
    parts = train(Steered(TargetRate(target), rate=Rate()), model, x, steps=600)
    assert parts["rate"].item() == pytest.approx(target, rel=0.1)


def test_a_target_needs_another_beta_for_another_scale():
    x = torch.randn(256, 2) @ torch.randn(2, 4)
    betas = [
        train(Steered(TargetRate(2.0), rate=Rate()), small(s), x, steps=600)["beta"].item()
        for s in (0.1, 0.3)
    ]
    assert betas[0] / betas[1] == pytest.approx(9, rel=0.3)  # beta of scale s is beta / s^2


def test_the_choice_is_told():
    def heard(beta, elbo):
        return {"beta": beta, "validation_elbo": elbo, "validation_rate": 12.0}

    assert tell_beta([{"rate": 1.0}]) == ""
    rested = tell_beta([{"beta": 1.0}, heard(1.0, -90.0), heard(1.0, -89.0)])
    assert "beta = 1:" in rested and "-89 nats (rate 12), after epoch 2 of 2" in rested
    assert "rested" in rested
    raised = tell_beta([heard(1.0, -90.0), heard(1.5, -88.0), heard(3.0, -95.0)])
    assert "beta = 1.5:" in raised and "raised to 3" in raised
    assert "lowered to 0.5" in tell_beta([heard(1.0, -90.0), heard(0.5, -95.0)])
